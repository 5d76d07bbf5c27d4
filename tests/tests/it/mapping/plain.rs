//! Scalars, collections, structs and what serde's attributes make of them: SCH-80 to SCH-90 and SCH-97 to SCH-114.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::marker::PhantomData;
use std::num::{NonZeroI32, NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::Arc;

use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::values::{Draw, Source, mapped};

mapped! {
    /// SCH-83, 108: of a type that is not derived.
    struct Word(u32);

    #[kube(minimum = 1)]
    struct Share(f64 => share);

    struct Names(BTreeSet<String>);

    struct Flags([bool; 2]);

    struct Any(Value);

    struct Texts(BTreeMap<String, i32>);

    /// SCH-86: null is its value.
    struct Maybe(
        #[kube(nullable)]
        Option<String>
    );
}

/// From 1 on.
fn share(from: &mut Source) -> f64 {
    from.one_of(&[1.0, 1.5, 1.0e21])
}

mapped! {
    /// Of whatever is no object or list.
    #[derive(CustomResource)]
    #[kube(group = "mapping.kubewright.dev", version = "v1", kind = "Scalar")]
    #[kube(derive = "PartialEq")]
    #[kube(allow("float", "wide-integer"))]
    #[serde(rename_all = "camelCase")]
    struct ScalarSpec {
        /// SCH-107.
        tiny: i8,
        small: i16,
        medium: i32,
        large: i64,
        pointer_sized: isize,
        /// SCH-108.
        byte: u8,
        port: u16,
        word: u32,
        /// SCH-109.
        wide: u64,
        length: usize,
        not_zero: NonZeroU8,
        not_zero_port: NonZeroU16,
        not_zero_word: NonZeroU32,
        not_zero_wide: Option<NonZeroU64>,
        not_zero_signed: NonZeroI32,
        /// SCH-107, with the limits of the type.
        #[kube(strict_ints)]
        strict: i8,
        #[kube(strict_ints)]
        strict_byte: Option<u8>,
        wrapped: Word,
        maybe_wrapped: Option<Word>,
        share: Share,
        /// SCH-110.
        single: f32,
        double: f64,
        maybe_double: Option<f64>,
        /// SCH-111.
        flag: bool,
        text: String,
        borrowed: Cow<'static, str>,
        #[kube(allow("os-path"))]
        path: PathBuf,
        address: std::net::IpAddr,
        /// SCH-112.
        letter: char,
        maybe_letter: Option<char>,
    }
}

mapped! {
    /// SCH-82.
    #[kube(empty_ok)]
    struct Empty {}

    /// SCH-83.
    #[kube(max_length = 300)]
    struct Name(String);

    /// SCH-83.
    #[serde(transparent)]
    struct Transparent {
        inner: Point,
    }

    /// SCH-83: a newtype of a newtype.
    struct Alias(Name);

    struct Point {
        x: i32,
        y: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        z: Option<i32>,
    }

    struct Fence {
        name: String,
        posts: [Point; 2],
        gate: Option<Point>,
    }

    /// SCH-97.
    struct Common {
        owner: String,
        note: Option<String>,
    }

    /// SCH-97.
    struct Extra {
        extra_point: Point,
        extra_note: Option<String>,
    }

    /// SCH-99.
    #[serde(deny_unknown_fields)]
    #[kube(allow("closed-object"))]
    struct Closed {
        a: Option<i32>,
        b: String,
    }

    /// SCH-100, on the container.
    #[serde(default)]
    struct Defaulted {
        a: i32,
        b: Vec<String>,
        /// `None` is not the default, so that null has to be kept.
        #[kube(nullable)]
        c: Option<bool>,
    }

    /// SCH-101.
    #[serde(rename_all = "SCREAMING-KEBAB-CASE")]
    struct Renamed {
        first_name: String,
        #[serde(rename = "with.dots/and-more")]
        second: i32,
        r#type: bool,
        #[serde(rename(serialize = "both", deserialize = "both"))]
        third: Option<i32>,
        /// SCH-103.
        #[serde(alias = "old_name")]
        #[kube(allow("pruned-alias"))]
        new_name: Option<String>,
    }

    /// SCH-104: written as text.
    #[serde(try_from = "String", into = "String")]
    struct Version(u8);

    /// SCH-125.
    struct Pair {
        one: Generic<String>,
        other: Generic<Point>,
        many: Vec<Generic<BTreeMap<String, i32>>>,
    }

    /// SCH-126: what is not written has no schema.
    struct Skips {
        a: i32,
        #[serde(skip)]
        marker: PhantomData<String>,
        #[serde(skip)]
        function: Option<Ignored>,
        #[kube(skip)]
        #[serde(skip, default)]
        nothing: (),
    }

    /// SCH-106, bounded.
    struct Tree {
        name: String,
        #[kube(max_depth = 2)]
        branches: Vec<Tree> => branches,
    }

    /// SCH-106, cut.
    struct Chain {
        link: i32,
        #[kube(preserve_unknown_fields)]
        next: Option<Box<Chain>> => next,
    }
}

impl Default for Defaulted {
    fn default() -> Self {
        Self {
            a: 7,
            b: vec!["b".to_owned()],
            c: Some(true),
        }
    }
}

/// Has no JSON.
#[derive(Clone, Debug)]
pub(crate) struct Ignored(pub(crate) fn() -> i32);

impl PartialEq for Ignored {
    fn eq(&self, other: &Self) -> bool {
        (self.0)() == (other.0)()
    }
}

impl Draw for Option<Ignored> {
    fn draw(_: &mut Source) -> Self {
        None
    }
}

impl Draw for PhantomData<String> {
    fn draw(_: &mut Source) -> Self {
        PhantomData
    }
}

impl Draw for () {
    fn draw(_: &mut Source) -> Self {}
}

impl TryFrom<String> for Version {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.trim_start_matches('v').parse().map(Self)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        format!("v{}", version.0)
    }
}

