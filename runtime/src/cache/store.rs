//! The objects of one kind, and the indexes over them.
//!
//! An object is found by its namespace, then by its name; each index holds further `Arc`s, so that a look-up by index
//! is one step. Namespaces are spread over parts with a lock each, so that who reads one seldom meets who writes
//! another. Index functions run under the writers' lock alone, which no reader takes, and a replacement of all
//! objects is built beside the old tables and swapped in: readers wait for some table operations, never for user code
//! or for a whole list.
//!
//! **Invariant:** readers see each object either before or after a change, never between the table and an index,
//! and a replacement as one step. A writer therefore holds the locks of all that it changes until everything is
//! changed, and whoever reads all parts holds all their locks. Locks are taken in one order: parts as they stand, then
//! the indexes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use hashbrown::DefaultHashBuilder;
use kube::core::{Expression, Selector};
use kube::{Resource, ResourceExt};

use super::Delta;
use super::table::{Group, Hashed, Index, IndexName, Namespaces, place};
use super::target::kind_name;
use crate::guard::guarded;
use crate::kind::ObjectKey;

/// A function that gives the values under which an index finds an object.
type IndexFn<K> = Box<dyn Fn(&K) -> Vec<String> + Send + Sync>;

/// The objects of one kind and the indexes over them, shared by its clones.
///
/// A [`Reflector`](super::Reflector) fills it, a [`Lister`](super::Lister) reads it.
pub struct Store<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K: Resource> Default for Store<K> {
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
const PARTS: usize = 16;

/// Some namespaces behind a lock, on cache lines of its own.
#[repr(align(128))]
struct Part<K>(RwLock<Namespaces<K>>);

struct Inner<K> {
    parts: [Part<K>; PARTS],
    /// In the order of their functions; never fewer than before.
    indexes: RwLock<Vec<Index<K>>>,
    /// Whether all objects were replaced at least once: before that, this is no state of the server. Set while all
    /// locks are held.
    synced: AtomicBool,
    hasher: DefaultHashBuilder,
    /// The functions of the indexes. Locked by a writer from reading what is there until its change stands; readers
    /// never take it.
    writing: Mutex<Vec<IndexFn<K>>>,
}

// A panic inside one of the short sections under these locks could only be an allocation that fails; user code runs
// outside of them. The tables are therefore whole even behind a poisoned lock.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// The values that each index has for one object, in the order of the indexes.
type Values = Vec<Vec<String>>;

fn values<K>(functions: &[IndexFn<K>], object: &K) -> Values {
    functions.iter().map(|values_of| values_of(object)).collect()
}

fn index_object<K: Resource>(
    indexes: &mut [Index<K>],
    hasher: &DefaultHashBuilder,
    values: &Values,
    object: &Arc<K>,
) {
    for (index, values) in indexes.iter_mut().zip(values) {
        for value in values {
            index.insert(hasher, value, object);
        }
    }
}

fn unindex_object<K: Resource>(
    indexes: &mut [Index<K>],
    hasher: &DefaultHashBuilder,
    values: &Values,
    at: (&str, &str),
) {
    for (index, values) in indexes.iter_mut().zip(values) {
        for value in values {
            index.remove(hasher, value, at);
        }
    }
}

fn custom<'a, K>(indexes: &'a [Index<K>], name: &str) -> Option<&'a Index<K>> {
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

/// New tables beside the present ones. Other writers wait until it is committed or dropped.
pub(crate) struct Replacement<'a, K> {
    store: &'a Store<K>,
    fresh: Fresh<K>,
    deltas: Vec<Delta<K>>,
    _writing: MutexGuard<'a, Vec<IndexFn<K>>>,
}

struct Fresh<K> {
    parts: [Namespaces<K>; PARTS],
    indexes: Vec<Index<K>>,
}

impl<K: Resource> Replacement<'_, K> {
    /// Lets readers see the new state, and says what changed.
    pub(crate) fn commit(mut self) -> Vec<Delta<K>> {
        let inner = &*self.store.inner;
        {
            let mut parts: Vec<_> = inner.parts.iter().map(|part| write(&part.0)).collect();
            let mut indexes = write(&inner.indexes);
            for (part, fresh) in parts.iter_mut().zip(&mut self.fresh.parts) {
                std::mem::swap(&mut **part, fresh);
            }
            std::mem::swap(&mut *indexes, &mut self.fresh.indexes);
            inner.synced.store(true, Ordering::Release);
        }
        // What was replaced is dropped here, where nobody waits for it.
        self.deltas
    }
}

