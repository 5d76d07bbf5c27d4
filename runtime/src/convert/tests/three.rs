//! A kind of three versions, stored at the newest: what the versions between leave behind is nothing.

use proptest::option::of;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::convert::Converter;
use crate::convert::emitted as __c;

/// The two impls of a struct's edge.
macro_rules! edge {
    ($old:ty => $new:ty, [$($field:expr),* $(,)?]) => {
        const _: () = {
            static __TABLE: __c::Table = __c::Table::structs::<$old, $new>(&[$($field),*]);
            impl __c::Convert for $new {
                type Old = $old;
                const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
                const LOSS: __c::Loss = __TABLE.loss();
            }
            impl __c::ConvertEdge<$old> for $new {
                const SHAPE: __c::Shape = <Self as __c::Convert>::SHAPE;
                const LOSS: __c::Loss = <Self as __c::Convert>::LOSS;
            }
        };
    };
}

/// A struct whose names are the same on the wire.
macro_rules! wire {
    ($type:ty, [$($field:ident $(. $more:ident)?),*]) => {
        impl __c::OnWire for $type {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                $(__c::WireField::new(stringify!($field), stringify!($field))$(. $more ())?),*
            ]);
        }
    };
}

mod v1 {
    use super::*;

    #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
    #[kube(
        group = "c.example.com",
        version = "v1",
        kind = "Chain",
        storage = false,
        crates(kubewright = "crate")
    )]
    pub struct ChainSpec {
        pub a: i64,
        pub old: Option<String>,
        pub items: Vec<Item>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
    pub struct Item {
        pub name: String,
        pub size: i64,
    }
    wire!(Item, [name, size]);
}

mod v2 {
    use super::*;

    #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
    #[kube(
        group = "c.example.com",
        version = "v2",
        kind = "Chain",
        storage = false,
        crates(kubewright = "crate")
    )]
    pub struct ChainSpec {
        pub b: i64,
        pub items: Vec<Item>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
    pub struct Item {
        pub title: String,
        pub size: i64,
        pub color: Option<String>,
    }
    wire!(Item, [title, size, color.option]);

    edge!(super::v1::Item => Item, [
        __c::Field::renamed("name", "title"),
        __c::Field::same("size"),
        __c::Field::added("color").checked(__c::reads::<Option<String>>),
    ]);
    edge!(super::v1::ChainSpec => ChainSpec, [
        __c::Field::renamed("a", "b"),
        __c::Field::same("items").nested::<Vec<Item>>().keys(&["title"]),
        __c::Field::old_only("old").checked(__c::reads::<Option<String>>),
    ]);
}

mod v3 {
    use super::*;

    #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
    #[kube(
        group = "c.example.com",
        version = "v3",
        kind = "Chain",
        crates(kubewright = "crate")
    )]
    pub struct ChainSpec {
        pub c: String,
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["title"]))]
        pub items: Vec<Item>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
    pub struct Item {
        pub title: String,
        pub weight: i64,
        pub color: Option<String>,
        pub shape: Option<String>,
    }
    wire!(Item, [title, weight, color.option, shape.option]);

    fn to_text(b: i64) -> String {
        b.to_string()
    }

    fn to_number(c: String) -> Result<i64, std::num::ParseIntError> {
        c.trim().parse()
    }

    edge!(super::v2::Item => Item, [
        __c::Field::same("title"),
        __c::Field::renamed("size", "weight"),
        __c::Field::same("color"),
        __c::Field::added("shape").checked(__c::reads::<Option<String>>),
    ]);
    edge!(super::v2::ChainSpec => ChainSpec, [
        __c::Field::renamed("b", "c")
            .up(|__a| __c::map(to_text, __a)).down(|__a| __c::try_map(to_number, __a))
            .checked_at(|__o: &super::v2::ChainSpec| &__o.b).checked(__c::reads::<String>),
        __c::Field::same("items").nested::<Vec<Item>>().keys(&["title"]),
    ]);
}

static V1: __c::VersionLink = __c::VersionLink::of::<v1::Chain>();
static V2: __c::VersionLink = __c::VersionLink::of::<v2::Chain>().after::<v2::Chain, v1::Chain>(&V1);
static V3: __c::VersionLink = __c::VersionLink::of::<v3::Chain>().after::<v3::Chain, v2::Chain>(&V2);

