//! The same change three times: in `plain` nothing can be lost, in `lossy` both versions have fields that the other lacks,
//! and in `computed` one of them is made of the whole older spec. Each with the conversions that one would write over typed
//! values: such that lose what the other version lacks, and such that keep it in an annotation.

macro_rules! site {
    ($name:ident, $kind:literal,
        spec($($spec:tt)*) old($($old:tt)*) new($($new:tt)*) new_port($($new_port:tt)*) rest($($rest:tt)*)) => {
        pub(super) mod $name {
            pub(crate) mod v1alpha1 {
                use std::collections::BTreeMap;

                use kubewright::{Convert, CustomResource, KubeSchema};
                use serde::{Deserialize, Serialize};

                #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
                #[kube(group = "bench.example.com", version = "v1alpha1", kind = $kind, root = "Site", namespaced)]
                #[serde(rename_all = "camelCase")]
                pub(crate) struct SiteSpec {
                    pub replicas: i32,
                    pub image_name: String,
                    #[serde(default)]
                    pub labels: BTreeMap<String, String>,
                    #[serde(default)]
                    pub args: Vec<String>,
                    #[serde(default)]
                    #[kube(list_type = "map", list_map_keys("name"))]
                    pub ports: Vec<Port>,
                    $($old)*
                }

                #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
                #[serde(rename_all = "camelCase")]
                pub(crate) struct Port {
                    pub name: String,
                    pub port: u16,
                    pub protocol: Option<String>,
                }
            }

            pub(crate) mod v1 {
                use std::collections::BTreeMap;

                use kubewright::{Convert, CustomResource, KubeSchema};
                use serde::{Deserialize, Serialize};

                use super::v1alpha1 as old;

                #[derive(CustomResource, Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
                #[kube(
                    group = "bench.example.com",
                    version = "v1",
                    kind = $kind,
                    root = "Site",
                    namespaced,
                    storage,
                    previous = old::Site
                )]
                #[convert(from = old::SiteSpec $($spec)*)]
                #[serde(rename_all = "camelCase")]
                pub(crate) struct SiteSpec {
                    pub replicas: i32,
                    #[convert(rename = "image_name")]
                    pub image: String,
                    #[serde(default)]
                    pub labels: BTreeMap<String, String>,
                    #[serde(default)]
                    pub args: Vec<String>,
                    #[serde(default)]
                    #[convert(nested)]
                    #[kube(list_type = "map", list_map_keys("name"))]
                    pub ports: Vec<Port>,
                    $($new)*
                }

                #[derive(Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
                #[convert(from = old::Port)]
                #[serde(rename_all = "camelCase")]
                pub(crate) struct Port {
                    pub name: String,
                    #[convert(rename = "port")]
                    pub number: u16,
                    pub protocol: Option<String>,
                    $($new_port)*
                }

                $($rest)*
            }
        }
    };
}

site!(plain, "Plain", spec() old() new() new_port() rest());

