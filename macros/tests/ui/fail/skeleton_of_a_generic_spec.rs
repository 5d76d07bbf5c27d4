use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
struct FooSpec<T> {
    name: T,
}

fn uses(_: kubewright::Client<Foo>, foo: &Foo) -> Option<String> {
    foo.metadata.name.clone()
}

fn main() {}
