//! Turns changes of caches into keys to reconcile.
//!
//! **Invariant:** a change of a child enqueues an owner only if group, kind and UID of its controller reference fit
//! an object in the owner's cache (SC-10 to SC-12). A predicate or mapper that panics never ends its source.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::context::CacheId;
use super::expectations::Expectations;
use super::predicate::Predicate;
use super::share::Share;
use super::trace::{self, Causes, KindNames};
use super::writes::Writes;
use crate::cache::{Cached, Delta, Heard, Informer, Lister, Subscribe, Subscription, Target, kind_name};
use crate::guard::guarded;
use crate::kind::ObjectKey;
use crate::owner::{controller_of, refers_to};
use crate::queue::{Priority, WorkQueue};

/// A cache whose changes lead to reconciliations of `K`.
pub(super) trait Source<K: Cached>: Send + Sync {
    /// Enqueues from now on until the cache stops.
    fn feed(&self, intake: Intake, owners: Lister<K>) -> BoxFuture<'static, ()>;
}

/// Where the keys go.
#[derive(Clone)]
pub(super) struct Intake {
    /// Name of the controller.
    pub(super) controller: String,
    pub(super) queue: WorkQueue<ObjectKey>,
    pub(super) writes: Arc<Writes>,
    pub(super) expectations: Option<Expectations>,
    /// Where replicas share the keys.
    pub(super) share: Option<Share>,
    pub(super) causes: Arc<Causes>,
    /// What is reconciled.
    pub(super) kind: KindNames,
}

/// Whether reconcilers read the kind from the cache in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is what a reconciler's listers read.
    Read(CacheId),
    /// Another cache of a kind whose first one is read.
    Heard,
}

impl From<Option<CacheId>> for Role {
    fn from(first: Option<CacheId>) -> Self {
        first.map_or(Self::Heard, Self::Read)
    }
}

impl Intake {
    /// Enqueues what `keys` gives for each change that `predicate` accepts, until the cache stops. `hear` is told of every
    /// change, before anything is enqueued for it. None of the three decodes what it does not look at.
    pub(super) async fn feed<W: Cached>(
        self,
        mut changes: Subscription<W>,
        kind: KindNames,
        hear: impl Fn(&Self, &Heard<W>) + Send + Sync,
        predicate: Option<Predicate<W>>,
        keys: impl Fn(&Self, &Heard<W>) -> Vec<ObjectKey> + Send + Sync,
    ) {
        while let Some(change) = changes.hear().await {
            let _event = trace::event(&self.controller, &kind, &change).entered();
            hear(&self, &change);
            // What was there before is no news: what happens now comes first, as in controller-runtime's queue.
            let priority = if changes.has_synced() {
                Priority::Normal
            } else {
                Priority::Low
            };
            if predicate
                .as_ref()
                .is_none_or(|predicate| self.passes(predicate, &change))
            {
                for key in keys(&self, &change) {
                    self.enqueue(key, priority, &kind, &change);
                }
            }
        }
    }

    /// Enqueues an object that did not change, where `filter` accepts that.
    pub(super) fn look_again<K: Cached>(&self, again: &Heard<K>, filter: Option<&Predicate<K>>) {
        let _event = trace::event(&self.controller, &self.kind, again).entered();
        if filter.is_none_or(|filter| self.passes(filter, again)) {
            self.enqueue(again.key(), Priority::Low, &self.kind, again);
        }
    }

    fn enqueue<W: Cached>(&self, key: ObjectKey, priority: Priority, kind: &KindNames, change: &Heard<W>) {
        if self.share.as_ref().is_none_or(|share| share.wants(&key)) {
            // First, as a worker may have the key at once.
            self.causes.note(&key, || trace::cause(kind, change).into());
            self.queue.add_with(key, priority);
        }
    }

    /// A predicate that panics lets the change pass: to reconcile once too often does no harm, a lost change does. So does
    /// an object that cannot be decoded.
    pub(super) fn passes<W: Cached>(&self, predicate: &Predicate<W>, change: &Heard<W>) -> bool {
        if let Some(foretold) = predicate.foretells(change.glance()) {
            return foretold;
        }
        let Some(delta) = change.delta() else {
            return true;
        };
        guarded(|| predicate.accepts(delta)).unwrap_or_else(|panic| {
            tracing::error!(
                controller = %self.controller,
                object.kind = %kind_name::<W>(),
                object = %change.key(),
                panic,
                "a predicate panicked; the change passes"
            );
            true
        })
    }

    /// What `keys` gives for the new and the old state.
    fn keys_of<W: Cached>(&self, delta: &Delta<W>, keys: impl Fn(&W) -> Vec<ObjectKey>) -> Vec<ObjectKey> {
        let keys = |object: &W| {
            guarded(|| keys(object)).unwrap_or_else(|panic| {
                tracing::error!(
                    controller = %self.controller,
                    object.kind = %kind_name::<W>(),
                    object = %delta.key(),
                    panic,
                    "a mapper panicked; the change is lost"
                );
                Vec::new()
            })
        };
        let mut all = keys(delta.object());
        if let Some(old) = delta.old() {
            for key in keys(old) {
                if !all.contains(&key) {
                    all.push(key);
                }
            }
        }
        all
    }
}

