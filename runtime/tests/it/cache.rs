//! How a reflector goes about listing and watching, against a server that follows a script; tokio's time is paused.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kubewright::backoff::Backoff;
use kubewright::cache::{
    Delta, Informer, InitialState, Lister, Reflector, ReflectorConfig, ReflectorHandle, Store, Trim,
    WatchScope,
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::service_fn;

/// Nothing here takes longer; time is paused, so it costs none.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// How the server answers one request.
enum Answer {
    Whole(u16, Value),
    Watch(Vec<Part>),
}

/// What comes through a watch; where nothing ends it, it stays open.
enum Part {
    Line(String),
    Silence(Duration),
    Break,
    End,
}

/// A server that answers one request after another as it is told; what comes after that stays without an answer.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    /// The requests, and when they came.
    seen: tokio::sync::watch::Sender<Vec<(Duration, String)>>,
    start: Instant,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            seen: tokio::sync::watch::Sender::default(),
            start: Instant::now(),
        }
    }

    fn client(&self) -> kube::Client {
        let script = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let script = script.clone();
            async move {
                let asked = (
                    script.start.elapsed(),
                    summary(request.uri().query().unwrap_or_default()),
                );
                script.seen.send_modify(|seen| seen.push(asked));
                let answer = script.answers.lock().unwrap().pop_front();
                let (code, parts) = match answer {
                    Some(Answer::Whole(code, body)) => (code, vec![Part::Line(body.to_string()), Part::End]),
                    Some(Answer::Watch(parts)) => (200, parts),
                    None => std::future::pending().await,
                };
                Response::builder().status(code).body(body(parts))
            }
        });
        kube::Client::new(service, "default")
    }

    /// What was asked and when, once so many requests came.
    async fn seen(&self, requests: usize) -> (Vec<String>, Vec<Duration>) {
        let mut seen = self.seen.subscribe();
        let all = tokio::time::timeout(DEADLINE, seen.wait_for(|seen| seen.len() >= requests)).await;
        let Ok(all) = all else {
            panic!("only these came: {:?}", self.seen.borrow());
        };
        let (times, asked) = all.unwrap()[..requests].iter().cloned().unzip();
        (asked, times)
    }
}

fn body(parts: Vec<Part>) -> StreamBody<impl Stream<Item = io::Result<Frame<Bytes>>>> {
    StreamBody::new(stream::unfold(VecDeque::from(parts), |mut parts| async move {
        loop {
            match parts.pop_front() {
                Some(Part::Line(line)) => {
                    return Some((Ok(Frame::data(Bytes::from(line + "\n"))), parts));
                }
                Some(Part::Silence(time)) => tokio::time::sleep(time).await,
                Some(Part::Break) => return Some((Err(io::ErrorKind::ConnectionReset.into()), parts)),
                Some(Part::End) => return None,
                None => std::future::pending().await,
            }
        }
    }))
}

/// `state`, `watch <version>` or `list <limit> <continue>`.
fn summary(query: &str) -> String {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    };
    match (value("watch"), value("sendInitialEvents")) {
        (Some(_), Some("true")) => "state".to_owned(),
        (Some(_), _) => format!("watch {}", value("resourceVersion").unwrap_or_default()),
        _ => {
            let [limit, next] = ["limit", "continue"].map(|name| value(name).unwrap_or("-"));
            format!("list {limit} {next}")
        }
    }
}

/// An object, labelled with its version.
fn object(name: &str, version: &str) -> Value {
    let labels = json!({"version": version});
    json!({"metadata": {"namespace": "n", "name": name, "uid": name, "resourceVersion": version, "labels": labels}})
}

fn event(kind: &str, object: &Value) -> Part {
    Part::Line(json!({"type": kind, "object": object}).to_string())
}

fn added(name: &str, version: &str) -> Part {
    event("ADDED", &object(name, version))
}

fn bookmark(version: &str) -> Part {
    event("BOOKMARK", &json!({"metadata": {"resourceVersion": version}}))
}

/// The bookmark that ends the first state.
fn mark(version: &str) -> Part {
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    event(
        "BOOKMARK",
        &json!({"metadata": {"resourceVersion": version, "annotations": annotations}}),
    )
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "status": "Failure", "message": "as told", "reason": reason, "code": code})
}

fn failure(code: u16, reason: &str) -> Part {
    event("ERROR", &status(code, reason))
}

fn refused(code: u16, reason: &str) -> Answer {
    Answer::Whole(code, status(code, reason))
}

fn page(version: &str, next: &str, names: &[&str]) -> Answer {
    let items: Vec<_> = names.iter().map(|name| object(name, "1")).collect();
    Answer::Whole(
        200,
        json!({"metadata": {"resourceVersion": version, "continue": next}, "items": items}),
    )
}

