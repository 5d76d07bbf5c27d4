//! The task that follows all CRDs: accepts names, sets conditions, empties what is deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::status::{self, Taken};
use super::{CLEANUP_FINALIZER, PREFIX, serving};
use crate::engine::Engine;
use crate::engine::query::DeleteOptions;
use crate::registry::{ResourceInfo, builtin};
use crate::rest::{self, delete_quietly, is_race};
use crate::status::ApiError;
use crate::storage::{ChangeKind, Entry, ListRequest, StorageError};

/// Runs until the task is aborted.
pub(crate) async fn run(engine: Engine) {
    loop {
        if let Err(error) = follow(&engine).await {
            // The history ran away under the reader: begin again from what is there.
            tracing::debug!(%error, "CRD controller starts over");
        }
    }
}

async fn list(engine: &Engine) -> Result<crate::storage::Page, StorageError> {
    let request = ListRequest {
        prefix: PREFIX,
        ..ListRequest::default()
    };
    engine.storage().list(request).await
}

async fn follow(engine: &Engine) -> Result<(), StorageError> {
    let page = list(engine).await?;
    let mut due: BTreeSet<String> = page.entries.iter().map(|entry| entry.key.to_string()).collect();
    let mut changes = engine.storage().watch("/", page.revision).await?;
    // CRDs that wait: for their last object, or for a name that another one has.
    let mut terminating = BTreeSet::new();
    let mut refused = BTreeSet::new();
    loop {
        for key in std::mem::take(&mut due) {
            match reconcile(engine, &key).await {
                Ok(State::Fine) => {
                    terminating.remove(&key);
                    refused.remove(&key);
                }
                Ok(State::Refused) => {
                    refused.insert(key);
                }
                Ok(State::Terminating) => {
                    terminating.insert(key);
                }
                Err(error) => {
                    tracing::warn!(crd = key.trim_start_matches(PREFIX), %error, "a CRD is not in its wanted state yet");
                    terminating.insert(key);
                }
            }
        }
        for change in changes.next().await?.changes {
            let Some(_) = change.entry.key.strip_prefix(PREFIX) else {
                due.extend(terminating.iter().cloned());
                continue;
            };
            if change.kind == ChangeKind::Deleted {
                serving::withdraw(engine.registry(), &change.entry.value);
            }
            due.insert(change.entry.key.to_string());
            // Its names may be free now.
            due.extend(refused.iter().cloned());
        }
    }
}

enum State {
    Fine,
    /// Some of its names are another CRD's.
    Refused,
    /// Deleted, and not gone yet.
    Terminating,
}

async fn reconcile(engine: &Engine, key: &str) -> Result<State, ApiError> {
    let Some(entry) = engine.storage().get(key).await.map_err(ApiError::internal)? else {
        return Ok(State::Fine);
    };
    if rest::is_deleting(&entry.value) {
        return finish(engine, &entry).await;
    }
    let group = &entry.value["spec"]["group"];
    let mut taken = Taken::default();
    for own in builtin::resources().iter().filter(|own| *group == *own.gvr.group) {
        taken.add_built_in(own);
    }
    for other in list(engine).await.map_err(ApiError::internal)?.entries {
        if other.key != entry.key && other.value["spec"]["group"] == *group {
            taken.add(&other.value);
        }
    }
    let mut crd = entry.value.clone();
    status::accept(&mut crd, &taken, &engine.clock().now_text());
    // Served first, so that whoever reads the condition finds the resource.
    serving::publish(engine.registry(), &crd);
    let state = if status::is_true(&crd, "NamesAccepted") {
        State::Fine
    } else {
        State::Refused
    };
    store(engine, &entry, crd).await?;
    Ok(state)
}

/// Stores a changed CRD; a change that was faster comes by as an event and brings us back.
async fn store(engine: &Engine, old: &Entry, new: Value) -> Result<(), ApiError> {
    if new == old.value {
        return Ok(());
    }
    let gone = rest::is_deleting(&new) && rest::finalizers(&new).next().is_none();
    let outcome = if gone {
        engine.storage().delete(&old.key, new, old.revision).await
    } else {
        engine.storage().update(&old.key, new, old.revision).await
    };
    match outcome {
        Ok(_) => Ok(()),
        Err(error) if is_race(&error) => Ok(()),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// Deletes the objects of a deleted CRD, and lets it go when none is left.
async fn finish(engine: &Engine, entry: &Arc<Entry>) -> Result<State, ApiError> {
    if !rest::finalizers(&entry.value).any(|finalizer| finalizer == CLEANUP_FINALIZER) {
        // Somebody else's finalizer keeps it; nothing of ours is left.
        return Ok(State::Fine);
    }
    let now = engine.clock().now_text();
    let mut crd = entry.value.clone();
    let set = |crd: &mut Value, status: &str, reason: &str, message: &str| {
        status::set_condition(crd, "Terminating", status, reason, message, &now);
    };
    match serving::stored_resource(&crd).map(Arc::new) {
        None => set(
            &mut crd,
            "False",
            "NeverEstablished",
            "resource was never established",
        ),
        Some(info) if empty(engine, &info).await? => {
            set(
                &mut crd,
                "False",
                "InstanceDeletionCompleted",
                "removed all instances",
            );
        }
        Some(_) => {
            set(
                &mut crd,
                "True",
                "InstanceDeletionInProgress",
                "CustomResource deletion is in progress",
            );
            store(engine, entry, crd).await?;
            return Ok(State::Terminating);
        }
    }
    if let Some(Value::Array(finalizers)) = crd.pointer_mut("/metadata/finalizers") {
        finalizers.retain(|finalizer| finalizer != CLEANUP_FINALIZER);
        if finalizers.is_empty()
            && let Some(metadata) = crd["metadata"].as_object_mut()
        {
            metadata.remove("finalizers");
        }
    }
    store(engine, entry, crd).await?;
    // Until its event comes by: the write may have lost a race.
    Ok(State::Terminating)
}

/// Begins the deletion of all objects; tells whether none is left.
async fn empty(engine: &Engine, info: &Arc<ResourceInfo>) -> Result<bool, ApiError> {
    let prefix = rest::prefix(info);
    let list = || {
        engine.storage().list(ListRequest {
            prefix: &prefix,
            ..ListRequest::default()
        })
    };
    let page = list().await.map_err(ApiError::internal)?;
    for entry in &page.entries {
        if !rest::is_deleting(&entry.value) {
            delete_quietly(engine, info, entry, &DeleteOptions::default()).await?;
        }
    }
    Ok(page.entries.is_empty() || list().await.map_err(ApiError::internal)?.entries.is_empty())
}
