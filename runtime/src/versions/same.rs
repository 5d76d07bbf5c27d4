//! Whether two versions have one form on the wire (VER-38), and what constants ask of forms.

use kubewright_schema::shape::{refuse, same};

use crate::convert::VersionLink;
use crate::convert::emitted::{Field, Loss, OnWire, Shape, Table, Variant, Wire, WireField, WireVariant};
use crate::convert::table::{Action, Turn};
use crate::convert::wire::Content;

/// Whether objects of this version and of the one before are the same on the wire.
pub(super) fn is_same(link: &VersionLink) -> bool {
    link.loss == Loss::NONE && shape(&link.spec) && shape(&link.status)
}

fn shape(of: &Shape) -> bool {
    match of {
        Shape::Same => true,
        Shape::Table(of) => table(of),
        Shape::List(of) | Shape::Map(of) => shape(of),
        Shape::Manual(_) => false,
    }
}

fn table(of: &Table) -> bool {
    if !of.groups.is_empty() || !of.moved.is_empty() {
        return false;
    }
    match (&of.old.wire, &of.new.wire) {
        (
            Wire::Struct {
                fields: old,
                open: before,
            },
            Wire::Struct { fields: new, open },
        ) => open == before && fields(of.fields, old, new),
        (Wire::Enum(before, old), Wire::Enum(tag, new)) => {
            tag == before && of.variants.iter().all(|variant| self::variant(variant, old, new))
        }
        _ => false,
    }
}

fn fields(of: &[Field], old: &[WireField], new: &[WireField]) -> bool {
    of.iter().all(|field| {
        let (Some(old), Some(new)) = (
            field
                .old
                .and_then(|name| old.iter().find(|wire| wire.rust == name)),
            field
                .new
                .and_then(|name| new.iter().find(|wire| wire.rust == name)),
        ) else {
            return false;
        };
        // An object that one side reads by an alias would be pruned by the other's schema.
        let names = old.name == new.name && old.flatten.is_some() == new.flatten.is_some();
        let aliases = new.aliases.iter().all(|alias| old.aliases.contains(alias));
        names
            && aliases
            && match &field.action {
                Action::Same => true,
                Action::Nested { shape, .. } => self::shape(shape),
                Action::With(_) | Action::OneSided(_) | Action::Moved => false,
            }
    })
}

fn variant(of: &Variant, old: &[WireVariant], new: &[WireVariant]) -> bool {
    let (Some(old), Some(new)) = (
        of.old.and_then(|name| old.iter().find(|wire| wire.rust == name)),
        of.new.and_then(|name| new.iter().find(|wire| wire.rust == name)),
    ) else {
        return false;
    };
    if old.name != new.name {
        return false;
    }
    let content = match (&old.content, &new.content) {
        (Content::Struct(old), Content::Struct(new)) => match &of.turn {
            Turn::Fields(of) => fields(of, old, new),
            _ => {
                let pairs = old
                    .iter()
                    .zip(*new)
                    .all(|(old, new)| old.rust == new.rust && old.name == new.name);
                pairs && old.len() == new.len()
            }
        },
        _ => true,
    };
    content
        && match &of.turn {
            Turn::Same | Turn::Fields(_) => true,
            Turn::Nested { shape, .. } => self::shape(shape),
            Turn::Shown(_) | Turn::Made(_) | Turn::Refused => false,
        }
}

/// Each field and variant that a table speaks of has a name on the wire, and each older field is spoken of. rustc says
/// the same of Rust names, without advice; what serde skips it does not know.
#[track_caller]
pub const fn complete<Old: OnWire, New: OnWire>(table: &Table) {
    let mut at = 0;
    while at < table.fields.len() {
        let field = &table.fields[at];
        if let (Action::Same, Some(old), Some(new)) = (&field.action, field.old, field.new) {
            coded_alike(coded(Old::CODED, old), coded(New::CODED, new), new);
        }
        if let Some(name) = field.old
            && !table.old.wire.has(name)
        {
            match field.new {
                Some(new) => refuse(&[
                    "no field `",
                    name,
                    "` in the older type; mark `",
                    new,
                    "` with `#[convert(added)]` or `rename = \"...\"`, or skip it, where serde skips the older one",
                ]),
                None => refuse(&[
                    "no field `",
                    name,
                    "` in the older type, or serde skips it: there is nothing to convert",
                ]),
            }
        }
        at += 1;
    }
    if let Wire::Struct { fields, .. } = &table.old.wire {
        let mut at = 0;
        while at < fields.len() {
            if !is_spoken_of(table, fields[at].rust) {
                refuse(&[
                    "field `",
                    fields[at].rust,
                    "` of the older type is not spoken of: say `old_only(",
                    fields[at].rust,
                    ")` on the type or `rename = \"",
                    fields[at].rust,
                    "\"` on a field",
                ]);
            }
            at += 1;
        }
    }
    let mut at = 0;
    while at < table.variants.len() {
        if let Some(name) = table.variants[at].old
            && !table.old.wire.has(name)
        {
            refuse(&["no variant `", name, "` in the older type"]);
        }
        at += 1;
    }
    if let Wire::Enum(_, variants) = &table.old.wire {
        let mut at = 0;
        while at < variants.len() {
            if !has_older(table.variants, variants[at].rust) {
                refuse(&[
                    "variant `",
                    variants[at].rust,
                    "` of the older type is not spoken of: say `old_only(",
                    variants[at].rust,
                    "(up = ...))` on the type or `rename = \"",
                    variants[at].rust,
                    "\"` on a variant",
                ]);
            }
            at += 1;
        }
    }
}

const fn coded(fields: &'static [(&'static str, &'static str)], name: &str) -> &'static str {
    let mut at = 0;
    while at < fields.len() {
        if same(fields[at].0, name) {
            return fields[at].1;
        }
        at += 1;
    }
    ""
}

/// A field that is copied is written by the same function in both types, as far as their names tell (E12).
#[track_caller]
const fn coded_alike(old: &str, new: &str, name: &str) {
    if !same(old, new) {
        let nothing = "nothing";
        refuse(&[
            "the conversion table cannot see through `serde(with)`; use `with(...)` or `manual`: `",
            name,
            "` has ",
            if new.is_empty() { nothing } else { new },
            " here and ",
            if old.is_empty() { nothing } else { old },
            " in the older type",
        ]);
    }
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

/// Whether an older field has something to become.
const fn is_spoken_of(table: &Table, name: &str) -> bool {
    let mut at = 0;
    while at < table.fields.len() {
        if let Some(old) = table.fields[at].old
            && same(old, name)
        {
            return true;
        }
        at += 1;
    }
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
