//! What a subscriber of traces sees: the way from an event to a write, and no secrets.
//!
//! In a process of its own, since the subscriber is the whole process's: answers are decoded on other threads too.
#![allow(clippy::unwrap_used, reason = "a test ends where a step fails")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use http::{Request, Response};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kubewright::Client;
use kubewright::backoff::Backoff;
use kubewright::cache::{InformerFactory, InitialState, ReflectorConfig};
use kubewright::client::{ClientError, InNamespace};
use kubewright::controller::{Action, Context, Controller, Reconciler};
use kubewright::kind::ObjectKey;
use kubewright::owner::set_controller;
use kubewright::queue::RateLimit;
use kubewright_apiserver::{DevServer, Listen};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// The fields of a span or an event, the message and the span's name among them.
#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let said = self.0.entry(field.name()).or_default();
        said.push_str(&format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.entry(field.name()).or_default().push_str(value);
    }
}

/// A span with those that it is in, from within, and what it follows from.
#[derive(Clone, Debug)]
struct Seen {
    chain: Vec<Fields>,
    follows: Vec<Fields>,
}

/// All that was ever said, at each level and by each crate.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Spans by their number, which none other has while it is open.
    open: BTreeMap<u64, Seen>,
    /// Spans that have ended.
    ended: Vec<Seen>,
    events: Vec<Fields>,
}

impl Heard {
    /// The subscriber of the process.
    fn here() -> &'static Self {
        static HERE: OnceLock<Heard> = OnceLock::new();
        HERE.get_or_init(|| {
            let heard = Self::default();
            let subscriber = tracing_subscriber::registry().with(heard.clone());
            tracing::subscriber::set_global_default(subscriber).unwrap();
            heard
        })
    }

    /// The ended spans of that name in which something was done to `object`, in the order of their ends.
    fn spans(&self, name: &str, object: &str) -> Vec<Seen> {
        let state = self.0.lock().unwrap();
        let ended = state.ended.iter().filter(|seen| {
            let span = &seen.chain[0];
            span.get("span") == name && span.get("object.name") == object
        });
        ended.cloned().collect()
    }

    fn events(&self, message: &str) -> Vec<Fields> {
        let state = self.0.lock().unwrap();
        let events = state.events.iter();
        events
            .filter(|event| event.get("message") == message)
            .cloned()
            .collect()
    }

    /// Every word of it.
    fn all(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let spans = state.open.values().chain(&state.ended);
        let spans = spans.flat_map(|seen| seen.chain.iter().chain(&seen.follows));
        let all = spans.chain(&state.events);
        all.map(|fields| format!("{:?}", fields.0)).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Heard {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, cx: tracing_subscriber::layer::Context<'_, S>) {
        let mut fields = Fields::default();
        fields.0.insert("span", span.metadata().name().to_owned());
        fields.0.insert("level", span.metadata().level().to_string());
        span.record(&mut fields);
        let mut state = self.0.lock().unwrap();
        let mut chain = vec![fields];
        let parent = cx.span(id).and_then(|span| Some(span.parent()?.id().into_u64()));
        if let Some(parent) = parent.and_then(|parent| state.open.get(&parent)) {
            chain.extend(parent.chain.iter().cloned());
        }
        let follows = Vec::new();
        state.open.insert(id.into_u64(), Seen { chain, follows });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut state = self.0.lock().unwrap();
        values.record(&mut state.open.get_mut(&id.into_u64()).unwrap().chain[0]);
    }

    fn on_follows_from(&self, id: &Id, from: &Id, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut state = self.0.lock().unwrap();
        let from = state.open[&from.into_u64()].chain[0].clone();
        state.open.get_mut(&id.into_u64()).unwrap().follows.push(from);
    }

    fn on_close(&self, id: Id, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut state = self.0.lock().unwrap();
        let ended = state.open.remove(&id.into_u64()).unwrap();
        state.ended.push(ended);
    }

    fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().events.push(fields);
    }
}

async fn eventually<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(value) = holds() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let held = tokio::time::timeout(DEADLINE, waiting).await;
    held.unwrap_or_else(|_| panic!("waited {DEADLINE:?} for: {what}"))
}

/// Copies a config map to a secret, unless `data.then` says to fail once, or to come again.
struct Mirror {
    secrets: Client<Secret>,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("as it was told to")]
    Told,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Owner(#[from] kubewright::owner::OwnerError),
}

impl Reconciler for Mirror {
    type Object = ConfigMap;
    type Error = Failed;

