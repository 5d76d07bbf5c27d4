//! Keeps a store equal to what the server has: list, then watch, then list again where that is the only way.
//!
//! A watch that ends is taken up at the last version that was seen, without a list, as often as it takes. A list
//! follows only where the server no longer knows that version (410), or answers the watch with a failure that is
//! not a passing one.
//!
//! **Invariant:** each change on the server reaches the sink, in the server's order, or is covered by a later
//! replacement of everything.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::store::Store;
use super::trim::Trim;
use super::version::ResourceVersion;
use super::wire::{Decoded, Line, Since, Watch, Wire, WireError};
use crate::backoff::{Backoff, random_share};
use crate::client::AsClient;
use crate::kind::{Kind, ObjectKey, Scope};

/// Which objects of a kind are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WatchScope {
    /// One namespace; all where absent. Must be absent for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Label selector, as the server takes it.
    pub labels: Option<String>,
    /// Field selector, as the server takes it.
    pub fields: Option<String>,
}

impl WatchScope {
    /// All objects.
    pub fn all() -> Self {
        Self::default()
    }

    /// The objects of one namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self {
            namespace: Some(namespace.into()),
            ..Self::default()
        }
    }

    /// Only objects whose labels match.
    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.labels = Some(selector.into());
        self
    }

    /// Only objects whose fields match.
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = Some(selector.into());
        self
    }
}

/// How the first state is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum InitialState {
    /// As the beginning of the watch (`sendInitialEvents`, KEP-3157), which costs the server least; in pages where
    /// the server refuses that.
    #[default]
    WatchList,
    /// In pages.
    Pages,
}

/// How a reflector lists and watches.
#[derive(Clone, Debug)]
pub struct ReflectorConfig {
    /// How the first state is fetched. Default [`InitialState::WatchList`].
    pub initial: InitialState,
    /// Objects per page of a list; `None` asks for all at once. Default 500, as client-go's pager.
    pub page_size: Option<u32>,
    /// Delays after failures. Default [`Backoff::reflector`]; begins anew after two quiet minutes.
    pub backoff: Backoff,
    /// How long a request may go without an answer (for a list: without its whole page). Default 60 s.
    pub request_timeout: Duration,
    /// After how long the server is asked to end a watch, up to as much again at random. Default 5 min, as
    /// client-go.
    pub watch_timeout: Duration,
    /// After how long without a byte a watch is given up and taken up again, so that a connection that died
    /// without a word is noticed. Default 150 s: servers send bookmarks about each minute.
    pub idle_timeout: Duration,
    /// What is left out of the objects.
    pub trim: Trim,
}

impl Default for ReflectorConfig {
    fn default() -> Self {
        Self {
            initial: InitialState::default(),
            page_size: Some(500),
            backoff: Backoff::reflector(),
            request_timeout: Duration::from_secs(60),
            watch_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(150),
            trim: Trim::default(),
        }
    }
}

/// Where a reflector's changes go.
pub(crate) trait Sink<K>: Send + Sync {
    /// Everything there is, but for `undecodable`, which stay as they were.
    fn replace(&self, objects: Vec<K>, undecodable: &[ObjectKey]);
    /// Changes in the server's order.
    fn apply(&self, changes: Vec<Change<K>>);
}

/// One change that a watch brought.
#[derive(Debug)]
pub(crate) enum Change<K> {
    Set(K),
    Gone(K),
    /// Gone, its last state unknown.
    GoneKey(ObjectKey),
}

impl<K: Kind> Sink<K> for Store<K> {
    fn replace(&self, objects: Vec<K>, undecodable: &[ObjectKey]) {
        Store::replace(self, objects, undecodable);
    }

    fn apply(&self, changes: Vec<Change<K>>) {
        for change in changes {
            match change {
                Change::Set(object) => drop(self.insert(Arc::new(object))),
                Change::Gone(object) => {
                    let meta = object.meta();
                    self.remove(
                        meta.namespace.as_deref(),
                        meta.name.as_deref().unwrap_or_default(),
                    );
                }
                Change::GoneKey(key) => drop(self.remove(key.namespace.as_deref(), &key.name)),
            }
        }
    }
}

/// What a reflector says about itself.
#[derive(Clone, Debug, Default)]
pub struct ReflectorStatus {
    /// Why the last attempt failed, where none has succeeded since.
    pub last_error: Option<String>,
    /// How often everything was listed.
    pub lists: u64,
    /// How often a watch was opened.
    pub watches: u64,
}

/// Lists and watches one kind into a [`Store`].
pub struct Reflector<K> {
    wire: Wire<K>,
    config: ReflectorConfig,
    sink: Arc<dyn Sink<K>>,
    status: Arc<Mutex<ReflectorStatus>>,
    /// Where the next watch begins; absent before the first list and after a 410.
    version: Option<ResourceVersion>,
    watch_list: bool,
    failures: u32,
    last_failure: Option<Instant>,
}

