//! What webhooks count, under controller-runtime's names where it has one.
//!
//! **Invariant:** labels are paths that are served, status codes and reasons, never names of objects or paths that
//! a client made up.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::convert::{Dropped, Observer};

/// The figures of a [`WebhookServer`](super::WebhookServer). Cloning gives the same figures.
///
/// ```
/// use kubewright::metrics::prometheus_client::registry::Registry;
/// use kubewright::webhook::WebhookMetrics;
///
/// let mut registry = Registry::default();
/// let metrics = WebhookMetrics::register(&mut registry);
/// // WebhookServer::new(tls).metrics(&metrics)
/// ```
#[derive(Clone, Debug, Default)]
pub struct WebhookMetrics {
    inner: Arc<Families>,
}

#[derive(Debug)]
struct Families {
    requests: Family<RequestLabels, Counter>,
    latency: Family<PathLabels, Histogram, fn() -> Histogram>,
    in_flight: Family<PathLabels, Gauge>,
    panics: Counter,
    certificate_reads: Counter,
    certificate_read_errors: Counter,
    certificate_not_after: Gauge,
    conversion_panics: Counter,
    conversion_dropped: Family<DroppedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    webhook: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabels {
    webhook: String,
}

/// The Prometheus client's default buckets, which controller-runtime takes.
fn latency_seconds() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Default for Families {
    fn default() -> Self {
        let latency: fn() -> Histogram = latency_seconds;
        Self {
            requests: Family::default(),
            latency: Family::new_with_constructor(latency),
            in_flight: Family::default(),
            panics: Counter::default(),
            certificate_reads: Counter::default(),
            certificate_read_errors: Counter::default(),
            certificate_not_after: Gauge::default(),
            conversion_panics: Counter::default(),
            conversion_dropped: Family::default(),
        }
    }
}

impl WebhookMetrics {
    /// Metrics that nobody reads; what a server uses that is given none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Metrics that `registry` encodes.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let families = &metrics.inner;
        // The encoder adds `_total` to counters.
        registry.register(
            "controller_runtime_webhook_requests",
            "Admission and conversion requests, by path and code",
            families.requests.clone(),
        );
        registry.register(
            "controller_runtime_webhook_latency_seconds",
            "Time until a request is answered, by path",
            families.latency.clone(),
        );
        registry.register(
            "controller_runtime_webhook_requests_in_flight",
            "Requests that are being served, by path",
            families.in_flight.clone(),
        );
        registry.register(
            "controller_runtime_webhook_panics",
            "Panics of admission and conversion handlers",
            families.panics.clone(),
        );
        registry.register(
            "certwatcher_read_certificate",
            "Pairs of certificate and key that were read",
            families.certificate_reads.clone(),
        );
        registry.register(
            "certwatcher_read_certificate_errors",
            "Pairs that could not be read or do not fit together; the one before is still served",
            families.certificate_read_errors.clone(),
        );
        registry.register(
            "kubewright_webhook_certificate_not_after_timestamp_seconds",
            "When the certificate that is served expires, in seconds since 1970; 0 before the first",
            families.certificate_not_after.clone(),
        );
        registry.register(
            "kubewright_conversion_panics",
            "Panics of functions that convert; each fails its object",
            families.conversion_panics.clone(),
        );
        registry.register(
            "kubewright_conversion_preserved_dropped",
            "Values that a conversion had saved and that were not restored, by reason",
            families.conversion_dropped.clone(),
        );
        metrics
    }

    /// A request to `path` begins; what it returns is told of its end.
    pub(super) fn begin(&self, path: &str) -> InFlight {
        let labels = PathLabels {
            webhook: path.to_owned(),
        };
        let gauge = self.inner.in_flight.get_or_create_owned(&labels);
        gauge.inc();
        InFlight {
            metrics: self.clone(),
            labels,
            gauge,
        }
    }

    pub(super) fn panicked(&self) {
        self.inner.panics.inc();
    }

    pub(super) fn certificate_read(&self) {
        self.inner.certificate_reads.inc();
    }

    pub(super) fn certificate_refused(&self) {
        self.inner.certificate_reads.inc();
        self.inner.certificate_read_errors.inc();
    }

    #[cfg(test)]
    pub(super) fn refused(&self) -> u64 {
        self.inner.certificate_read_errors.get()
    }

    pub(super) fn certificate_served(&self, not_after: i64) {
        self.inner.certificate_not_after.set(not_after);
    }
}

impl Observer for WebhookMetrics {
    fn dropped(&self, reason: Dropped, units: u64) {
        let reason = reason.as_str();
        let labels = DroppedLabels { reason };
        self.inner.conversion_dropped.get_or_create(&labels).inc_by(units);
    }

    fn panicked(&self) {
        self.inner.conversion_panics.inc();
    }
}

/// A request that is being served, also where its client goes away before the answer.
pub(super) struct InFlight {
    metrics: WebhookMetrics,
    labels: PathLabels,
    gauge: Gauge,
}

impl InFlight {
    pub(super) fn answered(self, code: u16, took: Duration) {
        let families = &self.metrics.inner;
        let labels = RequestLabels {
            webhook: self.labels.webhook.clone(),
            code,
        };
        families.requests.get_or_create(&labels).inc();
        families
            .latency
            .get_or_create(&self.labels)
            .observe(took.as_secs_f64());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
