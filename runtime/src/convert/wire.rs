//! One type as serde writes it: the Rust names of its fields and variants, and their names on the wire.
//!
//! A derive sees its own type alone, so each side of a conversion describes itself by [`OnWire`], and a
//! [`Table`](super::table::Table) speaks of both by Rust names.
//!
//! **Invariant:** what stands here is what serde's attributes say; conversion adds and leaves out nothing.

use std::sync::Arc;

/// A type whose form on the wire is known: it derives `Convert` or is the spec of a kind.
#[diagnostic::on_unimplemented(
    message = "the names that `{Self}` has on the wire are not known",
    label = "`{Self}` does not derive `Convert`",
    note = "write `#[derive(Convert)]` on `{Self}`; on the oldest version it needs no `#[convert(...)]`"
)]
pub trait OnWire {
    /// The form.
    const WIRE: Wire;
    /// Fields that `#[serde(with = "...")]` writes, by their Rust names, and what it says.
    const CODED: &'static [(&'static str, &'static str)] = &[];
}

impl<T: OnWire> OnWire for Option<T> {
    const WIRE: Wire = T::WIRE;
}

impl<T: OnWire> OnWire for Box<T> {
    const WIRE: Wire = T::WIRE;
}

impl<T: OnWire> OnWire for Arc<T> {
    const WIRE: Wire = T::WIRE;
}

/// What a type is on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Wire {
    /// An object with these fields; `open` where a flattened map takes all other members.
    Struct {
        /// Fields in the order of their declaration.
        fields: &'static [WireField],
        /// Whether a flattened map takes the members that no field has.
        open: bool,
    },
    /// One of some variants.
    Enum(Tag, &'static [WireVariant]),
    /// Nothing is known of it: a type that converts by hand.
    Opaque,
}

/// How an enum says which variant it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `"Name"` or `{"Name": content}`.
    External,
    /// `{tag: "Name", ...}`, the content's members beside the tag.
    Internal(&'static str),
    /// `{tag: "Name", content: ...}`.
    Adjacent(&'static str, &'static str),
}

/// A field of a struct, or of a struct-like variant.
#[derive(Clone, Copy, Debug)]
pub struct WireField {
    /// Name in Rust.
    pub rust: &'static str,
    /// Name on the wire.
    pub name: &'static str,
    /// Further names that are read.
    pub aliases: &'static [&'static str],
    /// Whether an object without the field cannot be read.
    pub required: bool,
    /// Whether the type is `Option`.
    pub option: bool,
    /// The flattened type's form, where the field has no name of its own.
    pub flatten: Option<Wire>,
}

/// A variant of an enum.
#[derive(Clone, Copy, Debug)]
pub struct WireVariant {
    /// Name in Rust.
    pub rust: &'static str,
    /// Name on the wire.
    pub name: &'static str,
    /// Further names that are read.
    pub aliases: &'static [&'static str],
    /// What it carries.
    pub content: Content,
}

/// What a variant carries.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// Nothing.
    Unit,
    /// One value.
    Newtype,
    /// Several values without names.
    Tuple,
    /// Named fields.
    Struct(&'static [WireField]),
}

/// Builders in `const`, which derived code uses.
impl Wire {
    /// A struct with these fields.
    pub const fn fields(fields: &'static [WireField]) -> Self {
        Self::Struct { fields, open: false }
    }

    /// A struct with these fields and a flattened map.
    pub const fn open(fields: &'static [WireField]) -> Self {
        Self::Struct { fields, open: true }
    }

    /// An enum whose variants are told apart by their own names.
    pub const fn external(variants: &'static [WireVariant]) -> Self {
        Self::Enum(Tag::External, variants)
    }

    /// An enum with `#[serde(tag = "...")]`.
    pub const fn internal(tag: &'static str, variants: &'static [WireVariant]) -> Self {
        Self::Enum(Tag::Internal(tag), variants)
    }

    /// An enum with `#[serde(tag = "...", content = "...")]`.
    pub const fn adjacent(
        tag: &'static str,
        content: &'static str,
        variants: &'static [WireVariant],
    ) -> Self {
        Self::Enum(Tag::Adjacent(tag, content), variants)
    }

    /// The names of a struct's fields in Rust hold `rust`, of an enum's variants likewise.
    pub const fn has(&self, rust: &str) -> bool {
        let mut i = 0;
        match self {
            Self::Struct { fields, .. } => {
                while i < fields.len() {
                    if same(fields[i].rust, rust) {
                        return true;
                    }
                    i += 1;
                }
            }
            Self::Enum(_, variants) => {
                while i < variants.len() {
                    if same(variants[i].rust, rust) {
                        return true;
                    }
                    i += 1;
                }
            }
            Self::Opaque => return true,
        }
        false
    }
}

impl WireField {
    /// A field that must be there: neither `Option` nor with a default of serde's.
    pub const fn new(rust: &'static str, name: &'static str) -> Self {
        Self {
            rust,
            name,
            aliases: &[],
            required: true,
            option: false,
            flatten: None,
        }
    }

    /// An `Option`.
    pub const fn option(mut self) -> Self {
        self.required = false;
        self.option = true;
        self
    }

    /// With a default of serde's, on the field or its container.
    pub const fn default(mut self) -> Self {
        self.required = false;
        self
    }

    /// With further names that are read.
    pub const fn alias(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    /// `#[serde(flatten)]` of a struct: `<T as OnWire>::WIRE`. (A flattened map is [`Wire::open`] and no field.)
    pub const fn flatten(mut self, wire: Wire) -> Self {
        self.required = false;
        self.flatten = Some(wire);
        self
    }
}

impl WireVariant {
    /// A variant without content.
    pub const fn unit(rust: &'static str, name: &'static str) -> Self {
        Self {
            rust,
            name,
            aliases: &[],
            content: Content::Unit,
        }
    }

    /// A variant with one value.
    pub const fn newtype(rust: &'static str, name: &'static str) -> Self {
        Self {
            rust,
            name,
            aliases: &[],
            content: Content::Newtype,
        }
    }

    /// A variant with several values without names.
    pub const fn tuple(rust: &'static str, name: &'static str) -> Self {
        Self {
            rust,
            name,
            aliases: &[],
            content: Content::Tuple,
        }
    }

    /// A variant with named fields.
    pub const fn fields(rust: &'static str, name: &'static str, fields: &'static [WireField]) -> Self {
        Self {
            rust,
            name,
            aliases: &[],
            content: Content::Struct(fields),
        }
    }

    /// With further names that are read.
    pub const fn alias(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }
}

/// Equality of texts in constants.
pub(crate) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
