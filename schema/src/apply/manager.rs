//! What a server does with `managedFields` at each write.
//!
//! **Invariant:** a write that is no apply never fails for its owners' sake: where they cannot be kept they are
//! forgotten. An apply that cannot be merged changes nothing.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use super::conflict::{Conflict, Conflicts};
use super::owners::{self, Operation, Owners};
use super::path::PathElement;
use super::set::FieldSet;
use super::types::{Duplicates, ObjectType, Typed};
use super::update::{Converter, OnConflict, UpdateError, Updater, VersionedSet};
use crate::gotext;

/// Entries of updates beyond which the oldest are put together.
const UPDATE_MANAGERS: usize = 10;
const OLD_UPDATES: &str = "ancient-changes";
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// Stands for the manager while its write is looked at, so that what it owned before is no part of that.
const CURRENT: &str = "current-operation";
/// The manager of `kubectl apply --server-side`, which takes over what `kubectl apply` wrote.
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// All annotations of an object together.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Why an apply was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The configuration is none for this object (400).
    #[error("{0}")]
    BadRequest(String),
    /// Somebody else owns fields with other values (409).
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// The configuration does not fit its type, or the object cannot be converted (500).
    #[error("{0}")]
    Failed(String),
}

/// Keeps the owners of one kind's objects, for one door of its API.
#[derive(Debug)]
pub struct FieldManager<'a, C> {
    /// Knows the kind's versions.
    pub converter: &'a C,
    /// `apiVersion` of the request.
    pub api_version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The subresource; empty for the resource itself.
    pub subresource: &'a str,
    /// An object of the kind before anything in it is set: `apiVersion`, `kind`, and what its type always writes.
    pub nothing: Value,
    /// By `apiVersion`, fields that no write through this door changes.
    pub reset: BTreeMap<String, FieldSet>,
}

