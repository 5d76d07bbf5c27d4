//! What `#[derive(CustomResource)]` makes.
use kubewright::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "samplecontroller.k8s.io",
    version = "v1alpha1",
    kind = "Foo",
    namespaced,
    status = "FooStatus",
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas")
)]
#[serde(rename_all = "camelCase")]
pub struct FooSpec {
    pub deployment_name: String,
    #[schemars(range(min = 1, max = 10))]
    pub replicas: Option<i32>,
}

#[derive(Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FooStatus {
    pub available_replicas: i32,
}

#[test]
fn an_object_and_its_definition() {
    let foo = Foo::new(
        "a",
        FooSpec {
            deployment_name: "d".into(),
            replicas: None,
        },
    );
    let json = serde_json::to_value(&foo).unwrap();
    println!("{json}");
    let back: Foo = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(json, serde_json::to_value(&back).unwrap());
    println!("{}", serde_json::to_string_pretty(&Foo::crd()).unwrap());
}
