//! The built-in kinds, read from what a real server's discovery says of them.
//!
//! **Invariant:** names, verbs and subresources come from `data/resources.json` alone; this file adds what
//! discovery does not tell (scale paths, selectable fields, shared storage).

use std::sync::OnceLock;

use serde::Deserialize;

use super::{GroupVersionResource, Origin, ResourceInfo, ScalePaths, Scope, SelectableField, Subresource};

const RECORDED: &str = include_str!("../../data/resources.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    group: String,
    version: String,
    resource: String,
    kind: String,
    scope: String,
    singular_resource: String,
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    subresources: Vec<RecordedSub>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedSub {
    subresource: String,
    response_kind: RecordedKind,
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct RecordedKind {
    group: String,
    version: String,
    kind: String,
}

/// All built-in resources, in the order in which upstream lists their groups.
pub fn resources() -> &'static [ResourceInfo] {
    static ALL: OnceLock<Vec<ResourceInfo>> = OnceLock::new();
    ALL.get_or_init(|| {
        let recorded: Vec<Recorded> =
            serde_json::from_str(RECORDED).expect("data/resources.json is written by the record example");
        recorded.into_iter().map(info).collect()
    })
}

/// Position of a built-in group in upstream's order, which discovery keeps; custom groups come after all of them.
pub(crate) fn group_rank(group: &str) -> usize {
    resources()
        .iter()
        .position(|info| info.gvr.group == group)
        .unwrap_or(usize::MAX)
}

fn info(recorded: Recorded) -> ResourceInfo {
    let gvr = GroupVersionResource::new(recorded.group, recorded.version, recorded.resource);
    let subresources: Vec<Subresource> = recorded
        .subresources
        .into_iter()
        .map(|sub| Subresource {
            name: sub.subresource,
            group: sub.response_kind.group,
            version: sub.response_kind.version,
            kind: sub.response_kind.kind,
            verbs: sub.verbs,
        })
        .collect();
    let has = |name: &str| subresources.iter().any(|sub| sub.name == name);
    ResourceInfo {
        status: has("status"),
        scale: has("scale").then(|| ScalePaths {
            spec_replicas: ".spec.replicas".into(),
            status_replicas: ".status.replicas".into(),
            // A plain map in replication controllers, a LabelSelector in the others.
            label_selector: Some(".spec.selector".into()),
        }),
        list_kind: format!("{}List", recorded.kind),
        kind: recorded.kind,
        singular: recorded.singular_resource,
        short_names: recorded.short_names,
        categories: recorded.categories,
        scope: match recorded.scope.as_str() {
            "Namespaced" => Scope::Namespaced,
            _ => Scope::Cluster,
        },
        verbs: recorded.verbs,
        columns: Vec::new(),
        selectable_fields: selectable_fields(&gvr),
        storage: match (gvr.group.as_str(), gvr.resource.as_str()) {
            ("events.k8s.io", "events") => GroupVersionResource::new("", "v1", "events"),
            _ => gvr.clone(),
        },
        subresources,
        origin: Origin::BuiltIn,
        gvr,
    }
}

/// Upstream's `AddFieldLabelConversionFunc` registrations together with each strategy's selectable fields.
fn selectable_fields(gvr: &GroupVersionResource) -> Vec<SelectableField> {
    // (label, path, text while absent)
    let fields: &[(&str, &str, &str)] = match (gvr.group.as_str(), gvr.resource.as_str()) {
        ("", "pods") => &[
            ("spec.nodeName", ".spec.nodeName", ""),
            ("spec.restartPolicy", ".spec.restartPolicy", ""),
            ("spec.schedulerName", ".spec.schedulerName", ""),
            ("spec.serviceAccountName", ".spec.serviceAccountName", ""),
            ("spec.hostNetwork", ".spec.hostNetwork", "false"),
            ("status.phase", ".status.phase", ""),
            ("status.podIP", ".status.podIP", ""),
            ("status.nominatedNodeName", ".status.nominatedNodeName", ""),
        ],
        ("", "events") => &[
            ("involvedObject.kind", ".involvedObject.kind", ""),
            ("involvedObject.namespace", ".involvedObject.namespace", ""),
            ("involvedObject.name", ".involvedObject.name", ""),
            ("involvedObject.uid", ".involvedObject.uid", ""),
            ("involvedObject.apiVersion", ".involvedObject.apiVersion", ""),
            (
                "involvedObject.resourceVersion",
                ".involvedObject.resourceVersion",
                "",
            ),
            ("involvedObject.fieldPath", ".involvedObject.fieldPath", ""),
            ("reason", ".reason", ""),
            ("reportingComponent", ".reportingComponent", ""),
            ("source", ".source.component", ""),
            ("type", ".type", ""),
        ],
        ("events.k8s.io", "events") => &[
            ("regarding.kind", ".regarding.kind", ""),
            ("regarding.namespace", ".regarding.namespace", ""),
            ("regarding.name", ".regarding.name", ""),
            ("regarding.uid", ".regarding.uid", ""),
            ("regarding.apiVersion", ".regarding.apiVersion", ""),
            ("regarding.resourceVersion", ".regarding.resourceVersion", ""),
            ("regarding.fieldPath", ".regarding.fieldPath", ""),
            ("reason", ".reason", ""),
            ("reportingController", ".reportingController", ""),
            ("type", ".type", ""),
        ],
        ("", "secrets") => &[("type", ".type", "")],
        ("", "namespaces") => &[("status.phase", ".status.phase", "")],
        ("", "nodes") => &[("spec.unschedulable", ".spec.unschedulable", "false")],
        ("", "services") => &[
            ("spec.clusterIP", ".spec.clusterIP", ""),
            ("spec.type", ".spec.type", ""),
        ],
        ("", "replicationcontrollers") => &[("status.replicas", ".status.replicas", "0")],
        ("apps", "replicasets") => &[("status.replicas", ".status.replicas", "0")],
        ("batch", "jobs") => &[("status.successful", ".status.succeeded", "0")],
        _ => &[],
    };
    // An event of the newer API names its source elsewhere.
    fields
        .iter()
        .map(|(label, path, absent)| SelectableField {
            label: (*label).into(),
            path: (*path).into(),
            fallback: (*label == "source").then(|| ".reportingComponent".into()),
            absent: (*absent).into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_97_built_in_kinds_have_names_verbs_and_subresources() {
        let find = |group: &str, plural: &str| {
            resources()
                .iter()
                .find(|info| info.gvr.group == group && info.gvr.resource == plural)
                .unwrap_or_else(|| panic!("{plural} is served"))
        };
        assert_eq!(resources().len(), 31);
        let deployments = find("apps", "deployments");
        assert_eq!(deployments.short_names, ["deploy"]);
        assert_eq!(deployments.categories, ["all"]);
        assert!(deployments.status && deployments.scale.is_some());
        assert_eq!(find("", "nodes").scope, Scope::Cluster);
        assert!(find("", "configmaps").subresources.is_empty());
        assert_eq!(find("events.k8s.io", "events").storage, find("", "events").gvr);
    }
}
