// What to do about an overflow is one of two words.
use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Site",
    conversion(overflow = "refuse_writes")
)]
pub struct SiteSpec {
    pub a: i32,
}

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Page",
    conversion(too_large = "fail")
)]
pub struct PageSpec {
    pub a: i32,
}

fn main() {}
