//! `#[derive(KubeSchema)]`: what becomes of types (SCH-80 to SCH-126).

use std::collections::{BTreeMap, BTreeSet};

use kubewright::schemars::JsonSchema;
use kubewright::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The schema as a definition holds it.
fn schema<T: JsonSchema>() -> Value {
    kubewright_schema::build::structural_schema::<T>().unwrap()
}

/// The builder's problems.
fn problems<T: JsonSchema>() -> Vec<String> {
    let error = kubewright_schema::build::structural_schema::<T>().unwrap_err();
    error.problems.iter().map(ToString::to_string).collect()
}

/// Everything at once.
#[derive(KubeSchema, CustomResource, Serialize, Deserialize, Clone, Debug)]
#[kube(group = "example.com", version = "v1", kind = "First", namespaced)]
#[serde(rename_all = "camelCase")]
pub struct FirstSpec {
    /// What it is called.
    /// TODO: rename.
    /// ---
    /// Not for users.
    #[kube(min_length = 1, max_length = 63, pattern = "^[a-z]+$")]
    pub display_name: String,
    #[kube(minimum = 1, maximum = 10, default = 3)]
    pub replicas: Option<i32>,
    pub small: u8,
    pub word: u32,
    pub long: Option<u64>,
    #[kube(nullable)]
    pub maybe: Option<String>,
    pub phase: Phase,
    #[kube(list_map_keys("name"))]
    pub ports: Vec<Port>,
    pub names: BTreeSet<String>,
    #[kube(values(max_length = 8), max_properties = 4)]
    pub labels: BTreeMap<String, String>,
    #[kube(immutable)]
    pub fixed: Option<String>,
    #[serde(flatten)]
    pub common: Common,
    #[serde(skip)]
    #[allow(dead_code, reason = "it is not written")]
    pub skipped: Option<String>,
    pub any: Value,
    #[kube(schema_default)]
    #[serde(default = "hundred")]
    pub hundred: i64,
    #[schemars(range(min = 1, max = LIMIT))]
    pub limited: i64,
}

const LIMIT: i64 = 9;

fn hundred() -> i64 {
    100
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub enum Phase {
    Pending,
    #[serde(rename = "running")]
    Running,
}

/// A port.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Port {
    pub name: String,
    #[kube(validation = Rule::new("self > 0").message("must be positive"))]
    pub number: i32,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(validation = "self.owner != ''")]
pub struct Common {
    pub owner: String,
    pub note: Option<String>,
}

#[test]
fn a_struct_with_the_common_attributes() {
    insta::assert_json_snapshot!(schema::<FirstSpec>());
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub enum External {
    /// A file.
    File {
        path: String,
    },
    Url(Common),
    Nothing {},
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Internal {
    A { the_size: i32 },
    B(Common),
    C,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(tag = "t", content = "c")]
pub enum Adjacent {
    A { size: i32 },
    B(Common),
    C,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(untagged)]
pub enum Untagged {
    A { size: i32 },
    B(Port),
}

/// A rule that cannot be said of one variant alone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(untagged)]
pub enum UntaggedRule {
    A { size: i32 },
    B(Common),
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(tag = "type")]
pub enum Conflict {
    A { size: i32 },
    B { size: String },
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Narrow {
    #[kube(enum_values("Stopped"))]
    pub phase: Phase,
    #[serde(flatten)]
    pub conflict: Conflict,
    #[kube(default = Phase::Running)]
    pub computed: Phase,
}

/// What only the whole schema shows.
#[test]
fn what_cannot_be_said_is_told_with_its_place() {
    let twice = "field `size` has type integer in variant `A` and type string in `B`; rename one";
    assert_eq!(problems::<Conflict>(), [twice]);
    let found = problems::<UntaggedRule>();
    assert!(
        found.len() == 1 && found[0].starts_with("the rules of `B` cannot tell"),
        "{found:?}"
    );
    let found = problems::<Narrow>();
    assert!(found.contains(&twice.to_owned()), "{found:?}");
    assert!(found.iter().any(|text| text.starts_with("phase: ")), "{found:?}");
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[serde(untagged)]
pub enum Port2 {
    Number(i32),
    Name(String),
}

#[test]
fn enums_with_data() {
    insta::assert_json_snapshot!(json!({
        "external": schema::<External>(),
        "internal": schema::<Internal>(),
        "adjacent": schema::<Adjacent>(),
        "untagged": schema::<Untagged>(),
        "int_or_string": schema::<Port2>(),
    }));
}
