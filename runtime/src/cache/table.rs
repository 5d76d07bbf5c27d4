//! Tables of shared objects: by name within a namespace, and by namespace and name under a value of an index.
//!
//! A look-up by name is what controllers do most, and memory that is not at hand is what it waits for. Names that
//! are short stand beside the pointers, so that finding one touches neither the object nor its strings.
//!
//! **Invariant:** the name in an entry is the name of its object; objects never change.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use kube::Resource;

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

/// A name where it is short, otherwise its end, which is where generated names differ.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Label {
    length: u8,
    bytes: [u8; Self::ROOM],
}

impl Label {
    const ROOM: usize = 23;
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
}

struct Named<K> {
    object: Arc<K>,
    label: Label,
}

impl<K: Resource> Named<K> {
    fn is(&self, label: &Label, name: &str) -> bool {
        self.label == *label && (label.length != Label::LONG || place(&*self.object).1 == name)
    }

    fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        match self.label.length {
            Label::LONG => hash_of(hasher, place(&*self.object).1),
            // As `hash_of` of the whole name, which these bytes are.
            length => {
                let mut state = hasher.build_hasher();
                state.write(&self.label.bytes[..usize::from(length)]);
                state.finish()
            }
        }
    }
}

/// The objects of one namespace by name.
struct Names<K> {
    /// Places in `entries`.
    slots: HashTable<u32>,
    entries: Vec<Named<K>>,
}

impl<K: Resource> Names<K> {
    fn get(&self, hasher: &DefaultHashBuilder, name: &str) -> Option<&Arc<K>> {
        let label = Label::of(name);
        let slot = self.slots.find(hash_of(hasher, name), |slot| {
            self.entries[*slot as usize].is(&label, name)
        })?;
        Some(&self.entries[*slot as usize].object)
    }

    fn insert(&mut self, hasher: &DefaultHashBuilder, object: Arc<K>) -> Option<Arc<K>> {
        let Self { slots, entries } = self;
        let name = place(&*object).1;
        let label = Label::of(name);
        let entry = slots.entry(
            hash_of(hasher, name),
            |slot| entries[*slot as usize].is(&label, name),
            |slot| entries[*slot as usize].hash(hasher),
        );
        match entry {
            Entry::Occupied(entry) => Some(std::mem::replace(
                &mut entries[*entry.get() as usize].object,
                object,
            )),
            Entry::Vacant(entry) => {
                entry.insert(u32::try_from(entries.len()).expect("fewer objects than addresses of 32 bits"));
                entries.push(Named { object, label });
                None
            }
        }
    }

    fn remove(&mut self, hasher: &DefaultHashBuilder, name: &str) -> Option<Arc<K>> {
        let Self { slots, entries } = self;
        let label = Label::of(name);
        let found = slots.find_entry(hash_of(hasher, name), |slot| {
            entries[*slot as usize].is(&label, name)
        });
        let slot = found.ok()?.remove().0;
        let removed = entries.swap_remove(slot as usize);
        // The last entry stands in its place now.
        if let Some(moved) = entries.get(slot as usize) {
            let last = entries.len();
            let other = slots.find_mut(moved.hash(hasher), |other| *other as usize == last);
            *other.expect("each entry has its slot") = slot;
        }
        Some(removed.object)
    }
}

struct Namespace<K> {
    name: Box<str>,
    names: Names<K>,
}

/// Objects by namespace and name; those of cluster-scoped kinds are in the namespace without a name.
pub(super) struct Namespaces<K> {
    table: HashTable<Namespace<K>>,
}

impl<K> Default for Namespaces<K> {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
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

impl<K: Resource> Namespaces<K> {
    fn names(&self, namespace: Hashed<'_>) -> Option<&Names<K>> {
        let found = self
            .table
            .find(namespace.hash, |other| &*other.name == namespace.name)?;
        Some(&found.names)
    }

    pub(super) fn get(
        &self,
        hasher: &DefaultHashBuilder,
        namespace: Hashed<'_>,
        name: &str,
    ) -> Option<&Arc<K>> {
        self.names(namespace)?.get(hasher, name)
    }

    /// Sets an object of `namespace` and gives the one that it replaces.
    pub(super) fn insert(
        &mut self,
        hasher: &DefaultHashBuilder,
        namespace: Hashed<'_>,
        object: Arc<K>,
    ) -> Option<Arc<K>> {
        let entry = self.table.entry(
            namespace.hash,
            |other| &*other.name == namespace.name,
            |other| hash_of(hasher, &other.name),
        );
        let names = entry.or_insert_with(|| Namespace {
            name: namespace.name.into(),
            names: Names {
                slots: HashTable::new(),
                entries: Vec::new(),
            },
        });
        names.into_mut().names.insert(hasher, object)
    }

