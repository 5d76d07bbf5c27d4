//! Values that a server refuses, all told at once, each at its token.

use kubewright::k8s_openapi::api::core::v1::Pod;
use kubewright::webhook;
use kubewright::webhook::{Admission, Allowed, Mutator, Validator, Verdict};

struct Values;

#[webhook(
    name = "short.example",
    path = "pods",
    verbs("create", "create", "destroy"),
    failure_policy = "maybe",
    match_policy = "Some",
    side_effects = "Some",
    timeout_seconds = 31,
    subresources("Status"),
    object_label("a b", "c"),
    namespace_label("a", "?"),
    namespace_label("a", "b"),
    match_condition("me", "request.name =="),
    match_condition("me", "")
)]
impl Validator for Values {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct More;

#[webhook(
    path = "/Pods",
    verbs("delete"),
    verbs("create"),
    reinvocation_policy = "often",
    patch = "strategic",
    service(name = "a", port = 0)
)]
impl Mutator for More {
    type Object = Pod;

    async fn mutate(&self, _: &mut Pod, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

fn main() {}
