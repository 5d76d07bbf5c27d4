//! Rights in a crate without a prelude, under another name, on everything that can carry them.
#![no_implicit_prelude]
#![deny(warnings)]

extern crate kubewright as kw;

use kw::k8s_openapi::api::apps::v1::Deployment;
use kw::k8s_openapi::api::core::v1::{Node, Pod, Secret};

#[allow(dead_code)]
struct Option;

mod kinds {
    pub use super::kw::k8s_openapi::api::core::v1::ConfigMap;
}

struct Syncer;

#[kw::rbac(
    Deployment: create, patch;
    status(Deployment), scale(Deployment): get, patch;
    finalizers(Deployment): update;
    subresource(Pod, "eviction"): create;
    kinds::ConfigMap: get, cluster;
    Secret: get, update, names("a", "b"), namespace = "system", role = "secrets";
    crates(kubewright = kw)
)]
#[kw::rbac(groups("example.com", ""), resources("things", "things/status"), verbs("get"), custom_verbs("teleport"))]
#[kw::rbac(urls("/metrics", "/healthz/*"), verbs("get"))]
#[kw::rbac(groups("*"), resources("*"), verbs("*"), wildcard, namespace = "lab")]
#[kw::rbac(Node: *, wildcard)]
impl Syncer {}

#[kw::rbac(Pod: list, crates(kubewright = kw))]
pub struct Marker<'a, T: ::std::fmt::Debug>(pub &'a T);

#[kw::rbac(Pod: list, crates(kubewright = kw))]
enum Choice {}

mod function {
    #[super::kw::rbac(super::Pod: delete, crates(kubewright = super::kw))]
    pub fn sync() {}
}

struct Reconciler;

impl kw::Reconciler for Reconciler {
    type Object = Pod;
    type Error = ::std::convert::Infallible;

    #[kw::rbac(Pod: delete, crates(kubewright = kw))]
    async fn reconcile(
        &self,
        _: &kw::kind::ObjectKey,
        _: &kw::controller::Context<Pod>,
    ) -> ::std::result::Result<kw::controller::Action, ::std::convert::Infallible> {
        ::std::result::Result::Ok(kw::controller::Action::done())
    }
}

fn main() {
    let lines = ::std::string::ToString::to_string(&Syncer::RBAC.rules_in("here"));
    ::std::assert_eq!(
        lines,
        "get /healthz/*\n\
         get /metrics\n\
         get configmaps in every namespace\n\
         * nodes in every namespace\n\
         create pods/eviction in namespace \"here\"\n\
         get, teleport things in namespace \"here\"\n\
         get, teleport things/status in namespace \"here\"\n\
         create, patch deployments.apps in namespace \"here\"\n\
         update deployments/finalizers.apps in namespace \"here\"\n\
         get, patch deployments/scale.apps in namespace \"here\"\n\
         get, patch deployments/status.apps in namespace \"here\"\n\
         get, teleport things.example.com in namespace \"here\"\n\
         get, teleport things/status.example.com in namespace \"here\"\n\
         * *.* in namespace \"lab\"\n\
         get, update secrets \"a\" in namespace \"system\" (role \"secrets\")\n\
         get, update secrets \"b\" in namespace \"system\" (role \"secrets\")\n"
    );
    ::std::assert_eq!(Marker::<u8>::RBAC.rules.len(), 1);
    ::std::assert_eq!(Choice::RBAC.rules.len(), 1);
    ::std::assert_eq!(function::RBAC.rules.len(), 1);
    ::std::assert_eq!(<Reconciler as kw::Reconciler>::RBAC.rules.len(), 1);
    function::sync();
}
