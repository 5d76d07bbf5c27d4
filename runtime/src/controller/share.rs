//! The keys of a controller that are this process's, where replicas share them.
//!
//! **Invariant:** a key that becomes this process's is enqueued, whatever was left out while it was another's: what the
//! cache holds of it by then came before, and what comes later is let in.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedReceiver;

use super::predicate::Predicate;
use super::source::Intake;
use super::trace::MOVED;
use crate::cache::{Cached, Heard, Lister, News};
use crate::kind::ObjectKey;
use crate::manager::{NotMine, Place, ShardKeys, Votes, Working};
use crate::queue::Priority;

/// How many objects are looked at before others have their turn.
const TURN: usize = 1024;

/// What a controller knows of its share of the keys.
#[derive(Clone)]
pub(super) struct Share {
    keys: ShardKeys,
    /// Keys that came before they were this process's.
    early: Arc<Mutex<HashSet<ObjectKey>>>,
}

impl Share {
    pub(super) fn new(keys: ShardKeys) -> Self {
        Self {
            keys,
            early: Arc::default(),
        }
    }

    /// Whether a key is let in: one that is this process's, or about to become so.
    pub(super) fn wants(&self, key: &ObjectKey) -> bool {
        self.keys.wants(key)
    }

    /// Begins work on a key, where it is this process's.
    pub(super) fn begin(&self, key: &ObjectKey) -> Option<Working> {
        match self.keys.begin(key) {
            Ok(working) => return Some(working),
            Err(NotMine::Others) => return None,
            Err(NotMine::Soon) => self.early().insert(key.clone()),
        };
        // Once more: it may have come between the two.
        let working = self.keys.begin(key).ok()?;
        self.early().remove(key);
        Some(working)
    }

    fn early(&self) -> std::sync::MutexGuard<'_, HashSet<ObjectKey>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The votes of now and what they become.
    pub(super) fn listen(&self) -> (Arc<Votes>, UnboundedReceiver<Arc<Votes>>) {
        self.keys.listen()
    }

    /// Enqueues what becomes this process's, for as long as it may.
    pub(super) async fn feed<K: Cached>(
        self,
        (mut before, mut changes): (Arc<Votes>, UnboundedReceiver<Arc<Votes>>),
        intake: Intake,
        lister: Lister<K>,
        filter: Option<Predicate<K>>,
    ) {
        while let Some(now) = changes.recv().await {
            let comes = |key: &ObjectKey| {
                let place = Place::of(key);
                now.give(place) && !before.give(place)
            };
            let mut gained = Vec::new();
            for (n, entry) in lister.store().entries().into_iter().enumerate() {
                if n % TURN == TURN - 1 {
                    tokio::task::yield_now().await;
                }
                let added = Heard::new(News::Added(entry), lister.store());
                let key = added.key();
                if comes(&key) && filter.as_ref().is_none_or(|filter| intake.passes(filter, &added)) {
                    gained.push(key);
                }
            }
            {
                let mut early = self.early();
                gained.extend(early.iter().filter(|key| now.give(Place::of(key))).cloned());
                early.retain(|key| !now.give(Place::of(key)) && self.keys.wants(key));
            }
            if !gained.is_empty() {
                tracing::debug!(controller = %intake.controller, keys = gained.len(), "came from other members");
            }
            for key in &gained {
                intake.causes.note(key, || MOVED.into());
            }
            intake.queue.add_all(gained, Priority::Low);
            before = now;
        }
        // The group outlives its controllers.
        std::future::pending::<()>().await;
    }
}
