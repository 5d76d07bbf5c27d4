//! A server of webhooks: conversion, validating and mutating admission, with its certificates and their installation.
//!
//! ```no_run
//! use kubewright::k8s_openapi::api::apps::v1::Deployment;
//! use kubewright::webhook::{Admission, Allowed, Denied, Hook, Tls, Validator, WebhookServer};
//!
//! struct Replicas;
//!
//! impl Validator for Replicas {
//!     type Object = Deployment;
//!
//!     async fn validate(&self, request: &Admission<Deployment>) -> Result<Allowed, Denied> {
//!         match request.object.as_ref().and_then(|object| object.spec.replicas) {
//!             Some(100..) => Err(Denied::invalid("spec.replicas", "must be less than 100")),
//!             Some(0) => Ok(Allowed::new().warn("nothing will run")),
//!             _ => Ok(Allowed::new()),
//!         }
//!     }
//! }
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! WebhookServer::new(Tls::directory("/tmp/k8s-webhook-server/serving-certs"))
//!     .hook(Hook::validator(Replicas))
//!     .run()
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! - [`Validator`] and [`Mutator`] see typed objects; [`#[webhook(...)]`](macro@crate::webhook) on them, or [`Hook`], says
//!   where and when they are asked, and [`WebhookServer::configurations`] makes the objects that tell a cluster so.
//!   [`Hook::defaults`] is the mutator that fills in a kind's defaults.
//! - [`Tls`] is where the certificate comes from: files, a Secret, or the server's [own authority](ManagedAuthority),
//!   which renews itself and needs no cert-manager.
//! - [`Installation`] puts a definition into a cluster, its conversion by webhook only once the webhook answers, and
//!   webhook configurations with the authorities to trust.
//!
//! Served are besides: `/healthz`, `/readyz` and, where asked for, `/metrics`.
//!
//! **Invariant:** whatever a handler does (panics, takes too long, answers nonsense), the server lives on and the
//! request is answered.

mod admission;
mod authority;
mod body;
mod budget;
mod certificate;
mod conversion;
mod http;
mod install;
mod metrics;
mod pem;
mod publish;
mod serve;
mod stored;
#[cfg(test)]
mod tests;
mod x509;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use admission::{
    Admission, Allowed, Cause, ConfigurationError, ConfigurationNames, Configurations, Denied, FailurePolicy,
    Hook, MatchPolicy, MutateWith, Mutator, Operation, Reinvocation, Resource, SideEffects, ValidateWith,
    Validator, Verdict, WebhookInfo, Webhooks, mutate_with, validate_with,
};
pub use authority::{AuthorityError, ManagedAuthority};
pub use certificate::{CertificateError, Tls};
pub use install::{Installation, InstallationError, Installed, ProbeError, Storage};
pub use metrics::WebhookMetrics;
pub use pem::{Bundle, BundleError, PairError};
pub use publish::{PublishError, Target};

pub use crate::endpoint::{Endpoint, EndpointError};

use crate::convert::Converters;
use crate::endpoint::CONVERT;

use self::budget::Budget;
use self::certificate::{Clock, FirstPair, Served};
use self::http::{Route, Shared};

const MIB: usize = 1024 * 1024;

/// A server of webhooks; [`run`](Self::run) it, or [`bind`](Self::bind) it first to learn its address.
#[derive(Clone)]
pub struct WebhookServer {
    address: SocketAddr,
    tls: Tls,
    hooks: Vec<Hook>,
    conversion: Option<Conversion>,
    definitions: Option<kube::Client>,
    body_limit: usize,
    in_flight_limit: usize,
    linger: Duration,
    grace: Duration,
    metrics: WebhookMetrics,
    registry: Option<Arc<Registry>>,
}

/// Who answers conversion reviews.
#[derive(Clone)]
enum Conversion {
    Converters(Converters),
    #[cfg(test)]
    Other(Arc<dyn conversion::Review>),
}

impl fmt::Debug for WebhookServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookServer")
            .field("address", &self.address)
            .field("tls", &self.tls)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// Why a server does not start, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program ends at the first panic, so no handler's panic could be answered (VER-31).
    #[error(
        "built with panic = \"abort\": one panic in a conversion or an admission handler would end the process and \
         every request in it; leave `panic` out of the profile, or set it to \"unwind\""
    )]
    PanicAbort,
    /// Two handlers at one path.
    #[error("two handlers are registered at {path}; give one of them another path")]
    Path {
        /// Which path.
        path: String,
    },
    /// Nothing to serve.
    #[error("there is nothing to serve: no hook and no conversion is registered")]
    Empty,
    /// The address is taken, or may not be used.
    #[error("listen at {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS could not be set up.
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
    /// There is no certificate to begin with.
    #[error("get a certificate")]
    Certificate(#[from] CertificateError),
    /// A task that lasts as long as the server ended before it.
    #[error("the task that keeps the certificate current ended")]
    Ended,
    /// Requests were still being served when the grace period after the shutdown ended; they were dropped.
    #[error("{connections} connections were still being served {grace:?} after the shutdown began")]
    Grace {
        /// How many.
        connections: usize,
        /// The grace period.
        grace: Duration,
    },
}

