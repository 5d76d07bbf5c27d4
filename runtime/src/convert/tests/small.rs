//! What the large kinds have not: specs at the root, further names, functions of options.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::convert::Converter;
use crate::convert::emitted as __c;

mod v1 {
    use super::*;

    #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
    #[kube(
        group = "s.example.com",
        version = "v1",
        kind = "Small",
        no_spec,
        status = "Status",
        storage = false,
        crates(kubewright = "crate")
    )]
    pub struct SmallSpec {
        #[serde(alias = "oldName")]
        pub name: Option<String>,
        pub count: Option<i64>,
        pub inner: Option<Box<Inner>>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
    pub struct Status {
        pub ready: i64,
        pub gone: Option<i64>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
    pub struct Inner {
        pub a: i64,
    }

    impl __c::OnWire for Status {
        const WIRE: __c::Wire = __c::Wire::fields(&[
            __c::WireField::new("ready", "ready"),
            __c::WireField::new("gone", "gone").option(),
        ]);
    }
    impl __c::OnWire for Inner {
        const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("a", "a")]);
    }
}

mod v2 {
    use super::*;

    #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
    #[kube(
        group = "s.example.com",
        version = "v2",
        kind = "Small",
        no_spec,
        status = "Status",
        crates(kubewright = "crate")
    )]
    pub struct SmallSpec {
        pub title: Option<String>,
        pub count: Option<i64>,
        pub inner: Option<Box<Inner>>,
        pub more: Option<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
    pub struct Status {
        pub ready: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
    pub struct Inner {
        pub b: i64,
    }

    fn up(count: Option<i64>) -> Option<i64> {
        Some(count.map_or(-1, |count| count + 1))
    }

    fn down(count: Option<i64>) -> Option<i64> {
        count.filter(|count| *count >= 0).map(|count| count - 1)
    }

    macro_rules! edge {
        // The derive of the kind has the spec's form.
        ($old:ty => $new:ty, [$($wire:expr)?], [$($field:expr),*]) => {
            const _: () = {
                $(impl __c::OnWire for $new {
                    const WIRE: __c::Wire = __c::Wire::fields(&[$wire]);
                })?
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

    edge!(super::v1::Inner => Inner, [__c::WireField::new("b", "b")], [__c::Field::renamed("a", "b")]);
    edge!(super::v1::Status => Status, [__c::WireField::new("ready", "ready")], [
        __c::Field::same("ready")
            .up(|__a| __c::map(|ready: i64| ready.to_string(), __a)).down(|__a| __c::try_map(|ready: String| ready.parse::<i64>(), __a))
            .checked_at(|__o: &super::v1::Status| &__o.ready).checked(__c::reads::<String>),
        __c::Field::old_only("gone").checked(__c::reads::<Option<i64>>)
    ]);
    edge!(super::v1::SmallSpec => SmallSpec, [], [
        __c::Field::renamed("name", "title"),
        __c::Field::same("count")
            .up(|__a| __c::map(up, __a)).down(|__a| __c::map(down, __a))
            .checked_at(|__o: &super::v1::SmallSpec| &__o.count).checked(__c::reads::<Option<i64>>),
        __c::Field::same("inner").nested::<Option<Box<Inner>>>(),
        __c::Field::added("more").checked(__c::reads::<Option<String>>)
    ]);
}

static V1: __c::VersionLink = __c::VersionLink::of::<v1::Small>();
pub(super) static V2: __c::VersionLink =
    __c::VersionLink::of::<v2::Small>().after::<v2::Small, v1::Small>(&V1);

fn convert(object: &Value, to: &str) -> Value {
    Converter::of_link(&V2)
        .convert_value(object, to)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn object(version: &str, rest: Value) -> Value {
    let mut object = json!({
        "apiVersion": format!("s.example.com/{version}"), "kind": "Small", "metadata": { "name": "x" },
    });
    object
        .as_object_mut()
        .expect("an object")
        .extend(rest.as_object().expect("an object").clone());
    object
}

#[test]
fn specs_at_the_root_convert_there() {
    let old = object(
        "v1",
        json!({ "name": "n", "count": 1, "inner": { "a": 1 }, "status": { "ready": 3, "gone": 4 } }),
    );
    let new = convert(&old, "v2");
    let mut plain = new.clone();
    plain["metadata"] = json!({ "name": "x" });
    assert_eq!(
        plain,
        object(
            "v2",
            json!({ "title": "n", "count": 2, "inner": { "b": 1 }, "status": { "ready": "3" } })
        )
    );
    assert_eq!(convert(&new, "v1"), old);
    let bad = object("v2", json!({ "status": { "ready": "x" } }));
    let error = Converter::of_link(&V2)
        .convert_value(&bad, "v1")
        .expect_err("no number");
    assert!(
        error.to_string().contains(": status.ready: invalid digit"),
        "VER-13: {error}"
    );
}

#[test]
fn ver_06_further_names_are_read() {
    let new = convert(&object("v1", json!({ "oldName": "n" })), "v2");
    assert_eq!(new["title"], "n");
    assert_eq!(
        convert(&new, "v1"),
        object("v1", json!({ "name": "n" })),
        "and the field's own is written"
    );
}

#[test]
fn ver_08_functions_of_options_see_absent_and_null() {
    assert_eq!(
        convert(&object("v1", json!({})), "v2")["count"],
        -1,
        "None gives a value"
    );
    assert_eq!(
        convert(&object("v1", json!({ "count": null })), "v2")["count"],
        -1
    );
    let shown = convert(&object("v2", json!({ "count": -1 })), "v1");
    assert_eq!(shown.get("count"), None, "a value gives None");
    for rest in [
        json!({}),
        json!({ "count": null }),
        json!({ "count": 1 }),
        json!({ "count": -5 }),
        json!({ "more": "m" }),
    ] {
        let new = object("v2", rest.clone());
        assert_eq!(convert(&convert(&new, "v1"), "v2"), new);
        let old = object("v1", rest);
        let back = convert(&convert(&old, "v2"), "v1");
        let mut expected = old;
        // A field that only the other version has.
        expected.as_object_mut().expect("an object").remove("more");
        assert_eq!(back, expected);
    }
}
