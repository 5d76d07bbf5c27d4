//! From text to text in one pass: how almost every object converts.
//!
//! A [`Pass`] reads the source once. What stays as it is, is copied in as long pieces as there are; what the target has
//! in other words is written between them. What of the source the way back would not bring is noted from what stands in
//! the plans alone; what an annotation kept is put back where the way back shows nothing else for it.
//!
//! **Invariant:** a pass that succeeds gives the bytes that the walk over a tree gives. Whatever is out of the ordinary
//! (a name twice or with escapes, a value that moves between structs, a fault, text that is not JSON) ends it without
//! a result, and the tree decides.

mod metadata;
mod rest;

use std::ops::Range;

use super::node::{Node, quote};
use super::ops::{Field, Op, Struct, Turn};
use super::path::{At, Step};
use super::plan::{Act, Plan};
use super::recall::{Items, Recall, Within, digest};
use super::scan::{Scan, bare};
use super::units::{Key, Place, Units};
use super::walk::Walk;
pub(crate) use metadata::Metadata;

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