    async fn reconcile(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> Result<Action, Failed> {
        let Some(map) = cx.lister().get(key) else {
            return Ok(Action::done());
        };
        let secrets = self
            .secrets
            .namespace(key.namespace.as_deref().unwrap_or_default());
        let text = map.data.clone().unwrap_or_default();
        match text.get("then").map(String::as_str) {
            Some("fail") if cx.retries() == 0 => return Err(Failed::Told),
            Some("again") => return Ok(Action::requeue_after(Duration::from_millis(20))),
            _ => {}
        }
        match cx.lister_of::<Secret>().get(key) {
            None => {
                let mut secret: Secret =
                    serde_json::from_value(json!({"metadata": {"name": key.name}})).unwrap();
                secret.metadata.namespace.clone_from(&key.namespace);
                secret.string_data = Some(text);
                set_controller(&mut secret, &*map)?;
                cx.wrote(&secrets.create(&secret).await?);
            }
            Some(_) => {
                let patch = json!({ "stringData": text });
                cx.wrote(&secrets.merge_patch(&key.name, &patch).await?);
            }
        }
        Ok(Action::done())
    }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), kubewright::controller::RunError>>,
}

impl Running {
    fn start<R: Reconciler>(controller: Controller<R>) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(controller.run_until(stop.clone().cancelled_owned()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn mirror(client: &kube::Client, factory: &InformerFactory) -> Controller<Mirror> {
    let secrets = Client::new(client.clone());
    Controller::new(factory, Mirror { secrets })
        .name("mirror")
        .owns::<Secret>()
        .rate_limit(RateLimit {
            per_key: Backoff::exponential(Duration::from_millis(1), Duration::from_millis(1)),
            overall: None,
        })
}

async fn make(maps: &Client<ConfigMap, InNamespace>, name: &str, then: &str) -> ConfigMap {
    let map = json!({"metadata": {"name": name}, "data": {"then": then}});
    maps.create(&serde_json::from_value(map).unwrap()).await.unwrap()
}

fn version(map: &ConfigMap) -> &str {
    map.metadata.resource_version.as_deref().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_in_spans_that_say_whose_it_is_and_what_led_to_it() {
    let heard = Heard::here();
    let server = DevServer::start().await.unwrap();
    let factory = InformerFactory::new(&server.client());
    let maps = Client::<ConfigMap>::new(server.client()).namespace("default");
    let running = Running::start(mirror(&server.client(), &factory));
    factory.wait_for_sync(DEADLINE).await.unwrap();

    // The write: in a request's span, in a reconciliation's, which follows from the event's.
    let map = make(&maps, "traced", "").await;
    let write = eventually("the write's span", || {
        heard
            .spans("request", "traced")
            .into_iter()
            .find(|seen| seen.chain[0].get("operation") == "create" && seen.chain.len() > 1)
    })
    .await;
    let [request, reconcile] = write.chain.as_slice() else {
        panic!("{write:#?}");
    };
    for (field, value) in [
        ("object.group", ""),
        ("object.kind", "Secret"),
        ("object.namespace", "default"),
        ("object.name", "traced"),
        ("object.subresource", ""),
        ("level", Level::INFO.as_str()),
    ] {
        assert_eq!(request.get(field), value, "{field} of {request:#?}");
    }
    let cause = format!("added: ConfigMap default/traced at {}", version(&map));
    for (field, value) in [
        ("span", "reconcile"),
        ("controller", "mirror"),
        ("object.group", ""),
        ("object.kind", "ConfigMap"),
        ("object.namespace", "default"),
        ("object.name", "traced"),
        ("reconcile.cause", &cause),
        ("reconcile.events", "1"),
        ("reconcile.retries", "0"),
    ] {
        assert_eq!(reconcile.get(field), value, "{field} of {reconcile:#?}");
    }
    let first = eventually("the reconciliation's end", || {
        heard.spans("reconcile", "traced").into_iter().next()
    })
    .await;
    let [event] = first.follows.as_slice() else {
        panic!("{first:#?}");
    };
    for (field, value) in [
        ("span", "event"),
        ("controller", "mirror"),
        ("event.type", "added"),
        ("object.kind", "ConfigMap"),
        ("object.namespace", "default"),
        ("object.name", "traced"),
        ("object.resource_version", version(&map)),
    ] {
        assert_eq!(event.get(field), value, "{field} of {event:#?}");
    }

    // What a child leads to is told of the child; its deletion, of which no version is of its own, too.
    let secrets = Client::<Secret>::new(server.client()).namespace("default");
    let caused = async |cause: &str| {
        let start = format!("{cause}: Secret default/traced at ");
        eventually(&start, || {
            let spans = heard.spans("reconcile", "traced");
            spans
                .into_iter()
                .find(|seen| seen.chain[0].get("reconcile.cause").starts_with(&start))
        })
        .await
    };
    secrets
        .merge_patch("traced", &json!({"metadata": {"labels": {"a": "b"}}}))
        .await
        .unwrap();
    caused("updated").await;
    secrets.delete("traced").await.unwrap();
    let deleted = caused("deleted").await;
    assert_eq!(deleted.follows.last().unwrap().get("event.type"), "deleted");

    // A failure and a delay are no events.
    for (name, cause, retries) in [
        ("fail", "a failure before", "1"),
        ("again", "a delay that was asked for", "0"),
    ] {
        make(&maps, name, name).await;
        let again = eventually(cause, || {
            let spans = heard.spans("reconcile", name);
            spans
                .into_iter()
                .find(|seen| seen.chain[0].get("reconcile.cause") == cause)
        })
        .await;
        assert_eq!(again.chain[0].get("reconcile.retries"), retries, "{again:#?}");
        assert!(again.follows.is_empty());
    }
    running.stop().await;
}

/// Lets its one worker go when it is told to.
struct Gated(Arc<tokio::sync::Semaphore>);

impl Reconciler for Gated {
    type Object = ConfigMap;
    type Error = std::convert::Infallible;

    async fn reconcile(&self, _: &ObjectKey, _: &Context<ConfigMap>) -> Result<Action, Self::Error> {
        self.0.acquire().await.unwrap().forget();
        Ok(Action::done())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_become_one_reconciliation_are_counted_and_followed_from() {
    let heard = Heard::here();
    let server = DevServer::start().await.unwrap();
    let factory = InformerFactory::new(&server.client());
    let maps = Client::<ConfigMap>::new(server.client()).namespace("default");
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let running = Running::start(Controller::new(&factory, Gated(gate.clone())));
    factory.wait_for_sync(DEADLINE).await.unwrap();
    make(&maps, "merged", "").await;
    let deltas = |count: usize| {
        (heard.spans("event", "merged").len() + open_events(heard, "merged") >= count).then_some(())
    };
    eventually("the first event", || deltas(1)).await;
    for n in 0..12 {
        maps.merge_patch("merged", &json!({"data": {"n": n.to_string()}}))
            .await
            .unwrap();
    }
    eventually("all events", || deltas(13)).await;
    gate.add_permits(100);
    let spans = eventually("all of it in one or two reconciliations", || {
        let spans = heard.spans("reconcile", "merged");
        let events = |seen: &Seen| seen.chain[0].get("reconcile.events").parse::<u64>().unwrap();
        (spans.iter().map(events).sum::<u64>() == 13).then_some(spans)
    })
    .await;
    assert!(spans.len() <= 2, "{spans:#?}");
    let last = spans.last().unwrap();
    assert_eq!(last.follows.len(), 8, "no more than a few are kept");
    let first = last.follows[0].get("object.resource_version");
    let cause = last.chain[0].get("reconcile.cause");
    assert!(
        cause.ends_with(&format!(": ConfigMap default/merged at {first}")),
        "{cause}"
    );
    running.stop().await;
}

/// Spans of events that wait for their reconciliation.
fn open_events(heard: &Heard, object: &str) -> usize {
    let state = heard.0.lock().unwrap();
    let open = state
        .open
        .values()
        .filter(|seen| seen.chain[0].get("span") == "event" && seen.chain[0].get("object.name") == object);
    open.count()
}

const TOKEN: &str = "token-that-nobody-may-read";
const PASSWORD: &str = "hunter2-that-nobody-may-read";
/// No base64, as a broken server might send it.
const BROKEN: &str = "!!hunter3-that-nobody-may-read";

/// Answers every request about Secrets with some that fit no type.
fn broken_server() -> kube::Client {
    let service = tower::service_fn(|request: Request<kube::client::Body>| async move {
        let meta =
            |name: &str| json!({"namespace": "default", "name": name, "uid": name, "resourceVersion": "1"});
        let number = json!({"metadata": meta("number"), "data": {"password": 81_726_354}});
        let text = json!({"metadata": meta("text"), "data": {"password": BROKEN}});
        let map = json!({"metadata": meta("map"), "data": {"a": PASSWORD}});
        let query = request.uri().query().unwrap_or_default();
        let path = request.uri().path();
        let body = if query.contains("watch=true") {
            let line =
                json!({"type": "MODIFIED", "object": if path.contains("secrets") { &text } else { &map }});
            format!("{line}\n")
        } else if path.ends_with("/secrets") && request.method() == http::Method::GET {
            json!({"metadata": {"resourceVersion": "1"}, "items": [number, text]}).to_string()
        } else if path.ends_with("/configmaps") {
            json!({"metadata": {"resourceVersion": "1"}, "items": [map]}).to_string()
        } else {
            number.to_string()
        };
        Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(bytes::Bytes::from(body))))
    });
    kube::Client::new(service.map_err(tower::BoxError::from).boxed_clone(), "default")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_in_any_span_or_event() {
    let heard = Heard::here();
    let server = DevServer::builder()
        .listen(Listen::Plain(([127, 0, 0, 1], 0).into()))
        .token(TOKEN)
        .start()
        .await
        .unwrap();
    let mut config = kube::Config::new(server.url().parse().unwrap());
    config.auth_info.token = Some(TOKEN.to_owned().into());
    let client = kube::Client::try_from(config).unwrap();
    let factory = InformerFactory::new(&client);
    let maps = Client::<ConfigMap>::new(client.clone()).namespace("default");
    let secrets = Client::<Secret>::new(client.clone()).namespace("default");
    let running = Running::start(mirror(&client, &factory));
    factory.wait_for_sync(DEADLINE).await.unwrap();

    // Each verb, and what is refused: the server's words and ours.
    make(&maps, "secret", PASSWORD).await;
    let kept = eventually("the secret", || {
        factory
            .lister::<Secret>()
            .get(&ObjectKey::namespaced("default", "secret"))
    })
    .await;
    let mut stale = Secret::clone(&kept);
    maps.merge_patch("secret", &json!({"data": {"more": PASSWORD}}))
        .await
        .unwrap();
    let more = |secret: &Secret| secret.data.as_ref().is_some_and(|data| data.contains_key("more"));
    eventually("the change", || {
        factory
            .lister::<Secret>()
            .list()
            .iter()
            .any(|secret| more(secret))
            .then_some(())
    })
    .await;
    stale.string_data = Some([("password".to_owned(), PASSWORD.to_owned())].into());
    secrets.update(&stale).await.unwrap_err();
    secrets.create(&stale).await.unwrap_err();
    let refused = json!({"data": {"bad key!": "aHVudGVyMg==", "password": BROKEN}});
    secrets.merge_patch("secret", &refused).await.unwrap_err();
    secrets.list(&Default::default()).await.unwrap();
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    secrets.merge_patch("secret", &hold).await.unwrap();
    assert!(!secrets.delete("secret").await.unwrap().is_done());
    let let_go = json!({"metadata": {"finalizers": null}});
    secrets.merge_patch("secret", &let_go).await.unwrap();
    assert!(
        secrets
            .get_opt("secret")
            .await
            .unwrap()
            .is_none_or(|other| other.metadata.uid != kept.metadata.uid)
    );
    running.stop().await;

    // Answers that fit no type, in a cache and in a client, whose error a controller logs.
    let broken = broken_server();
    let config = ReflectorConfig {
        initial: InitialState::Pages,
        ..ReflectorConfig::default()
    };
    let factory = InformerFactory::builder(&broken).config(config).build();
    let running = Running::start(mirror(&broken, &factory));
    let misfits = "object does not fit its type; the cache keeps what it held of it";
    let named = |name: &str| {
        let events = heard.events(misfits);
        events.into_iter().find(|event| event.get("object.name") == name)
    };
    let number = eventually("a misfit in a list", || named("number")).await;
    assert!(number.get("error").contains("no more is said"), "{number:#?}");
    eventually("a misfit in a watch", || named("text")).await;
    let failed = eventually("an answer that does not fit", || {
        let events = heard.events("reconciliation failed");
        events
            .into_iter()
            .find(|event| event.get("error").contains("the answer is no Secret"))
    })
    .await;
    assert!(failed.get("error").contains("no more is said"), "{failed:#?}");
    let deleted = Client::<Secret>::new(broken.clone()).namespace("default");
    deleted.delete("number").await.unwrap_err();
    running.stop().await;

    let all = heard.all();
    // It did listen, also to kube's client and to the wire.
    for said in ["requesting", "\"HTTP\"", "\"reconcile\"", "create"] {
        assert!(all.iter().any(|words| words.contains(said)), "{said}");
    }
    let encoded = "aHVudGVyMi10aGF0LW5vYm9keS1tYXktcmVhZA==";
    for secret in [TOKEN, PASSWORD, encoded, "hunter3-that-nobody", "81726354"] {
        let told: Vec<_> = all.iter().filter(|words| words.contains(secret)).collect();
        assert!(told.is_empty(), "{secret} is told: {told:#?}");
    }
}
