use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

use std::marker::PhantomData;

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    unit: (),
    tuple: (i32, String),
    wide: u128,
    items: Vec<Option<i32>>,
    twice: Option<Option<i32>>,
    duration: std::time::Duration,
    nothing: PhantomData<String>,
    #[serde(with = "form")]
    unknown: String,
}

mod form {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &String, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

fn main() {}
