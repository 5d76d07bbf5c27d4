//! Caches of what is known at run time alone: namespaces and kinds that come and go, on the in-process server.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kubewright::Client;
use kubewright::backoff::Backoff;
use kubewright::cache::{
    Cached, Delta, InformerFactory, InformerFactoryBuilder, LastState, NamespaceSet, ReflectorConfig,
    Subscription, WatchScope,
};
use kubewright::kind::ObjectKey;
use kubewright_apiserver::{DevServer, Matcher};
use serde_json::json;

/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `holds`, and names what was waited for when it does not come.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(DEADLINE, waiting).await;
    assert!(came.is_ok(), "waited {DEADLINE:?} for: {what}");
}

/// Caches that try again soon.
pub(super) fn factory(server: &DevServer) -> InformerFactoryBuilder {
    let short = Duration::from_millis(10);
    InformerFactory::builder(&server.client()).config(ReflectorConfig {
        backoff: Backoff::exponential(short, short),
        ..ReflectorConfig::default()
    })
}

async fn create(server: &DevServer, namespace: &str, name: &str, app: &str) {
    let map = json!({"metadata": {"name": name, "labels": {"app": app}}});
    let maps = Client::<ConfigMap>::new(server.client());
    let map = serde_json::from_value(map).unwrap();
    maps.namespace(namespace).create(&map).await.unwrap();
}

/// A change in short.
async fn next<K: Cached>(changes: &mut Subscription<K>) -> String {
    let delta = tokio::time::timeout(DEADLINE, changes.recv()).await;
    let delta = delta.expect("a change comes in time");
    match delta {
        None => "the end".to_owned(),
        Some(Delta::Added(object)) => format!("+{}", ObjectKey::of(&*object)),
        Some(Delta::Updated { new, .. }) => ObjectKey::of(&*new).to_string(),
        Some(Delta::Deleted { object, state }) => format!("-{} {state:?}", ObjectKey::of(&*object)),
    }
}

async fn some<K: Cached>(changes: &mut Subscription<K>, count: usize) -> Vec<String> {
    let mut some = Vec::new();
    for _ in 0..count {
        some.push(next(changes).await);
    }
    some.sort();
    some
}

