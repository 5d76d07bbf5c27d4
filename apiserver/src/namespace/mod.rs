//! Namespaces: those that are there from the start, and the end of those that are deleted.
//!
//! **Invariant:** a namespace goes only after everything in it, of every kind that is served, and it does go: what
//! keeps it is told in its conditions (API-67).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::coop::consume_budget;

use crate::engine::Engine;
use crate::engine::query::DeleteOptions;
use crate::registry::{GroupVersionResource, ResourceInfo, Scope};
use crate::rest::{self, delete_quietly, is_race};
use crate::status::{ApiError, Result};
use crate::storage::{ChangeKind, Entry, ListRequest, StorageError};
use crate::tasks::guarded;

const PREFIX: &str = "/core/namespaces/";

/// Creates the namespaces and the service that every cluster has (API-65).
pub(crate) async fn bootstrap(engine: &Engine) -> Result<()> {
    let namespaces = GroupVersionResource::new("", "v1", "namespaces");
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        rest::create_internal(engine, &namespaces, json!({"metadata": {"name": name}})).await?;
    }
    let service = json!({
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "ClusterIP", "sessionAffinity": "None",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    });
    rest::create_internal(engine, &GroupVersionResource::new("", "v1", "services"), service).await
}

/// Empties and removes deleted namespaces until the task is aborted.
pub(crate) async fn run(engine: Engine) {
    loop {
        if let Err(error) = follow(&engine).await {
            // The history ran away under the reader: begin again from what is there.
            tracing::debug!(%error, "namespace lifecycle starts over");
        }
    }
}

async fn follow(engine: &Engine) -> Result<(), StorageError> {
    let storage = engine.storage();
    let page = storage
        .list(ListRequest {
            prefix: PREFIX,
            ..ListRequest::default()
        })
        .await?;
    let mut terminating: BTreeSet<String> = page
        .entries
        .iter()
        .filter(|entry| rest::is_deleting(&entry.value))
        .map(|entry| name_of(&entry.key))
        .collect();
    let mut changes = storage.watch("/", page.revision).await?;
    loop {
        for name in terminating.clone() {
            match guarded(finish(engine, &name)).await {
                Ok(Progress::Gone) => {
                    terminating.remove(&name);
                }
                Ok(Progress::Waits) => {}
                Err(error) => tracing::warn!(namespace = name, %error, "a namespace is not emptied yet"),
            }
        }
        for change in changes.next().await?.changes {
            if !change.entry.key.starts_with(PREFIX) {
                continue;
            }
            let name = name_of(&change.entry.key);
            if change.kind != ChangeKind::Deleted && rest::is_deleting(&change.entry.value) {
                terminating.insert(name);
            } else {
                terminating.remove(&name);
            }
        }
    }
}

fn name_of(key: &str) -> String {
    key.trim_start_matches(PREFIX).to_owned()
}

enum Progress {
    Gone,
    Waits,
}

/// What a namespace still holds.
#[derive(Default)]
struct Remains {
    /// Objects by resource.
    resources: BTreeMap<String, usize>,
    /// Objects by finalizer.
    finalizers: BTreeMap<String, usize>,
}

