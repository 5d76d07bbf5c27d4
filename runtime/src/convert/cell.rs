//! What can be lost of a version on its way to another, as a tree in that version's own names.
//!
//! A leg may have several edges. Their plans are composed here into [`Cell`]s, so that what is lost at any of them is
//! saved in the terms of the version that it is lost from.
//!
//! **Invariant:** a cell that is not [lossy](Cell::lossy) is the same after the way there and back, and is not compared.

use std::sync::OnceLock;

use super::plan::{Act, FieldPlan, Plan, StructPlan};
use super::schemas::Scalar;
use super::shim::Check;

/// A place in the objects of a version.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) form: Form,
    /// Whether something in it may be lost.
    pub(crate) lossy: bool,
    /// Whether its absence may be lost.
    pub(crate) appears: bool,
    /// Whether functions read it.
    pub(crate) called: Called,
    /// Whether an object without it cannot be read.
    pub(crate) required: bool,
    /// Whether a text is the place's type.
    pub(crate) check: Option<Check>,
    /// What stands in a place that is kept as a whole, for its types, where it has no check of its own.
    inside: Option<Box<Cell>>,
    /// What the version's schema says of the place, where it says little; looked up when it is first asked for.
    pub(crate) scalar: OnceLock<Option<Scalar>>,
}

/// What functions read of a place, to which null and absence are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// Nothing.
    No,
    /// What is inside; the place's own null is copied.
    Inside,
    /// All of it.
    Itself,
}

#[derive(Debug)]
pub(crate) enum Form {
    /// One value, kept as a whole.
    Unit,
    /// Fields, sorted by name.
    Struct(StructCell),
    Map(Box<Cell>),
    /// By keys; without keys it is one value.
    List {
        keys: Vec<&'static str>,
        item: Box<Cell>,
    },
}

#[derive(Debug)]
pub(crate) struct StructCell {
    pub(crate) fields: Vec<(&'static str, Cell)>,
    /// Further names that are read, sorted, and the fields they mean.
    pub(crate) aliases: Vec<(&'static str, &'static str)>,
}

/// A value that is moved as it stands.
pub(crate) static OPEN: Cell = Cell::unit(false, None);
/// A value inside of one that a function reads.
pub(crate) static INSIDE: Cell = Cell::unit(true, None).called(Called::Itself);

impl StructCell {
    pub(crate) fn get(&self, name: &str) -> Option<&Cell> {
        let at = self
            .fields
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        Some(&self.fields[at].1)
    }
}

impl Cell {
    const fn unit(lossy: bool, check: Option<Check>) -> Self {
        Self {
            form: Form::Unit,
            lossy,
            appears: false,
            called: Called::No,
            required: false,
            check,
            inside: None,
            scalar: OnceLock::new(),
        }
    }

    const fn called(mut self, called: Called) -> Self {
        self.called = called;
        self
    }

    /// The cells of a whole object, by the root plans of a leg's edges in the order they are gone.
    pub(crate) fn root(plans: &[Plan]) -> Self {
        Self::of(&plans.iter().collect::<Vec<_>>())
    }

    fn of(plans: &[&Plan]) -> Self {
        let Some(at) = plans.iter().position(|plan| !matches!(plan, Plan::Same)) else {
            return Self::unit(false, None);
        };
        let (first, rest) = (plans[at], &plans[at + 1..]);
        match first {
            Plan::Same => Self::unit(false, None),
            Plan::Enum(plan) => Self::unit(true, Some(plan.check)).called(Called::Inside),
            Plan::Whole { check, .. } => Self::unit(true, Some(*check)).called(Called::Inside),
            Plan::Struct(plan) => Self::structure(plan, rest),
            Plan::List { item, keys } => {
                let item = Self::of(&inner(item, rest, |plan| match plan {
                    Plan::List { item, .. } => Some(item),
                    _ => None,
                }));
                Self {
                    lossy: item.lossy,
                    form: Form::List {
                        keys: keys.clone(),
                        item: Box::new(item),
                    },
                    appears: false,
                    called: Called::No,
                    required: false,
                    check: None,
                    inside: None,
                    scalar: OnceLock::new(),
                }
            }
            Plan::Map(value) => {
                let value = Self::of(&inner(value, rest, |plan| match plan {
                    Plan::Map(value) => Some(value),
                    _ => None,
                }));
                Self {
                    lossy: value.lossy,
                    form: Form::Map(Box::new(value)),
                    appears: false,
                    called: Called::No,
                    required: false,
                    check: None,
                    inside: None,
                    scalar: OnceLock::new(),
                }
            }
        }
    }

