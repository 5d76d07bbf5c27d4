//! An edge's tables as text: what they say, and nothing of where functions stand in memory.
//!
//! **Invariant:** equal tables have equal texts in any build; names are those on the wire.

use std::fmt::Write as _;

use super::link::VersionLink;
use super::shim::{self, Make};
use super::table::{Action, Field, Fill, Shape, Table, Turn, Variant, With};
use super::wire::{Content, Tag, Wire, WireField, WireVariant};

/// The edge between a version and the one before it.
pub(crate) fn text(link: &VersionLink) -> String {
    let mut out = Writer::default();
    out.line("spec");
    out.shape(&link.spec);
    out.line("status");
    out.shape(&link.status);
    out.text
}

#[derive(Default)]
struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, text: &str) {
        for _ in 0..self.depth {
            self.text.push(' ');
        }
        let _ = writeln!(self.text, "{text}");
    }

    fn within(&mut self, write: impl FnOnce(&mut Self)) {
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    fn shape(&mut self, shape: &Shape) {
        self.within(|out| match shape {
            Shape::Same => out.line("same"),
            Shape::Table(table) => out.table(table),
            Shape::List(item) => {
                out.line("list");
                out.shape(item);
            }
            Shape::Map(value) => {
                out.line("map");
                out.shape(value);
            }
            Shape::Manual(_) => out.line("manual"),
        });
    }

    fn table(&mut self, table: &Table) {
        let (old, new) = (&table.old.wire, &table.new.wire);
        self.fields(table.fields, fields_of(old), fields_of(new));
        if let (Wire::Enum(old_tag, old), Wire::Enum(new_tag, new)) = (old, new) {
            self.line(&format!("enum {} {}", tag(*old_tag), tag(*new_tag)));
            for variant in table.variants {
                self.variant(variant, old, new);
            }
        }
        for group in table.groups {
            let names = |members: &[super::table::Member], fields: &[WireField]| {
                let names: Vec<_> = members.iter().map(|member| name(fields, member.rust)).collect();
                names.join(" ")
            };
            let (old, new) = (names(group.old, fields_of(old)), names(group.new, fields_of(new)));
            self.line(&format!("group {old} -> {new} {}", functions(&group.with)));
        }
        for moved in table.moved {
            // Names below the first stand in other types, whose own tables have them.
            self.line(&format!(
                "moved {} -> {}",
                moved.old.join("."),
                moved.new.join(".")
            ));
        }
    }

    fn fields(&mut self, fields: &[Field], old: &[WireField], new: &[WireField]) {
        for field in fields {
            let names = format!(
                "{} -> {}",
                field.old.map_or("-", |rust| name(old, rust)),
                field.new.map_or("-", |rust| name(new, rust))
            );
            match &field.action {
                Action::Same => self.line(&names),
                Action::Moved => self.line(&format!("{names} moved")),
                Action::With(with) => self.line(&format!("{names} {}", functions(with))),
                Action::OneSided(Fill::Nothing) => self.line(&format!("{names} alone")),
                Action::OneSided(Fill::Value(make)) => self.line(&format!("{names} value {}", made(*make))),
                Action::OneSided(Fill::Computed(_)) => self.line(&format!("{names} computed")),
                Action::Nested { shape, keys, .. } => {
                    self.line(&format!("{names} nested {}", keys.join(",")));
                    self.shape(shape);
                }
            }
        }
    }

    fn variant(&mut self, variant: &Variant, old: &[WireVariant], new: &[WireVariant]) {
        let older = variant.old.and_then(|rust| find(old, rust));
        let newer = variant.new.and_then(|rust| find(new, rust));
        let named = |variant: Option<&WireVariant>| variant.map_or("-", |variant| variant.name);
        let names = format!("{} -> {}", named(older), named(newer));
        match &variant.turn {
            Turn::Same => self.line(&names),
            Turn::Nested { shape, .. } => {
                self.line(&format!("{names} nested"));
                self.shape(shape);
            }
            Turn::Fields(fields) => {
                self.line(&format!("{names} fields"));
                self.within(|out| out.fields(fields, content(older), content(newer)));
            }
            Turn::Shown(rust) => {
                // The other side's variant, whichever side that is.
                let other = find(old, rust)
                    .filter(|_| older.is_none())
                    .or_else(|| find(new, rust));
                self.line(&format!("{names} shown {}", named(other)));
            }
            Turn::Made(_) => self.line(&format!("{names} made")),
            Turn::Refused => self.line(&format!("{names} refused")),
        }
    }
}

fn fields_of(wire: &Wire) -> &'static [WireField] {
    match wire {
        Wire::Struct { fields, .. } => fields,
        Wire::Enum(..) | Wire::Opaque => &[],
    }
}

fn content(variant: Option<&WireVariant>) -> &'static [WireField] {
    match variant.map(|variant| variant.content) {
        Some(Content::Struct(fields)) => fields,
        _ => &[],
    }
}

/// A field's name on the wire; a flattened one has its Rust name.
fn name<'r>(fields: &[WireField], rust: &'r str) -> &'r str
where
    'static: 'r,
{
    let field = fields.iter().find(|field| field.rust == rust);
    field
        .map(|field| field.name)
        .filter(|name| !name.is_empty())
        .unwrap_or(rust)
}

fn find<'v>(variants: &'v [WireVariant], rust: &str) -> Option<&'v WireVariant> {
    variants.iter().find(|variant| variant.rust == rust)
}

fn tag(tag: Tag) -> String {
    match tag {
        Tag::External => "external".to_owned(),
        Tag::Internal(name) => format!("internal {name}"),
        Tag::Adjacent(name, content) => format!("adjacent {name} {content}"),
    }
}

/// A value that the table holds.
fn made(make: Make) -> String {
    shim::made(make).unwrap_or_else(|_| "none".to_owned())
}

fn functions(with: &With) -> String {
    let mut text = String::from(if with.exact {
        "functions exact"
    } else {
        "functions"
    });
    for (way, or) in [("up", with.or_up), ("down", with.or_down)] {
        if let Some(or) = or {
            let _ = write!(text, " {way} or {}", made(or));
        }
    }
    text
}
