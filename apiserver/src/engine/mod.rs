//! The engine: one `tower::Service` from an HTTP request to an answer.
//!
//! **Invariant:** a request that fails at a stage runs none of the later ones (API-10), and every failure leaves as
//! a `Status`; only a cut connection is an error of the service.

pub mod body;
pub(crate) mod decode;
pub mod path;
pub mod query;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kubewright::rbac::Access;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::negotiate::{Accept, Encoding};
use crate::registry::{GroupVersionResource, Registry, ResourceInfo, Snapshot};
use crate::rest::strategy::{self, Strategy};
use crate::rest::{self, TokenKey};
use crate::status::{ApiError, Result};
use crate::storage::Storage;
use crate::webhook::Hooks;

pub use body::Body;
pub use path::{ResourcePath, Target, Verb};
use query::Query;

/// Largest body that is read (API-86).
const BODY_LIMIT: usize = 3 * 1024 * 1024;
/// How long a request may take, watches apart.
const DEADLINE: Duration = Duration::from_secs(60);

/// The service's only error: the connection is to be cut without an answer.
///
/// Over a socket the connection closes; the in-process client sees a transport error, as from a lost server.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connection closed by the server")]
pub struct Disconnected;

/// Answers paths that are no resource: discovery, OpenAPI, health, version.
///
/// Asked in order of registration, before the path counts as unknown; only for `GET` and `HEAD` requests whose
/// path names no resource (`/`, `/api`, `/apis/apps/v1`, `/openapi/v2`, `/readyz`). Must not block.
pub trait Handler: Send + Sync + 'static {
    /// The answer, or `None` where the path is none of this handler's.
    fn handle(&self, registry: &Snapshot, request: &Parts) -> Option<Response<Body>>;
}

/// Looks at every request before it is routed, and may answer it: fault injection and logs.
pub trait Interceptor: Send + Sync + 'static {
    /// An answer in place of the engine's, or `None` to go on.
    fn before<'a>(
        &'a self,
        request: &'a Parts,
        target: &'a Target,
        verb: Option<Verb>,
    ) -> BoxFuture<'a, Option<Result<Response<Body>>>>;

    /// Told the answer, whose extensions hold [`AuditAnnotations`] where webhooks left any.
    fn after(&self, request: &Parts, target: &Target, verb: Option<Verb>, answer: &Response<Body>);
}

/// What admission webhooks want to be kept with a request: `webhook/key`, and what it says (API-74).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAnnotations(pub Vec<(String, String)>);

/// Says who may do what: asked between the interceptor and routing, and again where an apply makes an object.
pub trait Authorizer: Send + Sync + 'static {
    /// Why a request is refused; `None` to let it pass.
    fn refuses<'a>(
        &'a self,
        storage: &'a dyn Storage,
        identity: &'a Identity,
        access: &'a Access,
    ) -> BoxFuture<'a, Option<ApiError>>;
}

/// Who asks, put into a request's extensions by the door that it came through.
///
/// Where there is no [`Authorizer`], nobody is refused anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User name.
    pub user: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// Whether requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Yes.
    Up,
    /// With 503: the server starts or stops.
    Unavailable,
    /// Not at all: connections are cut.
    Down,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    availability: Availability,
    /// Grows when all that runs is to be cut: a short outage is one too.
    outages: u64,
    /// Grows when running watches are to end.
    generation: u64,
    /// Whether the last of these ends was a cut rather than a clean end.
    cut: bool,
}

/// Tells a watch when the server ends it.
pub(crate) struct Ending {
    link: watch::Receiver<Link>,
    generation: u64,
}

impl Ending {
    /// Waits for the end; true where the connection is cut. Cancel safe.
    pub(crate) async fn wait(&mut self) -> bool {
        let generation = self.generation;
        match self.link.wait_for(|link| link.generation != generation).await {
            Ok(link) => link.cut,
            // The server is gone.
            Err(_) => false,
        }
    }
}

/// Tells when the server goes down, however shortly.
pub(crate) struct Outage {
    link: watch::Receiver<Link>,
    outages: u64,
}

impl Outage {
    /// Waits for it. Cancel safe.
    pub(crate) async fn wait(&mut self) {
        let outages = self.outages;
        // An error means that the server is gone, which is an outage too.
        let _ = self.link.wait_for(|link| link.outages != outages).await;
    }
}

/// The engine. Clones are handles of one server.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    registry: Arc<Registry>,
    storage: Arc<dyn Storage>,
    clock: Arc<Clock>,
    tokens: TokenKey,
    strategies: HashMap<GroupVersionResource, Arc<dyn Strategy>>,
    handlers: Vec<Arc<dyn Handler>>,
    interceptor: Option<Arc<dyn Interceptor>>,
    authorizer: Option<Arc<dyn Authorizer>>,
    hooks: Arc<Hooks>,
    link: watch::Sender<Link>,
}

/// Puts an engine together.
pub struct Builder(Shared);

impl Builder {
    /// Adds a handler of other paths.
    #[must_use]
    pub fn handler(mut self, handler: impl Handler) -> Self {
        self.0.handlers.push(Arc::new(handler));
        self
    }

