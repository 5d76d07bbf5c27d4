//! Reconcile loops.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use k8s_openapi::api::core::v1::{ConfigMap, Secret};
//! # use kubewright::cache::InformerFactory;
//! # use kubewright::controller::{Action, Context, Controller, Reconciler, shutdown_signal};
//! # use kubewright::kind::ObjectKey;
//! struct Mirror;
//!
//! impl Reconciler for Mirror {
//!     type Object = ConfigMap;
//!     type Error = kubewright::client::ClientError;
//!
//!     async fn reconcile(&self, key: &ObjectKey, cx: &Context<ConfigMap>) -> Result<Action, Self::Error> {
//!         let Some(map) = cx.lister().get(key) else { return Ok(Action::done()) };
//!         cx.recorder().normal(&*map, "Seen", "Look", "configuration seen");
//!         Ok(Action::done())
//!     }
//! }
//!
//! # async fn f(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let factory = InformerFactory::new(&client);
//! Controller::new(&factory, Mirror).owns::<Secret>().workers(2).run_until(shutdown_signal()).await?;
//! # Ok(()) }
//! ```
//!
//! A reconciler is told which object to look at, never what happened to it: it reads the present state and brings
//! the cluster closer to what that state asks for. It may be called again at any time, and may be killed at any
//! instruction.
//!
//! **Invariant:** one key is reconciled by at most one worker at a time, and a change that comes during its
//! reconciliation leads to another one.

mod context;
mod predicate;
mod run;
mod signal;
mod source;

use std::fmt;
use std::time::Duration;

use crate::cache::{Delta, Informer, InformerFactory, NotSynced, WatchScope};
use crate::events::EventRecorder;
use crate::kind::{Kind, ObjectKey};
use crate::metrics::Metrics;
use crate::queue::RateLimit;
pub use context::Context;
pub use predicate::Predicate;
pub use signal::shutdown_signal;
use source::Source;

/// Brings objects of one kind to the state that they ask for.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind that is reconciled.
    type Object: Kind;
    /// Why a reconciliation failed; any error type, `anyhow::Error` among them.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send;

    /// Looks at the object `key` and does what it asks for. The object may be gone: read it from
    /// [`cx.lister()`](Context::lister).
    ///
    /// # Errors
    /// An error leads to another try as [`error_policy`](Self::error_policy) says.
    fn reconcile(
        &self,
        key: &ObjectKey,
        cx: &Context<Self::Object>,
    ) -> impl Future<Output = Result<Action, Self::Error>> + Send;

    /// What follows an error. Default: another try with growing delays.
    fn error_policy(&self, _key: &ObjectKey, _error: &Self::Error) -> ErrorPolicy {
        ErrorPolicy::Backoff
    }
}

/// What follows a reconciliation that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Action {
    requeue_after: Option<Duration>,
}

impl Action {
    /// Nothing, until something changes.
    pub const fn done() -> Self {
        Self { requeue_after: None }
    }

    /// Another reconciliation after `delay`, or earlier if something changes.
    pub const fn requeue_after(delay: Duration) -> Self {
        Self {
            requeue_after: Some(delay),
        }
    }
}

/// What follows a reconciliation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// Another try after the key's backoff.
    Backoff,
    /// Another try after a fixed delay.
    After(Duration),
    /// Nothing, until something changes: trying again would fail again.
    Terminal,
}

/// A reconcile loop for one kind; [`run`](Self::run) it.
#[must_use = "a controller does nothing until it runs"]
pub struct Controller<R: Reconciler> {
    reconciler: R,
    factory: InformerFactory,
    informer: Informer<R::Object>,
    filter: Option<Predicate<R::Object>>,
    sources: Vec<Box<dyn Source<R::Object>>>,
    settings: Settings,
    recorder: Option<EventRecorder>,
}

#[derive(Clone, Debug)]
struct Settings {
    name: String,
    workers: usize,
    rate_limit: RateLimit,
    reconcile_timeout: Option<Duration>,
    sync_timeout: Duration,
    grace: Duration,
    resync: Option<Option<Duration>>,
    metrics: Metrics,
}

impl<R: Reconciler> fmt::Debug for Controller<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why a controller did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The caches that the controller reads did not hold their first state before the shutdown, or in time.
    #[error("run controller {controller}")]
    CachesNotSynced {
        /// Name of the controller.
        controller: String,
        /// Which ones.
        #[source]
        source: NotSynced,
    },
    /// Reconciliations were still running when the grace period after a shutdown ended; they were dropped.
    #[error("shut down controller {controller}: {running} reconciliations did not end within {grace:?}")]
    GraceExceeded {
        /// Name of the controller.
        controller: String,
        /// How many.
        running: usize,
        /// The grace period.
        grace: Duration,
    },
}

