use kubewright::k8s_openapi::api::core::v1::ConfigMap;
use kubewright::{Client, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
pub struct FooSpec {}

async fn f(foos: Client<Foo>, maps: Client<ConfigMap>) {
    foos.namespace("a").status();
    maps.namespace("a").status();
}

fn main() {}
