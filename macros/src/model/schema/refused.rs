//! Types of fields that no structural schema describes, and keys of maps that are no strings.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Path, Type};

use super::fields::{Around, flag, is_cut};
use super::types::{self, Known};
use super::{Check, Compat};
use crate::attrs::schema::{Given, Mark};
use crate::errors::Errors;

/// A derived `JsonSchema` beside this one, as far as it is seen: one on the same line is not.
pub(super) fn second_schema(attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
        let paths = attr.parse_args_with(Punctuated::<Path, syn::Token![,]>::parse_terminated);
        for path in paths.into_iter().flatten() {
            if path
                .segments
                .last()
                .is_some_and(|last| last.ident == "JsonSchema")
            {
                errors.at(
                    path.span(),
                    "`KubeSchema` implements `JsonSchema` itself; remove this from the derives",
                );
            }
        }
    }
}

/// What a structural schema cannot say of a field's type.
pub(super) fn refuse(
    ty: &Type,
    marks: &[Mark],
    place: &str,
    around: &Around<'_>,
    checks: &mut Vec<Check>,
    errors: &mut Errors,
) {
    let inner = types::peel(ty).0;
    if types::holds(ty, around.ident) && !around.cut && !is_cut(marks) {
        errors.at(
            ty.span(),
            format!(
                "`{}` contains itself here; structural schemas have no references: cut with \
                 #[kube(preserve_unknown_fields)] on the field or bound with #[kube(max_depth = n)]",
                around.ident
            ),
        );
    }
    match types::known(inner) {
        Known::Unit => errors.at(
            inner.span(),
            "`()` serializes as null, which is always dropped; remove the field or use an empty struct `S {}`",
        ),
        Known::Tuple => errors.at(
            inner.span(),
            "a structural schema cannot describe a tuple; use a struct with named fields (or `Vec<T>` if all members \
             have one type)",
        ),
        Known::Integer(bits) if bits.wide => {
            errors.at(inner.span(), "the integer is larger than 64 bits: use a string");
        }
        Known::Nothing(what) => errors.at(
            inner.span(),
            format!("{what} cannot be represented in JSON; leave it out with #[serde(skip)]"),
        ),
        Known::Clock(name) => errors.at(
            inner.span(),
            format!(
                "serde writes std's `{name}` as an object of two numbers; use {}, or say otherwise with \
                 #[serde(with = \"...\")] and #[schemars(with = \"String\")]",
                if name == "Duration" {
                    "Kubernetes' `Duration` (a string)"
                } else {
                    "Kubernetes' `Time` (a date-time)"
                }
            ),
        ),
        Known::Map(Some(key), value) => {
            map_key(key, marks, place, checks, errors);
            if let Some(value) = value {
                deeper(value, "map value", marks, place, around, checks, errors);
            }
        }
        Known::List(Some(item)) | Known::Array(item) => {
            let word = |mark: &Mark, word: &str| matches!(&mark.value, Given::Text(text) if text.value() == word);
            let set = marks.iter().any(|mark| mark.key == "list_type" && word(mark, "set"));
            if set && types::kind(item) == types::Kind::Unknown && !marks.iter().any(|mark| mark.key == "items") {
                checks.push(Check::Set {
                    place: place.to_owned(),
                    ty: types::peel(item).0.clone(),
                    span: item.span(),
                });
            }
            deeper(item, "list item", marks, place, around, checks, errors);
        }
        Known::Set(Some(item)) => {
            if matches!(types::kind(item), types::Kind::Map | types::Kind::List) {
                errors.at(
                    item.span(),
                    "only scalars (or atomic objects) can form a set; use `Vec` with list_type = map and keys",
                );
            } else if types::kind(item) == types::Kind::Unknown
                && !marks.iter().any(|mark| mark.key == "list_type" || mark.key == "list_map_keys")
            {
                checks.push(Check::Set {
                    place: place.to_owned(),
                    ty: item.clone(),
                    span: item.span(),
                });
            }
            deeper(item, "list item", marks, place, around, checks, errors);
        }
        _ => {}
    }
}

/// The same inside of lists and maps, where null is no absence.
fn deeper(
    ty: &Type,
    what: &str,
    marks: &[Mark],
    place: &str,
    around: &Around<'_>,
    checks: &mut Vec<Check>,
    errors: &mut Errors,
) {
    let key = if what == "list item" { "items" } else { "values" };
    let inside: &[Mark] = marks
        .iter()
        .find_map(|mark| match &mark.value {
            Given::Marks(inside) if mark.key == key => Some(inside.as_slice()),
            _ => None,
        })
        .unwrap_or_default();
    if types::peel(ty).1 > 0 && !flag(inside, "nullable") && around.compat != Compat::KubeDerive {
        let effect = if what == "list item" {
            "an error"
        } else {
            "dropped"
        };
        errors.at(
            ty.span(),
            format!(
                "null in a {what} is {effect}: make {key} nullable (`{key}(nullable)`) or drop the Option"
            ),
        );
    }
    // A cut at the field holds inside too.
    let cut = ["preserve_unknown_fields", "max_depth", "int_keys"];
    let cut = marks
        .iter()
        .filter(|mark| cut.contains(&mark.key) && !matches!(mark.value, Given::Flag(false)));
    let mut around = Around {
        ident: around.ident,
        name: around.name.clone(),
        rename_all: None,
        defaulted: None,
        optional: false,
        strict_ints: false,
        compat: around.compat,
        cut: around.cut,
        told: around.told,
    };
    // The whole type was looked at for itself already.
    let nobody = syn::Ident::new(types::NOBODY, Span::call_site());
    around.ident = &nobody;
    if cut.clone().next().is_some() && inside.is_empty() {
        refuse(ty, marks, place, &around, checks, errors);
    } else {
        refuse(ty, inside, place, &around, checks, errors);
    }
}

/// Keys of a map are strings in JSON (SCH-89, SCH-90).
fn map_key(key: &Type, marks: &[Mark], place: &str, checks: &mut Vec<Check>, errors: &mut Errors) {
    let accepted = flag(marks, "int_keys");
    match types::kind(key) {
        types::Kind::Text => {}
        types::Kind::Integer | types::Kind::Bool if accepted => {}
        types::Kind::Integer | types::Kind::Bool => errors.at(
            key.span(),
            format!(
                "{} map keys cannot be validated by the server; use `Vec` of a keyed struct with list_type = map, or \
                 accept them with #[kube(int_keys)]",
                if types::kind(key) == types::Kind::Bool { "boolean" } else { "integer" }
            ),
        ),
        types::Kind::Unknown => {
            if !accepted {
                checks.push(Check::Key {
                    place: place.to_owned(),
                    ty: key.clone(),
                    span: key.span(),
                });
            }
        }
        other => errors.at(
            key.span(),
            format!("keys of a map are strings in JSON, and `{}` is {}", types::text(key), other.name()),
        ),
    }
}
