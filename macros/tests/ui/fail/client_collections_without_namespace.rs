use kubewright::Client;
use kubewright::client::{DeleteParams, ListParams, WatchParams};
use kubewright::k8s_openapi::api::apps::v1::Deployment;
use kubewright::k8s_openapi::api::core::v1::Pod;

async fn f(pods: Client<Pod>, deployments: Client<Deployment>) {
    let _ = pods.watch(&WatchParams::default(), "0").await;
    let _ = pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
    let _ = pods.status();
    let _ = deployments.scale();
}

fn main() {}
