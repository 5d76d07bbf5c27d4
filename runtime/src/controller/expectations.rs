//! What a reconciler has asked for and its cache does not show yet, as counts. client-go: `UIDTrackingControllerExpectations`.
//!
//! [`Context::wrote`](super::Context::wrote) is the better way where each write's answer is at hand: it waits for the
//! very version that was written. Expectations are for a reconciler that starts many creations or deletions at once and
//! counts them.
//!
//! **Invariant:** a deletion counts once, however often it is seen, since it is known by the UID of what is deleted; an
//! expectation that is not met holds nobody up for longer than its timeout.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::cache::{Cached, Delta};
use crate::kind::ObjectKey;

/// Creations and deletions that a reconciler waits to see, by the key of what it reconciles; clones share them.
///
/// Given to [`Controller::expectations`](super::Controller::expectations), the controller notes what comes of the kinds
/// that it owns, before it enqueues their owner.
///
/// ```
/// # use kubewright::controller::Expectations;
/// # use kubewright::kind::ObjectKey;
/// let expectations = Expectations::new();
/// let key = ObjectKey::namespaced("default", "a");
/// expectations.expect_creations(&key, 2);
/// assert!(!expectations.satisfied(&key)); // a reconciler returns here: what it counts is not what there is
/// expectations.creation_observed(&key);
/// expectations.creation_observed(&key); // or a creation that the server refused
/// assert!(expectations.satisfied(&key));
/// ```
#[derive(Clone)]
pub struct Expectations {
    inner: Arc<Inner>,
}

struct Inner {
    timeout: Duration,
    by_key: Mutex<HashMap<ObjectKey, Expected>>,
}

struct Expected {
    creations: usize,
    deletions: HashSet<String>,
    since: Instant,
}

impl Expected {
    fn is_met(&self) -> bool {
        self.creations == 0 && self.deletions.is_empty()
    }
}

impl fmt::Debug for Expectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expectations")
            .field("keys", &self.by_key().len())
            .finish_non_exhaustive()
    }
}

impl Default for Expectations {
    fn default() -> Self {
        Self::new()
    }
}

impl Expectations {
    /// Expectations that hold for five minutes, as client-go's `ExpectationsTimeout`.
    pub fn new() -> Self {
        Self::with_timeout(Duration::from_secs(5 * 60))
    }

