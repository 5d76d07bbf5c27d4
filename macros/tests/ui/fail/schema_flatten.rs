use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    name: String,
    #[serde(flatten)]
    phase: Phase,
    #[serde(flatten)]
    common: Common,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Phase {
    A,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Common {
    name: String,
}

fn main() {}
