//! One sync at a time: what it reads, what it writes.

use kubewright::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubewright::owner;
use sample_controller::api::FooSpec;
use sample_controller::controller::SyncError;

use crate::harness::{Log, World};

#[tokio::test]
async fn sc_1_a_missing_deployment_is_created_then_status_then_one_event() {
    let world = World::new().await;
    let foo = world.create_foo("example-foo", "web", Some(1)).await;
    world.sync("example-foo").await.unwrap();

    assert_eq!(world.writes(), ["create deployments", "update foos/status"]);
    assert_eq!(world.event_counts().await, [("Synced".to_owned(), 1)]);
    let event = &world.events().await[0];
    assert_eq!(event.note.as_deref(), Some("Foo synced successfully"));
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert_eq!(event.reporting_controller.as_deref(), Some("sample-controller"));
    let regarding = event.regarding.as_ref().unwrap();
    assert_eq!(
        (regarding.kind.as_deref(), regarding.uid.as_ref()),
        (Some("Foo"), foo.metadata.uid.as_ref())
    );

    let deployment = world.deployment("web").await.unwrap();
    assert_eq!(deployment.metadata.labels, None);
    let owners = deployment.metadata.owner_references.as_ref().unwrap();
    assert_eq!(owners, &[owner::controller_reference(&foo).unwrap()]);
    assert_eq!(owners[0].api_version, "samplecontroller.k8s.io/v1alpha1");
    assert_eq!(
        (owners[0].controller, owners[0].block_owner_deletion),
        (Some(true), Some(true))
    );
    let spec = deployment.spec;
    assert_eq!(spec.replicas, Some(1));
    let labels = spec.selector.match_labels.unwrap();
    assert_eq!(labels.len(), 2);
    assert_eq!(
        (labels["app"].as_str(), labels["controller"].as_str()),
        ("nginx", "example-foo")
    );
    assert_eq!(spec.template.metadata.unwrap().labels.unwrap(), labels);
    let containers = spec.template.spec.unwrap().containers;
    assert_eq!(containers.len(), 1);
    assert_eq!(
        (containers[0].name.as_str(), containers[0].image.as_deref()),
        ("nginx", Some("nginx:latest"))
    );
    assert_eq!(world.available("example-foo").await, Some(0));
}

#[tokio::test]
async fn sc_9_nothing_is_written_where_nothing_differs() {
    let world = World::new().await;
    world.create_foo("foo", "web", Some(1)).await;
    world.sync("foo").await.unwrap();
    let before = world.writes();
    world.sync("foo").await.unwrap();
    assert_eq!(world.writes(), before);
    assert_eq!(world.event_counts().await, [("Synced".to_owned(), 1)]);
}

#[tokio::test]
async fn sc_2_and_4_replicas_are_repaired_and_nothing_else() {
    let world = World::new().await;
    world.create_foo("foo", "web", Some(2)).await;
    world.sync("foo").await.unwrap();
    let drift = serde_json::json!({
        "metadata": {"labels": {"by": "hand"}},
        "spec": {"replicas": 5, "template": {"spec": {"containers": [
            {"name": "nginx", "image": "nginx:1.27"}, {"name": "sidecar", "image": "sidecar:1"},
        ]}}},
    });
    world
        .clients
        .deployments()
        .namespace("default")
        .merge_patch("web", &drift)
        .await
        .unwrap();
    let before = world.writes().len();
    world.sync("foo").await.unwrap();

    assert_eq!(world.writes()[before..], ["patch deployments"]);
    let deployment = world.deployment("web").await.unwrap();
    assert_eq!(deployment.metadata.labels.unwrap()["by"], "hand");
    let spec = deployment.spec;
    assert_eq!(spec.replicas, Some(2));
    let containers = spec.template.spec.unwrap().containers;
    assert_eq!(containers.len(), 2);
    assert_eq!(containers[0].image.as_deref(), Some("nginx:1.27"));
}

#[tokio::test]
async fn sc_3_without_an_opinion_replicas_are_never_written() {
    let world = World::new().await;
    world.create_foo("foo", "web", None).await;
    world.sync("foo").await.unwrap();
    world.set_deployment_replicas("web", 7).await;
    let before = world.writes();
    world.sync("foo").await.unwrap();
    assert_eq!(world.writes(), before);
    assert_eq!(world.replicas("web").await, Some(7));
}

#[tokio::test]
async fn sc_5_availability_is_copied_when_it_differs() {
    let world = World::new().await;
    world.create_foo("foo", "web", Some(1)).await;
    world.sync("foo").await.unwrap();
    world.set_available("web", 1).await;
    let before = world.writes().len();
    world.sync("foo").await.unwrap();
    assert_eq!(world.writes()[before..], ["update foos/status"]);
    assert_eq!(world.available("foo").await, Some(1));
}

