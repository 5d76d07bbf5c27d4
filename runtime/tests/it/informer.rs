//! Shared caches on the in-process server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kubewright::Client;
use kubewright::cache::{
    Delta, Earlier, EventHandler, Informer, InformerFactory, LastState, ReflectorConfig, Subscription,
    WatchScope, on_change,
};
use kubewright::kind::ObjectKey;
use kubewright_apiserver::{DevServer, LoggedRequest, Matcher};
use serde_json::json;

/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `holds`, and names what was waited for when it does not come.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(DEADLINE, waiting).await;
    assert!(came.is_ok(), "waited {DEADLINE:?} for: {what}");
}

struct World {
    server: DevServer,
    maps: Client<ConfigMap>,
}

impl World {
    async fn new() -> Self {
        let server = DevServer::start().await.unwrap();
        let maps = Client::new(server.client());
        Self { server, maps }
    }

    async fn create(&self, name: &str) -> ConfigMap {
        self.create_labelled(name, "default", json!({})).await
    }

    async fn create_labelled(&self, name: &str, namespace: &str, labels: serde_json::Value) -> ConfigMap {
        let map = json!({"metadata": {"name": name, "labels": labels}, "data": {"count": "0"}});
        let map = serde_json::from_value(map).unwrap();
        self.maps.namespace(namespace).create(&map).await.unwrap()
    }

    async fn set(&self, name: &str, count: usize) {
        let patch = json!({"data": {"count": count.to_string()}});
        self.maps
            .namespace("default")
            .merge_patch(name, &patch)
            .await
            .unwrap();
    }

    async fn delete(&self, name: &str) {
        self.maps.namespace("default").delete(name).await.unwrap();
    }

    fn factory(&self) -> InformerFactory {
        InformerFactory::new(&self.server.client())
    }

    fn requests(&self, verb: &str) -> Vec<LoggedRequest> {
        let matcher = Matcher::any().verb(verb);
        let all = self.server.request_log().into_iter();
        all.filter(|request| request.is(&matcher)).collect()
    }
}

fn count(map: &ConfigMap) -> String {
    map.data.as_ref().unwrap()["count"].clone()
}

/// A change in short.
fn short(delta: &Delta<ConfigMap>) -> String {
    let (name, count) = (delta.key().name, count(delta.object()));
    match delta {
        Delta::Added(_) => format!("added {name} {count}"),
        Delta::Updated { .. } if delta.is_resync() => format!("resync {name} {count}"),
        Delta::Updated { .. } => format!("updated {name} {count}"),
        Delta::Deleted { state, .. } => format!("deleted {name} {count} {state:?}"),
    }
}

async fn next(changes: &mut Subscription<ConfigMap>) -> String {
    let delta = tokio::time::timeout(DEADLINE, changes.recv()).await;
    let delta = delta.expect("a change comes in time");
    delta.as_ref().map_or("the end".to_owned(), short)
}

async fn synced(factory: &InformerFactory) {
    factory.start();
    factory.wait_for_sync(DEADLINE).await.unwrap();
}

/// The invariant of the factory.
#[tokio::test]
async fn one_watch_per_kind_and_scope() {
    let world = World::new().await;
    world.create("a").await;
    let factory = world.factory();
    let (one, two) = (factory.informer::<ConfigMap>(), factory.informer::<ConfigMap>());
    let here = factory.informer_of::<ConfigMap>(WatchScope::namespace("default"));
    // A cluster-scoped kind is the same in every namespace.
    factory.informer::<Namespace>();
    factory.informer_of::<Namespace>(WatchScope::namespace("default"));
    synced(&factory).await;
    let lister = factory.lister::<ConfigMap>();
    let key = ObjectKey::namespaced("default", "a");
    let first = one.lister().get(&key).unwrap();
    for other in [two.lister(), lister] {
        assert!(Arc::ptr_eq(&first, &other.get(&key).unwrap()));
    }
    assert!(!Arc::ptr_eq(&first, &here.lister().get(&key).unwrap()));
    eventually("three watches", || world.requests("watch").len() == 3).await;
    assert!(world.requests("list").is_empty());
}

