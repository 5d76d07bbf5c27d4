//! A cache of one kind that many can read and listen to.
//!
//! **Invariant:** each subscriber sees each change of the store once and in order, from the state at its
//! subscription on, however slow it is; none of them delays the watch or another subscriber.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{FutureExt, Stream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::delta::{Delta, LastState};
use super::lister::Lister;
use super::packed::Identity;
use super::reflector::{
    Change, Intake, Reflector, ReflectorConfig, ReflectorHandle, ReflectorStatus, Sink, WatchScope, after,
};
use super::replacement::Incoming;
use super::store::{IndexExists, Store};
use super::table::Entry;
use crate::client::AsClient;
use crate::guard::message;
use crate::kind::{Kind, ObjectKey};

/// A shared cache of one kind: a reflector, its store and those who listen to it.
///
/// Cloning is cheap and gives the same cache. The watch runs from [`start`](Self::start) until the informer is
/// [stopped](Self::stop) or its factory shuts down, or until the last informer, lister and subscription of it is
/// dropped. Its cache then stays as it is.
pub struct Informer<K: Kind> {
    core: Arc<Core<K>>,
}

impl<K: Kind> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
        }
    }
}

impl<K: Kind> fmt::Debug for Informer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Informer")
            .field("kind", &K::kind(&()))
            .field("synced", &self.has_synced())
            .finish_non_exhaustive()
    }
}

/// What the handles share; the task that feeds the cache does not hold it, so that its drop can stop the task.
pub(super) struct Core<K: Kind> {
    shared: Arc<Shared<K>>,
    reflector: Mutex<Option<Reflector<K>>>,
    status: ReflectorHandle,
    resync: Option<Duration>,
    stop: CancellationToken,
}

impl<K: Kind> Drop for Core<K> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Shared<K> {
    store: Store<K>,
    /// Locked while the store changes and the change is queued, so that a new subscriber misses nothing. What a
    /// subscriber waits for is therefore at most the queueing of a whole list; that is built before.
    feeds: Mutex<Vec<Feed<K>>>,
    synced: watch::Sender<bool>,
    feeds_changed: Notify,
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
        let client = client.as_client().clone();
        Self::in_factory(client, scope, config, None, CancellationToken::new())
    }

    pub(super) fn in_factory(
        client: kube::Client,
        scope: &WatchScope,
        config: ReflectorConfig,
        resync: Option<Duration>,
        stop: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared {
            store: Store::keeping(config.keep_decoded),
            feeds: Mutex::default(),
            synced: watch::Sender::new(false),
            feeds_changed: Notify::new(),
        });
        let reflector = Reflector::with_sink(client, scope, config, Arc::clone(&shared) as Arc<dyn Sink<K>>);
        Self {
            core: Arc::new(Core {
                status: reflector.handle(),
                shared,
                reflector: Mutex::new(Some(reflector)),
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
        let mut reflector = self.core.reflector.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(unstarted) = reflector.take() else {
            return Err(AlreadyStarted {
                kind: K::kind(&()).into_owned(),
            });
        };
        *reflector = Some(unstarted.transform(transform));
        Ok(self)
    }

    /// Starts the watch, once; further calls do nothing. An informer of a factory is started by it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(&self) {
        let reflector = self
            .core
            .reflector
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(reflector) = reflector else { return };
        let stop = self.core.stop.clone();
        let shared = Arc::clone(&self.core.shared);
        let status = reflector.status();
        tokio::spawn(async move {
            let work = async {
                let resync = stop.run_until_cancelled(shared.resync());
                futures::join!(reflector.run(stop.clone()), resync);
            };
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                let message = message(&*panic);
                tracing::error!(object.kind = %K::kind(&()), panic = message, "cache stopped: its watch panicked");
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
        let unstarted = self
            .core
            .reflector
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
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
                kind: K::kind(&()).into_owned(),
            }),
        }
    }

    /// What the reflector says about itself.
    pub fn status(&self) -> ReflectorStatus {
        self.core.status.status()
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
    ///
    /// What the cache holds is queued before this returns, which takes some time where that is much; it never waits for
    /// an index function, nor for a list that is being read.
    pub fn subscribe_with(&self, resync: Option<Duration>) -> Subscription<K> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let resync = resync.filter(|period| !period.is_zero());
        let mut feed = Feed {
            sender,
            pending: Arc::default(),
            replayed: 0,
            resync,
            due: after(resync.unwrap_or_default()),
        };
        let subscription = Subscription {
            receiver,
            pending: Arc::clone(&feed.pending),
            synced: false,
            core: Arc::clone(&self.core),
        };
        let shared = &self.core.shared;
        let mut feeds = shared.feeds();
        if *shared.synced.borrow() {
            feed.replay(shared.store.list().into_iter().map(Delta::Added));
            feed.send(Note::Synced);
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
                let kind = K::kind(&());
                let key = delta.key();
                if AssertUnwindSafe(handle(&handler, delta))
                    .catch_unwind()
                    .await
                    .is_err()
                {
                    tracing::error!(object.kind = %kind, object = %key, "event handler panicked");
                }
            }
        });
        Registration {
            synced: receiver,
            task,
        }
    }
}

