//! Read-your-writes: what reconcilers wrote and the caches do not show yet.
//!
//! A write is known by kind, key, UID and resource version. Versions are compared as decimal numbers where they are
//! some (KEP-5504: sound for one resource of one server), and by equality elsewhere.
//!
//! **Invariant:** a key that a reconciler noted writes for is not reconciled before its caches show them, or something
//! newer, or until its patience ended; it is woken by the change of the cache, and never asks again and again.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::atomic::{self, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;

use super::context::CacheId;
use crate::cache::{Cached, Glance, Heard, Lister, ResourceVersion};
use crate::kind::ObjectKey;
use crate::queue::WorkQueue;

/// How many deletions are remembered for writes that are noted after their deletion was seen.
const GONE: usize = 256;
/// How many keys may wait before those whose patience ended are looked for.
const SWEEP: usize = 64;

/// The writes of one controller that its caches do not show yet.
pub(super) struct Writes {
    patience: Duration,
    /// Where keys go whose writes are there.
    queue: WorkQueue<ObjectKey>,
    /// How many keys await writes, so that a change costs nothing while none does.
    waiting: AtomicUsize,
    state: Mutex<State>,
}

/// What is awaited of one object, and for which reconciled keys.
type Wants = Vec<(Arc<ObjectKey>, Want)>;

#[derive(Default)]
struct State {
    /// What is awaited of an object in a cache, and for which reconciled key.
    awaited: HashMap<(CacheId, ObjectKey), Wants>,
    gates: HashMap<Arc<ObjectKey>, Gate>,
    /// UIDs of the last deletions.
    gone: VecDeque<String>,
    sweep_at: usize,
}

/// What stands before the next reconciliation of a key.
struct Gate {
    /// How many writes are awaited.
    pending: usize,
    until: Instant,
    /// Whether somebody came and was sent away.
    held: bool,
}

/// What a cache has to show of an object.
#[derive(Debug)]
pub(super) enum Want {
    /// This version, or a newer one, or that it is gone.
    Written { uid: String, version: ResourceVersion },
    /// That this one is gone, or is being deleted.
    Deleted { uid: String },
}

impl Want {
    /// Whether a cache that holds `object` shows it.
    fn is_shown_by(&self, object: Option<&ObjectMeta>) -> bool {
        match (self, object) {
            (Self::Written { version, .. }, Some(object)) => shows(object, version),
            // Not there yet, or gone again: the deletion tells.
            (Self::Written { .. }, None) => false,
            (Self::Deleted { uid }, Some(object)) => {
                object.uid.as_deref() != Some(uid) || object.deletion_timestamp.is_some()
            }
            (Self::Deleted { .. }, None) => true,
        }
    }

    /// Whether the deletion of `object` settles it.
    fn is_settled_by_end_of(&self, object: &ObjectMeta) -> bool {
        let (Self::Written { uid, .. } | Self::Deleted { uid }) = self;
        object.uid.as_deref() == Some(uid)
            || match self {
                Self::Written { version, .. } => shows(object, version),
                // The end of an earlier object of that name.
                Self::Deleted { .. } => false,
            }
    }
}

/// Whether `object` is of that version or a newer one.
fn shows(object: &ObjectMeta, version: &ResourceVersion) -> bool {
    let Some(text) = object.resource_version.as_deref() else {
        return false;
    };
    match ResourceVersion::from(text).order(version) {
        Some(order) => order != Ordering::Less,
        None => text == version.as_str(),
    }
}

/// Whether a key may be reconciled now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// The caches did not show in time what was written: how many writes.
    Late(usize),
    /// The key is enqueued once its writes are there, or its patience ends.
    Held,
}

