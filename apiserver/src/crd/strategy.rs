//! What writing a CRD means beyond writing any object.

use kubewright_schema::{FieldError, crd};
use serde_json::{Value, json};

use super::serving;
use super::{CLEANUP_FINALIZER, status};
use crate::engine::Engine;
use crate::registry::ResourceInfo;
use crate::rest::strategy::Strategy;
use crate::rest::typed;

/// The strategy of `customresourcedefinitions`.
#[derive(Debug)]
pub(crate) struct Crds;

/// The storage version is remembered until somebody has rewritten its objects.
fn remember_storage_version(object: &mut Value) {
    let versions = object["spec"]["versions"].as_array().into_iter().flatten();
    let Some(storage) = versions
        .clone()
        .find(|version| version["storage"] == true)
        .map(|v| v["name"].clone())
    else {
        return;
    };
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    match &mut object["status"]["storedVersions"] {
        Value::Array(stored) if stored.contains(&storage) => {}
        Value::Array(stored) => stored.push(storage),
        other => *other = json!([storage]),
    }
}

/// Labels and annotations are looked at for every kind before the kind's own rules.
fn without_metadata(mut faults: Vec<FieldError>) -> Vec<FieldError> {
    faults.retain(|fault| !["metadata.labels", "metadata.annotations"].contains(&fault.field.as_str()));
    faults
}

impl Strategy for Crds {
    fn decode(&self, object: &mut Value, _info: &ResourceInfo) -> Result<Vec<String>, String> {
        let mut complaints = typed::read_metadata(object)?;
        let unknown = crd::decode(object)?;
        crd::default(object);
        complaints.extend(unknown.into_iter().map(|path| format!("unknown field {path:?}")));
        Ok(complaints)
    }

    fn prepare_for_create(&self, object: &mut Value) {
        if let Some(object) = object.as_object_mut() {
            object.remove("status");
        }
        remember_storage_version(object);
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value) {
        new["status"] = old["status"].clone();
        remember_storage_version(new);
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        without_metadata(crd::validate(object))
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        without_metadata(crd::validate_update(new, old))
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        crd::unrecognized_formats(object, old)
            .into_iter()
            .map(|format| format!("unrecognized format {format:?}"))
            .collect()
    }

    fn updates_unconditionally(&self) -> bool {
        false
    }

    fn name_faults(&self, _: &str) -> Vec<String> {
        // Found with the rest of the CRD, since its name depends on its spec.
        Vec::new()
    }

    fn has_generation(&self, _: &ResourceInfo) -> bool {
        true
    }

    fn begin_delete(&self, object: &mut Value) {
        match &mut object["metadata"]["finalizers"] {
            Value::Array(finalizers) if finalizers.iter().any(|finalizer| finalizer == CLEANUP_FINALIZER) => {
            }
            Value::Array(finalizers) => finalizers.push(CLEANUP_FINALIZER.into()),
            other => *other = json!([CLEANUP_FINALIZER]),
        }
        let now = object["metadata"]["deletionTimestamp"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        status::set_condition(
            object,
            "Terminating",
            "True",
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            &now,
        );
    }

    fn stored(&self, engine: &Engine, object: &Value) {
        // The next request after this one finds the new schema.
        serving::publish(engine.registry(), object);
    }
}
