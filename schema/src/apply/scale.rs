//! Owners of the one field that the scale subresource and its parent share.
//!
//! **Invariant:** whoever owns replicas of the parent owns them of the scale, and the reverse; nothing else of either
//! list changes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::owners::{ManagedError, Owners};
use super::path::{Path, PathElement};
use super::set::FieldSet;
use super::update::VersionedSet;

const SCALE_VERSION: &str = "autoscaling/v1";

/// Where each version of the parent, by `apiVersion`, has its replicas; `None` for a version without the subresource.
#[derive(Clone, Debug, Default)]
pub struct ReplicasPaths(pub BTreeMap<String, Option<Path>>);

fn in_scale() -> Path {
    vec![PathElement::field("spec"), PathElement::field("replicas")]
}

impl ReplicasPaths {
    /// The owners of the scale of an object.
    ///
    /// # Errors
    /// Where the object's list cannot be read.
    pub fn to_scale(&self, parent: &Value) -> Result<Owners, ManagedError> {
        let parent = Owners::decode(parent)?;
        let mut scale = Owners::new();
        for (manager, owned) in &parent.fields {
            let Some(Some(path)) = self.0.get(&owned.api_version) else {
                continue;
            };
            if owned.set.has(path) {
                let owned = VersionedSet {
                    set: FieldSet::from_iter([in_scale()]),
                    api_version: SCALE_VERSION.to_owned(),
                    applied: owned.applied,
                };
                scale.fields.insert(manager.clone(), owned);
                if let Some(time) = parent.times.get(manager) {
                    scale.times.insert(manager.clone(), time.clone());
                }
            }
        }
        Ok(scale)
    }

    /// The owners of the parent after a write of its scale through `version` of the parent.
    ///
    /// # Errors
    /// Where one of the lists cannot be read.
    pub fn to_parent(&self, parent: &Value, scale: &Value, version: &str) -> Result<Owners, ManagedError> {
        let before = Owners::decode(parent)?;
        let mut scale = Owners::decode(scale)?;
        let mut after = Owners {
            fields: BTreeMap::new(),
            // A new owner has no time until it writes the parent, as upstream.
            times: before.times.clone(),
        };
        for (manager, mut owned) in before.fields {
            let Some(path) = self.0.get(&owned.api_version) else {
                continue;
            };
            if let Some(path) = path
                && owned.set.has(path)
                && scale.fields.remove(&manager).is_none()
            {
                owned.set = owned.set.difference(&FieldSet::from_iter([path.clone()]));
            }
            if !owned.set.is_empty() {
                after.fields.insert(manager, owned);
            }
        }
        let path = self.0.get(version).cloned().flatten().unwrap_or_default();
        for (manager, owned) in scale.fields {
            if owned.set.has(&in_scale()) {
                let owned = VersionedSet {
                    set: FieldSet::from_iter([path.clone()]),
                    api_version: version.to_owned(),
                    applied: owned.applied,
                };
                after.fields.insert(manager, owned);
            }
        }
        Ok(after)
    }
}
