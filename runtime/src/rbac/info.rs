//! What code says of the rights that it needs, as constants: what `#[rbac(...)]` writes down.
//!
//! **Invariant:** group and plural are asked of the type, so that they cannot be others than those of its requests.

use std::borrow::Cow;

use super::Rules;
use crate::kind::{Kind, ScaleSubresource, Scope, StatusSubresource};

/// Rights that a piece of code needs beside those that the runtime knows of; in a trait's impl,
/// [`Reconciler::RBAC`](crate::Reconciler::RBAC).
///
/// `#[rbac(...)]` makes one and checks it at its tokens; by hand it is a constant too.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::Secret;
/// use kubewright::rbac::{RbacInfo, RuleInfo};
///
/// const RBAC: RbacInfo = RbacInfo { rules: &[RuleInfo::of::<Secret>(&["get"]).names(&["tls"])] };
/// assert_eq!(RBAC.rules().to_string(), "get secrets \"tls\" in every namespace\n");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RbacInfo {
    /// The rights, in the order in which they were written.
    pub rules: &'static [RuleInfo],
}

impl RbacInfo {
    /// No rights.
    pub const NONE: Self = Self { rules: &[] };

    /// The rights, in every namespace where a rule does not name one.
    pub fn rules(&self) -> Rules {
        self.placed(None)
    }

    /// The rights of code that works in one namespace: what is about objects in namespaces is granted there, unless a rule
    /// names another. Kinds that belong to the cluster, and URLs, are granted in the cluster.
    pub fn rules_in(&self, namespace: &str) -> Rules {
        self.placed(Some(namespace))
    }

    pub(crate) fn placed(&self, namespace: Option<&str>) -> Rules {
        let mut rules = Rules::new();
        for rule in self.rules {
            rule.grant(namespace, &mut rules);
        }
        rules
    }
}

/// One rule of an [`RbacInfo`]: who is asked for what.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RuleInfo {
    subject: Subject,
    verbs: &'static [&'static str],
    names: &'static [&'static str],
    place: Place,
    role: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Subject {
    Kind {
        group: fn() -> Cow<'static, str>,
        plural: fn() -> Cow<'static, str>,
        subresource: &'static str,
        namespaced: bool,
    },
    Resources {
        groups: &'static [&'static str],
        resources: &'static [&'static str],
    },
    Urls(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Where the code works.
    Code,
    Cluster,
    Namespace(&'static str),
}

fn group_of<K: Kind>() -> Cow<'static, str> {
    K::group(&())
}

fn plural_of<K: Kind>() -> Cow<'static, str> {
    K::plural(&())
}

impl RuleInfo {
    /// Verbs on objects of a kind.
    pub const fn of<K: Kind>(verbs: &'static [&'static str]) -> Self {
        Self::subresource_of::<K>("", verbs)
    }

    /// Verbs on the status of objects of a kind: `get`, `patch`, `update`.
    pub const fn status_of<K: Kind + StatusSubresource>(verbs: &'static [&'static str]) -> Self {
        Self::subresource_of::<K>("status", verbs)
    }

    /// Verbs on the scale of objects of a kind: `get`, `patch`, `update`.
    pub const fn scale_of<K: Kind + ScaleSubresource>(verbs: &'static [&'static str]) -> Self {
        Self::subresource_of::<K>("scale", verbs)
    }

    /// `update` on the finalizers of a kind: what a cluster with the admission plugin
    /// `OwnerReferencesPermissionEnforcement` demands of who makes its objects block the deletion of their owner.
    pub const fn finalizers_of<K: Kind>(verbs: &'static [&'static str]) -> Self {
        Self::subresource_of::<K>("finalizers", verbs)
    }

    /// Verbs on another subresource, as `log` or `eviction` of Pods.
    pub const fn subresource_of<K: Kind>(subresource: &'static str, verbs: &'static [&'static str]) -> Self {
        Self::new(
            Subject::Kind {
                group: group_of::<K>,
                plural: plural_of::<K>,
                subresource,
                namespaced: <K::Scope as Scope>::NAMESPACED,
            },
            verbs,
        )
    }

    /// Verbs on resources by name, for kinds that have no type here: groups (the core group is empty) and plurals, each
    /// with its subresource after a slash where it is about one.
    pub const fn resources(
        groups: &'static [&'static str],
        resources: &'static [&'static str],
        verbs: &'static [&'static str],
    ) -> Self {
        Self::new(Subject::Resources { groups, resources }, verbs)
    }

    /// Verbs (HTTP's, in lower case) on paths that are no resources. A path may end with `*`.
    pub const fn urls(urls: &'static [&'static str], verbs: &'static [&'static str]) -> Self {
        Self::new(Subject::Urls(urls), verbs)
    }

    const fn new(subject: Subject, verbs: &'static [&'static str]) -> Self {
        Self {
            subject,
            verbs,
            names: &[],
            place: Place::Code,
            role: None,
        }
    }

    /// Only the objects of these names. A `create` has no name when it is authorized, but for that of an apply.
    pub const fn names(mut self, names: &'static [&'static str]) -> Self {
        self.names = names;
        self
    }

    /// In this namespace, wherever the code works.
    pub const fn in_namespace(mut self, namespace: &'static str) -> Self {
        self.place = Place::Namespace(namespace);
        self
    }

    /// In the whole cluster, wherever the code works.
    pub const fn in_cluster(mut self) -> Self {
        self.place = Place::Cluster;
        self
    }

    /// In a role of this name, apart from the others.
    pub const fn role(mut self, name: &'static str) -> Self {
        self.role = Some(name);
        self
    }

    /// Of an update of objects, or of their status: group and plural, and the right to read what is updated.
    #[cfg(feature = "client")]
    pub(crate) fn read_before(&self) -> Option<(Cow<'static, str>, Cow<'static, str>, Self)> {
        let Subject::Kind {
            group,
            plural,
            subresource: "" | "status",
            namespaced,
        } = self.subject
        else {
            return None;
        };
        let read = Self {
            subject: Subject::Kind {
                group,
                plural,
                subresource: "",
                namespaced,
            },
            verbs: &["get"],
            ..*self
        };
        self.verbs.contains(&"update").then(|| (group(), plural(), read))
    }

    /// Adds it to `rules`, for code that works in `namespace`.
    pub(crate) fn grant(&self, namespace: Option<&str>, rules: &mut Rules) {
        let of_cluster = match self.subject {
            Subject::Kind { namespaced, .. } => !namespaced,
            Subject::Resources { .. } => false,
            Subject::Urls(_) => true,
        };
        let namespace = match self.place {
            Place::Code => namespace.filter(|_| !of_cluster),
            Place::Cluster => None,
            Place::Namespace(namespace) => Some(namespace),
        };
        let mut resources = |group: &str, resource: &str| {
            rules.insert(namespace, self.role, group, resource, self.names, self.verbs);
        };
        match self.subject {
            Subject::Kind {
                group,
                plural,
                subresource: "",
                ..
            } => resources(&group(), &plural()),
            Subject::Kind {
                group,
                plural,
                subresource,
                ..
            } => resources(&group(), &format!("{}/{subresource}", plural())),
            Subject::Resources {
                groups,
                resources: plurals,
            } => {
                for group in groups {
                    for plural in plurals {
                        resources(group, plural);
                    }
                }
            }
            Subject::Urls(urls) => {
                for url in urls {
                    rules.insert_url(self.role, url, self.verbs);
                }
            }
        }
    }
}
