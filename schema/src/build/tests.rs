//! kube-core's own transforms are the oracle wherever their output is structural.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde_json::{Value, json};

use super::*;

/// What kube-derive 5 writes.
fn by_kube<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::openapi3()
        .with(|s| {
            s.inline_subschemas = true;
            s.meta_schema = None;
        })
        .with_transform(AddNullable::default())
        .with_transform(kube_core::schema::StructuralSchemaRewriter)
        .with_transform(kube_core::schema::OptionalEnum)
        .with_transform(kube_core::schema::OptionalIntOrString)
        .into_generator();
    let schema = generator.into_root_schema_for::<T>().to_value();
    let mut schema = serde_json::to_value(
        serde_json::from_value::<
            k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps,
        >(schema)
        .unwrap(),
    )
    .unwrap();
    floats_to_integers(&mut schema);
    schema
}

/// k8s-openapi holds bounds as floats; a bound of 0.0 is the bound 0.
fn floats_to_integers(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(floats_to_integers),
        Value::Array(items) => items.iter_mut().for_each(floats_to_integers),
        Value::Number(n) if n.is_f64() && n.as_f64().unwrap().fract() == 0.0 => {
            *value = json!(n.as_f64().unwrap() as i64);
        }
        _ => {}
    }
}

#[track_caller]
fn same_as_kube<T: JsonSchema>() {
    let ours = structural_schema::<T>().unwrap();
    assert_eq!(ours, by_kube::<T>());
}

#[track_caller]
fn problems<T: JsonSchema>() -> Vec<String> {
    let error = structural_schema::<T>().unwrap_err();
    error.problems.iter().map(ToString::to_string).collect()
}

/// Documented struct.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Plain {
    /// Number of copies.
    #[schemars(range(min = 1, max = 10))]
    replicas: Option<i32>,
    name: String,
    count: u32,
    big: Option<u64>,
    ratio: f64,
    flag: bool,
    list: Vec<Inner>,
    map: BTreeMap<String, Inner>,
    inner: Inner,
    optional: Option<Inner>,
    mode: Mode,
    optional_mode: Option<Mode>,
    documented: Option<DocumentedMode>,
    source: Source,
    optional_source: Option<Source>,
    set: std::collections::BTreeSet<String>,
    pair: [i32; 2],
    letter: char,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Inner {
    #[serde(default)]
    value: String,
    #[serde(default = "five")]
    five: i32,
}

fn five() -> i32 {
    5
}

#[derive(JsonSchema)]
#[allow(dead_code)]
enum Mode {
    Fast,
    Slow,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
enum DocumentedMode {
    /// At once.
    Fast,
    /// Later.
    Slow,
}

/// Where from.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
enum Source {
    /// From git.
    Git { url: String },
    /// From a bucket.
    Bucket(Bucket),
}

/// A bucket.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Bucket {
    name: String,
}

