//! What a reconciler may use.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cache::{InformerFactory, Lister};
use crate::client::AsClient;
use crate::events::EventRecorder;
use crate::kind::Kind;

/// What a reconciler may use: caches, a connection, a recorder.
///
/// Lends its connection as [`AsClient`], so that typed clients can be made from it.
pub struct Context<K> {
    pub(super) shared: Arc<Shared<K>>,
    pub(super) retries: u32,
}

pub(super) struct Shared<K> {
    pub(super) factory: InformerFactory,
    pub(super) lister: Lister<K>,
    pub(super) watched: Watched,
    pub(super) recorder: EventRecorder,
    pub(super) stop: CancellationToken,
}

/// The caches that lead to reconciliations, by kind.
#[derive(Default)]
pub(super) struct Watched(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl Watched {
    /// Adds a kind; of two caches of one kind the first one stays.
    pub(super) fn add<C: Kind>(&mut self, lister: Lister<C>) {
        self.0
            .entry(TypeId::of::<C>())
            .or_insert_with(|| Box::new(lister));
    }

    fn get<C: Kind>(&self) -> Option<&Lister<C>> {
        self.0.get(&TypeId::of::<C>())?.downcast_ref()
    }
}

impl<K> Clone for Context<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            retries: self.retries,
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
            }),
            retries: 0,
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
            Some(lister) => lister.clone(),
            None => self.shared.factory.lister(),
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
