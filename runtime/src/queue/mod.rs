//! Keyed work queue with per-key backoff. client-go: `workqueue`.
//!
//! ```
//! # use kubewright::queue::WorkQueue;
//! # async fn f() {
//! let queue = WorkQueue::new("foos");
//! queue.add("a");
//! queue.add("a"); // waits already
//! while let Some(item) = queue.get().await {
//!     match work(item.key()) {
//!         Ok(()) => queue.forget(item.key()),
//!         Err(()) => queue.add_rate_limited(*item.key()),
//!     }
//!     // dropping the item marks it done
//! #   break;
//! }
//! # fn work(_: &str) -> Result<(), ()> { Ok(()) }
//! # }
//! ```
//!
//! **Invariant:** a key is handed to at most one worker at a time; an `add` during work is kept and delivered after
//! `done`, exactly once.

mod rate;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backoff::LONGEST;
use crate::metrics::{Metrics, QueueMetrics};
pub(crate) use rate::Bucket;
pub use rate::{RateLimit, TokenBucket};

/// A queue of keys to work on, shared by its clones.
pub struct WorkQueue<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for WorkQueue<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T> fmt::Debug for WorkQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.state();
        f.debug_struct("WorkQueue")
            .field("ready", &state.ready.len())
            .field("in_work", &state.in_work)
            .field("delayed", &state.delayed.len())
            .field("closing", &state.closing)
            .finish_non_exhaustive()
    }
}

struct Inner<T> {
    state: Mutex<State<T>>,
    /// Wakes workers: one for a key, all for a closing queue or an earlier timer.
    wake: Notify,
    /// Wakes those who wait for the queue to drain.
    drained: Notify,
    metrics: QueueMetrics,
}

struct State<T> {
    /// Keys to hand out, first in first out.
    ready: VecDeque<Arc<T>>,
    /// Keys that wait or are in work.
    slots: HashMap<Arc<T>, Slot>,
    in_work: usize,
    delayed: Delayed<T>,
    failures: HashMap<Arc<T>, u32>,
    limit: RateLimit,
    bucket: Option<Bucket>,
    closing: Closing,
}

/// What is to be done with a key; a key in work may at the same time wait for its next turn.
struct Slot {
    /// Since when it waits.
    waiting: Option<Instant>,
    /// Since when a worker has it.
    working: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    /// No further adds; what waits is still handed out.
    ShutDown,
    /// The same, and somebody waits for all of it to be done.
    Drain,
}

impl<T: Hash + Eq> WorkQueue<T> {
    /// A queue with client-go's default rate limit. `name` labels its metrics, which nobody reads.
    pub fn new(name: &str) -> Self {
        Self::with(RateLimit::default(), Metrics::new().queue(name))
    }