impl Writes {
    pub(super) fn new(patience: Duration, queue: WorkQueue<ObjectKey>) -> Self {
        Self {
            patience,
            queue,
            waiting: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Awaits `want` of the object at `written` before the next reconciliation of `by`.
    pub(super) fn note<C: Cached>(
        &self,
        by: &Arc<ObjectKey>,
        written: ObjectKey,
        want: Want,
        (id, cache): (CacheId, &Lister<C>),
    ) {
        if self.patience.is_zero() {
            return;
        }
        let place = (id, written);
        {
            let mut state = self.state();
            let (Want::Written { uid, .. } | Want::Deleted { uid }) = &want;
            if state.gone.contains(uid) {
                return;
            }
            state.insert(by, &place, want, Instant::now() + self.patience);
            self.waiting.store(state.gates.len(), atomic::Ordering::SeqCst);
        }
        // Looked at after it was noted: a change that came before was not told to the note, and is in the cache; one
        // that comes from now on is told to it.
        atomic::fence(atomic::Ordering::SeqCst);
        let cached = cache.get(&place.1);
        let cached = cached.as_ref().map(|object| object.meta());
        self.settle(&place, |want| want.is_shown_by(cached));
    }

    /// Tells what a cache has come to hold, and enqueues the keys that were held back for it.
    pub(super) fn delivered<C: Cached>(&self, id: CacheId, change: &Heard<C>) {
        let ended = change.glance() == Glance::Deleted && !self.patience.is_zero();
        if ended && let Some(uid) = change.uid() {
            let mut state = self.state();
            if state.gone.len() == GONE {
                state.gone.pop_front();
            }
            state.gone.push_back(uid.to_owned());
        }
        atomic::fence(atomic::Ordering::SeqCst);
        if self.waiting.load(atomic::Ordering::SeqCst) == 0 {
            return;
        }
        let place = (id, change.key());
        if !self.state().awaited.contains_key(&place) {
            return;
        }
        // One that cannot be decoded shows nothing; the patience ends.
        let Some(delta) = change.delta() else { return };
        let meta = delta.object().meta();
        self.settle(&place, |want| {
            if ended {
                want.is_settled_by_end_of(meta)
            } else {
                want.is_shown_by(Some(meta))
            }
        });
    }

    fn settle(&self, place: &(CacheId, ObjectKey), settled: impl Fn(&Want) -> bool) {
        let mut state = self.state();
        for key in state.settle(place, settled) {
            // It would come once more when its patience ends; what it is reconciled for now is all that there is.
            self.queue.cancel_delay(&key);
            self.queue.add(ObjectKey::clone(&key));
        }
        self.waiting.store(state.gates.len(), atomic::Ordering::SeqCst);
    }

    /// Whether `key` may be reconciled.
    pub(super) fn turn(&self, key: &ObjectKey) -> Turn {
        if self.waiting.load(atomic::Ordering::SeqCst) == 0 {
            return Turn::Now;
        }
        let mut state = self.state();
        let Some(gate) = state.gates.get_mut(key) else {
            return Turn::Now;
        };
        let now = Instant::now();
        if now < gate.until {
            gate.held = true;
            // Still locked, so that it cannot come after the change that makes it pointless.
            self.queue.add_after(key.clone(), gate.until - now);
            return Turn::Held;
        }
        let late = gate.pending;
        state.drop_gates(|of, _| of == key);
        self.waiting.store(state.gates.len(), atomic::Ordering::SeqCst);
        Turn::Late(late)
    }
}

impl State {
    fn insert(&mut self, by: &Arc<ObjectKey>, place: &(CacheId, ObjectKey), want: Want, until: Instant) {
        if self.gates.len() >= self.sweep_at.max(SWEEP) {
            // Keys that nobody came for since, and whose writes no cache will ever show.
            let now = Instant::now();
            self.drop_gates(|_, gate| gate.until <= now);
            self.sweep_at = self.gates.len() * 2;
        }
        let wants = match self.awaited.get_mut(place) {
            Some(wants) => wants,
            None => self.awaited.entry(place.clone()).or_default(),
        };
        let gate = self.gates.entry(Arc::clone(by)).or_insert(Gate {
            pending: 0,
            until,
            held: false,
        });
        gate.until = until;
        // The later write of one object is the one to wait for.
        match wants.iter_mut().find(|(of, _)| of == by) {
            Some((_, earlier)) => *earlier = want,
            None => {
                wants.push((Arc::clone(by), want));
                gate.pending += 1;
            }
        }
    }

    fn settle(
        &mut self,
        place: &(CacheId, ObjectKey),
        settled: impl Fn(&Want) -> bool,
    ) -> Vec<Arc<ObjectKey>> {
        let mut woken = Vec::new();
        let Some(wants) = self.awaited.get_mut(place) else {
            return woken;
        };
        let gates = &mut self.gates;
        wants.retain(|(by, want)| {
            if !settled(want) {
                return true;
            }
            let gate = gates.get_mut(by).expect("a write that is awaited has a gate");
            gate.pending -= 1;
            if gate.pending == 0 {
                if gate.held {
                    woken.push(Arc::clone(by));
                }
                gates.remove(by);
            }
            false
        });
        if wants.is_empty() {
            self.awaited.remove(place);
        }
        woken
    }

    fn drop_gates(&mut self, which: impl Fn(&ObjectKey, &Gate) -> bool) {
        let gates = &mut self.gates;
        gates.retain(|key, gate| !which(key, gate));
        self.awaited.retain(|_, wants| {
            wants.retain(|(by, _)| gates.contains_key(by));
            !wants.is_empty()
        });
    }
}

#[cfg(test)]
#[path = "writes_tests.rs"]
mod tests;
