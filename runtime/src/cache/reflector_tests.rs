//! Lists that are handed on beside the reactor.

use std::sync::Mutex;
use std::sync::mpsc;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

const OBJECTS: usize = 2_000;

fn map(name: &str, version: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "n", "name": name, "resourceVersion": version},
    })
}

/// A server with many objects, whose watch brings one more and then nothing.
fn client() -> kube::Client {
    let service = tower::service_fn(|request: http::Request<kube::client::Body>| async move {
        let query = request.uri().query().unwrap_or_default();
        let text = if query.contains("watch=") {
            format!("{}\n", json!({"type": "ADDED", "object": map("late", "8")}))
        } else {
            let items: Vec<_> = (0..OBJECTS).map(|nth| map(&format!("m{nth}"), "7")).collect();
            json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items})
                .to_string()
        };
        let body = kube::client::Body::from(text.into_bytes());
        Ok::<_, kube::Error>(http::Response::new(body))
    });
    kube::Client::new(service, "default")
}

/// A store whose replacement waits until it is let go, or panics where nobody does that any more.
struct Held {
    store: Store<ConfigMap>,
    said: UnboundedSender<&'static str>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl Sink<ConfigMap> for Held {
    fn intake(&self) -> Intake<ConfigMap> {
        self.store.intake()
    }

    fn replace(&self, objects: Vec<Incoming<ConfigMap>>, undecodable: &[ObjectKey]) {
        self.said.send("replacing").unwrap();
        self.go.lock().unwrap().recv().expect("let go");
        Sink::replace(&self.store, objects, undecodable);
        self.said.send("replaced").unwrap();
    }

    fn apply(&self, changes: Vec<Change<ConfigMap>>) {
        self.said.send("changed").unwrap();
        self.store.apply(changes);
    }
}

struct Run {
    store: Store<ConfigMap>,
    handle: ReflectorHandle,
    said: UnboundedReceiver<&'static str>,
    go: mpsc::Sender<()>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A reflector whose list is being handed on. That the test goes on, on the one thread that there is, shows that the
/// reactor is free meanwhile.
async fn replacing() -> Run {
    let (store, stop) = (Store::new(), CancellationToken::new());
    let (says, mut said) = unbounded_channel();
    let (go, goes) = mpsc::channel();
    let sink = Held {
        store: store.clone(),
        said: says,
        go: Mutex::new(goes),
    };
    let config = ReflectorConfig {
        initial: InitialState::Pages,
        ..ReflectorConfig::default()
    };
    let target = Target::of::<ConfigMap>();
    let reflector = Reflector::with_sink(client(), target, &WatchScope::all(), config, Arc::new(sink));
    let handle = reflector.handle();
    let task = tokio::spawn(reflector.run(stop.clone()));
    assert_eq!(said.recv().await, Some("replacing"));
    assert!(!handle.has_synced());
    assert_eq!(store.len(), 0);
    Run {
        store,
        handle,
        said,
        go,
        stop,
        task,
    }
}

#[tokio::test]
async fn changes_follow_the_list_that_is_handed_on_beside() {
    let mut run = replacing().await;
    run.go.send(()).unwrap();
    assert_eq!(run.said.recv().await, Some("replaced"));
    assert_eq!(run.said.recv().await, Some("changed"));
    assert_eq!(run.handle.status().lists, 1);
    run.stop.cancel();
    run.task.await.unwrap();
    assert_eq!(run.store.len(), OBJECTS + 1);
}

/// Whoever waits for the end may write to the store after it.
#[tokio::test]
async fn the_end_waits_for_a_list_that_is_handed_on() {
    let mut run = replacing().await;
    run.stop.cancel();
    // Long enough for the task to have seen it, as it would be polled in between.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!run.task.is_finished());
    run.go.send(()).unwrap();
    run.task.await.unwrap();
    assert_eq!(run.said.recv().await, Some("replaced"));
    assert_eq!(run.said.recv().await, None, "nothing is written after the end");
    assert_eq!((run.store.len(), run.handle.status().lists), (OBJECTS, 1));
}

#[tokio::test]
async fn a_panic_beside_is_that_of_the_watch() {
    for stopped in [false, true] {
        let run = replacing().await;
        if stopped {
            run.stop.cancel();
        }
        drop(run.go);
        assert!(run.task.await.unwrap_err().is_panic());
        assert!(!run.handle.has_synced());
    }
}
