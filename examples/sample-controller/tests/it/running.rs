//! The controller as it runs: what wakes it, what it repeats, how it ends.

use std::cell::Cell;

use kubewright::controller::RunError;
use kubewright::k8s_openapi::api::apps::v1::Deployment;
use kubewright::k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kubewright::kube::core::Status;
use kubewright_apiserver::{DevServer, Matcher};
use sample_controller::api::Foo;

use crate::harness::{CRD, Log, World, eventually};

fn refusal(code: u16, reason: &str) -> Status {
    Status {
        code,
        reason: reason.to_owned(),
        message: format!("refused by the test: {reason}"),
        ..Status::failure("", reason)
    }
}

#[tokio::test]
async fn sample_and_expected_result() {
    let world = World::new().await;
    let controller = world.run();
    world
        .server
        .apply_yaml(include_str!("../../manifests/example-foo.yaml"))
        .await
        .unwrap();
    eventually("status 0", async || {
        world.available("example-foo").await == Some(0)
    })
    .await;
    assert_eq!(world.replicas("example-foo").await, Some(1));
    eventually("one event", async || {
        world.event_counts().await == [("Synced".to_owned(), 1)]
    })
    .await;

    world.set_available("example-foo", 1).await;
    eventually("status 1", async || {
        world.available("example-foo").await == Some(1)
    })
    .await;
    eventually("the same event, twice", async || {
        world.event_counts().await == [("Synced".to_owned(), 2)]
    })
    .await;

    world.set_foo_replicas("example-foo", 2).await;
    eventually("two replicas", async || {
        world.replicas("example-foo").await == Some(2)
    })
    .await;
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn sc_8_retries_grow_one_event_and_end_when_the_way_is_free() {
    let world = World::new().await;
    let deployments = world.clients.deployments().namespace("default");
    let mut foreign = Deployment::default();
    foreign.metadata.name = Some("web".to_owned());
    foreign.spec = serde_json::from_value(serde_json::json!({
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
    })).unwrap();
    deployments.create(&foreign).await.unwrap();
    world.create_foo("foo", "web", Some(1)).await;
    let controller = world.run();
    eventually("a growing count", async || {
        matches!(&world.event_counts().await[..], [(reason, count)] if reason == "ErrResourceExists" && *count >= 3)
    })
    .await;
    assert!(world.writes().is_empty());

    deployments.delete("web").await.unwrap();
    eventually("our own deployment", async || {
        world.available("foo").await == Some(0)
    })
    .await;
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn sc_10_and_13_a_deployment_deleted_by_hand_comes_back() {
    let world = World::new().await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    eventually("the first one", async || world.available("foo").await == Some(0)).await;
    let first = world.deployment("web").await.unwrap().metadata.uid;
    world
        .clients
        .deployments()
        .namespace("default")
        .delete("web")
        .await
        .unwrap();
    eventually("another one", async || {
        world
            .deployment("web")
            .await
            .is_some_and(|deployment| deployment.metadata.uid != first)
    })
    .await;
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn sc_10_drift_of_an_owned_deployment_is_repaired() {
    let world = World::new().await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    eventually("the deployment", async || world.available("foo").await == Some(0)).await;
    world.set_deployment_replicas("web", 9).await;
    eventually("one replica again", async || {
        world.replicas("web").await == Some(1)
    })
    .await;
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn sc_11_and_12_deployments_of_others_wake_nobody() {
    let (log, _guard) = Log::capture();
    // The garbage collector would remove the orphan, whose owner is not there (API-68).
    let server = DevServer::builder()
        .without_garbage_collection()
        .start()
        .await
        .unwrap();
    let world = World::on(server, CRD).await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    // Quiet: nothing in hand, and nothing came since the last look, between which all that was ready has run.
    let seen = Cell::new(0);
    eventually("our own is settled", async || {
        let before = seen.replace(controller.enqueued());
        let idle = controller.waiting() == 0 && controller.working() == 0;
        world.available("foo").await == Some(0) && idle && before == controller.enqueued()
    })
    .await;
    let (enqueued, writes) = (controller.enqueued(), world.writes());

    let deployments = world.clients.deployments().namespace("default");
    let owner = |kind: &str, group: &str| OwnerReference {
        api_version: format!("{group}/v1alpha1"),
        kind: kind.to_owned(),
        name: "foo".to_owned(),
        uid: "00000000-0000-0000-0000-000000000001".to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    // SC-12: an owner of another kind, one of another group, none; then SC-11: a Foo of our name and another UID.
    let others = [
        Some(owner("Bar", "samplecontroller.k8s.io")),
        Some(owner("Foo", "other.example.com")),
        None,
        Some(owner("Foo", "samplecontroller.k8s.io")),
    ];
    for (n, owner) in others.into_iter().enumerate() {
        let mut deployment = Deployment::default();
        deployment.metadata.name = Some(format!("other-{n}"));
        deployment.metadata.owner_references = owner.map(|owner| vec![owner]);
        deployment.spec = serde_json::from_value(serde_json::json!({
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
        })).unwrap();
        deployments.create(&deployment).await.unwrap();
    }
    // Changes are looked at in order, and the last one is told.
    eventually("the orphan's line", async || {
        log.lines_with("owner is not in the cache") > 0
    })
    .await;
    assert_eq!(log.lines_with("owner is not in the cache"), 1);
    assert_eq!(controller.enqueued(), enqueued);
    assert_eq!(world.writes(), writes);
    assert_eq!(world.deployments().await.len(), 5);
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn sc_14_a_deleted_foo_leaves_the_deployment_to_its_owner_reference() {
    let world = World::new().await;
    let controller = world.run();
    let foo = world.create_foo("foo", "web", Some(1)).await;
    eventually("the deployment", async || world.available("foo").await == Some(0)).await;
    assert_eq!(world.foo("foo").await.metadata.finalizers, None);
    let deployment = world.deployment("web").await.unwrap();
    assert_eq!(
        deployment.metadata.owner_references.unwrap()[0].uid,
        foo.metadata.uid.unwrap()
    );
    let before = world.writes();
    world
        .clients
        .foos()
        .namespace("default")
        .delete("foo")
        .await
        .unwrap();
    eventually("the cache to know", async || {
        controller.factory.lister::<Foo>().is_empty()
    })
    .await;
    controller.stop().await.unwrap();
    assert_eq!(world.writes(), before);
}

#[tokio::test]
async fn sc_16_a_refused_create_is_tried_again_without_a_status_write() {
    let world = World::new().await;
    let create = || Matcher::any().verb("create").resource("deployments");
    world.server.fail_next(create(), refusal(403, "Forbidden"));
    world.server.fail_next(create(), refusal(500, "InternalError"));
    world.server.fail_next(create(), refusal(409, "AlreadyExists"));
    world.create_foo("foo", "web", Some(1)).await;
    let controller = world.run();
    eventually("the deployment", async || world.available("foo").await == Some(0)).await;
    controller.stop().await.unwrap();
    assert_eq!(world.writes(), ["create deployments", "update foos/status"]);
    let refused = world.refused();
    assert_eq!(
        refused[..3],
        ["create deployments", "create deployments", "create deployments"]
    );
    assert_eq!(world.event_counts().await, [("Synced".to_owned(), 1)]);
}

#[tokio::test]
async fn sc_18_shutdown_before_the_caches_synced_is_an_error() {
    let world = World::new().await;
    world.server.become_unavailable();
    let controller = world.run();
    let outcome = controller.stop().await;
    assert!(
        matches!(outcome, Err(RunError::CachesNotSynced { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn sc_20_shutdown_finishes_the_item_in_hand_and_no_other() {
    let world = World::new().await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    eventually("the deployment", async || world.available("foo").await == Some(0)).await;
    // Three more than there are workers, all of whom wait for the server.
    world.server.delay(
        Matcher::any().verb("create").resource("deployments"),
        std::time::Duration::from_millis(300),
    );
    for n in 0..5 {
        world
            .create_foo(&format!("foo-{n}"), &format!("web-{n}"), Some(1))
            .await;
    }
    eventually("two items in hand, three waiting", async || {
        controller.working() == 2 && controller.waiting() == 3
    })
    .await;
    controller.stop().await.unwrap();
    assert_eq!(
        world.deployments().await.len(),
        3,
        "each worker finishes its item, and takes no other"
    );
}
