//! A cache of one kind that many can read and listen to.
//!
//! **Invariant:** each subscriber sees each change of the store once and in order, from the state at its
//! subscription on, or, where it is slow, changes that add up to the same state; none of them delays the watch or another
//! subscriber.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::config::{ReflectorConfig, WatchScope};
use super::lister::Lister;
use super::namespaces::{self, NamespaceSet, NamespaceStatus, Parts};
use super::reflector::{Reflector, ReflectorHandle, ReflectorStatus, Sink};
use super::shared::Shared;
use super::store::IndexExists;
use super::subscription::{EventHandler, Registration, Subscribe, Subscription};
use super::target::{Cached, Target};
use crate::client::AsClient;
use crate::guard::message;
use crate::kind::{Kind, Namespaced};

/// A shared cache of one kind: a reflector, its store and those who listen to it.
///
/// Cloning is cheap and gives the same cache. The watch runs from [`start`](Self::start) until the informer is
/// [stopped](Self::stop) or its factory shuts down, or until the last informer, lister and subscription of it is
/// dropped. Its cache then stays as it is.
pub struct Informer<K: Cached> {
    core: Arc<Core<K>>,
}

impl<K: Cached> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
        }
    }
}

impl<K: Cached> fmt::Debug for Informer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Informer")
            .field("kind", &self.core.shared.kind)
            .field("synced", &self.has_synced())
            .finish_non_exhaustive()
    }
}

/// What the handles share; the task that feeds the cache does not hold it, so that its drop can stop the task.
pub(super) struct Core<K: Cached> {
    pub(super) shared: Arc<Shared<K>>,
    target: Target,
    /// Until it is started.
    plan: Mutex<Option<Plan<K>>>,
    status: ReflectorHandle,
    /// Where it is of several namespaces.
    parts: Option<Arc<Parts>>,
    resync: Option<Duration>,
    stop: CancellationToken,
}

impl<K: Cached> Core<K> {
    fn plan(&self) -> MutexGuard<'_, Option<Plan<K>>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Cached> Drop for Core<K> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Where the objects of a cache are.
#[derive(Clone)]
pub(super) enum Place {
    Scope(WatchScope),
    Namespaces(NamespaceSet),
}

/// How a cache is fed.
struct Plan<K> {
    client: kube::Client,
    target: Target,
    place: Place,
    config: ReflectorConfig,
    /// In the order in which they were set.
    transforms: Vec<Transform<K>>,
    status: Arc<watch::Sender<ReflectorStatus>>,
}

type Transform<K> = Arc<dyn Fn(&mut K) + Send + Sync>;

impl<K: Cached> Plan<K> {
    fn reflector(&self, scope: &WatchScope, sink: Arc<dyn Sink<K>>) -> Reflector<K> {
        let (client, target) = (self.client.clone(), self.target.clone());
        let mut reflector = Reflector::with_sink(client, target, scope, self.config.clone(), sink);
        for transform in &self.transforms {
            let transform = Arc::clone(transform);
            reflector = reflector.transform(move |object| transform(object));
        }
        reflector
    }

    async fn run(self, shared: Arc<Shared<K>>, parts: Option<Arc<Parts>>, stop: CancellationToken) {
        match &self.place {
            Place::Scope(scope) => {
                let reflector = self.reflector(scope, shared);
                reflector.with_status(Arc::clone(&self.status)).run(stop).await;
            }
            Place::Namespaces(set) => {
                let make = |scope: &WatchScope, sink| self.reflector(scope, sink).in_namespaces_alone();
                namespaces::follow(shared, set.clone(), parts.unwrap_or_default(), make, stop).await;
            }
        }
    }
}

/// The informer was stopped before its cache held the first state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cache of {kind} was stopped before it synced")]
pub struct Stopped {
    /// Kind of the cache.
    pub kind: String,
}

/// The informer was started before, so that its cache may hold objects as they came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("set the transform of {kind}: its cache was started; set it before `start`")]
pub struct AlreadyStarted {
    /// Kind of the cache.
    pub kind: String,
}

impl<K: Kind> Informer<K> {
    /// An informer of its own, outside of a factory.
    pub fn new(client: &impl AsClient, scope: &WatchScope, config: ReflectorConfig) -> Self {
        Self::alone(client, Place::Scope(scope.clone()), config)
    }