    /// A queue with its own rate limit and metrics.
    pub fn with(limit: RateLimit, metrics: QueueMetrics) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(State {
                    ready: VecDeque::new(),
                    slots: HashMap::new(),
                    in_work: 0,
                    delayed: Delayed::new(),
                    failures: HashMap::new(),
                    bucket: limit.overall.map(|rate| Bucket::new(rate, Instant::now())),
                    limit,
                    closing: Closing::Open,
                }),
                wake: Notify::new(),
                drained: Notify::new(),
                metrics,
            }),
        }
    }

    /// Adds a key; one that waits already stays where it is. Ignored after a shutdown.
    pub fn add(&self, key: T) {
        let inner = &self.inner;
        let mut state = inner.state();
        let now = Instant::now();
        if state.add(Arc::new(key), now, &inner.metrics) {
            drop(state);
            inner.wake.notify_one();
        }
    }

    /// Adds a key once `delay` has passed. Of two delays of one key the earlier one counts, and the key comes once.
    ///
    /// A delay of more than thirty years is one of thirty years.
    pub fn add_after(&self, key: T, delay: Duration) {
        self.put_off(key, |_, _, _| delay);
    }

    /// Takes back a delay: the key does not come when its time does. Whether there was one.
    ///
    /// A key that waits for a worker already, or is in work, stays so.
    pub fn cancel_delay(&self, key: &T) -> bool {
        let mut state = self.inner.state();
        // One whose time has come is no longer delayed, whether or not somebody has looked since.
        state.promote(Instant::now(), &self.inner.metrics);
        let cancelled = state.delayed.cancel(key);
        let waits = !state.ready.is_empty();
        drop(state);
        if waits {
            self.inner.wake.notify_one();
        }
        cancelled
    }

    /// [`add_after`](Self::add_after) because of a failure, which counts as one of
    /// [`add_rate_limited`](Self::add_rate_limited) does.
    pub fn retry_after(&self, key: T, delay: Duration) {
        self.put_off(key, |state, key, _| {
            state.failed(key);
            delay
        });
    }

    /// Adds a key after the delay that its failures and the overall rate ask for, and counts one more failure.
    pub fn add_rate_limited(&self, key: T) {
        self.put_off(key, |state, key, now| {
            let failures = state.failed(key);
            let own = state.limit.per_key.jittered(failures);
            let shared = state.bucket.as_mut().map(|bucket| bucket.take(now));
            own.max(shared.unwrap_or_default())
        });
    }

    fn put_off(&self, key: T, delay: impl FnOnce(&mut State<T>, &Arc<T>, Instant) -> Duration) {
        let inner = &self.inner;
        let key = Arc::new(key);
        let mut state = inner.state();
        if state.closing != Closing::Open {
            return;
        }
        // client-go counts each delayed add, whatever it is for.
        inner.metrics.retries.inc();
        let now = Instant::now();
        let delay = delay(&mut state, &key, now);
        if delay.is_zero() {
            if state.add(key, now, &inner.metrics) {
                drop(state);
                inner.wake.notify_one();
            }
        } else if state.delayed.insert(key, now + delay.min(LONGEST)) {
            drop(state);
            // Whoever waits must wait for this instead.
            inner.wake.notify_waiters();
        }
    }

    /// Clears the failures of a key, which begins its next backoff anew. The key may still wait.
    pub fn forget(&self, key: &T) {
        self.inner.state().failures.remove(key);
    }

    /// How often a key was added because of a failure since it was last forgotten.
    pub fn num_requeues(&self, key: &T) -> u32 {
        self.inner.state().failures.get(key).copied().unwrap_or_default()
    }

    /// How many keys wait for a worker; delayed ones are not counted before their time.
    pub fn len(&self) -> usize {
        let mut state = self.inner.state();
        state.promote(Instant::now(), &self.inner.metrics);
        state.ready.len()
    }

    /// Whether no key waits for a worker.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next key, as soon as there is one; `None` once the queue is shut down and nothing waits.
    ///
    /// Cancel safe: a call that is dropped takes nothing.
    pub async fn get(&self) -> Option<Item<T>> {
        let inner = &self.inner;
        loop {
            // Registered before looking, so that nothing added in between is missed.
            let mut wake = std::pin::pin!(inner.wake.notified());
            wake.as_mut().enable();
            let due = {
                let mut state = inner.state();
                let now = Instant::now();
                let promoted = state.promote(now, &inner.metrics);
                if let Some(key) = state.take(now, &inner.metrics) {
                    if promoted > 0 && !state.ready.is_empty() {
                        // One timer may free several keys; the others who wait know nothing of them.
                        inner.wake.notify_waiters();
                    }
                    return Some(Item {
                        key,
                        queue: self.clone(),
                    });
                }
                if state.closing != Closing::Open {
                    return None;
                }
                state.delayed.earliest()
            };
            match due {
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, wake).await;
                }
                None => wake.await,
            }
        }
    }

    /// Takes no further keys; those that wait are still handed out. Delayed keys are dropped.
    pub fn shut_down(&self) {
        self.close(Closing::ShutDown);
    }

    /// [`shut_down`](Self::shut_down), and waits until every key that waits or is in work is done. A later
    /// [`shut_down`](Self::shut_down) ends the wait.
    pub async fn shut_down_with_drain(&self) {
        self.close(Closing::Drain);
        loop {
            let mut drained = std::pin::pin!(self.inner.drained.notified());
            drained.as_mut().enable();
            {
                let state = self.inner.state();
                if state.slots.is_empty() || state.closing == Closing::ShutDown {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Whether the queue was shut down.
    pub fn is_shut_down(&self) -> bool {
        self.inner.state().closing != Closing::Open
    }

    /// Brings `workqueue_unfinished_work_seconds` and `workqueue_longest_running_processor_seconds` up to date;
    /// a controller does so twice each second.
    pub fn observe(&self) {
        let state = self.inner.state();
        let now = Instant::now();
        let mut total = 0.0;
        let mut longest: f64 = 0.0;
        if state.in_work > 0 {
            for slot in state.slots.values() {
                if let Some(since) = slot.working {
                    let seconds = (now - since).as_secs_f64();
                    total += seconds;
                    longest = longest.max(seconds);
                }
            }
        }
        self.inner.metrics.unfinished_work.set(total);
        self.inner.metrics.longest_running.set(longest);
    }

    fn close(&self, closing: Closing) {
        let mut state = self.inner.state();
        state.closing = closing;
        state.delayed = Delayed::new();
        drop(state);
        self.inner.wake.notify_waiters();
        self.inner.drained.notify_waiters();
    }
}

impl<T> Inner<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing below calls out while it holds the lock but a key's `Hash` and `Eq`, which leave it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Hash + Eq> Inner<T> {
    fn done(&self, key: &Arc<T>) {
        let mut state = self.state();
        let now = Instant::now();
        let Some(slot) = state.slots.get_mut(key) else {
            return;
        };
        if let Some(since) = slot.working.take() {
            self.metrics.work_duration.observe((now - since).as_secs_f64());
        }
        let again = slot.waiting.is_some();
        state.in_work -= 1;
        if again {
            state.ready.push_back(Arc::clone(key));
            self.metrics.depth.inc();
        } else {
            state.slots.remove(key);
        }
        let closing = state.closing;
        drop(state);
        if again {
            self.wake.notify_one();
        }
        if closing != Closing::Open {
            self.wake.notify_waiters();
            self.drained.notify_waiters();
        }
    }
}

impl<T: Hash + Eq> State<T> {
    /// Counts a failure of the key, and says how many there were before.
    fn failed(&mut self, key: &Arc<T>) -> u32 {
        let failures = self.failures.entry(Arc::clone(key)).or_default();
        *failures = failures.saturating_add(1);
        *failures - 1
    }

    /// Whether a worker can take the key now.
    fn add(&mut self, key: Arc<T>, now: Instant, metrics: &QueueMetrics) -> bool {
        if self.closing != Closing::Open {
            return false;
        }
        let in_work = match self.slots.entry(Arc::clone(&key)) {
            Entry::Occupied(mut entry) => {
                let slot = entry.get_mut();
                if slot.waiting.is_some() {
                    return false;
                }
                slot.waiting = Some(now);
                true
            }
            Entry::Vacant(entry) => {
                entry.insert(Slot {
                    waiting: Some(now),
                    working: None,
                });
                false
            }
        };
        metrics.adds.inc();
        if in_work {
            return false;
        }
        self.ready.push_back(key);
        metrics.depth.inc();
        true
    }

    fn take(&mut self, now: Instant, metrics: &QueueMetrics) -> Option<Arc<T>> {
        let key = self.ready.pop_front()?;
        metrics.depth.dec();
        let slot = self.slots.get_mut(&key).expect("a key that waits has a slot");
        slot.working = Some(now);
        if let Some(since) = slot.waiting.take() {
            metrics.queue_duration.observe((now - since).as_secs_f64());
        }
        self.in_work += 1;
        Some(key)
    }

    /// Moves the delayed keys whose time has come to those that wait, and says how many.
    fn promote(&mut self, now: Instant, metrics: &QueueMetrics) -> usize {
        let mut promoted = 0;
        while let Some((key, at)) = self.delayed.pop_due(now) {
            promoted += usize::from(self.add(key, at, metrics));
        }
        promoted
    }
}

/// Keys by the time at which they are due.
struct Delayed<T> {
    /// Due times; an entry that `due` no longer confirms was replaced by an earlier one.
    heap: BinaryHeap<Reverse<(Instant, u64, Unordered<T>)>>,
    due: HashMap<Arc<T>, (Instant, u64)>,
    next: u64,
}

/// A key that takes no part in the order of the heap.
struct Unordered<T>(Arc<T>);

impl<T> PartialEq for Unordered<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<T> Eq for Unordered<T> {}
impl<T> PartialOrd for Unordered<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Unordered<T> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<T: Hash + Eq> Delayed<T> {
    fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            due: HashMap::new(),
            next: 0,
        }
    }

    /// Whether the key is now the first one due.
    fn insert(&mut self, key: Arc<T>, at: Instant) -> bool {
        let number = self.next;
        match self.due.entry(Arc::clone(&key)) {
            Entry::Occupied(entry) if entry.get().0 <= at => return false,
            Entry::Occupied(mut entry) => {
                entry.insert((at, number));
            }
            Entry::Vacant(entry) => {
                entry.insert((at, number));
            }
        }
        self.next += 1;
        let earliest = self.heap.peek().is_none_or(|Reverse((first, ..))| at < *first);
        self.heap.push(Reverse((at, number, Unordered(key))));
        earliest
    }

    /// Whether the key was there; its entry in the heap stays behind, and counts no more.
    fn cancel(&mut self, key: &T) -> bool {
        self.due.remove(key).is_some()
    }

    fn earliest(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    fn pop_due(&mut self, now: Instant) -> Option<(Arc<T>, Instant)> {
        while let Some(Reverse((at, ..))) = self.heap.peek() {
            if *at > now {
                return None;
            }
            let Reverse((at, number, Unordered(key))) = self.heap.pop()?;
            if self.due.get(&key) == Some(&(at, number)) {
                self.due.remove(&key);
                return Some((key, at));
            }
        }
        None
    }
}

impl<T> Delayed<T> {
    fn len(&self) -> usize {
        self.due.len()
    }
}

/// A key that was handed to a worker; dropping it marks the key done, however the work ended.
#[must_use = "a dropped item counts as done"]
pub struct Item<T: Hash + Eq> {
    key: Arc<T>,
    queue: WorkQueue<T>,
}

impl<T: Hash + Eq> Item<T> {
    /// The key.
    pub fn key(&self) -> &T {
        &self.key
    }

    /// The key, to be kept without a copy of it.
    pub(crate) fn shared_key(&self) -> Arc<T> {
        Arc::clone(&self.key)
    }

    /// Marks the key done.
    pub fn done(self) {}
}

impl<T: Hash + Eq + fmt::Debug> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&self.key).finish()
    }
}

impl<T: Hash + Eq> Drop for Item<T> {
    fn drop(&mut self) {
        self.queue.inner.done(&self.key);
    }
}

#[cfg(test)]
mod tests;
