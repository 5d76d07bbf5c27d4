//! Prints what the in-process server does in a second: start, creates, reads, lists, watch fan-out. Run with `--release`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use kubewright_apiserver::DevServer;
use kubewright_apiserver::engine::Engine;
use serde_json::json;
use tower::Service;

const OBJECTS: usize = 10_000;
const WATCHES: usize = 100;
const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";

async fn send(engine: &Engine, method: Method, path: &str, body: String) -> (StatusCode, Bytes) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let response = engine.clone().call(request).await.expect("an answer");
    let code = response.status();
    (
        code,
        response
            .into_body()
            .collect()
            .await
            .expect("a whole answer")
            .to_bytes(),
    )
}

fn tell(what: &str, count: usize, took: Duration) {
    #[allow(clippy::print_stdout)]
    {
        println!(
            "{what:<40} {count:>8} in {took:>12.3?}   {:>10.0}/s",
            count as f64 / took.as_secs_f64()
        );
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let begin = Instant::now();
    let server = DevServer::start().await.expect("the server starts");
    tell("starts", 1, begin.elapsed());
    let begin = Instant::now();
    for _ in 0..20 {
        drop(DevServer::start().await.expect("the server starts"));
    }
    tell("further starts", 20, begin.elapsed());
    let engine = server.engine();
    let data = "x".repeat(800);

    let begin = Instant::now();
    for index in 0..OBJECTS {
        let object =
            json!({"metadata": {"name": format!("m{index}"), "labels": {"l": "a"}}, "data": {"d": data}});
        let (code, _) = send(engine, Method::POST, COLLECTION, object.to_string()).await;
        assert_eq!(code, StatusCode::CREATED);
    }
    tell("creates of 1 KB, one writer", OBJECTS, begin.elapsed());

    let begin = Instant::now();
    for index in 0..OBJECTS {
        let (code, _) = send(
            engine,
            Method::GET,
            &format!("{COLLECTION}/m{index}"),
            String::new(),
        )
        .await;
        assert_eq!(code, StatusCode::OK);
    }
    tell("gets", OBJECTS, begin.elapsed());

    let begin = Instant::now();
    for _ in 0..20 {
        let (_, body) = send(engine, Method::GET, COLLECTION, String::new()).await;
        assert!(body.len() > OBJECTS * 800);
    }
    tell("lists of 10 000", 20, begin.elapsed());

    let begin = Instant::now();
    for index in 0..OBJECTS {
        let patch = json!({"data": {"n": index.to_string()}}).to_string();
        let request = Request::patch(format!("{COLLECTION}/m{index}"))
            .header(header::CONTENT_TYPE, "application/merge-patch+json")
            .body(Full::new(Bytes::from(patch)))
            .expect("a request");
        let response = engine.clone().call(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
    }
    tell("merge patches, one writer", OBJECTS, begin.elapsed());

    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        let request = Request::get("/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=60")
            .body(Full::new(Bytes::new()))
            .expect("a request");
        let response = engine.clone().call(request).await.expect("an answer");
        let mut body = response.into_body().into_data_stream();
        watches.push(tokio::spawn(async move {
            let mut seen = 0;
            while seen < 1000 {
                let part = body.next().await.expect("more").expect("no cut");
                seen += part.iter().filter(|byte| **byte == b'\n').count();
            }
        }));
    }
    let begin = Instant::now();
    for index in 0..1000 {
        let object = json!({"metadata": {"name": format!("s{index}")}, "stringData": {"d": data}});
        send(
            engine,
            Method::POST,
            "/api/v1/namespaces/default/secrets",
            object.to_string(),
        )
        .await;
    }
    for watch in watches {
        watch.await.expect("all events came");
    }
    tell(
        "events to 100 watches, while writing",
        WATCHES * 1000,
        begin.elapsed(),
    );
}
