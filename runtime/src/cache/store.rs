//! The objects of one kind, and the indexes over them.
//!
//! An object is found by its namespace, then by its name, in a slot that it keeps; an index holds slots. Namespaces are
//! spread over parts with a lock each, so that who reads one seldom meets who writes another. Index functions run under
//! the writers' lock alone, which no reader takes, and a replacement of all objects is built beside the old tables and
//! swapped in: readers wait for some table operations, never for user code or for a whole list.
//!
//! **Invariant:** readers see each object either before or after a change, never between the table and an index,
//! and a replacement as one step. A writer therefore holds the locks of all that it changes until everything is
//! changed, and whoever reads several parts holds all their locks. Locks are taken in one order: the indexes, then the
//! parts as they stand.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use hashbrown::{DefaultHashBuilder, HashSet};
use kube::core::{Expression, Selector};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(test)]
use super::Delta;
use super::keeping::{Found, KeepDecoded, Patience};
use super::measure;
use super::packed::{Identity, Packed, Packing};
use super::replacement::{Incoming, Replacement};
use super::table::{At, Entry, Hashed, Index, IndexName, Table, Tally, Weighed};
use super::target::kind_name;
use crate::guard::guarded;
use crate::kind::ObjectKey;

/// A function that gives the values under which an index finds an object.
pub(super) type IndexFn<K> = Arc<dyn Fn(&K) -> Vec<String> + Send + Sync>;

/// The objects of one kind and the indexes over them, shared by its clones.
///
/// A [`Reflector`](super::Reflector) fills it, a [`Lister`](super::Lister) reads it.
pub struct Store<K> {
    pub(super) inner: Arc<Inner<K>>,
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K: Resource + Serialize + DeserializeOwned> Default for Store<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// A store that is not kept for this.
pub(crate) struct WeakStore<K> {
    inner: Weak<Inner<K>>,
}

impl<K> WeakStore<K> {
    pub(crate) fn upgrade(&self) -> Option<Store<K>> {
        let inner = self.inner.upgrade()?;
        Some(Store { inner })
    }
}

/// Into how many parts namespaces are spread. More of them cost memory in each cache, and a machine has few threads that
/// read at the same instant.
pub(super) const PARTS: usize = At::PARTS;

/// Some namespaces behind a lock, on cache lines of its own.
#[repr(align(128))]
pub(super) struct Part<K>(pub(super) RwLock<Table<K>>);

/// The type's own ways, known where the store was made.
pub(super) struct Codec<K> {
    pub(super) pack: fn(&Packing, &K) -> Option<Packed>,
    pub(super) read: fn(&Packing, &Packed) -> Option<K>,
    pub(super) bytes: fn(&K) -> usize,
}

pub(super) struct Inner<K> {
    pub(super) parts: [Part<K>; PARTS],
    /// In the order of their functions; never fewer than before.
    pub(super) indexes: RwLock<Vec<Index>>,
    /// Whether all objects were replaced at least once: before that, this is no state of the server. Set while all
    /// locks are held.
    pub(super) synced: AtomicBool,
    pub(super) hasher: DefaultHashBuilder,
    /// The functions of the indexes. Locked by a writer from reading what is there until its change stands; readers
    /// never take it.
    pub(super) writing: Mutex<Vec<IndexFn<K>>>,
    pub(super) codec: Codec<K>,
    pub(super) packing: Packing,
    /// What decoded objects may weigh; the largest number is no bound.
    pub(super) budget: AtomicUsize,
    /// What they weigh, in all parts.
    pub(super) weight: AtomicUsize,
    /// How often a packed object was decoded for a reader.
    pub(super) decodes: AtomicU64,
    /// The part that gives objects away next; locked by who packs.
    pub(super) hand: Mutex<usize>,
}

// A panic inside one of the short sections under these locks could only be an allocation that fails; user code runs
// outside of them. The tables are therefore whole even behind a poisoned lock.
pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// The values that each index has for one object, in the order of the indexes.
pub(super) type Values = Vec<Vec<String>>;

pub(super) fn values<K>(functions: &[IndexFn<K>], object: &K) -> Values {
    functions.iter().map(|values_of| values_of(object)).collect()
}

pub(super) fn index_object(indexes: &mut [Index], values: &Values, at: At) {
    for (index, values) in indexes.iter_mut().zip(values) {
        for value in values {
            index.insert(value, at);
        }
    }
}

fn unindex_object(indexes: &mut [Index], values: &Values, at: At) {
    for (index, values) in indexes.iter_mut().zip(values) {
        for value in values {
            index.remove(value, at);
        }
    }
}

fn custom<'a>(indexes: &'a [Index], name: &str) -> Option<&'a Index> {
    indexes
        .iter()
        .find(|index| matches!(&index.name, IndexName::Custom(other) if **other == *name))
}

