//! Tables of shared objects by namespace and name, and indexes over them.
//!
//! A look-up by name is what controllers do most, and memory that is not at hand is what it waits for. Names that
//! are short stand beside the pointers, so that finding one touches neither the object nor its strings.
//!
//! An object keeps its slot as long as it is there, whatever becomes of it; indexes hold slots, and keep nothing alive.
//!
//! **Invariant:** the name in a slot is the name of its object; objects never change. Each decoded object that counts is
//! in the queue of those that may be packed.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::hash_table::Entry as Place;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use kube::Resource;

use super::packed::{Identity, Packed};
use crate::kind::ObjectKey;

/// Namespace and name, empty where absent.
pub(super) fn place<K: Resource>(object: &K) -> (&str, &str) {
    let meta = object.meta();
    (
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

fn hash_of(hasher: &DefaultHashBuilder, text: &str) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(text.as_bytes());
    state.finish()
}

/// An object in one of its two forms.
pub(crate) enum Entry<K> {
    Decoded(Arc<K>),
    Packed(Packed),
}

impl<K> Clone for Entry<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Decoded(object) => Self::Decoded(Arc::clone(object)),
            Self::Packed(packed) => Self::Packed(packed.clone()),
        }
    }
}

impl<K: Resource> Entry<K> {
    pub(super) fn identity(&self) -> Identity<'_> {
        match self {
            Self::Decoded(object) => Identity::of(&**object),
            Self::Packed(packed) => packed.identity(),
        }
    }

    pub(crate) fn key(&self) -> ObjectKey {
        match self {
            Self::Decoded(object) => ObjectKey::of(&**object),
            Self::Packed(packed) => {
                let (namespace, name) = packed.place();
                ObjectKey {
                    namespace: namespace.map(str::to_owned),
                    name: name.to_owned(),
                }
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Decoded(object) => place(&**object).1,
            Self::Packed(packed) => packed.name(),
        }
    }
}

/// An entry with what it weighs decoded: 0 where that does not count, as it cannot be packed or nobody asked.
pub(super) struct Weighed<K> {
    pub(super) entry: Entry<K>,
    pub(super) weight: Weight,
}

/// Bytes in units of 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight(u16);

impl Weight {
    pub(super) fn of(bytes: usize) -> Self {
        Self(u16::try_from(bytes.div_ceil(64)).unwrap_or(u16::MAX))
    }

    pub(super) fn bytes(self) -> usize {
        usize::from(self.0) * 64
    }
}

/// A name where it is short, otherwise its end, which is where generated names differ.
#[derive(Clone, Copy)]
struct Label {
    length: u8,
    bytes: [u8; Self::ROOM],
}

impl Label {
    const ROOM: usize = 19;
    const LONG: u8 = u8::MAX;

    fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let mut bytes = [0; Self::ROOM];
        let length = if name.len() <= Self::ROOM {
            bytes[..name.len()].copy_from_slice(name);
            name.len() as u8
        } else {
            bytes.copy_from_slice(&name[name.len() - Self::ROOM..]);
            Self::LONG
        };
        Self { length, bytes }
    }

    /// Whether it is that of `name`, without making that.
    fn is_of(&self, name: &str) -> bool {
        let name = name.as_bytes();
        match self.length {
            Self::LONG => name.len() > Self::ROOM && name.ends_with(&self.bytes),
            length => self.bytes.get(..usize::from(length)) == Some(name),
        }
    }
}

/// A place for an object.
pub(super) struct Slot<K> {
    /// Absent where the slot is free.
    entry: Option<Entry<K>>,
    weight: Weight,
    /// Whether it was read since the queue passed it.
    read: AtomicBool,
    queued: bool,
    label: Label,
}

impl<K: Resource> Slot<K> {
    /// What is there; slots that tables give away are not free.
    pub(super) fn entry(&self) -> Option<&Entry<K>> {
        self.entry.as_ref()
    }

