// E01: each older field is spoken of. rustc says which one is not.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub kept: i32,
        pub forgotten: bool,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    pub kept: i32,
}

fn main() {}