    /// An informer of its own, of several namespaces.
    pub fn in_namespaces(client: &impl AsClient, namespaces: &NamespaceSet, config: ReflectorConfig) -> Self
    where
        K: Kind<Scope = Namespaced>,
    {
        Self::alone(client, Place::Namespaces(namespaces.clone()), config)
    }

    fn alone(client: &impl AsClient, place: Place, config: ReflectorConfig) -> Self {
        Self::in_factory(
            client.as_client().clone(),
            Target::of::<K>(),
            place,
            config,
            None,
            CancellationToken::new(),
        )
    }
}

impl<K: Cached> Informer<K> {
    pub(super) fn in_factory(
        client: kube::Client,
        target: Target,
        place: Place,
        config: ReflectorConfig,
        resync: Option<Duration>,
        stop: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared::new(target.name.clone(), config.keep_decoded));
        let status = Arc::<watch::Sender<_>>::default();
        let parts = matches!(place, Place::Namespaces(_)).then(Arc::<Parts>::default);
        Self {
            core: Arc::new(Core {
                status: ReflectorHandle::of(&status),
                shared,
                target: target.clone(),
                plan: Mutex::new(Some(Plan {
                    client,
                    target,
                    place,
                    config,
                    transforms: Vec::new(),
                    status,
                })),
                parts,
                resync,
                stop,
            }),
        }
    }

    /// What it is of.
    pub(crate) fn target(&self) -> &Target {
        &self.core.target
    }

