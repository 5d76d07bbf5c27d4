use kubewright::{Client, Clientset, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
pub struct FooSpec {}

#[derive(Clientset)]
struct Clients {
    foos: Client<FooSpec>,
}

fn main() {}
