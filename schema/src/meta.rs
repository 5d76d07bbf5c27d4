//! Object metadata: its known fields, and the rules for that of embedded resources.

use serde_json::{Map, Value};

use crate::crd;
use crate::error::FieldError;
use crate::names;
use crate::path::Path;
use crate::structural::Node;

/// Fields of `ObjectMeta`.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
const OWNER_FIELDS: [&str; 6] = [
    "apiVersion",
    "blockOwnerDeletion",
    "controller",
    "kind",
    "name",
    "uid",
];
const MANAGED_FIELDS: [&str; 7] = [
    "apiVersion",
    "fieldsType",
    "fieldsV1",
    "manager",
    "operation",
    "subresource",
    "time",
];

/// Removes fields that no metadata has, and empty ones; notes the paths of the former.
pub(crate) fn prune(metadata: &mut Value, path: &Path<'_>, unknown: &mut Vec<String>) {
    let Value::Object(map) = metadata else { return };
    keep_known(map, &FIELDS, path, unknown);
    for (list, fields) in [
        ("ownerReferences", OWNER_FIELDS.as_slice()),
        ("managedFields", MANAGED_FIELDS.as_slice()),
    ] {
        if let Some(Value::Array(items)) = map.get_mut(list) {
            let path = Path::Key(path, list);
            for (index, item) in items.iter_mut().enumerate() {
                if let Value::Object(item) = item {
                    keep_known(item, fields, &Path::Index(&path, index), unknown);
                }
            }
        }
    }
}

fn keep_known(map: &mut Map<String, Value>, fields: &[&str], path: &Path<'_>, unknown: &mut Vec<String>) {
    map.retain(|key, value| {
        let known = fields.contains(&key.as_str());
        if !known {
            unknown.push(Path::Key(path, key).render());
        }
        known && !is_empty(value)
    });
}

/// What a server does not write: its types leave out empty fields.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Checks the type and object metadata of every embedded resource below; the object's own is the server's matter.
pub(crate) fn validate_embedded(value: &Value, node: &Node, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !node.embedded_below {
        return;
    }
    match value {
        Value::Object(map) => {
            if node.embedded {
                validate_resource(map, path, errors);
            }
            for (key, value) in map {
                if let Some(property) = node.property(key) {
                    validate_embedded(value, property, &Path::Key(path, key), errors);
                } else if let Some(values) = node.field(key) {
                    validate_embedded(value, values, &Path::Bracket(path, key), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    validate_embedded(item, node, &Path::Index(path, index), errors);
                }
            }
        }
        _ => {}
    }
}

/// The first embedded resource below whose type or metadata Go cannot decode.
pub(crate) fn undecodable(value: &Value, node: &Node, path: &Path<'_>) -> Option<FieldError> {
    if !node.embedded_below {
        return None;
    }
    match value {
        Value::Object(map) => {
            let mut errors = Vec::new();
            if node.embedded {
                check_resource_types(map, path, &mut errors);
            }
            errors.into_iter().next().or_else(|| {
                map.iter().find_map(|(key, value)| match node.property(key) {
                    Some(property) => undecodable(value, property, &Path::Key(path, key)),
                    None => undecodable(value, node.field(key)?, &Path::Bracket(path, key)),
                })
            })
        }
        Value::Array(items) => {
            let node = node.items.as_deref()?;
            items
                .iter()
                .enumerate()
                .find_map(|(index, item)| undecodable(item, node, &Path::Index(path, index)))
        }
        _ => None,
    }
}

fn check_resource_types(map: &Map<String, Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for key in ["apiVersion", "kind"] {
        if let Some(value) = map.get(key).filter(|value| !value.is_string()) {
            let field = Path::Key(path, key).render();
            errors.push(FieldError::invalid(field, value.clone(), "must be a string"));
        }
    }
    if let Some(metadata) = map.get("metadata") {
        check_types(metadata, &Path::Key(path, "metadata"), errors);
    }
}

/// Checks `apiVersion`, `kind` and `metadata` of one resource.
pub(crate) fn validate_resource(map: &Map<String, Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let before = errors.len();
    check_resource_types(map, path, errors);
    let decodes = errors.len() == before;
    for key in ["apiVersion", "kind"] {
        let field = || Path::Key(path, key).render();
        let text = match map.get(key) {
            None => {
                errors.push(FieldError::required(field(), ""));
                continue;
            }
            Some(Value::String(text)) => text,
            Some(_) => continue,
        };
        if text.is_empty() {
            errors.push(FieldError::invalid(field(), "", "must not be empty"));
        } else if key == "kind" {
            let wrong = names::dns1035_label(&text.to_lowercase());
            if !wrong.is_empty() {
                let detail = format!(
                    "may have mixed case, but should otherwise match: {}",
                    wrong.join(",")
                );
                errors.push(FieldError::invalid(field(), text.as_str(), detail));
            }
        } else if text.matches('/').count() > 1 {
            let detail = format!("unexpected GroupVersion string: {text}");
            errors.push(FieldError::invalid(field(), text.as_str(), detail));
        }
    }
    if let Some(Value::Object(metadata)) = map.get("metadata")
        && decodes
    {
        validate_metadata(metadata, &Path::Key(path, "metadata"), errors);
    }
}

fn validate_metadata(map: &Map<String, Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let text = |key: &str| {
        map.get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let mut named = |key: &str, wrong: fn(&str) -> Vec<String>| {
        if let Some(value) = text(key) {
            for message in wrong(value) {
                errors.push(FieldError::invalid(Path::Key(path, key).render(), value, message));
            }
        }
    };
    named("generateName", names::path_segment_prefix);
    named("name", names::path_segment);
    named("namespace", names::dns1123_label);
    if let Some(generation) = map.get("generation").and_then(Value::as_i64)
        && generation < 0
    {
        errors.push(FieldError::invalid(
            Path::Key(path, "generation").render(),
            generation,
            "must be greater than or equal to 0",
        ));
    }
    validate_labels(map.get("labels"), &Path::Key(path, "labels"), errors);
    validate_annotations(map.get("annotations"), &Path::Key(path, "annotations"), errors);
    validate_owners(map, &Path::Key(path, "ownerReferences"), errors);
    for finalizer in strings(map.get("finalizers")) {
        for message in names::qualified_name(finalizer) {
            errors.push(FieldError::invalid(
                Path::Key(path, "finalizers").render(),
                finalizer,
                message,
            ));
        }
    }
}

/// What Go cannot decode into `ObjectMeta`.
fn check_types(metadata: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if let Some(detail) = crd::metadata_mistake(metadata) {
        errors.push(FieldError::invalid(path.render(), metadata.clone(), detail));
    }
}

/// A JSON value's kind as Go's decoder names it.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Labels: keys are qualified names, values short texts.
pub(crate) fn validate_labels(labels: Option<&Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        for message in names::qualified_name(key) {
            errors.push(FieldError::invalid(path.render(), key.as_str(), message));
        }
        let value = value.as_str().unwrap_or_default();
        for message in names::label_value(value) {
            errors.push(FieldError::invalid(path.render(), value, message));
        }
    }
}

/// Annotations: keys are qualified names in any case, and all of them together have at most 256 KiB (SCH-70).
pub(crate) fn validate_annotations(
    annotations: Option<&Value>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    const LIMIT: usize = 256 * 1024;
    let mut size = 0;
    for (key, value) in annotations.and_then(Value::as_object).into_iter().flatten() {
        for message in names::qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(path.render(), key.as_str(), message));
        }
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > LIMIT {
        errors.push(FieldError::too_long(path.render(), 262_144));
    }
}