    /// Notes that it was read, and tells whether it had been before.
    pub(super) fn touch(&self) -> bool {
        // Most often it is so already; a write would take the line from other readers.
        let before = self.read.load(Ordering::Relaxed);
        if !before {
            self.read.store(true, Ordering::Relaxed);
        }
        before
    }

    fn is(&self, name: &str) -> bool {
        self.label.is_of(name)
            && (self.label.length != Label::LONG
                || self.entry.as_ref().is_some_and(|entry| entry.name() == name))
    }

    fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        match self.label.length {
            Label::LONG => hash_of(hasher, self.entry.as_ref().map(Entry::name).unwrap_or_default()),
            // As `hash_of` of the whole name, which these bytes are.
            length => {
                let mut state = hasher.build_hasher();
                state.write(&self.label.bytes[..usize::from(length)]);
                state.finish()
            }
        }
    }
}

struct Namespace {
    name: Box<str>,
    /// Slots by the hash of the name.
    slots: HashTable<u32>,
}

/// What a table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Objects that are decoded.
    pub(super) decoded: usize,
    /// What they weigh, as far as they count.
    pub(super) weight: usize,
    /// Objects that are packed, and their bytes.
    pub(super) packed: usize,
    pub(super) packed_bytes: usize,
}

impl Tally {
    fn add<K>(&mut self, entry: &Entry<K>, weight: Weight) {
        match entry {
            Entry::Decoded(_) => {
                self.decoded += 1;
                self.weight += weight.bytes();
            }
            Entry::Packed(packed) => {
                self.packed += 1;
                self.packed_bytes += packed.len();
            }
        }
    }

    fn take<K>(&mut self, entry: &Entry<K>, weight: Weight) {
        match entry {
            Entry::Decoded(_) => {
                self.decoded -= 1;
                self.weight -= weight.bytes();
            }
            Entry::Packed(packed) => {
                self.packed -= 1;
                self.packed_bytes -= packed.len();
            }
        }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, other| Self {
            decoded: sum.decoded + other.decoded,
            weight: sum.weight + other.weight,
            packed: sum.packed + other.packed,
            packed_bytes: sum.packed_bytes + other.packed_bytes,
        })
    }
}

/// Objects by namespace and name; those of cluster-scoped kinds are in the namespace without a name.
pub(super) struct Table<K> {
    namespaces: HashTable<Namespace>,
    slots: Vec<Slot<K>>,
    free: Vec<u32>,
    /// Decoded objects, that which is packed next in front. Some may be gone or packed by now.
    queue: VecDeque<u32>,
    tally: Tally,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            namespaces: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            tally: Tally::default(),
        }
    }
}

/// A namespace with its hash, which is needed more than once.
#[derive(Clone, Copy)]
pub(super) struct Hashed<'a> {
    name: &'a str,
    hash: u64,
}

impl<'a> Hashed<'a> {
    pub(super) fn new(hasher: &DefaultHashBuilder, name: &'a str) -> Self {
        Self {
            name,
            hash: hash_of(hasher, name),
        }
    }

    /// Which of some parts has the namespace. The table's own bits of the hash are other ones.
    pub(super) fn part(self, of: usize) -> usize {
        (self.hash >> 32) as usize % of
    }
}

impl<K: Resource> Table<K> {
    fn namespace(&self, namespace: Hashed<'_>) -> Option<&Namespace> {
        self.namespaces
            .find(namespace.hash, |other| &*other.name == namespace.name)
    }

    pub(super) fn find(&self, hasher: &DefaultHashBuilder, namespace: Hashed<'_>, name: &str) -> Option<u32> {
        let slots = &self.namespace(namespace)?.slots;
        slots
            .find(hash_of(hasher, name), |slot| self.slots[*slot as usize].is(name))
            .copied()
    }

