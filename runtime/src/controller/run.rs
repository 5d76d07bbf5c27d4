//! The life of a controller: caches, workers, shutdown.
//!
//! **Invariant:** no worker starts before all caches hold their first state (SC-18), and none takes a key after the
//! shutdown began (SC-20).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::context::{Context, Shared};
use super::source::{synced, unsynced};
use super::{Controller, ErrorPolicy, Reconciler, RunError, Settings};
use crate::cache::{NotSynced, UnsyncedKind, chain};
use crate::events::EventRecorder;
use crate::kind::ObjectKey;
use crate::metrics::ControllerMetrics;
use crate::queue::{Item, WorkQueue};

/// How long the last events may take to be written at the end.
const FLUSH: Duration = Duration::from_secs(5);

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
        settings,
        recorder,
    } = controller;
    let stop = factory.stopped().child_token();
    let queue = WorkQueue::with(
        settings.rate_limit.clone(),
        settings.metrics.queue(&settings.name),
    );
    let recorder = recorder.unwrap_or_else(|| EventRecorder::new(factory.client(), &settings.name));

    // Subscribed before the start, so that the first state comes as it is read. Dropped with this function.
    let mut feeds = JoinSet::new();
    {
        let queue = queue.clone();
        let mut changes = match settings.resync {
            Some(period) => informer.subscribe_with(period),
            None => informer.subscribe(),
        };
        feeds.spawn(async move {
            while let Some(delta) = changes.recv().await {
                if filter.as_ref().is_none_or(|filter| filter.accepts(&delta)) {
                    queue.add(delta.key());
                }
            }
        });
    }
    for source in &sources {
        feeds.spawn(source.feed(queue.clone(), informer.lister()));
    }
    factory.start();

    let mut shutdown = std::pin::pin!(shutdown);
    let caches = join_all(
        sources
            .iter()
            .map(|source| source.synced())
            .chain([synced(&informer)]),
    );
    let ready = tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = &mut shutdown => false,
        ready = tokio::time::timeout(settings.sync_timeout, caches) => ready.is_ok(),
    };
    let all = sources
        .iter()
        .map(|source| source.unsynced())
        .chain([unsynced(&informer)]);
    let mut kinds: Vec<UnsyncedKind> = all.flatten().collect();
    if !ready || !kinds.is_empty() {
        kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
        return match kinds.is_empty() {
            // The caches were ready in the same moment as the shutdown came.
            true => Ok(()),
            false => Err(RunError::CachesNotSynced {
                controller: settings.name,
                source: NotSynced { kinds },
            }),
        };
    }
    tracing::info!(controller = %settings.name, workers = settings.workers, "caches synced; starting workers");

    let worker = Arc::new(Worker {
        kind: <R::Object as kube::Resource>::kind(&()).into_owned(),
        reconciler,
        context: Context {
            shared: Arc::new(Shared {
                lister: informer.lister(),
                factory,
                recorder: recorder.clone(),
                stop: stop.clone(),
            }),
            retries: 0,
        },
        metrics: settings.metrics.controller(&settings.name),
        queue: queue.clone(),
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
    tokio::select! {
        () = stop.cancelled() => {}
        () = shutdown => {}
        () = observe => {}
    }

    tracing::info!(controller = %settings.name, "shutting down");
    stop.cancel();
    queue.shut_down();
    feeds.abort_all();
    let ended = tokio::time::timeout(settings.grace, async {
        while workers.join_next().await.is_some() {}
    });
    let result = match ended.await {
        Ok(()) => Ok(()),
        Err(_) => {
            let running = workers.len();
            workers.shutdown().await;
            Err(RunError::GraceExceeded {
                controller: settings.name.clone(),
                running,
                grace: settings.grace,
            })
        }
    };
    if !recorder.flush(FLUSH).await {
        tracing::warn!(controller = %settings.name, "events that were not written in time are lost");
    }
    result
}

/// What the workers of a controller share.
struct Worker<R: Reconciler> {
    kind: String,
    reconciler: R,
    context: Context<R::Object>,
    metrics: ControllerMetrics,
    queue: WorkQueue<ObjectKey>,
    settings: Settings,
}

/// How a reconciliation that did not succeed ended.
enum Failure<E> {
    Error(E),
    Panic(String),
    Timeout(Duration),
}

impl<R: Reconciler> Worker<R> {
    async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            // Biased: a key that waits must not be taken once the shutdown began.
            let item = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                item = self.queue.get() => item,
            };
            let Some(item) = item else { return };
            self.metrics.active_workers.inc();
            let _active = Active(&self.metrics);
            let span = self.span(item.key());
            self.process(item).instrument(span).await;
        }
    }

    fn span(&self, key: &ObjectKey) -> tracing::Span {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        tracing::info_span!(
            "reconcile",
            controller = %self.settings.name,
            object.kind = %self.kind,
            object.namespace = key.namespace.as_deref().unwrap_or_default(),
            object.name = %key.name,
            reconcile.id = NEXT.fetch_add(1, Ordering::Relaxed),
        )
    }

    async fn process(&self, item: Item<ObjectKey>) {
        let began = Instant::now();
        let key = item.key();
        let result = self.reconcile(key).await;
        self.metrics.time.observe(began.elapsed().as_secs_f64());
        match result {
            Ok(action) => {
                self.queue.forget(key);
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
            Err(failure) => self.failed(key, failure),
        }
    }

    async fn reconcile(&self, key: &ObjectKey) -> Result<super::Action, Failure<R::Error>> {
        let context = Context {
            shared: Arc::clone(&self.context.shared),
            retries: self.queue.num_requeues(key),
        };
        // The reconciler starts anew from the present state with each call, so a panic leaves nothing half done
        // that a kill would not leave as well. The call itself is inside: its part before the first await may panic.
        let call = AssertUnwindSafe(async { self.reconciler.reconcile(key, &context).await }).catch_unwind();
        let result = match self.settings.reconcile_timeout {
            Some(timeout) => match tokio::time::timeout(timeout, call).await {
                Ok(result) => result,
                Err(_) => return Err(Failure::Timeout(timeout)),
            },
            None => call.await,
        };
        match result {
            Ok(Ok(action)) => Ok(action),
            Ok(Err(error)) => Err(Failure::Error(error)),
            Err(panic) => Err(Failure::Panic(message(&*panic))),
        }
    }

    fn failed(&self, key: &ObjectKey, failure: Failure<R::Error>) {
        self.metrics.error.inc();
        self.metrics.errors.inc();
        let policy = match &failure {
            Failure::Error(error) => {
                let policy = AssertUnwindSafe(|| self.reconciler.error_policy(key, error));
                std::panic::catch_unwind(policy).unwrap_or(ErrorPolicy::Backoff)
            }
            Failure::Panic(_) | Failure::Timeout(_) => ErrorPolicy::Backoff,
        };
        match failure {
            Failure::Error(error) => {
                let error: Box<dyn std::error::Error + Send + Sync> = error.into();
                let error = chain(&*error);
                match policy {
                    ErrorPolicy::Terminal => tracing::error!(error, "reconciliation failed for good"),
                    _ => tracing::error!(error, "reconciliation failed"),
                }
            }
            Failure::Panic(message) => {
                self.metrics.panics.inc();
                tracing::error!(panic = message, "reconciliation panicked");
            }
            Failure::Timeout(after) => {
                self.metrics.timeouts.inc();
                tracing::error!(?after, "reconciliation took too long");
            }
        }
        match policy {
            ErrorPolicy::Backoff => self.queue.add_rate_limited(key.clone()),
            ErrorPolicy::After(delay) => self.queue.add_after(key.clone(), delay),
            ErrorPolicy::Terminal => {
                self.metrics.terminal_errors.inc();
                self.queue.forget(key);
            }
        }
    }
}

/// Counts a worker as active, also where its task is aborted.
struct Active<'a>(&'a ControllerMetrics);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active_workers.dec();
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "not a text".to_owned())
}
