//! Which objects of a store are decoded, and which packed.
//!
//! Objects that are not read are packed ([`Packing`](super::packed::Packing)) as far as those that are decoded weigh more than the
//! store's budget. Packing and reading call the type's serde, and are therefore done without any lock; what comes of it is put
//! in place where the same object still stands there.
//!
//! **Invariant:** whether an object is packed changes nothing but how long it takes to read it. What is decoded weighs no more
//! than the budget once all writers are done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, TryLockError};

use kube::Resource;

use super::packed::Packed;
use super::replacement::Incoming;
use super::store::{IndexFn, PARTS, Store, read, values, write};
use super::table::{At, Entry, Slot, Table, Weighed, Weight};

/// How many of its objects a cache keeps ready to be read.
///
/// The others are packed: some tenth of the memory, or less where a type has many optional fields, but reading one
/// decodes it, which takes some microseconds. Those that are read stay ready, at the cost of those that are not. Small
/// caches are within the default as a whole.
///
/// A packed object goes through its type's `Serialize` and `Deserialize`, as when it is written to the server and
/// read again; what a type skips there is lost. Objects that their type would not read again are not packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepDecoded {
    /// Those that take up to so many bytes, by the estimate of [`Lister::size`](super::Lister::size). 0 packs each
    /// object.
    UpTo(usize),
    /// All.
    All,
}

impl Default for KeepDecoded {
    /// 16 MiB.
    fn default() -> Self {
        Self::UpTo(16 << 20)
    }
}

/// Who packs what is too much.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Writer,
    Reader,
}

/// What was found, to be decoded once no lock is held.
pub(super) struct Found<K> {
    ready: Vec<Arc<K>>,
    /// With where it is, and whether it was read before.
    packed: Vec<(At, Packed, bool)>,
}

impl<K: Resource> Found<K> {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            ready: Vec::with_capacity(count),
            packed: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, part: usize, (slot, held): (u32, &Slot<K>), touch: bool) {
        match held.entry() {
            Some(Entry::Decoded(object)) => {
                if touch {
                    held.touch();
                }
                self.ready.push(Arc::clone(object));
            }
            Some(Entry::Packed(packed)) => {
                self.packed
                    .push((At::new(part, slot), packed.clone(), touch && held.touch()));
            }
            None => {}
        }
    }
}

impl<K: Resource> Store<K> {
    /// Sets the budget from now on.
    pub(super) fn keep(&self, decoded: KeepDecoded) {
        let budget = match decoded {
            KeepDecoded::UpTo(bytes) => bytes.min(usize::MAX - 1),
            KeepDecoded::All => usize::MAX,
        };
        self.inner.budget.store(budget, Ordering::Relaxed);
        self.settle(Patience::Writer);
    }

    pub(super) fn budget(&self) -> usize {
        self.inner.budget.load(Ordering::Relaxed)
    }

    /// What an object weighs, where that is asked.
    pub(super) fn weight_of(&self, object: &K) -> Weight {
        match self.budget() {
            usize::MAX => Weight::default(),
            _ => Weight::of((self.inner.codec.bytes)(object)),
        }
    }

    /// An object of the first state or of a list, packed where `decoded` of that list weigh as much as they may.
    pub(super) fn incoming(&self, object: K, functions: &[IndexFn<K>], decoded: &AtomicUsize) -> Incoming<K> {
        let values = values(functions, &object);
        let budget = self.budget();
        // One that is too much stays in the sum, so that those after it are not even weighed.
        let kept = (decoded.load(Ordering::Relaxed) <= budget)
            .then(|| self.weight_of(&object))
            .filter(|weight| {
                let before = decoded.fetch_add(weight.bytes(), Ordering::Relaxed);
                before.saturating_add(weight.bytes()) <= budget
            });
        let packed = match kept {
            Some(_) => None,
            None => (self.inner.codec.pack)(&self.inner.packing, &object),
        };
        Incoming {
            object: Weighed {
                entry: match packed {
                    Some(packed) => Entry::Packed(packed),
                    None => Entry::Decoded(Arc::new(object)),
                },
                // What cannot be packed does not count.
                weight: kept.unwrap_or_default(),
            },
            values,
        }
    }

    /// The object; `None` where its type does not read what it wrote, which is logged.
    pub(crate) fn open(&self, entry: &Entry<K>) -> Option<Arc<K>> {
        match entry {
            Entry::Decoded(object) => Some(Arc::clone(object)),
            Entry::Packed(packed) => self.read(packed),
        }
    }

    fn read(&self, packed: &Packed) -> Option<Arc<K>> {
        self.inner.decodes.fetch_add(1, Ordering::Relaxed);
        (self.inner.codec.read)(&self.inner.packing, packed).map(Arc::new)
    }

