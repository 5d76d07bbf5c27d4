//! Requests as they are on the wire, for what typed clients hide.

use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt};
use kubewright::kube;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

/// What a server said.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
    /// Texts of `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    /// The body, where the code is of success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.code < 300, "{}: {}", self.code, self.body);
        self.body
    }

    /// Code and message of a failure.
    #[track_caller]
    pub(crate) fn failure(&self) -> (u16, &str) {
        assert!(self.code >= 400, "{}: {}", self.code, self.body);
        (self.code, self.body["message"].as_str().unwrap_or_default())
    }
}

/// One request; a body that is a text is sent as it is.
pub(crate) async fn send(
    client: &kube::Client,
    method: &str,
    uri: &str,
    media: &str,
    body: &Value,
) -> Answer {
    let text = match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", media)
        .body(kube::client::Body::from(text.into_bytes()))
        .unwrap();
    let answer = client.send(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let warnings = parts.headers.get_all("warning").iter();
    let warnings = warnings
        .filter_map(|value| value.to_str().ok()?.strip_prefix("299 - \"")?.strip_suffix('"'))
        .map(|text| text.replace("\\\"", "\""))
        .collect();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    Answer {
        code: parts.status.as_u16(),
        body: serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))),
        warnings,
    }
}

pub(crate) async fn get(client: &kube::Client, uri: &str) -> Answer {
    send(client, "GET", uri, "application/json", &Value::Null).await
}

pub(crate) async fn post(client: &kube::Client, uri: &str, body: &Value) -> Answer {
    send(client, "POST", uri, "application/json", body).await
}

pub(crate) async fn put(client: &kube::Client, uri: &str, body: &Value) -> Answer {
    send(client, "PUT", uri, "application/json", body).await
}

pub(crate) async fn delete(client: &kube::Client, uri: &str) -> Answer {
    send(client, "DELETE", uri, "application/json", &Value::Null).await
}

pub(crate) async fn merge(client: &kube::Client, uri: &str, body: &Value) -> Answer {
    send(client, "PATCH", uri, "application/merge-patch+json", body).await
}

pub(crate) async fn apply(client: &kube::Client, uri: &str, body: &Value) -> Answer {
    send(client, "PATCH", uri, "application/apply-patch+yaml", body).await
}

/// Asks again until the answer is as wanted.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(DEADLINE, waiting).await.is_ok(),
        "waited {DEADLINE:?} for: {what}"
    );
}

/// Makes a CRD and waits until it is served.
pub(crate) async fn install(client: &kube::Client, crd: &Value) {
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldValidation=Strict";
    post(client, crds, crd).await.ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let group = text(&crd["spec"]["group"]);
    let plural = text(&crd["spec"]["names"]["plural"]);
    for version in crd["spec"]["versions"].as_array().unwrap() {
        if version["served"] == true {
            let uri = format!("/apis/{group}/{}/{plural}?limit=1", text(&version["name"]));
            until(&uri, async || get(client, &uri).await.code == 200).await;
        }
    }
}

/// The next events of a watch, as many as wanted, bookmarks apart.
pub(crate) async fn events(client: &kube::Client, uri: &str, count: usize) -> Vec<Value> {
    let request = http::Request::get(uri).body(Vec::new()).unwrap();
    let lines = client.request_stream(request).await.unwrap().lines();
    let wanted = lines
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .filter(|event| std::future::ready(event["type"] != "BOOKMARK"))
        .take(count)
        .collect();
    let events = tokio::time::timeout(DEADLINE, wanted).await;
    events.unwrap_or_else(|_| panic!("{uri}: fewer than {count} events"))
}
