//! Types that say of themselves what `KubeSchema` says of those that derive it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::SecretKeySelector;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::*;

#[track_caller]
pub(super) fn property<T: JsonSchema>(name: &str) -> Value {
    match structural_schema::<T>() {
        Ok(schema) => schema["properties"][name].clone(),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
pub(super) fn problems<T: JsonSchema>() -> Vec<String> {
    let error = build::<T>().unwrap_err();
    error.problems.iter().map(ToString::to_string).collect()
}

#[track_caller]
pub(super) fn notes<T: JsonSchema>() -> Vec<(&'static str, String)> {
    build::<T>()
        .unwrap()
        .notes
        .into_iter()
        .map(|note| (note.id, note.path))
        .collect()
}

/// Documented.
#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
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
    i: i32,
    j: i64,
    k: f32,
    l: std::num::NonZeroU32,
    m: Option<u32>,
    n: char,
    o: [i32; 3],
    p: BTreeSet<String>,
    q: Value,
    r: BTreeMap<String, Value>,
    s: std::net::IpAddr,
    #[schemars(extend("x-kubewright" = {"allow": ["byte-list"]}))]
    t: Vec<u8>,
}

/// SCH-84, 85, 88, 105, 107 to 110, 112: controller-gen's shape of what schemars itself writes.
#[test]
fn plain_types_have_controller_gens_shape() {
    let schema = structural_schema::<Numbers>().unwrap();
    assert_eq!(schema["description"], "Documented.");
    assert_eq!(schema.get("title"), None);
    assert!(!schema["required"].as_array().unwrap().contains(&json!("m")));
    let integer = json!({"type": "integer", "minimum": 0});
    let long = json!({"type": "integer", "format": "int64", "minimum": 0});
    for (name, expected) in [
        ("a", integer.clone()),
        ("b", integer),
        ("c", long.clone()),
        ("d", long.clone()),
        ("e", long.clone()),
        ("f", json!({"type": "integer"})),
        ("g", json!({"type": "integer"})),
        ("h", json!({"type": "integer", "format": "int64"})),
        ("i", json!({"type": "integer", "format": "int32"})),
        ("j", json!({"type": "integer", "format": "int64"})),
        ("k", json!({"type": "number", "format": "float"})),
        ("l", json!({"type": "integer", "format": "int64", "minimum": 1})),
        ("m", long),
        ("n", json!({"type": "string", "minLength": 1, "maxLength": 1})),
        (
            "o",
            json!({"type": "array", "items": {"type": "integer", "format": "int32"}, "minItems": 3, "maxItems": 3}),
        ),
        (
            "p",
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
        ),
        ("q", json!({"x-kubernetes-preserve-unknown-fields": true})),
        (
            "r",
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        ),
        ("s", json!({"type": "string"})),
        (
            "t",
            json!({"type": "array", "items": {"type": "integer", "minimum": 0}}),
        ),
    ] {
        assert_eq!(schema["properties"][name], expected, "{name}");
    }
    assert_eq!(
        notes::<Numbers>(),
        [
            ("wide-integer", ".properties[d]".to_owned()),
            ("wide-integer", ".properties[e]".to_owned()),
            ("float", ".properties[k]".to_owned()),
        ]
    );
    let allowed = build::<Numbers>().unwrap().allowed;
    assert_eq!(allowed.len(), 1);
    assert_eq!(
        (allowed[0].path.as_str(), &allowed[0].ids[..]),
        (".properties[t]", &["byte-list"][..])
    );
}

/// A limited string.
#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}, "maxLength" = 8))]
#[allow(dead_code)]
struct Name(String);

#[derive(JsonSchema)]
#[allow(dead_code)]
enum Foreign {
    /// Fast.
    Fast,
    Slow,
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct ForeignStruct {
    /// Optional there.
    inner: Option<u32>,
    #[serde(default)]
    text: String,
    source: ForeignSource,
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
enum ForeignSource {
    /// From git.
    Git {
        url: String,
    },
    Bucket(Name),
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Merged {
    #[schemars(extend("maxLength" = 4))]
    short: Name,
    #[schemars(extend("maxLength" = 40))]
    long: Option<Name>,
    /// Of the field.
    described: Option<Name>,
    names: Vec<Name>,
    mode: Option<Foreign>,
    #[schemars(extend("nullable" = true))]
    null: Option<Name>,
    foreign: ForeignStruct,
}

/// SCH-83, 85, 86, 91, 92: keywords beside references, and null.
#[test]
fn what_a_field_says_is_laid_over_its_type() {
    let name = |limit: i32| json!({"type": "string", "maxLength": limit, "description": "A limited string."});
    let of = property::<Merged>;
    assert_eq!(of("short"), name(4));
    assert_eq!(of("long"), name(8));
    assert_eq!(
        of("described"),
        json!({"type": "string", "maxLength": 8, "description": "Of the field."})
    );
    assert_eq!(of("names"), json!({"type": "array", "items": name(8)}));
    assert_eq!(of("mode"), json!({"type": "string", "enum": ["Slow", "Fast"]}));
    assert_eq!(of("null")["nullable"], true);
    assert_eq!(
        of("foreign"),
        json!({
            "type": "object",
            "required": ["source"],
            "properties": {
                "inner": {"type": "integer", "format": "int64", "minimum": 0, "description": "Optional there."},
                "text": {"type": "string"},
                "source": {
                    "type": "object",
                    "properties": {
                        "git": {
                            "type": "object", "description": "From git.", "required": ["url"],
                            "properties": {"url": {"type": "string"}},
                        },
                        "bucket": name(8),
                    },
                    "oneOf": [{"required": ["git"]}, {"required": ["bucket"]}],
                },
            },
        })
    );
}

/// A newtype, as the derive marks it.
#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true, "foreign": true}))]
#[allow(dead_code)]
struct Word(u32);

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true, "foreign": true}))]
#[allow(dead_code)]
struct Names(BTreeSet<String>);

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Newtypes {
    word: Word,
    names: Names,
}

