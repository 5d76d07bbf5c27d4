//! The Rust twins of Go types that controller-gen was run on (SCH-130): the same definitions.
//!
//! What differs is listed with each twin, and must differ: a difference that has gone is a mistake here.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kubewright::kind::CustomKind;
use kubewright::{CustomResource, KubeSchema, k8s_openapi};
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! golden {
    ($name:literal) => {{
        let text = include_str!(concat!("controller-gen/", $name, ".yaml"));
        let definition: CustomResourceDefinition = serde_saphyr::from_str(text).unwrap();
        serde_json::to_value(definition).unwrap()
    }};
}

/// The definition of `K`, without what every definition has.
fn ours<K: CustomKind>() -> Value {
    serde_json::to_value(kubewright::crd::of::<K>().unwrap()).unwrap()
}

/// Compares; `allowed` are the differences, each with its reason.
#[track_caller]
fn same(mut ours: Value, theirs: &Value, allowed: &[(&str, &str)]) {
    for version in ours["spec"]["versions"].as_array_mut().unwrap() {
        let root = &mut version["schema"]["openAPIV3Schema"];
        strip_conditions(root);
    }
    let mut found = Vec::new();
    differ(&ours, theirs, "", &mut found);
    let shown: Vec<&str> = found.iter().map(String::as_str).collect();
    let expected: Vec<&str> = allowed.iter().map(|(difference, _)| *difference).collect();
    assert_eq!(shown, expected);
}

/// The texts of Kubernetes' own condition are Kubernetes'.
fn strip_conditions(schema: &mut Value) {
    fn strip(schema: &mut Value) {
        if let Value::Object(map) = schema {
            if map.get("description").is_some_and(Value::is_string) {
                map.remove("description");
            }
            map.values_mut().for_each(strip);
        }
    }
    if let Some(conditions) = schema.pointer_mut("/properties/status/properties/conditions") {
        strip(conditions);
    }
}

/// `path: ours | theirs`, in the order of paths.
fn differ(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            for key in keys {
                let path = format!("{path}/{key}");
                differ(
                    ours.get(key).unwrap_or(&Value::Null),
                    theirs.get(key).unwrap_or(&Value::Null),
                    &path,
                    found,
                );
            }
        }
        (Value::Array(ours), Value::Array(theirs))
            if ours.len() == theirs.len() && ours.iter().any(Value::is_object) =>
        {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                differ(ours, theirs, &format!("{path}/{index}"), found);
            }
        }
        (ours, theirs) if ours != theirs => {
            let path = path
                .trim_start_matches("/spec/versions/")
                .replace("schema/openAPIV3Schema", "~");
            let path = path.replace("/properties", "");
            found.push(format!("{path}: {ours} | {theirs}"));
        }
        _ => {}
    }
}

const NO_SIGN: &str = "a `u16` and a `u32` have no sign";
const GO_INT: &str = "Go's `int` has no width";
const SPEC: &str = "a spec is always written: only `no_spec` makes it an ordinary field";

/// BasicSpec holds one field of every scalar kind.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "lab.example.com",
    version = "v1",
    kind = "Basic",
    namespaced,
    doc = "Basic is a resource of plain scalars."
)]
#[serde(rename_all = "camelCase")]
pub struct BasicSpec {
    /// Text is required.
    pub text: String,
    /// Maybe is optional by omitempty.
    pub maybe: Option<String>,
    /// Ptr is an optional pointer.
    pub ptr: Option<String>,
    /// PtrRequired is a pointer without omitempty.
    pub ptr_required: i32,
    #[kube(nullable)]
    pub nullable: Option<String>,
    pub marked_optional: Option<bool>,
    pub marked_required: String,
    pub small: i8,
    pub short: i16,
    pub word: i32,
    pub long: i64,
    pub plain: i64,
    pub u_short: u16,
    pub u_word: u32,
    pub data: Option<k8s_openapi::ByteString>,
    pub flag: bool,
    #[serde(skip)]
    #[allow(dead_code, reason = "it is not written")]
    pub skipped: String,
}

