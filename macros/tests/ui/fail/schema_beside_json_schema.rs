use kubewright::KubeSchema;
use kubewright::schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema)]
#[derive(JsonSchema, Serialize, Deserialize)]
#[schemars(crate = "kubewright::schemars")]
struct S {
    a: i32,
}

fn main() {}