/// The invariant of a cache of several namespaces.
#[tokio::test]
async fn namespaces_come_and_go() {
    let server = DevServer::start().await.unwrap();
    let all = Client::<Namespace>::new(server.client());
    for namespace in ["a", "b", "c", "d"] {
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
        all.create(&object).await.unwrap();
        create(&server, namespace, "one", "x").await;
        create(&server, namespace, "two", "y").await;
    }
    let forbidden = kube::core::Status::failure("as told", "Forbidden").with_code(403);
    for _ in 0..20 {
        let matcher = Matcher::any().resource("configmaps").namespace("b");
        server.fail_next(matcher, forbidden.clone());
    }
    let namespaces = NamespaceSet::of(["a", "b"]);
    let factory = factory(&server).namespaces(&namespaces).build();
    let informer = factory.informer::<ConfigMap>();
    let (mut changes, lister) = (informer.subscribe(), informer.lister());
    // A cluster-scoped kind is watched as ever.
    let everywhere = factory.informer::<Namespace>();
    factory.start();
    assert_eq!(some(&mut changes, 2).await, ["+a/one", "+a/two"]);
    // What may not be listed is told, and holds up what it belongs to alone.
    eventually("the refusal is told", || informer.status().last_error.is_some()).await;
    let error = informer.status().last_error.unwrap();
    assert!(error.starts_with("namespace b: as told"), "{error}");
    let synced: Vec<_> = informer
        .namespaces()
        .iter()
        .map(|one| (one.namespace.clone(), one.synced))
        .collect();
    assert_eq!(synced, [("a".to_owned(), true), ("b".to_owned(), false)]);
    assert!(!lister.has_synced() && !changes.has_synced());
    // Whoever comes now gets what is there.
    let mut early = informer.subscribe();
    assert_eq!(some(&mut early, 2).await, ["+a/one", "+a/two"]);
    let failed = factory.wait_for_sync(Duration::from_millis(1)).await.unwrap_err();
    let told = failed.to_string();
    assert!(
        told.contains("ConfigMap in the namespaces of the factory (namespace b: as told"),
        "{told}"
    );

    factory.wait_for_sync(DEADLINE).await.unwrap();
    for changes in [&mut changes, &mut early] {
        assert_eq!(some(changes, 2).await, ["+b/one", "+b/two"]);
    }
    assert!(lister.has_synced() && everywhere.has_synced());
    assert_eq!((lister.len(), lister.namespace("b").list().len()), (4, 2));
    assert_eq!(informer.status().last_error, None);

    // At run time, with selectors of its own.
    assert!(namespaces.add_with("c", WatchScope::all().labels("app=x")));
    assert!(!namespaces.add_with("c", WatchScope::all().labels("app=x")));
    assert_eq!(next(&mut changes).await, "+c/one");
    create(&server, "c", "three", "x").await;
    assert_eq!(next(&mut changes).await, "+c/three");
    assert!(namespaces.add_with("c", WatchScope::all().labels("app=y")));
    assert_eq!(
        some(&mut changes, 3).await,
        ["+c/two", "-c/one LastKnown", "-c/three LastKnown"]
    );
    assert!(namespaces.remove("b") && !namespaces.remove("b"));
    assert_eq!(
        some(&mut changes, 2).await,
        ["-b/one LastKnown", "-b/two LastKnown"]
    );
    assert_eq!(namespaces.names(), ["a", "c"]);
    // What happens there is not heard of; what happens elsewhere is.
    create(&server, "b", "three", "x").await;
    create(&server, "a", "three", "x").await;
    assert_eq!(next(&mut changes).await, "+a/three");
    let cached: Vec<_> = {
        let mut keys: Vec<_> = lister
            .list()
            .iter()
            .map(|map| ObjectKey::of(&**map).to_string())
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(cached, ["a/one", "a/three", "a/two", "c/two"]);

    // Connections break, and the history is forgotten: each namespace is followed on.
    server.drop_watches();
    Client::<ConfigMap>::new(server.client())
        .namespace("a")
        .delete("one")
        .await
        .unwrap();
    server.compact();
    let gone = next(&mut changes).await;
    assert!(gone.starts_with("-a/one "), "{gone}");
    assert_eq!(lister.len(), 3);
    factory.shutdown();
    assert_eq!(next(&mut changes).await, "the end");
}

#[tokio::test]
async fn no_namespaces_are_a_state_too() {
    let server = DevServer::start().await.unwrap();
    create(&server, "default", "one", "x").await;
    let namespaces = NamespaceSet::new();
    let factory = factory(&server).namespaces(&namespaces).build();
    let (lister, kind) = (
        factory.lister::<ConfigMap>(),
        GroupVersionKind::gvk("", "v1", "Namespace"),
    );
    factory.start();
    factory.wait_for_sync(DEADLINE).await.unwrap();
    assert!(lister.is_empty() && lister.has_synced());
    namespaces.add("default");
    eventually("its objects", || lister.len() == 1).await;
    // Each namespace would bring all of them.
    let cluster_scoped = factory.dynamic(&kind);
    eventually("it is told", || cluster_scoped.status().last_error.is_some()).await;
    assert_eq!(
        cluster_scoped.status().last_error.unwrap(),
        "namespace default: v1 Namespace is cluster-scoped: it has no objects in namespaces; watch it in a scope without one"
    );
    factory
        .dynamic_of(&kind, WatchScope::all())
        .wait_for_sync()
        .await
        .unwrap();
}

pub(super) fn definition() -> CustomResourceDefinition {
    serde_json::from_value(json!({
        "metadata": {"name": "widgets.test.kubewright.dev"},
        "spec": {
            "group": "test.kubewright.dev",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}
                }}
            }]
        }
    }))
    .unwrap()
}

