//! From a CRD to entries of the registry.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use kubewright_schema::Structural;
use serde_json::Value;

use super::status::is_true;
use crate::discovery::by_priority;
use crate::registry::builtin;
use crate::registry::{
    Column, Conversion, ConversionHook, CustomVersion, GroupVersionResource, Origin, Registry, ResourceInfo,
    ScalePaths, Scope, SelectableField, Snapshot, Subresource,
};
use crate::webhook::ClientConfig;

const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
/// What remains while a CRD is being removed: finalizers must still be removable. (Upstream answers updates and
/// patches too, though its discovery leaves them out.)
const TERMINATING_VERBS: &[&str] = &[
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const SUBRESOURCE_VERBS: &[&str] = &["get", "patch", "update"];

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn owned(verbs: &[&str]) -> Vec<String> {
    verbs.iter().map(|verb| (*verb).to_owned()).collect()
}

fn is_deleting(crd: &Value) -> bool {
    crd["metadata"]["deletionTimestamp"].is_string()
}

/// How objects get from one version of the CRD to another.
fn conversion(crd: &Value) -> Conversion {
    let conversion = &crd["spec"]["conversion"];
    if conversion["strategy"] != "Webhook" {
        return Conversion::None;
    }
    let webhook = &conversion["webhook"];
    Conversion::Webhook(Arc::new(ConversionHook {
        client: ClientConfig::read(&webhook["clientConfig"]),
        review_versions: texts(&webhook["conversionReviewVersions"]),
    }))
}

/// The resources of a CRD: one for each served version, none before it is established.
pub fn resources(crd: &Value) -> Vec<ResourceInfo> {
    resources_beside(crd, &Snapshot::default())
}

/// The same, where schemas that are served already are shared: reading one anew would compile its rules anew.
fn resources_beside(crd: &Value, served: &Snapshot) -> Vec<ResourceInfo> {
    if !is_true(crd, "Established") {
        return Vec::new();
    }
    let versions = || crd["spec"]["versions"].as_array().into_iter().flatten();
    let Some(storage) = storage_version(crd) else {
        return Vec::new();
    };
    let shared = Shared::of(crd, served);
    versions()
        .filter(|version| version["served"] == true)
        .filter_map(|version| resource(crd, version, &text(&storage["name"]), &shared))
        .collect()
}

/// What all versions of a CRD have in common.
struct Shared {
    versions: Arc<BTreeMap<String, Structural>>,
    conversion: Conversion,
}

impl Shared {
    /// Schemas that are served already are taken from there: reading one anew would compile its rules anew.
    fn of(crd: &Value, served: &Snapshot) -> Self {
        let plural = text(&crd["status"]["acceptedNames"]["plural"]);
        let group = text(&crd["spec"]["group"]);
        let schemas = crd["spec"]["versions"].as_array().into_iter().flatten();
        let schemas = schemas.map(|version| {
            let gvr = GroupVersionResource::new(group.clone(), text(&version["name"]), plural.clone());
            let openapi = &version["schema"]["openAPIV3Schema"];
            let schema = match served.get(&gvr).map(|info| &info.origin) {
                Some(Origin::Custom(served)) if served.openapi == *openapi => served.schema.clone(),
                _ => Structural::from_accepted(openapi),
            };
            (gvr.version, schema)
        });
        Self {
            versions: Arc::new(schemas.collect()),
            conversion: conversion(crd),
        }
    }
}

fn storage_version(crd: &Value) -> Option<&Value> {
    let mut versions = crd["spec"]["versions"].as_array()?.iter();
    versions.find(|version| version["storage"] == true)
}

/// The resource as it is stored, whether that version is served or not; `None` before the CRD is established.
pub(super) fn stored_resource(crd: &Value) -> Option<ResourceInfo> {
    let storage = storage_version(crd).filter(|_| is_true(crd, "Established"))?;
    let shared = Shared::of(crd, &Snapshot::default());
    resource(crd, storage, &text(&storage["name"]), &shared).filter(|info| !is_built_in(info))
}

/// Whether a resource is one of the server's own, in whatever version: they would share their objects.
fn is_built_in(info: &ResourceInfo) -> bool {
    builtin::resources()
        .iter()
        .any(|own| own.gvr.group == info.gvr.group && own.gvr.resource == info.gvr.resource)
}

fn resource(crd: &Value, version: &Value, storage_version: &str, shared: &Shared) -> Option<ResourceInfo> {
    let (spec, names) = (&crd["spec"], &crd["status"]["acceptedNames"]);
    let group = text(&spec["group"]);
    let plural = text(&names["plural"]);
    let kind = text(&names["kind"]);
    let openapi = version["schema"]["openAPIV3Schema"].clone();
    if !openapi.is_object() {
        // Validation refuses such a CRD, so only one that came around it gets here.
        tracing::error!(crd = %text(&crd["metadata"]["name"]), "a CRD version without a schema is not served");
        return None;
    }
    let gvr = GroupVersionResource::new(group.clone(), text(&version["name"]), plural.clone());
    let schema = shared.versions.get(&gvr.version)?.clone();
    let scale = scale(&version["subresources"]["scale"]);
    let status = version["subresources"]
        .get("status")
        .is_some_and(|status| !status.is_null());
    let deleting = is_deleting(crd);
    let mut subresources = Vec::new();
    let subresource = |name: &str, group: &str, version: &str, kind: &str| Subresource {
        name: name.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        verbs: owned(SUBRESOURCE_VERBS),
    };
    if scale.is_some() {
        subresources.push(subresource("scale", "autoscaling", "v1", "Scale"));
    }
    if status {
        subresources.push(subresource("status", &gvr.group, &gvr.version, &kind));
    }
    Some(ResourceInfo {
        list_kind: text(&names["listKind"]),
        singular: text(&names["singular"]),
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        scope: if spec["scope"] == "Cluster" {
            Scope::Cluster
        } else {
            Scope::Namespaced
        },
        verbs: owned(if deleting { TERMINATING_VERBS } else { VERBS }),
        status,
        scale,
        columns: columns(&version["additionalPrinterColumns"]),
        selectable_fields: selectable_fields(&version["selectableFields"]),
        subresources,
        storage: GroupVersionResource::new(group.as_str(), storage_version, plural),
        origin: Origin::Custom(Arc::new(CustomVersion {
            crd_name: text(&crd["metadata"]["name"]),
            crd_uid: text(&crd["metadata"]["uid"]),
            crd_generation: crd["metadata"]["generation"].as_i64().unwrap_or(0),
            storage_version: storage_version.to_owned(),
            schema,
            versions: shared.versions.clone(),
            conversion: shared.conversion.clone(),
            group: group.clone(),
            deprecation_warning: deprecation(crd, version, &group, &kind),
            openapi,
            merging: OnceLock::new(),
        })),
        kind,
        gvr,
    })
}

fn scale(scale: &Value) -> Option<ScalePaths> {
    scale.is_object().then(|| ScalePaths {
        spec_replicas: text(&scale["specReplicasPath"]),
        status_replicas: text(&scale["statusReplicasPath"]),
        label_selector: scale["labelSelectorPath"]
            .as_str()
            .filter(|path| !path.is_empty())
            .map(str::to_owned),
    })
}

fn columns(columns: &Value) -> Vec<Column> {
    columns
        .as_array()
        .into_iter()
        .flatten()
        .map(|column| Column {
            name: text(&column["name"]),
            type_: text(&column["type"]),
            format: text(&column["format"]),
            description: text(&column["description"]),
            priority: column["priority"]
                .as_i64()
                .and_then(|priority| priority.try_into().ok())
                .unwrap_or(0),
            json_path: text(&column["jsonPath"]),
        })
        .collect()
}

fn selectable_fields(fields: &Value) -> Vec<SelectableField> {
    fields
        .as_array()
        .into_iter()
        .flatten()
        .map(|field| text(&field["jsonPath"]))
        .map(|path| SelectableField {
            label: path.trim_start_matches('.').to_owned(),
            path,
            fallback: None,
            absent: String::new(),
        })
        .collect()
}

/// What a deprecated version's requests are told; without a text of its own it names the newest served version after it that is
/// none.
fn deprecation(crd: &Value, version: &Value, group: &str, kind: &str) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(warning) = version["deprecationWarning"].as_str() {
        return Some(warning.to_owned());
    }
    let name = text(&version["name"]);
    let versions = crd["spec"]["versions"].as_array().into_iter().flatten();
    let better = versions
        .filter(|other| other["served"] == true && other["deprecated"] != true)
        .filter_map(|other| other["name"].as_str())
        .filter(|other| by_priority(other, &name).is_lt())
        .min_by(|a, b| by_priority(a, b));
    let advice = better.map(|better| format!("; use {group}/{better} {kind}"));
    Some(format!(
        "{group}/{name} {kind} is deprecated{}",
        advice.unwrap_or_default()
    ))
}

