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

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// Constants know nothing of it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug)]
pub enum ForeignPhase {
    Ready,
    Gone,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Narrow {
    #[kube(enum_values("Stopped"))]
    pub phase: ForeignPhase,
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

/// Attributes that other derives read, aliases, generics, keys in the item's type.
#[derive(KubeSchema, CustomResource, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Second",
    at_least_one_of("host", "alias")
)]
#[x_kube(validation = "!has(self.host) || self.host != 'x'")]
pub struct SecondSpec {
    #[kube(selectable, printcolumn(name = "Host", priority = 1))]
    pub host: Option<String>,
    pub alias: Maybe,
    #[kube(required, nullable)]
    pub explicit: Option<i32>,
    pub keyed: Vec<Keyed>,
    pub wrapped: Wrapper<Vec<Keyed>>,
    #[schemars(with = "i64")]
    pub with: Name,
    #[schemars(schema_with = "anything")]
    pub function: Value,
    #[kube(schema = "string", format = "date-time")]
    pub given: Value,
    #[kube(enum_values("Pending"))]
    pub narrow: Phase,
    pub by_phase: BTreeMap<Phase, u8>,
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub merged: Vec<Port>,
    pub secrets: BTreeMap<String, kubewright::k8s_openapi::ByteString>,
    #[serde(flatten)]
    pub maybe_flat: Option<External>,
}

type Maybe = Option<String>;

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Keyed {
    #[kube(map_key)]
    pub name: Name,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(max_length = 8)]
pub struct Name(#[kube(min_length = 1)] String);

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Wrapper<T> {
    pub inner: T,
}

fn anything(_: &mut kubewright::schemars::SchemaGenerator) -> kubewright::schemars::Schema {
    kubewright::schemars::json_schema!({"type": "boolean"})
}

#[test]
fn what_types_and_other_tools_say() {
    insta::assert_json_snapshot!(schema::<SecondSpec>());
    let definition = serde_json::to_value(kubewright::crd::of::<Second>().unwrap()).unwrap();
    let version = &definition["spec"]["versions"][0];
    assert_eq!(version["selectableFields"], json!([{"jsonPath": ".spec.host"}]));
    assert_eq!(
        version["additionalPrinterColumns"],
        json!([{"name": "Host", "type": "string", "jsonPath": ".spec.host", "priority": 1}])
    );
}

/// SCH-106: two types that contain one another are told where the circle closes. Behind another name the compiler does
/// not see the types in a list.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct First1 {
    pub second: Seconds,
}

type Seconds = Option<Box<Second2>>;

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Second2 {
    pub first: Firsts,
}

type Firsts = Vec<First1>;

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Tree {
    pub name: String,
    #[kube(preserve_unknown_fields)]
    pub children: Vec<Tree>,
}

#[test]
fn circles() {
    let found = problems::<First1>();
    assert!(
        found.len() == 1 && found[0].contains("contains itself through `"),
        "{found:?}"
    );
    assert_eq!(
        schema::<Tree>()["properties"]["children"]["items"]["x-kubernetes-preserve-unknown-fields"],
        true
    );
}

/// `compat = "kube-derive"`: as kube's own derive has it, on the whole type.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(compat = "kube-derive")]
pub struct Compatible {
    pub a: Option<String>,
    pub b: u32,
}

#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is asked for")]
pub struct Plain {
    pub a: Option<String>,
    pub b: u32,
}

#[test]
fn kube_derives_schema_on_demand() {
    let (ours, theirs) = (schema::<Compatible>(), schema::<Plain>());
    assert_eq!(ours["properties"], theirs["properties"]);
    assert_eq!(ours["required"], theirs["required"]);
}
