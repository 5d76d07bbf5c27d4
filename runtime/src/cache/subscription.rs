//! Those who listen to a cache: streams of changes, and handlers that are called with them.
//!
//! **Invariant:** a subscriber that is slow or gone costs nobody else anything, and what waits for it is bounded.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{FutureExt, Stream};
use tokio::sync::watch;

use super::backlog::{Backlog, Note};
use super::delta::{Delta, Earlier, Heard, LastState};
use super::informer::Core;
use super::target::{Cached, kind_name};

/// How a subscriber is told of changes.
#[derive(Clone, Copy, Debug)]
pub struct Subscribe {
    /// How often every object is replayed as an update that changes nothing. Default: never.
    pub resync: Option<Duration>,
    /// How many changes wait one by one; beyond that they are merged by object, see [`Subscription`]. Default 1,024.
    ///
    /// `None` for a subscriber that must hear of each change, as one that counts them: memory has no bound then where it
    /// is slow, and each waiting change costs some 40 bytes besides the states that it keeps, packed where the cache had them so. A warning is logged
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
    pub(super) fn new(backlog: Arc<Backlog<K>>, core: Arc<Core<K>>) -> Self {
        Self {
            backlog,
            synced: false,
            core,
        }
    }

    /// The next change; `None` once the informer has stopped and everything was taken.
    pub async fn recv(&mut self) -> Option<Delta<K>> {
        loop {
            if let Note::News(news) = self.note().await?
                && let Some(delta) = news.open(&self.core.shared.store)
            {
                return Some(delta);
            }
        }
    }

    /// The next change, its object not decoded yet.
    pub(crate) async fn hear(&mut self) -> Option<Heard<K>> {
        loop {
            if let Note::News(news) = self.note().await? {
                return Some(Heard::new(news, &self.core.shared.store));
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
                Some(Note::News(news)) => {
                    if let Some(delta) = news.open(&self.core.shared.store) {
                        return Poll::Ready(Some(delta));
                    }
                }
                Some(Note::Synced) => {}
                None => return Poll::Ready(None),
            }
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
    /// An object changed, or is replayed by a resync: then both are the same. `old` is decoded when it is looked at.
    fn updated(&self, old: Earlier<K>, new: Arc<K>) -> impl Future<Output = ()> + Send;
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

        async fn updated(&self, old: Earlier<K>, new: Arc<K>) {
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
    pub(super) fn new<K: Cached>(mut subscription: Subscription<K>, handler: impl EventHandler<K>) -> Self {
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
                let Note::News(news) = note else { continue };
                let Some(delta) = news.open(&subscription.core.shared.store) else {
                    continue;
                };
                let key = delta.key();
                let handled = AssertUnwindSafe(handle(&handler, delta)).catch_unwind().await;
                if handled.is_err() {
                    tracing::error!(object.kind = %kind_name::<K>(), object = %key, "event handler panicked");
                }
            }
        });
        Self {
            synced: receiver,
            task,
        }
    }

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
