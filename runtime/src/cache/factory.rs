//! One watch per kind and scope in a process, whoever asks.
//!
//! **Invariant:** two informers of one factory for the same kind and scope are the same informer, until it is stopped.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::informer::{Core, Informer};
use super::lister::Lister;
use super::reflector::{ReflectorConfig, WatchScope};
use crate::client::AsClient;
use crate::kind::{Kind, Scope};

/// Gives shared informers and listers. client-go: `SharedInformerFactory`.
///
/// Cloning is cheap and gives the same factory. Dropping the last clone stops the informers that nobody else
/// holds.
#[derive(Clone)]
pub struct InformerFactory {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    config: ReflectorConfig,
    scope: WatchScope,
    resync: Option<Duration>,
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    started: bool,
    informers: HashMap<(TypeId, WatchScope), Entry>,
}

struct Entry {
    kind: String,
    core: Arc<dyn Any + Send + Sync>,
    synced: watch::Receiver<bool>,
    stopping: CancellationToken,
    start: Box<dyn Fn() + Send>,
    stop: Box<dyn Fn() + Send>,
    last_error: Box<dyn Fn() -> Option<String> + Send>,
}

impl fmt::Debug for InformerFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let kinds: Vec<_> = state.informers.values().map(|entry| &entry.kind).collect();
        f.debug_struct("InformerFactory")
            .field("started", &state.started)
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}

/// Caches that did not hold their first state in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("caches did not sync: {}", self.list())]
pub struct NotSynced {
    /// The kinds concerned.
    pub kinds: Vec<UnsyncedKind>,
}

/// A kind whose cache did not sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsyncedKind {
    /// Kind and scope.
    pub kind: String,
    /// Why the last attempt failed, where one did.
    pub last_error: Option<String>,
}

