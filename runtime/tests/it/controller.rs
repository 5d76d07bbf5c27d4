//! Controllers against the in-process server.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kubewright::Client;
use kubewright::backoff::Backoff;
use kubewright::cache::{InformerFactory, NamespaceSet, WatchScope};
use kubewright::client::InNamespace;
use kubewright::controller::{
    Action, Context, Controller, ErrorPolicy, Expectations, Predicate, Reconciler, RunError,
};
use kubewright::kind::ObjectKey;
use kubewright::metrics::Metrics;
use kubewright::metrics::prometheus_client::{encoding, registry::Registry};
use kubewright::owner::set_controller;
use kubewright::queue::RateLimit;
use kubewright_apiserver::{DevServer, Matcher};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(30);
/// A delay that a test does not live to see the end of.
const NEVER: Duration = Duration::from_secs(86_400);

/// Waits until `holds`, and names what was waited for when it does not come.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(DEADLINE, waiting).await.is_ok(),
        "waited {DEADLINE:?} for: {what}"
    );
}

/// A reconciler from a function of some state.
struct Does<S, F, E> {
    state: S,
    does: F,
    policy: ErrorPolicy,
    error: PhantomData<fn() -> E>,
}

impl<S, F, Fut, E> Reconciler for Does<S, F, E>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S, ObjectKey, Context<ConfigMap>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Action, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    type Object = ConfigMap;
    type Error = E;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> Result<Action, E> {
        (self.does)(self.state.clone(), key.clone(), cx.clone()).await
    }

    fn error_policy(&self, _: &ObjectKey, _: &E) -> ErrorPolicy {
        self.policy
    }
}

fn does<S, F, Fut, E>(state: S, does: F) -> Does<S, F, E>
where
    F: Fn(S, ObjectKey, Context<ConfigMap>) -> Fut,
    Fut: Future<Output = Result<Action, E>>,
{
    Does {
        state,
        does,
        policy: ErrorPolicy::Backoff,
        error: PhantomData,
    }
}

impl<S, F, E> Does<S, F, E> {
    fn policy(self, policy: ErrorPolicy) -> Self {
        Self { policy, ..self }
    }
}

/// What was reconciled, and when, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<(String, u32, Instant)>>>);

impl Calls {
    /// Notes a call, and says how many of this name there were before.
    fn note(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> usize {
        let before = self.of(&key.name);
        self.0
            .lock()
            .unwrap()
            .push((key.name.clone(), cx.retries(), Instant::now()));
        before
    }

    /// A reconciler that notes its calls, and is done.
    fn noting(&self) -> impl Reconciler<Object = ConfigMap> + use<> {
        does(self.clone(), async |calls, key, cx| {
            calls.note(&key, &cx);
            Ok::<_, &str>(Action::done())
        })
    }

    fn of(&self, name: &str) -> usize {
        self.all(name).len()
    }

    /// The count of retries and the time of each call.
    fn all(&self, name: &str) -> Vec<(u32, Instant)> {
        let calls = self.0.lock().unwrap();
        let of_name = calls.iter().filter(|(called, ..)| called == name);
        of_name.map(|(_, retries, at)| (*retries, *at)).collect()
    }

    async fn reach(&self, name: &str, times: usize) {
        eventually(&format!("{times} calls for {name}"), || self.of(name) >= times).await;
    }
}

struct World {
    server: DevServer,
    factory: InformerFactory,
    maps: Client<ConfigMap, InNamespace>,
    secrets: Client<Secret, InNamespace>,
    registry: Registry,
    metrics: Metrics,
}

/// A controller that runs.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl World {
    async fn new() -> Self {
        let server = DevServer::start().await.unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        Self {
            factory: InformerFactory::new(&server.client()),
            maps: Client::new(server.client()).namespace("default"),
            secrets: Client::new(server.client()).namespace("default"),
            server,
            registry,
            metrics,
        }
    }

    fn controller<R: Reconciler<Object = ConfigMap>>(&self, reconciler: R) -> Controller<R> {
        self.set_up(Controller::new(&self.factory, reconciler))
    }

    fn set_up<R: Reconciler>(&self, controller: Controller<R>) -> Controller<R> {
        controller.name("c").metrics(&self.metrics)
    }

    async fn make(&self, name: &str) -> ConfigMap {
        let map = serde_json::from_value(json!({"metadata": {"name": name}, "data": {"n": "0"}})).unwrap();
        self.maps.create(&map).await.unwrap()
    }

    async fn change(&self, name: &str, n: u32) {
        let patch = json!({"data": {"n": n.to_string()}});
        self.maps.merge_patch(name, &patch).await.unwrap();
    }

    async fn make_secret(&self, name: &str, owner: Option<&ConfigMap>) {
        let mut secret: Secret = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        secret.metadata.namespace = Some("default".into());
        if let Some(owner) = owner {
            set_controller(&mut secret, owner).unwrap();
        }
        self.secrets.create(&secret).await.unwrap();
    }

