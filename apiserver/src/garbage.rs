//! The garbage collector: dependents follow their owners (API-68).
//!
//! **Invariant:** an object is removed only when every owner that it names is absent from the store, looked up at
//! that moment by place and uid; what cannot be looked up is kept.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::coop::consume_budget;

use crate::engine::Engine;
use crate::engine::query::{DeleteOptions, Propagation};
use crate::registry::{ResourceInfo, Scope};
use crate::rest;
use crate::status::{ApiError, Result};
use crate::storage::{Change, ChangeKind, Entry, ListRequest, StorageError};
use crate::tasks::guarded;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Collects until the task is aborted.
pub(crate) async fn run(engine: Engine) {
    loop {
        if let Err(error) = follow(&engine).await {
            // The history ran away under the reader: begin again from what is there.
            tracing::debug!(%error, "garbage collection starts over");
        }
    }
}

async fn follow(engine: &Engine) -> Result<(), StorageError> {
    let storage = engine.storage();
    let page = storage
        .list(ListRequest {
            prefix: "/",
            ..ListRequest::default()
        })
        .await?;
    let mut collector = Collector {
        engine,
        dependents: HashMap::new(),
    };
    for entry in &page.entries {
        collector.index(entry);
    }
    for entry in &page.entries {
        collector.attend(entry).await;
        // Memory storage never waits, and others have work too.
        consume_budget().await;
    }
    let mut changes = storage.watch("/", page.revision).await?;
    loop {
        for change in changes.next().await?.changes {
            collector.handle(&change).await;
            consume_budget().await;
        }
    }
}

struct Collector<'a> {
    engine: &'a Engine,
    /// Keys of the objects that name an owner, by the owner's uid.
    dependents: HashMap<String, HashSet<Arc<str>>>,
}

/// An owner reference, as far as it matters here.
struct Owner<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    uid: &'a str,
    blocks: bool,
}

fn owners(object: &Value) -> impl Iterator<Item = Owner<'_>> {
    let references = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    references.into_iter().flatten().map(|reference| {
        let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        Owner {
            api_version: text("apiVersion"),
            kind: text("kind"),
            name: text("name"),
            uid: text("uid"),
            blocks: reference.get("blockOwnerDeletion") == Some(&Value::Bool(true)),
        }
    })
}

