use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", derive(PartialEq), derive = "Partial Eq", attr = "", attr = "x_kube(validation = \"true\")")]
struct FooSpec {
    name: String,
}

fn main() {}
