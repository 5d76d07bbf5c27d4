//! From text to text in one pass: how almost every object converts.
//!
//! A [`Pass`] reads the source once. What stays as it is, is copied in as long pieces as there are; what the target has
//! in other words is written between them. What of the source the way back would not bring is noted from what stands in
//! the plans alone; what an annotation kept is put back where the way back shows nothing else for it.
//!
//! **Invariant:** a pass that succeeds gives the bytes that the walk over a tree gives. Whatever is out of the ordinary
//! (a name twice or with escapes, a value that moves between structs, a fault, text that is not JSON) ends it without
//! a result, and the tree decides.

use std::ops::Range;

use super::node::{Member, Node, quote};
use super::ops::{Field, Op, Struct, Turn};
use super::path::{At, Step};
use super::plan::{Act, FillBy, Plan, StructPlan};
use super::recall::{Items, Recall, Within, digest};
use super::scan::{Scan, bare};
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
    /// The annotation that keeps what is lost.
    annotation: &'a str,
    /// The annotation's text, where nobody has read it yet.
    saved: Option<&'a str>,
    /// What is to be restored.
    recall: Option<&'a Recall<'a>>,
    /// What of it is below the place that is gone through.
    within: Option<Within<'a>>,
    /// How many units are restored.
    restored: usize,
    /// Names on the ways of values that the way back moves between structs.
    moved: Vec<&'static str>,
    /// Values of an item's keys.
    ahead: Vec<Option<&'a str>>,
    metadata: Option<Metadata>,
}

/// What a pass found beside its text.
pub(crate) struct Passed<'a> {
    /// What the way back does not bring.
    pub(crate) units: Units<'a>,
    pub(crate) metadata: Metadata,
}

/// Where in the target the annotation stands, or can stand.
#[derive(Clone)]
pub(crate) enum Metadata {
    /// It is not there, and the object is written in an unusual way.
    Unusual,
    /// It can stand here, between these two.
    New {
        at: usize,
        before: &'static str,
        after: &'static str,
    },
    /// Its value stands here; and so much goes with it.
    Old { value: Range<usize>, gone: Range<usize> },
}

impl Metadata {
    /// Writes the annotation, its value with quotes, or takes it away; nothing where there is no place for it.
    pub(crate) fn annotate(self, out: &mut String, name: &str, value: Option<&str>) -> Option<()> {
        match (self, value) {
            (Metadata::New { at, before, after }, Some(value)) => {
                let mut text = String::with_capacity(name.len() + value.len() + 32);
                text.push_str(before);
                quote(name, &mut text);
                text.push(':');
                text.push_str(value);
                text.push_str(after);
                out.insert_str(at, &text);
            }
            (Metadata::Old { value: place, .. }, Some(value)) => out.replace_range(place, value),
            (Metadata::Old { gone, .. }, None) => out.replace_range(gone, ""),
            (Metadata::New { .. } | Metadata::Unusual, None) => {}
            (Metadata::Unusual, Some(_)) => return None,
        }
        Some(())
    }
}

/// Converts a text, without space around it, into `out`; what `out` gets without a result is for the caller to take away.
///
/// # Errors
/// Where it does not: the annotation's text, as it stands, if a second pass may restore what that keeps.
pub(crate) fn pass<'a>(
    op: &'a Op,
    text: &'a str,
    (api_version, annotation): (&'a str, &'a str),
    recall: Option<&'a Recall<'a>>,
    out: &mut String,
) -> Result<Passed<'a>, Option<&'a str>> {
    let Op::Struct(root) = op else { return Err(None) };
    let mut pass = Pass {
        scan: Scan::of(text),
        out,
        copied: 0,
        path: Vec::new(),
        units: Units::default(),
        keys: Vec::new(),
        api_version,
        annotation,
        saved: None,
        recall,
        within: recall.and_then(Recall::all),
        restored: 0,
        moved: Vec::new(),
        ahead: Vec::new(),
        metadata: None,
    };
    let metadata = pass.whole(root).ok_or(pass.saved)?;
    Ok(Passed {
        units: pass.units,
        metadata,
    })
}

/// A member whose name and colon were read.
#[derive(Clone, Copy)]
struct Begun {
    /// Where the comma before it stands, or itself, where it is the first.
    edge: usize,
    at: usize,
    /// Where its name ends.
    named: usize,
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
    /// Units that were restored in place of what would be filled in.
    filled: Vec<usize>,
}

