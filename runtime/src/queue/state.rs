//! What a queue knows of its keys.
//!
//! One slab holds a slot for each key that waits, is in work, is delayed or has failed, and one table finds the slot of a
//! key: everything that follows a look-up, from lane to worker to done, is by the slot's number. A key is hashed once for
//! each call of a user and copied never.
//!
//! **Invariant:** a slot that waits and is not in work has exactly one entry of its ticket in the lanes; one that is
//! delayed has exactly one of its number in the heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use tokio::time::Instant;

use super::{Bucket, Closing, Priority, RateLimit};
use crate::metrics::QueueMetrics;

/// How many keys of higher lanes a key at the head of a lower one lets pass.
pub(super) const PATIENCE: u32 = 15;
/// How many entries of the heap or a lane may be stale before it is cleaned, besides as many as there are true ones.
const STALE: usize = 64;

pub(super) struct State<T> {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    slots: Vec<Option<Slot<T>>>,
    free: Vec<u32>,
    lanes: [Lane; Priority::COUNT],
    /// How many slots wait for a worker: the true entries of the lanes.
    ready: usize,
    pub(super) in_work: usize,
    /// How many slots have failed.
    failing: usize,
    heap: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    pub(super) delayed: usize,
    /// The next ticket and number.
    next: u64,
    pub(super) limit: RateLimit,
    pub(super) bucket: Option<Bucket>,
    pub(super) closing: Closing,
}

/// Keys of one priority, first in first out.
#[derive(Default)]
struct Lane {
    /// Slots and their tickets; one that its slot does not confirm was raised to another lane.
    entries: VecDeque<(u32, u64)>,
    /// How many true entries there are.
    len: usize,
    /// How many keys of higher lanes passed the head since the last turn of this lane.
    passed: u32,
}

struct Slot<T> {
    key: Arc<T>,
    hash: u64,
    waiting: Option<Waiting>,
    /// Since when a worker has it.
    working: Option<Instant>,
    /// When it is added by its delay, and the number of that delay.
    due: Option<(Instant, u64)>,
    failures: u32,
}

#[derive(Clone, Copy)]
struct Waiting {
    since: Instant,
    priority: Priority,
    ticket: u64,
}

impl<T> Slot<T> {
    fn is_idle(&self) -> bool {
        self.waiting.is_none() && self.working.is_none() && self.due.is_none() && self.failures == 0
    }
}

