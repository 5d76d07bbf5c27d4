use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[kube(int_or_string)]
    text: String,
    #[kube(int_or_string)]
    number: Option<i32>,
    #[kube(items(int_or_string))]
    texts: Vec<String>,
    #[kube(int_or_string)]
    newtype: Name,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Name(String);

#[derive(KubeSchema, Serialize, Deserialize)]
#[kube(int_or_string)]
struct Itself(String);

fn main() {}
