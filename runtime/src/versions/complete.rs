//! What a conversion table must be, asked while the crate is compiled: rustc sees that Rust names exist, and not what
//! serde makes of them.
//!
//! **Invariant:** a table that passes [`complete`], [`leaves`] and [`arrives`] resolves into plans: each name that it
//! speaks of stands on the wire.

use kubewright_schema::shape::{refuse, same};

use crate::convert::emitted::{Field, OnWire, Shape, Table, Variant, Wire, WireField, WireVariant};
use crate::convert::table::{Action, Member, Turn};
use crate::convert::wire::{Content, Tag};

/// Each field and variant that a table speaks of has a name on the wire, and each older one is spoken of.
#[track_caller]
pub const fn complete<Old: OnWire, New: OnWire>(table: &Table) {
    match (&table.old.wire, &table.new.wire) {
        (Wire::Struct { fields: old, .. }, Wire::Struct { fields: new, .. }) => {
            coded_as_before(table.fields, Old::CODED, New::CODED);
            fields(table.fields, table, old, new, "the older type");
            groups(table, old, new);
        }
        (Wire::Enum(_, old), Wire::Enum(tag, new)) => variants(table, old, new, tag),
        (Wire::Opaque, _) => {
            refuse(&["how the older type is written cannot be seen through; convert this one by `manual`"])
        }
        _ => {
            refuse(&["a struct and an enum have nothing in common to convert; convert this one by `manual`"])
        }
    }
}

/// The fields of a struct or of a variant. `table` has its groups, where there are any.
#[track_caller]
const fn fields(of: &[Field], table: &Table, old: &[WireField], new: &[WireField], older: &str) {
    let mut at = 0;
    while at < of.len() {
        field(&of[at], old, new, older);
        at += 1;
    }
    let mut at = 0;
    while at < old.len() {
        let name = old[at].rust;
        if entry(of, name, Side::Old).is_none() && !in_group(table, name) {
            refuse(&[
                "field `",
                name,
                "` of ",
                older,
                " is not spoken of: say `old_only(",
                name,
                ")` on the type or `rename = \"",
                name,
                "\"` on a field",
            ]);
        }
        at += 1;
    }
}

#[track_caller]
const fn field(of: &Field, old: &[WireField], new: &[WireField], older: &str) {
    let Some(name) = of.old else { return };
    let Some(old) = wire(old, name) else {
        match of.new {
            Some(new) => refuse(&[
                "no field `",
                name,
                "` in ",
                older,
                "; mark `",
                new,
                "` with `#[convert(added)]` or `rename = \"...\"`, or skip it, where serde skips the older one",
            ]),
            None => refuse(&[
                "no field `",
                name,
                "` in ",
                older,
                ", or serde skips it: there is nothing to convert",
            ]),
        }
    };
    if let Some(name) = of.new
        && let Some(new) = wire(new, name)
    {
        flattened(of, old, new);
    }
}

/// A flattened field has no value of its own: its members are copied, or converted one by one.
#[track_caller]
const fn flattened(of: &Field, old: &WireField, new: &WireField) {
    let seen = match (&old.flatten, &new.flatten) {
        (None, None) => return,
        (Some(_), Some(_)) => match &of.action {
            Action::Same => true,
            Action::Nested { shape, .. } => {
                matches!(shape, Shape::Same | Shape::Table(Table { variants: [], .. }))
            }
            _ => false,
        },
        _ => false,
    };
    if !seen {
        refuse(&[
            "the conversion table cannot see through `serde(flatten)` of `",
            new.rust,
            "`: its members stay as they are, or are those of a struct that is flattened on both sides and `nested`; \
             convert the whole type by `manual`",
        ]);
    }
}

/// The members of groups, each of which is a value of its own.
#[track_caller]
const fn groups(table: &Table, old: &[WireField], new: &[WireField]) {
    let mut at = 0;
    while at < table.groups.len() {
        members(table.groups[at].old, old);
        members(table.groups[at].new, new);
        at += 1;
    }
}

#[track_caller]
const fn members(of: &[Member], fields: &[WireField]) {
    let mut at = 0;
    while at < of.len() {
        let name = of[at].rust;
        match wire(fields, name) {
            Some(WireField { flatten: None, .. }) => {}
            Some(_) => refuse(&[
                "the conversion table cannot see through `serde(flatten)` of `",
                name,
                "`, and so it is no member of a group; convert the whole type by `manual`",
            ]),
            None => refuse(&["serde skips `", name, "`, and so it is no member of a group"]),
        }
        at += 1;
    }
}