impl<C: Converter> FieldManager<'_, C> {
    /// Notes in `new`, which is to replace `live`, who owns what after the write; both are at the request's version. Of
    /// an object that is created `live` has no uid. `now` is in RFC 3339, in seconds.
    ///
    /// A list that the client sent counts where it can be read, an empty one forgets all owners; through subresources
    /// it never counts.
    pub fn update(&self, live: &Value, new: &mut Value, manager: &str, now: &str) {
        let owners = self.owners_before(live, new);
        owners::remove_list(new);
        match self.updated(live, new, owners, manager, now) {
            Ok(owners) => owners.write(new),
            // As upstream: garbage in the list would be worse than none.
            Err(_) => owners::remove_list(new),
        }
    }

    fn owners_before(&self, live: &Value, new: &Value) -> Owners {
        let stored = || Owners::decode(live).unwrap_or_default();
        if !self.subresource.is_empty() {
            return stored();
        }
        if owners::asks_to_forget(new) {
            return Owners::new();
        }
        // A client that does not know the list must not clear it by leaving it out.
        match Owners::decode(new) {
            Ok(owners) if !owners.fields.is_empty() => owners,
            _ => stored(),
        }
    }

    fn updated(
        &self,
        live: &Value,
        new: &Value,
        owners: Owners,
        manager: &str,
        now: &str,
    ) -> Result<Owners, UpdateError> {
        // Objects whose owners were forgotten are not tracked until somebody applies.
        let exists = live["metadata"]["uid"]
            .as_str()
            .is_some_and(|uid| !uid.is_empty());
        if owners.fields.is_empty() && exists {
            return Ok(owners);
        }
        self.take(live, new, owners, manager, now)
    }

    fn take(
        &self,
        live: &Value,
        new: &Value,
        mut owners: Owners,
        manager: &str,
        now: &str,
    ) -> Result<Owners, UpdateError> {
        let kind = self.object_type()?;
        let new = Typed::new(&kind, new, Duplicates::Allowed)?;
        let live = Typed::new(&kind, live, Duplicates::Allowed)?;
        let mut fields = self
            .updater()
            .update(&live, &new, self.api_version, owners.fields, CURRENT)?;
        let manager = self.identifier(manager, Operation::Update);
        if let Some(mut taken) = fields.remove(CURRENT) {
            taken.set = taken.set.difference(&unowned());
            if !taken.set.is_empty() {
                if let Some(previous) = fields.get(&manager) {
                    taken.set = taken.set.union(&previous.set);
                }
                fields.insert(manager.clone(), taken);
                owners.times.insert(manager, now.to_owned());
            }
        }
        owners.fields = fields;
        fold_old_updates(&mut owners);
        Ok(owners)
    }

    /// The object after an apply, with its owners; at the request's version. Defaults are the caller's matter.
    ///
    /// # Errors
    /// See [`ApplyError`]; the texts are the server's.
    pub fn apply(
        &self,
        live: &Value,
        patch: &Value,
        manager: &str,
        now: &str,
        on_conflict: OnConflict,
    ) -> Result<Value, ApplyError> {
        let owners = Owners::decode(live)
            .map_err(|why| ApplyError::Failed(format!("failed to decode managed fields: {why}")))?;
        let (group_version, kind) = (text(patch, "apiVersion"), text(patch, "kind"));
        if (group_version, kind) != (self.api_version, self.kind) {
            return Err(ApplyError::BadRequest(format!(
                "invalid object type: {}",
                full_kind(group_version, kind)
            )));
        }
        let once = |on_conflict| self.apply_once(live, patch, owners.clone(), manager, now, on_conflict);
        let (new, owners) = match once(on_conflict) {
            Err(ApplyError::Conflicts(conflicts)) if manager == KUBECTL => {
                self.taken_over(live, conflicts)?;
                once(OnConflict::Take)?
            }
            outcome => outcome?,
        };
        let mut new = new.unwrap_or_else(|| live.clone());
        if manager == KUBECTL {
            renew_last_applied(&mut new, patch);
        }
        owners.write(&mut new);
        Ok(new)
    }

    fn apply_once(
        &self,
        live: &Value,
        patch: &Value,
        mut owners: Owners,
        manager: &str,
        now: &str,
        on_conflict: OnConflict,
    ) -> Result<(Option<Value>, Owners), ApplyError> {
        if owners.fields.is_empty() {
            // What is there belongs to somebody, so that the first apply does not remove it unnoticed.
            owners = self
                .take(&self.nothing, live, owners, BEFORE_FIRST_APPLY, now)
                .map_err(|why| {
                    ApplyError::Failed(format!("failed to create manager for existing fields: {why}"))
                })?;
        }
        if patch["metadata"]["managedFields"].is_array() {
            return Err(ApplyError::BadRequest(
                "metadata.managedFields must be nil".to_owned(),
            ));
        }
        let kind = self
            .object_type()
            .map_err(|why| ApplyError::Failed(why.to_string()))?;
        let named = |object: &Value| {
            let meta = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let kind = full_kind(text(object, "apiVersion"), text(object, "kind"));
            format!("{}/{}; {kind}", meta("namespace"), meta("name"))
        };
        let config = Typed::new(&kind, patch, Duplicates::Refused).map_err(|why| {
            ApplyError::Failed(format!(
                "failed to create typed patch object ({}): {why}",
                named(patch)
            ))
        })?;
        let typed_live = Typed::new(&kind, live, Duplicates::Allowed).map_err(|why| {
            ApplyError::Failed(format!(
                "failed to create typed live object ({}): {why}",
                named(live)
            ))
        })?;
        let manager = self.identifier(manager, Operation::Apply);
        let outcome = self.updater().apply(
            &typed_live,
            &config,
            self.api_version,
            owners.fields,
            &manager,
            on_conflict,
        );
        let (new, fields) = outcome.map_err(|error| match error {
            UpdateError::Conflicts(conflicts) => ApplyError::Conflicts(conflicts),
            UpdateError::Failed(why) => ApplyError::Failed(why),
        })?;
        owners.fields = fields;
        if let Some(applied) = owners.fields.get_mut(&manager) {
            applied.set = applied.set.difference(&unowned());
            if applied.set.is_empty() {
                owners.fields.remove(&manager);
            }
        }
        if new.is_some() {
            owners.times.insert(manager, now.to_owned());
        }
        Ok((new.map(Typed::into_value), owners))
    }

    /// Lets kubectl's server-side apply take what its client-side apply wrote, and nobody changed since.
    fn taken_over(&self, live: &Value, conflicts: Conflicts) -> Result<(), Conflicts> {
        let Some(allowed) = self.last_applied_fields(live) else {
            return Err(conflicts);
        };
        if conflicts.fields().difference(&allowed).is_empty() {
            return Ok(());
        }
        let refused: Vec<Conflict> = conflicts
            .0
            .into_iter()
            .filter(|conflict| !allowed.has(&conflict.path))
            .collect();
        Err(Conflicts(refused))
    }

    /// Fields of the annotation that the object still has with the same values.
    fn last_applied_fields(&self, live: &Value) -> Option<FieldSet> {
        let annotation = live["metadata"]["annotations"][LAST_APPLIED].as_str()?;
        let last: Value = serde_json::from_str(annotation).ok()?;
        if text(&last, "apiVersion") != self.api_version {
            return None;
        }
        let kind = self.object_type().ok()?;
        let live = Typed::new(&kind, live, Duplicates::Refused).ok()?;
        let last = Typed::new(&kind, &last, Duplicates::Refused).ok()?;
        let changes = last.compare(&live).ok()?;
        let fields = last.field_set().ok()?;
        Some(
            fields
                .difference(&changes.modified)
                .difference(&changes.added)
                .difference(&changes.removed),
        )
    }

    fn object_type(&self) -> Result<ObjectType, UpdateError> {
        let kind = self.converter.object_type(self.api_version);
        kind.ok_or_else(|| {
            UpdateError::Failed(format!(
                "no corresponding type for {}",
                full_kind(self.api_version, self.kind)
            ))
        })
    }

    fn updater(&self) -> Updater<'_, C> {
        Updater {
            converter: self.converter,
            reset: self.reset.clone(),
        }
    }

    fn identifier(&self, manager: &str, operation: Operation) -> String {
        let manager = if manager.is_empty() { "unknown" } else { manager };
        owners::identifier(manager, operation, self.api_version, self.subresource)
    }
}

