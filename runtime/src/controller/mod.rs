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
//! What it reads may be older than what it wrote itself a moment ago. [`Context::wrote`] says what was written, and the
//! next reconciliation of the object waits until the caches show it.
//!
//! **Invariant:** one key is reconciled by at most one worker at a time, and a change that comes during its
//! reconciliation leads to another one.

mod context;
mod dynamic;
mod expectations;
mod mappers;
mod pause;
mod predicate;
mod reach;
mod resync;
mod run;
mod share;
mod signal;
mod source;
mod trace;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cached, Informer, InformerFactory, NotSynced, Target, WatchScope};
use crate::events::EventRecorder;
use crate::kind::{Kind, ObjectKey};
use crate::manager::ShardKeys;
use crate::metrics::Metrics;
use crate::queue::RateLimit;
use crate::rbac::{RbacInfo, Rules};
pub use context::Context;
use context::Watched;
pub use expectations::Expectations;
pub use predicate::Predicate;
pub use signal::shutdown_signal;
use source::{Owned, Role, Source};

/// Brings objects of one kind to the state that they ask for.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind that is reconciled.
    ///
    /// `kube::core::DynamicObject`, or `PartialObjectMeta<DynamicObject>`, for one that is known at run time alone:
    /// [`Controller::dynamic`].
    type Object: Cached;
    /// Why a reconciliation failed; any error type, `anyhow::Error` among them.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send;

    /// What it may do beside what the controller does itself; written by `#[rbac(...)]` on the impl.
    const RBAC: RbacInfo = RbacInfo::NONE;

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
    /// Another try after a fixed delay; it counts as a failure in [`Context::retries`].
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
    watched: Watched,
    /// Scope of the kinds that it owns or watches, where it is not the factory's.
    others: Option<WatchScope>,
    settings: Settings,
    /// What its caches are of, and where: absent in the factory's scope, or its namespaces.
    followed: Vec<(Target, Option<WatchScope>)>,
    recorder: Option<EventRecorder>,
    expectations: Option<Expectations>,
    shards: Option<ShardKeys>,
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
    patience: Duration,
    pause: Option<Arc<str>>,
    failure_events: Option<u32>,
    /// Absent where nobody reads them, which saves clocks.
    metrics: Option<Metrics>,
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
    /// A task that lasts as long as the controller ended before it: a cache was stopped by itself, so that the
    /// controller would hear of nothing any more, or there was a panic outside of what the controller guards.
    #[error("run controller {controller}: {task} ended")]
    TaskEnded {
        /// Name of the controller.
        controller: String,
        /// Which task.
        task: &'static str,
        /// The panic, where there was one.
        #[source]
        source: Option<tokio::task::JoinError>,
    },
}

impl<R: Reconciler<Object: Kind>> Controller<R> {
    /// A controller of the reconciler's kind in the factory's scope.
    pub fn new(factory: &InformerFactory, reconciler: R) -> Self {
        let scope = factory.default_scope();
        Self::with_informer(factory, (factory.informer(), scope), None, reconciler)
    }

    /// A controller of the reconciler's kind in another scope.
    ///
    /// The kinds that it [owns](Self::owns) or [watches](Self::watches) are followed in the namespace of `scope`, so
    /// that rights in that namespace are enough; the selectors of `scope` are about the reconciled kind alone.
    pub fn in_scope(factory: &InformerFactory, scope: WatchScope, reconciler: R) -> Self {
        let informer = factory.informer_of(scope.clone());
        Self::with_informer(factory, (informer, Some(scope.clone())), Some(scope), reconciler)
    }
}

impl<R: Reconciler> Controller<R> {
    /// `only` is the scope that was asked for, where it is not the factory's.
    fn with_informer(
        factory: &InformerFactory,
        (informer, scope): (Informer<R::Object>, Option<WatchScope>),
        only: Option<WatchScope>,
        reconciler: R,
    ) -> Self {
        let watched = Watched::of(&informer, scope.as_ref());
        let target = informer.target().clone();
        Self {
            reconciler,
            factory: factory.clone(),
            informer,
            filter: None,
            sources: Vec::new(),
            watched,
            others: only.map(|scope| WatchScope {
                namespace: scope.namespace,
                ..WatchScope::all()
            }),
            settings: Settings {
                name: target.group_kind().1.to_ascii_lowercase(),
                workers: 1,
                rate_limit: RateLimit::default(),
                reconcile_timeout: None,
                sync_timeout: Duration::from_secs(120),
                grace: Duration::from_secs(30),
                resync: None,
                patience: Duration::from_secs(10),
                pause: Some(pause::PAUSED.into()),
                failure_events: Some(5),
                metrics: None,
            },
            followed: vec![(target, scope)],
            recorder: None,
            expectations: None,
            shards: None,
        }
    }

