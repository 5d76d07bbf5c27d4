//! Kubernetes' own types within types that derive `KubeSchema`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, LocalObjectReference, ObjectReference, PodTemplateSpec, ResourceRequirements,
    SecretKeySelector,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, FieldsV1, LabelSelector, MicroTime, Time};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde_json::json;

use super::exact_tests::property;
use super::*;

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Kubernetes {
    quantity: Quantity,
    limits: BTreeMap<String, Quantity>,
    port: Option<IntOrString>,
    time: Option<Time>,
    micro: MicroTime,
    raw: RawExtension,
    fields: Option<FieldsV1>,
    selector: Option<LabelSelector>,
    local: LocalObjectReference,
    secret: SecretKeySelector,
    object: Option<ObjectReference>,
    conditions: Vec<Condition>,
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    atomic: Vec<Condition>,
    resources: Option<ResourceRequirements>,
    template: PodTemplateSpec,
    containers: Vec<Container>,
}

/// SCH-116 to 120, 122 to 124.
#[test]
fn types_of_kubernetes_are_known() {
    let mut schema = structural_schema::<Kubernetes>().unwrap();
    Descriptions::Max(0).shorten(&mut schema);
    insta::assert_json_snapshot!(schema["properties"]);
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Full {
    #[schemars(extend("x-kubewright" = {"full": true, "description": "none"}))]
    template: PodTemplateSpec,
    #[schemars(extend("x-kubewright" = {"full": true, "description": "short"}))]
    container: Container,
}

/// SCH-121, 122: whole on demand, and then with all that templates carry.
#[test]
fn big_types_are_whole_on_demand() {
    let template = property::<Full>("template");
    assert!(!template.to_string().contains("description"));
    assert!(template["properties"]["metadata"]["properties"]["labels"].is_object());
    let spec = &template["properties"]["spec"]["properties"];
    assert_eq!(spec["containers"]["x-kubernetes-list-map-keys"], json!(["name"]));
    let ports = &spec["containers"]["items"]["properties"]["ports"];
    assert_eq!(
        ports["x-kubernetes-list-map-keys"],
        json!(["containerPort", "protocol"])
    );
    assert_eq!(ports["items"]["properties"]["protocol"]["default"], "TCP");
    let container = property::<Full>("container");
    assert_eq!(
        container["properties"]["image"]["description"],
        "Container image name."
    );
}

/// Whatever a spec may hold of Kubernetes, whole.
#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true, "full": true, "description": "none"}))]
#[allow(dead_code)]
struct Everything {
    pod: PodTemplateSpec,
    pod_status: k8s_openapi::api::core::v1::PodStatus,
    node: k8s_openapi::api::core::v1::NodeSpec,
    node_status: k8s_openapi::api::core::v1::NodeStatus,
    volume: k8s_openapi::api::core::v1::PersistentVolumeSpec,
    claim: k8s_openapi::api::core::v1::PersistentVolumeClaim,
    service: k8s_openapi::api::core::v1::ServiceSpec,
    stateful_set: k8s_openapi::api::apps::v1::StatefulSetSpec,
    daemon_set: k8s_openapi::api::apps::v1::DaemonSetStatus,
    cron_job: k8s_openapi::api::batch::v1::CronJobSpec,
    job: k8s_openapi::api::batch::v1::JobStatus,
    scaler: k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec,
    ingress: k8s_openapi::api::networking::v1::IngressSpec,
    policy: k8s_openapi::api::networking::v1::NetworkPolicySpec,
    budget: k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec,
    role: k8s_openapi::api::rbac::v1::ClusterRole,
    binding: k8s_openapi::api::rbac::v1::RoleBinding,
    webhook: k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration,
    definition: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
}

/// A server takes them all, and none is doubtful.
#[test]
fn whole_types_of_kubernetes_are_accepted() {
    let built = build::<Everything>().unwrap();
    assert_eq!(built.notes, []);
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": built.schema}}}}],
        },
    });
    let told: Vec<String> = crate::lint(&crd)
        .iter()
        .filter(|lint| lint.severity == crate::Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(told.is_empty(), "{told:#?}");
}
