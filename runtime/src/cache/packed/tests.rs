use std::collections::{BTreeMap, HashMap};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

fn to_bytes<T: Serialize>(words: &Dictionary, value: &T) -> Result<Vec<u8>, Failure> {
    let mut packer = Packer::new(words.words(0), [Some("preset"), None, None, None]);
    value.serialize(&mut packer)?;
    Ok(packer.out)
}

fn of_bytes<T: DeserializeOwned>(words: &Dictionary, bytes: &[u8]) -> Result<T, Failure> {
    let mut reader = Reader {
        bytes,
        words,
        presets: [Some("preset"), None, None, None],
        depth: 0,
    };
    let value = T::deserialize(&mut reader)?;
    match reader.bytes {
        [] => Ok(value),
        _ => Err(serde_de::Error::custom("longer")),
    }
}

fn json_of<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

/// The law: what was packed reads as its JSON does. Several times, so that texts become words.
fn holds<T: Serialize + DeserializeOwned>(value: &T) {
    let words = Dictionary::new();
    let json = json_of(value);
    let through_json = serde_json::from_str::<T>(&json).map(|value| json_of(&value));
    for object in 0..5 {
        let mut packer = Packer::new(words.words(object), [Some("preset"), None, None, None]);
        value.serialize(&mut packer).unwrap();
        let bytes = packer.out;
        let again = of_bytes::<T>(&words, &bytes).map(|value| json_of(&value));
        assert_eq!(
            again.as_ref().ok(),
            through_json.as_ref().ok(),
            "{json}: {again:?}"
        );
        assert_eq!(again.unwrap(), json);
        // Whoever does not know the type reads the same.
        let value: Value = of_bytes(&words, &bytes).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(&json).unwrap());
        of_bytes::<serde::de::IgnoredAny>(&words, &bytes).unwrap();
    }
}

#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Zoo {
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    null: Option<u8>,
    nested: Option<Option<i64>>,
    unit: (),
    pair: (i8, String),
    letter: char,
    numbers: (u64, i64, u128, i128),
    map: BTreeMap<i32, Option<bool>>,
    flags: HashMap<bool, u8>,
    by_letter: BTreeMap<char, ()>,
    by_kind: BTreeMap<Unit, Vec<u8>>,
    external: Vec<External>,
    internal: Vec<Internal>,
    adjacent: Vec<Adjacent>,
    untagged: Vec<Untagged>,
    wrapped: Wrapped<Wrapped<String>>,
    empty: Empty,
    #[serde(flatten)]
    inner: Flat,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
struct Flat {
    flat: i32,
    deep: Option<Box<Flat>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    list: Vec<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
struct Wrapped<T>(T);

#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
struct Empty;

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    One,
    Two,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
enum External {
    Unit,
    Newtype(String),
    Tuple(i32, Option<Unit>),
    Struct { a: u64, b: Vec<External> },
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Internal {
    Unit,
    Newtype(Flat),
    Struct { big: u64, small: i64, text: String },
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Tuple(i32, String),
    Struct { a: Option<Unit> },
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(untagged)]
enum Untagged {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Kind { unit: Unit },
    Flat(Flat),
    List(Vec<Untagged>),
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&["", "a", "ab", "preset", "spec", "metadata", "web"][..]).prop_map(str::to_owned),
        2 => "[a-z]{0,9}",
        1 => "\\PC{0,80}",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let float = prop_oneof![any::<f64>(), Just(-0.0), Just(1.0), Just(f64::MIN_POSITIVE)];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0_u64..300).prop_map(Value::from),
        (-300_i64..0).prop_map(Value::from),
        float.prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((texts(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn flats() -> impl Strategy<Value = Flat> {
    let one = || (any::<i32>(), prop::collection::vec(texts(), 0..3));
    (one(), prop::option::of(one())).prop_map(|((flat, list), deep)| {
        let deep = deep.map(|(flat, list)| {
            Box::new(Flat {
                flat,
                deep: None,
                list,
            })
        });
        Flat { flat, deep, list }
    })
}

fn units() -> impl Strategy<Value = Unit> {
    prop::sample::select(&[Unit::One, Unit::Two][..])
}

fn externals() -> impl Strategy<Value = External> {
    let leaf = prop_oneof![
        Just(External::Unit),
        texts().prop_map(External::Newtype),
        (any::<i32>(), prop::option::of(units())).prop_map(|(a, b)| External::Tuple(a, b)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        (any::<u64>(), prop::collection::vec(inner, 0..3)).prop_map(|(a, b)| External::Struct { a, b })
    })
}

fn untaggeds() -> impl Strategy<Value = Untagged> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Untagged::Bool),
        any::<i64>().prop_map(Untagged::Int),
        prop_oneof![Just(-0.0), Just(0.5), -1e9..1e9].prop_map(Untagged::Float),
        texts().prop_map(Untagged::Text),
        units().prop_map(|unit| Untagged::Kind { unit }),
        flats().prop_map(Untagged::Flat),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(Untagged::List)
    })
}

