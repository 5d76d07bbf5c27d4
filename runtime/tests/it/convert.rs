//! `#[derive(Convert)]`: each kind of change that a user may write, as a kind of two versions.
//!
//! The snippets are those of the guide, each in a module of its own: `v1alpha1` and `v1`.

#![allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]

use std::collections::BTreeMap;

use kubewright::convert::Versioned;
use kubewright::versions::{Conversion, VersionSet};

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
            #[convert(added(refuse))]
            White,
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

/// So that what the snippets name is used.
#[allow(dead_code)]
fn uses(_: BTreeMap<String, c::v1::SiteSpec>) {}
