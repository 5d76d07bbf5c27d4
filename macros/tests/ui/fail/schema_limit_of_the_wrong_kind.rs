use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(minimum = 1)]
    name: String,
    #[kube(items(max_length = 3))]
    numbers: Vec<i32>,
}

fn main() {}