/// The invariant of an informer: each change once and in order, from the state at the subscription on. Together with
/// that of the whole module: what was handed out stays as it was.
#[tokio::test]
async fn a_late_subscriber_gets_the_state_then_every_change() {
    const CHANGES: usize = 40;
    let world = World::new().await;
    world.create("a").await;
    let factory = world.factory();
    let informer = factory.informer::<ConfigMap>();
    let mut early = informer.subscribe();
    synced(&factory).await;
    let held = informer
        .lister()
        .get(&ObjectKey::namespaced("default", "a"))
        .unwrap();
    // How far the cache is behind the server at each of these is left to chance.
    let mut late = Vec::new();
    for count in 1..=CHANGES {
        world.set("a", count).await;
        late.push(informer.subscribe());
    }
    world.create("b").await;
    world.delete("a").await;
    for changes in [&mut early].into_iter().chain(&mut late) {
        let first = next(changes).await;
        let seen: usize = first.strip_prefix("added a ").unwrap().parse().unwrap();
        for count in seen + 1..=CHANGES {
            assert_eq!(next(changes).await, format!("updated a {count}"));
        }
        assert_eq!(next(changes).await, "added b 0");
        assert_eq!(next(changes).await, format!("deleted a {CHANGES} Final"));
        assert!(changes.has_synced());
    }
    assert_eq!(count(&held), "0");
    factory.shutdown();
    assert_eq!(next(&mut early).await, "the end");
}

/// Adds up what it is told, and waits for a permit with each.
struct Slow {
    seen: Arc<AtomicUsize>,
    permits: Arc<tokio::sync::Semaphore>,
}

impl EventHandler<ConfigMap> for Slow {
    async fn added(&self, _: Arc<ConfigMap>) {
        self.permits.acquire().await.unwrap().forget();
        self.seen.fetch_add(1, Ordering::SeqCst);
    }

    async fn updated(&self, _: Earlier<ConfigMap>, new: Arc<ConfigMap>) {
        self.added(new).await;
    }

    async fn deleted(&self, object: Arc<ConfigMap>, _: LastState) {
        self.added(object).await;
    }
}

#[tokio::test]
async fn a_slow_or_panicking_handler_delays_nobody() {
    const OBJECTS: usize = 8;
    let world = World::new().await;
    let factory = world.factory();
    let informer = factory.informer::<ConfigMap>();
    let (seen, permits) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(tokio::sync::Semaphore::new(0)),
    );
    let slow = Slow {
        seen: Arc::clone(&seen),
        permits: Arc::clone(&permits),
    };
    let _slow = informer.add_event_handler(slow);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let _panicking = informer.add_event_handler(on_change(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        panic!("as the test wants it");
    }));
    let names = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&names);
    let mut quick = informer.add_event_handler(on_change(move |delta| {
        collected.lock().unwrap().push(delta.key().name);
    }));
    synced(&factory).await;
    assert!(quick.wait_for_sync().await);
    let expected: Vec<_> = (0..OBJECTS).map(|at| format!("m{at}")).collect();
    for name in &expected {
        world.create(name).await;
    }
    eventually("the quick handler has all", || *names.lock().unwrap() == expected).await;
    eventually("the panicking handler was called each time", || {
        calls.load(Ordering::SeqCst) == OBJECTS
    })
    .await;
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    permits.add_permits(OBJECTS);
    eventually("the slow handler has all", || {
        seen.load(Ordering::SeqCst) == OBJECTS
    })
    .await;

    // Removed, it hears nothing more.
    quick.remove();
    world.create("late").await;
    eventually("the panicking handler goes on", || {
        calls.load(Ordering::SeqCst) == OBJECTS + 1
    })
    .await;
    assert_eq!(*names.lock().unwrap(), expected);
}

