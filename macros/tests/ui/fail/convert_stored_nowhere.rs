// E09: one version is stored. Only who takes all versions together sees that none is.
use kubewright::{Convert, CustomResource};
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

#[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Site", namespaced, storage = false, previous = old::Site)]
#[convert(from = old::SiteSpec)]
pub struct SiteSpec {
    pub a: i32,
}

const _: &str = kubewright::versions::VersionSet::<Site>::STORED;

fn main() {}
