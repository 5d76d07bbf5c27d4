use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    a: Foreign,
}

#[derive(Serialize, Deserialize)]
struct Foreign {
    a: i32,
}

fn main() {}
