//! Faults, delays, reactors and the request log.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Response;
use http::request::Parts;
use kube::core::Status;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::chaos::{Chaos, Running, Trouble};
use super::door::{Refusal, Sent};
use crate::engine::decode::decode_yaml;
use crate::engine::{AuditAnnotations, Body, Identity, Interceptor, ResourcePath, Target, Verb, body};
use crate::status::{ApiError, Result};

/// Which requests a control is about; what is not named matches anything.
///
/// ```
/// use kubewright_apiserver::Matcher;
/// let matcher = Matcher::any().verb("update").group("apps").resource("deployments").subresource("status");
/// # let _ = matcher;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    verb: Option<String>,
    group: Option<String>,
    resource: Option<String>,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    user: Option<String>,
}

/// What a matcher looks at.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) path: &'a ResourcePath,
    pub(super) verb: Option<Verb>,
    pub(super) user: Option<&'a str>,
}

/// Who asks.
pub(super) fn user(request: &Parts) -> Option<&str> {
    let identity = request.extensions.get::<Identity>();
    identity.map(|identity| identity.user.as_str())
}

impl Matcher {
    /// Matches every request for a resource.
    pub fn any() -> Self {
        Self::default()
    }

    /// Only this verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    #[must_use]
    pub fn verb(mut self, verb: impl Into<String>) -> Self {
        self.verb = Some(verb.into());
        self
    }

    /// Only this group; empty for the core group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Only this plural.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Only this subresource; empty for the resource itself.
    #[must_use]
    pub fn subresource(mut self, subresource: impl Into<String>) -> Self {
        self.subresource = Some(subresource.into());
        self
    }

    /// Only this namespace; empty for requests outside of any.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only this name in the path; empty for collections, creates among them.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only requests of this user; see [`DevServer::client_as`](super::DevServer::client_as).
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    pub(super) fn matches(&self, Subject { path, verb, user }: Subject<'_>) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted == found.unwrap_or_default())
        };
        fits(&self.verb, verb.map(Verb::as_str))
            && fits(&self.user, user)
            && fits(&self.group, Some(&path.group))
            && fits(&self.resource, Some(&path.resource))
            && fits(&self.subresource, path.subresource.as_deref())
            && fits(&self.namespace, path.namespace.as_deref())
            && fits(&self.name, path.name.as_deref())
    }
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// What it asked for; absent for discovery and the like.
    pub verb: Option<&'static str>,
    /// The resource that it was for.
    pub resource: Option<ResourcePath>,
    /// Media type of its body.
    pub content_type: Option<String>,
    /// What the client sent; empty where it was not read, and for requests that were given to the
    /// [engine](super::DevServer::engine) itself.
    pub body: Bytes,
    /// Who asked.
    pub user: Option<String>,
    /// HTTP code of the answer.
    pub code: u16,
    /// Audit annotations of admission webhooks, as `webhook/key`.
    pub annotations: Vec<(String, String)>,
}

impl LoggedRequest {
    /// Whether a matcher is about this request.
    pub fn is(&self, matcher: &Matcher) -> bool {
        let Some(path) = &self.resource else { return false };
        let verb = matcher.verb.as_deref().is_none_or(|verb| Some(verb) == self.verb);
        let anything = Matcher {
            verb: None,
            ..matcher.clone()
        };
        verb && anything.matches(Subject {
            path,
            verb: None,
            user: self.user.as_deref(),
        })
    }

    /// Whether it asked for a change.
    pub fn is_write(&self) -> bool {
        const WRITES: [Verb; 5] = [
            Verb::Create,
            Verb::Update,
            Verb::Patch,
            Verb::Delete,
            Verb::DeleteCollection,
        ];
        WRITES.iter().any(|write| Some(write.as_str()) == self.verb)
    }

    /// The body, where it is JSON or YAML: an object, a patch, the options of a delete.
    pub fn sent(&self) -> Option<Value> {
        parse(&self.body)
    }
}

fn parse(body: &[u8]) -> Option<Value> {
    if body.is_empty() {
        return None;
    }
    serde_json::from_slice(body)
        .ok()
        .or_else(|| Some(decode_yaml(body).ok()?.value))
}

