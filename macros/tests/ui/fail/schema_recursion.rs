use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Tree {
    children: Vec<Tree>,
    #[kube(preserve_unknown_fields)]
    cut: Vec<Tree>,
    #[kube(max_depth = 2)]
    bounded: Vec<Tree>,
}

fn main() {}