    /// Sets what one kind does beyond what all do; `stored` is where its objects are stored.
    #[must_use]
    pub fn strategy(mut self, stored: GroupVersionResource, strategy: impl Strategy) -> Self {
        self.0.strategies.insert(stored, Arc::new(strategy));
        self
    }

    /// Sets what looks at every request first.
    #[must_use]
    pub fn interceptor(mut self, interceptor: Arc<dyn Interceptor>) -> Self {
        self.0.interceptor = Some(interceptor);
        self
    }

    /// Sets who says what is allowed. Default: everything is.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.0.authorizer = Some(authorizer);
        self
    }

    /// Sets who stands in for webhooks.
    #[must_use]
    pub fn hooks(mut self, hooks: Arc<Hooks>) -> Self {
        self.0.hooks = hooks;
        self
    }

    /// The engine.
    pub fn build(self) -> Engine {
        Engine(Arc::new(self.0))
    }
}

impl Engine {
    /// Begins an engine that serves what `registry` holds from `storage`.
    pub fn builder(registry: Arc<Registry>, storage: Arc<dyn Storage>, clock: Arc<Clock>) -> Builder {
        Builder(Shared {
            registry,
            storage,
            clock,
            tokens: TokenKey::default(),
            strategies: strategy::install(),
            handlers: Vec::new(),
            interceptor: None,
            authorizer: None,
            hooks: Arc::default(),
            link: watch::Sender::new(Link {
                availability: Availability::Up,
                outages: 0,
                generation: 0,
                cut: false,
            }),
        })
    }

