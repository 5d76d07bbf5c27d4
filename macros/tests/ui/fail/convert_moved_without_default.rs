// E13: a container that is not there has to be made.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize, Default)]
    pub struct Tls {
        pub secret: Option<String>,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Ingress {
        pub host: String,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub tls: Tls,
        pub ingress: Ingress,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Tls, old_only(secret(moved)))]
pub struct Tls {}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Ingress)]
pub struct Ingress {
    pub host: String,
    #[convert(moved)]
    pub secret: Option<String>,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old, moved("tls.secret" => "ingress.secret"))]
pub struct New {
    #[convert(nested)]
    pub tls: Tls,
    #[convert(nested)]
    pub ingress: Ingress,
}

fn main() {}
