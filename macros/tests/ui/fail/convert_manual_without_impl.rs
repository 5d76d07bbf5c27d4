// `manual` is an impl by hand.
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
#[convert(from = old::Old, manual)]
pub struct New {
    pub b: i32,
}

fn main() {}