    /// Keeps a packed object decoded, as it is read again and again; gives its weight.
    ///
    /// Where another one must give way for it, one of so many reads does that: reads all over a cache would
    /// otherwise pack as often as they decode, while what is read often comes in soon. Nothing is kept while
    /// objects weigh more than they may: readers would decode faster than somebody packs.
    fn admit(&self, at: At, packed: &Packed, object: &Arc<K>) -> usize {
        const ONE_OF: u64 = 16;
        let (budget, weight) = (self.budget(), self.inner.weight.load(Ordering::Relaxed));
        let has_room = budget.saturating_sub(weight) > budget / 8;
        let has_turn = self.decodes().is_multiple_of(ONE_OF);
        if weight > budget || !(has_room || has_turn) {
            return 0;
        }
        let weight = self.weight_of(object);
        if weight.bytes() > budget {
            return 0;
        }
        let mut part = write(&self.inner.parts[at.part()].0);
        self.weighed(&mut part, |part| part.decoded(at.slot(), packed, object, weight));
        weight.bytes()
    }

    /// Changes a part, and takes down what its objects weigh then.
    pub(super) fn weighed<T>(&self, part: &mut Table<K>, change: impl FnOnce(&mut Table<K>) -> T) -> T {
        let before = part.tally().weight;
        let changed = change(part);
        let after = part.tally().weight;
        let weight = &self.inner.weight;
        if after >= before {
            weight.fetch_add(after - before, Ordering::Relaxed);
        } else {
            weight.fetch_sub(before - after, Ordering::Relaxed);
        }
        changed
    }

    /// Packs objects until those that are decoded weigh no more than they may.
    ///
    /// Writers wait for each other here, so that none makes more than is packed; readers leave it to who does it already.
    pub(super) fn settle(&self, patience: Patience) {
        let excess = || {
            let weight = self.inner.weight.load(Ordering::Relaxed);
            weight.saturating_sub(self.budget())
        };
        if excess() == 0 {
            return;
        }
        let mut hand = match (self.inner.hand.try_lock(), patience) {
            (Ok(hand), _) => hand,
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
            (Err(TryLockError::WouldBlock), Patience::Writer) => {
                self.inner.hand.lock().unwrap_or_else(PoisonError::into_inner)
            }
            (Err(TryLockError::WouldBlock), Patience::Reader) => return,
        };
        // What others add meanwhile is theirs to pack.
        let mut most = excess().saturating_mul(2);
        // Each part is passed once for what has more than its share, and then as often as bits may have to be cleared.
        let mut passed = 0;
        while passed < PARTS * 3 {
            let excess = excess();
            if excess == 0 || most == 0 {
                return;
            }
            let at = *hand;
            let part = &self.inner.parts[at].0;
            let weight = read(part).tally().weight;
            let is_small = weight.saturating_mul(PARTS) < self.inner.weight.load(Ordering::Relaxed);
            let (victims, whole) = match weight {
                0 => (Vec::new(), true),
                _ if passed < PARTS && is_small => (Vec::new(), true),
                _ => write(part).victims(excess),
            };
            if whole {
                *hand = (at + 1) % PARTS;
            }
            passed = if victims.is_empty() { passed + 1 } else { 0 };
            for (slot, object, weight) in victims {
                most = most.saturating_sub(weight.bytes());
                let packed = (self.inner.codec.pack)(&self.inner.packing, &object);
                let mut part = write(part);
                self.weighed(&mut part, |part| part.packed(slot, &object, packed));
            }
        }
    }

    /// Beside the way of what is decoded, which it would make longer.
    #[inline(never)]
    pub(super) fn unpacked(&self, at: At, packed: &Packed, again: bool) -> Option<Arc<K>> {
        let object = self.read(packed)?;
        // What is read once, as each object is when a controller begins, takes nobody's place.
        if again {
            self.admit(at, packed, &object);
            self.settle(Patience::Reader);
        }
        Some(object)
    }

    /// Decodes what was found, and keeps what was read before, up to a share of what may be kept.
    pub(super) fn opened(&self, found: Found<K>, mut wanted: impl FnMut(&K) -> bool) -> Vec<Arc<K>> {
        let Found { mut ready, packed } = found;
        ready.retain(|object| wanted(object));
        let mut kept = 0;
        for (at, packed, again) in packed {
            let Some(object) = self.read(&packed) else {
                continue;
            };
            if !wanted(&object) {
                continue;
            }
            if again && kept < self.budget() / 4 {
                kept += self.admit(at, &packed, &object);
            }
            ready.push(object);
        }
        self.settle(Patience::Reader);
        ready
    }
}
