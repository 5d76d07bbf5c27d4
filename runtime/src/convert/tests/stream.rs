//! From text to text: the same bytes as by a tree.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::kinds::V1;
use super::laws::{new, old};
use crate::convert::Converter;
use crate::convert::scan::Scan;

/// A kind of which nothing is lost.
pub(super) mod plain {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::convert::emitted as __c;

    pub mod v1 {
        use super::*;

        #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
        #[kube(
            group = "p.example.com",
            version = "v1",
            kind = "Plain",
            namespaced,
            storage = false,
            crates(kubewright = "crate")
        )]
        #[serde(rename_all = "camelCase")]
        pub struct PlainSpec {
            pub image_name: String,
            pub replicas: i32,
            pub mode: Mode,
            pub seconds: i64,
            pub ports: Vec<Port>,
        }

        #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
        pub enum Mode {
            On,
            Off,
        }

        #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
        pub struct Port {
            pub name: String,
            pub port: u16,
        }

        impl __c::OnWire for Mode {
            const WIRE: __c::Wire = __c::Wire::external(&[
                __c::WireVariant::unit("On", "On"),
                __c::WireVariant::unit("Off", "Off"),
            ]);
        }
        impl __c::OnWire for Port {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                __c::WireField::new("name", "name"),
                __c::WireField::new("port", "port"),
            ]);
        }
    }

    pub mod v2 {
        use super::v1 as old;
        use super::*;

        #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
        #[kube(
            group = "p.example.com",
            version = "v2",
            kind = "Plain",
            namespaced,
            crates(kubewright = "crate")
        )]
        #[serde(rename_all = "camelCase")]
        pub struct PlainSpec {
            pub image: String,
            pub replicas: i32,
            pub mode: Mode,
            pub millis: i64,
            pub ports: Vec<Port>,
        }

        #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
        pub enum Mode {
            Running,
            Off,
        }

        #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
        pub struct Port {
            pub name: String,
            pub number: u16,
        }

        impl __c::OnWire for Mode {
            const WIRE: __c::Wire = __c::Wire::external(&[
                __c::WireVariant::unit("Running", "Running"),
                __c::WireVariant::unit("Off", "Off"),
            ]);
        }
        impl __c::OnWire for Port {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                __c::WireField::new("name", "name"),
                __c::WireField::new("number", "number"),
            ]);
        }

        static MODE: __c::Table = __c::Table::enums::<old::Mode, Mode>(&[
            __c::Variant::renamed("On", "Running"),
            __c::Variant::same("Off"),
        ]);
        static PORT: __c::Table = __c::Table::structs::<old::Port, Port>(&[
            __c::Field::same("name"),
            __c::Field::renamed("port", "number"),
        ]);
        static SPEC: __c::Table = __c::Table::structs::<old::PlainSpec, PlainSpec>(&[
            __c::Field::renamed("image_name", "image"),
            __c::Field::same("replicas"),
            __c::Field::same("mode").nested::<Mode>(),
            __c::Field::renamed("seconds", "millis")
                .up(|__a| __c::map(|seconds: i64| seconds * 1000, __a))
                .down(|__a| __c::map(|millis: i64| millis / 1000, __a))
                .exact(),
            __c::Field::same("ports").nested::<Vec<Port>>().keys(&["name"]),
        ]);
        impl __c::Convert for Mode {
            type Old = old::Mode;
            const SHAPE: __c::Shape = __c::Shape::Table(&MODE);
            const LOSS: __c::Loss = MODE.loss();
        }
        impl __c::Convert for Port {
            type Old = old::Port;
            const SHAPE: __c::Shape = __c::Shape::Table(&PORT);
            const LOSS: __c::Loss = PORT.loss();
        }
        impl __c::Convert for PlainSpec {
            type Old = old::PlainSpec;
            const SHAPE: __c::Shape = __c::Shape::Table(&SPEC);
            const LOSS: __c::Loss = SPEC.loss();
        }
        impl __c::ConvertEdge<old::PlainSpec> for PlainSpec {
            const SHAPE: __c::Shape = <Self as __c::Convert>::SHAPE;
            const LOSS: __c::Loss = <Self as __c::Convert>::LOSS;
        }
    }

    pub static V1: __c::VersionLink = __c::VersionLink::of::<v1::Plain>();
    pub static V2: __c::VersionLink = __c::VersionLink::of::<v2::Plain>().after::<v2::Plain, v1::Plain>(&V1);
}

thread_local! {
    static SITE: Converter = Converter::of_link(&V1);
}

/// The text by a pass, where one is enough; the tree must say the same.
fn by_pass(converter: &Converter, text: &str, to: &str) -> Option<String> {
    let (mut pass, mut tree) = (String::new(), String::new());
    let passed = converter.by_pass(text, to, &mut pass);
    let result = converter.by_tree(text, to, &mut tree);
    if !passed {
        assert_eq!(pass, "", "nothing is left of a pass that gave up");
        return None;
    }
    assert!(result.is_ok(), "{text}: {result:?}");
    assert_eq!(pass, tree, "{text}");
    Some(pass)
}

fn site(text: &str, to: &str) -> Option<String> {
    SITE.with(|site| by_pass(site, text, to))
}