/// A request that a reactor is asked about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// What it wants; absent where the method stands for no verb.
    pub verb: Option<&'static str>,
    /// Of which resource.
    pub resource: &'a ResourcePath,
    /// Path and query.
    pub uri: &'a http::Uri,
    /// Who asks.
    pub user: Option<&'a str>,
    /// What was sent.
    pub body: Bytes,
}

impl Asked<'_> {
    /// The body, where it is JSON or YAML.
    pub fn sent(&self) -> Option<Value> {
        parse(&self.body)
    }
}

/// What a reactor does about a request.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once for a request, and easier to write without a box"
)]
pub enum Reaction {
    /// Nothing: the next reactor is asked, and then the server answers.
    Pass,
    /// Fails it so.
    Fail(Status),
    /// Answers it with 200 and this object; nothing is read or stored.
    Answer(Value),
}

/// A reactor of a server, which stays until it is removed or the server is dropped.
#[derive(Clone, Debug)]
pub struct Reactor {
    id: u64,
    answered: Arc<AtomicU64>,
    controls: Weak<Controls>,
}

impl Reactor {
    /// How many requests it answered or failed.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Asks it no more.
    pub fn remove(&self) {
        if let Some(controls) = self.controls.upgrade() {
            controls.reactors.lock().retain(|other| other.id != self.id);
            controls.note_busy();
        }
    }
}

type React = Box<dyn FnMut(&Asked<'_>) -> Reaction + Send>;

struct Reacting {
    id: u64,
    matcher: Matcher,
    /// Locked while it is asked, which may take its time.
    react: Arc<Mutex<React>>,
    answered: Arc<AtomicU64>,
}

impl fmt::Debug for Reacting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reacting")
            .field("matcher", &self.matcher)
            .finish_non_exhaustive()
    }
}

/// How many requests are logged, and how many bytes of their bodies.
const LOG_LIMIT: usize = 65_536;
const LOG_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<LoggedRequest>,
    bytes: usize,
}

impl Log {
    fn push(&mut self, entry: LoggedRequest) {
        self.bytes += entry.body.len();
        self.entries.push_back(entry);
        while self.entries.len() > LOG_LIMIT || self.bytes > LOG_BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.body.len();
        }
    }
}

/// State of a server's controls.
#[derive(Debug, Default)]
pub(super) struct Controls {
    failures: Mutex<VecDeque<(Matcher, Status)>>,
    delays: Mutex<Vec<(Matcher, Duration)>>,
    /// The last one is asked first, as client-go's `PrependReactor` has it.
    reactors: Mutex<Vec<Reacting>>,
    next: AtomicU64,
    chaos: Mutex<Option<Running>>,
    /// Whether there are reactors or chaos.
    busy: AtomicBool,
    log: Mutex<Log>,
    /// Told of each entry.
    logged: watch::Sender<()>,
}

impl Controls {
    pub(super) fn fail_next(&self, matcher: Matcher, status: Status) {
        self.failures.lock().push_back((matcher, status));
    }

    pub(super) fn delay(&self, matcher: Matcher, by: Duration) {
        let mut delays = self.delays.lock();
        delays.retain(|(other, _)| *other != matcher);
        if !by.is_zero() {
            delays.push((matcher, by));
        }
    }

    pub(super) fn log(&self) -> Vec<LoggedRequest> {
        self.log.lock().entries.iter().cloned().collect()
    }

    pub(super) fn clear_log(&self) {
        *self.log.lock() = Log::default();
    }

    /// Waits until so many that match are in the log, and gives them.
    pub(super) async fn wait_for(&self, matcher: &Matcher, count: usize) -> Vec<LoggedRequest> {
        let mut logged = self.logged.subscribe();
        loop {
            logged.mark_unchanged();
            let found: Vec<_> = {
                let log = self.log.lock();
                let found = log.entries.iter().filter(|entry| entry.is(matcher));
                found.cloned().collect()
            };
            if found.len() >= count || logged.changed().await.is_err() {
                return found;
            }
        }
    }

    pub(super) fn react(self: &Arc<Self>, matcher: Matcher, react: React) -> Reactor {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let answered = Arc::<AtomicU64>::default();
        self.reactors.lock().push(Reacting {
            id,
            matcher,
            react: Arc::new(Mutex::new(react)),
            answered: answered.clone(),
        });
        self.note_busy();
        Reactor {
            id,
            answered,
            controls: Arc::downgrade(self),
        }
    }

