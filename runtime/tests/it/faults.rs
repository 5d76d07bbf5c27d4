//! Caches on a wire that fails, against a server that keeps a history and breaks off its answers as it is told; tokio's
//! time is paused.
//!
//! Each test ends with the law of a cache: what a subscriber was told adds up to what the server has, each change is of
//! what was told before, and nothing is told twice.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kubewright::cache::{Delta, Informer, InitialState, ReflectorConfig, Subscription, WatchScope};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tower::service_fn;

/// Nothing here takes longer; time is paused, so it costs none.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// How an answer ends before its end.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// As a connection that is reset.
    Reset,
    /// As if it were whole, as behind some proxies.
    End,
}

/// What is wrong with the answer to one request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// Its body breaks off after so many bytes.
    Cut(usize, Cut),
    /// After so many bytes the history before the present version is forgotten, and the watch says so.
    Compacted(usize),
    /// It never comes.
    Silence,
}

/// What happened, by its version: name and object, or that it is gone.
type Happened = (u64, String, Option<Value>);

type Meanwhile = Arc<dyn Fn(&mut History) + Send + Sync>;

#[derive(Default)]
struct History {
    happened: Vec<Happened>,
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Older versions are forgotten.
    compacted: u64,
    /// Whether a watch at a forgotten version is answered with 200 and an event, as by some servers.
    as_event: bool,
    /// Which of its lives the server is in, whose data is not that of the last one.
    life: u32,
    /// How often all connections were broken.
    breaks: u32,
    faults: VecDeque<Fault>,
    asked: Vec<String>,
    /// Done before each page is answered.
    meanwhile: Option<Meanwhile>,
}

impl History {
    fn set(&mut self, name: &str) {
        self.version += 1;
        let version = self.version.to_string();
        let uid = match self.objects.get(name) {
            Some(object) => object["metadata"]["uid"].clone(),
            None => json!(format!("{}-{version}", self.life)),
        };
        let object = json!({"metadata": {"name": name, "uid": uid, "resourceVersion": version}});
        self.objects.insert(name.to_owned(), object.clone());
        self.happened.push((self.version, name.to_owned(), Some(object)));
    }

    fn delete(&mut self, name: &str) {
        self.version += 1;
        self.objects.remove(name).expect("only what is there is deleted");
        self.happened.push((self.version, name.to_owned(), None));
    }

    /// The objects as they were at a version.
    fn at(&self, version: u64) -> BTreeMap<String, Value> {
        let mut objects = BTreeMap::new();
        for (_, name, object) in self.happened.iter().take_while(|(at, ..)| *at <= version) {
            match object {
                Some(object) => drop(objects.insert(name.clone(), object.clone())),
                None => drop(objects.remove(name)),
            }
        }
        objects
    }