fn validate_owners(map: &Map<String, Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let owners = map.get("ownerReferences").and_then(Value::as_array);
    for owner in owners.into_iter().flatten() {
        let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut empty = |key: &str, message: &str| {
            errors.push(FieldError::invalid(
                Path::Key(path, key).render(),
                text(key),
                message,
            ));
        };
        if text("apiVersion")
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .is_empty()
        {
            empty("apiVersion", "version must not be empty");
        }
        for key in ["kind", "name", "uid"] {
            if text(key).is_empty() {
                empty(key, "must not be empty");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// SCH-42: texts of `objectmeta.Coerce` in apiextensions-apiserver 0.36.3.
    #[test]
    fn embedded_metadata_is_decoded_as_go_does() {
        let node = Node::decode(&json!({"type": "object", "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true}));
        let mistake = |metadata: &Value| {
            let resource = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
            undecodable(&resource, &node, &Path::Root).map(|error| error.detail)
        };
        let json = |text: &str| Some(format!("json: cannot unmarshal {text}"));
        for (metadata, want) in [
            (
                json!({"creationTimestamp": 5}),
                json("number into Go struct field ObjectMeta.creationTimestamp of type string"),
            ),
            (
                json!({"deletionTimestamp": {}}),
                json("object into Go struct field ObjectMeta.deletionTimestamp of type string"),
            ),
            (
                json!({"creationTimestamp": "x"}),
                Some(
                    "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""
                        .to_owned(),
                ),
            ),
            (
                json!({"creationTimestamp": null, "name": null, "labels": null}),
                None,
            ),
            (
                json!({"ownerReferences": {}}),
                json("object into Go struct field ObjectMeta.ownerReferences of type []v1.OwnerReference"),
            ),
            (
                json!({"ownerReferences": [5]}),
                json("number into Go struct field ObjectMeta.ownerReferences of type v1.OwnerReference"),
            ),
            (json!({"ownerReferences": [null]}), None),
            (
                json!({"ownerReferences": [{"controller": "x"}]}),
                json("string into Go struct field OwnerReference.ownerReferences.controller of type bool"),
            ),
            (
                json!({"managedFields": [{"time": 5}]}),
                json("number into Go struct field ManagedFieldsEntry.managedFields.time of type string"),
            ),
            (json!({"managedFields": [{"fieldsV1": 5}]}), None),
            (
                json!({"generation": 1.5}),
                json("number 1.5 into Go struct field ObjectMeta.generation of type int64"),
            ),
            (
                json!({"labels": {"a": 5}}),
                json("number into Go struct field ObjectMeta.labels of type string"),
            ),
            (json!([]), json("array into Go value of type v1.ObjectMeta")),
            (json!(null), None),
        ] {
            assert_eq!(mistake(&metadata), want, "{metadata}");
        }
    }
}
