use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", derive = "Clone", derive = "PartialEq", derive = "PartialEq")]
struct FooSpec {
    name: String,
}

fn main() {}
