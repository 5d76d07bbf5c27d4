use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// One mistake is one error: the type is there all the same, under the name that it likely has.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", namespaced)]
struct FooSpec {
    name: String,
}

fn uses(_: kubewright::Client<Foo>, foo: &Foo) -> Option<String> {
    foo.metadata.name.clone()
}

fn main() {}
