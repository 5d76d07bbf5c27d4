// No prelude, the crate under another name, and names of the standard library taken: what the derives print
// reaches nothing of it.
#![no_implicit_prelude]
#![allow(dead_code)]

extern crate kubewright as renamed;
extern crate schemars as my_schemars;
extern crate serde as my_serde;

use my_serde::{Deserialize, Serialize};

struct Result;
struct Option;
struct String;
struct Vec;
struct Default;
struct Into;
struct Box;
mod std {}
mod core {}
mod kube {}
mod serde {}
mod schemars {}

#[derive(renamed::CustomResource, Serialize, Deserialize, Clone, Debug)]
#[serde(crate = "my_serde")]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Foo",
    namespaced,
    status = "FooStatus",
    scale(spec_replicas_path = ".spec.replicas", status_replicas_path = ".status.replicas"),
    printcolumn(name = "A", type_ = "string", json_path = ".spec.a", description = "d", priority = 1),
    selectable = ".spec.a",
    shortname = "f",
    category = "all",
    derive = "Default",
    label("a", "b"),
    annotation("a", "b"),
    validation = "self == oldSelf",
    deprecated = "soon gone",
    apply,
    crates(kubewright = "renamed")
)]
pub struct FooSpec {
    pub name: ::std::string::String,
    pub inner: ::std::option::Option<::std::vec::Vec<Inner>>,
}

impl ::std::default::Default for FooSpec {
    fn default() -> Self {
        FooSpec { name: ::std::string::String::new(), inner: ::std::option::Option::None }
    }
}

#[derive(renamed::Apply, Serialize, Deserialize, Clone, Debug)]
#[serde(crate = "my_serde")]
#[apply(crates(kubewright = "renamed"))]
pub struct Inner {
    pub a: ::std::string::String,
}

#[derive(renamed::Apply, Serialize, Deserialize, Clone, Debug)]
#[serde(crate = "my_serde")]
#[apply(crates(kubewright = "renamed"))]
pub struct FooStatus {
    pub replicas: i32,
}

#[derive(renamed::Clientset)]
#[kube(crates(kubewright = "renamed"))]
pub struct Clients {
    foos: renamed::Client<Foo>,
}

#[derive(renamed::KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(crate = "my_serde")]
#[kube(crates(kubewright = "renamed"), at_most_one_of("a", "b"))]
pub struct Shaped {
    #[kube(minimum = 1, validation = Rule::new(rule()), default = 1 + 1)]
    a: ::std::option::Option<i32>,
    #[serde(default)]
    #[kube(max_length = LENGTH, pattern = PATTERN)]
    b: ::std::string::String,
    #[serde(default)]
    #[kube(schema_default, list_map_keys("a"))]
    c: ::std::vec::Vec<Kinds>,
    #[serde(flatten)]
    d: Tagged,
}

const LENGTH: usize = 3;
const PATTERN: &str = "a";
fn rule() -> &'static str {
    "self > 0"
}

#[derive(renamed::KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(crate = "my_serde")]
#[kube(crates(kubewright = "renamed"))]
pub struct Kinds {
    a: ::std::string::String,
}

#[derive(renamed::KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(crate = "my_serde", tag = "type")]
#[kube(crates(kubewright = "renamed"))]
pub enum Tagged {
    A { size: i32 },
    B(Kinds),
}

// schemars' own derive needs the prelude.
macro_rules! any {
    ($($ty:ident)*) => {
        $(impl my_schemars::JsonSchema for $ty {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                ::std::borrow::Cow::Borrowed("Any")
            }
            fn json_schema(_: &mut my_schemars::SchemaGenerator) -> my_schemars::Schema {
                <my_schemars::Schema as ::std::convert::From<bool>>::from(true)
            }
        })*
    };
}
any!(FooSpec FooStatus);

use ::std::prelude::rust_2024::derive;
use ::std::clone::Clone;
use ::std::fmt::Debug;

fn main() {
    let spec = FooSpecApply { name: ::std::option::Option::None, inner: ::std::option::Option::None };
    let _ = FooApply::new("a").spec(spec.name("b"));
}
