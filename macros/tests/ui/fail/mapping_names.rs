use kubewright::KubeSchema;
use serde::{Deserialize, Serialize};

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase", deserialize = "kebab-case"))]
struct Container {
    some_field: i32,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct S {
    #[serde(rename(serialize = "written", deserialize = "read"))]
    apart: i32,
    #[serde(rename = "same")]
    one: i32,
    #[serde(rename = "same")]
    other: i32,
    #[serde(with = "as_text")]
    number: i32,
    #[serde(serialize_with = "as_text::serialize")]
    half: i32,
}

#[derive(KubeSchema, Serialize, Deserialize)]
enum Variants {
    #[serde(rename(serialize = "written", deserialize = "read"))]
    Apart,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone)]
#[serde(from = "i32", into = "String")]
struct Converted(i32);

impl From<i32> for Converted {
    fn from(value: i32) -> Self {
        Self(value)
    }
}

impl From<Converted> for String {
    fn from(value: Converted) -> Self {
        value.0.to_string()
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

fn main() {}