/// SCH-125.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Generic<T> {
    value: T,
    list: Vec<T>,
    maybe: Option<T>,
}

impl<T: Draw> Draw for Generic<T> {
    fn draw(from: &mut Source) -> Self {
        Self {
            value: Draw::draw(from),
            list: Draw::draw(from),
            maybe: Draw::draw(from),
        }
    }
}

/// A tree that ends below the place where its schema ends to tell its fields.
fn branches(from: &mut Source) -> Vec<Tree> {
    fn of(from: &mut Source, depth: usize) -> Vec<Tree> {
        let many = if depth == 0 { 0 } else { from.below(3) };
        let tree = |from: &mut Source| Tree {
            name: Draw::draw(from),
            branches: of(from, depth - 1),
        };
        (0..many).map(|_| tree(from)).collect()
    }
    of(from, 4)
}

fn next(from: &mut Source) -> Option<Box<Chain>> {
    (from.below(3) > 0).then(|| {
        Box::new(Chain {
            link: Draw::draw(from),
            next: next(from),
        })
    })
}

/// serde's `with`: a number as text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

fn hundred() -> i64 {
    100
}

fn maybe_hundred() -> Option<i64> {
    Some(100)
}

/// Every number of 64 bits, since it is text.
fn any_number(from: &mut Source) -> u64 {
    from.one_of(&[0, u64::MAX, 1 << 63])
}

