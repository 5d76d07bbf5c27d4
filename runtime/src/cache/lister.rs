//! Read handles on a cache.
//!
//! **Invariant:** a lister never changes an object and never asks the server; what it hands out is shared.

use std::fmt;
use std::sync::Arc;

use kube::core::{NamespaceScope, Selector, SelectorExt};
use kube::{Resource, ResourceExt};

use super::store::Store;
use super::target::kind_name;
use crate::kind::{Cluster, ObjectKey};

/// Reads the objects of one kind from a [`Store`].
///
/// Objects come as `Arc`s, and a change needs a clone of the object (SC-19). Lists have no particular order.
///
/// Reading an object that the cache keeps [decoded](super::KeepDecoded) copies nothing; another one is decoded for it,
/// and kept where it is read again. Two reads of one state may therefore give two `Arc`s: what tells states apart is
/// their `resourceVersion`.
pub struct Lister<K> {
    store: Store<K>,
    /// Keeps the watch behind the store running as long as somebody may read from it.
    source: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

impl<K> Clone for Lister<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            source: self.source.clone(),
        }
    }
}

impl<K> fmt::Debug for Lister<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lister").finish_non_exhaustive()
    }
}

/// There is no index of that name; it is added with `add_index`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("look up {value:?} in index {index:?} of {kind}: there is no such index; `add_index` makes one")]
pub struct UnknownIndex {
    /// Name of the index.
    pub index: String,
    /// Value that was looked up.
    pub value: String,
    /// Kind of the cache.
    pub kind: String,
}

impl<K: Resource> Lister<K> {
    /// A lister on `store`.
    pub fn new(store: Store<K>) -> Self {
        Self { store, source: None }
    }

    pub(crate) fn of_informer(store: Store<K>, source: Arc<dyn std::any::Any + Send + Sync>) -> Self {
        Self {
            store,
            source: Some(source),
        }
    }

    /// The watch behind it, where an informer gave it out.
    pub(super) fn source(&self) -> Option<&Arc<dyn std::any::Any + Send + Sync>> {
        self.source.as_ref()
    }

    pub(crate) fn store(&self) -> &Store<K> {
        &self.store
    }

    /// Whether the cache holds its first state: until then, what is not here may be on the server all the same.
    ///
    /// A reflector or informer brings that state; a store that was filled by hand never has it.
    pub fn has_synced(&self) -> bool {
        self.store.has_synced()
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.store.get(key.namespace.as_deref(), &key.name)
    }

    /// All objects.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.store.list()
    }

    /// All objects whose labels `selector` matches.
    ///
    /// Where a label index was added (`add_label_index`) over the key of one of its requirements `key=value`,
    /// `key in (..)` or `key`, this looks at what that index finds; otherwise at every object.
    pub fn select(&self, selector: &Selector) -> Vec<Arc<K>> {
        let wanted = |object: &K| selector.matches(object.labels());
        let candidates = self.store.candidates(selector, usize::MAX, wanted);
        candidates.unwrap_or_else(|| self.store.list_where(wanted))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects for which the index `index` gives `value`.
    ///
    /// # Errors
    /// [`UnknownIndex`] where no index of that name was added.
    pub fn by_index(&self, index: &str, value: &str) -> Result<Vec<Arc<K>>, UnknownIndex> {
        self.store
            .indexed(index, value)
            .ok_or_else(|| unknown::<K>(index, value))
    }

    /// The values that the index `index` has objects for.
    ///
    /// # Errors
    /// [`UnknownIndex`] where no index of that name was added.
    pub fn index_values(&self, index: &str) -> Result<Vec<String>, UnknownIndex> {
        self.store
            .index_values(index)
            .ok_or_else(|| unknown::<K>(index, ""))
    }
}

fn unknown<K: Resource>(index: &str, value: &str) -> UnknownIndex {
    UnknownIndex {
        index: index.to_owned(),
        value: value.to_owned(),
        kind: kind_name::<K>(),
    }
}

impl<K: Resource<Scope: NamespaceScope>> Lister<K> {
    /// The objects of one namespace.
    pub fn namespace<'a>(&'a self, namespace: &'a str) -> NamespaceLister<'a, K> {
        NamespaceLister {
            store: &self.store,
            namespace,
        }
    }
}

impl<K: Resource<Scope = Cluster>> Lister<K> {
    /// The object of that name.
    pub fn named(&self, name: &str) -> Option<Arc<K>> {
        self.store.get(None, name)
    }
}

/// Reads the objects of one namespace.
pub struct NamespaceLister<'a, K> {
    store: &'a Store<K>,
    namespace: &'a str,
}

impl<K> fmt::Debug for NamespaceLister<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceLister")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl<K: Resource> NamespaceLister<'_, K> {
    /// The object of that name.
    pub fn get(&self, name: &str) -> Option<Arc<K>> {
        self.store.get(Some(self.namespace), name)
    }

    /// All objects of the namespace.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.store.namespace(self.namespace, |_| true)
    }

    /// The objects of the namespace whose labels `selector` matches.
    ///
    /// A label index serves it, as in [`Lister::select`], where it finds fewer objects than the namespace has.
    pub fn select(&self, selector: &Selector) -> Vec<Arc<K>> {
        let most = self.store.namespace_len(self.namespace);
        let wanted = |object: &K| selector.matches(object.labels());
        let here = |object: &K| object.meta().namespace.as_deref().unwrap_or_default() == self.namespace;
        let candidates = self
            .store
            .candidates(selector, most, |object| here(object) && wanted(object));
        candidates.unwrap_or_else(|| self.store.namespace(self.namespace, wanted))
    }
}
