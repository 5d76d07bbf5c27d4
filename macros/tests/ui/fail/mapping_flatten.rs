use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Common {
    name: String,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Collides {
    name: i32,
    #[serde(flatten)]
    common: Common,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct OfScalars {
    a: i32,
    #[serde(flatten)]
    list: Vec<i32>,
}

fn main() {}