fn text<'v>(object: &'v Value, field: &str) -> &'v str {
    object[field].as_str().unwrap_or_default()
}

/// `apps/v1, Kind=Deployment`, and `/v1, Kind=Pod` in the core group.
fn full_kind(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

/// What the server itself writes, and what says which object it is: nobody owns it.
fn unowned() -> FieldSet {
    let metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let of_root = ["apiVersion", "kind", "metadata"]
        .into_iter()
        .map(|name| vec![PathElement::field(name)]);
    let of_metadata = metadata
        .into_iter()
        .map(|name| vec![PathElement::field("metadata"), PathElement::field(name)]);
    of_root.chain(of_metadata).collect()
}

/// Puts the oldest updates of one version together while there are too many entries.
fn fold_old_updates(owners: &mut Owners) {
    let mut updates: Vec<String> = owners
        .fields
        .iter()
        .filter(|(_, owned)| !owned.applied)
        .map(|(manager, _)| manager.clone())
        .collect();
    let mut left = updates.len();
    if left <= UPDATE_MANAGERS {
        return;
    }
    updates.sort_by(|a, b| owners.times.get(a).cmp(&owners.times.get(b)).then(a.cmp(b)));
    let mut first_of: BTreeMap<String, String> = BTreeMap::new();
    for manager in updates {
        if left <= UPDATE_MANAGERS {
            break;
        }
        let Some(owned) = owners.fields.get(&manager).cloned() else {
            continue;
        };
        let Some(first) = first_of.get(&owned.api_version) else {
            first_of.insert(owned.api_version, manager);
            continue;
        };
        let bucket = owners::identifier(OLD_UPDATES, Operation::Update, &owned.api_version, "");
        if !owners.fields.contains_key(&bucket)
            && let Some(oldest) = owners.fields.remove(first)
        {
            owners.fields.insert(bucket.clone(), oldest);
        }
        let folded = owners
            .fields
            .entry(bucket.clone())
            .or_insert_with(|| VersionedSet {
                set: FieldSet::new(),
                ..owned.clone()
            });
        folded.set.add_all(&owned.set);
        // The entry may be the bucket itself.
        if manager != bucket {
            owners.fields.remove(&manager);
        }
        left -= 1;
        match owners.times.get(&manager).cloned() {
            Some(time) => owners.times.insert(bucket, time),
            None => owners.times.remove(&bucket),
        };
    }
}

/// Brings the annotation of client-side apply up to date, where there is one.
fn renew_last_applied(object: &mut Value, patch: &Value) {
    let annotated = object["metadata"]["annotations"][LAST_APPLIED]
        .as_str()
        .is_some_and(|text| !text.is_empty());
    if !annotated {
        return;
    }
    let mut config = patch.clone();
    if let Some(annotations) = config
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    let Some(annotations) = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    // Go's encoder ends a document with a line end.
    let config = format!("{}\n", gotext::json(&config));
    annotations.insert(LAST_APPLIED.to_owned(), config.into());
    let size: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > ANNOTATIONS_LIMIT {
        annotations.remove(LAST_APPLIED);
    }
}
