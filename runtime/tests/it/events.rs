//! Events against the in-process server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::events::v1::Event;
use kube::client::Body;
use kubewright::Client;
use kubewright::client::ListParams;
use kubewright::events::EventRecorder;
use kubewright_apiserver::{DevServer, Matcher};
use serde_json::json;

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

fn map(name: &str) -> ConfigMap {
    let meta = json!({"name": name, "namespace": "default", "uid": format!("uid of {name}")});
    serde_json::from_value(json!({"metadata": meta})).unwrap()
}

/// What becomes of a request on its way.
enum Fate {
    Passes,
    Forbidden,
    /// The server did it, but nobody hears of that.
    AnswerLost,
}

/// A connection on which `fate` rules.
fn through(
    server: &DevServer,
    fate: impl Fn(&Request<Body>) -> Fate + Clone + Send + Sync + 'static,
) -> kube::Client {
    let server = server.client();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (server, fate) = (server.clone(), fate(&request));
        async move {
            if let Fate::Forbidden = fate {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
                    "reason": "Forbidden", "message": "events is forbidden"});
                let mut response = Response::new(Body::from(status.to_string().into_bytes()));
                *response.status_mut() = StatusCode::FORBIDDEN;
                return Ok(response);
            }
            let response = server.send(request).await?;
            match fate {
                Fate::AnswerLost => Err(Box::<dyn std::error::Error + Send + Sync>::from(
                    "connection reset",
                )),
                _ => Ok(response),
            }
        }
    });
    kube::Client::new(service, "default")
}

/// Loses the answers to the creates of these numbers, counted from 0, and forbids reading where `reads` says so.
fn losing(creates: &'static [u32], reads: bool) -> impl Fn(&Request<Body>) -> Fate + Clone + Send + Sync {
    let number = Arc::new(AtomicU32::new(0));
    move |request| match *request.method() {
        Method::POST if creates.contains(&number.fetch_add(1, Ordering::SeqCst)) => Fate::AnswerLost,
        Method::GET if !reads => Fate::Forbidden,
        _ => Fate::Passes,
    }
}

async fn events(server: &DevServer) -> Vec<Event> {
    let events: Client<Event> = Client::new(server.client());
    let events = events.namespace("default");
    events.list(&ListParams::default()).await.unwrap().items
}

/// How often each Event says that it happened, sorted.
async fn counts(server: &DevServer) -> Vec<i32> {
    let mut counts: Vec<_> = events(server)
        .await
        .into_iter()
        .map(|event| event.series.map_or(1, |series| series.count))
        .collect();
    counts.sort_unstable();
    counts
}

/// Records that the same thing happened `times` times, and waits until it is written.
async fn record(recorder: &EventRecorder, times: u32) {
    for _ in 0..times {
        recorder.normal(&map("a"), "Synced", "Sync", "all is well");
    }
    assert!(recorder.flush(DEADLINE).await);
}

#[tokio::test]
async fn repeats_grow_one_event() {
    let server = DevServer::start().await.unwrap();
    let recorder = EventRecorder::new(&server.client(), "c");
    record(&recorder, 1).await;
    let first = events(&server).await.remove(0);
    assert_eq!(first.series, None);
    assert_eq!(first.reporting_controller.as_deref(), Some("c"));
    assert_eq!(first.type_.as_deref(), Some("Normal"));
    assert_eq!(first.note.as_deref(), Some("all is well"));
    let regarding = first.regarding.unwrap();
    assert_eq!(regarding.kind.as_deref(), Some("ConfigMap"));
    assert_eq!(regarding.uid.as_deref(), Some("uid of a"));

    record(&recorder, 2).await;
    assert_eq!(counts(&server).await, [3]);
    // Anything else is another one.
    recorder.warning(&map("a"), "Synced", "Sync", "all is well");
    recorder.normal(&map("b"), "Synced", "Sync", "all is well");
    record(&recorder, 1).await;
    assert_eq!(counts(&server).await, [1, 1, 4]);
}