/// Creates a widget once the server takes one.
pub(super) async fn widget(server: &DevServer, kind: &GroupVersionKind, name: &str) {
    let resource = ApiResource::from_gvk(kind);
    let widgets = kube::Api::<DynamicObject>::namespaced_with(server.client(), "default", &resource);
    let object = DynamicObject::new(name, &resource).data(json!({"spec": {"size": 7}}));
    let creating = async {
        while let Err(error) = widgets.create(&kube::api::PostParams::default(), &object).await {
            assert!(
                matches!(&error, kube::Error::Api(status) if status.code == 404),
                "{error}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, creating).await.unwrap();
}

/// A kind is watched once the server serves it, and again after it was gone; meanwhile that is told.
#[tokio::test]
async fn a_kind_comes_and_goes() {
    let server = DevServer::start().await.unwrap();
    let definitions = Client::<CustomResourceDefinition>::new(server.client());
    let kind = GroupVersionKind::gvk("test.kubewright.dev", "v1", "Widget");
    let factory = factory(&server).build();
    factory.start();
    let (informer, metadata) = (factory.dynamic(&kind), factory.dynamic_metadata(&kind));
    informer
        .add_index("size", |widget| vec![widget.data["spec"]["size"].to_string()])
        .unwrap();
    let (mut changes, mut heads) = (informer.subscribe(), metadata.subscribe());
    const UNSERVED: &str = "the server does not serve test.kubewright.dev/v1 Widget";
    eventually("it is told", || {
        informer.status().last_error.as_deref() == Some(UNSERVED)
    })
    .await;
    let error = factory.wait_for_sync(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kinds[0].kind, "test.kubewright.dev/v1 Widget");

    definitions.create(&definition()).await.unwrap();
    factory.wait_for_sync(DEADLINE).await.unwrap();
    eventually("no more trouble", || {
        factory
            .statuses()
            .iter()
            .all(|status| status.last_error.is_none())
    })
    .await;
    widget(&server, &kind, "a").await;
    assert_eq!(next(&mut changes).await, "+default/a");
    assert_eq!(next(&mut heads).await, "+default/a");
    let lister = informer.lister();
    assert_eq!(lister.by_index("size", "7").unwrap().len(), 1);
    assert_eq!(
        lister.namespace("default").get("a").unwrap().data["spec"],
        json!({"size": 7})
    );
    assert_eq!(metadata.lister().len(), 1);

    definitions.delete("widgets.test.kubewright.dev").await.unwrap();
    let gone = next(&mut changes).await;
    assert!(gone.starts_with("-default/a "), "{gone}");
    eventually("it is told again", || {
        informer.status().last_error.as_deref() == Some(UNSERVED)
    })
    .await;
    let status = factory
        .statuses()
        .into_iter()
        .find(|status| status.last_error.is_some())
        .unwrap();
    assert!(status.synced && !status.stopped, "{status:?}");
    let created = async {
        while definitions.create(&definition()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, created).await.unwrap();
    widget(&server, &kind, "b").await;
    assert_eq!(next(&mut changes).await, "+default/b");

    // Stopped for good, and begun anew.
    assert!(factory.remove_dynamic(&kind) && !factory.remove_dynamic(&kind));
    assert_eq!(next(&mut changes).await, "the end");
    assert!(informer.is_stopped() && metadata.is_stopped() && factory.statuses().is_empty());
    let again = factory.dynamic(&kind);
    again.wait_for_sync().await.unwrap();
    widget(&server, &kind, "c").await;
    eventually("the new one is fed", || again.lister().len() == 2).await;
    assert_eq!(lister.len(), 1);
}

/// A built-in kind by its name, and kinds of a type that are stopped and asked for again.
#[tokio::test]
async fn kinds_are_stopped_and_started_while_others_run() {
    let server = DevServer::start().await.unwrap();
    create(&server, "default", "one", "x").await;
    let factory = factory(&server).scope(WatchScope::namespace("default")).build();
    let kind = GroupVersionKind::gvk("", "v1", "ConfigMap");
    let (by_type, by_name) = (factory.informer::<ConfigMap>(), factory.dynamic(&kind));
    factory.start();
    factory.wait_for_sync(DEADLINE).await.unwrap();
    let (mut typed, mut named) = (by_type.subscribe(), by_name.subscribe());
    assert_eq!(next(&mut typed).await, "+default/one");
    assert_eq!(next(&mut named).await, "+default/one");
    assert!(factory.remove::<ConfigMap>() && !factory.remove::<ConfigMap>());
    assert_eq!(next(&mut typed).await, "the end");
    create(&server, "default", "two", "x").await;
    assert_eq!(next(&mut named).await, "+default/two");
    assert_eq!(by_type.lister().len(), 1);
    let mut again = factory.informer::<ConfigMap>().subscribe();
    assert_eq!(some(&mut again, 2).await, ["+default/one", "+default/two"]);
    let maps = Client::<ConfigMap>::new(server.client());
    maps.namespace("default").delete("one").await.unwrap();
    let gone = format!("-default/one {:?}", LastState::Final);
    assert_eq!(
        (next(&mut again).await, next(&mut named).await),
        (gone.clone(), gone)
    );
}
