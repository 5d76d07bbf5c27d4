//! Conversion in the process: by a closure, and by a handler that gets the webhook's requests (API-80).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use kubewright_apiserver::conversion::{ConverterError, each};
use kubewright_apiserver::{DevServer, dev};
use serde_json::{Value, json};

fn crd() -> Value {
    let version = |name: &str, storage: bool, field: &str| {
        json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {field: {"type": "string"}}},
            }}},
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "paints.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "paints", "kind": "Paint"},
            "versions": [version("v1", true, "color"), version("v1beta1", false, "colour")],
            "conversion": {"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": {"service": {"namespace": "default", "name": "paints", "path": "/convert"}},
            }},
        },
    })
}

fn convert(object: &Value, api_version: &str) -> Result<Value, ConverterError> {
    let mut object = object.clone();
    let (from, to) = match api_version {
        "example.com/v1" => ("colour", "color"),
        "example.com/v1beta1" => ("color", "colour"),
        other => return Err(ConverterError::new(format!("{other} is no version of it"))),
    };
    if let Some(spec) = object["spec"].as_object_mut()
        && let Some(value) = spec.remove(from)
    {
        if value == "invisible" {
            return Err(ConverterError::new("an invisible colour"));
        }
        spec.insert(to.to_owned(), value);
    }
    object["apiVersion"] = api_version.into();
    Ok(object)
}

async fn ask(server: &DevServer, method: &str, uri: &str, body: &Value) -> (u16, Value) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", "application/json")
        .body(kube::client::Body::from(body.into_bytes()))
        .expect("a request");
    let answer = server.client().send(request).await.expect("an answer");
    let code = answer.status().as_u16();
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .expect("a body")
        .to_bytes();
    (code, serde_json::from_slice(&body).unwrap_or_default())
}

const V1: &str = "/apis/example.com/v1/namespaces/default/paints";
const V1BETA1: &str = "/apis/example.com/v1beta1/namespaces/default/paints";

fn paint(name: &str, colour: &str) -> Value {
    json!({
        "apiVersion": "example.com/v1beta1", "kind": "Paint", "metadata": {"name": name},
        "spec": {"colour": colour},
    })
}

async fn start(builder: dev::Builder) -> DevServer {
    let server = builder.start().await.expect("the server starts");
    server
        .install_crds([crd().to_string()])
        .await
        .expect("the CRD is served");
    server
}

async fn both_versions_are_served(server: &DevServer) {
    let (code, made) = ask(server, "POST", V1BETA1, &paint("a", "red")).await;
    assert_eq!((code, &made["spec"]), (201, &json!({"colour": "red"})), "{made}");
    let (_, read) = ask(server, "GET", &format!("{V1}/a"), &Value::Null).await;
    assert_eq!(
        (&read["apiVersion"], &read["spec"]),
        (&json!("example.com/v1"), &json!({"color": "red"}))
    );
    let (code, refused) = ask(server, "POST", V1BETA1, &paint("b", "invisible")).await;
    assert_eq!(
        (code, &refused["message"]),
        (
            500,
            &json!("conversion webhook for example.com/v1beta1, Kind=Paint failed: an invisible colour")
        )
    );
}

#[tokio::test]
async fn api_80_a_closure_converts() {
    let server = start(DevServer::builder().converter(each("example.com", "Paint", convert))).await;
    both_versions_are_served(&server).await;
}

#[tokio::test]
async fn api_80_a_converter_may_come_later() {
    let server = start(DevServer::builder()).await;
    let (code, refused) = ask(&server, "POST", V1BETA1, &paint("a", "red")).await;
    let message = refused["message"].as_str().unwrap_or_default();
    assert_eq!(
        (code, message.contains("service \"default/paints\" not found")),
        (500, true),
        "{message}"
    );
    server
        .hooks()
        .set_converter(each("example.com", "Paint", convert));
    both_versions_are_served(&server).await;
}

#[tokio::test]
async fn api_80_a_handler_of_the_service_converts() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let answer = move |request: Request<Bytes>| {
        seen.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.uri(), "https://paints.default.svc:443/convert");
        let review: Value = serde_json::from_slice(request.body()).expect("JSON");
        let to = review["request"]["desiredAPIVersion"]
            .as_str()
            .expect("a version")
            .to_owned();
        let objects = review["request"]["objects"].as_array().expect("objects").iter();
        let converted: Result<Vec<Value>, _> = objects.map(|object| convert(object, &to)).collect();
        let uid = &review["request"]["uid"];
        let response = match converted {
            Ok(objects) => json!({"uid": uid, "result": {"status": "Success"}, "convertedObjects": objects}),
            Err(why) => json!({"uid": uid, "result": {"status": "Failure", "message": why.to_string()}}),
        };
        let review = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response,
        });
        std::future::ready(Response::new(Bytes::from(review.to_string())))
    };
    let server = start(DevServer::builder().service_handler("default", "paints", answer)).await;
    both_versions_are_served(&server).await;
    assert!(calls.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn api_80_a_panic_is_the_request_s_failure() {
    let panicking = each("example.com", "Paint", |_, _| panic!("no paint"));
    let server = start(DevServer::builder().converter(panicking)).await;
    let (code, refused) = ask(&server, "POST", V1BETA1, &paint("a", "red")).await;
    assert_eq!(
        (code, &refused["message"]),
        (
            500,
            &json!("conversion webhook for example.com/v1beta1, Kind=Paint failed: panicked: no paint")
        )
    );
    let (code, _) = ask(&server, "GET", V1BETA1, &Value::Null).await;
    assert_eq!(code, 200);
}

/// A watch that cannot show an event ends with an error, and tells what came before it.
#[tokio::test]
async fn api_80_a_watch_ends_where_a_conversion_fails() {
    let server = start(DevServer::builder().converter(each("example.com", "Paint", convert))).await;
    let mut good = paint("a", "red");
    good["apiVersion"] = "example.com/v1".into();
    good["spec"] = json!({"color": "red"});
    ask(&server, "POST", V1, &good).await;
    let mut bad = good.clone();
    bad["metadata"]["name"] = "b".into();
    bad["spec"] = json!({"color": "invisible"});
    let (code, _) = ask(&server, "POST", V1, &bad).await;
    assert_eq!(code, 201, "nobody converts it yet");
    let (code, _) = ask(&server, "GET", V1BETA1, &Value::Null).await;
    assert_eq!(code, 500);
    let request = Request::get(format!("{V1BETA1}?watch=true&resourceVersion=1"))
        .body(kube::client::Body::empty())
        .expect("a request");
    let answer = server.client().send(request).await.expect("an answer");
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .expect("a watch that ends")
        .to_bytes();
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let events: Vec<Value> = lines
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["object"]["spec"], json!({"colour": "red"}));
    assert_eq!(
        (&events[1]["type"], &events[1]["object"]["message"]),
        (
            &json!("ERROR"),
            &json!("conversion webhook for example.com/v1, Kind=Paint failed: an invisible colour")
        )
    );
}