    /// `None` where the slot was given up.
    pub(super) fn slot(&self, at: u32) -> Option<&Slot<K>> {
        self.slots.get(at as usize)
    }

    pub(super) fn get(
        &self,
        hasher: &DefaultHashBuilder,
        namespace: Hashed<'_>,
        name: &str,
    ) -> Option<&Entry<K>> {
        self.slot(self.find(hasher, namespace, name)?)?.entry()
    }

    /// Sets an object of `namespace`; gives its slot and the object that it replaces.
    pub(super) fn set(
        &mut self,
        hasher: &DefaultHashBuilder,
        namespace: Hashed<'_>,
        new: Weighed<K>,
    ) -> (u32, Option<Entry<K>>) {
        let Self {
            namespaces,
            slots,
            free,
            ..
        } = self;
        let found = namespaces.entry(
            namespace.hash,
            |other| &*other.name == namespace.name,
            |other| hash_of(hasher, &other.name),
        );
        let found = found.or_insert_with(|| Namespace {
            name: namespace.name.into(),
            slots: HashTable::new(),
        });
        let name = new.entry.name();
        let label = Label::of(name);
        let place = found.into_mut().slots.entry(
            hash_of(hasher, name),
            |slot| slots[*slot as usize].is(name),
            |slot| slots[*slot as usize].hash(hasher),
        );
        let at = match place {
            Place::Occupied(place) => *place.get(),
            Place::Vacant(place) => {
                let at = free.pop().unwrap_or_else(|| {
                    slots.push(Slot {
                        entry: None,
                        weight: Weight::default(),
                        read: AtomicBool::new(false),
                        queued: false,
                        label,
                    });
                    u32::try_from(slots.len() - 1).expect("fewer objects than addresses of 32 bits")
                });
                slots[at as usize].label = label;
                place.insert(at);
                at
            }
        };
        let old = self.put(at, Some(new));
        (at, old)
    }

    fn put(&mut self, at: u32, new: Option<Weighed<K>>) -> Option<Entry<K>> {
        let slot = &mut self.slots[at as usize];
        let old = slot.entry.take();
        if let Some(old) = &old {
            self.tally.take(old, slot.weight);
        }
        // A newer state is read as often as the older ones were.
        if !matches!(
            (&old, &new),
            (
                Some(Entry::Decoded(_)),
                Some(Weighed {
                    entry: Entry::Decoded(_),
                    ..
                })
            )
        ) {
            *slot.read.get_mut() = false;
        }
        slot.weight = Weight::default();
        if let Some(Weighed { entry, weight }) = new {
            self.tally.add(&entry, weight);
            if matches!(entry, Entry::Decoded(_)) && !slot.queued && weight != Weight::default() {
                slot.queued = true;
                self.queue.push_back(at);
            } else if matches!(entry, Entry::Decoded(_)) && weight != Weight::default() {
                // It has an older one's place in the queue, maybe in front, and whoever waits for it reads it soon.
                *slot.read.get_mut() = true;
            }
            slot.weight = weight;
            slot.entry = Some(entry);
        }
        old
    }

    pub(super) fn remove(
        &mut self,
        hasher: &DefaultHashBuilder,
        namespace: Hashed<'_>,
        name: &str,
    ) -> Option<(u32, Entry<K>)> {
        let Self {
            namespaces, slots, ..
        } = self;
        let found = namespaces.find_entry(namespace.hash, |other| &*other.name == namespace.name);
        let mut found = found.ok()?;
        let names = &mut found.get_mut().slots;
        let place = names.find_entry(hash_of(hasher, name), |slot| slots[*slot as usize].is(name));
        let at = place.ok()?.remove().0;
        if names.is_empty() {
            found.remove();
        }
        self.free.push(at);
        self.put(at, None).map(|old| (at, old))
    }