#[test]
fn basics() {
    same(
        ours::<Basic>(),
        &golden!("basics"),
        &[
            ("0/~/spec/plain/format: \"int64\" | null", GO_INT),
            ("0/~/spec/uShort/minimum: 0.0 | null", NO_SIGN),
            (
                "0/~/spec/uWord/format: \"int64\" | \"int32\"",
                "an `int32` refuses the upper half of a `u32`",
            ),
            ("0/~/spec/uWord/minimum: 0.0 | null", NO_SIGN),
        ],
    );
}

#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "lab.example.com",
    version = "v1",
    kind = "Range",
    namespaced,
    no_spec,
    doc = "",
    validation = Rule::new("self.metadata.name.startsWith('r-')").message("name must start with r-")
)]
pub struct RangeObject {
    pub spec: RangeSpec,
    pub source: Option<Source>,
    pub choice: Option<Choice>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(validation = Rule::new("self.min <= self.max")
    .message("min must not exceed max")
    .field_path(".max")
    .reason(Reason::FieldValueInvalid))]
pub struct RangeSpec {
    pub min: i32,
    pub max: i32,
    #[kube(
        max_length = 20,
        validation = Rule::new("self == oldSelf").message(Message::Expression("'class was ' + oldSelf".into()))
    )]
    pub class: Option<String>,
    #[kube(
        maximum = 1000,
        validation = Rule::new("self >= oldSelf.orValue(0)").optional_old_self(true).message("must not shrink")
    )]
    pub grows: Option<i64>,
    #[kube(immutable)]
    pub fixed: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(exactly_one_of("file", "url"))]
pub struct Source {
    pub file: Option<String>,
    pub url: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(at_most_one_of("a", "b"), at_least_one_of("b", "c"))]
pub struct Choice {
    pub a: Option<String>,
    pub b: Option<String>,
    pub c: Option<String>,
}

#[test]
fn cel() {
    same(ours::<Range>(), &golden!("cel"), &[]);
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Inner {
    #[kube(default = 80)]
    pub port: Option<i32>,
    #[kube(default = "TCP")]
    pub proto: Option<String>,
}

#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "lab.example.com",
    version = "v1",
    kind = "Defaulted",
    namespaced,
    doc = ""
)]
pub struct DefaultedSpec {
    #[kube(default = "hello")]
    pub greeting: Option<String>,
    #[kube(default = true)]
    pub on: bool,
    #[kube(default = [1, 2, 3])]
    pub numbers: Option<Vec<i64>>,
    #[kube(default = {"port": 8080})]
    pub inner: Option<Inner>,
    #[kube(default = {})]
    pub empty: Option<Inner>,
    #[kube(default = {"a": "b"})]
    pub map: Option<BTreeMap<String, String>>,
    #[kube(default = ["x", "y"])]
    pub words: Option<Vec<String>>,
    pub inners: Option<Vec<Inner>>,
}

#[test]
fn defaults() {
    same(
        ours::<Defaulted>(),
        &golden!("defaults"),
        &[
            ("0/~/spec/numbers/items/format: \"int64\" | null", GO_INT),
            ("0/~/required: [\"spec\"] | null", SPEC),
        ],
    );
}

/// Common is inlined.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Common {
    /// Owner of the thing.
    pub owner: String,
    pub note: Option<String>,
}

/// Deep is inlined into Common2.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Deep {
    pub level: i32,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Common2 {
    #[serde(flatten)]
    pub deep: Deep,
    pub mid: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(min_properties = 1)]
pub struct Limited {
    pub l: Option<String>,
}

#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "lab.example.com",
    version = "v1",
    kind = "Flat",
    namespaced,
    doc = ""
)]
pub struct FlatSpec {
    #[serde(flatten)]
    pub common: Common,
    #[serde(flatten)]
    pub common2: Common2,
    #[serde(flatten)]
    pub limited: Limited,
    /// Named embedding is a property.
    pub extra: Option<Common>,
    pub own: String,
}

