//! What a reconciler may use.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use kube::core::GroupVersionKind;
use tokio_util::sync::CancellationToken;

use super::reach::Reach;
use super::writes::{Want, Writes};
use crate::cache::{Cached, Dynamic, Informer, InformerFactory, Lister, WatchScope, kind_name, kind_of};
use crate::client::AsClient;
use crate::events::EventRecorder;
use crate::kind::{Kind, ObjectKey};

/// What a reconciler may use: caches, a connection, a recorder.
///
/// Lends its connection as [`AsClient`], so that typed clients can be made from it.
pub struct Context<K> {
    pub(super) shared: Arc<Shared<K>>,
    pub(super) retries: u32,
    /// What is reconciled; absent outside of a controller.
    pub(super) key: Option<Arc<ObjectKey>>,
}

pub(super) struct Shared<K> {
    pub(super) factory: InformerFactory,
    pub(super) lister: Lister<K>,
    pub(super) watched: Watched,
    pub(super) recorder: EventRecorder,
    pub(super) stop: CancellationToken,
    /// Absent outside of a controller.
    pub(super) writes: Option<Arc<Writes>>,
}

/// The caches that lead to reconciliations, by kind.
#[derive(Default)]
pub(super) struct Watched(HashMap<Holds, Box<dyn Any + Send + Sync>>);

/// What a cache holds.
#[derive(PartialEq, Eq, Hash)]
struct Holds {
    r#type: TypeId,
    /// Where the type does not say it.
    kind: Option<GroupVersionKind>,
}

impl Holds {
    fn of<C: Cached>(kind: Option<GroupVersionKind>) -> Self {
        Self {
            r#type: TypeId::of::<C>(),
            kind,
        }
    }

    /// What an object is, where it can be told.
    fn with<C: Cached>(object: &C) -> Option<Self> {
        let typed = TypeId::of::<C::DynamicType>() == TypeId::of::<()>();
        Some(match typed {
            true => Self::of::<C>(None),
            false => Self::of::<C>(Some(kind_of(object)?)),
        })
    }
}

/// One of the caches whose changes a controller follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CacheId(pub(super) usize);

impl CacheId {
    /// That of the reconciled kind.
    pub(super) const RECONCILED: Self = Self(0);
}

/// A cache, and what it can come to hold.
struct Cache<C> {
    id: CacheId,
    lister: Lister<C>,
    reach: Reach,
}

impl Watched {
    /// With the cache of the reconciled kind, of a scope where that is known.
    pub(super) fn of<C: Cached>(informer: &Informer<C>, scope: Option<&WatchScope>) -> Self {
        let mut watched = Self::default();
        watched.add(informer, scope);
        watched
    }

    /// Adds a kind, of a scope where that is known; of two caches of one kind the first one stays, and the other has no ID.
    pub(super) fn add<C: Cached>(
        &mut self,
        informer: &Informer<C>,
        scope: Option<&WatchScope>,
    ) -> Option<CacheId> {
        let id = CacheId(self.0.len());
        match self.0.entry(Holds::of::<C>(informer.target().dynamic().cloned())) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(Box::new(Cache {
                    id,
                    lister: informer.lister(),
                    reach: Reach::of(informer.target(), scope),
                }));
                Some(id)
            }
        }
    }

    fn get<C: Cached>(&self, holds: &Holds) -> Option<&Cache<C>> {
        self.0.get(holds)?.downcast_ref()
    }
}

impl<K> Clone for Context<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            retries: self.retries,
            key: self.key.clone(),
        }
    }
}

impl<K> fmt::Debug for Context<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl<K: Kind> Context<K> {
    /// A context outside of a controller, to call a reconciler directly, as a test does.
    pub fn new(factory: &InformerFactory, recorder: EventRecorder) -> Self {
        Self::alone(factory, factory.lister(), recorder)
    }
}

impl<K: Dynamic> Context<K> {
    /// [`new`](Context::new) for a kind that is known at run time alone.
    pub fn dynamic(factory: &InformerFactory, kind: &GroupVersionKind, recorder: EventRecorder) -> Self {
        let informer = factory.dynamic_as(kind, factory.default_scope());
        Self::alone(factory, informer.lister(), recorder)
    }
}

impl<K: Cached> Context<K> {
    fn alone(factory: &InformerFactory, lister: Lister<K>, recorder: EventRecorder) -> Self {
        Self {
            shared: Arc::new(Shared {
                factory: factory.clone(),
                lister,
                watched: Watched::default(),
                recorder,
                stop: factory.stopped().child_token(),
                writes: None,
            }),
            retries: 0,
            key: None,
        }
    }

    /// The cache of the reconciled kind.
    pub fn lister(&self) -> &Lister<K> {
        &self.shared.lister
    }

