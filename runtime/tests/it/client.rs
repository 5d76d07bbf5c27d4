//! What typed clients send, and what they make of answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use http::{Request, Response, StatusCode};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
use kube::client::Body;
use kubewright::client::{
    ClientError, DeleteParams, Deleted, FieldManager, FieldValidation, GetParams, ListParams, Preconditions,
    WatchEvent, WatchParams,
};
use kubewright::{AsClient, Client, Clientset};
use serde_json::json;
use tower::service_fn;

use super::derive::{Foo, FooApply, FooSpec, FooSpecApply, FooStatusApply};

#[derive(Clientset)]
struct Clients {
    foos: Client<Foo>,
    nodes: Client<Node>,
    deployments: Client<Deployment>,
}

type Log = Arc<Mutex<Vec<String>>>;

/// A connection that answers everything with `answer` and writes down what was asked.
fn recorder(status: u16, answer: impl Into<String>) -> (kube::Client, Log) {
    let log = Log::default();
    let (seen, answer) = (log.clone(), answer.into());
    let service = service_fn(move |request: Request<Body>| {
        let (seen, answer) = (seen.clone(), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let mut line = format!("{} {}", parts.method, parts.uri);
            let body = body.collect_bytes().await?;
            if !body.is_empty() {
                let kind = parts
                    .headers
                    .get("content-type")
                    .map_or("", |kind| kind.to_str().unwrap());
                line += &format!("\n  {kind}: {}", String::from_utf8_lossy(&body));
            }
            seen.lock().unwrap().push(line);
            let status = StatusCode::from_u16(status).unwrap();
            Response::builder()
                .status(status)
                .body(Body::from(answer.into_bytes()))
                .map_err(kube::Error::HttpError)
        }
    });
    (kube::Client::new(service, "apps"), log)
}

fn taken(log: &Log) -> String {
    std::mem::take(&mut *log.lock().unwrap()).join("\n")
}

fn foo() -> Foo {
    Foo::new(
        "a",
        FooSpec {
            deployment_name: "d".into(),
            replicas: None,
        },
    )
}

#[tokio::test]
async fn verbs_of_objects() {
    let answer = serde_json::to_string(&foo()).unwrap();
    let (connection, log) = recorder(200, answer);
    let clients = Clients::new(connection);
    let foos = clients.foos().namespace("ns").field_manager("me");
    foos.get("a").await.unwrap();
    foos.get_with("a", &GetParams::any()).await.unwrap();
    foos.create(&foo()).await.unwrap();
    foos.clone()
        .dry_run()
        .field_validation(FieldValidation::Strict)
        .update(&foo())
        .await
        .unwrap();
    let patch = serde_json::from_value(json!([{"op": "remove", "path": "/spec/replicas"}])).unwrap();
    foos.json_patch("a", patch).await.unwrap();
    foos.merge_patch("a", &json!({"spec": {"replicas": 2}}))
        .await
        .unwrap();
    let wanted = FooApply::new("a").spec(FooSpecApply::default().replicas(3));
    foos.apply(&wanted, "you").await.unwrap();
    foos.apply(&wanted, FieldManager::new("you").force())
        .await
        .unwrap();
    foos.delete("a").await.unwrap();
    let precondition = Preconditions {
        uid: Some("u".into()),
        ..Preconditions::default()
    };
    foos.delete_with("a", &DeleteParams::foreground().preconditions(precondition))
        .await
        .unwrap();
    foos.status().get("a").await.unwrap();
    foos.status().update(&foo()).await.unwrap();
    foos.status()
        .merge_patch("a", &json!({"status": {}}))
        .await
        .unwrap();
    let wanted = FooApply::new("a").status(FooStatusApply::default().available_replicas(1));
    foos.status().apply(&wanted, "me").await.unwrap();
    clients.foos().default_namespace().get("a").await.unwrap();
    insta::assert_snapshot!(taken(&log));
}

#[tokio::test]
async fn verbs_of_collections_and_built_in_kinds() {
    let (connection, log) = recorder(
        200,
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "7"}, "items": []})
            .to_string(),
    );
    let clients = Clients::new(connection);
    let params = ListParams::default().labels("a=b").limit(5);
    clients.foos().namespace("ns").list(&params).await.unwrap();
    clients
        .foos()
        .all_namespaces()
        .list(&ListParams::default())
        .await
        .unwrap();
    let nodes = clients.nodes().list(&ListParams::default()).await.unwrap();
    assert_eq!(nodes.metadata.resource_version.as_deref(), Some("7"));
    clients
        .foos()
        .namespace("ns")
        .delete_collection(&DeleteParams::default(), &params)
        .await
        .unwrap();
    let (connection, of_objects) = recorder(200, r#"{"metadata": {"name": "x"}}"#);
    let clients = Clients::new(connection);
    clients.nodes().get("n").await.unwrap();
    let deployments = clients.deployments().namespace("ns");
    deployments.strategic_patch("d", &json!({})).await.unwrap();
    deployments.scale().get("d").await.unwrap();
    deployments.scale().set_replicas("d", 3).await.unwrap();
    let mut read = Deployment::default();
    read.metadata.name = Some("d".into());
    read.metadata.managed_fields = Some(Vec::new());
    deployments.apply(&read, "me").await.unwrap();
    insta::assert_snapshot!(format!("{}\n{}", taken(&log), taken(&of_objects)));
}

