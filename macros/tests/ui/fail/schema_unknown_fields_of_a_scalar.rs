use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(preserve_unknown_fields)]
    text: String,
    #[kube(preserve_unknown_fields)]
    numbers: Vec<Vec<i32>>,
    #[kube(preserve_unknown_fields)]
    newtype: Option<Name>,
    #[kube(preserve_unknown_fields)]
    newtypes: Vec<Name>,
    #[kube(values(preserve_unknown_fields))]
    values: std::collections::BTreeMap<String, bool>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Name(String);

#[derive(KubeSchema, Serialize, Deserialize)]
#[kube(preserve_unknown_fields)]
enum Phase {
    Ready,
    #[kube(title = "Gone")]
    Gone,
}

fn main() {}