/// An index of that name is there already, perhaps that of another user of a shared cache.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("add index {index:?} of {kind}: there is an index of that name")]
pub struct IndexExists {
    /// Name of the index.
    pub index: String,
    /// Kind of the cache.
    pub kind: String,
}

impl<K: Resource + Serialize + DeserializeOwned> Store<K> {
    /// An empty store.
    pub fn new() -> Self {
        Self::keeping(KeepDecoded::default())
    }

    /// An empty store that keeps so many objects decoded. A reflector that fills it brings its
    /// [own setting](super::ReflectorConfig::keep_decoded).
    pub fn keeping(decoded: KeepDecoded) -> Self {
        let store = Self {
            inner: Arc::new(Inner {
                parts: std::array::from_fn(|_| Part(RwLock::default())),
                indexes: RwLock::default(),
                synced: AtomicBool::new(false),
                hasher: DefaultHashBuilder::default(),
                writing: Mutex::default(),
                codec: Codec {
                    pack: |packing, object| packing.pack(object),
                    read: |packing, packed| packing.read(packed),
                    bytes: measure::of_object,
                },
                packing: Packing::new(),
                budget: AtomicUsize::new(0),
                weight: AtomicUsize::new(0),
                decodes: AtomicU64::new(0),
                hand: Mutex::new(0),
            }),
        };
        store.keep(decoded);
        store
    }
}