impl<T> State<T> {
    pub(super) fn new(limit: RateLimit, now: Instant) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            lanes: std::array::from_fn(|_| Lane::default()),
            ready: 0,
            in_work: 0,
            failing: 0,
            heap: BinaryHeap::new(),
            delayed: 0,
            next: 0,
            bucket: limit.overall.map(|rate| Bucket::new(rate, now)),
            limit,
            closing: Closing::Open,
        }
    }

    /// How many keys wait for a worker.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Whether no key waits or is in work.
    pub(super) fn is_done(&self) -> bool {
        self.ready == 0 && self.in_work == 0
    }

    /// Since when keys are in work.
    pub(super) fn working(&self) -> impl Iterator<Item = Instant> {
        self.slots.iter().flatten().filter_map(|slot| slot.working)
    }

    fn slot(&mut self, at: u32) -> &mut Slot<T> {
        self.slots[at as usize]
            .as_mut()
            .expect("a number that is held has its slot")
    }

    fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Lets a worker take the slot, whose `waiting` is set to this lane.
    fn enqueue(&mut self, at: u32, priority: Priority, ticket: u64) {
        let lane = &mut self.lanes[priority as usize];
        lane.entries.push_back((at, ticket));
        lane.len += 1;
        self.ready += 1;
    }

    /// Drops the slot of a key that nothing is to be done with.
    fn tidy(&mut self, at: u32) {
        let slot = self.slot(at);
        if !slot.is_idle() {
            return;
        }
        let hash = slot.hash;
        if let Ok(entry) = self.table.find_entry(hash, |found| *found == at) {
            entry.remove();
        }
        self.slots[at as usize] = None;
        self.free.push(at);
    }

    /// Adds a slot, and says whether a worker can take it now.
    fn add_slot(&mut self, at: u32, priority: Priority, now: Instant, metrics: &QueueMetrics) -> bool {
        let ticket = self.ticket();
        let slot = self.slot(at);
        let in_work = slot.working.is_some();
        let Some(waiting) = slot.waiting else {
            slot.waiting = Some(Waiting {
                since: now,
                priority,
                ticket,
            });
            metrics.adds.inc();
            if in_work {
                return false;
            }
            self.enqueue(at, priority, ticket);
            metrics.depth.inc();
            return true;
        };
        if priority > waiting.priority {
            slot.waiting = Some(Waiting {
                priority,
                ticket,
                ..waiting
            });
            if !in_work {
                self.leave_lane(waiting.priority);
                self.enqueue(at, priority, ticket);
            }
        }
        false
    }

    /// Counts an entry out that its slot no longer confirms; such ones are never more than the true ones and some.
    fn leave_lane(&mut self, priority: Priority) {
        let lane = &mut self.lanes[priority as usize];
        lane.len -= 1;
        self.ready -= 1;
        if lane.entries.len() > 2 * lane.len + STALE {
            let slots = &self.slots;
            lane.entries.retain(|(at, ticket)| {
                let waiting = slots[*at as usize].as_ref().and_then(|slot| slot.waiting);
                waiting.is_some_and(|waiting| waiting.ticket == *ticket)
            });
        }
    }

    /// The lane whose turn it is: the highest one that is not empty, but that one whose head has let enough pass.
    fn lane(&mut self) -> Option<usize> {
        let tired = |lane: &&Lane| lane.len > 0 && lane.passed >= PATIENCE;
        let turn = match self.lanes.iter().position(|lane| tired(&lane)) {
            Some(tired) => tired,
            None => self.lanes.iter().rposition(|lane| lane.len > 0)?,
        };
        for lane in &mut self.lanes[..turn] {
            lane.passed = if lane.len > 0 { lane.passed + 1 } else { 0 };
        }
        self.lanes[turn].passed = 0;
        Some(turn)
    }

    /// The next key for a worker.
    pub(super) fn take(&mut self, now: Instant, metrics: &QueueMetrics) -> Option<(u32, Arc<T>)> {
        let lane = self.lane()?;
        loop {
            let (at, ticket) = self.lanes[lane].entries.pop_front()?;
            let Some(slot) = &mut self.slots[at as usize] else {
                continue;
            };
            let Some(waiting) = slot.waiting.filter(|waiting| waiting.ticket == ticket) else {
                continue;
            };
            slot.waiting = None;
            slot.working = Some(now);
            let key = Arc::clone(&slot.key);
            self.lanes[lane].len -= 1;
            self.ready -= 1;
            self.in_work += 1;
            metrics.depth.dec();
            metrics
                .queue_duration
                .observe(now.saturating_duration_since(waiting.since).as_secs_f64());
            return Some((at, key));
        }
    }

    /// Takes a slot back from its worker, and says whether another one can take it now.
    pub(super) fn done(&mut self, at: u32, now: Instant, metrics: &QueueMetrics) -> bool {
        let slot = self.slot(at);
        if let Some(since) = slot.working.take() {
            metrics
                .work_duration
                .observe(now.saturating_duration_since(since).as_secs_f64());
        }
        let waiting = slot.waiting;
        self.in_work -= 1;
        match waiting {
            Some(waiting) => {
                self.enqueue(at, waiting.priority, waiting.ticket);
                metrics.depth.inc();
                true
            }
            None => {
                self.tidy(at);
                false
            }
        }
    }

    /// Adds the keys whose time has come, and says how many.
    pub(super) fn promote(&mut self, now: Instant, metrics: &QueueMetrics) -> usize {
        let mut promoted = 0;
        while let Some(due) = self.earliest()
            && due <= now
            && let Some(Reverse((_, _, at))) = self.heap.pop()
        {
            self.slot(at).due = None;
            self.delayed -= 1;
            promoted += usize::from(self.add_slot(at, Priority::Normal, due, metrics));
        }
        promoted
    }

    /// When the next delay ends.
    pub(super) fn earliest(&mut self) -> Option<Instant> {
        loop {
            let Reverse((at, number, slot)) = *self.heap.peek()?;
            if self.confirms(slot, at, number) {
                return Some(at);
            }
            self.heap.pop();
        }
    }

    fn confirms(&self, slot: u32, at: Instant, number: u64) -> bool {
        let slot = self.slots[slot as usize].as_ref();
        slot.is_some_and(|slot| slot.due == Some((at, number)))
    }

    /// Delays a slot, and says whether it is now the first one due. Of two delays the earlier one stays.
    pub(super) fn delay_slot(&mut self, at: u32, until: Instant) -> bool {
        let number = self.ticket();
        let slot = self.slot(at);
        match slot.due {
            Some((due, _)) if due <= until => return false,
            Some(_) => {}
            None => self.delayed += 1,
        }
        self.slot(at).due = Some((until, number));
        if self.heap.len() > 2 * self.delayed + STALE {
            let heap = std::mem::take(&mut self.heap);
            let mut entries = heap.into_vec();
            entries.retain(|Reverse((due, number, slot))| self.confirms(*slot, *due, *number));
            self.heap = entries.into();
        }
        let first = self.earliest().is_none_or(|first| until < first);
        self.heap.push(Reverse((until, number, at)));
        first
    }

    /// Takes all delays back.
    pub(super) fn drop_delays(&mut self) {
        let heap = std::mem::take(&mut self.heap);
        for Reverse((due, number, at)) in heap {
            if self.confirms(at, due, number) {
                self.slot(at).due = None;
                self.tidy(at);
            }
        }
        self.delayed = 0;
    }

    /// Counts a failure of the slot, and says how many there were before.
    pub(super) fn failed(&mut self, at: u32) -> u32 {
        let slot = self.slot(at);
        let before = slot.failures;
        slot.failures = before.saturating_add(1);
        self.failing += usize::from(before == 0);
        before
    }

    /// Forgets the failures of a slot.
    pub(super) fn forget_slot(&mut self, at: u32) {
        let slot = self.slot(at);
        if std::mem::take(&mut slot.failures) > 0 {
            self.failing -= 1;
            self.tidy(at);
        }
    }

    pub(super) fn failures_of(&mut self, at: u32) -> u32 {
        self.slot(at).failures
    }
}

