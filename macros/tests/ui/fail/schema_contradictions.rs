use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(minimum = 3, maximum = 2)]
    a: i32,
    #[kube(list_type = "map")]
    b: Vec<Inner>,
    #[kube(enum_values("a", "a"))]
    c: String,
    #[kube(requires("e"))]
    d: Option<String>,
    #[serde(rename(serialize = "x", deserialize = "y"))]
    f: String,
    #[kube(format = "uint32")]
    g: i32,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Inner {
    a: i32,
}

fn main() {}
