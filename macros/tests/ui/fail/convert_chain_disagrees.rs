// E08: versions of one definition have one kind.
use kubewright::{Convert, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "example.com", version = "v1alpha1", kind = "Page", namespaced)]
    pub struct SiteSpec {
        pub a: i32,
    }
}

#[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Site", namespaced, previous = old::Page)]
#[convert(from = old::SiteSpec)]
pub struct SiteSpec {
    pub a: i32,
}

fn main() {}