/// A field that is copied is written by the same function in both types, as far as their names tell (E12).
#[track_caller]
const fn coded_as_before(of: &[Field], before: Coded, now: Coded) {
    let mut at = 0;
    while at < of.len() {
        if let (Action::Same, Some(old), Some(new)) = (&of[at].action, of[at].old, of[at].new) {
            let (old, now) = (coded(before, old), coded(now, new));
            if !same(old, now) {
                refuse(&[
                    "the conversion table cannot see through `serde(with)`; use `with(...)` or `manual`: `",
                    new,
                    "` has ",
                    if now.is_empty() { "nothing" } else { now },
                    " here and ",
                    if old.is_empty() { "nothing" } else { old },
                    " in the older type",
                ]);
            }
        }
        at += 1;
    }
}

/// [`OnWire::CODED`].
type Coded = &'static [(&'static str, &'static str)];

const fn coded(fields: Coded, name: &str) -> &'static str {
    let mut at = 0;
    while at < fields.len() {
        if same(fields[at].0, name) {
            return fields[at].1;
        }
        at += 1;
    }
    ""
}

#[track_caller]
const fn variants(table: &Table, old: &[WireVariant], new: &[WireVariant], tag: &Tag) {
    let mut at = 0;
    while at < table.variants.len() {
        let of = &table.variants[at];
        if let Some(name) = of.old {
            let Some(older) = variant(old, name) else {
                refuse(&["no variant `", name, "` in the older type"]);
            };
            if let Some(newer) = of.new
                && let Some(newer) = variant(new, newer)
            {
                contents(of, table, older, newer, tag);
            }
        }
        at += 1;
    }
    let mut at = 0;
    while at < old.len() {
        if !has_older(table.variants, old[at].rust) {
            refuse(&[
                "variant `",
                old[at].rust,
                "` of the older type is not spoken of: say `old_only(",
                old[at].rust,
                "(up = ...))` on the type or `rename = \"",
                old[at].rust,
                "\"` on a variant",
            ]);
        }
        at += 1;
    }
}

/// What a variant holds, on both sides.
#[track_caller]
const fn contents(of: &Variant, table: &Table, old: &WireVariant, new: &WireVariant, tag: &Tag) {
    match (&old.content, &new.content) {
        (Content::Struct(older), Content::Struct(newer)) => match of.turn {
            Turn::Fields(list) => fields(list, table, older, newer, "the older variant"),
            _ => {
                let mut at = 0;
                while at < older.len() {
                    if wire(newer, older[at].rust).is_none() {
                        refuse(&[
                            "serde skips `",
                            older[at].rust,
                            "` of `",
                            new.rust,
                            "` here and not in the older type; convert the enum by `manual`",
                        ]);
                    }
                    at += 1;
                }
            }
        },
        (Content::Unit, Content::Unit)
        | (Content::Newtype, Content::Newtype)
        | (Content::Tuple, Content::Tuple) => {}
        // Beside a tag, nothing and no fields are written alike.
        (Content::Unit, Content::Struct([])) | (Content::Struct([]), Content::Unit)
            if matches!(tag, Tag::Internal(_)) => {}
        _ => refuse(&[
            "variant `",
            old.rust,
            "` of the older type and `",
            new.rust,
            "` do not hold the same number of values; convert the enum by `manual`",
        ]),
    }
}