impl<R: Reconciler> Controller<R> {
    /// A controller of the reconciler's kind in the factory's scope.
    pub fn new(factory: &InformerFactory, reconciler: R) -> Self {
        Self::with_informer(factory, factory.informer(), reconciler)
    }

    /// A controller of the reconciler's kind in another scope.
    pub fn in_scope(factory: &InformerFactory, scope: WatchScope, reconciler: R) -> Self {
        Self::with_informer(factory, factory.informer_of(scope), reconciler)
    }

    fn with_informer(factory: &InformerFactory, informer: Informer<R::Object>, reconciler: R) -> Self {
        Self {
            reconciler,
            factory: factory.clone(),
            informer,
            filter: None,
            sources: Vec::new(),
            settings: Settings {
                name: <R::Object as kube::Resource>::kind(&()).to_ascii_lowercase(),
                workers: 1,
                rate_limit: RateLimit::default(),
                reconcile_timeout: None,
                sync_timeout: Duration::from_secs(120),
                grace: Duration::from_secs(30),
                resync: None,
                metrics: Metrics::new(),
            },
            recorder: None,
        }
    }

    /// Name in logs, metrics and events. Default: the kind in lower case.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Reconciles the controller owner of each `C` that is added, changed or deleted. Resyncs are left out.
    ///
    /// The owner is matched by group, kind and UID; a `C` whose owner is not in the cache is ignored.
    pub fn owns<C: Kind>(self) -> Self {
        self.owns_with::<C>(Predicate::resource_version_changed())
    }

    /// [`owns`](Self::owns) with its own predicate.
    pub fn owns_with<C: Kind>(mut self, predicate: Predicate<C>) -> Self {
        let informer = self.factory.informer::<C>();
        self.sources.push(source::owned(informer, predicate));
        self
    }

    /// Reconciles what `keys` gives for each `W` that is added, changed or deleted; for a change, what it gives for
    /// the old and the new state. Resyncs are left out.
    pub fn watches<W: Kind>(self, keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static) -> Self {
        self.watches_with(Predicate::resource_version_changed(), keys)
    }

    /// [`watches`](Self::watches) with its own predicate.
    pub fn watches_with<W: Kind>(
        mut self,
        predicate: Predicate<W>,
        keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        let informer = self.factory.informer::<W>();
        self.sources.push(source::mapped(informer, predicate, keys));
        self
    }

    /// Leaves out changes of the reconciled kind that `predicate` does not accept; several must all accept.
    pub fn filter(mut self, predicate: Predicate<R::Object>) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(filter) => filter.and(predicate),
            None => predicate,
        });
        self
    }

    /// How many objects are reconciled at a time, each by a task. Default 1, as controller-runtime.
    ///
    /// # Panics
    /// With no workers at all.
    pub fn workers(mut self, workers: usize) -> Self {
        assert!(workers > 0, "a controller needs a worker");
        self.settings.workers = workers;
        self
    }

    /// Delays after failures. Default [`RateLimit::default`].
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.settings.rate_limit = limit;
        self
    }

    /// How long a reconciliation may take; one that takes longer is dropped and counts as failed. Default: forever.
    pub fn reconcile_timeout(mut self, timeout: Duration) -> Self {
        self.settings.reconcile_timeout = Some(timeout);
        self
    }

    /// How long to wait for the caches to hold their first state. Default two minutes, as controller-runtime.
    pub fn sync_timeout(mut self, timeout: Duration) -> Self {
        self.settings.sync_timeout = timeout;
        self
    }

    /// How long a shutdown waits for what runs. Default 30 s, as controller-runtime.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How often every object is reconciled though nothing changed. Default: the factory's resync period.
    pub fn resync(mut self, period: Option<Duration>) -> Self {
        self.settings.resync = Some(period);
        self
    }

    /// Where the controller counts. Default: nowhere.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.settings.metrics = metrics.clone();
        self
    }

    /// The recorder that reconcilers find in their context. Default: one of the controller's name.
    pub fn recorder(mut self, recorder: EventRecorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Runs until the factory is shut down.
    ///
    /// Starts the factory's informers, waits for their caches, and starts the workers. At the end the workers
    /// finish what they have in hand; what waits stays undone, and the next start finds it again.
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn run(self) -> Result<(), RunError> {
        self.run_until(std::future::pending()).await
    }

    /// Runs until `shutdown` is ready or the factory is shut down; for example
    /// [`shutdown_signal()`](shutdown_signal).
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        run::run(self, shutdown).await
    }
}

/// What a source does with a change: names the keys to reconcile.
fn keys_of<K: Kind>(delta: &Delta<K>, keys: impl Fn(&K) -> Vec<ObjectKey>) -> Vec<ObjectKey> {
    let mut all = keys(delta.object());
    if let Some(old) = delta.old() {
        for key in keys(old) {
            if !all.contains(&key) {
                all.push(key);
            }
        }
    }
    all
}
