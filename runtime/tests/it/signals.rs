//! SIGTERM in the middle of work: a real signal to a real process, which leads, or shares the keys with another one.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kubewright::Client;
use kubewright::cache::InformerFactory;
use kubewright::client::{ClientError, InNamespace};
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::kind::ObjectKey;
use kubewright::manager::{LeaderElection, Manager, ShardKeys, Shards, Timing};
use kubewright_apiserver::{DevServer, Listen};
use serde_json::json;

/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(60);
const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(8),
    renew_deadline: Duration::from_secs(5),
    retry_period: Duration::from_millis(200),
};
/// Of the process, for work to end.
const GRACE: Duration = Duration::from_secs(5);
/// Where the process finds the server, and what it is to do there.
const AT: &str = "KUBEWRIGHT_SIGNALS_SERVER";
const WAY: &str = "KUBEWRIGHT_SIGNALS_WAY";

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(DEADLINE, waiting).await.is_ok(),
        "waited {DEADLINE:?} for: {what}"
    );
}

fn has(map: &ConfigMap, key: &str) -> bool {
    map.data.as_ref().is_some_and(|data| data.contains_key(key))
}

/// Begins, and ends once its process is told to stop and the object says `go`.
struct Slow {
    maps: Client<ConfigMap, InNamespace>,
}

impl Reconciler for Slow {
    type Object = ConfigMap;
    type Error = ClientError;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> Result<Action, ClientError> {
        let name = &key.name;
        self.maps
            .merge_patch(name, &json!({"data": {"began": "yes"}}))
            .await?;
        cx.stopping().cancelled().await;
        while !has(&self.maps.get(name).await?, "go") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.maps
            .merge_patch(name, &json!({"data": {"ended": "yes"}}))
            .await?;
        Ok(Action::done())
    }
}

/// The program that is signalled; only ever run by the other tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the others signal"]
async fn process() {
    let (Ok(server), Ok(way)) = (std::env::var(AT), std::env::var(WAY)) else {
        return;
    };
    let client = kube::Client::try_from(kube::Config::new(server.parse().unwrap())).unwrap();
    let factory = InformerFactory::new(&client);
    let maps = Client::<ConfigMap>::new(client.clone()).namespace("default");
    let controller = Controller::new(&factory, Slow { maps }).workers(16).resync(None);
    let manager = Manager::new(&factory).grace(GRACE).controller(controller);
    let manager = match way.as_str() {
        "lead" => manager.leader_election(
            LeaderElection::new(&client, "default", "operator")
                .identity("child")
                .timing(TIMING),
        ),
        "share" => manager.shards(
            Shards::new(&client, "default", "operator")
                .identity("child")
                .timing(TIMING),
        ),
        other => panic!("no such way: {other}"),
    };
    manager.run().await.unwrap();
}

/// A run of it, ended with the value.
struct Program(Child);

impl Program {
    fn start(server: &DevServer, way: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["signals::process", "--exact", "--ignored", "--nocapture"])
            .env(AT, server.url())
            .env(WAY, way)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn terminate(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the end of the process", async || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Where this fails it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct World {
    server: DevServer,
    maps: Client<ConfigMap, InNamespace>,
}

impl World {
    async fn new() -> Self {
        let listen = Listen::Plain(([127, 0, 0, 1], 0).into());
        let server = DevServer::builder().listen(listen).start().await.unwrap();
        let maps = Client::new(server.client()).namespace("default");
        Self { server, maps }
    }

    async fn make(&self, name: &str) {
        let map = json!({"metadata": {"name": name}});
        self.maps
            .create(&serde_json::from_value(map).unwrap())
            .await
            .unwrap();
    }

