use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(list_map_keys("nme"))]
    unknown: Vec<Port>,
    #[kube(list_map_keys("note"))]
    optional: Vec<Port>,
    #[kube(list_map_keys("maybe"))]
    nullable: Vec<Port>,
    #[kube(list_map_keys("inner"))]
    object: Vec<Port>,
    #[kube(list_map_keys("name", "protocol"))]
    fine: Vec<Port>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Port {
    name: String,
    note: Option<String>,
    #[kube(nullable)]
    maybe: Option<String>,
    inner: Inner,
    #[kube(default = "TCP")]
    protocol: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Inner {
    a: i32,
}

fn main() {}
