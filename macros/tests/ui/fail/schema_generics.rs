use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Of<T> {
    value: T,
    #[kube(minimum = 1)]
    name: Name,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Name(String);

fn main() {}