/// Each change one by one: expectations count them, and a write may be shown by one that came and went. What is done
/// here for each is short, so that few wait.
pub(super) fn each_change(resync: Option<Duration>) -> Subscribe {
    Subscribe { resync, buffer: None }
}

struct Watched<W: Cached, F> {
    informer: Informer<W>,
    role: Role,
    predicate: Predicate<W>,
    keys: F,
}

/// The keys that an object of a watched kind leads to.
trait Keys<W, K>: Clone + Send + Sync + 'static {
    /// Whether the keys are those of controller owners.
    const OWNED: bool = false;

    fn keys(&self, object: &W, owners: &Lister<K>) -> Vec<ObjectKey>;
}

impl<K: Cached, W: Cached, F: Keys<W, K>> Source<K> for Watched<W, F> {
    fn feed(&self, intake: Intake, owners: Lister<K>) -> BoxFuture<'static, ()> {
        let changes: Subscription<W> = self
            .informer
            .subscribe_as(each_change(self.informer.resync_period()));
        let (keys, role) = (self.keys.clone(), self.role);
        let (owner, lister) = (keys.clone(), owners.clone());
        let hear = move |intake: &Intake, change: &Heard<W>| {
            if let Role::Read(id) = role {
                intake.writes.delivered(id, change);
            }
            if F::OWNED
                && let Some(expectations) = &intake.expectations
                && let Some(delta) = change.delta()
            {
                for key in owner.keys(delta.object(), &lister) {
                    expectations.observe(&key, delta);
                }
            }
        };
        Box::pin(intake.feed(
            changes,
            self.informer.target().into(),
            hear,
            Some(self.predicate.clone()),
            move |intake, change| match change.delta() {
                Some(delta) => intake.keys_of(delta, |object| keys.keys(object, &owners)),
                None => Vec::new(),
            },
        ))
    }
}

/// Which owner references count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owned {
    /// The one of the controller.
    ByController,
    /// Each one.
    ByAny,
}

/// Owners of a kind.
#[derive(Clone)]
struct Owners {
    which: Owned,
    of: Target,
}

impl<W: Cached, K: Cached> Keys<W, K> for Owners {
    const OWNED: bool = true;

    fn keys(&self, object: &W, owners: &Lister<K>) -> Vec<ObjectKey> {
        let references: Vec<_> = match self.which {
            Owned::ByController => controller_of(object).into_iter().collect(),
            Owned::ByAny => object.meta().owner_references.iter().flatten().collect(),
        };
        let (group, kind) = self.of.group_kind();
        let of_kind = references
            .into_iter()
            .filter(|reference| refers_to(&group, kind, reference));
        of_kind
            .filter_map(|reference| owner(object, reference, (&self.of, owners)))
            .collect()
    }
}

/// The key of the owner that `reference` names, where the cache holds it.
fn owner<W: Cached, K: Cached>(
    object: &W,
    reference: &OwnerReference,
    (of, owners): (&Target, &Lister<K>),
) -> Option<ObjectKey> {
    let key = of.key(object.meta().namespace.as_deref(), &reference.name);
    match owners.get(&key) {
        Some(owner) if owner.meta().uid.as_deref() == Some(&reference.uid) => Some(key),
        _ => {
            tracing::debug!(
                object.kind = %kind_name::<W>(),
                object.namespace = object.meta().namespace.as_deref().unwrap_or_default(),
                object.name = object.meta().name.as_deref().unwrap_or_default(),
                owner.kind = %of.name,
                owner.name = %reference.name,
                owner.uid = %reference.uid,
                "owner is not in the cache; change ignored"
            );
            None
        }
    }
}

struct Mapper<F>(Arc<F>);

impl<F> Clone for Mapper<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Cached, K: Cached, F> Keys<W, K> for Mapper<F>
where
    F: Fn(&W, &Lister<K>) -> Vec<ObjectKey> + Send + Sync + 'static,
{
    fn keys(&self, object: &W, owners: &Lister<K>) -> Vec<ObjectKey> {
        (self.0)(object, owners)
    }
}

/// Changes of children, for their owners.
pub(super) fn owned<C: Cached, K: Cached>(
    informer: Informer<C>,
    role: Role,
    predicate: Predicate<C>,
    (which, of): (Owned, &Target),
) -> Box<dyn Source<K>> {
    Box::new(Watched {
        informer,
        role,
        predicate,
        keys: Owners {
            which,
            of: of.clone(),
        },
    })
}

/// Changes of any kind, for what `keys` gives.
pub(super) fn mapped<W: Cached, K: Cached>(
    informer: Informer<W>,
    role: Role,
    predicate: Predicate<W>,
    keys: impl Fn(&W, &Lister<K>) -> Vec<ObjectKey> + Send + Sync + 'static,
) -> Box<dyn Source<K>> {
    Box::new(Watched {
        informer,
        role,
        predicate,
        keys: Mapper(Arc::new(keys)),
    })
}
