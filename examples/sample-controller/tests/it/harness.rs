//! A server with the kind installed, a controller on it, and what was written.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use kubewright::Client;
use kubewright::cache::InformerFactory;
use kubewright::controller::{Action, Context, Reconciler, RunError};
use kubewright::events::EventRecorder;
use kubewright::k8s_openapi::api::apps::v1::Deployment;
use kubewright::k8s_openapi::api::events::v1::Event;
use kubewright::kind::ObjectKey;
use kubewright::kube::{self, api::ListParams};
use kubewright::metrics::Metrics;
use kubewright::metrics::prometheus_client::{encoding::text::encode, registry::Registry};
use kubewright_apiserver::{CrdSource, DevServer};
use sample_controller::api::{Foo, FooSpec, FooStatus};
use sample_controller::controller::{AGENT, Clients, FooReconciler, SyncError, controller};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const CRD: &str = include_str!("../../crds/foos.samplecontroller.k8s.io.yaml");
/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(30);
/// User of the controller's requests, apart from the test's own.
pub(crate) const CONTROLLER: &str = "controller";

/// Waits until `holds`, and names what was waited for when it does not come.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(DEADLINE, waiting).await.is_ok(),
        "waited {DEADLINE:?} for: {what}"
    );
}

/// The text of a log, line by line.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

thread_local! {
    /// Where this thread's log goes. One subscriber serves all threads: with one for each test, whichever thread comes
    /// first to a line decides for all of them whether it is of interest.
    static CAPTURED: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Ends the capture when it is dropped.
pub(crate) struct Capture;

impl Drop for Capture {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

impl Log {
    /// Collects what is logged on this thread until the guard is dropped.
    pub(crate) fn capture() -> (Self, Capture) {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_max_level(tracing::Level::DEBUG)
                .with_writer(|| CAPTURED.with_borrow(Option::clone).unwrap_or_default())
                .init();
        });
        let log = Self::default();
        CAPTURED.set(Some(log.clone()));
        (log, Capture)
    }

    pub(crate) fn lines_with(&self, part: &str) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(part)).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) server: DevServer,
    /// The test's own hands.
    pub(crate) clients: Clients,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(DevServer::start().await.unwrap(), CRD).await
    }

    pub(crate) async fn on(server: DevServer, crd: impl Into<CrdSource>) -> Self {
        server.install_crds([crd]).await.unwrap();
        let clients = Clients::new(server.client());
        Self { server, clients }
    }

    pub(crate) fn controller_client(&self) -> kube::Client {
        self.server.client_as(CONTROLLER, ["system:masters"])
    }

    pub(crate) async fn create_foo(&self, name: &str, deployment: &str, replicas: Option<i32>) -> Foo {
        let spec = FooSpec {
            deployment_name: Some(deployment.to_owned()),
            replicas,
        };
        self.clients
            .foos()
            .namespace("default")
            .create(&Foo::new(name, spec))
            .await
            .unwrap()
    }

    pub(crate) async fn foo(&self, name: &str) -> Foo {
        self.clients.foos().namespace("default").get(name).await.unwrap()
    }

    pub(crate) async fn available(&self, name: &str) -> Option<i32> {
        self.foo(name)
            .await
            .status
            .and_then(|status| status.available_replicas)
    }

    pub(crate) async fn set_foo_status(&self, name: &str, available: i32) {
        let mut foo = self.foo(name).await;
        foo.status = Some(FooStatus {
            available_replicas: Some(available),
        });
        self.clients
            .foos()
            .namespace("default")
            .status()
            .update(&foo)
            .await
            .unwrap();
    }

    pub(crate) async fn deployment(&self, name: &str) -> Option<Deployment> {
        self.clients
            .deployments()
            .namespace("default")
            .get_opt(name)
            .await
            .unwrap()
    }

    pub(crate) async fn deployments(&self) -> Vec<Deployment> {
        self.clients
            .deployments()
            .namespace("default")
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
    }

    pub(crate) async fn replicas(&self, name: &str) -> Option<i32> {
        self.deployment(name)
            .await
            .and_then(|deployment| deployment.spec.replicas)
    }

    pub(crate) async fn set_foo_replicas(&self, name: &str, replicas: i32) {
        let patch = serde_json::json!({"spec": {"replicas": replicas}});
        let foos = self.clients.foos().namespace("default");
        foos.merge_patch(name, &patch).await.unwrap();
    }

    pub(crate) async fn set_deployment_replicas(&self, name: &str, replicas: i32) {
        let patch = serde_json::json!({"spec": {"replicas": replicas}});
        let deployments = self.clients.deployments().namespace("default");
        deployments.merge_patch(name, &patch).await.unwrap();
    }

    pub(crate) async fn set_available(&self, name: &str, available: i32) {
        let patch = serde_json::json!({"status": {"replicas": available, "availableReplicas": available}});
        let deployments = self.clients.deployments().namespace("default");
        deployments.status().merge_patch(name, &patch).await.unwrap();
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        let events: Client<Event> = Client::new(self.server.client());
        events
            .namespace("default")
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
    }

    /// Reason and count of each event, sorted.
    pub(crate) async fn event_counts(&self) -> Vec<(String, i32)> {
        let mut counts: Vec<_> = self
            .events()
            .await
            .into_iter()
            .map(|event| {
                (
                    event.reason.unwrap_or_default(),
                    event.series.map_or(1, |series| series.count),
                )
            })
            .collect();
        counts.sort();
        counts
    }

    /// What the controller wrote, events left out: `create deployments`, `update foos/status`. A write that was
    /// refused changed nothing and is not among them.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.attempts(|code| code < 400)
    }

    /// What the controller tried to write in vain.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.attempts(|code| code >= 400)
    }

    fn attempts(&self, wanted: impl Fn(u16) -> bool) -> Vec<String> {
        self.server
            .request_log()
            .into_iter()
            .filter(|request| request.user.as_deref() == Some(CONTROLLER) && wanted(request.code))
            .filter_map(|request| {
                let (verb, path) = (request.verb?, request.resource?);
                if matches!(verb, "get" | "list" | "watch") || path.resource == "events" {
                    return None;
                }
                let subresource = path.subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
                Some(format!("{verb} {}{subresource}", path.resource))
            })
            .collect()
    }

    /// One sync of a Foo by hand, with caches that have synced; the recorder is flushed.
    pub(crate) async fn sync(&self, name: &str) -> Result<(), SyncError> {
        let context = self.stale_context().await;
        self.sync_with(name, &context).await
    }

    /// Caches of what is there now, which follow no further change.
    pub(crate) async fn stale_context(&self) -> Context<Foo> {
        let clients = Clients::new(self.controller_client());
        let factory = InformerFactory::new(&clients);
        factory.lister::<Foo>();
        factory.lister::<Deployment>();
        factory.start();
        factory.wait_for_sync(DEADLINE).await.unwrap();
        let context = Context::new(&factory, EventRecorder::new(&clients, AGENT));
        factory.shutdown();
        context
    }

    pub(crate) async fn sync_with(&self, name: &str, context: &Context<Foo>) -> Result<(), SyncError> {
        let key = ObjectKey::namespaced("default", name);
        let clients = Clients::new(self.controller_client());
        let outcome = FooReconciler::new(&clients).reconcile(&key, context).await;
        assert!(context.recorder().flush(DEADLINE).await);
        // A sync never asks to come back: the next change does that.
        outcome.map(|action| assert_eq!(action, Action::done()))
    }

    /// Starts the controller as the program does.
    pub(crate) fn run(&self) -> Running {
        Running::on(self.controller_client())
    }
}

