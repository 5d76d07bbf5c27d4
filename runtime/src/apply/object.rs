//! The apply configuration of a derived kind.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Apply, ApplyConfiguration};
use crate::kind::{CustomKind, Kind, StatusSubresource};
use crate::scope::HasNamespaces;

type Of<T> = <T as Apply>::Configuration;

/// What a field manager wants of an object of a derived kind; `FooApply` is its name for `Foo`.
pub struct ObjectApply<K>
where
    K: CustomKind<Spec: Apply, Status: Apply>,
{
    /// Name, namespace, labels, annotations, owner references, finalizers.
    pub metadata: ObjectMeta,
    /// The spec, where the manager has a word in it.
    pub spec: Option<Of<K::Spec>>,
    /// The status; written through the status subresource alone.
    pub status: Option<Of<K::Status>>,
}

impl<K> ObjectApply<K>
where
    K: CustomKind<Spec: Apply, Status: Apply>,
{
    /// Wants an object of this name to exist.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            metadata: ObjectMeta {
                name: Some(name.into()),
                ..ObjectMeta::default()
            },
            spec: None,
            status: None,
        }
    }

    /// In this namespace; the client's own where it is not set.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self
    where
        K: kube::Resource<Scope: HasNamespaces>,
    {
        self.metadata.namespace = Some(namespace.into());
        self
    }

    /// With this label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata
            .labels
            .get_or_insert_default()
            .insert(key.into(), value.into());
        self
    }

    /// With this annotation.
    #[must_use]
    pub fn annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata
            .annotations
            .get_or_insert_default()
            .insert(key.into(), value.into());
        self
    }

    /// With this owner.
    #[must_use]
    pub fn owner_reference(mut self, owner: OwnerReference) -> Self {
        self.metadata.owner_references.get_or_insert_default().push(owner);
        self
    }

    /// With this finalizer.
    #[must_use]
    pub fn finalizer(mut self, finalizer: impl Into<String>) -> Self {
        self.metadata
            .finalizers
            .get_or_insert_default()
            .push(finalizer.into());
        self
    }

    /// With what is set in `spec`.
    #[must_use]
    pub fn spec(mut self, spec: Of<K::Spec>) -> Self {
        self.spec = Some(spec);
        self
    }

    /// With what is set in `status`, to be applied through [`Client::status`](crate::client::Client::status).
    #[must_use]
    pub fn status(mut self, status: Of<K::Status>) -> Self
    where
        K: StatusSubresource,
    {
        self.status = Some(status);
        self
    }
}

/// `apiVersion`, `kind`, and what is set.
impl<K> Serialize for ObjectApply<K>
where
    K: CustomKind<Spec: Apply, Status: Apply>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a, Spec, Status> {
            #[serde(flatten)]
            spec: &'a Option<Spec>,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: &'a Option<Status>,
        }
        #[derive(Serialize)]
        struct Head<'a, Rest> {
            #[serde(rename = "apiVersion")]
            api_version: &'a str,
            kind: &'a str,
            metadata: &'a ObjectMeta,
            #[serde(flatten)]
            rest: Rest,
        }
        if K::INFO.flat {
            let rest = Flat {
                spec: &self.spec,
                status: &self.status,
            };
            let head = Head {
                api_version: K::INFO.api_version,
                kind: K::INFO.kind,
                metadata: &self.metadata,
                rest,
            };
            return head.serialize(serializer);
        }
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("apiVersion", K::INFO.api_version)?;
        out.serialize_entry("kind", K::INFO.kind)?;
        out.serialize_entry("metadata", &self.metadata)?;
        if let Some(spec) = &self.spec {
            out.serialize_entry("spec", spec)?;
        }
        if let Some(status) = &self.status {
            out.serialize_entry("status", status)?;
        }
        out.end()
    }
}

#[diagnostic::do_not_recommend]
impl<K> ApplyConfiguration for ObjectApply<K>
where
    K: Kind + CustomKind<Spec: Apply, Status: Apply>,
{
    type Kind = K;

    fn name(&self) -> Option<&str> {
        self.metadata.name.as_deref()
    }

    fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

impl<K> Clone for ObjectApply<K>
where
    K: CustomKind<Spec: Apply, Status: Apply>,
{
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            spec: self.spec.clone(),
            status: self.status.clone(),
        }
    }
}

impl<K> fmt::Debug for ObjectApply<K>
where
    K: CustomKind<Spec: Apply, Status: Apply>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectApply")
            .field("kind", &K::INFO.kind)
            .field("metadata", &self.metadata)
            .field("spec", &self.spec)
            .field("status", &self.status)
            .finish()
    }
}
