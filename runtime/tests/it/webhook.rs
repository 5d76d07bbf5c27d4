//! A webhook server as a program writes it: a derived kind, its validator and mutator, asked over TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use kubewright::CustomResource;
use kubewright::webhook::{
    Admission, Allowed, Denied, Hook, Mutator, Operation, Tls, Validator, Verdict, WebhookServer,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[kube(group = "web.example.com", version = "v1", kind = "Site", namespaced)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    pub replicas: Option<i32>,
    #[serde(default)]
    pub hosts: Vec<Host>,
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
pub struct Host {
    pub name: String,
    #[serde(default)]
    pub tls: bool,
}

struct Sites {
    most: i32,
}

impl Validator for Sites {
    type Object = Site;

    async fn validate(&self, request: &Admission<Site>) -> Verdict {
        assert_eq!(request.operation, Operation::Create);
        let site = request.object.as_ref().unwrap();
        match site.spec.replicas {
            Some(replicas) if replicas > self.most => Err(Denied::invalid(
                "spec.replicas",
                format!("must be at most {}", self.most),
            )),
            Some(_) => Ok(Allowed::new()),
            None => Ok(Allowed::new().warn("spec.replicas: one is run")),
        }
    }
}

impl Mutator for Sites {
    type Object = Site;

    async fn mutate(&self, site: &mut Site, _: &Admission<Site>) -> Verdict {
        site.spec.replicas.get_or_insert(1);
        for host in &mut site.spec.hosts {
            host.tls = true;
        }
        site.spec.hosts.insert(
            0,
            Host {
                name: "default".to_owned(),
                tls: true,
            },
        );
        Ok(Allowed::new())
    }
}

fn review(spec: &Value) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "kind": {"group": "web.example.com", "version": "v1", "kind": "Site"},
            "resource": {"group": "web.example.com", "version": "v1", "resource": "sites"},
            "name": "blog", "namespace": "default", "operation": "CREATE", "userInfo": {},
            "object": site(spec),
            "oldObject": null, "dryRun": false,
        },
    })
    .to_string()
}

fn site(spec: &Value) -> Value {
    json!({
        "apiVersion": "web.example.com/v1", "kind": "Site",
        "metadata": {"name": "blog", "namespace": "default"}, "spec": spec,
    })
}

/// Asks at `path` by a connection of its own.
async fn ask(connector: &TlsConnector, address: std::net::SocketAddr, path: &str, body: String) -> Value {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("sites.default.svc").unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("{path}?timeout=10s"))
        .header("host", "sites.default.svc")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    connection.abort();
    let mut review: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(review["response"]["uid"], "u");
    review["response"].take()
}

#[tokio::test]
async fn a_derived_kind_is_judged_and_changed() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["sites.default.svc".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let server = WebhookServer::new(Tls::pem(certificate.pem(), key.serialize_pem()))
        .listen(([127, 0, 0, 1], 0))
        .linger(Duration::ZERO)
        .hook(Hook::validator(Sites { most: 5 }))
        .hook(Hook::mutator(Sites { most: 5 }));
    let server = server.bind().await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async move {
        let _ = stopped.await;
    }));

    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let validate = async |spec: Value| {
        ask(
            &connector,
            address,
            "/validate-web-example-com-v1-site",
            review(&spec),
        )
        .await
    };
    assert_eq!(
        validate(json!({"replicas": 5})).await,
        json!({"uid": "u", "allowed": true})
    );
    assert_eq!(
        validate(json!({})).await,
        json!({"uid": "u", "allowed": true, "warnings": ["spec.replicas: one is run"]})
    );
    let denied = validate(json!({"replicas": 6})).await;
    assert_eq!(
        denied["status"]["message"],
        "Site.web.example.com \"blog\" is invalid: spec.replicas: must be at most 5"
    );

    // What this release of the type does not know stays, in lists whose items move too.
    let spec =
        json!({"future": {"a": null}, "hosts": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1.5}]});
    let answer = ask(
        &connector,
        address,
        "/mutate-web-example-com-v1-site",
        review(&spec),
    )
    .await;
    let patch: k8s_openapi::ByteString = serde_json::from_value(answer["patch"].clone()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch.0).unwrap();
    let mut patched = site(&spec);
    json_patch::patch(&mut patched, &patch).unwrap();
    let expected = json!({"future": {"a": null}, "replicas": 1, "hosts": [
        {"name": "default", "tls": true},
        {"name": "a", "tls": true, "weight": 3},
        {"name": "b", "tls": true, "weight": 1.5},
    ]});
    assert_eq!(patched, site(&expected));

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
