//! What a subscriber has not taken yet.
//!
//! Changes wait one by one up to a bound. Whatever comes beyond it is kept by key: what is pending of an object merges
//! into what somebody has to hear who looks away for that long.
//!
//! | pending | next | becomes |
//! |---|---|---|
//! | added `a` | updated to `b` | added `b` |
//! | added `a` | deleted | nothing: the subscriber never heard of it |
//! | updated from `o` to `a` | updated to `b` | updated from `o` to `b` |
//! | updated from `o` to `a` | deleted as `d` | deleted as `d` |
//! | deleted as `d` | added `b` | deleted as `d`, then added `b` |
//! | deleted as `d`, then added `a` | updated to `b` | deleted as `d`, then added `b` |
//! | deleted as `d`, then added `a` | deleted | deleted as `d` |
//!
//! What waits is as the cache has it, packed or decoded, so that a subscriber that is slow keeps no objects decoded.
//!
//! An object keeps the place of its first pending change. What is merged is never what waits one by one, so that a
//! change from there comes first. The replay of a whole cache, which has each object once, waits as it is.
//!
//! **Invariant:** whoever applies what is taken to a map ends with the cache's own objects, and `old` of each update is
//! what was taken last of that object. What waits beyond the bound, or beyond a replay that is longer, is at most one
//! entry for each object.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use kube::Resource;

use super::delta::{LastState, News};
use super::table;
use crate::kind::ObjectKey;

/// What a subscription is told.
pub(super) enum Note<K> {
    News(News<K>),
    /// The first state is complete.
    Synced,
}

/// What waits between a cache and one subscriber.
pub(super) struct Backlog<K> {
    /// How many changes wait one by one; absent: all.
    bound: Option<usize>,
    state: Mutex<State<K>>,
    /// How many changes were merged into another, here and of all subscribers of the cache.
    merged: [Arc<AtomicU64>; 2],
}

struct State<K> {
    /// One by one, before all that is in `late`.
    queue: VecDeque<Note<K>>,
    /// By the order of the first change of each.
    late: BTreeMap<u64, Late<K>>,
    /// Where the entry of an object is.
    places: HashMap<ObjectKey, u64>,
    next: u64,
    /// How often it began to merge.
    episodes: u64,
    /// How many notes the last replay of the whole cache took.
    replayed: usize,
    waker: Option<Waker>,
    /// Nothing more comes.
    ended: bool,
    /// Nobody takes what comes.
    closed: bool,
}

enum Late<K> {
    Synced,
    Object(ObjectKey, Pending<K>),
}

/// What is pending of one object.
enum Pending<K> {
    One(News<K>),
    /// The one that the subscriber knows is gone; there is another of its name.
    Replaced {
        gone: (table::Entry<K>, LastState),
        by: table::Entry<K>,
    },
}

impl<K> Pending<K> {
    /// This and then `next`; `None` where nothing is left to tell.
    fn then(self, next: News<K>) -> Option<Self> {
        use News::{Added, Again, Deleted, Updated};
        Some(match (self, next) {
            // Whatever the subscriber knows of stays first; an addition without a deletion before never comes.
            (Self::One(Added(_)), Added(new) | Updated { new, .. } | Again(new)) => Self::One(Added(new)),
            (Self::One(Added(_)), Deleted { .. }) => return None,
            (Self::One(Updated { old, .. }), Added(new) | Updated { new, .. } | Again(new)) => {
                Self::One(Updated { old, new })
            }
            // What came again is what the next change comes after.
            (Self::One(Again(_)), next) => Self::One(next),
            (Self::One(Updated { .. }), deleted @ Deleted { .. }) => Self::One(deleted),
            (Self::One(Deleted { object, state }), Added(new) | Updated { new, .. } | Again(new)) => {
                Self::Replaced {
                    gone: (object, state),
                    by: new,
                }
            }
            (deleted @ Self::One(Deleted { .. }), Deleted { .. }) => deleted,
            (Self::Replaced { gone, .. }, Added(by) | Updated { new: by, .. } | Again(by)) => {
                Self::Replaced { gone, by }
            }
            (
                Self::Replaced {
                    gone: (object, state),
                    ..
                },
                Deleted { .. },
            ) => Self::One(Deleted { object, state }),
        })
    }
}

impl<K> State<K> {
    fn len(&self) -> usize {
        self.queue.len() + self.late.len()
    }
}