#[tokio::test]
async fn resync_replays_as_is_resync() {
    let world = World::new().await;
    world.create("a").await;
    let factory = InformerFactory::builder(&world.server.client())
        .resync(Duration::from_millis(20))
        .build();
    let informer = factory.informer::<ConfigMap>();
    let (mut with, mut without) = (informer.subscribe(), informer.subscribe_with(None));
    synced(&factory).await;
    assert_eq!(next(&mut with).await, "added a 0");
    for _ in 0..3 {
        assert_eq!(next(&mut with).await, "resync a 0");
    }
    // Only its own changes are between the two, whatever was replayed to the other.
    world.set("a", 1).await;
    assert_eq!(next(&mut without).await, "added a 0");
    assert_eq!(next(&mut without).await, "updated a 1");
    let mut update = next(&mut with).await;
    while update == "resync a 0" {
        update = next(&mut with).await;
    }
    assert_eq!(update, "updated a 1");
    assert_eq!(next(&mut with).await, "resync a 1");
}

/// The invariant of a reflector: what a watch missed is covered by the next list.
// With time paused, the cache's delay after a failure passes only once the server has nothing to do.
#[tokio::test(start_paused = true)]
async fn a_deletion_missed_during_compaction_is_last_known() {
    let world = World::new().await;
    world.create("a").await;
    world.create("b").await;
    let factory = world.factory();
    let informer = factory.informer::<ConfigMap>();
    let mut changes = informer.subscribe();
    synced(&factory).await;
    assert_eq!(next(&mut changes).await, "added a 0");
    assert_eq!(next(&mut changes).await, "added b 0");

    // The connection of the cache is refused; the test's own requests are not watches.
    let away = kube::core::Status::failure("as told", "ServiceUnavailable").with_code(503);
    world.server.fail_next(Matcher::any().verb("watch"), away);
    world.server.drop_watches();
    world.delete("a").await;
    world.set("b", 1).await;
    world.server.compact();
    assert_eq!(next(&mut changes).await, "updated b 1");
    assert_eq!(next(&mut changes).await, "deleted a 0 LastKnown");
    // A list is counted once all of it is told.
    while informer.status().lists < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(informer.status().lists, 2);
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_watch() {
    let world = World::new().await;
    let probe = Arc::new(());
    let factory = world.factory();
    let informer = factory.informer::<ConfigMap>();
    // The cache holds the function of its index, and so tells whether it is still there.
    let held = Arc::clone(&probe);
    let values = move |_: &ConfigMap| {
        let _ = &held;
        Vec::new()
    };
    informer.add_index("probe", values).unwrap();
    let lister = informer.lister();
    let mut changes = informer.subscribe();
    synced(&factory).await;
    drop((factory, informer));
    world.create("a").await;
    assert_eq!(next(&mut changes).await, "added a 0");
    drop(changes);
    // Somebody may still read.
    world.create("b").await;
    eventually("the cache goes on", || lister.len() == 2).await;
    drop(lister);
    eventually("the cache is gone", || Arc::strong_count(&probe) == 1).await;
}

#[tokio::test]
async fn wait_for_sync_is_about_what_was_asked_for_before() {
    let world = World::new().await;
    world.server.delay(Matcher::any().resource("secrets"), DEADLINE);
    let factory = world.factory();
    factory.informer::<ConfigMap>();
    factory.start();
    // Polled first, so that the wait has begun when the other kind is asked for.
    let (synced, secrets) = tokio::join!(factory.wait_for_sync(DEADLINE), async {
        factory.informer::<Secret>()
    });
    synced.unwrap();
    assert!(!secrets.has_synced());
}

#[tokio::test]
async fn wait_for_sync_names_the_kind_and_error() {
    let world = World::new().await;
    let forbidden = kube::core::Status::failure("as told", "Forbidden").with_code(403);
    for _ in 0..64 {
        let matcher = Matcher::any().resource("secrets");
        world.server.fail_next(matcher, forbidden.clone());
    }
    let factory = world.factory();
    factory.informer::<ConfigMap>();
    let scope = WatchScope::namespace("default").labels("app=x");
    let secrets = factory.informer_of::<Secret>(scope);
    factory.start();
    eventually("the failure is known", || secrets.status().last_error.is_some()).await;
    assert!(!secrets.lister().has_synced());
    eventually("the other kind syncs", || {
        factory.lister::<ConfigMap>().has_synced()
    })
    .await;
    let error = factory.wait_for_sync(Duration::from_millis(1)).await.unwrap_err();
    let [secret] = &error.kinds[..] else {
        panic!("{error}");
    };
    assert_eq!(secret.kind, "Secret with namespace default with labels app=x");
    assert!(
        secret.last_error.as_ref().unwrap().contains("as told"),
        "{secret:?}"
    );
    assert!(
        error.to_string().starts_with("caches did not sync: Secret with"),
        "{error}"
    );
    // A stop ends the wait.
    let waiting = factory.wait_for_sync(DEADLINE);
    secrets.stop();
    assert_eq!(waiting.await.unwrap_err().kinds.len(), 1);
    assert_eq!(secrets.wait_for_sync().await.unwrap_err().kind, "Secret");
}

#[tokio::test]
async fn index_clash_is_an_error() {
    let world = World::new().await;
    world.create("a").await;
    let factory = world.factory();
    let (one, two) = (factory.informer::<ConfigMap>(), factory.informer::<ConfigMap>());
    one.add_index("count", |map| vec![count(map)]).unwrap();
    let error = two.add_index("count", |_| Vec::new()).unwrap_err();
    assert_eq!((&*error.index, &*error.kind), ("count", "ConfigMap"));
    synced(&factory).await;
    assert_eq!(two.lister().by_index("count", "0").unwrap().len(), 1);
}

/// The invariant of listers: they share objects and ask nobody.
#[tokio::test]
async fn lister_by_namespace_selector_and_index() {
    let world = World::new().await;
    for (name, namespace, app) in [
        ("a", "default", "x"),
        ("b", "default", "y"),
        ("a", "kube-system", "x"),
    ] {
        world.create_labelled(name, namespace, json!({"app": app})).await;
    }
    let factory = world.factory();
    let informer = factory.informer::<ConfigMap>();
    let lister = informer.lister();
    assert!(!lister.has_synced() && lister.is_empty());
    synced(&factory).await;
    assert!(lister.has_synced());
    let labels = |map: &ConfigMap| {
        map.metadata
            .labels
            .iter()
            .flatten()
            .map(|(_, value)| value.clone())
            .collect()
    };
    informer.add_index("app", labels).unwrap();
    eventually("the watch is logged", || !world.requests("watch").is_empty()).await;
    let asked = world.server.request_log().len();

    let keys = |maps: Vec<Arc<ConfigMap>>| {
        let mut keys: Vec<_> = maps.iter().map(|map| ObjectKey::of(&**map).to_string()).collect();
        keys.sort();
        keys
    };
    let selector = kube::core::Selector::from_iter(BTreeMap::from([("app".to_owned(), "x".to_owned())]));
    assert_eq!(keys(lister.list()), ["default/a", "default/b", "kube-system/a"]);
    assert_eq!(keys(lister.select(&selector)), ["default/a", "kube-system/a"]);
    let here = lister.namespace("default");
    assert_eq!(keys(here.list()), ["default/a", "default/b"]);
    assert_eq!(keys(here.select(&selector)), ["default/a"]);
    assert_eq!(
        keys(lister.by_index("app", "x").unwrap()),
        ["default/a", "kube-system/a"]
    );
    assert!(lister.by_index("app", "z").unwrap().is_empty());
    let unknown = lister.by_index("node", "z").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "look up \"z\" in index \"node\" of ConfigMap: there is no such index; `add_index` makes one"
    );
    let held = here.get("a").unwrap();
    assert!(
        lister
            .by_index("app", "x")
            .unwrap()
            .iter()
            .any(|map| Arc::ptr_eq(map, &held))
    );
    assert_eq!(world.server.request_log().len(), asked);
}

