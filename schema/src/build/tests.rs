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
    leave_out(&mut schema);
    schema
}

/// Takes out what we leave out and kube-derive does not: `nullable` and null in an enum, formats that no server knows.
fn leave_out(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(leave_out);
            if let Some(Value::Array(values)) = map.get_mut("enum") {
                values.retain(|value| !value.is_null());
                map.remove("nullable");
            }
            if map
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|format| format.starts_with("uint"))
            {
                map.remove("format");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out),
        _ => {}
    }
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
#[serde(untagged)]
#[allow(dead_code)]
enum Short {
    Url(String),
    Full { url: String },
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum UnitOrObject {
    Mode(Mode),
    Full { mode: Mode },
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum ObjectOrAny {
    Known { a: String },
    Other(Value),
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum PortOrObject {
    Short(k8s_openapi::apimachinery::pkg::util::intstr::IntOrString),
    Full { port: i32 },
}

/// SCH-96: an untagged enum of different JSON types lost all forms but the object, without a word.
#[test]
fn untagged_enums_of_different_types_are_refused() {
    let want = "untagged enums of different JSON types are not structural; use IntOrString, a tagged enum, or keep \
                unknown fields (x-kubernetes-preserve-unknown-fields)";
    assert_eq!(problems::<Short>(), [want]);
    assert_eq!(problems::<Option<Short>>(), [want]);
    assert_eq!(problems::<UnitOrObject>(), [want]);
    assert_eq!(problems::<OneOrMany>(), [want]);
    assert_eq!(problems::<ObjectOrAny>(), [want]);
    assert_eq!(problems::<PortOrObject>(), [want]);
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[allow(dead_code)]
enum Preserved {
    Url(String),
    Full { url: String },
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum TwoModes {
    Plain(Mode),
    Documented(DocumentedMode),
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum OpenVariant {
    Known { a: i32 },
    Any(BTreeMap<String, String>),
}

/// SCH-96: the ways out that the message names, and variants of one type.
#[test]
fn untagged_enums_that_are_structural() {
    let object = |value: Value| json!({"type": "object", "properties": {"spec": value}});
    for (schema, right, wrong) in [
        (
            structural_schema::<Preserved>().unwrap(),
            vec![json!("http://a"), json!({"url": "http://a"})],
            json!({"url": 1}),
        ),
        (
            structural_schema::<TwoModes>().unwrap(),
            vec![json!("Fast")],
            json!("Odd"),
        ),
        (
            structural_schema::<OpenVariant>().unwrap(),
            vec![json!({"a": 1}), json!({"b": "c"})],
            json!("Odd"),
        ),
    ] {
        let structural = crate::Structural::from_json(&object(schema)).unwrap();
        for value in right {
            let mut prepared = json!({ "spec": value });
            assert!(crate::prepare(&mut prepared, &structural).is_empty(), "{value}");
            assert_eq!(crate::validate(&prepared, None, &structural), [], "{value}");
            assert_eq!(prepared["spec"], value);
        }
        let wrong = json!({ "spec": wrong });
        assert!(!crate::validate(&wrong, None, &structural).is_empty(), "{wrong}");
    }
}

/// SCH-31, SCH-86: a server takes the null of an optional enum only where the field is not nullable.
#[test]
fn the_null_of_an_optional_enum_is_accepted() {
    let schema = structural_schema::<Plain>().unwrap();
    assert_eq!(
        schema["properties"]["optional_mode"],
        json!({"type": "string", "enum": ["Fast", "Slow"]})
    );
    let modes = json!({"type": "object", "properties": {
        "a": schema["properties"]["optional_mode"], "b": schema["properties"]["documented"]}});
    let structural = crate::Structural::from_json(&modes).unwrap();
    let mut object = json!({"a": null, "b": null});
    crate::prepare(&mut object, &structural);
    assert_eq!(crate::validate(&object, None, &structural), []);
    assert_eq!(object, json!({}));
}

/// What is emitted has no lints, not even for types with every odd number (SCH-25, SCH-108, SCH-109).
#[test]
fn emitted_schemas_are_lint_clean() {
    for (name, schema) in [
        ("Plain", structural_schema::<Plain>()),
        ("Numbers", structural_schema::<Numbers>()),
        ("Flat", structural_schema::<Flat>()),
        ("Open", structural_schema::<Open>()),
        ("Closed", structural_schema::<Closed>()),
        ("Untagged", structural_schema::<Untagged>()),
        ("Ios", structural_schema::<Ios>()),
        ("Internal", structural_schema::<Internal>()),
        ("Adjacent", structural_schema::<Adjacent>()),
        ("Values", structural_schema::<Values>()),
        ("TwoEnums", structural_schema::<TwoEnums>()),
        ("Preserved", structural_schema::<Preserved>()),
        ("TwoModes", structural_schema::<TwoModes>()),
        ("OpenVariant", structural_schema::<OpenVariant>()),
        (
            "PodTemplateSpec",
            structural_schema::<k8s_openapi::api::core::v1::PodTemplateSpec>(),
        ),
    ] {
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "foos.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "foos", "kind": "Foo"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": schema.unwrap()}}}}],
            },
        });
        let errors: Vec<String> = crate::lint(&crd)
            .iter()
            .filter(|lint| lint.severity == crate::Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Numbers {
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: usize,
    f: i8,
    g: i16,
    h: isize,
    i: f32,
    j: std::num::NonZeroU32,
    k: Option<std::net::IpAddr>,
    l: std::time::Duration,
    m: Vec<u8>,
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

#[derive(JsonSchema)]
#[allow(dead_code)]
struct TwoOptionalEnums {
    #[serde(flatten)]
    source: Option<Source>,
    #[serde(flatten)]
    untagged: Option<Untagged>,
}

/// SCH-97: an absent enum is no variant of its own.
#[test]
fn flattened_enums_may_be_optional() {
    let schema = structural_schema::<TwoOptionalEnums>().unwrap();
    assert_eq!(schema["type"], "object");
    assert_eq!(
        schema["allOf"],
        json!([
            {"anyOf": [{"oneOf": [{"required": ["git"]}, {"required": ["bucket"]}]}, {}]},
            {"anyOf": [{"required": ["a"]}, {"required": ["b"]}, {}]},
        ])
    );
    let declared: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(declared, ["a", "b", "bucket", "c", "git"]);
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

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Deep {
    x: Vec<BTreeMap<String, Deeper>>,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Deeper {
    #[serde(rename = "a]b.c")]
    #[schemars(regex(pattern = "("))]
    x: String,
}

/// The place of a refusal is told as all others are, whatever fields are called.
#[test]
fn refusals_have_the_path_of_the_field() {
    assert_eq!(
        problems::<Deep>(),
        [
            "x[][*].a]b.c: the API server refuses this schema: pattern: Invalid value: \"(\": must be a valid regular \
          expression, but isn't: error parsing regexp: missing closing ): `(`"
        ]
    );
}

/// SCH-132: attributes can say what a server refuses; it is told here.
#[test]
fn what_a_server_refuses_is_refused_here() {
    insta::assert_debug_snapshot!(problems::<Refused>());
}

#[test]
fn untagged_variants_of_one_field_are_told_apart_by_position() {
    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Inner {
        A { inner: String },
        B { inner: u32 },
    }
    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Outer {
        field: Inner,
    }
    let [problem] = &problems::<Outer>()[..] else {
        panic!("{:?}", problems::<Outer>());
    };
    assert!(
        problem.contains("in variant `#1`") && problem.contains("in `#2`"),
        "{problem}"
    );
}