#[tokio::test]
async fn a_watch_is_a_stream_of_events() {
    let added = json!({"type": "ADDED", "object": foo()});
    let gone = json!({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}});
    let (connection, log) = recorder(200, format!("{added}\n{gone}\n"));
    let foos = Client::<Foo>::new(connection).all_namespaces();
    let events: Vec<_> = foos
        .watch(&WatchParams::default().labels("a=b"), "9")
        .await
        .unwrap()
        .collect()
        .await;
    assert!(matches!(&events[0], Ok(WatchEvent::Added(foo)) if foo.spec.deployment_name == "d"));
    assert!(matches!(&events[1], Ok(WatchEvent::Error(status)) if status.code == 410));
    assert_eq!(events.len(), 2);
    insta::assert_snapshot!(taken(&log));
}

#[tokio::test]
async fn deletion_tells_whether_the_object_is_gone() {
    let (connection, _) = recorder(
        200,
        r#"{"kind": "Status", "apiVersion": "v1", "status": "Success"}"#,
    );
    let foos = Client::<Foo>::new(connection).namespace("ns");
    assert!(foos.delete("a").await.unwrap().is_done());
    let (connection, _) = recorder(200, serde_json::to_string(&foo()).unwrap());
    let foos = Client::<Foo>::new(connection).namespace("ns");
    assert!(
        matches!(foos.delete("a").await.unwrap(), Deleted::Pending(foo) if foo.metadata.name.as_deref() == Some("a"))
    );
}

async fn refusal(code: u16, reason: &str, details: serde_json::Value) -> ClientError {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": "no", "details": details,
    });
    let (connection, _) = recorder(code, status.to_string());
    Client::<Foo>::new(connection)
        .namespace("ns")
        .status()
        .get("a")
        .await
        .unwrap_err()
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let missing = refusal(404, "NotFound", json!({})).await;
    assert!(missing.is_not_found() && !missing.is_retryable() && !missing.is_conflict());
    assert_eq!(
        missing.to_string(),
        "get status of Foo.samplecontroller.k8s.io ns/a: refused by the server"
    );
    assert_eq!(
        std::error::Error::source(&missing).unwrap().to_string(),
        "no: NotFound"
    );

    let conflict = refusal(409, "Conflict", json!({})).await;
    assert!(conflict.is_conflict() && !conflict.is_already_exists() && !conflict.is_retryable());
    let taken = refusal(409, "AlreadyExists", json!({})).await;
    assert!(taken.is_already_exists() && !taken.is_conflict());
    assert!(refusal(403, "Forbidden", json!({})).await.is_forbidden());
    assert!(refusal(422, "Invalid", json!({})).await.is_invalid());
    assert!(refusal(410, "Expired", json!({})).await.is_expired());

    let busy = refusal(429, "TooManyRequests", json!({"retryAfterSeconds": 3})).await;
    assert!(busy.is_retryable());
    assert_eq!(busy.retry_after(), Some(Duration::from_secs(3)));
    assert!(refusal(503, "ServiceUnavailable", json!({})).await.is_retryable());
}

#[tokio::test]
async fn a_missing_object_is_none() {
    let status =
        json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "no"});
    let (connection, _) = recorder(404, status.to_string());
    let foos = Client::<Foo>::new(connection).namespace("ns");
    assert!(foos.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_asked() {
    let (connection, log) = recorder(200, "{}");
    let foos = Client::<Foo>::new(connection).namespace("ns");
    let mut nameless = foo();
    nameless.metadata.name = None;
    let error = foos.update(&nameless).await.unwrap_err();
    assert!(matches!(error, ClientError::Request { .. }));
    assert_eq!(
        error.to_string(),
        "update Foo.samplecontroller.k8s.io in ns: the request cannot be made"
    );
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "metadata.name is not set"
    );
    assert!(foos.get("").await.is_err());
    assert!(foos.apply(&nameless, "me").await.is_err());
    assert_eq!(taken(&log), "");
}

