//! The objects of one kind, and the indexes over them.
//!
//! One table holds an `Arc` for each object, hashed by the namespace and name inside the object, so that there is
//! no second copy of either; each index holds further `Arc`s, so that a look-up by index is one step. Index
//! functions run before the lock is taken, and a replacement of all objects is built beside the old tables and
//! swapped in: a writer holds the lock for some table operations, never for user code or for a whole list.
//!
//! **Invariant:** readers see each object either before or after a change, never between the table and an index,
//! and a replacement as one step.

use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use kube::Resource;

use super::Delta;
use crate::kind::ObjectKey;

/// A function that gives the values under which an index finds an object.
pub(crate) type IndexFn<K> = Arc<dyn Fn(&K) -> Vec<String> + Send + Sync>;

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

struct Inner<K> {
    state: RwLock<Tables<K>>,
    /// Held by a writer from reading what is there until its change stands; readers never take it.
    writing: Mutex<()>,
}

struct Tables<K> {
    objects: Bucket<K>,
    by_namespace: HashMap<Box<str>, Bucket<K>>,
    indexes: HashMap<Box<str>, Index<K>>,
}

struct Index<K> {
    values_of: IndexFn<K>,
    buckets: HashMap<Box<str>, Bucket<K>>,
}

/// Objects found by namespace and name.
struct Bucket<K> {
    table: HashTable<Arc<K>>,
    hasher: DefaultHashBuilder,
}

