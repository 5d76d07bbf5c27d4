//! The objects of one kind, and the indexes over them.
//!
//! One table holds an `Arc` for each object, hashed by the namespace and name inside the object, so that there is
//! no second copy of either; each index holds further `Arc`s, so that a look-up by index is one step. Index
//! functions run under the writers' lock alone, which no reader takes, and a replacement of all objects is built
//! beside the old tables and swapped in: readers wait for some table operations, never for user code or for a whole
//! list.
//!
//! **Invariant:** readers see each object either before or after a change, never between the table and an index,
//! and a replacement as one step.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use kube::Resource;

use super::Delta;
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

struct Inner<K> {
    state: RwLock<Tables<K>>,
    /// The functions of the indexes. Locked by a writer from reading what is there until its change stands; readers
    /// never take it.
    writing: Mutex<Vec<IndexFn<K>>>,
}

struct Tables<K> {
    objects: Bucket<K>,
    by_namespace: Buckets<K>,
    /// In the order of their functions; never fewer than before.
    indexes: Vec<(Box<str>, Buckets<K>)>,
    /// Whether all objects were replaced at least once: before that, this is no state of the server.
    synced: bool,
}

type Buckets<K> = HashMap<Box<str>, Bucket<K>>;

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

fn put<K: Resource>(buckets: &mut Buckets<K>, hasher: &DefaultHashBuilder, value: &str, object: &Arc<K>) {
    let bucket = match buckets.get_mut(value) {
        Some(bucket) => bucket,
        None => buckets
            .entry(value.into())
            .or_insert_with(|| Bucket::new(hasher, 0)),
    };
    bucket.insert(Arc::clone(object));
}

fn take<K: Resource>(buckets: &mut Buckets<K>, value: &str, namespace: &str, name: &str) {
    if let Some(bucket) = buckets.get_mut(value) {
        bucket.remove(namespace, name);
        if bucket.table.is_empty() {
            buckets.remove(value);
        }
    }
}

/// The values that each index has for one object, in the order of the indexes.
type Values = Vec<Vec<String>>;

fn values<K>(functions: &[IndexFn<K>], object: &K) -> Values {
    functions.iter().map(|values_of| values_of(object)).collect()
}

impl<K: Resource> Tables<K> {
    fn new() -> Self {
        Self {
            objects: Bucket::new(&DefaultHashBuilder::default(), 0),
            by_namespace: HashMap::new(),
            indexes: Vec::new(),
            synced: false,
        }
    }

    fn insert(&mut self, object: Arc<K>, values: &Values) {
        self.index(&object, values);
        self.objects.insert(object);
    }

    fn index(&mut self, object: &Arc<K>, values: &Values) {
        let hasher = &self.objects.hasher;
        let namespace = place(&**object).0;
        if !namespace.is_empty() {
            put(&mut self.by_namespace, hasher, namespace, object);
        }
        for ((_, buckets), values) in self.indexes.iter_mut().zip(values) {
            for value in values {
                put(buckets, hasher, value, object);
            }
        }
    }

    fn forget(&mut self, object: &K, values: &Values) {
        let (namespace, name) = place(object);
        for ((_, buckets), values) in self.indexes.iter_mut().zip(values) {
            for value in values {
                take(buckets, value, namespace, name);
            }
        }
        take(&mut self.by_namespace, namespace, namespace, name);
        self.objects.remove(namespace, name);
    }

    fn index_named(&self, name: &str) -> Option<&Buckets<K>> {
        self.indexes
            .iter()
            .find_map(|(other, buckets)| (&**other == name).then_some(buckets))
    }
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
    fresh: Tables<K>,
    deltas: Vec<Delta<K>>,
    _writing: MutexGuard<'a, Vec<IndexFn<K>>>,
}

impl<K: Resource> Replacement<'_, K> {
    /// Lets readers see the new state, and says what changed.
    pub(crate) fn commit(self) -> Vec<Delta<K>> {
        let retired = std::mem::replace(&mut *self.store.write(), self.fresh);
        drop(retired);
        self.deltas
    }
}

