// E13: no way leads through a list.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub list: Vec<i32>,
        pub tls: i32,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old, moved("list.a" => "tls.b"))]
pub struct New {
    pub list: Vec<i32>,
    pub tls: i32,
}

fn main() {}