    fn structure(plan: &StructPlan, rest: &[&Plan]) -> Self {
        let mut fields = Vec::with_capacity(plan.fields.len());
        for field in &plan.fields {
            let mut cell = Self::field(field, plan, rest);
            if is_container(field, plan, rest) {
                cell.may_appear();
            }
            fields.push((field.from, cell));
        }
        fields.sort_by_key(|(name, _)| *name);
        let mut aliases = Vec::new();
        for field in &plan.fields {
            aliases.extend(
                field
                    .aliases
                    .iter()
                    .filter(|alias| **alias != field.from)
                    .map(|alias| (*alias, field.from)),
            );
        }
        aliases.sort_unstable();
        Self {
            lossy: fields.iter().any(|(_, cell)| cell.lossy || cell.appears),
            form: Form::Struct(StructCell { fields, aliases }),
            appears: false,
            called: Called::No,
            required: false,
            check: plan.check,
            inside: None,
            scalar: OnceLock::new(),
        }
    }

    /// A container, with all in it, that a conversion may create for a value that moves into it.
    fn may_appear(&mut self) {
        self.appears = true;
        if let Form::Struct(cell) = &mut self.form {
            self.lossy = true;
            for (_, inner) in &mut cell.fields {
                if matches!(inner.form, Form::Struct(_)) {
                    inner.may_appear();
                }
            }
        }
    }

    fn field(field: &FieldPlan, plan: &StructPlan, rest: &[&Plan]) -> Self {
        let mut cell = match &field.act {
            Act::Move(to) => Self::followed(None, to, field.check, rest),
            Act::Nested(to, inner) => Self::followed(Some(inner), to, field.check, rest),
            Act::With(_, with) => Self::function(!with.exact || !rest.is_empty(), field.check),
            Act::Group(at) => Self::function(!plan.groups[*at].with.exact || !rest.is_empty(), field.check),
            Act::Drop => Self::unit(true, field.check),
            // Null does not move where there is no container for it.
            Act::Moved => Self::unit(true, field.check),
        };
        cell.required = field.required;
        cell
    }

    /// What a function reads; where it loses nothing, it tells null from absence by its claim.
    fn function(lossy: bool, check: Option<Check>) -> Self {
        let called = if lossy { Called::Itself } else { Called::No };
        Self::unit(lossy, check).called(called)
    }

    /// A value that goes on to the next edge under the name `to`.
    fn followed(plan: Option<&Plan>, to: &str, check: Option<Check>, rest: &[&Plan]) -> Self {
        let mut plans: Vec<_> = plan.into_iter().collect();
        let mut name = to;
        for edge in rest {
            let Plan::Struct(edge) = edge else { continue };
            let Some(field) = edge.index(name, &mut 0).map(|at| &edge.fields[at]) else {
                break;
            };
            match &field.act {
                Act::Move(to) => name = to,
                Act::Nested(to, plan) => {
                    plans.push(plan);
                    name = to;
                }
                act => {
                    let called = match act {
                        Act::With(..) | Act::Group(_) => Called::Itself,
                        _ if plans.is_empty() => Called::No,
                        _ => Called::Inside,
                    };
                    // The later edge's type is this one's only where nothing changed on the way.
                    if plans.is_empty() {
                        return Self::unit(true, check.or(field.check)).called(called);
                    }
                    let own = Self::of(&plans);
                    let mut unit = Self::unit(true, own.check.or(check)).called(called);
                    unit.inside = unit.check.is_none().then(|| Box::new(own));
                    return unit;
                }
            }
        }
        Self::of(&plans)
    }

    /// Whether `text` can be a value of this place, as far as its types say.
    pub(crate) fn admits(&self, text: &str) -> bool {
        // `Option` is seen through: the check is that of the type inside.
        if text == "null" && !self.required {
            return true;
        }
        if let Some(check) = self.check {
            return super::walk::check(check, text);
        }
        if let Some(inside) = &self.inside {
            return inside.admits(text);
        }
        match &self.form {
            Form::List { item, .. } => super::node::Items::of(text).all(|text| item.admits(text)),
            Form::Map(value) => super::node::Members::of(text).all(|(_, text)| value.admits(text)),
            Form::Unit | Form::Struct(_) => true,
        }
    }
}

/// Whether some edge's `moved` may create what becomes of a field.
fn is_container(field: &FieldPlan, plan: &StructPlan, rest: &[&Plan]) -> bool {
    let mut field = field;
    let mut edges = rest.iter().filter_map(|plan| match plan {
        Plan::Struct(plan) => Some(&**plan),
        _ => None,
    });
    let mut plan = Some(plan);
    while let Some(edge) = plan {
        let (Act::Move(to) | Act::Nested(to, _)) = &field.act else {
            return false;
        };
        if edge
            .moved
            .iter()
            .any(|moved| moved.to.len() > 1 && moved.to[0] == *to)
        {
            return true;
        }
        plan = edges.next();
        let next = plan.and_then(|edge| Some(&edge.fields[edge.index(to, &mut 0)?]));
        let Some(next) = next else { return false };
        field = next;
    }
    false
}

/// The plans of items, as far as the edges go into them.
fn inner<'p>(first: &'p Plan, rest: &[&'p Plan], of: impl Fn(&'p Plan) -> Option<&'p Plan>) -> Vec<&'p Plan> {
    let mut out = vec![first];
    for plan in rest {
        match plan {
            Plan::Same => {}
            plan => match of(plan) {
                Some(inner) => out.push(inner),
                None => break,
            },
        }
    }
    out
}
