//! Turns changes of caches into keys to reconcile.
//!
//! **Invariant:** a change of a child enqueues an owner only if group, kind and UID of its controller reference fit
//! an object in the owner's cache (SC-10 to SC-12).

use std::sync::Arc;

use futures::future::BoxFuture;

use super::keys_of;
use super::predicate::Predicate;
use crate::cache::{Informer, Lister, Subscription, UnsyncedKind};
use crate::kind::{Kind, ObjectKey, Scope};
use crate::owner::{controller_of, refers_to_kind};
use crate::queue::WorkQueue;

/// A cache whose changes lead to reconciliations of `K`.
pub(super) trait Source<K: Kind>: Send + Sync {
    /// Kind of the cache, and why it is not synced where that is known.
    fn unsynced(&self) -> Option<UnsyncedKind>;
    /// Ready when the cache holds its first state, or never will.
    fn synced(&self) -> BoxFuture<'static, ()>;
    /// Enqueues from now on until the cache stops.
    fn feed(&self, queue: WorkQueue<ObjectKey>, owners: Lister<K>) -> BoxFuture<'static, ()>;
}

struct Watched<W: Kind, F> {
    informer: Informer<W>,
    predicate: Predicate<W>,
    keys: F,
}

/// The keys that an object of a watched kind leads to.
trait Keys<W, K>: Clone + Send + Sync + 'static {
    fn keys(&self, object: &W, owners: &Lister<K>) -> Vec<ObjectKey>;
}

impl<K: Kind, W: Kind, F: Keys<W, K>> Source<K> for Watched<W, F> {
    fn unsynced(&self) -> Option<UnsyncedKind> {
        unsynced(&self.informer)
    }

    fn synced(&self) -> BoxFuture<'static, ()> {
        synced(&self.informer)
    }

    fn feed(&self, queue: WorkQueue<ObjectKey>, owners: Lister<K>) -> BoxFuture<'static, ()> {
        let mut changes: Subscription<W> = self.informer.subscribe();
        let (predicate, keys) = (self.predicate.clone(), self.keys.clone());
        Box::pin(async move {
            while let Some(delta) = changes.recv().await {
                if predicate.accepts(&delta) {
                    for key in keys_of(&delta, |object| keys.keys(object, &owners)) {
                        queue.add(key);
                    }
                }
            }
        })
    }
}

pub(super) fn unsynced<K: Kind>(informer: &Informer<K>) -> Option<UnsyncedKind> {
    (!informer.has_synced()).then(|| UnsyncedKind {
        kind: K::kind(&()).into_owned(),
        last_error: informer.status().last_error,
    })
}

pub(super) fn synced<K: Kind>(informer: &Informer<K>) -> BoxFuture<'static, ()> {
    let informer = informer.clone();
    Box::pin(async move {
        // A cache that stops first is found by asking `unsynced` afterwards.
        drop(informer.wait_for_sync().await);
    })
}

#[derive(Clone)]
struct Owners;

impl<W: Kind, K: Kind> Keys<W, K> for Owners {
    fn keys(&self, object: &W, owners: &Lister<K>) -> Vec<ObjectKey> {
        let Some(reference) = controller_of(object).filter(|reference| refers_to_kind::<K>(reference)) else {
            return Vec::new();
        };
        let key = ObjectKey {
            namespace: object
                .meta()
                .namespace
                .clone()
                .filter(|_| <K::Scope as Scope>::NAMESPACED),
            name: reference.name.clone(),
        };
        match owners.get(&key) {
            Some(owner) if owner.meta().uid.as_deref() == Some(&reference.uid) => vec![key],
            _ => {
                tracing::debug!(
                    object.kind = %W::kind(&()),
                    object.namespace = object.meta().namespace.as_deref().unwrap_or_default(),
                    object.name = object.meta().name.as_deref().unwrap_or_default(),
                    owner.kind = %K::kind(&()),
                    owner.name = %reference.name,
                    owner.uid = %reference.uid,
                    "owner is not in the cache; change ignored"
                );
                Vec::new()
            }
        }
    }
}

struct Mapper<F>(Arc<F>);

impl<F> Clone for Mapper<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Kind, K: Kind, F: Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static> Keys<W, K> for Mapper<F> {
    fn keys(&self, object: &W, _: &Lister<K>) -> Vec<ObjectKey> {
        (self.0)(object)
    }
}

/// Changes of children, for their controller owners.
pub(super) fn owned<C: Kind, K: Kind>(informer: Informer<C>, predicate: Predicate<C>) -> Box<dyn Source<K>> {
    Box::new(Watched {
        informer,
        predicate,
        keys: Owners,
    })
}

/// Changes of any kind, for what `keys` gives.
pub(super) fn mapped<W: Kind, K: Kind>(
    informer: Informer<W>,
    predicate: Predicate<W>,
    keys: impl Fn(&W) -> Vec<ObjectKey> + Send + Sync + 'static,
) -> Box<dyn Source<K>> {
    Box::new(Watched {
        informer,
        predicate,
        keys: Mapper(Arc::new(keys)),
    })
}