    /// Some objects that were not read of late, to be packed, with their weights, until these come to `excess`; in the
    /// second place whether the queue was passed as a whole.
    pub(super) fn victims(&mut self, excess: usize) -> (Vec<(u32, Arc<K>, Weight)>, bool) {
        const MOST: usize = 32;
        let (mut victims, mut weight) = (Vec::new(), 0);
        for _ in 0..self.queue.len() {
            if victims.len() == MOST || weight >= excess {
                return (victims, false);
            }
            let Some(at) = self.queue.pop_front() else { break };
            let slot = &mut self.slots[at as usize];
            let Some(Entry::Decoded(object)) = &slot.entry else {
                slot.queued = false;
                continue;
            };
            if std::mem::take(slot.read.get_mut()) {
                self.queue.push_back(at);
            } else {
                slot.queued = false;
                weight += slot.weight.bytes();
                victims.push((at, Arc::clone(object), slot.weight));
            }
        }
        (victims, true)
    }

    /// A victim is packed, where it still stands; one that cannot be stays, and counts no more.
    pub(super) fn packed(&mut self, at: u32, object: &Arc<K>, packed: Option<Packed>) {
        let Some(Slot {
            entry: Some(Entry::Decoded(present)),
            ..
        }) = self.slots.get(at as usize)
        else {
            return;
        };
        if Arc::ptr_eq(present, object) {
            let entry = packed.map_or_else(|| Entry::Decoded(Arc::clone(object)), Entry::Packed);
            let weight = Weight::default();
            self.put(at, Some(Weighed { entry, weight }));
        }
    }

    /// A packed object is decoded again, where it still stands.
    pub(super) fn decoded(&mut self, at: u32, packed: &Packed, object: &Arc<K>, weight: Weight) {
        if let Some(Slot {
            entry: Some(Entry::Packed(present)),
            ..
        }) = self.slots.get(at as usize)
            && present.is(packed)
        {
            let entry = Entry::Decoded(Arc::clone(object));
            self.put(at, Some(Weighed { entry, weight }));
        }
    }

    /// What stands in a slot, with its weight.
    pub(super) fn weighed(&self, at: u32) -> Option<Weighed<K>> {
        let slot = self.slot(at)?;
        Some(Weighed {
            entry: slot.entry.clone()?,
            weight: slot.weight,
        })
    }

    /// All slots that hold something.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &Slot<K>)> {
        let numbered = (0_u32..).zip(&self.slots);
        numbered.filter(|(_, slot)| slot.entry.is_some())
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<K>> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref())
    }

    /// Slots namespace by namespace, in each as they stand.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut namespaces: Vec<_> = self.namespaces.iter().collect();
        namespaces.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut all = Vec::with_capacity(self.len());
        for namespace in namespaces {
            let from = all.len();
            all.extend(namespace.slots.iter().copied());
            all[from..].sort_unstable();
        }
        all
    }

    /// Takes an object out of its slot, for good; nothing else is asked of the table after that.
    pub(super) fn take(&mut self, at: u32) -> Option<Weighed<K>> {
        let slot = self.slots.get_mut(at as usize)?;
        Some(Weighed {
            entry: slot.entry.take()?,
            weight: slot.weight,
        })
    }

    /// The slots of one namespace as they stand, which is most often how their objects lie in memory.
    pub(super) fn of(&self, namespace: Hashed<'_>) -> impl Iterator<Item = (u32, &Slot<K>)> {
        let found = self.namespace(namespace);
        let mut slots: Vec<u32> = found
            .map(|found| found.slots.iter().copied().collect())
            .unwrap_or_default();
        slots.sort_unstable();
        slots.into_iter().map(|at| (at, &self.slots[at as usize]))
    }

    pub(super) fn len_of(&self, namespace: Hashed<'_>) -> usize {
        self.namespace(namespace).map_or(0, |found| found.slots.len())
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Memory of the table.
    pub(super) fn bytes(&self) -> usize {
        let of = |namespace: &Namespace| namespace.name.len() + namespace.slots.allocation_size();
        self.namespaces.allocation_size()
            + self.namespaces.iter().map(of).sum::<usize>()
            + self.slots.capacity() * size_of::<Slot<K>>()
            + (self.free.capacity() + self.queue.capacity()) * size_of::<u32>()
    }

    /// Gives back what growth took in advance.
    pub(super) fn shrink(&mut self) {
        self.slots.shrink_to_fit();
        self.queue.shrink_to_fit();
    }
}

