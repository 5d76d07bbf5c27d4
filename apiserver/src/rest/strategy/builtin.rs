//! Strategies of the built-in kinds that have rules of their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubewright_schema::{ErrorKind, FieldError};
use serde_json::{Value, json};

use super::Strategy;
use crate::registry::{GroupVersionResource, ResourceInfo};
use crate::rest::{names, typed};

/// The strategies of built-in kinds, by where their objects are stored.
pub(crate) fn install() -> HashMap<GroupVersionResource, Arc<dyn Strategy>> {
    let mut all: HashMap<GroupVersionResource, Arc<dyn Strategy>> = HashMap::new();
    let mut add = |group: &str, resource: &str, strategy: Arc<dyn Strategy>| {
        all.insert(GroupVersionResource::new(group, "v1", resource), strategy);
    };
    add("", "namespaces", Arc::new(Namespace));
    add("", "events", Arc::new(Event));
    add("", "services", Arc::new(Service));
    for resource in ["endpoints", "limitranges"] {
        add("", resource, Arc::new(CreatedOnUpdate));
    }
    add("coordination.k8s.io", "leases", Arc::new(Lease));
    add("", "secrets", Arc::new(Secret));
    add("", "configmaps", Arc::new(ConfigMap));
    for resource in [
        "pods",
        "serviceaccounts",
        "persistentvolumes",
        "persistentvolumeclaims",
        "resourcequotas",
    ] {
        add("", resource, Arc::new(ReturnsDeleted));
    }
    add("", "podtemplates", Arc::new(PodTemplate));
    add("", "replicationcontrollers", Arc::new(Orphaning));
    add("batch", "cronjobs", Arc::new(Generation));
    add("batch", "jobs", Arc::new(Orphaning));
    add(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        Arc::new(crate::crd::Crds),
    );
    for resource in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        add(
            crate::admission::GROUP,
            resource,
            Arc::new(super::webhooks::Configuration),
        );
    }
    for resource in ["deployments", "replicasets", "statefulsets", "daemonsets"] {
        add("apps", resource, Arc::new(Workload));
    }
    for resource in ["roles", "rolebindings", "clusterroles", "clusterrolebindings"] {
        add("rbac.authorization.k8s.io", resource, Arc::new(Rbac));
    }
    all
}

struct ReturnsDeleted;

impl Strategy for ReturnsDeleted {
    fn returns_deleted(&self) -> bool {
        true
    }

    fn has_generation(&self, info: &ResourceInfo) -> bool {
        info.gvr.resource == "pods"
    }
}

struct Generation;

impl Strategy for Generation {
    fn has_generation(&self, _info: &ResourceInfo) -> bool {
        true
    }
}

struct PodTemplate;

impl Strategy for PodTemplate {
    fn returns_deleted(&self) -> bool {
        true
    }

    fn has_generation(&self, _info: &ResourceInfo) -> bool {
        true
    }
}

/// Kinds older than the garbage collector: who deletes one without a policy does not expect it.
struct Orphaning;

impl Strategy for Orphaning {
    fn has_generation(&self, _info: &ResourceInfo) -> bool {
        true
    }

    fn orphans_dependents(&self) -> bool {
        true
    }
}

struct CreatedOnUpdate;

impl Strategy for CreatedOnUpdate {
    fn creates_on_update(&self) -> bool {
        true
    }
}

struct Lease;

impl Strategy for Lease {
    fn creates_on_update(&self) -> bool {
        true
    }

    /// Who holds it must not be overwritten by who has not looked.
    fn updates_unconditionally(&self) -> bool {
        false
    }
}

struct Rbac;

impl Strategy for Rbac {
    fn name_faults(&self, name: &str) -> Vec<String> {
        names::path_segment(name)
    }
}

struct Event;

impl Strategy for Event {
    /// kube-apiserver's `--event-ttl`.
    fn ttl(&self) -> Option<Duration> {
        Some(Duration::from_secs(3600))
    }

    fn creates_on_update(&self) -> bool {
        true
    }
}

struct Service;

impl Strategy for Service {
    fn creates_on_update(&self) -> bool {
        true
    }

    fn name_faults(&self, name: &str) -> Vec<String> {
        names::dns_1035(name)
    }

    fn returns_deleted(&self) -> bool {
        true
    }
}

struct Namespace;

/// Name of the label that every namespace carries with its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Namespace {
    fn label(object: &mut Value) {
        let name = object["metadata"]["name"].clone();
        let metadata = &mut object["metadata"];
        if !metadata["labels"].is_object() {
            metadata["labels"] = json!({});
        }
        metadata["labels"][NAME_LABEL] = name;
    }
}

