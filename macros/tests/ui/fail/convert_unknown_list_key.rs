// E15: items are told apart by a field that they have.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Port {
        pub number: u16,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub ports: Vec<Port>,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Port)]
pub struct Port {
    pub number: u16,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    #[convert(nested(key = "name"))]
    pub ports: Vec<Port>,
}

fn main() {}
