//! List and watch requests, and what comes back.
//!
//! Whatever is long is decoded on threads that may be busy for a while, not on those of the runtime.
//!
//! **Invariant:** an object that cannot be decoded costs that object alone: its key is reported, and everything
//! around it is used.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt, FutureExt};
use http::header::{ACCEPT_ENCODING, HeaderValue};
use kube::core::Status;
use kube::core::params::{ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::reflector::Intake;
use super::replacement::Incoming;
use super::trim::Trim;
use super::version::ResourceVersion;
use crate::guard::guarded;
use crate::kind::{Kind, ObjectKey};

/// Why a list or a watch ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Api(Box<Status>),
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    #[error(transparent)]
    Connection(Box<kube::Error>),
    #[error("the connection broke")]
    Broken(#[source] std::io::Error),
    #[error("the answer is no {0}")]
    Protocol(&'static str, #[source] serde_json::Error),
    #[error("the request cannot be made")]
    Request(#[source] kube::core::request::Error),
}

impl From<kube::Error> for WireError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Api(status),
            other => Self::Connection(Box::new(other)),
        }
    }
}

impl WireError {
    fn status(&self) -> Option<&Status> {
        match self {
            Self::Api(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the version that was asked for is no longer, or not yet, known: only a new list helps.
    pub(crate) fn is_expired(&self) -> bool {
        self.status().is_some_and(|status| {
            status.code == 410
                || matches!(status.reason.as_str(), "Expired" | "Gone")
                // A server that lost its data begins again at low versions, and ours is then in its future.
                || status.message.contains("Too large resource version")
                || status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "ResourceVersionTooLarge")
        })
    }

    /// Whether the server does not take this kind of request, so that the same one will not help.
    pub(crate) fn is_refusal(&self) -> bool {
        self.status()
            .is_some_and(|status| matches!(status.code, 400 | 405 | 406 | 415 | 422 | 501))
    }

    /// Whether a watch can go on where it ended: the server had trouble, not the request.
    pub(crate) fn keeps_place(&self) -> bool {
        match self {
            Self::Api(status) => status.code == 429 || status.code >= 500,
            Self::Request(_) => false,
            _ => true,
        }
    }

    /// Whether the server asks for patience, or does not run: nothing is wrong with what was asked. client-go:
    /// `isWatchErrorRetriable`.
    pub(crate) fn is_patience(&self) -> bool {
        match self {
            Self::Api(status) => status.code == 429,
            Self::Connection(error) => {
                let mut sources =
                    std::iter::successors(Some(&**error as &dyn std::error::Error), |error| error.source());
                sources.any(|error| {
                    let error = error.downcast_ref::<std::io::Error>();
                    error.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
                })
            }
            _ => false,
        }
    }

    /// The delay that the server asks for.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.status()?.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
    }
}

/// One kind in one scope, on the wire.
pub(crate) struct Wire<K> {
    pub(crate) client: kube::Client,
    pub(crate) request: kube::core::Request,
    pub(crate) label_selector: Option<String>,
    pub(crate) field_selector: Option<String>,
    pub(crate) page_size: Option<u32>,
    pub(crate) deadline: Duration,
    pub(crate) trim: Trim,
    pub(crate) kind: PhantomData<fn() -> K>,
}

/// One page of a list, its objects not decoded yet.
pub(crate) struct Page<K> {
    pub(crate) head: PageHead,
    pub(crate) decoding: JoinHandle<Result<Decoded<K>, WireError>>,
}

/// What a page says besides its objects.
pub(crate) struct PageHead {
    pub(crate) version: Option<ResourceVersion>,
    pub(crate) next: Option<String>,
}

/// Decoded objects, and the keys of those that could not be.
pub(crate) struct Decoded<K> {
    pub(crate) objects: Vec<Incoming<K>>,
    pub(crate) undecodable: Vec<ObjectKey>,
}

/// How a watch begins.
pub(crate) enum Since<'a> {
    /// With the objects as they are (`sendInitialEvents`).
    State,
    /// After a version.
    Version(&'a ResourceVersion),
}

impl<K: Kind> Wire<K> {
    /// Fetches a page, and decodes it beside the network: it is here when its head is known.
    pub(crate) async fn page(&self, next: Option<&str>, intake: &Intake<K>) -> Result<Page<K>, WireError> {
        let params = ListParams {
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            limit: self.page_size,
            continue_token: next.map(str::to_owned),
            ..ListParams::default()
        };
        let request = match K::metadata_api() {
            true => self.request.list_metadata(&params),
            false => self.request.list(&params),
        }
        .map_err(WireError::Request)?;
        let text = timeout(self.deadline, self.client.request_text(request))
            .await
            .map_err(|_| WireError::NoAnswer(self.deadline))??;
        let trim = self.trim;
        let intake = Arc::clone(intake);
        let (sender, head) = oneshot::channel();
        let decoding = spawn_blocking(move || {
            let list: RawList<'_> =
                serde_json::from_str(&text).map_err(|error| WireError::Protocol("list", error))?;
            // Nobody waits for it where the reflector was stopped.
            let _ = sender.send(PageHead {
                version: list.metadata.resource_version.map(ResourceVersion::from),
                next: list.metadata.r#continue.filter(|token| !token.is_empty()),
            });
            Ok(decode_items(&list.items.unwrap_or_default(), trim, &*intake))
        });
        match head.await {
            Ok(head) => Ok(Page { head, decoding }),
            Err(_) => match joined(decoding).await {
                Err(error) => Err(error),
                Ok(_) => unreachable!("a list that was decoded had a head"),
            },
        }
    }