fn place<K: Resource>(object: &K) -> (&str, &str) {
    let meta = object.meta();
    (
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

impl<K: Resource> Bucket<K> {
    fn new(hasher: &DefaultHashBuilder, capacity: usize) -> Self {
        Self {
            table: HashTable::with_capacity(capacity),
            hasher: hasher.clone(),
        }
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        let hash = self.hasher.hash_one((namespace, name));
        self.table
            .find(hash, |object| place(&**object) == (namespace, name))
    }

    fn insert(&mut self, object: Arc<K>) -> Option<Arc<K>> {
        let at = place(&*object);
        let hash = self.hasher.hash_one(at);
        let entry = self.table.entry(
            hash,
            |other| place(&**other) == at,
            |other| self.hasher.hash_one(place(&**other)),
        );
        match entry {
            Entry::Occupied(mut entry) => Some(std::mem::replace(entry.get_mut(), object)),
            Entry::Vacant(entry) => {
                entry.insert(object);
                None
            }
        }
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let hash = self.hasher.hash_one((namespace, name));
        self.table
            .find_entry(hash, |object| place(&**object) == (namespace, name))
            .ok()
            .map(|entry| entry.remove().0)
    }

    fn list(&self) -> Vec<Arc<K>> {
        self.table.iter().cloned().collect()
    }
}

fn put<K: Resource>(
    buckets: &mut HashMap<Box<str>, Bucket<K>>,
    hasher: &DefaultHashBuilder,
    value: &str,
    object: &Arc<K>,
) {
    let bucket = match buckets.get_mut(value) {
        Some(bucket) => bucket,
        None => buckets
            .entry(value.into())
            .or_insert_with(|| Bucket::new(hasher, 0)),
    };
    bucket.insert(Arc::clone(object));
}

fn take<K: Resource>(buckets: &mut HashMap<Box<str>, Bucket<K>>, value: &str, namespace: &str, name: &str) {
    if let Some(bucket) = buckets.get_mut(value) {
        bucket.remove(namespace, name);
        if bucket.table.is_empty() {
            buckets.remove(value);
        }
    }
}

/// The values that each index has for one object, found before the lock is taken.
type Values = Vec<(Box<str>, Vec<String>)>;

impl<K: Resource> Tables<K> {
    fn new() -> Self {
        Self {
            objects: Bucket::new(&DefaultHashBuilder::default(), 0),
            by_namespace: HashMap::new(),
            indexes: HashMap::new(),
        }
    }

    fn values(&self, object: &K) -> Values {
        self.indexes
            .iter()
            .map(|(name, index)| (name.clone(), (index.values_of)(object)))
            .collect()
    }

    fn insert(&mut self, object: Arc<K>, values: &Values) {
        let hasher = self.objects.hasher.clone();
        let namespace = place(&*object).0;
        if !namespace.is_empty() {
            put(&mut self.by_namespace, &hasher, namespace, &object);
        }
        for (index, values) in values {
            if let Some(index) = self.indexes.get_mut(index) {
                for value in values {
                    put(&mut index.buckets, &hasher, value, &object);
                }
            }
        }
        self.objects.insert(object);
    }

    fn forget(&mut self, object: &K, values: &Values) {
        let (namespace, name) = place(object);
        for (index, values) in values {
            if let Some(index) = self.indexes.get_mut(index) {
                for value in values {
                    take(&mut index.buckets, value, namespace, name);
                }
            }
        }
        take(&mut self.by_namespace, namespace, namespace, name);
        self.objects.remove(namespace, name);
    }
}

impl<K: Resource> Store<K> {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                state: RwLock::new(Tables::new()),
                writing: Mutex::new(()),
            }),
        }
    }

    // A panic inside one of the short sections below could only be an allocation that fails; user code runs
    // outside of them. The tables are therefore whole even behind a poisoned lock.
    fn read(&self) -> RwLockReadGuard<'_, Tables<K>> {
        self.inner.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables<K>> {
        self.inner.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the index `name` from now on: `values` gives the values under which an object is found.
    ///
    /// The function must give the same values each time for the same object. An index of that name is replaced.
    pub fn add_index(&self, name: &str, values: impl Fn(&K) -> Vec<String> + Send + Sync + 'static) {
        // A panic here would end the watch that feeds the store.
        let values = move |object: &K| {
            catch_unwind(AssertUnwindSafe(|| values(object))).unwrap_or_else(|_| {
                let key = ObjectKey::of(object);
                tracing::error!(object = %key, "index function panicked; the index lacks the object");
                Vec::new()
            })
        };
        let _writing = self.writing();
        let (objects, hasher) = {
            let tables = self.read();
            (tables.objects.list(), tables.objects.hasher.clone())
        };
        let mut buckets = HashMap::new();
        for object in &objects {
            for value in values(object) {
                put(&mut buckets, &hasher, &value, object);
            }
        }
        let index = Index {
            values_of: Arc::new(values),
            buckets,
        };
        self.write().indexes.insert(name.into(), index);
    }

    /// Sets one object and gives the one that it replaces.
    pub fn insert(&self, object: Arc<K>) -> Option<Arc<K>> {
        let _writing = self.writing();
        let (old, old_values, values) = {
            let tables = self.read();
            let (namespace, name) = place(&*object);
            let old = tables.objects.get(namespace, name).cloned();
            if tables.indexes.is_empty() {
                (old, Vec::new(), Vec::new())
            } else {
                // Readers share the lock with this; only another writer waits for the index functions, and
                // `writing` keeps those out.
                let old_values = old.as_ref().map(|old| tables.values(old)).unwrap_or_default();
                (old, old_values, tables.values(&object))
            }
        };
        let mut tables = self.write();
        if let Some(old) = &old
            && old_values != values
        {
            tables.forget(old, &old_values);
        }
        tables.insert(object, &values);
        old
    }

    /// Removes one object and gives it.
    pub fn remove(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        let _writing = self.writing();
        let (old, values) = {
            let tables = self.read();
            let old = tables.objects.get(namespace.unwrap_or_default(), name).cloned()?;
            let values = tables.values(&old);
            (old, values)
        };
        self.write().forget(&old, &values);
        Some(old)
    }

    /// Replaces all objects by `objects`, in one step, and says what that changed.
    ///
    /// Objects that are gone are reported with their last known state. An object whose version has not changed
    /// stays the same `Arc` and is not reported. One that was deleted and created again under its name, which
    /// its UID tells, is reported as both. Objects in `keep` stay as they are where `objects` lacks them.
    pub(crate) fn replace(&self, objects: Vec<K>, keep: &[ObjectKey]) -> Vec<Delta<K>> {
        let _writing = self.writing();
        let mut deltas = Vec::new();
        let mut fresh = Tables::new();
        let retired = {
            let tables = self.read();
            fresh.objects = Bucket::new(&tables.objects.hasher, objects.len());
            for (name, index) in &tables.indexes {
                let index = Index {
                    values_of: Arc::clone(&index.values_of),
                    buckets: HashMap::new(),
                };
                fresh.indexes.insert(name.clone(), index);
            }
            for object in objects {
                let (namespace, name) = place(&object);
                let old = tables.objects.get(namespace, name);
                let object = match old {
                    Some(old) if same_version(&**old, &object) => Arc::clone(old),
                    Some(old) if old.meta().uid == object.meta().uid => {
                        let new = Arc::new(object);
                        deltas.push(Delta::Updated {
                            old: Arc::clone(old),
                            new: Arc::clone(&new),
                        });
                        new
                    }
                    Some(old) => {
                        let new = Arc::new(object);
                        deltas.push(Delta::vanished(Arc::clone(old)));
                        deltas.push(Delta::Added(Arc::clone(&new)));
                        new
                    }
                    None => {
                        let new = Arc::new(object);
                        deltas.push(Delta::Added(Arc::clone(&new)));
                        new
                    }
                };
                let values = fresh.values(&object);
                fresh.insert(object, &values);
            }
            for key in keep {
                let namespace = key.namespace.as_deref().unwrap_or_default();
                if fresh.objects.get(namespace, &key.name).is_none()
                    && let Some(old) = tables.objects.get(namespace, &key.name)
                {
                    let values = fresh.values(old);
                    fresh.insert(Arc::clone(old), &values);
                }
            }
            for old in &tables.objects.table {
                let (namespace, name) = place(&**old);
                if fresh.objects.get(namespace, name).is_none() {
                    deltas.push(Delta::vanished(Arc::clone(old)));
                }
            }
            drop(tables);
            std::mem::replace(&mut *self.write(), fresh)
        };
        drop(retired);
        deltas
    }

    pub(crate) fn get(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        self.read()
            .objects
            .get(namespace.unwrap_or_default(), name)
            .cloned()
    }

    pub(crate) fn list(&self) -> Vec<Arc<K>> {
        self.read().objects.list()
    }

    pub(crate) fn namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let tables = self.read();
        tables
            .by_namespace
            .get(namespace)
            .map(Bucket::list)
            .unwrap_or_default()
    }

    /// `None` where there is no index of that name.
    pub(crate) fn indexed(&self, index: &str, value: &str) -> Option<Vec<Arc<K>>> {
        let tables = self.read();
        let index = tables.indexes.get(index)?;
        Some(index.buckets.get(value).map(Bucket::list).unwrap_or_default())
    }

    pub(crate) fn index_values(&self, index: &str) -> Option<Vec<String>> {
        let tables = self.read();
        let index = tables.indexes.get(index)?;
        Some(index.buckets.keys().map(ToString::to_string).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.read().objects.table.len()
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