impl NotSynced {
    fn list(&self) -> String {
        let one = |kind: &UnsyncedKind| match &kind.last_error {
            Some(error) => format!("{} ({error})", kind.kind),
            None => kind.kind.clone(),
        };
        self.kinds.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// Settings of an [`InformerFactory`].
#[derive(Clone, Debug)]
#[must_use]
pub struct InformerFactoryBuilder {
    client: DebugClient,
    config: ReflectorConfig,
    scope: WatchScope,
    resync: Option<Duration>,
}

#[derive(Clone)]
struct DebugClient(kube::Client);

impl fmt::Debug for DebugClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl InformerFactoryBuilder {
    /// The scope of informers that are asked for without one. Default: all objects.
    pub fn scope(mut self, scope: WatchScope) -> Self {
        self.scope = scope;
        self
    }

    /// How often every object is replayed to each subscriber as an update that changes nothing. Default: never.
    pub fn resync(mut self, period: Duration) -> Self {
        self.resync = Some(period);
        self
    }

    /// How the caches list and watch.
    pub fn config(mut self, config: ReflectorConfig) -> Self {
        self.config = config;
        self
    }

    /// The factory.
    pub fn build(self) -> InformerFactory {
        InformerFactory {
            inner: Arc::new(Inner {
                client: self.client.0,
                config: self.config,
                scope: self.scope,
                resync: self.resync,
                stop: CancellationToken::new(),
                state: Mutex::default(),
            }),
        }
    }
}

impl InformerFactory {
    /// A factory of caches of all objects, without resync.
    pub fn new(client: &impl AsClient) -> Self {
        Self::builder(client).build()
    }

    /// A factory with other settings.
    pub fn builder(client: &impl AsClient) -> InformerFactoryBuilder {
        InformerFactoryBuilder {
            client: DebugClient(client.as_client().clone()),
            config: ReflectorConfig::default(),
            scope: WatchScope::default(),
            resync: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that the caches use.
    pub fn client(&self) -> &kube::Client {
        &self.inner.client
    }

    /// The scope of informers that are asked for without one, where it is one.
    pub(crate) fn default_scope(&self) -> Option<WatchScope> {
        Some(self.inner.scope.clone())
    }

    /// The informer of a kind in the factory's scope.
    ///
    /// Informers begin to watch with [`start`](Self::start); one that is first asked for after that, at once.
    pub fn informer<K: Kind>(&self) -> Informer<K> {
        self.informer_of(self.inner.scope.clone())
    }

    /// The informer of a kind in another scope.
    pub fn informer_of<K: Kind>(&self, mut scope: WatchScope) -> Informer<K> {
        if !<K::Scope as Scope>::NAMESPACED {
            // A factory for one namespace still gives cluster-scoped kinds, of which there is one watch only.
            scope.namespace = None;
        }
        let key = (TypeId::of::<K>(), scope);
        let mut state = self.state();
        if let Some(entry) = state.informers.get(&key)
            // One that was stopped alone would never be fed again; after the shutdown there is no use for another.
            && (!entry.stopping.is_cancelled() || self.inner.stop.is_cancelled())
            && let Ok(core) = Arc::downcast::<Core<K>>(Arc::clone(&entry.core))
        {
            return Informer::from_core(core);
        }
        let inner = &self.inner;
        let stop = inner.stop.child_token();
        let informer = Informer::in_factory(
            inner.client.clone(),
            &key.1,
            inner.config.clone(),
            inner.resync,
            stop,
        );
        if state.started {
            informer.start();
        }
        let (to_start, to_stop, to_ask) = (informer.clone(), informer.clone(), informer.clone());
        let entry = Entry {
            kind: describe::<K>(&key.1),
            core: Arc::clone(informer.core()) as Arc<dyn Any + Send + Sync>,
            synced: informer.synced(),
            stopping: informer.stopping().clone(),
            start: Box::new(move || to_start.start()),
            stop: Box::new(move || to_stop.stop()),
            last_error: Box::new(move || to_ask.status().last_error),
        };
        state.informers.insert(key, entry);
        informer
    }

    /// A read handle on the cache of a kind in the factory's scope.
    pub fn lister<K: Kind>(&self) -> Lister<K> {
        self.informer().lister()
    }

    /// Starts all informers that were asked for, and from now on each one that is.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(&self) {
        let mut state = self.state();
        state.started = true;
        for entry in state.informers.values() {
            (entry.start)();
        }
    }

    /// Waits until all caches that were asked for so far hold their first state.
    ///
    /// # Errors
    /// [`NotSynced`] names those that do not after `timeout`, or that were stopped before.
    pub async fn wait_for_sync(&self, timeout: Duration) -> Result<(), NotSynced> {
        let asked: Vec<_> = self
            .state()
            .informers
            .iter()
            .map(|(key, entry)| {
                let (synced, stopping) = (entry.synced.clone(), entry.stopping.clone());
                (key.clone(), entry.kind.clone(), synced, stopping)
            })
            .collect();
        let all = futures::future::join_all(asked.iter().map(|(_, _, synced, stopping)| {
            let mut synced = synced.clone();
            async move {
                let synced = synced.wait_for(|synced| *synced);
                // Whether it did is found by asking again below.
                drop(stopping.run_until_cancelled(synced).await);
            }
        }));
        drop(tokio::time::timeout(timeout, all).await);
        let state = self.state();
        let unsynced = asked.into_iter().filter(|(_, _, synced, _)| !*synced.borrow());
        let mut kinds: Vec<_> = unsynced
            .map(|(key, kind, ..)| UnsyncedKind {
                kind,
                last_error: state.informers.get(&key).and_then(|entry| (entry.last_error)()),
            })
            .collect();
        if kinds.is_empty() {
            return Ok(());
        }
        kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
        Err(NotSynced { kinds })
    }

    /// Stops all informers of the factory, for good; subscriptions end.
    pub fn shutdown(&self) {
        self.inner.stop.cancel();
        for entry in self.state().informers.values() {
            (entry.stop)();
        }
    }

    /// Cancelled when the factory shuts down; cancelling it does not shut the factory down.
    pub fn stopped(&self) -> CancellationToken {
        self.inner.stop.child_token()
    }
}

fn describe<K: Kind>(scope: &WatchScope) -> String {
    let mut text = K::kind(&()).into_owned();
    let parts = [
        ("namespace", &scope.namespace),
        ("labels", &scope.labels),
        ("fields", &scope.fields),
    ];
    for (what, value) in parts {
        if let Some(value) = value {
            text.push_str(&format!(" with {what} {value}"));
        }
    }
    text
}
