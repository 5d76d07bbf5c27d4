//! Owner references.
//!
//! **Invariant:** an object has at most one controller; taking over somebody else's object is an error.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use crate::cache::{Cached, kind_name, kind_of};
use crate::kind::{Kind, ObjectKey};

/// Why an object cannot be owned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// Another object controls it already.
    #[error("set controller of {object}: it is controlled by {kind} {name} already")]
    AlreadyControlled {
        /// The object.
        object: ObjectKey,
        /// Kind of its controller.
        kind: String,
        /// Name of its controller.
        name: String,
    },
    /// The owner was not read from a server, so that it has no name or UID yet; or its kind is known at run time alone, and
    /// it does not say it.
    #[error("refer to {kind} {owner} as an owner: it has no {missing}")]
    Incomplete {
        /// Kind of the owner.
        kind: String,
        /// Key of the owner.
        owner: ObjectKey,
        /// What it lacks.
        missing: &'static str,
    },
    /// A namespaced owner cannot own an object of another namespace, nor a cluster-scoped one: the garbage collector
    /// would take it for an orphan.
    #[error("set {kind} {owner} as owner of {object}: the owner is in another namespace")]
    OtherNamespace {
        /// Kind of the owner.
        kind: String,
        /// Key of the owner.
        owner: ObjectKey,
        /// The object.
        object: ObjectKey,
    },
}

/// A reference to `owner` as the controller of an object: `controller` and `blockOwnerDeletion` are true. client-go:
/// `metav1.NewControllerRef`.
///
/// # Errors
/// [`OwnerError::Incomplete`] where `owner` has no name or UID, or does not say its kind.
pub fn controller_reference<K: Cached>(owner: &K) -> Result<OwnerReference, OwnerError> {
    Ok(OwnerReference {
        controller: Some(true),
        block_owner_deletion: Some(true),
        ..owner_reference(owner)?
    })
}

/// A reference to `owner` that does not control.
///
/// # Errors
/// [`OwnerError::Incomplete`] where `owner` has no name or UID, or does not say its kind.
pub fn owner_reference<K: Cached>(owner: &K) -> Result<OwnerReference, OwnerError> {
    let missing = |missing| OwnerError::Incomplete {
        kind: name_of(owner),
        owner: ObjectKey::of(owner),
        missing,
    };
    let meta = owner.meta();
    let present = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let kind = kind_of(owner).ok_or_else(|| missing("kind"))?;
    Ok(OwnerReference {
        api_version: kind.api_version(),
        kind: kind.kind,
        name: present(&meta.name).ok_or_else(|| missing("name"))?,
        uid: present(&meta.uid).ok_or_else(|| missing("UID"))?,
        controller: None,
        block_owner_deletion: None,
    })
}

/// The kind of an object, or the name of its type where it says none.
fn name_of<K: Cached>(object: &K) -> String {
    kind_of(object).map_or_else(kind_name::<K>, |kind| kind.kind)
}

/// Makes `owner` the controller of `object`. controller-runtime: `SetControllerReference`.
///
/// A reference to the same owner is brought up to date; others stay.
///
/// # Errors
/// See [`OwnerError`]; `object` is then unchanged.
pub fn set_controller<K: Cached, C: Resource>(object: &mut C, owner: &K) -> Result<(), OwnerError> {
    let reference = controller_reference(owner)?;
    check_place(object, owner)?;
    if let Some(other) = controller_of(object).filter(|other| other.uid != reference.uid) {
        return Err(OwnerError::AlreadyControlled {
            object: ObjectKey::of(object),
            kind: other.kind.clone(),
            name: other.name.clone(),
        });
    }
    put(object, reference);
    Ok(())
}

/// Makes `owner` an owner of `object` that does not control it: the object is collected once all of its owners are
/// gone. controller-runtime: `SetOwnerReference`.
///
/// A reference to the same owner is replaced, also one that made it the controller; others stay.
///
/// # Errors
/// [`OwnerError::Incomplete`] and [`OwnerError::OtherNamespace`]; `object` is then unchanged.
pub fn set_owner<K: Cached, C: Resource>(object: &mut C, owner: &K) -> Result<(), OwnerError> {
    let reference = owner_reference(owner)?;
    check_place(object, owner)?;
    put(object, reference);
    Ok(())
}

/// Removes the reference to `owner`, by UID, whether it controls or not, and says whether there was one.
/// controller-runtime: `RemoveOwnerReference`.
pub fn remove_owner<C: Resource, K: Resource>(object: &mut C, owner: &K) -> bool {
    let meta = object.meta_mut();
    let (Some(references), Some(uid)) = (&mut meta.owner_references, &owner.meta().uid) else {
        return false;
    };
    let before = references.len();
    references.retain(|reference| reference.uid != *uid);
    let removed = references.len() != before;
    if references.is_empty() {
        meta.owner_references = None;
    }
    removed
}

fn check_place<K: Cached, C: Resource>(object: &C, owner: &K) -> Result<(), OwnerError> {
    let namespace = owner.meta().namespace.as_ref();
    if namespace.is_none() || namespace == object.meta().namespace.as_ref() {
        return Ok(());
    }
    Err(OwnerError::OtherNamespace {
        kind: name_of(owner),
        owner: ObjectKey::of(owner),
        object: ObjectKey::of(object),
    })
}

/// Puts `reference` in the place of the one to the same owner, or at the end.
fn put<C: Resource>(object: &mut C, reference: OwnerReference) {
    let references = object.meta_mut().owner_references.get_or_insert_default();
    match references.iter_mut().find(|other| other.uid == reference.uid) {
        Some(other) => *other = reference,
        None => references.push(reference),
    }
}

