//! List and watch requests, and what comes back.
//!
//! Whatever is long is decoded on threads that may be busy for a while, not on those of the runtime.
//!
//! **Invariant:** an object that cannot be decoded costs that object alone: its key is reported, and everything
//! around it is used.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::AsyncBufRead;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use kube::core::Status;
use kube::core::params::{ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::reflector::Intake;
use super::replacement::Incoming;
use super::target::{Cached, Namespace, Target, kind_name};
use super::trim::Trim;
use super::version::ResourceVersion;
use crate::discreet::misfit;
use crate::guard::guarded;
use crate::kind::ObjectKey;

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
    #[error("the server does not serve {0}")]
    Unserved(String),
    #[error("{0} is cluster-scoped: it has no objects in namespaces; watch it in a scope without one")]
    ClusterScoped(String),
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
            Self::Request(_) | Self::Unserved(_) | Self::ClusterScoped(_) => false,
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
    pub(crate) target: Target,
    pub(crate) namespace: Option<String>,
    pub(crate) need: Namespace,
    /// Absent while it is not known where the server has the kind.
    pub(crate) request: Option<kube::core::Request>,
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
    pub(super) objects: Vec<Incoming<K>>,
    pub(crate) undecodable: Vec<ObjectKey>,
}

/// How a watch begins.
pub(crate) enum Since<'a> {
    /// With the objects as they are (`sendInitialEvents`).
    State,
    /// After a version.
    Version(&'a ResourceVersion),
}

impl<K: Cached> Wire<K> {
    async fn request(&mut self) -> Result<&kube::core::Request, WireError> {
        if self.request.is_none() {
            let path = self
                .target
                .path(&self.client, self.namespace.as_deref(), self.need);
            let path = timeout(self.deadline, path).await;
            let path = path.map_err(|_| WireError::NoAnswer(self.deadline))??;
            self.request = Some(kube::core::Request::new(path));
        }
        self.request
            .as_ref()
            .ok_or_else(|| WireError::Unserved(self.target.name.clone()))
    }

    /// Looks for the kind once more where the server no longer knew it.
    pub(crate) fn failed(&mut self, error: &WireError) {
        let lost = error.status().is_some_and(|status| status.code == 404);
        if lost && self.target.may_move() {
            self.request = None;
        }
    }

