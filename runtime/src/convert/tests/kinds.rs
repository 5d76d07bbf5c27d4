//! A kind of two versions with each action, expanded by hand: what the derive must emit, each time at the end of a
//! type. `OnWire` impls of specs come from `CustomResource`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::convert::emitted as __c;

pub(crate) mod v1alpha1 {
    use super::*;

    #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    #[kube(
        group = "web.example.com",
        version = "v1alpha1",
        kind = "Site",
        namespaced,
        status = "SiteStatus",
        storage = false,
        crates(kubewright = "crate")
    )]
    #[serde(rename_all = "camelCase")]
    pub struct SiteSpec {
        pub replicas: i32,
        pub image_name: String,
        pub note: Option<String>,
        pub legacy_mode: bool,
        pub address: String,
        pub timeout_seconds: i64,
        pub memory: String,
        pub strategy: Strategy,
        pub source: Source,
        pub probe: Option<Probe>,
        pub tls: Option<Tls>,
        #[serde(default)]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub ports: Vec<Port>,
        #[serde(default)]
        pub mirrors: Vec<Port>,
        #[serde(default)]
        pub limits: BTreeMap<String, Limit>,
        pub ingress: Ingress,
        pub rules: Option<Rules>,
        #[serde(flatten)]
        pub owner: Owner,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct SiteStatus {
        pub ready: i32,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub enum Strategy {
        Rolling,
        Recreate,
        Blue,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    #[serde(tag = "type")]
    pub enum Source {
        Git { url: String },
        Image(Image),
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Image {
        pub tag: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    #[serde(tag = "kind", content = "with", rename_all = "camelCase")]
    pub enum Probe {
        Http(String),
        Off,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
    #[serde(rename_all = "camelCase")]
    pub struct Tls {
        pub min_version: String,
        pub secret_name: Option<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Port {
        pub name: String,
        pub port: u16,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Limit {
        pub percent: i64,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
    pub struct Ingress {
        pub host: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Rules {
        pub text: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Owner {
        pub team: Option<String>,
    }

    const _: () = {
        impl __c::OnWire for SiteStatus {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("ready", "ready")]);
        }
        impl __c::OnWire for Strategy {
            const WIRE: __c::Wire = __c::Wire::external(&[
                __c::WireVariant::unit("Rolling", "Rolling"),
                __c::WireVariant::unit("Recreate", "Recreate"),
                __c::WireVariant::unit("Blue", "Blue"),
            ]);
        }
        impl __c::OnWire for Source {
            const WIRE: __c::Wire = __c::Wire::internal(
                "type",
                &[
                    __c::WireVariant::fields("Git", "Git", &[__c::WireField::new("url", "url")]),
                    __c::WireVariant::newtype("Image", "Image"),
                ],
            );
        }
        impl __c::OnWire for Image {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("tag", "tag")]);
        }
        impl __c::OnWire for Probe {
            const WIRE: __c::Wire = __c::Wire::adjacent(
                "kind",
                "with",
                &[
                    __c::WireVariant::newtype("Http", "http"),
                    __c::WireVariant::unit("Off", "off"),
                ],
            );
        }
        impl __c::OnWire for Tls {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                __c::WireField::new("min_version", "minVersion"),
                __c::WireField::new("secret_name", "secretName").option(),
            ]);
        }
        impl __c::OnWire for Port {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                __c::WireField::new("name", "name"),
                __c::WireField::new("port", "port"),
            ]);
        }
        impl __c::OnWire for Limit {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("percent", "percent")]);
        }
        impl __c::OnWire for Ingress {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("host", "host")]);
        }
        impl __c::OnWire for Owner {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("team", "team").option()]);
        }
    };
}

pub(crate) mod v1 {
    use super::v1alpha1 as old;
    use super::*;