fn texts(from: &mut Source) -> BTreeMap<Letter, i32> {
    Draw::draw(from)
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Letter {
    A,
    #[serde(rename = "b-c")]
    B,
}

impl Draw for Letter {
    fn draw(from: &mut Source) -> Self {
        from.one_of(&[Self::A, Self::B])
    }
}

/// A key that is written as a string.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(String);

impl Draw for Key {
    fn draw(from: &mut Source) -> Self {
        Self(Draw::draw(from))
    }
}

mapped! {
    /// Of objects and lists.
    #[derive(CustomResource)]
    #[kube(group = "mapping.kubewright.dev", version = "v1", kind = "Compound")]
    #[kube(derive = "PartialEq")]
    #[kube(allow("closed-object", "byte-list", "unchecked-keys", "emptied-map"))]
    #[serde(rename_all = "camelCase")]
    struct CompoundSpec {
        empty: Empty,
        maybe_empty: Option<Empty>,
        /// Of the field.
        name: Name,
        #[kube(max_length = 301)]
        maybe_name: Option<Name>,
        alias: Alias,
        transparent: Transparent,
        point: Point,
        names: Names,
        flags: Flags,
        any_wrapped: Any,
        texts: Texts,
        wrapped_maybe: Maybe,
        wrapped_list: Vec<Word>,
        /// SCH-84.
        three: [i32; 3],
        /// Rules for parts of parts, as a server compiles them; no name is drawn that these are about.
        #[kube(item(name = "no such name",
            subfield(gate, required, subfield(x, minimum = 1)),
            subfield(posts, item(x = 7, forbidden), item(x = 8, subfield(y, forbidden), subfield(x, not_equal = 9)))))]
        fences: [Fence; 2],
        /// SCH-85.
        maybe: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        left_out: Option<Point>,
        /// SCH-86.
        #[kube(nullable)]
        nullable: Option<i32>,
        #[kube(nullable)]
        nullable_point: Option<Point>,
        #[kube(nullable, required)]
        required_nullable: Option<String>,
        #[kube(items(nullable))]
        nulls: Vec<Option<i32>>,
        #[kube(values(nullable))]
        null_values: BTreeMap<String, Option<Point>>,
        /// SCH-87.
        list: Vec<String>,
        deque: VecDeque<Point>,
        matrix: Vec<Vec<i32>>,
        boxed_slice: Box<[i32]> => slice,
        #[kube(list_type = "atomic")]
        atomic: Option<Vec<Point>>,
        /// SCH-88.
        set: BTreeSet<String>,
        hash_set: HashSet<i32>,
        letter_set: BTreeSet<Letter>,
        /// SCH-89.
        map: BTreeMap<String, i32>,
        hash_map: HashMap<String, Point>,
        map_of_maps: BTreeMap<String, BTreeMap<String, Vec<bool>>>,
        by_letter: BTreeMap<Letter, i32> => texts,
        by_text_and_letter: BTreeMap<String, BTreeMap<Letter, i32>>,
        #[kube(values(maximum = 2147483647, nullable))]
        null_by_letter: BTreeMap<Letter, Option<i32>>,
        by_key: BTreeMap<Key, Point>,
        by_cow: BTreeMap<Cow<'static, str>, i32>,
        /// SCH-90.
        #[kube(int_keys)]
        by_number: BTreeMap<i32, String>,
        #[kube(int_keys)]
        by_byte: HashMap<u8, Point>,
        /// SCH-97.
        #[serde(flatten)]
        common: Common,
        #[serde(flatten)]
        extra: Option<Extra>,
        closed: Closed,
        /// SCH-100.
        #[serde(default)]
        defaulted: i32,
        #[serde(default = "hundred")]
        hundred: i64,
        /// A `None` is kept as null, so that it is not read as the default.
        #[serde(default = "maybe_hundred")]
        #[kube(nullable)]
        maybe_hundred: Option<i64>,
        #[serde(default = "hundred")]
        #[kube(schema_default)]
        told_hundred: i64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seldom: Vec<String>,
        container: Defaulted,
        renamed: Renamed,
        /// SCH-104.
        #[serde(with = "as_text")]
        #[kube(schema = "string", pattern = "^[0-9]+$")]
        as_text: u64 => any_number,
        #[serde(with = "as_text")]
        #[schemars(with = "String")]
        as_text_too: u64 => any_number,
        version: Version,
        /// SCH-105.
        any: Value,
        maybe_any: Option<Value>,
        anything: Map<String, Value>,
        any_map: BTreeMap<String, Value>,
        any_list: Vec<Value>,
        chain: Chain,
        tree: Tree,
        /// SCH-113.
        boxed: Box<Point>,
        shared: Arc<Point>,
        maybe_boxed: Option<Box<String>>,
        /// SCH-114.
        bytes: Vec<u8>,
        pair: Pair,
        skips: Skips,
    }
}

fn slice(from: &mut Source) -> Box<[i32]> {
    Vec::draw(from).into()
}

mapped! {
    struct Kept {
        name: String,
        #[serde(flatten)]
        #[kube(preserve_unknown_fields)]
        rest: BTreeMap<String, Value> => rest,
    }

    /// SCH-98, on demand.
    #[derive(CustomResource)]
    #[kube(group = "mapping.kubewright.dev", version = "v1", kind = "Open")]
    #[kube(derive = "PartialEq")]
    struct OpenSpec {
        kept: Kept,
    }
}

/// Keys that are no other field's.
fn rest(from: &mut Source) -> BTreeMap<String, Value> {
    (0..from.below(4))
        .map(|at| (format!("key{at}"), Value::draw(from)))
        .collect()
}
