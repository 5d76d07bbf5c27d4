// E04: the older type has the field.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub image_name: String,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    #[convert(rename = "image")]
    pub image: String,
}

fn main() {}
