//! What `#[derive(KubeSchema)]` writes down of a type, and the schema that is made of it.
//!
//! The derive emits one [`Shape`] per type: names, texts, keywords as JSON, and functions for the children's schemas.
//! Everything else happens here, once for all types. Emitted code alone names these items; they have no promise of
//! stability.
//!
//! A schema made here carries [`MARK`] on each of its nodes, an object of instructions for
//! [`build`](crate::build): `exact` says that the node's own keywords are final. The builder takes the marks away.
//!
//! **Invariant:** a node says what the attributes say and nothing more: no format that a server does not know, no
//! bounds of a Rust integer beyond its sign, no null that `Option` alone would add.

mod check;
mod kind;
mod node;
mod object;
mod recursion;
mod variants;

use std::borrow::Cow;

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

pub use check::{Limit, flat, key_kind, kind_takes, limit, list_map, literal, nullable, root, set_kind};
pub use kind::{Bytes, Foreign, Kind, Of, Shaped};
pub use node::Node;
pub(crate) use object::is_of_integers;
pub use recursion::{Links, recursion};

/// The keyword under which instructions for the builder stand.
pub const MARK: &str = "x-kubewright";

/// Whether a child may be written as a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A reference, where the generator makes references.
    Reference,
    /// The schema itself: its properties are needed.
    Whole,
}

/// Makes a child's schema.
pub type Child = fn(&mut SchemaGenerator, Want) -> Schema;

/// Adds what is known at run time alone: values of expressions.
pub type Later = fn(&mut Node);

/// A type with a schema: every one that implements schemars' trait.
///
/// It stands in for that where a derive asks, so that the compiler says what to write instead of the list of all the
/// types that have a schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no schema",
    label = "this type, or one in it, has no schema",
    note = "write `#[derive(KubeSchema)]` on the type, if it is yours",
    note = "for a type of another crate say what it is in JSON, as #[kube(schema = \"string\")] or \
            #[schemars(with = \"String\")], or turn on that crate's feature for schemars 1"
)]
pub trait HasSchema: schemars::JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: schemars::JsonSchema + ?Sized> HasSchema for T {}

/// The schema of `T`.
pub fn child<T: HasSchema + ?Sized>(generator: &mut SchemaGenerator, want: Want) -> Schema {
    match want {
        Want::Reference => generator.subschema_for::<T>(),
        Want::Whole => T::json_schema(generator),
    }
}

/// The schema of a derived type.
///
/// # Panics
/// For a type without a shape, which the derive does not make.
pub fn schema<T: Shaped>(generator: &mut SchemaGenerator) -> Schema {
    T::SHAPE.expect("the derive writes a shape").schema(generator)
}

/// The name of a generic type's schema.
#[must_use]
pub fn name(of: &str, parameters: &[Cow<'static, str>]) -> Cow<'static, str> {
    format!("{of}_for_{}", parameters.join("_and_")).into()
}

/// A child of which the keywords say all.
pub fn given(_: &mut SchemaGenerator, _: Want) -> Schema {
    Schema::default()
}

/// A type.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Name in Rust, for messages.
    pub name: &'static str,
    doc: &'static str,
    keywords: &'static str,
    later: Option<Later>,
    form: Form,
    compat: Compat,
}

/// Whose schemas these are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compat {
    Ours,
    KubeDerive,
    ControllerGen,
}

