//! Keeps a store equal to what the server has: list, then watch, then list again where that is the only way.
//!
//! A watch that ends is taken up at the last version that was seen, without a list, as often as it takes. A list
//! follows only where the server no longer knows that version (410), answers the watch with a failure that is not a
//! passing one, or breaks off three watches in a row before they brought anything.
//!
//! **Invariant:** each change on the server reaches the sink, in the server's order, or is covered by a later
//! replacement of everything.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::config::{InitialState, ReflectorConfig, WatchScope};
use super::gathered::Gathered;
use super::replacement::Incoming;
use super::store::Store;
use super::target::{Cached, Namespace, Target};
use super::transform::Transforming;
use super::version::ResourceVersion;
use super::wire::{Decoded, Line, Since, Watch, Wire, WireError, joined};
use crate::backoff::{LONGEST, random_share};
use crate::client::AsClient;
use crate::kind::{Kind, ObjectKey};

/// Makes of an object, on the thread that decoded it, what a whole list of them may wait as; gives the key where it
/// cannot be kept.
pub(super) type Intake<K> = Arc<dyn Fn(K) -> Result<Incoming<K>, ObjectKey> + Send + Sync>;

/// Where a reflector's changes go.
pub(crate) trait Sink<K>: Send + Sync {
    /// For the objects of one list.
    fn intake(&self) -> Intake<K>;
    /// Everything there is, but for `undecodable`, which stay as they were. Called on a thread of its own where that may
    /// take a while; nothing else is called until it returns.
    fn replace(&self, objects: Vec<Incoming<K>>, undecodable: &[ObjectKey]);
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

impl<K: Cached> Sink<K> for Store<K> {
    fn intake(&self) -> Intake<K> {
        let (store, decoded) = (self.clone(), AtomicUsize::new(0));
        let functions = store.writing().clone();
        Arc::new(move |object| Ok(store.incoming(object, &functions, &decoded)))
    }

    fn replace(&self, objects: Vec<Incoming<K>>, undecodable: &[ObjectKey]) {
        self.replacement(objects, undecodable).commit();
    }

