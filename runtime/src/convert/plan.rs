//! A table, resolved for one direction: names on the wire, lookups, values that are written.
//!
//! **Invariant:** a plan is made once, and is all that a walk reads.

use std::sync::Arc;

use super::shim::{self, Ask, Call, Check, Fault, Make, Said};
use super::table::{Action, Field, Fill, Group, Moved, Shape, Table, Turn, Variant};
use super::wire::{Content, Tag, Wire, WireField, WireVariant};

/// Which way an edge is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// From old to new.
    Up,
    /// From new to old.
    Down,
}

impl Way {
    pub(crate) fn back(self) -> Self {
        match self {
            Way::Up => Way::Down,
            Way::Down => Way::Up,
        }
    }
}

/// How values of a type convert, one way.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// They stay.
    Same,
    Struct(Arc<StructPlan>),
    Enum(Arc<EnumPlan>),
    /// Items are told apart by these members of the source; by none, the list is one value.
    List {
        item: Arc<Plan>,
        keys: Vec<&'static str>,
    },
    Map(Arc<Plan>),
    /// One function for the whole.
    Whole {
        call: Call,
        check: Check,
    },
}

#[derive(Debug)]
pub(crate) struct StructPlan {
    /// Fields that the source declares.
    pub(crate) fields: Vec<FieldPlan>,
    /// Names of the source, sorted, and their fields.
    names: Vec<(&'static str, usize)>,
    /// Names that the target declares, sorted.
    declared: Vec<&'static str>,
    /// What the target has alone.
    pub(crate) fills: Vec<FillPlan>,
    pub(crate) groups: Vec<GroupPlan>,
    pub(crate) moved: Vec<MovedPlan>,
    /// How many of the fields must be there.
    pub(crate) required: usize,
    plain: bool,
    /// Whether a text is the source's type.
    pub(crate) check: Option<Check>,
}

#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) from: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) required: bool,
    pub(crate) act: Act,
    /// Whether a text is the source field's type.
    pub(crate) check: Option<Check>,
}

#[derive(Debug)]
pub(crate) enum Act {
    /// Under this name.
    Move(&'static str),
    Nested(&'static str, Plan),
    With(&'static str, WithPlan),
    /// The target has nothing like it.
    Drop,
    /// A member of this group.
    Group(usize),
    /// Some enclosing struct takes it.
    Moved,
}

#[derive(Debug)]
pub(crate) struct WithPlan {
    pub(crate) call: Call,
    pub(crate) takes_null: bool,
    pub(crate) exact: bool,
    /// In place of an error.
    pub(crate) or: Option<Result<String, Fault>>,
}

#[derive(Debug)]
pub(crate) struct FillPlan {
    pub(crate) name: &'static str,
    /// Its members stand in the struct itself.
    pub(crate) flat: bool,
    pub(crate) option: bool,
    pub(crate) make: FillBy,
}

#[derive(Debug)]
pub(crate) enum FillBy {
    Value(String),
    Call(Call),
    /// There is none: an error of each object that would get it.
    Failed(Fault),
}

#[derive(Debug)]
pub(crate) struct GroupPlan {
    /// Names in the source, and whether null stands for a missing one.
    pub(crate) from: Vec<(&'static str, bool)>,
    /// Names in the target, and whether null is left out.
    pub(crate) to: Vec<(&'static str, bool)>,
    pub(crate) with: WithPlan,
}

#[derive(Debug)]
pub(crate) struct MovedPlan {
    pub(crate) from: Vec<&'static str>,
    pub(crate) to: Vec<&'static str>,
    /// Makes the target's containers, outermost first.
    pub(crate) create: &'static [Make],
}

#[derive(Debug)]
pub(crate) struct EnumPlan {
    pub(crate) from: Tag,
    pub(crate) to: Tag,
    pub(crate) variants: Vec<VariantPlan>,
    /// Whether a text is the source's type.
    pub(crate) check: Check,
}

#[derive(Debug)]
pub(crate) struct VariantPlan {
    pub(crate) from: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) turn: TurnPlan,
}

#[derive(Debug)]
pub(crate) enum TurnPlan {
    /// A variant of this name, with the content as it stands.
    Keep(Named),
    /// A variant of this name without content.
    Bare(Named),
    /// A variant of this name, with the content converted.
    Content(Named, Plan),
    Made(Call),
    Refused,
}

/// A variant's name, also as JSON.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) json: String,
}

impl Named {
    fn of(name: &'static str) -> Self {
        let mut json = String::new();
        super::node::quote(name, &mut json);
        Self { name, json }
    }
}

impl StructPlan {
    /// The field that `name` is in the source. Members mostly come in the order of names: `hint` is where the next is
    /// looked for first.
    pub(crate) fn find(&self, name: &str, hint: &mut usize) -> Option<&FieldPlan> {
        self.index(name, hint).map(|at| &self.fields[at])
    }

    pub(crate) fn index(&self, name: &str, hint: &mut usize) -> Option<usize> {
        if let Some(&(at_hint, index)) = self.names.get(*hint)
            && at_hint == name
        {
            *hint += 1;
            return Some(index);
        }
        let at = self
            .names
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        *hint = at + 1;
        Some(self.names[at].1)
    }

    /// Names of the source, sorted, and the numbers of their fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.names.iter().copied()
    }

    /// Whether each field converts by itself.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether the target declares `name`.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.declared.binary_search_by(|known| (*known).cmp(name)).is_ok()
    }
}

impl Plan {
    /// # Panics
    /// For a table that derived code could not have: what `versions/complete.rs` asks of it does not compile.
    pub(crate) fn of(shape: &Shape, way: Way) -> Self {
        Self::keyed(shape, way, &[])
    }

