// What serde writes in two different ways has no value to copy.
use std::collections::BTreeMap;

use kubewright::Convert;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub struct Plain {
        pub a: i32,
    }

    impl From<Plain> for Opaque {
        fn from(plain: Plain) -> Self {
            Self { a: plain.a }
        }
    }

    impl From<Opaque> for Plain {
        fn from(opaque: Opaque) -> Self {
            Self { a: opaque.a }
        }
    }

    #[derive(Clone, Convert, Serialize, Deserialize)]
    #[convert(from = super::Oldest, manual)]
    #[serde(from = "Plain", into = "Plain")]
    pub struct Opaque {
        pub a: i32,
    }

    impl kubewright::convert::ManualConvert<super::Oldest> for Opaque {
        type Error = String;

        fn up(old: super::Oldest) -> Result<Self, String> {
            Ok(Self { a: old.a })
        }

        fn down(self) -> Result<super::Oldest, String> {
            Ok(super::Oldest { a: self.a })
        }
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub enum Mode {
        Auto,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Common {
        pub a: i32,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Flattened {
        #[serde(flatten)]
        pub common: Common,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Rest {
        #[serde(flatten)]
        pub rest: BTreeMap<String, i32>,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub struct Skips {
        #[serde(skip)]
        pub a: i32,
    }

    #[derive(Convert, Serialize, Deserialize)]
    pub enum Variants {
        Custom {
            a: i32,
            #[serde(skip)]
            b: i32,
        },
    }
}

#[derive(Serialize, Deserialize)]
pub struct Oldest {
    pub a: i32,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Opaque)]
pub struct OfOpaque {
    pub a: i32,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Mode)]
pub enum Mode {
    Auto {
        #[convert(added(value = 1))]
        level: i32,
    },
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Flattened)]
pub struct Unflattened {
    pub common: old::Common,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Flattened)]
pub struct Functions {
    #[serde(flatten)]
    #[convert(with(up = up, down = down))]
    pub common: Common,
}

#[derive(Convert, Serialize, Deserialize)]
pub struct Common {
    pub b: i32,
}

fn up(common: old::Common) -> Common {
    Common { b: common.a }
}

fn down(common: Common) -> old::Common {
    old::Common { a: common.b }
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Rest)]
pub struct RestByFunctions {
    #[serde(flatten)]
    #[convert(with(up = same::<i32>, down = same::<i32>))]
    pub rest: BTreeMap<String, i32>,
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Skips, group(old(a), new(b), up = same::<i32>, down = same::<i32>))]
pub struct OfSkipped {
    pub b: i32,
}

fn same<T>(it: T) -> T {
    it
}

#[derive(Convert, Serialize, Deserialize)]
#[convert(from = old::Variants)]
pub enum Variants {
    Custom {
        #[convert(rename = "a")]
        c: i32,
        b: i32,
    },
}

fn main() {}
