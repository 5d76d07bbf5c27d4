//! One watch per kind and scope in a process, whoever asks.
//!
//! **Invariant:** two informers of one factory for the same kind and scope are the same informer, until it is stopped.

use std::any::{Any, TypeId};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use kube::core::{DynamicObject, GroupVersionKind, PartialObjectMeta};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::config::{ReflectorConfig, WatchScope};
use super::informer::{Core, Informer, Place};
use super::lister::Lister;
use super::namespaces::NamespaceSet;
use super::target::{Cached, Dynamic, Target, say_kind};
use crate::client::AsClient;
use crate::kind::{Kind, Scope};
use crate::rbac::Rules;

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
    namespaces: Option<NamespaceSet>,
    resync: Option<Duration>,
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    started: bool,
    informers: HashMap<Key, Entry>,
}

/// What a shared informer is of.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    r#type: TypeId,
    /// Where the type does not say it.
    kind: Option<GroupVersionKind>,
    /// Absent: the namespaces of the factory.
    scope: Option<WatchScope>,
}

struct Entry {
    kind: String,
    core: Arc<dyn Any + Send + Sync>,
    synced: watch::Receiver<bool>,
    stopping: CancellationToken,
    start: Box<dyn Fn() + Send>,
    stop: Box<dyn Fn() + Send>,
    last_error: Box<dyn Fn() -> Option<String> + Send>,
    target: Target,
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

/// A kind that is known at run time alone was not found.
#[derive(Debug, thiserror::Error)]
#[error("find the resource of {kind}")]
pub struct NotDiscovered {
    /// Group, version and kind.
    pub kind: String,
    /// Why.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// How an informer of a factory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindStatus {
    /// Kind and scope.
    pub kind: String,
    /// Whether its cache holds the first state.
    pub synced: bool,
    /// Whether it was stopped alone.
    pub stopped: bool,
    /// Why the last attempt failed, where none has succeeded since: the cache may be behind the server, or the kind gone.
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
    namespaces: Option<NamespaceSet>,
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

