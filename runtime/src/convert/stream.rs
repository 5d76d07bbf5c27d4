//! From text to text in one pass: how almost every object converts.
//!
//! A [`Pass`] reads the source once. What stays as it is, is copied in as long pieces as there are; what the target has
//! in other words is written between them. What of the source the way back would not bring is noted from what stands in
//! the plans alone.
//!
//! **Invariant:** a pass that succeeds gives the bytes that the walk over a tree gives. Whatever is out of the ordinary
//! (a name twice or with escapes, a value that moves between structs, a fault, text that is not JSON) ends it without
//! a result, and the tree decides.

use super::node::{Member, Node, quote};
use super::ops::{Op, Struct, Turn};
use super::path::{At, Step};
use super::plan::{Act, FillBy, Plan, StructPlan};
use super::scan::Scan;
use super::units::{Key, Place, Units};
use super::walk::{Walk, said};

/// One pass over one text.
struct Pass<'a, 'o> {
    scan: Scan<'a>,
    out: &'o mut String,
    /// How far the source is copied, or left out.
    copied: usize,
    path: Vec<Place<'a>>,
    /// What the way back does not bring.
    units: Units<'a>,
    /// Keys of the items of the lists that are gone through.
    keys: Vec<Option<&'a str>>,
    /// The target's `apiVersion`.
    api_version: &'a str,
    /// The annotation that keeps what is lost: where it is there, the tree has work to do.
    annotation: &'a str,
    metadata: Option<Metadata>,
}

/// What a pass found beside its text.
pub(crate) struct Passed<'a> {
    /// What the way back does not bring.
    pub(crate) units: Units<'a>,
    pub(crate) metadata: Metadata,
}

/// Where in the target a first annotation of its name can stand.
#[derive(Clone, Copy)]
pub(crate) struct Metadata {
    /// At which byte; absent where the object is written in an unusual way.
    at: Option<usize>,
    /// What comes before it.
    before: &'static str,
    /// What comes behind it.
    after: &'static str,
}

impl Metadata {
    /// Writes an annotation; whether there is a place for it.
    pub(crate) fn annotate(&self, out: &mut String, name: &str, value: &str) -> Option<()> {
        let at = self.at?;
        let mut text = String::with_capacity(name.len() + value.len() + value.len() / 4 + 32);
        text.push_str(self.before);
        quote(name, &mut text);
        text.push(':');
        quote(value, &mut text);
        text.push_str(self.after);
        out.insert_str(at, &text);
        Some(())
    }
}

/// Converts a text, without space around it, into `out`; what `out` gets without a result is for the caller to take away.
pub(crate) fn pass<'a>(
    op: &'a Op,
    text: &'a str,
    (api_version, annotation): (&'a str, &'a str),
    out: &mut String,
) -> Option<Passed<'a>> {
    let Op::Struct(root) = op else { return None };
    let mut pass = Pass {
        scan: Scan::of(text),
        out,
        copied: 0,
        path: Vec::new(),
        units: Units::default(),
        keys: Vec::new(),
        api_version,
        annotation,
        metadata: None,
    };
    if pass.scan.byte()? != b'{' {
        return None;
    }
    pass.members(root, true, None)?;
    pass.scan.is_at_end().then_some(())?;
    pass.copy_to(text.len());
    pass.units.sort();
    Some(Passed {
        units: pass.units,
        metadata: pass.metadata?,
    })
}

/// A member whose name and colon were read.
#[derive(Clone, Copy)]
struct Begun<'a> {
    /// Where the comma before it stands, or itself, where it is the first.
    edge: usize,
    at: usize,
    /// With quotes.
    name: &'a str,
    /// Where the value begins.
    value: usize,
}

/// What is known of an object while it is gone through.
#[derive(Default)]
struct Seen<'a> {
    /// Fields by their numbers.
    fields: u128,
    /// How many of them the source must have.
    required: usize,
    /// How many members of the target must be there for the way back.
    required_back: usize,
    /// Whether the target has a member.
    some: bool,
    /// Values that are looked at when all are known.
    kept: Vec<(usize, &'a str)>,
}