    /// Name in logs, metrics and events. Default: the kind in lower case.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// What it is called in the process's errors.
    pub(crate) fn label(&self) -> String {
        format!("controller {}", self.settings.name)
    }

    /// Reconciles the controller owner of each `C` that is added, changed or deleted. Resyncs are left out.
    ///
    /// The owner is matched by group, kind and UID; a `C` whose owner is not in the cache is ignored. Followed are the
    /// `C`s of the factory's scope, or of the namespace of [`in_scope`](Self::in_scope).
    pub fn owns<C: Kind>(self) -> Self {
        self.owns_with::<C>(Predicate::resource_version_changed())
    }

    /// [`owns`](Self::owns) with its own predicate.
    pub fn owns_with<C: Kind>(self, predicate: Predicate<C>) -> Self {
        let other = self.other();
        self.owns_from(other, predicate)
    }

    /// [`owns`](Self::owns) for the `C`s of another scope.
    pub fn owns_in<C: Kind>(self, scope: WatchScope, predicate: Predicate<C>) -> Self {
        let informer = self.factory.informer_of(scope.clone());
        self.owns_from((informer, Some(scope)), predicate)
    }

    fn owns_from<C: Cached>(
        mut self,
        (informer, scope): (Informer<C>, Option<WatchScope>),
        predicate: Predicate<C>,
    ) -> Self {
        let role = self.follow(&informer, scope.as_ref());
        self.sources.push(source::owned(
            informer,
            role,
            predicate,
            (Owned::ByController, self.informer.target()),
        ));
        self
    }

    /// Reconciles what `keys` gives for each `W` that is added, changed or deleted; for a change, what it gives for
    /// the old and the new state. Resyncs are left out. The scope is that of [`owns`](Self::owns).
    ///
    /// Where `keys` panics that change is lost, and logged.
    pub fn watches<W: Kind>(self, keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static) -> Self {
        self.watches_with(Predicate::resource_version_changed(), keys)
    }

    /// [`watches`](Self::watches) with its own predicate.
    pub fn watches_with<W: Kind>(
        self,
        predicate: Predicate<W>,
        keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        let other = self.other();
        self.watches_from(other, predicate, keys)
    }

    /// [`watches`](Self::watches) for the `W`s of another scope.
    pub fn watches_in<W: Kind>(
        self,
        scope: WatchScope,
        predicate: Predicate<W>,
        keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        let informer = self.factory.informer_of(scope.clone());
        self.watches_from((informer, Some(scope)), predicate, keys)
    }

    fn watches_from<W: Cached>(
        mut self,
        (informer, scope): (Informer<W>, Option<WatchScope>),
        predicate: Predicate<W>,
        keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        let role = self.follow(&informer, scope.as_ref());
        self.sources.push(source::mapped(
            informer,
            role,
            predicate,
            move |object: &W, _: &_| keys(object),
        ));
        self
    }

    /// The informer of a kind that the controller does not reconcile, and its scope.
    fn other<C: Kind>(&self) -> (Informer<C>, Option<WatchScope>) {
        match &self.others {
            Some(scope) => (self.factory.informer_of(scope.clone()), Some(scope.clone())),
            None => (self.factory.informer(), self.factory.default_scope()),
        }
    }

    fn follow<C: Cached>(&mut self, informer: &Informer<C>, scope: Option<&WatchScope>) -> Role {
        self.followed.push((informer.target().clone(), scope.cloned()));
        self.watched.add(informer, scope).into()
    }

    /// All that the controller does on the server: what its caches follow, what [`Reconciler::RBAC`] says, and Events.
    ///
    /// A controller in the scope of one namespace, or of several, is granted rights there, but for kinds that belong to the
    /// cluster. To update an object out of a cache means to read it as well, since the cache leaves out an annotation that
    /// has to stay. Not in it: what other users of the [factory](InformerFactory::rules) follow, and dynamic kinds whose
    /// resource the server was not asked for yet ([`InformerFactory::discover`] does).
    pub fn rules(&self) -> Rules {
        let places = match &self.others {
            Some(scope) => vec![scope.namespace.clone()],
            None => self.factory.places(),
        };
        let each = self.followed.iter();
        let each = each.map(|(target, scope)| self.factory.rules_of(target, scope.as_ref()));
        let caches = each.fold(Rules::new(), |all, rules| all.with(&rules));
        let places = places
            .iter()
            .map(|place| self.rules_in(place.as_deref(), &caches));
        places.fold(caches.clone(), |all, rules| all.with(&rules))
    }