#[tokio::test]
async fn an_event_that_is_gone_goes_on_in_a_new_one() {
    let server = DevServer::start().await.unwrap();
    let recorder = EventRecorder::new(&server.client(), "c");
    record(&recorder, 2).await;
    let name = events(&server).await.remove(0).metadata.name.unwrap();
    let client: Client<Event> = Client::new(server.client());
    client.namespace("default").delete(&name).await.unwrap();
    record(&recorder, 1).await;
    assert_eq!(counts(&server).await, [3]);
}

#[tokio::test]
async fn a_lost_create_answer_counts_once() {
    for times in [1, 3] {
        let server = DevServer::start().await.unwrap();
        let recorder = EventRecorder::new(&through(&server, losing(&[0], true)), "c");
        record(&recorder, times).await;
        let times = i32::try_from(times).unwrap();
        assert_eq!(counts(&server).await, [times]);
        record(&recorder, 1).await;
        assert_eq!(counts(&server).await, [times + 1]);
    }
}

#[tokio::test]
async fn a_restart_joins_the_series() {
    let server = DevServer::start().await.unwrap();
    for (times, total) in [(1, 1), (1, 2), (2, 4)] {
        record(&EventRecorder::new(&server.client(), "c"), times).await;
        assert_eq!(counts(&server).await, [total]);
    }
    record(&EventRecorder::new(&server.client(), "another"), 1).await;
    assert_eq!(counts(&server).await, [1, 4]);
}

#[tokio::test]
async fn get_forbidden_still_writes() {
    let server = DevServer::start().await.unwrap();
    let recorder = EventRecorder::new(&through(&server, losing(&[], false)), "c");
    record(&recorder, 1).await;
    record(&recorder, 1).await;
    assert_eq!(counts(&server).await, [2]);
    // Restarts; at the second one the answer to the create under the other name is lost, too.
    for (lost, expected) in [(&[][..], vec![2, 2]), (&[1], vec![2, 2, 2])] {
        let recorder = EventRecorder::new(&through(&server, losing(lost, false)), "c");
        record(&recorder, 1).await;
        record(&recorder, 1).await;
        assert_eq!(counts(&server).await, expected);
    }
}

#[tokio::test]
async fn events_of_cluster_objects_go_to_default() {
    let server = DevServer::start().await.unwrap();
    let recorder = EventRecorder::new(&server.client(), "c");
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": "n", "uid": "1"}})).unwrap();
    recorder.normal(&namespace, "Synced", "Sync", "all is well");
    assert!(recorder.flush(DEADLINE).await);
    let event = events(&server).await.remove(0);
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.regarding.unwrap().namespace, None);
}

#[tokio::test]
async fn a_flood_is_filtered() {
    let server = DevServer::start().await.unwrap();
    let recorder = EventRecorder::new(&server.client(), "c");
    for n in 0..40 {
        recorder.normal(&map("loud"), "Synced", "Sync", format!("number {n}"));
    }
    recorder.normal(&map("quiet"), "Synced", "Sync", "number 0");
    // What is written already grows on.
    recorder.normal(&map("loud"), "Synced", "Sync", "number 0");
    assert!(recorder.flush(DEADLINE).await);
    let events = events(&server).await;
    let of = |name: &str| {
        let of_name = events.iter().filter(|event| {
            let regarding = event.regarding.as_ref().unwrap();
            regarding.name.as_deref() == Some(name)
        });
        of_name.count()
    };
    assert_eq!((of("loud"), of("quiet")), (25, 1));
    let mut counts = counts(&server).await;
    assert_eq!(counts.pop(), Some(2));
}

#[tokio::test]
async fn flush_waits() {
    let server = DevServer::start().await.unwrap();
    let creates = || Matcher::any().verb("create").resource("events");
    let recorder = EventRecorder::new(&server.client(), "c");
    assert!(recorder.flush(DEADLINE).await, "nothing waits");
    server.delay(creates(), Duration::from_millis(100));
    record(&recorder, 1).await;
    assert_eq!(counts(&server).await, [1]);

    server.delay(creates(), Duration::from_secs(86_400));
    recorder.normal(&map("b"), "Synced", "Sync", "all is well");
    assert!(!recorder.flush(Duration::from_millis(50)).await);
    assert_eq!(counts(&server).await, [1]);
}
