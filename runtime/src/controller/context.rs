//! What a reconciler may use.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::reach::Reach;
use super::writes::{Want, Writes};
use crate::cache::{InformerFactory, Lister, WatchScope};
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
pub(super) struct Watched(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

/// A cache, and what it can come to hold.
struct Cache<C> {
    lister: Lister<C>,
    reach: Reach,
}

impl Watched {
    /// Adds a kind, of a scope where that is known; of two caches of one kind the first one stays. Whether this is the first.
    pub(super) fn add<C: Kind>(&mut self, lister: Lister<C>, scope: Option<&WatchScope>) -> bool {
        match self.0.entry(TypeId::of::<C>()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                let reach = Reach::of::<C>(scope);
                entry.insert(Box::new(Cache { lister, reach }));
                true
            }
        }
    }

    fn get<C: Kind>(&self) -> Option<&Cache<C>> {
        self.0.get(&TypeId::of::<C>())?.downcast_ref()
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
        Self {
            shared: Arc::new(Shared {
                factory: factory.clone(),
                lister: factory.lister(),
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
        match self.shared.watched.get() {
            Some(cache) => cache.lister.clone(),
            None => self.shared.factory.lister(),
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
    /// The cache is the one of [`lister_of`](Self::lister_of), among those that the controller follows. An object that is
    /// out of its scope, by namespace, name or labels, is not waited for, nor is one of another kind, or without UID or
    /// resource version. Field selectors but for `metadata` are not understood: note nothing that they leave out.
    pub fn wrote<C: Kind>(&self, written: &C) {
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
            tracing::debug!(object.kind = %C::kind(&()), "a write without UID or resource version is not waited for");
        }
    }

    /// [`wrote`](Self::wrote) for the deletion of `deleted`: the next reconciliation waits until the cache no longer
    /// holds it, or shows that it is being deleted.
    pub fn deleted<C: Kind>(&self, deleted: &C) {
        if let Some(uid) = &deleted.meta().uid {
            self.note(deleted, Want::Deleted { uid: uid.clone() });
        } else {
            tracing::debug!(object.kind = %C::kind(&()), "a deletion without UID is not waited for");
        }
    }

    fn note<C: Kind>(&self, object: &C, want: Want) {
        let (Some(writes), Some(by)) = (&self.shared.writes, &self.key) else {
            return;
        };
        let Some(Cache { lister, reach }) = self.shared.watched.get::<C>() else {
            return;
        };
        let key = ObjectKey::of(object);
        // What the cache will never show is not waited for, but where it shows an earlier state, whose end it will tell.
        let shown = || {
            let cached = lister.get(&key);
            cached.is_some_and(|cached| cached.meta().uid == object.meta().uid)
        };
        if reach.has(object.meta()) || shown() {
            writes.note(by, key, want, lister);
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
