//! The life of a controller: caches, workers, shutdown.
//!
//! **Invariant:** no worker starts before all caches hold their first state (SC-18), and none takes a key after the
//! shutdown began (SC-20).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kube::core::Status;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::context::{CacheId, Context, Shared};
use super::pause::{self, Paused, is_paused};
use super::share::Share;
use super::source::{Intake, each_change};
use super::trace::{Causes, KindNames};
use super::writes::{Turn, Writes};
use super::{Controller, ErrorPolicy, Reconciler, RunError, Settings, resync};
use crate::cache::chain;
use crate::events::EventRecorder;
use crate::guard::{guarded, message};
use crate::kind::ObjectKey;
use crate::manager::Working;
use crate::metrics::ControllerMetrics;
use crate::queue::{Item, WorkQueue};

/// How long the last events may take to be written at the end.
const FLUSH: Duration = Duration::from_secs(5);
/// How long reconciliations that exceed the grace period may take to be dropped. One that blocks its thread never is.
const DROP: Duration = Duration::from_secs(1);
/// What a task that feeds the queue is called in an error.
const SOURCE: &str = "a source of changes";

pub(super) async fn run<R: Reconciler>(
    controller: Controller<R>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let Controller {
        reconciler,
        factory,
        informer,
        filter,
        sources,
        watched,
        others: _,
        settings,
        recorder,
        expectations,
        shards,
        followed: _,
    } = controller;
    let stop = factory.stopped().child_token();
    let queue = WorkQueue::with(
        settings.rate_limit.clone(),
        settings
            .metrics
            .as_ref()
            .map(|metrics| metrics.queue(&settings.name)),
    );
    let recorder = recorder.unwrap_or_else(|| EventRecorder::new(factory.client(), &settings.name));

    let writes = Arc::new(Writes::new(settings.patience, queue.clone()));

    // Subscribed before the start, so that the first state comes as it is read. Dropped with this function.
    let mut feeds = JoinSet::new();
    let intake = Intake {
        controller: settings.name.clone(),
        queue: queue.clone(),
        writes: Arc::clone(&writes),
        expectations,
        share: shards.map(Share::new),
        causes: Arc::default(),
        kind: informer.target().into(),
    };
    for source in &sources {
        feeds.spawn(source.feed(intake.clone(), informer.lister()));
    }
    let period = settings.resync.unwrap_or_else(|| informer.resync_period());
    if let Some(period) = period.filter(|period| !period.is_zero()) {
        let (intake, informer, filter) = (intake.clone(), informer.clone(), filter.clone());
        feeds.spawn(async move {
            // One that stopped ends the feed of its changes as well, which tells.
            if informer.wait_for_sync().await.is_ok() {
                resync::spread(informer.lister(), period, |again| {
                    intake.look_again(&again, filter.as_ref());
                })
                .await;
            }
        });
    }
    if let Some(share) = &intake.share {
        // Heard of from before the first change that is left out.
        let (share, changes) = (share.clone(), share.listen());
        feeds.spawn(share.feed(changes, intake.clone(), informer.lister(), filter.clone()));
    }
    let filter = match &settings.pause {
        Some(annotation) => filter.map(|filter| filter.or(pause::turned(Arc::clone(annotation)))),
        None => filter,
    };
    let (share, causes, kind) = (
        intake.share.clone(),
        Arc::clone(&intake.causes),
        intake.kind.clone(),
    );
    // What comes again though nothing changed is spread by the above.
    let changes = informer.subscribe_as(each_change(None));
    feeds.spawn(intake.feed(
        changes,
        kind.clone(),
        |intake, change| intake.writes.delivered(CacheId::RECONCILED, change),
        filter,
        |_, change| vec![change.key()],
    ));
    factory.start();

    let name = settings.name.clone();
    let task_ended = |task, ended: Result<(), JoinError>| RunError::TaskEnded {
        controller: name,
        task,
        source: ended.err(),
    };
    let mut shutdown = std::pin::pin!(shutdown);
    // A factory that shuts down ends the wait as well.
    let synced = tokio::select! {
        biased;
        () = &mut shutdown => {
            // One that is ready in the same moment as the shutdown comes is no error.
            stop.cancel();
            factory.wait_for_sync(Duration::ZERO).await
        }
        synced = factory.wait_for_sync(settings.sync_timeout) => synced,
        // A cache was stopped, and would not fill before the end of the wait.
        Some(ended) = feeds.join_next() => match factory.wait_for_sync(Duration::ZERO).await {
            Ok(()) if !factory.stopped().is_cancelled() => return Err(task_ended(SOURCE, ended)),
            synced => synced,
        },
    };
    if let Err(source) = synced {
        return Err(RunError::CachesNotSynced {
            controller: settings.name,
            source,
        });
    }
    if stop.is_cancelled() {
        return Ok(());
    }
    tracing::info!(controller = %settings.name, workers = settings.workers, "caches synced; starting workers");

    let stopped = factory.stopped().clone();
    let worker = Arc::new(Worker {
        kind,
        reconciler,
        context: Context {
            shared: Arc::new(Shared {
                lister: informer.lister(),
                watched,
                factory,
                recorder: recorder.clone(),
                stop: stop.clone(),
                writes: Some(Arc::clone(&writes)),
            }),
            retries: 0,
            key: None,
        },
        writes,
        causes,
        paused: Paused::default(),
        metrics: settings
            .metrics
            .clone()
            .unwrap_or_default()
            .controller(&settings.name),
        queue: queue.clone(),
        share,
        settings: settings.clone(),
    });
    worker
        .metrics
        .max_concurrent
        .set(i64::try_from(settings.workers).unwrap_or(i64::MAX));
    let mut workers = JoinSet::new();
    for _ in 0..settings.workers {
        workers.spawn(Arc::clone(&worker).run(stop.clone()));
    }
    let observe = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            queue.observe();
        }
    };
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        () = shutdown => None,
        Some(ended) = feeds.join_next() => Some((SOURCE, ended)),
        Some(ended) = workers.join_next() => Some(("a worker", ended)),
        () = observe => None,
    };
    // Sources end with their factory too, perhaps a moment before `stop` is heard of.
    let ended = ended.filter(|_| !stopped.is_cancelled());

    tracing::info!(controller = %settings.name, "shutting down");
    stop.cancel();
    queue.shut_down();
    feeds.abort_all();
    let result = if join(&mut workers, settings.grace).await {
        Ok(())
    } else {
        let running = workers.len();
        workers.abort_all();
        join(&mut workers, DROP).await;
        Err(RunError::GraceExceeded {
            controller: settings.name.clone(),
            running,
            grace: settings.grace,
        })
    };
    if !recorder.flush(FLUSH).await {
        tracing::warn!(controller = %settings.name, "events that were not written in time are lost");
    }
    match ended {
        None => result,
        Some((task, ended)) => Err(task_ended(task, ended)),
    }
}

