//! What each part of the runtime says that it does, against what it asks a server for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret};
use kube::Api;
use kubewright::cache::{InformerFactory, NamespaceSet, ReflectorConfig, Trim, WatchScope};
use kubewright::controller::{Action, Context, Controller, Predicate, Reconciler};
use kubewright::finalizer::{self, finalizer};
use kubewright::kind::{Kind, ObjectKey};
use kubewright::manager::{LeaderElection, Manager, Shards};
use kubewright::rbac::{Rules, Usage};
use kubewright::{Client, rbac};
use kubewright_apiserver::DevServer;
use tokio_util::sync::CancellationToken;

/// Asks for things of a namespace, of the cluster, and of a namespace of its own.
struct Idle<K>(std::marker::PhantomData<fn() -> K>);

#[rbac(Deployment: update; Node: list; Secret: get, names("tls"), namespace = "system"; ConfigMap: update)]
impl<K: Kind> Reconciler for Idle<K> {
    type Object = K;
    type Error = Infallible;

    async fn reconcile(&self, _: &ObjectKey, _: &Context<K>) -> Result<Action, Infallible> {
        Ok(Action::done())
    }
}

fn idle<K: Kind>() -> Idle<K> {
    Idle(std::marker::PhantomData)
}

fn lines(rules: &Rules) -> Vec<String> {
    rules.to_string().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_controller_of_one_namespace_is_granted_nothing_beside_it() {
    let server = DevServer::start().await.unwrap();
    let factory = InformerFactory::new(&server.client());
    let controller = Controller::in_scope(
        &factory,
        WatchScope::namespace("a").labels("x=y"),
        idle::<Deployment>(),
    )
    .owns::<Pod>()
    .watches::<Node>(|_| Vec::new())
    .owns_in::<Secret>(
        WatchScope::namespace("b").fields("metadata.name=one"),
        Predicate::resource_version_changed(),
    );
    assert_eq!(
        lines(&controller.rules()),
        [
            "list, watch nodes in every namespace",
            "update configmaps in namespace \"a\"",
            "list, watch pods in namespace \"a\"",
            // `get`: an update of what a cache holds reads an annotation first. ConfigMaps are in no cache.
            "get, list, update, watch deployments.apps in namespace \"a\"",
            "create, get, patch events.events.k8s.io in namespace \"a\"",
            "list, watch secrets \"one\" in namespace \"b\"",
            "get secrets \"tls\" in namespace \"system\"",
        ]
    );
    // The factory knows what it follows, whoever asked.
    let followed = factory.rules();
    assert!(
        lines(&followed)
            .iter()
            .all(|line| line.starts_with("list, watch "))
    );
    assert_eq!(lines(&followed).len(), 4);
}

#[tokio::test]
async fn what_a_controller_leaves_out_is_not_granted() {
    let server = DevServer::start().await.unwrap();
    let config = ReflectorConfig {
        trim: Trim::NOTHING,
        ..ReflectorConfig::default()
    };
    let factory = InformerFactory::builder(&server.client())
        .scope(WatchScope::namespace("a"))
        .config(config)
        .build();
    // Caches that leave nothing out need no second look, and without Events none are granted.
    let controller = Controller::new(&factory, idle::<Deployment>()).failure_events(None);
    let deployments = "list, update, watch deployments.apps in namespace \"a\"".to_owned();
    assert!(
        lines(&controller.rules()).contains(&deployments),
        "{}",
        controller.rules()
    );
    assert!(!controller.rules().to_string().contains("events"));
    // Events of what is in no namespace stand in `default`.
    let controller = Controller::new(&factory, idle::<Node>());
    let events = "create, get, patch events.events.k8s.io in namespace \"default\"".to_owned();
    assert!(
        lines(&controller.rules()).contains(&events),
        "{}",
        controller.rules()
    );
}

#[tokio::test]
async fn a_manager_sums_up() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let factory = InformerFactory::new(&client);
    factory.informer::<Secret>();
    let manager = Manager::new(&factory)
        .leader_election(LeaderElection::new(&client, "system", "operator"))
        .controller(Controller::new(&factory, idle::<Deployment>()))
        .needs(&Rules::of::<Pod>(Some("c"), &["delete"]));
    assert_eq!(
        lines(&manager.rules()),
        [
            "update configmaps in every namespace",
            "list nodes in every namespace",
            "list, watch secrets in every namespace",
            "get, list, update, watch deployments.apps in every namespace",
            "create, get, patch events.events.k8s.io in every namespace",
            "delete pods in namespace \"c\"",
            "get secrets \"tls\" in namespace \"system\"",
            "create leases.coordination.k8s.io in namespace \"system\"",
            "get, update leases.coordination.k8s.io \"operator\" in namespace \"system\"",
        ]
    );
}

