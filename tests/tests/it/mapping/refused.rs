//! Types that compile and cannot be built, and types that are only doubtful.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubewright::KubeSchema;
use kubewright::schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The builder's words about each of the types below.
pub(crate) fn problems() -> Vec<String> {
    fn of<T: JsonSchema>() -> Vec<String> {
        let error = kubewright_schema::build::structural_schema::<T>().unwrap_err();
        error.problems.iter().map(ToString::to_string).collect()
    }
    [
        of::<Conflict>(),
        of::<Contents>(),
        of::<Mixed>(),
        of::<Twice>(),
        of::<OpenMap>(),
        of::<OpenValue>(),
        of::<Root>(),
        of::<Clock>(),
        of::<Template>(),
    ]
    .concat()
}

/// SCH-94.
#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Conflict {
    A { size: i32 },
    B { size: String },
}

/// SCH-95.
#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Contents {
    A(i32),
    B { size: String },
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Name(String);

#[derive(KubeSchema, Serialize, Deserialize)]
struct Number(i32);

#[derive(KubeSchema, Serialize, Deserialize)]
struct Object {
    a: Number,
}

/// SCH-96: what the names alone do not tell.
#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(untagged)]
enum Mixed {
    A(Name),
    B(Object),
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Left {
    name: String,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Right {
    name: String,
}

/// SCH-97.
#[derive(KubeSchema, Serialize, Deserialize)]
struct Twice {
    #[serde(flatten)]
    left: Left,
    #[serde(flatten)]
    right: Right,
}

/// SCH-98.
#[derive(KubeSchema, Serialize, Deserialize)]
struct OpenMap {
    name: String,
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

/// SCH-98.
#[derive(KubeSchema, Serialize, Deserialize)]
struct OpenValue {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// SCH-106: under another name, which hides it from the compiler.
#[derive(KubeSchema, Serialize, Deserialize)]
struct Root {
    branches: Branches,
}

type Branches = Vec<Branch>;

#[derive(KubeSchema, Serialize, Deserialize)]
struct Branch {
    tree: Option<Box<Root>>,
}

type Wait = std::time::Duration;

/// SCH-115: under another name.
#[derive(KubeSchema, Serialize, Deserialize)]
struct Clock {
    wait: Wait,
}

/// SCH-121.
#[derive(KubeSchema, Serialize, Deserialize)]
struct Template {
    metadata: ObjectMeta,
}

/// Which rules find something about the types below.
pub(crate) fn doubts() -> Vec<&'static str> {
    let built = kubewright_schema::build::build::<Doubts>().unwrap();
    let definition = serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": built.schema}}}}],
        },
    });
    let of_schema = kubewright_schema::lint(&definition);
    let lints = built.notes.iter().chain(&of_schema);
    lints.map(|lint| lint.id).collect()
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Doubts {
    /// SCH-82.
    empty: Empty,
    /// SCH-89.
    by_key: BTreeMap<Key, String>,
    /// SCH-89.
    by_name: BTreeMap<Letter, String>,
    /// SCH-99.
    closed: Closed,
    /// SCH-100.
    defaults: Defaults,
    /// SCH-102.
    #[serde(skip_serializing)]
    #[allow(dead_code, reason = "it is read alone")]
    lost: Option<String>,
    /// SCH-103.
    #[serde(alias = "old")]
    new: String,
    /// SCH-109.
    wide: u64,
    /// SCH-110.
    float: f64,
    /// SCH-111.
    path: std::path::PathBuf,
    /// SCH-114.
    bytes: Vec<u8>,
}

#[derive(KubeSchema, Serialize, Deserialize)]
struct Empty {}

#[derive(KubeSchema, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Letter {
    A,
    B,
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(default)]
struct Defaults {
    one: Option<i32>,
    none: Option<i32>,
    #[kube(nullable)]
    kept: Option<i32>,
    #[kube(allow("none-as-default"))]
    allowed: Option<i32>,
    #[kube(default = 1)]
    told: Option<i32>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            one: Some(1),
            none: None,
            kept: Some(1),
            allowed: Some(1),
            told: Some(1),
        }
    }
}

/// Which fields are read as their type's own default (SCH-100), and which maps have keys that nobody checks (SCH-89).
#[test]
fn each_field_is_told_of_by_itself() {
    let built = kubewright_schema::build::build::<Doubts>().unwrap();
    let of = |id: &str| -> Vec<String> {
        let notes = built.notes.iter().filter(|note| note.id == id);
        notes.map(|note| note.path.clone()).collect()
    };
    assert_eq!(of("none-as-default"), [".properties[defaults].properties[one]"]);
    assert_eq!(
        of("unchecked-keys"),
        [".properties[by_key]", ".properties[by_name]"]
    );
}

#[derive(KubeSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Closed {
    a: i32,
}

#[derive(KubeSchema, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[kube(pattern = "^[a-z]+$")]
struct Key(String);