/// What an index is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IndexName {
    /// The name that its user gave it.
    Custom(Box<str>),
    /// The key of a label, whose values are those of the index.
    Label(Box<str>),
}

/// A slot of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct At(u32);

impl At {
    const PART_BITS: u32 = 4;
    /// How many parts there may be.
    pub(super) const PARTS: usize = 1 << Self::PART_BITS;

    pub(super) fn new(part: usize, slot: u32) -> Self {
        assert!(
            slot >> (32 - Self::PART_BITS) == 0,
            "fewer objects than addresses of 28 bits in each part"
        );
        Self((part as u32) << (32 - Self::PART_BITS) | slot)
    }

    pub(super) fn part(self) -> usize {
        (self.0 >> (32 - Self::PART_BITS)) as usize
    }

    pub(super) fn slot(self) -> u32 {
        self.0 & (u32::MAX >> Self::PART_BITS)
    }
}

/// Where objects are, by the values that a function gives for them.
pub(super) struct Index {
    pub(super) name: IndexName,
    pub(super) groups: HashMap<Box<str>, HashSet<At>>,
}

impl Index {
    pub(super) fn new(name: IndexName) -> Self {
        Self {
            name,
            groups: HashMap::new(),
        }
    }

    /// Memory of the tables.
    pub(super) fn bytes(&self) -> usize {
        let values: usize = self.groups.keys().map(|value| value.len()).sum();
        let groups: usize = self.groups.values().map(HashSet::allocation_size).sum();
        self.groups.allocation_size() + values + groups
    }

    pub(super) fn insert(&mut self, value: &str, at: At) {
        match self.groups.get_mut(value) {
            Some(group) => drop(group.insert(at)),
            None => drop(self.groups.insert(value.into(), HashSet::from_iter([at]))),
        }
    }

