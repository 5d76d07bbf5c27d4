//! Handlers in a crate without a prelude, under another name, and with the traits under other names.
#![no_implicit_prelude]
#![deny(warnings)]

extern crate kubewright as kw;

use kw::k8s_openapi::api::core::v1::Pod;
use kw::webhook::{Admission, Allowed, ConfigurationNames, Mutator as Change, Validator as Judge, Verdict};

#[allow(dead_code)]
struct Result;
#[allow(dead_code)]
struct Option;

struct Rules;

#[kw::webhook(
    validating,
    crates(kubewright = kw),
    name = "rules.pods.example.com",
    path = "/rules",
    verbs("CREATE", "delete"),
    subresources("status"),
    failure_policy = "ignore",
    match_policy = "Exact",
    side_effects = "NoneOnDryRun",
    timeout_seconds = 3,
    service(name = "a", namespace = "b", port = 8443),
    object_label("a", "b"),
    namespace_label("kubernetes.io/metadata.name", "c"),
    match_condition("not-me", "request.userInfo.username != 'me'"),
    match_condition("named", "object.metadata.name != ''")
)]
impl Judge for Rules {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Verdict::Ok(Allowed::new())
    }
}

#[kw::webhook(
    mutating,
    crates(kubewright = kw),
    url = "https://[::1]:9443/pods",
    verbs("*"),
    reinvocation_policy = "IfNeeded",
    patch = "json",
    only_subresources("ephemeralcontainers")
)]
impl Change for Rules {
    type Object = Pod;

    async fn mutate(&self, _: &mut Pod, _: &Admission<Pod>) -> Verdict {
        Verdict::Ok(Allowed::new())
    }
}

const NAMES: ConfigurationNames = kw::webhook_configuration!(crates(kubewright = kw), mutating = "m.example.com");

fn main() {
    ::std::assert_eq!(kw::webhook::Hook::mutator(Rules).path(), "/pods");
    ::std::assert_eq!(kw::webhook::Hook::validator(Rules).path(), "/rules");
    ::std::assert_eq!(NAMES.mutating, "m.example.com");
    ::std::assert_eq!(NAMES.validating, "validating-webhook-configuration");
}
