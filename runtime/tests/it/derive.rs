//! What `#[derive(CustomResource)]` makes.
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Node};
use kubewright::{Apply, Client, Clientset, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, JsonSchema)]
#[kube(
    group = "samplecontroller.k8s.io",
    version = "v1alpha1",
    kind = "Foo",
    namespaced,
    status = "FooStatus",
    apply,
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas")
)]
#[serde(rename_all = "camelCase")]
pub struct FooSpec {
    pub deployment_name: String,
    #[schemars(range(min = 1, max = 10))]
    pub replicas: Option<i32>,
}

#[derive(Apply, Serialize, Deserialize, Clone, Debug, JsonSchema)]
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
    let back: Foo = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(json, serde_json::to_value(&back).unwrap());
}

#[derive(Clientset, Clone)]
struct Clients {
    foos: Client<Foo>,
    deployments: Client<Deployment>,
    nodes: Client<Node>,
}

#[test]
fn an_apply_configuration_writes_what_is_set() {
    let foo = FooApply::new("a")
        .namespace("default")
        .spec(FooSpecApply::default().replicas(3));
    assert_eq!(
        serde_json::to_value(&foo).unwrap(),
        serde_json::json!({
            "apiVersion": "samplecontroller.k8s.io/v1alpha1",
            "kind": "Foo",
            "metadata": {"name": "a", "namespace": "default"},
            "spec": {"replicas": 3},
        })
    );
}

#[allow(dead_code)]
async fn compiles(clients: Clients) -> Result<(), kubewright::client::ClientError> {
    let foo = clients.foos().namespace("a").get("x").await?;
    clients.foos().namespace("a").status().update(&foo).await?;
    clients
        .foos()
        .namespace("a")
        .apply(&FooApply::new("a"), "me")
        .await?;
    clients.foos().all_namespaces().list(&Default::default()).await?;
    clients
        .deployments()
        .namespace("a")
        .scale()
        .set_replicas("d", 3)
        .await?;
    clients.nodes().list(&Default::default()).await?;
    clients
        .nodes()
        .strategic_patch("x", &serde_json::json!({}))
        .await?;
    Ok(())
}

mod whole {
    use std::borrow::Cow;
    use std::collections::{HashSet, VecDeque};
    use std::num::NonZeroI32;

    use k8s_openapi::api::apps::v1::DeploymentStrategy;
    use k8s_openapi::api::batch::v1::JobSpec;
    use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
    use k8s_openapi::api::networking::v1::IngressSpec;
    use kubewright::Apply;
    use serde::{Deserialize, Serialize};

    #[allow(dead_code)]
    #[derive(Apply, Serialize, Deserialize, Clone, Debug)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Workload {
        pub(super) strategy: Option<DeploymentStrategy>,
        pub(super) ingress: IngressSpec,
        pub(super) job: Option<Box<JobSpec>>,
        pub(super) claims: Vec<PersistentVolumeClaim>,
        pub(super) template: PodTemplateSpec,
        pub(super) hosts: HashSet<String>,
        pub(super) queue: VecDeque<Part>,
        pub(super) pair: [Part; 2],
        pub(super) step: Option<NonZeroI32>,
        pub(super) note: Cow<'static, str>,
    }

    #[allow(dead_code)]
    #[derive(Apply, Serialize, Deserialize, Clone, Debug)]
    pub(super) struct Part {
        pub(super) name: String,
        pub(super) size: Option<i32>,
    }
}

/// k8s-openapi's types are set as a whole; lists of derived types are lists of configurations.
#[test]
fn types_of_others_stand_in_apply_configurations() {
    use k8s_openapi::api::apps::v1::DeploymentStrategy;
    let part = || whole::PartApply::default().name("a");
    let configuration = whole::WorkloadApply::default()
        .strategy(DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            ..DeploymentStrategy::default()
        })
        .queue([part()].into())
        .pair([part(), part().size(3)])
        .step(std::num::NonZeroI32::MIN)
        .note("n".into());
    assert_eq!(
        serde_json::to_value(&configuration).unwrap(),
        serde_json::json!({
            "strategy": {"type": "Recreate"},
            "queue": [{"name": "a"}],
            "pair": [{"name": "a"}, {"name": "a", "size": 3}],
            "step": i32::MIN,
            "note": "n",
        })
    );
}
