//! Keys of kubebuilder's marker, and others.

use kubewright::k8s_openapi::api::core::v1::Pod;
use kubewright::rbac;

struct Keys;

#[rbac(groups = "apps", resources("deployments"), verbs("get"), resourceNames("a"), roleName = "b", namspace = "c")]
#[rbac(Pod: get, verbs("list"), groups("apps"))]
impl Keys {}

#[rbac()]
impl Keys {}

#[rbac(Pod: get)]
#[rbac]
struct Bare;

#[rbac(Pod: get)]
type Alias = Keys;

struct ByHand;

#[rbac(Pod: get)]
impl ByHand {
    pub const RBAC: u8 = 0;
}

fn main() {}
