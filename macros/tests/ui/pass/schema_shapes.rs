// Types of all forms, in a crate where warnings are errors.
#![deny(warnings)]
#![deny(missing_docs)]
//! Shapes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A spec with attributes of both derives.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Foo",
    status = "Status",
    at_most_one_of("a", "b"),
    validation = "self.metadata.name != 'x'"
)]
#[x_kube(validation = Rule::new("!has(self.a) || self.a != 'x'"))]
#[serde(rename_all = "camelCase")]
pub struct FooSpec {
    /// A.
    #[kube(max_length = LIMIT, printcolumn = "A", selectable)]
    pub a: Option<String>,
    /// B.
    #[kube(max_length = 3, validation = rule())]
    pub b: Option<String>,
    /// Generic.
    pub wrapped: Wrapper<Vec<Phase>>,
    /// Lifetimes.
    pub text: Cow<'static, str>,
    /// Boxed.
    pub boxed: Box<Option<Box<Name>>>,
    /// Maps.
    pub maps: BTreeMap<Phase, HashMap<String, BTreeSet<i64>>>,
    /// Lists.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub ports: Vec<Port>,
    /// Flat.
    #[serde(flatten)]
    pub tagged: Tagged,
    /// Any.
    #[kube(default = Phase::One)]
    pub phase: Option<Phase>,
}

const LIMIT: usize = 8;

fn rule() -> &'static str {
    "self != 'x'"
}

/// Status.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Status {}

/// Generic.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Wrapper<T> {
    /// Inner.
    pub inner: T,
}

/// With a parameter for a length.
#[derive(KubeSchema, Clone, Debug)]
pub struct Fixed<const N: usize> {
    /// Inner.
    pub inner: [u8; 4],
}

/// Borrowed.
#[derive(KubeSchema, Serialize, Clone, Debug)]
pub struct Borrowed<'a> {
    /// Inner.
    pub inner: &'a str,
}

/// Names.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// One.
    One,
    /// Hidden from users.
    #[kube(skip)]
    Two,
}

/// Newtype.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(max_length = 8)]
pub struct Name(#[kube(min_length = 1)] String);

/// A port.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Port {
    /// Name.
    pub name: String,
}

/// Tagged.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(tag = "type")]
pub enum Tagged {
    /// X.
    X {
        /// Size.
        #[kube(minimum = 1)]
        size: i32,
    },
    /// Y.
    Y(Port),
    /// Z.
    Z,
}

fn main() {
    let _ = kubewright::crd::of::<Foo>();
}
