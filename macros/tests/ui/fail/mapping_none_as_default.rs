use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[serde(default = "some")]
    lost: Option<i32>,
    #[serde(default = "some", skip_serializing_if = "Option::is_none")]
    #[kube(nullable)]
    left_out: Option<i32>,
    /// Kept.
    #[serde(default = "some")]
    #[kube(nullable)]
    kept: Option<i32>,
    /// As asked.
    #[serde(default = "some")]
    #[kube(allow("none-as-default"))]
    allowed: Option<i32>,
    /// What the server fills in too.
    #[serde(default = "some")]
    #[kube(schema_default)]
    told: Option<i32>,
}

fn some() -> Option<i32> {
    Some(1)
}

fn main() {}
