use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", attr = "serde(rename_all = \"snake_case\")")]
struct FooSpec {
    name: String,
}

fn main() {}
