//! A type's schema, ready to print.
//!
//! `forms` decides what the type is in JSON, `fields` reads what holds for each field (`nulls`: of its `None`), `marks` and
//! `lists` turn attributes into keywords, `relations` those that name other fields into rules, `parts` those of one item or one
//! field; `names` looks at the fields that rules name, `refused` tells what no schema can say. What needs two types becomes a
//! [`Check`], which constants make in the user's crate.
//!
//! **Invariant:** for every struct and enum there is a model, however many errors were found.

mod doc;
mod fields;
mod forms;
mod lists;
mod marks;
mod names;
mod nulls;
mod parts;
mod re2;
mod refused;
mod relations;
mod rules;
mod sense;
#[cfg(test)]
mod tests;
mod types;
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
    /// Types that are held, each once.
    pub(crate) links: Vec<Type>,
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
    /// A limit, at a path below the node, and the flag that excludes it.
    Exclude(Vec<String>, &'static str, &'static str, TokenStream),
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
    /// The type's own default, and fields of it, in Rust and in JSON, in which `None` would be read as something else.
    Nones(Default, Vec<(Ident, String)>),
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
    /// The type that is held, in lists, maps and boxes or by itself, where its name tells nothing and nothing cuts it off.
    pub(crate) inner: Option<Type>,
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
    /// A literal that has to be a value of the type.
    Literal {
        place: String,
        value: serde_json::Value,
        ty: Type,
        span: Span,
    },
    /// The type may contain the one that is derived.
    Recursion {
        place: String,
        ty: Type,
        span: Span,
    },
}

impl Check {
    /// The other type.
    pub(crate) fn ty(&self) -> &Type {
        match self {
            Self::Limit { ty, .. }
            | Self::ListMap { ty, .. }
            | Self::Key { ty, .. }
            | Self::Set { ty, .. }
            | Self::Flat { ty, .. }
            | Self::Nullable { ty, .. }
            | Self::Root { ty, .. }
            | Self::Literal { ty, .. }
            | Self::Recursion { ty, .. } => ty,
        }
    }
}

impl Form {
    /// The types that its fields hold, each once.
    fn links(&self) -> Vec<Type> {
        let fields: Vec<&Field> = match self {
            Self::Object(fields) => fields.iter().collect(),
            Self::Same(field) => vec![field],
            Self::Names(..) => Vec::new(),
            Self::Variants(_, variants) => variants
                .iter()
                .flat_map(|variant| match &variant.body {
                    Body::Unit => Vec::new(),
                    Body::New(field) => vec![&**field],
                    Body::Fields(fields) => fields.iter().collect(),
                })
                .collect(),
        };
        let mut found: Vec<Type> = Vec::new();
        for ty in fields.into_iter().filter_map(|field| field.inner.as_ref()) {
            if !found.iter().any(|known| types::text(known) == types::text(ty)) {
                found.push(ty.clone());
            }
        }
        found
    }
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
    refused::second_schema(&input.attrs, errors);
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
