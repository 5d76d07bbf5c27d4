//! The first state while a watch brings it.
//!
//! It holds each object once, by the name inside of it: with keys of their own, each object would bring two texts that
//! are free again when the state is complete, between objects that stay, where nothing else fits in.
//!
//! **Invariant:** of each object the last state is kept; one that did not fit its type leaves what was known of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use kube::Resource;

use super::table::{Hashed, Namespaces, place};
use super::wire::Decoded;
use crate::kind::ObjectKey;

pub(super) struct Gathered<K> {
    objects: Namespaces<K>,
    /// Those of which nothing is known but the key.
    undecodable: BTreeSet<ObjectKey>,
    hasher: DefaultHashBuilder,
    count: usize,
}

impl<K: Resource> Gathered<K> {
    pub(super) fn new() -> Self {
        Self {
            objects: Namespaces::default(),
            undecodable: BTreeSet::new(),
            hasher: DefaultHashBuilder::default(),
            count: 0,
        }
    }

    pub(super) fn set(&mut self, object: K) {
        let object = Arc::new(object);
        let keyless = self.undecodable.is_empty() || !self.undecodable.remove(&ObjectKey::of(&*object));
        let held = Arc::clone(&object);
        let namespace = Hashed::new(&self.hasher, place(&*held).0);
        let old = self.objects.insert(&self.hasher, namespace, object);
        self.count += usize::from(old.is_none() && keyless);
    }

    pub(super) fn undecodable(&mut self, key: ObjectKey) {
        let namespace = Hashed::new(&self.hasher, key.namespace.as_deref().unwrap_or_default());
        if self.objects.get(&self.hasher, namespace, &key.name).is_none() {
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

    pub(super) fn into_decoded(self) -> Decoded<K> {
        Decoded {
            objects: self.objects.into_objects(),
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
                let version = map.metadata.resource_version.as_deref().unwrap();
                format!("{} {version}", ObjectKey::of(&**map))
            })
            .collect();
        // Namespace by namespace; the entry that was last stands where another was removed.
        assert_eq!(found, ["m/a 1", "n/a 2", "n/e 3", "n/c 1"]);
        assert_eq!(decoded.undecodable, [key("d")]);
    }
}
