//! A control plane inside the process: the engine with memory storage, and what tests want to do to it.
//!
//! **Invariant:** when the server is dropped, its tasks stop, its watches end and its clients are refused; nothing
//! outlives it (API-3).

mod chaos;
mod controls;
mod door;
mod listen;
mod load;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use tokio::task::JoinSet;

use crate::authorization;
use crate::clock::Clock;
use crate::conversion::KindConverter;
use crate::discovery::Discovery;
use crate::engine::{Availability, Body, Disconnected, Engine, Identity};
use crate::garbage;
use crate::health::{Health, Index};
use crate::namespace;
use crate::openapi::OpenApi;
use crate::registry::{Registry, Snapshot};
use crate::status::ApiError;
use crate::storage::{Memory, Storage};
use crate::tasks::forever;
use crate::webhook::{HookHandler, Hooks};

pub use chaos::Chaos;
use controls::Controls;
pub use controls::{Asked, LoggedRequest, Matcher, Reaction, Reactor};
use door::Door;
pub use listen::Listen;
use listen::Socket;
pub use load::{CrdSource, LoadError};
pub use tls::TlsError;

/// Name of the user whom [`DevServer::client`] and the kubeconfig speak for.
const ADMIN: &str = "system:admin";
/// Their group.
const MASTERS: &str = "system:masters";

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The objects that every cluster has could not be created.
    #[error("create what every cluster has")]
    Bootstrap(#[source] ApiError),
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No certificates.
    #[error("set up TLS")]
    Tls(#[source] TlsError),
}

/// Settings of a [`DevServer`].
#[derive(Clone, Default)]
pub struct Builder {
    listen: Listen,
    token: Option<String>,
    keeps_garbage: bool,
    rbac: bool,
    hooks: Hooks,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the token.
        f.debug_struct("Builder")
            .field("listen", &self.listen)
            .field("keeps_garbage", &self.keeps_garbage)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Where to listen, besides the door in the process. Default: nowhere.
    #[must_use]
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// A bearer token that lets the administrator in, besides the client certificate.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Leaves dependents of deleted owners where they are, as a control plane without its controllers does. Deletes
    /// with `Foreground` or `Orphan` then wait for a garbage collector that somebody else runs.
    #[must_use]
    pub fn without_garbage_collection(mut self) -> Self {
        self.keeps_garbage = true;
        self
    }

    /// Refuses what no role allows, as a server with `--authorization-mode=RBAC`: by the roles and bindings that are stored
    /// in it. [`DevServer::client`] may do everything; others may what they are given, as
    /// [`DevServer::client_as`] or [`DevServer::client_of`] an account.
    #[must_use]
    pub fn rbac(mut self) -> Self {
        self.rbac = true;
        self
    }

    /// Converts the objects of a kind in the process, where its CRD says `strategy: Webhook`: no network, no TLS. Takes the
    /// [`Converter`](kubewright::convert::Converter) of a derived kind, or a closure ([`each`](crate::conversion::each)). Later, on
    /// the running server: [`Hooks::set_converter`].
    #[must_use]
    pub fn converter(self, converter: impl Into<KindConverter>) -> Self {
        self.hooks.set_converter(converter);
        self
    }

    /// Sends webhook requests for a service to an address, with TLS and the service's name. Nothing resolves such names
    /// otherwise. Later, on the running server: [`Hooks::set_service_address`].
    #[must_use]
    pub fn service(self, namespace: &str, name: &str, address: SocketAddr) -> Self {
        self.hooks.set_service_address(namespace, name, address);
        self
    }

    /// Answers webhook requests for a service in the process. Later, on the running server:
    /// [`Hooks::set_service_handler`].
    #[must_use]
    pub fn service_handler(self, namespace: &str, name: &str, handler: impl HookHandler) -> Self {
        self.hooks.set_service_handler(namespace, name, Arc::new(handler));
        self
    }

    /// Answers webhook requests for exactly this URL in the process. Later, on the running server:
    /// [`Hooks::set_url_handler`].
    #[must_use]
    pub fn url_handler(self, url: &str, handler: impl HookHandler) -> Self {
        self.hooks.set_url_handler(url, Arc::new(handler));
        self
    }

    /// Starts the server; it is ready when this returns.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<DevServer, StartError> {
        let clock = Arc::new(Clock::default());
        let storage = Arc::new(Memory::new(clock.clone()));
        let registry = Arc::new(Registry::default());
        registry.update(|snapshot| *snapshot = Snapshot::builtin());
        let controls = Arc::new(Controls::default());
        let mut engine = Engine::builder(registry, storage.clone(), clock.clone());
        if self.rbac {
            engine = engine.authorizer(Arc::new(authorization::Rbac));
        }
        let engine = engine
            .handler(Discovery)
            .handler(OpenApi::default())
            .handler(Health::default())
            .handler(Index)
            .interceptor(controls.clone())
            .hooks(Arc::new(self.hooks))
            .build();
        namespace::bootstrap(&engine)
            .await
            .map_err(StartError::Bootstrap)?;
        if self.rbac {
            authorization::bootstrap(&engine)
                .await
                .map_err(StartError::Bootstrap)?;
        }
        let mut tasks = JoinSet::new();
        let (namespaces, crds, collected) = (engine.clone(), engine.clone(), engine.clone());
        tasks.spawn(forever("namespaces", move || namespace::run(namespaces.clone())));
        tasks.spawn(forever("crds", move || crate::crd::run(crds.clone())));
        if !self.keeps_garbage {
            tasks.spawn(forever("garbage", move || garbage::run(collected.clone())));
        }
        let stored = storage.clone();
        tasks.spawn(forever("expiry", move || expire(stored.clone(), clock.clone())));
        let door = Door {
            engine: engine.clone(),
            controls: controls.clone(),
        };
        let socket = match self.listen {
            Listen::InProcess => None,
            Listen::Tls(address) => Some(Socket::bind(address, true, self.token, door).await?),
            Listen::Plain(address) => Some(Socket::bind(address, false, self.token, door).await?),
        };
        Ok(DevServer {
            socket,
            engine,
            storage,
            controls,
            tasks,
        })
    }
}

