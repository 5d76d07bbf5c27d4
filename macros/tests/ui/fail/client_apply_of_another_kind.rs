use kubewright::k8s_openapi::api::apps::v1::Deployment;
use kubewright::{Client, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
pub struct FooSpec {}

async fn f(foos: Client<Foo>, deployment: Deployment) {
    foos.namespace("a").apply(&deployment, "me").await.unwrap();
}

fn main() {}