    async fn set(&self, name: &str, what: &str) {
        let patch = format!(r#"{{"data": {{"{what}": "yes"}}}}"#);
        let patch: serde_json::Value = serde_json::from_str(&patch).unwrap();
        self.maps.merge_patch(name, &patch).await.unwrap();
    }

    async fn has(&self, name: &str, what: &str) -> bool {
        has(&self.maps.get(name).await.unwrap(), what)
    }

    /// Who holds a Lease now.
    async fn holders(&self) -> Vec<String> {
        let leases = Client::<Lease>::new(self.server.client()).namespace("default");
        let leases = leases.list(&Default::default()).await.unwrap().items;
        let holders = leases.into_iter().filter_map(|lease| lease.spec?.holder_identity);
        holders.filter(|holder| !holder.is_empty()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_during_work_ends_the_work_and_then_gives_the_lease_up() {
    let world = World::new().await;
    let mut program = Program::start(&world.server, "lead");
    world.make("a").await;
    eventually("work to begin", async || world.has("a", "began").await).await;
    assert_eq!(world.holders().await, ["child"]);
    let signalled = Instant::now();
    program.terminate();
    // Nothing new is begun, and the lease is kept for what goes on.
    world.make("b").await;
    world.set("b", "go").await;
    assert_eq!(world.holders().await, ["child"]);
    world.set("a", "go").await;
    let status = program.ended().await;
    assert!(status.success(), "{status}");
    assert!(signalled.elapsed() < GRACE, "{:?}", signalled.elapsed());
    assert!(world.has("a", "ended").await);
    assert!(world.holders().await.is_empty());
    // The last write is the one that gives the lease up: the work had ended.
    let log = world.server.writes();
    let of_lease = |write: &kubewright_apiserver::LoggedRequest| {
        write
            .resource
            .as_ref()
            .is_some_and(|path| path.resource == "leases")
    };
    let ended = log.iter().rposition(|write| {
        write
            .resource
            .as_ref()
            .is_some_and(|path| path.name.as_deref() == Some("a"))
            && !of_lease(write)
    });
    let released = log.iter().rposition(of_lease);
    assert!(ended < released, "{ended:?} {released:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_does_not_end_is_dropped_at_the_end_of_the_grace_period() {
    for way in ["lead", "share"] {
        let world = World::new().await;
        let mut program = Program::start(&world.server, way);
        world.make("a").await;
        eventually("work to begin", async || world.has("a", "began").await).await;
        let signalled = Instant::now();
        program.terminate();
        let status = program.ended().await;
        let took = signalled.elapsed();
        assert!(!status.success(), "{way}: what was dropped is told");
        assert!(took >= GRACE && took < GRACE * 3, "{way}: {took:?}");
        assert!(world.holders().await.is_empty(), "{way}");
        assert!(!world.has("a", "ended").await);
    }
}

/// Says of its keys that it has taken them.
struct Taking {
    maps: Client<ConfigMap, InNamespace>,
}

impl Reconciler for Taking {
    type Object = ConfigMap;
    type Error = ClientError;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> Result<Action, ClientError> {
        let Some(map) = cx.lister().get(key) else {
            return Ok(Action::done());
        };
        if !has(&map, "taken") {
            let patch = json!({"data": {"taken": "yes"}});
            cx.wrote(&self.maps.merge_patch(&key.name, &patch).await?);
        }
        Ok(Action::done())
    }
}

const NAMES: usize = 12;

fn owned(keys: &ShardKeys) -> Vec<String> {
    let names = (0..NAMES).map(|n| format!("map-{n}"));
    names
        .filter(|name| keys.owns(&ObjectKey::namespaced("default", name)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_during_work_hands_keys_over_once_their_work_has_ended() {
    let world = World::new().await;
    let client = world.server.client();
    let factory = InformerFactory::new(&client);
    let shards = Shards::new(&client, "default", "operator")
        .identity("parent")
        .timing(TIMING);
    let keys = shards.keys();
    let maps = world.maps.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let manager = Manager::new(&factory)
        .shards(shards)
        .controller(Controller::new(&factory, Taking { maps }).resync(None));
    let parent = tokio::spawn(manager.run_until(async { drop(stopped.await) }));
    eventually("the parent to own all", async || owned(&keys).len() == NAMES).await;
    let mut program = Program::start(&world.server, "share");
    eventually("both to own keys", async || owned(&keys).len() < NAMES).await;
    let before = owned(&keys);
    for n in 0..NAMES {
        world.make(&format!("map-{n}")).await;
    }
    let childs: Vec<_> = (0..NAMES)
        .map(|n| format!("map-{n}"))
        .filter(|name| !before.contains(name))
        .collect();
    for name in &childs {
        eventually("the child to begin its keys", async || {
            world.has(name, "began").await
        })
        .await;
    }
    let signalled = Instant::now();
    program.terminate();
    for name in &childs {
        assert!(!world.has(name, "taken").await, "{name} is in work");
        world.set(name, "go").await;
    }
    let status = program.ended().await;
    assert!(status.success(), "{status}");
    assert!(signalled.elapsed() < GRACE, "{:?}", signalled.elapsed());
    let ended = Instant::now();
    assert!(
        world
            .holders()
            .await
            .iter()
            .all(|holder| !holder.contains("child"))
    );
    eventually("the parent to own all again", async || {
        owned(&keys).len() == NAMES
    })
    .await;
    assert!(
        ended.elapsed() < TIMING.lease_duration,
        "it did not wait for the Lease"
    );
    for name in &childs {
        eventually("the child's keys to be taken", async || {
            world.has(name, "taken").await
        })
        .await;
        // In this order.
        let writes = world.server.writes();
        let wrote = |what: &str| {
            writes.iter().rposition(|write| {
                let of = write.resource.as_ref().and_then(|path| path.name.as_deref());
                of == Some(name) && write.sent().is_some_and(|sent| sent["data"].get(what).is_some())
            })
        };
        assert!(
            wrote("ended").is_some() && wrote("ended") < wrote("taken"),
            "{name}"
        );
    }
    stop.send(()).unwrap();
    parent.await.unwrap().unwrap();
}