    /// The namespaces of informers of namespaced kinds that are asked for without a scope, instead of one
    /// [scope](Self::scope); they may change at any time. Default: none.
    pub fn namespaces(mut self, namespaces: &NamespaceSet) -> Self {
        self.namespaces = Some(namespaces.clone());
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
                namespaces: self.namespaces,
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
            namespaces: None,
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

    /// The informer of a kind in the factory's scope, or its namespaces.
    ///
    /// Informers begin to watch with [`start`](Self::start); one that is first asked for after that, at once.
    pub fn informer<K: Kind>(&self) -> Informer<K> {
        match self.inner.namespaces {
            Some(_) if <K::Scope as Scope>::NAMESPACED => self.typed::<K>(None),
            _ => self.informer_of(self.inner.scope.clone()),
        }
    }

    /// The informer of a kind in another scope.
    pub fn informer_of<K: Kind>(&self, mut scope: WatchScope) -> Informer<K> {
        if !<K::Scope as Scope>::NAMESPACED {
            // A factory for one namespace still gives cluster-scoped kinds, of which there is one watch only.
            scope.namespace = None;
        }
        self.typed(Some(scope))
    }

    fn typed<K: Kind>(&self, scope: Option<WatchScope>) -> Informer<K> {
        self.shared(Target::of::<K>(), None, scope, |_| {})
    }

    /// The informer of a kind that is known at run time alone, in the factory's scope, or its namespaces.
    ///
    /// The server is asked where it has the kind. While it does not serve it, as before a definition is created and after
    /// it was deleted, that is tried again with growing delays ([`ReflectorConfig::backoff`]), and
    /// [`statuses`](Self::statuses) says so.
    ///
    /// The objects say their group, version and kind, whether or not the server does.
    pub fn dynamic(&self, kind: &GroupVersionKind) -> Informer<DynamicObject> {
        self.dynamic_as(kind, self.default_scope())
    }

    /// [`dynamic`](Self::dynamic) in another scope.
    pub fn dynamic_of(&self, kind: &GroupVersionKind, scope: WatchScope) -> Informer<DynamicObject> {
        self.dynamic_as(kind, Some(scope))
    }

    /// [`dynamic`](Self::dynamic) of metadata alone: the server sends no more than that.
    pub fn dynamic_metadata(&self, kind: &GroupVersionKind) -> Informer<PartialObjectMeta<DynamicObject>> {
        self.dynamic_as(kind, self.default_scope())
    }

    /// The scope of informers that are asked for without one, where it is one.
    pub(crate) fn default_scope(&self) -> Option<WatchScope> {
        self.inner.namespaces.is_none().then(|| self.inner.scope.clone())
    }

    /// `scope` is absent for the factory's namespaces.
    pub(crate) fn dynamic_as<K: Dynamic>(
        &self,
        kind: &GroupVersionKind,
        scope: Option<WatchScope>,
    ) -> Informer<K> {
        self.shared(Target::discovered(kind), Some(kind.clone()), scope, |informer| {
            // No transform was set before it, so that this is the last one to run.
            let set = informer.set_transform(say_kind(kind));
            debug_assert!(set.is_ok(), "a new informer was not started yet");
        })
    }

    /// `scope` is absent for the factory's namespaces; `prepare` is called with an informer that is new.
    fn shared<K: Cached>(
        &self,
        target: Target,
        kind: Option<GroupVersionKind>,
        scope: Option<WatchScope>,
        prepare: impl FnOnce(&Informer<K>),
    ) -> Informer<K> {
        let key = Key {
            r#type: TypeId::of::<K>(),
            kind,
            scope,
        };
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
        let place = match (&key.scope, &inner.namespaces) {
            (None, Some(namespaces)) => Place::Namespaces(namespaces.clone()),
            (scope, _) => Place::Scope(scope.clone().unwrap_or_default()),
        };
        let description = describe(&target.name, key.scope.as_ref());
        let informer = Informer::in_factory(
            inner.client.clone(),
            target.clone(),
            place,
            inner.config.clone(),
            inner.resync,
            stop,
        );
        prepare(&informer);
        if state.started {
            informer.start();
        }
        let (to_start, to_stop, to_ask) = (informer.clone(), informer.clone(), informer.clone());
        let entry = Entry {
            kind: description,
            core: Arc::clone(informer.core()) as Arc<dyn Any + Send + Sync>,
            synced: informer.synced(),
            stopping: informer.stopping().clone(),
            start: Box::new(move || to_start.start()),
            stop: Box::new(move || to_stop.stop()),
            last_error: Box::new(move || to_ask.status().last_error),
            target,
        };
        state.informers.insert(key, entry);
        informer
    }

    /// Stops the informers of a kind, in whichever scope, and forgets them; false where there are none.
    ///
    /// Subscriptions end, and what still reads from such a cache finds it as it was; its memory is free once nobody does.
    /// Whoever asks for the kind after that gets a new one.
    pub fn remove<K: Kind>(&self) -> bool {
        self.remove_where(|key| key.r#type == TypeId::of::<K>())
    }

    /// [`remove`](Self::remove) for a kind that is known at run time alone; of whole objects and of their metadata.
    pub fn remove_dynamic(&self, kind: &GroupVersionKind) -> bool {
        self.remove_where(|key| key.kind.as_ref() == Some(kind))
    }

    fn remove_where(&self, which: impl Fn(&Key) -> bool) -> bool {
        let removed: Vec<_> = self.state().informers.extract_if(|key, _| which(key)).collect();
        for (_, entry) in &removed {
            (entry.stop)();
        }
        !removed.is_empty()
    }

    /// How each informer that was asked for is, in order of kinds.
    pub fn statuses(&self) -> Vec<KindStatus> {
        let state = self.state();
        let status = |entry: &Entry| KindStatus {
            kind: entry.kind.clone(),
            synced: *entry.synced.borrow(),
            stopped: entry.stopping.is_cancelled(),
            last_error: (entry.last_error)(),
        };
        let mut statuses: Vec<_> = state.informers.values().map(status).collect();
        drop(state);
        statuses.sort_by(|a, b| a.kind.cmp(&b.kind));
        statuses
    }

    /// A read handle on the cache of a kind in the factory's scope.
    pub fn lister<K: Kind>(&self) -> Lister<K> {
        self.informer().lister()
    }

    /// What the caches that were asked for so far do: list and watch their kinds, each in its scope, or in the namespaces that
    /// the factory has now. Which resource a [dynamic](Self::dynamic) kind is, only the server knows: those that it was not
    /// asked for yet are not in it, see [`discover`](Self::discover).
    pub fn rules(&self) -> Rules {
        let state = self.state();
        let each = state
            .informers
            .iter()
            .map(|(key, entry)| self.rules_of(&entry.target, key.scope.as_ref()));
        each.fold(Rules::new(), |all, rules| all.with(&rules))
    }

    /// Asks the server where it has the dynamic kinds that were asked for so far, so that [`rules`](Self::rules), and those
    /// of controllers of the factory, have them before their caches start. Everybody may ask that.
    ///
    /// # Errors
    /// [`NotDiscovered`] names the first kind, in order, that the server does not serve, or did not answer for.
    pub async fn discover(&self) -> Result<(), NotDiscovered> {
        let mut kinds: Vec<_> = self
            .state()
            .informers
            .iter()
            .filter(|(key, _)| key.kind.is_some())
            .map(|(_, entry)| entry.target.clone())
            .collect();
        kinds.sort_by(|a, b| a.name.cmp(&b.name));
        for kind in kinds {
            if let Err(error) = kind.discover(&self.inner.client).await {
                return Err(NotDiscovered {
                    kind: kind.name,
                    source: error.into(),
                });
            }
        }
        Ok(())
    }

    /// What a cache does in a scope, or in the factory's.
    pub(crate) fn rules_of(&self, target: &Target, scope: Option<&WatchScope>) -> Rules {
        let scopes = match (scope, &self.inner.namespaces) {
            (Some(scope), _) => vec![scope.clone()],
            (None, Some(namespaces)) if target.namespaced() != Some(false) => namespaces.scopes(),
            (None, _) => vec![self.inner.scope.clone()],
        };
        target.rules(&scopes)
    }

    /// The namespaces of the factory, or all of them.
    pub(crate) fn places(&self) -> Vec<Option<String>> {
        match &self.inner.namespaces {
            Some(namespaces) => namespaces.names().into_iter().map(Some).collect(),
            None => vec![self.inner.scope.namespace.clone()],
        }
    }

    /// Whether its objects lack what [`Client::update`](crate::Client::update) reads again from the server.
    pub(crate) fn leaves_out_last_applied(&self) -> bool {
        self.inner.config.trim.last_applied
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

fn describe(kind: &str, scope: Option<&WatchScope>) -> String {
    let mut text = kind.to_owned();
    let Some(scope) = scope else {
        text.push_str(" in the namespaces of the factory");
        return text;
    };
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
