//! A server with the kind installed, and requests by path.

use std::time::Duration;

use http_body_util::BodyExt as _;
use kubewright::convert::Converter;
use kubewright::kube;
use kubewright_apiserver::DevServer;
use serde_json::{Value, json};
use site::api::v1;

pub(crate) const CRD: &str = include_str!("../../crds/sites.web.example.com.yaml");
/// Far beyond what anything here takes; reached only when it will never happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server that converts sites in the process.
pub(crate) async fn server() -> DevServer {
    let server = DevServer::builder().converter(Converter::of::<v1::Site>());
    let server = server.start().await.unwrap();
    server.install_crds([CRD]).await.unwrap();
    server
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// The object.
    pub(crate) fn ok(self) -> Value {
        assert!(self.code < 300, "{}: {}", self.code, self.body);
        self.body
    }

    /// Code and message.
    pub(crate) fn refused(&self) -> (u16, &str) {
        (self.code, self.body["message"].as_str().unwrap_or_default())
    }
}

pub(crate) fn path(version: &str, rest: &str) -> String {
    format!("/apis/web.example.com/{version}/namespaces/default/sites{rest}")
}

async fn send(client: &kube::Client, method: &str, path: &str, media: &str, body: &Value) -> Answer {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media);
    let answer = client
        .send(request.body(kube::client::Body::from(body)).unwrap())
        .await
        .unwrap();
    let warnings = answer.headers().get_all("warning").iter();
    let warnings = warnings
        .map(|warning| warning.to_str().unwrap().to_owned())
        .collect();
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Answer {
        code,
        warnings,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

pub(crate) async fn get(client: &kube::Client, version: &str, name: &str) -> Value {
    let path = path(version, &format!("/{name}"));
    send(client, "GET", &path, "application/json", &Value::Null)
        .await
        .ok()
}

pub(crate) async fn post(client: &kube::Client, version: &str, name: &str, spec: &Value) -> Answer {
    let object = site(version, name, spec);
    send(client, "POST", &path(version, ""), "application/json", &object).await
}

pub(crate) async fn put(client: &kube::Client, version: &str, object: &Value) -> Answer {
    let name = object["metadata"]["name"].as_str().unwrap();
    send(
        client,
        "PUT",
        &path(version, &format!("/{name}")),
        "application/json",
        object,
    )
    .await
}

pub(crate) async fn merge(client: &kube::Client, version: &str, rest: &str, patch: &Value) -> Answer {
    send(
        client,
        "PATCH",
        &path(version, rest),
        "application/merge-patch+json",
        patch,
    )
    .await
}

pub(crate) async fn apply(
    client: &kube::Client,
    version: &str,
    manager: &str,
    name: &str,
    spec: &Value,
) -> Answer {
    let path = path(version, &format!("/{name}?fieldManager={manager}"));
    let object = site(version, name, spec);
    send(client, "PATCH", &path, "application/apply-patch+yaml", &object).await
}

pub(crate) fn site(version: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("web.example.com/{version}"), "kind": "Site",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

/// A site as each version writes it, with what only that version can say.
pub(crate) fn full(version: &str) -> Value {
    match version {
        "v1alpha1" => json!({
            "address": "blog.example.com:08080", "imageName": "blog:1", "replicas": 2, "timeoutSeconds": 30,
            "legacyMode": true, "note": "ask the web team", "strategy": "Manual",
            "probe": {"path": "/healthz", "periodSeconds": 5},
            "tls": {"min": "1.2", "secretName": "blog-tls"},
            "redirects": {"text": "/feed /rss.xml # for old readers\n/about /team\n"},
            "content": {"type": "Git", "url": "https://git.example.com/blog"},
            "ports": [{"name": "metrics", "port": 9090}, {"name": "admin", "port": 9091}],
        }),
        "v1beta1" => json!({
            "host": "blog.example.com", "port": 8080, "image": "blog:1", "replicas": 4, "timeoutMillis": 1500,
            "strategy": "Recreate", "memory": "1Gi", "cache": "auto",
            "tls": {"minVersion": "1.2"}, "ingress": {"className": "nginx", "certSecret": "blog-tls"},
            "redirects": {"rules": [{"from": "/feed", "to": "/rss.xml"}]},
            "content": {"type": "Git", "url": "https://git.example.com/blog", "revision": "main"},
            "ports": [{"name": "metrics", "port": 9090}], "mounts": [{"name": "data", "path": "/srv"}],
            "limits": {"/checkout": {"rate": 60}},
        }),
        _ => json!({
            "host": "blog.example.com", "port": 8080, "image": "blog:1", "replicas": 2, "timeoutMillis": 2500,
            "retries": 5, "tier": "Bronze", "class": "spot", "strategy": "Canary", "memoryMib": 384, "cacheMib": 200_000,
            "probe": {"path": "/healthz", "periodSeconds": 5},
            "tls": {"minVersion": "1.3", "http2": false}, "ingress": {"certSecret": "blog-tls"},
            "content": {"type": "Artifact", "reference": "registry/blog:1", "source": "https://git.example.com/blog"},
            "ports": [
                {"name": "metrics", "number": 9090, "appProtocol": "http"},
                {"name": "admin", "number": 9091, "appProtocol": "https"},
            ],
            "mounts": [{"name": "data", "path": "/srv", "readOnly": true}],
            "limits": {"/checkout": {"requestsPerMinute": 60, "burst": 10}},
        }),
    }
}
