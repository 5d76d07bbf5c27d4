//! Laws that hold for every object (VER-22): there and back is as it was, also after edits.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::kinds::V1;
use crate::convert::Converter;

const KEY: &str = "conversion.web.example.com/preserved";

fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        "[a-z]{0,6}",
        any::<String>().prop_map(|text| text.chars().take(8).collect())
    ]
}

fn number() -> impl Strategy<Value = i64> + Clone {
    prop_oneof![-3000..3000_i64, any::<i64>()]
}

/// Members of which some may be absent.
fn object(members: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    values
        .prop_map(move |values| {
            let members = names
                .iter()
                .zip(values)
                .filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            Value::Object(members.collect::<Map<_, _>>())
        })
        .boxed()
}

fn must<T: Into<Value> + std::fmt::Debug>(
    of: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<Value>> {
    of.prop_map(|value| Some(value.into())).boxed()
}

fn may<T: Into<Value> + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<Value>> {
    of(value.prop_map(Into::into)).boxed()
}

fn unique(items: Vec<Value>) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    items
        .into_iter()
        .filter(|item| seen.insert(item["name"].to_string()))
        .collect()
}

fn envelope(version: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("web.example.com/{version}"),
        "kind": "Site",
        "metadata": { "name": "blog", "namespace": "default" },
        "spec": spec,
    })
}

pub(super) fn old() -> BoxedStrategy<Value> {
    let port = || object(vec![("name", must("[ab\"ü]{1,2}")), ("port", must(any::<u16>()))]);
    let limit = object(vec![("percent", must(-1000..1000_i64))]);
    object(vec![
        ("replicas", must(any::<i32>())),
        ("imageName", must(text())),
        ("note", may(text())),
        ("legacyMode", must(any::<bool>())),
        (
            "address",
            must((text(), any::<u16>()).prop_map(|(host, port)| format!("{host}:{port}"))),
        ),
        ("timeoutSeconds", must(number())),
        (
            "memory",
            must(prop_oneof![
                any::<i64>().prop_map(|mib| format!("{mib}Mi")),
                text()
            ]),
        ),
        ("strategy", must(select(vec!["Rolling", "Recreate", "Blue"]))),
        (
            "source",
            must(prop_oneof![
                text().prop_map(|url| json!({ "type": "Git", "url": url })),
                text().prop_map(|tag| json!({ "type": "Image", "tag": tag })),
            ]),
        ),
        (
            "probe",
            may(prop_oneof![
                text().prop_map(|path| json!({ "kind": "http", "with": path })),
                Just(json!({ "kind": "off" })),
            ]),
        ),
        (
            "tls",
            may(object(vec![
                ("minVersion", must(text())),
                ("secretName", may(text())),
            ])),
        ),
        ("ports", may(vec(port(), 0..5).prop_map(unique))),
        ("mirrors", may(vec(port(), 0..3))),
        (
            "limits",
            may(btree_map(text(), limit, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))),
        ),
        ("ingress", must(object(vec![("host", must(text()))]))),
        ("rules", may(object(vec![("text", must(text()))]))),
        ("team", may(text())),
    ])
    .prop_map(|spec| envelope("v1alpha1", spec))
    .boxed()
}

pub(super) fn new() -> BoxedStrategy<Value> {
    let port = || {
        object(vec![
            ("name", must("[ab\"ü]{1,2}")),
            ("number", must(any::<u16>())),
            ("appProtocol", may(text())),
        ])
    };
    let limit = object(vec![(
        "permille",
        must((-1000..1000_i64).prop_map(|percent| percent * 10)),
    )]);
    let line = text().prop_filter("it panics", |line| line != "panic");
    object(vec![
        ("replicas", must(any::<i32>())),
        ("image", must(text())),
        ("class", may(text())),
        ("retries", must(0..3_i32)),
        ("tier", must(select(vec!["gold", "silver", "lead"]))),
        ("host", must(text())),
        ("port", must(any::<u16>())),
        ("timeoutMillis", must(number())),
        ("memory", must(number())),
        ("strategy", must(select(vec!["Rolling", "Recreate", "Canary"]))),
        (
            "source",
            must(prop_oneof![
                (text(), of(text())).prop_map(|(address, branch)| match branch {
                    Some(branch) => json!({ "type": "Git", "address": address, "branch": branch }),
                    None => json!({ "type": "Git", "address": address }),
                }),
                text().prop_map(|version| json!({ "type": "Image", "version": version })),
                text().prop_map(|of| json!({ "type": "Mirror", "of": of })),
            ]),
        ),
        (
            "probe",
            may(prop_oneof![
                text().prop_map(|path| json!({ "kind": "web", "with": path })),
                Just(json!({ "kind": "off" })),
            ]),
        ),
        ("tls", may(object(vec![("minVersion", must(text()))]))),
        ("ports", may(vec(port(), 0..5).prop_map(unique))),
        ("mirrors", may(vec(port(), 0..3))),
        (
            "limits",
            may(btree_map(text(), limit, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))),
        ),
        (
            "ingress",
            must(object(vec![("host", must(text())), ("certSecret", may(text()))])),
        ),
        ("rules", may(object(vec![("lines", must(vec(line, 0..3)))]))),
        ("squad", may(text())),
        ("pager", may(text())),
    ])
    .prop_map(|spec| envelope("v1", spec))
    .boxed()
}

thread_local! {
    static SITE: Converter = Converter::of_link(&V1);
}

fn convert(object: &Value, to: &str) -> Value {
    SITE.with(|site| site.convert_value(object, to))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// As the converter names the tier where nothing was saved.
fn guess(object: &Value) -> &'static str {
    if object["spec"]["replicas"].as_i64().unwrap_or_default() > 3 {
        "gold"
    } else {
        "silver"
    }
}

