use std::collections::BTreeMap;

use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct Unit;

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    nothing: (),
    boxed: Option<Box<()>>,
    twice: Option<Option<i32>>,
    boxed_twice: Option<Box<Option<i32>>>,
    items: Vec<Option<i32>>,
    deeper: Vec<Vec<Option<i32>>>,
    values: BTreeMap<String, Option<String>>,
    #[kube(required)]
    required: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Newtype(Option<String>);

#[derive(KubeSchema, Serialize, Deserialize)]
enum Variants {
    Maybe(Option<i32>),
    Object { a: i32 },
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Nothing,
    Data { a: i32 },
}

fn main() {}
