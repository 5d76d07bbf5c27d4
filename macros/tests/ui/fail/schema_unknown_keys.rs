use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
#[kube(listType = "map")]
struct S {
    #[kube(Minimum = 1)]
    a: i32,
    #[kube(max_lenght = 1)]
    b: String,
    #[kube(shortname = "s")]
    c: String,
    #[kube(minimum = 1, minimum = 2)]
    d: i32,
}

fn main() {}