    pub(super) fn remove(
        &mut self,
        hasher: &DefaultHashBuilder,
        namespace: Hashed<'_>,
        name: &str,
    ) -> Option<Arc<K>> {
        let found = self
            .table
            .find_entry(namespace.hash, |other| &*other.name == namespace.name);
        let mut found = found.ok()?;
        let names = &mut found.get_mut().names;
        let removed = names.remove(hasher, name);
        if names.entries.is_empty() {
            found.remove();
        }
        removed
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<K>> {
        let entries = self.table.iter().flat_map(|namespace| &namespace.names.entries);
        entries.map(|entry| &entry.object)
    }

    /// All objects, namespace by namespace.
    pub(super) fn into_objects(self) -> Vec<Arc<K>> {
        let count = self.len();
        let mut namespaces: Vec<_> = self.table.into_iter().collect();
        namespaces.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut objects = Vec::with_capacity(count);
        for namespace in namespaces {
            objects.extend(namespace.names.entries.into_iter().map(|entry| entry.object));
        }
        objects
    }

    pub(super) fn of(&self, namespace: Hashed<'_>) -> impl ExactSizeIterator<Item = &Arc<K>> {
        let entries = self.names(namespace).map(|names| &*names.entries);
        entries.unwrap_or_default().iter().map(|entry| &entry.object)
    }

    pub(super) fn len(&self) -> usize {
        self.table
            .iter()
            .map(|namespace| namespace.names.entries.len())
            .sum()
    }

    /// Memory of the tables.
    pub(super) fn bytes(&self) -> usize {
        let of = |namespace: &Namespace<K>| {
            let Names { slots, entries } = &namespace.names;
            namespace.name.len() + slots.allocation_size() + entries.capacity() * size_of::<Named<K>>()
        };
        self.table.allocation_size() + self.table.iter().map(of).sum::<usize>()
    }

    /// Gives back what growth took in advance.
    pub(super) fn shrink(&mut self) {
        for namespace in &mut self.table {
            namespace.names.entries.shrink_to_fit();
        }
    }
}

/// The objects that an index finds under one value.
pub(super) struct Group<K> {
    table: HashTable<Arc<K>>,
}

impl<K: Resource> Group<K> {
    fn insert(&mut self, hasher: &DefaultHashBuilder, object: &Arc<K>) {
        let at = place(&**object);
        let entry = self.table.entry(
            hasher.hash_one(at),
            |other| place(&**other) == at,
            |other| hasher.hash_one(place(&**other)),
        );
        match entry {
            Entry::Occupied(mut entry) => *entry.get_mut() = Arc::clone(object),
            Entry::Vacant(entry) => drop(entry.insert(Arc::clone(object))),
        }
    }

    fn remove(&mut self, hasher: &DefaultHashBuilder, at: (&str, &str)) {
        let hash = hasher.hash_one(at);
        if let Ok(entry) = self.table.find_entry(hash, |object| place(&**object) == at) {
            entry.remove();
        }
    }

    pub(super) fn objects(&self) -> impl ExactSizeIterator<Item = &Arc<K>> {
        self.table.iter()
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

/// Objects by the values that a function gives for them.
pub(super) struct Index<K> {
    pub(super) name: IndexName,
    pub(super) groups: HashMap<Box<str>, Group<K>>,
}

impl<K: Resource> Index<K> {
    pub(super) fn new(name: IndexName) -> Self {
        Self {
            name,
            groups: HashMap::new(),
        }
    }

    /// Memory of the tables.
    pub(super) fn bytes(&self) -> usize {
        let values: usize = self.groups.keys().map(|value| value.len()).sum();
        let groups: usize = self
            .groups
            .values()
            .map(|group| group.table.allocation_size())
            .sum();
        self.groups.allocation_size() + values + groups
    }

    pub(super) fn insert(&mut self, hasher: &DefaultHashBuilder, value: &str, object: &Arc<K>) {
        let group = match self.groups.get_mut(value) {
            Some(group) => group,
            None => self.groups.entry(value.into()).or_insert_with(|| Group {
                table: HashTable::new(),
            }),
        };
        group.insert(hasher, object);
    }

    pub(super) fn remove(&mut self, hasher: &DefaultHashBuilder, value: &str, at: (&str, &str)) {
        if let Some(group) = self.groups.get_mut(value) {
            group.remove(hasher, at);
            if group.table.is_empty() {
                self.groups.remove(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, version: usize) -> Arc<ConfigMap> {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        map.metadata.resource_version = Some(version.to_string());
        Arc::new(map)
    }

    /// Names around the length that an entry has room for, some with a common end.
    #[test]
    fn names_of_all_lengths_are_told_apart() {
        let hasher = DefaultHashBuilder::default();
        let mut table = Namespaces::<ConfigMap>::default();
        let at = Hashed::new(&hasher, "n");
        let end = "e".repeat(Label::ROOM);
        let names: Vec<_> = (0..60)
            .map(|length| "x".repeat(length))
            .chain((0..40).map(|length| format!("{}{end}", "y".repeat(length))))
            .collect();
        for (version, name) in names.iter().enumerate() {
            assert!(table.insert(&hasher, at, object(name, version)).is_none());
        }
        let version = |object: &Arc<ConfigMap>| object.metadata.resource_version.clone().unwrap();
        for (nth, name) in names.iter().enumerate() {
            assert_eq!(version(table.get(&hasher, at, name).unwrap()), nth.to_string());
            let old = table.insert(&hasher, at, object(name, nth + 1000)).unwrap();
            assert_eq!(version(&old), nth.to_string());
        }
        assert_eq!(table.len(), names.len());
        // From the front, so that each removal moves another entry.
        for (nth, name) in names.iter().enumerate() {
            assert_eq!(table.len(), names.len() - nth);
            let removed = table.remove(&hasher, at, name).unwrap();
            assert_eq!(version(&removed), (nth + 1000).to_string());
            assert!(table.get(&hasher, at, name).is_none());
            for later in &names[nth + 1..] {
                assert_eq!(place(&**table.get(&hasher, at, later).unwrap()).1, later);
            }
        }
        assert!(table.table.is_empty());
    }
}
