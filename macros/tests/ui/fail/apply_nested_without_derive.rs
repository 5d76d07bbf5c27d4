use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", apply)]
struct FooSpec {
    inner: Option<Inner>,
}

#[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
struct Inner {
    a: String,
}

fn main() {}
