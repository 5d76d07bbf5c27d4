use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(default = "C")]
    phase: Phase,
    #[kube(default = 11, maximum = 10)]
    number: i32,
    #[kube(default = true)]
    text: String,
    #[kube(default = null)]
    nothing: Option<String>,
    #[kube(schema_default)]
    plain: i32,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Phase {
    A,
    B,
}

fn main() {}
