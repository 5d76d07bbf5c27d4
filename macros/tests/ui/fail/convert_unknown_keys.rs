// Keys that nobody reads.
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
#[convert(from = old::Old, old_onyl(b), added)]
pub struct New {
    #[convert(renamed = "b", old_only(c), arbitrary(values))]
    pub a: i32,
}

fn main() {}