    /// A figure of the controller; no number as long as there is none.
    fn figure(&self, name: &str) -> f64 {
        let mut text = String::new();
        encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .map_or(f64::NAN, |figure| figure.parse().unwrap())
    }

    fn result(&self, result: &str) -> f64 {
        self.figure(&format!(
            r#"controller_runtime_reconcile_total{{controller="c",result="{result}"}}"#
        ))
    }

    fn count(&self, what: &str) -> f64 {
        self.figure(&format!(r#"controller_runtime_{what}{{controller="c"}}"#))
    }
}

impl Running {
    fn start<R: Reconciler>(controller: Controller<R>) -> Self {
        let stop = CancellationToken::new();
        Self {
            task: tokio::spawn(controller.run_until(stop.clone().cancelled_owned())),
            stop,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.end().await.unwrap();
    }

    async fn end(self) -> Result<(), RunError> {
        tokio::time::timeout(DEADLINE, self.task)
            .await
            .expect("the controller ends")
            .unwrap()
    }
}

fn n_of(cx: &Context<ConfigMap>, key: &ObjectKey) -> Option<u32> {
    cx.lister().get(key)?.data.as_ref()?["n"].parse().ok()
}

fn backoff(initial: Duration) -> RateLimit {
    RateLimit {
        per_key: Backoff::exponential(initial, NEVER),
        overall: None,
    }
}

#[tokio::test]
async fn a_mapper_that_panics_loses_one_change() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world.controller(calls.noting()).watches::<Secret>(|secret| {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        assert_ne!(name, "bad", "a mistake of the user");
        vec![ObjectKey::namespaced("default", name)]
    });
    let running = Running::start(controller);
    world.make_secret("bad", None).await;
    world.make_secret("good", None).await;
    calls.reach("good", 1).await;
    assert_eq!(calls.of("bad"), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_filter_that_panics_lets_the_change_pass() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world
        .controller(calls.noting())
        .filter(Predicate::new(|_| panic!("a mistake of the user")))
        .owns_with(Predicate::<Secret>::new(|_| panic!("another one")));
    let running = Running::start(controller);
    let owner = world.make("a").await;
    world.make("b").await;
    calls.reach("a", 1).await;
    calls.reach("b", 1).await;
    world.make_secret("child", Some(&owner)).await;
    calls.reach("a", 2).await;
    running.stop().await;
}

/// An error that cannot be printed.
#[derive(Debug)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("a mistake in Display")
    }
}

impl std::error::Error for Unprintable {}

/// A future whose drop panics.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a mistake in Drop");
        }
    }
}

#[tokio::test]
async fn an_endless_requeue_keeps_the_worker() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world
        .controller(does(calls.clone(), async |calls, key, cx| {
            calls.note(&key, &cx);
            Ok::<_, &str>(Action::requeue_after(Duration::MAX))
        }))
        .grace(Duration::MAX)
        .reconcile_timeout(Duration::MAX);
    let running = Running::start(controller);
    world.make("a").await;
    calls.reach("a", 1).await;
    world.make("b").await;
    calls.reach("b", 1).await;
    eventually("both counted", || world.result("requeue_after") >= 2.0).await;
    running.stop().await;
}

