// E12: what hides the written form from a table.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub a: i32,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
#[serde(untagged)]
pub enum Untagged {
    A(i32),
}

#[derive(Convert, Serialize, Deserialize, Clone)]
#[convert(from = old::Old)]
#[serde(into = "i32")]
pub struct Into {
    pub a: i32,
}

impl From<Into> for i32 {
    fn from(value: Into) -> i32 {
        value.a
    }
}

fn main() {}
