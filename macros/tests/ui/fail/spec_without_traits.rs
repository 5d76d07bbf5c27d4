use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug)]
#[kube(group = "example.com", version = "v1", kind = "A")]
struct WithoutJsonSchema {}

#[derive(CustomResource, Serialize, Deserialize, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "B")]
struct WithoutClone {}

#[derive(CustomResource, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "C")]
struct WithoutSerialize {}

fn main() {}
