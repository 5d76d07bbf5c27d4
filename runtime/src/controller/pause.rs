//! Objects that their owners asked to leave alone.
//!
//! **Invariant:** a paused object is not reconciled, whatever enqueues it; the change that ends its pause enqueues it,
//! whatever the controller's filter says.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::predicate::Predicate;
use crate::cache::Cached;
use crate::kind::ObjectKey;
use crate::metrics::ControllerMetrics;

/// The annotation that pauses an object, where nothing else is set.
pub(super) const PAUSED: &str = "kubewright.dev/paused";

/// Whether `object` carries the annotation with the value `true`.
pub(super) fn is_paused<K: Cached>(object: &K, annotation: &str) -> bool {
    let annotations = object.meta().annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(annotation))
        .is_some_and(|value| value == "true")
}

/// What passes besides a filter: changes that begin or end a pause.
pub(super) fn turned<K: Cached>(annotation: Arc<str>) -> Predicate<K> {
    Predicate::turned(move |object| is_paused(object, &annotation))
}

/// The objects of a controller that are paused, for its log and its figure.
#[derive(Default)]
pub(super) struct Paused {
    count: AtomicUsize,
    keys: Mutex<HashSet<ObjectKey>>,
}

impl Paused {
    /// Notes whether `key` is paused.
    pub(super) fn note(&self, key: &ObjectKey, paused: bool, controller: &str, metrics: &ControllerMetrics) {
        // One key is in the hands of one worker, so that nobody adds or removes it meanwhile.
        if !paused && self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if paused {
            !keys.contains(key) && keys.insert(key.clone())
        } else {
            keys.remove(key)
        };
        let count = keys.len();
        self.count.store(count, Ordering::Release);
        metrics.paused.set(i64::try_from(count).unwrap_or(i64::MAX));
        drop(keys);
        if changed {
            let state = if paused { "paused" } else { "resumed, or gone" };
            tracing::info!(controller, object = %key, state, "reconciliation of an object");
        }
    }
}
