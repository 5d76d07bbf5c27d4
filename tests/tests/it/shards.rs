//! Replicas that share keys, against a server: the one in the process here, a real one in `real.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kubewright::Client;
use kubewright::cache::{InformerFactory, NamespaceSet};
use kubewright::client::{ClientError, InNamespace, WatchEvent, WatchParams};
use kubewright::controller::{Action, Context, Controller, Predicate, Reconciler};
use kubewright::kind::ObjectKey;
use kubewright::manager::{Manager, ManagerError, ShardKeys, Shards, Timing};
use kubewright_apiserver::DevServer;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::ask::until;

/// Short times, which a real server on a busy machine keeps.
const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(8),
    renew_deadline: Duration::from_secs(5),
    retry_period: Duration::from_millis(300),
};
const NAMESPACE: &str = "shared-keys";
const OBJECTS: usize = 60;

fn keys() -> impl Iterator<Item = ObjectKey> {
    (0..OBJECTS).map(|n| ObjectKey::namespaced(NAMESPACE, format!("map-{n}")))
}

fn data<'a>(map: &'a ConfigMap, field: &str) -> &'a str {
    let value = map.data.as_ref().and_then(|data| data.get(field));
    value.map_or("", String::as_str)
}

/// Who works on what, and who did last.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    working: BTreeMap<ObjectKey, &'static str>,
    last: BTreeMap<ObjectKey, &'static str>,
    /// Told at the end, since a controller goes on after a panic.
    faults: Vec<String>,
}

/// Writes twice about each key.
struct Writing {
    who: &'static str,
    log: Log,
    maps: Client<ConfigMap, InNamespace>,
}

impl Reconciler for Writing {
    type Object = ConfigMap;
    type Error = ClientError;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> Result<Action, ClientError> {
        if !key.name.starts_with("map-") || cx.lister().get(key).is_none() {
            return Ok(Action::done());
        }
        {
            let mut entries = self.log.0.lock().unwrap();
            if let Some(other) = entries.working.insert(key.clone(), self.who) {
                entries
                    .faults
                    .push(format!("{key} is in the hands of {other} and {}", self.who));
            }
        }
        for state in ["begins", "ends"] {
            let patch = json!({"data": {"by": self.who, "state": state}});
            self.maps.merge_patch(&key.name, &patch).await?;
        }
        let mut entries = self.log.0.lock().unwrap();
        entries.working.remove(key);
        entries.last.insert(key.clone(), self.who);
        Ok(Action::done())
    }
}

struct Replica {
    who: &'static str,
    keys: ShardKeys,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ManagerError>>,
}