/// A reflector that runs as long as this is held.
struct Running {
    store: Lister<ConfigMap>,
    handle: ReflectorHandle,
    _stop: DropGuard,
}

fn run(script: &Script, initial: InitialState) -> Running {
    let config = ReflectorConfig {
        initial,
        ..ReflectorConfig::default()
    };
    let store = Store::new();
    let reflector = Reflector::new(&script.client(), &WatchScope::all(), config, store.clone());
    let (handle, stop) = (reflector.handle(), CancellationToken::new());
    tokio::spawn(reflector.run(stop.clone()));
    Running {
        store: Lister::new(store),
        handle,
        _stop: stop.drop_guard(),
    }
}

impl Running {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .store
            .list()
            .iter()
            .map(|map| map.metadata.name.clone().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The shortest delay after a first failure, and the longest: with as much again at random.
const FIRST: (Duration, Duration) = (Duration::from_millis(800), Duration::from_millis(1600));

#[tokio::test(start_paused = true)]
async fn refused_watch_list_falls_back_to_pages() {
    let script = Script::new([
        refused(422, "Invalid"),
        page("5", "", &["a"]),
        refused(410, "Expired"),
        page("7", "", &["b"]),
    ]);
    let running = run(&script, InitialState::WatchList);
    let (asked, times) = script.seen(5).await;
    // Not asked for again when the version expires.
    assert_eq!(asked, ["state", "list 500 -", "watch 5", "list 500 -", "watch 7"]);
    assert_eq!(times, [Duration::ZERO; 5]);
    assert_eq!(running.names(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_list_that_ends_without_its_mark_falls_back() {
    let changing = (0..60).flat_map(|at| {
        let again = event("MODIFIED", &object("a", &at.to_string()));
        [Part::Silence(Duration::from_secs(9)), again]
    });
    let never = Duration::ZERO;
    let patience = ReflectorConfig::default().initial_timeout;
    for (what, answer, from, to, again) in [
        ("an end", vec![added("z", "1"), Part::End], never, never, "state"),
        // Only a server that does not know of the mark sends another bookmark first.
        (
            "a bookmark",
            vec![added("z", "1"), bookmark("4")],
            never,
            never,
            "list 500 -",
        ),
        ("silence", vec![], patience, patience, "state"),
        (
            "silence after an object",
            vec![Part::Silence(Duration::from_secs(9)), added("z", "1")],
            patience + Duration::from_secs(9),
            patience + Duration::from_secs(9),
            "state",
        ),
        (
            "the same object",
            changing.collect(),
            patience,
            patience * 2,
            "state",
        ),
        (
            "a break",
            vec![added("z", "1"), Part::Break],
            FIRST.0,
            FIRST.1,
            "state",
        ),
        (
            "a failure",
            vec![failure(500, "InternalError")],
            FIRST.0,
            FIRST.1,
            "state",
        ),
    ] {
        let script = Script::new([
            Answer::Watch(answer),
            page("5", "", &["a"]),
            refused(410, "Expired"),
        ]);
        let running = run(&script, InitialState::WatchList);
        let (asked, times) = script.seen(4).await;
        assert_eq!(asked, ["state", "list 500 -", "watch 5", again], "{what}");
        assert!((from..=to).contains(&times[1]), "{what}: {times:?}");
        assert_eq!(running.names(), ["a"], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_run_is_asked_for_the_state_again() {
    // Listing in pages is what hurts it when it comes back.
    let script = Script::new([
        refused(429, "TooManyRequests"),
        refused(429, "TooManyRequests"),
        refused(503, "ServiceUnavailable"),
        refused(503, "ServiceUnavailable"),
    ]);
    let _running = run(&script, InitialState::WatchList);
    let (asked, _) = script.seen(5).await;
    assert_eq!(asked, ["state", "state", "state", "list 500 -", "state"]);
}

#[tokio::test(start_paused = true)]
async fn modified_before_the_initial_mark_is_one_added() {
    let script = Script::new([Answer::Watch(vec![
        added("a", "1"),
        added("b", "2"),
        event("MODIFIED", &object("a", "3")),
        event("DELETED", &object("b", "4")),
        mark("4"),
        event("MODIFIED", &object("a", "5")),
    ])]);
    let informer =
        Informer::<ConfigMap>::new(&script.client(), &WatchScope::all(), ReflectorConfig::default());
    let version = |map: &ConfigMap| {
        map.metadata
            .labels
            .iter()
            .flatten()
            .map(|(_, value)| value.clone())
            .collect()
    };
    informer.add_index("version", version).unwrap();
    let mut changes = informer.subscribe();
    informer.start();
    let Some(Delta::Added(first)) = changes.recv().await else {
        panic!("no object first");
    };
    assert_eq!(first.metadata.resource_version.as_deref(), Some("3"));
    let Some(Delta::Updated { old, new }) = changes.recv().await else {
        panic!("no update next");
    };
    assert!(Arc::ptr_eq(&first, old.get().unwrap()));
    assert_eq!(new.metadata.resource_version.as_deref(), Some("5"));
    let lister = informer.lister();
    assert_eq!(lister.index_values("version").unwrap(), ["5"]);
    assert_eq!(lister.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn repeated_410_backs_off() {
    let quiet = Duration::from_secs(121);
    let expired = |after| Answer::Watch(vec![mark("5"), Part::Silence(after), failure(410, "Expired")]);
    let script = Script::new([
        expired(quiet),
        expired(Duration::ZERO),
        expired(Duration::ZERO),
        expired(quiet),
    ]);
    let _running = run(&script, InitialState::WatchList);
    let (asked, times) = script.seen(5).await;
    assert_eq!(asked, ["state"; 5]);
    let delays: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(delays[0], quiet, "the first is listed at once");
    assert!((FIRST.0..=FIRST.1).contains(&delays[1]), "{delays:?}");
    assert!((FIRST.0 * 2..=FIRST.1 * 2).contains(&delays[2]), "{delays:?}");
    assert_eq!(delays[3], quiet, "and again after a while without");
}

#[tokio::test(start_paused = true)]
async fn a_failing_stream_relists_in_the_end() {
    let failures: [fn() -> Vec<Part>; 4] = [
        || vec![failure(500, "InternalError")],
        || vec![Part::Line("no JSON".into())],
        || vec![event("NEWS", &object("a", "6"))],
        || vec![Part::End],
    ];
    for parts in failures {
        let stuck = || Answer::Watch(parts());
        let script = Script::new([
            Answer::Watch(vec![mark("5"), Part::End]),
            stuck(),
            stuck(),
            // Something came after all, so it begins anew.
            Answer::Watch([vec![added("a", "7")], parts()].into_iter().flatten().collect()),
            stuck(),
            stuck(),
            stuck(),
        ]);
        let _running = run(&script, InitialState::WatchList);
        let (asked, times) = script.seen(8).await;
        let mut expected = vec!["state", "watch 5", "watch 5", "watch 5"];
        expected.extend(["watch 7", "watch 7", "watch 7", "state"]);
        assert_eq!(asked, expected);
        assert!(times[7] - times[6] > FIRST.0 * 2, "{times:?}");
    }
    // A server that does not take the request, or a connection that dies after a while, may know our version well.
    let cut = || Answer::Watch(vec![Part::Silence(Duration::from_secs(30)), Part::Break]);
    let away = || refused(503, "ServiceUnavailable");
    let first = Answer::Watch(vec![mark("5"), Part::End]);
    let script = Script::new([first, away(), cut(), away(), cut(), away(), cut()]);
    let _running = run(&script, InitialState::WatchList);
    let (asked, _) = script.seen(8).await;
    assert_eq!(asked[1..], ["watch 5"; 7]);
}

/// The invariant of versions: they go back as they came.
#[tokio::test(start_paused = true)]
async fn resume_uses_the_bookmark_version() {
    let script = Script::new([
        Answer::Watch(vec![mark("0x5"), bookmark("0x9"), Part::End]),
        Answer::Watch(vec![added("a", "0x8"), Part::End]),
    ]);
    let running = run(&script, InitialState::WatchList);
    let (asked, _) = script.seen(3).await;
    assert_eq!(asked, ["state", "watch 0x9", "watch 0x8"]);
    assert_eq!(running.names(), ["a"]);
    assert_eq!(
        (running.handle.status().lists, running.handle.status().watches),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn continue_expired_lists_whole() {
    let script = Script::new([
        page("5", "t1", &["a"]),
        page("5", "t2", &["b"]),
        refused(410, "Expired"),
        page("9", "", &["b", "c"]),
        refused(410, "Expired"),
    ]);
    let running = run(&script, InitialState::Pages);
    let (asked, _) = script.seen(6).await;
    let mut expected = vec!["list 500 -", "list 500 t1", "list 500 t2", "list - -"];
    expected.extend(["watch 9", "list 500 -"]);
    assert_eq!(asked, expected);
    assert_eq!(running.names(), ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_watch_is_not_reopened_in_a_loop() {
    let empty = || Answer::Watch(vec![Part::End]);
    let script = Script::new([page("5", "", &[]), empty(), empty()]);
    let running = run(&script, InitialState::Pages);
    let (asked, times) = script.seen(4).await;
    assert_eq!(asked[1..], ["watch 5"; 3]);
    assert!((FIRST.0..=FIRST.1).contains(&(times[2] - times[1])), "{times:?}");
    assert!(
        (FIRST.0 * 2..=FIRST.1 * 2).contains(&(times[3] - times[2])),
        "{times:?}"
    );
    assert_eq!(
        running.handle.status().last_error.as_deref(),
        Some("the connection broke: unexpected end of file")
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_reopened() {
    let script = Script::new([Answer::Watch(vec![
        mark("5"),
        Part::Silence(Duration::from_secs(100)),
        bookmark("6"),
    ])]);
    let running = run(&script, InitialState::WatchList);
    let (asked, times) = script.seen(2).await;
    assert_eq!(asked, ["state", "watch 6"]);
    assert_eq!(
        times[1],
        Duration::from_secs(100) + ReflectorConfig::default().idle_timeout
    );
    assert_eq!(running.handle.status().last_error, None);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept() {
    let mut patience = status(429, "TooManyRequests");
    patience["details"] = json!({"retryAfterSeconds": 40});
    let script = Script::new([
        Answer::Whole(429, patience.clone()),
        Answer::Watch(vec![mark("5"), event("ERROR", &patience)]),
    ]);
    let _running = run(&script, InitialState::WatchList);
    let (asked, times) = script.seen(3).await;
    assert_eq!(asked, ["state", "state", "watch 5"]);
    assert_eq!(times, [0, 40, 80].map(Duration::from_secs));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_after_it_brought_something_is_taken_up_soon() {
    let cut = |name: &str, version: &str| Answer::Watch(vec![added(name, version), Part::Break]);
    let watches = (6..30).map(|n| cut("a", &n.to_string()));
    let script = Script::new(
        [Answer::Watch(vec![mark("5"), Part::Break])]
            .into_iter()
            .chain(watches),
    );
    let _running = run(&script, InitialState::WatchList);
    let (_, times) = script.seen(25).await;
    let longest = Backoff::reflector().initial * 2;
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] <= longest),
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reflector_alone_tells_how_it_is() {
    let script = Script::new([refused(403, "Forbidden"), page("5", "", &["a"])]);
    let mut running = run(&script, InitialState::Pages);
    assert!(!running.handle.has_synced() && !running.store.has_synced());
    let mut failed = running.handle.clone();
    script.seen(1).await;
    assert!(running.handle.wait_for_sync().await);
    assert!(running.store.has_synced());
    assert_eq!(running.names(), ["a"]);
    drop(running);
    assert!(failed.wait_for_sync().await, "it did sync");

    let never = Script::new([]);
    let mut running = run(&never, InitialState::Pages);
    never.seen(1).await;
    drop(running._stop);
    assert!(!running.handle.wait_for_sync().await);
    assert!(!running.store.has_synced());
}

#[tokio::test(start_paused = true)]
async fn durations_may_be_endless() {
    let script = Script::new([Answer::Watch(vec![mark("5"), added("a", "6")])]);
    let config = ReflectorConfig {
        initial: InitialState::WatchList,
        page_size: None,
        backoff: Backoff::reflector(),
        request_timeout: Duration::MAX,
        watch_timeout: Duration::MAX,
        idle_timeout: Duration::MAX,
        initial_timeout: Duration::MAX,
        trim: Trim::NOTHING,
        ..ReflectorConfig::default()
    };
    let informer = Informer::<ConfigMap>::new(&script.client(), &WatchScope::all(), config);
    let mut changes = informer.subscribe_with(Some(Duration::MAX));
    informer.start();
    assert!(matches!(changes.recv().await, Some(Delta::Added(_))));
    assert_eq!(informer.status().last_error, None);
}

/// A kind that cannot be asked for the metadata of one of its objects.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Fussy {
    metadata: kube::core::ObjectMeta,
}

impl kube::Resource for Fussy {
    type DynamicType = ();
    type Scope = kubewright::kind::Namespaced;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "Fussy".into()
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "test.kubewright.dev".into()
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "fussies".into()
    }

    fn meta(&self) -> &kube::core::ObjectMeta {
        assert_ne!(self.metadata.name.as_deref(), Some("bad"), "as the test wants it");
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
        &mut self.metadata
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_panics_ends_its_cache() {
    let script = Script::new([Answer::Watch(vec![
        added("good", "1"),
        mark("1"),
        Part::Silence(Duration::from_secs(1)),
        added("bad", "2"),
    ])]);
    let informer = Informer::<Fussy>::new(&script.client(), &WatchScope::all(), ReflectorConfig::default());
    let mut changes = informer.subscribe();
    informer.start();
    informer.wait_for_sync().await.unwrap();
    assert!(changes.recv().await.is_some());
    assert!(changes.recv().await.is_none(), "the stream ends");
    let error = informer.status().last_error.unwrap();
    assert!(
        error.starts_with("the watch panicked: ") && error.contains("as the test wants it"),
        "{error}"
    );
    assert_eq!(informer.lister().len(), 1);
}
