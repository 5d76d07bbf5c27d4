//! What a pass does: the plan there beside the plan back, resolved once more.
//!
//! A leg of one edge, and each edge of a leg that loses nothing, is compiled to [`Op`]s.
//!
//! **Invariant:** what only a tree converts has no op; names need no escapes in JSON.

use std::sync::Arc;

use super::node::quote;
use super::plan::{Act, Plan, StructPlan};
use super::scan::{Scan, Token};
use super::units::Key;

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
    pub(crate) there: Arc<StructPlan>,
    /// Where something can be lost.
    pub(crate) back: Option<Arc<StructPlan>>,
    pub(crate) fields: Vec<Field>,
    /// Names of the source, quoted and with a colon, sorted as the names are, and their fields.
    names: Vec<(Token, usize)>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) from: &'static str,
    /// The target's name, quoted and with a colon.
    pub(crate) to: Box<str>,
    /// Whether the target's name is the source's.
    pub(crate) kept: bool,
    pub(crate) turn: Turn,
    /// Whether the source cannot be read without it.
    pub(crate) required: bool,
    /// Whether the target cannot be read without it.
    pub(crate) required_back: bool,
}

#[derive(Debug)]
pub(crate) enum Turn {
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

/// A name with its quotes and a colon; none where it has escapes.
fn quoted(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len() + 3);
    quote(name, &mut out);
    out.push(':');
    (out.len() == name.len() + 3).then_some(out)
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
            quoted(field.from)?;
            fields.push(Field {
                from: field.from,
                to: quoted(to)?.into(),
                kept: to == field.from && field.aliases.is_empty(),
                turn,
                required: field.required,
                required_back: other.is_some_and(|(_, other)| other.required),
            });
        }
        let names = there
            .names()
            .map(|(name, at)| Some((Token::of(&quoted(name)?), at)))
            .collect::<Option<_>>()?;
        Some(Self {
            there: Arc::clone(there),
            back: back.cloned(),
            fields,
            names,
        })
    }

    /// The field of the member that comes next, where it is one of the next that are expected; the scan then stands
    /// behind the colon. Members mostly come in the order of names, and few are left out.
    #[inline]
    pub(crate) fn expected(&self, scan: &mut Scan<'_>, hint: &mut usize) -> Option<usize> {
        let next = self.names.get(*hint..).unwrap_or_default().iter().take(NEXT);
        for (skipped, (name, at)) in next.enumerate() {
            if scan.meets(name) {
                *hint += skipped + 1;
                return Some(*at);
            }
        }
        None
    }
}