impl Strategy for Namespace {
    fn decode(&self, object: &mut Value, info: &ResourceInfo) -> Result<Vec<String>, String> {
        let unknown = typed::read(object, info)?;
        // Through every door; a name that is generated comes later.
        if object["metadata"]["name"].is_string() {
            Self::label(object);
        }
        Ok(unknown)
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let finalizers = object.pointer("/spec/finalizers").and_then(Value::as_array);
        let finalizers = finalizers.into_iter().flatten().filter_map(Value::as_str);
        finalizers
            .enumerate()
            .filter(|(_, name)| *name != "kubernetes" && !name.contains('/'))
            .map(|(index, name)| {
                FieldError::new(
                    ErrorKind::Invalid,
                    format!("spec.finalizers[{index}]"),
                    Value::from(name),
                    "name is neither a standard finalizer name nor is it fully qualified",
                )
            })
            .collect()
    }

    fn prepare_for_create(&self, object: &mut Value) {
        Self::label(object);
        let mut finalizers = match object.pointer_mut("/spec/finalizers").map(Value::take) {
            Some(Value::Array(finalizers)) => finalizers,
            _ => Vec::new(),
        };
        if !finalizers.contains(&json!("kubernetes")) {
            finalizers.push(json!("kubernetes"));
        }
        object["spec"] = json!({"finalizers": finalizers});
        object["status"] = json!({"phase": "Active"});
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value) {
        // Only the finalize subresource changes these.
        new["spec"] = old["spec"].clone();
    }

    fn name_faults(&self, name: &str) -> Vec<String> {
        names::label(name)
    }

    fn returns_deleted(&self) -> bool {
        true
    }

    fn refuses_delete(&self, name: &str) -> Option<&'static str> {
        matches!(name, "default" | "kube-system" | "kube-public")
            .then_some("this namespace may not be deleted")
    }

    fn holds_back(&self, object: &Value) -> bool {
        object
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|finalizers| !finalizers.is_empty())
    }

    fn begin_delete(&self, object: &mut Value) {
        object["status"]["phase"] = json!("Terminating");
    }
}

struct Workload;

impl Strategy for Workload {
    fn has_generation(&self, _info: &ResourceInfo) -> bool {
        true
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let selector = object.pointer("/spec/selector");
        let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
            return vec![FieldError::new(ErrorKind::Required, "spec.selector", None, "")];
        };
        let wanted = selector.get("matchLabels").and_then(Value::as_object);
        let labels = object.pointer("/spec/template/metadata/labels");
        let met = wanted.is_none_or(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
        });
        if met {
            return Vec::new();
        }
        vec![FieldError::new(
            ErrorKind::Invalid,
            "spec.template.metadata.labels",
            labels.cloned().unwrap_or_else(|| json!({})),
            "`selector` does not match template `labels`",
        )]
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        immutable(new, old, "/spec/selector", "spec.selector")
    }
}

fn immutable(new: &Value, old: &Value, pointer: &str, field: &str) -> Vec<FieldError> {
    let value = new.pointer(pointer);
    if value == old.pointer(pointer) {
        return Vec::new();
    }
    vec![FieldError::new(
        ErrorKind::Invalid,
        field,
        value.cloned().unwrap_or_default(),
        "field is immutable",
    )]
}

/// What `immutable: true` on a ConfigMap or Secret keeps as it is.
fn frozen(new: &Value, old: &Value, fields: &[&str]) -> Vec<FieldError> {
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let changed = |field: &str| new.get(field) != old.get(field);
    std::iter::once("immutable")
        .chain(fields.iter().copied())
        .filter(|field| changed(field))
        .map(|field| {
            FieldError::new(
                ErrorKind::Forbidden,
                field,
                None,
                "field is immutable when `immutable` is set",
            )
        })
        .collect()
}

struct ConfigMap;

impl Strategy for ConfigMap {
    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        frozen(new, old, &["data", "binaryData"])
    }
}

struct Secret;

impl Secret {
    /// `stringData` is written in plain text and kept in `data`.
    fn merge_string_data(object: &mut Value) {
        let Some(Value::Object(plain)) = object.as_object_mut().and_then(|map| map.remove("stringData"))
        else {
            return;
        };
        if !object["data"].is_object() {
            object["data"] = json!({});
        }
        for (key, value) in plain {
            object["data"][key] = match value.as_str() {
                Some(text) => STANDARD.encode(text).into(),
                None => value,
            };
        }
    }
}

impl Strategy for Secret {
    fn decode(&self, object: &mut Value, info: &ResourceInfo) -> Result<Vec<String>, String> {
        let unknown = typed::read(object, info)?;
        // Before owners are noted: what is kept is owned, not how it was written.
        Self::merge_string_data(object);
        Ok(unknown)
    }

    fn prepare_for_create(&self, object: &mut Value) {
        if object.get("type").is_none_or(|kind| kind == "") {
            object["type"] = json!("Opaque");
        }
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value) {
        if new.get("type").is_none_or(|kind| kind == "") {
            new["type"] = old["type"].clone();
        }
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut faults = immutable(new, old, "/type", "type");
        faults.extend(frozen(new, old, &["data"]));
        faults
    }
}