impl<K: Resource> Store<K> {
    pub(super) fn hashed<'a>(&self, namespace: &'a str) -> (usize, Hashed<'a>) {
        let hashed = Hashed::new(&self.inner.hasher, namespace);
        (hashed.part(PARTS), hashed)
    }

    fn part(&self, part: usize) -> &RwLock<Table<K>> {
        &self.inner.parts[part].0
    }

    /// All parts, in one state.
    pub(super) fn parts(&self) -> Vec<RwLockReadGuard<'_, Table<K>>> {
        self.inner.parts.iter().map(|part| read(&part.0)).collect()
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, Vec<IndexFn<K>>> {
        self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the index `name` from now on: `values` gives the values under which an object is found.
    ///
    /// The function must give the same values each time for the same object, and must not change the store. An object
    /// for which it panics is not in the index.
    ///
    /// # Errors
    /// [`IndexExists`] where the name is taken, as client-go's `AddIndexers`: whoever added it relies on it.
    pub fn add_index(
        &self,
        name: &str,
        values: impl Fn(&K) -> Vec<String> + Send + Sync + 'static,
    ) -> Result<(), IndexExists> {
        // A panic here would end the watch that feeds the store.
        let values = move |object: &K| {
            guarded(|| values(object)).unwrap_or_else(|panic| {
                let key = ObjectKey::of(object);
                tracing::error!(object = %key, panic, "index function panicked; the index lacks the object");
                Vec::new()
            })
        };
        let mut functions = self.writing();
        if custom(&read(&self.inner.indexes), name).is_some() {
            return Err(IndexExists {
                index: name.to_owned(),
                kind: kind_name::<K>(),
            });
        }
        self.push_index(&mut functions, IndexName::Custom(name.into()), Arc::new(values));
        Ok(())
    }

    /// Keeps an index over the values of the label `key` from now on, which serves selectors that ask for values of
    /// it ([`Lister::select`](super::Lister::select)). A second call for the same key does nothing.
    pub fn add_label_index(&self, key: &str) {
        let name = IndexName::Label(key.into());
        let mut functions = self.writing();
        if read(&self.inner.indexes).iter().any(|index| index.name == name) {
            return;
        }
        let key = key.to_owned();
        let values = move |object: &K| object.labels().get(&key).cloned().into_iter().collect();
        self.push_index(&mut functions, name, Arc::new(values));
    }

    fn push_index(&self, functions: &mut Vec<IndexFn<K>>, name: IndexName, values: IndexFn<K>) {
        let mut index = Index::new(name);
        // Only writers give slots another object, and they wait.
        let all: Vec<(At, Entry<K>)> = (0..)
            .zip(&self.parts())
            .flat_map(|(part, table)| {
                let slots = table.slots();
                slots.filter_map(move |(slot, held)| Some((At::new(part, slot), held.entry()?.clone())))
            })
            .collect();
        for (at, entry) in all {
            let Some(object) = self.open(&entry) else { continue };
            for value in values(&object) {
                index.insert(&value, at);
            }
        }
        functions.push(values);
        write(&self.inner.indexes).push(index);
    }

    /// Sets one object and gives the one that it replaces.
    pub fn insert(&self, object: Arc<K>) -> Option<Arc<K>> {
        let old = self.set(object)?;
        self.open(&old)
    }

    /// [`insert`](Self::insert), what was there in whichever form it was.
    pub(super) fn set(&self, object: Arc<K>) -> Option<Entry<K>> {
        self.put(self.weigh(object))
    }

    /// An object that changed, which is read next.
    pub(super) fn changed(&self, object: K) -> Incoming<K> {
        self.weigh(Arc::new(object))
    }

    fn weigh(&self, object: Arc<K>) -> Incoming<K> {
        let weight = self.weight_of(&object);
        let entry = Entry::Decoded(object);
        Incoming {
            object: Weighed { entry, weight },
            values: Values::new(),
        }
    }

    /// Sets one object in whichever form it came.
    pub(super) fn put(&self, incoming: Incoming<K>) -> Option<Entry<K>> {
        let hasher = &self.inner.hasher;
        let Incoming {
            object,
            values: mut new_values,
        } = incoming;
        let functions = self.writing();
        let held = object.entry.clone();
        let Identity { namespace, name, .. } = held.identity();
        let (part, namespace) = self.hashed(namespace);
        // Without an index nobody asks what was there.
        let mut old_values = Values::new();
        if !functions.is_empty() {
            let old = read(self.part(part)).get(hasher, namespace, name).cloned();
            if let Some(old) = old.and_then(|old| self.open(&old)) {
                old_values = values(&functions, &old);
            }
            // Functions may have come since the object did.
            if new_values.len() < functions.len()
                && let Some(object) = self.open(&held)
            {
                let later = values(&functions[new_values.len()..], &object);
                new_values.extend(later);
            }
        }
        // Indexes hold slots: the same values lead to the new object as they are.
        let mut indexes = (old_values != new_values).then(|| write(&self.inner.indexes));
        let mut table = write(self.part(part));
        let (slot, old) = self.weighed(&mut table, |table| table.set(hasher, namespace, object));
        if let Some(indexes) = &mut indexes {
            let at = At::new(part, slot);
            unindex_object(indexes, &old_values, at);
            index_object(indexes, &new_values, at);
        }
        drop((table, indexes, functions));
        self.settle(Patience::Writer);
        old
    }

    /// Whether this very version is there.
    pub(super) fn holds(&self, identity: &Identity<'_>) -> bool {
        let (part, namespace) = self.hashed(identity.namespace);
        let table = read(self.part(part));
        let held = table.get(&self.inner.hasher, namespace, identity.name);
        held.is_some_and(|held| held.identity().is_same_version(identity))
    }

    /// Removes one object and gives it.
    pub fn remove(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        let old = self.unset(namespace, name)?;
        self.open(&old)
    }

    /// [`remove`](Self::remove), what was there in whichever form it was.
    pub(super) fn unset(&self, namespace: Option<&str>, name: &str) -> Option<Entry<K>> {
        let hasher = &self.inner.hasher;
        let functions = self.writing();
        let (part, namespace) = self.hashed(namespace.unwrap_or_default());
        let old = read(self.part(part)).get(hasher, namespace, name).cloned()?;
        let values = match functions.is_empty() {
            true => Values::new(),
            false => self
                .open(&old)
                .map(|old| values(&functions, &old))
                .unwrap_or_default(),
        };
        let mut indexes = (!functions.is_empty()).then(|| write(&self.inner.indexes));
        let mut table = write(self.part(part));
        let removed = self.weighed(&mut table, |table| table.remove(hasher, namespace, name));
        if let (Some(indexes), Some((slot, _))) = (&mut indexes, &removed) {
            unindex_object(indexes, &values, At::new(part, *slot));
        }
        drop((table, indexes));
        removed.map(|(_, old)| old)
    }

    /// Replaces all objects by `objects`, in one step, and says what that changed.
    ///
    /// Objects that are gone are reported with their last known state. An object whose version has not changed
    /// stays what it was and is not reported. One that was deleted and created again under its name, which
    /// its UID tells, is reported as both. Of several states of one object the last one counts. Objects in `keep`
    /// stay as they are where `objects` lacks them.
    #[cfg(test)]
    pub(crate) fn replace(&self, objects: Vec<Arc<K>>, keep: &[ObjectKey]) -> Vec<Delta<K>>
    where
        K: Clone,
    {
        let decoded = AtomicUsize::new(0);
        let functions = self.writing().clone();
        let objects = objects
            .into_iter()
            .map(|object| self.incoming(K::clone(&object), &functions, &decoded))
            .collect();
        let differences = self.replacement(objects, keep).commit();
        differences
            .into_iter()
            .filter_map(|difference| difference.news(self).open(self))
            .collect()
    }

    /// Builds what a commit swaps in, so that the swap itself is short.
    pub(super) fn replacement(&self, objects: Vec<Incoming<K>>, keep: &[ObjectKey]) -> Replacement<'_, K> {
        Replacement::new(self, objects, keep)
    }

    /// Whether all objects were replaced at least once, as a reflector does with the first state.
    pub(crate) fn has_synced(&self) -> bool {
        self.inner.synced.load(Ordering::Acquire)
    }

    /// What is there is a state of the server.
    pub(super) fn complete(&self) {
        let _indexes = write(&self.inner.indexes);
        let _parts: Vec<_> = self.inner.parts.iter().map(|part| write(&part.0)).collect();
        self.inner.synced.store(true, Ordering::Release);
    }

    pub(crate) fn get(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        let (part, namespace) = self.hashed(namespace.unwrap_or_default());
        let (at, packed, again) = {
            let table = read(self.part(part));
            let slot = table.find(&self.inner.hasher, namespace, name)?;
            let held = table.slot(slot)?;
            let again = held.touch();
            match held.entry()? {
                Entry::Decoded(object) => return Some(Arc::clone(object)),
                Entry::Packed(packed) => (At::new(part, slot), packed.clone(), again),
            }
        };
        self.unpacked(at, &packed, again)
    }

    pub(crate) fn list(&self) -> Vec<Arc<K>> {
        self.list_where(|_| true)
    }

    /// All objects that `wanted` wants. What is packed stays so: who reads everything does not read any of it more often
    /// than the rest.
    pub(crate) fn list_where(&self, wanted: impl FnMut(&K) -> bool) -> Vec<Arc<K>> {
        let found = {
            let parts = self.parts();
            let mut found = Found::with_capacity(parts.iter().map(|part| part.tally().decoded).sum());
            for (nth, part) in parts.iter().enumerate() {
                for slot in part.slots() {
                    found.add(nth, slot, false);
                }
            }
            found
        };
        self.opened(found, wanted)
    }

    /// All objects in whichever form they are, of one state.
    pub(crate) fn entries(&self) -> Vec<Entry<K>> {
        let parts = self.parts();
        parts.iter().flat_map(|part| part.entries()).cloned().collect()
    }

    pub(crate) fn namespace(&self, namespace: &str, wanted: impl FnMut(&K) -> bool) -> Vec<Arc<K>> {
        let (part, namespace) = self.hashed(namespace);
        let found = {
            let table = read(self.part(part));
            let mut found = Found::with_capacity(table.len_of(namespace));
            for slot in table.of(namespace) {
                found.add(part, slot, true);
            }
            found
        };
        self.opened(found, wanted)
    }

    /// Names of the objects of a namespace.
    pub(super) fn names(&self, namespace: &str) -> Vec<String> {
        let (part, namespace) = self.hashed(namespace);
        let table = read(self.part(part));
        let entries = table.of(namespace).filter_map(|(_, slot)| slot.entry());
        entries.map(|entry| entry.identity().name.to_owned()).collect()
    }

    pub(crate) fn namespace_len(&self, namespace: &str) -> usize {
        let (part, namespace) = self.hashed(namespace);
        read(self.part(part)).len_of(namespace)
    }

    /// What stands in some slots, in one state.
    fn at(&self, mut slots: Vec<At>) -> Found<K> {
        // In the order in which their objects most often lie in memory; parts come one after another.
        slots.sort_unstable();
        let mut found = Found::with_capacity(slots.len());
        let mut tables = Vec::with_capacity(PARTS);
        for of_part in slots.chunk_by(|a, b| a.part() == b.part()) {
            let part = of_part[0].part();
            tables.push((of_part, part, read(self.part(part))));
        }
        for (slots, part, table) in &tables {
            for at in *slots {
                if let Some(slot) = table.slot(at.slot()) {
                    found.add(*part, (at.slot(), slot), true);
                }
            }
        }
        found
    }

    /// `None` where there is no index of that name.
    pub(crate) fn indexed(&self, index: &str, value: &str) -> Option<Vec<Arc<K>>> {
        let found = {
            let indexes = read(&self.inner.indexes);
            let Some(group) = custom(&indexes, index)?.groups.get(value) else {
                return Some(Vec::new());
            };
            self.at(group.iter().copied().collect())
        };
        Some(self.opened(found, |_| true))
    }

    pub(crate) fn index_values(&self, index: &str) -> Option<Vec<String>> {
        let indexes = read(&self.inner.indexes);
        let groups = &custom(&indexes, index)?.groups;
        Some(groups.keys().map(ToString::to_string).collect())
    }

    /// Those that `wanted` wants of fewer than `most` objects, of which all that `selector` selects are some; `None`
    /// where no label index tells so few of them.
    pub(crate) fn candidates(
        &self,
        selector: &Selector,
        most: usize,
        wanted: impl FnMut(&K) -> bool,
    ) -> Option<Vec<Arc<K>>> {
        let found = {
            let indexes = read(&self.inner.indexes);
            let served = selector.clone().into_iter().filter_map(|requirement| {
                let key = match &requirement {
                    Expression::Equal(key, _) | Expression::In(key, _) | Expression::Exists(key) => key,
                    // Those without the label match these, and are in no index.
                    Expression::NotEqual(..) | Expression::NotIn(..) | Expression::DoesNotExist(_) => {
                        return None;
                    }
                };
                let index = indexes
                    .iter()
                    .find(|index| matches!(&index.name, IndexName::Label(label) if **label == **key))?;
                let groups: Vec<&HashSet<At>> = match &requirement {
                    Expression::Equal(_, value) => index.groups.get(value.as_str()).into_iter().collect(),
                    Expression::In(_, values) => values
                        .iter()
                        .filter_map(|value| index.groups.get(value.as_str()))
                        .collect(),
                    _ => index.groups.values().collect(),
                };
                let count: usize = groups.iter().map(|group| group.len()).sum();
                Some((count, groups))
            });
            let (count, groups) = served.min_by_key(|(count, _)| *count)?;
            if count >= most {
                return None;
            }
            // An object has one value of a label, so no two groups share one.
            self.at(groups.into_iter().flatten().copied().collect())
        };
        Some(self.opened(found, wanted))
    }

    /// Up to about `most` decoded objects from all over, what there is, and bytes of the tables.
    pub(super) fn sample(&self, most: usize) -> (Vec<Arc<K>>, Tally, usize) {
        let (sample, tally, tables) = {
            let parts = self.parts();
            let tally: Tally = parts.iter().map(|part| part.tally()).sum();
            let step = tally.decoded.div_ceil(most).max(1);
            let decoded = parts
                .iter()
                .flat_map(|part| part.entries())
                .filter_map(|entry| match entry {
                    Entry::Decoded(object) => Some(object),
                    Entry::Packed(_) => None,
                });
            let sample = decoded.step_by(step).cloned().collect();
            let tables: usize = parts.iter().map(|part| part.bytes()).sum();
            (sample, tally, tables)
        };
        let indexes: usize = read(&self.inner.indexes).iter().map(Index::bytes).sum();
        let shared = match tally.packed {
            0 => 0,
            _ => self.inner.packing.bytes(),
        };
        (sample, tally, tables + indexes + shared)
    }

    /// How often a packed object was decoded for a reader.
    pub(crate) fn decodes(&self) -> u64 {
        self.inner.decodes.load(Ordering::Relaxed)
    }

    /// The store for as long as others hold it.
    pub(crate) fn downgrade(&self) -> WeakStore<K> {
        WeakStore {
            inner: Arc::downgrade(&self.inner),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }
}

#[cfg(test)]
#[path = "packing_tests.rs"]
mod packing_tests;
#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
