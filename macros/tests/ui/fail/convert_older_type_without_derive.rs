// The written names of both types must be known.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub struct Old {
        pub a: i32,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    pub a: i32,
}

fn main() {}