/// The annotations that were gone through.
struct Annotations {
    /// Where they end.
    end: usize,
    count: usize,
    /// Whether there is no space in between.
    tight: bool,
    /// Where ours stands, which of them it is, and its value.
    ours: Option<(Range<usize>, usize, Range<usize>)>,
}

/// A member with the comma that goes with it, of one or of more.
fn with_comma(member: Range<usize>, index: usize, count: usize) -> Range<usize> {
    match (index, count) {
        (_, 0 | 1) => member,
        (0, _) => member.start..member.end + 1,
        _ => member.start - 1..member.end,
    }
}

impl<'a> Pass<'a, '_> {
    /// The object. All that was to be restored must be.
    fn whole(&mut self, root: &'a Struct) -> Option<Metadata> {
        if self.scan.byte()? != b'{' {
            return None;
        }
        self.members(root, true, None)?;
        self.scan.is_at_end().then_some(())?;
        self.copy_to(self.scan.at());
        self.units.sort();
        let all = self.recall.map_or(0, Recall::len);
        (self.restored == all).then_some(())?;
        self.metadata.take()
    }

    /// Copies the source as far as here, without what was left out.
    #[inline]
    fn copy_to(&mut self, to: usize) {
        self.out.push_str(self.scan.between(self.copied, to));
        self.copied = to;
    }

    /// Leaves a part of the source out.
    #[inline]
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
    #[inline]
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
    #[inline]
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
            _ => self.scan.over(),
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
        let outer = self.within;
        let below = match outer {
            Some(within) => Some(self.recall?.items(within, depth)?),
            None => None,
        };
        while self.next_kept(b']', index == 0)? {
            if let Some(below) = &below {
                self.within = self.within_item(below, keys)?;
            }
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
        self.within = outer;
        if outer.is_some() {
            // Items are told apart, or nothing is restored.
            are_apart(&self.keys[base..], keys.len()).then_some(())?;
        }
        if self.units.len() > before {
            self.name_items(keys, (depth, before, base), self.scan.since(from));
        }
        self.keys.truncate(base);
        Some(())
    }

    /// What is to be restored in the item that comes next, whose keys are looked for.
    fn within_item(&mut self, below: &Items<'a>, keys: &[Key]) -> Option<Option<Within<'a>>> {
        self.ahead.clear();
        self.ahead.resize(keys.len(), None);
        let mut scan = self.scan.clone();
        scan.open(b'{')?;
        let (mut left, mut first) = (keys.len(), true);
        while left > 0 && scan.more(b'}', first)? {
            first = false;
            let name = bare(scan.name()?);
            scan.colon()?;
            let value = scan.value()?;
            if let Some(key) = keys.iter().position(|(_, known)| *known == name) {
                left -= usize::from(self.ahead[key].is_none());
                self.ahead[key] = Some(value);
            }
        }
        Some(self.recall?.item(below, self.path.len(), &self.ahead))
    }

    /// Names items by their keys in the paths of what is lost in them; without keys the list is lost as a whole.
    fn name_items(&mut self, keys: &'a [Key], (depth, before, base): (usize, usize, usize), list: &'a str) {
        let known = &self.keys[base..];
        if are_apart(known, keys.len()) {
            self.units.name_items(before, depth, keys, known);
        } else {
            self.units.truncate(before);
            self.units.push(&self.path, Some(list));
        }
    }

    fn map(&mut self, value: &'a Op) -> Option<()> {
        self.scan.step();
        let (before, outer) = (self.units.len(), self.within);
        let mut names = Vec::new();
        while self.next_kept(b'}', names.is_empty())? {
            let (name, member) = self.name()?;
            names.push(name);
            self.tighten(&member);
            self.within = outer.and_then(|within| self.recall?.named(within, self.path.len(), name));
            self.path.push(Place::Name(name));
            self.value(value)?;
            self.path.pop();
        }
        self.scan.step();
        self.within = outer;
        if self.units.len() > before || outer.is_some() {
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return None;
            }
        }
        Some(())
    }

    /// The name that comes next, without its quotes, and the colon.
    fn name(&mut self) -> Option<(&'a str, Begun)> {
        let at = self.scan.at();
        let name = bare(self.scan.name()?);
        let named = self.scan.at();
        self.scan.colon()?;
        let value = self.scan.at();
        let edge = at;
        Some((
            name,
            Begun {
                edge,
                at,
                named,
                value,
            },
        ))
    }

    /// Leaves out what space there is around a colon.
    #[inline]
    fn tighten(&mut self, member: &Begun) {
        if member.value > member.named + 1 {
            self.leave(member.named, member.value);
            self.write(":");
        }
    }

    /// Begins a member of the target that stands in the source.
    #[inline]
    fn comma(&mut self, member: &Begun, seen: &mut Seen<'a>) {
        self.leave(member.edge + usize::from(seen.some), member.at);
        seen.some = true;
    }

    /// A member that keeps its name.
    #[inline]
    fn keep(&mut self, member: &Begun, seen: &mut Seen<'a>) {
        self.comma(member, seen);
        self.tighten(member);
    }

    /// A member that gets another name.
    #[inline]
    fn rename(&mut self, member: &Begun, to: &str, seen: &mut Seen<'a>) {
        self.comma(member, seen);
        self.leave(member.at, self.scan.at());
        self.write(to);
    }

    /// An object by its fields. The values of an item's keys are put where the second number says.
    fn members(&mut self, plan: &'a Struct, root: bool, keys: Option<(&'a [Key], usize)>) -> Option<()> {
        if self.within.is_some() {
            let moved = plan.back.as_deref()?.moved.iter();
            self.moved.extend(moved.flat_map(|moved| &moved.from));
        }
        let from = self.scan.at();
        let target = self.target(from);
        self.scan.step();
        let mut seen = Seen::default();
        let (mut hint, mut first) = (0, true);
        while let Some(edge) = self.next(b'}', first)? {
            first = false;
            let at = self.scan.at();
            match plan.expected(&mut self.scan, &mut hint) {
                Some(known) => {
                    let named = self.scan.at() - 1;
                    self.scan.peek()?;
                    let value = self.scan.at();
                    let member = Begun {
                        edge,
                        at,
                        named,
                        value,
                    };
                    self.field(plan, known, &member, keys, &mut seen)?;
                }
                None => {
                    let (name, member) = self.name()?;
                    let member = Begun { edge, ..member };
                    match plan.there.index(name, &mut hint) {
                        Some(known) => self.field(plan, known, &member, keys, &mut seen)?,
                        None => self.unknown(plan, root, name, &member, &mut seen)?,
                    }
                }
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
        if let Some(within) = self.within {
            self.copy_to(end);
            self.restore(plan, within, &mut seen)?;
        }
        match plan.back.as_deref() {
            Some(back) if !back.fills.is_empty() => self.returned(plan, back, target, &seen),
            _ => Some(()),
        }
    }

    /// A member that the source does not declare.
    fn unknown(
        &mut self,
        plan: &Struct,
        root: bool,
        name: &str,
        member: &Begun,
        seen: &mut Seen<'a>,
    ) -> Option<()> {
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
            _ => self.scan.over(),
        }
    }

    /// Looks through metadata, which stays as it is.
    fn metadata(&mut self) -> Option<Metadata> {
        let from = self.scan.at();
        self.scan.open(b'{')?;
        // Bytes of what is no space.
        let (mut length, mut count) = (2, 0);
        let mut annotations = None;
        while self.scan.more(b'}', count == 0)? {
            let (name, member) = self.name()?;
            if name == "annotations" {
                // Null in their place, and a second one, are for the tree.
                annotations.is_none().then_some(())?;
                annotations = Some((self.annotations()?, member.at, count));
            } else {
                self.scan.value()?;
            }
            length += name.len() + 3 + (self.scan.at() - member.value) + usize::from(count > 0);
            count += 1;
        }
        let end = self.scan.at();
        let tight = length == end - from;
        let target = |place: Range<usize>| self.target(place.start)..self.target(place.end);
        Some(match annotations {
            None if tight => Metadata::New {
                at: self.target(end - 1),
                before: if count > 0 {
                    ",\"annotations\":{"
                } else {
                    "\"annotations\":{"
                },
                after: "}",
            },
            Some((known, at, index)) if tight && known.tight => match known.ours {
                None => Metadata::New {
                    at: self.target(known.end - 1),
                    before: if known.count > 0 { "," } else { "" },
                    after: "",
                },
                Some((_, _, value)) if known.count == 1 => Metadata::Old {
                    value: target(value),
                    gone: target(with_comma(at..known.end, index, count)),
                },
                Some((ours, index, value)) => Metadata::Old {
                    value: target(value),
                    gone: target(with_comma(ours, index, known.count)),
                },
            },
            // It would be written anew.
            Some((known, ..)) if known.ours.is_some() => return None,
            _ => Metadata::Unusual,
        })
    }

    fn annotations(&mut self) -> Option<Annotations> {
        let from = self.scan.at();
        self.scan.open(b'{')?;
        let (mut length, mut count) = (2, 0);
        let mut ours = None;
        while self.scan.more(b'}', count == 0)? {
            let (name, member) = self.name()?;
            let value = match self.recall {
                // It was gone over before.
                Some(recall) if name == self.annotation && ours.is_none() => {
                    self.scan.skip_text(recall.source)?;
                    recall.source
                }
                _ => self.scan.value()?,
            };
            length += name.len() + 3 + value.len() + usize::from(count > 0);
            if name == self.annotation {
                self.saved = Some(value);
                // A second one is for the tree.
                (self.recall.is_some() && ours.is_none()).then_some(())?;
                let end = self.scan.at();
                ours = Some((member.at..end, count, member.value..end));
            }
            count += 1;
        }
        let end = self.scan.at();
        Some(Annotations {
            end,
            count,
            tight: length == end - from,
            ours,
        })
    }

    fn field(
        &mut self,
        plan: &'a Struct,
        at: usize,
        member: &Begun,
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
                self.scan.over()?;
                if let Some((keys, slot)) = keys
                    && let Some(key) = keys.iter().position(|(key, _)| *key == at)
                {
                    self.keys[slot + key] = Some(self.scan.since(member.value));
                }
            }
            Turn::Nested(op) => {
                let outer = self.within;
                if let Some(within) = outer {
                    self.within = self.recall?.named(within, self.path.len(), target_name(field));
                }
                self.path.push(Place::Name(field.from));
                match self.whole_unit() {
                    Some(unit) => self.restore_nested(plan, at, unit)?,
                    None => self.value(op)?,
                }
                self.path.pop();
                self.within = outer;
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
        member: &Begun,
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
        if let Some(within) = self.within
            && let Some(unit) = self.recall?.named(within, self.path.len(), target_name(field))
        {
            let back = plan.back.as_deref()?;
            let Act::With(_, back) = &back.fields[other?].act else {
                return None;
            };
            let number = self.recall?.whole(unit, self.path.len() + 1)?;
            let value = self.recall?.admitted(number, unit.cell)??;
            let mut walk = Walk::default();
            let shown = walk.with(back, &Node::Text(value), &NOWHERE)?;
            (result.is_some() && shown.same(&node)).then_some(())?;
            self.restored += 1;
            self.rename(member, &field.to, seen);
            self.write(value);
            seen.required_back += usize::from(field.required_back);
            return Some(());
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

    /// The unit that is to be restored in place of the value that comes next.
    fn whole_unit(&self) -> Option<usize> {
        self.recall?.whole(self.within?, self.path.len())
    }

    /// A value that stands for the one that comes next, where the way back makes that of it.
    fn restore_nested(&mut self, plan: &'a Struct, at: usize, unit: usize) -> Option<()> {
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
    fn hidden(&self, plan: &Struct, within: Within<'a>, unit: usize, name: &str) -> Option<Option<&'a str>> {
        let back = plan.back.as_deref()?;
        let field = back.find(name, &mut 0)?;
        (field.from == name && matches!(field.act, Act::Drop)).then_some(())?;
        let own = self.recall?.named(within, self.path.len(), name)?;
        self.recall?.admitted(unit, own.cell)
    }

    /// Fields of the target that the source has not, and which nothing filled in.
    fn restore(&mut self, plan: &'a Struct, within: Within<'a>, seen: &mut Seen<'a>) -> Option<()> {
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
                // A function may have seen what was restored.
                _ if self.within.is_some() => return None,
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

/// The target's name of a field.
fn target_name(field: &Field) -> &str {
    field.to.trim_end_matches(':').trim_matches('"')
}

/// Whether all items have keys, each so many, and no two the same.
fn are_apart(keys: &[Option<&str>], each: usize) -> bool {
    if each == 0 || !keys.iter().all(|key| key.is_some_and(|key| key != "null")) {
        return false;
    }
    let mut digests: Vec<_> = keys
        .chunks(each)
        .map(|item| digest(item.iter().map(|key| key.unwrap_or_default())))
        .collect();
    digests.sort_unstable();
    // Texts are compared where two may be the same.
    digests.windows(2).all(|pair| pair[0] != pair[1]) || {
        let mut sorted: Vec<_> = keys.chunks(each).collect();
        sorted.sort_unstable();
        sorted.windows(2).all(|pair| pair[0] != pair[1])
    }
}
