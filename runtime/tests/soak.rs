//! Caches and a controller under churn, for as long as `KUBEWRIGHT_SOAK_SECONDS` says (3 without it): objects come, change
//! and go, connections are cut, the history is forgotten, the server restarts, namespaces and kinds are added and removed,
//! and some subscribers never read.
//!
//! In the end each cache is what the server has, and, from 30 s on, memory has not grown since the first third. In a
//! process of its own, since it is the process whose memory is measured; the server, which keeps its history and a log of
//! requests, is in another one, and listens to a word on each line.
#![allow(clippy::unwrap_used, reason = "a test ends where a step fails")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::core::GroupVersionKind;
use kubewright::Client;
use kubewright::backoff::Backoff;
use kubewright::cache::{
    Cached, Delta, InformerFactory, Lister, NamespaceSet, ReflectorConfig, Subscription,
};
use kubewright::client::{ClientError, InNamespace};
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::kind::{Kind, ObjectKey};
use kubewright::owner::set_controller;
use kubewright_apiserver::{DevServer, Listen};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const NAMESPACES: [&str; 3] = ["default", "one", "two"];
/// Names in each namespace.
const NAMES: u64 = 60;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Far beyond what the end takes.
const DEADLINE: Duration = Duration::from_secs(60);
/// What memory may grow by after the first third: noise of the allocator and of when it was looked at.
const MARGIN: (f64, f64) = (1.10, 8.0 * 1_048_576.0);

/// What the server writes before its address.
const AT: &str = "listens at ";

/// The server, until its input ends; only ever run by the other test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other process of caches_and_controllers_last"]
async fn server() {
    if std::env::var_os("KUBEWRIGHT_SOAK_SERVER").is_none() {
        return;
    }
    let listen = Listen::Plain(([127, 0, 0, 1], 0).into());
    let server = DevServer::builder().listen(listen).start().await.unwrap();
    println!("\n{AT}{}", server.url());
    let (words, mut said) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for word in std::io::stdin().lines().map_while(Result::ok) {
            words.send(word).unwrap();
        }
    });
    while let Some(word) = said.recv().await {
        match word.as_str() {
            "drop" => server.drop_watches(),
            "compact" => server.compact(),
            "restart" => server.restart(Duration::from_millis(100)).await,
            other => panic!("no word for the server: {other}"),
        }
    }
}

/// The other process; ended with this.
struct Server {
    process: Child,
    words: ChildStdin,
    client: kube::Client,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["server", "--exact", "--ignored", "--nocapture"])
            .env("KUBEWRIGHT_SOAK_SERVER", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let url = lines
            .find_map(|line| line.strip_prefix(AT).map(str::to_owned))
            .expect("it says where it listens");
        // Whatever else it says is for nobody.
        std::thread::spawn(move || lines.for_each(drop));
        let words = process.stdin.take().unwrap();
        let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        Self {
            process,
            words,
            client,
        }
    }

    fn say(&mut self, word: &str) {
        writeln!(self.words, "{word}").unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where this fails it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Copies each config map to a secret of its name.
struct Mirror {
    secrets: Client<Secret>,
}

impl Reconciler for Mirror {
    type Object = ConfigMap;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> Result<Action, Self::Error> {
        let Some(map) = cx.lister().get(key) else {
            return Ok(Action::done());
        };
        let secrets = self
            .secrets
            .namespace(key.namespace.as_deref().unwrap_or_default());
        let written = match cx.lister_of::<Secret>().get(key) {
            Some(secret) if secret.string_of() == map.data => return Ok(Action::done()),
            Some(secret) => {
                let mut secret = Secret::clone(&secret);
                secret.data = None;
                secret.string_data.clone_from(&map.data);
                secrets.update(&secret).await?
            }
            None => {
                let mut secret: Secret = serde_json::from_value(json!({"metadata": {"name": key.name}}))?;
                secret.metadata.namespace.clone_from(&key.namespace);
                secret.string_data.clone_from(&map.data);
                set_controller(&mut secret, &*map)?;
                secrets.create(&secret).await?
            }
        };
        cx.wrote(&written);
        Ok(Action::done())
    }
}

trait StringOf {
    fn string_of(&self) -> Option<BTreeMap<String, String>>;
}

impl StringOf for Secret {
    fn string_of(&self) -> Option<BTreeMap<String, String>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let data = self.data.as_ref()?;
        Some(
            data.iter()
                .map(|(key, value)| (key.clone(), text(&value.0)))
                .collect(),
        )
    }
}

