use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(enum_values("Ready", "Gone"))]
    phase: Phase,
    #[kube(items(enum_values("Ready", "Lost")))]
    phases: Vec<Phase>,
    #[kube(enum_values("Failed"))]
    named: Option<Named>,
    #[kube(enum_values("a", 1))]
    text: Text,
    #[kube(default = 5)]
    number: Text,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Phase {
    Pending,
    Ready,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Named(Phase);

#[derive(KubeSchema, Serialize, Deserialize)]
struct Text(String);

fn main() {}