impl<'a> Pass<'a, '_> {
    /// Copies the source as far as here, without what was left out.
    fn copy_to(&mut self, to: usize) {
        self.out.push_str(self.scan.between(self.copied, to));
        self.copied = to;
    }

    /// Leaves a part of the source out.
    fn leave(&mut self, from: usize, to: usize) {
        if from < to {
            self.copy_to(from);
            self.copied = to;
        }
    }

    /// Writes something that is not in the source, in place of what of it was left out to here.
    fn write(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Where in the target a place of the source will be, from which on all is copied.
    fn target(&self, at: usize) -> usize {
        self.out.len() + at - self.copied
    }

    /// To the next member's name or the next item, and where the comma before it stands; to the end, if there is none.
    fn next(&mut self, end: u8, first: bool) -> Option<Option<usize>> {
        let mut edge = self.scan.at();
        let mut byte = self.scan.byte()?;
        if byte <= b' ' {
            byte = self.scan.peek()?;
            self.leave(edge, self.scan.at());
            edge = self.scan.at();
        }
        if byte == end {
            return Some(None);
        }
        if !first {
            if byte != b',' {
                return None;
            }
            self.scan.step();
            self.scan.peek()?;
        }
        Some(Some(edge))
    }

    /// As [`next`](Self::next), of something whose members or items are all in the target.
    fn next_kept(&mut self, end: u8, first: bool) -> Option<bool> {
        let Some(edge) = self.next(end, first)? else {
            return Some(false);
        };
        self.leave(edge + usize::from(!first), self.scan.at());
        Some(true)
    }

    fn value(&mut self, op: &'a Op) -> Option<()> {
        match (op, self.scan.byte()?) {
            (Op::Struct(plan), b'{') => self.members(plan, false, None),
            (Op::List { item, keys }, b'[') => self.list(item, keys),
            (Op::Map(value), b'{') => self.map(value),
            (Op::Tree { there, back }, _) => self.tree(there, back.as_ref()),
            _ => self.scan.value().map(drop),
        }
    }

    fn tree(&mut self, there: &'a Plan, back: Option<&'a Plan>) -> Option<()> {
        let from = self.scan.at();
        let text = self.scan.value()?;
        let (node, at) = (Node::Text(text), &NOWHERE);
        let mut walk = Walk::default();
        let result = walk.value(there, &node, at)?;
        if !walk.failed.is_empty() {
            return None;
        }
        if let Some(back) = back {
            let mut walk = Walk::default();
            let returned = walk.value(back, &result, at);
            if !returned.is_some_and(|returned| returned.same(&node)) {
                self.units.push(&self.path, Some(text));
            }
        }
        self.leave(from, self.scan.at());
        result.write(self.out);
        Some(())
    }

    fn list(&mut self, item: &'a Op, keys: &'a [Key]) -> Option<()> {
        let from = self.scan.at();
        self.scan.step();
        let (depth, before, base) = (self.path.len(), self.units.len(), self.keys.len());
        let mut index = 0;
        while self.next_kept(b']', index == 0)? {
            self.path.push(Place::Index(index));
            match item {
                Op::Struct(plan) if !keys.is_empty() => {
                    let slot = self.keys.len();
                    self.keys.resize(slot + keys.len(), None);
                    if self.scan.byte()? == b'{' {
                        self.members(plan, false, Some((keys, slot)))?;
                    } else {
                        self.value(item)?;
                    }
                }
                _ => self.value(item)?,
            }
            self.path.pop();
            index += 1;
        }
        self.scan.step();
        if self.units.len() > before {
            self.name_items(keys, (depth, before, base), self.scan.since(from));
        }
        self.keys.truncate(base);
        Some(())
    }

    /// Names items by their keys in the paths of what is lost in them; without keys the list is lost as a whole.
    fn name_items(&mut self, keys: &'a [Key], (depth, before, base): (usize, usize, usize), list: &'a str) {
        let known = &self.keys[base..];
        let complete = !keys.is_empty() && known.iter().all(|key| key.is_some_and(|key| key != "null"));
        if complete && are_unique(known, keys.len()) {
            self.units.name_items(before, depth, keys, known);
        } else {
            self.units.truncate(before);
            self.units.push(&self.path, Some(list));
        }
    }

    fn map(&mut self, value: &'a Op) -> Option<()> {
        self.scan.step();
        let before = self.units.len();
        let mut names = Vec::new();
        while self.next_kept(b'}', names.is_empty())? {
            let name = self.name()?;
            names.push(name.name);
            self.tighten(&name);
            self.path.push(Place::Name(bare(name.name)));
            self.value(value)?;
            self.path.pop();
        }
        self.scan.step();
        if self.units.len() > before {
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return None;
            }
        }
        Some(())
    }

    /// The name that comes next, and the colon.
    fn name(&mut self) -> Option<Begun<'a>> {
        let at = self.scan.at();
        let name = self.scan.name()?;
        self.scan.colon()?;
        Some(Begun {
            edge: at,
            at,
            name,
            value: self.scan.at(),
        })
    }

    /// Leaves out what space there is around a colon.
    fn tighten(&mut self, member: &Begun<'a>) {
        let end = member.at + member.name.len();
        if member.value > end + 1 {
            self.leave(end, member.value);
            self.write(":");
        }
    }

    /// Begins a member of the target that stands in the source.
    fn comma(&mut self, member: &Begun<'a>, seen: &mut Seen<'a>) {
        self.leave(member.edge + usize::from(seen.some), member.at);
        seen.some = true;
    }

    /// A member that keeps its name.
    fn keep(&mut self, member: &Begun<'a>, seen: &mut Seen<'a>) {
        self.comma(member, seen);
        self.tighten(member);
    }

    /// A member that gets another name.
    fn rename(&mut self, member: &Begun<'a>, to: &str, seen: &mut Seen<'a>) {
        self.comma(member, seen);
        self.leave(member.at, self.scan.at());
        self.write(to);
    }

    /// An object by its fields. The values of an item's keys are put where the second number says.
    fn members(&mut self, plan: &'a Struct, root: bool, keys: Option<(&'a [Key], usize)>) -> Option<()> {
        let from = self.scan.at();
        let target = self.target(from);
        self.scan.step();
        let mut seen = Seen::default();
        let (mut hint, mut first) = (0, true);
        while let Some(edge) = self.next(b'}', first)? {
            first = false;
            let at = self.scan.at();
            let (known, name) = match plan.expected(&mut self.scan, &mut hint) {
                Some(known) => {
                    let name = self.scan.between(at, self.scan.at() - 1);
                    self.scan.peek()?;
                    (Some(known), name)
                }
                None => {
                    let name = self.name()?.name;
                    (plan.there.index(bare(name), &mut hint), name)
                }
            };
            let value = self.scan.at();
            let member = Begun {
                edge,
                at,
                name,
                value,
            };
            match known {
                Some(known) => self.field(plan, known, &member, keys, &mut seen)?,
                None => self.unknown(plan, root, &member, &mut seen)?,
            }
        }
        let end = self.scan.at();
        self.scan.step();
        if !plan.there.groups.is_empty() {
            self.copy_to(end);
            self.groups(plan, &mut seen)?;
        }
        if !plan.there.fills.is_empty() && seen.required >= plan.there.required {
            self.copy_to(end);
            self.fills(plan, self.scan.since(from), &mut seen)?;
        }
        match plan.back.as_deref() {
            Some(back) if !back.fills.is_empty() => self.returned(plan, back, target, &seen),
            _ => Some(()),
        }
    }

    /// A member that the source does not declare.
    fn unknown(&mut self, plan: &Struct, root: bool, member: &Begun<'a>, seen: &mut Seen<'a>) -> Option<()> {
        let name = bare(member.name);
        if plan.there.declares(name) {
            self.scan.value()?;
            self.leave(member.edge, self.scan.at());
            return Some(());
        }
        self.keep(member, seen);
        match name {
            "apiVersion" if root => {
                self.scan.value()?;
                self.leave(member.value, self.scan.at());
                quote(self.api_version, self.out);
                Some(())
            }
            "metadata" if root => {
                // A second one is for the tree.
                self.metadata.is_none().then_some(())?;
                self.metadata = Some(self.metadata()?);
                Some(())
            }
            _ => self.scan.value().map(drop),
        }
    }

    /// Looks through metadata, which stays as it is.
    fn metadata(&mut self) -> Option<Metadata> {
        let from = self.scan.at();
        if self.scan.byte()? != b'{' {
            return None;
        }
        self.scan.step();
        // Bytes of what is no space.
        let (mut length, mut first) = (2, true);
        // The end of annotations, and whether there are any.
        let mut annotations = None;
        while self.scan.more(b'}', first)? {
            let name = self.name()?.name;
            let begin = self.scan.at();
            if name == "\"annotations\"" {
                // Null in their place, and a second one, are for the tree.
                annotations.is_none().then_some(())?;
                annotations = Some(self.annotations()?);
            } else {
                self.scan.value()?;
            }
            length += name.len() + 1 + self.scan.since(begin).len() + usize::from(!first);
            first = false;
        }
        let end = self.scan.at();
        let (at, before, after) = match annotations {
            Some((at, false)) => (at, ",", ""),
            Some((at, true)) => (at, "", ""),
            None if first => (Some(end - 1), "\"annotations\":{", "}"),
            None => (Some(end - 1), ",\"annotations\":{", "}"),
        };
        Some(Metadata {
            at: at.filter(|_| length == end - from).map(|at| self.target(at)),
            before,
            after,
        })
    }

    /// The end of the annotations, where they are written without space, and whether there are none.
    fn annotations(&mut self) -> Option<(Option<usize>, bool)> {
        let from = self.scan.at();
        if self.scan.byte()? != b'{' {
            return None;
        }
        self.scan.step();
        let (mut length, mut first) = (2, true);
        while self.scan.more(b'}', first)? {
            let name = self.name()?.name;
            if bare(name) == self.annotation {
                return None;
            }
            length += name.len() + 1 + self.scan.value()?.len() + usize::from(!first);
            first = false;
        }
        let end = self.scan.at();
        Some(((length == end - from).then_some(end - 1), first))
    }

    fn field(
        &mut self,
        plan: &'a Struct,
        at: usize,
        member: &Begun<'a>,
        keys: Option<(&'a [Key], usize)>,
        seen: &mut Seen<'a>,
    ) -> Option<()> {
        let field = &plan.fields[at];
        if seen.fields & (1 << at) != 0 {
            return None;
        }
        seen.fields |= 1 << at;
        seen.required += usize::from(field.required);
        match &field.turn {
            Turn::Move | Turn::Nested(_) if field.kept => self.keep(member, seen),
            Turn::Move | Turn::Nested(_) => self.rename(member, &field.to, seen),
            _ => {}
        }
        match &field.turn {
            Turn::Move => {
                let value = self.scan.value()?;
                if let Some((keys, slot)) = keys
                    && let Some(key) = keys.iter().position(|(key, _)| *key == at)
                {
                    self.keys[slot + key] = Some(value);
                }
            }
            Turn::Nested(op) => {
                self.path.push(Place::Name(field.from));
                self.value(op)?;
                self.path.pop();
            }
            Turn::With(other) => return self.with(plan, at, *other, member, seen),
            Turn::Drop(fill) => {
                let text = self.scan.value()?;
                self.leave(member.edge, self.scan.at());
                match (fill, &plan.back) {
                    (Some(_), _) => seen.kept.push((at, text)),
                    (None, Some(_)) => self.lost_field(field.from, Some(text)),
                    (None, None) => {}
                }
                return Some(());
            }
            Turn::Group => {
                seen.kept.push((at, self.scan.value()?));
                self.leave(member.edge, self.scan.at());
                return Some(());
            }
            Turn::Never => return None,
        }
        seen.required_back += usize::from(field.required_back);
        Some(())
    }

    fn lost_field(&mut self, name: &'static str, text: Option<&'a str>) {
        self.path.push(Place::Name(name));
        self.units.push(&self.path, text);
        self.path.pop();
    }

    fn with(
        &mut self,
        plan: &'a Struct,
        at: usize,
        other: Option<usize>,
        member: &Begun<'a>,
        seen: &mut Seen<'a>,
    ) -> Option<()> {
        let field = &plan.fields[at];
        let Act::With(_, with) = &plan.there.fields[at].act else {
            return None;
        };
        let text = self.scan.value()?;
        let node = Node::Text(text);
        let mut walk = Walk::default();
        let result = walk.with(with, &node, &NOWHERE);
        if !walk.failed.is_empty() {
            return None;
        }
        if let (Some(other), Some(back)) = (other, &plan.back)
            && let Act::With(_, back) = &back.fields[other].act
        {
            let mut walk = Walk::default();
            let returned = result
                .as_ref()
                .and_then(|result| walk.with(back, result, &NOWHERE));
            if !returned.is_some_and(|returned| returned.same(&node)) {
                self.lost_field(field.from, Some(text));
            }
        }
        match result {
            Some(result) => {
                self.rename(member, &field.to, seen);
                result.write(self.out);
                seen.required_back += usize::from(field.required_back);
            }
            None => self.leave(member.edge, self.scan.at()),
        }
        Some(())
    }

    /// A member that no source member stands for alone.
    fn made(&mut self, plan: &Struct, name: &str, node: &Node<'_>, seen: &mut Seen<'a>) {
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

    fn groups(&mut self, plan: &'a Struct, seen: &mut Seen<'a>) -> Option<()> {
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
    fn fills(&mut self, plan: &'a Struct, source: &'a str, seen: &mut Seen<'a>) -> Option<()> {
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
                for member in node.members()?.iter() {
                    self.made(plan, &member.name, &member.node, seen);
                }
            } else if !(fill.option && node.is_null()) {
                self.made(plan, fill.name, &node, seen);
            }
        }
        Some(())
    }

    /// Compares what the way back makes anew of a complete target with what stood there.
    fn returned(
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
                (before, _) => self.lost_field(plan.there.fields[at].from, before),
            }
        }
        Some(())
    }
}

/// Faults are told by the tree; here their place does not count.
const NOWHERE: At<'static> = At {
    parent: None,
    step: Step::Name(""),
};

/// Whether no two items, each of so many keys, have the same.
fn are_unique(keys: &[Option<&str>], each: usize) -> bool {
    let items = || keys.chunks(each.max(1));
    let mut digests: Vec<_> = items().map(digest).collect();
    digests.sort_unstable();
    // Texts are compared where two may be the same.
    digests.windows(2).all(|pair| pair[0] != pair[1]) || {
        let mut sorted: Vec<_> = items().collect();
        sorted.sort_unstable();
        sorted.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// A number that is the same for the same keys, and seldom for others.
fn digest(keys: &[Option<&str>]) -> u64 {
    let mut digest = 0_u64;
    for key in keys.iter().flatten() {
        for word in key.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            digest = (digest.rotate_left(5) ^ u64::from_le_bytes(bytes)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        digest = digest.rotate_left(5) ^ key.len() as u64;
    }
    digest
}

/// A string without escapes, without its quotes.
fn bare(text: &str) -> &str {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}