impl Replica {
    fn start(client: &kube::Client, log: &Log, who: &'static str) -> Self {
        let factory = InformerFactory::builder(client)
            .namespaces(&NamespaceSet::of([NAMESPACE]))
            .build();
        let shards = Shards::new(client, NAMESPACE, "operator")
            .identity(who)
            .timing(TIMING);
        let keys = shards.keys();
        let (log, maps) = (log.clone(), Client::new(client.clone()).namespace(NAMESPACE));
        // What it writes itself leads to nothing.
        let touched = Predicate::changed(|map: &ConfigMap| data(map, "touched").to_owned());
        let controller = Controller::new(&factory, Writing { who, log, maps })
            .filter(touched)
            .failure_events(None)
            .workers(4)
            .resync(None);
        let manager = Manager::new(&factory).shards(shards).controller(controller);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(manager.run_until(async { drop(stopped.await) }));
        Self {
            who,
            keys,
            stop,
            running,
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

/// The owner of each key, where each has one.
fn owners(of: &[(&'static str, ShardKeys)]) -> Option<BTreeMap<ObjectKey, &'static str>> {
    let owner = |key: ObjectKey| {
        let owner = of.iter().find(|(_, keys)| keys.owns(&key))?;
        Some((key, owner.0))
    };
    keys().map(owner).collect()
}

/// Whether each key has an owner, who was the last to work on it and works no more.
fn settled(log: &Log, replicas: &[&Replica]) -> bool {
    let of: Vec<_> = replicas.iter().map(|one| (one.who, one.keys.clone())).collect();
    let entries = log.0.lock().unwrap();
    owners(&of).is_some_and(|owners| owners == entries.last && entries.working.is_empty())
        && of.iter().all(|(_, keys)| self::keys().any(|key| keys.owns(&key)))
}

fn now(replicas: &[&Replica]) -> BTreeMap<ObjectKey, &'static str> {
    let of: Vec<_> = replicas.iter().map(|one| (one.who, one.keys.clone())).collect();
    owners(&of).expect("each key has an owner")
}

/// Looks all the time for a key that two own at once.
async fn look(log: Log, all: Arc<Mutex<Vec<(&'static str, ShardKeys)>>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let all = all.lock().unwrap().clone();
        for key in keys() {
            let own = || {
                all.iter()
                    .filter(|(_, keys)| keys.owns(&key))
                    .map(|(who, _)| *who)
            };
            let (once, again): (Vec<_>, Vec<_>) = (own().collect(), own().collect());
            // One may have it after the other; who has it before and after a look has it at that look.
            let both: Vec<_> = once.into_iter().filter(|who| again.contains(who)).collect();
            if both.len() > 1 {
                log.0
                    .lock()
                    .unwrap()
                    .faults
                    .push(format!("{key} is owned by {both:?}"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_shared_on_the_server_in_the_process() {
    let server = DevServer::start().await.unwrap();
    suite(&server.client()).await;
}

/// Two replicas, a third, one that leaves and one that dies.
pub(crate) async fn suite(client: &kube::Client) {
    let namespace = json!({"metadata": {"name": NAMESPACE}});
    let namespaces = Client::<Namespace>::new(client.clone());
    namespaces
        .create(&serde_json::from_value(namespace).unwrap())
        .await
        .unwrap();
    let maps = Client::<ConfigMap>::new(client.clone()).namespace(NAMESPACE);
    for key in keys() {
        let map = json!({"metadata": {"name": key.name}});
        maps.create(&serde_json::from_value(map).unwrap()).await.unwrap();
    }

    // What the server saw, in its order.
    let from = maps
        .list(&Default::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let params = WatchParams::default();
    let mut events = maps.watch(&params, &from).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::<(String, String, String)>::new()));
    let seeing = Arc::clone(&seen);
    let watching = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let WatchEvent::Modified(map) = event.unwrap() else {
                continue;
            };
            let name = map.metadata.name.clone().unwrap();
            let (by, state) = (data(&map, "by").to_owned(), data(&map, "state").to_owned());
            seeing.lock().unwrap().push((name, by, state));
        }
    });

    let log = Log::default();
    let all = Arc::new(Mutex::new(Vec::new()));
    let looking = tokio::spawn(look(log.clone(), Arc::clone(&all)));
    let start = |who| {
        let replica = Replica::start(client, &log, who);
        all.lock().unwrap().push((who, replica.keys.clone()));
        replica
    };
    let (first, second) = (start("first"), start("second"));
    until("two share the keys", async || settled(&log, &[&first, &second])).await;

    // What changes is its owner's.
    let two = now(&[&first, &second]);
    log.0.lock().unwrap().last.clear();
    for key in keys() {
        maps.merge_patch(&key.name, &json!({"data": {"touched": "once"}}))
            .await
            .unwrap();
    }
    until("each change is worked on", async || {
        settled(&log, &[&first, &second])
    })
    .await;
    assert_eq!(log.0.lock().unwrap().last, two);

    let third = start("third");
    until("three share the keys", async || {
        settled(&log, &[&first, &second, &third])
    })
    .await;
    let three = now(&[&first, &second, &third]);
    let moved: Vec<_> = keys().filter(|key| three[key] != two[key]).collect();
    assert!(moved.iter().all(|key| three[key] == "third"), "{moved:?}");
    assert!(
        (OBJECTS / 10..OBJECTS * 6 / 10).contains(&moved.len()),
        "{}",
        moved.len()
    );

    // One that leaves is followed at once, one that dies after its Lease.
    let began = Instant::now();
    second.stop().await;
    until("the keys of who left are taken", async || {
        settled(&log, &[&first, &third])
    })
    .await;
    assert!(began.elapsed() < TIMING.lease_duration, "{:?}", began.elapsed());
    let left = now(&[&first, &third]);
    assert!(keys().all(|key| three[&key] == "second" || left[&key] == three[&key]));
    third.running.abort();
    until("the keys of who died are taken", async || {
        settled(&log, &[&first])
    })
    .await;
    first.stop().await;

    let leases = Client::<Lease>::new(client.clone()).namespace(NAMESPACE);
    let leases = leases.list(&Default::default()).await.unwrap().items;
    let held = leases
        .iter()
        .filter_map(|lease| lease.spec.as_ref()?.holder_identity.as_deref());
    let held: Vec<_> = held
        .filter(|holder| !holder.is_empty() && !holder.contains("third"))
        .collect();
    assert!(held.is_empty(), "{held:?}");

    maps.merge_patch("map-0", &json!({"data": {"by": "the test", "state": "ends"}}))
        .await
        .unwrap();
    until("the watch to be up to date", async || {
        seen.lock().unwrap().iter().any(|(_, by, _)| by == "the test")
    })
    .await;
    looking.abort();
    watching.abort();
    let faults = log.0.lock().unwrap().faults.clone();
    assert!(faults.is_empty(), "{faults:#?}");
    // Each who began has ended before another one began.
    let mut working = BTreeMap::<String, String>::new();
    for (name, by, state) in seen.lock().unwrap().iter() {
        match state.as_str() {
            "begins" => {
                let other = working.insert(name.clone(), by.clone());
                assert!(other.is_none_or(|other| other == *by), "{name} while {by} works");
            }
            "ends" => {
                let began = working.remove(name);
                assert!(began.is_none_or(|began| began == *by), "{name} ended by {by}");
            }
            _ => {}
        }
    }
}
