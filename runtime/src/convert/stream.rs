//! From text to text in one pass: how almost every object converts.
//!
//! A leg of one edge, and each edge of a leg that loses nothing, is compiled to [`Op`]s: the plan there beside the plan
//! back. A [`Pass`] reads the source once, writes the target as it goes, and notes what of the source the way back would
//! not bring, from what stands in the plans alone.
//!
//! **Invariant:** a pass that succeeds gives the bytes that the walk over a tree gives. Whatever is out of the ordinary
//! (a name twice or with escapes, a value that moves between structs, a fault, text that is not JSON) ends it without
//! a result, and the tree decides.

use std::sync::Arc;

use super::diff::Unit;
use super::node::{Member, Node, quote};
use super::path::{At, Segment, Step};
use super::plan::{Act, FillBy, Plan, StructPlan};
use super::scan::Scan;
use super::walk::{Walk, said};

/// A key of a list's items: the number of the field, and its name in the source.
type Key = (usize, &'static str);

/// How a value converts.
#[derive(Debug)]
pub(crate) enum Op {
    /// It is copied.
    Same,
    Struct(Box<Struct>),
    /// Items are told apart by the fields of these numbers.
    List {
        item: Box<Op>,
        keys: Vec<Key>,
    },
    Map(Box<Op>),
    /// By a tree of this value alone; the way back where it is to be compared.
    Tree {
        there: Plan,
        back: Option<Plan>,
    },
}

#[derive(Debug)]
pub(crate) struct Struct {
    there: Arc<StructPlan>,
    /// Where something can be lost.
    back: Option<Arc<StructPlan>>,
    fields: Vec<Field>,
    /// Names of the source with their quotes, sorted as the names are, and their fields.
    names: Vec<(Box<str>, usize)>,
}

#[derive(Debug)]
struct Field {
    /// The target's name, quoted and with a colon.
    to: Box<str>,
    /// Whether the target's name is the source's.
    kept: bool,
    turn: Turn,
    /// Whether the target cannot be read without it.
    required_back: bool,
}

#[derive(Debug)]
enum Turn {
    Move,
    Nested(Op),
    /// With the number of the field in the plan back, where the two functions are to be compared.
    With(Option<usize>),
    /// With the number of the value in the plan back that stands for an absent one.
    Drop(Option<usize>),
    Group,
    /// Not by a pass.
    Never,
}

/// How many names are tried before one is looked up.
const NEXT: usize = 3;
/// Fields of a struct that a pass can tell apart.
const FIELDS: usize = 128;

fn quoted(name: &str, behind: &str) -> Box<str> {
    let mut out = String::with_capacity(name.len() + 3);
    quote(name, &mut out);
    out.push_str(behind);
    out.into()
}

impl Op {
    /// `None` for what only a tree converts; without a way back nothing is compared.
    pub(crate) fn of(there: &Plan, back: Option<&Plan>) -> Option<Self> {
        Some(match (there, back) {
            (Plan::Same, None | Some(Plan::Same)) => Op::Same,
            (Plan::Struct(there), None) => Op::Struct(Box::new(Struct::of(there, None)?)),
            (Plan::Struct(there), Some(Plan::Struct(back))) => {
                Op::Struct(Box::new(Struct::of(there, Some(back))?))
            }
            (Plan::List { item, .. }, None) => Op::List {
                item: Box::new(Op::of(item, None)?),
                keys: Vec::new(),
            },
            (Plan::List { item, keys }, Some(Plan::List { item: back, .. })) => {
                let item = Op::of(item, Some(back))?;
                let keys = item.keys(keys)?;
                Op::List {
                    item: Box::new(item),
                    keys,
                }
            }
            (Plan::Map(value), None) => Op::Map(Box::new(Op::of(value, None)?)),
            (Plan::Map(value), Some(Plan::Map(back))) => Op::Map(Box::new(Op::of(value, Some(back))?)),
            (Plan::Enum(_) | Plan::Whole { .. }, back) => Op::Tree {
                there: there.clone(),
                back: back.cloned(),
            },
            _ => return None,
        })
    }

    /// The fields that are an item's keys, whose values must be the same on both sides.
    fn keys(&self, names: &[&'static str]) -> Option<Vec<Key>> {
        match self {
            _ if names.is_empty() => Some(Vec::new()),
            Op::Same => Some(Vec::new()),
            Op::Struct(plan) => names
                .iter()
                .map(|name| {
                    let at = plan.there.index(name, &mut 0)?;
                    let own = plan.there.fields[at].from == *name;
                    (own && matches!(plan.fields[at].turn, Turn::Move)).then_some((at, *name))
                })
                .collect(),
            _ => None,
        }
    }
}

impl Struct {
    fn of(there: &Arc<StructPlan>, back: Option<&Arc<StructPlan>>) -> Option<Self> {
        let groups_pair = |back: &StructPlan| {
            back.groups.len() == there.groups.len()
                && there
                    .groups
                    .iter()
                    .zip(&back.groups)
                    .all(|(a, b)| a.to == b.from && a.from == b.to)
        };
        if there.fields.len() > FIELDS
            || back.is_some_and(|back| back.fills.iter().any(|fill| fill.flat) || !groups_pair(back))
        {
            return None;
        }
        let mut fields = Vec::with_capacity(there.fields.len());
        for field in &there.fields {
            let target = |to: &str| match back {
                Some(back) => back.index(to, &mut 0).map(|at| Some((at, &back.fields[at]))),
                None => Some(None),
            };
            let (to, turn, other) = match &field.act {
                Act::Move(to) => {
                    let other = target(to)?;
                    let returns = other
                        .is_none_or(|(_, other)| matches!(other.act, Act::Move(from) if from == field.from));
                    returns.then_some((*to, Turn::Move, other))?
                }
                Act::Nested(to, plan) => match target(to)? {
                    None => (*to, Turn::Nested(Op::of(plan, None)?), None),
                    Some((at, other)) => {
                        let Act::Nested(from, back) = &other.act else {
                            return None;
                        };
                        let turn = Turn::Nested(Op::of(plan, Some(back))?);
                        (*from == field.from).then_some((*to, turn, Some((at, other))))?
                    }
                },
                Act::With(_, with) if with.takes_null => return None,
                Act::With(to, with) => match target(to)? {
                    None => (*to, Turn::With(None), None),
                    Some((at, other)) => {
                        let Act::With(from, back) = &other.act else {
                            return None;
                        };
                        let turn = Turn::With((!with.exact).then_some(at));
                        (*from == field.from && !back.takes_null).then_some((*to, turn, Some((at, other))))?
                    }
                },
                Act::Drop => {
                    let fills = back.map_or(&[][..], |back| &back.fills);
                    let fill = fills.iter().position(|fill| fill.name == field.from);
                    ("", Turn::Drop(fill), None)
                }
                Act::Group(_) => ("", Turn::Group, None),
                Act::Moved => ("", Turn::Never, None),
            };
            fields.push(Field {
                to: quoted(to, ":"),
                kept: to == field.from && field.aliases.is_empty(),
                turn,
                required_back: other.is_some_and(|(_, other)| other.required),
            });
        }
        let names = there.names().map(|(name, at)| (quoted(name, ""), at)).collect();
        Some(Self {
            there: Arc::clone(there),
            back: back.cloned(),
            fields,
            names,
        })
    }
}

/// A step on the way to a value.
#[derive(Clone, Copy)]
enum Place<'a> {
    Name(&'a str),
    Index(usize),
}

/// One pass over one text.
pub(crate) struct Pass<'a, 'o> {
    scan: Scan<'a>,
    out: &'o mut String,
    path: Vec<Place<'a>>,
    /// What the way back does not bring.
    units: Vec<Unit<'a>>,
    /// Keys of the items of the lists that are gone through.
    keys: Vec<Option<&'a str>>,
    /// The target's `apiVersion`.
    api_version: &'a str,
    /// The annotation that keeps what is lost: where it is there, the tree has work to do.
    annotation: &'a str,
    /// Where metadata stands in the target.
    metadata: Option<(usize, &'a str)>,
}

/// What a pass found beside its text.
pub(crate) struct Passed<'a> {
    /// What the way back does not bring, sorted.
    pub(crate) units: Vec<Unit<'a>>,
    /// Where in the text metadata stands, and the object that it is.
    pub(crate) metadata: (usize, &'a str),
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
        path: Vec::new(),
        units: Vec::new(),
        keys: Vec::new(),
        api_version,
        annotation,
        metadata: None,
    };
    if pass.scan.peek()? != b'{' {
        return None;
    }
    pass.members(root, true, None)?;
    pass.scan.is_at_end().then_some(())?;
    let metadata = pass.metadata.filter(|(_, text)| text.starts_with('{'))?;
    pass.units.sort_by(|a, b| a.path.cmp(&b.path));
    Some(Passed {
        units: pass.units,
        metadata,
    })
}

/// What is known of an object while it is gone through.
#[derive(Default)]
struct Seen<'a> {
    fields: u128,
    required: usize,
    required_back: usize,
    some: bool,
    /// Values that are looked at when all are known.
    kept: Vec<(usize, &'a str)>,
}

impl<'a> Pass<'a, '_> {
    fn value(&mut self, op: &'a Op) -> Option<()> {
        match (op, self.scan.peek()?) {
            (Op::Struct(plan), b'{') => self.members(plan, false, None),
            (Op::List { item, keys }, b'[') => self.list(item, keys),
            (Op::Map(value), b'{') => self.map(value),
            (Op::Tree { there, back }, _) => self.tree(there, back.as_ref()),
            _ => {
                let text = self.scan.value()?;
                self.out.push_str(text);
                Some(())
            }
        }
    }

    /// The text of one more value that the way back does not bring, or of its absence.
    fn lost(&mut self, text: Option<&'a str>) {
        let path = self.path.iter().map(|place| match place {
            Place::Name(name) => Segment::Name((*name).to_owned()),
            Place::Index(index) => Segment::Index(*index),
        });
        self.units.push(Unit {
            path: path.collect(),
            set: text.map(Node::Text),
        });
    }

    fn tree(&mut self, there: &'a Plan, back: Option<&'a Plan>) -> Option<()> {
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
                self.lost(Some(text));
            }
        }
        result.write(self.out);
        Some(())
    }

    fn list(&mut self, item: &'a Op, keys: &'a [Key]) -> Option<()> {
        let from = self.scan.at();
        self.scan.step();
        self.out.push('[');
        let (depth, before, base) = (self.path.len(), self.units.len(), self.keys.len());
        let mut index = 0;
        while self.scan.more(b']', index == 0)? {
            if index > 0 {
                self.out.push(',');
            }
            self.path.push(Place::Index(index));
            match item {
                Op::Struct(plan) if !keys.is_empty() => {
                    let slot = self.keys.len();
                    self.keys.resize(slot + keys.len(), None);
                    if self.scan.peek()? == b'{' {
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
        self.out.push(']');
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
        let names: Vec<_> = known.chunks(keys.len().max(1)).collect();
        let unique = || {
            let mut digests: Vec<_> = names.iter().map(|names| digest(names)).collect();
            digests.sort_unstable();
            // Texts are compared where two may be the same.
            digests.windows(2).all(|pair| pair[0] != pair[1]) || {
                let mut sorted = names.clone();
                sorted.sort_unstable();
                sorted.windows(2).all(|pair| pair[0] != pair[1])
            }
        };
        if !complete || !unique() {
            self.units.truncate(before);
            return self.lost(Some(list));
        }
        for unit in &mut self.units[before..] {
            if let Segment::Index(index) = unit.path[depth] {
                let values = names[index]
                    .iter()
                    .map(|value| value.unwrap_or_default().to_owned());
                let names = keys.iter().map(|(_, name)| (*name).to_owned());
                unit.path[depth] = Segment::Item(names.zip(values).collect());
            }
        }
    }

    fn map(&mut self, value: &'a Op) -> Option<()> {
        self.scan.step();
        self.out.push('{');
        let before = self.units.len();
        let mut names = Vec::new();
        while self.scan.more(b'}', names.is_empty())? {
            if !names.is_empty() {
                self.out.push(',');
            }
            let name = self.scan.name()?;
            names.push(name);
            self.out.push_str(name);
            self.scan.colon()?;
            self.out.push(':');
            self.path.push(Place::Name(bare(name)));
            self.value(value)?;
            self.path.pop();
        }
        self.out.push('}');
        if self.units.len() > before {
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return None;
            }
        }
        Some(())
    }

    /// Begins a member of the target.
    fn comma(&mut self, seen: &mut Seen<'a>) {
        if seen.some {
            self.out.push(',');
        }
        seen.some = true;
    }

    /// An object by its fields. The values of an item's keys are put where the second number says.
    fn members(&mut self, plan: &'a Struct, root: bool, keys: Option<(&'a [Key], usize)>) -> Option<()> {
        let from = self.scan.at();
        let target = self.out.len();
        self.scan.step();
        self.out.push('{');
        let mut seen = Seen::default();
        let (mut hint, mut first) = (0, true);
        while self.scan.more(b'}', first)? {
            first = false;
            let begin = self.scan.at();
            // Members mostly come in the order of names, and few are left out.
            let next = plan.names.get(hint..).unwrap_or_default().iter().take(NEXT);
            let known = match next.enumerate().find(|(_, (name, _))| self.scan.eat(name)) {
                Some((skipped, (_, at))) => {
                    hint += skipped + 1;
                    Some(*at)
                }
                None => {
                    let name = bare(self.scan.name()?);
                    plan.there.index(name, &mut hint)
                }
            };
            let name = self.scan.since(begin);
            self.scan.colon()?;
            match known {
                Some(at) => self.field(plan, at, (begin, name), keys, &mut seen)?,
                None => self.unknown(plan, root, (begin, name), &mut seen)?,
            }
        }
        let back = plan.back.as_deref();
        if !plan.there.groups.is_empty() {
            self.groups(plan, &mut seen)?;
        }
        if !plan.there.fills.is_empty() && seen.required >= plan.there.required {
            self.fills(plan, self.scan.since(from), &mut seen)?;
        }
        self.out.push('}');
        match back {
            Some(back) if !back.fills.is_empty() => self.returned(plan, back, target, &seen),
            _ => Some(()),
        }
    }

    /// A member that the source does not declare.
    fn unknown(
        &mut self,
        plan: &Struct,
        root: bool,
        (begin, name): (usize, &'a str),
        seen: &mut Seen<'a>,
    ) -> Option<()> {
        if plan.there.declares(bare(name)) {
            return self.scan.value().map(drop);
        }
        self.comma(seen);
        if root && bare(name) == "apiVersion" {
            self.scan.value()?;
            self.out.push_str(name);
            self.out.push(':');
            quote(self.api_version, self.out);
            return Some(());
        }
        let value = self.copy(begin, name)?;
        if root && bare(name) == "metadata" {
            if self.metadata.is_some() || value.contains(self.annotation) {
                return None;
            }
            self.metadata = Some((self.out.len() - value.len(), value));
        }
        Some(())
    }

    /// Copies a member whose name was read.
    fn copy(&mut self, begin: usize, name: &'a str) -> Option<&'a str> {
        let value = self.scan.value()?;
        let member = self.scan.since(begin);
        if member.len() == name.len() + 1 + value.len() {
            self.out.push_str(member);
        } else {
            self.out.push_str(name);
            self.out.push(':');
            self.out.push_str(value);
        }
        Some(value)
    }

    fn field(
        &mut self,
        plan: &'a Struct,
        at: usize,
        (begin, name): (usize, &'a str),
        keys: Option<(&'a [Key], usize)>,
        seen: &mut Seen<'a>,
    ) -> Option<()> {
        let (field, known) = (&plan.fields[at], &plan.there.fields[at]);
        if seen.fields & (1 << at) != 0 {
            return None;
        }
        seen.fields |= 1 << at;
        seen.required += usize::from(known.required);
        match &field.turn {
            Turn::Move => {
                self.comma(seen);
                let value = if field.kept {
                    self.copy(begin, name)?
                } else {
                    self.out.push_str(&field.to);
                    let value = self.scan.value()?;
                    self.out.push_str(value);
                    value
                };
                if let Some((keys, slot)) = keys
                    && let Some(key) = keys.iter().position(|(key, _)| *key == at)
                {
                    self.keys[slot + key] = Some(value);
                }
            }
            Turn::Nested(op) => {
                self.comma(seen);
                self.out.push_str(&field.to);
                self.path.push(Place::Name(known.from));
                self.value(op)?;
                self.path.pop();
            }
            Turn::With(other) => {
                let text = self.scan.value()?;
                return self.with(plan, at, *other, text, seen);
            }
            Turn::Drop(fill) => {
                let text = self.scan.value()?;
                match (fill, &plan.back) {
                    (Some(_), _) => seen.kept.push((at, text)),
                    (None, Some(_)) => self.lost_field(known.from, Some(text)),
                    (None, None) => {}
                }
                return Some(());
            }
            Turn::Group => {
                seen.kept.push((at, self.scan.value()?));
                return Some(());
            }
            Turn::Never => return None,
        }
        seen.required_back += usize::from(field.required_back);
        Some(())
    }

    fn lost_field(&mut self, name: &'static str, text: Option<&'a str>) {
        self.path.push(Place::Name(name));
        self.lost(text);
        self.path.pop();
    }

    fn with(
        &mut self,
        plan: &'a Struct,
        at: usize,
        other: Option<usize>,
        text: &'a str,
        seen: &mut Seen<'a>,
    ) -> Option<()> {
        let (field, known) = (&plan.fields[at], &plan.there.fields[at]);
        let Act::With(_, with) = &known.act else {
            return None;
        };
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
                self.lost_field(known.from, Some(text));
            }
        }
        if let Some(result) = result {
            self.comma(seen);
            self.out.push_str(&field.to);
            result.write(self.out);
            seen.required_back += usize::from(field.required_back);
        }
        Some(())
    }

    /// A member that no source member stands for alone.
    fn made(&mut self, plan: &Struct, name: &str, node: &Node<'_>, seen: &mut Seen<'a>) {
        self.comma(seen);
        quote(name, self.out);
        self.out.push(':');
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
                FillBy::Call(function) => match said(*function, &self.out[target..]) {
                    Ok(text) => text.map(|text| Node::Made(text.into())),
                    Err(()) => None,
                },
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