    #[derive(crate::CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    #[kube(
        group = "web.example.com",
        version = "v1",
        kind = "Site",
        namespaced,
        status = "SiteStatus",
        crates(kubewright = "crate")
    )]
    #[serde(rename_all = "camelCase")]
    pub struct SiteSpec {
        pub replicas: i32,
        /// `rename = "image_name"`
        pub image: String,
        /// `added`
        pub class: Option<String>,
        /// `added(value = 1)`
        pub retries: i32,
        /// `added(with = guess_tier)`
        pub tier: String,
        /// `group(old(address), new(host, port), try_up = split, down = join)`
        pub host: String,
        pub port: u16,
        /// `rename = "timeout_seconds", with(up = s_to_ms, down = ms_to_s)`
        pub timeout_millis: i64,
        /// `with(try_up = parse_mib, down = fmt_mib, or = 256)`
        pub memory: i64,
        /// `nested`, as all that follow
        pub strategy: Strategy,
        pub source: Source,
        pub probe: Option<Probe>,
        pub tls: Option<Tls>,
        #[serde(default)]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub ports: Vec<Port>,
        #[serde(default)]
        pub mirrors: Vec<Port>,
        #[serde(default)]
        pub limits: BTreeMap<String, Limit>,
        pub ingress: Ingress,
        pub rules: Option<Rules>,
        #[serde(flatten)]
        pub owner: Owner,
    }

    pub use super::v1alpha1::SiteStatus;

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub enum Strategy {
        Rolling,
        Recreate,
        /// `added(down = Rolling)`
        Canary,
    }

    /// Externally tagged, as it was not before.
    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    #[serde(tag = "type")]
    pub enum Source {
        Git {
            /// `rename = "url"`
            address: String,
            /// `added`
            branch: Option<String>,
        },
        /// `nested`
        Image(Image),
        /// `added(refuse)`
        Bucket { name: String },
        /// `added(down_with = mirror)`
        Mirror { of: String },
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Image {
        /// `rename = "tag"`
        pub version: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    #[serde(tag = "kind", content = "with", rename_all = "camelCase")]
    pub enum Probe {
        /// `rename = "Http"`
        Web(String),
        Off,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
    #[serde(rename_all = "camelCase")]
    pub struct Tls {
        pub min_version: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    #[serde(rename_all = "camelCase")]
    pub struct Port {
        pub name: String,
        /// `rename = "port"`
        pub number: u16,
        /// `added`
        pub app_protocol: Option<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Limit {
        /// `rename = "percent", with(up = to_permille, try_down = to_percent, exact)`
        pub permille: i64,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
    #[serde(rename_all = "camelCase")]
    pub struct Ingress {
        pub host: String,
        /// `moved`
        pub cert_secret: Option<String>,
    }

    /// `manual`
    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Rules {
        pub lines: Vec<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
    pub struct Owner {
        /// `rename = "team"`
        pub squad: Option<String>,
        /// `added`
        pub pager: Option<String>,
    }

    fn guess_tier(old: &old::SiteSpec) -> String {
        if old.replicas > 3 { "gold" } else { "silver" }.to_owned()
    }

    fn split(address: String) -> Result<(String, u16), String> {
        let (host, port) = address.rsplit_once(':').ok_or("an address has a colon")?;
        Ok((
            host.to_owned(),
            port.parse().map_err(|_| format!("{port} is no port"))?,
        ))
    }

    fn join((host, port): (String, u16)) -> String {
        format!("{host}:{port}")
    }

    fn s_to_ms(seconds: i64) -> i64 {
        seconds.saturating_mul(1000)
    }

    fn ms_to_s(millis: i64) -> i64 {
        millis / 1000
    }

    fn parse_mib(text: String) -> Result<i64, String> {
        let digits = text.strip_suffix("Mi").ok_or("the unit is Mi")?;
        digits.parse().map_err(|_| "no number".to_owned())
    }

    fn fmt_mib(mib: i64) -> String {
        format!("{mib}Mi")
    }

    fn to_permille(percent: i64) -> i64 {
        percent.saturating_mul(10)
    }

    fn to_percent(permille: i64) -> Result<i64, String> {
        if permille % 10 == 0 {
            Ok(permille / 10)
        } else {
            Err("not a whole percent".to_owned())
        }
    }

    fn mirror(source: &Source) -> old::Source {
        match source {
            Source::Mirror { of } => old::Source::Git { url: of.clone() },
            _ => old::Source::Git { url: String::new() },
        }
    }

    impl crate::convert::ManualConvert<old::Rules> for Rules {
        type Error = String;

        fn up(old: old::Rules) -> Result<Self, String> {
            Ok(Self {
                lines: old.text.lines().map(str::to_owned).collect(),
            })
        }

        fn down(self) -> Result<old::Rules, String> {
            assert!(
                self.lines.iter().all(|line| line != "panic"),
                "a line that panics"
            );
            Ok(old::Rules {
                text: self.lines.join("\n"),
            })
        }
    }

    const _: () = {
        static __TABLE: __c::Table = __c::Table::structs::<old::SiteSpec, SiteSpec>(&[
            __c::Field::same("replicas"),
            __c::Field::renamed("image_name", "image"),
            __c::Field::added("class").checked(__c::reads::<Option<String>>),
            __c::Field::added("retries")
                .checked(__c::reads::<i32>)
                .value(|| __c::json::<i32>(&(1))),
            __c::Field::added("tier")
                .checked(__c::reads::<String>)
                .computed(|__a| __c::view(guess_tier, __a)),
            __c::Field::renamed("timeout_seconds", "timeout_millis")
                .up(|__a| __c::map(s_to_ms, __a))
                .down(|__a| __c::map(ms_to_s, __a))
                .checked_at(|__o: &old::SiteSpec| &__o.timeout_seconds)
                .checked(__c::reads::<i64>),
            __c::Field::same("memory")
                .up(|__a| __c::try_map(parse_mib, __a))
                .down(|__a| __c::map(fmt_mib, __a))
                .or_up(|| __c::json::<i64>(&(256)))
                .checked_at(|__o: &old::SiteSpec| &__o.memory)
                .checked(__c::reads::<i64>),
            __c::Field::same("strategy").nested::<Strategy>(),
            __c::Field::same("source").nested::<Source>(),
            __c::Field::same("probe").nested::<Option<Probe>>(),
            __c::Field::same("tls").nested::<Option<Tls>>(),
            __c::Field::same("ports").nested::<Vec<Port>>().keys(&["name"]),
            __c::Field::same("mirrors").nested::<Vec<Port>>(),
            __c::Field::same("limits").nested::<BTreeMap<String, Limit>>(),
            __c::Field::same("ingress").nested::<Ingress>(),
            __c::Field::same("rules").nested::<Option<Rules>>(),
            __c::Field::same("owner").nested::<Owner>(),
            __c::Field::old_only("note").checked_at(|__o: &old::SiteSpec| &__o.note),
            __c::Field::old_only("legacy_mode")
                .checked_at(|__o: &old::SiteSpec| &__o.legacy_mode)
                .value(|| __c::json(&(false))),
        ])
        .groups(&[__c::Group::new(
            &[__c::Member::new(
                "address",
                __c::reads_at(|__o: &old::SiteSpec| &__o.address),
            )],
            &[
                __c::Member::new("host", __c::reads::<String>),
                __c::Member::new("port", __c::reads::<u16>),
            ],
            __c::With::new(|__a| __c::try_map(split, __a), |__a| __c::map(join, __a)),
        )])
        .moved(&[
            __c::Moved::new(&["tls", "secret_name"], &["ingress", "cert_secret"]).creates(
                &[|| __c::create(|__o: &old::SiteSpec| &__o.tls).json()],
                &[|| __c::create(|__n: &SiteSpec| &__n.ingress).json()],
            ),
        ]);
        impl __c::Convert for SiteSpec {
            type Old = old::SiteSpec;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
        impl __c::ConvertEdge<old::SiteSpec> for SiteSpec {
            const SHAPE: __c::Shape = <Self as __c::Convert>::SHAPE;
            const LOSS: __c::Loss = <Self as __c::Convert>::LOSS;
        }
    };

    const _: () = {
        impl __c::OnWire for Strategy {
            const WIRE: __c::Wire = __c::Wire::external(&[
                __c::WireVariant::unit("Rolling", "Rolling"),
                __c::WireVariant::unit("Recreate", "Recreate"),
                __c::WireVariant::unit("Canary", "Canary"),
            ]);
        }
        static __TABLE: __c::Table = __c::Table::enums::<old::Strategy, Strategy>(&[
            __c::Variant::same("Rolling"),
            __c::Variant::same("Recreate"),
            __c::Variant::added("Canary").shown("Rolling"),
            __c::Variant::old_only("Blue").shown("Rolling"),
        ]);
        impl __c::Convert for Strategy {
            type Old = old::Strategy;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };

    const _: () = {
        impl __c::OnWire for Source {
            const WIRE: __c::Wire = __c::Wire::internal(
                "type",
                &[
                    __c::WireVariant::fields(
                        "Git",
                        "Git",
                        &[
                            __c::WireField::new("address", "address"),
                            __c::WireField::new("branch", "branch").option(),
                        ],
                    ),
                    __c::WireVariant::newtype("Image", "Image"),
                    __c::WireVariant::fields("Bucket", "Bucket", &[__c::WireField::new("name", "name")]),
                    __c::WireVariant::fields("Mirror", "Mirror", &[__c::WireField::new("of", "of")]),
                ],
            );
        }
        static __TABLE: __c::Table = __c::Table::enums::<old::Source, Source>(&[
            __c::Variant::same("Git").fields(&[
                __c::Field::renamed("url", "address"),
                __c::Field::added("branch").checked(__c::reads::<Option<String>>),
            ]),
            __c::Variant::same("Image").nested::<Image>(),
            __c::Variant::added("Bucket"),
            __c::Variant::added("Mirror").made(|__a| __c::view(mirror, __a)),
        ]);
        impl __c::Convert for Source {
            type Old = old::Source;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };

    const _: () = {
        impl __c::OnWire for Image {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("version", "version")]);
        }
        static __TABLE: __c::Table =
            __c::Table::structs::<old::Image, Image>(&[__c::Field::renamed("tag", "version")]);
        impl __c::Convert for Image {
            type Old = old::Image;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };

    const _: () = {
        impl __c::OnWire for Probe {
            const WIRE: __c::Wire = __c::Wire::adjacent(
                "kind",
                "with",
                &[
                    __c::WireVariant::newtype("Web", "web"),
                    __c::WireVariant::unit("Off", "off"),
                ],
            );
        }
        static __TABLE: __c::Table = __c::Table::enums::<old::Probe, Probe>(&[
            __c::Variant::renamed("Http", "Web"),
            __c::Variant::same("Off"),
        ]);
        impl __c::Convert for Probe {
            type Old = old::Probe;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };

    const _: () = {
        impl __c::OnWire for Tls {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("min_version", "minVersion")]);
        }
        static __TABLE: __c::Table = __c::Table::structs::<old::Tls, Tls>(&[
            __c::Field::same("min_version"),
            __c::Field::moved_old("secret_name"),
        ]);
        impl __c::Convert for Tls {
            type Old = old::Tls;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };

    const _: () = {
        impl __c::OnWire for Port {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                __c::WireField::new("name", "name"),
                __c::WireField::new("number", "number"),
                __c::WireField::new("app_protocol", "appProtocol").option(),
            ]);
        }
        static __TABLE: __c::Table = __c::Table::structs::<old::Port, Port>(&[
            __c::Field::same("name"),
            __c::Field::renamed("port", "number"),
            __c::Field::added("app_protocol").checked(__c::reads::<Option<String>>),
        ]);
        impl __c::Convert for Port {
            type Old = old::Port;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
        impl __c::ConvertEdge<old::Port> for Port {
            const SHAPE: __c::Shape = <Self as __c::Convert>::SHAPE;
            const LOSS: __c::Loss = <Self as __c::Convert>::LOSS;
        }
    };

    const _: () = {
        impl __c::OnWire for Limit {
            const WIRE: __c::Wire = __c::Wire::fields(&[__c::WireField::new("permille", "permille")]);
        }
        static __TABLE: __c::Table =
            __c::Table::structs::<old::Limit, Limit>(&[__c::Field::renamed("percent", "permille")
                .up(|__a| __c::map(to_permille, __a))
                .down(|__a| __c::try_map(to_percent, __a))
                .exact()
                .checked_at(|__o: &old::Limit| &__o.percent)
                .checked(__c::reads::<i64>)]);
        impl __c::Convert for Limit {
            type Old = old::Limit;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };

    const _: () = {
        impl __c::OnWire for Ingress {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                __c::WireField::new("host", "host"),
                __c::WireField::new("cert_secret", "certSecret").option(),
            ]);
        }
        static __TABLE: __c::Table = __c::Table::structs::<old::Ingress, Ingress>(&[
            __c::Field::same("host"),
            __c::Field::moved_new("cert_secret"),
        ]);
        impl __c::Convert for Ingress {
            type Old = old::Ingress;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };

    const _: () = {
        static __MANUAL: __c::Manual = __c::Manual::of::<old::Rules, Rules>();
        impl __c::Convert for Rules {
            type Old = old::Rules;
            const SHAPE: __c::Shape = __c::Shape::Manual(&__MANUAL);
            const LOSS: __c::Loss = __c::Loss::BOTH;
        }
    };

    const _: () = {
        impl __c::OnWire for Owner {
            const WIRE: __c::Wire = __c::Wire::fields(&[
                __c::WireField::new("squad", "squad").option(),
                __c::WireField::new("pager", "pager").option(),
            ]);
        }
        static __TABLE: __c::Table = __c::Table::structs::<old::Owner, Owner>(&[
            __c::Field::renamed("team", "squad"),
            __c::Field::added("pager").checked(__c::reads::<Option<String>>),
        ]);
        impl __c::Convert for Owner {
            type Old = old::Owner;
            const SHAPE: __c::Shape = __c::Shape::Table(&__TABLE);
            const LOSS: __c::Loss = __TABLE.loss();
        }
    };
}

pub(crate) static V1ALPHA1: __c::VersionLink = __c::VersionLink::of::<v1alpha1::Site>();
pub(crate) static V1: __c::VersionLink =
    __c::VersionLink::of::<v1::Site>().after::<v1::Site, v1alpha1::Site>(&V1ALPHA1);