    pub(super) fn set_chaos(&self, chaos: Option<Chaos>) {
        *self.chaos.lock() = chaos.map(Running::new);
        self.note_busy();
    }

    fn note_busy(&self) {
        // Both locks, so that of two changes at once the later one is noted last.
        let (reactors, chaos) = (self.reactors.lock(), self.chaos.lock());
        let busy = !reactors.is_empty() || chaos.is_some();
        self.busy.store(busy, Ordering::Relaxed);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    pub(super) fn trouble(&self, request: Subject<'_>, place: (&str, &str)) -> Option<Trouble> {
        self.chaos.lock().as_ref()?.trouble(request, place)
    }

    pub(super) fn reacts_to(&self, request: Subject<'_>) -> bool {
        let reactors = self.reactors.lock();
        reactors.iter().any(|reactor| reactor.matcher.matches(request))
    }

    fn reaction(&self, request: &Parts, subject: Subject<'_>) -> Option<Result<Response<Body>>> {
        let matching: Vec<_> = self
            .reactors
            .lock()
            .iter()
            .rev()
            .filter(|reactor| reactor.matcher.matches(subject))
            .map(|reactor| (reactor.react.clone(), reactor.answered.clone()))
            .collect();
        if matching.is_empty() {
            return None;
        }
        let asked = Asked {
            verb: subject.verb.map(Verb::as_str),
            resource: subject.path,
            uri: &request.uri,
            user: subject.user,
            body: sent(request),
        };
        matching.into_iter().find_map(|(react, answered)| {
            let answer = match (*react.lock())(&asked) {
                Reaction::Pass => return None,
                Reaction::Fail(status) => Err(status.into()),
                Reaction::Answer(object) => Ok(Response::builder()
                    .header(http::header::CONTENT_TYPE, "application/json")
                    .body(body::full(object.to_string()))
                    .map_err(ApiError::internal)
                    .ok()?),
            };
            answered.fetch_add(1, Ordering::Relaxed);
            Some(answer)
        })
    }
}

fn sent(request: &Parts) -> Bytes {
    request
        .extensions
        .get::<Sent>()
        .map(Sent::bytes)
        .unwrap_or_default()
}

impl Interceptor for Controls {
    fn before<'a>(
        &'a self,
        request: &'a Parts,
        target: &'a Target,
        verb: Option<Verb>,
    ) -> BoxFuture<'a, Option<Result<Response<Body>>>> {
        async move {
            let Target::Resource(path) = target else {
                return None;
            };
            let subject = Subject {
                path,
                verb,
                user: user(request),
            };
            let delay: Duration = self
                .delays
                .lock()
                .iter()
                .filter(|(matcher, _)| matcher.matches(subject))
                .map(|(_, by)| *by)
                .sum();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if let Some(Refusal(failure)) = request.extensions.get() {
                return Some(Err(failure.clone()));
            }
            let failure = {
                let mut failures = self.failures.lock();
                let index = failures.iter().position(|(matcher, _)| matcher.matches(subject));
                index.and_then(|index| failures.remove(index))
            };
            match failure {
                Some((_, status)) => Some(Err(status.into())),
                None => self.reaction(request, subject),
            }
        }
        .boxed()
    }

    fn after(&self, request: &Parts, target: &Target, verb: Option<Verb>, answer: &Response<Body>) {
        let header = |name: http::HeaderName| {
            request
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let entry = LoggedRequest {
            method: request.method.to_string(),
            uri: request
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            verb: verb.map(Verb::as_str),
            resource: match target {
                Target::Resource(path) => Some(path.clone()),
                _ => None,
            },
            content_type: header(http::header::CONTENT_TYPE),
            body: sent(request),
            user: user(request).map(str::to_owned),
            code: answer.status().as_u16(),
            annotations: answer
                .extensions()
                .get::<AuditAnnotations>()
                .map(|annotations| annotations.0.clone())
                .unwrap_or_default(),
        };
        self.log.lock().push(entry);
        self.logged.send_replace(());
    }
}
