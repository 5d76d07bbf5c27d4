//! What happened to a cached object.
//!
//! A cache that packs its objects decodes none of them to say that it changed: what waits for a subscriber is [`News`],
//! which holds states as the cache has them. The newest state is decoded where it is taken, the [`Earlier`] one where
//! somebody looks at it.
//!
//! **Invariant:** which object a change is of, and whether it is a replay, is told without decoding; an earlier state is
//! decoded at most once, however many subscribers look at it.

use std::cell::OnceCell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use kube::Resource;

use super::packed::{Identity, Packed};
use super::store::Store;
use super::table::Entry;
use crate::kind::ObjectKey;

/// One change of a cache, as its subscribers see it.
#[derive(Debug)]
pub enum Delta<K> {
    /// An object that the cache did not hold.
    Added(Arc<K>),
    /// A newer version of an object, or, after a resync, the same one again.
    Updated {
        /// What the cache held before.
        old: Earlier<K>,
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

/// What a cache held of an object before it changed, decoded when somebody looks at it.
///
/// Mostly nobody does, and a large cache [keeps its objects packed](super::KeepDecoded). Cloning is cheap; clones share
/// what was decoded.
pub struct Earlier<K>(State<K>);

enum State<K> {
    Ready(Arc<K>),
    Packed(Arc<Kept<K>>),
}

/// A packed state with whoever can read it.
struct Kept<K> {
    packed: Packed,
    store: Store<K>,
    decoded: OnceLock<Option<Arc<K>>>,
}

impl<K> Clone for Earlier<K> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            State::Ready(object) => State::Ready(Arc::clone(object)),
            State::Packed(kept) => State::Packed(Arc::clone(kept)),
        })
    }
}

impl<K> From<Arc<K>> for Earlier<K> {
    fn from(object: Arc<K>) -> Self {
        Self(State::Ready(object))
    }
}

impl<K: fmt::Debug> fmt::Debug for Earlier<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decoded = match &self.0 {
            State::Ready(object) => Some(object),
            // To print something is no reason to decode it.
            State::Packed(kept) => kept.decoded.get().and_then(Option::as_ref),
        };
        match decoded {
            Some(object) => f.debug_tuple("Earlier").field(object).finish(),
            None => f.write_str("Earlier(packed)"),
        }
    }
}

impl<K: Resource> Earlier<K> {
    pub(super) fn of(entry: Entry<K>, store: &Store<K>) -> Self {
        Self(match entry {
            Entry::Decoded(object) => State::Ready(object),
            Entry::Packed(packed) => State::Packed(Arc::new(Kept {
                packed,
                store: store.clone(),
                decoded: OnceLock::new(),
            })),
        })
    }

    /// The object; `None` where its type does not read what it wrote, which is logged.
    pub fn get(&self) -> Option<&Arc<K>> {
        match &self.0 {
            State::Ready(object) => Some(object),
            State::Packed(kept) => {
                let open = || kept.store.open(&Entry::Packed(kept.packed.clone()));
                kept.decoded.get_or_init(open).as_ref()
            }
        }
    }

    fn identity(&self) -> Identity<'_> {
        match &self.0 {
            State::Ready(object) => Identity::of(&**object),
            State::Packed(kept) => kept.packed.identity(),
        }
    }
}

impl<K> Clone for Delta<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Added(object) => Self::Added(Arc::clone(object)),
            Self::Updated { old, new } => Self::Updated {
                old: old.clone(),
                new: Arc::clone(new),
            },
            Self::Deleted { object, state } => Self::Deleted {
                object: Arc::clone(object),
                state: *state,
            },
        }
    }
}

impl<K: Resource> Delta<K> {
    /// The newest state that is known.
    pub fn object(&self) -> &Arc<K> {
        match self {
            Self::Added(object) | Self::Deleted { object, .. } => object,
            Self::Updated { new, .. } => new,
        }
    }

    /// What the cache held before, where that differs from [`object`](Self::object), decoded by the first who asks. Of an
    /// update it is `None` only where its type does not read what it wrote, which is logged.
    pub fn old(&self) -> Option<&Arc<K>> {
        match self {
            Self::Updated { old, .. } => old.get(),
            _ => None,
        }
    }

    /// Key of the object.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::of(&**self.object())
    }

    /// Whether this is an update that changed nothing: the replay of a resync. Decodes nothing.
    pub fn is_resync(&self) -> bool {
        match self {
            Self::Updated { old, new } => same(old, &Entry::Decoded(Arc::clone(new))),
            _ => false,
        }
    }
}

