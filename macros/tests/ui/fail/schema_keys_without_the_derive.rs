use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", at_most_one_of("a", "b"))]
struct FooSpec {
    a: Option<i32>,
    b: Option<i32>,
}

fn main() {}
