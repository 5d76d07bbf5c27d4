// E07: functions go both ways.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub a: i32,
        pub b: i32,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    #[convert(with(up = up))]
    pub a: i64,
    #[convert(with(try_down = down))]
    pub b: i64,
}

fn main() {}
