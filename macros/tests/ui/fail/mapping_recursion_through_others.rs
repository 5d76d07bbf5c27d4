use std::collections::BTreeMap;

use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Tree {
    branches: Vec<Branch>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Branch {
    leaves: BTreeMap<String, Leaf>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Leaf {
    Grown(Box<Tree>),
    Green {},
}

/// It holds what contains itself, and does not.
#[derive(KubeSchema, Serialize, Deserialize)]
struct Forest {
    trees: Vec<Tree>,
}

/// Cut, in three ways.
#[derive(KubeSchema, Serialize, Deserialize)]
struct River {
    #[kube(max_depth = 3)]
    streams: Vec<Stream>,
    #[kube(preserve_unknown_fields)]
    more: Option<Box<Stream>>,
    #[kube(items(preserve_unknown_fields))]
    most: Vec<Stream>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Stream {
    river: Option<Box<Lake>>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[kube(max_depth = 2)]
struct Lake {
    rivers: Vec<River>,
    lakes: Vec<Lake>,
}

fn main() {}
