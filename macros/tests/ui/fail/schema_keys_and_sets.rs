use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

use std::collections::{BTreeMap, BTreeSet};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    numbers: BTreeMap<i32, String>,
    named: BTreeMap<Number, String>,
    fine: BTreeMap<Phase, String>,
    set: BTreeSet<Inner>,
}

#[derive(KubeSchema, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Number(i32);

#[derive(KubeSchema, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    A,
}

#[derive(KubeSchema, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Inner {
    a: i32,
}

fn main() {}