/// Waits until all tasks ended, at most for `deadline`; whether they did.
async fn join(tasks: &mut JoinSet<()>, deadline: Duration) -> bool {
    let all = async { while tasks.join_next().await.is_some() {} };
    tokio::time::timeout(deadline, all).await.is_ok()
}

/// What the workers of a controller share.
struct Worker<R: Reconciler> {
    kind: KindNames,
    reconciler: R,
    context: Context<R::Object>,
    writes: Arc<Writes>,
    causes: Arc<Causes>,
    paused: Paused,
    metrics: ControllerMetrics,
    queue: WorkQueue<ObjectKey>,
    share: Option<Share>,
    settings: Settings,
}

/// How a reconciliation that did not succeed ended.
enum Failure<E> {
    Error(E),
    Panic(String),
    Timeout(Duration),
    /// The key went to another replica meanwhile.
    Moved,
}

impl<R: Reconciler> Worker<R> {
    async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            // A reconciler that never waits, on keys that never end, would keep its thread from everybody else.
            tokio::task::consume_budget().await;
            // Biased: a key that waits must not be taken once the shutdown began.
            if stop.is_cancelled() {
                return;
            }
            let item = match self.queue.take_ready() {
                Some(item) => Some(item),
                None => tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    item = self.queue.get() => item,
                },
            };
            let Some(item) = item else { return };
            let working = match &self.share {
                None => None,
                Some(share) => match share.begin(item.key()) {
                    Some(working) => Some(working),
                    None => {
                        // What it has failed here is no matter to the others.
                        item.forget();
                        self.causes.forget(item.key());
                        continue;
                    }
                },
            };
            match self.writes.turn(item.key()) {
                Turn::Now => {}
                Turn::Late(writes) => tracing::warn!(
                    controller = %self.settings.name,
                    object = %item.key(),
                    writes,
                    "the caches do not show in time what was written; reconciling all the same"
                ),
                Turn::Held => {
                    tracing::trace!(controller = %self.settings.name, object = %item.key(), "held back until its writes show");
                    continue;
                }
            }
            if self.is_paused(item.key()) {
                // A failure before the pause is no matter after it.
                item.forget();
                self.causes.forget(item.key());
                continue;
            }
            self.metrics.active_workers.inc();
            let _active = Active(&self.metrics);
            let key = item.shared_key();
            let handled = async {
                let (name, causes) = (&self.settings.name, &self.causes);
                let span = causes.reconcile(name, &self.kind, item.key(), || item.num_requeues());
                self.process(item, working.as_ref()).instrument(span).await;
            };
            // The reconciler is guarded by itself. Other code of the user runs here too, such as a subscriber of
            // traces; the key must not be lost by it.
            if AssertUnwindSafe(handled).catch_unwind().await.is_err() {
                self.metrics.panics.inc();
                self.queue.add_rate_limited(ObjectKey::clone(&key));
            }
        }
    }

    fn is_paused(&self, key: &ObjectKey) -> bool {
        let Some(annotation) = &self.settings.pause else {
            return false;
        };
        let object = self.context.lister().get(key);
        let paused = object.is_some_and(|object| is_paused(&*object, annotation));
        self.paused.note(key, paused, &self.settings.name, &self.metrics);
        paused
    }

    async fn process(&self, item: Item<ObjectKey>, working: Option<&Working>) {
        let began = self.settings.metrics.is_some().then(Instant::now);
        let key = item.key();
        let result = match working {
            None => self.reconcile(&item).await,
            Some(working) => {
                let moved = working.cut().run_until_cancelled(self.reconcile(&item)).await;
                moved.unwrap_or(Err(Failure::Moved))
            }
        };
        if let Some(began) = began {
            self.metrics.time.observe(began.elapsed().as_secs_f64());
        }
        match result {
            Ok(action) => {
                item.forget();
                match action.requeue_after {
                    Some(delay) => {
                        self.metrics.requeue_after.inc();
                        self.queue.add_after(key.clone(), delay);
                    }
                    None => {
                        self.metrics.success.inc();
                    }
                }
            }
            Err(failure) => self.failed(&item, failure),
        }
    }

    async fn reconcile(&self, item: &Item<ObjectKey>) -> Result<super::Action, Failure<R::Error>> {
        let key = item.shared_key();
        let context = Context {
            shared: Arc::clone(&self.context.shared),
            retries: item.num_requeues(),
            key: Some(Arc::clone(&key)),
        };
        // The call itself is inside, since its part before the first await may panic, and so is its drop.
        let call = async {
            let call = self.reconciler.reconcile(&key, &context);
            match self.settings.reconcile_timeout {
                Some(timeout) => match tokio::time::timeout(timeout, call).await {
                    Ok(result) => result.map_err(Failure::Error),
                    Err(_) => Err(Failure::Timeout(timeout)),
                },
                None => call.await.map_err(Failure::Error),
            }
        };
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => Err(Failure::Panic(message(&*panic))),
        }
    }

    fn failed(&self, item: &Item<ObjectKey>, failure: Failure<R::Error>) {
        let key = item.key();
        if let Failure::Moved = failure {
            tracing::warn!("reconciliation was dropped: the key is another replica's now");
            self.metrics.error.inc();
            return item.forget();
        }
        self.metrics.error.inc();
        self.metrics.errors.inc();
        let policy = match &failure {
            Failure::Error(error) => {
                guarded(|| self.reconciler.error_policy(key, error)).unwrap_or(ErrorPolicy::Backoff)
            }
            Failure::Panic(_) | Failure::Timeout(_) | Failure::Moved => ErrorPolicy::Backoff,
        };
        let note = match failure {
            Failure::Error(error) => {
                let (error, raced) = guarded(|| {
                    let error = error.into();
                    (chain(&*error), lost_a_race(&*error))
                })
                .unwrap_or_else(|panic| (format!("an error that cannot be printed: {panic}"), false));
                match policy {
                    ErrorPolicy::Terminal => tracing::error!(error, "reconciliation failed for good"),
                    // The next try begins from the newer state: a matter of course, not one to look into.
                    _ if raced => tracing::info!(error, "reconciliation met a newer state; trying again"),
                    _ => tracing::error!(error, "reconciliation failed"),
                }
                (!raced).then_some(error)
            }
            Failure::Panic(message) => {
                self.metrics.panics.inc();
                tracing::error!(panic = message, "reconciliation panicked");
                Some(format!("reconciliation panicked: {message}"))
            }
            Failure::Timeout(after) => {
                self.metrics.timeouts.inc();
                tracing::error!(?after, "reconciliation took too long");
                Some(format!("reconciliation took longer than {after:?}"))
            }
            Failure::Moved => None,
        };
        if let Some(note) = note {
            self.tell(item, policy, note);
        }
        match policy {
            ErrorPolicy::Backoff => self.queue.add_rate_limited(key.clone()),
            ErrorPolicy::After(delay) => self.queue.retry_after(key.clone(), delay),
            ErrorPolicy::Terminal => {
                self.metrics.terminal_errors.inc();
                item.forget();
            }
        }
    }
}