    /// Names and versions.
    fn state(&self) -> BTreeMap<String, String> {
        let version = |object: Value| object["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        let objects = self.objects.clone().into_iter();
        objects.map(|(name, object)| (name, version(object))).collect()
    }

    fn compact(&mut self) {
        self.compacted = self.version;
    }

    /// The lines of a watch after a version, and the version that it is at then.
    fn lines(&self, after: u64) -> (String, u64) {
        let mut text = String::new();
        let mut objects = self.at(after);
        for (version, name, object) in self.happened.iter().filter(|(version, ..)| *version > after) {
            let before = match object {
                Some(object) => objects.insert(name.clone(), object.clone()),
                None => objects.remove(name),
            };
            let (kind, object) = match (object, before) {
                (Some(object), None) => ("ADDED", object.clone()),
                (Some(object), Some(_)) => ("MODIFIED", object.clone()),
                (None, before) => {
                    let mut object = before.expect("only what is there is deleted");
                    object["metadata"]["resourceVersion"] = json!(version.to_string());
                    ("DELETED", object)
                }
            };
            text += &format!("{}\n", json!({"type": kind, "object": object}));
        }
        (text, self.version)
    }

    fn page(&self, limit: usize, next: Option<&str>) -> Value {
        let (version, after) = match next.and_then(|next| next.split_once('.')) {
            Some((version, after)) => (version.parse().unwrap(), after),
            None => (self.version, ""),
        };
        if version < self.compacted {
            return gone();
        }
        let objects = self.at(version);
        let rest: Vec<_> = objects
            .range(after.to_owned()..)
            .filter(|(name, _)| **name != *after)
            .collect();
        let page = &rest[..limit.min(rest.len())];
        let next = match page.last() {
            Some((last, _)) if page.len() < rest.len() => format!("{version}.{last}"),
            _ => String::new(),
        };
        let items: Vec<_> = page.iter().map(|(_, object)| object).collect();
        json!({"metadata": {"resourceVersion": version.to_string(), "continue": next}, "items": items})
    }
}

fn gone() -> Value {
    json!({"kind": "Status", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410})
}

/// What a server says to a version that it has not reached.
fn too_large() -> Value {
    let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
    json!({"kind": "Status", "status": "Failure", "message": "Too large resource version", "reason": "Timeout",
           "code": 504, "details": {"causes": [cause]}})
}

/// A server of config maps without a namespace.
#[derive(Clone, Default)]
struct World {
    history: Arc<Mutex<History>>,
    changed: tokio::sync::watch::Sender<()>,
}

impl World {
    fn of(names: &[&str]) -> Self {
        let world = Self::default();
        world.change(|history| names.iter().for_each(|name| history.set(name)));
        world
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut History)) {
        change(&mut self.history());
        self.changed.send_replace(());
    }

    /// Changes something while no connection is open.
    fn away(&self, change: impl FnOnce(&mut History)) {
        self.change(|history| {
            history.breaks += 1;
            change(history);
        });
    }

    fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.history().faults = faults.into_iter().collect();
    }

    fn client(&self) -> kube::Client {
        let world = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let world = world.clone();
            async move { world.answer(request.uri().query().unwrap_or_default()).await }
        });
        kube::Client::new(service, "default")
    }

    /// The answer to a query, with what is wrong with it, its status and what follows.
    fn decide(&self, query: &str) -> (Fault, u16, Answering) {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
        };
        let version = value("resourceVersion").and_then(|version| version.parse::<u64>().ok());
        let (fault, code, text, watching, breaks) = {
            let mut history = self.history();
            let fault = history.faults.pop_front().unwrap_or(Fault::None);
            let (code, text, watching, asked) = if value("watch").is_none() {
                if let Some(meanwhile) = history.meanwhile.clone() {
                    meanwhile(&mut history);
                }
                let limit = value("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
                let next = value("continue");
                let page = history.page(limit, next.as_deref());
                let code = page["code"].as_u64().unwrap_or(200);
                (
                    code,
                    page.to_string(),
                    None,
                    format!("list {}", next.unwrap_or_default()),
                )
            } else if value("sendInitialEvents").is_some() {
                let added = |object: &Value| format!("{}\n", json!({"type": "ADDED", "object": object}));
                let mut text: String = history.at(history.version).values().map(added).collect();
                let end = json!({"k8s.io/initial-events-end": "true"});
                let meta = json!({"resourceVersion": history.version.to_string(), "annotations": end});
                text += &format!("{}\n", json!({"type": "BOOKMARK", "object": {"metadata": meta}}));
                (200, text, Some(history.version), "state".to_owned())
            } else {
                let version = version.unwrap();
                let asked = format!("watch {version}");
                match version < history.compacted {
                    true if history.as_event => (
                        200,
                        format!("{}\n", json!({"type": "ERROR", "object": gone()})),
                        None,
                        asked,
                    ),
                    true => (410, gone().to_string(), None, asked),
                    false if version > history.version => (504, too_large().to_string(), None, asked),
                    false => (200, String::new(), Some(version), asked),
                }
            };
            history.asked.push(asked);
            (fault, code, text, watching, history.breaks)
        };
        let answering = Answering {
            world: self.clone(),
            changed: self.changed.subscribe(),
            ready: text,
            watching,
            breaks,
            fault,
            sent: 0,
        };
        (fault, u16::try_from(code).unwrap(), answering)
    }

    async fn answer(
        &self,
        query: &str,
    ) -> Result<Response<StreamBody<impl Stream<Item = io::Result<Frame<Bytes>>> + use<>>>, http::Error> {
        let (fault, code, answering) = self.decide(query);
        if matches!(fault, Fault::Silence) {
            std::future::pending::<()>().await;
        }
        Response::builder()
            .status(code)
            .body(StreamBody::new(answering.frames()))
    }

    /// The same by HTTP/1.1; faults are those of the bytes on the wire, from the status line to the last chunk.
    async fn serve(self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (connection, _) = listener.accept().await?;
            connection.set_nodelay(true)?;
            let world = self.clone();
            tokio::spawn(async move {
                let mut connection = BufReader::new(connection);
                loop {
                    let (mut line, mut query) = (String::new(), None);
                    while connection.read_line(&mut line).await? > 2 {
                        query.get_or_insert_with(|| {
                            line.split([' ', '?']).nth(2).unwrap_or_default().to_owned()
                        });
                        line.clear();
                    }
                    let Some(query) = query else { return Ok(()) };
                    let (fault, code, answering) = world.decide(&query);
                    let most = match fault {
                        Fault::Cut(at, _) => at,
                        _ => usize::MAX,
                    };
                    let unharmed = Answering {
                        fault: Fault::None,
                        ..answering
                    };
                    let mut frames = std::pin::pin!(unharmed.frames());
                    let head = format!("HTTP/1.1 {code} Told\r\ntransfer-encoding: chunked\r\n\r\n");
                    let (mut bytes, mut sent) = (head.into_bytes(), 0);
                    while !bytes.is_empty() {
                        let kept = &bytes[..bytes.len().min(most - sent)];
                        connection.write_all(kept).await?;
                        if kept.len() < bytes.len() {
                            return io::Result::Ok(());
                        }
                        sent += kept.len();
                        bytes.clear();
                        match frames.next().await {
                            Some(frame) => {
                                let data = frame?.into_data().unwrap_or_default();
                                bytes.extend(format!("{:x}\r\n", data.len()).into_bytes());
                                bytes.extend(data);
                                bytes.extend(b"\r\n");
                            }
                            None if sent > 0 => {
                                connection.write_all(b"0\r\n\r\n").await?;
                            }
                            None => {}
                        }
                    }
                }
            });
        }
    }
}

/// A body on its way.
struct Answering {
    world: World,
    changed: tokio::sync::watch::Receiver<()>,
    ready: String,
    /// The version that a watch is at.
    watching: Option<u64>,
    /// How many breaks were before it.
    breaks: u32,
    fault: Fault,
    sent: usize,
}

