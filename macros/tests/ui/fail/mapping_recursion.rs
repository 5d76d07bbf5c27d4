use std::collections::BTreeMap;

use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Tree {
    one: Option<Box<Tree>>,
    list: Vec<Self>,
    map: BTreeMap<String, Tree>,
    #[kube(max_depth = 3)]
    bounded: Vec<Tree>,
    #[kube(preserve_unknown_fields)]
    cut: Option<Box<Tree>>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Expression {
    Not(Box<Expression>),
    All { of: Vec<Expression> },
}

fn main() {}