/// Brings the registry to what this state of a CRD says. An older state than the registry's changes nothing.
pub(crate) fn publish(registry: &Registry, crd: &Value) {
    let name = text(&crd["metadata"]["name"]);
    let mut wanted = resources_beside(crd, &registry.snapshot());
    wanted.retain(|info| !is_built_in(info));
    let generation = crd["metadata"]["generation"].as_i64().unwrap_or(0);
    // Once true it stays true: a state without it is from before.
    let established = is_true(crd, "Established");
    registry.update_if(|snapshot| {
        let served: Vec<&Arc<ResourceInfo>> = snapshot.iter().filter(|info| is_of(info, &name)).collect();
        let outdated = served.iter().any(|info| match &info.origin {
            Origin::Custom(version) => {
                version.crd_uid == text(&crd["metadata"]["uid"])
                    && (version.crd_generation > generation || !established)
            }
            Origin::BuiltIn => false,
        });
        let unchanged = served.len() == wanted.len()
            && served.iter().all(|old| {
                wanted
                    .iter()
                    .any(|new| same(old, new, &crd["metadata"]["uid"], generation))
            });
        if outdated || unchanged {
            return false;
        }
        snapshot.retain(|info| !is_of(info, &name));
        for info in &wanted {
            snapshot.insert(info.clone());
        }
        true
    });
}

