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
//! A client's requests are counted by a layer of it:
//!
//! ```
//! # use kubewright::metrics::Metrics;
//! # fn f(config: kube::Config, metrics: &Metrics) -> Result<kube::Client, kube::Error> {
//! let layer = metrics.client_layer(&config.cluster_url);
//! let client = kube::client::ClientBuilder::try_from(config)?.with_layer(&layer).build();
//! # Ok(client) }
//! ```
//!
//! **Invariant:** labels are names of controllers, queues, leases and servers, HTTP methods and results, never of objects.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tower::{Layer, Service};

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
    paused_objects: Family<ControllerLabels, Gauge>,
    depth: Family<QueueLabels, Gauge>,
    adds_total: Family<QueueLabels, Counter>,
    retries_total: Family<QueueLabels, Counter>,
    queue_duration_seconds: Family<QueueLabels, Histogram, fn() -> Histogram>,
    work_duration_seconds: Family<QueueLabels, Histogram, fn() -> Histogram>,
    unfinished_work_seconds: Family<QueueLabels, FloatGauge>,
    longest_running_processor_seconds: Family<QueueLabels, FloatGauge>,
    client_requests_total: Family<RequestLabels, Counter>,
    client_request_duration_seconds: Family<LatencyLabels, Histogram, fn() -> Histogram>,
    leader: Family<NameLabels, Gauge>,
    leader_slow_path_total: Family<NameLabels, Counter>,
    shard_members: Family<NameLabels, Gauge>,
    shard_share: Family<NameLabels, FloatGauge>,
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
struct NameLabels {
    name: String,
}