/// A running controller.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    pub(crate) factory: InformerFactory,
    pub(crate) recorder: EventRecorder,
    figures: Registry,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) fn on(connection: kube::Client) -> Self {
        let factory = InformerFactory::new(&connection);
        Self::with(connection, factory)
    }

    /// With caches of its own kind.
    pub(crate) fn with(connection: kube::Client, factory: InformerFactory) -> Self {
        let clients = Clients::new(connection);
        let recorder = EventRecorder::new(&clients, AGENT);
        let stop = CancellationToken::new();
        let mut figures = Registry::default();
        let controller = controller(&factory, &clients, &recorder)
            .metrics(&Metrics::register(&mut figures))
            .run_until(stop.clone().cancelled_owned());
        Self {
            stop,
            factory,
            recorder,
            figures,
            task: tokio::spawn(controller),
        }
    }

    /// How many keys were enqueued so far.
    pub(crate) fn enqueued(&self) -> u64 {
        self.figure("workqueue_adds_total{")
    }

    /// How many keys wait for a worker.
    pub(crate) fn waiting(&self) -> u64 {
        self.figure("workqueue_depth{")
    }

    /// How many keys are in the hands of workers.
    pub(crate) fn working(&self) -> u64 {
        self.figure("controller_runtime_active_workers{")
    }

    fn figure(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.figures).unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        line.map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) -> Result<(), RunError> {
        self.stop.cancel();
        let outcome = self.task.await.unwrap();
        assert!(self.recorder.flush(DEADLINE).await);
        self.factory.shutdown();
        outcome
    }

    /// Ends it where it stands, as a kill does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        self.factory.shutdown();
    }
}