    pub(crate) async fn watch(&self, from: Since<'_>, seconds: u32) -> Result<Watch<K>, WireError> {
        let mut params = WatchParams {
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            timeout: Some(seconds),
            bookmarks: true,
            send_initial_events: false,
        };
        let version = match &from {
            Since::State => {
                params.send_initial_events = true;
                ""
            }
            Since::Version(version) => version.as_str(),
        };
        let mut request = match K::metadata_api() {
            true => self.request.watch_metadata(&params, version),
            false => self.request.watch(&params, version),
        }
        .map_err(WireError::Request)?;
        // Servers from 1.37 compress a watch as one gzip member per event, of which kube's client reads the
        // first alone (tower-rs/tower-http#737); it opts its own watches out likewise.
        request
            .headers_mut()
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let body = timeout(self.deadline, self.client.request_stream(request))
            .await
            .map_err(|_| WireError::NoAnswer(self.deadline))??;
        Ok(Watch {
            body: Box::pin(body),
            rest: Vec::new(),
            broken: None,
            trim: self.trim,
            kind: PhantomData,
        })
    }
}

/// The outcome of decoding on another thread.
pub(crate) async fn joined<T>(decoding: JoinHandle<Result<T, WireError>>) -> Result<T, WireError> {
    match decoding.await {
        Ok(decoded) => decoded,
        Err(panic) => Err(WireError::Broken(std::io::Error::other(panic))),
    }
}

/// An open watch.
pub(crate) struct Watch<K> {
    body: Pin<Box<dyn AsyncBufRead + Send>>,
    /// What was read and not handed out: at most the beginning of a line between two calls.
    rest: Vec<u8>,
    /// How the connection broke, found after lines that are handed out first.
    broken: Option<std::io::Error>,
    trim: Trim,
    kind: PhantomData<fn() -> K>,
}

/// One line of a watch.
#[derive(Debug)]
pub(crate) enum Line<K> {
    Set(K),
    Gone(K),
    /// A new state that does not fit the type.
    Undecodable(ObjectKey, Option<ResourceVersion>),
    /// A deletion whose last state does not fit the type; the key is enough to act on it.
    GoneUndecodable(ObjectKey, Option<ResourceVersion>),
    Bookmark {
        version: ResourceVersion,
        initial_end: bool,
    },
    Failed(WireError),
}

impl<K: Kind> Watch<K> {
    /// The lines that have come, at least one; empty at the end of the watch.
    pub(crate) async fn lines(&mut self) -> Result<Vec<Line<K>>, WireError> {
        /// Some half a millisecond of decoding; more would hold up the other tasks of the thread.
        const LONG: usize = 1 << 16;
        loop {
            let text = self.text().await.map_err(WireError::Broken)?;
            if text.is_empty() {
                return Ok(Vec::new());
            }
            let trim = self.trim;
            let lines = match text.len() {
                ..LONG => decode_lines(&text, trim),
                _ => joined(spawn_blocking(move || Ok(decode_lines(&text, trim)))).await?,
            };
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// Whole lines: at least one, and what else has come by now; empty at the end.
    async fn text(&mut self) -> std::io::Result<Vec<u8>> {
        const MOST: usize = 1 << 20;
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let mut whole = 0;
        while whole < MOST {
            let more = match whole {
                0 => Some(self.body.fill_buf().await),
                _ => self.body.fill_buf().now_or_never(),
            };
            let chunk = match more {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) if whole == 0 => return Err(error),
                Some(Err(error)) => {
                    self.broken = Some(error);
                    break;
                }
                None => break,
            };
            let length = chunk.len();
            if length == 0 {
                // A last line may lack its end. One that was cut off is no loss: the watch resumes at the version
                // before it.
                if serde_json::from_slice::<&RawValue>(&self.rest[whole..]).is_ok() {
                    whole = self.rest.len();
                }
                break;
            }
            if let Some(last) = chunk.iter().rposition(|byte| *byte == b'\n') {
                whole = self.rest.len() + last + 1;
            }
            self.rest.extend_from_slice(chunk);
            self.body.as_mut().consume(length);
        }
        let rest = self.rest.split_off(whole);
        Ok(std::mem::replace(&mut self.rest, rest))
    }
}

#[derive(Deserialize)]
struct RawList<'a> {
    #[serde(default)]
    metadata: HeadMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta {
    resource_version: Option<String>,
    r#continue: Option<String>,
}

/// What is read of an object that its type does not fit.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Bare {
    metadata: BareMeta,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct BareMeta {
    namespace: Option<String>,
    name: Option<String>,
    resource_version: Option<String>,
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl BareMeta {
    fn version(&mut self) -> Option<ResourceVersion> {
        let version = self.resource_version.take().filter(|version| !version.is_empty());
        version.map(ResourceVersion::from)
    }
}

fn decode_items<K: Kind>(
    items: &[&RawValue],
    trim: Trim,
    intake: &dyn Fn(K) -> Result<Incoming<K>, ObjectKey>,
) -> Decoded<K> {
    let mut decoded = Decoded {
        objects: Vec::with_capacity(items.len()),
        undecodable: Vec::new(),
    };
    for item in items {
        match decode_object::<K>(item.get(), trim) {
            Ok(object) => match intake(object) {
                Ok(object) => decoded.objects.push(object),
                Err(key) => decoded.undecodable.push(key),
            },
            Err(error) => decoded.undecodable.push(report::<K>(item.get(), &error).0),
        }
    }
    decoded
}

fn report<K: Kind>(json: &str, error: &serde_json::Error) -> (ObjectKey, Option<ResourceVersion>) {
    let mut bare: Bare = serde_json::from_str(json).unwrap_or_default();
    let version = bare.metadata.version();
    let key = ObjectKey {
        namespace: bare.metadata.namespace,
        name: bare.metadata.name.unwrap_or_default(),
    };
    tracing::error!(
        object.kind = %K::kind(&()),
        object.namespace = key.namespace.as_deref().unwrap_or_default(),
        object.name = %key.name,
        error = %error,
        "object does not fit its type; the cache keeps what it held of it"
    );
    (key, version)
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

fn decode_lines<K: Kind>(text: &[u8], trim: Trim) -> Vec<Line<K>> {
    let mut lines = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        decode_line(line, trim, &mut lines);
    }
    lines
}

fn decode_line<K: Kind>(line: &[u8], trim: Trim, lines: &mut Vec<Line<K>>) {
    if line.iter().all(u8::is_ascii_whitespace) {
        return;
    }
    let event = match serde_json::from_slice::<RawEvent<'_>>(line) {
        Ok(event) => event,
        Err(error) => {
            // Some servers and proxies send a bare Status where an event belongs.
            lines.push(Line::Failed(match serde_json::from_slice::<Status>(line) {
                Ok(status) if status.code != 0 => WireError::Api(status.boxed()),
                _ => WireError::Protocol("watch event", error),
            }));
            return;
        }
    };
    let json = event.object.get();
    let set = match event.r#type {
        "ADDED" | "MODIFIED" => true,
        "DELETED" => false,
        "BOOKMARK" => {
            let mut bare: Bare = match serde_json::from_str(json) {
                Ok(bare) => bare,
                Err(error) => return lines.push(Line::Failed(WireError::Protocol("bookmark", error))),
            };
            let mark = |annotations: &std::collections::BTreeMap<String, String>| {
                annotations
                    .get(INITIAL_EVENTS_END)
                    .is_some_and(|value| value == "true")
            };
            let initial_end = bare.metadata.annotations.as_ref().is_some_and(mark);
            if let Some(version) = bare.metadata.version() {
                lines.push(Line::Bookmark { version, initial_end });
            }
            return;
        }
        "ERROR" => {
            return lines.push(Line::Failed(match serde_json::from_str::<Status>(json) {
                Ok(status) => WireError::Api(status.boxed()),
                Err(error) => WireError::Protocol("status", error),
            }));
        }
        other => {
            let unknown = serde::de::Error::custom(format_args!("unknown event type {other:?}"));
            return lines.push(Line::Failed(WireError::Protocol("watch event", unknown)));
        }
    };
    lines.push(match decode_object::<K>(json, trim) {
        Ok(object) if set => Line::Set(object),
        Ok(object) => Line::Gone(object),
        Err(error) => {
            let (key, version) = report::<K>(json, &error);
            if set {
                Line::Undecodable(key, version)
            } else {
                Line::GoneUndecodable(key, version)
            }
        }
    });
}

/// Decodes one object; a decoder that panics (a kind's own `Deserialize` may) counts as an object that does not fit.
fn decode_object<K: Kind>(json: &str, trim: Trim) -> Result<K, serde_json::Error> {
    guarded(|| trim.decode::<K>(json))
        .unwrap_or_else(|_| Err(serde::de::Error::custom("the type's decoder panicked")))
}

#[cfg(test)]
mod tests {
    use futures::io::BufReader;
    use futures::stream::{self, TryStreamExt};
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn watch_of<K>(body: impl AsyncBufRead + Send + 'static) -> Watch<K> {
        Watch {
            body: Box::pin(body),
            rest: Vec::new(),
            broken: None,
            trim: Trim::default(),
            kind: PhantomData,
        }
    }