async fn handle<K: Kind>(handler: &impl EventHandler<K>, delta: Delta<K>) {
    match delta {
        Delta::Added(object) => handler.added(object).await,
        Delta::Updated { old, new } => handler.updated(old, new).await,
        Delta::Deleted { object, state } => handler.deleted(object, state).await,
    }
}

/// What to do when cached objects change. client-go: `ResourceEventHandler`.
///
/// A handler that is slow delays itself alone. For closures see [`on_change`].
pub trait EventHandler<K: Kind>: Send + Sync + 'static {
    /// An object is new to the cache.
    fn added(&self, object: Arc<K>) -> impl Future<Output = ()> + Send;
    /// An object changed, or is replayed by a resync: then both are the same.
    fn updated(&self, old: Arc<K>, new: Arc<K>) -> impl Future<Output = ()> + Send;
    /// An object is gone.
    fn deleted(&self, object: Arc<K>, state: LastState) -> impl Future<Output = ()> + Send;
}

/// An [`EventHandler`] from a function of the change.
pub fn on_change<K: Kind>(handle: impl Fn(Delta<K>) + Send + Sync + 'static) -> impl EventHandler<K> {
    struct OnChange<F>(F);

    impl<K: Kind, F: Fn(Delta<K>) + Send + Sync + 'static> EventHandler<K> for OnChange<F> {
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

enum Note<K> {
    Delta(Delta<K>),
    /// The first state is complete.
    Synced,
}

/// The sending half of one subscription.
struct Feed<K> {
    sender: mpsc::UnboundedSender<Note<K>>,
    pending: Arc<AtomicUsize>,
    /// How many notes the last replay of the whole cache took.
    replayed: usize,
    resync: Option<Duration>,
    due: Instant,
}

impl<K> Feed<K> {
    /// False where the subscription was dropped.
    fn send(&self, note: Note<K>) -> bool {
        const WARN_FROM: usize = 1 << 14;
        let pending = self.pending.fetch_add(1, Ordering::Relaxed) + 1;
        let sent = self.sender.send(note).is_ok();
        let late = self.late(pending);
        if sent && late >= WARN_FROM && late.is_power_of_two() {
            tracing::warn!(pending, "a subscriber is slower than the changes of its cache");
        }
        sent
    }

    /// How many of those that wait tell of a slow subscriber: a replay comes all at once, whoever it is for.
    fn late(&self, pending: usize) -> usize {
        pending.saturating_sub(self.replayed)
    }

    /// Sends what the whole cache holds.
    fn replay(&mut self, deltas: impl ExactSizeIterator<Item = Delta<K>>) -> bool {
        self.replayed = deltas.len();
        deltas.into_iter().all(|delta| self.send(Note::Delta(delta)))
    }
}

/// Everything that happens in a cache; a [`Stream`] that ends when the informer stops.
///
/// What is not taken yet waits without a limit: nothing is dropped or merged, and each waiting change costs some
/// 40 bytes besides the objects that it keeps alive. [`pending`](Self::pending) tells how many wait; a warning is
/// logged at 16,384 and each doubling, the first state and replays not counted. A resync skips a subscriber that has
/// not finished the last one.
pub struct Subscription<K: Kind> {
    receiver: mpsc::UnboundedReceiver<Note<K>>,
    pending: Arc<AtomicUsize>,
    synced: bool,
    core: Arc<Core<K>>,
}

impl<K: Kind> Drop for Subscription<K> {
    fn drop(&mut self) {
        self.receiver.close();
        self.core.shared.feeds().retain(|feed| !feed.sender.is_closed());
    }
}

impl<K: Kind> fmt::Debug for Subscription<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("kind", &K::kind(&()))
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

impl<K: Kind> Subscription<K> {
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
        self.receiver.poll_recv(cx).map(|note| {
            let note = note?;
            self.pending.fetch_sub(1, Ordering::Relaxed);
            self.synced |= matches!(note, Note::Synced);
            Some(note)
        })
    }

    /// Whether the whole first state has been taken from this subscription.
    pub fn has_synced(&self) -> bool {
        self.synced
    }

    /// How many changes wait to be taken.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }
}

