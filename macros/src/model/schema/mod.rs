//! A type's schema, ready to print.
//!
//! `forms` decides what the type is in JSON, `fields` reads what holds for each field, `marks` turns attributes into
//! keywords, `relations` those that name other fields into rules; `refused` tells what no schema can say. What needs two types becomes a [`Check`], which constants make in the user's crate.
//!
//! **Invariant:** for every struct and enum there is a model, however many errors were found.

mod doc;
mod fields;
mod forms;
mod marks;
mod re2;
mod refused;
mod relations;
mod rules;
mod sense;
#[cfg(test)]
mod tests;
pub(in crate::model) mod types;
mod variants;

use proc_macro2::{Span, TokenStream};
use syn::{Data, DeriveInput, Expr, Generics, Ident, Path, Type};

use crate::attrs::crates::Crates;
use crate::attrs::form::{Default, container};
use crate::attrs::schema::TypeMarks;
use crate::errors::Errors;

pub(crate) use marks::Limit;

/// A type with a schema.
pub(crate) struct Schema {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// Name of the schema.
    pub(crate) name: String,
    pub(crate) extra: Extra,
    pub(crate) form: Form,
    pub(crate) kind: Kind,
    pub(crate) compat: Compat,
    pub(crate) checks: Vec<Check>,
    /// Where a key of `CustomResource` stands.
    pub(crate) spec: Option<Span>,
    pub(crate) crates: Crates,
}

/// Text and keywords of a node.
#[derive(std::default::Default)]
pub(crate) struct Extra {
    pub(crate) doc: String,
    /// A JSON object, or nothing.
    pub(crate) keywords: String,
    pub(crate) later: Vec<Later>,
}

/// What is known at run time alone.
pub(crate) enum Later {
    /// A keyword, at a path below the node, is the value of an expression.
    Set(Vec<String>, TokenStream),
    /// The same for what has a text, as a regular expression has.
    Text(Vec<String>, TokenStream),
    /// A rule at a path.
    Rule(Vec<String>, Expr),
    /// kube's merge strategy.
    Merge(Expr),
    /// The default is what serde's is.
    Default(Default, Type),
    /// schemars' `transform`.
    Transform(Expr),
}

/// What a type is in JSON.
pub(crate) enum Form {
    Object(Vec<Field>),
    Same(Box<Field>),
    Names(Vec<String>, Open),
    Variants(Tagging, Vec<Variant>),
}

/// Whether other names are valid too.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Open {
    Yes,
    No,
}

/// How variants are told apart.
pub(crate) enum Tagging {
    External,
    Internal(String),
    Adjacent(String, String),
    Untagged,
}

/// A variant.
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) keywords: String,
    pub(crate) body: Body,
}

/// What a variant holds.
pub(crate) enum Body {
    Unit,
    New(Box<Field>),
    Fields(Vec<Field>),
}

/// A field.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) child: Child,
    /// Required although its type is optional.
    pub(crate) always: bool,
    pub(crate) optional: bool,
    pub(crate) flat: bool,
    pub(crate) nullable: bool,
    pub(crate) defaulted: bool,
    pub(crate) extra: Extra,
}

/// Where the schema of a field's value comes from.
pub(crate) enum Child {
    Type(Type),
    /// schemars' `schema_with`.
    Function(Path),
    /// The keywords.
    Given,
}

impl Child {
    /// Whether the type's own name tells what it is.
    fn is_known(&self) -> bool {
        matches!(self, Self::Type(ty) if types::kind(ty) != types::Kind::Unknown)
    }
}

/// Whose schemas the type's is like.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Compat {
    Ours,
    KubeDerive,
    ControllerGen,
}

/// What constants of other types are told of this one.
pub(crate) enum Kind {
    /// A variant of `shape::Kind`.
    Known(&'static str),
    /// As another type.
    As(Box<Type>),
}

/// A rule for which another type has to be looked at.
pub(crate) enum Check {
    Limit {
        place: String,
        key: &'static str,
        limit: Limit,
        ty: Type,
        span: Span,
    },
    ListMap {
        place: String,
        keys: Vec<String>,
        ty: Type,
        span: Span,
    },
    Key {
        place: String,
        ty: Type,
        span: Span,
    },
    Set {
        place: String,
        ty: Type,
        span: Span,
    },
    Flat {
        place: String,
        names: Vec<String>,
        ty: Type,
        span: Span,
    },
    Nullable {
        place: String,
        ty: Type,
        span: Span,
    },
    Root {
        place: String,
        ty: Type,
        span: Span,
    },
    DefaultName {
        place: String,
        default: String,
        ty: Type,
        span: Span,
    },
}

/// Resolves and checks. Absent for unions alone.
pub(crate) fn build(input: &DeriveInput, attrs: TypeMarks, errors: &mut Errors) -> Option<Schema> {
    if let Data::Union(data) = &input.data {
        errors.at(
            data.union_token.span,
            "a union has no JSON form; use a struct or an enum",
        );
        return None;
    }
    let serde = container(&input.attrs);
    let mut schema = forms::build(input, &attrs, &serde, errors);
    schema.spec = attrs.kind;
    schema.crates = attrs.crates.unwrap_or_default();
    Some(schema)
}

/// JSON as the derive writes it; nothing for an empty object.
fn json(map: &serde_json::Map<String, serde_json::Value>) -> String {
    if map.is_empty() {
        String::new()
    } else {
        serde_json::Value::Object(map.clone()).to_string()
    }
}
