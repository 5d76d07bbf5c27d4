//! From an event to a write, for who reads traces: the span of an event, and what led to a reconciliation.
//!
//! A queue keeps keys, not events, so that a reconciliation cannot be inside the span of what led to it: its span names
//! the first event since the last one, counts those that came after, and follows from the spans of the first few.
//!
//! **Invariant:** no span has more of an object than kind, namespace, name and version; where nobody wants the span of a
//! reconciliation nothing is kept for it, and of a key that waits no more than one text and [`LINKS`] spans.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{Level, Span};

use crate::cache::{Cached, Glance, Heard, LastState, Target};
use crate::kind::ObjectKey;

/// Spans of events that a reconciliation follows from.
const LINKS: usize = 8;

/// Why a key was enqueued, where nothing but the queue itself did so.
pub(super) const MOVED: &str = "came from another replica";
const RETRY: &str = "a failure before";
const REQUEUE: &str = "a delay that was asked for";

/// A kind, as spans say it.
#[derive(Clone)]
pub(super) struct KindNames {
    group: Arc<str>,
    kind: Arc<str>,
}

impl From<&Target> for KindNames {
    fn from(target: &Target) -> Self {
        let (group, kind) = target.group_kind();
        Self {
            group: (*group).into(),
            kind: kind.into(),
        }
    }
}

/// The span of a change on its way to the queue, around what decides about it.
pub(super) fn event<W: Cached>(controller: &str, kind: &KindNames, change: &Heard<W>) -> Span {
    let (namespace, name) = change.place();
    tracing::debug_span!(
        "event",
        controller,
        event.r#type = type_of(change),
        object.group = &*kind.group,
        object.kind = &*kind.kind,
        object.namespace = namespace,
        object.name = name,
        object.resource_version = change.version().unwrap_or_default(),
    )
}

fn type_of<W: Cached>(change: &Heard<W>) -> &'static str {
    match (change.glance(), change.last_state()) {
        (Glance::Added, _) => "added",
        (Glance::Again, _) => "resync",
        (Glance::Updated, _) => "updated",
        (Glance::Deleted, Some(LastState::LastKnown)) => "vanished",
        (Glance::Deleted, _) => "deleted",
    }
}

/// `updated: Secret default/a at 12`.
pub(super) fn cause<W: Cached>(kind: &KindNames, change: &Heard<W>) -> String {
    let (kind, key) = (&kind.kind, change.key());
    format!(
        "{}: {kind} {key} at {}",
        type_of(change),
        change.version().unwrap_or("-")
    )
}

/// What led to the reconciliations that wait.
#[derive(Default)]
pub(super) struct Causes {
    waiting: AtomicUsize,
    by_key: Mutex<HashMap<ObjectKey, Cause>>,
}

struct Cause {
    text: Cow<'static, str>,
    count: u64,
    /// Kept open, since what follows from a span must find it.
    spans: Vec<Span>,
}

impl Causes {
    fn by_key(&self) -> MutexGuard<'_, HashMap<ObjectKey, Cause>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why `key` is about to be enqueued; the present span is the one of the event.
    pub(super) fn note(&self, key: &ObjectKey, text: impl FnOnce() -> Cow<'static, str>) {
        // Of the target and the level of the span below, so that who wants the one wants the other.
        if !tracing::enabled!(Level::INFO) {
            return;
        }
        let mut by_key = self.by_key();
        let cause = match by_key.get_mut(key) {
            Some(cause) => cause,
            None => by_key.entry(key.clone()).or_insert_with(|| Cause {
                text: text(),
                count: 0,
                spans: Vec::new(),
            }),
        };
        cause.count += 1;
        if cause.spans.len() < LINKS {
            let span = Span::current();
            if !span.is_disabled() {
                cause.spans.push(span);
            }
        }
        self.waiting.store(by_key.len(), Ordering::Release);
    }

    fn take(&self, key: &ObjectKey) -> Option<Cause> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut by_key = self.by_key();
        let cause = by_key.remove(key);
        self.waiting.store(by_key.len(), Ordering::Release);
        cause
    }

    /// Forgets why a key was enqueued that is not reconciled.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.take(key);
    }

    /// The span of a reconciliation, which takes what led to it.
    pub(super) fn reconcile(
        &self,
        controller: &str,
        kind: &KindNames,
        key: &ObjectKey,
        retries: impl Fn() -> u32,
    ) -> Span {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let cause = self.take(key);
        let text = || match &cause {
            Some(cause) => cause.text.as_ref(),
            None if retries() > 0 => RETRY,
            None => REQUEUE,
        };
        // What the fields say is looked for only where somebody wants them.
        let span = tracing::info_span!(
            "reconcile",
            controller,
            object.group = &*kind.group,
            object.kind = &*kind.kind,
            object.namespace = key.namespace.as_deref().unwrap_or_default(),
            object.name = %key.name,
            reconcile.id = NEXT.fetch_add(1, Ordering::Relaxed),
            reconcile.cause = text(),
            reconcile.events = cause.as_ref().map_or(0, |cause| cause.count),
            reconcile.retries = retries(),
        );
        for event in cause.iter().flat_map(|cause| &cause.spans) {
            span.follows_from(event);
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_where_nobody_listens() {
        let (causes, key) = (Causes::default(), ObjectKey::cluster("a"));
        causes.note(&key, || panic!("nobody reads it"));
        assert!(causes.take(&key).is_none());
    }

    #[test]
    fn the_first_cause_stays_and_the_others_are_counted() {
        let listener = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        tracing::subscriber::with_default(listener, || {
            let (causes, key) = (Causes::default(), ObjectKey::cluster("a"));
            for n in 0..100 {
                let _event = tracing::info_span!("event").entered();
                causes.note(&key, || format!("event {n}").into());
            }
            let cause = causes.take(&key).unwrap();
            assert_eq!(
                (&*cause.text, cause.count, cause.spans.len()),
                ("event 0", 100, LINKS)
            );
            assert!(causes.take(&key).is_none() && causes.by_key().is_empty());
        });
    }
}
