//! Keys of kubebuilder's marker, and others.

use kubewright::k8s_openapi::api::core::v1::Pod;
use kubewright::webhook;
use kubewright::webhook::{Admission, Allowed, Validator, Verdict};

struct Keys;

#[webhook(
    groups = "apps",
    webhookVersions = "v1",
    failurePolicy = "fail",
    timeout = 5,
    operations("create"),
    object_selector("a", "b"),
    pathh = "/x"
)]
impl Validator for Keys {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

fn main() {}
