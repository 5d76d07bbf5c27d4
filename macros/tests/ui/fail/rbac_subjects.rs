//! What nothing can be granted on.

use kubewright::k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kubewright::rbac;

struct Subjects;

#[rbac(
    Pod: get;
    Pod: list;
    Pod: list, names();
    Pod: get, names("");
    ConfigMap: get, namespace = "A.b";
    ConfigMap: get, namespace = "a", cluster;
    ConfigMap: get, role = "";
    groups(""), verbs("get");
    groups(), resources("pods"), verbs("get");
    groups("apps/v1"), resources("Deployments", "pods;nodes", "a", "a"), verbs("get");
    groups("*"), resources("pods"), verbs("get");
    groups(""), resources("pods/*"), verbs("get");
    urls("metrics", "/a*b"), verbs("get"), namespace = "a";
    urls("/a"), groups(""), verbs("get");
    subresource(Pod): get;
)]
impl Subjects {}

fn main() {}
