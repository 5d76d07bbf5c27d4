use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", status = "FooStatus", apply)]
struct FooSpec {
    name: String,
}

#[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
struct FooStatus {}

fn main() {}
