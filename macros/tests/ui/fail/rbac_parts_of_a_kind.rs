//! Parts that the kind does not have, and what is no kind.

use kubewright::k8s_openapi::api::core::v1::ConfigMap;
use kubewright::rbac;

struct Spec;
struct Parts;

#[rbac(status(ConfigMap): patch; scale(ConfigMap): get)]
impl Parts {}

struct Others;

#[rbac(Spec: get)]
impl Others {}

fn main() {}
