//! What a cache is of, and where the server has it.
//!
//! **Invariant:** a kind that is known by its name alone is looked for each time it may have changed: before the first
//! request, and after the server no longer knew it.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Resource;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta, TypeMeta};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::config::WatchScope;
use super::wire::WireError;
use crate::kind::{Kind, ObjectKey, Scope};
use crate::rbac::Rules;

/// What a cache can hold: each [`Kind`], and objects of kinds that are known at run time alone,
/// `kube::core::DynamicObject` and `PartialObjectMeta<DynamicObject>`.
///
/// Implemented for every fitting type; never implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind",
    label = "not a type of whole objects",
    note = "if `{Self}` is a spec, name the type that #[derive(CustomResource)] makes of it: with `kind = \"Foo\"`, `Foo`",
    note = "a cached type is a `kube::Resource`, and is `Clone`, `Debug`, `Serialize`, `DeserializeOwned`, `Send`, `Sync` and \
            `'static`; a derived kind is what its spec and status are"
)]
pub trait Cached: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
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
        group: fn() -> Cow<'static, str>,
        plural: fn() -> Cow<'static, str>,
        namespaced: bool,
        path: fn(Option<&str>) -> String,
    },
    Discovered(GroupVersionKind, Arc<Mutex<Option<Found>>>),
}

/// What a server said of a kind that is known by its name alone.
#[derive(Clone)]
pub(crate) struct Found {
    plural: String,
    namespaced: bool,
}

fn locked(found: &Mutex<Option<Found>>) -> MutexGuard<'_, Option<Found>> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
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
                group: || K::group(&()),
                plural: || K::plural(&()),
                namespaced: <K::Scope as Scope>::NAMESPACED,
                path: |namespace| K::url_path(&(), namespace),
            },
        }
    }

    pub(crate) fn discovered(kind: &GroupVersionKind) -> Self {
        Self {
            name: format!("{} {}", kind.api_version(), kind.kind),
            of: Of::Discovered(kind.clone(), Arc::default()),
        }
    }

    /// Whether a later answer may be another one.
    pub(crate) fn may_move(&self) -> bool {
        matches!(self.of, Of::Discovered(..))
    }

    /// Group and kind.
    pub(crate) fn group_kind(&self) -> (Cow<'static, str>, &str) {
        match &self.of {
            Of::Type { group, .. } => (group(), &self.name),
            Of::Discovered(kind, _) => (kind.group.clone().into(), &kind.kind),
        }
    }

    /// The kind, where no type says it.
    pub(crate) fn dynamic(&self) -> Option<&GroupVersionKind> {
        match &self.of {
            Of::Type { .. } => None,
            Of::Discovered(kind, _) => Some(kind),
        }
    }

    /// The key of an object of that name beside one in `namespace`: there, or in none where the kind has no namespaces.
    pub(crate) fn key(&self, namespace: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            namespace: namespace
                .filter(|_| self.namespaced() != Some(false))
                .map(ToOwned::to_owned),
            name: name.to_owned(),
        }
    }

    /// Whether objects of the kind live in a namespace; none where only a server knows, and was not asked.
    pub(crate) fn namespaced(&self) -> Option<bool> {
        match &self.of {
            Of::Type { namespaced, .. } => Some(*namespaced),
            Of::Discovered(_, found) => locked(found).as_ref().map(|found| found.namespaced),
        }
    }

    /// What a cache of these scopes does: list and watch. Nothing, where only a server knows the resource, and was not asked.
    pub(crate) fn rules(&self, scopes: &[WatchScope]) -> Rules {
        let (group, plural, namespaced) = match &self.of {
            Of::Type {
                group,
                plural,
                namespaced,
                ..
            } => (group(), plural(), *namespaced),
            Of::Discovered(kind, found) => match &*locked(found) {
                Some(found) => (
                    kind.group.as_str().into(),
                    found.plural.clone().into(),
                    found.namespaced,
                ),
                None => return Rules::new(),
            },
        };
        let mut rules = Rules::new();
        for scope in scopes {
            let namespace = scope.namespace.as_deref().filter(|_| namespaced);
            let names: Vec<&str> = scope.name().into_iter().collect();
            rules.insert(namespace, None, &group, &plural, &names, &["list", "watch"]);
        }
        rules
    }

    /// The path of the kind's objects.
    pub(crate) async fn path(
        &self,
        client: &kube::Client,
        namespace: Option<&str>,
        need: Namespace,
    ) -> Result<String, WireError> {
        let kind = match &self.of {
            Of::Type { namespaced, path, .. } => return Ok(path(namespace.filter(|_| *namespaced))),
            Of::Discovered(kind, _) => kind,
        };
        let found = self.discover(client).await?;
        if !found.namespaced && namespace.is_some() && need == Namespace::Needed {
            return Err(WireError::ClusterScoped(self.name.clone()));
        }
        let resource = ApiResource::from_gvk_with_plural(kind, &found.plural);
        Ok(DynamicObject::url_path(
            &resource,
            namespace.filter(|_| found.namespaced),
        ))
    }

    /// Asks the server for a kind that no type says.
    pub(crate) async fn discover(&self, client: &kube::Client) -> Result<Found, WireError> {
        let unserved = || WireError::Unserved(self.name.clone());
        let Of::Discovered(kind, known) = &self.of else {
            return Err(unserved());
        };
        let served = match kind.group.is_empty() {
            true => client.list_core_api_resources(&kind.version).await,
            false => client.list_api_group_resources(&kind.api_version()).await,
        };
        let served: APIResourceList = served.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => unserved(),
            other => other.into(),
        })?;
        // Subresources have the kinds of what they take.
        let found = served
            .resources
            .into_iter()
            .find(|one| one.kind == kind.kind && !one.name.contains('/'));
        let found = found.ok_or_else(unserved)?;
        let found = Found {
            plural: found.name,
            namespaced: found.namespaced,
        };
        *locked(known) = Some(found.clone());
        Ok(found)
    }
}

