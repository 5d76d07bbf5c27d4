use std::collections::BTreeMap;

use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Pair(String, i32);

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    tuple: (String, i32),
    one: (i32,),
    list: Vec<(String, i32)>,
    map: BTreeMap<String, (i32, i32)>,
    array: [(i32, i32); 2],
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Variants {
    Tuple(String, i32),
    Empty(),
}

fn main() {}
