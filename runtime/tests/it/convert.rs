//! `#[derive(Convert)]`: each kind of change that a user may write, as a kind of two versions.
//!
//! The snippets are those of the guide, each in a module of its own: `v1alpha1` and `v1`.

#![allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]

use kubewright::convert::{ConvertError, Converter, Versioned};
use kubewright::kind::CustomKind;
use kubewright::versions::{Conversion, VersionSet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The frame around a snippet: two modules with the kind `Site`. What is shared stands before, functions behind.
macro_rules! site {
    (
        $name:ident:
        old { $(#[$old_meta:meta])* $({ $($old_fields:tt)* })? $(types { $($old_types:tt)* })? }
        new { $(#[$new_meta:meta])* { $($new_fields:tt)* } $($new_items:tt)* }
    ) => {
        mod $name {
            pub mod v1alpha1 {
                #[allow(unused_imports)]
                use super::super::prelude::*;

                #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
                #[kube(
                    group = "web.example.com",
                    version = "v1alpha1",
                    kind = "Site",
                    namespaced,
                    status = "SiteStatus",
                    deprecated = "use v1"
                )]
                #[serde(rename_all = "camelCase")]
                $(#[$old_meta])*
                pub struct SiteSpec { $($($old_fields)*)? }

                #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
                pub struct SiteStatus {
                    pub ready: i32,
                }

                $($($old_types)*)?
            }
            pub mod v1 {
                use super::v1alpha1 as old;
                #[allow(unused_imports)]
                use super::super::prelude::*;

                #[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
                #[kube(
                    group = "web.example.com",
                    version = "v1",
                    kind = "Site",
                    namespaced,
                    status = "SiteStatus",
                    storage,
                    previous = old::Site
                )]
                $(#[$new_meta])*
                #[serde(rename_all = "camelCase")]
                pub struct SiteSpec { $($new_fields)* }

                #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
                #[convert(from = old::SiteStatus)]
                pub struct SiteStatus {
                    pub ready: i32,
                }

                $($new_items)*
            }
        }
    };
}

mod prelude {
    pub(super) use std::collections::BTreeMap;

    pub(super) use kubewright::convert::ManualConvert;
    pub(super) use kubewright::{Convert, CustomResource};
    pub(super) use schemars::JsonSchema;
    pub(super) use serde::{Deserialize, Serialize};
}

site! { a:
    old { { pub replicas: i32 } }
    new { #[convert(from = old::SiteSpec)] { pub replicas: i32 } }
}

site! { b:
    old { { pub image_name: String } }
    new { #[convert(from = old::SiteSpec)] { #[convert(rename = "image_name")] pub image: String } }
}

site! { c:
    old { { pub replicas: i32 } }
    new {
        #[convert(from = old::SiteSpec)]
        {
            pub replicas: i32,
            #[convert(added)]
            pub class: Option<String>,
            #[convert(added(value = 1))]
            pub retries: i32,
            #[convert(added(value = "small"))]
            pub size: Option<String>,
            #[convert(added(with = guess_tier))]
            pub tier: String,
        }
        fn guess_tier(old: &old::SiteSpec) -> String {
            if old.replicas > 3 { "gold" } else { "silver" }.to_owned()
        }
    }
}

site! { d:
    old { { pub replicas: i32, pub legacy_mode: bool, pub note: Option<String> } }
    new {
        #[convert(from = old::SiteSpec, old_only(legacy_mode = false, note))]
        { pub replicas: i32 }
    }
}

site! { e:
    old { { pub address: String } }
    new {
        #[convert(from = old::SiteSpec, group(old(address), new(host, port), try_up = split, down = join))]
        { pub host: String, pub port: u16 }
        fn split(address: String) -> Result<(String, u16), String> {
            let (host, port) = address.split_once(':').ok_or("no port")?;
            Ok((host.to_owned(), port.parse().map_err(|_| "no number")?))
        }
        fn join((host, port): (String, u16)) -> String {
            format!("{host}:{port}")
        }
    }
}

site! { f:
    old { { pub timeout_seconds: i64 } }
    new {
        #[convert(from = old::SiteSpec)]
        { #[convert(rename = "timeout_seconds", with(up = s_to_ms, down = ms_to_s))] pub timeout_millis: i64 }
        fn s_to_ms(seconds: i64) -> i64 { seconds * 1000 }
        fn ms_to_s(millis: i64) -> i64 { millis / 1000 }
    }
}

site! { g:
    old {
        { pub strategy: Strategy, pub paint: Paint }
        types {
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            pub enum Strategy { Rolling, Recreate }
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            #[serde(tag = "type", rename_all = "camelCase")]
            pub enum Paint { Blue, Plain { colour: String } }
        }
    }
    new {
        #[convert(from = old::SiteSpec)]
        { #[convert(nested)] pub strategy: Strategy, #[convert(nested)] pub paint: Paint }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Strategy)]
        pub enum Strategy {
            Rolling,
            Recreate,
            #[convert(added(down = Rolling))]
            Canary,
        }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Paint, old_only(Blue(up = White)))]
        #[serde(tag = "type", rename_all = "camelCase")]
        pub enum Paint {
            #[convert(added(down = Blue))]
            White,
            #[convert(added(refuse))]
            Glossy,
            Plain {
                #[convert(rename = "colour")]
                color: String,
                #[convert(added(value = 2))]
                coats: i32,
            },
            #[convert(added(down_with = plain))]
            Striped { first: String, second: String },
        }
        fn plain(paint: &Paint) -> old::Paint {
            match paint {
                Paint::Striped { first, .. } => old::Paint::Plain { colour: first.clone() },
                _ => old::Paint::Blue,
            }
        }
    }
}

site! { h:
    old {
        { pub tls: Option<Tls> }
        types {
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            pub struct Tls { pub min: String }
        }
    }
    new {
        #[convert(from = old::SiteSpec)]
        { #[convert(nested)] pub tls: Option<Tls> }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Tls)]
        pub struct Tls { #[convert(rename = "min")] pub minimum: String }
    }
}

site! { i:
    old {
        { #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))] pub ports: Vec<Port>, pub mounts: Vec<Port> }
        types {
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            pub struct Port { pub name: String, pub port: u16 }
        }
    }
    new {
        #[convert(from = old::SiteSpec)]
        {
            #[convert(nested)]
            #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
            pub ports: Vec<Port>,
            #[convert(nested(key = "name"))]
            pub mounts: Vec<Port>,
        }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Port)]
        #[serde(rename_all = "camelCase")]
        pub struct Port {
            pub name: String,
            #[convert(rename = "port")]
            pub number: u16,
            #[convert(added)]
            pub app_protocol: Option<String>,
        }
    }
}

site! { j:
    old {
        { pub limits: BTreeMap<String, Limit> }
        types {
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            pub struct Limit { pub soft: i64 }
        }
    }
    new {
        #[convert(from = old::SiteSpec)]
        { #[convert(nested)] pub limits: BTreeMap<String, Limit> }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Limit)]
        pub struct Limit { #[convert(rename = "soft")] pub request: i64, #[convert(added)] pub limit: Option<i64> }
    }
}

site! { k:
    old { { pub memory: String, pub swap: Option<String> } }
    new {
        #[convert(from = old::SiteSpec)]
        {
            #[convert(with(try_up = parse_mib, down = fmt_mib))]
            pub memory: i64,
            #[convert(with(try_up = parse_mib, down = fmt_mib, or = 256))]
            pub swap: Option<i64>,
        }
        fn parse_mib(text: String) -> Result<i64, String> {
            text.strip_suffix("Mi").and_then(|digits| digits.parse().ok()).ok_or("no MiB".to_owned())
        }
        fn fmt_mib(mib: i64) -> String { format!("{mib}Mi") }
    }
}

site! { l:
    old {
        { pub tls: Tls, pub ingress: Ingress }
        types {
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema, Default)]
            #[serde(rename_all = "camelCase")]
            pub struct Tls { pub min_version: String, pub secret_name: Option<String> }
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            pub struct Ingress { pub host: String }
        }
    }
    new {
        #[convert(from = old::SiteSpec, moved("tls.secret_name" => "ingress.cert_secret"))]
        { #[convert(nested)] pub tls: Tls, #[convert(nested)] pub ingress: Ingress }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Tls, old_only(secret_name(moved)))]
        #[serde(rename_all = "camelCase")]
        pub struct Tls { pub min_version: String }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema, Default)]
        #[convert(from = old::Ingress)]
        #[serde(rename_all = "camelCase")]
        pub struct Ingress { pub host: String, #[convert(moved)] pub cert_secret: Option<String> }
    }
}

site! { m:
    old {
        { pub rules: Rules }
        types {
            #[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            pub struct Rules { pub text: String }
        }
    }
    new {
        #[convert(from = old::SiteSpec)]
        { #[convert(nested)] pub rules: Rules }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Rules, manual)]
        pub struct Rules { pub lines: Vec<String> }
        impl ManualConvert<old::Rules> for Rules {
            type Error = std::convert::Infallible;
            fn up(old: old::Rules) -> Result<Self, Self::Error> {
                Ok(Self { lines: old.text.lines().map(str::to_owned).collect() })
            }
            fn down(self) -> Result<old::Rules, Self::Error> {
                Ok(old::Rules { text: self.lines.join("\n") })
            }
        }
    }
}

// Values that there are not: an expression that panics, one that is no JSON, and a container's default.
site! { without_values:
    old { { pub replicas: i32, pub tls: Option<Tls>, pub ingress: Option<Ingress> }
        types {
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema, Default)]
            pub struct Tls { pub secret: Option<String> }
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            pub struct Ingress { pub host: Option<String> }
        }
    }
    new {
        #[convert(from = old::SiteSpec, moved("tls.secret" => "ingress.secret"))]
        {
            #[convert(added(value = Unwritable))]
            pub never: Unwritable,
            #[convert(rename = "replicas", with(try_up = refuse, down = same, or = missing()))]
            pub count: i32,
            #[convert(nested)]
            pub tls: Option<Tls>,
            #[convert(nested)]
            pub ingress: Option<Ingress>,
        }
        fn missing() -> i32 { panic!("not known") }
        fn refuse(count: i32) -> Result<i32, String> {
            if count > 3 { Err("too many".to_owned()) } else { Ok(count) }
        }
        fn same(count: i32) -> i32 { count }

        #[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        pub struct Unwritable;
        impl Serialize for Unwritable {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("it has no form"))
            }
        }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Tls, old_only(secret(moved)))]
        pub struct Tls {}
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Ingress)]
        pub struct Ingress { pub host: Option<String>, #[convert(moved)] pub secret: Option<String> }
        impl Default for Ingress {
            fn default() -> Self { panic!("no default today") }
        }
    }
}

