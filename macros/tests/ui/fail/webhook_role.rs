//! The role is the trait's.

use kubewright::k8s_openapi::api::core::v1::Pod;
use kubewright::webhook;
use kubewright::webhook::{Admission, Allowed, Mutator, Validator, Verdict};
use kubewright::webhook::Validator as Judge;

struct Contrary;

#[webhook(mutating)]
impl Validator for Contrary {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct OfMutators;

#[webhook(reinvocation_policy = "Never", patch = "json")]
impl Validator for OfMutators {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct Twice;

#[webhook(mutating, validating)]
impl Mutator for Twice {
    type Object = Pod;

    async fn mutate(&self, _: &mut Pod, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct Unknown;

#[webhook]
impl Judge for Unknown {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

#[webhook(validating)]
struct NoHandler;

#[webhook(validating)]
impl NoHandler {}

fn main() {}
