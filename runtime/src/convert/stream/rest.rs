//! What a struct gets beside what its own members become: values of groups, values that are filled in, and what an
//! annotation kept; and what of them the way back would not bring.

use super::super::node::{Member, Node, quote};
use super::super::ops::{Struct, Turn};
use super::super::plan::{Act, FillBy, StructPlan};
use super::super::recall::Within;
use super::super::walk::{Walk, said};
use super::{NOWHERE, Pass, Seen};

impl<'a> Pass<'a, '_> {
    /// The unit that is to be restored in place of the value that comes next.
    pub(super) fn whole_unit(&self) -> Option<usize> {
        self.recall?.whole(self.within?, self.path.len())
    }

    /// A value that stands for the one that comes next, where the way back makes that of it.
    pub(super) fn restore_nested(&mut self, plan: &'a Struct, at: usize, unit: usize) -> Option<()> {
        let Act::Nested(to, there) = &plan.there.fields[at].act else {
            return None;
        };
        let Act::Nested(_, back) = &plan.back.as_deref()?.find(to, &mut 0)?.act else {
            return None;
        };
        // What moves out of it does not show here.
        (!self.moved.contains(to)).then_some(())?;
        let from = self.scan.at();
        let source = Node::Text(self.scan.value()?);
        let value = self.recall?.admitted(unit, self.within?.cell)??;
        let mut walk = Walk::default();
        walk.value(there, &source, &NOWHERE)?;
        let shown = walk.value(back, &Node::Text(value), &NOWHERE)?;
        (walk.failed.is_empty() && shown.same(&source)).then_some(())?;
        self.restored += 1;
        self.leave(from, self.scan.at());
        self.write(value);
        Some(())
    }

    /// What a unit sets, or nothing where it removes, of a field that the way back drops.
    pub(super) fn hidden(
        &self,
        plan: &Struct,
        within: Within<'a>,
        unit: usize,
        name: &str,
    ) -> Option<Option<&'a str>> {
        let back = plan.back.as_deref()?;
        let field = back.find(name, &mut 0)?;
        (field.from == name && matches!(field.act, Act::Drop)).then_some(())?;
        let own = self.recall?.named(within, self.path.len(), name)?;
        self.recall?.admitted(unit, own.cell)
    }

    /// Fields of the target that the source has not, and which nothing filled in.
    pub(super) fn restore(
        &mut self,
        plan: &'a Struct,
        within: Within<'a>,
        seen: &mut Seen<'a>,
    ) -> Option<()> {
        let recall = self.recall?;
        for unit in within.units() {
            let Some(name) = recall.ends(unit, self.path.len()) else {
                continue;
            };
            // What the source has under another name was restored there.
            let back = plan.back.as_deref()?;
            let field = back.find(name, &mut 0)?;
            if seen.filled.contains(&unit) || !matches!(field.act, Act::Drop) {
                continue;
            }
            // What makes the struct complete shows in what the way back fills in.
            (!field.required || back.fills.is_empty()).then_some(())?;
            if let Some(text) = self.hidden(plan, within, unit, name)? {
                self.made(plan, name, &Node::Text(text), seen);
            }
            self.restored += 1;
        }
        Some(())
    }

    /// A member that no source member stands for alone.
    pub(super) fn made(&mut self, plan: &Struct, name: &str, node: &Node<'_>, seen: &mut Seen<'a>) {
        if seen.some {
            self.write(",");
        }
        seen.some = true;
        quote(name, self.out);
        self.write(":");
        node.write(self.out);
        if let Some(back) = &plan.back
            && let Some(at) = back.index(name, &mut 0)
        {
            seen.required_back += usize::from(back.fields[at].required);
        }
    }

    pub(super) fn groups(&mut self, plan: &'a Struct, seen: &mut Seen<'a>) -> Option<()> {
        for (number, group) in plan.there.groups.iter().enumerate() {
            let given: Vec<_> = seen
                .kept
                .iter()
                .filter(|(at, _)| matches!(plan.there.fields[*at].act, Act::Group(known) if known == number))
                .map(|(at, text)| Member::new(plan.there.fields[*at].from, Node::Text(text)))
                .collect();
            let (mut walk, mut results) = (Walk::default(), Vec::new());
            walk.group(group, &given, None, &mut results);
            if !walk.failed.is_empty() {
                return None;
            }
            for member in &results {
                self.made(plan, &member.name, &member.node, seen);
            }
            let Some(back) = plan.back.as_deref().map(|back| &back.groups[number]) else {
                continue;
            };
            if group.with.exact {
                continue;
            }
            let mut returned = Vec::new();
            Walk::default().group(back, &results, None, &mut returned);
            for (name, _) in &group.from {
                let before = given.iter().find(|member| member.name == *name);
                let after = returned.iter().find(|member| member.name == *name);
                match (before, after) {
                    (Some(before), Some(after)) if before.node.same(&after.node) => {}
                    (
                        Some(Member {
                            node: Node::Text(text),
                            ..
                        }),
                        _,
                    ) => {
                        self.lost_field(name, Some(text));
                    }
                    (None, Some(_)) => self.lost_field(name, None),
                    _ => {}
                }
            }
        }
        Some(())
    }

    /// What the target has alone, of a complete source.
    pub(super) fn fills(&mut self, plan: &'a Struct, source: &'a str, seen: &mut Seen<'a>) -> Option<()> {
        for fill in &plan.there.fills {
            let node = match &fill.make {
                FillBy::Value(text) => Node::Text(text),
                FillBy::Call(function) => match said(*function, source) {
                    Ok(Some(text)) => Node::Made(text.into()),
                    Ok(None) => continue,
                    Err(()) => return None,
                },
                FillBy::Failed(_) => return None,
            };
            if fill.flat {
                self.within.is_none().then_some(())?;
                for member in node.members()?.iter() {
                    self.made(plan, &member.name, &member.node, seen);
                }
                continue;
            }
            if fill.option && node.is_null() {
                continue;
            }
            let kept = self
                .within
                .and_then(|within| self.recall?.named(within, self.path.len(), fill.name));
            let Some(kept) = kept else {
                self.made(plan, fill.name, &node, seen);
                continue;
            };
            let unit = self.recall?.whole(kept, self.path.len() + 1)?;
            if let Some(text) = self.hidden(plan, self.within?, unit, fill.name)? {
                self.made(plan, fill.name, &Node::Text(text), seen);
            }
            seen.filled.push(unit);
            self.restored += 1;
        }
        Some(())
    }

    /// Compares what the way back makes anew of a complete target with what stood there.
    pub(super) fn returned(
        &mut self,
        plan: &'a Struct,
        back: &'a StructPlan,
        target: usize,
        seen: &Seen<'a>,
    ) -> Option<()> {
        let complete = seen.required_back >= back.required;
        for (at, field) in plan.fields.iter().enumerate() {
            let Turn::Drop(Some(fill)) = &field.turn else {
                continue;
            };
            let before = seen
                .kept
                .iter()
                .find(|(known, _)| *known == at)
                .map(|(_, text)| *text);
            let fill = &back.fills[*fill];
            let after = match &fill.make {
                _ if !complete => None,
                FillBy::Value(text) => Some(Node::Text(text)),
                FillBy::Call(function) => {
                    self.copy_to(self.scan.at());
                    match said(*function, self.out.get(target..).unwrap_or_default()) {
                        Ok(text) => text.map(|text| Node::Made(text.into())),
                        Err(()) => None,
                    }
                }
                FillBy::Failed(_) => return None,
            };
            let after = after.filter(|after| !(fill.option && after.is_null()));
            match (before, after) {
                (Some(before), Some(after)) if after.same(&Node::Text(before)) => {}
                (None, None) => {}
                // A function may have seen what was restored.
                _ if self.within.is_some() => return None,
                (before, _) => self.lost_field(plan.there.fields[at].from, before),
            }
        }
        Some(())
    }
}
