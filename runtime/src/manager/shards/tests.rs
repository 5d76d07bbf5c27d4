//! Replicas that share the keys of a controller, against a server in the process, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kubewright_apiserver::DevServer;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

use super::super::{ElectionError, Manager, ManagerError};
use super::{ShardKeys, Shards};
use crate::InformerFactory;
use crate::client::Client;
use crate::controller::{Action, Context, Controller, Reconciler};
use crate::kind::ObjectKey;
use crate::metrics::Metrics;

const OBJECTS: usize = 300;
/// So many that some of the keys in work move, whatever the members' random names.
const WORKERS: usize = 32;

fn key(n: usize) -> ObjectKey {
    ObjectKey::namespaced("default", format!("map-{n}"))
}

fn all() -> BTreeSet<ObjectKey> {
    (0..OBJECTS).map(key).collect()
}

async fn maps(server: &DevServer) -> Client<ConfigMap, crate::client::InNamespace> {
    let maps = Client::<ConfigMap>::new(server.client()).default_namespace();
    for n in 0..OBJECTS {
        let map = json!({"metadata": {"name": key(n).name}});
        maps.create(&serde_json::from_value(map).unwrap()).await.unwrap();
    }
    maps
}

/// Waits in virtual time until `done`, and says how long that took.
async fn until(what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

/// Who reconciled what, and that no two did at once.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    working: BTreeMap<ObjectKey, &'static str>,
    /// Who was the last to reconcile a key since the log was cleared.
    last: BTreeMap<ObjectKey, &'static str>,
    dropped: Vec<ObjectKey>,
    /// Keys that two worked on at once: told here, since a controller goes on after a panic.
    shared: Vec<(ObjectKey, &'static str, &'static str)>,
}

impl Log {
    fn clear(&self) {
        self.0.lock().unwrap().last.clear();
    }

    /// The keys that somebody reconciled last.
    fn of(&self, who: &str) -> BTreeSet<ObjectKey> {
        let entries = self.0.lock().unwrap();
        let of = entries.last.iter().filter(|(_, last)| **last == who);
        of.map(|(key, _)| key.clone()).collect()
    }
}

/// Takes a while for each key.
struct Noting {
    who: &'static str,
    log: Log,
    takes: Duration,
}

/// A reconciliation from its beginning to its end.
struct Noted<'a> {
    log: &'a Log,
    key: ObjectKey,
    ended: bool,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let mut entries = self.log.0.lock().unwrap();
        entries.working.remove(&self.key);
        if !self.ended {
            entries.dropped.push(self.key.clone());
        }
    }
}

impl Reconciler for Noting {
    type Object = ConfigMap;
    type Error = std::convert::Infallible;

    async fn reconcile(&self, key: &ObjectKey, _: &Context<ConfigMap>) -> Result<Action, Self::Error> {
        {
            let mut entries = self.log.0.lock().unwrap();
            if let Some(other) = entries.working.insert(key.clone(), self.who) {
                entries.shared.push((key.clone(), other, self.who));
            }
            entries.last.insert(key.clone(), self.who);
        }
        let mut noted = Noted {
            log: &self.log,
            key: key.clone(),
            ended: false,
        };
        sleep(self.takes).await;
        noted.ended = true;
        Ok(Action::done())
    }
}

/// A process, with a network of its own.
struct Replica {
    keys: ShardKeys,
    cut: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ManagerError>>,
}

impl Replica {
    fn start(server: &DevServer, log: &Log, who: &'static str, takes: Duration) -> Self {
        Self::with(server, log, who, takes, |shards| shards)
    }

