use kubewright::{Client, CustomResource, InformerFactory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
struct FooSpec {
    name: String,
}

fn uses(factory: InformerFactory, connection: kubewright::kube::Client) {
    factory.informer::<FooSpec>();
    Client::<FooSpec>::new(connection);
    let _ = kubewright::crd::of::<FooSpec>();
    let _ = kubewright::crd::of::<kubewright::k8s_openapi::api::core::v1::Pod>();
}

fn main() {}
