//! The same change twice: in `plain` nothing can be lost, in `lossy` both versions have fields that the other lacks.
//! Each with the conversion that one would write over typed values.

macro_rules! site {
    ($name:ident, $kind:literal,
        spec($($spec:tt)*) old($($old:tt)*) new($($new:tt)*) old_port($($old_port:tt)*) new_port($($new_port:tt)*)
        from($values:ident $($from:tt)*) port_from($($port_from:tt)*) rest($($rest:tt)*)) => {
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
                    $($old_port)*
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

            /// By hand, over typed values.
            pub(crate) fn down(new: v1::Site) -> v1alpha1::Site {
                let $values = new.spec;
                let ports = $values.ports.into_iter().map(|port| v1alpha1::Port {
                    name: port.name,
                    port: port.number,
                    protocol: port.protocol,
                    $($port_from)*
                });
                v1alpha1::Site {
                    metadata: new.metadata,
                    spec: v1alpha1::SiteSpec {
                        replicas: $values.replicas,
                        image_name: $values.image,
                        labels: $values.labels,
                        args: $values.args,
                        ports: ports.collect(),
                        $($from)*
                    },
                }
            }
        }
    };
}

site!(plain, "Plain", spec() old() new() old_port() new_port() from(values) port_from() rest());

site!(lossy, "Lossy",
spec(, old_only(note))
old(pub note: Option<String>, pub timeout_seconds: i64,)
new(
    #[convert(added)]
    pub class: Option<String>,
    #[convert(rename = "timeout_seconds", with(up = s_to_ms, down = ms_to_s))]
    pub timeout_millis: i64,
)
old_port()
new_port(
    #[convert(added)]
    pub app_protocol: Option<String>,
)
from(values note: None, timeout_seconds: v1::ms_to_s(values.timeout_millis),)
port_from()
rest(
    fn s_to_ms(seconds: i64) -> i64 {
        seconds * 1000
    }

    pub(crate) fn ms_to_s(millis: i64) -> i64 {
        millis / 1000
    }
));
