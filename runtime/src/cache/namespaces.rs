//! One cache of several namespaces: a watch for each, and one store.
//!
//! A list of one namespace replaces the objects of that namespace alone, change by change: readers see each object
//! before or after it, but not the namespace as one step.
//!
//! **Invariant:** the cache holds its first state once each namespace that it was asked for was listed; what a namespace
//! brought is gone, with an event for each object, once the namespace is no longer asked for.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::WatchScope;
use super::reflector::{Change, Intake, Reflector, ReflectorHandle, ReflectorStatus, Sink};
use super::replacement::Incoming;
use super::shared::Shared;
use super::target::Cached;
use crate::kind::ObjectKey;

/// The namespaces that caches are of; shared by its clones, and changed while caches run. controller-runtime:
/// `cache.Options.DefaultNamespaces`.
///
/// ```no_run
/// # use k8s_openapi::api::core::v1::Pod;
/// # use kubewright::cache::{InformerFactory, NamespaceSet, WatchScope};
/// # async fn f(client: kube::Client) {
/// let namespaces = NamespaceSet::of(["team-a", "team-b"]);
/// namespaces.add_with("shared", WatchScope::all().labels("app=web"));
/// let factory = InformerFactory::builder(&client).namespaces(&namespaces).build();
/// let pods = factory.informer::<Pod>();
/// factory.start();
/// namespaces.remove("team-b"); // its pods are deleted from the cache
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct NamespaceSet {
    scopes: watch::Sender<BTreeMap<String, WatchScope>>,
}

impl NamespaceSet {
    /// No namespaces.
    pub fn new() -> Self {
        Self::default()
    }

    /// These namespaces.
    pub fn of<N: Into<String>>(namespaces: impl IntoIterator<Item = N>) -> Self {
        let set = Self::new();
        for namespace in namespaces {
            set.add(namespace);
        }
        set
    }

    /// Adds a namespace, with all its objects; false where it was there so.
    pub fn add(&self, namespace: impl Into<String>) -> bool {
        self.add_with(namespace, WatchScope::all())
    }

    /// Adds a namespace, with the objects that the selectors of `scope` select, or changes these; false where it was
    /// there so. Its `namespace` is passed over.
    pub fn add_with(&self, namespace: impl Into<String>, scope: WatchScope) -> bool {
        let namespace = namespace.into();
        let scope = WatchScope {
            namespace: Some(namespace.clone()),
            ..scope
        };
        self.scopes.send_if_modified(|scopes| {
            let added = scopes.get(&namespace) != Some(&scope);
            scopes.insert(namespace, scope);
            added
        })
    }

    /// Removes a namespace; false where it was not there.
    pub fn remove(&self, namespace: &str) -> bool {
        self.scopes
            .send_if_modified(|scopes| scopes.remove(namespace).is_some())
    }

    /// Each namespace with its selectors.
    pub(super) fn scopes(&self) -> Vec<WatchScope> {
        self.scopes.borrow().values().cloned().collect()
    }

    /// The namespaces, in order.
    pub fn names(&self) -> Vec<String> {
        self.scopes.borrow().keys().cloned().collect()
    }
}

/// How the cache of one namespace of several is.
#[derive(Clone, Debug)]
pub struct NamespaceStatus {
    /// The namespace.
    pub namespace: String,
    /// Whether it was listed since it was added.
    pub synced: bool,
    /// What its reflector says about itself, such as that it may not list.
    pub reflector: ReflectorStatus,
}

/// The namespaces that are followed now.
#[derive(Default)]
pub(super) struct Parts {
    parts: Mutex<BTreeMap<String, Followed>>,
}

struct Followed {
    handle: ReflectorHandle,
    listed: Arc<AtomicBool>,
}