/// client-go's `rest.IsValidPathSegmentName`, and what would end the path.
#[tokio::test]
async fn names_with_slashes_are_refused_unsent() {
    let (connection, log) = recorder(200, serde_json::to_string(&foo()).unwrap());
    let clients = Clients::new(connection);
    let foos = clients.foos().namespace("ns");
    let refused = |error: ClientError| {
        assert!(matches!(error, ClientError::Request { .. }), "{error:?}");
        assert!(!error.is_retryable());
        std::error::Error::source(&error).unwrap().to_string()
    };
    for (name, reason) in [
        ("a/status", "may not contain '/'"),
        ("a%2Fstatus", "may not contain '%'"),
        ("a?dryRun=All&x=", "may not contain '?'"),
        ("a#", "may not contain '#'"),
        ("..", "may not be '..'"),
        (".", "may not be '.'"),
        ("", "may not be empty"),
    ] {
        let expected = format!("invalid name {name:?}: {reason}");
        let patch = json!({"spec": {"replicas": 1}});
        for error in [
            foos.get(name).await.unwrap_err(),
            foos.get_opt(name).await.unwrap_err(),
            foos.get_with(name, &GetParams::any()).await.unwrap_err(),
            foos.merge_patch(name, &patch).await.unwrap_err(),
            foos.delete(name).await.unwrap_err(),
            foos.delete_with(name, &DeleteParams::default())
                .await
                .unwrap_err(),
            foos.status().get(name).await.unwrap_err(),
            foos.status().merge_patch(name, &patch).await.unwrap_err(),
            clients
                .deployments()
                .namespace("ns")
                .scale()
                .get(name)
                .await
                .unwrap_err(),
            clients
                .deployments()
                .namespace("ns")
                .scale()
                .set_replicas(name, 1)
                .await
                .unwrap_err(),
            clients.nodes().get(name).await.unwrap_err(),
        ] {
            assert_eq!(refused(error), expected);
        }
        let mut named = foo();
        named.metadata.name = Some(name.to_owned());
        assert!(foos.update(&named).await.is_err());
        assert!(foos.apply(&named, "me").await.is_err());

        // A namespace is a part of every path.
        let elsewhere = clients.foos().namespace(name);
        let (list, watch) = (ListParams::default(), WatchParams::default());
        for error in [
            elsewhere.get("a").await.unwrap_err(),
            elsewhere.create(&foo()).await.unwrap_err(),
            elsewhere.list(&list).await.unwrap_err(),
            elsewhere
                .delete_collection(&DeleteParams::default(), &list)
                .await
                .unwrap_err(),
            elsewhere.watch(&watch, "0").await.err().unwrap(),
        ] {
            assert_eq!(refused(error), format!("invalid namespace {name:?}: {reason}"));
        }
    }
    assert_eq!(taken(&log), "");

    // Names of roles may have other characters.
    foos.get("system:a").await.unwrap();
    assert_eq!(
        taken(&log),
        "GET /apis/samplecontroller.k8s.io/v1alpha1/namespaces/ns/foos/system:a"
    );
}

#[tokio::test]
async fn patches_of_subresources() {
    let (connection, log) = recorder(200, serde_json::to_string(&Deployment::default()).unwrap());
    let deployments = Client::<Deployment>::new(connection).namespace("ns");
    deployments
        .status()
        .strategic_patch("d", &json!({"status": {"replicas": 1}}))
        .await
        .unwrap();
    let (connection, of_scale) = recorder(200, r#"{"metadata": {"name": "d"}}"#);
    let deployments = Client::<Deployment>::new(connection).namespace("ns");
    let wanted = json!({"spec": {"replicas": 2}});
    deployments.scale().merge_patch("d", &wanted).await.unwrap();
    let patch =
        serde_json::from_value(json!([{"op": "replace", "path": "/spec/replicas", "value": 3}])).unwrap();
    deployments.scale().json_patch("d", patch).await.unwrap();
    insta::assert_snapshot!(format!("{}\n{}", taken(&log), taken(&of_scale)));
}

#[tokio::test]
async fn an_answer_of_another_kind_is_an_error() {
    let (connection, _) = recorder(200, r#"{"metadata": {}, "spec": 3}"#);
    let error = Client::<Foo>::new(connection)
        .namespace("ns")
        .get("a")
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Answer { .. }), "{error:?}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_broken_connection_is_retryable() {
    let service = service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let connection = kube::Client::new(service, "default");
    let error = Client::<Foo>::new(connection)
        .namespace("ns")
        .get("a")
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Unanswered { .. }) && error.is_retryable());
}

#[tokio::test]
async fn a_clientset_lends_its_connection() {
    let (connection, log) = recorder(200, "{}");
    let clients = Clients::new(connection);
    let request = Request::get("/version").body(Vec::new()).unwrap();
    clients.as_client().request_text(request).await.unwrap();
    assert_eq!(taken(&log), "GET /version");
}
