use std::collections::{BTreeMap, BTreeSet, HashMap};

use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    a: i32,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    objects: BTreeSet<Object>,
    lists: BTreeSet<Vec<String>>,
    maps: BTreeSet<BTreeMap<String, i32>>,
    by_number: BTreeMap<i32, String>,
    by_byte: HashMap<u8, String>,
    by_flag: BTreeMap<bool, String>,
    deeper: Vec<BTreeMap<i64, String>>,
    by_object: BTreeMap<Object, String>,
}

fn main() {}
