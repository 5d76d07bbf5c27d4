use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "Example.com", version = "v1", kind = "Foo")]
struct FooSpec {
    name: String,
}

fn main() {}
