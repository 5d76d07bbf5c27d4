use kubewright::k8s_openapi::api::core::v1::ConfigMap;
use kubewright::{AsClient, Client, Clientset};

#[derive(Clientset, Clone)]
struct Taken {
    maps: Client<ConfigMap>,
    new: Client<ConfigMap>,
    clone: Client<ConfigMap>,
    as_client: Client<ConfigMap>,
}

#[derive(Clientset)]
enum Choice {
    Maps(Client<ConfigMap>),
}

#[derive(Clientset)]
#[kube(namespaced)]
struct Generic<T> {
    maps: Client<T>,
}

fn uses(connection: kubewright::kube::Client) {
    let _ = Taken::new(connection.clone()).clone().maps().namespace("here");
    let _ = Choice::new(connection.clone()).as_client();
    let _ = Generic::<ConfigMap>::new(connection).maps();
}

fn main() {}
