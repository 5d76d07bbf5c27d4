//! PUT, and what every change of a stored object goes through.

use std::sync::Arc;

use http::StatusCode;
use kubewright_schema::{ErrorKind, FieldError};
use serde_json::{Value, json};

use super::pipeline::{Accepted, Door, is_conflict};
use super::{Call, Reply, convert, meta, owners};
use crate::admission::Operation;
use crate::engine::decode::Decoded;
use crate::engine::path::Verb;
use crate::engine::query::{DryRun, WriteOptions};
use crate::status::{ApiError, Result};
use crate::storage::Entry;

/// How often a change without a resourceVersion of its own is tried on a newer state.
const ATTEMPTS: usize = 10;

impl Call<'_> {
    /// Which door the request's path names.
    pub(super) fn door(&self) -> Door {
        match self.path.subresource.as_deref() {
            Some("status") => Door::Status,
            Some("finalize") => Door::Finalize,
            _ => Door::Main,
        }
    }

    pub(super) async fn update(&mut self, decoded: Decoded, options: WriteOptions) -> Result<Reply> {
        let Accepted { object, warnings } = self.accept(decoded, &options)?;
        let door = self.door();
        self.warnings.extend(warnings);
        if door == Door::Main && self.engine.strategy(&self.info).creates_on_update() {
            let stored = self.engine.storage().get(&self.key(self.name())).await;
            let stored = stored.map_err(|error| self.storage_error(self.name(), error))?;
            if stored.is_none() {
                let said = self.warnings.len();
                match self.create_absent(object.clone(), options.clone()).await {
                    // Somebody was faster: what is there now is updated.
                    Err(error) if error.is_already_exists() => self.warnings.truncate(said),
                    outcome => return outcome,
                }
            }
        }
        self.change(door, &options, |call, old| {
            let mut wanted = object.clone();
            call.track(Some(old), &mut wanted, door, &options);
            Ok(wanted)
        })
        .await
    }

    /// Creates what a PUT found absent. There is no version that it could stand on, and no uid.
    async fn create_absent(&mut self, mut object: Value, options: WriteOptions) -> Result<Reply> {
        let uid = meta::text(&object, "uid");
        if !uid.is_empty() {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: ");
            return Err(ApiError::conflict(self.subject(), self.name(), why));
        }
        if let Some(metadata) = meta::of(&mut object) {
            metadata.remove("resourceVersion");
        }
        let decoded = Decoded {
            value: object,
            duplicates: Vec::new(),
        };
        self.create(decoded, options).await
    }

    /// Applies `make` to the stored object until it is stored: the served form in, the wanted form out, already
    /// accepted and with its owners. A wanted form with another resourceVersion or uid than the stored one is a conflict.
    pub(super) async fn change(
        &mut self,
        door: Door,
        options: &WriteOptions,
        mut make: impl FnMut(&mut Self, &Value) -> Result<Value>,
    ) -> Result<Reply> {
        let name = self.name().to_owned();
        let said = self.warnings.len();
        let mut attempt = 0;
        loop {
            attempt += 1;
            // A second attempt says the same again.
            self.warnings.truncate(said);
            let old = self.load(&name).await?;
            let before = self.engine.served(&self.info, old.clone()).await?;
            let served = before.object(&self.info);
            let wanted = self.converting(|call| make(call, &served)).await?;
            let wanted = match door {
                // Webhooks saw the scale.
                Door::Scale => wanted,
                _ => {
                    self.mutate(Operation::Update, Some(&served), wanted, options.dry_run)
                        .await?
                }
            };
            let pinned = self.check_preconditions(&wanted, &old)?;
            let new = self.merge_doors(wanted, &served, door);
            let new = self.finish_change(new, &served, &old, door)?;
            if door != Door::Scale {
                let as_served = self.as_served(&new).into_owned();
                self.admit(Operation::Update, Some(&served), &as_served, options.dry_run)
                    .await?;
            }
            let new = self.to_storage(new).await?;
            if owners::is_same(&new, &old.value) {
                return Ok(Reply::Object(StatusCode::OK, before));
            }
            if options.dry_run == DryRun::All {
                let tried = Entry::new(old.key.clone(), new, old.revision);
                return self.reply(StatusCode::OK, tried.into()).await;
            }
            let storage = self.engine.storage();
            let outcome = if self.is_finished(&new) {
                storage.delete(&old.key, new, old.revision).await
            } else {
                storage.update(&old.key, new, old.revision).await
            };
            match outcome {
                Ok(entry) => {
                    self.engine.strategy(&self.info).stored(self.engine, &entry.value);
                    return self.reply(StatusCode::OK, entry).await;
                }
                // Somebody was faster. With a version of its own the next look finds the conflict.
                Err(error) if is_conflict(&error) && (attempt < ATTEMPTS || pinned) => {}
                Err(error) => return Err(self.storage_error(&name, error)),
            }
        }
    }

    /// Whether nothing keeps a deleting object any more.
    pub(super) fn is_finished(&self, stored: &Value) -> bool {
        meta::is_deleting(stored)
            && meta::finalizers(stored).next().is_none()
            && !self.engine.strategy(&self.info).holds_back(stored)
    }

    /// 409 unless the wanted form speaks of the stored one; tells whether it carries a version.
    fn check_preconditions(&self, wanted: &Value, old: &Arc<Entry>) -> Result<bool> {
        let uid = meta::text(wanted, "uid");
        let stored = meta::text(&old.value, "uid");
        let foreign = !uid.is_empty() && uid != stored;
        // A body's uid is a precondition; a patch's is a change, found after the version.
        let changed = foreign && self.verb == Verb::Patch;
        if foreign && !changed {
            let why =
                format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}");
            return Err(ApiError::conflict(self.subject(), self.name(), why));
        }
        let unconditional = self.engine.strategy(&self.info).updates_unconditionally();
        let pinned = match meta::text(wanted, "resourceVersion") {
            "" | "0" if unconditional => Ok(false),
            "" | "0" => {
                let fault = FieldError::new(
                    ErrorKind::Invalid,
                    "metadata.resourceVersion",
                    Value::from(0),
                    "must be specified for an update",
                );
                Err(ApiError::invalid(self.subject(), self.name(), &[fault]))
            }
            version if version.parse() == Ok(old.revision) => Ok(true),
            version if version.parse::<u64>().is_err() => {
                let fault = FieldError::new(
                    ErrorKind::Invalid,
                    "metadata.resourceVersion",
                    Value::from(version),
                    "must be an unsigned integer",
                );
                Err(ApiError::invalid(self.kind(), self.name(), &[fault]))
            }
            _ => Err(ApiError::modified(self.subject(), self.name())),
        }?;
        if changed {
            let fault = FieldError::new(
                ErrorKind::Invalid,
                "metadata.uid",
                Value::from(uid),
                "field is immutable",
            );
            return Err(ApiError::invalid(self.kind(), self.name(), &[fault]));
        }
        Ok(pinned)
    }

    /// Keeps of the old object what this door may not change (API-61).
    fn merge_doors(&self, wanted: Value, old: &Value, door: Door) -> Value {
        let mut new = match door {
            Door::Main | Door::Scale => {
                let mut new = wanted;
                if self.info.status {
                    put(&mut new, "status", old.get("status").cloned());
                }
                new
            }
            Door::Status => {
                let mut new = old.clone();
                put(&mut new, "status", wanted.get("status").cloned());
                if let Some(metadata) = meta::of(&mut new) {
                    match wanted["metadata"].get("managedFields") {
                        Some(owners) => metadata.insert("managedFields".into(), owners.clone()),
                        None => metadata.remove("managedFields"),
                    };
                }
                // Kubelets write annotations and labels through this door, and upstream lets them.
                if !self.info.is_custom() && matches!(self.info.gvr.resource.as_str(), "pods" | "nodes") {
                    put(&mut new, "metadata", wanted.get("metadata").cloned());
                }
                new
            }
            // Upstream's strategy for this door keeps status alone.
            Door::Finalize => {
                let mut new = wanted;
                put(&mut new, "status", old.get("status").cloned());
                new
            }
        };
        let kept = [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
        ];
        if let Some(metadata) = meta::of(&mut new) {
            for field in kept {
                match old.pointer(&format!("/metadata/{field}")) {
                    Some(value) => metadata.insert(field.into(), value.clone()),
                    None => metadata.remove(field),
                };
            }
        }
        new
    }

    /// Preparation by kind, generation, validation. The result is at the storage version, that of a custom resource at the
    /// request's.
    fn finish_change(&mut self, mut new: Value, served: &Value, old: &Entry, door: Door) -> Result<Value> {
        let strategy = self.engine.strategy(&self.info);
        if !self.info.is_custom() {
            convert::to_storage(&mut new, &self.info);
        }
        if door == Door::Main {
            strategy.prepare_for_update(&mut new, &old.value);
        }
        if strategy.has_generation(&self.info)
            && door != Door::Status
            && self.spec_differs(&new, if self.info.is_custom() { served } else { &old.value })
        {
            let generation = old
                .value
                .pointer("/metadata/generation")
                .and_then(Value::as_i64)
                .unwrap_or(0);
            new["metadata"]["generation"] = json!(generation + 1);
        }
        if meta::is_deleting(&old.value) {
            self.check_no_new_finalizers(&new, &old.value)?;
        }
        // Before rules that take time in proportion.
        self.fit(&mut new)?;
        self.validate(&self.as_served(&new), Some(served), door)?;
        self.warnings.extend(strategy.warnings(&new, Some(&old.value)));
        Ok(new)
    }

    /// Whether anything outside metadata (and status, where that has a door of its own) differs.
    fn spec_differs(&self, new: &Value, old: &Value) -> bool {
        let relevant = |value: &Value| -> Value {
            let mut value = value.clone();
            if let Some(map) = value.as_object_mut() {
                map.remove("metadata");
                map.remove("apiVersion");
                if self.info.status {
                    map.remove("status");
                }
            }
            value
        };
        relevant(new) != relevant(old)
    }

    fn check_no_new_finalizers(&self, new: &Value, old: &Value) -> Result<()> {
        let added: Vec<&str> = meta::finalizers(new)
            .filter(|new| meta::finalizers(old).all(|old| old != *new))
            .collect();
        if added.is_empty() {
            return Ok(());
        }
        let list = added
            .iter()
            .map(|name| format!("{name:?}"))
            .collect::<Vec<_>>()
            .join(", ");
        let fault = FieldError::new(
            ErrorKind::Forbidden,
            "metadata.finalizers",
            None,
            format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
            ),
        );
        Err(ApiError::invalid(self.kind(), self.name(), &[fault]))
    }
}

fn put(object: &mut Value, field: &str, value: Option<Value>) {
    if let Some(map) = object.as_object_mut() {
        match value {
            Some(value) => map.insert(field.into(), value),
            None => map.remove(field),
        };
    }
}
