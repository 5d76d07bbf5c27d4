// VER-21: what an older version cannot show of a secret is saved in an annotation. A warning, denied here.
#![deny(deprecated)]

use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub a: i32,
        pub kept: String,
    }
}

#[derive(Convert, kubewright::KubeSchema, Serialize, Deserialize)]
#[convert(from = old::Old)]
pub struct New {
    pub a: i32,
    #[kube(sensitive)]
    pub kept: String,
    #[kube(sensitive)]
    #[convert(added)]
    pub password: Option<String>,
}

fn main() {}
