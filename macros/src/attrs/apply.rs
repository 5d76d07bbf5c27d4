//! `#[apply(...)]`, and what `#[serde(...)]` says of the written form, as written.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, DeriveInput, Field};

use super::crates::Crates;
use super::item::{items_of, once};
use super::serde::metas as serde_metas;
use super::suggest;
use crate::errors::Errors;

/// Attributes of a type with an apply configuration.
#[derive(Default)]
pub(crate) struct ApplyAttrs {
    pub(crate) crates: Option<Crates>,
    pub(crate) serde: SerdeContainer,
}

/// What `#[serde(...)]` on a type says of its written form.
#[derive(Default)]
pub(crate) struct SerdeContainer {
    /// `rename_all`, to be repeated.
    pub(crate) kept: Vec<TokenStream>,
    /// Keys under which the written form is not that of the fields.
    pub(crate) foreign: Vec<(String, Span)>,
}

/// Attributes of one field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    /// `#[apply(skip)]`.
    pub(crate) skip: bool,
    /// `#[apply(value)]`.
    pub(crate) value: bool,
    /// `rename` and `flatten`, to be repeated.
    pub(crate) kept: Vec<TokenStream>,
    /// `skip` or `skip_serializing` of serde.
    pub(crate) unwritten: bool,
    /// `with` or `serialize_with` of serde.
    pub(crate) foreign: Option<(String, Span)>,
}

/// Reads the attributes of a type.
pub(crate) fn read(input: &DeriveInput, errors: &mut Errors) -> ApplyAttrs {
    let mut attrs = ApplyAttrs::default();
    for item in items_of(&input.attrs, "apply", errors) {
        if item.key == "crates" {
            let crates = Crates::read(&item, errors);
            once(&mut attrs.crates, &item.key, Some(crates), errors);
        } else {
            let key = item.key.to_string();
            errors.at(item.key.span(), suggest::unknown("apply", &key, &["crates"]));
        }
    }
    attrs.serde = container(&input.attrs);
    attrs
}

/// What `#[serde(...)]` on a type says of its written form.
pub(crate) fn container(attrs: &[Attribute]) -> SerdeContainer {
    let mut serde = SerdeContainer::default();
    for meta in serde_metas(attrs) {
        let Some(key) = meta.path().get_ident() else {
            continue;
        };
        match key.to_string().as_str() {
            "rename_all" => serde.kept.push(meta.to_token_stream()),
            key @ ("transparent" | "into" | "remote" | "tag") => {
                serde
                    .foreign
                    .push((key.to_owned(), meta.path().get_ident().expect("matched").span()));
            }
            _ => {}
        }
    }
    serde
}

/// Reads the attributes of a field.
pub(crate) fn field(field: &Field, errors: &mut Errors) -> FieldAttrs {
    let mut attrs = FieldAttrs::default();
    for item in items_of(&field.attrs, "apply", errors) {
        match item.key.to_string().as_str() {
            "skip" => attrs.skip = item.bool(errors).unwrap_or(true),
            "value" => attrs.value = item.bool(errors).unwrap_or(true),
            key => errors.at(
                item.key.span(),
                suggest::unknown("apply", key, &["skip", "value"]),
            ),
        }
    }
    for meta in serde_metas(&field.attrs) {
        let Some(key) = meta.path().get_ident() else {
            continue;
        };
        match key.to_string().as_str() {
            "rename" | "flatten" => attrs.kept.push(quote!(#meta)),
            "skip" | "skip_serializing" => attrs.unwritten = true,
            name @ ("with" | "serialize_with") => attrs.foreign = Some((name.to_owned(), key.span())),
            _ => {}
        }
    }
    attrs
}