/// A kind of which each version has what the other lacks; `$new` are further fields of the newer one, `$computed` those
/// that are made of the older spec.
macro_rules! lossy {
    ($name:ident, $kind:literal, new($($new:tt)*) computed($($field:ident = $compute:ident)?)) => {
        site!($name, $kind,
        spec(, old_only(note))
        old(pub note: Option<String>, pub timeout_seconds: i64,)
        new(
            #[convert(added)]
            pub class: Option<String>,
            #[convert(rename = "timeout_seconds", with(up = s_to_ms, down = ms_to_s))]
            pub timeout_millis: i64,
            $($new)*
        )
        new_port(
            #[convert(added)]
            pub app_protocol: Option<String>,
        )
        rest(
            /// What the older version does not show, as an annotation keeps it.
            #[derive(Serialize, Deserialize, Default, PartialEq)]
            #[serde(rename_all = "camelCase", default)]
            pub(crate) struct Kept {
                #[serde(skip_serializing_if = "Option::is_none")]
                pub class: Option<String>,
                #[serde(skip_serializing_if = "Option::is_none")]
                pub timeout_millis: Option<i64>,
                #[serde(skip_serializing_if = "BTreeMap::is_empty")]
                pub app_protocols: BTreeMap<String, String>,
                $(
                    #[serde(skip_serializing_if = "Option::is_none")]
                    pub $field: Option<String>,
                )?
            }

            pub(crate) fn s_to_ms(seconds: i64) -> i64 {
                seconds * 1000
            }

            pub(crate) fn ms_to_s(millis: i64) -> i64 {
                millis / 1000
            }

            $(
                pub(crate) fn $compute(old: &old::SiteSpec) -> String {
                    let tier = if old.replicas > 1 { "gold" } else { "bronze" };
                    tier.to_owned()
                }
            )?

            /// By hand; what is lost is lost.
            pub(crate) fn down(new: Site) -> old::Site {
                keeping(new).0
            }

            fn keeping(new: Site) -> (old::Site, Kept) {
                let mut kept = Kept::default();
                let values = new.spec;
                let mut ports = Vec::with_capacity(values.ports.len());
                for port in values.ports {
                    if let Some(protocol) = port.app_protocol {
                        kept.app_protocols.insert(port.name.clone(), protocol);
                    }
                    ports.push(old::Port { name: port.name, port: port.number, protocol: port.protocol });
                }
                let timeout_seconds = ms_to_s(values.timeout_millis);
                kept.timeout_millis = (s_to_ms(timeout_seconds) != values.timeout_millis).then_some(values.timeout_millis);
                kept.class = values.class;
                let spec = old::SiteSpec {
                    replicas: values.replicas,
                    image_name: values.image,
                    labels: values.labels,
                    args: values.args,
                    ports,
                    note: None,
                    timeout_seconds,
                };
                $(kept.$field = Some(values.$field).filter(|value| *value != $compute(&spec));)?
                (old::Site { metadata: new.metadata, spec }, kept)
            }

            /// By hand; what is lost is kept in the annotation `key`.
            pub(crate) fn down_keeping(new: Site, key: &str) -> Option<old::Site> {
                let (mut old, kept) = keeping(new);
                if kept != Kept::default() {
                    let kept = serde_json::to_string(&kept).ok()?;
                    old.metadata.annotations.get_or_insert_default().insert(key.to_owned(), kept);
                }
                Some(old)
            }

            /// By hand; what the annotation `key` keeps is put back, where it is still what the older object shows.
            pub(crate) fn up_restoring(mut old: old::Site, key: &str) -> Option<Site> {
                let annotation = old.metadata.annotations.as_mut().and_then(|all| all.remove(key));
                if old.metadata.annotations.as_ref().is_some_and(BTreeMap::is_empty) {
                    old.metadata.annotations = None;
                }
                let mut kept: Kept = match annotation {
                    Some(text) => serde_json::from_str(&text).ok()?,
                    None => Kept::default(),
                };
                if let Some(note) = &old.spec.note {
                    let note = serde_json::to_string(&BTreeMap::from([("note", note)])).ok()?;
                    old.metadata.annotations.get_or_insert_default().insert(key.to_owned(), note);
                }
                $(let $field = kept.$field.take().unwrap_or_else(|| $compute(&old.spec));)?
                let values = old.spec;
                let ports = values.ports.into_iter().map(|port| Port {
                    app_protocol: kept.app_protocols.remove(&port.name),
                    name: port.name,
                    number: port.port,
                    protocol: port.protocol,
                });
                let ports = ports.collect();
                let spec = SiteSpec {
                    replicas: values.replicas,
                    image: values.image_name,
                    labels: values.labels,
                    args: values.args,
                    ports,
                    class: kept.class,
                    timeout_millis: kept
                        .timeout_millis
                        .filter(|millis| ms_to_s(*millis) == values.timeout_seconds)
                        .unwrap_or_else(|| s_to_ms(values.timeout_seconds)),
                    $($field,)?
                };
                Some(Site { metadata: old.metadata, spec })
            }
        ));
    };
}

lossy!(lossy, "Lossy", new() computed());

lossy!(computed, "Computed",
new(
    #[convert(added(with = tier_of))]
    pub tier: String,
)
computed(tier = tier_of));

/// By hand, where nothing can be lost.
pub(super) fn plain_down(new: plain::v1::Site) -> plain::v1alpha1::Site {
    let values = new.spec;
    let ports = values.ports.into_iter().map(|port| plain::v1alpha1::Port {
        name: port.name,
        port: port.number,
        protocol: port.protocol,
    });
    plain::v1alpha1::Site {
        metadata: new.metadata,
        spec: plain::v1alpha1::SiteSpec {
            replicas: values.replicas,
            image_name: values.image,
            labels: values.labels,
            args: values.args,
            ports: ports.collect(),
        },
    }
}
