// `nested` is for types with a conversion of their own.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

#[derive(Convert, Serialize, Deserialize)]
pub struct Shared {
    pub a: i32,
}

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub shared: Shared,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    #[convert(nested)]
    pub shared: Shared,
}

fn main() {}
