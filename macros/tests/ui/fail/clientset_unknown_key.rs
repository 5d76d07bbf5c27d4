use kubewright::k8s_openapi::api::core::v1::ConfigMap;
use kubewright::{Client, Clientset};

#[derive(Clientset)]
#[kube(crate = "::kubewright")]
struct Clients {
    maps: Client<ConfigMap>,
}

fn main() {}