fn zoos() -> impl Strategy<Value = Zoo> {
    let scalars = (
        prop::option::of(texts()),
        any::<Option<u8>>(),
        any::<Option<i64>>(),
        (any::<i8>(), texts()),
        any::<char>(),
        (any::<u64>(), any::<i64>(), any::<u128>(), any::<i128>()),
    );
    let maps = (
        prop::collection::btree_map(any::<i32>(), any::<Option<bool>>(), 0..4),
        prop::collection::hash_map(any::<bool>(), any::<u8>(), 0..2),
        prop::collection::btree_map(any::<char>(), Just(()), 0..3),
        prop::collection::btree_map(units(), prop::collection::vec(any::<u8>(), 0..4), 0..3),
        prop::collection::btree_map("x-[a-z]{1,8}", values(), 0..3),
    );
    let internals = prop_oneof![
        Just(Internal::Unit),
        flats().prop_map(Internal::Newtype),
        (any::<u64>(), any::<i64>(), texts()).prop_map(|(big, small, text)| Internal::Struct {
            big,
            small,
            text
        }),
    ];
    let adjacents = prop_oneof![
        Just(Adjacent::Unit),
        (any::<i32>(), texts()).prop_map(|(a, b)| Adjacent::Tuple(a, b)),
        prop::option::of(units()).prop_map(|a| Adjacent::Struct { a }),
    ];
    let enums = (
        prop::collection::vec(externals(), 0..3),
        prop::collection::vec(internals, 0..3),
        prop::collection::vec(adjacents, 0..3),
        prop::collection::vec(untaggeds(), 0..4),
    );
    (scalars, maps, enums, texts(), flats()).prop_map(|(scalars, maps, enums, text, inner)| {
        let (absent, null, nested, pair, letter, numbers) = scalars;
        let (map, flags, by_letter, by_kind, rest) = maps;
        let (external, internal, adjacent, untagged) = enums;
        Zoo {
            absent,
            null,
            nested: nested.map(Some),
            unit: (),
            pair,
            letter,
            numbers,
            map,
            flags,
            by_letter,
            by_kind,
            external,
            internal,
            adjacent,
            untagged,
            wrapped: Wrapped(Wrapped(text)),
            empty: Empty,
            inner,
            rest,
        }
    })
}

/// Long numbers are kept by their types alone: JSON without a type has 64 bits.
fn without_long(mut zoo: Zoo) -> Zoo {
    zoo.numbers.2 &= u128::from(u64::MAX);
    zoo.numbers.3 >>= 65;
    zoo
}

proptest! {
    /// The invariant.
    #[test]
    fn every_value_reads_as_its_json(value in values()) {
        holds(&value);
    }

    #[test]
    fn every_form_of_a_type_reads_as_its_json(zoo in zoos()) {
        let words = Dictionary::new();
        let again: Zoo = of_bytes(&words, &to_bytes(&words, &zoo).unwrap()).unwrap();
        prop_assert_eq!(json_of(&again), json_of(&zoo));
        holds(&without_long(zoo));
    }

    /// The invariant of the reader.
    #[test]
    fn hostile_bytes_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), zoo in zoos()) {
        let words = Dictionary::new();
        let mut packed = to_bytes(&words, &zoo).unwrap();
        let at = at.index(packed.len());
        packed[at] ^= bytes.first().copied().unwrap_or(1).max(1);
        for bytes in [bytes, packed.clone(), packed[..at].to_vec()] {
            drop(of_bytes::<Value>(&words, &bytes));
            drop(of_bytes::<Zoo>(&words, &bytes));
            drop(of_bytes::<Pod>(&words, &bytes));
            drop(of_bytes::<serde::de::IgnoredAny>(&words, &bytes));
            drop(Packing::new().unpack::<Pod>(&Packed(bytes.into())));
        }
    }
}

#[test]
fn numbers_keep_their_last_bit() {
    for number in [0, 1, 26, 27, 127, 128, i64::MAX, -1, -128, i64::MIN] {
        holds(&number);
        holds(&json!(number));
    }
    for number in [0, u64::MAX, u64::MAX - 1, 1 << 63] {
        holds(&number);
        holds(&json!({"a": number}));
    }
    for number in [0.0, -0.0, 0.1, 1.0, f64::MAX, f64::MIN_POSITIVE, 1e300] {
        holds(&number);
        let words = Dictionary::new();
        let again: f64 = of_bytes(&words, &to_bytes(&words, &number).unwrap()).unwrap();
        assert_eq!(again.to_bits(), number.to_bits());
    }
    let words = Dictionary::new();
    for number in [0, u128::MAX, 1 << 64] {
        let again: u128 = of_bytes(&words, &to_bytes(&words, &number).unwrap()).unwrap();
        assert_eq!(again, number);
    }
    for number in [0, i128::MAX, i128::MIN, -1 << 64] {
        let again: i128 = of_bytes(&words, &to_bytes(&words, &number).unwrap()).unwrap();
        assert_eq!(again, number);
    }
}

