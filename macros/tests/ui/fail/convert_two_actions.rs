// E06: one field, one action.
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
pub struct New {
    #[convert(added, rename = "a")]
    pub b: Option<i32>,
    #[convert(nested, moved)]
    pub c: Option<i32>,
}

fn main() {}