    fn keyed(shape: &Shape, way: Way, keys: &[&'static str]) -> Self {
        match shape {
            Shape::Same => Plan::Same,
            Shape::Table(table) if matches!(table.new.wire, Wire::Enum(..)) => {
                Plan::Enum(Arc::new(EnumPlan::of(table, way)))
            }
            Shape::Table(table) => Plan::Struct(Arc::new(Builder::table(table, way).done())),
            Shape::List(item) => {
                let item = Self::of(item, way);
                let keys = keys.iter().map(|key| key_of(&item, key, way)).collect();
                Plan::List {
                    item: Arc::new(item),
                    keys,
                }
            }
            Shape::Map(value) => Plan::Map(Arc::new(Self::of(value, way))),
            Shape::Manual(manual) => {
                let (call, check) = match way {
                    Way::Up => (manual.up, manual.check_old),
                    Way::Down => (manual.down, manual.check_new),
                };
                Plan::Whole { call, check }
            }
        }
    }

    /// The plan of a root: `spec` and `status`, or the spec's fields and `status`.
    pub(crate) fn root(spec: &Shape, status: &Shape, flat: bool, way: Way) -> Arc<StructPlan> {
        let mut builder = match (spec, flat) {
            (Shape::Table(table), true) => Builder::table(table, way),
            _ => Builder::default(),
        };
        if !flat {
            builder.nested("spec", Self::of(spec, way));
        }
        builder.nested("status", Self::of(status, way));
        builder.check = None;
        Arc::new(builder.done())
    }
}

/// A key of a list's items, of the newer side, as the source has it.
fn key_of(item: &Plan, key: &'static str, way: Way) -> &'static str {
    let (Plan::Struct(plan), Way::Up) = (item, way) else {
        return key;
    };
    let renamed = plan.fields.iter().find(|field| match &field.act {
        Act::Move(to) | Act::Nested(to, _) | Act::With(to, _) => *to == key,
        _ => false,
    });
    renamed.map_or(key, |field| field.from)
}

#[derive(Default)]
struct Builder {
    fields: Vec<FieldPlan>,
    declared: Vec<&'static str>,
    fills: Vec<FillPlan>,
    groups: Vec<GroupPlan>,
    moved: Vec<MovedPlan>,
    check: Option<Check>,
}

/// A field of one side, which may be flattened.
fn wire_of(fields: &'static [WireField], rust: &str) -> &'static WireField {
    match fields.iter().find(|field| field.rust == rust) {
        Some(field) => field,
        None => panic!("a conversion table names `{rust}`, which its type does not have"),
    }
}

fn fields_of(wire: &Wire) -> &'static [WireField] {
    match wire {
        Wire::Struct { fields, .. } => fields,
        Wire::Enum(..) | Wire::Opaque => &[],
    }
}

/// Fields as they stand on the wire: flattened ones in place of their container.
fn leaves(fields: &'static [WireField], optional: bool, out: &mut Vec<WireField>) {
    for field in fields {
        match &field.flatten {
            Some(wire) => leaves(fields_of(wire), optional || field.option, out),
            None => out.push(WireField {
                required: field.required && !optional,
                ..*field
            }),
        }
    }
}

impl Builder {
    fn table(table: &'static Table, way: Way) -> Self {
        let mut builder = Self::default();
        let (old, new) = (fields_of(&table.old.wire), fields_of(&table.new.wire));
        builder.check = Some(match way {
            Way::Up => table.old.check,
            Way::Down => table.new.check,
        });
        builder.take(table.fields, old, new, way);
        for group in table.groups {
            builder.group(group, old, new, way);
        }
        for moved in table.moved {
            builder.moved(moved, table, way);
        }
        builder
    }

    fn take(
        &mut self,
        fields: &'static [Field],
        old: &'static [WireField],
        new: &'static [WireField],
        way: Way,
    ) {
        for field in fields {
            let older = field.old.map(|rust| wire_of(old, rust));
            let newer = field.new.map(|rust| wire_of(new, rust));
            let (from, to, check) = match way {
                Way::Up => (older, newer, field.check_old),
                Way::Down => (newer, older, field.check_new),
            };
            if let Some(to) = to {
                let mut names = Vec::new();
                leaves(std::slice::from_ref(to), false, &mut names);
                for leaf in names {
                    self.declared.push(leaf.name);
                    self.declared.extend(leaf.aliases);
                }
            }
            self.field(field, from, to, check, way);
        }
    }

    fn field(
        &mut self,
        field: &Field,
        from: Option<&'static WireField>,
        to: Option<&'static WireField>,
        check: Option<Check>,
        way: Way,
    ) {
        match (from, to, &field.action) {
            (Some(from), Some(to), Action::Same) => match (&from.flatten, &to.flatten) {
                (None, _) | (_, None) => self.push(from, check, Act::Move(to.name)),
                // One type on both sides: its fields keep their names.
                (Some(wire), Some(_)) => {
                    let mut fields = Vec::new();
                    leaves(fields_of(wire), from.option, &mut fields);
                    for leaf in fields {
                        self.push(&leaf, None, Act::Move(leaf.name));
                    }
                }
            },
            (Some(from), Some(to), Action::Nested { shape, keys, .. }) => match (&from.flatten, shape) {
                (Some(_), Shape::Table(table)) => {
                    let inner = Self::table(table, way);
                    self.absorb(inner, from.option);
                }
                _ => {
                    let plan = Plan::keyed(shape, way, keys);
                    self.push(from, check, Act::Nested(to.name, plan));
                }
            },
            (Some(from), Some(to), Action::With(with)) => {
                let plan = with_plan(with, way);
                self.push(from, check, Act::With(to.name, plan));
            }
            (Some(from), _, Action::Moved) => self.push(from, check, Act::Moved),
            (Some(from), None, _) => {
                let mut fields = Vec::new();
                leaves(std::slice::from_ref(from), false, &mut fields);
                let check = check.filter(|_| from.flatten.is_none());
                for leaf in fields {
                    self.push(&leaf, check, Act::Drop);
                }
            }
            (None, Some(to), Action::OneSided(fill)) => {
                let make = match fill {
                    Fill::Nothing => return,
                    Fill::Value(make) => shim::made(*make).map_or_else(FillBy::Failed, FillBy::Value),
                    Fill::Computed(call) => FillBy::Call(*call),
                };
                self.fills.push(FillPlan {
                    name: to.name,
                    flat: to.flatten.is_some(),
                    option: to.option,
                    make,
                });
            }
            _ => {}
        }
    }

    fn push(&mut self, from: &WireField, check: Option<Check>, act: Act) {
        self.fields.push(FieldPlan {
            from: from.name,
            aliases: from.aliases,
            required: from.required,
            act,
            check,
        });
    }

    fn nested(&mut self, name: &'static str, plan: Plan) {
        self.declared.push(name);
        self.fields.push(FieldPlan {
            from: name,
            aliases: &[],
            required: false,
            act: Act::Nested(name, plan),
            check: None,
        });
    }

    /// A flattened struct's own plan.
    fn absorb(&mut self, inner: Self, optional: bool) {
        let groups = self.groups.len();
        self.fields.extend(inner.fields.into_iter().map(|mut field| {
            field.required &= !optional;
            if let Act::Group(at) = &mut field.act {
                *at += groups;
            }
            field
        }));
        self.declared.extend(inner.declared);
        self.fills.extend(inner.fills);
        self.groups.extend(inner.groups);
        self.moved.extend(inner.moved);
    }

    fn group(
        &mut self,
        group: &'static Group,
        old: &'static [WireField],
        new: &'static [WireField],
        way: Way,
    ) {
        let (from, from_wire, to, to_wire) = match way {
            Way::Up => (group.old, old, group.new, new),
            Way::Down => (group.new, new, group.old, old),
        };
        let mut plan = GroupPlan {
            from: Vec::new(),
            to: Vec::new(),
            with: with_plan(&group.with, way),
        };
        for member in from {
            let wire = wire_of(from_wire, member.rust);
            plan.from.push((wire.name, wire.option));
            self.push(wire, Some(member.check), Act::Group(self.groups.len()));
        }
        for member in to {
            let wire = wire_of(to_wire, member.rust);
            plan.to.push((wire.name, wire.option));
            self.declared.push(wire.name);
            self.declared.extend(wire.aliases);
        }
        self.groups.push(plan);
    }

    fn moved(&mut self, moved: &'static Moved, table: &'static Table, way: Way) {
        let (old, new) = (
            names_on(moved.old, table, Way::Up),
            names_on(moved.new, table, Way::Down),
        );
        self.moved.push(match way {
            Way::Up => MovedPlan {
                from: old,
                to: new,
                create: moved.create_new,
            },
            Way::Down => MovedPlan {
                from: new,
                to: old,
                create: moved.create_old,
            },
        });
    }

    fn done(mut self) -> StructPlan {
        let mut names = Vec::new();
        for (at, field) in self.fields.iter().enumerate() {
            names.push((field.from, at));
            names.extend(
                field
                    .aliases
                    .iter()
                    .filter(|alias| **alias != field.from)
                    .map(|alias| (*alias, at)),
            );
        }
        names.sort_unstable();
        self.declared.sort_unstable();
        self.declared.dedup();
        StructPlan {
            required: self.fields.iter().filter(|field| field.required).count(),
            plain: self.fills.is_empty()
                && self.groups.is_empty()
                && self.moved.is_empty()
                && !self
                    .fields
                    .iter()
                    .any(|field| matches!(&field.act, Act::With(_, with) if with.takes_null)),
            fields: self.fields,
            names,
            declared: self.declared,
            fills: self.fills,
            groups: self.groups,
            moved: self.moved,
            check: self.check,
        }
    }
}

/// A path of Rust names as names on the wire; `side` is the one whose types have the path, as a source.
fn names_on(path: &'static [&'static str], table: &'static Table, side: Way) -> Vec<&'static str> {
    let mut names = Vec::new();
    let mut table = Some(table);
    for (at, rust) in path.iter().enumerate() {
        let Some(here) = table else {
            panic!(
                "`moved` passes through `{}`, which has no table",
                path[..at].join(".")
            );
        };
        let wire = match side {
            Way::Up => &here.old.wire,
            Way::Down => &here.new.wire,
        };
        let field = wire_of(fields_of(wire), rust);
        if field.flatten.is_none() {
            names.push(field.name);
        }
        let entry = here.fields.iter().find(|entry| {
            let name = match side {
                Way::Up => entry.old,
                Way::Down => entry.new,
            };
            name == Some(rust)
        });
        table = match entry.map(|entry| &entry.action) {
            Some(Action::Nested {
                shape: Shape::Table(inner),
                ..
            }) => Some(*inner),
            _ => None,
        };
    }
    names
}

fn with_plan(with: &super::table::With, way: Way) -> WithPlan {
    let (call, or) = match way {
        Way::Up => (with.up, with.or_up),
        Way::Down => (with.down, with.or_down),
    };
    WithPlan {
        call,
        takes_null: matches!(call(Ask::TakesNull), Ok(Said::TakesNull(true))),
        exact: with.exact,
        or: or.map(shim::made),
    }
}

impl EnumPlan {
    fn of(table: &'static Table, way: Way) -> Self {
        let (Wire::Enum(old_tag, old), Wire::Enum(new_tag, new)) = (&table.old.wire, &table.new.wire) else {
            panic!("a conversion table is of an enum on one side and not on the other");
        };
        let (from, to, check) = match way {
            Way::Up => (*old_tag, *new_tag, table.old.check),
            Way::Down => (*new_tag, *old_tag, table.new.check),
        };
        let variants: Vec<_> = table
            .variants
            .iter()
            .filter_map(|variant| variant_plan(variant, old, new, way))
            .collect();
        Self {
            from,
            to,
            variants,
            check,
        }
    }
}

fn variant_of(variants: &'static [WireVariant], rust: &str) -> &'static WireVariant {
    match variants.iter().find(|variant| variant.rust == rust) {
        Some(variant) => variant,
        None => panic!("a conversion table names the variant `{rust}`, which its type does not have"),
    }
}

fn variant_plan(
    variant: &'static Variant,
    old: &'static [WireVariant],
    new: &'static [WireVariant],
    way: Way,
) -> Option<VariantPlan> {
    let older = variant.old.map(|rust| variant_of(old, rust));
    let newer = variant.new.map(|rust| variant_of(new, rust));
    let (from, to, target) = match way {
        Way::Up => (older?, newer, new),
        Way::Down => (newer?, older, old),
    };
    let turn = match (&variant.turn, to) {
        (Turn::Shown(rust), _) => TurnPlan::Bare(Named::of(variant_of(target, rust).name)),
        (Turn::Made(call), None) => TurnPlan::Made(*call),
        (Turn::Refused, _) | (_, None) => TurnPlan::Refused,
        (Turn::Nested { shape, .. }, Some(to)) => TurnPlan::Content(Named::of(to.name), Plan::of(shape, way)),
        (Turn::Same | Turn::Made(_), Some(to)) => match (from.content, to.content) {
            // The type is one of the version's own: its names may differ from the other's.
            (Content::Struct(a), Content::Struct(b)) => {
                TurnPlan::Content(Named::of(to.name), Plan::Struct(Arc::new(same_names(a, b))))
            }
            _ => TurnPlan::Keep(Named::of(to.name)),
        },
        (Turn::Fields(fields), Some(to)) => {
            let (Content::Struct(a), Content::Struct(b)) = (from.content, to.content) else {
                panic!(
                    "a conversion table has fields for `{}`, which has none",
                    from.rust
                );
            };
            let (older, newer) = match way {
                Way::Up => (a, b),
                Way::Down => (b, a),
            };
            let mut builder = Builder::default();
            builder.take(fields, older, newer, way);
            TurnPlan::Content(Named::of(to.name), Plan::Struct(Arc::new(builder.done())))
        }
    };
    Some(VariantPlan {
        from: from.name,
        aliases: from.aliases,
        turn,
    })
}

/// Fields of the same Rust names on both sides.
fn same_names(from: &'static [WireField], to: &'static [WireField]) -> StructPlan {
    let mut builder = Builder::default();
    for to in to {
        builder.declared.push(to.name);
    }
    for field in from {
        if let Some(to) = to.iter().find(|to| to.rust == field.rust) {
            builder.push(field, None, Act::Move(to.name));
        }
    }
    builder.done()
}
