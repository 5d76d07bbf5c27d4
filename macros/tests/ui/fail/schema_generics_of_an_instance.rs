use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Outer<T> {
    #[kube(list_map_keys("name"))]
    inner: Vec<Inner<T>>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Inner<T> {
    value: T,
}

fn main() {
    let _ = kubewright::schemars::schema_for!(Outer<i32>);
}
