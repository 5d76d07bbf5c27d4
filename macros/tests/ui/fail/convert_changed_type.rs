// E03: a field that is copied has one type in both.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub size: i32,
        pub name: Option<String>,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    pub size: i64,
    pub name: String,
}

fn main() {}
