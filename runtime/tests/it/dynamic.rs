//! Controllers of kinds that are known at run time alone, on the in-process server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{DynamicObject, GroupVersionKind, PartialObjectMeta};
use kubewright::cache::{CacheMetrics, Dynamic, Informer, InformerFactory, Subscribe, WatchScope};
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::events::EventRecorder;
use kubewright::kind::ObjectKey;
use kubewright::metrics::prometheus_client;
use kubewright::owner::{OwnerError, controller_reference, owner_reference, set_controller};
use kubewright::rbac::Usage;
use kubewright::{AsClient, Client};
use kubewright_apiserver::DevServer;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::kinds::{definition, eventually, factory, widget};

type Head = PartialObjectMeta<DynamicObject>;

fn widgets() -> GroupVersionKind {
    GroupVersionKind::gvk("test.kubewright.dev", "v1", "Widget")
}

fn maps() -> GroupVersionKind {
    GroupVersionKind::gvk("", "v1", "ConfigMap")
}

/// Keeps a ConfigMap for each widget.
struct Keeper {
    made: Arc<AtomicUsize>,
}

impl Reconciler for Keeper {
    type Object = DynamicObject;
    type Error = kubewright::client::ClientError;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<DynamicObject>) -> Result<Action, Self::Error> {
        let Some(widget) = cx.lister().get(key) else {
            return Ok(Action::done());
        };
        if cx.lister_of_dynamic::<Head>(&maps()).get(key).is_some() {
            return Ok(Action::done());
        }
        let mut map = ConfigMap::default();
        map.metadata.name = Some(key.name.clone());
        map.metadata.namespace = key.namespace.clone();
        set_controller(&mut map, &*widget).unwrap();
        let maps = Client::<ConfigMap>::new(cx.as_client().clone());
        let made = maps
            .namespace(key.namespace.as_deref().unwrap())
            .create(&map)
            .await?;
        // As the controller's cache of ConfigMaps has it; what is of another type is in none.
        cx.wrote(&made);
        let mut head: Head = serde_json::from_value(json!({"metadata": made.metadata})).unwrap();
        // Of what says nothing nothing is known.
        cx.wrote(&head);
        head.types = Some(kube::core::TypeMeta::resource::<ConfigMap>());
        cx.wrote(&head);
        cx.recorder()
            .normal(&*widget, "Made", "Make", "configuration made");
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok(Action::done())
    }
}

/// It waits for its kind, owns what is of another such kind, reads its writes, and says what rights it needs.
#[tokio::test]
async fn a_kind_of_run_time_is_reconciled() {
    let server = DevServer::start().await.unwrap();
    let usage = Usage::new();
    let client = usage.watch(server.client());
    let factory = InformerFactory::new(&client);
    let made = Arc::<AtomicUsize>::default();
    let keeper = Keeper {
        made: Arc::clone(&made),
    };
    let controller = Controller::dynamic(&factory, &widgets(), keeper).owns_dynamic::<Head>(&maps());
    // Only a server knows a plural.
    let events = "create, get, patch events.events.k8s.io in every namespace\n";
    assert_eq!(controller.rules().to_string(), events);
    let unserved = factory.discover().await.unwrap_err();
    assert_eq!(
        (
            unserved.to_string(),
            std::error::Error::source(&unserved).unwrap().to_string()
        ),
        (
            "find the resource of test.kubewright.dev/v1 Widget".to_owned(),
            "the server does not serve test.kubewright.dev/v1 Widget".to_owned()
        )
    );
    let definitions = Client::<CustomResourceDefinition>::new(server.client());
    definitions.create(&definition()).await.unwrap();
    widget(&server, &widgets(), "a").await;
    factory.discover().await.unwrap();
    let rules = controller.rules();
    assert_eq!(
        rules.to_string(),
        format!(
            "list, watch configmaps in every namespace\n{events}list, watch widgets.test.kubewright.dev in every namespace\n"
        )
    );
    assert_eq!(
        factory.rules().to_string(),
        "list, watch configmaps in every namespace\nlist, watch widgets.test.kubewright.dev in every namespace\n"
    );

    let running = tokio::spawn(controller.run());
    let count = |n| {
        let made = Arc::clone(&made);
        move || made.load(Ordering::SeqCst) == n
    };
    eventually("a ConfigMap", count(1)).await;
    let maps = Client::<ConfigMap>::new(server.client()).namespace("default");
    let map = maps.get("a").await.unwrap();
    let owner = &map.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (owner.api_version.as_str(), owner.kind.as_str()),
        ("test.kubewright.dev/v1", "Widget")
    );
    maps.delete("a").await.unwrap();
    eventually("another one in its place", count(2)).await;
    widget(&server, &widgets(), "b").await;
    eventually("one for the other widget", count(3)).await;
    factory.shutdown();
    running.await.unwrap().unwrap();

    let events = Client::<k8s_openapi::api::events::v1::Event>::new(server.client());
    let events = events
        .namespace("default")
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    let regarding = events.items[0].regarding.as_ref().unwrap();
    assert_eq!(
        (regarding.api_version.as_deref(), regarding.kind.as_deref()),
        (Some("test.kubewright.dev/v1"), Some("Widget"))
    );
    let own = kubewright::rbac::Rules::of::<ConfigMap>(Some("default"), &["create"]);
    usage.used().check_covered(&rules.with(&own)).unwrap();
}

