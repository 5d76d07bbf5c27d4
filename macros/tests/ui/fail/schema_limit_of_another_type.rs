use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(minimum = 1)]
    name: Name,
    #[kube(max_items = 3)]
    inner: Option<Inner>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Name(String);

#[derive(KubeSchema, Serialize, Deserialize)]
struct Inner {
    a: i32,
}

fn main() {}
