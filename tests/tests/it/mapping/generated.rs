//! Written by `generate.rs`, whose test says how to write it anew. Do not edit.

#![allow(clippy::large_enum_variant, clippy::box_collection, reason = "types at random")]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::values::{Draw, Source};

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum T00 {
    SomeName0,
    SomeName1,
    SomeName2,
    SomeName3,
    SomeName4,
}

impl Draw for T00 {
    fn draw(from: &mut Source) -> Self {
        match from.below(5) {
            0 => Self::SomeName0,
            1 => Self::SomeName1,
            2 => Self::SomeName2,
            3 => Self::SomeName3,
            _ => Self::SomeName4,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct T01 {
    pub(crate) some_field1: Vec<T00>,
    pub(crate) some_field2: Box<T00>,
    pub(crate) some_field3: u64,
}

impl Draw for T01 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field1: Draw::draw(from), some_field2: Draw::draw(from), some_field3: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct T02 {
    pub(crate) some_field4: i64,
    pub(crate) some_field5: i8,
    pub(crate) some_field6: VecDeque<String>,
    #[serde(rename = "other.name-7")]
    pub(crate) some_field7: u8,
    pub(crate) some_field8: BTreeSet<T00>,
    #[serde(flatten)]
    pub(crate) some_field9: T01,
}

impl Draw for T02 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field4: Draw::draw(from), some_field5: Draw::draw(from), some_field6: Draw::draw(from), some_field7: Draw::draw(from), some_field8: Draw::draw(from), some_field9: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) enum T03 {
    OfT03Variant0(T01),
    OfT03Variant1(BTreeSet<u8>),
    OfT03Variant2 {
        some_field10: i8,
        #[serde(rename = "other.name-11")]
        some_field11: Box<T00>,
    },
    OfT03Variant3 {
        #[serde(skip_serializing_if = "Option::is_none")]
        some_field12: Option<u64>,
        some_field13: u16,
        some_field14: Option<VecDeque<T01>>,
    },
}

impl Draw for T03 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::OfT03Variant0(Draw::draw(from)),
            1 => Self::OfT03Variant1(Draw::draw(from)),
            2 => Self::OfT03Variant2 { some_field10: Draw::draw(from), some_field11: Draw::draw(from) },
            _ => Self::OfT03Variant3 { some_field12: Draw::draw(from), some_field13: Draw::draw(from), some_field14: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T04 {
    pub(crate) some_field15: BTreeSet<String>,
    pub(crate) some_field16: T00,
    pub(crate) some_field17: HashMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) some_field18: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) some_field19: Option<BTreeMap<String, BTreeMap<String, BTreeSet<bool>>>>,
    #[serde(rename = "other.name-20")]
    pub(crate) some_field20: Option<char>,
}

impl Draw for T04 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field15: Draw::draw(from), some_field16: Draw::draw(from), some_field17: Draw::draw(from), some_field18: Draw::draw(from), some_field19: Draw::draw(from), some_field20: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t05-tag", rename_all = "PascalCase")]
pub(crate) enum T05 {
    Variant0 {
        some_field21: i32,
        #[serde(default)]
        some_field22: u64,
        #[serde(rename = "other.name-23")]
        some_field23: T04,
    },
    Variant1,
    Variant2(T01),
}

impl Draw for T05 {
    fn draw(from: &mut Source) -> Self {
        match from.below(3) {
            0 => Self::Variant0 { some_field21: Draw::draw(from), some_field22: Draw::draw(from), some_field23: Draw::draw(from) },
            1 => Self::Variant1,
            _ => Self::Variant2(Draw::draw(from)),
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T06 {
    pub(crate) some_field25: T01,
    pub(crate) some_field26: T00,
    #[serde(flatten)]
    pub(crate) some_field27: Option<T01>,
    #[serde(flatten)]
    pub(crate) some_field28: T04,
}

impl Draw for T06 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field25: Draw::draw(from), some_field26: Draw::draw(from), some_field27: Draw::draw(from), some_field28: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t07-tag", content = "t07-content", rename_all = "camelCase")]
pub(crate) enum T07 {
    Variant0(T04),
    Variant1 {
        some_field29: u8,
    },
}

impl Draw for T07 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0(Draw::draw(from)),
            _ => Self::Variant1 { some_field29: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(untagged)]
pub(crate) enum T08 {
    Variant0 {
        some_field30: BTreeSet<char>,
    },
    Variant1 {
        some_field32: i32,
    },
    Variant2 {
        some_field33: T01,
    },
}

impl Draw for T08 {
    fn draw(from: &mut Source) -> Self {
        match from.below(3) {
            0 => Self::Variant0 { some_field30: Draw::draw(from) },
            1 => Self::Variant1 { some_field32: Draw::draw(from) },
            _ => Self::Variant2 { some_field33: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T09(pub(crate) BTreeMap<String, i8>);

impl Draw for T09 {
    fn draw(from: &mut Source) -> Self {
        Self(Draw::draw(from))
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t10-tag", rename_all = "camelCase")]
pub(crate) enum T10 {
    Variant0 {
        some_field35: HashMap<String, T09>,
        some_field36: HashMap<String, HashMap<String, T09>>,
        #[serde(rename = "other.name-37")]
        some_field37: f64,
        #[serde(rename = "other.name-34")]
        some_field34: T08,
    },
    Variant1(T01),
    Variant2 {
        some_field38: T09,
        #[serde(default)]
        some_field39: String,
        #[serde(rename = "other.name-34")]
        some_field34: T08,
    },
    Variant3 {
        some_field40: BTreeMap<String, String>,
        #[serde(rename = "other.name-34")]
        some_field34: T08,
    },
}

impl Draw for T10 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::Variant0 { some_field35: Draw::draw(from), some_field36: Draw::draw(from), some_field37: Draw::draw(from), some_field34: Draw::draw(from) },
            1 => Self::Variant1(Draw::draw(from)),
            2 => Self::Variant2 { some_field38: Draw::draw(from), some_field39: Draw::draw(from), some_field34: Draw::draw(from) },
            _ => Self::Variant3 { some_field40: Draw::draw(from), some_field34: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum T11 {
    SomeName0,
    SomeName1,
    SomeName2,
    SomeName3,
}

impl Draw for T11 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::SomeName0,
            1 => Self::SomeName1,
            2 => Self::SomeName2,
            _ => Self::SomeName3,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T12 {
    #[serde(rename = "other.name-42")]
    pub(crate) some_field42: T11,
    pub(crate) some_field43: T00,
    #[serde(rename = "other.name-44")]
    pub(crate) some_field44: BTreeSet<i32>,
    pub(crate) some_field45: Box<u32>,
}

impl Draw for T12 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field42: Draw::draw(from), some_field43: Draw::draw(from), some_field44: Draw::draw(from), some_field45: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T13 {
    pub(crate) some_field48: u8,
    #[serde(flatten)]
    pub(crate) some_field49: Option<T07>,
    #[serde(flatten)]
    pub(crate) some_field50: T01,
}

impl Draw for T13 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field48: Draw::draw(from), some_field49: Draw::draw(from), some_field50: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum T14 {
    OfT14Variant0 {
        some_field51: VecDeque<T12>,
        some_field52: Option<T04>,
        some_field53: String,
    },
    OfT14Variant1(u16),
}

impl Draw for T14 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::OfT14Variant0 { some_field51: Draw::draw(from), some_field52: Draw::draw(from), some_field53: Draw::draw(from) },
            _ => Self::OfT14Variant1(Draw::draw(from)),
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T15 {
    pub(crate) some_field54: VecDeque<Box<T09>>,
    pub(crate) some_field55: f32,
    pub(crate) some_field56: Option<i32>,
    #[serde(rename = "other.name-57")]
    pub(crate) some_field57: Option<u64>,
    pub(crate) some_field58: BTreeSet<T00>,
    pub(crate) some_field59: T11,
}

impl Draw for T15 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field54: Draw::draw(from), some_field55: Draw::draw(from), some_field56: Draw::draw(from), some_field57: Draw::draw(from), some_field58: Draw::draw(from), some_field59: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t16-tag")]
pub(crate) enum T16 {
    Variant0(T01),
    Variant1,
    Variant2,
}

impl Draw for T16 {
    fn draw(from: &mut Source) -> Self {
        match from.below(3) {
            0 => Self::Variant0(Draw::draw(from)),
            1 => Self::Variant1,
            _ => Self::Variant2,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct T17 {
    pub(crate) some_field60: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) some_field61: Option<i16>,
    #[kube(nullable)]
    pub(crate) some_field62: Option<i64>,
    #[serde(flatten)]
    pub(crate) some_field63: T01,
    #[serde(flatten)]
    pub(crate) some_field64: T07,
}

impl Draw for T17 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field60: Draw::draw(from), some_field61: Draw::draw(from), some_field62: Draw::draw(from), some_field63: Draw::draw(from), some_field64: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t18-tag", content = "t18-content")]
pub(crate) enum T18 {
    Variant0 {
        some_field65: HashMap<String, u8>,
        some_field66: BTreeMap<String, Vec<u64>>,
    },
    Variant1 {
        some_field67: bool,
    },
    Variant2(T04),
    Variant3(T01),
}

impl Draw for T18 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::Variant0 { some_field65: Draw::draw(from), some_field66: Draw::draw(from) },
            1 => Self::Variant1 { some_field67: Draw::draw(from) },
            2 => Self::Variant2(Draw::draw(from)),
            _ => Self::Variant3(Draw::draw(from)),
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(untagged)]
pub(crate) enum T19 {
    Variant0 {
        some_field68: u64,
        some_field69: T15,
        #[kube(nullable)]
        some_field70: Option<Box<T15>>,
    },
    Variant1 {
        some_field72: BTreeSet<T11>,
        some_field73: BTreeSet<char>,
    },
}

impl Draw for T19 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0 { some_field68: Draw::draw(from), some_field69: Draw::draw(from), some_field70: Draw::draw(from) },
            _ => Self::Variant1 { some_field72: Draw::draw(from), some_field73: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T20(pub(crate) u32);

impl Draw for T20 {
    fn draw(from: &mut Source) -> Self {
        Self(Draw::draw(from))
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t21-tag")]
pub(crate) enum T21 {
    Variant0,
    Variant1(T12),
}

impl Draw for T21 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0,
            _ => Self::Variant1(Draw::draw(from)),
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum T22 {
    SomeName0,
    SomeName1,
    SomeName2,
    SomeName3,
    SomeName4,
}

impl Draw for T22 {
    fn draw(from: &mut Source) -> Self {
        match from.below(5) {
            0 => Self::SomeName0,
            1 => Self::SomeName1,
            2 => Self::SomeName2,
            3 => Self::SomeName3,
            _ => Self::SomeName4,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct T23 {
    pub(crate) some_field75: T11,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) some_field76: Option<BTreeSet<T11>>,
}

impl Draw for T23 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field75: Draw::draw(from), some_field76: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T24 {
    pub(crate) some_field77: BTreeMap<String, u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) some_field78: Option<Box<T12>>,
    pub(crate) some_field79: BTreeMap<String, T11>,
    pub(crate) some_field80: HashMap<String, i16>,
    #[serde(flatten)]
    pub(crate) some_field81: Option<T21>,
    #[serde(flatten)]
    pub(crate) some_field82: T01,
}

impl Draw for T24 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field77: Draw::draw(from), some_field78: Draw::draw(from), some_field79: Draw::draw(from), some_field80: Draw::draw(from), some_field81: Draw::draw(from), some_field82: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum T25 {
    OfT25Variant0 {
        #[serde(rename = "other.name-83")]
        some_field83: T23,
    },
    OfT25Variant1 {
        some_field84: T12,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[serde(rename = "other.name-85")]
        some_field85: Option<Box<BTreeSet<T22>>>,
        some_field86: u32,
    },
    OfT25Variant2 {
        #[serde(rename = "other.name-87")]
        some_field87: T15,
        some_field88: T00,
        #[serde(skip_serializing_if = "Option::is_none")]
        some_field89: Option<f64>,
    },
    OfT25Variant3 {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[serde(rename = "other.name-90")]
        some_field90: Option<T20>,
    },
}

impl Draw for T25 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::OfT25Variant0 { some_field83: Draw::draw(from) },
            1 => Self::OfT25Variant1 { some_field84: Draw::draw(from), some_field85: Draw::draw(from), some_field86: Draw::draw(from) },
            2 => Self::OfT25Variant2 { some_field87: Draw::draw(from), some_field88: Draw::draw(from), some_field89: Draw::draw(from) },
            _ => Self::OfT25Variant3 { some_field90: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) struct T26 {
    pub(crate) some_field92: Box<String>,
    pub(crate) some_field93: String,
    pub(crate) some_field94: T21,
    pub(crate) some_field95: f64,
    #[serde(rename = "other.name-96")]
    pub(crate) some_field96: VecDeque<T21>,
    #[serde(rename = "other.name-97")]
    pub(crate) some_field97: VecDeque<u16>,
}

impl Draw for T26 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field92: Draw::draw(from), some_field93: Draw::draw(from), some_field94: Draw::draw(from), some_field95: Draw::draw(from), some_field96: Draw::draw(from), some_field97: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t27-tag", rename_all = "camelCase")]
pub(crate) enum T27 {
    Variant0(T12),
    Variant1(T04),
    Variant2 {
        #[serde(rename = "other.name-98")]
        some_field98: u32,
        some_field99: BTreeSet<bool>,
    },
    Variant3 {
        #[serde(skip_serializing_if = "Option::is_none")]
        some_field100: Option<HashMap<String, T20>>,
        some_field101: BTreeSet<T11>,
    },
}

impl Draw for T27 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::Variant0(Draw::draw(from)),
            1 => Self::Variant1(Draw::draw(from)),
            2 => Self::Variant2 { some_field98: Draw::draw(from), some_field99: Draw::draw(from) },
            _ => Self::Variant3 { some_field100: Draw::draw(from), some_field101: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T28 {
    #[serde(rename = "other.name-103")]
    pub(crate) some_field103: u32,
    #[serde(flatten)]
    pub(crate) some_field104: T01,
    #[serde(flatten)]
    pub(crate) some_field105: T07,
}

impl Draw for T28 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field103: Draw::draw(from), some_field104: Draw::draw(from), some_field105: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t29-tag", content = "t29-content")]
pub(crate) enum T29 {
    Variant0 {
        some_field106: VecDeque<i16>,
    },
    Variant1,
}

impl Draw for T29 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0 { some_field106: Draw::draw(from) },
            _ => Self::Variant1,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(untagged)]
pub(crate) enum T30 {
    Variant0 {
        some_field107: i64,
        some_field108: Option<u8>,
        #[serde(rename = "other.name-109")]
        some_field109: BTreeSet<T22>,
    },
    Variant1 {
        some_field110: VecDeque<i64>,
        some_field111: u32,
    },
}

impl Draw for T30 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0 { some_field107: Draw::draw(from), some_field108: Draw::draw(from), some_field109: Draw::draw(from) },
            _ => Self::Variant1 { some_field110: Draw::draw(from), some_field111: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T31(pub(crate) bool);

impl Draw for T31 {
    fn draw(from: &mut Source) -> Self {
        Self(Draw::draw(from))
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t32-tag", rename_all = "kebab-case")]
pub(crate) enum T32 {
    Variant0 {
        #[serde(rename = "other.name-113")]
        some_field113: BTreeSet<T00>,
        #[kube(nullable)]
        some_field114: Option<Box<i32>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        some_field112: Option<u16>,
    },
    Variant1(T23),
    Variant2 {
        #[kube(nullable)]
        some_field115: Option<bool>,
        some_field116: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        some_field112: Option<u16>,
    },
    Variant3,
}

impl Draw for T32 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::Variant0 { some_field113: Draw::draw(from), some_field114: Draw::draw(from), some_field112: Draw::draw(from) },
            1 => Self::Variant1(Draw::draw(from)),
            2 => Self::Variant2 { some_field115: Draw::draw(from), some_field116: Draw::draw(from), some_field112: Draw::draw(from) },
            _ => Self::Variant3,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum T33 {
    SomeName0,
    SomeName1,
}

impl Draw for T33 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::SomeName0,
            _ => Self::SomeName1,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T34 {
    #[serde(rename = "other.name-117")]
    pub(crate) some_field117: Box<T16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) some_field118: Option<BTreeSet<String>>,
    pub(crate) some_field119: i16,
    pub(crate) some_field120: HashMap<String, f32>,
}

impl Draw for T34 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field117: Draw::draw(from), some_field118: Draw::draw(from), some_field119: Draw::draw(from), some_field120: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) struct T35 {
    pub(crate) some_field121: BTreeSet<String>,
    pub(crate) some_field122: Box<T16>,
    #[serde(rename = "other.name-123")]
    pub(crate) some_field123: u16,
    pub(crate) some_field124: BTreeMap<String, BTreeSet<u8>>,
    #[serde(flatten)]
    pub(crate) some_field125: T12,
    #[serde(flatten)]
    pub(crate) some_field126: T32,
}

impl Draw for T35 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field121: Draw::draw(from), some_field122: Draw::draw(from), some_field123: Draw::draw(from), some_field124: Draw::draw(from), some_field125: Draw::draw(from), some_field126: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum T36 {
    OfT36Variant0(u32),
    OfT36Variant1 {
        some_field127: T21,
        some_field128: i64,
        some_field129: T16,
    },
}

impl Draw for T36 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::OfT36Variant0(Draw::draw(from)),
            _ => Self::OfT36Variant1 { some_field127: Draw::draw(from), some_field128: Draw::draw(from), some_field129: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T37 {
    pub(crate) some_field131: u64,
    #[kube(nullable)]
    pub(crate) some_field132: Option<i16>,
    pub(crate) some_field133: Option<T11>,
    #[serde(rename = "other.name-134")]
    pub(crate) some_field134: VecDeque<u64>,
    #[kube(nullable)]
    pub(crate) some_field135: Option<Box<BTreeSet<u8>>>,
}

impl Draw for T37 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field131: Draw::draw(from), some_field132: Draw::draw(from), some_field133: Draw::draw(from), some_field134: Draw::draw(from), some_field135: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t38-tag")]
pub(crate) enum T38 {
    Variant0(T12),
    Variant1 {
        #[serde(skip_serializing_if = "Option::is_none")]
        some_field136: Option<i32>,
    },
    Variant2,
    Variant3 {
        some_field137: VecDeque<char>,
        #[kube(nullable)]
        some_field138: Option<f32>,
    },
}

impl Draw for T38 {
    fn draw(from: &mut Source) -> Self {
        match from.below(4) {
            0 => Self::Variant0(Draw::draw(from)),
            1 => Self::Variant1 { some_field136: Draw::draw(from) },
            2 => Self::Variant2,
            _ => Self::Variant3 { some_field137: Draw::draw(from), some_field138: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T39 {
    #[serde(rename = "other.name-141")]
    pub(crate) some_field141: HashMap<String, u8>,
    pub(crate) some_field142: T23,
    #[serde(flatten)]
    pub(crate) some_field143: Option<T01>,
    #[serde(flatten)]
    pub(crate) some_field144: Option<T38>,
}

impl Draw for T39 {
    fn draw(from: &mut Source) -> Self {
        Self { some_field141: Draw::draw(from), some_field142: Draw::draw(from), some_field143: Draw::draw(from), some_field144: Draw::draw(from) }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t40-tag", content = "t40-content")]
pub(crate) enum T40 {
    Variant0(T37),
    Variant1,
}

impl Draw for T40 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0(Draw::draw(from)),
            _ => Self::Variant1,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(untagged)]
pub(crate) enum T41 {
    Variant0 {
        #[serde(rename = "other.name-145")]
        some_field145: Box<T33>,
        #[serde(skip_serializing_if = "Option::is_none")]
        some_field146: Option<T34>,
        some_field147: String,
    },
    Variant1 {
        some_field148: T00,
        some_field149: VecDeque<Vec<f32>>,
        #[kube(nullable)]
        some_field150: Option<String>,
    },
}

impl Draw for T41 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0 { some_field145: Draw::draw(from), some_field146: Draw::draw(from), some_field147: Draw::draw(from) },
            _ => Self::Variant1 { some_field148: Draw::draw(from), some_field149: Draw::draw(from), some_field150: Draw::draw(from) },
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct T42(pub(crate) BTreeSet<bool>);

impl Draw for T42 {
    fn draw(from: &mut Source) -> Self {
        Self(Draw::draw(from))
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t43-tag")]
pub(crate) enum T43 {
    Variant0(T01),
    Variant1,
}

impl Draw for T43 {
    fn draw(from: &mut Source) -> Self {
        match from.below(2) {
            0 => Self::Variant0(Draw::draw(from)),
            _ => Self::Variant1,
        }
    }
}

/// One of each.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(group = "mapping.kubewright.dev", version = "v1", kind = "Generated", derive = "PartialEq")]
#[kube(allow("float", "wide-integer", "byte-list"))]
pub(crate) struct GeneratedSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t00: Option<T00>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t01: Option<T01>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t02: Option<T02>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t03: Option<T03>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t04: Option<T04>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t05: Option<T05>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t06: Option<T06>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t07: Option<T07>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t08: Option<T08>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t09: Option<T09>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t10: Option<T10>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t11: Option<T11>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t12: Option<T12>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t13: Option<T13>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t14: Option<T14>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t15: Option<T15>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t16: Option<T16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t17: Option<T17>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t18: Option<T18>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t19: Option<T19>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t20: Option<T20>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t21: Option<T21>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t22: Option<T22>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t23: Option<T23>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t24: Option<T24>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t25: Option<T25>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t26: Option<T26>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t27: Option<T27>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t28: Option<T28>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t29: Option<T29>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t30: Option<T30>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t31: Option<T31>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t32: Option<T32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t33: Option<T33>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t34: Option<T34>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t35: Option<T35>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t36: Option<T36>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t37: Option<T37>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t38: Option<T38>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t39: Option<T39>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t40: Option<T40>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t41: Option<T41>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t42: Option<T42>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) t43: Option<T43>,
}

impl Draw for GeneratedSpec {
    fn draw(from: &mut Source) -> Self {
        Self {
            t00: Draw::draw(from),
            t01: Draw::draw(from),
            t02: Draw::draw(from),
            t03: Draw::draw(from),
            t04: Draw::draw(from),
            t05: Draw::draw(from),
            t06: Draw::draw(from),
            t07: Draw::draw(from),
            t08: Draw::draw(from),
            t09: Draw::draw(from),
            t10: Draw::draw(from),
            t11: Draw::draw(from),
            t12: Draw::draw(from),
            t13: Draw::draw(from),
            t14: Draw::draw(from),
            t15: Draw::draw(from),
            t16: Draw::draw(from),
            t17: Draw::draw(from),
            t18: Draw::draw(from),
            t19: Draw::draw(from),
            t20: Draw::draw(from),
            t21: Draw::draw(from),
            t22: Draw::draw(from),
            t23: Draw::draw(from),
            t24: Draw::draw(from),
            t25: Draw::draw(from),
            t26: Draw::draw(from),
            t27: Draw::draw(from),
            t28: Draw::draw(from),
            t29: Draw::draw(from),
            t30: Draw::draw(from),
            t31: Draw::draw(from),
            t32: Draw::draw(from),
            t33: Draw::draw(from),
            t34: Draw::draw(from),
            t35: Draw::draw(from),
            t36: Draw::draw(from),
            t37: Draw::draw(from),
            t38: Draw::draw(from),
            t39: Draw::draw(from),
            t40: Draw::draw(from),
            t41: Draw::draw(from),
            t42: Draw::draw(from),
            t43: Draw::draw(from),
        }
    }
}