fn same<K: Resource>(old: &Earlier<K>, new: &Entry<K>) -> bool {
    match (&old.0, new) {
        (State::Ready(old), Entry::Decoded(new)) if Arc::ptr_eq(old, new) => true,
        _ => old.identity().is_same_version(&new.identity()),
    }
}

/// A [`Delta`] as it waits: states in whichever form the cache has them.
pub(crate) enum News<K> {
    Added(Entry<K>),
    Updated {
        old: Earlier<K>,
        new: Entry<K>,
    },
    /// An update that changed nothing.
    Again(Entry<K>),
    Deleted {
        object: Entry<K>,
        state: LastState,
    },
}

/// What is told of a change without a look at the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glance {
    Added,
    Updated,
    /// An update that changed nothing.
    Again,
    Deleted,
}

impl<K> Clone for News<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Added(object) => Self::Added(object.clone()),
            Self::Updated { old, new } => Self::Updated {
                old: old.clone(),
                new: new.clone(),
            },
            Self::Again(object) => Self::Again(object.clone()),
            Self::Deleted { object, state } => Self::Deleted {
                object: object.clone(),
                state: *state,
            },
        }
    }
}

impl<K: Resource> News<K> {
    pub(super) fn vanished(object: Entry<K>) -> Self {
        Self::Deleted {
            object,
            state: LastState::LastKnown,
        }
    }

    /// The newest state that is known.
    pub(super) fn entry(&self) -> &Entry<K> {
        match self {
            Self::Added(object) | Self::Again(object) | Self::Deleted { object, .. } => object,
            Self::Updated { new, .. } => new,
        }
    }

    pub(crate) fn key(&self) -> ObjectKey {
        self.entry().key()
    }

    pub(crate) fn glance(&self) -> Glance {
        match self {
            Self::Added(_) => Glance::Added,
            Self::Updated { old, new } if same(old, new) => Glance::Again,
            Self::Updated { .. } => Glance::Updated,
            Self::Again(_) => Glance::Again,
            Self::Deleted { .. } => Glance::Deleted,
        }
    }

    /// With its newest state decoded; `None` where the type does not read what it wrote.
    pub(crate) fn open(&self, store: &Store<K>) -> Option<Delta<K>> {
        Some(match self {
            Self::Added(object) => Delta::Added(store.open(object)?),
            Self::Updated { old, new } => Delta::Updated {
                old: old.clone(),
                new: store.open(new)?,
            },
            Self::Again(object) => {
                let new = store.open(object)?;
                let old = Earlier::from(Arc::clone(&new));
                Delta::Updated { old, new }
            }
            Self::Deleted { object, state } => Delta::Deleted {
                object: store.open(object)?,
                state: *state,
            },
        })
    }
}

/// A change that a subscriber has taken, decoded when it asks, once.
pub(crate) struct Heard<K> {
    news: News<K>,
    store: Store<K>,
    delta: OnceCell<Option<Delta<K>>>,
}

impl<K: Resource> Heard<K> {
    pub(crate) fn new(news: News<K>, store: &Store<K>) -> Self {
        Self {
            news,
            store: store.clone(),
            delta: OnceCell::new(),
        }
    }

    pub(crate) fn key(&self) -> ObjectKey {
        self.news.key()
    }

    /// Namespace and name, empty where absent.
    pub(crate) fn place(&self) -> (&str, &str) {
        let Identity { namespace, name, .. } = self.news.entry().identity();
        (namespace, name)
    }

    pub(crate) fn uid(&self) -> Option<&str> {
        self.news.entry().identity().uid
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.news.entry().identity().version
    }

    /// How well the last state of an object that is gone is known.
    pub(crate) fn last_state(&self) -> Option<LastState> {
        match self.news {
            News::Deleted { state, .. } => Some(state),
            _ => None,
        }
    }

    pub(crate) fn glance(&self) -> Glance {
        self.news.glance()
    }

    /// `None` where the type of the object does not read what it wrote, which is logged.
    pub(crate) fn delta(&self) -> Option<&Delta<K>> {
        self.delta.get_or_init(|| self.news.open(&self.store)).as_ref()
    }
}

#[cfg(test)]
impl<K> From<Delta<K>> for News<K> {
    fn from(delta: Delta<K>) -> Self {
        match delta {
            Delta::Added(object) => Self::Added(Entry::Decoded(object)),
            Delta::Updated { old, new } => match &old.0 {
                State::Ready(before) if Arc::ptr_eq(before, &new) => Self::Again(Entry::Decoded(new)),
                _ => Self::Updated {
                    old,
                    new: Entry::Decoded(new),
                },
            },
            Delta::Deleted { object, state } => Self::Deleted {
                object: Entry::Decoded(object),
                state,
            },
        }
    }
}
