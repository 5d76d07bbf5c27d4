//! The kind `Foo`: group `samplecontroller.k8s.io`, version `v1alpha1`.

use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A Deployment by name, and how many replicas it shall have.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "samplecontroller.k8s.io",
    version = "v1alpha1",
    kind = "Foo",
    namespaced,
    status = "FooStatus",
    derive = "Default",
    derive = "PartialEq",
    annotation("api-approved.kubernetes.io", "unapproved, an example of kubewright")
)]
#[serde(rename_all = "camelCase")]
pub struct FooSpec {
    /// Name of the Deployment; while it is absent or empty the Foo is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_name: Option<String>,
    /// Replicas of the Deployment; absent: whatever it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[kube(minimum = 1, maximum = 10)]
    pub replicas: Option<i32>,
}

/// What the controller saw of the Deployment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FooStatus {
    /// Available replicas of the Deployment; absent until the first sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
}
