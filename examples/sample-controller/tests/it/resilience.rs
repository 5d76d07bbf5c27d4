//! What the controller survives: each test ends with the right state and no duplicate Deployment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kubewright::kube::{self, client::Body};
use kubewright_apiserver::{Chaos, Matcher};
use tokio::sync::Notify;

use crate::harness::{CONTROLLER, Log, Running, World, eventually};

/// The Foo has its Deployment with the wanted replicas, its status is written, and there is nothing else.
async fn settled(world: &World, replicas: i32) -> bool {
    let deployments = world.deployments().await;
    deployments.len() == 1
        && deployments[0].spec.replicas == Some(replicas)
        && world.available("foo").await == Some(0)
}

#[tokio::test]
async fn a_server_restart() {
    let world = World::new().await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    eventually("settled", || settled(&world, 1)).await;
    world.server.restart(Duration::from_millis(50)).await;
    world.set_foo_replicas("foo", 3).await;
    eventually("settled after the restart", || settled(&world, 3)).await;
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_unavailable_while_there_is_work() {
    let (log, _guard) = Log::capture();
    let world = World::new().await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    // The watch goes on, so the Foo arrives; what the controller writes for it is refused.
    world.server.become_unavailable();
    eventually("a failure", async || log.lines_with("reconciliation failed") > 0).await;
    world.server.come_up();
    eventually("settled", || settled(&world, 1)).await;
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn dropped_watches_lose_no_change() {
    let world = World::new().await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    eventually("settled", || settled(&world, 1)).await;
    for replicas in [2, 3, 4, 5] {
        world.server.drop_watches();
        world.set_foo_replicas("foo", replicas).await;
        eventually("settled after the drop", || settled(&world, replicas)).await;
    }
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn history_gone_while_the_watch_was_down_leads_to_a_new_list() {
    let (log, _guard) = Log::capture();
    let world = World::new().await;
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    eventually("settled", || settled(&world, 1)).await;
    // SC-17: while nobody watches, the Deployment vanishes, and the history that would tell of it too. Nothing else
    // changes that would bring the Foo's key back.
    let first = world.deployment("web").await.unwrap().metadata.uid;
    world.server.go_down();
    world.server.come_up();
    let deployments = world.clients.deployments().namespace("default");
    deployments.delete("web").await.unwrap();
    world.server.compact();
    eventually("another Deployment in its place", async || {
        let found = world.deployment("web").await;
        found.is_some_and(|deployment| deployment.metadata.uid != first)
    })
    .await;
    assert!(log.lines_with("watch expired; listing again") > 0);
    assert!(settled(&world, 1).await);
    controller.stop().await.unwrap();
}

#[tokio::test]
async fn a_conflict_storm() {
    let world = World::new().await;
    let conflict = || kube::core::Status {
        code: 409,
        reason: "Conflict".to_owned(),
        ..kube::core::Status::failure("the object has been modified", "Conflict")
    };
    for _ in 0..10 {
        world.server.fail_next(
            Matcher::any()
                .verb("update")
                .resource("foos")
                .subresource("status"),
            conflict(),
        );
        world
            .server
            .fail_next(Matcher::any().verb("patch").resource("deployments"), conflict());
    }
    let controller = world.run();
    world.create_foo("foo", "web", Some(1)).await;
    // A writer beside the controller makes real conflicts as well.
    for n in 0..50 {
        let patch = serde_json::json!({"metadata": {"annotations": {"n": n.to_string()}}});
        world
            .clients
            .foos()
            .namespace("default")
            .merge_patch("foo", &patch)
            .await
            .unwrap();
    }
    world.set_foo_replicas("foo", 6).await;
    eventually("settled after the storm", || settled(&world, 6)).await;
    controller.stop().await.unwrap();
}

/// Where a kill strikes: before the nth write reaches the server, or after it was done and before the answer.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Before(usize),
    After(usize),
}

/// A connection that stops answering at one of its writes, and says so.
fn until(world: &World, strike: Strike, struck: &Arc<Notify>) -> kube::Client {
    let inner = world.controller_client();
    let writes = Arc::new(AtomicUsize::new(0));
    let struck = Arc::clone(struck);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (inner, struck) = (inner.clone(), Arc::clone(&struck));
        let write = request.method() != http::Method::GET;
        let n = if write {
            writes.fetch_add(1, Ordering::SeqCst)
        } else {
            usize::MAX
        };
        async move {
            let (Strike::Before(at) | Strike::After(at)) = strike;
            let dead = write && n >= at;
            if dead && (n > at || matches!(strike, Strike::Before(_))) {
                struck.notify_one();
                std::future::pending::<()>().await;
            }
            let answer = inner.send(request).await;
            if dead {
                struck.notify_one();
                std::future::pending::<()>().await;
            }
            answer
        }
    });
    kube::Client::new(service, "default")
}

#[tokio::test]
async fn a_kill_at_any_write_and_a_start_again() {
    // Deployment, status, event: three writes; a fourth strike would find nothing to hit.
    for n in 0..3 {
        for strike in [Strike::Before(n), Strike::After(n)] {
            let world = World::new().await;
            world.create_foo("foo", "web", Some(2)).await;
            let struck = Arc::new(Notify::new());
            let controller = Running::on(until(&world, strike, &struck));
            tokio::time::timeout(Duration::from_secs(30), struck.notified())
                .await
                .unwrap_or_else(|_| panic!("{strike:?} never came"));
            controller.kill().await;

            let again = world.run();
            eventually("settled after the kill", || settled(&world, 2)).await;
            again.stop().await.unwrap();
            let creates = world
                .writes()
                .iter()
                .filter(|write| *write == "create deployments")
                .count();
            assert_eq!(creates, 1, "{strike:?}: {:?}", world.writes());
        }
    }
}

/// Whatever goes wrong on the way, in many orders: the work is done, and done once.
#[tokio::test(start_paused = true)]
async fn chaos_on_every_connection() {
    for seed in 0..10 {
        let world = World::new().await;
        world.server.chaos(
            Chaos::seeded(seed)
                .only(Matcher::any().user(CONTROLLER))
                .delay(0.3, Duration::from_secs(2))
                .refuse(0.1)
                .fail(0.1)
                .lose(0.1)
                .cut(0.2, 4_000),
        );
        let controller = world.run();
        world.create_foo("foo", "web", Some(1)).await;
        for replicas in 2..8 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            world.set_foo_replicas("foo", replicas).await;
        }
        world.server.calm();
        // Time runs only while nothing else can: whoever still waits after an hour waits for ever.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(settled(&world, 7).await, "seed {seed}");
        controller.stop().await.unwrap();
    }
}