// A flattened map in a variant whose fields change.
site! { open_variant:
    old { { pub paint: Paint }
        types {
            #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
            #[serde(tag = "type")]
            pub enum Paint {
                Plain { colour: String, #[serde(flatten)] rest: BTreeMap<String, i32> },
            }
        }
    }
    new {
        #[convert(from = old::SiteSpec)]
        { #[convert(nested)] pub paint: Paint }
        #[derive(Convert, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
        #[convert(from = old::Paint)]
        #[serde(tag = "type")]
        pub enum Paint {
            Plain { #[convert(rename = "colour")] color: String, #[serde(flatten)] rest: BTreeMap<String, i32> },
        }
    }
}

#[test]
fn ver_31_a_value_that_cannot_be_made_fails_the_objects_that_need_it() {
    let converter = Converter::of::<without_values::v1::Site>();
    let error = |spec: Value| {
        let error = converter
            .convert_value(&site("v1alpha1", &spec), "v1")
            .unwrap_err();
        error.to_string().replace(
            "converting Site default/blog from web.example.com/v1alpha1 to web.example.com/v1: ",
            "",
        )
    };
    assert_eq!(
        error(json!({"replicas": 1})),
        "spec.never: the value of type Unwritable that conversion writes cannot be written as JSON: it has no form"
    );
    assert_eq!(
        error(json!({"replicas": 4})),
        "spec.replicas: the value that conversion writes panicked: not known"
    );
    assert_eq!(
        error(json!({"tls": {"secret": "s"}})),
        "spec.tls: the value that conversion writes panicked: no default today"
    );
    // A sparse object gets no values, and needs none.
    let sparse = converter
        .convert_value(&site("v1alpha1", &json!({"ingress": {}})), "v1")
        .unwrap();
    assert_eq!(sparse["spec"], json!({"ingress": {}}));
}

#[test]
fn ver_3_what_an_edge_can_lose_is_known_at_compile_time() {
    let loss = |link: &kubewright::convert::VersionLink| (link.loss.up, link.loss.down);
    assert_eq!(loss(a::v1::Site::LINK), (false, false));
    assert_eq!(loss(b::v1::Site::LINK), (false, false));
    assert_eq!(loss(c::v1::Site::LINK), (false, true));
    assert_eq!(loss(d::v1::Site::LINK), (true, false));
    assert_eq!(loss(e::v1::Site::LINK), (true, true));
    assert_eq!(loss(f::v1::Site::LINK), (true, true));
    assert_eq!(loss(g::v1::Site::LINK), (true, true));
    assert_eq!(loss(h::v1::Site::LINK), (false, false));
    assert_eq!(loss(i::v1::Site::LINK), (false, true));
    assert_eq!(loss(j::v1::Site::LINK), (false, true));
    assert_eq!(loss(k::v1::Site::LINK), (true, true));
    assert_eq!(loss(m::v1::Site::LINK), (true, true));
}

#[test]
fn ver_5_versions_are_a_chain() {
    let newest = a::v1::Site::LINK;
    let oldest = newest.previous.unwrap();
    assert_eq!((newest.info.version, oldest.info.version), ("v1", "v1alpha1"));
    assert!(oldest.previous.is_none());
}

#[test]
fn ver_38_a_webhook_is_needed_where_versions_differ() {
    assert!(!VersionSet::<a::v1::Site>::needs_conversion());
    let definition = VersionSet::<a::v1::Site>::crd(None).unwrap();
    assert_eq!(definition.spec.conversion.unwrap().strategy, "None");
    for needs in [
        VersionSet::<b::v1::Site>::needs_conversion(),
        VersionSet::<c::v1::Site>::needs_conversion(),
        VersionSet::<g::v1::Site>::needs_conversion(),
        VersionSet::<h::v1::Site>::needs_conversion(),
        VersionSet::<l::v1::Site>::needs_conversion(),
        VersionSet::<m::v1::Site>::needs_conversion(),
    ] {
        assert!(needs);
    }
    let error = VersionSet::<b::v1::Site>::crd(None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Site has versions v1alpha1, v1 that differ; a conversion webhook is needed: pass Conversion::service or \
         Conversion::url"
    );
    VersionSet::<b::v1::Site>::crd(&Conversion::service("ns", "name")).unwrap();
}

/// An object of `Site` with this spec.
fn site(version: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("web.example.com/{version}"), "kind": "Site",
        "metadata": {"name": "blog", "namespace": "default"}, "spec": spec, "status": {"ready": 1},
    })
}

/// Converts an old spec up, which must give `new`, and back, which must give the old one; the values of both types
/// convert alike (VER-4, VER-22).
fn both_ways<Old, New>(old: &Value, new: &Value)
where
    Old: CustomKind + Serialize + DeserializeOwned + TryFrom<New, Error = ConvertError>,
    New: Versioned + Serialize + DeserializeOwned + TryFrom<Old, Error = ConvertError>,
{
    let converter = Converter::of::<New>();
    assert_eq!(converter.storage(), "v1");
    let before = site("v1alpha1", old);
    let up = converter.convert_value(&before, "v1").unwrap();
    assert_eq!(up["apiVersion"], "web.example.com/v1");
    assert_eq!((&up["spec"], &up["status"]), (new, &json!({"ready": 1})));
    let back = converter.convert_value(&up, "v1alpha1").unwrap();
    assert_eq!(back, before, "up and down again");
    // What the newer version has of its own comes back too.
    let shown = converter.convert_value(&site("v1", new), "v1alpha1").unwrap();
    assert_eq!(
        converter.convert_value(&shown, "v1").unwrap(),
        site("v1", new),
        "down and up again"
    );

    // An absent `Option` of a value is written as null, so the values have their own way there and back.
    let value: Old = serde_json::from_value(before).unwrap();
    let written = serde_json::to_value(&value).unwrap();
    let typed = New::try_from(value).unwrap();
    let up: New = serde_json::from_value(converter.convert_value(&written, "v1").unwrap()).unwrap();
    let up = serde_json::to_value(up).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), up);
    let back: Old = serde_json::from_value(converter.convert_value(&up, "v1alpha1").unwrap()).unwrap();
    let typed = Old::try_from(typed).unwrap();
    assert_eq!(
        serde_json::to_value(typed).unwrap(),
        serde_json::to_value(back).unwrap()
    );
}

