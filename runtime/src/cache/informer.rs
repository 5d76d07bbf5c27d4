//! A cache of one kind that many can read and listen to.
//!
//! **Invariant:** each subscriber sees each change of the store once and in order, from the state at its
//! subscription on, or, where it is slow, changes that add up to the same state; none of them delays the watch or another
//! subscriber.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{FutureExt, Stream};
use kube::Resource;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backlog::{Backlog, Note};
use super::delta::{Delta, LastState};
use super::lister::Lister;
use super::namespaces::{self, NamespaceSet, NamespaceStatus, Parts};
use super::reflector::{
    Change, Reflector, ReflectorConfig, ReflectorHandle, ReflectorStatus, Sink, WatchScope, after,
};
use super::store::{IndexExists, Store, same_version};
use super::target::{Cached, Target, kind_name};
use crate::client::AsClient;
use crate::guard::message;
use crate::kind::{Kind, Namespaced, ObjectKey};

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
    shared: Arc<Shared<K>>,
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

pub(super) struct Shared<K: Resource> {
    kind: String,
    store: Store<K>,
    /// Locked while the store changes and the change is queued, so that a new subscriber misses nothing. What a
    /// subscriber waits for is therefore at most the queueing of a whole list; that is built before.
    feeds: Mutex<Vec<Feed<K>>>,
    synced: watch::Sender<bool>,
    feeds_changed: Notify,
    /// How many changes were merged for subscribers.
    merged: Arc<AtomicU64>,
}

/// How a subscriber is told of changes.
#[derive(Clone, Copy, Debug)]
pub struct Subscribe {
    /// How often every object is replayed as an update that changes nothing. Default: never.
    pub resync: Option<Duration>,
    /// How many changes wait one by one; beyond that they are merged by object, see [`Subscription`]. Default 1,024.
    ///
    /// `None` for a subscriber that must hear of each change, as one that counts them: memory has no bound then where it
    /// is slow, and each waiting change costs some 40 bytes besides the objects that it keeps alive. A warning is logged
    /// at 16,384 and each doubling, the first state and replays not counted.
    pub buffer: Option<usize>,
}