impl<K: Kind> Reflector<K> {
    /// A reflector that fills `store`; it does nothing until it [runs](Self::run).
    pub fn new(client: &impl AsClient, scope: &WatchScope, config: ReflectorConfig, store: Store<K>) -> Self {
        Self::with_sink(client.as_client().clone(), scope, config, Arc::new(store))
    }

    pub(crate) fn with_sink(
        client: kube::Client,
        scope: &WatchScope,
        config: ReflectorConfig,
        sink: Arc<dyn Sink<K>>,
    ) -> Self {
        let namespace = scope
            .namespace
            .as_deref()
            .filter(|_| <K::Scope as Scope>::NAMESPACED);
        let wire = Wire {
            client,
            request: kube::core::Request::new(K::url_path(&(), namespace)),
            label_selector: scope.labels.clone(),
            field_selector: scope.fields.clone(),
            page_size: config.page_size,
            deadline: config.request_timeout,
            trim: config.trim,
            kind: PhantomData,
        };
        Self {
            wire,
            watch_list: config.initial == InitialState::WatchList,
            config,
            sink,
            status: Arc::default(),
            version: None,
            failures: 0,
            last_failure: None,
        }
    }

    pub(crate) fn status(&self) -> Arc<Mutex<ReflectorStatus>> {
        Arc::clone(&self.status)
    }

    /// Lists and watches until `stop` is cancelled. Failures are logged and retried; it never gives up.
    pub async fn run(mut self, stop: CancellationToken) {
        let cycles = async {
            loop {
                let Err(error) = self.cycle().await else { continue };
                let delay = self.failed(&error);
                tokio::time::sleep(delay).await;
            }
        };
        // Between two awaits changes are either with the sink or not yet read, so ending at any of them is safe.
        stop.run_until_cancelled(cycles).await;
    }

    fn failed(&mut self, error: &WireError) -> Duration {
        const QUIET: Duration = Duration::from_secs(120);
        let now = Instant::now();
        if self.last_failure.is_some_and(|last| now - last > QUIET) {
            self.failures = 0;
        }
        self.last_failure = Some(now);
        let backoff = self.config.backoff.jittered(self.failures);
        self.failures = self.failures.saturating_add(1);
        let delay = backoff.max(error.retry_after().unwrap_or_default());
        let chain = chain(error);
        tracing::warn!(
            object.kind = %K::kind(&()),
            error = %chain,
            retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            relist = self.version.is_none(),
            "list or watch failed"
        );
        self.with_status(|status| status.last_error = Some(chain));
        delay
    }

