//! A definition that stores the older version, and one that stores the newer, on a server (VER-8, VER-16, VER-20).
#![allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]

use bytes::Bytes;
use http_body_util::BodyExt as _;
use kubewright::convert::Converter;
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::versions::{Conversion, VersionSet};
use kubewright_apiserver::DevServer;
use serde_json::{Value, json};

const KEPT: &str = "conversion.web.example.com/preserved";

mod v1alpha1 {
    use kubewright::{CustomResource, KubeSchema};
    use serde::{Deserialize, Serialize};

    /// A job with a window of time.
    #[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "web.example.com",
        version = "v1alpha1",
        kind = "Job",
        namespaced,
        storage = false
    )]
    pub struct JobSpec {
        /// What only this version has.
        pub note: Option<String>,
        /// `from`, or `from-to`.
        pub window: String,
    }
}

mod v1 {
    use super::v1alpha1 as old;
    use kubewright::{Convert, CustomResource, KubeSchema};
    use serde::{Deserialize, Serialize};

    /// A job with a window of time.
    #[derive(CustomResource, Convert, KubeSchema, Serialize, Deserialize, Clone, Debug)]
    #[kube(
        group = "web.example.com",
        version = "v1",
        kind = "Job",
        namespaced,
        storage,
        previous = old::Job
    )]
    #[convert(from = old::JobSpec, old_only(note))]
    pub struct JobSpec {
        /// What only this version has.
        #[convert(added)]
        pub text: Option<String>,
        /// When it may run.
        #[convert(with(try_up = parse, down = show))]
        pub window: Window,
    }

    /// A window of time.
    #[derive(KubeSchema, Serialize, Deserialize, Clone, Debug)]
    pub struct Window {
        /// Its first hour.
        pub from: i32,
        /// Its last hour.
        pub to: Option<i32>,
    }

    fn parse(text: String) -> Result<Window, std::num::ParseIntError> {
        let (from, to) = text.split_once('-').unwrap_or((&text, ""));
        let to = if to.is_empty() { None } else { Some(to.parse()?) };
        Ok(Window {
            from: from.parse()?,
            to,
        })
    }

    fn show(window: Window) -> String {
        match window.to {
            Some(to) => format!("{}-{to}", window.from),
            None => window.from.to_string(),
        }
    }
}

fn path(version: &str, rest: &str) -> String {
    format!("/apis/web.example.com/{version}/namespaces/default/jobs{rest}")
}

async fn ask(server: &DevServer, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(kubewright::kube::client::Body::from(Bytes::from(body)))
        .unwrap();
    let answer = server.client().send(request).await.unwrap();
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&body).unwrap())
}

async fn ok(server: &DevServer, method: &str, path: &str, body: &Value) -> Value {
    let (code, body) = ask(server, method, path, body).await;
    assert!(code < 300, "{code}: {body}");
    body
}

fn job(version: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("web.example.com/{version}"), "kind": "Job", "metadata": { "name": name }, "spec": spec,
    })
}

/// The definition of both versions, of which one is stored.
fn definition(stored: &str) -> CustomResourceDefinition {
    let mut definition = VersionSet::<v1::Job>::crd(&Conversion::service("default", "jobs")).unwrap();
    for version in &mut definition.spec.versions {
        version.storage = version.name == stored;
    }
    definition
}

async fn server(stored: &str) -> DevServer {
    let server = DevServer::builder().converter(Converter::of::<v1::Job>());
    let server = server.start().await.unwrap();
    let definition = serde_json::to_string(&definition(stored)).unwrap();
    server.install_crds([definition]).await.unwrap();
    server
}

#[tokio::test]
async fn ver_20_a_write_at_the_marked_version_loses_nothing_while_another_is_stored() {
    let server = server("v1alpha1").await;
    ok(
        &server,
        "POST",
        &path("v1", ""),
        &job("v1", "a", json!({ "window": { "from": 1 }, "text": "t" })),
    )
    .await;
    let mut read = ok(&server, "GET", &path("v1", "/a"), &Value::Null).await;
    assert_eq!(read["spec"], json!({ "window": { "from": 1 }, "text": "t" }));
    // What is too large is refused, and what stood there stays.
    read["spec"]["text"] = "x".repeat(300_000).into();
    let (code, refused) = ask(&server, "PUT", &path("v1", "/a"), &read).await;
    let message = refused["message"].as_str().unwrap();
    assert_eq!(code, 500);
    assert!(
        message.ends_with("spec holds data that v1alpha1 cannot represent and that is too large to preserve"),
        "{message}"
    );
    let read = ok(&server, "GET", &path("v1", "/a"), &Value::Null).await;
    assert_eq!(read["spec"], json!({ "window": { "from": 1 }, "text": "t" }));
    // The read is the other way; its mark refuses the write back.
    let long = json!({ "window": "1", "note": "x".repeat(300_000) });
    ok(
        &server,
        "POST",
        &path("v1alpha1", ""),
        &job("v1alpha1", "b", long.clone()),
    )
    .await;
    let mut read = ok(&server, "GET", &path("v1", "/b"), &Value::Null).await;
    assert_eq!(
        read["metadata"]["annotations"][KEPT],
        r#"{"v1alpha1":{"overflow":true}}"#
    );
    read["spec"]["text"] = "t".into();
    let (code, refused) = ask(&server, "PUT", &path("v1", "/b"), &read).await;
    let message = refused["message"].as_str().unwrap();
    assert_eq!(code, 500);
    assert!(
        message.ends_with("too large to preserve; edit it as v1alpha1"),
        "{message}"
    );
    let read = ok(&server, "GET", &path("v1alpha1", "/b"), &Value::Null).await;
    assert_eq!(read["spec"], long);
}