#[tokio::test]
async fn sc_6_a_missing_name_is_one_log_line_and_nothing_else() {
    let world = World::new().await;
    for (name, deployment_name) in [("absent", None), ("empty", Some(String::new()))] {
        let spec = FooSpec {
            deployment_name,
            replicas: Some(1),
        };
        let foo = sample_controller::api::Foo::new(name, spec);
        world
            .clients
            .foos()
            .namespace("default")
            .create(&foo)
            .await
            .unwrap();
        let (log, _guard) = Log::capture();
        world.sync(name).await.unwrap();
        assert_eq!(log.lines_with("spec.deploymentName is missing"), 1, "{name}");
        assert_eq!(log.lines_with("ERROR"), 1, "{name}");
    }
    assert!(world.writes().is_empty());
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn sc_7_a_key_whose_foo_is_gone_is_a_success() {
    let world = World::new().await;
    let (log, _guard) = Log::capture();
    world.sync("nobody").await.unwrap();
    assert_eq!(log.lines_with("the Foo is gone"), 1);
    assert!(world.writes().is_empty());
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn sc_8_a_deployment_of_somebody_else_is_left_alone() {
    let world = World::new().await;
    // Made by another Foo, so that it has a controller, only not this one.
    world.create_foo("first", "web", Some(1)).await;
    world.sync("first").await.unwrap();
    let taken = world.deployment("web").await.unwrap();
    world.create_foo("second", "web", Some(3)).await;
    let before = world.writes();

    let error = world.sync("second").await.unwrap_err();
    assert!(matches!(&error, SyncError::NotOurs { name } if name == "web"));
    assert_eq!(
        error.to_string(),
        "Resource \"web\" already exists and is not managed by Foo"
    );
    assert_eq!(world.writes(), before);
    assert_eq!(world.deployment("web").await.unwrap(), taken);
    assert_eq!(world.available("second").await, None);
    let warnings: Vec<_> = world
        .events()
        .await
        .into_iter()
        .filter(|event| event.type_.as_deref() == Some("Warning"))
        .collect();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].reason.as_deref(), Some("ErrResourceExists"));
    assert_eq!(warnings[0].note.as_deref(), Some(error.to_string().as_str()));
}

#[tokio::test]
async fn sc_15_a_new_name_makes_a_new_deployment_and_leaves_the_old() {
    let world = World::new().await;
    world.create_foo("foo", "a", Some(1)).await;
    world.sync("foo").await.unwrap();
    let old = world.deployment("a").await.unwrap();
    let patch = serde_json::json!({"spec": {"deploymentName": "b"}});
    world
        .clients
        .foos()
        .namespace("default")
        .merge_patch("foo", &patch)
        .await
        .unwrap();
    world.sync("foo").await.unwrap();
    assert_eq!(world.deployment("a").await.unwrap(), old);
    assert!(world.deployment("b").await.is_some());
}

#[tokio::test]
async fn sc_2_row_of_the_trace_table() {
    let world = World::new().await;
    world.create_foo("foo", "web", Some(1)).await;
    world.sync("foo").await.unwrap();
    world.set_foo_status("foo", 0).await;
    world.set_foo_replicas("foo", 2).await;
    let before = world.writes().len();
    world.sync("foo").await.unwrap();
    assert_eq!(world.writes()[before..], ["patch deployments"]);
    assert_eq!(world.replicas("web").await, Some(2));
}

#[tokio::test]
async fn sc_4_a_name_that_went_to_somebody_else_is_not_scaled() {
    let world = World::new().await;
    world.create_foo("foo", "web", Some(1)).await;
    world.sync("foo").await.unwrap();
    world.set_foo_replicas("foo", 3).await;

    // The caches stand still at our Deployment while its name changes hands.
    let stale = world.stale_context().await;
    let deployments = world.clients.deployments().namespace("default");
    let mut foreign = deployments.get("web").await.unwrap();
    deployments.delete("web").await.unwrap();
    foreign.metadata = ObjectMeta {
        name: Some("web".to_owned()),
        ..ObjectMeta::default()
    };
    deployments.create(&foreign).await.unwrap();

    // A patch that names another uid wants to change it, to a server.
    let error = world.sync_with("foo", &stale).await.unwrap_err();
    assert!(
        matches!(&error, SyncError::Client(error) if error.is_invalid()),
        "{error:?}"
    );
    assert_eq!(world.replicas("web").await, Some(1));
}