    pub(super) fn from_core(core: Arc<Core<K>>) -> Self {
        Self { core }
    }

    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.core.stop
    }

    pub(super) fn synced(&self) -> watch::Receiver<bool> {
        self.core.shared.synced.subscribe()
    }

    pub(super) fn core(&self) -> &Arc<Core<K>> {
        &self.core
    }

    /// Changes each object before the cache keeps it, for all who share it. Of several, the one that was set last
    /// is called first.
    ///
    /// Takes fields away that nobody here reads, or computes what index functions ask for. `transform` must leave
    /// namespace, name, uid and `resourceVersion` as they are; where it does not, or panics, the cache keeps what it held
    /// of that object. It runs where the watch is followed, so it should be quick. An object whose fields were taken
    /// away must not be written back as a whole: use a patch or server-side apply.
    ///
    /// # Errors
    /// [`AlreadyStarted`], as client-go's `SetTransform`.
    pub fn set_transform(
        &self,
        transform: impl Fn(&mut K) + Send + Sync + 'static,
    ) -> Result<&Self, AlreadyStarted> {
        match &mut *self.core.plan() {
            Some(plan) => plan.transforms.push(Arc::new(transform)),
            None => {
                return Err(AlreadyStarted {
                    kind: self.core.shared.kind.clone(),
                });
            }
        }
        Ok(self)
    }

    /// Starts the watch, once; further calls do nothing. An informer of a factory is started by it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(&self) {
        let Some(plan) = self.core.plan().take() else {
            return;
        };
        let stop = self.core.stop.clone();
        let (shared, parts) = (Arc::clone(&self.core.shared), self.core.parts.clone());
        let status = Arc::clone(&plan.status);
        tokio::spawn(async move {
            let work = async {
                let resync = stop.run_until_cancelled(shared.resync());
                let fed = plan.run(Arc::clone(&shared), parts, stop.clone());
                futures::join!(fed, resync);
            };
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                let message = message(&*panic);
                tracing::error!(object.kind = %shared.kind, panic = message, "cache stopped: its watch panicked");
                status
                    .send_modify(|status| status.last_error = Some(format!("the watch panicked: {message}")));
                // Nothing feeds the cache any more; whoever waits for it learns that now.
                stop.cancel();
            }
            // Streams end once everything that was queued has been taken.
            shared.end();
        });
    }

    /// Stops the watch for all who share it, for good; subscriptions end, and the cache stays as it is.
    ///
    /// A factory whose informer was stopped makes a new one for whoever asks next.
    pub fn stop(&self) {
        self.core.stop.cancel();
        let unstarted = self.core.plan().take();
        if unstarted.is_some() {
            // There is no task that would do it.
            self.core.shared.end();
        }
    }

    /// A read handle on the cache.
    pub fn lister(&self) -> Lister<K> {
        let source = Arc::clone(&self.core) as Arc<dyn Any + Send + Sync>;
        Lister::of_informer(self.core.shared.store.clone(), source)
    }

    /// Keeps the index `name` over the cache: `values` gives the values under which an object is found.
    ///
    /// May be called at any time; what the cache holds is indexed at once. The function must give the same values
    /// each time for the same object. Where it panics, the index lacks the object.
    ///
    /// # Errors
    /// [`IndexExists`] where somebody who shares the cache has added an index of that name; as it is only known to be
    /// the same one by whoever wrote both, it stays as it is.
    pub fn add_index(
        &self,
        name: &str,
        values: impl Fn(&K) -> Vec<String> + Send + Sync + 'static,
    ) -> Result<&Self, IndexExists> {
        self.core.shared.store.add_index(name, values)?;
        Ok(self)
    }

    /// Keeps an index over the values of the label `key`, which serves [`Lister::select`].
    ///
    /// May be called at any time, and by several who share the cache.
    pub fn add_label_index(&self, key: &str) -> &Self {
        self.core.shared.store.add_label_index(key);
        self
    }

    /// Whether the cache holds the first state.
    pub fn has_synced(&self) -> bool {
        *self.core.shared.synced.borrow()
    }

    /// Waits until the cache holds the first state.
    ///
    /// # Errors
    /// [`Stopped`] where the informer is stopped first.
    pub async fn wait_for_sync(&self) -> Result<(), Stopped> {
        let mut synced = self.core.shared.synced.subscribe();
        let synced = synced.wait_for(|synced| *synced);
        match self.core.stop.run_until_cancelled(synced).await {
            Some(Ok(_)) => Ok(()),
            _ => Err(Stopped {
                kind: self.core.shared.kind.clone(),
            }),
        }
    }

    /// What the reflector says about itself; of several namespaces, those of each as one.
    pub fn status(&self) -> ReflectorStatus {
        let mut status = self.core.status.status();
        if let Some(parts) = &self.core.parts {
            let all = parts.status();
            (status.lists, status.watches) = (all.lists, all.watches);
            // That the cache stopped comes first.
            status.last_error = status.last_error.or(all.last_error);
        }
        status
    }

    /// How each namespace is, in order; empty for a cache that is not of several, or was not started.
    pub fn namespaces(&self) -> Vec<NamespaceStatus> {
        self.core
            .parts
            .as_ref()
            .map(|parts| parts.statuses())
            .unwrap_or_default()
    }

    /// Whether nothing feeds the cache any more.
    pub fn is_stopped(&self) -> bool {
        self.core.stop.is_cancelled()
    }

    /// How many changes were merged into another one, since a subscriber was too slow to be told of each; of all that
    /// there were.
    pub fn merged(&self) -> u64 {
        self.core.shared.merged.load(Ordering::Relaxed)
    }

    /// The factory's resync period.
    pub(crate) fn resync_period(&self) -> Option<Duration> {
        self.core.resync
    }

    /// Everything that happens from now on, preceded by what the cache holds; with the factory's resync period.
    pub fn subscribe(&self) -> Subscription<K> {
        self.subscribe_with(self.core.resync)
    }

    /// [`subscribe`](Self::subscribe) with its own resync period: how often every object is replayed as an update
    /// that changes nothing. `None`: never.
    pub fn subscribe_with(&self, resync: Option<Duration>) -> Subscription<K> {
        self.subscribe_as(Subscribe {
            resync,
            ..Subscribe::default()
        })
    }

    /// [`subscribe`](Self::subscribe) with other settings.
    ///
    /// What the cache holds is queued before this returns, which takes some time where that is much; it never waits for
    /// an index function, nor for a list that is being read.
    pub fn subscribe_as(&self, settings: Subscribe) -> Subscription<K> {
        // After the stop nothing more comes.
        let open = !self.core.stop.is_cancelled();
        Subscription::new(self.core.shared.subscribe(settings, open), Arc::clone(&self.core))
    }

    /// Calls `handler` for everything that happens, in order, in a task of its own, until the registration is
    /// [removed](Registration::remove) or the informer stops.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn add_event_handler(&self, handler: impl EventHandler<K>) -> Registration {
        Registration::new(self.subscribe(), handler)
    }
}

#[cfg(test)]
#[path = "informer_tests.rs"]
mod tests;
