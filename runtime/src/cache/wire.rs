//! List and watch requests, and what comes back.
//!
//! **Invariant:** an object that cannot be decoded costs that object alone: its key is reported, and everything
//! around it is used.

use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt};
use http::header::{ACCEPT_ENCODING, HeaderValue};
use kube::core::Status;
use kube::core::params::{ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::trim::Trim;
use super::version::ResourceVersion;
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

/// One page of a list, not decoded yet but for its head.
pub(crate) struct Page {
    text: String,
    pub(crate) version: Option<ResourceVersion>,
    pub(crate) next: Option<String>,
}

/// Decoded objects, and the keys of those that could not be.
pub(crate) struct Decoded<K> {
    pub(crate) objects: Vec<K>,
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
    pub(crate) async fn page(&self, next: Option<&str>) -> Result<Page, WireError> {
        let params = ListParams {
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            limit: self.page_size,
            continue_token: next.map(str::to_owned),
            ..ListParams::default()
        };
        let request = self.request.list(&params).map_err(WireError::Request)?;
        let text = timeout(self.deadline, self.client.request_text(request))
            .await
            .map_err(|_| WireError::NoAnswer(self.deadline))??;
        let head: Head = serde_json::from_str(&text).map_err(|error| WireError::Protocol("list", error))?;
        Ok(Page {
            text,
            version: head.metadata.resource_version.map(ResourceVersion::from),
            next: head.metadata.r#continue.filter(|token| !token.is_empty()),
        })
    }

    /// Decodes a page beside the network: on a thread that may be busy for a while.
    pub(crate) fn decode(&self, page: Page) -> tokio::task::JoinHandle<Result<Decoded<K>, WireError>> {
        let trim = self.trim;
        tokio::task::spawn_blocking(move || decode_page(&page.text, trim))
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
        let mut request = self.request.watch(&params, version).map_err(WireError::Request)?;
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
            trim: self.trim,
            kind: PhantomData,
        })
    }
}

/// An open watch.
pub(crate) struct Watch<K> {
    body: Pin<Box<dyn AsyncBufRead + Send>>,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
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
        loop {
            let chunk = self.body.fill_buf().await.map_err(WireError::Broken)?;
            let length = chunk.len();
            if length == 0 {
                // A line that was cut off is no loss: the watch resumes at the version before it.
                return Ok(Vec::new());
            }
            let Some(last) = chunk.iter().rposition(|byte| *byte == b'\n') else {
                self.rest.extend_from_slice(chunk);
                self.body.as_mut().consume(length);
                continue;
            };
            let trim = self.trim;
            let mut lines = Vec::new();
            let mut whole = &chunk[..last];
            if !self.rest.is_empty() {
                let first = whole
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(whole.len());
                self.rest.extend_from_slice(&whole[..first]);
                decode_line(&self.rest, trim, &mut lines);
                self.rest.clear();
                whole = whole.get(first + 1..).unwrap_or_default();
            }
            for line in whole.split(|byte| *byte == b'\n') {
                decode_line(line, trim, &mut lines);
            }
            self.rest.extend_from_slice(&chunk[last + 1..]);
            self.body.as_mut().consume(length);
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    metadata: HeadMeta,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta {
    resource_version: Option<String>,
    r#continue: Option<String>,
}

#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
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

fn decode_page<K: Kind>(text: &str, trim: Trim) -> Result<Decoded<K>, WireError> {
    let items: Items<'_> = serde_json::from_str(text).map_err(|error| WireError::Protocol("list", error))?;
    let items = items.items.unwrap_or_default();
    let mut decoded = Decoded {
        objects: Vec::with_capacity(items.len()),
        undecodable: Vec::new(),
    };
    for item in items {
        match decode_object::<K>(item.get(), trim) {
            Ok(object) => decoded.objects.push(object),
            Err(error) => decoded.undecodable.push(report::<K>(item.get(), &error).0),
        }
    }
    Ok(decoded)
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
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trim.decode::<K>(json)))
        .unwrap_or_else(|_| Err(serde::de::Error::custom("the type's decoder panicked")))
}
