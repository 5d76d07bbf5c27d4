//! What a kind is to the rest of the crate: a `kube::Resource` whose type is known at compile time.
//!
//! **Invariant:** everything here holds for built-in kinds (k8s-openapi's types) and derived ones alike, so
//! that clients, caches and controllers never ask which of the two they handle.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind",
    label = "not a type of whole objects",
    note = "if `{Self}` is a spec, name the type that #[derive(CustomResource)] makes of it: with `kind = \"Foo\"`, `Foo`",
    note = "a kind is a `kube::Resource` with one group, version and kind, and is `Clone`, `Debug`, `Serialize`, \
            `DeserializeOwned`, `Send`, `Sync` and `'static`; a derived kind is what its spec and status are"
)]
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

// The mistake is told of `Kind`, in the words above, and not of whichever supertrait is missing.
#[diagnostic::do_not_recommend]
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

/// A kind that `#[derive(CustomResource)]` made; never implement it by hand.
///
/// [`INFO`](Self::INFO) is what tools want; the rest takes objects apart and puts them together for derived
/// code.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a custom kind",
    label = "#[derive(CustomResource)] did not make this type",
    note = "if `{Self}` is a spec, name the type that #[derive(CustomResource)] makes of it: with `kind = \"Foo\"`, `Foo`",
    note = "kinds that kube-derive made, and built-in ones, are not custom kinds of kubewright"
)]
pub trait CustomKind: kube::Resource<DynamicType = ()> + Sized {
    /// Type of `spec`: the type that carries the derive.
    type Spec;
    /// Type of `status`.
    type Status;

    /// What the derive knows of the kind.
    const INFO: &'static crate::crd::KindInfo;

    /// How the schema is made; absent with `schema = "disabled"`.
    #[doc(hidden)]
    const SCHEMA: Option<crate::__private0::SchemaFn>;

    #[doc(hidden)]
    fn parts(&self) -> (&ObjectMeta, &Self::Spec, Option<&Self::Status>);

    #[doc(hidden)]
    fn from_parts(parts: crate::__private0::Parts<Self>) -> Self;
}

/// A kind with the status subresource: `status` is written apart from the rest.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no status subresource",
    label = "`{Self}` has no status subresource",
    note = "a custom kind gets it with `status = \"...\"` in #[kube(...)]"
)]
pub trait StatusSubresource {}

/// A kind with the scale subresource: its replicas can be read and set without knowing the kind.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no scale subresource",
    label = "`{Self}` has no scale subresource",
    note = "a custom kind gets it with `scale(spec_replicas_path = \"...\", ...)` in #[kube(...)]"
)]
pub trait ScaleSubresource {}

/// A kind that takes strategic merge patches: the built-in ones, whose types say how their lists merge.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no strategic merge patch",
    label = "no strategic merge for `{Self}`",
    note = "the server merges lists by key for built-in kinds only; use `merge_patch`, `json_patch` or `apply`"
)]
pub trait StrategicMerge {}

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