impl Answering {
    fn frames(self) -> impl Stream<Item = io::Result<Frame<Bytes>>> {
        stream::unfold(Some(self), |answering| async move {
            let mut answering = answering?;
            loop {
                if answering.watching.is_some() && answering.world.history().breaks != answering.breaks {
                    return Some((Err(io::ErrorKind::ConnectionReset.into()), None));
                }
                if answering.ready.is_empty()
                    && let Some(at) = answering.watching
                {
                    let (lines, at) = answering.world.history().lines(at);
                    (answering.ready, answering.watching) = (lines, Some(at));
                }
                if !answering.ready.is_empty() {
                    break;
                }
                answering.watching?;
                // The sender is with the world.
                answering.changed.changed().await.ok()?;
            }
            let text = std::mem::take(&mut answering.ready);
            let end = answering.sent + text.len();
            let frame = |text: &str| Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())));
            match answering.fault {
                Fault::Cut(at, cut) if at <= end => {
                    let kept = &text[..at - answering.sent];
                    match (kept.is_empty(), cut) {
                        (false, Cut::End) => Some((frame(kept), None)),
                        (true, Cut::End) => None,
                        (true, Cut::Reset) => Some((Err(io::ErrorKind::ConnectionReset.into()), None)),
                        (false, Cut::Reset) => {
                            answering.sent = at;
                            answering.ready = text[kept.len()..].to_owned();
                            Some((frame(kept), Some(answering)))
                        }
                    }
                }
                Fault::Compacted(at) if at <= end => {
                    answering.world.history().compact();
                    let whole = text[..at - answering.sent].rfind('\n').map_or(0, |end| end + 1);
                    let error = format!(
                        "{}{}\n",
                        &text[..whole],
                        json!({"type": "ERROR", "object": gone()})
                    );
                    Some((frame(&error), None))
                }
                _ => {
                    answering.sent = end;
                    Some((frame(&text), Some(answering)))
                }
            }
        })
    }
}

/// A cache, and what its subscriber was told.
struct Cache {
    informer: Informer<ConfigMap>,
    changes: Subscription<ConfigMap>,
    held: BTreeMap<String, Arc<ConfigMap>>,
    told: Vec<String>,
    /// How often it is looked whether the first state is complete.
    look: Duration,
}

fn version(map: &ConfigMap) -> u64 {
    map.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}

impl Cache {
    fn start(world: &World, config: ReflectorConfig) -> Self {
        Self::start_with(&world.client(), config)
    }

    fn start_with(client: &kube::Client, config: ReflectorConfig) -> Self {
        let look = config.backoff.initial;
        let informer = Informer::new(client, &WatchScope::all(), config);
        let changes = informer.subscribe();
        informer.start();
        Self {
            informer,
            changes,
            held: BTreeMap::new(),
            told: Vec::new(),
            look,
        }
    }

    fn apply(&mut self, delta: Delta<ConfigMap>) {
        let name = delta.key().name;
        match delta {
            Delta::Added(new) => {
                self.told.push(format!("+{name} {}", version(&new)));
                assert!(
                    self.held.insert(name, new).is_none(),
                    "told twice: {:?}",
                    self.told
                );
            }
            Delta::Updated { old, new } => {
                self.told.push(format!("{name} {}", version(&new)));
                assert!(version(&new) > version(&old), "told twice: {:?}", self.told);
                let before = self.held.insert(name, new);
                assert!(
                    before.is_some_and(|before| Arc::ptr_eq(&before, &old)),
                    "{:?}",
                    self.told
                );
            }
            Delta::Deleted { object, state } => {
                self.told.push(format!("-{name} {state:?}"));
                let before = self.held.remove(&name);
                assert!(
                    before.is_some_and(|before| before.metadata.uid == object.metadata.uid),
                    "{:?}",
                    self.told
                );
            }
        }
    }

    /// Waits until what was told is what the server has, which the cache itself then is, too.
    async fn follows(&mut self, world: &World, what: &str) {
        let versions = |held: &BTreeMap<String, Arc<ConfigMap>>| -> BTreeMap<String, String> {
            let version = |(name, map): (&String, &Arc<ConfigMap>)| (name.clone(), version(map).to_string());
            held.iter().map(version).collect()
        };
        let waiting = async {
            while versions(&self.held) != world.history().state() || !self.changes.has_synced() {
                tokio::select! {
                    delta = self.changes.recv() => self.apply(delta.expect("the cache runs")),
                    // That the first state is complete may be all that comes.
                    () = tokio::time::sleep(self.look) => {}
                }
            }
        };
        let came = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(
            came.is_ok(),
            "{what}: {:?}, {:?}",
            self.told,
            world.history().asked
        );
        let cached = self.informer.lister().list();
        let cached = cached
            .into_iter()
            .map(|map| (map.metadata.name.clone().unwrap(), map))
            .collect();
        assert_eq!(versions(&cached), world.history().state(), "{what}");
    }