impl<R: Reconciler> Worker<R> {
    /// Tells people of a failure that is not the first one in a row.
    fn tell(&self, item: &Item<ObjectKey>, policy: ErrorPolicy, note: String) {
        let Some(from) = self.settings.failure_events else {
            return;
        };
        let failures = item.num_requeues().saturating_add(1);
        if policy != ErrorPolicy::Terminal && failures < from {
            return;
        }
        // An Event is about an object with its UID; of one that is gone there is nothing to describe.
        if let Some(object) = self.context.lister().get(item.key()) {
            let recorder = self.context.recorder();
            recorder.warning(&*object, "ReconcileFailed", "Reconcile", note);
        }
    }
}

/// Whether a server refused a write because the object is no longer, or not yet, what the caches hold.
fn lost_a_race(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let boxed = error.downcast_ref::<Box<Status>>().map(|status| &**status);
        boxed
            .or_else(|| error.downcast_ref::<Status>())
            .is_some_and(|status| status.is_conflict() || status.is_already_exists())
    })
}

/// Counts a worker as active, also where its task is aborted.
struct Active<'a>(&'a ControllerMetrics);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active_workers.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{ClientError, ObjectRef, Operation};

    #[derive(Debug, thiserror::Error)]
    enum SyncError {
        #[error(transparent)]
        Client(ClientError),
        #[error("write")]
        Write(#[source] kube::Error),
    }

    #[test]
    fn a_lost_race_is_told_by_the_servers_answer() {
        let raced = |reason: &str, code| {
            let status = Status::failure("no", reason).with_code(code).boxed();
            let client = ClientError::Refused {
                operation: Operation::Update,
                object: Box::new(ObjectRef::new::<k8s_openapi::api::core::v1::ConfigMap>(
                    None, "a", None,
                )),
                source: status.clone(),
            };
            let told = lost_a_race(&SyncError::Client(client));
            assert_eq!(told, lost_a_race(&SyncError::Write(kube::Error::Api(status))));
            told
        };
        assert!(raced("Conflict", 409));
        assert!(raced("AlreadyExists", 409));
        assert!(!raced("Forbidden", 403));
        assert!(!raced("Invalid", 422));
    }
}