    fn with(
        server: &DevServer,
        log: &Log,
        who: &'static str,
        takes: Duration,
        settings: impl FnOnce(Shards) -> Shards,
    ) -> Self {
        let cut = Arc::new(AtomicBool::new(false));
        let (inner, off) = (server.client(), cut.clone());
        let service = service_fn(move |request: http::Request<kube::client::Body>| {
            let (inner, off) = (inner.clone(), off.clone());
            async move {
                if off.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                inner.send(request).await.map_err(tower::BoxError::from)
            }
        });
        let client = kube::Client::new(service.boxed_clone(), "default");
        let factory = InformerFactory::new(&client);
        let shards = settings(Shards::new(&client, "default", "operator").identity(who));
        let keys = shards.keys();
        let noting = Noting {
            who,
            log: log.clone(),
            takes,
        };
        let manager = Manager::new(&factory)
            .shards(shards)
            .controller(Controller::new(&factory, noting).workers(WORKERS).resync(None));
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move { manager.run_until(async { drop(stopped.await) }).await });
        Self {
            keys,
            cut,
            stop,
            running,
        }
    }

    fn owned(&self) -> BTreeSet<ObjectKey> {
        all().into_iter().filter(|key| self.keys.owns(key)).collect()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

/// Each key is owned by one of them, and was reconciled last by its owner.
fn whole(log: &Log, replicas: &[(&str, &Replica)]) -> bool {
    let owned = replicas.iter().map(|(_, replica)| replica.owned().len());
    let owned: Vec<_> = owned.collect();
    owned.iter().sum::<usize>() == OBJECTS
        && owned.iter().all(|count| *count > OBJECTS / 6)
        && replicas
            .iter()
            .all(|(who, replica)| log.of(who) == replica.owned())
}

#[tokio::test(start_paused = true)]
async fn each_key_is_reconciled_by_one_whoever_comes_stalls_or_leaves() {
    let server = DevServer::start().await.unwrap();
    let maps = maps(&server).await;
    let (log, takes) = (Log::default(), Duration::from_millis(30));

    let first = Replica::start(&server, &log, "first", takes);
    until("the first one has all", || whole(&log, &[("first", &first)])).await;
    let second = Replica::start(&server, &log, "second", takes);
    let two = [("first", &first), ("second", &second)];
    until("two share", || whole(&log, &two)).await;
    assert!(second.owned().len() > 100 && first.owned().len() > 100);

    // What changes is its owner's, and nobody else hears of it.
    log.clear();
    let before = (first.owned(), second.owned());
    for n in 0..OBJECTS {
        let touched = json!({"data": {"touched": "yes"}});
        maps.merge_patch(&key(n).name, &touched).await.unwrap();
    }
    until("all changes are reconciled", || whole(&log, &two)).await;
    assert_eq!((first.owned(), second.owned()), before);

    // One that comes takes its share and moves nothing else.
    let third = Replica::start(&server, &log, "third", takes);
    let three = [two[0], two[1], ("third", &third)];
    let took = until("three share", || whole(&log, &three)).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(third.owned().len() > 60);
    assert_eq!(&third.owned() | &first.owned(), &before.0 | &third.owned());
    assert!(second.owned().is_subset(&before.1));

    // One whose network is gone fences itself; its keys go to the others, and theirs stay.
    let before = (first.owned(), third.owned());
    log.clear();
    second.cut.store(true, Ordering::Relaxed);
    let took = until("its keys are the others'", || {
        let (one, other) = (first.owned(), third.owned());
        one.len() + other.len() == OBJECTS && log.of("first").len() + log.of("third").len() >= 80
    })
    .await;
    assert!(
        (Duration::from_secs(10)..Duration::from_secs(25)).contains(&took),
        "{took:?}"
    );
    assert!(before.0.is_subset(&first.owned()) && before.1.is_subset(&third.owned()));
    let ended = second.running.await.unwrap();
    assert!(
        matches!(ended, Err(ManagerError::LeadershipLost { .. })),
        "{ended:?}"
    );

    // One that leaves says so.
    log.clear();
    let before = third.owned();
    let began = Instant::now();
    first.stop().await;
    until("the last one has all", || third.owned() == all()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    until("what it took is reconciled", || {
        &log.of("third") | &before == all()
    })
    .await;
    {
        let entries = log.0.lock().unwrap();
        assert!(
            entries.dropped.is_empty() && entries.shared.is_empty(),
            "{:?}",
            entries.shared
        );
    }

    // Nothing is left of those who are gone.
    let leases = Client::<Lease>::new(server.client()).default_namespace();
    let began = Instant::now();
    while leases.list(&Default::default()).await.unwrap().items.len() > 1 {
        assert!(began.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_secs(1)).await;
    }
    third.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_in_work_moves_once_the_work_has_ended_or_was_dropped() {
    let server = DevServer::start().await.unwrap();
    let _maps = maps(&server).await;
    for (hand_over, drops) in [(60, false), (5, true)] {
        let log = Log::default();
        let limit = |shards: Shards| shards.hand_over(Duration::from_secs(hand_over));
        // Each worker takes a key and keeps it for long.
        let slow = Duration::from_secs(40);
        let first = Replica::with(&server, &log, "first", slow, limit);
        until("work has begun", || {
            log.0.lock().unwrap().working.len() == WORKERS
        })
        .await;
        let second = Replica::start(&server, &log, "second", Duration::ZERO);
        let began = Instant::now();
        until("the second one owns keys", || !second.owned().is_empty()).await;
        let took = began.elapsed().as_secs();
        let dropped = log.0.lock().unwrap().dropped.len();
        if drops {
            assert!((5..15).contains(&took) && dropped > 0, "{took} s, {dropped}");
        } else {
            assert!((30..60).contains(&took) && dropped == 0, "{took} s, {dropped}");
        }
        until("the second one has reconciled its own", || {
            second.owned().is_subset(&log.of("second"))
        })
        .await;
        second.stop().await;
        assert_eq!(log.0.lock().unwrap().shared, []);
        first.running.abort();
        drop(first.running.await);
        // Its Lease is left, and expires.
        sleep(Duration::from_secs(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_record_tells_people_who_works() {
    let server = DevServer::start().await.unwrap();
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let stop = CancellationToken::new();
    let one = Shards::new(&server.client(), "default", "operator")
        .identity("Pod_1")
        .metrics(&metrics);
    let other = Shards::new(&server.client(), "default", "operator").identity("pod-2");
    let guard = one.join(&stop).await.unwrap().unwrap();
    assert!(one.leadership().is_leader());
    let second = other.join(&stop).await.unwrap().unwrap();
    until("both own keys", || {
        let owned = |shards: &Shards| all().into_iter().filter(|key| shards.keys().owns(key)).count();
        owned(&one) > 100 && owned(&other) > 100 && owned(&one) + owned(&other) == OBJECTS
    })
    .await;

    let leases = Client::<Lease>::new(server.client()).default_namespace();
    let found = leases.list(&Default::default()).await.unwrap().items;
    let names: Vec<_> = found
        .iter()
        .filter_map(|lease| lease.metadata.name.as_deref())
        .collect();
    assert!(
        names[0].starts_with("operator-pod-1-") && names[1].starts_with("operator-pod-2-"),
        "{names:?}"
    );
    for lease in &found {
        let meta = &lease.metadata;
        assert_eq!(meta.labels.as_ref().unwrap()["kubewright.dev/shards"], "operator");
        assert_eq!(
            meta.annotations.as_ref().unwrap()["kubewright.dev/shard-view"],
            format!("1:{}", names.join(","))
        );
        let spec = lease.spec.as_ref().unwrap();
        assert_eq!(spec.holder_identity, meta.name);
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(
        text.contains("kubewright_shard_members{name=\"operator\"} 2"),
        "{text}"
    );
    let share = text
        .lines()
        .find_map(|line| line.strip_prefix("kubewright_shard_share{name=\"operator\"} "));
    let share: f64 = share.unwrap().parse().unwrap();
    assert!((0.4..0.6).contains(&share), "{share}");

    // Somebody deletes it by hand: the term is over at the next look.
    leases.delete(names[0]).await.unwrap();
    guard.lost().cancelled().await;
    assert!((0..OBJECTS).all(|n| !one.keys().owns(&key(n))));
    guard.release().await;
    second.release().await;
    assert!(other.leadership().check().is_err());
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let server = DevServer::start().await.unwrap();
    let stop = CancellationToken::new();
    for name in ["", "Operator", "a,b", "-a", "a.b", &"a".repeat(64)] {
        let refused = Shards::new(&server.client(), "default", name).join(&stop).await;
        assert!(
            matches!(refused, Err(ElectionError::Group { .. })),
            "{name}: {refused:?}"
        );
    }
    let unnamed = Shards::new(&server.client(), "default", "operator").identity("");
    assert!(matches!(unnamed.validate(), Err(ElectionError::Identity { .. })));
    let factory = InformerFactory::new(&server.client());
    let manager = Manager::new(&factory)
        .shards(Shards::new(&server.client(), "default", "operator"))
        .leader_task("report", |_| async { Ok::<_, std::io::Error>(()) });
    let refused = manager.run_until(std::future::pending()).await;
    assert!(
        matches!(&refused, Err(ManagerError::NoLeader { name }) if name == "report"),
        "{refused:?}"
    );
}
