//! Figures for dashboards, under the names that client-go and controller-runtime gave them.
//!
//! ```
//! let mut registry = prometheus_client::registry::Registry::default();
//! let metrics = kubewright::metrics::Metrics::register(&mut registry);
//! // Controller::new(&factory, reconciler).metrics(&metrics)
//! let mut text = String::new();
//! prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
//! ```
//!
//! **Invariant:** labels are names of controllers, queues and results, never of objects.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use prometheus_client;

type FloatGauge = Gauge<f64, AtomicU64>;

/// The metrics of all controllers and queues of a process. Cloning gives the same figures.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    inner: Arc<Families>,
}

#[derive(Debug)]
struct Families {
    reconcile_total: Family<ResultLabels, Counter>,
    reconcile_errors_total: Family<ControllerLabels, Counter>,
    terminal_reconcile_errors_total: Family<ControllerLabels, Counter>,
    reconcile_panics_total: Family<ControllerLabels, Counter>,
    reconcile_timeouts_total: Family<ControllerLabels, Counter>,
    reconcile_time_seconds: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    active_workers: Family<ControllerLabels, Gauge>,
    max_concurrent_reconciles: Family<ControllerLabels, Gauge>,
    depth: Family<QueueLabels, Gauge>,
    adds_total: Family<QueueLabels, Counter>,
    retries_total: Family<QueueLabels, Counter>,
    queue_duration_seconds: Family<QueueLabels, Histogram, fn() -> Histogram>,
    work_duration_seconds: Family<QueueLabels, Histogram, fn() -> Histogram>,
    unfinished_work_seconds: Family<QueueLabels, FloatGauge>,
    longest_running_processor_seconds: Family<QueueLabels, FloatGauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    controller: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    name: String,
}

/// controller-runtime's buckets.
fn reconcile_seconds() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
        1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0,
        40.0, 50.0, 60.0,
    ])
}

/// Ten nanoseconds to a thousand seconds, in powers of ten, as client-go's.
fn queue_seconds() -> Histogram {
    Histogram::new((-8..=3).map(|exponent| 10_f64.powi(exponent)))
}

impl Default for Families {
    fn default() -> Self {
        let reconcile: fn() -> Histogram = reconcile_seconds;
        let queue: fn() -> Histogram = queue_seconds;
        Self {
            reconcile_total: Family::default(),
            reconcile_errors_total: Family::default(),
            terminal_reconcile_errors_total: Family::default(),
            reconcile_panics_total: Family::default(),
            reconcile_timeouts_total: Family::default(),
            reconcile_time_seconds: Family::new_with_constructor(reconcile),
            active_workers: Family::default(),
            max_concurrent_reconciles: Family::default(),
            depth: Family::default(),
            adds_total: Family::default(),
            retries_total: Family::default(),
            queue_duration_seconds: Family::new_with_constructor(queue),
            work_duration_seconds: Family::new_with_constructor(queue),
            unfinished_work_seconds: Family::default(),
            longest_running_processor_seconds: Family::default(),
        }
    }
}

impl Metrics {
    /// Metrics that nobody reads; what a controller uses that is given none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Metrics that `registry` encodes.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let families = &metrics.inner;
        // The encoder adds `_total` to counters.
        registry.register(
            "controller_runtime_reconcile",
            "Reconciliations, by result",
            families.reconcile_total.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Reconciliations that failed",
            families.reconcile_errors_total.clone(),
        );
        registry.register(
            "controller_runtime_terminal_reconcile_errors",
            "Reconciliations that failed for good",
            families.terminal_reconcile_errors_total.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_panics",
            "Reconciliations that panicked",
            families.reconcile_panics_total.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_timeouts",
            "Reconciliations that took too long",
            families.reconcile_timeouts_total.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Time that a reconciliation takes",
            families.reconcile_time_seconds.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Workers that reconcile now",
            families.active_workers.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Workers",
            families.max_concurrent_reconciles.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Keys that wait for a worker",
            families.depth.clone(),
        );
        registry.register(
            "workqueue_adds",
            "Keys that were added",
            families.adds_total.clone(),
        );
        registry.register(
            "workqueue_retries",
            "Keys that were added again after a failure",
            families.retries_total.clone(),
        );
        registry.register(
            "workqueue_queue_duration_seconds",
            "Time that a key waits for a worker",
            families.queue_duration_seconds.clone(),
        );
        registry.register(
            "workqueue_work_duration_seconds",
            "Time that a worker takes for a key",
            families.work_duration_seconds.clone(),
        );
        registry.register(
            "workqueue_unfinished_work_seconds",
            "Time that the keys in work have taken so far, together",
            families.unfinished_work_seconds.clone(),
        );
        registry.register(
            "workqueue_longest_running_processor_seconds",
            "Time that the longest running worker has taken so far",
            families.longest_running_processor_seconds.clone(),
        );
        metrics
    }

    /// The figures of one queue.
    pub fn queue(&self, name: &str) -> QueueMetrics {
        let labels = QueueLabels {
            name: name.to_owned(),
        };
        let families = &self.inner;
        QueueMetrics {
            depth: families.depth.get_or_create_owned(&labels),
            adds: families.adds_total.get_or_create_owned(&labels),
            retries: families.retries_total.get_or_create_owned(&labels),
            queue_duration: families.queue_duration_seconds.get_or_create_owned(&labels),
            work_duration: families.work_duration_seconds.get_or_create_owned(&labels),
            unfinished_work: families.unfinished_work_seconds.get_or_create_owned(&labels),
            longest_running: families
                .longest_running_processor_seconds
                .get_or_create_owned(&labels),
        }
    }

    pub(crate) fn controller(&self, name: &str) -> ControllerMetrics {
        let labels = ControllerLabels {
            controller: name.to_owned(),
        };
        let families = &self.inner;
        let result = |result| {
            families.reconcile_total.get_or_create_owned(&ResultLabels {
                controller: name.to_owned(),
                result,
            })
        };
        ControllerMetrics {
            success: result("success"),
            error: result("error"),
            requeue_after: result("requeue_after"),
            errors: families.reconcile_errors_total.get_or_create_owned(&labels),
            terminal_errors: families
                .terminal_reconcile_errors_total
                .get_or_create_owned(&labels),
            panics: families.reconcile_panics_total.get_or_create_owned(&labels),
            timeouts: families.reconcile_timeouts_total.get_or_create_owned(&labels),
            time: families.reconcile_time_seconds.get_or_create_owned(&labels),
            active_workers: families.active_workers.get_or_create_owned(&labels),
            max_concurrent: families.max_concurrent_reconciles.get_or_create_owned(&labels),
        }
    }
}

/// The figures of one queue.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    pub(crate) depth: Gauge,
    pub(crate) adds: Counter,
    pub(crate) retries: Counter,
    pub(crate) queue_duration: Histogram,
    pub(crate) work_duration: Histogram,
    pub(crate) unfinished_work: FloatGauge,
    pub(crate) longest_running: FloatGauge,
}

/// The figures of one controller.
#[derive(Clone, Debug)]
pub(crate) struct ControllerMetrics {
    pub(crate) success: Counter,
    pub(crate) error: Counter,
    pub(crate) requeue_after: Counter,
    pub(crate) errors: Counter,
    pub(crate) terminal_errors: Counter,
    pub(crate) panics: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) time: Histogram,
    pub(crate) active_workers: Gauge,
    pub(crate) max_concurrent: Gauge,
}
