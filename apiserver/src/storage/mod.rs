//! Where objects are kept: one trait for every backend.
//!
//! Keys are `/<group>/<resource>/<namespace>/<name>` (`core` for the core group, no namespace part for
//! cluster-scoped kinds); values are objects at their storage version.
//!
//! **Invariant:** one counter per store. Every write of any key raises it by one, the value's
//! `metadata.resourceVersion` is the revision of its last write, and a revision never repeats (API-55).

#[cfg(any(test, feature = "conformance"))]
pub mod contract;
pub mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::registry::ResourceInfo;

pub use memory::Memory;

/// Outcome of a storage operation, which may need I/O.
pub type Pending<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

/// Why a storage operation did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A create found its key taken.
    #[error("{key} exists")]
    Exists {
        /// The key.
        key: String,
    },
    /// An update or delete found nothing.
    #[error("{key} does not exist")]
    Missing {
        /// The key.
        key: String,
    },
    /// An update or delete expected another revision than the stored one.
    #[error("{} is at revision {}", current.key, current.revision)]
    Conflict {
        /// What is stored.
        current: Arc<Entry>,
    },
    /// The history that was asked for is gone.
    #[error("history before revision {compacted} is gone, asked for {asked}")]
    Compacted {
        /// Revision that was asked for.
        asked: u64,
        /// Oldest revision that can still be read.
        compacted: u64,
    },
    /// The store has not reached this revision.
    #[error("revision {asked} lies in the future, current is {current}")]
    Future {
        /// Revision that was asked for.
        asked: u64,
        /// Present revision.
        current: u64,
    },
    /// The backend failed; the text is for the log and for a 500.
    #[error("storage failed: {0}")]
    Backend(String),
}

/// A stored object at one revision. Immutable; every write makes a new one.
pub struct Entry {
    /// Key.
    pub key: Arc<str>,
    /// The object, its resourceVersion equal to `revision`.
    pub value: Value,
    /// Revision of its last write.
    pub revision: u64,
    rendered: Rendered,
    forms: Forms,
}

impl Entry {
    /// An entry whose value is stamped with `revision`.
    pub fn new(key: Arc<str>, mut value: Value, revision: u64) -> Self {
        stamp(&mut value, revision);
        Self {
            key,
            value,
            revision,
            rendered: Rendered::default(),
            forms: Forms::default(),
        }
    }

    /// Where the object as a converter made it for `info` is kept; empty until somebody has had it made.
    pub(crate) fn form(&self, info: &Arc<ResourceInfo>) -> Form {
        self.forms.get(info)
    }

    /// The object as `info` serves it, made once by `render` and then shared by all readers.
    pub(crate) fn rendered(&self, info: &Arc<ResourceInfo>, render: impl FnOnce() -> Bytes) -> Bytes {
        self.rendered.get(info, render)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.key, self.revision)
    }
}

/// Writes the revision into an object's metadata.
pub fn stamp(value: &mut Value, revision: u64) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".into(), Value::String(revision.to_string()));
    }
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The key was free before.
    Created,
    /// The key held `previous` before.
    Updated,
    /// The key is free now.
    Deleted,
}

/// One write, as watches see it.
pub struct Change {
    /// What it did.
    pub kind: ChangeKind,
    /// The object after it; of a deletion, the last state stamped with the deletion's revision.
    pub entry: Arc<Entry>,
    /// The object before it.
    pub previous: Option<Arc<Entry>>,
    line: Rendered,
}

impl Change {
    /// A change; its revision is the entry's.
    pub fn new(kind: ChangeKind, entry: Arc<Entry>, previous: Option<Arc<Entry>>) -> Self {
        Self {
            kind,
            entry,
            previous,
            line: Rendered::default(),
        }
    }

    /// Revision of the write.
    pub fn revision(&self) -> u64 {
        self.entry.revision
    }

    /// The watch event for it, made once by `render` and then shared by all watches without a selector.
    pub(crate) fn line(&self, info: &Arc<ResourceInfo>, render: impl FnOnce() -> Bytes) -> Bytes {
        self.line.get(info, render)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.kind, self.entry)
    }
}

/// Bytes made for one registry entry. A schema change replaces that entry, so what was made for it is remade.
#[derive(Default)]
struct Rendered(Mutex<Option<(Arc<ResourceInfo>, Bytes)>>);

impl Rendered {
    fn get(&self, info: &Arc<ResourceInfo>, render: impl FnOnce() -> Bytes) -> Bytes {
        let mut slot = self.0.lock();
        match &*slot {
            // The slot keeps its entry alive, so an equal address is the same entry.
            Some((made_for, bytes)) if Arc::ptr_eq(made_for, info) => bytes.clone(),
            _ => {
                let bytes = render();
                *slot = Some((info.clone(), bytes.clone()));
                bytes
            }
        }
    }
}

