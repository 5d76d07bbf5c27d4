//! The constant is made once.

use kubewright::k8s_openapi::api::core::v1::Pod;
use kubewright::webhook;
use kubewright::webhook::{Admission, Allowed, Validator, Verdict};

struct ByHand;

#[webhook(validating)]
impl Validator for ByHand {
    type Object = Pod;
    const WEBHOOK: webhook::WebhookInfo = webhook::WebhookInfo::new();

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

fn main() {}
