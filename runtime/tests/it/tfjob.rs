//! TFJob of kubeflow.org/v1 from Rust types, beside upstream's definition.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::golden;

/// What is trained, by whom, and when to stop.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "kubeflow.org",
    version = "v1",
    kind = "TFJob",
    plural = "tfjobs",
    namespaced,
    status = "JobStatus",
    printcolumn(name = "State", type_ = "string", json_path = ".status.conditions[-1:].type"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TfJobSpec {
    pub tf_replica_specs: BTreeMap<String, ReplicaSpec>,
    pub run_policy: Option<RunPolicy>,
    pub success_policy: Option<String>,
    pub enable_dynamic_worker: Option<bool>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaSpec {
    pub replicas: Option<i32>,
    pub restart_policy: Option<String>,
    pub template: Option<PodTemplateSpec>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct RunPolicy {
    pub clean_pod_policy: Option<String>,
    pub ttl_seconds_after_finished: Option<i32>,
    pub active_deadline_seconds: Option<i64>,
    pub backoff_limit: Option<i32>,
    #[kube(default = false)]
    pub suspend: Option<bool>,
    pub managed_by: Option<String>,
    pub scheduling_policy: Option<SchedulingPolicy>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct SchedulingPolicy {
    pub min_available: Option<i32>,
    #[kube(validation = Rule::new("self == oldSelf").message("spec.runPolicy.schedulingPolicy.queue is immutable"))]
    pub queue: Option<String>,
    pub min_resources: Option<BTreeMap<String, Quantity>>,
    pub priority_class: Option<String>,
    pub schedule_timeout_seconds: Option<i32>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    pub conditions: Option<Vec<JobCondition>>,
    pub replica_statuses: Option<BTreeMap<String, ReplicaStatus>>,
    pub start_time: Option<Time>,
    pub completion_time: Option<Time>,
    pub last_reconcile_time: Option<Time>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct JobCondition {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub last_update_time: Option<Time>,
    pub last_transition_time: Option<Time>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    pub active: Option<i32>,
    pub succeeded: Option<i32>,
    pub failed: Option<i32>,
    pub label_selector: Option<LabelSelector>,
    pub selector: Option<String>,
}

#[test]
fn tfjob_is_upstreams() {
    let Some(mut theirs) = golden::upstreams("tfjob-v1.9.0-crd.without-pod-template.yaml") else {
        return;
    };
    let root = &mut theirs["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    // Upstream requires nothing at the root; a kind of ours has its spec.
    root["required"] = serde_json::json!(["spec"]);
    // The file lacks what upstream has here; without a word about its size, ours keeps all and declares nothing.
    let replicas = &mut root["properties"]["spec"]["properties"]["tfReplicaSpecs"]["additionalProperties"];
    replicas["properties"]["template"]["x-kubernetes-preserve-unknown-fields"] = true.into();
    golden::same(golden::ours::<TFJob>(), theirs);
}
