//! A webhook server as a program writes it: a derived kind, its validator and mutator, asked over TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use kubewright::webhook::{
    Admission, Allowed, ConfigurationNames, Denied, Endpoint, Hook, Mutator, Operation, Tls, Validator,
    Verdict, WebhookServer, Webhooks,
};
use kubewright::{CustomResource, Defaults, webhook, webhook_configuration};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

#[derive(CustomResource, Defaults, Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[kube(group = "web.example.com", version = "v1", kind = "Site", namespaced)]
#[serde(rename_all = "camelCase")]
pub struct SiteSpec {
    #[kube(default_with = two)]
    pub replicas: Option<i32>,
    #[serde(default)]
    pub hosts: Vec<Host>,
}

fn two() -> i32 {
    2
}

#[derive(Defaults, Serialize, Deserialize, JsonSchema, Clone, Debug)]
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
        .hook(Hook::mutator(Sites { most: 5 }))
        .hook(Hook::defaults::<Site>());
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

    // VER-42: by the types' defaults, and nothing else.
    let spec = json!({"future": {"a": null}, "hosts": [{"name": "a", "weight": 3}]});
    let path = "/default-web-example-com-v1-site";
    let answer = ask(&connector, address, path, review(&spec)).await;
    let patch: k8s_openapi::ByteString = serde_json::from_value(answer["patch"].clone()).unwrap();
    let patch: Value = serde_json::from_slice(&patch.0).unwrap();
    assert_eq!(
        patch,
        json!([{"op": "add", "path": "/spec/replicas", "value": 2}])
    );
    let answer = ask(&connector, address, path, review(&json!({"replicas": 0}))).await;
    assert_eq!(answer, json!({"uid": "u", "allowed": true}));

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

/// All that an attribute can say.
struct Everything;

#[webhook(
    validating,
    name = "rules.sites.web.example.com",
    path = "/rules",
    verbs("create", "delete"),
    subresources("status"),
    failure_policy = "Ignore",
    match_policy = "Exact",
    side_effects = "NoneOnDryRun",
    timeout_seconds = 3,
    service(name = "other", namespace = "system", port = 8443),
    object_label("web.example.com/judged", "yes"),
    namespace_label("kubernetes.io/metadata.name", "default"),
    match_condition("not-me", "request.userInfo.username != 'me'"),
    match_condition("named", "object.metadata.name != ''")
)]
impl Validator for Everything {
    type Object = Site;

    async fn validate(&self, _: &Admission<Site>) -> Verdict {
        Ok(Allowed::new())
    }
}

#[webhook(
    mutating,
    url = "https://hooks.example.com:9443/sites",
    verbs("*"),
    only_subresources("scale"),
    reinvocation_policy = "IfNeeded",
    patch = "json"
)]
impl Mutator for Everything {
    type Object = Site;

    async fn mutate(&self, _: &mut Site, _: &Admission<Site>) -> Verdict {
        Ok(Allowed::new())
    }
}

const NAMES: ConfigurationNames = webhook_configuration!(mutating = "sites.web.example.com");

#[test]
fn what_handlers_say_is_what_is_written_and_what_is_served() {
    let described = Webhooks::new()
        .validator::<Everything>()
        .mutator::<Everything>()
        .defaults::<Site>();
    let endpoint = Endpoint::service("system", "webhook-service");
    let made = described.configurations(&NAMES, &endpoint).unwrap();
    let text = kubewright::build::webhooks(&made).text().unwrap();
    insta::assert_snapshot!(text);

    let server = WebhookServer::new(Tls::directory("/certs"))
        .hook(Hook::validator(Everything))
        .hook(Hook::mutator(Everything))
        .hook(Hook::defaults::<Site>());
    assert_eq!(server.configurations(&NAMES, &endpoint).unwrap(), made);
    let paths = [
        Hook::validator(Everything).path().to_owned(),
        Hook::mutator(Everything).path().to_owned(),
        Hook::defaults::<Site>().path().to_owned(),
    ];
    assert_eq!(paths, ["/rules", "/sites", "/default-web-example-com-v1-site"]);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config/webhooks.yaml");
    let stale = kubewright::build::webhooks(&made).check(&file).unwrap_err();
    assert!(
        stale.to_string().contains("+kind: MutatingWebhookConfiguration"),
        "{stale}"
    );
    kubewright::build::webhooks(&made).write(&file).unwrap();
    kubewright::build::webhooks(&made).check(&file).unwrap();
    let none =
        kubewright::build::webhooks(&Webhooks::new().configurations(&NAMES, &endpoint).unwrap()).text();
    assert_eq!(
        none.unwrap_err().to_string(),
        "there is no webhook to write; add one: `Webhooks::new().validator::<Rules>()`"
    );
}
