use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
enum Mixed {
    Unit,
    Data { a: i32 },
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Text(String),
    Object { a: i32 },
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Twice {
    A,
    #[serde(rename = "A")]
    B,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Other {
    A,
    #[serde(other)]
    B,
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(tag = "t", deny_unknown_fields)]
enum Closed {
    A { a: i32 },
}

fn main() {}
