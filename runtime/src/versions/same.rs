//! Whether two versions have one form on the wire (VER-38).
//!
//! **Invariant:** where this says so, an object of one version is one of the other, byte for byte.

use crate::convert::VersionLink;
use crate::convert::emitted::{Field, Loss, Shape, Table, Variant, Wire, WireField, WireVariant};
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