impl WebhookServer {
    /// A server at port 9443 of every address, as controller-runtime's.
    pub fn new(tls: Tls) -> Self {
        Self {
            address: (Ipv6Addr::UNSPECIFIED, 9443).into(),
            tls,
            hooks: Vec::new(),
            conversion: None,
            definitions: None,
            body_limit: 128 * MIB,
            in_flight_limit: 512 * MIB,
            linger: Duration::from_secs(3),
            grace: Duration::from_secs(30),
            metrics: WebhookMetrics::new(),
            registry: None,
        }
    }

    /// Where to listen; port 0 takes a free one. Default `[::]:9443`.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Serves an admission webhook.
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Serves conversion reviews of these kinds at `/convert`; the [metrics](Self::metrics) observe their converters.
    ///
    /// ```
    /// use kubewright::convert::Converters;
    /// use kubewright::webhook::{Tls, WebhookServer};
    ///
    /// // Converters::new().with(Converter::of::<v1::Site>())
    /// let converters = Converters::new();
    /// let server = WebhookServer::new(Tls::directory("/certs")).conversion(converters);
    /// ```
    pub fn conversion(mut self, converters: Converters) -> Self {
        self.conversion = Some(Conversion::Converters(converters));
        self
    }

    /// Watches the definitions of the kinds that are converted, so that their converters
    /// [know](crate::convert::Converter::set_stored) which version is stored. Default: that is the version that the
    /// types are marked with.
    ///
    /// Needed where a definition may store another one: from the release that brings a version to the one that moves the
    /// storage, and after a rollback. It takes the right to `watch` definitions. Until a definition
    /// was seen, while it cannot be watched, and for a minute after its storage version changed, an object with more than
    /// its annotation can keep does not convert.
    pub fn definitions(mut self, client: kube::Client) -> Self {
        self.definitions = Some(client);
        self
    }

    #[cfg(test)]
    fn reviews(mut self, review: Arc<dyn conversion::Review>) -> Self {
        self.conversion = Some(Conversion::Other(review));
        self
    }

    /// How large a body may be once inflated; a larger one is refused with 413. Default 128 MiB. Bodies of 2 MiB pass
    /// in any case: a server may send objects of that size.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How large all bodies in work may be together; a request beyond waits for ten seconds, and is then refused with
    /// 503. Default 512 MiB; at least one body of the [limit](Self::body_limit) fits always.
    pub fn in_flight_limit(mut self, bytes: usize) -> Self {
        self.in_flight_limit = bytes;
        self
    }

    /// How long new connections are still taken after a shutdown began, while `/readyz` fails: until a cluster has
    /// heard that this replica is going. Default 3 s.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// How long a shutdown waits afterwards for requests that are being served. Default 30 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Where the server counts. Default: nowhere.
    pub fn metrics(mut self, metrics: &WebhookMetrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Serves the figures of a registry at `/metrics`. Default: no such path.
    pub fn expose(mut self, registry: Arc<Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// What tells a cluster of the hooks: to be [applied](Installation::admission), or written to a file. A hook is
    /// told of at the path at which it is served.
    ///
    /// ```
    /// use kubewright::k8s_openapi::api::core::v1::ConfigMap;
    /// use kubewright::webhook::{Admission, Allowed, Endpoint, Hook, Tls, WebhookServer, validate_with};
    /// use kubewright::webhook_configuration;
    ///
    /// let hook = Hook::validator(validate_with(|_: &Admission<ConfigMap>| Ok(Allowed::new())));
    /// let server = WebhookServer::new(Tls::directory("/certs")).hook(hook);
    /// let names = webhook_configuration!(mutating = "hooks.example.com", validating = "hooks.example.com");
    /// let made = server.configurations(&names, &Endpoint::service("system", "hooks"))?;
    /// let webhook = &made.validating.unwrap().webhooks.unwrap()[0];
    /// assert_eq!(webhook.name, "validate.configmaps.v1.core");
    /// let service = webhook.client_config.service.as_ref().unwrap();
    /// assert_eq!(service.path.as_deref(), Some("/validate--v1-configmap"));
    /// # Ok::<_, kubewright::webhook::ConfigurationError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigurationError`]: what a server would refuse.
    pub fn configurations(
        &self,
        names: &ConfigurationNames,
        endpoint: &Endpoint,
    ) -> Result<Configurations, ConfigurationError> {
        admission::configurations(&self.hooks, names, endpoint)
    }

    /// Serves until SIGINT or SIGTERM.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run(self) -> Result<(), ServerError> {
        self.run_until(crate::controller::shutdown_signal()).await
    }

    /// Serves until `shutdown` is ready.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        self.bind().await?.run_until(shutdown).await
    }