    /// Ten quiet minutes bring nothing.
    async fn is_quiet(&mut self, what: &str) {
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(self.changes.pending(), 0, "{what}: {:?}", self.told);
    }

    fn lists(&self) -> u64 {
        self.informer.status().lists
    }
}

fn config(initial: InitialState) -> ReflectorConfig {
    ReflectorConfig {
        initial,
        page_size: Some(2),
        ..ReflectorConfig::default()
    }
}

const CUTS: [Cut; 2] = [Cut::Reset, Cut::End];

/// What happens to `a`, `b` and `c` after the first state, and how a subscriber is told.
fn busy(history: &mut History) {
    history.set("a");
    history.set("d");
    history.delete("b");
    history.set("b");
    history.set("a");
    history.delete("c");
}

const TOLD: [&str; 6] = ["a 4", "+d 5", "-b Final", "+b 7", "a 8", "-c Final"];

/// A place in the history is neither lost nor passed over: each change once, without another list.
#[tokio::test(start_paused = true)]
async fn a_watch_is_cut_at_every_byte() {
    let length = {
        let world = World::of(&["a", "b", "c"]);
        world.change(busy);
        world.history().lines(3).0.len()
    };
    for at in 0..=length {
        for cut in CUTS {
            let what = format!("{cut:?} at {at}");
            let world = World::of(&["a", "b", "c"]);
            world.faults([Fault::None, Fault::Cut(at, cut), Fault::Cut(length / 2, cut)]);
            let mut cache = Cache::start(&world, config(InitialState::Pages));
            // Two pages, and then the watch.
            world.history().faults.push_front(Fault::None);
            cache.follows(&world, &what).await;
            world.change(busy);
            cache.follows(&world, &what).await;
            assert_eq!(cache.told[3..], TOLD, "{what}");
            cache.is_quiet(&what).await;
            assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
        }
    }
}

/// A first state that breaks off is told once it is whole, as one, whichever way it comes then.
#[tokio::test(start_paused = true)]
async fn a_first_state_is_cut_at_every_byte() {
    let length = {
        let world = World::of(&["a", "b", "c"]);
        let page = world.history().page(2, None).to_string();
        // The watch-list is the longer one.
        page.len() * 2 + 120
    };
    for initial in [InitialState::WatchList, InitialState::Pages] {
        for at in 0..=length {
            for cut in CUTS {
                let what = format!("{initial:?}: {cut:?} at {at}");
                let world = World::of(&["a", "b", "c"]);
                // The same page twice, and then the next one.
                world.faults([Fault::Cut(at, cut), Fault::None, Fault::Cut(at, cut)]);
                let mut cache = Cache::start(&world, config(initial));
                cache.follows(&world, &what).await;
                world.change(busy);
                cache.follows(&world, &what).await;
                let mut first = cache.told[..3].to_vec();
                first.sort();
                assert_eq!(first, ["+a 1", "+b 2", "+c 3"], "{what}");
                assert_eq!(cache.told[3..], TOLD, "{what}");
                cache.is_quiet(&what).await;
                assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
            }
        }
    }
}

/// As above with HTTP around it: within the head, the length of a chunk, its data, and the list and the watch alike.
#[tokio::test]
async fn a_connection_is_cut_at_every_byte() {
    // As long as the longest answer.
    let length = {
        let world = World::of(&["a", "b", "c"]);
        world.change(busy);
        world.history().lines(3).0.len() + 80
    };
    let quick = ReflectorConfig {
        backoff: kubewright::backoff::Backoff::exponential(
            Duration::from_millis(1),
            Duration::from_millis(1),
        ),
        ..config(InitialState::Pages)
    };
    let world = World::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(world.clone().serve(listener));
    let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    for at in 0..length {
        let what = format!("at {at}");
        let cut = Fault::Cut(at, Cut::Reset);
        world.away(|history| {
            *history = History {
                breaks: history.breaks,
                faults: [cut, Fault::None, cut].into(),
                ..History::default()
            };
            ["a", "b", "c"].iter().for_each(|name| history.set(name));
        });
        let mut cache = Cache::start_with(&client, quick.clone());
        cache.follows(&world, &what).await;
        world.away(|history| {
            history.faults = [cut].into();
            busy(history);
        });
        cache.follows(&world, &what).await;
        assert_eq!(cache.told[3..], TOLD, "{what}");
        assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
    }
    serving.abort();
}

