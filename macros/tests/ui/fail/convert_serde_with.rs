// E12: functions of serde's write the value in another way than its type does.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        #[serde(with = "as_text")]
        pub kept: i64,
        #[serde(with = "as_text")]
        pub size: i64,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    #[serde(with = "as_text")]
    pub kept: i64,
    pub size: i64,
}

fn main() {}