/// An object as a converter made it, once it has.
pub(crate) type Form = Arc<OnceCell<Arc<Entry>>>;

/// What converters made of an entry, one for each version. A change of the CRD replaces its registry entries, so what was
/// made for an older one is made anew.
#[derive(Default)]
struct Forms(Mutex<Vec<(Arc<ResourceInfo>, Form)>>);

impl Forms {
    fn get(&self, info: &Arc<ResourceInfo>) -> Form {
        let mut forms = self.0.lock();
        if let Some((_, form)) = forms.iter().find(|(made_for, _)| Arc::ptr_eq(made_for, info)) {
            return form.clone();
        }
        forms.retain(|(made_for, _)| made_for.gvr != info.gvr);
        let form = Form::default();
        forms.push((info.clone(), form.clone()));
        form
    }
}

/// What to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListRequest<'a> {
    /// Keys that begin so.
    pub prefix: &'a str,
    /// Only keys after this one.
    pub after: Option<&'a str>,
    /// At most so many; 0 is no limit.
    pub limit: usize,
    /// State at this revision; `None` is the newest.
    pub revision: Option<u64>,
}

/// Part of a list, ordered by key.
#[derive(Debug)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Arc<Entry>>,
    /// Revision of the state that they belong to.
    pub revision: u64,
    /// How many follow after the last one.
    pub remaining: usize,
}

/// Changes in order, and how far they reach.
#[derive(Debug)]
pub struct Batch {
    /// The changes.
    pub changes: Vec<Arc<Change>>,
    /// All changes up to this revision have been handed out.
    pub through: u64,
}

/// A running watch. Dropping it ends it.
pub trait Changes: Send {
    /// Waits for the next changes; never empty. Cancel safe.
    ///
    /// # Errors
    /// [`StorageError::Compacted`] when the reader fell out of the retained history.
    fn next(&mut self) -> Pending<'_, Batch>;

    /// What is there now, possibly nothing: the progress notification that bookmarks stand on.
    ///
    /// # Errors
    /// As [`Changes::next`].
    fn progress(&mut self) -> Pending<'_, Batch>;
}

/// A backend.
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Stores under a free key; the entry vanishes after `ttl`, where given.
    ///
    /// # Errors
    /// [`StorageError::Exists`].
    fn create<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> Pending<'a, Arc<Entry>>;

    /// The entry under a key.
    ///
    /// # Errors
    /// Only those of the backend itself.
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Arc<Entry>>>;

    /// Entries of one state of the store.
    ///
    /// # Errors
    /// [`StorageError::Compacted`] and [`StorageError::Future`].
    fn list<'a>(&'a self, request: ListRequest<'a>) -> Pending<'a, Page>;

    /// Replaces the entry that stands at revision `expected`. A TTL given at creation begins anew, as upstream's.
    ///
    /// # Errors
    /// [`StorageError::Missing`], [`StorageError::Conflict`].
    fn update<'a>(&'a self, key: &'a str, value: Value, expected: u64) -> Pending<'a, Arc<Entry>>;

    /// Removes the entry that stands at revision `expected`; `last` is the state that watches see.
    ///
    /// # Errors
    /// [`StorageError::Missing`], [`StorageError::Conflict`].
    fn delete<'a>(&'a self, key: &'a str, last: Value, expected: u64) -> Pending<'a, Arc<Entry>>;

    /// All changes of keys under `prefix` after revision `after`, each once, in order. The prefix is a
    /// resource's (`/apps/deployments/`) or longer, or `/` for all.
    ///
    /// # Errors
    /// [`StorageError::Compacted`] when they are no longer known.
    fn watch<'a>(&'a self, prefix: &'a str, after: u64) -> Pending<'a, Box<dyn Changes>>;

    /// Present revision.
    ///
    /// # Errors
    /// Only those of the backend itself.
    fn revision(&self) -> Pending<'_, u64>;

    /// Forgets the history before `revision`; lists and watches that need it are answered with
    /// [`StorageError::Compacted`]. Watches that already run lose nothing.
    ///
    /// # Errors
    /// [`StorageError::Future`].
    fn compact(&self, revision: u64) -> Pending<'_, ()>;

    /// Number of entries under `prefix`.
    ///
    /// # Errors
    /// Only those of the backend itself.
    fn count<'a>(&'a self, prefix: &'a str) -> Pending<'a, usize>;
}
