use kubewright::client::{ClientError, DeleteParams, FieldValidation, ListParams, WatchParams};
use kubewright::k8s_openapi::api::apps::v1::Deployment;
use kubewright::k8s_openapi::api::core::v1::Node;
use kubewright::{AsClient, Client, Clientset};

#[derive(Clientset, Clone)]
struct Core {
    nodes: Client<Node>,
}

#[derive(Clientset, Clone)]
struct Clients {
    core: Core,
    deployments: Client<Deployment>,
}

async fn f(clients: Clients) -> Result<(), ClientError> {
    let nodes = clients.core().nodes().clone().dry_run().field_manager("me");
    let node = nodes.get("n").await?;
    nodes.update(&node).await?;
    nodes.status().update(&node).await?;
    nodes.delete("n").await?;
    let _events = nodes.watch(&WatchParams::default(), "0").await?;
    let here = clients.deployments().namespace("here").field_validation(FieldValidation::Strict);
    here.create(&Deployment::default()).await?;
    here.apply(&Deployment::default(), "me").await?;
    here.strategic_patch("d", &node).await?;
    here.scale().set_replicas("d", 1).await?;
    here.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    clients.deployments().all_namespaces().list(&ListParams::default()).await?;
    let _ = clients.as_client();
    Ok(())
}

/// A task may be spawned.
fn is_send<T: Send>(_: T) {}

fn main() {
    let _ = |clients: Clients| is_send(f(clients));
}
