//! What the program may do on a server: all that it needs, and nothing else.

use kubewright::build;
use kubewright::cache::{InformerFactory, InitialState, ReflectorConfig};
use kubewright::k8s_openapi::api::events::v1::Event;
use kubewright::kube;
use kubewright::rbac::{RoleSet, Rules, Usage};
use kubewright_apiserver::DevServer;
use sample_controller::controller::{self, AGENT, Clients};

use crate::harness::{Running, World, eventually};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rbac.yaml");

async fn rules() -> Rules {
    let server = DevServer::start().await.unwrap();
    controller::rules(&Clients::new(server.client()))
}

async fn roles() -> RoleSet {
    RoleSet::new(AGENT, &rules().await).bound_to("default", AGENT)
}

/// Writes the file: `cargo test -p sample-controller --test it -- --ignored write_the`.
#[tokio::test]
#[ignore = "run when the controller does something else"]
async fn write_the_roles() {
    build::roles(&roles().await).write(FILE).unwrap();
}

#[tokio::test]
async fn the_file_is_what_the_code_says() {
    build::roles(&roles().await).check(FILE).unwrap();
}

/// Everything that the program can do, by a client of its own, from the first Foo to the end of a second process.
async fn all_that_it_does(world: &World, client: kube::Client) {
    let running = Running::on(client.clone());
    running.factory.informer::<Event>().start();
    world
        .server
        .apply_yaml(
            "apiVersion: samplecontroller.k8s.io/v1alpha1\n\
             kind: Foo\n\
             metadata:\n  \
               name: applied\n  \
               namespace: default\n  \
               annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}\n\
             spec: {deploymentName: applied, replicas: 1}\n",
        )
        .await
        .unwrap();
    eventually("status 0", async || world.available("applied").await == Some(0)).await;
    world.set_foo_replicas("applied", 2).await;
    eventually("two replicas", async || {
        world.replicas("applied").await == Some(2)
    })
    .await;
    eventually("the series grows", async || {
        world.event_counts().await == [("Synced".to_owned(), 2)]
    })
    .await;
    running.stop().await.unwrap();

    // Another process, on a server that knows no lists in watches, finds the series of its predecessor.
    let config = ReflectorConfig {
        initial: InitialState::Pages,
        ..ReflectorConfig::default()
    };
    let factory = InformerFactory::builder(&client).config(config).build();
    factory.informer::<Event>();
    let running = Running::with(client, factory);
    world.set_foo_replicas("applied", 3).await;
    eventually("the series goes on", async || {
        world.event_counts().await == [("Synced".to_owned(), 3)]
    })
    .await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_rules_are_what_is_used_and_no_more() {
    let world = World::new().await;
    let usage = Usage::new();
    all_that_it_does(&world, usage.watch(world.controller_client())).await;
    let (used, rules) = (usage.used(), rules().await);
    used.check(&rules).unwrap();

    // And each is needed: without it something of the above is not allowed.
    let grants: Vec<_> = rules.grants().collect();
    assert!(grants.len() > 10, "{rules}");
    for grant in &grants {
        let missing = used.missing(&rules.without(grant));
        assert!(!missing.is_empty(), "not needed: {grant}");
        assert!(missing.iter().all(|access| grant.covers(access)), "{missing:?}");
    }
}
