//! A set of rights, taken apart to single ones.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::rbac::v1::PolicyRule;

#[cfg(feature = "client")]
use super::RbacInfo;
use super::access::{Access, permits};
use super::normal;
use crate::kind::{Kind, Scope};

/// Rights, each in the cluster or in one namespace, and in the role that it was written for.
///
/// It is a set: rights can be added in any order and any number of times, and rules of any shape may say them.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::ConfigMap;
/// use kubewright::rbac::Rules;
///
/// let mut rules = Rules::of::<ConfigMap>(Some("system"), &["get"]);
/// rules.merge(&Rules::of::<ConfigMap>(Some("system"), &["get", "update"]));
/// assert_eq!(rules.to_string(), "get, update configmaps in namespace \"system\"\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub(super) sets: BTreeMap<Home, Rights>,
}

/// Where rights stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Home {
    /// Absent: in the whole cluster.
    pub(super) namespace: Option<String>,
    /// A role of its own.
    pub(super) role: Option<String>,
}

/// Verbs on each thing.
pub(super) type Rights = BTreeMap<Thing, BTreeSet<String>>;

/// What verbs are about. The order is that in which a role names its rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    /// A path that is no resource.
    Url(String),
    /// A resource, with its subresource, or one object of it.
    Resource {
        group: String,
        resource: String,
        name: Option<String>,
    },
}

impl Rules {
    /// No rights.
    pub fn new() -> Self {
        Self::default()
    }

    /// Verbs on objects of a kind: in a namespace, or in all of them. A kind without namespaces is granted in the cluster.
    pub fn of<K: Kind>(namespace: Option<&str>, verbs: &[&str]) -> Self {
        Self::of_named::<K>(namespace, &[], verbs)
    }

    /// [`of`](Self::of) for the objects of these names alone.
    pub fn of_named<K: Kind>(namespace: Option<&str>, names: &[&str], verbs: &[&str]) -> Self {
        let mut rules = Self::new();
        let namespace = namespace.filter(|_| <K::Scope as Scope>::NAMESPACED);
        rules.insert(namespace, None, &K::group(&()), &K::plural(&()), names, verbs);
        rules
    }

    /// Adds the rights of a rule: in a namespace, or in the whole cluster.
    pub fn add(&mut self, namespace: Option<&str>, rule: &PolicyRule) {
        let all = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let names = all(&rule.resource_names);
        for group in all(&rule.api_groups) {
            for resource in all(&rule.resources) {
                self.insert(namespace, None, &group, &resource, &names, &rule.verbs);
            }
        }
        for url in all(&rule.non_resource_urls) {
            self.insert_url(None, &url, &rule.verbs);
        }
    }

    /// Adds another set.
    pub fn merge(&mut self, other: &Self) {
        for (home, rights) in &other.sets {
            let ours = self.sets.entry(home.clone()).or_default();
            for (thing, verbs) in rights {
                ours.entry(thing.clone())
                    .or_default()
                    .extend(verbs.iter().cloned());
            }
        }
    }