/// client-go's label, and beside it controller-runtime's, which says the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    name: String,
    controller: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    code: String,
    method: String,
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LatencyLabels {
    verb: String,
    host: String,
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

/// component-base's buckets.
fn request_seconds() -> Histogram {
    Histogram::new([0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0])
}

impl Default for Families {
    fn default() -> Self {
        let reconcile: fn() -> Histogram = reconcile_seconds;
        let queue: fn() -> Histogram = queue_seconds;
        let request: fn() -> Histogram = request_seconds;
        Self {
            reconcile_total: Family::default(),
            reconcile_errors_total: Family::default(),
            terminal_reconcile_errors_total: Family::default(),
            reconcile_panics_total: Family::default(),
            reconcile_timeouts_total: Family::default(),
            reconcile_time_seconds: Family::new_with_constructor(reconcile),
            active_workers: Family::default(),
            max_concurrent_reconciles: Family::default(),
            paused_objects: Family::default(),
            depth: Family::default(),
            adds_total: Family::default(),
            retries_total: Family::default(),
            queue_duration_seconds: Family::new_with_constructor(queue),
            work_duration_seconds: Family::new_with_constructor(queue),
            unfinished_work_seconds: Family::default(),
            longest_running_processor_seconds: Family::default(),
            client_requests_total: Family::default(),
            client_request_duration_seconds: Family::new_with_constructor(request),
            leader: Family::default(),
            leader_slow_path_total: Family::default(),
            shard_members: Family::default(),
            shard_share: Family::default(),
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
            "kubewright_paused_objects",
            "Objects that an annotation pauses",
            families.paused_objects.clone(),
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
            "Keys that were added with a delay",
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
        registry.register(
            "rest_client_requests",
            "Requests to a server, by code, method and host",
            families.client_requests_total.clone(),
        );
        registry.register(
            "rest_client_request_duration_seconds",
            "Time until a server's answer begins, by verb and host",
            families.client_request_duration_seconds.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "1 while this process holds the lease of that name, else 0",
            families.leader.clone(),
        );
        registry.register(
            "kubewright_shard_members",
            "Members of the group that this process takes for live, itself among them",
            families.shard_members.clone(),
        );
        registry.register(
            "kubewright_shard_share",
            "Part of all keys that this process may work on",
            families.shard_share.clone(),
        );
        registry.register(
            "leader_election_slowpath",
            "Renewals of a lease that had to read it first",
            families.leader_slow_path_total.clone(),
        );
        metrics
    }

    /// A layer for kube's `ClientBuilder` that counts the client's requests and measures how long their answers
    /// take to begin, which for a watch is long before its end.
    ///
    /// `url` is that of the server, [`kube::Config::cluster_url`]: the requests that a layer sees do not name it yet.
    /// The labels are client-go's; the `code` of a request without an answer is `<error>`.
    pub fn client_layer(&self, url: &http::Uri) -> ClientLayer {
        ClientLayer {
            families: Arc::clone(&self.inner),
            host: url.authority().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The figures of one queue.
    pub fn queue(&self, name: &str) -> QueueMetrics {
        let labels = QueueLabels {
            name: name.to_owned(),
            controller: name.to_owned(),
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

    /// The figures of one election.
    pub(crate) fn leader(&self, name: &str) -> LeaderMetrics {
        let labels = NameLabels {
            name: name.to_owned(),
        };
        LeaderMetrics {
            status: self.inner.leader.get_or_create_owned(&labels),
            slow_path: self.inner.leader_slow_path_total.get_or_create_owned(&labels),
        }
    }

    /// The figures of one member of a group.
    pub(crate) fn shards(&self, name: &str) -> ShardMetrics {
        let labels = NameLabels {
            name: name.to_owned(),
        };
        ShardMetrics {
            members: self.inner.shard_members.get_or_create_owned(&labels),
            share: self.inner.shard_share.get_or_create_owned(&labels),
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
            paused: families.paused_objects.get_or_create_owned(&labels),
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

/// The figures of one election.
#[derive(Clone, Debug)]
pub(crate) struct LeaderMetrics {
    status: Gauge,
    slow_path: Counter,
}

impl LeaderMetrics {
    pub(crate) fn leads(&self) {
        self.status.set(1);
    }

    pub(crate) fn follows(&self) {
        self.status.set(0);
    }

    pub(crate) fn slow_path(&self) {
        self.slow_path.inc();
    }
}

/// The figures of one member of a group.
#[derive(Clone, Debug)]
pub(crate) struct ShardMetrics {
    members: Gauge,
    share: FloatGauge,
}

impl ShardMetrics {
    pub(crate) fn set(&self, members: usize, share: f64) {
        self.members.set(i64::try_from(members).unwrap_or(i64::MAX));
        self.share.set(share);
    }
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
    pub(crate) paused: Gauge,
}

/// Counts a client's requests; see [`Metrics::client_layer`].
#[derive(Clone, Debug)]
pub struct ClientLayer {
    families: Arc<Families>,
    host: String,
}

impl<S> Layer<S> for ClientLayer {
    type Service = CountedClient<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountedClient {
            inner,
            layer: self.clone(),
        }
    }
}

impl ClientLayer {
    fn answered(self, method: String, code: Option<http::StatusCode>, took: Duration) {
        let requests = RequestLabels {
            code: code.map_or_else(|| "<error>".to_owned(), |code| code.as_str().to_owned()),
            method: method.clone(),
            host: self.host.clone(),
        };
        let latency = LatencyLabels {
            verb: method,
            host: self.host,
        };
        let families = &self.families;
        families.client_requests_total.get_or_create(&requests).inc();
        families
            .client_request_duration_seconds
            .get_or_create(&latency)
            .observe(took.as_secs_f64());
    }
}

/// A client's service whose requests are counted; see [`Metrics::client_layer`].
#[derive(Clone, Debug)]
pub struct CountedClient<S> {
    inner: S,
    layer: ClientLayer,
}

impl<S, B, C> Service<Request<B>> for CountedClient<S>
where
    S: Service<Request<B>, Response = Response<C>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (layer, began) = (self.layer.clone(), Instant::now());
        let method = request.method().to_string();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().ok().map(Response::status);
            layer.answered(method, code, began.elapsed());
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tower::{ServiceExt, service_fn};

    use super::*;

    /// The samples of a registry: each name and its labels, with the value.
    fn samples(registry: &Registry) -> BTreeMap<String, String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Asks a server that answers with the code in the path, or not at all.
    async fn ask(layer: &ClientLayer, method: &str, path: &str) {
        let server = service_fn(|request: Request<()>| async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            match request.uri().path() {
                "/none" => Err("connection refused"),
                path => Ok(Response::builder().status(&path[1..]).body(()).unwrap()),
            }
        });
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let _ = layer.layer(server).oneshot(request).await;
    }

    #[tokio::test(start_paused = true)]
    async fn requests_count_as_client_go_counts_them() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let layer = metrics.client_layer(&http::Uri::from_static("https://10.0.0.1:6443/prefix"));
        for (method, path) in [
            ("GET", "/200"),
            ("GET", "/200"),
            ("GET", "/404"),
            ("PATCH", "/none"),
        ] {
            ask(&layer, method, path).await;
        }
        let samples = samples(&registry);
        for (name, expected) in [
            (
                r#"requests_total{code="200",method="GET",host="10.0.0.1:6443"}"#,
                "2",
            ),
            (
                r#"requests_total{code="404",method="GET",host="10.0.0.1:6443"}"#,
                "1",
            ),
            (
                r#"requests_total{code="<error>",method="PATCH",host="10.0.0.1:6443"}"#,
                "1",
            ),
            (
                r#"request_duration_seconds_count{verb="GET",host="10.0.0.1:6443"}"#,
                "3",
            ),
            (
                r#"request_duration_seconds_bucket{le="0.25",verb="GET",host="10.0.0.1:6443"}"#,
                "0",
            ),
            (
                r#"request_duration_seconds_bucket{le="0.5",verb="GET",host="10.0.0.1:6443"}"#,
                "3",
            ),
        ] {
            let value = samples.get(&format!("rest_client_{name}"));
            assert_eq!(
                value.map(String::as_str),
                Some(expected),
                "{name} in {samples:#?}"
            );
        }
    }

    /// Names and labels that operators' dashboards know: those of client-go 0.36 and controller-runtime 0.25, but for the label
    /// `priority` of `workqueue_depth`, whose numbers are controller-runtime's own.
    #[tokio::test(start_paused = true)]
    async fn text_has_the_names_of_the_house_style() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let _controller = metrics.controller("c");
        let _queue = metrics.queue("q");
        let (_leader, _shards) = (metrics.leader("l"), metrics.shards("s"));
        ask(
            &metrics.client_layer(&http::Uri::from_static("http://h")),
            "GET",
            "/200",
        )
        .await;

        let found: std::collections::BTreeSet<String> = samples(&registry)
            .into_keys()
            .filter_map(|sample| {
                let (name, labels) = sample.trim_end_matches('}').split_once('{')?;
                let labels = labels
                    .split(',')
                    .filter_map(|label| Some(label.split_once('=')?.0));
                let labels: Vec<_> = labels.filter(|label| *label != "le").collect();
                let name = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|part| name.strip_suffix(part))
                    .unwrap_or(name);
                Some(format!("{name}{{{}}}", labels.join(",")))
            })
            .collect();
        let expected = [
            "controller_runtime_active_workers{controller}",
            "controller_runtime_max_concurrent_reconciles{controller}",
            "controller_runtime_reconcile_errors_total{controller}",
            "controller_runtime_reconcile_panics_total{controller}",
            "controller_runtime_reconcile_time_seconds{controller}",
            "controller_runtime_reconcile_timeouts_total{controller}",
            "controller_runtime_reconcile_total{controller,result}",
            "controller_runtime_terminal_reconcile_errors_total{controller}",
            "kubewright_paused_objects{controller}",
            "kubewright_shard_members{name}",
            "kubewright_shard_share{name}",
            "leader_election_master_status{name}",
            "leader_election_slowpath_total{name}",
            "rest_client_request_duration_seconds{verb,host}",
            "rest_client_requests_total{code,method,host}",
            "workqueue_adds_total{name,controller}",
            "workqueue_depth{name,controller}",
            "workqueue_longest_running_processor_seconds{name,controller}",
            "workqueue_queue_duration_seconds{name,controller}",
            "workqueue_retries_total{name,controller}",
            "workqueue_unfinished_work_seconds{name,controller}",
            "workqueue_work_duration_seconds{name,controller}",
        ];
        assert!(found.iter().eq(expected.iter()), "{found:#?}");
    }
}