#[test]
fn structs_and_tagged_enums_as_kube_derive() {
    same_as_kube::<Plain>();
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Flat {
    own: String,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    source: Source,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Open {
    own: String,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Closed {
    own: String,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum Untagged {
    /// One.
    A { a: String },
    /// Two.
    B { b: i32, c: Option<bool> },
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Ios {
    port: k8s_openapi::apimachinery::pkg::util::intstr::IntOrString,
    maybe: Option<k8s_openapi::apimachinery::pkg::util::intstr::IntOrString>,
    quantity: Option<k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
    time: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
    conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>,
    selector: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector>,
    secret: k8s_openapi::api::core::v1::SecretKeySelector,
}

#[test]
fn flatten_and_closed_and_untagged_as_kube_derive() {
    same_as_kube::<Flat>();
    same_as_kube::<Open>();
    same_as_kube::<Closed>();
    same_as_kube::<Untagged>();
    same_as_kube::<Ios>();
}

#[test]
fn pod_template_as_kube_derive() {
    same_as_kube::<k8s_openapi::api::core::v1::PodTemplateSpec>();
}

#[derive(JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code)]
enum Internal {
    A { a: String, shared: Option<i32> },
    B { b: i32, shared: Option<i32> },
    C,
}

/// SCH-94.
#[test]
fn internally_tagged_enums_are_hoisted() {
    let schema = structural_schema::<Internal>().unwrap();
    assert_eq!(
        schema,
        json!({
            "title": "Internal",
            "type": "object",
            "required": ["kind"],
            "properties": {
                "kind": {"type": "string", "enum": ["A", "B", "C"]},
                "a": {"type": "string"},
                "b": {"type": "integer", "format": "int32"},
                "shared": {"type": "integer", "format": "int32", "nullable": true},
            },
            "oneOf": [
                {"properties": {"kind": {"enum": ["A"]}}, "required": ["a", "kind"]},
                {"properties": {"kind": {"enum": ["B"]}}, "required": ["b", "kind"]},
                {"properties": {"kind": {"enum": ["C"]}}, "required": ["kind"]},
            ],
        })
    );
}

#[derive(JsonSchema)]
#[serde(tag = "kind", content = "data")]
#[allow(dead_code)]
enum Adjacent {
    A(Bucket),
    B { b: i32 },
    C,
}

/// SCH-95.
#[test]
fn adjacently_tagged_contents_are_merged() {
    let schema = structural_schema::<Adjacent>().unwrap();
    assert_eq!(
        schema["properties"]["data"],
        json!({
            "type": "object",
            "properties": {"name": {"type": "string"}, "b": {"type": "integer", "format": "int32"}},
        })
    );
    assert_eq!(
        schema["oneOf"],
        json!([
            {"properties": {"data": {"required": ["name"]}, "kind": {"enum": ["A"]}}, "required": ["data", "kind"]},
            {"properties": {"data": {"required": ["b"]}, "kind": {"enum": ["B"]}}, "required": ["data", "kind"]},
            {"properties": {"kind": {"enum": ["C"]}}, "required": ["kind"]},
        ])
    );
}

#[derive(JsonSchema)]
#[serde(tag = "kind", content = "data")]
#[allow(dead_code)]
enum AdjacentMixed {
    A(String),
    B(i32),
}

#[derive(JsonSchema)]
#[allow(dead_code)]
enum Mixed {
    Unit,
    Data { a: String },
}

#[derive(JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code)]
enum Contradicting {
    P { x: String },
    Q { x: i32 },
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum ScalarOrObject {
    S(bool),
    I(String),
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Tree {
    children: Vec<Branch>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Branch {
    left: Option<Box<Branch>>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Keys {
    by_number: BTreeMap<u32, String>,
    pair: (String, i32),
    nothing: (),
}

/// SCH-81, 84, 90, 93, 94, 95, 96, 106: what no structural schema can say is said, with the place and a way out.
#[test]
fn what_cannot_be_said_is_reported() {
    insta::assert_debug_snapshot!([
        problems::<AdjacentMixed>(),
        problems::<Mixed>(),
        problems::<Contradicting>(),
        problems::<ScalarOrObject>(),
        problems::<Tree>(),
        problems::<Keys>(),
    ]);
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum Port {
    Number(i32),
    Name(String),
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct FlatTyped {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Values {
    any: Value,
    any_map: BTreeMap<String, Value>,
    flat: FlatTyped,
    port: Port,
    optional_port: Option<Port>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    above: i32,
    #[deprecated]
    old: Option<String>,
    twice: Option<Option<String>>,
    internal: Option<Internal>,
    #[serde(flatten)]
    first: Internal,
}

/// SCH-2, 4, 33, 96, 105: what kube-derive writes here is rejected or emptied by a server.
#[test]
fn what_kube_derive_gets_refused_is_rewritten() {
    let schema = structural_schema::<Values>().unwrap();
    insta::assert_json_snapshot!(schema);
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct TwoEnums {
    #[serde(flatten)]
    source: Source,
    #[serde(flatten)]
    tagged: Internal,
}

/// SCH-97: schemars writes `allOf` here, and everything named in it must be declared outside.
#[test]
fn two_flattened_enums_are_declared_at_their_parent() {
    let schema = structural_schema::<TwoEnums>().unwrap();
    insta::assert_json_snapshot!(schema);
}

/// SCH-131.
#[test]
fn output_is_deterministic() {
    let a = structural_schema::<Plain>().unwrap().to_string();
    assert_eq!(a, structural_schema::<Plain>().unwrap().to_string());
    let keys: Vec<String> = structural_schema::<Plain>().unwrap()["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert!(keys.is_sorted());
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Refused {
    #[schemars(regex(pattern = "^(?!a)"))]
    text: String,
    #[schemars(extend("x-kubernetes-list-type" = "map"))]
    list: Vec<Inner>,
    #[schemars(extend("default" = 1))]
    number: String,
}

/// SCH-132: attributes can say what a server refuses; it is told here.
#[test]
fn what_a_server_refuses_is_refused_here() {
    insta::assert_debug_snapshot!(problems::<Refused>());
}