    /// Expectations that hold for `timeout`; after it a key counts as satisfied.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                timeout,
                by_key: Mutex::default(),
            }),
        }
    }

    fn by_key(&self) -> MutexGuard<'_, HashMap<ObjectKey, Expected>> {
        self.inner.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects `count` creations for `key`, in place of what was expected for it; to be called before they are sent.
    pub fn expect_creations(&self, key: &ObjectKey, count: usize) {
        self.set(key, count, HashSet::new());
    }

    /// Expects the deletion of the objects with these UIDs for `key`, in place of what was expected for it; to be called
    /// before they are sent.
    pub fn expect_deletions(&self, key: &ObjectKey, uids: impl IntoIterator<Item = impl Into<String>>) {
        self.set(key, 0, uids.into_iter().map(Into::into).collect());
    }

    fn set(&self, key: &ObjectKey, creations: usize, deletions: HashSet<String>) {
        let expected = Expected {
            creations,
            deletions,
            since: Instant::now(),
        };
        let mut by_key = self.by_key();
        if expected.is_met() {
            by_key.remove(key);
        } else {
            by_key.insert(key.clone(), expected);
        }
    }

    /// A creation was seen, or failed, so that it will not be.
    pub fn creation_observed(&self, key: &ObjectKey) {
        self.observed(key, |expected| {
            expected.creations = expected.creations.saturating_sub(1);
        });
    }

    /// A deletion was seen, or failed, so that it will not be; one that was not expected does not count.
    pub fn deletion_observed(&self, key: &ObjectKey, uid: &str) {
        self.observed(key, |expected| {
            expected.deletions.remove(uid);
        });
    }

    fn observed(&self, key: &ObjectKey, lower: impl FnOnce(&mut Expected)) {
        let mut by_key = self.by_key();
        let Some(expected) = by_key.get_mut(key) else {
            return;
        };
        lower(expected);
        if expected.is_met() {
            by_key.remove(key);
        }
    }

    /// Notes what happened to an object that was made for `key`. An object that is being deleted counts as deleted.
    pub fn observe<C: Cached>(&self, key: &ObjectKey, delta: &Delta<C>) {
        let meta = delta.object().meta();
        let uid = meta.uid.as_deref().unwrap_or_default();
        match delta {
            // Found in the middle of its deletion, as after a restart: client-go's `deletePod` from `addPod`.
            _ if meta.deletion_timestamp.is_some() => self.deletion_observed(key, uid),
            Delta::Added(_) => self.creation_observed(key),
            Delta::Deleted { .. } => self.deletion_observed(key, uid),
            Delta::Updated { .. } => {}
        }
    }

    /// Whether everything that was expected for `key` was seen, or will not be waited for any longer. True where nothing
    /// was expected.
    pub fn satisfied(&self, key: &ObjectKey) -> bool {
        let mut by_key = self.by_key();
        let Some(expected) = by_key.get(key) else {
            return true;
        };
        if expected.since.elapsed() <= self.inner.timeout {
            return false;
        }
        tracing::warn!(
            object = %key,
            creations = expected.creations,
            deletions = expected.deletions.len(),
            "expected changes were not seen in time"
        );
        by_key.remove(key);
        true
    }

    /// When a key whose expectations are not met will count as satisfied all the same; `None` where it does now.
    ///
    /// A reconciler that waits returns [`Action::requeue_after`](super::Action::requeue_after) of this, so that it is
    /// called again where what it waits for never comes.
    pub fn remaining(&self, key: &ObjectKey) -> Option<Duration> {
        let by_key = self.by_key();
        let waited = by_key.get(key)?.since.elapsed();
        // One millisecond beyond, the resolution of the timers that wait for it.
        (waited <= self.inner.timeout)
            .then(|| (self.inner.timeout - waited).saturating_add(Duration::from_millis(1)))
    }

    /// Forgets what is expected for `key`: for an object that is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.by_key().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;
    use crate::cache::LastState;

    fn key() -> ObjectKey {
        ObjectKey::namespaced("default", "a")
    }

    fn map(uid: &str, deleted: Option<&str>) -> Arc<ConfigMap> {
        let metadata = json!({"name": uid, "uid": uid, "deletionTimestamp": deleted});
        Arc::new(serde_json::from_value(json!({ "metadata": metadata })).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn creations_count_down_and_deletions_count_once() {
        let all = Expectations::new();
        assert!(all.satisfied(&key()), "nothing was expected");
        all.expect_creations(&key(), 2);
        all.creation_observed(&key());
        all.deletion_observed(&key(), "x");
        assert!(!all.satisfied(&key()));
        assert!(all.satisfied(&ObjectKey::cluster("a")), "another key");
        all.creation_observed(&key());
        assert!(all.satisfied(&key()));
        all.creation_observed(&key());
        assert!(all.satisfied(&key()), "one too many is no debt");

        all.expect_deletions(&key(), ["x", "y"]);
        all.deletion_observed(&key(), "x");
        all.deletion_observed(&key(), "x");
        all.deletion_observed(&key(), "other");
        assert!(!all.satisfied(&key()), "y is there");
        all.deletion_observed(&key(), "y");
        assert!(all.satisfied(&key()));
        all.expect_deletions(&key(), ["z"]);
        all.forget(&key());
        assert!(all.satisfied(&key()) && all.by_key().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_is_waited_for_five_minutes() {
        let all = Expectations::new();
        all.expect_creations(&key(), 1);
        let wait = all.remaining(&key()).unwrap();
        tokio::time::advance(Duration::from_secs(300)).await;
        assert!(!all.satisfied(&key()));
        tokio::time::advance(wait - Duration::from_secs(300)).await;
        assert_eq!(all.remaining(&key()), None);
        assert!(all.satisfied(&key()));
        assert!(all.by_key().is_empty(), "nothing is kept of it");
    }

    #[tokio::test(start_paused = true)]
    async fn changes_of_children_are_told_apart() {
        let all = Expectations::new();
        let seen = |delta: Delta<ConfigMap>| all.observe(&key(), &delta);
        all.expect_creations(&key(), 1);
        seen(Delta::Updated {
            old: map("u", None).into(),
            new: map("u", None),
        });
        seen(Delta::Added(map("dying", Some("2026-01-01T00:00:00Z"))));
        assert!(!all.satisfied(&key()), "neither is a creation");
        seen(Delta::Added(map("new", None)));
        assert!(all.satisfied(&key()));

        all.expect_deletions(&key(), ["x", "y"]);
        seen(Delta::Updated {
            old: map("x", None).into(),
            new: map("x", Some("2026-01-01T00:00:00Z")),
        });
        let (object, state) = (map("x", None), LastState::Final);
        seen(Delta::Deleted { object, state });
        assert!(!all.satisfied(&key()));
        let (object, state) = (map("y", None), LastState::LastKnown);
        seen(Delta::Deleted { object, state });
        assert!(all.satisfied(&key()));
    }
}