    fn rules_in(&self, namespace: Option<&str>, caches: &Rules) -> Rules {
        let namespaced = self.informer.target().namespaced() != Some(false);
        let mut rules = R::RBAC.placed(namespace);
        if self.factory.leaves_out_last_applied() {
            rules.merge(&caches.reads_before(&R::RBAC, namespace));
        }
        if self.recorder.is_some() || self.settings.failure_events.is_some() {
            // Events of objects without a namespace stand in this one.
            let namespace = if namespaced { namespace } else { Some("default") };
            rules.merge(&EventRecorder::rules(namespace));
        }
        rules
    }

    /// Leaves out changes of the reconciled kind that `predicate` does not accept; several must all accept.
    ///
    /// Where one panics the change passes, and the panic is logged.
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

    /// How long to wait for the factory's caches to hold their first state. Default two minutes, as
    /// controller-runtime.
    pub fn sync_timeout(mut self, timeout: Duration) -> Self {
        self.settings.sync_timeout = timeout;
        self
    }

    /// How long a shutdown waits for what runs. Default 30 s, as controller-runtime. What runs longer is dropped at
    /// its next await; what blocks its thread meanwhile is left behind.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How often every object is reconciled though nothing changed, each at its own moment of the period, told by its
    /// key, so that they never come all at once. Default: the factory's resync period. `None`: never.
    ///
    /// The [filter](Self::filter) is asked about it, as about an update that changes nothing.
    pub fn resync(mut self, period: Option<Duration>) -> Self {
        self.settings.resync = Some(period);
        self
    }

    /// How long an object is held back while a cache does not show what its reconciliation
    /// [wrote](Context::wrote); after that it is reconciled all the same, with a warning. Default 10 s; zero holds nothing
    /// back.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// The annotation that pauses an object: with the value `true` it is not reconciled, even where it is being deleted,
    /// until the annotation goes or changes. Default `kubewright.dev/paused`; `None`: nothing pauses.
    ///
    /// Begin and end of a pause are logged; `kubewright_paused_objects` counts what is paused.
    pub fn pause_annotation(mut self, annotation: Option<&str>) -> Self {
        self.settings.pause = annotation.map(Into::into);
        self
    }

    /// From which failure in a row on an Event of the object tells of it, with the error as its note: one Event for the same
    /// error, whose series grows. A failure that ended as [`Terminal`](ErrorPolicy::Terminal) is told at once; a lost race
    /// with another writer never. Default 5; `None`: no Events, for controllers that have no right to write them.
    pub fn failure_events(mut self, from: Option<u32>) -> Self {
        self.settings.failure_events = from;
        self
    }

    /// Counts the creations and deletions of the kinds that the controller owns as seen, before it enqueues their owner.
    /// The reconciler keeps a clone.
    pub fn expectations(mut self, expectations: &Expectations) -> Self {
        self.expectations = Some(expectations.clone());
        self
    }

    /// Reconciles the keys alone that are this process's, as its replicas share them; a [`Manager`](crate::manager::Manager)
    /// with [`Shards`](crate::manager::Shards) does so for all of its controllers.
    ///
    /// A key that comes from another replica is enqueued as one that was added; one that goes there is finished first, or
    /// dropped after [`hand_over`](crate::manager::Shards::hand_over). Caches hold all objects all the same.
    pub fn shards(mut self, keys: &ShardKeys) -> Self {
        self.shards = Some(keys.clone());
        self
    }

    /// Where the controller counts. Default: nowhere.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.settings.metrics = Some(metrics.clone());
        self
    }

    /// The recorder that reconcilers find in their context. Default: one of the controller's name.
    pub fn recorder(mut self, recorder: EventRecorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Runs until the factory is shut down.
    ///
    /// Starts the factory's informers, waits for the caches of all kinds that the factory was asked for so far, and
    /// starts the workers. At the end the workers finish what they have in hand; what waits stays undone, and the
    /// next start finds it again.
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
