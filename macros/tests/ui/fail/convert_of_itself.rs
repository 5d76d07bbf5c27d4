// A type that contains itself has no table.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Tree {
        pub below: Vec<Tree>,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Tree)]
pub struct Tree {
    #[convert(nested)]
    pub below: Vec<Tree>,
}

fn main() {}