impl<K: Kind> Stream for Subscription<K> {
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

impl<K: Kind> Shared<K> {
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
                if feed.pending.load(Ordering::Relaxed) > 0 {
                    continue;
                }
                feed.replay(self.store.list().into_iter().map(Delta::resync));
            }
        }
    }
}

#[cfg(test)]
impl<K: Kind> Shared<K> {
    /// A list of all objects, as a reflector hands it on.
    fn relist(&self, objects: Vec<Arc<K>>) {
        let intake = self.intake();
        let taken = objects
            .into_iter()
            .map(|object| intake(Arc::unwrap_or_clone(object)));
        self.replace(taken.filter_map(Result::ok).collect(), &[]);
    }
}

impl<K: Kind> Sink<K> for Shared<K> {
    fn intake(&self) -> Intake<K> {
        self.store.intake()
    }

    fn replace(&self, objects: Vec<Incoming<K>>, undecodable: &[ObjectKey]) {
        // Nobody else writes to the store, so what is built here is still right when it is committed.
        let replacement = self.store.replacement(objects, undecodable);
        let mut feeds = self.feeds();
        let differences = replacement.commit();
        let first = !self.synced.send_replace(true);
        // What is packed is decoded for who listens, and for nobody else.
        let deltas: Vec<_> = match feeds.is_empty() {
            true => Vec::new(),
            false => differences
                .iter()
                .filter_map(|difference| difference.delta(&self.store))
                .collect(),
        };
        feeds.retain_mut(|feed| match first {
            true => feed.replay(deltas.iter().cloned()) && feed.send(Note::Synced),
            false => deltas.iter().all(|delta| feed.send(Note::Delta(delta.clone()))),
        });
    }

    fn apply(&self, changes: Vec<Change<K>>) {
        let mut feeds = self.feeds();
        let listened = !feeds.is_empty();
        let mut send = |delta: Delta<K>| feeds.retain(|feed| feed.send(Note::Delta(delta.clone())));
        let open = |entry: &Entry<K>| listened.then(|| self.store.open(entry)).flatten();
        for change in changes {
            match change {
                Change::Set(object) => {
                    let new = Arc::new(object);
                    let Some(before) = self.store.set(Arc::clone(&new)) else {
                        send(Delta::Added(new));
                        continue;
                    };
                    let (was, is) = (before.identity(), Identity::of(&*new));
                    // Sent twice around a broken connection.
                    if was.is_same_version(&is) {
                        continue;
                    }
                    let is_same = was.uid == is.uid;
                    match open(&before) {
                        Some(old) if is_same => send(Delta::Updated { old, new }),
                        Some(old) => {
                            send(Delta::vanished(old));
                            send(Delta::Added(new));
                        }
                        // Nobody listens, or what was there is lost.
                        None => send(Delta::Added(new)),
                    }
                }
                Change::Gone(object) => {
                    let meta = object.meta();
                    let name = meta.name.as_deref().unwrap_or_default();
                    // Whoever listens never heard of an object that the cache did not hold.
                    if self.store.unset(meta.namespace.as_deref(), name).is_some() {
                        send(Delta::Deleted {
                            object: Arc::new(object),
                            state: LastState::Final,
                        });
                    }
                }
                Change::GoneKey(key) => {
                    let old = self.store.unset(key.namespace.as_deref(), &key.name);
                    if let Some(old) = old.and_then(|old| open(&old)) {
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