    /// With another set.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    pub(crate) fn insert<N: Borrow<str>, V: Borrow<str>>(
        &mut self,
        namespace: Option<&str>,
        role: Option<&str>,
        group: &str,
        resource: &str,
        names: &[N],
        verbs: &[V],
    ) {
        // kubebuilder's name of the core group.
        let group = if group == "core" { "" } else { group };
        let thing = |name: Option<&str>| Thing::Resource {
            group: group.to_owned(),
            resource: resource.to_owned(),
            name: name.map(str::to_owned),
        };
        if names.is_empty() {
            self.put(namespace, role, thing(None), verbs);
        }
        for name in names {
            self.put(namespace, role, thing(Some(name.borrow())), verbs);
        }
    }

    pub(super) fn insert_url<V: Borrow<str>>(&mut self, role: Option<&str>, url: &str, verbs: &[V]) {
        // There are no paths in namespaces.
        self.put(None, role, Thing::Url(url.to_owned()), verbs);
    }

    fn put<V: Borrow<str>>(
        &mut self,
        namespace: Option<&str>,
        role: Option<&str>,
        thing: Thing,
        verbs: &[V],
    ) {
        let home = Home {
            namespace: namespace.map(str::to_owned),
            role: role.map(str::to_owned),
        };
        let verbs = verbs.iter().map(|verb| verb.borrow().to_owned());
        self.sets
            .entry(home)
            .or_default()
            .entry(thing)
            .or_default()
            .extend(verbs);
    }

    /// `get` where `info` updates objects of kinds that are listed by these rules, which are those of caches.
    #[cfg(feature = "client")]
    pub(crate) fn reads_before(&self, info: &RbacInfo, namespace: Option<&str>) -> Self {
        let mut reads = Self::new();
        for rule in info.rules {
            let cached = |group: &str, plural: &str| {
                self.sets.values().flat_map(BTreeMap::keys).any(|thing| {
                    matches!(thing, Thing::Resource { group: g, resource, .. } if g == group && resource == plural)
                })
            };
            if let Some((group, plural, read)) = rule.read_before()
                && cached(&group, &plural)
            {
                read.grant(namespace, &mut reads);
            }
        }
        reads
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The rights one by one.
    pub fn grants(&self) -> impl Iterator<Item = Grant> + '_ {
        self.sets.iter().flat_map(|(home, rights)| {
            rights.iter().flat_map(move |(thing, verbs)| {
                verbs.iter().map(move |verb| Grant {
                    home: home.clone(),
                    thing: thing.clone(),
                    verb: verb.clone(),
                })
            })
        })
    }

    /// All but one right.
    #[must_use]
    pub fn without(&self, grant: &Grant) -> Self {
        let mut rest = self.clone();
        if let Some(rights) = rest.sets.get_mut(&grant.home) {
            if let Some(verbs) = rights.get_mut(&grant.thing) {
                verbs.remove(&grant.verb);
            }
            rights.retain(|_, verbs| !verbs.is_empty());
        }
        rest.sets.retain(|_, rights| !rights.is_empty());
        rest
    }

    /// Whether a request is allowed, by upstream's way to read rules.
    pub fn allow(&self, access: &Access) -> bool {
        self.grants().any(|grant| grant.covers(access))
    }

    /// The rules of a namespace, or of the cluster, as short as they can be written, sorted; those in roles of their own
    /// among them.
    pub fn policy_rules(&self, namespace: Option<&str>) -> Vec<PolicyRule> {
        let mut all = Rights::new();
        for (home, rights) in &self.sets {
            if home.namespace.as_deref() == namespace {
                for (thing, verbs) in rights {
                    all.entry(thing.clone())
                        .or_default()
                        .extend(verbs.iter().cloned());
                }
            }
        }
        normal::policy_rules(&all)
    }
}

/// A line for each thing.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (home, rights) in &self.sets {
            for (thing, verbs) in rights {
                let verbs = verbs.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                writeln!(f, "{verbs} {}", Shown(home, thing))?;
            }
        }
        Ok(())
    }
}

struct Shown<'a>(&'a Home, &'a Thing);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(home, thing) = self;
        match thing {
            Thing::Url(url) => f.write_str(url)?,
            Thing::Resource {
                group,
                resource,
                name,
            } => {
                f.write_str(resource)?;
                if !group.is_empty() {
                    write!(f, ".{group}")?;
                }
                if let Some(name) = name {
                    write!(f, " {name:?}")?;
                }
                match &home.namespace {
                    Some(namespace) => write!(f, " in namespace {namespace:?}")?,
                    None => f.write_str(" in every namespace")?,
                }
            }
        }
        match &home.role {
            Some(role) => write!(f, " (role {role:?})"),
            None => Ok(()),
        }
    }
}

/// One right: a verb, what it is about, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    home: Home,
    thing: Thing,
    verb: String,
}

impl Grant {
    /// The verb.
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// Where: a namespace, or the cluster.
    pub fn namespace(&self) -> Option<&str> {
        self.home.namespace.as_deref()
    }

    /// Whether it allows a request.
    pub fn covers(&self, access: &Access) -> bool {
        let there = self.home.namespace.is_none() || self.home.namespace.as_deref() == access.namespace();
        let single = Rights::from([(self.thing.clone(), BTreeSet::from([self.verb.clone()]))]);
        there
            && normal::policy_rules(&single)
                .iter()
                .any(|rule| permits(rule, access))
    }
}

/// `list deployments.apps in every namespace`.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, Shown(&self.home, &self.thing))
    }
}