#[tokio::test]
async fn what_panics_around_a_reconciliation_keeps_the_worker_and_the_key() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world
        .controller(does(calls.clone(), async |calls, key, cx| {
            match (calls.note(&key, &cx), key.name.as_str()) {
                (0, "prints") => Err(Unprintable),
                (0, "drops") => {
                    let _guard = PanicsWhenDropped;
                    std::future::pending().await
                }
                _ => Ok(Action::done()),
            }
        }))
        .rate_limit(backoff(Duration::from_millis(1)))
        .reconcile_timeout(Duration::from_millis(20));
    let running = Running::start(controller);
    for name in ["prints", "drops"] {
        world.make(name).await;
        calls.reach(name, 2).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn workers_wait_for_every_cache_of_the_factory() {
    // SC-18: a kind that the controller neither owns nor watches, asked for before it runs.
    let world = World::new().await;
    world.make("a").await;
    world.make_secret("s", None).await;
    let secrets = || Matcher::any().resource("secrets");
    world.server.delay(secrets(), Duration::from_millis(200));
    world.factory.lister::<Secret>();
    let calls = Calls::default();
    let found = Arc::new(AtomicU32::new(0));
    let state = (calls.clone(), Arc::clone(&found));
    let running = Running::start(world.controller(does(state, async |(calls, found), key, cx| {
        calls.note(&key, &cx);
        let secret = cx
            .lister_of::<Secret>()
            .get(&ObjectKey::namespaced("default", "s"));
        found.fetch_add(u32::from(secret.is_some()), Ordering::SeqCst);
        Ok::<_, &str>(Action::done())
    })));
    calls.reach("a", 1).await;
    running.stop().await;
    let calls = u32::try_from(calls.0.lock().unwrap().len()).unwrap();
    assert_eq!(found.load(Ordering::SeqCst), calls);

    // Where it never fills the error names it.
    world.server.delay(secrets(), NEVER);
    let factory = InformerFactory::new(&world.server.client());
    factory.lister::<Secret>();
    let controller = Controller::new(&factory, does((), async |(), _, _| Ok::<_, &str>(Action::done())));
    let outcome = controller.sync_timeout(Duration::from_millis(300)).run().await;
    let Err(RunError::CachesNotSynced { source, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    let kinds: Vec<_> = source.kinds.iter().map(|kind| kind.kind.as_str()).collect();
    assert_eq!(kinds, ["Secret"]);
}

#[tokio::test]
async fn a_stopped_cache_ends_the_run_and_a_stopped_factory_is_no_error() {
    let world = World::new().await;
    let nothing = || does((), async |(), _, _| Ok::<_, &str>(Action::done()));
    let running = Running::start(world.controller(nothing()).watches::<Secret>(|_| Vec::new()));
    let secrets = world.factory.informer::<Secret>();
    eventually("the workers", || world.count("max_concurrent_reconciles") >= 1.0).await;
    secrets.stop();
    let outcome = running.end().await;
    assert!(
        matches!(&outcome, Err(RunError::TaskEnded { source: None, .. })),
        "{outcome:?}"
    );

    // One that was stopped before it filled is found without waiting for it.
    let factory = InformerFactory::new(&world.server.client());
    let controller = Controller::new(&factory, nothing()).owns::<Secret>();
    factory.informer::<Secret>().stop();
    let outcome = Running::start(controller.sync_timeout(NEVER)).end().await;
    assert!(
        matches!(&outcome, Err(RunError::CachesNotSynced { .. })),
        "{outcome:?}"
    );

    let factory = InformerFactory::new(&world.server.client());
    let controller = world.set_up(Controller::new(&factory, nothing()).owns::<Secret>());
    let running = Running::start(controller.name("other"));
    let workers = r#"controller_runtime_max_concurrent_reconciles{controller="other"}"#;
    eventually("the workers", || {
        factory.informer::<ConfigMap>().has_synced() && world.figure(workers) >= 1.0
    })
    .await;
    factory.shutdown();
    running.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_never_runs_twice_at_once() {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let world = World::new().await;
    let busy: Arc<BTreeMap<&str, AtomicBool>> =
        Arc::new(NAMES.iter().map(|name| (*name, AtomicBool::new(false))).collect());
    let seen: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let twice = Arc::new(AtomicBool::new(false));
    let state = (Arc::clone(&busy), Arc::clone(&seen), Arc::clone(&twice));
    let controller = world.controller(does(state, async |(busy, seen, twice), key, cx| {
        let Some(busy) = busy.get(key.name.as_str()) else {
            return Ok(Action::done());
        };
        if busy.swap(true, Ordering::SeqCst) {
            twice.store(true, Ordering::SeqCst);
        }
        let n = n_of(&cx, &key).unwrap_or_default();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        seen.lock().unwrap().insert(key.name, n);
        busy.store(false, Ordering::SeqCst);
        Ok::<_, &str>(Action::done())
    }));
    let running = Running::start(controller.workers(8));
    for name in NAMES {
        world.make(name).await;
    }
    for n in 1..=40 {
        for name in NAMES {
            world.change(name, n).await;
        }
    }
    // The last state is reconciled last, though it came while an older one was.
    eventually("the last state of each", || {
        let seen = seen.lock().unwrap();
        NAMES.iter().all(|name| seen.get(*name) == Some(&40))
    })
    .await;
    running.stop().await;
    assert!(!twice.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_change_during_reconcile_runs_again() {
    let world = World::new().await;
    let calls = Calls::default();
    let gate = Arc::new(Semaphore::new(0));
    let seen: Arc<Mutex<Vec<Option<u32>>>> = Arc::default();
    let state = (calls.clone(), Arc::clone(&gate), Arc::clone(&seen));
    let controller = world.controller(does(state, async |(calls, gate, seen), key, cx| {
        let n = n_of(&cx, &key);
        if key.name == "a" {
            seen.lock().unwrap().push(n);
        }
        if calls.note(&key, &cx) == 0 && key.name == "a" {
            gate.acquire().await.unwrap().forget();
        }
        Ok::<_, &str>(Action::done())
    }));
    let running = Running::start(controller);
    world.make("a").await;
    calls.reach("a", 1).await;
    world.change("a", 1).await;
    world.change("a", 2).await;
    let lister = world.factory.lister::<ConfigMap>();
    let key = ObjectKey::namespaced("default", "a");
    eventually("the cache to know", || {
        lister
            .get(&key)
            .is_some_and(|map| map.data.as_ref().unwrap()["n"] == "2")
    })
    .await;
    gate.add_permits(1);
    calls.reach("a", 2).await;
    world.make("z").await;
    calls.reach("z", 1).await;
    assert_eq!(*seen.lock().unwrap(), [Some(0), Some(2)]);
    running.stop().await;
}

#[tokio::test]
async fn terminal_waits_for_a_change() {
    let world = World::new().await;
    let calls = Calls::default();
    let reconciler = does(calls.clone(), async |calls, key, cx| {
        calls.note(&key, &cx);
        if key.name == "a" {
            Err("it makes no sense")
        } else {
            Ok(Action::done())
        }
    })
    .policy(ErrorPolicy::Terminal);
    // A retry would come at once, before the next key.
    let controller = world.controller(reconciler).rate_limit(backoff(Duration::ZERO));
    let running = Running::start(controller);
    world.make("a").await;
    calls.reach("a", 1).await;
    world.make("z").await;
    calls.reach("z", 1).await;
    assert_eq!(calls.of("a"), 1);
    world.change("a", 1).await;
    calls.reach("a", 2).await;
    running.stop().await;
    let retries: Vec<_> = calls.all("a").iter().map(|(retries, _)| *retries).collect();
    assert_eq!(retries, [0, 0], "the count begins anew");
    assert!((world.count("terminal_reconcile_errors_total") - 2.0).abs() < 0.1);
    assert!((world.result("error") - 2.0).abs() < 0.1);
}

#[tokio::test]
async fn after_uses_its_delay() {
    const DELAY: Duration = Duration::from_millis(50);
    let world = World::new().await;
    let calls = Calls::default();
    let reconciler = does(calls.clone(), async |calls, key, cx| {
        match calls.note(&key, &cx) {
            0 | 1 => Err("not yet"),
            _ => Ok(Action::done()),
        }
    })
    .policy(ErrorPolicy::After(DELAY));
    let running = Running::start(world.controller(reconciler).rate_limit(backoff(NEVER)));
    world.make("a").await;
    calls.reach("a", 3).await;
    world.change("a", 1).await;
    calls.reach("a", 4).await;
    running.stop().await;
    let all = calls.all("a");
    let retries: Vec<_> = all.iter().map(|(retries, _)| *retries).collect();
    assert_eq!(retries, [0, 1, 2, 0], "failures in a row");
    for pair in all[..3].windows(2) {
        assert!(pair[1].1 - pair[0].1 >= DELAY);
    }
}

#[tokio::test]
async fn a_panic_backs_off_and_counts() {
    const DELAY: Duration = Duration::from_millis(20);
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world.controller(does(calls.clone(), async |calls, key, cx| {
        if key.name == "a" && calls.note(&key, &cx) < 2 {
            panic!("a mistake of the user");
        }
        Ok::<_, &str>(Action::done())
    }));
    let running = Running::start(controller.rate_limit(backoff(DELAY)));
    world.make("a").await;
    calls.reach("a", 3).await;
    running.stop().await;
    let all = calls.all("a");
    let retries: Vec<_> = all.iter().map(|(retries, _)| *retries).collect();
    assert_eq!(retries, [0, 1, 2]);
    assert!(all[1].1 - all[0].1 >= DELAY && all[2].1 - all[1].1 >= DELAY * 2);
    assert!((world.count("reconcile_panics_total") - 2.0).abs() < 0.1);
    assert!((world.count("reconcile_errors_total") - 2.0).abs() < 0.1);
    assert!(world.count("active_workers").abs() < 0.1);
}

#[tokio::test]
async fn reconcile_timeout_counts() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world
        .controller(does(calls.clone(), async |calls, key, cx| {
            if key.name == "a" && calls.note(&key, &cx) == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, &str>(Action::done())
        }))
        .reconcile_timeout(Duration::from_millis(50))
        .rate_limit(backoff(Duration::from_millis(1)));
    let running = Running::start(controller);
    world.make("a").await;
    calls.reach("a", 2).await;
    running.stop().await;
    assert!((world.count("reconcile_timeouts_total") - 1.0).abs() < 0.1);
    assert!((world.result("error") - 1.0).abs() < 0.1);
}

/// Says when it is dropped.
struct SaysDropped(Arc<AtomicBool>);

impl Drop for SaysDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn grace_exceeded_is_reported() {
    let world = World::new().await;
    let calls = Calls::default();
    let dropped = Arc::new(AtomicBool::new(false));
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let state = (calls.clone(), Arc::clone(&dropped), Arc::new(Mutex::new(blocked)));
    let controller = world.controller(does(state, async |(calls, dropped, blocked), key, cx| {
        match key.name.as_str() {
            "waits" => {
                let _guard = SaysDropped(dropped);
                calls.note(&key, &cx);
                std::future::pending::<()>().await;
            }
            "blocks" => {
                calls.note(&key, &cx);
                // What this thread has woken runs first.
                tokio::task::yield_now().await;
                let _ = blocked.lock().unwrap().recv();
            }
            _ => {}
        }
        Ok::<_, &str>(Action::done())
    }));
    let running = Running::start(controller.workers(3).grace(Duration::from_millis(50)));
    world.make("waits").await;
    calls.reach("waits", 1).await;
    world.make("blocks").await;
    calls.reach("blocks", 1).await;
    running.stop.cancel();
    let outcome = running.end().await;
    assert!(
        matches!(&outcome, Err(RunError::GraceExceeded { running: 2, .. })),
        "{outcome:?}"
    );
    assert!(dropped.load(Ordering::SeqCst), "what waits is dropped by then");
    drop(release);
}

#[tokio::test]
async fn graceful_shutdown_finishes_what_runs() {
    // SC-20
    let world = World::new().await;
    let calls = Calls::default();
    let gate = Arc::new(Semaphore::new(0));
    let finished: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let state = (calls.clone(), Arc::clone(&gate), Arc::clone(&finished));
    let controller = world.controller(does(state, async |(calls, gate, finished), key, cx| {
        calls.note(&key, &cx);
        cx.stopping().cancelled().await;
        gate.acquire().await.unwrap().forget();
        finished.lock().unwrap().insert(key.name);
        Ok::<_, &str>(Action::done())
    }));
    let mut running = Running::start(controller);
    world.make("a").await;
    calls.reach("a", 1).await;
    world.make("b").await;
    let depth = r#"workqueue_depth{name="c",controller="c"}"#;
    eventually("b to wait", || world.figure(depth) >= 1.0).await;
    running.stop.cancel();
    tokio::select! {
        biased;
        outcome = &mut running.task => panic!("it did not wait: {outcome:?}"),
        () = tokio::task::yield_now() => {}
    }
    gate.add_permits(2);
    running.end().await.unwrap();
    assert_eq!(*finished.lock().unwrap(), BTreeSet::from(["a".to_owned()]));
    assert_eq!(calls.of("b"), 0);
}

#[tokio::test]
async fn in_scope_children_stay_in_the_namespace() {
    let world = World::new().await;
    let calls = Calls::default();
    let children = Arc::new(AtomicU32::new(0));
    let state = (calls.clone(), Arc::clone(&children));
    let reconciler = does(state, async |(calls, seen), key, cx| {
        calls.note(&key, &cx);
        let children = cx.lister_of::<Secret>().namespace("default").list().len();
        seen.store(u32::try_from(children).unwrap(), Ordering::SeqCst);
        assert_eq!(cx.lister_of::<ConfigMap>().len(), cx.lister().len());
        Ok::<_, &str>(Action::done())
    });
    let scope = WatchScope::namespace("default").labels("app=x");
    let controller = Controller::in_scope(&world.factory, scope, reconciler)
        .owns::<Secret>()
        .watches_in(
            WatchScope::namespace("kube-system").labels("app=y"),
            Predicate::<Secret>::resource_version_changed(),
            |secret| {
                secret
                    .metadata
                    .name
                    .iter()
                    .map(|name| ObjectKey::namespaced("default", name))
                    .collect()
            },
        );
    let running = Running::start(world.set_up(controller));
    let map = json!({"metadata": {"name": "a", "labels": {"app": "x"}}});
    let owner = world
        .maps
        .create(&serde_json::from_value(map).unwrap())
        .await
        .unwrap();
    calls.reach("a", 1).await;
    let before = calls.of("a");
    world.make_secret("child", Some(&owner)).await;
    calls.reach("a", before + 1).await;
    eventually("the child in the reconciler's cache", || {
        children.load(Ordering::SeqCst) == 1
    })
    .await;
    let secret = json!({"metadata": {"name": "elsewhere", "labels": {"app": "y"}}});
    Client::<Secret>::new(world.server.client())
        .namespace("kube-system")
        .create(&serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    calls.reach("elsewhere", 1).await;
    running.stop().await;

    let mut read = BTreeSet::new();
    for request in world.server.request_log() {
        let Some(path) = request
            .resource
            .filter(|_| matches!(request.verb, Some("list" | "watch")))
        else {
            continue;
        };
        let labels = request.uri.contains("labelSelector");
        read.insert((path.resource, path.namespace.unwrap_or_default(), labels));
    }
    read.retain(|(resource, ..)| resource == "configmaps" || resource == "secrets");
    let owned = |resource: &str, namespace: &str, labels| (resource.to_owned(), namespace.to_owned(), labels);
    assert_eq!(
        read,
        BTreeSet::from([
            owned("configmaps", "default", true),
            owned("secrets", "default", false),
            owned("secrets", "kube-system", true),
        ])
    );
}

#[tokio::test]
async fn a_controller_follows_the_namespaces_of_its_factory_alone() {
    let world = World::new().await;
    let calls = Calls::default();
    let namespaces = NamespaceSet::of(["default"]);
    let client = world.server.client();
    let factory = InformerFactory::builder(&client).namespaces(&namespaces).build();
    let controller = Controller::new(&factory, calls.noting()).owns::<Secret>();
    let rules = controller.rules();
    assert!(
        rules.policy_rules(None).iter().all(|rule| {
            let resources = rule.resources.iter().flatten();
            resources.filter(|resource| *resource == "secrets").count() == 0
        }),
        "{rules:?}"
    );
    let running = Running::start(world.set_up(controller));
    world.make("a").await;
    calls.reach("a", 1).await;
    running.stop().await;
    let everywhere = world.server.request_log().into_iter().filter(|request| {
        let path = request.resource.as_ref();
        matches!(request.verb, Some("list" | "watch"))
            && path.is_some_and(|path| {
                path.namespace.is_none() && ["configmaps", "secrets"].contains(&&*path.resource)
            })
    });
    assert_eq!(everywhere.count(), 0);
}

/// The secrets of a map in the reconciler's cache.
fn secrets_of(cx: &Context<ConfigMap>, key: &ObjectKey) -> Vec<Arc<Secret>> {
    let mut secrets = cx.lister_of::<Secret>().namespace("default").list();
    secrets.retain(|secret| {
        kubewright::owner::controller_of(&**secret).is_some_and(|owner| owner.name == key.name)
    });
    secrets
}

async fn add_secret(cx: &Context<ConfigMap>, owner: &ConfigMap) -> Secret {
    let mut secret: Secret = serde_json::from_value(json!({"metadata": {"generateName": "s-"}})).unwrap();
    secret.metadata.namespace = Some("default".into());
    set_controller(&mut secret, owner).unwrap();
    let secrets = Client::<Secret>::new(cx.client().clone()).namespace("default");
    secrets.create(&secret).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconciliation_reads_what_the_one_before_wrote() {
    const MAPS: usize = 20;
    const EACH: usize = 3;
    let world = World::new().await;
    let calls = Calls::default();
    let reconciler = does(calls.clone(), async |calls, key, cx| {
        let Some(owner) = cx.lister().get(&key) else {
            return Ok::<_, &str>(Action::done());
        };
        let before = calls.note(&key, &cx);
        if secrets_of(&cx, &key).len() < EACH {
            cx.wrote(&add_secret(&cx, &owner).await);
        }
        if before > 2 * EACH {
            return Ok(Action::done());
        }
        // Called again at once, when no cache can know of the new one yet.
        Ok(Action::requeue_after(Duration::ZERO))
    });
    let running = Running::start(world.controller(reconciler).owns::<Secret>().workers(2));
    for n in 0..MAPS {
        world.make(&format!("m{n}")).await;
    }
    for n in 0..MAPS {
        // Each secret is one call, and some come after the last.
        calls.reach(&format!("m{n}"), EACH + 3).await;
    }
    running.stop().await;
    assert_eq!(
        world
            .secrets
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        MAPS * EACH
    );
}

/// Adds a secret that the cache of `scope` never shows, and comes again at once: when each call was.
async fn unseen(scope: WatchScope, says_its_type: bool, patience: Duration) -> Vec<(u32, Instant)> {
    let world = World::new().await;
    let calls = Calls::default();
    let reconciler = does(
        (calls.clone(), says_its_type),
        async |(calls, says_its_type), key, cx| {
            if key.name == "a" && calls.note(&key, &cx) == 0 {
                let owner = cx.lister().get(&key).unwrap();
                let mut secret = add_secret(&cx, &owner).await;
                if !says_its_type {
                    secret.type_ = None;
                }
                cx.wrote(&secret);
                return Ok::<_, &str>(Action::requeue_after(Duration::ZERO));
            }
            Ok(Action::done())
        },
    );
    let controller = world
        .controller(reconciler)
        .owns_in::<Secret>(scope, Predicate::resource_version_changed())
        .patience(patience);
    let running = Running::start(controller);
    world.make("a").await;
    calls.reach("a", 2).await;
    running.stop().await;
    calls.all("a")
}

#[tokio::test]
async fn a_write_that_no_cache_shows_holds_its_key_no_longer_than_its_patience() {
    const PATIENCE: Duration = Duration::from_millis(300);
    // Of a field that is not there nobody can tell whether it is selected.
    let all = unseen(
        WatchScope::namespace("default").fields("type=example/other"),
        false,
        PATIENCE,
    )
    .await;
    assert!(all[1].1 - all[0].1 >= PATIENCE);
    assert_eq!((all[0].0, all[1].0), (0, 0), "a wait is no failure");
}

#[tokio::test]
async fn a_write_out_of_the_scope_of_a_cache_holds_nothing_up() {
    let here = WatchScope::namespace("default");
    unseen(here.clone().labels("app in (x, y)"), true, NEVER).await;
    unseen(here.fields("type=example/other"), true, NEVER).await;
    unseen(WatchScope::namespace("elsewhere"), true, NEVER).await;
}

#[tokio::test]
async fn expectations_are_met_before_the_owner_is_called() {
    const EACH: usize = 5;
    let world = World::new().await;
    let calls = Calls::default();
    let expectations = Expectations::new();
    let state = (calls.clone(), expectations.clone());
    let reconciler = does(state, async |(calls, expectations), key, cx| {
        let Some(owner) = cx.lister().get(&key) else {
            return Ok::<_, &str>(Action::done());
        };
        if !expectations.satisfied(&key) {
            return Ok(Action::done());
        }
        calls.note(&key, &cx);
        let missing = EACH.saturating_sub(secrets_of(&cx, &key).len());
        expectations.expect_creations(&key, missing);
        for _ in 0..missing {
            add_secret(&cx, &owner).await;
        }
        Ok(Action::done())
    });
    let controller = world.controller(reconciler).owns::<Secret>();
    let running = Running::start(controller.expectations(&expectations));
    world.make("a").await;
    // The last secret that is seen calls its owner, whose expectations are met by then.
    calls.reach("a", 2).await;
    running.stop().await;
    assert_eq!(
        world
            .secrets
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        EACH
    );
}

#[tokio::test]
async fn a_paused_object_is_left_alone_until_its_annotation_goes() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world
        .controller(calls.noting())
        // A change of annotations alone would not pass.
        .filter(Predicate::changed(|map: &ConfigMap| map.data.clone()));
    let running = Running::start(controller);
    world.make("a").await;
    calls.reach("a", 1).await;
    let pause =
        |value: serde_json::Value| json!({"metadata": {"annotations": {"kubewright.dev/paused": value}}});
    world.maps.merge_patch("a", &pause(json!("true"))).await.unwrap();
    let paused = r#"kubewright_paused_objects{controller="c"}"#;
    eventually("the pause", || world.figure(paused) >= 1.0).await;
    world.change("a", 1).await;
    // What comes after it is done, so that it was looked at as well.
    world.make("z").await;
    calls.reach("z", 1).await;
    assert_eq!(calls.of("a"), 1);
    world.maps.merge_patch("a", &pause(json!(null))).await.unwrap();
    calls.reach("a", 2).await;
    assert!(world.figure(paused).abs() < 0.1);
    running.stop().await;
}

#[tokio::test]
async fn no_annotation_pauses_where_none_is_set() {
    let world = World::new().await;
    let calls = Calls::default();
    let reconciler = || calls.noting();
    let map =
        json!({"metadata": {"name": "a", "annotations": {"kubewright.dev/paused": "true", "x/y": "no"}}});
    world
        .maps
        .create(&serde_json::from_value(map).unwrap())
        .await
        .unwrap();
    for (n, annotation) in [None, Some("x/y")].into_iter().enumerate() {
        let running = Running::start(world.controller(reconciler()).pause_annotation(annotation));
        calls.reach("a", n + 1).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn every_object_is_looked_at_again_and_the_filter_is_asked() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world
        .controller(calls.noting())
        .filter(Predicate::new(|delta: &kubewright::cache::Delta<ConfigMap>| {
            !delta.is_resync() || delta.key().name != "filtered"
        }))
        .resync(Some(Duration::from_millis(20)));
    let running = Running::start(controller);
    for name in ["filtered", "a", "b"] {
        world.make(name).await;
    }
    for name in ["a", "b"] {
        calls.reach(name, 5).await;
    }
    running.stop().await;
    assert_eq!(calls.of("filtered"), 1);
}

#[tokio::test]
async fn mappers_find_their_keys_in_labels_annotations_owners_and_indexes() {
    let world = World::new().await;
    let calls = Calls::default();
    let reconciler = || calls.noting();
    let missing = world
        .controller(reconciler())
        .watches_by_index::<Secret>("by-n", |_| Vec::new());
    assert_eq!(missing.unwrap_err().index, "by-n");
    world
        .factory
        .informer::<ConfigMap>()
        .add_index("by-n", |map: &ConfigMap| {
            map.data.iter().map(|data| data["n"].clone()).collect()
        })
        .unwrap();
    let controller = world
        .controller(reconciler())
        .filter(Predicate::new(|_| false))
        .watches_by_label::<Secret>("app")
        .watches_by_annotation::<Secret>("x/of")
        .watches_by_owner::<Secret>()
        .watches_by_index::<Secret>("by-n", |secret| {
            secret.metadata.generate_name.iter().cloned().collect()
        })
        .unwrap();
    let running = Running::start(controller);
    let owner = world.make("owner").await;
    world.make("indexed").await;
    world.change("indexed", 7).await;
    let lister = world.factory.lister::<ConfigMap>();
    eventually("the caches", || {
        lister.by_index("by-n", "7").is_ok_and(|maps| maps.len() == 1) && lister.len() >= 2
    })
    .await;
    let mut secret: Secret = serde_json::from_value(json!({"metadata": {
        "name": "s",
        "namespace": "default",
        "generateName": "7",
        "labels": {"app": "labelled"},
        "annotations": {"x/of": "first, elsewhere/second,"},
    }}))
    .unwrap();
    kubewright::owner::set_owner(&mut secret, &owner).unwrap();
    world.secrets.create(&secret).await.unwrap();
    for name in ["labelled", "first", "second", "owner", "indexed"] {
        calls.reach(name, 1).await;
    }
    // The one that the label named before is told too.
    let before = calls.of("labelled");
    let patch = json!({"metadata": {"labels": {"app": "other"}}});
    world.secrets.merge_patch("s", &patch).await.unwrap();
    calls.reach("other", 1).await;
    calls.reach("labelled", before + 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_key_that_fails_forever_is_told_of_and_delays_no_other() {
    let world = World::new().await;
    let calls = Calls::default();
    let controller = world
        .controller(does(calls.clone(), async |calls, key, cx| {
            calls.note(&key, &cx);
            match key.name.as_str() {
                "bad" => Err("the disk is full"),
                _ => Ok(Action::done()),
            }
        }))
        .failure_events(Some(3))
        .rate_limit(RateLimit {
            per_key: Backoff::exponential(Duration::from_millis(1), Duration::from_millis(4)),
            overall: None,
        });
    let running = Running::start(controller);
    world.make("bad").await;
    calls.reach("bad", 10).await;
    world.make("good").await;
    calls.reach("good", 1).await;
    running.stop().await;
    let failed = calls.of("bad");
    assert!((world.result("error") - failed as f64).abs() < 0.1);

    let events =
        Client::<k8s_openapi::api::events::v1::Event>::new(world.server.client()).namespace("default");
    let events = events
        .list(&kube::api::ListParams::default())
        .await
        .unwrap()
        .items;
    let [event] = events.as_slice() else {
        panic!("one Event for one error: {events:#?}");
    };
    assert_eq!(event.reason.as_deref(), Some("ReconcileFailed"));
    assert_eq!(event.note.as_deref(), Some("the disk is full"));
    assert_eq!(event.regarding.as_ref().unwrap().name.as_deref(), Some("bad"));
    let told = event.series.as_ref().map_or(1, |series| series.count);
    assert_eq!(
        usize::try_from(told).unwrap(),
        failed - 2,
        "from the third failure on"
    );
}

#[tokio::test]
async fn no_event_tells_of_few_failures_nor_where_none_shall_be() {
    let world = World::new().await;
    let calls = Calls::default();
    for (events, fails) in [(Some(5), 4), (None, 8)] {
        let reconciler = does((calls.clone(), fails), async |(calls, fails), key, cx| {
            match calls.note(&key, &cx) < fails {
                true => Err("not yet"),
                false => Ok(Action::done()),
            }
        });
        let controller = world.controller(reconciler).failure_events(events);
        let running = Running::start(controller.rate_limit(backoff(Duration::from_micros(10))));
        let name = format!("fails-{fails}");
        world.make(&name).await;
        calls.reach(&name, fails + 1).await;
        running.stop().await;
    }
    let events =
        Client::<k8s_openapi::api::events::v1::Event>::new(world.server.client()).namespace("default");
    assert!(
        events
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_during_work_lets_it_finish() {
    let world = World::new().await;
    let calls = Calls::default();
    let gate = Arc::new(Semaphore::new(0));
    let finished = Arc::new(AtomicBool::new(false));
    let state = (calls.clone(), Arc::clone(&gate), Arc::clone(&finished));
    let controller = world.controller(does(state, async |(calls, gate, finished), key, cx| {
        calls.note(&key, &cx);
        cx.stopping().cancelled().await;
        gate.acquire().await.unwrap().forget();
        finished.store(true, Ordering::SeqCst);
        Ok::<_, &str>(Action::done())
    }));
    let task = tokio::spawn(controller.run_until(kubewright::controller::shutdown_signal()));
    world.make("a").await;
    // A key in work: the signal's handlers were installed before.
    calls.reach("a", 1).await;
    world.make("b").await;
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &std::process::id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    gate.add_permits(2);
    let ended = tokio::time::timeout(DEADLINE, task).await;
    ended.expect("the controller ends").unwrap().unwrap();
    assert!(finished.load(Ordering::SeqCst));
    assert_eq!(calls.of("b"), 0);
}

#[tokio::test]
async fn a_reconciliation_that_never_waits_keeps_nobody_from_the_thread() {
    let world = World::new().await;
    let count = Arc::new(AtomicU32::new(0));
    let controller = world.controller(does(Arc::clone(&count), async |count, _, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, &str>(Action::requeue_after(Duration::ZERO))
    }));
    let running = Running::start(controller);
    world.make("a").await;
    // The server and this test share the thread with the worker.
    for n in 1..=3 {
        world.change("a", n).await;
    }
    eventually("many calls", || count.load(Ordering::SeqCst) > 1000).await;
    running.stop().await;
}
