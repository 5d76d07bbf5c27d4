//! `metadata.managedFields`: who owns what, since when.
//!
//! **Invariant:** one entry for each manager, operation, subresource and, of updates, version; entries are in upstream's
//! order: operation, time, manager, version, subresource.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::fieldsv1::FieldsError;
use super::set::FieldSet;
use super::update::{Managers, VersionedSet};
use crate::gotext;

/// How fields came to be owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    /// As `operation` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Why a `managedFields` list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManagedError {
    /// An entry is none, or says an operation that there is not.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// An entry names no version.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// An entry does not say the form of its fields.
    #[error("missing fieldsType in managed fields entry {0}")]
    MissingFieldsType(usize),
    /// An entry has fields of another form.
    #[error("invalid fieldsType {} in managed fields entry {at}", gotext::quote(found))]
    FieldsType {
        /// The form.
        found: String,
        /// Place of the entry.
        at: usize,
    },
    /// An entry's fields cannot be read.
    #[error("error decoding set")]
    Fields(#[from] FieldsError),
}

/// Owners of an object's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// What each manager owns.
    pub fields: Managers,
    /// When it last changed what it owns, in RFC 3339.
    pub times: BTreeMap<String, String>,
}

/// What an identifier says: an entry without its time and fields.
pub(super) fn identifier(
    manager: &str,
    operation: Operation,
    api_version: &str,
    subresource: &str,
) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, text: &str| {
        if !text.is_empty() {
            parts.push(format!("\"{name}\":{}", gotext::json(&text.into())));
        }
    };
    add("manager", manager);
    add("operation", operation.as_str());
    // An applier is the same whatever version it speaks.
    if operation == Operation::Update {
        add("apiVersion", api_version);
    }
    add("subresource", subresource);
    format!("{{{}}}", parts.join(","))
}

/// A manager as messages name it.
pub(super) fn describe(identifier: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(identifier) else {
        return gotext::quote(identifier);
    };
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    let mut shown = gotext::quote(text("manager"));
    if !text("subresource").is_empty() {
        shown.push_str(&format!(
            " with subresource {}",
            gotext::quote(text("subresource"))
        ));
    }
    if text("operation") == Operation::Update.as_str() {
        shown.push_str(&format!(" using {}", text("apiVersion")));
    }
    shown
}

impl Owners {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the list of an object; an object without one has no owners.
    ///
    /// # Errors
    /// For the first entry that is none.
    pub fn decode(object: &Value) -> Result<Self, ManagedError> {
        let mut owners = Self::new();
        let entries = object["metadata"]["managedFields"].as_array();
        for (at, entry) in entries.into_iter().flatten().enumerate() {
            let text = |field: &str| entry[field].as_str().unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err(ManagedError::Operation),
            };
            if text("apiVersion").is_empty() {
                return Err(ManagedError::ApiVersion);
            }
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(ManagedError::MissingFieldsType(at)),
                other => {
                    return Err(ManagedError::FieldsType {
                        found: other.to_owned(),
                        at,
                    });
                }
            }
            let manager = identifier(
                text("manager"),
                operation,
                text("apiVersion"),
                text("subresource"),
            );
            let set = match &entry["fieldsV1"] {
                Value::Null => FieldSet::new(),
                fields => FieldSet::from_fields_v1(fields)?,
            };
            let owned = VersionedSet {
                set,
                api_version: text("apiVersion").to_owned(),
                applied: operation == Operation::Apply,
            };
            owners.fields.insert(manager.clone(), owned);
            owners.times.remove(&manager);
            if !text("time").is_empty() {
                owners.times.insert(manager, text("time").to_owned());
            }
        }
        Ok(owners)
    }

    /// The list; empty where there are no owners.
    pub fn encode(&self) -> Vec<Value> {
        let mut entries: Vec<Map<String, Value>> = self
            .fields
            .iter()
            .map(|(manager, owned)| {
                let mut entry = match serde_json::from_str(manager) {
                    Ok(Value::Object(entry)) => entry,
                    _ => Map::new(),
                };
                entry.insert("apiVersion".into(), owned.api_version.as_str().into());
                if owned.applied {
                    entry.insert("operation".into(), Operation::Apply.as_str().into());
                }
                entry.insert("fieldsType".into(), "FieldsV1".into());
                entry.insert("fieldsV1".into(), owned.set.to_fields_v1());
                if let Some(time) = self.times.get(manager) {
                    entry.insert("time".into(), time.as_str().into());
                }
                entry
            })
            .collect();
        // Times are UTC and of one length, so that their texts are in order; an absent one is the oldest.
        entries.sort_by(|a, b| {
            let fields = ["operation", "time", "manager", "apiVersion", "subresource"];
            let text = |entry: &Map<String, Value>, field: &str| {
                entry
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let orders = fields.iter().map(|field| text(a, field).cmp(&text(b, field)));
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        entries.into_iter().map(Value::Object).collect()
    }

    /// Writes the list into an object, or takes it away where there are no owners.
    pub fn write(&self, object: &mut Value) {
        let entries = self.encode();
        if entries.is_empty() {
            remove_list(object);
            return;
        }
        let Some(object) = object.as_object_mut() else {
            return;
        };
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("managedFields".into(), entries.into());
        }
    }
}

/// Takes the list out of an object.
pub(super) fn remove_list(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// Whether a client asks to forget all owners: by an empty list, or by one entry with nothing in it.
pub(super) fn asks_to_forget(object: &Value) -> bool {
    let blank = |value: &Value| value.is_null() || value == "";
    match object["metadata"]["managedFields"].as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([Value::Object(only)]) => only.values().all(blank),
        _ => false,
    }
}