/// Removes what has outlived its TTL.
async fn expire(storage: Arc<Memory>, clock: Arc<Clock>) {
    /// Entries made meanwhile with a shorter TTL than this wait for it at most so long; there are none.
    const IDLE: Duration = Duration::from_secs(60);
    loop {
        let wake = storage
            .expire()
            .unwrap_or_else(|| clock.after(IDLE))
            .min(clock.after(IDLE));
        clock.sleep_until(wake).await;
    }
}

/// An API server in the process, with memory storage.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use k8s_openapi::api::core::v1::Namespace;
/// let server = kubewright_apiserver::DevServer::start().await?;
/// let namespaces: kube::Api<Namespace> = kube::Api::all(server.client());
/// assert_eq!(namespaces.list(&Default::default()).await?.items.len(), 4);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct DevServer {
    socket: Option<Socket>,
    engine: Engine,
    storage: Arc<Memory>,
    controls: Arc<Controls>,
    tasks: JoinSet<()>,
}

impl DevServer {
    /// Starts a server without a socket.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// Settings for a server.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client of group `system:masters`, with no socket between. Needs a tokio runtime.
    pub fn client(&self) -> kube::Client {
        self.client_as(ADMIN, [MASTERS])
    }

    /// A client of another user, who is told apart in the request log and, with [`Builder::rbac`], by what is allowed.
    pub fn client_as<G: Into<String>>(
        &self,
        user: impl Into<String>,
        groups: impl IntoIterator<Item = G>,
    ) -> kube::Client {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        groups.push("system:authenticated".into());
        let service = InProcess {
            door: Door {
                engine: self.engine.clone(),
                controls: self.controls.clone(),
            },
            identity: Identity {
                user: user.into(),
                groups,
            },
        };
        kube::Client::new(service, "default")
    }

