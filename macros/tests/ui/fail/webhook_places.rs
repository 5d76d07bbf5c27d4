//! Where a webhook is reached: one way of saying it.

use kubewright::k8s_openapi::api::core::v1::Pod;
use kubewright::webhook;
use kubewright::webhook::{Admission, Allowed, Validator, Verdict};

struct Plain;

#[webhook(url = "http://a.example/x")]
impl Validator for Plain {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct Both;

#[webhook(path = "/x", url = "https://me@a.example/x?y#z")]
impl Validator for Both {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct Services;

#[webhook(url = "https://a.example/x", service(name = "a", namespace = "b"))]
impl Validator for Services {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct Own;

#[webhook(path = "/readyz")]
impl Validator for Own {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

struct Nowhere;

#[webhook(verbs(), service = "a")]
impl Validator for Nowhere {
    type Object = Pod;

    async fn validate(&self, _: &Admission<Pod>) -> Verdict {
        Ok(Allowed::new())
    }
}

fn main() {}
