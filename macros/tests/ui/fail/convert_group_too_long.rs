// E14: the group stands in the key of an annotation.
use kubewright::{Convert, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(
        group = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        version = "v1alpha1",
        kind = "Site",
        namespaced,
        storage = false
    )]
    pub struct SiteSpec {
        pub a: i32,
    }
}

#[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", version = "v1", kind = "Site", namespaced, previous = old::Site)]
#[convert(from = old::SiteSpec)]
pub struct SiteSpec {
    pub a: i32,
}

fn main() {}