/// What a type is in JSON.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Named fields.
    Object(&'static [Field]),
    /// Another type's form, with further keywords.
    Same(&'static Field),
    /// One of some strings. Open: any other string too.
    Names(&'static [&'static str], bool),
    /// One of some variants.
    Variants(Tagging, &'static [Variant]),
}

/// How a variant is told from the others.
#[derive(Clone, Copy, Debug)]
pub enum Tagging {
    /// An object whose only key is the variant's name.
    External,
    /// A key beside the variant's fields.
    Internal(&'static str),
    /// A key for the name and one for the content.
    Adjacent(&'static str, &'static str),
    /// Not at all.
    Untagged,
}

/// A variant of an enum.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    name: &'static str,
    doc: &'static str,
    keywords: &'static str,
    body: Body,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Unit,
    New(&'static Field),
    Fields(&'static [Field]),
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    child: Child,
    kind: Kind,
    /// That of the field's type; known of the one in a newtype alone, since types may hold each other.
    shape: Option<&'static Shape>,
    role: Role,
    doc: &'static str,
    keywords: &'static str,
    later: Option<Later>,
    nullable: bool,
    defaulted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Required, whatever its type is.
    Always,
    /// Required unless its type turns out to be optional, as an alias of an `Option` does.
    Required,
    Optional,
    /// Its fields are its parent's.
    Flat,
    /// The same, where they may all be absent.
    FlatOptional,
}

/// What the derive writes beside a form.
macro_rules! texts {
    () => {
        /// The doc comment.
        #[must_use]
        pub const fn doc(mut self, text: &'static str) -> Self {
            self.doc = text;
            self
        }

        /// Keywords, a JSON object.
        #[must_use]
        pub const fn keywords(mut self, json: &'static str) -> Self {
            self.keywords = json;
            self
        }
    };
}

/// The same for what stands by itself in a schema.
macro_rules! later {
    () => {
        /// What is known at run time alone.
        #[must_use]
        pub const fn later(mut self, later: Later) -> Self {
            self.later = Some(later);
            self
        }
    };
}

impl Shape {
    /// A struct with named fields.
    #[must_use]
    pub const fn object(name: &'static str, fields: &'static [Field]) -> Self {
        Self::new(name, Form::Object(fields))
    }

    /// A type that is written as its only field.
    #[must_use]
    pub const fn same(name: &'static str, field: &'static Field) -> Self {
        Self::new(name, Form::Same(field))
    }

    /// An enum whose variants are written as strings.
    #[must_use]
    pub const fn names(name: &'static str, names: &'static [&'static str]) -> Self {
        Self::new(name, Form::Names(names, false))
    }

    /// The same, with a variant for every other string.
    #[must_use]
    pub const fn open_names(name: &'static str, names: &'static [&'static str]) -> Self {
        Self::new(name, Form::Names(names, true))
    }

    /// An enum with data.
    #[must_use]
    pub const fn variants(name: &'static str, tagging: Tagging, variants: &'static [Variant]) -> Self {
        Self::new(name, Form::Variants(tagging, variants))
    }

    const fn new(name: &'static str, form: Form) -> Self {
        Self {
            name,
            doc: "",
            keywords: "",
            later: None,
            form,
            compat: Compat::Ours,
        }
    }

    texts!();
    later!();

    /// kube-derive's schema: null for each `Option`, the formats of Rust's integers.
    #[must_use]
    pub const fn like_kube_derive(mut self) -> Self {
        self.compat = Compat::KubeDerive;
        self
    }

    /// controller-gen's integers: `int32` for a `u32`, no bounds for those without a sign.
    #[must_use]
    pub const fn like_controller_gen(mut self) -> Self {
        self.compat = Compat::ControllerGen;
        self
    }

    const fn is_kube_derive(&self) -> bool {
        matches!(self.compat, Compat::KubeDerive)
    }

    /// The schema of the type.
    pub fn schema(&'static self, generator: &mut SchemaGenerator) -> Schema {
        let mut node = match self.form {
            Form::Object(fields) => object::of(fields, self, generator),
            Form::Same(field) => {
                let mut node = Node::wrap(object::value_of(field, self, generator));
                // What another derive wrote is brought into shape by the builder, as it is below a field.
                if !node.map.contains_key("$ref") && !node.map.contains_key(MARK) {
                    node.mark("foreign", Value::Bool(true));
                }
                node
            }
            Form::Names(names, open) => variants::names(names, open),
            Form::Variants(tagging, list) => variants::of(tagging, list, self, generator),
        };
        node.finish(self.doc, self.keywords, self.later);
        if !self.is_kube_derive() {
            node.mark("exact", Value::Bool(true));
        }
        node.into_schema()
    }

    /// The form in the end: that of the innermost type where newtypes stand around it.
    const fn inmost(&'static self) -> &'static Self {
        let mut shape = self;
        while let Form::Same(field) = shape.form {
            match field.shape {
                Some(inner) => shape = inner,
                None => break,
            }
        }
        shape
    }

    /// The named fields, where the type is an object of them.
    const fn fields(&'static self) -> Option<&'static [Field]> {
        match self.inmost().form {
            Form::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The names, where the type is one of them and nothing else.
    const fn only_names(&'static self) -> Option<&'static [&'static str]> {
        match self.inmost().form {
            Form::Names(names, false) => Some(names),
            _ => None,
        }
    }
}

impl Variant {
    /// A variant without data.
    #[must_use]
    pub const fn unit(name: &'static str) -> Self {
        Self::with(name, Body::Unit)
    }

    /// A variant that holds one value.
    #[must_use]
    pub const fn new(name: &'static str, field: &'static Field) -> Self {
        Self::with(name, Body::New(field))
    }

    /// A variant with named fields.
    #[must_use]
    pub const fn object(name: &'static str, fields: &'static [Field]) -> Self {
        Self::with(name, Body::Fields(fields))
    }

    const fn with(name: &'static str, body: Body) -> Self {
        Self {
            name,
            doc: "",
            keywords: "",
            body,
        }
    }

    texts!();
}

impl Field {
    /// A required field.
    #[must_use]
    pub const fn new(name: &'static str, child: Child, kind: Kind) -> Self {
        Self {
            name,
            child,
            kind,
            shape: None,
            role: Role::Required,
            doc: "",
            keywords: "",
            later: None,
            nullable: false,
            defaulted: false,
        }
    }

    /// The shape of the type in a newtype.
    #[must_use]
    pub const fn is(mut self, shape: Option<&'static Shape>) -> Self {
        self.shape = shape;
        self
    }

    /// Need not be there.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.role = match self.role {
            Role::Flat | Role::FlatOptional => Role::FlatOptional,
            Role::Always | Role::Required | Role::Optional => Role::Optional,
        };
        self
    }

    /// Has to be there, even as an `Option`.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.role = Role::Always;
        self
    }

    /// Its fields are its parent's.
    #[must_use]
    pub const fn flat(mut self) -> Self {
        self.role = match self.role {
            Role::Always | Role::Required | Role::Flat => Role::Flat,
            Role::Optional | Role::FlatOptional => Role::FlatOptional,
        };
        self
    }

    /// May be null; the keywords say so too.
    #[must_use]
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Has a default in the schema; the keywords or what comes later say which.
    #[must_use]
    pub const fn defaulted(mut self) -> Self {
        self.defaulted = true;
        self
    }

    texts!();
    later!();
}

/// `T`'s definition, where a schema is only a reference to it.
fn resolve(schema: Value, generator: &SchemaGenerator) -> Value {
    let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
        return schema;
    };
    let name = reference.rsplit('/').next().unwrap_or_default();
    match generator.definitions().get(name) {
        Some(Value::Object(definition)) => Value::Object(definition.clone()),
        _ => schema,
    }
}

/// JSON that the macro wrote.
fn parse(json: &'static str) -> Map<String, Value> {
    if json.is_empty() {
        return Map::new();
    }
    serde_json::from_str(json).expect("the derive writes objects of JSON")
}

#[cfg(test)]
mod tests;
