//! What a cache is of, and where the server has it.
//!
//! **Invariant:** a kind that is known by its name alone is looked for each time it may have changed: before the first
//! request, and after the server no longer knew it.

use std::any::{Any, type_name};
use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Resource;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::WireError;
use crate::kind::{Kind, Scope};

/// What a cache can hold: each [`Kind`], and objects of kinds that are known at run time alone,
/// `kube::core::DynamicObject` and `PartialObjectMeta<DynamicObject>`.
///
/// Implemented for every fitting type; never implement it by hand.
pub trait Cached: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<K> Cached for K where K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {}

/// The kind of a type, or the type's name where its kind is known at run time alone.
pub(crate) fn kind_name<K: Resource>() -> String {
    let dynamic: &dyn Any = &();
    match dynamic.downcast_ref::<K::DynamicType>() {
        Some(dynamic) => K::kind(dynamic).into_owned(),
        None => {
            let name = type_name::<K>();
            let bare = name.split('<').next().unwrap_or(name);
            bare.rsplit("::").next().unwrap_or(bare).to_owned()
        }
    }
}

/// A kind, before it is known where the server has it.
#[derive(Clone)]
pub(crate) struct Target {
    /// Kind, with group and version where no type says them.
    pub(crate) name: String,
    of: Of,
}

#[derive(Clone)]
enum Of {
    Type {
        namespaced: bool,
        path: fn(Option<&str>) -> String,
    },
    Discovered(GroupVersionKind),
}

/// Whether the namespace of a cluster-scoped kind is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// As a factory for one namespace gives cluster-scoped kinds all the same.
    WhereThereAre,
    /// Several caches would otherwise be the same one.
    Needed,
}

impl Target {
    pub(crate) fn of<K: Kind>() -> Self {
        Self {
            name: K::kind(&()).into_owned(),
            of: Of::Type {
                namespaced: <K::Scope as Scope>::NAMESPACED,
                path: |namespace| K::url_path(&(), namespace),
            },
        }
    }

    pub(crate) fn discovered(kind: &GroupVersionKind) -> Self {
        Self {
            name: format!("{} {}", kind.api_version(), kind.kind),
            of: Of::Discovered(kind.clone()),
        }
    }

    /// Whether a later answer may be another one.
    pub(crate) fn may_move(&self) -> bool {
        matches!(self.of, Of::Discovered(_))
    }

    /// The path of the kind's objects.
    pub(crate) async fn path(
        &self,
        client: &kube::Client,
        namespace: Option<&str>,
        need: Namespace,
    ) -> Result<String, WireError> {
        let kind = match &self.of {
            Of::Type { namespaced, path } => return Ok(path(namespace.filter(|_| *namespaced))),
            Of::Discovered(kind) => kind,
        };
        let served = match kind.group.is_empty() {
            true => client.list_core_api_resources(&kind.version).await,
            false => client.list_api_group_resources(&kind.api_version()).await,
        };
        let served: APIResourceList = served.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => WireError::Unserved(self.name.clone()),
            other => other.into(),
        })?;
        // Subresources have the kinds of what they take.
        let found = served
            .resources
            .into_iter()
            .find(|one| one.kind == kind.kind && !one.name.contains('/'));
        let Some(found) = found else {
            return Err(WireError::Unserved(self.name.clone()));
        };
        if !found.namespaced && namespace.is_some() && need == Namespace::Needed {
            return Err(WireError::ClusterScoped(self.name.clone()));
        }
        let resource = ApiResource::from_gvk_with_plural(kind, &found.name);
        Ok(DynamicObject::url_path(
            &resource,
            namespace.filter(|_| found.namespaced),
        ))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::PartialObjectMeta;

    use super::*;

    #[test]
    fn names_a_type_by_its_kind() {
        assert_eq!(kind_name::<ConfigMap>(), "ConfigMap");
        assert_eq!(kind_name::<PartialObjectMeta<ConfigMap>>(), "ConfigMap");
        assert_eq!(kind_name::<DynamicObject>(), "DynamicObject");
        assert_eq!(
            kind_name::<PartialObjectMeta<DynamicObject>>(),
            "PartialObjectMeta"
        );
    }
}