/// Objects of kinds that are known at run time alone: whole ones, `kube::core::DynamicObject`, or their metadata,
/// `kube::core::PartialObjectMeta<DynamicObject>`.
///
/// In caches of a factory they say their group, version and kind (`types`) whether or not the server does, metadata too.
pub trait Dynamic: Cached + sealed::Types {}

impl Dynamic for DynamicObject {}

impl Dynamic for PartialObjectMeta<DynamicObject> {}

mod sealed {
    use super::{DynamicObject, PartialObjectMeta, TypeMeta};

    /// What an object says of its kind.
    pub trait Types {
        fn types_mut(&mut self) -> &mut Option<TypeMeta>;
    }

    impl Types for DynamicObject {
        fn types_mut(&mut self) -> &mut Option<TypeMeta> {
            &mut self.types
        }
    }

    impl Types for PartialObjectMeta<DynamicObject> {
        fn types_mut(&mut self) -> &mut Option<TypeMeta> {
            &mut self.types
        }
    }
}

/// Makes objects say what they are: a server leaves it out of the items of lists, and of metadata it says that it is some.
pub(crate) fn say_kind<K: Dynamic>(kind: &GroupVersionKind) -> impl Fn(&mut K) + Send + Sync + 'static {
    let types = TypeMeta {
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
    };
    move |object| *object.types_mut() = Some(types.clone())
}

/// The kind of an object: that of its type, or what it says of itself; none where it says nothing, or no more than that it is
/// metadata of something.
pub(crate) fn kind_of<K: Resource + 'static>(object: &K) -> Option<GroupVersionKind> {
    let typed: &dyn Any = &();
    if let Some(typed) = typed.downcast_ref::<K::DynamicType>() {
        return Some(GroupVersionKind {
            group: K::group(typed).into_owned(),
            version: K::version(typed).into_owned(),
            kind: K::kind(typed).into_owned(),
        });
    }
    let object: &dyn Any = object;
    let whole = object.downcast_ref::<DynamicObject>().map(|object| &object.types);
    let types = whole.or_else(|| {
        let head = object.downcast_ref::<PartialObjectMeta<DynamicObject>>();
        head.map(|object| &object.types)
    })?;
    let kind = GroupVersionKind::try_from(types.as_ref()?).ok()?;
    (kind.group != "meta.k8s.io").then_some(kind)
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

    /// Whichever way a server sends an object, a cache shows what it is of.
    #[test]
    fn objects_say_their_kind() {
        let kind = GroupVersionKind::gvk("apps", "v1", "Deployment");
        let object = |types: serde_json::Value| -> DynamicObject {
            let mut object = serde_json::json!({"metadata": {"name": "a"}});
            for (key, value) in types.as_object().unwrap() {
                object[key] = value.clone();
            }
            serde_json::from_value(object).unwrap()
        };
        let mut item = object(serde_json::json!({}));
        assert_eq!(kind_of(&item), None);
        say_kind(&kind)(&mut item);
        assert_eq!(kind_of(&item), Some(kind.clone()));
        let core = object(serde_json::json!({"apiVersion": "v1", "kind": "Secret"}));
        assert_eq!(kind_of(&core), Some(GroupVersionKind::gvk("", "v1", "Secret")));
        let mut head: PartialObjectMeta<DynamicObject> = serde_json::from_value(serde_json::json!(
            {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}
        ))
        .unwrap();
        assert_eq!(kind_of(&head), None);
        say_kind(&kind)(&mut head);
        assert_eq!(kind_of(&head), Some(kind));
        let map = GroupVersionKind::gvk("", "v1", "ConfigMap");
        assert_eq!(kind_of(&ConfigMap::default()), Some(map.clone()));
        assert_eq!(kind_of(&PartialObjectMeta::<ConfigMap>::default()), Some(map));
    }
}