#[tokio::test]
async fn ver_20_the_storage_version_may_move_meanwhile() {
    let server = server("v1alpha1").await;
    let text = "x".repeat(300_000);
    let long = job("v1", "a", json!({ "window": { "from": 1 }, "text": text }));
    assert_eq!(ask(&server, "POST", &path("v1", ""), &long).await.0, 500);
    let name = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/jobs.web.example.com";
    let mut moved = ok(&server, "GET", name, &Value::Null).await;
    moved["spec"]["versions"] = serde_json::to_value(definition("v1").spec.versions).unwrap();
    ok(&server, "PUT", name, &moved).await;
    // What the definition says is served a moment later.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let (code, answer) = ask(&server, "POST", &path("v1", ""), &long).await;
        if code == 201 {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{code}: {}",
            answer["message"]
        );
    }
    let read = ok(&server, "GET", &path("v1alpha1", "/a"), &Value::Null).await;
    assert_eq!(
        read["metadata"]["annotations"][KEPT],
        r#"{"v1":{"overflow":true}}"#
    );
}

#[tokio::test]
async fn ver_08_an_unchanged_write_leaves_the_annotation_as_it_is() {
    let server = server("v1").await;
    let old = path("v1alpha1", "/a");
    for spec in [json!({ "window": "1" }), json!({ "window": "01-2", "note": "n" })] {
        let stands = ask(&server, "GET", &old, &Value::Null).await.0 == 200;
        if stands {
            ok(&server, "DELETE", &old, &Value::Null).await;
        }
        let made = ok(
            &server,
            "POST",
            &path("v1alpha1", ""),
            &job("v1alpha1", "a", spec.clone()),
        )
        .await;
        assert_eq!(made["spec"], spec);
        let kept = |object: &Value| object["metadata"]["annotations"][KEPT].clone();
        let stored = ok(&server, "GET", &path("v1", "/a"), &Value::Null).await;
        if spec["window"] == "1" {
            assert_eq!(
                (kept(&made), kept(&stored)),
                (Value::Null, Value::Null),
                "nothing is lost"
            );
        } else {
            assert_eq!(kept(&made), Value::Null, "it is at home");
            assert_eq!(
                kept(&stored),
                r#"{"v1alpha1":{"set":[[["spec","note"],"n"],[["spec","window"],"01-2"]]}}"#
            );
        }
        let mut last = made;
        for _ in 0..2 {
            let put = ok(&server, "PUT", &old, &last).await;
            assert_eq!(kept(&put), kept(&last));
            assert_eq!(put["spec"], spec);
            let again = ok(&server, "GET", &path("v1", "/a"), &Value::Null).await;
            assert_eq!(kept(&again), kept(&stored));
            assert_eq!(again["spec"], stored["spec"]);
            last = put;
        }
    }
    // And of what only the newer version has.
    let new = json!({ "window": { "from": 1 }, "text": "t" });
    ok(&server, "POST", &path("v1", ""), &job("v1", "b", new.clone())).await;
    let old = path("v1alpha1", "/b");
    let first = ok(&server, "GET", &old, &Value::Null).await;
    assert_eq!(
        first["metadata"]["annotations"][KEPT],
        r#"{"v1":{"set":[[["spec","text"],"t"]]}}"#
    );
    let mut last = first.clone();
    for _ in 0..2 {
        last = ok(&server, "PUT", &old, &last).await;
        assert_eq!(last["metadata"]["annotations"], first["metadata"]["annotations"]);
    }
    assert_eq!(
        ok(&server, "GET", &path("v1", "/b"), &Value::Null).await["spec"],
        new
    );
}
