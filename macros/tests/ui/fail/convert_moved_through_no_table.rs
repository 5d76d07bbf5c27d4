// E13: a way leads through structs that convert by a table, on both sides, and ends at a field that says so.
use kubewright::Convert;
use kubewright::convert::ManualConvert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize, Default)]
    pub struct Tls {
        pub secret: Option<String>,
    }

    #[derive(Convert, Serialize, Deserialize, Default)]
    pub struct Ingress {
        pub host: Option<String>,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Old {
        pub tls: Tls,
        pub ingress: Ingress,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Flat {
        pub secret: Option<String>,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Shared {
        pub shared: super::Shared,
    }
}

// Both versions share it, and no derive is asked.
#[derive(Serialize, Deserialize, Default)]
pub struct Shared {
    pub secret: Option<String>,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Shared, moved("shared.secret" => "secret"))]
pub struct OutOfShared {
    pub shared: Shared,
    #[convert(moved)]
    pub secret: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
pub struct Added {
    pub secret: Option<String>,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Flat, old_only(secret(moved)), moved("secret" => "added.secret"))]
pub struct IntoAdded {
    #[convert(added)]
    pub added: Option<Added>,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old, old_only(tls), moved("tls.secret" => "secret"))]
pub struct OutOfRemoved {
    pub ingress: old::Ingress,
    #[convert(moved)]
    pub secret: Option<String>,
}

#[derive(Convert, Serialize, Deserialize, Default)]
#[convert(from = old::Tls, old_only(secret))]
pub struct Unmarked {}

#[derive(Convert, Serialize, Deserialize, Default)]
#[convert(from = old::Ingress, manual)]
pub struct ByHand {
    pub host: Option<String>,
    pub secret: Option<String>,
}

impl ManualConvert<old::Ingress> for ByHand {
    type Error = String;

    fn up(old: old::Ingress) -> Result<Self, String> {
        Ok(Self { host: old.host, secret: None })
    }

    fn down(self) -> Result<old::Ingress, String> {
        Ok(old::Ingress { host: self.host })
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Old, moved("tls.secret" => "ingress.secret"))]
pub struct New {
    #[convert(nested)]
    pub tls: Unmarked,
    #[convert(nested)]
    pub ingress: ByHand,
}

fn main() {}