/// Tells its keys.
struct Tell<K>(UnboundedSender<String>, std::marker::PhantomData<fn() -> K>);

fn tell<K>() -> (Tell<K>, UnboundedReceiver<String>) {
    let (sender, receiver) = unbounded_channel();
    (Tell(sender, std::marker::PhantomData), receiver)
}

impl<K: kubewright::cache::Cached> Reconciler for Tell<K> {
    type Object = K;
    type Error = std::convert::Infallible;

    async fn reconcile(&self, key: &ObjectKey, _: &Context<K>) -> Result<Action, Self::Error> {
        let _ = self.0.send(key.to_string());
        Ok(Action::done())
    }
}

async fn key(keys: &mut UnboundedReceiver<String>) -> String {
    let key = tokio::time::timeout(Duration::from_secs(30), keys.recv()).await;
    key.expect("a key comes in time").unwrap()
}

/// What belongs to the cluster owns what is in a namespace, and is named by labels there.
#[tokio::test]
async fn keys_follow_the_scope_that_the_server_tells() {
    let server = DevServer::start().await.unwrap();
    let factory = factory(&server).build();
    let kind = GroupVersionKind::gvk("", "v1", "Namespace");
    let (reconciler, mut keys) = tell::<Head>();
    let controller = Controller::dynamic_in_scope(
        &factory,
        &kind,
        WatchScope::all().fields("metadata.name=default"),
        reconciler,
    )
    .owns_dynamic::<DynamicObject>(&maps())
    .watches_by_label::<k8s_openapi::api::core::v1::Secret>("of")
    .filter(kubewright::controller::Predicate::new(|_| false))
    .watches_dynamic::<Head>(&GroupVersionKind::gvk("", "v1", "ServiceAccount"), |account| {
        vec![ObjectKey::cluster(format!(
            "of-{}",
            account.metadata.name.as_deref().unwrap()
        ))]
    });
    let rules = {
        factory.discover().await.unwrap();
        controller.rules().to_string()
    };
    assert!(
        rules.contains("list, watch namespaces \"default\" in every namespace\n"),
        "{rules}"
    );
    // Events of what is in no namespace stand in `default`.
    assert!(
        rules.contains("events.events.k8s.io in namespace \"default\"\n"),
        "{rules}"
    );
    let running = tokio::spawn(controller.run());
    let namespace = Client::<Namespace>::new(server.client())
        .get("default")
        .await
        .unwrap();
    let maps = Client::<ConfigMap>::new(server.client()).namespace("default");
    let mut map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "owned"}})).unwrap();
    map.metadata.owner_references = Some(vec![controller_reference(&namespace).unwrap()]);
    maps.create(&map).await.unwrap();
    assert_eq!(key(&mut keys).await, "default");
    let secrets = Client::<k8s_openapi::api::core::v1::Secret>::new(server.client()).namespace("default");
    let secret = json!({"metadata": {"name": "s", "labels": {"of": "other"}}});
    secrets
        .create(&serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    assert_eq!(key(&mut keys).await, "other");
    let accounts =
        Client::<k8s_openapi::api::core::v1::ServiceAccount>::new(server.client()).namespace("default");
    let account = serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
    accounts.create(&account).await.unwrap();
    assert_eq!(key(&mut keys).await, "of-x");
    factory.shutdown();
    running.await.unwrap().unwrap();
}