/// SCH-83, 88, 108: `uint32` means nothing to a server, and it refuses `uniqueItems`.
#[test]
fn a_newtype_has_the_shape_of_a_field_of_its_type() {
    let of = |name: &str| {
        let mut schema = property::<Newtypes>(name);
        Descriptions::Max(0).shorten(&mut schema);
        schema
    };
    assert_eq!(
        of("word"),
        json!({"type": "integer", "format": "int64", "minimum": 0})
    );
    assert_eq!(
        of("names"),
        json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"})
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Wrong {
    pair: (String, i32),
    nothing: (),
    nulls: Vec<Option<String>>,
    null_values: BTreeMap<String, Option<Name>>,
    huge: i128,
    wait: std::time::Duration,
    since: std::time::SystemTime,
    by_number: BTreeMap<i32, String>,
    objects: BTreeSet<ForeignStruct>,
    metadata: ObjectMeta,
    #[schemars(extend("x-kubewright" = {"allow": ["wide-integr", "refused"]}))]
    typo: String,
}

/// SCH-81, 84, 87, 88, 90, 107, 115, 121.
#[test]
fn what_cannot_be_said_is_told() {
    insta::assert_debug_snapshot!(problems::<Wrong>());
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Wished {
    #[schemars(extend("x-kubewright" = {"preserve": true}))]
    pair: (String, i32),
    #[schemars(extend("x-kubewright" = {"preserve": true}))]
    parameters: Option<BTreeMap<String, String>>,
    #[schemars(extend("x-kubewright" = {"intKeys": true}))]
    by_number: BTreeMap<i32, String>,
    #[schemars(extend("x-kubewright" = {"embeddedMeta": true}))]
    metadata: ObjectMeta,
    #[schemars(extend("x-kubewright" = {"compat": "kube-derive"}))]
    compat: ForeignStruct,
}

#[test]
fn wishes_are_granted() {
    let of = property::<Wished>;
    assert_eq!(of("pair"), json!({"x-kubernetes-preserve-unknown-fields": true}));
    assert_eq!(
        of("parameters"),
        json!({
            "type": "object", "additionalProperties": {"type": "string"},
            "x-kubernetes-preserve-unknown-fields": true,
        })
    );
    assert_eq!(
        of("by_number"),
        json!({"type": "object", "additionalProperties": {"type": "string"}})
    );
    let names: Vec<String> = of("metadata")["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        names,
        ["annotations", "finalizers", "labels", "name", "namespace"]
    );
    let compat = of("compat");
    assert_eq!(
        compat["properties"]["inner"],
        json!({"type": "integer", "minimum": 0, "nullable": true, "description": "Optional there."})
    );
    assert_eq!(
        compat["properties"]["text"],
        json!({"type": "string", "default": ""})
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Tree {
    name: String,
    branches: Vec<Branch>,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Branch {
    tree: Option<Box<Tree>>,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Bounded {
    tree: BoundedTree,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct BoundedTree {
    #[schemars(extend("x-kubewright" = {"maxDepth": 2}))]
    trees: Vec<BoundedTree>,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Cut {
    leaf: i32,
    #[schemars(extend("x-kubewright" = {"preserve": true}))]
    cut: Option<Box<Cut>>,
}

/// SCH-106.
#[test]
fn a_type_that_contains_itself_is_cut_or_told() {
    assert_eq!(
        problems::<Tree>(),
        [
            "branches[].tree: `Tree` contains itself through `branches[].tree`; structural schemas have no references; \
             cut with #[kube(preserve_unknown_fields)] on the field or bound with #[kube(max_depth = n)]"
        ]
    );
    let kept = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    assert_eq!(property::<Cut>("cut"), kept);
    let list = |items: Value| json!({"type": "array", "items": items});
    let tree =
        |items: Value| json!({"type": "object", "required": ["trees"], "properties": {"trees": list(items)}});
    assert_eq!(property::<Bounded>("tree"), tree(tree(tree(kept))));
}

/// Of another derive.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Outer {
    /// Optional there.
    number: Option<u32>,
    inner: Option<Merged>,
    list: Vec<Name>,
    source: OuterSource,
}

#[derive(JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code)]
enum OuterSource {
    Git {
        /// The one.
        name: Name,
    },
    Bucket {
        /// The other.
        name: Name,
        secret: SecretKeySelector,
    },
}

/// Each has the shape of its derive.
#[test]
fn a_kube_schema_within_another_type_keeps_its_shape() {
    let schema = structural_schema::<Outer>().unwrap();
    let of = |name: &str| schema["properties"][name].clone();
    assert_eq!(of("number")["nullable"], true);
    assert_eq!(of("number")["description"], "Optional there.");
    let mut inner = structural_schema::<Merged>().unwrap();
    inner["nullable"] = true.into();
    assert_eq!(of("inner"), inner);
    let name = |text: &str| json!({"type": "string", "maxLength": 8, "description": text});
    assert_eq!(of("list")["items"], name("A limited string."));
    assert_eq!(of("source")["properties"]["name"], name("The one."));
    assert_eq!(
        of("source")["properties"]["secret"].get("x-kubernetes-map-type"),
        None
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Shown {
    #[schemars(extend("x-kubewright" = {"column": {"name": "Since", "priority": 1}, "selectable": true}))]
    since: Option<Time>,
    inner: ShownInner,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct ShownInner {
    #[schemars(extend("x-kubewright" = {"column": {"name": "A", "description": "Of a."}}))]
    #[serde(rename = "a.b")]
    a: i32,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct ShownWrongly {
    list: Vec<ShownInner>,
    #[schemars(extend("x-kubewright" = {"column": {"name": "A"}}))]
    object: ShownInner,
}

/// markers.md, section 2: the path and the type of a column are the field's.
#[test]
fn columns_of_fields_know_their_path() {
    let built = build::<Shown>().unwrap();
    let columns: Vec<_> = built
        .columns
        .iter()
        .map(|c| {
            (
                c.name.as_str(),
                c.type_.as_str(),
                c.json_path.as_str(),
                c.priority,
            )
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("A", "integer", r".inner.a\.b", None),
            ("Since", "date", ".since", Some(1))
        ]
    );
    assert_eq!(built.selectable, [".since"]);
    assert_eq!(built.columns[0].description.as_deref(), Some("Of a."));
    let told = problems::<ShownWrongly>();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("list[].a.b: `printcolumn` stands on a field"),
        "{told:?}"
    );
    assert!(told[1].starts_with("object: a column shows a string"), "{told:?}");
}

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Percent(i32);

#[derive(JsonSchema)]
#[allow(dead_code)]
struct Limited {
    #[schemars(range(min = 0, max = 100))]
    percent: Percent,
    #[schemars(range(max = 50))]
    half: Option<Percent>,
    #[schemars(length(max = 3))]
    few: Vec<Percent>,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct HoldsLimited {
    limited: Limited,
    byte: u8,
}

/// schemars drops these where it writes a reference.
#[test]
fn limits_beside_references_are_kept() {
    let limited = property::<HoldsLimited>("limited");
    assert_eq!(
        limited["properties"],
        json!({
            "percent": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100},
            "half": {"type": "integer", "format": "int32", "maximum": 50},
            "few": {"type": "array", "items": {"type": "integer", "format": "int32"}, "maxItems": 3},
        })
    );
    assert_eq!(
        property::<HoldsLimited>("byte"),
        json!({"type": "integer", "minimum": 0})
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Keyed {
    #[schemars(extend("x-kubewright" = {"mapKey": true}))]
    name: String,
    value: String,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true, "denyUnknownFields": true}))]
#[allow(dead_code)]
struct HoldsKeyed {
    keyed: Vec<Keyed>,
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    atomic: Option<Vec<Keyed>>,
}

/// SCH-43, 99: an item's type may say what its lists are keyed by.
#[test]
fn items_tell_their_keys() {
    let keyed = property::<HoldsKeyed>("keyed");
    assert_eq!(keyed["x-kubernetes-list-type"], "map");
    assert_eq!(keyed["x-kubernetes-list-map-keys"], json!(["name"]));
    let atomic = property::<HoldsKeyed>("atomic");
    assert_eq!(atomic["x-kubernetes-list-type"], "atomic");
    assert_eq!(atomic.get("x-kubernetes-list-map-keys"), None);
    assert_eq!(notes::<HoldsKeyed>(), [("closed-object", String::new())]);
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true}))]
#[allow(dead_code)]
struct Ints {
    #[schemars(extend("x-kubewright" = {"strictInts": true}))]
    strict: i8,
    #[schemars(extend("x-kubewright" = {"compat": "controller-gen"}))]
    go: u32,
    #[schemars(extend("x-kubewright" = {"alias": true}))]
    aliased: String,
}

/// SCH-103, 107, 108.
#[test]
fn integers_as_asked_for() {
    let of = property::<Ints>;
    assert_eq!(
        of("strict"),
        json!({"type": "integer", "minimum": -128, "maximum": 127})
    );
    assert_eq!(of("go"), json!({"type": "integer", "format": "int32"}));
    assert_eq!(
        notes::<Ints>(),
        [("pruned-alias", ".properties[aliased]".to_owned())]
    );
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true, "maxDepth": 1_000_000}))]
#[allow(dead_code)]
struct Bottomless {
    next: Option<Box<Bottomless>>,
}

#[derive(JsonSchema)]
#[schemars(extend("x-kubewright" = {"exact": true, "maxDepth": 40}))]
#[allow(dead_code)]
struct Wide {
    one: Option<Box<Wide>>,
    other: Option<Box<Wide>>,
}

/// Neither the stack nor the memory is at the mercy of a number.
#[test]
fn what_grows_without_end_is_told() {
    for told in [problems::<Bottomless>(), problems::<Wide>()] {
        let [problem] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert!(problem.contains("larger than a server stores"), "{problem}");
    }
}
