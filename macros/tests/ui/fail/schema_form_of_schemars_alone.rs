use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
#[schemars(rename_all = "camelCase")]
struct S {
    #[schemars(skip)]
    written: i32,
    #[schemars(rename = "other")]
    named: i32,
    #[schemars(default)]
    absent: i32,
    #[serde(rename = "a")]
    #[schemars(rename = "b")]
    two_names: i32,
    #[schemars(flatten)]
    inner: Inner,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Inner {
    a: i32,
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[schemars(tag = "type")]
enum E {
    #[schemars(rename = "b")]
    A { a: i32 },
    #[schemars(with = "String")]
    B { a: i32 },
}

fn main() {}
