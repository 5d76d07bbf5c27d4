use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
enum Same {
    A,
    #[serde(rename = "A")]
    B,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Unknown {
    A,
    #[serde(other)]
    Other,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum None {}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Mixed {
    Unit,
    Data { a: i32 },
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(tag = "t", deny_unknown_fields)]
enum Closed {
    A { a: i32 },
    B { b: i32 },
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(tag = "t")]
enum Scalars {
    Text(String),
    List(Vec<i32>),
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Text(String),
    Object { a: i32 },
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(tag = "t")]
enum PartlyUntagged {
    A { a: i32 },
    #[serde(untagged)]
    B { b: i32 },
}

fn main() {}
