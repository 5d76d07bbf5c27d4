//! One real control plane for all of it: its start takes seconds, and no part minds the others.

use std::time::Duration;

use kubewright::cache::InformerFactory;
use kubewright::events::EventRecorder;
use kubewright::k8s_openapi::api::events::v1::Event;
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube;
use kubewright::kube::api::ListParams;
use kubewright::{Client, CustomResourceExt};
use kubewright_apiserver::conformance::CASES;
use kubewright_tests::ControlPlane;
use sample_controller::api::{Foo, FooSpec};
use sample_controller::controller::{AGENT, Clients, controller};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ask::until;

const DEADLINE: Duration = Duration::from_secs(60);
const CRD: &str = include_str!("../../../examples/sample-controller/crds/foos.samplecontroller.k8s.io.yaml");

/// Cases of the suite that need more than etcd and kube-apiserver.
///
/// Namespaces are emptied by kube-controller-manager, which is not there: envtest documents the same.
const NEED_CONTROLLER_MANAGER: &[&str] = &["api_67_namespace_deletion"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_control_plane_agrees() {
    let Some(plane) = ControlPlane::start_or_skip("a_real_control_plane_agrees")
        .await
        .unwrap()
    else {
        return;
    };
    let client = plane.client().await.unwrap();
    crate::conversion::suite(client.clone(), crate::client::Server::Real).await;
    crate::admission::suite(client.clone()).await;
    the_crd_is_accepted_when_strict(&client).await;
    the_same_controller_reconciles(&client).await;
    crate::rbac::suite(&client, &an_account(&plane, &client).await).await;
    crate::client::suite(client.clone(), crate::client::Server::Real).await;
    crate::mapping::suite(&client).await;
    crate::migrate::suite(&client).await;
    crate::election::suite(&client).await;
    crate::shards::suite(&client).await;
    crate::webhook::suite(&client).await;
    crate::versions::suite(&client).await;
    the_same_suite_passes(&client).await;
}

/// A client of the example's service account, by a token of its own.
async fn an_account(plane: &ControlPlane, client: &kube::Client) -> kube::Client {
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let post = |uri: String, body: serde_json::Value| {
        let request = http::Request::post(uri).body(serde_json::to_vec(&body).unwrap());
        client.request::<serde_json::Value>(request.unwrap())
    };
    let account = serde_json::json!({"metadata": {"name": AGENT}});
    post(accounts.to_owned(), account).await.unwrap();
    let request =
        serde_json::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = post(format!("{accounts}/{AGENT}/token"), request).await.unwrap();
    plane
        .client_with_token(answer["status"]["token"].as_str().unwrap())
        .await
        .unwrap()
}

/// The committed YAML, unchanged, with `fieldValidation=Strict`, and read back as the derive made it.
async fn the_crd_is_accepted_when_strict(client: &kube::Client) {
    let uri = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let request = http::Request::post(format!("{uri}?fieldValidation=Strict"))
        .header("content-type", "application/yaml")
        .body(CRD.as_bytes().to_vec())
        .unwrap();
    let stored: CustomResourceDefinition = client.request(request).await.unwrap();
    assert_eq!(stored.spec.versions[0].schema, Foo::crd().spec.versions[0].schema);
    until("the kind to be served", async || {
        let request = http::Request::get("/apis/samplecontroller.k8s.io/v1alpha1/foos")
            .body(Vec::new())
            .unwrap();
        client.request::<serde_json::Value>(request).await.is_ok()
    })
    .await;
}

/// The example's controller, as it is: SC-1, SC-2, SC-5, SC-13.
async fn the_same_controller_reconciles(client: &kube::Client) {
    let clients = Clients::new(client.clone());
    let factory = InformerFactory::new(&clients);
    let recorder = EventRecorder::new(&clients, AGENT);
    let stop = CancellationToken::new();
    let controller =
        tokio::spawn(controller(&factory, &clients, &recorder).run_until(stop.clone().cancelled_owned()));

    let foos = clients.foos().namespace("default");
    let deployments = clients.deployments().namespace("default");
    let available = async || {
        foos.get("example-foo")
            .await
            .unwrap()
            .status
            .and_then(|status| status.available_replicas)
    };
    let spec = FooSpec {
        deployment_name: Some("example-foo".to_owned()),
        replicas: Some(1),
    };
    foos.create(&Foo::new("example-foo", spec)).await.unwrap();
    until("SC-1: status 0", async || available().await == Some(0)).await;
    assert_eq!(
        deployments.get("example-foo").await.unwrap().spec.replicas,
        Some(1)
    );
    let events: Client<Event> = Client::new(client.clone());
    until("SC-1: one event", async || {
        let seen = events
            .namespace("default")
            .list(&ListParams::default())
            .await
            .unwrap()
            .items;
        seen.iter()
            .filter(|event| event.reason.as_deref() == Some("Synced"))
            .count()
            == 1
    })
    .await;

    let status = serde_json::json!({"status": {"replicas": 1, "availableReplicas": 1, "readyReplicas": 1}});
    deployments
        .status()
        .merge_patch("example-foo", &status)
        .await
        .unwrap();
    until("SC-5: status 1", async || available().await == Some(1)).await;
    foos.merge_patch("example-foo", &serde_json::json!({"spec": {"replicas": 2}}))
        .await
        .unwrap();
    until("SC-2: two replicas", async || {
        deployments.get("example-foo").await.unwrap().spec.replicas == Some(2)
    })
    .await;
    deployments.delete("example-foo").await.unwrap();
    until("SC-13: back again", async || {
        deployments.get_opt("example-foo").await.unwrap().is_some()
    })
    .await;

    stop.cancel();
    controller.await.unwrap().unwrap();
    assert!(recorder.flush(DEADLINE).await);
    factory.shutdown();
}

/// The suite that DevServer passes in its own crate (API-120).
async fn the_same_suite_passes(client: &kube::Client) {
    let mut running = JoinSet::new();
    for case in CASES
        .iter()
        .filter(|case| !NEED_CONTROLLER_MANAGER.contains(&case.name))
    {
        let client = client.clone();
        running.spawn(async move {
            // A panic in the case is that case's failure; the others go on.
            (
                case.name,
                tokio::spawn(async move { case.run(client).await }).await,
            )
        });
    }
    let mut passed = 0;
    let mut failed = Vec::new();
    while let Some(outcome) = running.join_next().await {
        match outcome.unwrap() {
            (_, Ok(())) => passed += 1,
            (name, Err(_)) => failed.push(name),
        }
    }
    println!(
        "{passed} cases of the REST suite passed on a real kube-apiserver, {} failed",
        failed.len()
    );
    assert!(failed.is_empty(), "failed on a real kube-apiserver: {failed:?}");
    // The suite is about both servers, so it must not have shrunk to nothing.
    assert!(passed > 20, "only {passed} cases ran");
}