    fn with_status(&self, change: impl FnOnce(&mut ReflectorStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One watch from where the last one ended, preceded by a list where there is no such place.
    async fn cycle(&mut self) -> Result<(), WireError> {
        let began = Instant::now();
        let seconds = self.watch_seconds();
        let ended = match self.version.clone() {
            None if self.watch_list => {
                let ended = match self.wire.watch(Since::State, seconds).await {
                    Ok(watch) => self.follow(watch, Some(Decoded::new())).await,
                    Err(error) => Err(error),
                };
                match ended {
                    Err(error) if self.version.is_none() && error.is_refusal() => {
                        tracing::debug!(object.kind = %K::kind(&()), error = %error, "no watch-list; listing in pages");
                        self.watch_list = false;
                        return Ok(());
                    }
                    ended => ended,
                }
            }
            None => {
                self.list().await?;
                return Ok(());
            }
            Some(version) => {
                let watch = match self.wire.watch(Since::Version(&version), seconds).await {
                    Ok(watch) => watch,
                    Err(error) => return self.lost(error),
                };
                self.follow(watch, None).await
            }
        };
        match ended {
            Ok(progress) => {
                // A watch that ends at once without a word would otherwise be opened again in a tight loop.
                if !progress && began.elapsed() < Duration::from_secs(1) {
                    let error = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                    return Err(WireError::Broken(error));
                }
                Ok(())
            }
            Err(error) => self.lost(error),
        }
    }

    /// Decides what a failed watch leaves of our place in the history.
    fn lost(&mut self, error: WireError) -> Result<(), WireError> {
        if error.is_expired() && self.version.take().is_some() {
            tracing::info!(object.kind = %K::kind(&()), error = %error, "watch expired; listing again");
            return Ok(());
        }
        if !error.keeps_place() {
            self.version = None;
        }
        Err(error)
    }

    fn watch_seconds(&self) -> u32 {
        let timeout = self.config.watch_timeout.mul_f64(1.0 + random_share());
        u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX).max(1)
    }

    /// Lists in pages: while one is decoded, the next is under way.
    async fn list(&mut self) -> Result<(), WireError> {
        let mut all = Decoded::new();
        let mut decoding: Option<tokio::task::JoinHandle<Result<Decoded<K>, WireError>>> = None;
        let mut next: Option<String> = None;
        let version = loop {
            let page = match self.wire.page(next.as_deref()).await {
                // The rest of the list is no longer available at its version: begin again.
                Err(error) if error.is_expired() && next.is_some() => {
                    tracing::info!(object.kind = %K::kind(&()), "list expired between two pages; listing again");
                    all = Decoded::new();
                    decoding = None;
                    next = None;
                    // Against a server too slow for its own compaction, one whole answer is the way out.
                    self.wire.page_size = None;
                    continue;
                }
                page => page?,
            };
            next = page.next.clone();
            let version = page.version.clone();
            if let Some(previous) = decoding.replace(self.wire.decode(page)) {
                all.extend(joined(previous).await?);
            }
            if next.is_none() {
                break version;
            }
        };
        if let Some(last) = decoding {
            all.extend(joined(last).await?);
        }
        self.wire.page_size = self.config.page_size;
        self.synced(all, version);
        Ok(())
    }

    fn synced(&mut self, all: Decoded<K>, version: Option<ResourceVersion>) {
        tracing::debug!(
            object.kind = %K::kind(&()),
            objects = all.objects.len(),
            version = version.as_ref().map(ResourceVersion::as_str).unwrap_or_default(),
            "listed"
        );
        self.sink.replace(all.objects, &all.undecodable);
        // A list without a version (an aggregated server may do that) can only be watched from any version.
        self.version = Some(version.unwrap_or_else(|| ResourceVersion::from("0")));
        self.with_status(|status| {
            status.lists += 1;
            status.last_error = None;
        });
    }

    /// Hands a watch's changes on until it ends, and says whether it brought anything. `initial` collects the
    /// first state where the watch began with it.
    async fn follow(
        &mut self,
        mut watch: Watch<K>,
        mut initial: Option<Decoded<K>>,
    ) -> Result<bool, WireError> {
        self.with_status(|status| {
            status.watches += 1;
            if status.lists > 0 {
                status.last_error = None;
            }
        });
        let mut progress = false;
        // The server ends the watch itself; past that, something between us and it holds on to a dead connection.
        let latest = Instant::now() + self.config.watch_timeout * 2 + Duration::from_secs(10);
        loop {
            let deadline = latest.min(Instant::now() + self.config.idle_timeout);
            let lines = match timeout_at(deadline, watch.lines()).await {
                Ok(lines) => lines?,
                Err(_) if initial.is_some() => {
                    // A server that does not know `sendInitialEvents` never says that the state is complete.
                    self.watch_list = false;
                    return Err(WireError::NoAnswer(self.config.idle_timeout));
                }
                Err(_) => {
                    tracing::debug!(object.kind = %K::kind(&()), "watch is silent; opening it again");
                    return Ok(true);
                }
            };
            if lines.is_empty() {
                return match initial {
                    Some(_) => Err(WireError::Broken(std::io::ErrorKind::UnexpectedEof.into())),
                    None => Ok(progress),
                };
            }
            let mut changes = Vec::new();
            let mut failure = None;
            for line in lines {
                match line {
                    Line::Set(object) => match &mut initial {
                        Some(state) => state.objects.push(object),
                        None => {
                            self.seen(object.meta().resource_version.as_deref());
                            changes.push(Change::Set(object));
                        }
                    },
                    Line::Gone(object) => match &mut initial {
                        Some(state) => state.forget(&ObjectKey::of(&object)),
                        None => {
                            self.seen(object.meta().resource_version.as_deref());
                            changes.push(Change::Gone(object));
                        }
                    },
                    Line::Undecodable(key, version) => match &mut initial {
                        Some(state) => state.undecodable.push(key),
                        None => self.seen(version.as_ref().map(ResourceVersion::as_str)),
                    },
                    Line::GoneUndecodable(key, version) => match &mut initial {
                        Some(state) => state.forget(&key),
                        None => {
                            self.seen(version.as_ref().map(ResourceVersion::as_str));
                            changes.push(Change::GoneKey(key));
                        }
                    },
                    Line::Bookmark { version, initial_end } => {
                        if initial_end && let Some(state) = initial.take() {
                            self.synced(state, Some(version));
                        } else if initial.is_none() {
                            self.version = Some(version);
                        }
                    }
                    Line::Failed(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            progress = true;
            if !changes.is_empty() {
                self.sink.apply(changes);
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
    }

    fn seen(&mut self, version: Option<&str>) {
        if let Some(version) = version {
            self.version = Some(version.into());
        }
    }
}

impl<K: Kind> Decoded<K> {
    fn new() -> Self {
        Self {
            objects: Vec::new(),
            undecodable: Vec::new(),
        }
    }

    /// Drops an object that was deleted before the state was complete; servers hardly ever send that.
    fn forget(&mut self, key: &ObjectKey) {
        self.objects.retain(|object| ObjectKey::of(object) != *key);
        self.undecodable.retain(|other| other != key);
    }

    fn extend(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.undecodable.extend(other.undecodable);
    }
}

async fn joined<K>(
    task: tokio::task::JoinHandle<Result<Decoded<K>, WireError>>,
) -> Result<Decoded<K>, WireError> {
    match task.await {
        Ok(decoded) => decoded,
        // A type's own decoder panicked, which the reflector must survive as any other failure.
        Err(panic) => Err(WireError::Broken(std::io::Error::other(panic))),
    }
}

/// An error and all its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
