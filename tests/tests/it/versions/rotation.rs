//! The authority is replaced while clients read and write at an old version (VER-34).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kubewright::webhook::Bundle;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{DEFINITION, Sites, plain, uri};
use crate::ask::{Answer, delete, get, merge, post, until};

/// What clients were told.
#[derive(Default)]
struct Tally {
    asked: AtomicU64,
    failures: std::sync::Mutex<Vec<String>>,
}

impl Tally {
    fn count(&self, what: &str, answer: &Answer) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if answer.code >= 300 {
            let mut failures = self.failures.lock().unwrap();
            failures.push(format!("{what}: {} {}", answer.code, answer.body));
        }
    }
}

/// A client that asks until it is told to stop; the number is its own.
async fn load(client: kube::Client, number: usize, tally: Arc<Tally>, stop: CancellationToken) {
    let name = format!("load-{number}");
    let path = |version: &str| uri(version, &format!("sites/{name}"));
    post(&client, &uri("v1", "sites"), &plain(&name)).await.ok();
    let mut round = 0;
    while !stop.is_cancelled() {
        round += 1;
        let image = format!("load:{round}");
        let patch = json!({"spec": {"imageName": image}});
        tally.count("patch", &merge(&client, &path("v1alpha1"), &patch).await);
        let read = get(&client, &path("v1beta1")).await;
        tally.count("get", &read);
        if read.code == 200 {
            assert_eq!(read.body["spec"]["image"], image, "each write is read");
        }
        let listed = get(&client, &uri("v1alpha1", "sites")).await;
        tally.count("list", &listed);
        let short = format!("short-{number}-{round}");
        let mut old = super::site("v1alpha1", &short, Value::Null);
        old["spec"] = json!({"address": "a:1", "imageName": "a", "timeoutSeconds": 1, "strategy": "Manual"});
        tally.count("create", &post(&client, &uri("v1alpha1", "sites"), &old).await);
        tally.count(
            "delete",
            &delete(&client, &uri("v1", &format!("sites/{short}"))).await,
        );
    }
    delete(&client, &path("v1")).await.ok();
}

/// What the definition tells API servers to trust.
async fn published(client: &kube::Client) -> Bundle {
    let definition = get(client, DEFINITION).await.ok();
    let bundle = definition
        .pointer("/spec/conversion/webhook/clientConfig/caBundle")
        .unwrap();
    let bundle: kubewright::k8s_openapi::ByteString = serde_json::from_value(bundle.clone()).unwrap();
    Bundle::parse(std::str::from_utf8(&bundle.0).unwrap()).unwrap()
}

/// A new connection to the webhook that trusts these certificates alone.
async fn connect(sites: &Sites, pem: &str) -> std::io::Result<()> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(sites.address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map(drop)
}

pub(super) async fn suite(sites: &Sites) {
    let client = &sites.client;
    let before = published(client).await.to_string();
    connect(sites, &before).await.unwrap();
    let (tally, stop) = (Arc::new(Tally::default()), CancellationToken::new());
    let mut clients = JoinSet::new();
    for number in 0..4 {
        clients.spawn(load(client.clone(), number, tally.clone(), stop.clone()));
    }
    let asked = || tally.asked.load(Ordering::Relaxed);
    until("the clients to ask", async || asked() > 20).await;

    let mut bundles = vec![before.clone()];
    // How many requests there had been when each of the bundles was seen first.
    let mut marks = vec![asked()];
    sites.authority.rotate();
    until("the rotation to end", async || {
        let bundle = published(client).await.to_string();
        connect(sites, &bundle).await.unwrap();
        if bundles.last() != Some(&bundle) {
            bundles.push(bundle);
            marks.push(asked());
        }
        bundles.len() == 3
    })
    .await;
    let last = asked();
    until("the clients to ask once more", async || asked() > last + 20).await;
    stop.cancel();
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }

    let failures = std::mem::take(&mut *tally.failures.lock().unwrap());
    println!(
        "versions: {} requests during the rotation, {} failed; at each bundle: {marks:?}",
        asked(),
        failures.len()
    );
    assert!(
        failures.is_empty(),
        "{} of {}: {failures:?}",
        failures.len(),
        asked()
    );
    assert!(marks.is_sorted_by(|a, b| a < b), "asked in each phase: {marks:?}");
    let [_, both, after] = bundles.as_slice() else {
        panic!("{} bundles", bundles.len())
    };
    assert_eq!(*both, format!("{before}{after}"));
    connect(sites, after).await.unwrap();
    let refused = connect(sites, &before).await.unwrap_err();
    assert!(
        refused.to_string().contains("invalid peer certificate"),
        "{refused}"
    );
}