    /// Fetches a page, and decodes it beside the network: it is here when its head is known.
    pub(super) async fn page(
        &mut self,
        next: Option<&str>,
        intake: &Intake<K>,
    ) -> Result<Page<K>, WireError> {
        let params = ListParams {
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            limit: self.page_size,
            continue_token: next.map(str::to_owned),
            ..ListParams::default()
        };
        let request = match K::metadata_api() {
            true => self.request().await?.list_metadata(&params),
            false => self.request().await?.list(&params),
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

    pub(crate) async fn watch(&mut self, from: Since<'_>, seconds: u32) -> Result<Watch<K>, WireError> {
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
            true => self.request().await?.watch_metadata(&params, version),
            false => self.request().await?.watch(&params, version),
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
        Ok(Watch::new(body, self.trim))
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
///
/// What comes in bulk, as a first state does, is decoded beside the network: up to [`AHEAD`] pieces at a time, on
/// threads of their own, while the next one is read; then reading waits. What comes little by little is decoded where it
/// is read.
pub(crate) struct Watch<K> {
    body: Pin<Box<dyn AsyncBufRead + Send>>,
    /// What was read and not handed out.
    rest: Vec<u8>,
    /// How much of that is whole lines.
    whole: usize,
    /// Pieces that are decoded elsewhere, in the order in which they came.
    decoding: VecDeque<JoinHandle<Vec<Line<K>>>>,
    /// Whether nothing more comes.
    ended: bool,
    /// How the connection broke, found after lines that are handed out first.
    broken: Option<std::io::Error>,
    trim: Trim,
    kind: PhantomData<fn() -> K>,
}

/// How many pieces of a watch are decoded at a time: one for each of two threads, and the next one is read by then.
const AHEAD: usize = 2;
/// Some half a millisecond of decoding; more would hold up the other tasks of the thread.
const LONG: usize = 1 << 16;
/// The longest piece, but for a line that is longer itself.
const MOST: usize = 1 << 20;

/// What comes next of a watch.
enum Next<K> {
    Lines(Vec<Line<K>>),
    /// Whole lines, few enough to be decoded at once.
    Text(Vec<u8>),
    /// The thread that decoded them failed.
    Lost(JoinError),
    End,
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

impl<K: Cached> Watch<K> {
    pub(crate) fn new(body: impl AsyncBufRead + Send + 'static, trim: Trim) -> Self {
        Self {
            body: Box::pin(body),
            rest: Vec::new(),
            whole: 0,
            decoding: VecDeque::new(),
            ended: false,
            broken: None,
            trim,
            kind: PhantomData,
        }
    }

    /// The lines that have come, at least one; empty at the end of the watch.
    pub(crate) async fn lines(&mut self) -> Result<Vec<Line<K>>, WireError> {
        loop {
            let lines = match poll_fn(|cx| self.poll_next(cx)).await {
                Next::Lines(lines) => lines,
                Next::Text(text) => decode_lines(&text, self.trim),
                Next::Lost(error) => return Err(WireError::Broken(std::io::Error::other(error))),
                Next::End => {
                    return match self.broken.take() {
                        Some(error) => Err(WireError::Broken(error)),
                        None => Ok(Vec::new()),
                    };
                }
            };
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// Reads on, and gives the next lines, whichever comes first. Whatever is read stands in `self` between two calls, so
    /// that nothing is lost where a call is given up.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<K>> {
        loop {
            if self.whole >= LONG && self.decoding.len() < AHEAD {
                let (text, trim) = (self.take_whole(), self.trim);
                self.decoding
                    .push_back(spawn_blocking(move || decode_lines(&text, trim)));
            }
            if self.ended || self.whole >= MOST || self.poll_read(cx).is_pending() {
                break;
            }
        }
        if let Some(first) = self.decoding.front_mut() {
            let decoded = std::task::ready!(Pin::new(first).poll(cx));
            self.decoding.pop_front();
            return Poll::Ready(match decoded {
                Ok(lines) => Next::Lines(lines),
                Err(error) => Next::Lost(error),
            });
        }
        match self.whole {
            0 if self.ended => Poll::Ready(Next::End),
            0 => Poll::Pending,
            _ => Poll::Ready(Next::Text(self.take_whole())),
        }
    }

    fn take_whole(&mut self) -> Vec<u8> {
        let rest = self.rest.split_off(self.whole);
        self.whole = 0;
        std::mem::replace(&mut self.rest, rest)
    }

    /// Reads what has come.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let chunk = match std::task::ready!(self.body.as_mut().poll_fill_buf(cx)) {
            Ok(chunk) => chunk,
            Err(error) => {
                self.broken = Some(error);
                self.ended = true;
                return Poll::Ready(());
            }
        };
        let length = chunk.len();
        if length == 0 {
            // A last line may lack its end. One that was cut off is no loss: the watch resumes at the version before
            // it.
            if serde_json::from_slice::<&RawValue>(&self.rest[self.whole..]).is_ok() {
                self.whole = self.rest.len();
            }
            self.ended = true;
            return Poll::Ready(());
        }
        if let Some(last) = chunk.iter().rposition(|byte| *byte == b'\n') {
            self.whole = self.rest.len() + last + 1;
        }
        self.rest.extend_from_slice(chunk);
        self.body.as_mut().consume(length);
        Poll::Ready(())
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

fn decode_items<K: Cached>(
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

fn report<K: Cached>(json: &str, error: &serde_json::Error) -> (ObjectKey, Option<ResourceVersion>) {
    let mut bare: Bare = serde_json::from_str(json).unwrap_or_default();
    let version = bare.metadata.version();
    let key = ObjectKey {
        namespace: bare.metadata.namespace,
        name: bare.metadata.name.unwrap_or_default(),
    };
    tracing::error!(
        object.kind = %kind_name::<K>(),
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

fn decode_lines<K: Cached>(text: &[u8], trim: Trim) -> Vec<Line<K>> {
    let mut lines = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        decode_line(line, trim, &mut lines);
    }
    lines
}

fn decode_line<K: Cached>(line: &[u8], trim: Trim, lines: &mut Vec<Line<K>>) {
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
fn decode_object<K: Cached>(json: &str, trim: Trim) -> Result<K, serde_json::Error> {
    guarded(|| trim.decode::<K>(json))
        .unwrap_or_else(|_| Err(serde::de::Error::custom("the type's decoder panicked")))
        .map_err(misfit::<K>)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
