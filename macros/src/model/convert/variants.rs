//! What becomes of each variant of an enum.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::{DataEnum, Fields};

use super::{Enum, Variant, VariantAction, VariantBody, Wire, WireBody, WireVariant, fields};
use crate::attrs::convert::{self, ConvertAttrs, Instead, Place, What};
use crate::errors::Errors;

/// The variants of an enum, with what the type itself says.
pub(super) fn enumeration(
    data: &DataEnum,
    attrs: &ConvertAttrs,
    wire: &Option<Wire>,
    errors: &mut Errors,
) -> Enum {
    for group in &attrs.groups {
        errors.at(group.span, "a group is of fields, and this is an enum");
    }
    for moved in &attrs.moves {
        errors.at(moved.from.span(), "`moved` is of fields, and this is an enum");
    }
    let variants: Vec<Variant> = data
        .variants
        .iter()
        .map(|variant| {
            let wire = match wire {
                Some(Wire::Variants(_, list)) => list.iter().find(|found| found.name == variant.ident),
                _ => None,
            };
            variant_of(variant, wire, errors)
        })
        .collect();
    let mut old_only = Vec::new();
    for old in &attrs.old_only {
        let name = &old.name;
        match &old.instead {
            Instead::Up(new) => {
                let found = data.variants.iter().find(|variant| variant.ident == *new);
                match found.map(|variant| &variant.fields) {
                    None => errors.at(new.span(), format!("no variant `{new}` in this type")),
                    Some(Fields::Unit) => {}
                    Some(_) => errors.at(
                        new.span(),
                        format!("`{new}` holds data that `{name}` does not have; name a variant without, or convert by `manual`"),
                    ),
                }
                if matches!(found.map(|variant| &variant.fields), Some(Fields::Unit)) {
                    old_only.push((name.clone(), new.clone()));
                }
            }
            _ => errors.at(
                name.span(),
                format!("say which variant `{name}` becomes: `old_only({name}(up = ...))`"),
            ),
        }
    }
    twice(&variants, &old_only, errors);
    Enum { variants, old_only }
}

fn variant_of(variant: &syn::Variant, wire: Option<&WireVariant>, errors: &mut Errors) -> Variant {
    let name = variant.ident.clone();
    let mut action = None;
    let mut old = None;
    let mut keys: Vec<Ident> = Vec::new();
    for convert::Action { key, what } in convert::of_part(&variant.attrs, Place::Variant, errors) {
        if let Some(before) = keys.first() {
            errors.at(key.span(), format!("`{before}` and `{key}` exclude each other"));
        }
        match what {
            What::Rename(text) => old = fields::ident(&text, errors),
            What::AddedDown(down) => action = Some(VariantAction::AddedDown(down)),
            What::AddedDownWith(path) => action = Some(VariantAction::AddedDownWith(path)),
            What::AddedRefuse => action = Some(VariantAction::AddedRefuse),
            _ => {
                errors.at(
                    key.span(),
                    format!(
                        "older clients cannot read variant `{name}`; say `added(down = ...)`, `added(down_with = ...)` or \
                         `added(refuse)`"
                    ),
                );
                // So that it is no copied variant, of which the older type would have to have one.
                action = Some(VariantAction::AddedRefuse);
            }
        }
        keys.push(key);
    }
    let action = action.unwrap_or_else(|| VariantAction::Copied(old.unwrap_or_else(|| name.clone())));
    let body = match &variant.fields {
        Fields::Unit => VariantBody::Unit,
        Fields::Unnamed(unnamed) => match unnamed.unnamed.first() {
            Some(only) => VariantBody::New(Box::new(fields::inner(only, errors))),
            None => VariantBody::Unit,
        },
        Fields::Named(named) => {
            // Of an added variant no fields are missing in older objects.
            let wire = wire.filter(|_| matches!(action, VariantAction::Copied(_)));
            let fields = named.named.iter().map(|field| {
                let wire = match wire.map(|wire| &wire.body) {
                    Some(WireBody::Fields(list)) => list
                        .iter()
                        .find(|found| Some(&found.name) == field.ident.as_ref()),
                    _ => None,
                };
                fields::in_variant(field, wire, errors)
            });
            VariantBody::Fields(fields.collect())
        }
    };
    refuse_in_added(variant, &action, errors);
    Variant { name, action, body }
}

/// The older type has no variant whose fields could be compared.
fn refuse_in_added(variant: &syn::Variant, action: &VariantAction, errors: &mut Errors) {
    if let VariantAction::Copied(_) = action {
        return;
    }
    let attrs = variant.fields.iter().flat_map(|field| &field.attrs);
    for attr in attrs.filter(|attr| attr.path().is_ident("convert")) {
        errors.at(
            attr.path().span(),
            format!("the whole variant `{}` is added; remove this", variant.ident),
        );
    }
}

/// Each older variant is taken once.
fn twice(variants: &[Variant], old_only: &[(Ident, Ident)], errors: &mut Errors) {
    let copied = variants.iter().filter_map(|variant| match &variant.action {
        VariantAction::Copied(old) => Some(old),
        _ => None,
    });
    let mut seen: Vec<&Ident> = Vec::new();
    for old in copied.chain(old_only.iter().map(|(old, _)| old)) {
        if seen.contains(&old) {
            errors.at(
                old.span(),
                format!("variant `{old}` of the older type is taken twice"),
            );
        }
        seen.push(old);
    }
}
