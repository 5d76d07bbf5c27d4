//! The store of a cache together with those who listen to it.
//!
//! **Invariant:** whoever subscribes gets the state of one moment and each change after it: the feeds are locked while the
//! store changes and the change is queued.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Resource;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::backlog::Backlog;
use super::delta::{Earlier, LastState, News};
use super::keeping::KeepDecoded;
use super::namespaces;
use super::reflector::{Change, Intake, Sink, after};
use super::replacement::Incoming;
use super::store::Store;
use super::subscription::Subscribe;
use super::table::Entry;
use super::target::Cached;
use crate::kind::ObjectKey;

pub(super) struct Shared<K: Resource> {
    pub(super) kind: String,
    pub(super) store: Store<K>,
    /// Locked while the store changes and the change is queued, so that a new subscriber misses nothing. What a
    /// subscriber waits for is therefore at most the queueing of a whole list; that is built before.
    feeds: Mutex<Vec<Feed<K>>>,
    pub(super) synced: watch::Sender<bool>,
    feeds_changed: Notify,
    /// How many changes were merged for subscribers.
    pub(super) merged: Arc<AtomicU64>,
}

/// The sending half of one subscription.
pub(super) struct Feed<K: Resource> {
    pub(super) backlog: Arc<Backlog<K>>,
    resync: Option<Duration>,
    due: Instant,
}

impl<K: Resource> Drop for Feed<K> {
    fn drop(&mut self) {
        self.backlog.end();
    }
}

impl<K: Resource> Shared<K> {
    pub(super) fn new(kind: String, keep_decoded: KeepDecoded) -> Self
    where
        K: Cached,
    {
        Self {
            kind,
            store: Store::keeping(keep_decoded),
            feeds: Mutex::default(),
            synced: watch::Sender::new(false),
            feeds_changed: Notify::new(),
            merged: Arc::default(),
        }
    }

    /// What is queued from now on, preceded by what the cache holds; that alone where it is not `open`.
    pub(super) fn subscribe(&self, settings: Subscribe, open: bool) -> Arc<Backlog<K>> {
        let resync = settings.resync.filter(|period| !period.is_zero());
        let backlog = Arc::new(Backlog::new(settings.buffer, &self.merged));
        let feed = Feed {
            backlog: Arc::clone(&backlog),
            resync,
            due: after(resync.unwrap_or_default()),
        };
        let mut feeds = self.feeds();
        // Of several namespaces some may be here before all are.
        let held = self.store.entries().into_iter();
        feed.backlog.replay(held.map(News::Added), &self.kind);
        if *self.synced.borrow() {
            feed.backlog.synced();
        }
        // Without a feed the stream ends.
        if open {
            feeds.push(feed);
        }
        drop(feeds);
        self.feeds_changed.notify_one();
        backlog
    }

    /// Nothing more comes: streams end once everything that was queued has been taken.
    pub(super) fn end(&self) {
        self.feeds().clear();
    }

    pub(super) fn feeds(&self) -> MutexGuard<'_, Vec<Feed<K>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replays the store to each subscriber whose period has passed.
    pub(super) async fn resync(&self) {
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
                let held = self.store.entries().into_iter();
                feed.backlog.replay(held.map(News::Again), &self.kind);
            }
        }
    }
}

impl<K: Cached> Shared<K> {
    fn send(&self, feeds: &mut Vec<Feed<K>>, news: &News<K>) {
        feeds.retain(|feed| feed.backlog.push(news.clone(), &self.kind));
    }

    fn set(&self, feeds: &mut Vec<Feed<K>>, incoming: Incoming<K>) {
        if feeds.is_empty() {
            drop(self.store.put(incoming));
            return;
        }
        let new = incoming.object.entry.clone();
        let Some(before) = self.store.put(incoming) else {
            return self.send(feeds, &News::Added(new));
        };
        let (was, is) = (before.identity(), new.identity());
        // Sent twice around a broken connection.
        if was.is_same_version(&is) {
            return;
        }
        if was.uid == is.uid {
            let old = Earlier::of(before, &self.store);
            self.send(feeds, &News::Updated { old, new });
        } else {
            self.send(feeds, &News::vanished(before));
            self.send(feeds, &News::Added(new));
        }
    }