    /// Listens, and gets the first certificate; serves nothing yet.
    ///
    /// # Errors
    /// See [`ServerError`]. A Secret or files that are not there are waited for, a minute at most.
    pub async fn bind(self) -> Result<BoundWebhookServer, ServerError> {
        self.bind_at(Clock::system()).await
    }

    async fn bind_at(self, clock: Clock) -> Result<BoundWebhookServer, ServerError> {
        if cfg!(panic = "abort") {
            return Err(ServerError::PanicAbort);
        }
        let routes = self.routes()?;
        let address = self.address;
        let bind = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;

        let certificate = Arc::new(Served::new(self.metrics.clone(), clock.clone()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];

        let mut keeper = JoinSet::new();
        let (first, told) = FirstPair::new();
        keeper.spawn(self.tls.clone().follow(certificate.clone(), clock, first));
        told.await.map_err(|_| ServerError::Ended)??;
        if let (Some(client), Some(Conversion::Converters(converters))) =
            (&self.definitions, &self.conversion)
        {
            keeper.spawn(stored::follow(client, converters));
        }

        let body_limit = self.body_limit.max(body::ALWAYS);
        let shared = Shared {
            routes,
            limit: body_limit,
            budget: Budget::new(self.in_flight_limit.max(body_limit + MIB), WAIT),
            metrics: self.metrics,
            registry: self.registry,
            certificate,
            draining: AtomicBool::new(false),
        };
        Ok(BoundWebhookServer {
            address,
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            tls: self.tls,
            shared: Arc::new(shared),
            keeper,
            linger: self.linger,
            grace: self.grace,
        })
    }

    fn routes(&self) -> Result<BTreeMap<String, Route>, ServerError> {
        let mut routes = BTreeMap::new();
        let conversion = self.conversion.clone().map(|conversion| {
            let review: Arc<dyn conversion::Review> = match conversion {
                Conversion::Converters(converters) => {
                    Arc::new(converters.observer(Arc::new(self.metrics.clone())))
                }
                #[cfg(test)]
                Conversion::Other(review) => review,
            };
            (
                CONVERT.to_owned(),
                Route::Convert(conversion::Workshop::new(review)),
            )
        });
        let hooks = self.hooks.iter();
        let hooks = hooks.map(|hook| (hook.path().to_owned(), Route::Admit(hook.admit())));
        for (path, route) in conversion.into_iter().chain(hooks) {
            let taken = ["/healthz", "/livez", "/readyz", "/metrics"].contains(&path.as_str());
            if taken || routes.insert(path.clone(), route).is_some() {
                return Err(ServerError::Path { path });
            }
        }
        if routes.is_empty() {
            return Err(ServerError::Empty);
        }
        Ok(routes)
    }
}

/// How long a request waits for a part of the memory that bodies may take (VER-32).
const WAIT: Duration = Duration::from_secs(10);

/// A server that listens; [`run_until`](Self::run_until) serves.
pub struct BoundWebhookServer {
    address: SocketAddr,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    tls: Tls,
    shared: Arc<Shared>,
    keeper: JoinSet<()>,
    linger: Duration,
    grace: Duration,
}

/// Whether a server is ready.
#[derive(Debug)]
pub(crate) struct Readiness(Arc<Shared>);

impl Readiness {
    pub(crate) fn check(&self) -> Result<(), String> {
        self.0.readiness().map(drop).map_err(str::to_owned)
    }
}

impl fmt::Debug for BoundWebhookServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundWebhookServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl BoundWebhookServer {
    /// Where it listens, with the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is ready, asked while it runs.
    pub(crate) fn readiness(&self) -> Readiness {
        Readiness(self.shared.clone())
    }

    /// Serves until `shutdown` is ready, then answers what is in hand.
    ///
    /// From the shutdown on `/readyz` fails; connections are still taken for the time of
    /// [`linger`](WebhookServer::linger).
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServerError> {
        let (stop, stopped) = watch::channel(false);
        let shared = self.shared.clone();
        let mut accept = JoinSet::new();
        accept.spawn(serve::accept(
            self.listener,
            self.acceptor,
            shared,
            self.grace,
            stopped,
        ));
        let shutdown = async {
            shutdown.await;
            self.shared.draining.store(true, Ordering::Relaxed);
            tokio::time::sleep(self.linger).await;
        };
        let ended = tokio::select! {
            _ = self.keeper.join_next() => true,
            () = shutdown => false,
        };
        stop.send_replace(true);
        let connections = accept.join_next().await.and_then(Result::ok).unwrap_or_default();
        self.keeper.shutdown().await;
        self.tls.leave().await;
        if ended {
            return Err(ServerError::Ended);
        }
        if connections > 0 {
            let grace = self.grace;
            return Err(ServerError::Grace { connections, grace });
        }
        Ok(())
    }
}
