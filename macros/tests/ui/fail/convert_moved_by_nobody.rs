// A field that says it moves, and that no struct takes along, would be lost.
use kubewright::{Convert, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod old {
    use super::*;

    #[derive(Convert, Serialize, Deserialize, Clone, Debug, JsonSchema, Default)]
    pub struct Tls {
        pub secret: Option<String>,
    }

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "example.com", version = "v1alpha1", kind = "Site", namespaced)]
    pub struct SiteSpec {
        pub listeners: Vec<Tls>,
    }
}

#[derive(Convert, Serialize, Deserialize, Clone, Debug, JsonSchema, Default)]
#[convert(from = old::Tls, old_only(secret(moved)))]
pub struct Tls {}

#[derive(CustomResource, Convert, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Site", namespaced, storage, previous = old::Site)]
#[convert(from = old::SiteSpec)]
pub struct SiteSpec {
    #[convert(nested)]
    pub listeners: Vec<Tls>,
}

fn main() {}
