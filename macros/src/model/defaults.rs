//! What `set_defaults` of a type does, ready to print.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Generics, Ident, Path, Type};

use super::schema::types::{self, Known};
use crate::attrs::crates::Crates;
use crate::attrs::defaults::{self, DefaultsAttrs, FieldDefaults, Given};
use crate::attrs::{convert, form};
use crate::errors::Errors;

/// A type with defaults.
pub(crate) struct Defaults {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// The user's function.
    pub(crate) with: Option<Path>,
    /// It does for what stands inside too.
    pub(crate) covers: bool,
    /// Stands for an absent value of the type, wherever.
    pub(crate) whole: Option<Value>,
    pub(crate) body: Body,
    /// Where something stands that only `KubeSchema` reads.
    pub(crate) shaped: Option<proc_macro2::Span>,
    pub(crate) crates: Crates,
}

/// What the type consists of.
pub(crate) enum Body {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

/// A variant that has something to be set.
pub(crate) struct Variant {
    pub(crate) name: Ident,
    pub(crate) fields: Vec<Field>,
}

/// A field with something to be set.
pub(crate) struct Field {
    /// Name or number.
    pub(crate) member: TokenStream,
    pub(crate) fill: Option<Fill>,
    /// Its value may have defaults of its own.
    pub(crate) descend: bool,
}

/// How `None` is filled.
pub(crate) enum Fill {
    Value(Value),
    /// `default_with`.
    With(Path),
    /// serde's function, which makes the field's own type.
    Serde(Path),
}

/// A default as the schema has it.
pub(crate) enum Value {
    Json(String),
    Expr(TokenStream),
}

/// Resolves and checks. Absent for unions.
pub(crate) fn build(input: &DeriveInput, attrs: DefaultsAttrs, errors: &mut Errors) -> Option<Defaults> {
    if let (Some(covers), None) = (attrs.covers, &attrs.with) {
        errors.at(
            covers,
            "`covers` says that a function does it all: write `#[defaults(with = function, covers)]`",
        );
    }
    let mut all: Vec<&syn::Field> = Vec::new();
    let body = match &input.data {
        Data::Union(data) => {
            errors.at(data.union_token.span, "a union has no defaults");
            return None;
        }
        Data::Struct(data) => {
            all.extend(&data.fields);
            Body::Struct(fields(&data.fields, errors))
        }
        Data::Enum(data) => {
            all.extend(data.variants.iter().flat_map(|variant| &variant.fields));
            let variants = data.variants.iter().map(|variant| Variant {
                name: variant.ident.clone(),
                fields: fields(&variant.fields, errors),
            });
            Body::Enum(variants.filter(|variant| !variant.fields.is_empty()).collect())
        }
    };
    let shaped = all.into_iter().flat_map(|field| &field.attrs);
    let shaped = shaped
        .filter(|attr| defaults::is_of_schema(attr))
        .map(|attr| attr.path().span());
    Some(Defaults {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        covers: attrs.covers.is_some(),
        with: attrs.with,
        whole: attrs.default.and_then(value),
        body,
        shaped: shaped.into_iter().next(),
        crates: attrs
            .crates
            .or_else(|| convert::kube_crates(&input.attrs))
            .unwrap_or_default(),
    })
}

/// The fields that have something to be set.
fn fields(fields: &Fields, errors: &mut Errors) -> Vec<Field> {
    let found = fields.iter().enumerate().map(|(index, field)| Field {
        member: match &field.ident {
            Some(name) => name.to_token_stream(),
            None => syn::Index::from(index).to_token_stream(),
        },
        fill: fill(field, errors),
        descend: !is_leaf(&field.ty),
    });
    found
        .filter(|field| field.fill.is_some() || field.descend)
        .collect()
}

fn fill(field: &syn::Field, errors: &mut Errors) -> Option<Fill> {
    let FieldDefaults { default, with, serde } = defaults::of_field(&field.attrs, errors);
    if let Some(with) = with {
        return Some(Fill::With(with));
    }
    // What is always there has no need of a default.
    let Known::Option(inner) = types::known(&field.ty) else {
        return None;
    };
    if let Some(function) = serde {
        return Some(Fill::Serde(function));
    }
    let default = default?;
    if let Some((key, span)) = form::part(&field.attrs).converted {
        errors.at(
            span,
            format!(
                "with serde's `{key}` the default in the schema is no `{}` as that type is read: add \
                 `#[kube(default_with = function)]`, which makes one",
                types::text(inner)
            ),
        );
        return None;
    }
    value(default).map(Fill::Value)
}

/// Null is what an absent `Option` is already.
fn value(given: Given) -> Option<Value> {
    match given {
        Given::Json(serde_json::Value::Null) => None,
        Given::Json(json) => Some(Value::Json(json.to_string())),
        Given::Expr(expr) => Some(Value::Expr(quote!(#expr))),
    }
}

/// Whether nothing inside can have defaults, as far as tokens tell.
fn is_leaf(ty: &Type) -> bool {
    match types::known(types::peel(ty).0) {
        Known::List(Some(inner)) | Known::Array(inner) | Known::Map(_, Some(inner)) => is_leaf(inner),
        // The values of a set cannot be changed in it.
        Known::Set(_) => true,
        Known::Text | Known::Integer(_) | Known::Float | Known::Bool | Known::IntOrString | Known::Any => {
            true
        }
        Known::Unit | Known::Nothing(_) | Known::Clock(_) => true,
        _ => false,
    }
}

/// A name for the value of a variant's field.
pub(crate) fn binding(field: &Field) -> Ident {
    let member = field.member.to_string();
    format_ident!("__{}", member.trim_start_matches("r#"))
}