/// An annotation made of units that are nearly right.
fn forged() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        select(vec![
            json!("spec"),
            json!("status"),
            json!("metadata"),
            json!("name"),
            json!("replicas"),
            json!("class"),
            json!("tier"),
            json!("host"),
            json!("port"),
            json!("ports"),
            json!("number"),
            json!("appProtocol"),
            json!("ingress"),
            json!("certSecret"),
            json!("tls"),
            json!("timeoutMillis"),
            json!("memory"),
            json!("strategy"),
            json!("source"),
            json!("limits"),
            json!("permille"),
            json!("rules"),
            json!("retries"),
            json!({ "name": "a" }),
            json!({ "name": "b" }),
            json!({}),
            json!(0),
        ]),
        text().prop_map(Value::from),
    ];
    let path = vec(segment, 0..4).prop_map(|mut path| {
        path.insert(0, json!("spec"));
        Value::from(path)
    });
    let value = prop_oneof![
        text().prop_map(Value::from),
        number().prop_map(Value::from),
        select(vec![
            json!(null),
            json!({}),
            json!([]),
            json!("Canary"),
            json!({ "type": "Bucket", "name": "b" }),
            json!({ "type": "Mirror", "of": "m" }),
            json!({ "lines": ["panic"] }),
            json!({ "host": "h", "certSecret": "c" }),
        ]),
    ];
    let set = vec(
        (path.clone(), value).prop_map(|(path, value)| json!([path, value])),
        0..12,
    );
    (set, vec(path, 0..6), of(0..400_usize)).prop_map(|(set, del, cut)| {
        let text = json!({ "v1": { "set": set, "del": del } }).to_string();
        match cut {
            Some(cut) => text.chars().take(cut).collect(),
            None => text,
        }
    })
}

proptest! {
    #[test]
    fn ver_22_old_objects_come_back(object in old()) {
        prop_assert_eq!(convert(&convert(&object, "v1"), "v1alpha1"), object);
    }

    #[test]
    fn ver_22_new_objects_come_back(object in new()) {
        prop_assert_eq!(convert(&convert(&object, "v1alpha1"), "v1"), object);
    }

    #[test]
    fn ver_14_the_same_input_gives_the_same_bytes(object in new()) {
        let object = object.to_string();
        let (mut one, mut two) = (String::new(), String::new());
        Converter::of_link(&V1).convert(&object, "v1alpha1", &mut one).expect("it converts");
        SITE.with(|site| site.convert(&object, "v1alpha1", &mut two)).expect("it converts");
        prop_assert_eq!(one, two);
    }

    #[test]
    fn ver_22_edits_of_old_clients_are_all_that_changes(
        stored in new(),
        replicas in any::<i32>(),
        image in text(),
        keep in vec(any::<bool>(), 5),
        turn in 0..5_usize,
        inserted in any::<u16>(),
    ) {
        let mut shown = convert(&stored, "v1alpha1");
        shown["spec"]["replicas"] = json!(replicas);
        shown["spec"]["imageName"] = json!(image);
        let mut expected = stored.clone();
        expected["spec"]["replicas"] = json!(replicas);
        expected["spec"]["image"] = json!(image);
        if stored["spec"]["tier"] == guess(&stored) {
            // What the converter would say itself is not saved, and it says it anew.
            expected["spec"]["tier"] = json!(guess(&expected));
        }
        if let Some(ports) = shown["spec"].get_mut("ports").and_then(Value::as_array_mut) {
            let mut left = keep.iter();
            ports.retain(|_| *left.next().unwrap_or(&true));
            if !ports.is_empty() {
                let turn = turn % ports.len();
                ports.rotate_left(turn);
            }
            ports.push(json!({ "name": "inserted", "port": inserted }));
            let before = stored["spec"]["ports"].as_array().expect("ports").clone();
            expected["spec"]["ports"] = ports
                .iter()
                .map(|port| {
                    let known = before.iter().find(|known| known["name"] == port["name"]);
                    known.cloned().unwrap_or_else(|| json!({ "name": port["name"], "number": port["port"] }))
                })
                .collect();
        }
        prop_assert_eq!(convert(&shown, "v1"), expected);
    }

    #[test]
    fn ver_22_edits_of_new_clients_are_all_that_changes(sent in old(), replicas in any::<i32>(), host in text()) {
        let mut stored = convert(&sent, "v1");
        stored["spec"]["replicas"] = json!(replicas);
        stored["spec"]["ingress"]["host"] = json!(host);
        let mut expected = sent;
        expected["spec"]["replicas"] = json!(replicas);
        expected["spec"]["ingress"]["host"] = json!(host);
        // Saved at v1: its tier was guessed from other replicas.
        let mut shown = convert(&stored, "v1alpha1");
        shown["metadata"].as_object_mut().expect("an object").remove("annotations");
        prop_assert_eq!(shown, expected);
    }

    #[test]
    fn ver_19_forged_annotations_change_nothing_that_their_client_sees(object in old(), text in forged()) {
        let mut sent = object.clone();
        sent["metadata"]["annotations"] = json!({ KEY: text });
        let stored = convert(&sent, "v1");
        let mut shown = convert(&stored, "v1alpha1");
        shown["metadata"].as_object_mut().expect("an object").remove("annotations");
        prop_assert_eq!(shown, object);
    }

    #[test]
    fn any_text_is_answered(bytes in vec(any::<u8>(), 0..200), text in ".{0,200}") {
        let converters = crate::convert::Converters::new().with(Converter::of_link(&V1));
        let _ = converters.review(&bytes);
        let _ = converters.review(text.as_bytes());
        let mut out = String::new();
        let _ = SITE.with(|site| site.convert(&text, "v1", &mut out));
    }
}
