use kubewright::k8s_openapi::api::core::v1::Node;
use kubewright::{Client, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
pub struct FooSpec {}

async fn f(nodes: Client<Node>) {
    nodes.namespace("default").get("a").await.unwrap();
}

fn main() {}
