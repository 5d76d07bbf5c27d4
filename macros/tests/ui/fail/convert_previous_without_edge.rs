// E16: the spec converts from that of the version before.
use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "example.com",
        version = "v1alpha1",
        kind = "Site",
        namespaced,
        storage = false
    )]
    pub struct SiteSpec {
        pub a: i32,
    }
}

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Site", namespaced, previous = old::Site)]
pub struct SiteSpec {
    pub a: i32,
}

fn main() {}