    /// The cache of another kind: the one whose changes the controller follows, else the one in the factory's scope.
    /// Where it follows several of one kind it is the first of them.
    ///
    /// Ask the factory for kinds that the controller neither owns nor watches before it runs, so that their caches
    /// hold their first state when the workers start (SC-18). The cache of a kind that is first asked for here begins
    /// to fill now, and what it does not hold yet looks absent.
    pub fn lister_of<C: Kind>(&self) -> Lister<C> {
        match self.shared.watched.get(&Holds::of::<C>(None)) {
            Some(cache) => cache.lister.clone(),
            None => self.shared.factory.lister(),
        }
    }

    /// [`lister_of`](Self::lister_of) for a kind that is known at run time alone: of whole objects, or of their metadata.
    pub fn lister_of_dynamic<C: Dynamic>(&self, kind: &GroupVersionKind) -> Lister<C> {
        match self.shared.watched.get(&Holds::of::<C>(Some(kind.clone()))) {
            Some(cache) => cache.lister.clone(),
            None => {
                let factory = &self.shared.factory;
                factory.dynamic_as(kind, factory.default_scope()).lister()
            }
        }
    }

    /// Notes that this reconciliation created or changed `written`, which is what the server answered: the next one of
    /// the same key waits until the cache holds that version or a newer one, or the object is gone.
    ///
    /// A key that waits is not in work and counts as no failure; the change of the cache wakes it. It waits no longer than
    /// [`Controller::patience`](super::Controller::patience). Several writes are waited for all together, and of one
    /// object the last one.
    ///
    /// ```no_run
    /// # use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    /// # use kubewright::{Client, controller::Context};
    /// # async fn f(cx: &Context<ConfigMap>, secret: Secret) -> Result<(), kubewright::client::ClientError> {
    /// let secret = Client::<Secret>::new(cx.client().clone()).namespace("default").create(&secret).await?;
    /// cx.wrote(&secret); // the next call finds it in `cx.lister_of::<Secret>()`
    /// # Ok(()) }
    /// ```
    ///
    /// The cache is the one of [`lister_of`](Self::lister_of), among those that the controller follows, for the type of
    /// `written`; an object of a dynamic kind has to say its kind. One that is out of the cache's scope, by namespace, labels
    /// or fields, is not waited for, nor is one of another kind, or without UID or resource version. Fields are read from
    /// `written`: of one that is not in it, or that the server computes or names otherwise, nothing is known, so note
    /// nothing that such a field leaves out.
    pub fn wrote<C: Cached>(&self, written: &C) {
        let meta = written.meta();
        if let (Some(uid), Some(version)) = (&meta.uid, &meta.resource_version) {
            self.note(
                written,
                Want::Written {
                    uid: uid.clone(),
                    version: version.as_str().into(),
                },
            );
        } else {
            tracing::debug!(object.kind = %kind_name::<C>(), "a write without UID or resource version is not waited for");
        }
    }

    /// [`wrote`](Self::wrote) for the deletion of `deleted`: the next reconciliation waits until the cache no longer
    /// holds it, or shows that it is being deleted.
    pub fn deleted<C: Cached>(&self, deleted: &C) {
        if let Some(uid) = &deleted.meta().uid {
            self.note(deleted, Want::Deleted { uid: uid.clone() });
        } else {
            tracing::debug!(object.kind = %kind_name::<C>(), "a deletion without UID is not waited for");
        }
    }

    fn note<C: Cached>(&self, object: &C, want: Want) {
        let (Some(writes), Some(by)) = (&self.shared.writes, &self.key) else {
            return;
        };
        let Some(holds) = Holds::with(object) else {
            tracing::debug!(object.kind = %kind_name::<C>(), "a write of an object that does not say its kind is not waited for");
            return;
        };
        let Some(Cache { id, lister, reach }) = self.shared.watched.get::<C>(&holds) else {
            return;
        };
        let key = ObjectKey::of(object);
        // What the cache will never show is not waited for, but where it shows an earlier state, whose end it will tell.
        let shown = || {
            let cached = lister.get(&key);
            cached.is_some_and(|cached| cached.meta().uid == object.meta().uid)
        };
        if reach.has(object) || shown() {
            writes.note(by, key, want, (*id, lister));
        }
    }

    /// The factory of the caches.
    pub fn factory(&self) -> &InformerFactory {
        &self.shared.factory
    }

    /// The connection.
    pub fn client(&self) -> &kube::Client {
        self.shared.factory.client()
    }

    /// Records events.
    pub fn recorder(&self) -> &EventRecorder {
        &self.shared.recorder
    }

    /// Cancelled when the controller shuts down: long work should end early then.
    pub fn stopping(&self) -> &CancellationToken {
        &self.shared.stop
    }

    /// How often this key has failed in a row, whatever was to follow. A failure that ended as
    /// [`Terminal`](super::ErrorPolicy::Terminal) begins the count anew.
    pub fn retries(&self) -> u32 {
        self.retries
    }
}

impl<K> AsClient for Context<K> {
    fn as_client(&self) -> &kube::Client {
        self.shared.factory.client()
    }
}
