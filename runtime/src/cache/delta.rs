//! What happened to a cached object.

use std::sync::Arc;

use kube::Resource;

use super::store::same_version;
use crate::kind::ObjectKey;

/// One change of a cache, as its subscribers see it.
#[derive(Debug)]
pub enum Delta<K> {
    /// An object that the cache did not hold.
    Added(Arc<K>),
    /// A newer version of an object, or, after a resync, the same one again.
    Updated {
        /// What the cache held before.
        old: Arc<K>,
        /// What it holds now.
        new: Arc<K>,
    },
    /// An object that is gone.
    Deleted {
        /// The object: as it was when it was deleted, or its last known state.
        object: Arc<K>,
        /// Which of the two.
        state: LastState,
    },
}

/// How well the state of a deleted object is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastState {
    /// The server sent it with the deletion.
    Final,
    /// The deletion itself was missed; this is what the cache held. client-go: `DeletedFinalStateUnknown`.
    LastKnown,
}

impl<K> Clone for Delta<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Added(object) => Self::Added(Arc::clone(object)),
            Self::Updated { old, new } => Self::Updated {
                old: Arc::clone(old),
                new: Arc::clone(new),
            },
            Self::Deleted { object, state } => Self::Deleted {
                object: Arc::clone(object),
                state: *state,
            },
        }
    }
}

impl<K> Delta<K> {
    pub(crate) fn vanished(object: Arc<K>) -> Self {
        Self::Deleted {
            object,
            state: LastState::LastKnown,
        }
    }

    pub(crate) fn resync(object: Arc<K>) -> Self {
        Self::Updated {
            old: Arc::clone(&object),
            new: object,
        }
    }

    /// The newest state that is known.
    pub fn object(&self) -> &Arc<K> {
        match self {
            Self::Added(object) | Self::Deleted { object, .. } => object,
            Self::Updated { new, .. } => new,
        }
    }

    /// What the cache held before, where that differs from [`object`](Self::object).
    pub fn old(&self) -> Option<&Arc<K>> {
        match self {
            Self::Updated { old, .. } => Some(old),
            _ => None,
        }
    }
}

impl<K: Resource> Delta<K> {
    /// Key of the object.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::of(&**self.object())
    }

    /// Whether this is an update that changed nothing: the replay of a resync.
    pub fn is_resync(&self) -> bool {
        match self {
            Self::Updated { old, new } => Arc::ptr_eq(old, new) || same_version(&**old, &**new),
            _ => false,
        }
    }
}
