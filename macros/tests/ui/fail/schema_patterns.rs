use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(pattern = "^(?!kube-)")]
    ahead: String,
    #[kube(pattern = "(a)\\1")]
    again: String,
    #[kube(pattern = "[a-z")]
    open: String,
}

fn main() {}
