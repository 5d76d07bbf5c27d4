use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
enum Phase {
    Pending,
    Running,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(nullable)]
    phase: Option<Phase>,
}

fn main() {}