impl<T: Hash + Eq> State<T> {
    fn find(&self, key: &T) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        self.table.find(hash, |at| self.is(*at, key)).copied()
    }

    fn is(&self, at: u32, key: &T) -> bool {
        let slot = self.slots[at as usize].as_ref();
        slot.is_some_and(|slot| *slot.key == *key)
    }

    /// The slot of a key, made where there is none; the caller gives it something to be there for.
    pub(super) fn slot_of(&mut self, key: T) -> u32 {
        let hash = self.hasher.hash_one(&key);
        let slots = &mut self.slots;
        let is_key = |at: &u32| slots[*at as usize].as_ref().is_some_and(|slot| *slot.key == key);
        if let Some(at) = self.table.find(hash, is_key) {
            return *at;
        }
        let slot = Some(Slot {
            key: Arc::new(key),
            hash,
            waiting: None,
            working: None,
            due: None,
            failures: 0,
        });
        let at = match self.free.pop() {
            Some(at) => {
                slots[at as usize] = slot;
                at
            }
            None => {
                slots.push(slot);
                u32::try_from(slots.len() - 1).expect("fewer than four billion keys fit in memory")
            }
        };
        self.table.insert_unique(hash, at, |at| {
            slots[*at as usize].as_ref().map_or(0, |slot| slot.hash)
        });
        at
    }

    /// Whether a worker can take the key now.
    pub(super) fn add(&mut self, key: T, priority: Priority, now: Instant, metrics: &QueueMetrics) -> bool {
        if self.closing != Closing::Open {
            return false;
        }
        let at = self.slot_of(key);
        self.add_slot(at, priority, now, metrics)
    }

    /// Adds a slot that [`slot_of`](Self::slot_of) gave.
    pub(super) fn add_found(&mut self, at: u32, now: Instant, metrics: &QueueMetrics) -> bool {
        self.add_slot(at, Priority::Normal, now, metrics)
    }

    /// Takes the delay of a key back, and says whether there was one.
    pub(super) fn cancel(&mut self, key: &T) -> bool {
        let Some(at) = self.find(key) else { return false };
        let cancelled = self.slot(at).due.take().is_some();
        if cancelled {
            self.delayed -= 1;
            self.tidy(at);
        }
        cancelled
    }

    pub(super) fn forget(&mut self, key: &T) {
        if self.failing > 0
            && let Some(at) = self.find(key)
        {
            self.forget_slot(at);
        }
    }

    pub(super) fn failures(&mut self, key: &T) -> u32 {
        if self.failing == 0 {
            return 0;
        }
        self.find(key).map_or(0, |at| self.failures_of(at))
    }
}

#[cfg(test)]
impl<T> State<T> {
    /// How many entries the lanes and the heap have, stale ones included.
    pub(super) fn entries(&self) -> (usize, usize) {
        let lanes = self.lanes.iter().map(|lane| lane.entries.len()).sum();
        (lanes, self.heap.len())
    }

    /// Whether nothing is kept of any key.
    pub(super) fn is_empty(&mut self) -> bool {
        self.earliest().is_none()
            && self.table.is_empty()
            && self.slots.iter().all(Option::is_none)
            && self.free.len() == self.slots.len()
            && self.lanes.iter().all(|lane| lane.len == 0)
            && (self.ready, self.in_work, self.failing, self.delayed) == (0, 0, 0, 0)
    }
}
