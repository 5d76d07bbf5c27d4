//! Server-side apply: who owns which fields of an object, and what becomes of them when somebody writes (API-42…46).
//!
//! [`FieldSet`] is a set of fields, in memory and as the `fieldsV1` of `metadata.managedFields`. [`ObjectType`] says how
//! the lists and maps of a kind are merged. [`Typed`] is an object with its type: merged, compared, taken apart.
//! [`Updater`] keeps owners up to date, [`FieldManager`] does so with whole `managedFields` lists: what an API server does
//! with every write.
//!
//! Semantics, texts and bytes are those of structured-merge-diff v6 and of `k8s.io/apimachinery/pkg/util/managedfields`
//! in Kubernetes 1.36.
//!
//! ```
//! use kubewright_schema::apply::{FieldManager, ObjectType, OnConflict, SameVersion};
//! use serde_json::json;
//!
//! let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
//!     "size": {"type": "integer"}, "colour": {"type": "string"},
//! }}}});
//! let versions = SameVersion {
//!     api_version: "example.com/v1".into(),
//!     object_type: ObjectType::custom(&schema),
//! };
//! let widget = |spec| json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": spec});
//! let fields = FieldManager {
//!     converter: &versions,
//!     api_version: "example.com/v1",
//!     kind: "Widget",
//!     subresource: "",
//!     nothing: json!({"apiVersion": "example.com/v1", "kind": "Widget"}),
//!     reset: Default::default(),
//! };
//! let now = "2026-01-02T03:04:05Z";
//! let apply = |live, spec, who| fields.apply(live, &widget(spec), who, now, OnConflict::Refuse);
//! let stored = apply(&fields.nothing, json!({"size": 1, "colour": "red"}), "anna").unwrap();
//! let refused = apply(&stored, json!({"size": 2}), "bert").unwrap_err();
//! assert_eq!(refused.to_string(), "Apply failed with 1 conflict: conflict with \"anna\": .spec.size");
//! // What is left out goes.
//! assert_eq!(apply(&stored, json!({"size": 1}), "anna").unwrap()["spec"], json!({"size": 1}));
//! ```
//!
//! **Invariant:** a [`FieldSet`] is sorted, and each of its entries is a member or leads to one; applying the same
//! configuration twice changes nothing; the result of an apply has every applied field.

mod compare;
mod conflict;
mod fields;
mod fieldsv1;
mod manager;
mod matching;
mod merge;
mod openapi;
mod owners;
mod path;
mod reconcile;
mod remove;
mod scale;
mod set;
mod types;
mod update;
mod validate;
mod values;

#[cfg(test)]
mod tests;

pub use compare::Comparison;
pub use conflict::{Conflict, Conflicts};
pub use fieldsv1::FieldsError;
pub use manager::{ApplyError, FieldManager};
pub use openapi::Models;
pub use owners::{ManagedError, Operation, Owners};
pub use path::{Path, PathElement};
pub use scale::ReplicasPaths;
pub use set::FieldSet;
pub use types::{Duplicates, ObjectType, Typed, ValueError, ValueErrors};
pub use update::{
    ConvertError, Converter, Managers, OnConflict, SameVersion, UpdateError, Updater, VersionedSet,
};