/// Takes a CRD that is gone out of the registry, unless a new one of the same name is served already.
pub(super) fn withdraw(registry: &Registry, crd: &Value) {
    let uid = &crd["metadata"]["uid"];
    let is_it = |info: &ResourceInfo| match &info.origin {
        Origin::Custom(version) => uid == version.crd_uid.as_str(),
        Origin::BuiltIn => false,
    };
    registry.update_if(|snapshot| {
        let served = snapshot.iter().any(|info| is_it(info));
        snapshot.retain(|info| !is_it(info));
        served
    });
}

fn is_of(info: &ResourceInfo, crd: &str) -> bool {
    matches!(&info.origin, Origin::Custom(version) if version.crd_name == crd)
}

/// Whether an entry says the same: what the spec decides goes with the generation, the rest is compared.
fn same(old: &ResourceInfo, new: &ResourceInfo, uid: &Value, generation: i64) -> bool {
    let Origin::Custom(version) = &old.origin else {
        return false;
    };
    uid == version.crd_uid.as_str()
        && version.crd_generation == generation
        && old.gvr == new.gvr
        && old.kind == new.kind
        && old.list_kind == new.list_kind
        && old.singular == new.singular
        && old.short_names == new.short_names
        && old.categories == new.categories
        && old.verbs == new.verbs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn crd() -> Value {
        json!({
            "metadata": {"name": "foos.example.com", "uid": "u1", "generation": 1},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "foos", "kind": "Foo"},
                "versions": [
                    {
                        "name": "v1", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": {"type": "object"}},
                        "subresources": {"status": {}, "scale": {
                            "specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n",
                        }},
                        "selectableFields": [{"jsonPath": ".spec.color"}],
                    },
                    {
                        "name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                        "schema": {"openAPIV3Schema": {"type": "object"}},
                    },
                    {
                        "name": "v1alpha1", "served": false, "storage": false,
                        "schema": {"openAPIV3Schema": {"type": "object"}},
                    },
                ],
            },
            "status": {
                "acceptedNames": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
                "conditions": [{"type": "Established", "status": "True"}],
            },
        })
    }

    fn served(registry: &Registry) -> Vec<String> {
        registry
            .snapshot()
            .iter()
            .map(|info| format!("{}/{}", info.gvr.version, info.verbs.len()))
            .collect()
    }

    #[test]
    fn api_18_served_versions_of_an_established_crd() {
        let infos = resources(&crd());
        let versions: Vec<&str> = infos.iter().map(|info| info.gvr.version.as_str()).collect();
        assert_eq!(versions, ["v1", "v1beta1"]);
        let names: Vec<&str> = infos[0]
            .subresources
            .iter()
            .map(|sub| sub.name.as_str())
            .collect();
        assert_eq!(names, ["scale", "status"]);
        assert_eq!(infos[0].selectable_fields[0].label, "spec.color");
        assert!(infos[1].subresources.is_empty() && infos[1].scale.is_none());
        assert_eq!(infos[1].storage.version, "v1");
        let Origin::Custom(version) = &infos[1].origin else {
            panic!("custom")
        };
        assert_eq!(
            version.deprecation_warning.as_deref(),
            Some("example.com/v1beta1 Foo is deprecated; use example.com/v1 Foo")
        );

        let mut waiting = crd();
        waiting["status"]["conditions"] = json!([]);
        assert!(resources(&waiting).is_empty());
    }

    #[test]
    fn api_80_a_conversion_webhook_serves_all_versions() {
        let mut crd = crd();
        crd["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
            "clientConfig": {"url": "https://localhost/convert"}, "conversionReviewVersions": ["v1"],
        }});
        let infos = resources(&crd);
        let versions: Vec<&str> = infos.iter().map(|info| info.gvr.version.as_str()).collect();
        assert_eq!(versions, ["v1", "v1beta1"]);
        let Origin::Custom(version) = &infos[1].origin else {
            panic!("custom")
        };
        let Conversion::Webhook(hook) = &version.conversion else {
            panic!("a webhook")
        };
        assert_eq!(hook.review_versions, ["v1"]);
        assert!(
            version.schema_of("example.com/v1alpha1").is_some(),
            "unserved, and perhaps stored"
        );
        assert!(version.schema_of("example.com/v2").is_none() && version.schema_of("v1").is_none());
    }

    #[test]
    fn api_79_publish_follows_newer_states_only() {
        let registry = Registry::default();
        let first = crd();
        publish(&registry, &first);
        assert_eq!(served(&registry), ["v1/8", "v1beta1/8"]);
        let revision = registry.snapshot().revision;
        publish(&registry, &first);
        assert_eq!(registry.snapshot().revision, revision, "nothing to change");

        let mut second = crd();
        second["metadata"]["generation"] = json!(2);
        second["spec"]["versions"][1]["served"] = json!(false);
        publish(&registry, &second);
        assert_eq!(served(&registry), ["v1/8"]);
        publish(&registry, &first);
        assert_eq!(served(&registry), ["v1/8"], "an older state comes late");

        let mut unaccepted = second.clone();
        unaccepted["status"]["conditions"] = json!([]);
        publish(&registry, &unaccepted);
        assert_eq!(
            served(&registry),
            ["v1/8"],
            "established stays true: this is from before"
        );

        second["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        publish(&registry, &second);
        assert_eq!(served(&registry), ["v1/7"], "nothing is created any more");

        let mut again = crd();
        again["metadata"]["uid"] = json!("u2");
        publish(&registry, &again);
        withdraw(&registry, &second);
        assert_eq!(
            served(&registry),
            ["v1/8", "v1beta1/8"],
            "a CRD of the same name is another one"
        );
        withdraw(&registry, &again);
        assert!(served(&registry).is_empty());
    }
}
