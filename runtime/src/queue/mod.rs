//! Keyed work queue with priorities and per-key backoff. client-go: `workqueue`.
//!
//! ```
//! # use kubewright::queue::WorkQueue;
//! # async fn f() {
//! let queue = WorkQueue::new();
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
mod state;

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backoff::LONGEST;
use crate::metrics::QueueMetrics;
pub(crate) use rate::Bucket;
pub use rate::{RateLimit, TokenBucket};
use state::{Figures, State};

/// How many keys are added while the queue is locked once.
const BATCH: usize = 256;

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
            .field("ready", &state.ready())
            .field("in_work", &state.in_work)
            .field("delayed", &state.delayed)
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
    /// Absent where nobody reads them.
    metrics: Option<QueueMetrics>,
}

/// Which of two keys that wait comes first; within one priority the longer wait does.
///
/// No priority starves: where a key of a higher one always waits, each sixteenth turn is a lower one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What nobody waits for: a controller's first state and resyncs.
    Low,
    /// What happens now.
    #[default]
    Normal,
    /// What comes before that.
    High,
}

impl Priority {
    const COUNT: usize = 3;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    /// No further adds; what waits is still handed out.
    ShutDown,
    /// The same, and somebody waits for all of it to be done.
    Drain,
}

impl<T: Hash + Eq> Default for WorkQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Hash + Eq> WorkQueue<T> {
    /// A queue with client-go's default rate limit that counts nothing.
    pub fn new() -> Self {
        Self::with(RateLimit::default(), None)
    }