    pub(super) fn remove(&mut self, value: &str, at: At) {
        if let Some(group) = self.groups.get_mut(value) {
            group.remove(&at);
            if group.is_empty() {
                self.groups.remove(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::super::packed::Packing;
    use super::*;

    fn object(name: &str, version: usize) -> Arc<ConfigMap> {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        map.metadata.resource_version = Some(version.to_string());
        Arc::new(map)
    }

    fn decoded(object: Arc<ConfigMap>) -> Weighed<ConfigMap> {
        Weighed {
            entry: Entry::Decoded(object),
            weight: Weight::of(1000),
        }
    }

    /// Names around the length that a slot has room for, some with a common end, in both forms.
    #[test]
    fn names_of_all_lengths_are_told_apart() {
        let hasher = DefaultHashBuilder::default();
        let packing = Packing::new();
        let mut table = Table::<ConfigMap>::default();
        let at = Hashed::new(&hasher, "n");
        let end = "e".repeat(Label::ROOM);
        let names: Vec<_> = (0..60)
            .map(|length| "x".repeat(length))
            .chain((0..40).map(|length| format!("{}{end}", "y".repeat(length))))
            .collect();
        let form = |object: Arc<ConfigMap>, version: usize| match version % 3 {
            0 => Weighed {
                entry: Entry::Packed(packing.pack(&*object).unwrap()),
                weight: Weight::default(),
            },
            _ => decoded(object),
        };
        for (version, name) in names.iter().enumerate() {
            assert!(
                table
                    .set(&hasher, at, form(object(name, version), version))
                    .1
                    .is_none()
            );
        }
        let version = |entry: &Entry<ConfigMap>| entry.identity().version.unwrap().to_owned();
        for (nth, name) in names.iter().enumerate() {
            assert_eq!(version(table.get(&hasher, at, name).unwrap()), nth.to_string());
            let old = table
                .set(&hasher, at, form(object(name, nth + 1000), nth + 1))
                .1
                .unwrap();
            assert_eq!(version(&old), nth.to_string());
        }
        assert_eq!(table.len(), names.len());
        for (nth, name) in names.iter().enumerate() {
            assert_eq!(table.len(), names.len() - nth);
            assert_eq!(table.of(at).count(), table.len());
            let removed = table.remove(&hasher, at, name).unwrap().1;
            assert_eq!(version(&removed), (nth + 1000).to_string());
            assert!(table.get(&hasher, at, name).is_none());
            for later in &names[nth + 1..] {
                assert_eq!(table.get(&hasher, at, later).unwrap().name(), later);
            }
        }
        assert!(table.namespaces.is_empty());
        assert_eq!(table.tally(), Tally::default());
    }

    /// The other half of the invariant; the queue does not grow by what comes and goes.
    #[test]
    fn what_is_read_has_a_second_chance() {
        let hasher = DefaultHashBuilder::default();
        let at = Hashed::new(&hasher, "n");
        let mut table = Table::<ConfigMap>::default();
        for round in 0..100 {
            for name in ["a", "b", "c", "d"] {
                table.set(&hasher, at, decoded(object(name, round)));
            }
            table.remove(&hasher, at, "b");
        }
        assert!(table.queue.len() <= 4, "{:?}", table.queue);
        // Each is newer than its place in the queue.
        for slot in table.slots.iter_mut().filter(|slot| slot.entry.is_some()) {
            assert!(std::mem::take(slot.read.get_mut()));
        }
        let read = table.find(&hasher, at, "a").unwrap();
        assert!(!table.slot(read).unwrap().touch());
        assert!(table.slot(read).unwrap().touch());
        let names = |victims: &[(u32, Arc<ConfigMap>, Weight)]| -> Vec<_> {
            let names = victims
                .iter()
                .map(|(_, map, _)| map.metadata.name.clone().unwrap());
            names.collect()
        };
        let (victims, passed) = table.victims(1000);
        assert_eq!((names(&victims), passed), (vec!["c".to_owned()], false));
        table.packed(victims[0].0, &object("c", 99), None);
        assert_eq!(table.tally().weight, 3 * 1024, "another object is packed");
        table.packed(victims[0].0, &victims[0].1, None);
        assert_eq!(table.tally().weight, 2 * 1024);
        let (victims, _) = table.victims(usize::MAX);
        assert_eq!(names(&victims), ["d", "a"]);
    }
    /// What has just changed is what its reconcile reads next.
    #[test]
    fn a_new_state_in_an_old_place_has_a_second_chance() {
        let hasher = DefaultHashBuilder::default();
        let at = Hashed::new(&hasher, "n");
        let mut table = Table::<ConfigMap>::default();
        for name in ["a", "b", "c"] {
            let (slot, _) = table.set(&hasher, at, decoded(object(name, 1)));
            assert!(!table.slots[slot as usize].read.load(Ordering::Relaxed));
        }
        table.set(&hasher, at, decoded(object("a", 2)));
        let mut next = || {
            let (victims, _) = table.victims(1);
            let (slot, map, _) = victims.into_iter().next()?;
            // It cannot be packed, and so counts no more.
            table.packed(slot, &map, None);
            map.metadata.name.clone()
        };
        // One chance: passing the queue comes to an end.
        let order: Vec<_> = std::iter::from_fn(&mut next).collect();
        assert_eq!(order, ["b", "c", "a"]);
        assert!(table.queue.is_empty());
        assert_eq!(table.tally().weight, 0);
    }
}
