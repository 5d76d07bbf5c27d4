//! What a queue knows of its keys.
//!
//! One slab holds a slot for each key that waits, is in work, is delayed or has failed, and one table finds the slot of a
//! key: everything that follows a look-up, from lane to worker to done, is by the slot's number. A key is hashed once for
//! each call of a user, copied never, and compared only where its hash fits.
//!
//! Times are nanoseconds since the queue was made, so that a slot is one line of a processor's cache. Where nobody reads
//! the figures and nothing is delayed, no clock is read at all.
//!
//! **Invariant:** a slot that waits and is not in work has exactly one entry of its ticket in the lanes; one that is
//! delayed has exactly one of its number in the heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use tokio::time::Instant;

use super::{Bucket, Closing, Priority, RateLimit};
use crate::metrics::QueueMetrics;

/// How many keys of higher lanes a key at the head of a lower one lets pass.
pub(super) const PATIENCE: u32 = 15;
/// How many entries of the heap or a lane may be stale before it is cleaned, besides as many as there are true ones.
const STALE: usize = 64;
/// The time, ticket or number of what is not.
const NONE: u64 = u64::MAX;

/// The figures of a queue, where somebody reads them.
pub(super) type Figures<'a> = Option<&'a QueueMetrics>;

pub(super) struct State<T> {
    epoch: Instant,
    hasher: DefaultHashBuilder,
    table: HashTable<Entry>,
    slots: Vec<Option<Slot<T>>>,
    free: Vec<u32>,
    lanes: [Lane; Priority::COUNT],
    /// How many slots wait for a worker: the true entries of the lanes.
    ready: usize,
    pub(super) in_work: usize,
    /// How many slots have failed.
    failing: usize,
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    pub(super) delayed: usize,
    /// How many wait for a key. They say so under the lock, so that an add wakes nobody where nobody waits.
    pub(super) asleep: usize,
    /// The next ticket or number.
    next: u64,
    pub(super) limit: RateLimit,
    pub(super) bucket: Option<Bucket>,
    pub(super) closing: Closing,
}

/// Where the slot of a key is, and a half of its hash, with which the table grows and passes over other keys without a look
/// at their slots.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    at: u32,
}

/// What the table, which looks at the bits of both ends, takes for the hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
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
    /// Of its entry in the lanes, while it waits.
    ticket: u64,
    /// Since when it waits.
    since: u64,
    /// Since when a worker has it, while one does.
    working: u64,
    /// When it is added by its delay, and the number of that delay, while there is one.
    due: u64,
    delay: u64,
    hash: u32,
    failures: u32,
    /// With which it waits.
    priority: Priority,
}

impl<T> Slot<T> {
    fn waits(&self) -> bool {
        self.ticket != NONE
    }

    fn is_in_work(&self) -> bool {
        self.working != NONE
    }

    fn is_idle(&self) -> bool {
        !self.waits() && !self.is_in_work() && self.delay == NONE && self.failures == 0
    }

    /// Takes the delay back, and says whether there was one.
    fn take_delay(&mut self) -> bool {
        std::mem::replace(&mut self.delay, NONE) != NONE
    }
}

fn seconds(from: u64, to: u64) -> f64 {
    Duration::from_nanos(to.saturating_sub(from)).as_secs_f64()
}

