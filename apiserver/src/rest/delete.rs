//! DELETE of one object and of a collection.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::pipeline::is_conflict;
use super::{Call, Reply, meta};
use crate::engine::query::{DeleteOptions, DryRun, ListOptions, Propagation};
use crate::status::{ApiError, Result};
use crate::storage::{Entry, StorageError};

/// Finalizer that keeps an object until its dependents have lost their reference to it.
const ORPHAN: &str = "orphan";
/// Finalizer that keeps an object until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";

/// What became of an object.
enum Outcome {
    /// It is gone.
    Gone(Arc<Entry>),
    /// Its deletion has begun, and something keeps it.
    Waits(Arc<Entry>),
}

impl Call<'_> {
    pub(super) async fn delete(&mut self, name: &str, options: &DeleteOptions) -> Result<Reply> {
        let strategy = self.engine.strategy(&self.info);
        match self.delete_one(name, options).await? {
            Outcome::Waits(entry) => self.reply(StatusCode::OK, entry).await,
            Outcome::Gone(entry) if strategy.returns_deleted() => self.reply(StatusCode::OK, entry).await,
            Outcome::Gone(entry) => {
                let mut details = json!({
                    "name": name,
                    "kind": self.info.gvr.resource,
                    "uid": meta::text(&entry.value, "uid"),
                });
                if !self.info.gvr.group.is_empty() {
                    details["group"] = self.info.gvr.group.as_str().into();
                }
                Ok(Reply::Document(StatusCode::OK, success(&details)))
            }
        }
    }

    async fn delete_one(&mut self, name: &str, options: &DeleteOptions) -> Result<Outcome> {
        let strategy = self.engine.strategy(&self.info);
        if let Some(why) = strategy.refuses_delete(name) {
            return Err(ApiError::forbidden(self.subject(), name, why));
        }
        let storage = self.engine.storage();
        let said = self.warnings.len();
        loop {
            let old = self.load(name).await?;
            // As upstream, which reads an object at the request's version before it deletes it. What the server clears away by
            // itself must not wait for anybody's converter.
            let served = match self.own {
                false => Some(self.engine.served(&self.info, old.clone()).await?),
                true => None,
            };
            self.check_delete(&old, options)?;
            if let Some(served) = served {
                self.warnings.truncate(said);
                self.admit_delete(&served.object(&self.info.clone()), options)
                    .await?;
            }
            let mut new = old.value.clone();
            self.mark(&mut new, options.propagation);
            let finished = self.is_finished(&new);
            let outcome = match options.dry_run {
                DryRun::All => Ok(Arc::new(Entry::new(old.key.clone(), new, old.revision))),
                // A second delete of what waits changes nothing.
                DryRun::No if !finished && new == old.value => Ok(old),
                DryRun::No if finished => storage.delete(&old.key, new, old.revision).await,
                DryRun::No => storage.update(&old.key, new, old.revision).await,
            };
            match outcome {
                Ok(entry) if finished => return Ok(Outcome::Gone(entry)),
                Ok(entry) => {
                    if options.dry_run == DryRun::No {
                        strategy.stored(self.engine, &entry.value);
                    }
                    return Ok(Outcome::Waits(entry));
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(self.storage_error(name, error)),
            }
        }
    }

    /// Preconditions (API-49).
    fn check_delete(&self, old: &Entry, options: &DeleteOptions) -> Result<()> {
        let name = meta::text(&old.value, "name");
        let failed = |field: &str, asked: &str, found: &str, hint: &str| {
            let why = format!(
                "the {field} in the precondition ({asked}) does not match the {field} in record ({found}). The object \
                 might have been {hint}"
            );
            Err(ApiError::conflict(self.kind(), name, why))
        };
        let uid = meta::text(&old.value, "uid");
        let version = old.revision.to_string();
        match options {
            DeleteOptions { uid: Some(asked), .. } if asked != uid => {
                failed("UID", asked, uid, "deleted and then recreated")
            }
            DeleteOptions {
                resource_version: Some(asked),
                ..
            } if *asked != version => failed("ResourceVersion", asked, &version, "modified"),
            _ => Ok(()),
        }
    }

    /// Begins the deletion of an object, and says what becomes of its dependents; idempotent. A later delete may still
    /// say otherwise, as upstream's `deletionFinalizersForGarbageCollection` lets it.
    fn mark(&self, object: &mut Value, propagation: Propagation) {
        let strategy = self.engine.strategy(&self.info);
        let begun = meta::is_deleting(object);
        let now = self.engine.clock().now_text();
        let Some(metadata) = meta::of(object) else { return };
        let mut finalizers = match metadata.remove("finalizers") {
            Some(Value::Array(finalizers)) => finalizers,
            _ => Vec::new(),
        };
        let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
        let wanted = match propagation {
            Propagation::Orphan => Some(ORPHAN),
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Background => None,
            // What somebody asked for before stays asked for.
            Propagation::Unset if has(ORPHAN) => Some(ORPHAN),
            Propagation::Unset if has(FOREGROUND) => Some(FOREGROUND),
            Propagation::Unset => strategy.orphans_dependents().then_some(ORPHAN),
        };
        // Others keep their order, and so does one that is there already.
        finalizers.retain(|finalizer| match finalizer.as_str() {
            Some(name @ (ORPHAN | FOREGROUND)) => Some(name) == wanted,
            _ => true,
        });
        if let Some(wanted) = wanted
            && !finalizers.iter().any(|finalizer| finalizer == wanted)
        {
            finalizers.push(wanted.into());
        }
        if !finalizers.is_empty() {
            metadata.insert("finalizers".into(), finalizers.into());
        }
        if begun {
            return;
        }
        metadata.insert("deletionTimestamp".into(), now.into());
        metadata.insert("deletionGracePeriodSeconds".into(), json!(0));
        if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
            metadata.insert("generation".into(), json!(generation + 1));
        }
        strategy.begin_delete(object);
    }

    pub(super) async fn delete_collection(&mut self, options: &DeleteOptions) -> Result<Reply> {
        let list = ListOptions::parse(&self.query, self.verb)?;
        let selection = self.select(&list).await?;
        for served in &selection.objects {
            let name = meta::text(&served.entry().value, "name");
            match self.delete_one(name, options).await {
                // Gone meanwhile: what was wanted.
                Err(error) if error.code() == StatusCode::NOT_FOUND => {}
                Err(error) if error.code() == StatusCode::FORBIDDEN => {
                    tracing::debug!(resource = %self.subject(), name, "kept by delete-collection");
                }
                other => {
                    other?;
                }
            }
        }
        self.render_list(&selection).map(Reply::Whole)
    }
}

/// Removes or begins to remove an object on the server's own behalf; an object that is gone is no error.
pub(crate) async fn delete_quietly(
    engine: &crate::engine::Engine,
    info: &Arc<crate::registry::ResourceInfo>,
    entry: &Entry,
    options: &DeleteOptions,
) -> Result<()> {
    let mut call = Call::internal(engine, info, &entry.value);
    let mut options = options.clone();
    if options.propagation == Propagation::Unset {
        // What the server clears away goes with its dependents.
        options.propagation = Propagation::Background;
    }
    match call.delete_one(meta::text(&entry.value, "name"), &options).await {
        Err(error) if error.code() == StatusCode::NOT_FOUND || error.code() == StatusCode::CONFLICT => Ok(()),
        other => other.map(drop),
    }
}

fn success(details: &Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Whether an error only means that somebody else changed the object first.
pub(crate) fn is_race(error: &StorageError) -> bool {
    matches!(
        error,
        StorageError::Conflict { .. } | StorageError::Missing { .. } | StorageError::Exists { .. }
    )
}
