// E05: older objects have no value for a required field. Several mistakes are told at once, and the type stays.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub kept: i32,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    pub kept: i32,
    #[convert(added)]
    pub tier: String,
    #[convert(added)]
    pub sizes: Vec<i32>,
    #[convert(added)]
    pub class: Option<String>,
}

fn main() {
    let _ = |new: New| new.tier;
}
