//! Kubernetes' own types, known by the names of their definitions.
//!
//! k8s-openapi's schemas come from the published OpenAPI and leave out what lists are keyed by, which objects are atomic,
//! defaults, and the forms of values that are not what their type says. A definition with those types must say it all
//! again, as controller-gen does from the markers in the Go types.
//!
//! **Invariant:** every type here is accepted by a server as part of a definition; a test builds all of them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// controller-gen's pattern of a Quantity.
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
const QUALIFIED_NAME: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
const REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// Definitions whose whole schema takes from some 20 kB to several hundred.
const BIG: [&str; 25] = [
    "api.apps.v1.DaemonSet",
    "api.apps.v1.DaemonSetSpec",
    "api.apps.v1.Deployment",
    "api.apps.v1.DeploymentSpec",
    "api.apps.v1.ReplicaSet",
    "api.apps.v1.ReplicaSetSpec",
    "api.apps.v1.StatefulSet",
    "api.apps.v1.StatefulSetSpec",
    "api.batch.v1.CronJob",
    "api.batch.v1.CronJobSpec",
    "api.batch.v1.Job",
    "api.batch.v1.JobSpec",
    "api.batch.v1.JobTemplateSpec",
    "api.core.v1.Container",
    "api.core.v1.EphemeralContainer",
    "api.core.v1.Node",
    "api.core.v1.PersistentVolume",
    "api.core.v1.PersistentVolumeSpec",
    "api.core.v1.Pod",
    "api.core.v1.PodSpec",
    "api.core.v1.PodTemplate",
    "api.core.v1.PodTemplateSpec",
    "api.core.v1.ReplicationController",
    "api.core.v1.ReplicationControllerSpec",
    "api.core.v1.Volume",
];

/// What a definition of Kubernetes is known as: its name without the part that all have.
pub(super) fn known_as(definition: &str) -> Option<&str> {
    definition.strip_prefix("io.k8s.")
}

/// The schema of a type that is not what its definition says; `None` for all others.
pub(super) fn special(name: &str, settings: Special) -> Option<Map<String, Value>> {
    let (package, kind) = name.rsplit_once('.')?;
    let schema = match (package, kind) {
        // SCH-117.
        ("apimachinery.pkg.api.resource", "Quantity") => json!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY,
            "x-kubernetes-int-or-string": true,
        }),
        // SCH-118.
        ("apimachinery.pkg.util.intstr", "IntOrString") => json!({
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": true,
        }),
        // SCH-116.
        ("apimachinery.pkg.apis.meta.v1", "Time" | "MicroTime") => {
            json!({"type": "string", "format": "date-time"})
        }
        ("apimachinery.pkg.apis.meta.v1", "Duration") => json!({"type": "string"}),
        // SCH-119, 120.
        ("apimachinery.pkg.runtime", "RawExtension") | ("apimachinery.pkg.apis.meta.v1", "FieldsV1") => {
            json!({"type": "object", PRESERVE: true})
        }
        (
            "apiextensions-apiserver.pkg.apis.apiextensions.v1",
            "JSON"
            | "JSONSchemaProps"
            | "JSONSchemaPropsOrArray"
            | "JSONSchemaPropsOrBool"
            | "JSONSchemaPropsOrStringArray",
        ) => json!({PRESERVE: true}),
        // SCH-121.
        ("apimachinery.pkg.apis.meta.v1", "ObjectMeta") if settings.embedded_meta => json!({
            "type": "object",
            "properties": {
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                "finalizers": {"type": "array", "items": {"type": "string"}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "name": {"type": "string"},
                "namespace": {"type": "string"},
            },
        }),
        // SCH-122.
        _ if !settings.full && BIG.contains(&name) => json!({"type": "object", PRESERVE: true}),
        _ => return None,
    };
    match schema {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// What was asked for about types with more than one form.
#[derive(Clone, Copy)]
pub(super) struct Special {
    pub(super) embedded_meta: bool,
    pub(super) full: bool,
}

/// Whether its whole schema is that large that it is written on demand alone.
pub(super) fn is_big(name: &str) -> bool {
    BIG.contains(&name)
}

/// Whether it is metadata of which a server would keep nothing (SCH-121).
pub(super) fn is_object_meta(name: &str) -> bool {
    name == "apimachinery.pkg.apis.meta.v1.ObjectMeta"
}

/// Whether its lists are kept by the type of their items (SCH-124).
pub(super) fn is_condition(name: &str) -> bool {
    name == "apimachinery.pkg.apis.meta.v1.Condition"
}

/// Whether [`special`] stands for a description that only says how the type is written in Go.
pub(super) fn is_scalar(name: &str) -> bool {
    matches!(
        name.rsplit('.').next(),
        Some("Quantity" | "IntOrString" | "Time" | "MicroTime" | "Duration")
    )
}

/// Adds to a definition's schema what its markers say in Go.
pub(super) fn complete(name: &str, map: &mut Map<String, Value>) {
    if is_condition(name) {
        condition(map);
    }
    not_required(map, &["metadata"]);
    let Some(markers) = MARKERS.get(name) else { return };
    for (field, marker) in markers {
        let target = match field {
            None => Some(&mut *map),
            Some(field) => map
                .get_mut("properties")
                .and_then(|properties| properties.get_mut(*field)?.as_object_mut()),
        };
        // A field of another version of Kubernetes.
        let Some(target) = target else { continue };
        let (keyword, value) = match marker {
            Marker::List(kind) => ("x-kubernetes-list-type", Value::from(*kind)),
            Marker::Keys(keys) => {
                require_keys(target, keys);
                target.insert("x-kubernetes-list-map-keys".to_owned(), keys.clone().into());
                ("x-kubernetes-list-type", "map".into())
            }
            Marker::Object(kind) => ("x-kubernetes-map-type", Value::from(*kind)),
            Marker::Default(value) => ("default", value.clone()),
        };
        target.insert(keyword.to_owned(), value);
    }
    // k8s-openapi requires what its types hold without an `Option`, and reads it all the same where it is absent.
    let optional: Vec<&str> = markers
        .iter()
        .filter_map(|(field, marker)| field.filter(|_| matches!(marker, Marker::Default(_))))
        .collect();
    not_required(map, &optional);
}

/// A list's keys are there in each item (SCH-43), also where a type of some version forgets to say so.
fn require_keys(list: &mut Map<String, Value>, keys: &[&str]) {
    let Some(Value::Object(item)) = list.get_mut("items") else {
        return;
    };
    let properties = item.get("properties").and_then(Value::as_object);
    let without_default = |key: &&&str| {
        properties
            .and_then(|properties| properties.get(**key))
            .is_some_and(|property| property.get("default").is_none())
    };
    let missing: Vec<Value> = keys
        .iter()
        .filter(without_default)
        .map(|key| Value::from(*key))
        .collect();
    if missing.is_empty() {
        return;
    }
    if let Value::Array(required) = item.entry("required").or_insert_with(|| json!([])) {
        for key in missing {
            if !required.contains(&key) {
                required.push(key);
            }
        }
        required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}

/// Takes fields out of `required`.
fn not_required(map: &mut Map<String, Value>, fields: &[&str]) {
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|name| !fields.iter().any(|field| name == field));
        if required.is_empty() {
            map.remove("required");
        }
    }
}

