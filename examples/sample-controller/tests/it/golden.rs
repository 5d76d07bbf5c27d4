//! The kind beside upstream's definitions of it, which are compared by meaning.
//!
//! Upstream has no descriptions, leaves out the format of numbers, and requires no spec. Those are taken out of ours before
//! comparing.

use std::io::Write as _;

use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::{CustomResource, CustomResourceExt, KubeSchema};
use sample_controller::api::{Foo, FooSpec, FooStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The same kind without the status subresource: its status is a field like any other (SC-24).
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "samplecontroller.k8s.io",
    version = "v1alpha1",
    kind = "Foo",
    root = "PlainFoo",
    namespaced,
    no_spec,
    annotation("api-approved.kubernetes.io", "unapproved, an example of kubewright")
)]
pub(crate) struct PlainFields {
    pub(crate) spec: FooSpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<FooStatus>,
}

fn upstreams(name: &str) -> Option<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/goldens")
        .join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Past the test runner, which keeps what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "golden: skipped: there is no {name} to compare with"
        );
        return None;
    };
    let definition: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
    Some(meaning(serde_json::to_value(definition).unwrap()))
}

fn meaning(mut definition: Value) -> Value {
    // Each has its own words for the same answer: unapproved.
    let annotations = definition["metadata"]["annotations"].take();
    let approval = annotations["api-approved.kubernetes.io"].as_str().unwrap();
    assert!(approval.starts_with("unapproved"), "{approval}");
    if let Some(names) = definition["spec"]["names"].as_object_mut() {
        // What the server sets where it is absent.
        names.remove("singular");
    }
    for version in definition["spec"]["versions"].as_array_mut().unwrap() {
        plain(&mut version["schema"]["openAPIV3Schema"]);
    }
    definition
}

fn plain(schema: &mut Value) {
    let schema = schema.as_object_mut().unwrap();
    for more in ["description", "format"] {
        schema.remove(more);
    }
    if schema
        .get("required")
        .is_some_and(|names| *names == serde_json::json!(["spec"]))
    {
        schema.remove("required");
    }
    if let Some(properties) = schema.get_mut("properties") {
        properties.as_object_mut().unwrap().values_mut().for_each(plain);
    }
}

fn ours<K: CustomResourceExt>() -> Value {
    meaning(serde_json::to_value(K::crd()).unwrap())
}

#[test]
fn the_kind_is_upstreams_with_the_status_subresource() {
    if let Some(theirs) = upstreams("sample-controller-crd-status-subresource.yaml") {
        assert_eq!(ours::<Foo>(), theirs);
    }
}

#[test]
fn sc_24_the_plain_kind_is_upstreams_without_it() {
    if let Some(theirs) = upstreams("sample-controller-crd.yaml") {
        assert_eq!(ours::<PlainFoo>(), theirs);
    }
}