async fn finish(engine: &Engine, name: &str) -> Result<Progress> {
    let key = format!("{PREFIX}{name}");
    let storage = engine.storage();
    let Some(namespace) = storage.get(&key).await.map_err(ApiError::internal)? else {
        return Ok(Progress::Gone);
    };
    if !rest::is_deleting(&namespace.value) {
        return Ok(Progress::Gone);
    }
    let remains = empty(engine, name).await?;
    let mut value = namespace.value.clone();
    set_conditions(&mut value, &remains, &engine.clock().now_text());
    if remains.resources.is_empty()
        && let Some(Value::Array(finalizers)) = value.pointer_mut("/spec/finalizers")
    {
        finalizers.retain(|finalizer| finalizer != "kubernetes");
    }
    if value == namespace.value {
        return Ok(Progress::Waits);
    }
    let gone = rest::finalizers(&value).next().is_none()
        && value
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty);
    let outcome = if gone {
        storage.delete(&key, value, namespace.revision).await
    } else {
        storage.update(&key, value, namespace.revision).await
    };
    match outcome {
        Ok(_) if gone => Ok(Progress::Gone),
        Ok(_) => Ok(Progress::Waits),
        // The change that was faster comes by as an event and brings us back.
        Err(error) if is_race(&error) => Ok(Progress::Waits),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// Deletes what is in a namespace and tells what is left.
async fn empty(engine: &Engine, namespace: &str) -> Result<Remains> {
    let snapshot = engine.registry().snapshot();
    // Several versions and both event groups share one place.
    let resources: BTreeMap<String, &Arc<ResourceInfo>> = snapshot
        .iter()
        .filter(|info| info.scope == Scope::Namespaced)
        .map(|info| (format!("{}{namespace}/", rest::prefix(info)), info))
        .collect();
    let mut remains = Remains::default();
    for (prefix, info) in resources {
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
                // Memory storage never waits, and others have work too.
                consume_budget().await;
            }
        }
        if page.entries.is_empty() {
            continue;
        }
        let left: Vec<Arc<Entry>> = list().await.map_err(ApiError::internal)?.entries;
        if left.is_empty() {
            continue;
        }
        let resource = match info.storage.group.as_str() {
            "" => info.storage.resource.clone(),
            group => format!("{}.{group}", info.storage.resource),
        };
        remains.resources.insert(resource, left.len());
        for entry in &left {
            for finalizer in rest::finalizers(&entry.value) {
                *remains.finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }
    Ok(remains)
}

fn set_conditions(namespace: &mut Value, remains: &Remains, now: &str) {
    let text = |counts: &BTreeMap<String, usize>, verb: &str| {
        let parts: Vec<_> = counts
            .iter()
            .map(|(what, count)| format!("{what} {verb} {count} resource instances"))
            .collect();
        parts.join(", ")
    };
    let content = match remains.resources.is_empty() {
        true => (
            "False",
            "ContentRemoved",
            "All content successfully removed".to_owned(),
        ),
        false => (
            "True",
            "SomeResourcesRemain",
            format!(
                "Some resources are remaining: {}",
                text(&remains.resources, "has")
            ),
        ),
    };
    let finalizers = match remains.finalizers.is_empty() {
        true => (
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished".to_owned(),
        ),
        false => (
            "True",
            "SomeFinalizersRemain",
            format!(
                "Some content in the namespace has finalizers remaining: {}",
                text(&remains.finalizers, "in")
            ),
        ),
    };
    let fine = |reason, message: &str| ("False", reason, message.to_owned());
    let wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            fine("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            fine("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            fine(
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        ),
        ("NamespaceContentRemaining", content),
        ("NamespaceFinalizersRemaining", finalizers),
    ];
    let old = match namespace.pointer("/status/conditions") {
        Some(Value::Array(old)) => old.clone(),
        _ => Vec::new(),
    };
    let conditions: Vec<Value> = wanted
        .into_iter()
        .map(|(type_, (status, reason, message))| {
            let before = old.iter().find(|condition| condition["type"] == type_);
            let since = before
                .filter(|condition| condition["status"] == status)
                .and_then(|condition| condition["lastTransitionTime"].as_str())
                .unwrap_or(now);
            json!({
                "type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
            })
        })
        .collect();
    // Whatever a client stored there, the conditions have their place.
    if !namespace["status"].is_object() {
        namespace["status"] = json!({});
    }
    namespace["status"]["conditions"] = conditions.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_67_conditions_replace_a_status_of_another_type() {
        for status in [
            json!("x"),
            json!(1),
            json!([]),
            json!(null),
            json!({"conditions": "x"}),
        ] {
            let mut namespace = json!({"metadata": {"name": "n"}, "status": status});
            set_conditions(&mut namespace, &Remains::default(), "2026-01-01T00:00:00Z");
            let conditions = namespace["status"]["conditions"].as_array();
            assert_eq!(conditions.map(Vec::len), Some(5), "{status}");
        }
    }
}