/// SCH-124: the limits of metav1's Condition.
fn condition(map: &mut Map<String, Value>) {
    let limits = json!({
        "message": {"maxLength": 32768},
        "observedGeneration": {"minimum": 0},
        "reason": {"maxLength": 1024, "minLength": 1, "pattern": REASON},
        "status": {"enum": ["True", "False", "Unknown"]},
        "type": {"maxLength": 316, "pattern": QUALIFIED_NAME},
    });
    let Some(Value::Object(properties)) = map.get_mut("properties") else {
        return;
    };
    for (name, limits) in limits.as_object().into_iter().flatten() {
        if let (Some(Value::Object(property)), Value::Object(limits)) = (properties.get_mut(name), limits) {
            property.extend(limits.clone());
        }
    }
}

enum Marker {
    List(&'static str),
    Keys(Vec<&'static str>),
    Object(&'static str),
    Default(Value),
}

/// By type: what stands on a field, or on the type itself.
type Markers = HashMap<&'static str, Vec<(Option<&'static str>, Marker)>>;

static MARKERS: LazyLock<Markers> = LazyLock::new(|| {
    include_str!("kubernetes.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, markers) = line.split_once(": ")?;
            Some((name, markers.split(' ').filter_map(marker).collect()))
        })
        .collect()
});

fn marker(text: &'static str) -> Option<(Option<&'static str>, Marker)> {
    if let Some(kind) = text.strip_prefix('!') {
        return Some((None, Marker::Object(kind)));
    }
    let (field, value) = text.split_once('=')?;
    let inside = |name: &str| value.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    let marker = if let Some(keys) = inside("map") {
        Marker::Keys(keys.split(',').collect())
    } else if let Some(kind) = inside("object") {
        Marker::Object(kind)
    } else if let Some(value) = inside("default") {
        Marker::Default(serde_json::from_str(value).ok()?)
    } else {
        Marker::List(value)
    };
    Some((Some(field), marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that does not parse would be lost without a word.
    #[test]
    fn every_marker_is_read() {
        let lines: Vec<&str> = include_str!("kubernetes.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(MARKERS.len(), lines.len());
        for line in lines {
            let (name, markers) = line.split_once(": ").unwrap();
            assert_eq!(MARKERS[name].len(), markers.split(' ').count(), "{line}");
        }
    }
}