impl Default for Subscribe {
    fn default() -> Self {
        Self {
            resync: None,
            buffer: Some(1024),
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
        let (client, place) = (client.as_client().clone(), Place::Scope(scope.clone()));
        Self::in_factory(
            client,
            Target::of::<K>(),
            place,
            config,
            None,
            CancellationToken::new(),
        )
    }

    /// An informer of its own, of several namespaces.
    pub fn in_namespaces(client: &impl AsClient, namespaces: &NamespaceSet, config: ReflectorConfig) -> Self
    where
        K: Kind<Scope = Namespaced>,
    {
        let (client, place) = (client.as_client().clone(), Place::Namespaces(namespaces.clone()));
        Self::in_factory(
            client,
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
        let shared = Arc::new(Shared {
            kind: target.name.clone(),
            store: Store::new(),
            feeds: Mutex::default(),
            synced: watch::Sender::new(false),
            feeds_changed: Notify::new(),
            merged: Arc::default(),
        });
        let status = Arc::<watch::Sender<_>>::default();
        let parts = matches!(place, Place::Namespaces(_)).then(Arc::<Parts>::default);
        Self {
            core: Arc::new(Core {
                status: ReflectorHandle::of(&status),
                shared,
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
            shared.feeds().clear();
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
            self.core.shared.feeds().clear();
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
        let shared = &self.core.shared;
        let resync = settings.resync.filter(|period| !period.is_zero());
        let backlog = Arc::new(Backlog::new(settings.buffer, &shared.merged));
        let feed = Feed {
            backlog: Arc::clone(&backlog),
            resync,
            due: after(resync.unwrap_or_default()),
        };
        let subscription = Subscription {
            backlog,
            synced: false,
            core: Arc::clone(&self.core),
        };
        let mut feeds = shared.feeds();
        // Of several namespaces some may be here before all are.
        let held = shared.store.list().into_iter();
        feed.backlog.replay(held.map(Delta::Added), &shared.kind);
        if *shared.synced.borrow() {
            feed.backlog.synced();
        }
        // After the stop nothing more comes; without a feed the stream ends.
        if !self.core.stop.is_cancelled() {
            feeds.push(feed);
        }
        drop(feeds);
        shared.feeds_changed.notify_one();
        subscription
    }

    /// Calls `handler` for everything that happens, in order, in a task of its own, until the registration is
    /// [removed](Registration::remove) or the informer stops.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn add_event_handler(&self, handler: impl EventHandler<K>) -> Registration {
        let mut subscription = self.subscribe();
        let synced = watch::Sender::new(false);
        let receiver = synced.subscribe();
        let task = tokio::spawn(async move {
            loop {
                if subscription.has_synced() {
                    synced.send_if_modified(|synced| !std::mem::replace(synced, true));
                }
                let Some(note) = subscription.note().await else {
                    return;
                };
                let Note::Delta(delta) = note else { continue };
                let key = delta.key();
                if AssertUnwindSafe(handle(&handler, delta))
                    .catch_unwind()
                    .await
                    .is_err()
                {
                    tracing::error!(object.kind = %kind_name::<K>(), object = %key, "event handler panicked");
                }
            }
        });
        Registration {
            synced: receiver,
            task,
        }
    }
}

async fn handle<K: Cached>(handler: &impl EventHandler<K>, delta: Delta<K>) {
    match delta {
        Delta::Added(object) => handler.added(object).await,
        Delta::Updated { old, new } => handler.updated(old, new).await,
        Delta::Deleted { object, state } => handler.deleted(object, state).await,
    }
}

/// What to do when cached objects change. client-go: `ResourceEventHandler`.
///
/// A handler that is slow delays itself alone. For closures see [`on_change`].
pub trait EventHandler<K: Cached>: Send + Sync + 'static {
    /// An object is new to the cache.
    fn added(&self, object: Arc<K>) -> impl Future<Output = ()> + Send;
    /// An object changed, or is replayed by a resync: then both are the same.
    fn updated(&self, old: Arc<K>, new: Arc<K>) -> impl Future<Output = ()> + Send;
    /// An object is gone.
    fn deleted(&self, object: Arc<K>, state: LastState) -> impl Future<Output = ()> + Send;
}

/// An [`EventHandler`] from a function of the change.
pub fn on_change<K: Cached>(handle: impl Fn(Delta<K>) + Send + Sync + 'static) -> impl EventHandler<K> {
    struct OnChange<F>(F);

    impl<K: Cached, F: Fn(Delta<K>) + Send + Sync + 'static> EventHandler<K> for OnChange<F> {
        async fn added(&self, object: Arc<K>) {
            (self.0)(Delta::Added(object));
        }

        async fn updated(&self, old: Arc<K>, new: Arc<K>) {
            (self.0)(Delta::Updated { old, new });
        }

        async fn deleted(&self, object: Arc<K>, state: LastState) {
            (self.0)(Delta::Deleted { object, state });
        }
    }

    OnChange(handle)
}

/// A handler that was added to an informer. Dropping it leaves the handler in place.
#[derive(Debug)]
pub struct Registration {
    synced: watch::Receiver<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Registration {
    /// Whether the handler has been given the whole first state.
    pub fn has_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits until the handler has been given the whole first state; `false` where the informer stopped first.
    pub async fn wait_for_sync(&mut self) -> bool {
        self.synced.wait_for(|synced| *synced).await.is_ok()
    }

    /// Removes the handler; a call that is under way ends at its next await.
    pub fn remove(self) {
        self.task.abort();
    }
}

/// The sending half of one subscription.
struct Feed<K: Resource> {
    backlog: Arc<Backlog<K>>,
    resync: Option<Duration>,
    due: Instant,
}

impl<K: Resource> Drop for Feed<K> {
    fn drop(&mut self) {
        self.backlog.end();
    }
}

/// Everything that happens in a cache; a [`Stream`] that ends when the informer stops.
///
/// What is not taken yet waits: up to [`Subscribe::buffer`] changes one by one, and beyond that what is pending of an
/// object merges into one change from what was taken last to what is there now, so that nothing is lost but states in
/// between. An object that came and went in that time is not told of at all, one that was deleted and made anew is told
/// as both. A warning is logged when that begins; [`pending`](Self::pending) tells how many changes wait,
/// [`merged`](Self::merged) how many were merged. A resync skips a subscriber that has not finished the last one.
pub struct Subscription<K: Cached> {
    backlog: Arc<Backlog<K>>,
    synced: bool,
    core: Arc<Core<K>>,
}

impl<K: Cached> Drop for Subscription<K> {
    fn drop(&mut self) {
        self.backlog.close();
        self.core.shared.feeds().retain(|feed| !feed.backlog.is_closed());
    }
}

impl<K: Cached> fmt::Debug for Subscription<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("kind", &self.core.shared.kind)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

impl<K: Cached> Subscription<K> {
    /// The next change; `None` once the informer has stopped and everything was taken.
    pub async fn recv(&mut self) -> Option<Delta<K>> {
        loop {
            if let Note::Delta(delta) = self.note().await? {
                return Some(delta);
            }
        }
    }

    async fn note(&mut self) -> Option<Note<K>> {
        std::future::poll_fn(|cx| self.poll_note(cx)).await
    }

    fn poll_note(&mut self, cx: &mut Context<'_>) -> Poll<Option<Note<K>>> {
        self.backlog.poll(cx).map(|note| {
            let note = note?;
            self.synced |= matches!(note, Note::Synced);
            Some(note)
        })
    }

    /// Whether the whole first state has been taken from this subscription.
    pub fn has_synced(&self) -> bool {
        self.synced
    }

    /// How many changes wait to be taken; one that merges several is one.
    pub fn pending(&self) -> usize {
        self.backlog.len()
    }

    /// How many changes were merged into another one, since this subscriber was too slow to be told of each.
    pub fn merged(&self) -> u64 {
        self.backlog.merged()
    }
}

impl<K: Cached> Stream for Subscription<K> {
    type Item = Delta<K>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delta<K>>> {
        loop {
            match std::task::ready!(self.poll_note(cx)) {
                Some(Note::Delta(delta)) => return Poll::Ready(Some(delta)),
                Some(Note::Synced) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<K: Resource> Shared<K> {
    fn feeds(&self) -> MutexGuard<'_, Vec<Feed<K>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replays the store to each subscriber whose period has passed.
    async fn resync(&self) {
        loop {
            let due = self
                .feeds()
                .iter()
                .filter_map(|feed| feed.resync.map(|_| feed.due))
                .min();
            match due {
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = self.feeds_changed.notified() => continue,
                },
                None => {
                    self.feeds_changed.notified().await;
                    continue;
                }
            }
            let now = Instant::now();
            let mut feeds = self.feeds();
            if !*self.synced.borrow() {
                for feed in &mut *feeds {
                    feed.due = after(feed.resync.unwrap_or_default());
                }
                continue;
            }
            for feed in feeds.iter_mut() {
                let Some(period) = feed.resync.filter(|_| feed.due <= now) else {
                    continue;
                };
                feed.due = after(period);
                if feed.backlog.len() > 0 {
                    continue;
                }
                let held = self.store.list().into_iter();
                feed.backlog.replay(held.map(Delta::resync), &self.kind);
            }
        }
    }
}

impl<K: Cached> Shared<K> {
    fn send(&self, feeds: &mut Vec<Feed<K>>, delta: &Delta<K>) {
        feeds.retain(|feed| feed.backlog.push(delta.clone(), &self.kind));
    }

    fn set(&self, feeds: &mut Vec<Feed<K>>, new: Arc<K>) {
        match self.store.insert(Arc::clone(&new)) {
            None => self.send(feeds, &Delta::Added(new)),
            // Sent twice around a broken connection.
            Some(old) if same_version(&*old, &*new) => {}
            Some(old) if old.meta().uid == new.meta().uid => self.send(feeds, &Delta::Updated { old, new }),
            Some(old) => {
                self.send(feeds, &Delta::vanished(old));
                self.send(feeds, &Delta::Added(new));
            }
        }
    }

    /// What one of several namespaces has, but for `undecodable`, which stay as they were.
    pub(super) fn replace_namespace(&self, namespace: &str, objects: &[Arc<K>], undecodable: &[ObjectKey]) {
        /// How many objects at once keep a new subscriber waiting.
        const SOME: usize = 256;
        let names = namespaces::names(objects, undecodable);
        let gone = |object: &Arc<K>| {
            object
                .meta()
                .name
                .as_ref()
                .is_none_or(|name| !names.contains(name))
        };
        let gone: Vec<_> = self.store.namespace(namespace).into_iter().filter(gone).collect();
        for some in gone.chunks(SOME) {
            let mut feeds = self.feeds();
            for object in some {
                let name = object.meta().name.as_deref().unwrap_or_default();
                if let Some(old) = self.store.remove(Some(namespace), name) {
                    self.send(&mut feeds, &Delta::vanished(old));
                }
            }
        }
        for some in objects.chunks(SOME) {
            let mut feeds = self.feeds();
            for new in some {
                let name = new.meta().name.as_deref().unwrap_or_default();
                let held = self.store.get(Some(namespace), name);
                // What did not change stays the object that readers and subscribers have.
                if held.is_none_or(|held| !same_version(&*held, &**new)) {
                    self.set(&mut feeds, Arc::clone(new));
                }
            }
        }
    }

    /// Nothing of a namespace is followed any more.
    pub(super) fn forget(&self, namespace: &str) {
        self.replace_namespace(namespace, &[], &[]);
    }

    /// The first state is complete: each namespace was listed.
    pub(super) fn complete(&self) {
        let feeds = self.feeds();
        if *self.synced.borrow() {
            return;
        }
        // Nobody writes while the feeds are locked, so that the same objects take each other's places.
        drop(self.store.replacement(self.store.list(), &[]).commit());
        self.synced.send_replace(true);
        for feed in &*feeds {
            feed.backlog.synced();
        }
    }
}

impl<K: Cached> Sink<K> for Shared<K> {
    fn replace(&self, objects: Vec<Arc<K>>, undecodable: &[ObjectKey]) {
        // Nobody else writes to the store, so what is built here is still right when it is committed.
        let replacement = self.store.replacement(objects, undecodable);
        let mut feeds = self.feeds();
        let deltas = replacement.commit();
        let first = !self.synced.send_replace(true);
        feeds.retain(|feed| {
            if !first {
                return deltas
                    .iter()
                    .all(|delta| feed.backlog.push(delta.clone(), &self.kind));
            }
            let open = feed.backlog.replay(deltas.iter().cloned(), &self.kind);
            feed.backlog.synced();
            open
        });
    }

    fn apply(&self, changes: Vec<Change<K>>) {
        let mut feeds = self.feeds();
        for change in changes {
            let mut send = |delta: Delta<K>| self.send(&mut feeds, &delta);
            match change {
                Change::Set(object) => self.set(&mut feeds, Arc::new(object)),
                Change::Gone(object) => {
                    let meta = object.meta();
                    let name = meta.name.as_deref().unwrap_or_default();
                    // Whoever listens never heard of an object that the cache did not hold.
                    if self.store.remove(meta.namespace.as_deref(), name).is_some() {
                        send(Delta::Deleted {
                            object: Arc::new(object),
                            state: LastState::Final,
                        });
                    }
                }
                Change::GoneKey(key) => {
                    if let Some(old) = self.store.remove(key.namespace.as_deref(), &key.name) {
                        send(Delta::vanished(old));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "informer_tests.rs"]
mod tests;
