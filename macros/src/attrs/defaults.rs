//! `#[defaults(...)]` on types, and what `#[kube(...)]` says of defaults, as written.
//!
//! `#[kube(default = ...)]` is `KubeSchema`'s too, which judges it: here it is read and no more.

use proc_macro2::Span;
use serde_json::Value as Json;
use syn::{Attribute, DeriveInput, Expr, Path};

use super::crates::Crates;
use super::item::{Item, Value, items_of, once};
use super::{form, json, suggest};
use crate::errors::Errors;

/// Attributes of a type.
#[derive(Default)]
pub(crate) struct DefaultsAttrs {
    /// `with = path`.
    pub(crate) with: Option<Path>,
    /// Where `covers` stands.
    pub(crate) covers: Option<Span>,
    /// `#[kube(default = ...)]` of the type.
    pub(crate) default: Option<Given>,
    pub(crate) crates: Option<Crates>,
}

/// What fills an absent value.
pub(crate) enum Given {
    Json(Json),
    Expr(Expr),
}

/// What a field says.
#[derive(Default)]
pub(crate) struct FieldDefaults {
    pub(crate) default: Option<Given>,
    /// `default_with = path`.
    pub(crate) with: Option<Path>,
    /// `schema_default`, where serde's default is a function.
    pub(crate) serde: Option<Path>,
}

const KEYS: &[&str] = &["with", "covers", "crates"];

/// Reads the attributes of a type.
pub(crate) fn read(input: &DeriveInput, errors: &mut Errors) -> DefaultsAttrs {
    let mut attrs = DefaultsAttrs::default();
    for item in items_of(&input.attrs, "defaults", errors) {
        let key = &item.key;
        match key.to_string().as_str() {
            "with" => {
                let path = item.path(errors);
                once(&mut attrs.with, key, path, errors);
            }
            "covers" => {
                let covers = item.bool(errors).filter(|on| *on).map(|_| key.span());
                once(&mut attrs.covers, key, covers, errors);
            }
            "crates" => {
                let crates = Crates::read(&item, errors);
                once(&mut attrs.crates, key, Some(crates), errors);
            }
            other => errors.at(key.span(), suggest::unknown("defaults", other, KEYS)),
        }
    }
    attrs.default = kube(&input.attrs).iter().find_map(given);
    attrs
}

/// Reads the attributes of a field.
pub(crate) fn of_field(attrs: &[Attribute], errors: &mut Errors) -> FieldDefaults {
    let mut found = FieldDefaults::default();
    for item in kube(attrs) {
        match item.key.to_string().as_str() {
            "default" => found.default = given(&item),
            "default_with" => {
                let path = item.path(errors);
                once(&mut found.with, &item.key, path, errors);
            }
            "schema_default" => {
                if let Some(form::Default::Function(function)) = form::part(attrs).default {
                    found.serde = Some(function);
                }
            }
            _ => {}
        }
    }
    found
}

fn given(item: &Item) -> Option<Given> {
    if item.key != "default" {
        return None;
    }
    match (json::of_item(item).ok()?, &item.value) {
        (Some(json), _) => Some(Given::Json(json)),
        (None, Value::Expr(expr)) => Some(Given::Expr(expr.clone())),
        _ => None,
    }
}

/// The entries of `#[kube(...)]`, which others judge.
fn kube(attrs: &[Attribute]) -> Vec<Item> {
    let mut unjudged = Errors::default();
    let items = ["kube", "x_kube"].map(|name| items_of(attrs, name, &mut unjudged));
    unjudged.finish();
    items.into_iter().flatten().collect()
}

/// Whether an attribute has keys that `KubeSchema` alone reads: all but those of defaults that no schema holds.
pub(crate) fn is_of_schema(attr: &Attribute) -> bool {
    kube(std::slice::from_ref(attr))
        .iter()
        .any(|item| item.key != "default_with" && item.key != "sensitive")
}

/// Where `#[kube(sensitive)]` stands.
pub(crate) fn sensitive(attrs: &[Attribute]) -> Option<Span> {
    let items = kube(attrs);
    let found = items.iter().find(|item| item.key == "sensitive")?;
    let mut unjudged = Errors::default();
    let on = found.bool(&mut unjudged);
    unjudged.finish();
    on.filter(|on| *on).map(|_| found.key.span())
}