macro_rules! converts {
    ($test:ident, $snippet:ident: $($old:tt => $new:tt),* $(,)?) => {
        #[test]
        fn $test() {
            $(both_ways::<$snippet::v1alpha1::Site, $snippet::v1::Site>(&json!($old), &json!($new));)*
        }
    };
}

converts! { ver_2_a_nothing_changed, a: {"replicas": 3} => {"replicas": 3} }
converts! { ver_6_b_a_field_is_renamed, b: {"imageName": "nginx"} => {"image": "nginx"} }
converts! { ver_6_a_variant_has_a_flattened_map, open_variant:
    {"paint": {"type": "Plain", "colour": "red", "coats": 2}} => {"paint": {"type": "Plain", "color": "red", "coats": 2}},
}
converts! { ver_10_c_fields_are_added, c:
    {"replicas": 1} => {"replicas": 1, "retries": 1, "size": "small", "tier": "silver"},
    {"replicas": 5} => {"replicas": 5, "retries": 1, "size": "small", "tier": "gold"},
}
converts! { ver_11_d_fields_are_gone, d:
    {"replicas": 1, "legacyMode": true, "note": "x"} => {"replicas": 1},
    {"replicas": 1, "legacyMode": false} => {"replicas": 1},
}
converts! { ver_18_e_one_field_in_two, e: {"address": "a:80"} => {"host": "a", "port": 80} }
converts! { ver_17_f_another_unit, f: {"timeoutSeconds": 2} => {"timeoutMillis": 2000} }
converts! { ver_7_g_variants_come_and_go, g:
    {"strategy": "Recreate", "paint": {"type": "plain", "colour": "red"}}
        => {"strategy": "Recreate", "paint": {"type": "plain", "color": "red", "coats": 2}},
    {"strategy": "Rolling", "paint": {"type": "blue"}} => {"strategy": "Rolling", "paint": {"type": "white"}},
}
converts! { ver_8_h_a_struct_inside, h:
    {"tls": {"min": "1.2"}} => {"tls": {"minimum": "1.2"}},
    {"tls": null} => {"tls": null},
    {} => {},
}
converts! { ver_17_i_lists_of_structs, i:
    {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}], "mounts": []}
        => {"ports": [{"name": "a", "number": 1}, {"name": "b", "number": 2}], "mounts": []},
}
converts! { ver_17_j_values_of_a_map, j: {"limits": {"cpu": {"soft": 1}}} => {"limits": {"cpu": {"request": 1}}} }
converts! { ver_17_k_functions_that_can_fail, k:
    {"memory": "5Mi", "swap": "7Mi"} => {"memory": 5, "swap": 7},
    {"memory": "5Mi", "swap": "much"} => {"memory": 5, "swap": 256},
    {"memory": "5Mi"} => {"memory": 5},
}
converts! { ver_12_l_a_field_moves, l:
    {"tls": {"minVersion": "1.2", "secretName": "s"}, "ingress": {"host": "h"}}
        => {"tls": {"minVersion": "1.2"}, "ingress": {"host": "h", "certSecret": "s"}},
}
converts! { ver_1_m_by_hand, m: {"rules": {"text": "a\nb"}} => {"rules": {"lines": ["a", "b"]}} }