impl Parts {
    pub(super) fn statuses(&self) -> Vec<NamespaceStatus> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |(namespace, part): (&String, &Followed)| NamespaceStatus {
            namespace: namespace.clone(),
            synced: part.listed.load(Ordering::Acquire),
            reflector: part.handle.status(),
        };
        parts.iter().map(status).collect()
    }

    /// All of them as one.
    pub(super) fn status(&self) -> ReflectorStatus {
        let mut all = ReflectorStatus::default();
        let mut errors = Vec::new();
        for part in self.statuses() {
            all.lists += part.reflector.lists;
            all.watches += part.reflector.watches;
            if let Some(error) = part.reflector.last_error {
                errors.push(format!("namespace {}: {error}", part.namespace));
            }
        }
        all.last_error = (!errors.is_empty()).then(|| errors.join("; "));
        all
    }
}

/// The part of a cache that one namespace fills.
struct Part<K: Cached> {
    shared: Arc<Shared<K>>,
    namespace: String,
    listed: Arc<AtomicBool>,
    changed: Arc<Notify>,
}

impl<K: Cached> Sink<K> for Part<K> {
    fn intake(&self) -> Intake<K> {
        self.shared.intake()
    }

    fn replace(&self, objects: Vec<Incoming<K>>, undecodable: &[ObjectKey]) {
        self.shared
            .replace_namespace(&self.namespace, objects, undecodable);
        self.listed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    fn apply(&self, changes: Vec<Change<K>>) {
        self.shared.apply(changes);
    }
}

/// Follows each namespace of `set`, with the reflectors that `make` gives, until `stop` is cancelled.
pub(super) async fn follow<K: Cached>(
    shared: Arc<Shared<K>>,
    set: NamespaceSet,
    parts: Arc<Parts>,
    make: impl Fn(&WatchScope, Arc<dyn Sink<K>>) -> Reflector<K>,
    stop: CancellationToken,
) {
    let mut wanted = set.scopes.subscribe();
    let changed = Arc::new(Notify::new());
    // Ended with this function.
    let mut tasks = JoinSet::new();
    let mut running = BTreeMap::<String, (WatchScope, CancellationToken, watch::Receiver<()>)>::new();
    loop {
        let scopes = wanted.borrow_and_update().clone();
        let outdated: Vec<_> = running
            .iter()
            .filter(|(namespace, (scope, ..))| scopes.get(*namespace) != Some(scope))
            .map(|(namespace, _)| namespace.clone())
            .collect();
        for namespace in outdated {
            let Some((_, end, mut ended)) = running.remove(&namespace) else {
                continue;
            };
            end.cancel();
            // Nothing of it is written after its task; the task's end drops the sender.
            drop(ended.changed().await);
            parts
                .parts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&namespace);
            if !scopes.contains_key(&namespace) {
                shared.forget(&namespace);
            }
        }
        for (namespace, scope) in scopes {
            if running.contains_key(&namespace) {
                continue;
            }
            let listed = Arc::new(AtomicBool::new(false));
            let part = Part {
                shared: Arc::clone(&shared),
                namespace: namespace.clone(),
                listed: Arc::clone(&listed),
                changed: Arc::clone(&changed),
            };
            let reflector = make(&scope, Arc::new(part));
            let (end, (running_until, ended)) = (stop.child_token(), watch::channel(()));
            parts.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(
                namespace.clone(),
                Followed {
                    handle: reflector.handle(),
                    listed,
                },
            );
            let until = end.clone();
            tasks.spawn(async move {
                let _running_until = running_until;
                reflector.run(until).await;
            });
            running.insert(namespace, (scope, end, ended));
        }
        loop {
            if parts.statuses().iter().all(|part| part.synced) {
                shared.complete();
            }
            tokio::select! {
                () = stop.cancelled() => {
                    // A list that is being taken over is not written after the end.
                    while tasks.join_next().await.is_some() {}
                    return;
                }
                changed = wanted.changed() => {
                    // Held by `set`.
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                () = changed.notified() => {}
                Some(ended) = tasks.join_next() => {
                    // As where one namespace is all there is: a watch that panics ends its cache.
                    if let Err(error) = ended
                        && let Ok(panic) = error.try_into_panic()
                    {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    }
}

/// Names of objects.
pub(super) fn names<K: Cached>(objects: &[Incoming<K>], others: &[ObjectKey]) -> HashSet<String> {
    let names = objects
        .iter()
        .map(|object| object.object.entry.identity().name.to_owned());
    names.chain(others.iter().map(|key| key.name.clone())).collect()
}
