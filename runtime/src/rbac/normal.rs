//! The shortest rules for a set of rights.
//!
//! controller-gen merges what was written; this merges rights: verbs of one thing, then names, resources and groups that
//! have the same verbs. So what is said twice in different company stands once.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::rules::{Rights, Thing};

type Set = BTreeSet<String>;

const ALL: &str = "*";

pub(super) fn policy_rules(rights: &Rights) -> Vec<PolicyRule> {
    let rights = minimal(rights);
    let urls = rights.iter().filter_map(|(thing, verbs)| match thing {
        Thing::Url(url) => Some((verbs.clone(), url.clone())),
        Thing::Resource { .. } => None,
    });
    let urls = joined(urls).into_iter().map(|(verbs, urls)| PolicyRule {
        non_resource_urls: listed(urls),
        verbs: verbs.into_iter().collect(),
        ..PolicyRule::default()
    });
    let resources = rights.iter().filter_map(|(thing, verbs)| match thing {
        Thing::Url(_) => None,
        Thing::Resource {
            group,
            resource,
            name,
        } => Some(((group.clone(), resource.clone(), verbs.clone()), name.clone())),
    });
    // Names of one resource, then resources of one group, then groups.
    let names = joined(resources.map(|((group, resource, verbs), name)| {
        // A right on one object is no part of that on all of them.
        ((name.is_some(), group, resource, verbs), name.unwrap_or_default())
    }));
    let resources = joined(names.into_iter().map(|((some, group, resource, verbs), names)| {
        let names = if some { names } else { Set::new() };
        ((group, names, verbs), resource)
    }));
    let groups = joined(
        resources
            .into_iter()
            .map(|((group, names, verbs), resources)| ((resources, names, verbs), group)),
    );
    let mut rules: Vec<PolicyRule> = groups
        .into_iter()
        .map(|((resources, names, verbs), groups)| PolicyRule {
            api_groups: listed(groups),
            resources: listed(resources),
            resource_names: listed(names),
            non_resource_urls: None,
            verbs: verbs.into_iter().collect(),
        })
        .chain(urls)
        .collect();
    rules.sort_by_cached_key(|rule| {
        let key = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        (
            key(&rule.api_groups),
            key(&rule.resources),
            key(&rule.resource_names),
            key(&rule.non_resource_urls),
        )
    });
    rules
}

/// Leaves out what another right holds too: verbs beside `*`, and those on one object that are granted on all.
fn minimal(rights: &Rights) -> Rights {
    let mut rest = rights.clone();
    for (thing, verbs) in &mut rest {
        if verbs.contains(ALL) {
            *verbs = Set::from([ALL.to_owned()]);
        }
        let Thing::Resource {
            group,
            resource,
            name: Some(_),
        } = thing
        else {
            continue;
        };
        let all = Thing::Resource {
            group: group.clone(),
            resource: resource.clone(),
            name: None,
        };
        if let Some(granted) = rights.get(&all) {
            verbs.retain(|verb| !granted.contains(verb) && !granted.contains(ALL));
        }
    }
    rest.retain(|_, verbs| !verbs.is_empty());
    rest
}

fn joined<K: Ord>(pairs: impl Iterator<Item = (K, String)>) -> BTreeMap<K, Set> {
    let mut sets: BTreeMap<K, Set> = BTreeMap::new();
    for (key, value) in pairs {
        sets.entry(key).or_default().insert(value);
    }
    sets
}

fn listed(set: Set) -> Option<Vec<String>> {
    (!set.is_empty()).then(|| set.into_iter().collect())
}
