//! Verbs that no server knows, none at all, and all of them.

use kubewright::k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use kubewright::rbac;

struct Verbs;

#[rbac(
    Pod: lst, get, get, deleteCollection, apply;
    Secret;
    status(Service);
    ConfigMap:;
    ConfigMap: *;
    Service: *, get, wildcard;
    Secret: get, wildcard;
    status(Pod): create, patch;
    finalizers(Pod): patch;
    subresource(Pod, "status"): get;
    Secret: create, get, names("a");
    groups(""), resources("pods"), verbs("get;list");
    groups(""), resources("pods"), verbs("frobnicate");
    groups(""), resources("pods"), custom_verbs("get");
    urls("/metrics"), verbs("list")
)]
impl Verbs {}

fn main() {}