/// A server leaves the kind out of the items of lists, and says of metadata that it is some.
#[tokio::test]
async fn objects_in_caches_say_their_kind() {
    let server = DevServer::start().await.unwrap();
    let maps_of = Client::<ConfigMap>::new(server.client()).namespace("default");
    let map = |name: &str| serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    maps_of.create(&map("listed")).await.unwrap();
    let factory = factory(&server).build();
    let (whole, heads) = (factory.dynamic(&maps()), factory.dynamic_metadata(&maps()));
    factory.start();
    factory.wait_for_sync(Duration::from_secs(30)).await.unwrap();
    maps_of.create(&map("watched")).await.unwrap();
    eventually("both", || whole.lister().len() == 2 && heads.lister().len() == 2).await;
    for object in whole.lister().list() {
        assert_eq!(owner_reference(&*object).unwrap().kind, "ConfigMap");
    }
    for head in heads.lister().list() {
        assert_eq!(owner_reference(&*head).unwrap().api_version, "v1");
        let mut mute = Head::clone(&head);
        mute.types = None;
        let error = owner_reference(&mute).unwrap_err();
        assert!(
            matches!(error, OwnerError::Incomplete { missing: "kind", .. }),
            "{error}"
        );
    }
    // A reconciler is called with it directly, as in a test of it.
    let recorder = EventRecorder::new(&server.client(), "test");
    let context = Context::<Head>::dynamic(&factory, &maps(), recorder);
    let (reconciler, mut keys) = tell::<Head>();
    assert_eq!(context.lister().len(), 2);
    let action = reconciler
        .reconcile(&ObjectKey::namespaced("default", "listed"), &context)
        .await;
    assert_eq!(action.unwrap(), Action::done());
    assert_eq!(key(&mut keys).await, "default/listed");
}

fn told(registry: &prometheus_client::registry::Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text
}

async fn merges<K: Dynamic>(server: &DevServer, informer: &Informer<K>) {
    // Never read from.
    let _slow = informer.subscribe_as(Subscribe {
        buffer: Some(0),
        ..Subscribe::default()
    });
    let maps = Client::<ConfigMap>::new(server.client()).namespace("default");
    let map = serde_json::from_value(json!({"metadata": {"name": "m"}})).unwrap();
    maps.create(&map).await.unwrap();
    for n in 0..3 {
        let data = json!({"data": {"n": n.to_string()}});
        maps.merge_patch("m", &data).await.unwrap();
    }
    eventually("changes merged", || informer.merged() == 3).await;
}

#[tokio::test]
async fn metrics_name_kinds_of_run_time_and_count_what_was_merged() {
    let server = DevServer::start().await.unwrap();
    let factory = factory(&server).build();
    let (informer, typed) = (factory.dynamic(&maps()), factory.informer::<ConfigMap>());
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = CacheMetrics::register(&mut registry);
    metrics.add(&informer.lister());
    metrics.add(&typed.lister());
    factory.start();
    factory.wait_for_sync(Duration::from_secs(30)).await.unwrap();
    merges(&server, &informer).await;
    eventually("the other cache has it", || typed.lister().len() == 1).await;
    let text = told(&registry);
    for line in [
        "kubewright_cache_objects{kind=\"v1 ConfigMap\"} 1\n",
        "kubewright_cache_objects{kind=\"ConfigMap\"} 1\n",
        "# TYPE kubewright_cache_merged_changes counter\n",
        "kubewright_cache_merged_changes_total{kind=\"v1 ConfigMap\"} 3\n",
        "kubewright_cache_merged_changes_total{kind=\"ConfigMap\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}
