// E01: each older variant is spoken of, and each of its fields. What changes inside is compared.
use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize)]
    #[serde(tag = "type")]
    pub enum Source {
        Git { url: String, depth: i64 },
        Image { name: String },
        Gone { name: String },
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub enum Strategy {
        Rolling,
        Blue,
    }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Source, old_only(Gone(up = Nothing)))]
#[serde(tag = "type")]
pub enum Source {
    Git { url: String },
    Image { name: i64 },
    #[convert(added(refuse))]
    Nothing,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Strategy)]
pub enum Strategy {
    Rolling,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Source, old_only(Gone(up = Image)))]
#[serde(tag = "type")]
pub enum Other {
    Git { url: String, depth: i64 },
    Image { name: String },
}

fn main() {}