fn uid(object: &Value) -> &str {
    object
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn has_finalizer(object: &Value, name: &str) -> bool {
    rest::finalizers(object).any(|finalizer| finalizer == name)
}

/// Whether an object is deleted and waits for its dependents.
fn is_waiting(object: &Value) -> bool {
    rest::is_deleting(object) && has_finalizer(object, FOREGROUND)
}

fn blocks(dependent: &Entry, owner: &Entry) -> bool {
    let owner = uid(&owner.value);
    owners(&dependent.value).any(|reference| reference.uid == owner && reference.blocks)
}

/// What became of an owner.
enum Found {
    /// It is there.
    Solid,
    /// It is there, and waits for its dependents to go.
    Waiting,
    /// It is not there.
    Absent,
    /// Its kind is not served, or it cannot own this object: nobody can tell.
    Unknown,
}

impl Collector<'_> {
    fn index(&mut self, entry: &Entry) {
        for owner in owners(&entry.value) {
            self.dependents
                .entry(owner.uid.to_owned())
                .or_default()
                .insert(entry.key.clone());
        }
    }

    fn unindex(&mut self, entry: &Entry) {
        for owner in owners(&entry.value) {
            if let Some(keys) = self.dependents.get_mut(owner.uid) {
                keys.remove(&entry.key);
                if keys.is_empty() {
                    self.dependents.remove(owner.uid);
                }
            }
        }
    }

    async fn handle(&mut self, change: &Change) {
        if let Some(previous) = &change.previous {
            self.unindex(previous);
        }
        if change.kind != ChangeKind::Deleted {
            self.index(&change.entry);
            self.attend(&change.entry).await;
        } else {
            for dependent in self.load_dependents(uid(&change.entry.value)).await {
                self.attend(&dependent).await;
                consume_budget().await;
            }
        }
        // An owner that waits for this object, or for what this object held up, may go on.
        for owner in owners(&change.entry.value) {
            if let Some(entry) = self.load_owner(&change.entry, &owner).await
                && has_finalizer(&entry.value, FOREGROUND)
            {
                self.attend(&entry).await;
            }
        }
    }

    /// Does what is due for one object; a failure is told in the log, and the next change of it tries again.
    async fn attend(&self, entry: &Entry) {
        if let Err(error) = guarded(self.look(entry)).await {
            tracing::warn!(key = %entry.key, %error, "garbage collection of an object failed");
        }
    }

    async fn look(&self, entry: &Entry) -> Result<()> {
        let Some(info) = self.info(&entry.key) else {
            return Ok(());
        };
        // A change may be old news: act on what is stored now.
        let stored = self
            .engine
            .storage()
            .get(&entry.key)
            .await
            .map_err(ApiError::internal)?;
        let Some(entry) = stored.filter(|stored| uid(&stored.value) == uid(&entry.value)) else {
            return Ok(());
        };
        if rest::is_deleting(&entry.value) {
            if has_finalizer(&entry.value, ORPHAN) {
                return self.orphan(&info, &entry).await;
            }
            if has_finalizer(&entry.value, FOREGROUND) {
                return self.foreground(&info, &entry).await;
            }
            return Ok(());
        }
        let (mut solid, mut waiting, mut gone) = (0, 0, Vec::new());
        for owner in owners(&entry.value) {
            match self.find(&entry, &owner).await? {
                Found::Solid => solid += 1,
                Found::Waiting => {
                    waiting += 1;
                    gone.push(owner.uid.to_owned());
                }
                Found::Absent => gone.push(owner.uid.to_owned()),
                Found::Unknown => return Ok(()),
            }
        }
        match (solid, gone.is_empty()) {
            (_, true) => Ok(()),
            (0, false) => {
                let has_dependents = self.dependents.contains_key(uid(&entry.value));
                let options = DeleteOptions {
                    uid: Some(uid(&entry.value).to_owned()),
                    propagation: match waiting > 0 && has_dependents {
                        true => Propagation::Foreground,
                        false => Propagation::Background,
                    },
                    ..DeleteOptions::default()
                };
                rest::delete_quietly(self.engine, &info, &entry, &options).await
            }
            // Somebody else still owns it.
            (_, false) => self.disown(&info, &entry, &gone).await,
        }
    }

    /// Takes the reference from all dependents, then lets the owner go.
    async fn orphan(&self, info: &Arc<ResourceInfo>, owner: &Entry) -> Result<()> {
        let owner_uid = uid(&owner.value).to_owned();
        for dependent in self.load_dependents(&owner_uid).await {
            if let Some(info) = self.info(&dependent.key) {
                self.disown(&info, &dependent, std::slice::from_ref(&owner_uid))
                    .await?;
            }
        }
        self.drop_finalizer(info, owner, ORPHAN).await
    }

    /// Removes the dependents; the owner goes after those that block it.
    async fn foreground(&self, info: &Arc<ResourceInfo>, owner: &Entry) -> Result<()> {
        let mut blocked = false;
        for dependent in self.load_dependents(uid(&owner.value)).await {
            blocked |= blocks(&dependent, owner);
            if !rest::is_deleting(&dependent.value) {
                Box::pin(self.look(&dependent)).await?;
                consume_budget().await;
            }
        }
        if blocked && self.still_blocked(owner).await {
            return Ok(());
        }
        self.drop_finalizer(info, owner, FOREGROUND).await
    }

    /// Whether a dependent holds the owner back that does not itself wait, directly or through others, for the owner
    /// to go: a cycle would have no end. (Upstream breaks cycles by taking `blockOwnerDeletion` from references, where
    /// it notices them.)
    async fn still_blocked(&self, owner: &Entry) -> bool {
        for dependent in self.blockers(owner).await {
            if !self.waits_for(&dependent, owner).await {
                return true;
            }
        }
        false
    }

    async fn waits_for(&self, dependent: &Arc<Entry>, owner: &Entry) -> bool {
        let mut seen = HashSet::new();
        let mut next = vec![dependent.clone()];
        while let Some(entry) = next.pop() {
            if entry.key == owner.key {
                return true;
            }
            if is_waiting(&entry.value) && seen.insert(entry.key.clone()) {
                next.extend(self.blockers(&entry).await);
            }
        }
        false
    }

    /// The dependents that hold an owner back.
    async fn blockers(&self, owner: &Entry) -> Vec<Arc<Entry>> {
        let mut dependents = self.load_dependents(uid(&owner.value)).await;
        dependents.retain(|dependent| blocks(dependent, owner));
        dependents
    }

    async fn disown(&self, info: &Arc<ResourceInfo>, entry: &Entry, uids: &[String]) -> Result<()> {
        rest::rewrite_internal(self.engine, info, entry, |object| {
            if let Some(Value::Array(references)) = object.pointer_mut("/metadata/ownerReferences") {
                references.retain(|reference| {
                    let uid = reference.get("uid").and_then(Value::as_str).unwrap_or_default();
                    uids.iter().all(|gone| gone != uid)
                });
            }
        })
        .await
    }

    async fn drop_finalizer(&self, info: &Arc<ResourceInfo>, entry: &Entry, name: &str) -> Result<()> {
        rest::rewrite_internal(self.engine, info, entry, |object| {
            if let Some(Value::Array(finalizers)) = object.pointer_mut("/metadata/finalizers") {
                finalizers.retain(|finalizer| finalizer != name);
            }
        })
        .await
    }

    async fn load_dependents(&self, owner_uid: &str) -> Vec<Arc<Entry>> {
        let mut found = Vec::new();
        for key in self.dependents.get(owner_uid).into_iter().flatten() {
            if let Ok(Some(entry)) = self.engine.storage().get(key).await {
                found.push(entry);
            }
        }
        found
    }

    async fn find(&self, dependent: &Entry, owner: &Owner<'_>) -> Result<Found> {
        let Some(key) = self.owner_key(dependent, owner) else {
            return Ok(Found::Unknown);
        };
        let stored = self
            .engine
            .storage()
            .get(&key)
            .await
            .map_err(ApiError::internal)?;
        Ok(match stored {
            Some(entry) if uid(&entry.value) != owner.uid => Found::Absent,
            Some(entry) if is_waiting(&entry.value) => Found::Waiting,
            Some(_) => Found::Solid,
            None => Found::Absent,
        })
    }

    async fn load_owner(&self, dependent: &Entry, owner: &Owner<'_>) -> Option<Arc<Entry>> {
        let key = self.owner_key(dependent, owner)?;
        let entry = self.engine.storage().get(&key).await.ok().flatten()?;
        (uid(&entry.value) == owner.uid).then_some(entry)
    }

    /// Where an owner is stored; `None` where that cannot be told, or where it cannot own this object.
    fn owner_key(&self, dependent: &Entry, owner: &Owner<'_>) -> Option<String> {
        let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let snapshot = self.engine.registry().snapshot();
        let info = snapshot
            .iter()
            .find(|info| info.gvr.group == group && info.kind == owner.kind)?;
        let namespace = match info.scope {
            Scope::Cluster => None,
            // A namespaced owner of a cluster-scoped object is no owner: upstream keeps the object.
            Scope::Namespaced => Some(
                dependent
                    .value
                    .pointer("/metadata/namespace")
                    .and_then(Value::as_str)?,
            ),
        };
        Some(rest::key(info, namespace, owner.name))
    }

    /// The resource whose objects are stored under this key's prefix.
    fn info(&self, key: &str) -> Option<Arc<ResourceInfo>> {
        let snapshot = self.engine.registry().snapshot();
        snapshot
            .iter()
            .find(|info| key.starts_with(&rest::prefix(info)))
            .cloned()
    }
}