/// The reference to an object's controller. client-go: `metav1.GetControllerOf`.
pub fn controller_of<C: Resource>(object: &C) -> Option<&OwnerReference> {
    let references = object.meta().owner_references.as_ref()?;
    references
        .iter()
        .find(|reference| reference.controller == Some(true))
}

/// Whether anything controls `object`. controller-runtime: `HasControllerReference`.
pub fn has_controller<C: Resource>(object: &C) -> bool {
    controller_of(object).is_some()
}

/// Whether `owner` controls `object`, by UID. client-go: `metav1.IsControlledBy`.
pub fn is_controlled_by<C: Resource, K: Resource>(object: &C, owner: &K) -> bool {
    controller_of(object).is_some_and(|reference| owner.meta().uid.as_deref() == Some(&reference.uid))
}

/// Whether a reference names an object of kind `K`: its group and kind, in any version.
pub fn refers_to_kind<K: Kind>(reference: &OwnerReference) -> bool {
    refers_to(&K::group(&()), &K::kind(&()), reference)
}

/// Whether a reference names an object of that kind, in any version.
pub(crate) fn refers_to(group: &str, kind: &str, reference: &OwnerReference) -> bool {
    let of = reference
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    reference.kind == kind && of == group
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::{ConfigMap, Node};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn meta(namespace: &str, name: &str, uid: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: Some(name.to_owned()),
            uid: (!uid.is_empty()).then(|| uid.to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn map(namespace: &str, name: &str, uid: &str) -> ConfigMap {
        ConfigMap {
            metadata: meta(namespace, name, uid),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn controls_once_and_never_takes_over() {
        let owner = map("a", "owner", "1");
        let mut child = Deployment {
            metadata: meta("a", "child", "9"),
            ..Deployment::default()
        };
        set_controller(&mut child, &owner).unwrap();
        set_controller(&mut child, &owner).unwrap();
        let references = child.metadata.owner_references.clone().unwrap();
        assert_eq!(references.len(), 1);
        assert_eq!(
            serde_json::to_value(&references[0]).unwrap(),
            serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1", "controller": true, "blockOwnerDeletion": true})
        );
        assert!(is_controlled_by(&child, &owner));

        // Created again under the same name: another object.
        let again = map("a", "owner", "2");
        assert!(!is_controlled_by(&child, &again));
        let before = child.clone();
        let error = set_controller(&mut child, &again).unwrap_err();
        assert_eq!(
            error.to_string(),
            "set controller of a/child: it is controlled by ConfigMap owner already"
        );
        assert_eq!(child, before);
    }

    #[test]
    fn owners_without_control_come_and_go() {
        let (first, second) = (map("a", "first", "1"), map("a", "second", "2"));
        let mut child = map("a", "child", "9");
        assert!(!remove_owner(&mut child, &first));
        set_controller(&mut child, &first).unwrap();
        set_owner(&mut child, &second).unwrap();
        set_owner(&mut child, &second).unwrap();
        let uids = |child: &ConfigMap| -> Vec<String> {
            let references = child.metadata.owner_references.iter().flatten();
            references.map(|reference| reference.uid.clone()).collect()
        };
        assert_eq!(uids(&child), ["1", "2"]);
        assert!(has_controller(&child) && is_controlled_by(&child, &first));

        set_owner(&mut child, &first).unwrap();
        assert_eq!(uids(&child), ["1", "2"]);
        assert!(!has_controller(&child), "it gives up control");
        // Free for another one.
        set_controller(&mut child, &second).unwrap();
        assert!(is_controlled_by(&child, &second));

        assert!(
            !remove_owner(&mut child, &map("a", "first", "3")),
            "another object"
        );
        assert!(remove_owner(&mut child, &second));
        assert_eq!(uids(&child), ["1"]);
        assert!(remove_owner(&mut child, &first));
        assert_eq!(child.metadata.owner_references, None);
        assert!(matches!(
            set_owner(&mut child, &map("b", "owner", "1")),
            Err(OwnerError::OtherNamespace { .. })
        ));
    }

    #[test]
    fn refuses_owners_that_the_garbage_collector_would_not_find() {
        let mut child = map("b", "child", "9");
        let other = set_controller(&mut child, &map("a", "owner", "1")).unwrap_err();
        assert!(matches!(other, OwnerError::OtherNamespace { .. }));
        let unsaved = set_controller(&mut child, &map("b", "owner", "")).unwrap_err();
        assert_eq!(
            unsaved.to_string(),
            "refer to ConfigMap b/owner as an owner: it has no UID"
        );
        let mut node = Node {
            metadata: meta("", "n", "3"),
            ..Node::default()
        };
        assert!(matches!(
            set_controller(&mut node, &map("b", "owner", "1")),
            Err(OwnerError::OtherNamespace { .. })
        ));
        set_controller(&mut child, &node).unwrap();
    }

    #[test]
    fn tells_kinds_by_group_not_version() {
        let mut reference = OwnerReference {
            api_version: "apps/v1beta9".into(),
            kind: "Deployment".into(),
            ..OwnerReference::default()
        };
        assert!(refers_to_kind::<Deployment>(&reference));
        reference.api_version = "other.example/v1".into();
        assert!(!refers_to_kind::<Deployment>(&reference));
        reference.api_version = "v1".into();
        assert!(!refers_to_kind::<Deployment>(&reference));
        reference.kind = "ConfigMap".into();
        assert!(refers_to_kind::<ConfigMap>(&reference));
    }
}