    /// A client of a service account, whether or not there is an object of it: as a Pod that runs as the account.
    pub fn client_of(&self, namespace: &str, account: &str) -> kube::Client {
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ];
        self.client_as(format!("system:serviceaccount:{namespace}:{account}"), groups)
    }

    /// Where the server listens, such as `https://127.0.0.1:40521`.
    ///
    /// # Panics
    /// Where it has no socket; see [`Builder::listen`].
    pub fn url(&self) -> String {
        self.socket().url()
    }

    /// A kubeconfig of the administrator: the server's authority, a client certificate of group `system:masters`, and
    /// the token where one is set.
    ///
    /// # Panics
    /// Where the server has no socket; see [`Builder::listen`].
    pub fn kubeconfig(&self) -> String {
        self.socket().kubeconfig()
    }

    fn socket(&self) -> &Socket {
        self.socket
            .as_ref()
            .expect("a server that listens: DevServer::builder().listen(..)")
    }

    /// The engine, a `tower::Service` of HTTP requests. What comes to it directly meets no [`Chaos`], and its body is not
    /// in the log.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Who stands in for the webhooks that the server calls.
    pub fn hooks(&self) -> &Hooks {
        self.engine.hooks()
    }

    /// Stops the server: running watches end cleanly, later requests are refused, and those that run over a socket
    /// may finish within 5 seconds. Whatever else still runs when this returns is cut.
    pub async fn stop(mut self) {
        self.engine.drain();
        if let Some(socket) = self.socket.take() {
            socket.stop().await;
        }
        self.tasks.shutdown().await;
    }

    /// Forgets the history up to now: a watch or page that needs it is answered with 410.
    pub fn compact(&self) {
        // The memory store answers at once, and its present revision is never in the future.
        if let Some(Ok(revision)) = self.storage.revision().now_or_never() {
            self.storage.compact(revision).now_or_never();
        }
    }

    /// Moves the server's clock forward: timestamps, TTLs, bookmarks and the ends of watches follow.
    pub fn advance(&self, by: Duration) {
        self.engine.clock().advance(by);
    }

    /// Answers the next request that matches with this failure instead. Several wait in line. Discovery, OpenAPI,
    /// health and version are no requests for a resource and match nothing.
    pub fn fail_next(&self, matcher: Matcher, status: kube::core::Status) {
        self.controls.fail_next(matcher, status);
    }

    /// Holds back every request that matches for so long; zero ends it for that matcher. What never matches is as for
    /// [`DevServer::fail_next`].
    pub fn delay(&self, matcher: Matcher, by: Duration) {
        self.controls.delay(matcher, by);
    }

    /// Asks `react` about each request that matches, before the server carries it out; of several reactors the last one
    /// first, until one does not pass. client-go: `PrependReactor` of its fakes.
    ///
    /// What never matches is as for [`DevServer::fail_next`], whose failures come before any reactor. Requests wait for each other
    /// where the same reactor is asked about them; it must not wait for a request itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use k8s_openapi::api::core::v1::ConfigMap;
    /// use kubewright_apiserver::{DevServer, Matcher, dev::Reaction};
    ///
    /// let server = DevServer::start().await?;
    /// let full = server.react(Matcher::any().verb("create").resource("configmaps"), |asked| {
    ///     let name = asked.sent().unwrap_or_default()["metadata"]["name"].clone();
    ///     match name.as_str() {
    ///         Some("big") => Reaction::Fail(kube::core::Status::failure("the quota is used up", "Forbidden").with_code(403)),
    ///         _ => Reaction::Pass,
    ///     }
    /// });
    /// let maps: kube::Api<ConfigMap> = kube::Api::namespaced(server.client(), "default");
    /// let mut map = ConfigMap::default();
    /// map.metadata.name = Some("big".to_owned());
    /// assert!(maps.create(&Default::default(), &map).await.is_err());
    /// map.metadata.name = Some("small".to_owned());
    /// maps.create(&Default::default(), &map).await?;
    /// assert_eq!(full.answered(), 1);
    /// # Ok(()) }
    /// ```
    pub fn react(
        &self,
        matcher: Matcher,
        react: impl FnMut(&Asked<'_>) -> Reaction + Send + 'static,
    ) -> Reactor {
        self.controls.react(matcher, Box::new(react))
    }

    /// Lets things go wrong at random from now on, in place of whatever did before. See [`Chaos`].
    pub fn chaos(&self, chaos: Chaos) {
        self.controls.set_chaos(Some(chaos));
    }

    /// Ends [`DevServer::chaos`], and cuts the connections that it has [silenced](Chaos::silence); other answers that are on
    /// their way still end as they would have.
    pub fn calm(&self) {
        self.controls.set_chaos(None);
    }

    /// Cuts the connections of all running watches.
    pub fn drop_watches(&self) {
        self.engine.end_watches(true);
    }

    /// The requests answered so far, oldest first; the last 65 536 of them, with at most 64 MiB of bodies.
    ///
    /// A watch stands in it from its first byte on. Not in it: requests that still run or were cut, those refused for
    /// their credentials (401), and those that [`DevServer::become_unavailable`] had answered with 503.
    pub fn request_log(&self) -> Vec<LoggedRequest> {
        self.controls.log()
    }

    /// Those of the [log](DevServer::request_log) that asked for a change, whatever came of it.
    pub fn writes(&self) -> Vec<LoggedRequest> {
        let mut log = self.controls.log();
        log.retain(LoggedRequest::is_write);
        log
    }

    /// Waits until so many requests that match are in the log, and gives all that are. Waits for ever where they never
    /// come: put a `tokio::time::timeout` around it.
    pub async fn wait_for_requests(&self, matcher: &Matcher, count: usize) -> Vec<LoggedRequest> {
        self.controls.wait_for(matcher, count).await
    }

    /// Empties the log.
    pub fn clear_request_log(&self) {
        self.controls.clear_log();
    }

    /// Cuts all running requests and watches, and all connections, until [`DevServer::come_up`]; what is stored stays.
    ///
    /// The port stays open: a client that connects meanwhile is disconnected before its first byte.
    pub fn go_down(&self) {
        self.engine.set_availability(Availability::Down);
    }

    /// Answers every request with 503 until [`DevServer::come_up`]; running watches go on.
    pub fn become_unavailable(&self) {
        self.engine.set_availability(Availability::Unavailable);
    }

    /// Serves again.
    pub fn come_up(&self) {
        self.engine.set_availability(Availability::Up);
    }

    /// Goes down for so long and comes back with what was stored, as a server that restarts.
    pub async fn restart(&self, outage: Duration) {
        self.go_down();
        tokio::time::sleep(outage).await;
        self.come_up();
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        self.engine.shut_down();
    }
}

/// The door without a socket: the engine, with an identity on each request.
#[derive(Clone)]
struct InProcess {
    door: Door,
    identity: Identity,
}

impl<B> tower::Service<Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    type Response = Response<Body>;
    type Error = Disconnected;
    type Future = BoxFuture<'static, Result<Response<Body>, Disconnected>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Disconnected>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.identity.clone());
        self.door.clone().enter(request).boxed()
    }
}
