//! A kind of three versions behind a webhook over TLS, with an authority of its own: the same steps on DevServer and on
//! a real server.

mod annotation;
mod fields;
mod many;
mod moves;
mod reads;
mod rotation;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kubewright::convert::{Converter, Converters};
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube;
use kubewright::versions::{Conversion, VersionSet};
use kubewright::webhook::{
    Installation, ManagedAuthority, ServerError, Storage, Target, Tls, WebhookMetrics, WebhookServer,
};
use kubewright_apiserver::DevServer;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use site::api::v1;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::ask::{get, merge, until};

const GROUP: &str = "web.example.com";
const VERSIONS: [&str; 3] = ["v1alpha1", "v1beta1", "v1"];
const KEPT: &str = "conversion.web.example.com/preserved";
const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sites.web.example.com";

/// A cluster with the webhook.
struct Sites {
    client: kube::Client,
    address: SocketAddr,
    authority: ManagedAuthority,
    registry: Arc<Registry>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), ServerError>>,
}

fn uri(version: &str, rest: &str) -> String {
    format!("/apis/{GROUP}/{version}/namespaces/default/{rest}")
}

#[allow(clippy::needless_pass_by_value, reason = "callers write it in place")]
fn site(version: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{version}"), "kind": "Site",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

/// The least that a site at v1 says.
fn plain(name: &str) -> Value {
    let spec = json!({
        "host": format!("{name}.example.com"), "port": 80, "image": "plain:1", "replicas": 2, "timeoutMillis": 1000,
        "retries": 1, "tier": "Silver", "strategy": "Rolling", "memoryMib": 128,
    });
    site("v1", name, spec)
}

impl Sites {
    async fn start(client: &kube::Client) -> Self {
        let authority = ManagedAuthority::new(client.clone(), "default", "sites-tls")
            .host("127.0.0.1")
            .settle(Duration::from_secs(2))
            .publish(Target::definition::<v1::Site>())
            .publish(Target::definition::<annotation::v1::Ledger>());
        let mut registry = Registry::default();
        let metrics = WebhookMetrics::register(&mut registry);
        let converters = Converters::new()
            .with(Converter::of::<v1::Site>())
            .with(Converter::of::<annotation::v1::Ledger>());
        let bound = WebhookServer::new(Tls::managed(authority.clone()))
            .listen(SocketAddr::from(([127, 0, 0, 1], 0)))
            .linger(Duration::ZERO)
            .conversion(converters)
            .metrics(&metrics)
            .bind()
            .await
            .unwrap();
        let address = bound.address();
        let stop = CancellationToken::new();
        let running = tokio::spawn(bound.run_until(stop.clone().cancelled_owned()));
        Self {
            client: client.clone(),
            address,
            authority,
            registry: Arc::new(registry),
            stop,
            running,
        }
    }

    fn webhook(&self) -> Conversion {
        Conversion::url(format!("https://{}/convert", self.address))
    }

    /// Installs the definition with this version stored, and waits until all are served and it is written.
    async fn install(&self, stored: &str) {
        let mut definition = VersionSet::<v1::Site>::crd(&self.webhook()).unwrap();
        for version in &mut definition.spec.versions {
            version.storage = version.name == stored;
        }
        self.put(definition).await;
        for version in VERSIONS {
            self.served(version).await;
        }
        self.is_stored(stored).await;
    }

    async fn put(&self, definition: CustomResourceDefinition) {
        let bundle = self.authority.bundle().await.unwrap().unwrap();
        let installed = Installation::new(self.client.clone(), definition)
            .trust(bundle)
            .probe_at(self.address)
            .storage(Storage::Move)
            .run()
            .await
            .unwrap();
        assert_eq!(installed.pending, None);
        self.authority.refresh();
    }

    async fn served(&self, version: &str) {
        let uri = uri(version, "sites?limit=1");
        until(&uri, async || get(&self.client, &uri).await.code == 200).await;
    }

    /// A server hears of a new storage version a moment later; then writes are of that form, which shows in what is
    /// defaulted on reads: only v1 has defaults.
    async fn is_stored(&self, stored: &str) {
        let probe = site(
            "v1alpha1",
            "probe",
            json!({"address": "a:1", "imageName": "a", "timeoutSeconds": 1, "strategy": "Rolling"}),
        );
        until(stored, async || {
            super::ask::post(&self.client, &uri("v1alpha1", "sites"), &probe)
                .await
                .ok();
            let seen = get(&self.client, &uri("v1", "sites/probe")).await.ok();
            super::ask::delete(&self.client, &uri("v1", "sites/probe"))
                .await
                .ok();
            seen["spec"].get("replicas").is_some() == (stored == "v1")
        })
        .await;
    }

    async fn at(&self, version: &str, name: &str) -> Value {
        get(&self.client, &uri(version, &format!("sites/{name}")))
            .await
            .ok()
    }

    async fn spec(&self, version: &str, name: &str) -> Value {
        self.at(version, name).await["spec"].take()
    }

    async fn merge(&self, version: &str, name: &str, spec: Value) -> Value {
        merge(
            &self.client,
            &uri(version, &format!("sites/{name}")),
            &json!({"spec": spec}),
        )
        .await
        .ok()
    }

    async fn stored(&self) -> Value {
        get(&self.client, DEFINITION).await.ok()["status"]["storedVersions"].take()
    }

    /// Reviews that were answered, by whatever code.
    fn reviews(&self) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let lines = text.lines();
        let counts = lines.filter(|line| line.starts_with("controller_runtime_webhook_requests_total{"));
        counts
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    async fn stop(self) {
        super::ask::delete(&self.client, DEFINITION).await.ok();
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

pub(crate) async fn suite(client: &kube::Client) {
    let sites = Sites::start(client).await;
    sites.install("v1beta1").await;
    timed("reads", reads::suite(&sites, "v1beta1")).await;
    timed("fields", fields::suite(&sites)).await;
    timed("annotation", annotation::suite(&sites)).await;
    timed("rotation", rotation::suite(&sites)).await;
    timed("moves", moves::suite(&sites)).await;
    timed("reads", reads::suite(&sites, "v1")).await;
    timed("many", many::suite(&sites)).await;
    timed("leave", moves::the_oldest_leaves(&sites)).await;
    sites.stop().await;
}

async fn timed(what: &str, part: impl Future<Output = ()>) {
    let begun = std::time::Instant::now();
    part.await;
    println!("versions: {what} took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_on_the_embedded_server() {
    let server = DevServer::start().await.unwrap();
    suite(&server.client()).await;
    server.stop().await;
}
