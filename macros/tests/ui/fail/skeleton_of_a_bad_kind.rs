use kubewright::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "foo-bar", namespaced)]
struct FooSpec {
    name: String,
}

fn uses(_: kubewright::Client<Foo>, foo: &Foo) -> Option<String> {
    foo.metadata.name.clone()
}

mod keyword {
    use super::*;

    #[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
    #[kube(group = "example.com", version = "v1", kind = "type")]
    struct Bar {
        name: String,
    }

    fn uses(_: &Type) {}
}

fn main() {}