    /// What is served.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// Where objects are kept.
    pub fn storage(&self) -> &dyn Storage {
        &*self.0.storage
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Who stands in for webhooks.
    pub fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    pub(crate) fn clock_handle(&self) -> Arc<Clock> {
        self.0.clock.clone()
    }

    pub(crate) fn tokens(&self) -> &TokenKey {
        &self.0.tokens
    }

    pub(crate) fn strategy(&self, info: &ResourceInfo) -> Arc<dyn Strategy> {
        match self.0.strategies.get(&info.storage) {
            Some(strategy) => strategy.clone(),
            None if info.is_custom() => Arc::new(strategy::Custom),
            None => Arc::new(strategy::Plain),
        }
    }

    /// Sets whether requests are answered. [`Availability::Down`] cuts running requests and watches too.
    pub fn set_availability(&self, availability: Availability) {
        self.0.link.send_modify(|link| {
            link.availability = availability;
            if availability == Availability::Down {
                link.outages += 1;
                link.generation += 1;
                link.cut = true;
            }
        });
    }

    /// Ends all running watches cleanly and refuses what comes later; other running requests go on.
    pub(crate) fn drain(&self) {
        self.0.link.send_modify(|link| {
            link.availability = Availability::Down;
            link.generation += 1;
            link.cut = false;
        });
    }

    /// Ends all running watches cleanly, cuts other running requests, and refuses what comes later.
    pub(crate) fn shut_down(&self) {
        self.0.link.send_modify(|link| {
            link.availability = Availability::Down;
            link.outages += 1;
            link.generation += 1;
            link.cut = false;
        });
    }

    /// Ends all running watches: cleanly, or by cutting their connections.
    pub fn end_watches(&self, cut: bool) {
        self.0.link.send_modify(|link| {
            link.generation += 1;
            link.cut = cut;
        });
    }

    pub(crate) fn ending(&self) -> Ending {
        let link = self.0.link.subscribe();
        let generation = link.borrow().generation;
        Ending { link, generation }
    }

    /// Whether requests are answered now, and how to learn of the next outage.
    pub(crate) fn outage(&self) -> (Availability, Outage) {
        let link = self.0.link.subscribe();
        let Link {
            availability,
            outages,
            ..
        } = *link.borrow();
        (availability, Outage { link, outages })
    }

    async fn serve<B>(self, request: Request<B>) -> Result<Response<Body>, Disconnected>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let (availability, mut outage) = self.outage();
        let (parts, body) = request.into_parts();
        let mut response = match availability {
            Availability::Down => return Err(Disconnected),
            Availability::Unavailable => self.failure(
                &parts,
                &ApiError::unavailable("the server is not ready to handle the request"),
            ),
            Availability::Up => {
                let work = AssertUnwindSafe(self.answer(&parts, body)).catch_unwind();
                tokio::select! {
                    biased;
                    () = outage.wait() => return Err(Disconnected),
                    outcome = work => outcome.unwrap_or_else(|_| {
                        tracing::error!(path = parts.uri.path(), "a request panicked");
                        self.failure(&parts, &ApiError::internal(
                            "This request caused apiserver to panic. Look in the logs for details.",
                        ))
                    }),
                }
            }
        };
        let headers = response.headers_mut();
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-cache, private"));
        let audit_id = parts
            .headers
            .get("audit-id")
            .cloned()
            .or_else(|| HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).ok());
        if let Some(id) = audit_id {
            headers.insert("audit-id", id);
        }
        if parts.method == Method::HEAD {
            *response.body_mut() = body::full(Bytes::new());
        }
        Ok(response)
    }

    async fn answer<B>(&self, parts: &Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let query = Query::parse(parts.uri.query());
        let target = Target::of(parts.uri.path());
        let verb = match &target {
            Target::Resource(path) => path.verb(&parts.method, &query),
            _ => None,
        };
        let deadline = match (verb, query.timeout()) {
            (Some(Verb::Watch), _) => Ok(Duration::MAX),
            (_, asked) => asked.map(|asked| asked.map_or(DEADLINE, |asked| asked.min(DEADLINE))),
        };
        let work = async {
            if let Some(interceptor) = &self.0.interceptor
                && let Some(answer) = interceptor.before(parts, &target, verb).await
            {
                return answer;
            }
            self.authorize(parts).await?;
            match target.clone() {
                Target::Malformed => Err(ApiError::path_not_found()),
                Target::Other => self.other(parts),
                Target::Resource(path) => self.resource(parts, path, query, body).await,
            }
        };
        let outcome = match deadline {
            Err(failure) => Err(failure),
            Ok(Duration::MAX) => work.await,
            Ok(deadline) => tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
                Err(ApiError::timeout(
                    "Timeout: request did not complete within the allotted timeout",
                ))
            }),
        };
        let response = outcome.unwrap_or_else(|failure| self.failure(parts, &failure));
        if let Some(interceptor) = &self.0.interceptor {
            interceptor.after(parts, &target, verb, &response);
        }
        response
    }

    /// Refuses what is not allowed (403).
    async fn authorize(&self, parts: &Parts) -> Result<()> {
        if self.0.authorizer.is_none() {
            return Ok(());
        }
        let identity = parts.extensions.get::<Identity>().cloned().unwrap_or_default();
        self.allow(&identity, &Access::of(&parts.method, &parts.uri))
            .await
    }

    /// Refuses an access that is not allowed (403).
    pub(crate) async fn allow(&self, identity: &Identity, access: &Access) -> Result<()> {
        let Some(authorizer) = &self.0.authorizer else {
            return Ok(());
        };
        let refused = authorizer.refuses(self.storage(), identity, access).await;
        refused.map_or(Ok(()), Err)
    }

    fn other(&self, parts: &Parts) -> Result<Response<Body>> {
        let read = matches!(parts.method, Method::GET | Method::HEAD);
        let snapshot = self.0.registry.snapshot();
        self.0
            .handlers
            .iter()
            .filter(|_| read)
            .find_map(|handler| handler.handle(&snapshot, parts))
            .ok_or_else(ApiError::path_not_found)
    }

    async fn resource<B>(
        &self,
        parts: &Parts,
        path: ResourcePath,
        query: Query,
        body: B,
    ) -> Result<Response<Body>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let user = parts.extensions.get::<Identity>().cloned().unwrap_or_default();
        let mut call = rest::route(self, path, &parts.method, query, parts.headers.clone(), user)?;
        let body = read(body).await?;
        // A refused object is warned of as well.
        let mut response = match call.run(&body).await {
            Ok(reply) => call.render(reply),
            Err(failure) => self.failure(parts, &failure),
        };
        if !call.annotations.is_empty() {
            let annotations = std::mem::take(&mut call.annotations);
            response.extensions_mut().insert(AuditAnnotations(annotations));
        }
        for warning in &call.warnings {
            if let Ok(value) = HeaderValue::try_from(warning_header(warning)) {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        Ok(response)
    }

    /// A failure in the form that the client asked for, JSON where that cannot be told.
    fn failure(&self, parts: &Parts, failure: &ApiError) -> Response<Body> {
        let encoding = Accept::of(&parts.headers)
            .agree(&[])
            .map_or(Encoding::Json, |agreed| agreed.encoding);
        let mut response = rest::respond(failure.code(), encoding, encoding.encode(&failure.to_value()));
        if let Some(seconds) = failure.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// `299 - "text"`, quotes and backslashes escaped (RFC 7234).
fn warning_header(text: &str) -> String {
    let mut value = String::from("299 - \"");
    for c in text.chars() {
        match c {
            '"' | '\\' => value.extend(['\\', c]),
            c if c.is_control() => value.push(' '),
            c => value.push(c),
        }
    }
    value.push('"');
    value
}

/// All of a body, up to the limit.
pub(crate) async fn read<B>(body: B) -> Result<Bytes>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(format!(
            "Request entity too large: limit is {BODY_LIMIT}"
        ))),
        Err(error) => Err(ApiError::bad_request(format!(
            "the request's body could not be read: {error}"
        ))),
    }
}

impl<B> tower::Service<Request<B>> for Engine
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    type Response = Response<Body>;
    type Error = Disconnected;
    type Future = BoxFuture<'static, Result<Response<Body>, Disconnected>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Disconnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.clone().serve(request).boxed()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("storage", &self.0.storage)
            .finish_non_exhaustive()
    }
}