    /// What one of several namespaces has, but for `undecodable`, which stay as they were.
    pub(super) fn replace_namespace(
        &self,
        namespace: &str,
        objects: Vec<Incoming<K>>,
        undecodable: &[ObjectKey],
    ) {
        /// How many objects at once keep a new subscriber waiting.
        const SOME: usize = 256;
        let names = namespaces::names(&objects, undecodable);
        let mut gone = self.store.names(namespace);
        gone.retain(|name| !names.contains(name));
        for some in gone.chunks(SOME) {
            let mut feeds = self.feeds();
            for name in some {
                let old = self.store.unset(Some(namespace), name);
                if let Some(old) = old {
                    self.send(&mut feeds, &News::vanished(old));
                }
            }
        }
        let mut objects = objects.into_iter().peekable();
        while objects.peek().is_some() {
            let mut feeds = self.feeds();
            for new in objects.by_ref().take(SOME) {
                // What did not change stays the object that readers and subscribers have.
                if !self.store.holds(&new.object.entry.identity()) {
                    self.set(&mut feeds, new);
                }
            }
        }
    }

    /// Nothing of a namespace is followed any more.
    pub(super) fn forget(&self, namespace: &str) {
        self.replace_namespace(namespace, Vec::new(), &[]);
    }

    /// The first state is complete: each namespace was listed.
    pub(super) fn complete(&self) {
        let feeds = self.feeds();
        if *self.synced.borrow() {
            return;
        }
        self.store.complete();
        self.synced.send_replace(true);
        for feed in &*feeds {
            feed.backlog.synced();
        }
    }
}

#[cfg(test)]
impl<K: Cached> Shared<K> {
    /// A list of all objects, as a reflector hands it on.
    pub(super) fn relist(&self, objects: Vec<Arc<K>>) {
        let intake = self.intake();
        let taken = objects
            .into_iter()
            .map(|object| intake(Arc::unwrap_or_clone(object)));
        self.replace(taken.filter_map(Result::ok).collect(), &[]);
    }
}

impl<K: Cached> Sink<K> for Shared<K> {
    fn intake(&self) -> Intake<K> {
        self.store.intake()
    }

    fn replace(&self, objects: Vec<Incoming<K>>, undecodable: &[ObjectKey]) {
        // Nobody else writes to the store, so what is built here is still right when it is committed.
        let replacement = self.store.replacement(objects, undecodable);
        let mut feeds = self.feeds();
        let differences = replacement.commit();
        let first = !self.synced.send_replace(true);
        let news: Vec<_> = match feeds.is_empty() {
            true => Vec::new(),
            false => differences
                .into_iter()
                .map(|difference| difference.news(&self.store))
                .collect(),
        };
        feeds.retain(|feed| {
            if !first {
                return news
                    .iter()
                    .all(|news| feed.backlog.push(news.clone(), &self.kind));
            }
            let open = feed.backlog.replay(news.iter().cloned(), &self.kind);
            feed.backlog.synced();
            open
        });
    }

    fn apply(&self, changes: Vec<Change<K>>) {
        let mut feeds = self.feeds();
        for change in changes {
            match change {
                Change::Set(object) => self.set(&mut feeds, self.store.changed(object)),
                Change::Gone(object) => {
                    let meta = object.meta();
                    let name = meta.name.as_deref().unwrap_or_default();
                    // Whoever listens never heard of an object that the cache did not hold.
                    if self.store.unset(meta.namespace.as_deref(), name).is_some() {
                        let news = News::Deleted {
                            object: Entry::Decoded(Arc::new(object)),
                            state: LastState::Final,
                        };
                        self.send(&mut feeds, &news);
                    }
                }
                Change::GoneKey(key) => {
                    let old = self.store.unset(key.namespace.as_deref(), &key.name);
                    if let Some(old) = old {
                        self.send(&mut feeds, &News::vanished(old));
                    }
                }
            }
        }
    }
}