/// Bytes of this process in memory.
fn rss() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096.0)
}

/// Numbers that are the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// What the server says to a request that came too late, too early, or while it was away.
fn expected(outcome: Result<ConfigMap, ClientError>) {
    if let Err(error) = outcome {
        let code = error.status().map_or(503, |status| status.code);
        assert!(matches!(code, 404 | 409 | 503), "{error}");
    }
}

/// False where it was not answered in time: the client's pool of connections can lose a request when the server goes down.
async fn change(maps: &Client<ConfigMap, InNamespace>, dice: &mut Dice) -> bool {
    tokio::time::timeout(PATIENCE, change_one(maps, dice))
        .await
        .is_ok()
}

async fn change_one(maps: &Client<ConfigMap, InNamespace>, dice: &mut Dice) {
    let name = format!("map-{}", dice.below(NAMES));
    match dice.below(10) {
        0..3 => {
            let text = "x".repeat(usize::try_from(dice.below(2_000)).unwrap());
            let map = json!({"metadata": {"name": name}, "data": {"n": "0", "text": text}});
            expected(maps.create(&serde_json::from_value(map).unwrap()).await);
        }
        3..8 => {
            let patch = json!({"data": {"n": dice.below(1_000_000).to_string()}});
            expected(maps.merge_patch(&name, &patch).await);
        }
        _ => {
            if let Err(error) = maps.delete(&name).await {
                expected(Err(error));
            }
        }
    }
}

/// Follows a subscription by its changes alone.
fn follow<K: Cached>(mut changes: Subscription<K>) -> Arc<std::sync::Mutex<BTreeMap<String, String>>> {
    let held = Arc::<std::sync::Mutex<BTreeMap<_, _>>>::default();
    let follower = Arc::clone(&held);
    tokio::spawn(async move {
        while let Some(delta) = changes.recv().await {
            let (key, object) = (delta.key().to_string(), delta.object());
            let version = object.meta().resource_version.clone().unwrap_or_default();
            let mut held = follower.lock().unwrap();
            match delta {
                Delta::Deleted { .. } => drop(held.remove(&key)),
                _ => drop(held.insert(key, version)),
            }
        }
    });
    held
}

fn versions<K: Kind>(objects: impl IntoIterator<Item = Arc<K>>) -> BTreeMap<String, String> {
    let version = |object: Arc<K>| {
        let version = object.meta().resource_version.clone().unwrap_or_default();
        (ObjectKey::of(&*object).to_string(), version)
    };
    objects.into_iter().map(version).collect()
}

