//! Rules for the metadata of every object.
//!
//! **Invariant:** what the server owns comes from the server: uid, creationTimestamp, generation, deletion fields.

use kubewright_schema::{ErrorKind, FieldError};
use serde_json::{Map, Value, json};

use super::names;

/// All annotations of an object together, keys and values.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// The metadata of an object, made an object where it is absent; `None` where it is something else.
pub(super) fn of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let map = object.as_object_mut()?;
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    if metadata.is_null() {
        *metadata = json!({});
    }
    metadata.as_object_mut()
}

/// Text of a metadata field; empty where it is absent.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get("metadata")
        .and_then(|meta| meta.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether deletion has begun.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// The finalizers of an object.
pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Drops nulls and empty fields, and what no client may write. An empty list of owners stays: it asks to forget them.
pub(super) fn tidy(metadata: &mut Map<String, Value>) {
    metadata.remove("selfLink");
    let owners = metadata.remove("managedFields").filter(Value::is_array);
    drop_empty(metadata);
    if let Some(owners) = owners {
        metadata.insert("managedFields".into(), owners);
    }
}

/// Drops fields that are null or empty: Go leaves them out, so they are no difference.
pub(super) fn drop_empty(metadata: &mut Map<String, Value>) {
    metadata.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    });
}

/// Checks all that is general in metadata.
pub(super) fn validate(object: &Value, name_faults: impl Fn(&str) -> Vec<String>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let name = text(object, "name");
    for why in name_faults(name) {
        faults.push(invalid("metadata.name", name, why));
    }
    for field in ["labels", "annotations"] {
        let texts = object.get("metadata").and_then(|metadata| metadata.get(field));
        if let Some(Value::Object(texts)) = texts {
            faults.extend(texts_faults(field, &format!("metadata.{field}"), texts));
        }
    }
    for (index, finalizer) in finalizers(object).enumerate() {
        let field = format!("metadata.finalizers[{index}]");
        let complaints = names::qualified_name(finalizer);
        let standard = matches!(finalizer, "orphan" | "foregroundDeletion" | "kubernetes");
        if complaints.is_empty() && !finalizer.contains('/') && !standard {
            faults.push(invalid(
                &field,
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified".into(),
            ));
        }
        faults.extend(complaints.into_iter().map(|why| invalid(&field, finalizer, why)));
    }
    if finalizers(object).any(|f| f == "orphan") && finalizers(object).any(|f| f == "foregroundDeletion") {
        faults.push(invalid(
            "metadata.finalizers",
            &finalizers(object).collect::<Vec<_>>().join(","),
            "finalizer orphan and foregroundDeletion cannot be both set".into(),
        ));
    }
    validate_owners(object, &mut faults);
    faults
}

/// Faults of labels or annotations that a converter returned. Upstream names the latter's field so.
pub(crate) fn map_faults(field: &str, texts: &Map<String, Value>) -> Vec<FieldError> {
    let path = if field == "labels" {
        "metadata.labels"
    } else {
        "metadata.annotation"
    };
    texts_faults(field, path, texts)
}

fn texts_faults(field: &str, path: &str, texts: &Map<String, Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if field == "labels" {
        for (key, value) in texts {
            for why in names::qualified_name(key) {
                faults.push(invalid(path, key, why));
            }
            let value = value.as_str().unwrap_or_default();
            for why in names::label_value(value) {
                faults.push(invalid(path, value, why));
            }
        }
        return faults;
    }
    let mut size = 0;
    for (key, value) in texts {
        for why in names::qualified_name(&key.to_lowercase()) {
            faults.push(invalid(path, key, why));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        faults.push(FieldError::new(
            ErrorKind::TooLong,
            path,
            None,
            format!("may not be more than {ANNOTATIONS_LIMIT} bytes"),
        ));
    }
    faults
}

fn validate_owners(object: &Value, faults: &mut Vec<FieldError>) {
    const FIELD: &str = "metadata.ownerReferences";
    let mut controller: Option<&str> = None;
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    for owner in owners.into_iter().flatten() {
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        let version = text("apiVersion");
        if version.is_empty() || version.ends_with('/') || version.split('/').count() > 2 {
            faults.push(invalid(
                &format!("{FIELD}.apiVersion"),
                version,
                "version must not be empty".into(),
            ));
        }
        for name in ["kind", "name", "uid"] {
            if text(name).is_empty() {
                faults.push(invalid(
                    &format!("{FIELD}.{name}"),
                    "",
                    "must not be empty".into(),
                ));
            }
        }
        if version == "v1" && text("kind") == "Event" {
            faults.push(FieldError::new(
                ErrorKind::Invalid,
                FIELD,
                owner.clone(),
                "/v1, Kind=Event is disallowed from being an owner",
            ));
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            match controller {
                None => controller = Some(text("name")),
                Some(first) => faults.push(FieldError::new(
                    ErrorKind::Invalid,
                    FIELD,
                    object.pointer("/metadata/ownerReferences").cloned(),
                    format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} \
                         and {}",
                        text("name")
                    ),
                )),
            }
        }
    }
}

fn invalid(field: &str, value: &str, why: String) -> FieldError {
    FieldError::new(ErrorKind::Invalid, field, Value::from(value), why)
}

/// Drops repeated owner references; the texts warn of them.
pub(super) fn drop_duplicate_owners(metadata: &mut Map<String, Value>) -> Vec<String> {
    let Some(Value::Array(owners)) = metadata.get_mut("ownerReferences") else {
        return Vec::new();
    };
    let mut seen: Vec<Value> = Vec::with_capacity(owners.len());
    let mut warnings = Vec::new();
    for owner in owners.drain(..) {
        if seen.contains(&owner) {
            let uid = owner.get("uid").and_then(Value::as_str).unwrap_or_default();
            let warning = format!(
                ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, \
                 and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uid}"
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        } else {
            seen.push(owner);
        }
    }
    *owners = seen;
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "a literal at every call")]
    fn faults(metadata: Value) -> Vec<String> {
        validate(&json!({"metadata": metadata}), names::subdomain)
            .iter()
            .map(|fault| fault.field.clone())
            .collect()
    }

    #[test]
    fn api_57_metadata_faults_come_all_together() {
        assert_eq!(
            faults(json!({
                "name": "A", "labels": {"a b": "c"}, "annotations": {"/": ""}, "finalizers": ["x"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "a", "uid": ""}],
            })),
            [
                "metadata.name",
                "metadata.labels",
                "metadata.annotations",
                "metadata.annotations",
                "metadata.annotations",
                "metadata.finalizers[0]",
                "metadata.ownerReferences.uid",
                "metadata.ownerReferences"
            ]
        );
        assert!(faults(json!({"name": "a", "finalizers": ["a.io/b", "orphan"]})).is_empty());
        let big = "x".repeat(ANNOTATIONS_LIMIT);
        assert_eq!(
            faults(json!({"name": "a", "annotations": {"a": big}})),
            ["metadata.annotations"]
        );
    }

    #[test]
    fn api_57_one_controller() {
        let owner = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "u", "controller": true});
        assert_eq!(
            faults(json!({"name": "a", "ownerReferences": [owner("b"), owner("c")]})),
            ["metadata.ownerReferences"]
        );
    }

    #[test]
    fn api_57_repeated_owners_are_dropped_with_a_warning() {
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u"});
        let mut metadata = json!({"ownerReferences": [owner, owner]});
        let metadata = metadata.as_object_mut().expect("an object");
        assert_eq!(drop_duplicate_owners(metadata).len(), 1);
        assert_eq!(metadata["ownerReferences"], json!([owner]));
    }
}