impl<K: Resource> Store<K> {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                state: RwLock::new(Tables::new()),
                writing: Mutex::default(),
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
    ) -> Result<(), IndexExists>
    where
        K::DynamicType: Default,
    {
        // A panic here would end the watch that feeds the store.
        let values = move |object: &K| {
            guarded(|| values(object)).unwrap_or_else(|panic| {
                let key = ObjectKey::of(object);
                tracing::error!(object = %key, panic, "index function panicked; the index lacks the object");
                Vec::new()
            })
        };
        let mut functions = self.writing();
        let (objects, hasher) = {
            let tables = self.read();
            if tables.index_named(name).is_some() {
                return Err(IndexExists {
                    index: name.to_owned(),
                    kind: K::kind(&K::DynamicType::default()).into_owned(),
                });
            }
            (tables.objects.list(), tables.objects.hasher.clone())
        };
        let mut buckets = HashMap::new();
        for object in &objects {
            for value in values(object) {
                put(&mut buckets, &hasher, &value, object);
            }
        }
        functions.push(Box::new(values));
        self.write().indexes.push((name.into(), buckets));
        Ok(())
    }

    /// Sets one object and gives the one that it replaces.
    pub fn insert(&self, object: Arc<K>) -> Option<Arc<K>> {
        let functions = self.writing();
        let (namespace, name) = place(&*object);
        let old = self.read().objects.get(namespace, name).cloned();
        let old_values = old.as_ref().map(|old| values(&functions, old));
        let values = values(&functions, &object);
        let mut tables = self.write();
        if let (Some(old), Some(old_values)) = (&old, &old_values)
            && *old_values != values
        {
            tables.forget(old, old_values);
        }
        tables.insert(object, &values);
        old
    }

    /// Removes one object and gives it.
    pub fn remove(&self, namespace: Option<&str>, name: &str) -> Option<Arc<K>> {
        let functions = self.writing();
        let old = self.get(namespace, name)?;
        let values = values(&functions, &old);
        self.write().forget(&old, &values);
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
        let functions = self.writing();
        let mut fresh = Tables::new();
        let mut deltas = Vec::new();
        // What stands in the new tables, in the order of `objects`.
        let mut standing = Vec::with_capacity(objects.len());
        {
            let tables = self.read();
            fresh.objects = Bucket::new(&tables.objects.hasher, objects.len());
            fresh.indexes = tables
                .indexes
                .iter()
                .map(|(name, _)| (name.clone(), HashMap::new()))
                .collect();
            for object in objects {
                let (namespace, name) = place(&*object);
                let object = match tables.objects.get(namespace, name) {
                    Some(old) if same_version(&**old, &*object) => Arc::clone(old),
                    _ => object,
                };
                fresh.objects.insert(Arc::clone(&object));
                standing.push(object);
            }
            standing.retain(|object| {
                let (namespace, name) = place(&**object);
                let last = fresh.objects.get(namespace, name);
                last.is_some_and(|last| Arc::ptr_eq(last, object))
            });
            for new in &standing {
                let (namespace, name) = place(&**new);
                match tables.objects.get(namespace, name) {
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
                let namespace = key.namespace.as_deref().unwrap_or_default();
                if fresh.objects.get(namespace, &key.name).is_none()
                    && let Some(old) = tables.objects.get(namespace, &key.name)
                {
                    fresh.objects.insert(Arc::clone(old));
                    standing.push(Arc::clone(old));
                }
            }
            for old in &tables.objects.table {
                let (namespace, name) = place(&**old);
                if fresh.objects.get(namespace, name).is_none() {
                    deltas.push(Delta::vanished(Arc::clone(old)));
                }
            }
        }
        for object in &standing {
            fresh.index(object, &values(&functions, object));
        }
        fresh.synced = true;
        Replacement {
            store: self,
            fresh,
            deltas,
            _writing: functions,
        }
    }

    /// Whether all objects were replaced at least once, as a reflector does with the first state.
    pub(crate) fn has_synced(&self) -> bool {
        self.read().synced
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
        let buckets = tables.index_named(index)?;
        Some(buckets.get(value).map(Bucket::list).unwrap_or_default())
    }

    pub(crate) fn index_values(&self, index: &str) -> Option<Vec<String>> {
        let tables = self.read();
        let buckets = tables.index_named(index)?;
        Some(buckets.keys().map(ToString::to_string).collect())
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