#[tokio::test]
async fn a_stopped_informer_is_replaced_and_its_subscriptions_end() {
    let world = World::new().await;
    world.create("a").await;
    let factory = world.factory();
    let first = factory.informer::<ConfigMap>();
    let mut before = first.subscribe();
    // There is no task yet that could end it.
    first.stop();
    assert_eq!(next(&mut before).await, "the end");
    first.start();
    assert!(first.wait_for_sync().await.is_err());

    let second = factory.informer::<ConfigMap>();
    synced(&factory).await;
    let mut changes = second.subscribe();
    assert_eq!(next(&mut changes).await, "added a 0");
    second.stop();
    assert_eq!(next(&mut changes).await, "the end");
    let third = factory.informer::<ConfigMap>();
    third.wait_for_sync().await.unwrap();
    world.create("b").await;
    eventually("the third is fed", || third.lister().len() == 2).await;
    assert_eq!(second.lister().len(), 1);

    // A factory ends those that it has not started as well.
    let idle = world.factory();
    let mut never = idle.informer::<ConfigMap>().subscribe();
    idle.stopped().cancel();
    assert!(!idle.stopped().is_cancelled(), "that is the factory's own");
    idle.shutdown();
    assert_eq!(next(&mut never).await, "the end");
    assert!(idle.stopped().is_cancelled());
}