    fn apply(&self, changes: Vec<Change<K>>) {
        for change in changes {
            match change {
                Change::Set(object) => drop(self.set(Arc::new(object))),
                Change::Gone(object) => {
                    let meta = object.meta();
                    self.unset(
                        meta.namespace.as_deref(),
                        meta.name.as_deref().unwrap_or_default(),
                    );
                }
                Change::GoneKey(key) => drop(self.unset(key.namespace.as_deref(), &key.name)),
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

/// Tells how a reflector is doing, while it runs and after.
#[derive(Clone, Debug)]
pub struct ReflectorHandle {
    status: watch::Receiver<ReflectorStatus>,
}

impl ReflectorHandle {
    pub(super) fn of(status: &watch::Sender<ReflectorStatus>) -> Self {
        Self {
            status: status.subscribe(),
        }
    }

    /// What the reflector says about itself.
    pub fn status(&self) -> ReflectorStatus {
        self.status.borrow().clone()
    }

    /// Whether the store holds the first state.
    pub fn has_synced(&self) -> bool {
        self.status.borrow().lists > 0
    }

    /// Waits until the store holds the first state; `false` where the reflector ended first.
    pub async fn wait_for_sync(&mut self) -> bool {
        self.status.wait_for(|status| status.lists > 0).await.is_ok()
    }
}

type Lines<K> = std::vec::IntoIter<Line<K>>;

/// After so many watches in a row that failed before they brought anything, everything is listed: the server may not
/// get past our version.
const STUCK: u32 = 3;

/// After so long without a failure the server is taken to be well, as client-go has it.
const QUIET: Duration = Duration::from_secs(120);

/// Lists and watches one kind into a [`Store`].
///
/// ```no_run
/// # use k8s_openapi::api::core::v1::Pod;
/// # use kubewright::cache::{Lister, Reflector, ReflectorConfig, Store, WatchScope};
/// # async fn f(client: kube::Client) {
/// let store = Store::<Pod>::new();
/// let reflector = Reflector::new(&client, &WatchScope::all(), ReflectorConfig::default(), store.clone());
/// let mut handle = reflector.handle();
/// let stop = tokio_util::sync::CancellationToken::new();
/// tokio::spawn(reflector.run(stop.clone()));
/// if handle.wait_for_sync().await {
///     println!("{} pods", Lister::new(store).len());
/// }
/// # }
/// ```
pub struct Reflector<K> {
    wire: Wire<K>,
    config: ReflectorConfig,
    sink: Arc<dyn Sink<K>>,
    status: Arc<watch::Sender<ReflectorStatus>>,
    /// Where the next watch begins; absent before the first list and after a 410.
    version: Option<ResourceVersion>,
    /// Whether the server may know how to begin a watch with the state.
    watch_list: bool,
    /// Whether the next attempt at the state is made in pages all the same.
    in_pages: bool,
    /// Watches in a row that failed before they brought anything.
    stuck: u32,
    last_expiry: Option<Instant>,
    failures: u32,
    last_failure: Option<Instant>,
    /// A list that is handed to the sink on another thread; nothing else is until that has ended.
    replacing: Option<JoinHandle<()>>,
}

impl<K: Kind> Reflector<K> {
    /// A reflector that fills `store`; it does nothing until it [runs](Self::run).
    pub fn new(client: &impl AsClient, scope: &WatchScope, config: ReflectorConfig, store: Store<K>) -> Self {
        store.keep(config.keep_decoded);
        let client = client.as_client().clone();
        Self::with_sink(client, Target::of::<K>(), scope, config, Arc::new(store))
    }
}

impl<K: Cached> Reflector<K> {
    pub(crate) fn with_sink(
        client: kube::Client,
        target: Target,
        scope: &WatchScope,
        config: ReflectorConfig,
        sink: Arc<dyn Sink<K>>,
    ) -> Self {
        let wire = Wire {
            client,
            target,
            namespace: scope.namespace.clone(),
            need: Namespace::WhereThereAre,
            request: None,
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
            in_pages: false,
            config,
            sink,
            status: Arc::default(),
            version: None,
            stuck: 0,
            last_expiry: None,
            failures: 0,
            last_failure: None,
            replacing: None,
        }
    }

    /// A kind without namespaces is an error.
    pub(super) fn in_namespaces_alone(mut self) -> Self {
        self.wire.need = Namespace::Needed;
        self
    }

    pub(super) fn with_status(mut self, status: Arc<watch::Sender<ReflectorStatus>>) -> Self {
        self.status = status;
        self
    }

    /// Changes each object before the store gets it. client-go: `SetTransform`.
    ///
    /// `transform` must leave namespace, name, uid and `resourceVersion` as they are. Where it does not, or panics, the
    /// store keeps what it held of that object. It runs where the watch is followed, so it should be quick.
    #[must_use]
    pub fn transform(mut self, transform: impl Fn(&mut K) + Send + Sync + 'static) -> Self {
        let sink = self.sink;
        let transform = Arc::new(transform);
        self.sink = Arc::new(Transforming { sink, transform });
        self
    }

    /// Tells how the reflector is doing.
    pub fn handle(&self) -> ReflectorHandle {
        ReflectorHandle {
            status: self.status.subscribe(),
        }
    }

    /// Lists and watches until `stop` is cancelled. Failures are logged and retried; it never gives up.
    ///
    /// A list that is being taken over when `stop` comes is taken over to its end; nothing is written after that.
    pub async fn run(mut self, stop: CancellationToken) {
        let cycles = async {
            loop {
                let Err(error) = self.cycle().await else { continue };
                let delay = self.failed(&error);
                tokio::time::sleep(delay).await;
            }
        };
        // Between two awaits changes are either with the sink or not yet read, so ending at any of them is safe; but for
        // a list that is being handed on, which would otherwise be written after the end.
        stop.run_until_cancelled(cycles).await;
        if self.replacing.is_some() {
            drop(self.replaced().await);
        }
    }

    fn failed(&mut self, error: &WireError) -> Duration {
        self.wire.failed(error);
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
            object.kind = %self.wire.target.name,
            error = %chain,
            retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            relist = self.version.is_none(),
            "list or watch failed"
        );
        self.status.send_modify(|status| status.last_error = Some(chain));
        delay
    }

    /// One watch from where the last one ended, preceded by a list where there is no such place.
    async fn cycle(&mut self) -> Result<(), WireError> {
        let Some(version) = self.version.clone() else {
            return if self.watch_list && !self.in_pages {
                self.watch_list().await
            } else {
                // One attempt: where it fails, the next one is the cheap one again.
                self.in_pages = false;
                self.list().await
            };
        };
        let began = Instant::now();
        let watch = match self
            .wire
            .watch(Since::Version(&version), self.watch_seconds())
            .await
        {
            Ok(watch) => watch,
            Err(error) => return self.lost(error),
        };
        self.opened();
        let ended = self.follow(watch).await;
        if self.version.as_ref() != Some(&version) {
            self.stuck = 0;
        }
        // A watch that ends at once without a word would otherwise be opened again in a tight loop.
        let short = began.elapsed() < Duration::from_secs(1);
        let error = match ended {
            Ok(progress) if progress || !short => return Ok(()),
            Ok(_) => WireError::Broken(std::io::ErrorKind::UnexpectedEof.into()),
            Err(error) => error,
        };
        // A connection that broke after it brought something says nothing about how the next one will fare.
        if self.version.as_ref() != Some(&version) && matches!(error, WireError::Broken(_)) {
            self.failures = 0;
        }
        let passing = error.is_patience() || (matches!(error, WireError::Broken(_)) && !short);
        if !passing && self.version.as_ref() == Some(&version) {
            self.stuck += 1;
            if self.stuck >= STUCK {
                self.stuck = 0;
                self.version = None;
            }
        }
        self.lost(error)
    }

    /// Decides what a failed watch leaves of our place in the history.
    fn lost(&mut self, error: WireError) -> Result<(), WireError> {
        if error.is_expired() {
            let now = Instant::now();
            let last = self.last_expiry.replace(now);
            // Listing is expensive; a server whose versions expire faster than that is left to recover.
            let again = last.is_some_and(|last| now - last <= QUIET);
            if self.version.take().is_some() && !again {
                tracing::info!(object.kind = %self.wire.target.name, error = %error, "watch expired; listing again");
                return Ok(());
            }
        }
        if !error.keeps_place() {
            self.version = None;
        }
        Err(error)
    }

    fn opened(&self) {
        self.status.send_modify(|status| {
            status.watches += 1;
            if status.lists > 0 {
                status.last_error = None;
            }
        });
    }

    fn watch_seconds(&self) -> u32 {
        let seconds = self.config.watch_timeout.as_secs_f64() * (1.0 + random_share());
        // The conversion stops at the largest number that fits.
        seconds.max(1.0) as u32
    }

    /// Watches from the state on, and falls back to pages where that does not give the state.
    ///
    /// client-go lists at once after each failure but those that ask for patience, and here likewise the next attempt
    /// is in pages. A server that does not know `sendInitialEvents` may ignore it; client-go waits for such a one.
    async fn watch_list(&mut self) -> Result<(), WireError> {
        let began = match self.wire.watch(Since::State, self.watch_seconds()).await {
            Ok(mut watch) => self.initial(&mut watch).await.map(|rest| (watch, rest)),
            Err(error) => Err(error),
        };
        match began {
            Ok((watch, Some(rest))) => {
                let ended = match self.changed(rest) {
                    Ok(()) => self.follow(watch).await.map(drop),
                    Err(error) => Err(error),
                };
                ended.or_else(|error| self.lost(error))
            }
            Ok((_, None)) => {
                self.in_pages = true;
                tracing::debug!(object.kind = %self.wire.target.name, "watch does not begin with the state; listing in pages");
                Ok(())
            }
            Err(error) if error.is_refusal() => {
                self.watch_list = false;
                tracing::debug!(object.kind = %self.wire.target.name, error = %error, "no watch-list; listing in pages");
                Ok(())
            }
            Err(error) => {
                self.in_pages = !error.is_patience();
                Err(error)
            }
        }
    }

    /// Collects the state from the beginning of a watch, and gives what came along after it; `None` where the state is
    /// not to be had from this watch.
    async fn initial(&mut self, watch: &mut Watch<K>) -> Result<Option<Lines<K>>, WireError> {
        self.opened();
        // An object may change before the state is complete.
        let mut state = Gathered::new();
        let intake = self.sink.intake();
        let mut known = 0;
        let mut deadline = after(self.config.initial_timeout);
        loop {
            let Ok(lines) = timeout_at(deadline, watch.lines()).await else {
                return Ok(None);
            };
            let lines = lines?;
            if lines.is_empty() {
                return Ok(None);
            }
            let (taken, lines) = take_in(lines, &intake).await?;
            for object in taken {
                match object {
                    Ok(object) => state.set(object),
                    Err(key) => state.undecodable(key),
                }
            }
            let mut lines = lines.into_iter();
            for line in &mut lines {
                match line {
                    Line::Set(object) => match intake(object) {
                        Ok(object) => state.set(object),
                        Err(key) => state.undecodable(key),
                    },
                    // As later: what is known of the object stays.
                    Line::Undecodable(key, _) => state.undecodable(key),
                    Line::Gone(object) => state.gone(&ObjectKey::of(&object)),
                    Line::GoneUndecodable(key, _) => state.gone(&key),
                    Line::Bookmark {
                        version,
                        initial_end: true,
                    } => {
                        self.synced(state.into_decoded(), Some(version)).await?;
                        return Ok(Some(lines));
                    }
                    // The first bookmark of a server that knows of the state's end is that end.
                    Line::Bookmark { .. } => {
                        self.watch_list = false;
                        return Ok(None);
                    }
                    Line::Failed(error) => return Err(error),
                }
            }
            // An object that changes once more is no progress: where the end never comes, that may go on for ever.
            if state.len() > known {
                known = state.len();
                deadline = after(self.config.initial_timeout);
            }
        }
    }

    /// Lists in pages: while one is decoded, the next is under way.
    async fn list(&mut self) -> Result<(), WireError> {
        let mut all = Decoded::new();
        let mut decoding: Option<JoinHandle<Result<Decoded<K>, WireError>>> = None;
        let mut next: Option<String> = None;
        let mut intake = self.sink.intake();
        let version = loop {
            let page = match self.wire.page(next.as_deref(), &intake).await {
                // The rest of the list is no longer available at its version: begin again.
                Err(error) if error.is_expired() && next.is_some() => {
                    tracing::info!(object.kind = %self.wire.target.name, "list expired between two pages; listing again");
                    all = Decoded::new();
                    intake = self.sink.intake();
                    decoding = None;
                    next = None;
                    // Against a server too slow for its own compaction, one whole answer is the way out.
                    self.wire.page_size = None;
                    continue;
                }
                page => page?,
            };
            if let Some(previous) = decoding.replace(page.decoding) {
                all.extend(joined(previous).await?);
            }
            next = page.head.next;
            if next.is_none() {
                break page.head.version;
            }
        };
        if let Some(last) = decoding {
            all.extend(joined(last).await?);
        }
        self.wire.page_size = self.config.page_size;
        self.synced(all, version).await
    }

    async fn synced(&mut self, all: Decoded<K>, version: Option<ResourceVersion>) -> Result<(), WireError> {
        /// So many are handed on faster than another thread begins.
        const FEW: usize = 256;
        tracing::debug!(
            object.kind = %self.wire.target.name,
            objects = all.objects.len(),
            version = version.as_ref().map(ResourceVersion::as_str).unwrap_or_default(),
            "listed"
        );
        // What a later list replaces may be more than it brings.
        let first = self.status.borrow().lists == 0;
        if first && all.objects.len() <= FEW {
            self.sink.replace(all.objects, &all.undecodable);
            self.listed();
        } else {
            let sink = Arc::clone(&self.sink);
            self.replacing = Some(spawn_blocking(move || {
                sink.replace(all.objects, &all.undecodable);
            }));
            self.replaced().await?;
        }
        // A list without a version (an aggregated server may do that) can only be watched from any version.
        self.version = Some(version.unwrap_or_else(|| ResourceVersion::from("0")));
        self.stuck = 0;
        Ok(())
    }

    /// Waits until the sink has the list that it is being handed. It may be given up and called again.
    ///
    /// # Panics
    /// Where the sink did, as if it had been called here.
    async fn replaced(&mut self) -> Result<(), WireError> {
        let Some(replacing) = &mut self.replacing else {
            return Ok(());
        };
        let ended = replacing.await;
        self.replacing = None;
        match ended.map_err(JoinError::try_into_panic) {
            Ok(()) => {
                self.listed();
                Ok(())
            }
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is going down.
            Err(Err(error)) => Err(WireError::Broken(std::io::Error::other(error))),
        }
    }

    fn listed(&self) {
        self.status.send_modify(|status| {
            status.lists += 1;
            status.last_error = None;
        });
    }

    /// Hands a watch's changes on until it ends, and says whether it brought anything.
    async fn follow(&mut self, mut watch: Watch<K>) -> Result<bool, WireError> {
        let mut progress = false;
        // The server ends the watch itself; past that, something between us and it holds on to a dead connection.
        let most = self.config.watch_timeout.saturating_mul(2);
        let latest = after(most.saturating_add(Duration::from_secs(10)));
        loop {
            let deadline = latest.min(after(self.config.idle_timeout));
            let Ok(lines) = timeout_at(deadline, watch.lines()).await else {
                tracing::debug!(object.kind = %self.wire.target.name, "watch is silent; opening it again");
                return Ok(true);
            };
            let lines = lines?;
            if lines.is_empty() {
                return Ok(progress);
            }
            progress = true;
            self.changed(lines.into_iter())?;
        }
    }

    /// Hands changes on, up to a failure among them.
    fn changed(&mut self, lines: Lines<K>) -> Result<(), WireError> {
        let mut changes = Vec::new();
        let mut failure = Ok(());
        for line in lines {
            match line {
                Line::Set(object) => {
                    self.seen(object.meta().resource_version.as_deref());
                    changes.push(Change::Set(object));
                }
                Line::Gone(object) => {
                    self.seen(object.meta().resource_version.as_deref());
                    changes.push(Change::Gone(object));
                }
                Line::Undecodable(_, version) => self.seen(version.as_ref().map(ResourceVersion::as_str)),
                Line::GoneUndecodable(key, version) => {
                    self.seen(version.as_ref().map(ResourceVersion::as_str));
                    changes.push(Change::GoneKey(key));
                }
                Line::Bookmark { version, .. } => self.version = Some(version),
                Line::Failed(error) => {
                    failure = Err(error);
                    break;
                }
            }
        }
        if !changes.is_empty() {
            self.sink.apply(changes);
        }
        failure
    }

    fn seen(&mut self, version: Option<&str>) {
        if let Some(version) = version {
            self.version = Some(version.into());
        }
    }
}

/// What lines begin with: objects that are there, taken in where that may take a while.
async fn take_in<K: Cached>(
    mut lines: Vec<Line<K>>,
    intake: &Intake<K>,
) -> Result<(Vec<Result<Incoming<K>, ObjectKey>>, Vec<Line<K>>), WireError> {
    const FEW: usize = 64;
    let other = lines.iter().position(|line| !matches!(line, Line::Set(_)));
    let rest = lines.split_off(other.unwrap_or(lines.len()));
    let count = lines.len();
    let objects = lines.into_iter().filter_map(|line| match line {
        Line::Set(object) => Some(object),
        _ => None,
    });
    let taken = match count {
        ..=FEW => objects.map(|object| intake(object)).collect(),
        _ => {
            let intake = Arc::clone(intake);
            joined(spawn_blocking(move || {
                Ok(objects.map(|object| intake(object)).collect())
            }))
            .await?
        }
    };
    Ok((taken, rest))
}

impl<K> Decoded<K> {
    fn new() -> Self {
        Self {
            objects: Vec::new(),
            undecodable: Vec::new(),
        }
    }

    fn extend(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.undecodable.extend(other.undecodable);
    }
}

/// So much later than now; a time that is never reached where that cannot be told.
pub(super) fn after(delay: Duration) -> Instant {
    Instant::now() + delay.min(LONGEST)
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

#[cfg(test)]
#[path = "reflector_tests.rs"]
mod tests;