#[test]
fn embed() {
    same(ours::<Flat>(), &golden!("embed"), &[]);
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct Port {
    pub number: i32,
    #[kube(default = "TCP")]
    pub protocol: Option<String>,
    pub note: Option<String>,
}

#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "lab.example.com",
    version = "v1",
    kind = "Listy",
    plural = "listies",
    namespaced,
    doc = ""
)]
#[serde(rename_all = "camelCase")]
pub struct ListySpec {
    #[kube(list_type = "map", list_map_keys("number", "protocol"))]
    pub ports: Option<Vec<Port>>,
    #[kube(list_type = "set")]
    pub names: Option<Vec<String>>,
    #[kube(list_type = "atomic")]
    pub args: Option<Vec<String>>,
    #[kube(map_type = "atomic")]
    pub selector: Option<BTreeMap<String, String>>,
    #[kube(map_type = "granular")]
    pub free: Option<BTreeMap<String, String>>,
    #[kube(map_type = "atomic")]
    pub whole: Option<Port>,
    pub matrix: Option<Vec<Vec<i32>>>,
    pub by_name: Option<BTreeMap<String, Port>>,
    pub multi: Option<BTreeMap<String, Vec<String>>>,
    pub nested: Option<BTreeMap<String, BTreeMap<String, i64>>>,
    // Pointers in the Go type.
    #[allow(clippy::vec_box)]
    pub ptr_list: Option<Vec<Box<Port>>>,
}

#[test]
fn lists() {
    same(
        ours::<Listy>(),
        &golden!("lists"),
        &[("0/~/required: [\"spec\"] | null", SPEC)],
    );
}

mod v1 {
    use super::*;

    #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
    pub struct Schedule {
        pub minute: Option<String>,
        pub hour: Option<String>,
    }

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "lab.example.com",
        version = "v1",
        kind = "Thing",
        namespaced,
        status = "ThingStatus",
        doc = ""
    )]
    pub struct ThingSpec {
        pub schedule: Schedule,
    }

    #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(empty_ok)]
    pub struct ThingStatus {}
}

mod v1alpha1 {
    use super::*;

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "lab.example.com",
        version = "v1alpha1",
        kind = "Thing",
        namespaced,
        storage = false,
        served = false,
        deprecated = "v1alpha1 is gone; use v1",
        doc = ""
    )]
    pub struct ThingSpec {
        pub cron: String,
    }
}

mod v1beta1 {
    use super::*;

    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "lab.example.com",
        version = "v1beta1",
        kind = "Thing",
        namespaced,
        storage = false,
        deprecated,
        doc = ""
    )]
    pub struct ThingSpec {
        pub schedule: String,
    }
}

#[test]
fn multi() {
    let versions = [
        kubewright::crd::of::<v1::Thing>().unwrap(),
        kubewright::crd::of::<v1alpha1::Thing>().unwrap(),
        kubewright::crd::of::<v1beta1::Thing>().unwrap(),
    ];
    let mut merged = serde_json::to_value(kubewright::crd::merge(versions).unwrap()).unwrap();
    let versions = merged["spec"]["versions"].as_array_mut().unwrap();
    versions.sort_by_key(|version| version["name"].to_string());
    same(
        merged,
        &golden!("multi"),
        &[
            (
                "0/~/status: {\"type\":\"object\"} | null",
                "a status has a type; without a schema the server empties it",
            ),
            ("0/~/required: [\"spec\"] | null", SPEC),
            ("1/~/required: [\"spec\"] | null", SPEC),
            ("2/~/required: [\"spec\"] | null", SPEC),
        ],
    );
}

#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "lab.example.com",
    version = "v1",
    kind = "Work",
    namespaced,
    status = "WorkStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "where it is",
        priority = 1
    ),
    printcolumn(
        name = "Wanted",
        type_ = "integer",
        format = "int32",
        json_path = ".spec.replicas"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    annotation("lab.example.com/a", "b"),
    label("team", "blue"),
    doc = ""
)]
pub struct WorkSpec {
    pub replicas: i32,
    #[kube(selectable)]
    pub host: Option<String>,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub enum Phase {
    Pending,
    Running,
    Failed,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
pub struct WorkStatus {
    pub replicas: i32,
    pub selector: Option<String>,
    pub phase: Option<Phase>,
    #[kube(list_type = "map", list_map_keys("type"))]
    pub conditions: Option<Vec<Condition>>,
}

#[test]
fn status() {
    same(
        ours::<Work>(),
        &golden!("status"),
        &[("0/~/required: [\"spec\"] | null", SPEC)],
    );
}