impl<K: Resource> Backlog<K> {
    pub(super) fn new(bound: Option<usize>, merged: &Arc<AtomicU64>) -> Self {
        Self {
            bound,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                late: BTreeMap::new(),
                places: HashMap::new(),
                next: 0,
                episodes: 0,
                replayed: 0,
                waker: None,
                ended: false,
                closed: false,
            }),
            merged: [Arc::default(), Arc::clone(merged)],
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One change; false where nobody takes it.
    pub(super) fn push(&self, news: News<K>, kind: &str) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        let room = self.bound.is_none_or(|bound| state.queue.len() < bound);
        if state.late.is_empty() && room {
            state.queue.push_back(Note::News(news));
            if self.bound.is_none() {
                warn_of(kind, state.queue.len().saturating_sub(state.replayed));
            }
        } else {
            self.merge(&mut state, news, kind);
        }
        wake(state);
        true
    }

    /// What the whole cache holds, which comes all at once, whoever it is for.
    pub(super) fn replay(&self, all: impl ExactSizeIterator<Item = News<K>>, kind: &str) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        state.replayed = all.len();
        if state.late.is_empty() {
            state.queue.extend(all.map(Note::News));
        } else {
            for news in all {
                self.merge(&mut state, news, kind);
            }
        }
        wake(state);
        true
    }

    /// The first state is complete.
    pub(super) fn synced(&self) {
        let mut state = self.state();
        if state.late.is_empty() {
            state.queue.push_back(Note::Synced);
        } else {
            let place = state.next;
            state.next += 1;
            state.late.insert(place, Late::Synced);
        }
        wake(state);
    }

    fn merge(&self, state: &mut State<K>, news: News<K>, kind: &str) {
        if state.late.is_empty() {
            state.episodes += 1;
            if state.episodes.is_power_of_two() {
                tracing::warn!(
                    object.kind = kind,
                    pending = state.queue.len(),
                    times = state.episodes,
                    "a subscriber is slower than the changes of its cache; they are merged by object until it caught up"
                );
            }
        }
        let key = news.key();
        match state.places.entry(key) {
            Entry::Vacant(vacant) => {
                let place = state.next;
                state.next += 1;
                let pending = Late::Object(vacant.key().clone(), Pending::One(news));
                state.late.insert(place, pending);
                vacant.insert(place);
            }
            Entry::Occupied(at) => {
                for count in &self.merged {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                let place = *at.get();
                let merged = match state.late.remove(&place) {
                    Some(Late::Object(key, pending)) => {
                        pending.then(news).map(|pending| Late::Object(key, pending))
                    }
                    // Places lead to objects alone.
                    other => other,
                };
                match merged {
                    Some(merged) => drop(state.late.insert(place, merged)),
                    None => drop(at.remove()),
                }
            }
        }
    }

    /// The next note; `None` once nothing more comes.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Note<K>>> {
        let mut state = self.state();
        if let Some(note) = take(&mut state) {
            return Poll::Ready(Some(note));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// How many changes wait: one that merges several is one.
    pub(super) fn len(&self) -> usize {
        self.state().len()
    }

    /// How many changes were merged into another.
    pub(super) fn merged(&self) -> u64 {
        self.merged[0].load(Ordering::Relaxed)
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        wake(state);
    }

    /// Nobody takes what comes.
    pub(super) fn close(&self) {
        let dropped = {
            let mut state = self.state();
            state.closed = true;
            state.places.clear();
            (std::mem::take(&mut state.queue), std::mem::take(&mut state.late))
        };
        // Objects may be many, and are dropped without the lock.
        drop(dropped);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }
}

fn take<K>(state: &mut State<K>) -> Option<Note<K>> {
    if let Some(note) = state.queue.pop_front() {
        // A long replay is not kept as room for the next one.
        if state.queue.is_empty() && state.queue.capacity() > 4096 {
            state.queue = VecDeque::new();
        }
        return Some(note);
    }
    let (_, late) = state.late.pop_first()?;
    Some(match late {
        Late::Synced => Note::Synced,
        Late::Object(key, pending) => {
            state.places.remove(&key);
            Note::News(match pending {
                Pending::One(news) => news,
                Pending::Replaced { gone, by } => {
                    state.queue.push_back(Note::News(News::Added(by)));
                    let (object, state) = gone;
                    News::Deleted { object, state }
                }
            })
        }
    })
}

/// Wakes who waits, without the lock.
fn wake<K>(mut state: MutexGuard<'_, State<K>>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Tells of a subscriber without a bound that so many changes wait for.
fn warn_of(kind: &str, late: usize) {
    const FROM: usize = 1 << 14;
    if late >= FROM && late.is_power_of_two() {
        tracing::warn!(
            object.kind = kind,
            pending = late,
            "a subscriber is slower than the changes of its cache"
        );
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