#[test]
fn kubernetes_own_types_are_written_as_in_json() {
    holds(&IntOrString::Int(-7));
    holds(&IntOrString::String("http".to_owned()));
    holds(&Quantity("100m".to_owned()));
    holds(&ByteString(vec![0, 255, 7]));
    let secret = json!({"metadata": {"name": "a"}, "data": {"key": "AAECAw=="}, "immutable": true});
    holds(&serde_json::from_value::<Secret>(secret).unwrap());
    // What JSON has as text: a whole value that nobody looked into.
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let words = Dictionary::new();
    for text in ["{\"a\": [1, 2.50]}", "null", "-0.0"] {
        let bytes = to_bytes(&words, &vec![raw(text)]).unwrap();
        let again: Vec<Box<RawValue>> = of_bytes(&words, &bytes).unwrap();
        assert_eq!(again[0].get(), text);
    }
}

#[test]
fn bytes_are_lists_as_in_json() {
    struct Bytes;
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&[1, 2, 255])
        }
    }
    let words = Dictionary::new();
    let bytes = to_bytes(&words, &Bytes).unwrap();
    assert_eq!(of_bytes::<Vec<u8>>(&words, &bytes).unwrap(), [1, 2, 255]);
    assert_eq!(of_bytes::<Value>(&words, &bytes).unwrap(), json!([1, 2, 255]));
}

fn pod(nth: usize) -> Pod {
    let pod = json!({
        "metadata": {
            "name": format!("web-7d9c5b6f4-{nth}"), "namespace": "n", "uid": format!("uid-{nth}"),
            "resourceVersion": format!("{nth}"), "creationTimestamp": "2026-11-24T08:15:30Z",
            "labels": {"app.kubernetes.io/name": "web", "pod-template-hash": "7d9c5b6f4"},
        },
        "spec": {
            "containers": [{
                "name": "web", "image": "registry.example.com/team/web:1.27.1", "ports": [{"containerPort": 8080}],
                "resources": {"limits": {"memory": "256Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
            }],
            "nodeName": "node-1", "restartPolicy": "Always",
        },
        "status": {"phase": "Running", "podIP": "10.0.0.1", "startTime": "2026-11-24T08:15:31Z"},
    });
    serde_json::from_value(pod).unwrap()
}

#[test]
fn pods_are_small_and_the_same_again() {
    let packing = Packing::new();
    for nth in 0..20 {
        let pod = pod(nth);
        let packed = packing.pack(&pod).unwrap();
        assert_eq!(packing.read::<Pod>(&packed), Some(pod.clone()));
        assert_eq!(packed.identity(), Identity::of(&pod));
        let json = json_of(&pod).len();
        if nth > 3 {
            assert!(packed.len() * 4 < json, "{} of {json}", packed.len());
        }
    }
    assert_eq!(packing.shapes().len(), 1);
}

#[test]
fn the_identity_is_that_of_the_object_without_some_of_it_too() {
    let packing = Packing::new();
    for meta in [
        json!({}),
        json!({"name": "", "uid": "", "resourceVersion": ""}),
        json!({"name": "a"}),
        json!({"namespace": "b", "resourceVersion": "1"}),
        json!({"namespace": "x".repeat(300), "name": "x".repeat(300), "uid": "u"}),
    ] {
        let map: ConfigMap = serde_json::from_value(json!({"metadata": meta, "data": {"a": "x"}})).unwrap();
        let packed = packing.pack(&map).unwrap();
        assert_eq!(packed.identity(), Identity::of(&map));
        assert_eq!(packing.read::<ConfigMap>(&packed), Some(map));
    }
}

/// Writes what it does not read, for some of its values.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Lopsided {
    metadata: kube::core::ObjectMeta,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    list: Vec<u8>,
}

impl Resource for Lopsided {
    type DynamicType = ();
    type Scope = crate::kind::Namespaced;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "Lopsided".into()
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "test.kubewright.dev".into()
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "lopsided".into()
    }

    fn meta(&self) -> &kube::core::ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
        &mut self.metadata
    }
}

#[test]
fn what_its_type_does_not_read_again_is_not_packed() {
    let packing = Packing::new();
    for nth in 0..100 {
        let list = vec![1; nth % 3];
        let object = Lopsided {
            metadata: kube::core::ObjectMeta::default(),
            list,
        };
        match packing.pack(&object) {
            Some(packed) => assert_eq!(packing.read::<Lopsided>(&packed), Some(object)),
            None => assert!(object.list.is_empty()),
        }
    }
}

#[test]
fn what_is_too_deep_is_not_packed() {
    let mut value = json!(1);
    for _ in 0..DEEPEST {
        value = json!([value]);
    }
    let words = Dictionary::new();
    let bytes = to_bytes(&words, &value).unwrap();
    assert_eq!(of_bytes::<Value>(&words, &bytes).unwrap(), value);
    assert!(to_bytes(&words, &json!([value])).is_err());
}