/// A field that moves has a place in the older type, and each struct on the way a table (E13).
#[track_caller]
pub const fn leaves(table: &Table, path: &[&'static str]) {
    way(table, path, Side::Old);
}

/// A field that moves has a place in the newer type, and each struct on the way a table (E13).
#[track_caller]
pub const fn arrives(table: &Table, path: &[&'static str]) {
    way(table, path, Side::New);
}

#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

impl Side {
    const fn name(self, of: &Field) -> Option<&'static str> {
        match self {
            Self::Old => of.old,
            Self::New => of.new,
        }
    }
}

#[track_caller]
const fn way(table: &Table, path: &[&'static str], side: Side) {
    let mut table = table;
    let mut at = 0;
    while at < path.len() {
        let name = path[at];
        let Some(found) = entry(table.fields, name, side) else {
            refuse(&["`moved` finds no field `", name, "`, or serde skips it"]);
        };
        if at + 1 == path.len() {
            if !matches!(found.action, Action::Moved) {
                match side {
                    Side::Old => refuse(&[
                        "`",
                        name,
                        "` does not take part: say `old_only(",
                        name,
                        "(moved))` on the type that had it",
                    ]),
                    Side::New => refuse(&[
                        "`",
                        name,
                        "` does not take part: say `#[convert(moved)]` at the field",
                    ]),
                }
            }
            return;
        }
        table = match &found.action {
            Action::Nested { shape, .. } => through(name, shape),
            Action::OneSided(_) | Action::Moved => refuse(&[
                "`moved` cannot pass through `",
                name,
                "`, which one of the versions has alone; make it one of a group's: \
                 `group(old(...), new(...), up = f, down = g)`",
            ]),
            Action::With(_) => refuse(&[
                "`moved` cannot pass through `",
                name,
                "`, which converts by functions; let them, or a group's, move the field",
            ]),
            Action::Same => refuse(&[
                "`moved` cannot pass through `",
                name,
                "`, whose type has no conversion table: derive Convert for it with `#[convert(from = ...)]` and mark `",
                name,
                "` with `#[convert(nested)]`",
            ]),
        };
        at += 1;
    }
}

/// The table of a container.
#[track_caller]
const fn through(name: &str, shape: &Shape) -> &'static Table {
    let what = match shape {
        Shape::Table(table) => return table,
        Shape::List(_) => "a list",
        Shape::Map(_) => "a map",
        Shape::Manual(_) => {
            refuse(&[
                "`moved` cannot pass through `",
                name,
                "`, which converts by `manual`, as a whole; make it one of a group's: \
                 `group(old(...), new(...), up = f, down = g)`",
            ]);
        }
        Shape::Same => {
            refuse(&[
                "`moved` cannot pass through `",
                name,
                "`, whose type is the same in both versions; derive Convert for it with `#[convert(from = ...)]`",
            ]);
        }
    };
    refuse(&["`moved` cannot pass through ", what, ", as `", name, "` is"])
}

/// Each field that says that it moves is taken by a struct around it: otherwise its value would be lost.
#[track_caller]
pub(super) const fn all_move(shape: &Shape, around: &str) {
    match shape {
        Shape::Table(table) => within(&Inner { table, outer: None }, around),
        Shape::List(item) | Shape::Map(item) => all_move(item, around),
        Shape::Same | Shape::Manual(_) => {}
    }
}

/// A table, and the structs that it stands in.
#[derive(Clone, Copy)]
struct Inner<'a> {
    table: &'a Table,
    outer: Option<(&'a Field, &'a Inner<'a>)>,
}

#[track_caller]
const fn within(inner: &Inner<'_>, around: &str) {
    moves_of(inner.table.fields, inner, around);
    let mut at = 0;
    while at < inner.table.variants.len() {
        match &inner.table.variants[at].turn {
            Turn::Nested { shape, .. } => all_move(shape, around),
            Turn::Fields(fields) => moves_of(fields, inner, around),
            Turn::Same | Turn::Shown(_) | Turn::Made(_) | Turn::Refused => {}
        }
        at += 1;
    }
}

#[track_caller]
const fn moves_of(fields: &[Field], inner: &Inner<'_>, around: &str) {
    let mut at = 0;
    while at < fields.len() {
        let field = &fields[at];
        match &field.action {
            Action::Nested {
                shape: Shape::Table(table),
                ..
            } => {
                let outer = Some((field, inner));
                within(&Inner { table, outer }, around);
            }
            Action::Nested { shape, .. } => match field.new {
                Some(name) => all_move(shape, name),
                None => all_move(shape, around),
            },
            Action::Moved => {
                let (side, name) = match (field.old, field.new) {
                    (Some(name), _) => (Side::Old, name),
                    (_, Some(name)) => (Side::New, name),
                    _ => return,
                };
                if !is_taken(inner, name, side) {
                    let holder = match inner.outer {
                        Some((holder, _)) => match side.name(holder) {
                            Some(name) => name,
                            None => around,
                        },
                        None => around,
                    };
                    refuse(&[
                        "`",
                        name,
                        "` in `",
                        holder,
                        "` says that it moves, and no struct around it says where: write \
                         `#[convert(moved(\"...\" => \"...\"))]` on one that holds both places",
                    ]);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Whether this struct or one around it moves the field.
const fn is_taken(inner: &Inner<'_>, name: &'static str, side: Side) -> bool {
    let mut here = inner;
    let mut depth = 1;
    loop {
        let moves = here.table.moved;
        let mut at = 0;
        while at < moves.len() {
            let path = match side {
                Side::Old => moves[at].old,
                Side::New => moves[at].new,
            };
            if path.len() == depth && ends_in(path, inner, name, side) {
                return true;
            }
            at += 1;
        }
        match here.outer {
            Some((_, outer)) => here = outer,
            None => return false,
        }
        depth += 1;
    }
}

/// Whether a path leads to a field of `inner`, from as far outside as the path is long.
const fn ends_in(path: &[&'static str], inner: &Inner<'_>, name: &'static str, side: Side) -> bool {
    let mut here = inner;
    let mut name = name;
    let mut left = path.len();
    while left > 0 {
        left -= 1;
        if !same(path[left], name) {
            return false;
        }
        if left > 0 {
            let Some((field, outer)) = here.outer else {
                return false;
            };
            let Some(next) = side.name(field) else {
                return false;
            };
            (here, name) = (outer, next);
        }
    }
    true
}

const fn wire<'a>(fields: &'a [WireField], rust: &str) -> Option<&'a WireField> {
    let mut at = 0;
    while at < fields.len() {
        if same(fields[at].rust, rust) {
            return Some(&fields[at]);
        }
        at += 1;
    }
    None
}

const fn variant<'a>(variants: &'a [WireVariant], rust: &str) -> Option<&'a WireVariant> {
    let mut at = 0;
    while at < variants.len() {
        if same(variants[at].rust, rust) {
            return Some(&variants[at]);
        }
        at += 1;
    }
    None
}

/// What a table says of the field that a side has under this name.
const fn entry<'a>(fields: &'a [Field], name: &str, side: Side) -> Option<&'a Field> {
    let mut at = 0;
    while at < fields.len() {
        if let Some(known) = side.name(&fields[at])
            && same(known, name)
        {
            return Some(&fields[at]);
        }
        at += 1;
    }
    None
}

const fn has_older(variants: &[Variant], name: &str) -> bool {
    let mut at = 0;
    while at < variants.len() {
        if let Some(old) = variants[at].old
            && same(old, name)
        {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether an older field is a group's.
const fn in_group(table: &Table, name: &str) -> bool {
    let mut group = 0;
    while group < table.groups.len() {
        let members = table.groups[group].old;
        let mut at = 0;
        while at < members.len() {
            if same(members[at].rust, name) {
                return true;
            }
            at += 1;
        }
        group += 1;
    }
    false
}

/// A field that tells the items of a list apart is one of theirs (E15).
#[track_caller]
pub const fn list_key<T: OnWire>(item: &str, key: &str) {
    if !has_name(&T::WIRE, key) {
        refuse(&["no field `", key, "` in `", item, "` to match list items by"]);
    }
}

const fn has_name(wire: &Wire, name: &str) -> bool {
    match wire {
        Wire::Struct { fields, .. } => {
            let mut at = 0;
            while at < fields.len() {
                let found = match &fields[at].flatten {
                    Some(inner) => has_name(inner, name),
                    None => same(fields[at].name, name),
                };
                if found {
                    return true;
                }
                at += 1;
            }
            false
        }
        Wire::Enum(..) => false,
        Wire::Opaque => true,
    }
}

/// A flattened type's form, whether or not it is known. Derived code of kinds asks so, since most kinds never have a
/// second version, and their flattened types no conversion.
#[derive(Debug)]
pub struct Flat<T>(std::marker::PhantomData<T>);

impl<T: OnWire> Flat<T> {
    /// The form, where it is known.
    pub const WIRE: Wire = T::WIRE;
}

/// For types whose form is not known.
pub trait NotOnWire {
    /// Whatever there is belongs to it.
    const WIRE: Wire = Wire::Struct {
        fields: &[],
        open: true,
    };
}

impl<T> NotOnWire for Flat<T> {}
