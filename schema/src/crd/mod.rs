//! CustomResourceDefinitions (`apiextensions.k8s.io/v1`): decoding, defaults, and every rule that a server applies.
//!
//! All functions work on the JSON form, so that a server and a linter use the same code. Expressions in CEL are
//! compiled, type-checked and costed.
//!
//! **Invariant:** a CRD for which [`validate`] finds nothing yields a [`Structural`](crate::Structural) for each of
//! its versions.

mod conversion;
mod defaults;
mod fieldpath;
mod form;
mod internal;
mod lists;
mod rules;
mod schema;
mod shape;
mod spec;
mod view;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::depth;
use crate::error::FieldError;
use crate::structural::Node;
#[cfg(feature = "schemars")]
use crate::structural::Reading;

pub use conversion::{port_and_path_faults, url_faults};
pub use spec::{validate, validate_update};

/// A value of a wrong JSON type in a CRD; the text is that of Go's decoder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

impl From<DecodeError> for String {
    fn from(error: DecodeError) -> Self {
        error.0
    }
}

/// What is wrong with a conversion stanza alone: the value of `spec.conversion` (SCH-65).
#[must_use]
pub fn validate_conversion(conversion: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let crd = json!({"spec": {"conversion": conversion}});
    conversion::check_conversion(&view::View::new(&crd), true, &mut errors);
    errors
}

/// Decodes a CRD as the server's types do, in place: removes unknown fields and empty values that are not stored.
/// Returns the paths of the unknown fields, sorted, for the warnings `unknown field "…"` and for strict decoding.
///
/// # Errors
/// A value has a wrong JSON type, with a text such as `json: cannot unmarshal array into Go struct field …` (SCH-1 to
/// SCH-3). The server answers 400 with `CustomResourceDefinition in version "v1" cannot be handled as a
/// CustomResourceDefinition: ` before it, and puts `strict decoding error: ` before unknown fields.
///
/// ```
/// # use kubewright_schema::crd;
/// # use serde_json::json;
/// let mut crd = json!({"spec": {"versions": [{"subresources": {"log": {}}}]}});
/// assert_eq!(crd::decode(&mut crd).unwrap(), ["spec.versions[0].subresources.log"]);
/// ```
pub fn decode(crd: &mut Value) -> Result<Vec<String>, DecodeError> {
    if depth::exceeds(crd) {
        return Err(DecodeError(format!("the document {}", depth::message())));
    }
    shape::decode_crd(crd).map_err(DecodeError)
}

/// Fills in what the server does: singular and list kind, conversion None, port 443 of a conversion webhook's
/// service, `served` and `storage` of versions, `status.storedVersions` (SCH-61, SCH-65).
pub fn default(crd: &mut Value) {
    let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = schema::text(names, "kind").to_owned();
        if schema::text(names, "singular").is_empty() && !kind.is_empty() {
            names.insert("singular".to_owned(), kind.to_lowercase().into());
        }
        if schema::text(names, "listKind").is_empty() && !kind.is_empty() {
            names.insert("listKind".to_owned(), format!("{kind}List").into());
        }
    }
    if spec.get("conversion").is_none_or(Value::is_null) {
        spec.insert("conversion".to_owned(), json!({"strategy": "None"}));
    }
    if let Some(service) = spec
        .get_mut("conversion")
        .and_then(|conversion| conversion.pointer_mut("/webhook/clientConfig/service"))
        .and_then(Value::as_object_mut)
        && service.get("port").is_none_or(Value::is_null)
    {
        service.insert("port".to_owned(), 443.into());
    }
    let mut storage = None;
    for version in spec
        .get_mut("versions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        for key in ["served", "storage"] {
            version.entry(key).or_insert(Value::Bool(false));
        }
        if storage.is_none() && schema::flag(version, "storage") {
            storage = version.get("name").cloned();
        }
    }
    let has_stored = crd
        .pointer("/status/storedVersions")
        .and_then(Value::as_array)
        .is_some_and(|stored| !stored.is_empty());
    if let (Some(storage), false, Some(crd)) = (storage, has_stored, crd.as_object_mut())
        && let Some(status) = crd
            .entry("status")
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
    {
        status.insert("storedVersions".to_owned(), json!([storage]));
    }
}

/// Formats in the schemas that the server stores and never checks, for the warning `unrecognized format "…"`
/// (SCH-25). With the stored CRD, those that it has already are left out.
pub fn unrecognized_formats(crd: &Value, old: Option<&Value>) -> Vec<String> {
    if depth::exceeds(crd) {
        return Vec::new();
    }
    let known: HashSet<String> = old
        .map(|old| unrecognized_formats(old, None))
        .unwrap_or_default()
        .into_iter()
        .collect();
    let mut found = Vec::new();
    let view = view::View::new(crd);
    for schema in view.schemas() {
        schema::unrecognized_formats(schema, &mut found);
    }
    found.retain(|format| !known.contains(format));
    found
}

/// Errors in the JSON types of a schema; if there are none, those in its structural form.
pub(crate) fn check_any_schema(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut schema = schema.clone();
    match shape::decode_schema(&mut schema) {
        Ok(_) => check_decoded(&schema, path),
        Err(text) => vec![FieldError::invalid(path, "", text)],
    }
}

/// Why Go cannot decode this as `ObjectMeta`, in its words; null counts as absent.
pub(crate) fn metadata_mistake(metadata: &Value) -> Option<String> {
    if metadata.is_null() {
        return None;
    }
    shape::decode_metadata(&mut metadata.clone()).err()
}

/// The field that a rule blames, as errors name it below the rule's node; empty if it names none that is there.
pub(crate) fn rule_field(field_path: &str, node: &Node) -> String {
    if field_path.is_empty() {
        return String::new();
    }
    match fieldpath::resolve(field_path, node, fieldpath::Brackets::Allowed) {
        Ok(found) => found.path.trim_start_matches('.').to_owned(),
        Err(_) => String::new(),
    }
}

/// Errors in the structural form of a schema.
#[cfg(feature = "schemars")]
pub(crate) fn check_schema(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut schema = schema.clone();
    // Empty values mean nothing once decoded; a failure has been told before.
    let _ = shape::decode_schema(&mut schema);
    check_decoded(&schema, path)
}

fn check_decoded(schema: &Value, path: &str) -> Vec<FieldError> {
    schema::check(
        &schema::Schema::new(schema),
        path,
        false,
        schema::Strictness::FULL,
        rules::CostLimit::Holds,
    )
}

/// Errors in the defaults of a schema, whether its form is right or not.
#[cfg(feature = "schemars")]
pub(crate) fn check_defaults(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut schema = schema.clone();
    let _ = shape::decode_schema(&mut schema);
    defaults::check(Node::read(&schema, Reading::Defaults), None, path, true)
}

#[cfg(test)]
mod tests;