impl<K: Resource> Store<K> {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                parts: std::array::from_fn(|_| Part(RwLock::default())),
                indexes: RwLock::default(),
                synced: AtomicBool::new(false),
                hasher: DefaultHashBuilder::default(),
                writing: Mutex::default(),
            }),
        }
    }

    fn hashed<'a>(&self, namespace: &'a str) -> (&RwLock<Namespaces<K>>, Hashed<'a>) {
        let hashed = Hashed::new(&self.inner.hasher, namespace);
        (&self.inner.parts[hashed.part(PARTS)].0, hashed)
    }

    /// All parts, in one state.
    fn parts(&self) -> Vec<RwLockReadGuard<'_, Namespaces<K>>> {
        self.inner.parts.iter().map(|part| read(&part.0)).collect()
    }

    fn writing(&self) -> MutexGuard<'_, Vec<IndexFn<K>>> {
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
        self.push_index(&mut functions, IndexName::Custom(name.into()), Box::new(values));
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
        self.push_index(&mut functions, name, Box::new(values));
    }

    fn push_index(&self, functions: &mut Vec<IndexFn<K>>, name: IndexName, values: IndexFn<K>) {
        let mut index = Index::new(name);
        for object in &self.list() {
            for value in values(object) {
                index.insert(&self.inner.hasher, &value, object);
            }
        }
        functions.push(values);
        write(&self.inner.indexes).push(index);
    }

    /// Sets one object and gives the one that it replaces.
    pub fn insert(&self, object: Arc<K>) -> Option<Arc<K>> {
        let hasher = &self.inner.hasher;
        let functions = self.writing();
        let held = Arc::clone(&object);
        let at = place(&*held);
        let old = self.get(Some(at.0), at.1);
        let old_values = old.as_ref().map(|old| values(&functions, old));
        let values = values(&functions, &object);
        let (part, namespace) = self.hashed(at.0);
        let mut part = write(part);
        let mut indexes = (!functions.is_empty()).then(|| write(&self.inner.indexes));
        if let Some(indexes) = &mut indexes {
            if let Some(old_values) = old_values.filter(|old| *old != values) {
                unindex_object(indexes, hasher, &old_values, at);
            }
            index_object(indexes, hasher, &values, &object);
        }
        part.insert(hasher, namespace, object);
        drop((part, indexes));
        old
    }

    /// Removes one object and gives it.
    pub fn remove(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        let hasher = &self.inner.hasher;
        let functions = self.writing();
        let old = self.get(namespace, name)?;
        let values = values(&functions, &old);
        let at = place(&*old);
        let (part, namespace) = self.hashed(at.0);
        let mut part = write(part);
        let mut indexes = write(&self.inner.indexes);
        unindex_object(&mut indexes, hasher, &values, at);
        part.remove(hasher, namespace, at.1);
        drop((part, indexes));
        Some(old)
    }

    /// Replaces all objects by `objects`, in one step, and says what that changed.
    ///
    /// Objects that are gone are reported with their last known state. An object whose version has not changed
    /// stays the same `Arc` and is not reported. One that was deleted and created again under its name, which
    /// its UID tells, is reported as both. Of several states of one object the last one counts. Objects in `keep`
    /// stay as they are where `objects` lacks them.
    pub(crate) fn replace(&self, objects: Vec<Arc<K>>, keep: &[ObjectKey]) -> Vec<Delta<K>> {
        self.replacement(objects, keep).commit()
    }

    /// Builds what [`replace`](Self::replace) swaps in, so that the swap itself is short.
    pub(crate) fn replacement(&self, objects: Vec<Arc<K>>, keep: &[ObjectKey]) -> Replacement<'_, K> {
        let hasher = &self.inner.hasher;
        let functions = self.writing();
        let names: Vec<_> = read(&self.inner.indexes)
            .iter()
            .map(|index| index.name.clone())
            .collect();
        let mut fresh = Fresh {
            parts: std::array::from_fn(|_| Namespaces::default()),
            indexes: names.into_iter().map(Index::new).collect(),
        };
        // What stands in the new tables, in the order of `objects`.
        let mut standing = objects;
        let mut deltas = Vec::new();
        {
            let parts = self.parts();
            let mut twice = false;
            for object in &mut standing {
                let namespace = Hashed::new(hasher, place(&**object).0);
                let part = namespace.part(PARTS);
                let old = parts[part].get(hasher, namespace, place(&**object).1);
                if let Some(old) = old.filter(|old| same_version(&***old, &**object)) {
                    *object = Arc::clone(old);
                }
                let namespace = Hashed::new(hasher, place(&**object).0);
                twice |= fresh.parts[part]
                    .insert(hasher, namespace, Arc::clone(object))
                    .is_some();
            }
            if twice {
                standing.retain(|object| {
                    let (namespace, name) = place(&**object);
                    let namespace = Hashed::new(hasher, namespace);
                    let last = fresh.parts[namespace.part(PARTS)].get(hasher, namespace, name);
                    last.is_some_and(|last| Arc::ptr_eq(last, object))
                });
            }
            for new in &standing {
                let (namespace, name) = place(&**new);
                let namespace = Hashed::new(hasher, namespace);
                match parts[namespace.part(PARTS)].get(hasher, namespace, name) {
                    Some(old) if Arc::ptr_eq(old, new) => {}
                    Some(old) if old.meta().uid == new.meta().uid => deltas.push(Delta::Updated {
                        old: Arc::clone(old),
                        new: Arc::clone(new),
                    }),
                    Some(old) => {
                        deltas.push(Delta::vanished(Arc::clone(old)));
                        deltas.push(Delta::Added(Arc::clone(new)));
                    }
                    None => deltas.push(Delta::Added(Arc::clone(new))),
                }
            }
            for key in keep {
                let namespace = Hashed::new(hasher, key.namespace.as_deref().unwrap_or_default());
                let part = namespace.part(PARTS);
                if fresh.parts[part].get(hasher, namespace, &key.name).is_none()
                    && let Some(old) = parts[part].get(hasher, namespace, &key.name)
                {
                    fresh.parts[part].insert(hasher, namespace, Arc::clone(old));
                    standing.push(Arc::clone(old));
                }
            }
            for (part, fresh) in parts.iter().zip(&mut fresh.parts) {
                fresh.shrink();
                for old in part.objects() {
                    let (namespace, name) = place(&**old);
                    if fresh.get(hasher, Hashed::new(hasher, namespace), name).is_none() {
                        deltas.push(Delta::vanished(Arc::clone(old)));
                    }
                }
            }
        }
        if !functions.is_empty() {
            for object in &standing {
                index_object(&mut fresh.indexes, hasher, &values(&functions, object), object);
            }
        }
        Replacement {
            store: self,
            fresh,
            deltas,
            _writing: functions,
        }
    }

    /// Whether all objects were replaced at least once, as a reflector does with the first state.
    pub(crate) fn has_synced(&self) -> bool {
        self.inner.synced.load(Ordering::Acquire)
    }

    pub(crate) fn get(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        let (part, namespace) = self.hashed(namespace.unwrap_or_default());
        read(part).get(&self.inner.hasher, namespace, name).cloned()
    }

    pub(crate) fn list(&self) -> Vec<Arc<K>> {
        let parts = self.parts();
        let mut objects = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in &parts {
            objects.extend(part.objects().cloned());
        }
        objects
    }

    pub(crate) fn namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let (part, namespace) = self.hashed(namespace);
        read(part).of(namespace).cloned().collect()
    }

    pub(crate) fn namespace_len(&self, namespace: &str) -> usize {
        let (part, namespace) = self.hashed(namespace);
        read(part).of(namespace).len()
    }

    /// `None` where there is no index of that name.
    pub(crate) fn indexed(&self, index: &str, value: &str) -> Option<Vec<Arc<K>>> {
        let indexes = read(&self.inner.indexes);
        let group = custom(&indexes, index)?.groups.get(value);
        Some(
            group
                .map(|group| group.objects().cloned().collect())
                .unwrap_or_default(),
        )
    }

    pub(crate) fn index_values(&self, index: &str) -> Option<Vec<String>> {
        let indexes = read(&self.inner.indexes);
        let groups = &custom(&indexes, index)?.groups;
        Some(groups.keys().map(ToString::to_string).collect())
    }

    /// Fewer than `most` objects, of which all that `selector` selects are some; `None` where no label index tells so
    /// few of them.
    pub(crate) fn candidates(&self, selector: &Selector, most: usize) -> Option<Vec<Arc<K>>> {
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
            let groups: Vec<&Group<K>> = match &requirement {
                Expression::Equal(_, value) => index.groups.get(value.as_str()).into_iter().collect(),
                Expression::In(_, values) => values
                    .iter()
                    .filter_map(|value| index.groups.get(value.as_str()))
                    .collect(),
                _ => index.groups.values().collect(),
            };
            let count: usize = groups.iter().map(|group| group.objects().len()).sum();
            Some((count, groups))
        });
        let (count, groups) = served.min_by_key(|(count, _)| *count)?;
        if count >= most {
            return None;
        }
        // An object has one value of a label, so no two groups share one.
        let objects = groups.iter().flat_map(|group| group.objects());
        Some(objects.cloned().collect())
    }

    /// Up to about `most` objects from all over, how many there are, and bytes of the tables.
    pub(crate) fn sample(&self, most: usize) -> (Vec<Arc<K>>, usize, usize) {
        let (sample, objects, tables) = {
            let parts = self.parts();
            let objects: usize = parts.iter().map(|part| part.len()).sum();
            let step = objects.div_ceil(most).max(1);
            let all = parts.iter().flat_map(|part| part.objects());
            let sample = all.step_by(step).cloned().collect();
            let tables: usize = parts.iter().map(|part| part.bytes()).sum();
            (sample, objects, tables)
        };
        let indexes: usize = read(&self.inner.indexes).iter().map(Index::bytes).sum();
        (sample, objects, tables + indexes)
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

/// Whether two objects of the same name are the same version of the same object.
pub(crate) fn same_version<K: Resource>(a: &K, b: &K) -> bool {
    let (a, b) = (a.meta(), b.meta());
    a.resource_version.is_some() && a.resource_version == b.resource_version && a.uid == b.uid
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