#[tokio::test]
async fn an_informer_needs_no_factory() {
    let world = World::new().await;
    world.create("a").await;
    let scope = WatchScope::namespace("default").fields("metadata.name=a");
    let informer = Informer::<ConfigMap>::new(&world.server.client(), &scope, ReflectorConfig::default());
    informer.start();
    informer.wait_for_sync().await.unwrap();
    world.create("b").await;
    world.set("a", 1).await;
    eventually("the change is there", || {
        informer.lister().list().iter().any(|map| count(map) == "1")
    })
    .await;
    assert_eq!(informer.lister().len(), 1);
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A cache leaves the annotation of `kubectl apply` out, and a write of what it held does not remove it.
#[tokio::test]
async fn an_update_from_a_trimmed_cache_keeps_what_was_applied() {
    let world = World::new().await;
    let maps = world.maps.namespace("default");
    let applied = |name: &str, annotations: serde_json::Value| {
        let map = json!({"metadata": {"name": name, "annotations": annotations}, "data": {"count": "0"}});
        serde_json::from_value::<ConfigMap>(map).unwrap()
    };
    for map in [
        applied("alone", json!({LAST_APPLIED: "{\"a\": 1}"})),
        applied("beside", json!({LAST_APPLIED: "{}", "kept": "yes"})),
        applied("without", json!({"kept": "yes"})),
    ] {
        maps.create(&map).await.unwrap();
    }
    let factory = world.factory();
    let lister = factory.lister::<ConfigMap>();
    factory.start();
    factory.wait_for_sync(DEADLINE).await.unwrap();
    let cached = |name: &str| ConfigMap::clone(&lister.namespace("default").get(name).unwrap());

    for (name, expected, reads) in [
        ("alone", json!({LAST_APPLIED: "{\"a\": 1}"}), 1),
        ("beside", json!({LAST_APPLIED: "{}", "kept": "yes"}), 1),
        ("without", json!({"kept": "yes"}), 0),
    ] {
        let mut map = cached(name);
        let annotations = map.metadata.annotations.clone().unwrap_or_default();
        assert!(!annotations.contains_key(LAST_APPLIED), "{name}");
        map.data.as_mut().unwrap().insert("count".into(), "1".into());
        let before = world.requests("get").len();
        let answer = maps.update(&map).await.unwrap();
        assert_eq!(world.requests("get").len() - before, reads, "{name}");
        assert_eq!(json!(answer.metadata.annotations), expected, "{name}");
        assert_eq!(answer.metadata.self_link, None);
        let now = maps.get(name).await.unwrap();
        assert_eq!(json!(now.metadata.annotations), expected, "{name}");
        assert_eq!(count(&now), "1");

        // What was changed in between still is a conflict, and nothing is written.
        let error = maps.update(&map).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
    }

    // Whoever sets it means it.
    eventually("the cache has the updates", || count(&cached("alone")) == "1").await;
    let mut map = cached("alone");
    map.metadata.annotations = Some(BTreeMap::from([(LAST_APPLIED.to_owned(), "mine".to_owned())]));
    let answer = maps.update(&map).await.unwrap();
    assert_eq!(json!(answer.metadata.annotations), json!({LAST_APPLIED: "mine"}));
}

/// What the transform takes away is in no cache, no event and no index, be it from the list or from the watch.
#[tokio::test]
async fn a_transform_is_done_before_anybody_sees_an_object() {
    let world = World::new().await;
    world.create("listed").await;
    let factory = world.factory();
    let informer = factory.informer::<ConfigMap>();
    informer
        .set_transform(|map| {
            if let Some(count) = map.data.take().and_then(|mut data| data.remove("count")) {
                let annotations = map.metadata.annotations.get_or_insert_default();
                annotations.insert("count".to_owned(), count);
            }
        })
        .unwrap();
    let annotated = |map: &ConfigMap| map.metadata.annotations.as_ref().unwrap()["count"].clone();
    informer
        .add_index("count", move |map| vec![annotated(map)])
        .unwrap();
    let mut changes = informer.subscribe();
    factory.start();
    let error = informer.set_transform(|_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "set the transform of ConfigMap: its cache was started; set it before `start`"
    );
    factory.wait_for_sync(DEADLINE).await.unwrap();
    world.set("listed", 7).await;
    for expected in ["0", "7"] {
        let delta = tokio::time::timeout(DEADLINE, changes.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(delta.object().data, None);
        assert_eq!(annotated(delta.object()), expected);
    }
    assert_eq!(informer.lister().by_index("count", "7").unwrap().len(), 1);
}

/// The kind of config maps with what is needed of them alone.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Named {
    metadata: kube::core::ObjectMeta,
}

impl kube::Resource for Named {
    type DynamicType = ();
    type Scope = kubewright::kind::Namespaced;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "ConfigMap".into()
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "configmaps".into()
    }

    fn meta(&self) -> &kube::core::ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
        &mut self.metadata
    }
}

