//! What one kind does beyond what all kinds do (API-7).
//!
//! **Invariant:** a strategy sees objects at the storage version, after the generic rules have put the server's own
//! fields in place; an uncovered rule accepts, never rejects.

use std::time::Duration;

use kubewright_schema::FieldError;
use serde_json::Value;

use crate::engine::Engine;
use crate::registry::ResourceInfo;

mod builtin;
mod webhooks;

pub(crate) use builtin::install;

/// Per-kind behaviour; every method has a default.
pub trait Strategy: Send + Sync + 'static {
    /// Reads an object of `info` as the kind's type does, in place, and fills in its defaults. Returns complaints about
    /// fields that the type does not have, and drops those. The default knows the published types of built-in kinds.
    ///
    /// # Errors
    /// The text for a value of a wrong JSON type (400).
    fn decode(&self, object: &mut Value, info: &ResourceInfo) -> Result<Vec<String>, String> {
        super::typed::read(object, info)
    }

    /// Fills in and clears fields of an object about to be created.
    fn prepare_for_create(&self, _object: &mut Value) {}

    /// Fills in and clears fields of an object about to replace `old`. Not asked for subresources.
    fn prepare_for_update(&self, _new: &mut Value, _old: &Value) {}

    /// Finds the faults of an object, on create and on update.
    fn validate(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    /// Finds the faults of a new object. Asked besides [`Strategy::validate`].
    fn validate_create(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    /// Finds what an update may not change. Asked besides [`Strategy::validate`].
    fn validate_update(&self, _new: &Value, _old: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    /// Texts of `Warning` headers for an object that is otherwise fine; `old` is what it replaces.
    fn warnings(&self, _object: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }

    /// Told what was stored, before the write is answered. Concurrent writes of one object may be told in any order.
    fn stored(&self, _engine: &Engine, _object: &Value) {}

    /// Complaints about a name; the default is that of DNS-1123 subdomains.
    fn name_faults(&self, name: &str) -> Vec<String> {
        super::names::subdomain(name)
    }

    /// Whether a PUT to a name that is not there creates it.
    fn creates_on_update(&self) -> bool {
        false
    }

    /// Whether a PUT without resourceVersion wins over whatever is stored.
    fn updates_unconditionally(&self) -> bool {
        true
    }

    /// How long an object lives.
    fn ttl(&self) -> Option<Duration> {
        None
    }

    /// Whether a finished delete answers with the object instead of a success Status.
    fn returns_deleted(&self) -> bool {
        false
    }

    /// Whether a delete that names no policy leaves the dependents alone.
    fn orphans_dependents(&self) -> bool {
        false
    }

    /// Why an object may not be deleted at all.
    fn refuses_delete(&self, _name: &str) -> Option<&'static str> {
        None
    }

    /// Whether something besides `metadata.finalizers` keeps a deleted object.
    fn holds_back(&self, _object: &Value) -> bool {
        false
    }

    /// Marks an object whose deletion has begun and waits.
    fn begin_delete(&self, _object: &mut Value) {}

    /// Whether `metadata.generation` is kept for the kind.
    fn has_generation(&self, info: &ResourceInfo) -> bool {
        info.is_custom()
    }
}

/// The strategy of custom resources: what all kinds do, and no unconditional updates.
#[derive(Debug)]
pub struct Custom;

impl Strategy for Custom {
    fn updates_unconditionally(&self) -> bool {
        false
    }
}

/// The strategy of built-in kinds without rules of their own.
#[derive(Debug)]
pub struct Plain;

impl Strategy for Plain {}