fn convert(object: &Value, to: &str) -> Value {
    Converter::of_link(&V3)
        .convert_value(object, to)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn stored() -> Value {
    json!({
        "apiVersion": "c.example.com/v3",
        "kind": "Chain",
        "metadata": { "name": "x" },
        "spec": {
            "c": " 7 ",
            "items": [
                { "title": "one", "weight": 1, "color": "red", "shape": "round" },
                { "title": "two", "weight": 2, "shape": "square" },
            ],
        },
    })
}

#[test]
fn ver_05_several_edges_are_one_leg() {
    let read = convert(&stored(), "v1");
    assert_eq!(
        read["spec"],
        json!({ "a": 7, "items": [{ "name": "one", "size": 1 }, { "name": "two", "size": 2 }] })
    );
    let annotations = read["metadata"]["annotations"].as_object().expect("annotations");
    assert_eq!(
        annotations["conversion.c.example.com/preserved"],
        concat!(
            r#"{"v3":{"set":["#,
            r#"[["spec","c"]," 7 "],"#,
            r#"[["spec","items",{"title":"one"},"color"],"red"],"#,
            r#"[["spec","items",{"title":"one"},"shape"],"round"],"#,
            r#"[["spec","items",{"title":"two"},"shape"],"square"]]}}"#,
        ),
        "nothing of v2"
    );
    assert_eq!(convert(&read, "v3"), stored());
}

#[test]
fn ver_05_between_two_others_the_way_leads_through_storage() {
    let mut first = convert(&stored(), "v1");
    first["spec"]["old"] = json!("kept");
    let second = convert(&first, "v2");
    assert_eq!(second["apiVersion"], "c.example.com/v2");
    assert_eq!(
        second["spec"],
        json!({
            "b": 7,
            "items": [{ "title": "one", "size": 1, "color": "red" }, { "title": "two", "size": 2 }],
        })
    );
    assert_eq!(convert(&second, "v3")["spec"], stored()["spec"]);
    assert_eq!(convert(&convert(&second, "v3"), "v1"), first);
}

#[test]
fn ver_18_a_value_is_followed_through_all_edges() {
    let mut read = convert(&stored(), "v1");
    read["spec"]["a"] = json!(8);
    read["spec"]["items"] = json!([{ "name": "two", "size": 3 }, { "name": "new", "size": 4 }]);
    let written = convert(&read, "v3");
    assert_eq!(
        written["spec"],
        json!({
            "c": "8",
            "items": [{ "title": "two", "weight": 3, "shape": "square" }, { "title": "new", "weight": 4 }],
        }),
        "what was edited is new, what was not is as it was"
    );
}

#[test]
fn ver_19_a_forged_value_that_fails_on_a_later_edge_is_dropped_alone() {
    let mut read = convert(&stored(), "v1");
    read["metadata"]["annotations"]["conversion.c.example.com/preserved"] = json!(
        r#"{"v3":{"set":[[["spec","c"],"no number"],[["spec","items",{"title":"one"},"shape"],"round"]]}}"#
    );
    let written = convert(&read, "v3");
    assert_eq!(written["spec"]["c"], "7");
    assert_eq!(written["spec"]["items"][0]["shape"], "round");
}

/// Objects of each version, oldest first.
fn objects() -> impl Strategy<Value = [Value; 3]> {
    let text = || of("[a-z]{0,3}");
    let items = proptest::collection::btree_map("[a-c]", (any::<i64>(), text(), text()), 0..4);
    (any::<i64>(), text(), items).prop_map(|(number, old, items)| {
        let envelope = |version: &str, spec: Value| {
            json!({
                "apiVersion": format!("c.example.com/{version}"), "kind": "Chain", "metadata": { "name": "x" }, "spec": spec,
            })
        };
        let some = |pairs: Vec<(&str, Option<Value>)>| {
            Value::Object(pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
        };
        let v1 = items.iter().map(|(name, (size, ..))| json!({ "name": name, "size": size })).collect::<Vec<_>>();
        let v2 = items.iter().map(|(name, (size, color, _))| {
            some(vec![("title", Some(json!(name))), ("size", Some(json!(size))), ("color", color.as_ref().map(|x| json!(x)))])
        });
        let v3 = items.iter().map(|(name, (size, color, shape))| {
            some(vec![
                ("title", Some(json!(name))),
                ("weight", Some(json!(size))),
                ("color", color.as_ref().map(|x| json!(x))),
                ("shape", shape.as_ref().map(|x| json!(x))),
            ])
        });
        let (v2, v3) = (v2.collect::<Vec<_>>(), v3.collect::<Vec<_>>());
        [
            envelope("v1", some(vec![("a", Some(json!(number))), ("old", old.map(|x| json!(x))), ("items", Some(json!(v1)))])),
            envelope("v2", json!({ "b": number, "items": v2 })),
            envelope("v3", json!({ "c": format!(" {number}"), "items": v3 })),
        ]
    })
}

proptest! {
    #[test]
    fn ver_22_any_version_may_be_stored(objects in objects(), storage in 0..3_usize) {
        let converter = Converter::of_link(&V3);
        converter.set_stored(["v3", "v2", "v1"][storage]).expect("a version");
        for object in &objects {
            for to in ["v1", "v2", "v3"] {
                let there = converter.convert_value(object, to).expect("it converts");
                let version = object["apiVersion"].as_str().expect("a version");
                prop_assert_eq!(&converter.convert_value(&there, version).expect("it converts"), object, "by {}", to);
            }
        }
    }
}
