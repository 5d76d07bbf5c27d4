use kubewright::k8s_openapi::api::core::v1::Node;
use kubewright::Client;

async fn f(nodes: Client<Node>) {
    nodes.apply(&"{}".to_owned(), "me").await.unwrap();
}

fn main() {}
