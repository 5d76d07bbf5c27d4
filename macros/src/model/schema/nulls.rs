//! `None`: whether it is read again as what it was written as.
//!
//! **Invariant:** a server keeps a null where the field is nullable and no enum, and drops it elsewhere; what then stands there
//! is the type's default.

use proc_macro2::Span;
use syn::spanned::Spanned;

use super::fields::{Around, flag};
use super::marks::{self, Words};
use super::types;
use super::{Check, Compat, Field};
use crate::attrs::form::{self, Part};
use crate::attrs::schema::{Given, Mark};
use crate::errors::Errors;

/// Whether a rule of the linter is passed over here.
fn allows(marks: &[Mark], rule: &str) -> bool {
    let names =
        |mark: &Mark| matches!(&mark.value, Given::Texts(ids) if ids.iter().any(|id| id.value() == rule));
    marks.iter().any(|mark| mark.key == "allow" && names(mark))
}

/// SCH-30, 100: a server keeps no null, so that a `None` is read as what serde fills in.
pub(super) fn none_of_a_default(
    part: &Part,
    marks: &[Mark],
    field: &syn::Field,
    words: &Words,
    around: &Around<'_>,
    errors: &mut Errors,
) {
    let Some(form::Default::Function(function)) = &part.default else {
        return;
    };
    let null_is_kept = words.nullable || around.compat == Compat::KubeDerive;
    let (wrong, instead) = match (null_is_kept, part.skip_serializing_if) {
        (true, None) => return,
        (true, Some(_)) => ("left out", "write it always, without `skip_serializing_if`"),
        (false, _) => ("not stored", "add `#[kube(nullable)]`, and write it always"),
    };
    // What the server fills in is told; what another form is written as is not known.
    if types::peel(&field.ty).1 == 0 || words.defaulted || flag(marks, "schema_default") {
        return;
    }
    if part.converted.is_some() || part.flatten.is_some() || part.skip_serializing.is_some() {
        return;
    }
    if !allows(marks, NONE_AS_DEFAULT) {
        errors.at(
            function.span(),
            format!(
                "a `None` is {wrong}, and read again as what this function gives; {instead}, or say that no `None` is \
                 ever written with #[kube(allow(\"{NONE_AS_DEFAULT}\"))]"
            ),
        );
    }
}

/// Whether a `None` is read as what the type's own default has in this field; only running that tells what it has.
pub(super) fn none_of_the_type(
    field: &syn::Field,
    part: &Part,
    marks: &[Mark],
    made: &Field,
    around: &Around<'_>,
) -> bool {
    let null_is_kept = made.nullable || around.compat == Compat::KubeDerive;
    matches!(types::known(&field.ty), types::Known::Option(_))
        && !(null_is_kept && part.skip_serializing_if.is_none())
        && !made.defaulted
        && part.default.is_none()
        && part.converted.is_none()
        && part.flatten.is_none()
        && part.skip_serializing.is_none()
        && !allows(marks, NONE_AS_DEFAULT)
}

/// The rule of the linter about `None`s that are read as a default.
const NONE_AS_DEFAULT: &str = "none-as-default";

/// SCH-31: a server takes no null where values are listed, not even a listed one, and here a `None` is written as null.
pub(super) fn null_of_an_enum(
    marks: &[Mark],
    node: &marks::Node<'_>,
    words: &Words,
    checks: &mut Vec<Check>,
    errors: &mut Errors,
) {
    if allows(marks, "nullable-enum") {
        return;
    }
    let span = marks.iter().find(|mark| mark.key == "nullable");
    let span = span.map_or_else(Span::call_site, |mark| mark.span);
    if words.map.contains_key("enum") {
        errors.at(
            span,
            "the server refuses null where values are listed; remove `nullable`: then the null of a `None` is dropped",
        );
    } else if let (types::Kind::Unknown, Some(ty)) = (node.kind, node.ty) {
        checks.push(Check::Nullable {
            place: node.place.clone(),
            ty: types::peel(ty).0.clone(),
            span,
        });
    }
}