/// The history is forgotten while the cache is told of it, and while it is away; a server says so by a status or by an
/// event.
#[tokio::test(start_paused = true)]
async fn history_is_compacted_during_a_watch() {
    let length = {
        let world = World::of(&["a", "b", "c"]);
        world.change(busy);
        world.history().lines(3).0.len()
    };
    for initial in [InitialState::WatchList, InitialState::Pages] {
        for as_event in [false, true] {
            for at in (0..length).step_by(5) {
                let what = format!("{initial:?}, as event: {as_event}, at {at}");
                let world = World::of(&["a", "b", "c"]);
                world.history().as_event = as_event;
                let pages = if initial == InitialState::Pages { 2 } else { 0 };
                world.faults((0..pages).map(|_| Fault::None).chain([Fault::Compacted(at)]));
                let mut cache = Cache::start(&world, config(initial));
                cache.follows(&world, &what).await;
                world.change(busy);
                cache.follows(&world, &what).await;
                cache.is_quiet(&what).await;
            }
            let what = format!("{initial:?}, as event: {as_event}, away");
            let world = World::of(&["a", "b", "c"]);
            world.history().as_event = as_event;
            let mut cache = Cache::start(&world, config(initial));
            cache.follows(&world, &what).await;
            world.away(|history| {
                busy(history);
                history.compact();
            });
            cache.follows(&world, &what).await;
            let mut told = cache.told[3..].to_vec();
            told.sort();
            assert_eq!(
                told,
                ["+b 7", "+d 5", "-b LastKnown", "-c LastKnown", "a 8"],
                "{what}"
            );
            cache.is_quiet(&what).await;
            assert_eq!(cache.lists(), 2, "{what}");
        }
    }
}

/// The rest of a list is no longer available: after each page, each second and each third one.
#[tokio::test(start_paused = true)]
async fn history_is_compacted_between_pages() {
    for every in 1..4 {
        let world = World::of(&["a", "b", "c", "d", "e", "f", "g"]);
        let pages = Mutex::new(0);
        world.history().meanwhile = Some(Arc::new(move |history| {
            let mut pages = pages.lock().unwrap();
            *pages += 1;
            history.set("a");
            history.set(&format!("n{pages}"));
            if *pages % 2 == 0 {
                history.delete(&format!("n{}", *pages - 1));
            }
            if *pages % every == 0 {
                history.compact();
            }
        }));
        let what = format!("every {every}");
        let mut cache = Cache::start(&world, config(InitialState::Pages));
        cache.follows(&world, &what).await;
        world.away(|history| {
            busy(history);
            history.compact();
        });
        cache.follows(&world, &what).await;
        cache.is_quiet(&what).await;
        assert_eq!(cache.lists(), 2, "{what}: {:?}", world.history().asked);
    }
}

