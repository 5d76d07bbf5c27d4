// E11: older clients have to see something.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub enum Old {
        Rolling,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub enum New {
    Rolling,
    #[convert(added)]
    Canary,
}

fn main() {}
