use kubewright::k8s_openapi::api::core::v1::ConfigMap as Foo;
use kubewright::{Client, Clientset};

#[derive(Clientset)]
struct Clients {
    new: Client<Foo>,
}

fn main() {}