#[test]
fn ver_16_what_old_clients_cannot_see_comes_back() {
    let converter = Converter::of::<g::v1::Site>();
    let new = site(
        "v1",
        &json!({"strategy": "Canary", "paint": {"type": "striped", "first": "a", "second": "b"}}),
    );
    let shown = converter.convert_value(&new, "v1alpha1").unwrap();
    assert_eq!(
        shown["spec"],
        json!({"strategy": "Rolling", "paint": {"type": "plain", "colour": "a"}})
    );
    assert_eq!(converter.convert_value(&shown, "v1").unwrap(), new);
    let refused = site("v1", &json!({"strategy": "Rolling", "paint": {"type": "glossy"}}));
    let error = converter
        .convert_value(&refused, "v1alpha1")
        .unwrap_err()
        .to_string();
    assert!(error.contains("spec.paint"), "{error}");
}

#[test]
fn ver_4_specs_convert_as_values() {
    let old = f::v1alpha1::SiteSpec { timeout_seconds: 2 };
    let new = f::v1::SiteSpec::try_from(old.clone()).unwrap();
    assert_eq!(new, f::v1::SiteSpec { timeout_millis: 2000 });
    assert_eq!(f::v1alpha1::SiteSpec::try_from(new).unwrap(), old);
    let error = k::v1::SiteSpec::try_from(k::v1alpha1::SiteSpec {
        memory: "much".to_owned(),
        swap: None,
    });
    assert!(error.unwrap_err().to_string().contains("no MiB"));
}
