//! What a kind is to the rest of the crate: a `kube::Resource` whose type is known at compile time.
//!
//! **Invariant:** everything here holds for built-in kinds (k8s-openapi's types) and derived ones alike, so
//! that clients, caches and controllers never ask which of the two they handle.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Scope of a kind whose objects live in a namespace.
pub type Namespaced = k8s_openapi::NamespaceResourceScope;
/// Scope of a kind whose objects belong to the whole cluster.
pub type Cluster = k8s_openapi::ClusterResourceScope;

/// A scope, as a type: [`Namespaced`] or [`Cluster`].
pub trait Scope: sealed::Sealed {
    /// Whether objects of this scope live in a namespace.
    const NAMESPACED: bool;
}

impl Scope for Namespaced {
    const NAMESPACED: bool = true;
}

impl Scope for Cluster {
    const NAMESPACED: bool = false;
}

/// A kind: any object type whose group, version, kind and scope are known at compile time.
///
/// Implemented for every fitting type, k8s-openapi's among them; never implement it by hand.
pub trait Kind:
    kube::Resource<DynamicType = (), Scope: Scope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: kube::Resource<DynamicType = (), Scope: Scope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Namespace and name of one object; the namespace is absent for cluster-scoped kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ObjectKey {
    /// Namespace, absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// Key of an object of a namespaced kind.
    pub fn namespaced(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// Key of an object of a cluster-scoped kind.
    pub fn cluster(name: impl Into<String>) -> Self {
        Self {
            namespace: None,
            name: name.into(),
        }
    }

    /// Key of `object`; the name is empty where the object has none yet.
    pub fn of<K: kube::Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

/// `namespace/name`, or `name` alone, as client-go's `MetaNamespaceKeyFunc`.
impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Namespaced {}
    impl Sealed for super::Cluster {}
}