/// What the server has; absent while it restarts.
async fn on_server<K: Kind>(client: &kube::Client) -> Option<BTreeMap<String, String>> {
    let (api, all) = (
        kube::Api::<K>::all(client.clone()),
        kube::api::ListParams::default(),
    );
    let list = tokio::time::timeout(PATIENCE, api.list(&all)).await.ok()?;
    Some(versions(list.ok()?.items.into_iter().map(Arc::new)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_and_controllers_last() {
    let setting = |name: &str, usual: u64| {
        std::env::var(name)
            .ok()
            .map_or(usual, |text| text.parse().expect("a number"))
    };
    let duration = Duration::from_secs(setting("KUBEWRIGHT_SOAK_SECONDS", 3));
    let mut dice = Dice(setting("KUBEWRIGHT_SEED", 7));
    let mut server = Server::start();
    let client = server.client.clone();
    for namespace in &NAMESPACES[1..] {
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
        Client::<Namespace>::new(client.clone())
            .create(&object)
            .await
            .unwrap();
    }
    let config = ReflectorConfig {
        page_size: Some(20),
        backoff: Backoff::exponential(Duration::from_millis(20), Duration::from_millis(500)),
        request_timeout: PATIENCE,
        ..ReflectorConfig::default()
    };
    let factory = InformerFactory::builder(&client).config(config.clone()).build();
    let (maps, secrets) = (factory.informer::<ConfigMap>(), factory.informer::<Secret>());
    let _never = (maps.subscribe(), secrets.subscribe());
    let told = (follow(maps.subscribe()), follow(secrets.subscribe()));
    let namespaces = NamespaceSet::of(NAMESPACES);
    let several = InformerFactory::builder(&client)
        .config(config)
        .namespaces(&namespaces)
        .build();
    let by_namespace: Lister<ConfigMap> = several.lister();
    several.start();

    let stop = CancellationToken::new();
    let mirror = Mirror {
        secrets: Client::new(client.clone()),
    };
    let controller = Controller::new(&factory, mirror)
        .owns::<Secret>()
        .workers(4)
        .failure_events(None)
        .reconcile_timeout(PATIENCE);
    let running = tokio::spawn(controller.run_until(stop.clone().cancelled_owned()));
    factory.wait_for_sync(DEADLINE).await.unwrap();

    let all: Vec<_> = NAMESPACES
        .iter()
        .map(|one| Client::<ConfigMap>::new(client.clone()).namespace(*one))
        .collect();
    let kind = GroupVersionKind::gvk("", "v1", "Secret");
    let begun = Instant::now();
    let mut unanswered = 0;
    let (mut memory, mut look, mut steps) = (Vec::new(), Duration::ZERO, 0_u64);
    while begun.elapsed() < duration {
        steps += 1;
        let answered = change(&all[usize::try_from(dice.below(3)).unwrap()], &mut dice).await;
        unanswered += u64::from(!answered);
        match dice.below(4_000) {
            0..16 => server.say("drop"),
            16..24 => server.say("compact"),
            24..30 => {
                server.say("drop");
                unanswered += u64::from(!change(&all[0], &mut dice).await);
                server.say("compact");
            }
            30..32 => server.say("restart"),
            32..40 => drop(namespaces.remove(NAMESPACES[usize::try_from(dice.below(3)).unwrap()])),
            40..60 => drop(namespaces.add(NAMESPACES[usize::try_from(dice.below(3)).unwrap()])),
            60..70 => drop(several.dynamic(&kind).subscribe()),
            70..80 => drop(several.remove_dynamic(&kind)),
            _ => {}
        }
        if begun.elapsed() >= look {
            look += duration / 60;
            memory.extend(rss());
        }
    }

    for namespace in NAMESPACES {
        namespaces.add(namespace);
    }
    let secrets_by_name = several.dynamic(&kind);
    let equal = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (map, secret) = (
                on_server::<ConfigMap>(&client).await,
                on_server::<Secret>(&client).await,
            );
            let (Some(map), Some(secret)) = (map, secret) else {
                continue;
            };
            let dynamic = secrets_by_name.lister().list().len();
            let mirrored = maps.lister().list().iter().all(|map| {
                let secret = secrets.lister().get(&ObjectKey::of(&**map));
                secret.is_some_and(|secret| secret.string_of() == map.data)
            });
            let same = versions(maps.lister().list()) == map
                && versions(secrets.lister().list()) == secret
                && versions(by_namespace.list()) == map
                && *told.0.lock().unwrap() == map
                && *told.1.lock().unwrap() == secret;
            if same && mirrored && dynamic == secret.len() && secret.len() == map.len() {
                return map.len();
            }
        }
    };
    let objects = tokio::time::timeout(DEADLINE, equal)
        .await
        .expect("each cache becomes what the server has");
    assert!(objects > 0 && steps > 0);
    stop.cancel();
    running.await.unwrap().unwrap();

    let mib = |bytes: f64| bytes / 1_048_576.0;
    let median = |part: &[f64]| {
        let mut part = part.to_vec();
        part.sort_by(f64::total_cmp);
        part.get(part.len() / 2).copied()
    };
    let third = memory.len() / 3;
    let (first, last) = (median(&memory[third..third * 2]), median(&memory[third * 2..]));
    if let (Some(first), Some(last)) = (first, last) {
        println!(
            "{steps} steps in {duration:?}, {unanswered} of them without an answer, {} lists, {} watches, {} changes merged; {:.1} MiB after the first third, {:.1} MiB in the last",
            maps.status().lists + secrets.status().lists,
            maps.status().watches + secrets.status().watches,
            maps.merged() + secrets.merged(),
            mib(first),
            mib(last)
        );
        assert!(
            duration < Duration::from_secs(30) || last <= first * MARGIN.0 + MARGIN.1,
            "memory grew from {:.1} to {:.1} MiB",
            mib(first),
            mib(last)
        );
    }
}
