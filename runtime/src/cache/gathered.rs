//! The first state while a watch brings it.
//!
//! It holds each object once, by the name inside of it: with keys of their own, each object would bring two texts that
//! are free again when the state is complete, between objects that stay, where nothing else fits in.
//!
//! **Invariant:** of each object the last state is kept; one that did not fit its type leaves what was known of it.

use std::collections::BTreeSet;

use hashbrown::DefaultHashBuilder;
use kube::Resource;

use super::replacement::Incoming;
use super::store::Values;
use super::table::{Hashed, Table};
use super::wire::Decoded;
use crate::kind::ObjectKey;

pub(super) struct Gathered<K> {
    objects: Table<K>,
    /// By the slot of their object.
    values: Vec<Values>,
    /// Those of which nothing is known but the key.
    undecodable: BTreeSet<ObjectKey>,
    hasher: DefaultHashBuilder,
    count: usize,
}

impl<K: Resource> Gathered<K> {
    pub(super) fn new() -> Self {
        Self {
            objects: Table::default(),
            values: Vec::new(),
            undecodable: BTreeSet::new(),
            hasher: DefaultHashBuilder::default(),
            count: 0,
        }
    }

    pub(super) fn set(&mut self, incoming: Incoming<K>) {
        let Incoming { object, values } = incoming;
        let entry = object.entry.clone();
        let identity = entry.identity();
        let keyless = self.undecodable.is_empty() || {
            let namespace = Some(identity.namespace).filter(|namespace| !namespace.is_empty());
            !self.undecodable.remove(&ObjectKey {
                namespace: namespace.map(str::to_owned),
                name: identity.name.to_owned(),
            })
        };
        let namespace = Hashed::new(&self.hasher, identity.namespace);
        let (slot, old) = self.objects.set(&self.hasher, namespace, object);
        let slot = slot as usize;
        if slot >= self.values.len() {
            self.values.resize_with(slot + 1, Values::new);
        }
        self.values[slot] = values;
        self.count += usize::from(old.is_none() && keyless);
    }

    pub(super) fn undecodable(&mut self, key: ObjectKey) {
        let namespace = Hashed::new(&self.hasher, key.namespace.as_deref().unwrap_or_default());
        if self.objects.find(&self.hasher, namespace, &key.name).is_none() {
            self.count += usize::from(self.undecodable.insert(key));
        }
    }

    pub(super) fn gone(&mut self, key: &ObjectKey) {
        let namespace = Hashed::new(&self.hasher, key.namespace.as_deref().unwrap_or_default());
        let removed = self.objects.remove(&self.hasher, namespace, &key.name).is_some();
        self.count -= usize::from(self.undecodable.remove(key) || removed);
    }

    /// How many objects are known of.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn into_decoded(mut self) -> Decoded<K> {
        let slots = self.objects.in_order();
        let objects = slots.into_iter().filter_map(|slot| {
            Some(Incoming {
                object: self.objects.take(slot)?,
                values: std::mem::take(&mut self.values[slot as usize]),
            })
        });
        Decoded {
            objects: objects.collect(),
            undecodable: self.undecodable.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn map(namespace: &str, name: &str, version: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.namespace = Some(namespace.to_owned());
        map.metadata.name = Some(name.to_owned());
        map.metadata.resource_version = Some(version.to_owned());
        map
    }

    /// The invariant.
    #[test]
    fn keeps_the_last_state_of_each() {
        let key = |name: &str| ObjectKey::namespaced("n", name);
        let store = crate::cache::Store::<ConfigMap>::new();
        let decoded = std::sync::atomic::AtomicUsize::new(0);
        let map = |namespace: &str, name: &str, version: &str| {
            store.incoming(map(namespace, name, version), &[], &decoded)
        };
        let mut gathered = Gathered::new();
        for (name, version) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")] {
            gathered.set(map("n", name, version));
        }
        gathered.set(map("m", "a", "1"));
        assert_eq!(gathered.len(), 4);
        // Known before, not known, known of after.
        gathered.undecodable(key("a"));
        gathered.undecodable(key("d"));
        gathered.undecodable(key("e"));
        gathered.undecodable(key("e"));
        assert_eq!(gathered.len(), 6);
        gathered.set(map("n", "e", "3"));
        assert_eq!(gathered.len(), 6);
        for gone in ["b", "never", "f"] {
            gathered.gone(&key(gone));
        }
        assert_eq!(gathered.len(), 5);
        gathered.undecodable(key("g"));
        gathered.gone(&key("g"));
        assert_eq!(gathered.len(), 5);
        let decoded = gathered.into_decoded();
        let found: Vec<_> = decoded
            .objects
            .iter()
            .map(|map| {
                let identity = map.entry().identity();
                let (namespace, name, version) =
                    (identity.namespace, identity.name, identity.version.unwrap());
                format!("{namespace}/{name} {version}")
            })
            .collect();
        // Namespace by namespace, in the order in which they came.
        assert_eq!(found, ["m/a 1", "n/a 2", "n/c 1", "n/e 3"]);
        assert_eq!(decoded.undecodable, [key("d")]);
    }
}
