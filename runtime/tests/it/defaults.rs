//! `#[derive(Defaults)]`: what is filled in, in which order, and what is left alone (VER-41, VER-42).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kubewright::{CustomResource, Defaults, KubeSchema};
use serde::{Deserialize, Serialize};

const CLASS: &str = "small";

#[derive(CustomResource, KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(group = "example.com", version = "v1", kind = "Site", namespaced)]
#[defaults(with = spec_defaults)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    #[kube(default = 3)]
    replicas: Option<i32>,
    #[kube(default = CLASS)]
    class: Option<String>,
    #[kube(default = {"host": "localhost", "port": {"number": 80}})]
    backend: Option<Backend>,
    #[kube(default_with = three)]
    made: Option<i64>,
    #[kube(nullable, default = 7)]
    limit: Option<Option<i32>>,
    #[kube(default = "Rolling")]
    strategy: Option<Strategy>,
    #[kube(default = 5, default_with = minute)]
    #[serde(with = "seconds", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pause: Option<std::time::Duration>,
    #[serde(default = "word")]
    #[kube(schema_default)]
    word: Option<String>,
    port: Option<Port>,
    boxed: Option<Box<Port>>,
    #[serde(default)]
    ports: Vec<Port>,
    #[serde(default)]
    named: BTreeMap<String, Port>,
    #[serde(default)]
    hashed: HashMap<String, Vec<Port>>,
    #[kube(items(nullable))]
    #[serde(default)]
    holes: Vec<Option<Port>>,
    kind: Option<Phase>,
    from_function: Option<Port>,
    plain: Option<Plain>,
    #[kube(default = 1)]
    #[serde(default)]
    always: i32,
}

fn spec_defaults(spec: &mut SiteSpec) {
    // The fields' own defaults are there already, those of what stands inside are not.
    assert_eq!(spec.class.as_deref().map(str::is_empty), Some(false));
    spec.from_function.get_or_insert_with(Port::default);
}

fn three() -> i64 {
    3
}

fn minute() -> std::time::Duration {
    std::time::Duration::from_secs(60)
}

fn word() -> Option<String> {
    Some("by serde".to_owned())
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.map(|value| value.as_secs()).unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        u64::deserialize(deserializer).map(|value| Some(Duration::from_secs(value)))
    }
}

#[derive(KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct Backend {
    host: String,
    port: Option<Port>,
}

#[derive(KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct Port {
    number: Option<u16>,
    #[kube(default = "TCP")]
    protocol: Option<String>,
}

#[derive(KubeSchema, Defaults, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(default = "Pending")]
pub enum Phase {
    Pending,
    Running,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Strategy {
    Rolling,
    Recreate,
}

/// Without defaults, so that it is passed over.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct Plain {
    #[kube(default = 1)]
    a: Option<i32>,
}

fn tcp() -> Port {
    Port {
        number: None,
        protocol: Some("TCP".to_owned()),
    }
}

#[test]
fn ver_41_the_default_of_the_schema_is_what_set_defaults_fills_in() {
    let definition = serde_json::to_value(kubewright::crd::of::<Site>().unwrap()).unwrap();
    let of = |field: &str| {
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            [field]["default"]
            .clone()
    };
    let mut spec = SiteSpec::default();
    spec.set_defaults();
    let filled = serde_json::to_value(&spec).unwrap();
    for field in ["replicas", "class", "limit", "strategy", "word"] {
        assert!(!of(field).is_null(), "{field}");
        assert_eq!(of(field), filled[field], "{field}");
    }
    assert_eq!(of("backend")["host"], filled["backend"]["host"]);
    // What functions make stands in no schema.
    assert!(of("made").is_null());
    assert_eq!(spec.made, Some(3));
    // Both: the schema has the written value, Rust the function's.
    assert_eq!(of("pause"), 5);
    assert_eq!(spec.pause, Some(minute()));
    assert_eq!(kubewright::crd::check_kind::<Site>().unwrap(), []);
}

#[test]
fn ver_42_none_is_filled_and_what_is_there_stays() {
    let mut spec = SiteSpec {
        replicas: Some(0),
        class: Some(String::new()),
        limit: Some(None),
        strategy: Some(Strategy::Recreate),
        kind: Some(Phase::Running),
        ..SiteSpec::default()
    };
    // The function of the type asserts that a class is not empty.
    spec.class = Some("x".to_owned());
    spec.set_defaults();
    assert_eq!(spec.replicas, Some(0));
    assert_eq!(spec.class.as_deref(), Some("x"));
    assert_eq!(spec.limit, Some(None), "a null that somebody wrote");
    assert_eq!(spec.strategy, Some(Strategy::Recreate));
    assert_eq!(spec.kind, Some(Phase::Running));
    assert_eq!(spec.always, 0, "a field that is always there is not filled");

    let mut spec = SiteSpec::default();
    spec.set_defaults();
    assert_eq!(spec.limit, Some(Some(7)), "the outer of two");
    assert_eq!(spec.kind, Some(Phase::Pending), "by the type's own default");
}