/// Makes an object unusual: members gone, null, unknown or twice, more than a field's type allows, annotations.
fn disturbed(mut object: Value, at: usize, how: usize) -> String {
    let spec = object["spec"].as_object_mut().expect("a spec");
    let name = spec
        .keys()
        .nth(at % spec.len().max(1))
        .cloned()
        .unwrap_or_default();
    match how {
        0 => drop(spec.remove(&name)),
        1 => drop(spec.insert(name, Value::Null)),
        2 => drop(spec.insert(name, json!({ "deep": [1, { "x": null }] }))),
        3 => drop(spec.insert("unknown".to_owned(), json!({ "a": [1.0, 1e2] }))),
        4 => drop(spec.insert(
            ["note", "class", "secretName", "url"][at % 4].to_owned(),
            json!("x"),
        )),
        5 => object["metadata"]["annotations"] = json!({ "a": "b\"", "conversion.x/preserved": "{}" }),
        6 => object["status"] = json!({ "ready": at }),
        7 => return serde_json::to_string_pretty(&object).expect("JSON"),
        8 => drop(spec.insert(
            name,
            json!([{ "name": "a" }, { "name": "a", "appProtocol": 1 }, 3]),
        )),
        9 => {
            return object
                .to_string()
                .replacen("\"spec\":{", "\"spec\":{\"ports\":[],", 1);
        }
        _ => {}
    }
    object.to_string()
}

/// An object at another version, with what that cannot show.
fn there(object: &Value, to: &str) -> Value {
    SITE.with(|site| site.convert_value(object, to))
        .unwrap_or_else(|_| object.clone())
}

proptest! {
    #[test]
    fn old_objects_pass_as_by_tree(object in old(), at in 0..30_usize, how in 0..12_usize) {
        site(&disturbed(object, at, how), "v1");
    }

    #[test]
    fn new_objects_pass_as_by_tree(object in new(), at in 0..30_usize, how in 0..12_usize) {
        site(&disturbed(object, at, how), "v1alpha1");
    }

    #[test]
    fn old_objects_come_back_as_by_tree(object in old(), at in 0..30_usize, how in 0..12_usize) {
        site(&disturbed(there(&object, "v1"), at, how), "v1alpha1");
    }

    #[test]
    fn new_objects_come_back_as_by_tree(object in new(), at in 0..30_usize, how in 0..12_usize) {
        site(&disturbed(there(&object, "v1alpha1"), at, how), "v1");
    }

    #[test]
    fn what_a_scan_reads_is_json(text in "[\\[\\]{}:,\" \\\\\\n0-9a-fnrtulse.+-]{0,12}", more in any::<String>()) {
        for text in [text, format!("[\"{more}\",{more}]")] {
            let mut scan = Scan::of(&text);
            let read = scan.value().is_some() && scan.is_at_end();
            let known = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert!(!read || known, "{text}");
        }
    }

    #[test]
    fn a_scan_reads_what_is_written(object in new()) {
        for text in [object.to_string(), serde_json::to_string_pretty(&object).expect("JSON")] {
            let mut scan = Scan::of(&text);
            prop_assert!(scan.value().is_some() && scan.is_at_end(), "{text}");
        }
    }
}

#[test]
fn usual_objects_pass() {
    let object = json!({
        "apiVersion": "web.example.com/v1", "kind": "Site", "metadata": { "name": "blog", "annotations": {} },
        "spec": {
            "replicas": 5, "image": "nginx", "retries": 2, "tier": "lead", "host": "h", "port": 80,
            "timeoutMillis": 1500, "memory": 64, "strategy": "Canary", "source": { "type": "Image", "version": "1" },
            "ingress": { "host": "h" }, "class": "c", "limits": { "cpu": { "permille": 10 } }, "pager": null,
            "ports": [{ "name": "a", "number": 1, "appProtocol": "x" }, { "name": "b", "number": 2 }],
            "mirrors": [{ "name": "a", "number": 1, "appProtocol": "x" }],
        },
    });
    let text = site(&object.to_string(), "v1alpha1").expect("by a pass");
    assert!(text.contains("appProtocol"), "what is lost is saved: {text}");
    let restored = site(&text, "v1").expect("by a pass");
    let mut moves = object;
    moves["metadata"] = json!({ "name": "blog" });
    assert_eq!(
        serde_json::from_str::<Value>(&restored).expect("JSON"),
        moves,
        "what was saved comes back, and annotations that are empty go"
    );
    moves["spec"]["ingress"]["certSecret"] = json!("c");
    assert_eq!(site(&moves.to_string(), "v1alpha1"), None, "so is what moves");
}

#[test]
fn what_loses_nothing_passes() {
    let plain = Converter::of_link(&plain::V2);
    let object = r#"{"apiVersion":"p.example.com/v2","kind":"Plain","metadata":{"name":"x"},"spec":{"image":"i",
        "mode":"Running","millis":2000,"more":[1.0],"ports":[{"name":"a","number":1},{"port":2},{}],"replicas":null}}"#;
    let text = by_pass(&plain, object, "v1").expect("by a pass");
    assert_eq!(
        text,
        r#"{"apiVersion":"p.example.com/v1","kind":"Plain","metadata":{"name":"x"},"spec":{"imageName":"i","mode":"On","seconds":2,"more":[1.0],"ports":[{"name":"a","port":1},{},{}],"replicas":null}}"#
    );
    by_pass(&plain, &text, "v2").expect("by a pass");
}