    fn watch_chunks<K>(chunks: Vec<std::io::Result<Vec<u8>>>) -> Watch<K> {
        watch_of(stream::iter(chunks).into_async_read())
    }

    fn short<K: Kind + std::fmt::Debug>(line: &Line<K>) -> String {
        match line {
            Line::Set(object) => format!("set {}", ObjectKey::of(object)),
            Line::Gone(object) => format!("gone {}", ObjectKey::of(object)),
            Line::Undecodable(key, version) => format!("undecodable {key} {version:?}"),
            Line::GoneUndecodable(key, version) => format!("gone undecodable {key} {version:?}"),
            Line::Bookmark { version, initial_end } => format!("bookmark {version} {initial_end}"),
            Line::Failed(error) => format!("failed {error}"),
        }
    }

    async fn all<K: Kind + std::fmt::Debug>(mut watch: Watch<K>) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match watch.lines().await {
                Ok(lines) if lines.is_empty() => return all,
                Ok(lines) => all.extend(lines.iter().map(short)),
                Err(error) => {
                    all.push(format!("ended {error}"));
                    return all;
                }
            }
        }
    }

    const TEXT: &str = concat!(
        r#"{"type":"ADDED","object":{"metadata":{"name":"ä","namespace":"n"},"data":{"a":"\n"}}}"#,
        "\n\r\n",
        r#"{"type":"DELETED","object":{"metadata":{"name":"b","namespace":"n"}}}"#,
        "\r\n",
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
        "\n",
        r#"{"type":"ADDED","object":{"metadata":{"name":"c"#
    );
    const LINES: [&str; 3] = ["set n/ä", "gone n/b", "bookmark 7 true"];

    #[tokio::test]
    async fn lines_survive_any_chunking() {
        for at in 0..=TEXT.len() {
            // An empty chunk would be the end of the body.
            let (before, after) = TEXT.as_bytes().split_at(at);
            let chunks = [before, after].into_iter().filter(|chunk| !chunk.is_empty());
            let watch = watch_chunks::<ConfigMap>(chunks.map(|chunk| Ok(chunk.to_vec())).collect());
            assert_eq!(all(watch).await, LINES, "split at {at}");
        }
        for size in 1..TEXT.len() {
            let watch = watch_of::<ConfigMap>(BufReader::with_capacity(size, TEXT.as_bytes()));
            assert_eq!(all(watch).await, LINES, "{size} bytes at a time");
        }
    }

    #[tokio::test]
    async fn what_came_before_a_break_is_used() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let watch = watch_chunks::<ConfigMap>(vec![Ok(TEXT.into()), Err(broken)]);
        let mut expected = LINES.map(str::to_owned).to_vec();
        expected.push("ended the connection broke".to_owned());
        assert_eq!(all(watch).await, expected);
    }

    #[tokio::test]
    async fn long_texts_are_decoded_beside_the_runtime() {
        let line = |at: usize| {
            format!("{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"name\":\"a{at}\"}}}}}}\n")
        };
        let text: String = (0..10_000).map(line).collect();
        let lines = all(watch_chunks::<ConfigMap>(vec![Ok(text.into_bytes())])).await;
        assert_eq!(lines.len(), 10_000);
        assert_eq!((&*lines[0], &*lines[9_999]), ("set a0", "set a9999"));
    }

    #[tokio::test]
    async fn bare_status_line_is_an_api_error() {
        let status = r#"{"kind":"Status","status":"Failure","message":"etcd is away","reason":"Unavailable","code":503}"#;
        let event = format!(r#"{{"type":"ERROR","object":{status}}}"#);
        // A body that ends without the end of its last line, as a proxy's may.
        for text in [format!("{status}\n"), status.to_owned(), event] {
            let mut watch = watch_chunks::<ConfigMap>(vec![Ok(text.clone().into_bytes())]);
            let lines = watch.lines().await.unwrap();
            let [Line::Failed(WireError::Api(status))] = &lines[..] else {
                panic!("{text}: {lines:?}");
            };
            assert_eq!((status.code, &*status.message), (503, "etcd is away"));
        }
        for text in ["{}", "[1]", "no JSON", r#"{"type":"OTHER","object":{}}"#] {
            let lines = all(watch_chunks::<ConfigMap>(vec![Ok(
                format!("{text}\n").into_bytes()
            )]))
            .await;
            assert_eq!(lines, ["failed the answer is no watch event"], "{text}");
        }
    }

    #[tokio::test]
    async fn an_undecodable_deletion_still_has_its_key() {
        let object = r#"{"metadata":{"name":"a","namespace":"n","resourceVersion":"5"},"data":7}"#;
        let text = format!(
            "{{\"type\":\"DELETED\",\"object\":{object}}}\n{{\"type\":\"MODIFIED\",\"object\":{object}}}\n"
        );
        let lines = all(watch_chunks::<ConfigMap>(vec![Ok(text.into_bytes())])).await;
        let version = "n/a Some(ResourceVersion(\"5\"))";
        assert_eq!(
            lines,
            [
                format!("gone undecodable {version}"),
                format!("undecodable {version}")
            ]
        );
    }

    /// A kind whose decoder panics at one value.
    #[derive(Clone, Debug, serde::Serialize, Deserialize)]
    struct Fussy {
        metadata: kube::core::ObjectMeta,
        #[serde(deserialize_with = "fuss")]
        data: String,
    }

    fn fuss<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let data = String::deserialize(deserializer)?;
        assert_ne!(data, "bad", "as the test wants it");
        Ok(data)
    }

    impl kube::Resource for Fussy {
        type DynamicType = ();
        type Scope = crate::kind::Namespaced;

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
            &self.metadata
        }

        fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
            &mut self.metadata
        }
    }

    /// The invariant of this module.
    #[tokio::test]
    async fn a_decoder_that_panics_costs_one_object() {
        let object =
            |name: &str, data: &str| format!(r#"{{"metadata":{{"name":"{name}"}},"data":"{data}"}}"#);
        let (a, b, c) = (object("a", "good"), object("b", "bad"), object("c", "good"));
        let events = [&a, &b, &c].map(|object| format!("{{\"type\":\"ADDED\",\"object\":{object}}}\n"));
        let lines = all(watch_chunks::<Fussy>(vec![Ok(events.concat().into_bytes())])).await;
        assert_eq!(lines, ["set a", "undecodable b None", "set c"]);

        let list = format!(r#"{{"items":[{a},{b},{c}]}}"#);
        let list: RawList<'_> = serde_json::from_str(&list).unwrap();
        let store = crate::cache::Store::<Fussy>::new();
        let intake = crate::cache::reflector::Sink::intake(&store);
        let decoded = decode_items::<Fussy>(&list.items.unwrap(), Trim::default(), &*intake);
        let names: Vec<_> = decoded
            .objects
            .iter()
            .map(|object| object.entry().identity().name.to_owned())
            .collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(decoded.undecodable, [ObjectKey::cluster("b")]);
    }
}