impl<T> State<T> {
    pub(super) fn new(limit: RateLimit, now: Instant) -> Self {
        Self {
            epoch: now,
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
            asleep: 0,
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

    /// A moment as the slots count it.
    fn stamp(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(NONE - 1)
    }

    /// The present, for figures alone.
    fn read_for(&self, figures: Figures<'_>, now: Option<Instant>) -> u64 {
        match figures {
            Some(_) => self.stamp(now.unwrap_or_else(Instant::now)),
            None => 0,
        }
    }

    /// How long each key that is in work has been so by now.
    pub(super) fn working(&self, now: Instant) -> impl Iterator<Item = f64> {
        let now = self.stamp(now);
        let slots = self.slots.iter().flatten().filter(|slot| slot.is_in_work());
        slots.map(move |slot| seconds(slot.working, now))
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

    /// Lets a worker take the slot, which waits with this ticket.
    fn enqueue(&mut self, at: u32, priority: Priority, ticket: u64, figures: Figures<'_>) {
        let lane = &mut self.lanes[priority as usize];
        lane.entries.push_back((at, ticket));
        lane.len += 1;
        self.ready += 1;
        if let Some(figures) = figures {
            figures.depth.inc();
        }
    }

    /// Drops the slot of a key that nothing is to be done with.
    fn tidy(&mut self, at: u32) {
        let slot = self.slot(at);
        if !slot.is_idle() {
            return;
        }
        let hash = slot.hash;
        if let Ok(entry) = self.table.find_entry(spread(hash), |found| found.at == at) {
            entry.remove();
        }
        self.slots[at as usize] = None;
        self.free.push(at);
    }

    /// Adds a slot, and says whether a worker can take it now.
    fn add_slot(&mut self, at: u32, priority: Priority, now: u64, figures: Figures<'_>) -> bool {
        let ticket = self.ticket();
        let slot = self.slot(at);
        let in_work = slot.is_in_work();
        if !slot.waits() {
            (slot.since, slot.priority, slot.ticket) = (now, priority, ticket);
            if let Some(figures) = figures {
                figures.adds.inc();
            }
            if !in_work {
                self.enqueue(at, priority, ticket, figures);
            }
            return !in_work;
        }
        let before = slot.priority;
        if priority > before {
            (slot.priority, slot.ticket) = (priority, ticket);
            if !in_work {
                self.leave_lane(before, figures);
                self.enqueue(at, priority, ticket, figures);
            }
        }
        false
    }

    /// Counts an entry out that its slot no longer confirms; such ones are never more than the true ones and some.
    fn leave_lane(&mut self, priority: Priority, figures: Figures<'_>) {
        let lane = &mut self.lanes[priority as usize];
        lane.len -= 1;
        self.ready -= 1;
        if let Some(figures) = figures {
            figures.depth.dec();
        }
        if lane.entries.len() > 2 * lane.len + STALE {
            let slots = &self.slots;
            lane.entries.retain(|(at, ticket)| {
                let slot = slots[*at as usize].as_ref();
                slot.is_some_and(|slot| slot.ticket == *ticket)
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

    /// The next key for a worker; `now`, where somebody has looked already.
    pub(super) fn take(&mut self, now: Option<Instant>, figures: Figures<'_>) -> Option<(u32, Arc<T>)> {
        let lane = self.lane()?;
        let now = self.read_for(figures, now);
        loop {
            let (at, ticket) = self.lanes[lane].entries.pop_front()?;
            let slot = self.slots[at as usize].as_mut();
            let Some(slot) = slot.filter(|slot| slot.ticket == ticket) else {
                continue;
            };
            (slot.ticket, slot.working) = (NONE, now);
            if let Some(figures) = figures {
                figures.depth.dec();
                figures.queue_duration.observe(seconds(slot.since, now));
            }
            let key = Arc::clone(&slot.key);
            self.lanes[lane].len -= 1;
            self.ready -= 1;
            self.in_work += 1;
            return Some((at, key));
        }
    }

    /// Takes a slot back from its worker, and says whether another one can take it now.
    pub(super) fn done(&mut self, at: u32, now: Option<Instant>, figures: Figures<'_>) -> bool {
        let now = self.read_for(figures, now);
        let slot = self.slot(at);
        let since = std::mem::replace(&mut slot.working, NONE);
        let (waits, priority, ticket) = (slot.waits(), slot.priority, slot.ticket);
        if let Some(figures) = figures {
            figures.work_duration.observe(seconds(since, now));
        }
        self.in_work -= 1;
        if waits {
            self.enqueue(at, priority, ticket, figures);
        } else {
            self.tidy(at);
        }
        waits
    }

    /// Adds the keys whose time has come, and says how many.
    pub(super) fn promote(&mut self, now: Instant, figures: Figures<'_>) -> usize {
        let (mut promoted, now) = (0, self.stamp(now));
        while let Some(due) = self.first_due()
            && due <= now
            && let Some(Reverse((_, _, at))) = self.heap.pop()
        {
            self.slot(at).take_delay();
            self.delayed -= 1;
            promoted += usize::from(self.add_slot(at, Priority::Normal, due, figures));
        }
        promoted
    }

    /// When the next delay ends.
    pub(super) fn earliest(&mut self) -> Option<Instant> {
        let due = self.first_due()?;
        Some(self.epoch + Duration::from_nanos(due))
    }

    fn first_due(&mut self) -> Option<u64> {
        loop {
            let Reverse((due, number, at)) = *self.heap.peek()?;
            if self.confirms(at, number) {
                return Some(due);
            }
            self.heap.pop();
        }
    }

    fn confirms(&self, at: u32, number: u64) -> bool {
        let slot = self.slots[at as usize].as_ref();
        slot.is_some_and(|slot| slot.delay == number)
    }

    /// Delays a slot, and says whether it is now the first one due. Of two delays the earlier one stays.
    pub(super) fn delay_slot(&mut self, at: u32, until: Instant) -> bool {
        let (number, until) = (self.ticket(), self.stamp(until));
        let slot = self.slot(at);
        let fresh = slot.delay == NONE;
        if !fresh && slot.due <= until {
            return false;
        }
        (slot.due, slot.delay) = (until, number);
        self.delayed += usize::from(fresh);
        if self.heap.len() > 2 * self.delayed + STALE {
            let heap = std::mem::take(&mut self.heap);
            let mut entries = heap.into_vec();
            entries.retain(|Reverse((_, number, at))| self.confirms(*at, *number));
            self.heap = entries.into();
        }
        let first = self.first_due().is_none_or(|first| until < first);
        self.heap.push(Reverse((until, number, at)));
        first
    }

    /// Takes all delays back.
    pub(super) fn drop_delays(&mut self) {
        let heap = std::mem::take(&mut self.heap);
        for Reverse((_, number, at)) in heap {
            if self.confirms(at, number) {
                self.slot(at).take_delay();
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
    fn hash(&self, key: &T) -> u32 {
        let hash = self.hasher.hash_one(key);
        // Both halves of it, as a hasher may leave either of them weak.
        u32::try_from((hash ^ (hash >> 32)) & u64::from(u32::MAX)).unwrap_or_default()
    }

    fn find(&self, key: &T, hash: u32) -> Option<u32> {
        let is_key = |entry: &Entry| {
            let slot = || self.slots[entry.at as usize].as_ref();
            entry.hash == hash && slot().is_some_and(|slot| *slot.key == *key)
        };
        self.table.find(spread(hash), is_key).map(|entry| entry.at)
    }

    /// The slot of a key, made where there is none; the caller gives it something to be there for.
    pub(super) fn slot_of(&mut self, key: T) -> u32 {
        let hash = self.hash(&key);
        if let Some(at) = self.find(&key, hash) {
            return at;
        }
        let slot = Some(Slot {
            key: Arc::new(key),
            ticket: NONE,
            since: 0,
            working: NONE,
            due: 0,
            delay: NONE,
            hash,
            failures: 0,
            priority: Priority::Low,
        });
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).expect("fewer than four billion keys fit in memory")
            }
        };
        let entry = Entry { hash, at };
        self.table
            .insert_unique(spread(hash), entry, |entry| spread(entry.hash));
        at
    }

    /// Whether a worker can take the key now, and could not before; `now`, where somebody has looked already.
    pub(super) fn add(
        &mut self,
        key: T,
        priority: Priority,
        now: Option<Instant>,
        figures: Figures<'_>,
    ) -> bool {
        if self.closing != Closing::Open {
            return false;
        }
        let now = self.read_for(figures, now);
        let at = self.slot_of(key);
        self.add_slot(at, priority, now, figures)
    }

    /// Adds a slot that [`slot_of`](Self::slot_of) gave.
    pub(super) fn add_found(&mut self, at: u32, now: Instant, figures: Figures<'_>) -> bool {
        let now = self.stamp(now);
        self.add_slot(at, Priority::Normal, now, figures)
    }

    /// Takes the delay of a key back, and says whether there was one.
    pub(super) fn cancel(&mut self, key: &T) -> bool {
        if self.delayed == 0 {
            return false;
        }
        let Some(at) = self.find(key, self.hash(key)) else {
            return false;
        };
        let cancelled = self.slot(at).take_delay();
        if cancelled {
            self.delayed -= 1;
            self.tidy(at);
        }
        cancelled
    }

    pub(super) fn forget(&mut self, key: &T) {
        if self.failing > 0
            && let Some(at) = self.find(key, self.hash(key))
        {
            self.forget_slot(at);
        }
    }

    pub(super) fn failures(&mut self, key: &T) -> u32 {
        if self.failing == 0 {
            return 0;
        }
        let at = self.find(key, self.hash(key));
        at.map_or(0, |at| self.failures_of(at))
    }
}

#[cfg(test)]
impl<T> State<T> {
    /// How many entries the lanes and the heap have, stale ones included.
    pub(super) fn entries(&self) -> (usize, usize) {
        let lanes = self.lanes.iter().map(|lane| lane.entries.len()).sum();
        (lanes, self.heap.len())
    }

    /// Whether nothing is kept of any key, and nobody waits.
    pub(super) fn is_empty(&mut self) -> bool {
        self.earliest().is_none()
            && self.table.is_empty()
            && self.slots.iter().all(Option::is_none)
            && self.free.len() == self.slots.len()
            && self.lanes.iter().all(|lane| lane.len == 0)
            && (self.ready, self.in_work, self.failing, self.delayed, self.asleep) == (0, 0, 0, 0, 0)
    }
}