/// A type with fewer fields than its objects have is a cache of these fields.
#[tokio::test]
async fn a_projected_cache_follows_objects_by_fewer_fields() {
    let world = World::new().await;
    world.create_labelled("a", "default", json!({"app": "web"})).await;
    let factory = world.factory();
    let (named, whole) = (factory.lister::<Named>(), factory.lister::<ConfigMap>());
    factory.start();
    factory.wait_for_sync(DEADLINE).await.unwrap();
    let found = named.namespace("default").get("a").unwrap();
    assert_eq!(found.metadata.labels.as_ref().unwrap()["app"], "web");
    assert_eq!(count(&whole.namespace("default").get("a").unwrap()), "0");
    world.set("a", 1).await;
    let before = found.metadata.resource_version.clone();
    eventually("the projected cache sees the change", || {
        let now = named.namespace("default").get("a").unwrap();
        now.metadata.resource_version != before
    })
    .await;
}

/// The server sends metadata alone, in the list and in the watch.
#[tokio::test]
async fn a_cache_of_metadata_asks_for_no_more() {
    let world = World::new().await;
    world.create_labelled("a", "default", json!({"app": "web"})).await;
    let factory = world.factory();
    let informer = factory.informer::<kube::core::PartialObjectMeta<ConfigMap>>();
    let lister = informer.add_label_index("app").lister();
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&kinds);
    informer
        .set_transform(move |map| {
            let kind = map.types.as_ref().map(|types| types.kind.clone());
            seen.lock().unwrap().push(kind);
        })
        .unwrap();
    factory.start();
    factory.wait_for_sync(DEADLINE).await.unwrap();
    let web = kube::core::Expression::Equal("app".into(), "web".into()).into();
    let before = lister.select(&web)[0].metadata.resource_version.clone();
    world.set("a", 1).await;
    eventually("the change", || {
        lister.select(&web)[0].metadata.resource_version != before
    })
    .await;
    let kinds = kinds.lock().unwrap();
    assert_eq!(
        *kinds,
        [
            Some("PartialObjectMetadata".to_owned()),
            Some("PartialObjectMetadata".to_owned())
        ]
    );
}