    /// A queue with its own rate limit, and figures if somebody reads them: without, it reads fewer clocks.
    pub fn with(limit: RateLimit, metrics: impl Into<Option<QueueMetrics>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(State::new(limit, Instant::now())),
                wake: Notify::new(),
                drained: Notify::new(),
                metrics: metrics.into(),
            }),
        }
    }

    /// Adds a key; one that waits already stays where it is. Ignored after a shutdown.
    pub fn add(&self, key: T) {
        self.add_with(key, Priority::Normal);
    }

    /// [`add`](Self::add) with a priority; a key that waits with a lower one is raised, to the end of the higher one's
    /// line. A key in work that is added comes back with the highest priority that it was added with.
    pub fn add_with(&self, key: T, priority: Priority) {
        let inner = &self.inner;
        let now = inner.clock();
        let mut state = inner.state();
        let added = state.add(key, priority, now, inner.figures());
        let wake = added && state.asleep > 0;
        drop(state);
        if wake {
            inner.wake.notify_one();
        }
    }

    /// [`add_with`](Self::add_with) for many keys at once, which costs others who use the queue one wait for each some
    /// hundred of them.
    pub fn add_all(&self, keys: impl IntoIterator<Item = T>, priority: Priority) {
        let (inner, mut keys) = (&self.inner, keys.into_iter());
        let mut next = keys.next();
        while next.is_some() {
            let now = inner.clock();
            let mut added = 0;
            let mut state = inner.state();
            for _ in 0..BATCH {
                let Some(key) = next else { break };
                added += usize::from(state.add(key, priority, now, inner.figures()));
                next = keys.next();
            }
            let wake = added.min(state.asleep);
            drop(state);
            for _ in 0..wake {
                inner.wake.notify_one();
            }
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
        let promoted = state.promote(Instant::now(), self.inner.figures());
        let cancelled = state.cancel(key);
        drop(state);
        if promoted > 0 {
            self.inner.wake.notify_waiters();
        }
        cancelled
    }

    /// [`add_after`](Self::add_after) because of a failure, which counts as one of
    /// [`add_rate_limited`](Self::add_rate_limited) does.
    pub fn retry_after(&self, key: T, delay: Duration) {
        self.put_off(key, |state, at, _| {
            state.failed(at);
            delay
        });
    }

    /// Adds a key after the delay that its failures and the overall rate ask for, and counts one more failure.
    pub fn add_rate_limited(&self, key: T) {
        self.put_off(key, |state, at, now| {
            let failures = state.failed(at);
            let own = state.limit.per_key.jittered(failures);
            let shared = state.bucket.as_mut().map(|bucket| bucket.take(now));
            own.max(shared.unwrap_or_default())
        });
    }

    fn put_off(&self, key: T, delay: impl FnOnce(&mut State<T>, u32, Instant) -> Duration) {
        let inner = &self.inner;
        let mut state = inner.state();
        if state.closing != Closing::Open {
            return;
        }
        // client-go counts each delayed add, whatever it is for.
        if let Some(figures) = inner.figures() {
            figures.retries.inc();
        }
        let now = Instant::now();
        let at = state.slot_of(key);
        let delay = delay(&mut state, at, now);
        if delay.is_zero() {
            if state.add_found(at, now, inner.figures()) {
                drop(state);
                inner.wake.notify_one();
            }
        } else if state.delay_slot(at, now + delay.min(LONGEST)) {
            drop(state);
            // Whoever waits must wait for this instead.
            inner.wake.notify_waiters();
        }
    }

    /// Clears the failures of a key, which begins its next backoff anew. The key may still wait.
    pub fn forget(&self, key: &T) {
        self.inner.state().forget(key);
    }

    /// How often a key was added because of a failure since it was last forgotten.
    pub fn num_requeues(&self, key: &T) -> u32 {
        self.inner.state().failures(key)
    }

    /// How many keys wait for a worker; delayed ones are not counted before their time.
    pub fn len(&self) -> usize {
        let mut state = self.inner.state();
        if state.delayed > 0 {
            state.promote(Instant::now(), self.inner.figures());
        }
        state.ready()
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
        // A queue with keys costs no registration.
        if let Next::Ready(next) = self.next() {
            return next;
        }
        // Counted before looking, so that nobody who adds in between thinks that nobody waits.
        let _asleep = Asleep::new(inner);
        loop {
            // Registered before looking, so that nothing added in between is missed.
            let mut wake = std::pin::pin!(inner.wake.notified());
            wake.as_mut().enable();
            match self.next() {
                Next::Ready(next) => return next,
                Next::At(due) => {
                    let _ = tokio::time::timeout_at(due, wake).await;
                }
                Next::Later => wake.await,
            }
        }
    }

    /// The next key, where one waits.
    pub(crate) fn take_ready(&self) -> Option<Item<T>> {
        match self.next() {
            Next::Ready(item) => item,
            Next::At(_) | Next::Later => None,
        }
    }

    fn next(&self) -> Next<T> {
        let inner = &self.inner;
        let mut now = inner.clock();
        let mut state = inner.state();
        let promoted = if state.delayed > 0 {
            state.promote(*now.get_or_insert_with(Instant::now), inner.figures())
        } else {
            0
        };
        if let Some((slot, key)) = state.take(now, inner.figures()) {
            let others = promoted > 0 && state.ready() > 0;
            drop(state);
            if others {
                // One timer may free several keys; the others who wait know nothing of them.
                inner.wake.notify_waiters();
            }
            return Next::Ready(Some(Item {
                key,
                slot,
                queue: self.clone(),
            }));
        }
        if state.closing != Closing::Open {
            return Next::Ready(None);
        }
        state.earliest().map_or(Next::Later, Next::At)
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
                if state.is_done() || state.closing == Closing::ShutDown {
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
        let Some(figures) = self.inner.figures() else {
            return;
        };
        let (mut total, mut longest) = (0.0, 0_f64);
        let state = self.inner.state();
        if state.in_work > 0 {
            for seconds in state.working(Instant::now()) {
                total += seconds;
                longest = longest.max(seconds);
            }
        }
        drop(state);
        figures.unfinished_work.set(total);
        figures.longest_running.set(longest);
    }

    fn close(&self, closing: Closing) {
        let mut state = self.inner.state();
        state.closing = closing;
        state.drop_delays();
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

    fn figures(&self) -> Figures<'_> {
        self.metrics.as_ref()
    }

    /// The present where somebody reads figures, before anybody is kept out of the queue.
    fn clock(&self) -> Option<Instant> {
        self.metrics.is_some().then(Instant::now)
    }
}

/// Counts one who waits for a key.
struct Asleep<'a, T>(&'a Inner<T>);

impl<'a, T> Asleep<'a, T> {
    fn new(inner: &'a Inner<T>) -> Self {
        inner.state().asleep += 1;
        Self(inner)
    }
}

impl<T> Drop for Asleep<'_, T> {
    fn drop(&mut self) {
        self.0.state().asleep -= 1;
    }
}

impl<T: Hash + Eq> Inner<T> {
    fn done(&self, slot: u32) {
        let now = self.clock();
        let mut state = self.state();
        let again = state.done(slot, now, self.figures()) && state.asleep > 0;
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

/// What there is for a worker.
enum Next<T: Hash + Eq> {
    /// A key, or the end.
    Ready(Option<Item<T>>),
    /// Nothing before this moment, if nothing is added.
    At(Instant),
    Later,
}

/// A key that was handed to a worker; dropping it marks the key done, however the work ended.
#[must_use = "a dropped item counts as done"]
pub struct Item<T: Hash + Eq> {
    key: Arc<T>,
    /// Its slot is held by this.
    slot: u32,
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

    /// Clears the failures of the key, as [`WorkQueue::forget`] without looking for it.
    pub fn forget(&self) {
        self.queue.inner.state().forget_slot(self.slot);
    }

    /// How often the key failed in a row, as [`WorkQueue::num_requeues`] without looking for it.
    pub fn num_requeues(&self) -> u32 {
        self.queue.inner.state().failures_of(self.slot)
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
        self.queue.inner.done(self.slot);
    }
}

#[cfg(test)]
mod tests;