#[test]
fn ver_42_pre_order_through_options_boxes_lists_and_maps() {
    let mut spec = SiteSpec {
        port: Some(Port::default()),
        boxed: Some(Box::default()),
        ports: vec![Port::default(), tcp()],
        named: BTreeMap::from([("a".to_owned(), Port::default())]),
        hashed: HashMap::from([("a".to_owned(), vec![Port::default()])]),
        holes: vec![None, Some(Port::default())],
        plain: Some(Plain::default()),
        ..SiteSpec::default()
    };
    spec.set_defaults();
    assert_eq!(spec.port, Some(tcp()));
    assert_eq!(spec.boxed, Some(Box::new(tcp())));
    assert_eq!(spec.ports, [tcp(), tcp()]);
    assert_eq!(spec.named["a"], tcp());
    assert_eq!(spec.hashed["a"], [tcp()]);
    assert_eq!(spec.holes, [None, Some(tcp())]);
    // A child that the field's default or the type's function made.
    let backend = spec.backend.as_ref().unwrap();
    assert_eq!(backend.port.as_ref().unwrap().protocol.as_deref(), Some("TCP"));
    assert_eq!(spec.from_function, Some(tcp()));
    // Parents are not created, and types without defaults are left alone.
    let mut empty = SiteSpec::default();
    empty.set_defaults();
    assert_eq!((&empty.port, &empty.boxed, &empty.plain), (&None, &None, &None));
    assert_eq!(spec.plain, Some(Plain::default()));
}

#[test]
fn ver_42_filling_twice_is_filling_once() {
    for mut spec in [
        SiteSpec::default(),
        SiteSpec {
            holes: vec![None],
            limit: Some(None),
            ports: vec![Port::default()],
            ..SiteSpec::default()
        },
    ] {
        spec.set_defaults();
        let once = spec.clone();
        spec.set_defaults();
        assert_eq!(spec, once);
    }
}

#[derive(Defaults, Clone, Debug, PartialEq, Default)]
#[defaults(with = cover, covers)]
struct Covered {
    made: Option<Port>,
    #[kube(default_with = three)]
    own: Option<i64>,
}

fn cover(covered: &mut Covered) {
    covered.made.get_or_insert_with(Port::default);
}

#[test]
fn ver_42_covers_stops_the_descent() {
    let mut covered = Covered::default();
    covered.set_defaults();
    assert_eq!(covered.made, Some(Port::default()), "nothing is done inside");
    assert_eq!(covered.own, Some(3), "fields of the type itself are filled");
}

#[derive(Defaults, Clone, Debug, PartialEq)]
enum Source {
    None,
    Git {
        port: Port,
        #[kube(default_with = three)]
        depth: Option<i64>,
    },
    Image(Option<Port>, i32),
}

#[test]
fn ver_42_what_is_shared_is_copied_first() {
    let mut shared = Arc::new(Port::default());
    let other = shared.clone();
    shared.set_defaults();
    assert_eq!((&*shared, &*other), (&tcp(), &Port::default()));
}

#[derive(Defaults, Clone, Debug, PartialEq)]
struct Pair<A, B>(A, Vec<B>);

#[derive(Defaults, Clone, Debug, PartialEq)]
struct Tree {
    #[kube(default_with = three)]
    size: Option<i64>,
    below: Vec<Tree>,
    left: Option<Box<Tree>>,
}

#[test]
fn ver_42_enums_tuples_generics_and_trees() {
    let mut source = Source::Git {
        port: Port::default(),
        depth: None,
    };
    source.set_defaults();
    assert_eq!(
        source,
        Source::Git {
            port: tcp(),
            depth: Some(3)
        }
    );
    let mut source = Source::Image(Some(Port::default()), 1);
    source.set_defaults();
    assert_eq!(source, Source::Image(Some(tcp()), 1));
    let mut source = Source::None;
    source.set_defaults();
    assert_eq!(source, Source::None);

    let mut pair = Pair("a".to_owned(), vec![Port::default()]);
    pair.set_defaults();
    assert_eq!(pair, Pair("a".to_owned(), vec![tcp()]));

    let leaf = || Tree {
        size: None,
        below: Vec::new(),
        left: None,
    };
    let mut tree = Tree {
        size: None,
        below: vec![leaf()],
        left: Some(Box::new(leaf())),
    };
    tree.set_defaults();
    assert_eq!(
        (tree.size, tree.below[0].size, tree.left.unwrap().size),
        (Some(3), Some(3), Some(3))
    );
}