#[tokio::test]
async fn several_namespaces_are_granted_one_by_one() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let namespaces = NamespaceSet::of(["a", "b"]);
    let factory = InformerFactory::builder(&client).namespaces(&namespaces).build();
    let controller = Controller::new(&factory, idle::<Deployment>())
        .failure_events(None)
        .watches_by_owner::<Pod>();
    let manager = Manager::new(&factory)
        .shards(Shards::new(&client, "system", "operator"))
        .controller(controller);
    let mut expected = vec!["list nodes in every namespace".to_owned()];
    for namespace in ["a", "b"] {
        expected.extend([
            format!("update configmaps in namespace \"{namespace}\""),
            format!("list, watch pods in namespace \"{namespace}\""),
            format!("get, list, update, watch deployments.apps in namespace \"{namespace}\""),
        ]);
    }
    expected.extend([
        "get secrets \"tls\" in namespace \"system\"".to_owned(),
        "create, delete, get, list, update leases.coordination.k8s.io in namespace \"system\"".to_owned(),
    ]);
    assert_eq!(lines(&manager.rules()), expected);
    // The factory follows what is added later.
    namespaces.add("c");
    assert!(
        factory
            .rules()
            .to_string()
            .contains("list, watch pods in namespace \"c\"")
    );
}

/// On a server that refuses everything else.
#[tokio::test]
async fn an_election_needs_what_it_says_and_no_more() {
    let server = DevServer::start().await.unwrap();
    let usage = Usage::new();
    let election = LeaderElection::new(&usage.watch(server.client()), "default", "operator");
    let stop = CancellationToken::new();
    let guard = election.acquire(&stop).await.unwrap().unwrap();
    guard.release().await;
    usage.used().check(&election.rules()).unwrap();
}

#[tokio::test]
async fn a_finalizer_needs_what_it_says_and_no_more() {
    let server = DevServer::start().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let map = ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some("a".into()),
            ..Default::default()
        },
        ..Default::default()
    };
    let map = Arc::new(maps.create(&Default::default(), &map).await.unwrap());
    let usage = Usage::new();
    let client = Client::<ConfigMap>::new(usage.watch(server.client())).namespace("default");
    let nothing = async |_| Ok::<(), Infallible>(());
    finalizer(&client, &map, "example.com/a", nothing, nothing)
        .await
        .unwrap();
    maps.delete("a", &Default::default()).await.unwrap();
    let map = Arc::new(maps.get("a").await.unwrap());
    finalizer(&client, &map, "example.com/a", nothing, nothing)
        .await
        .unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
    usage
        .used()
        .check(&finalizer::rules::<ConfigMap>(Some("default")))
        .unwrap();
}

/// A client that is watched answers as the one behind it does, failures and watches among it.
#[tokio::test]
async fn a_watched_client_is_no_other_client() {
    let server = DevServer::start().await.unwrap();
    let usage = Usage::new();
    let client = usage.watch(server.client());
    assert_eq!(client.default_namespace(), "default");
    let maps = Client::<ConfigMap>::new(client.clone()).namespace("default");
    assert!(maps.get("none").await.unwrap_err().is_not_found());
    let factory = InformerFactory::new(&client);
    factory.informer::<ConfigMap>();
    factory.start();
    factory.wait_for_sync(Duration::from_secs(30)).await.unwrap();
    let used: Vec<_> = usage.used().iter().map(ToString::to_string).collect();
    assert_eq!(
        used,
        [
            "get configmaps \"none\" in namespace \"default\"",
            "watch configmaps in the cluster",
        ]
    );
    factory.shutdown();
}