/// Ten thousand updates while everything is listed again, with their history and without.
#[tokio::test(start_paused = true)]
async fn ten_thousand_updates_during_a_relist() {
    const OBJECTS: usize = 20;
    const UPDATES: usize = 10_000;
    let names: Vec<_> = (0..OBJECTS).map(|at| format!("o{at:02}")).collect();
    for compacts in [false, true] {
        let what = format!("compacts: {compacts}");
        let world = World::default();
        world.change(|history| names.iter().for_each(|name| history.set(name)));
        let mut cache = Cache::start(&world, config(InitialState::Pages));
        cache.follows(&world, &what).await;
        let (updated, left) = (names.clone(), Mutex::new(UPDATES));
        // Ten pages; or the first one, and the second that comes too late.
        let each = if compacts { UPDATES / 2 } else { UPDATES / 10 };
        world.away(|history| {
            history.set("o00");
            history.compact();
            history.meanwhile = Some(Arc::new(move |history| {
                let mut left = left.lock().unwrap();
                for _ in 0..each.min(*left) {
                    *left -= 1;
                    history.set(&updated[*left % OBJECTS]);
                }
                if compacts {
                    history.compact();
                }
            }));
        });
        cache.follows(&world, &what).await;
        assert_eq!(world.history().happened.len(), OBJECTS + 1 + UPDATES, "{what}");
        cache.is_quiet(&what).await;
        assert_eq!(cache.lists(), 2, "{what}: {:?}", world.history().asked);
    }
}

/// A server that comes back with its data is followed on; one that lost it, or took up an older state of it, is listed.
#[tokio::test(start_paused = true)]
async fn a_server_comes_back_with_and_without_its_data() {
    for initial in [InitialState::WatchList, InitialState::Pages] {
        let what = format!("{initial:?}");
        let world = World::of(&["a", "b", "c"]);
        let mut cache = Cache::start(&world, config(initial));
        cache.follows(&world, &what).await;
        world.faults((0..3).map(|_| Fault::Silence));
        world.away(busy);
        cache.follows(&world, &what).await;
        assert_eq!(cache.told[3..], TOLD, "{what}");
        assert_eq!(cache.lists(), 1, "{what}");

        world.away(|history| {
            history.life += 1;
            (history.version, history.compacted) = (0, 0);
            history.happened.clear();
            history.objects.clear();
            history.set("a");
        });
        cache.follows(&world, &what).await;
        let mut told = cache.told[9..].to_vec();
        told.sort();
        assert_eq!(
            told,
            ["+a 1", "-a LastKnown", "-b LastKnown", "-d LastKnown"],
            "{what}"
        );
        world.change(|history| history.set("b"));
        cache.follows(&world, &what).await;
        assert_eq!(cache.lists(), 2, "{what}: {:?}", world.history().asked);
    }
}

/// Only the monotonic clock is asked, which never goes back: what jumps is how much of it passed since it was last asked,
/// as after a suspended machine. Each deadline passes once, and costs no list.
#[tokio::test(start_paused = true)]
async fn the_clock_jumps() {
    const JUMP: Duration = Duration::from_secs(40 * 24 * 60 * 60);
    for initial in [InitialState::WatchList, InitialState::Pages] {
        let what = format!("{initial:?}");
        let world = World::of(&["a", "b", "c"]);
        // While the first state is on its way.
        world.faults([Fault::Silence]);
        let mut cache = Cache::start(&world, config(initial));
        tokio::task::yield_now().await;
        tokio::time::advance(JUMP).await;
        cache.follows(&world, &what).await;
        let first = world.history().asked.len();
        assert!(first <= 5, "{what}: {:?}", world.history().asked);

        // While a watch is silent.
        tokio::time::advance(JUMP).await;
        world.change(busy);
        cache.follows(&world, &what).await;
        assert_eq!(cache.told[3..], TOLD, "{what}");
        assert!(
            world.history().asked.len() <= first + 1,
            "{what}: {:?}",
            world.history().asked
        );

        // While it waits for its next attempt.
        let before = world.history().asked.len();
        world.faults([Fault::Cut(0, Cut::Reset)]);
        world.away(|history| history.set("a"));
        tokio::task::yield_now().await;
        tokio::time::advance(JUMP).await;
        cache.follows(&world, &what).await;
        let asked = world.history().asked.len() - before;
        assert!(asked <= 3, "{what}: {:?}", world.history().asked);
        assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
    }
}
