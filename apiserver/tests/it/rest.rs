//! Rules of the verbs that a real server is not asked about: its history, its store and its races are its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full};
use kubewright_apiserver::DevServer;
use kubewright_apiserver::clock::Clock;
use kubewright_apiserver::engine::Engine;
use kubewright_apiserver::registry::{Registry, Snapshot};
use kubewright_apiserver::storage::{Changes, Entry, ListRequest, Memory, Page, Pending, Storage};
use serde_json::{Value, json};
use tower::Service;

const MERGE: &str = "application/merge-patch+json";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

struct Answer {
    code: u16,
    headers: HeaderMap,
    body: Value,
}

/// Sends a request by any service: the engine, or a client's.
async fn send<S>(mut service: S, method: &str, path: &str, media: &str, body: &Value) -> Answer
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<kubewright_apiserver::engine::Body>>,
    S::Error: std::fmt::Debug,
{
    let body = match body {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, media)
        .body(Full::new(body))
        .expect("a request");
    let answer = service.call(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    Answer {
        code: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[tokio::test]
async fn api_25_an_exact_version_that_is_compacted_is_expired() {
    let server = DevServer::start().await.expect("the server starts");
    let engine = server.engine();
    let made = send(engine.clone(), "POST", MAPS, "application/json", &config_map("a")).await;
    assert_eq!(made.code, 201);
    let version = made.body["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version");
    let path = format!("{MAPS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(
        send(engine.clone(), "GET", &path, "", &Value::Null).await.code,
        200
    );
    let made = send(engine.clone(), "POST", MAPS, "application/json", &config_map("b")).await;
    assert_eq!(made.code, 201);
    server.compact();
    let gone = send(engine.clone(), "GET", &path, "", &Value::Null).await;
    assert_eq!((gone.code, &gone.body["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn api_13_and_39_what_is_missing_says_so() {
    let server = DevServer::start().await.expect("the server starts");
    let engine = server.engine();
    let told = async |method: &str, path: &str, media: &str| {
        let answer = send(engine.clone(), method, path, media, &config_map("a")).await;
        assert_eq!(answer.code, 415);
        let message = answer.body["message"].as_str().expect("a message").to_owned();
        assert!(message.contains("is not served by this server yet"), "{message}");
    };
    told("POST", MAPS, "application/vnd.kubernetes.protobuf").await;
    let map = format!("{MAPS}/a");
    told("PATCH", &map, "application/strategic-merge-patch+json").await;
}

#[tokio::test]
async fn api_40_copies_grow_an_object_only_so_far() {
    let server = DevServer::start().await.expect("the server starts");
    let engine = server.engine();
    let mut map = config_map("a");
    map["data"] = json!({"a": "x".repeat(900_000)});
    let made = send(engine.clone(), "POST", MAPS, "application/json", &map).await;
    assert_eq!(made.code, 201);
    let copies = ["b", "c", "d", "e"]
        .map(|to| json!({"op": "copy", "from": "/data/a", "path": format!("/data/{to}")}));
    let path = format!("{MAPS}/a");
    let patch = "application/json-patch+json";
    let refused = send(engine.clone(), "PATCH", &path, patch, &json!(copies)).await;
    assert_eq!((refused.code, &refused.body["reason"]), (422, &json!("Invalid")));
    let kept = send(engine.clone(), "GET", &path, "", &Value::Null).await;
    assert_eq!(kept.body["data"].as_object().map(serde_json::Map::len), Some(1));
}

/// Fifteen copies made an object so deep that the process ended.
#[tokio::test]
async fn api_86_a_nesting_patch_is_refused_and_the_server_lives_on() {
    let server = DevServer::start().await.expect("the server starts");
    let engine = server.engine();
    let made = send(engine.clone(), "POST", MAPS, "application/json", &config_map("a")).await;
    assert_eq!(made.code, 201);
    let mut operations = vec![json!({"op": "add", "path": "/z", "value": {}})];
    let mut depth = 0;
    for _ in 0..15 {
        let path = format!("/z{}", "/x".repeat(depth + 1));
        operations.push(json!({"op": "copy", "from": "/z", "path": path}));
        depth = depth * 2 + 1;
    }
    let path = format!("{MAPS}/a");
    let patch = "application/json-patch+json";
    let refused = send(engine.clone(), "PATCH", &path, patch, &operations.into()).await;
    assert_eq!((refused.code, &refused.body["reason"]), (422, &json!("Invalid")));
    assert_eq!(
        send(engine.clone(), "GET", &path, "", &Value::Null).await.code,
        200
    );
}

/// What is just not too deep goes through every walk: schemas, pruning, storing, lists.
#[tokio::test]
async fn api_86_the_deepest_objects_are_served() {
    let server = DevServer::start().await.expect("the server starts");
    let nested = |depth: usize| (0..depth).fold(json!({}), |below, _| json!({"x": below}));
    let schema = |depth: usize| {
        let leaf = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        (0..depth).fold(
            leaf,
            |below, _| json!({"type": "object", "properties": {"x": below}}),
        )
    };
    let crd = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema(50)}}},
            }],
        },
    });
    let engine = server.engine();
    let made = send(engine.clone(), "POST", CRDS, "application/json", &crd).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let widgets = "/apis/example.com/v1/namespaces/default/widgets";
    let widget = |depth: usize| {
        json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": nested(depth),
        })
    };
    tokio::time::timeout(Duration::from_secs(10), async {
        while send(engine.clone(), "GET", widgets, "", &Value::Null).await.code != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the kind is served");
    let made = send(engine.clone(), "POST", widgets, "application/json", &widget(118)).await;
    assert_eq!(made.code, 201, "{}", made.body);
    // A client can still read it inside a list.
    let list = send(engine.clone(), "GET", widgets, "", &Value::Null).await;
    assert_eq!(list.body["items"][0]["spec"], nested(118));
    let deeper = send(engine.clone(), "POST", widgets, "application/json", &widget(119)).await;
    assert_eq!(deeper.code, 400);
}

/// A store in which somebody else is faster once: before a write below `at` reaches it, the object under `victim` is
/// changed.
#[derive(Debug)]
struct Meddled {
    inner: Memory,
    at: &'static str,
    victim: &'static str,
    change: fn(&mut Value),
    done: AtomicBool,
}

impl Meddled {
    async fn meddle(&self, key: &str) {
        if !key.starts_with(self.at) {
            return;
        }
        let Some(victim) = self.inner.get(self.victim).await.expect("a store") else {
            return;
        };
        if self.done.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut value = victim.value.clone();
        (self.change)(&mut value);
        self.inner
            .update(self.victim, value, victim.revision)
            .await
            .expect("changed");
    }
}

impl Storage for Meddled {
    fn create<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> Pending<'a, Arc<Entry>> {
        Box::pin(async move {
            self.meddle(key).await;
            self.inner.create(key, value, ttl).await
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Arc<Entry>>> {
        self.inner.get(key)
    }

    fn list<'a>(&'a self, request: ListRequest<'a>) -> Pending<'a, Page> {
        self.inner.list(request)
    }

    fn update<'a>(&'a self, key: &'a str, value: Value, expected: u64) -> Pending<'a, Arc<Entry>> {
        Box::pin(async move {
            self.meddle(key).await;
            self.inner.update(key, value, expected).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str, last: Value, expected: u64) -> Pending<'a, Arc<Entry>> {
        self.inner.delete(key, last, expected)
    }

    fn watch<'a>(&'a self, prefix: &'a str, after: u64) -> Pending<'a, Box<dyn Changes>> {
        self.inner.watch(prefix, after)
    }

    fn revision(&self) -> Pending<'_, u64> {
        self.inner.revision()
    }

    fn compact(&self, revision: u64) -> Pending<'_, ()> {
        self.inner.compact(revision)
    }

    fn count<'a>(&'a self, prefix: &'a str) -> Pending<'a, usize> {
        self.inner.count(prefix)
    }
}

fn meddled(at: &'static str, victim: &'static str, change: fn(&mut Value)) -> Engine {
    let clock = Arc::<Clock>::default();
    let registry = Arc::new(Registry::default());
    registry.update(|snapshot| *snapshot = Snapshot::builtin());
    let storage = Meddled {
        inner: Memory::new(clock.clone()),
        at,
        victim,
        change,
        done: AtomicBool::new(false),
    };
    Engine::builder(registry, Arc::new(storage), clock).build()
}

/// Whoever empties the namespace may have looked before the object was there, and would leave it behind.
#[tokio::test]
async fn api_66_a_create_that_meets_the_namespaces_end_is_undone() {
    let engine = meddled("/core/configmaps/", "/core/namespaces/default", |namespace| {
        namespace["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    let namespace = json!({"metadata": {"name": "default"}});
    let made = send(
        engine.clone(),
        "POST",
        "/api/v1/namespaces",
        "application/json",
        &namespace,
    )
    .await;
    assert_eq!(made.code, 201);
    let refused = send(engine.clone(), "POST", MAPS, "application/json", &config_map("a")).await;
    assert_eq!(
        (refused.code, &refused.body["reason"]),
        (403, &json!("Forbidden"))
    );
    assert_eq!(
        refused.body["details"]["causes"][0]["reason"],
        "NamespaceTerminating"
    );
    let left = send(engine, "GET", &format!("{MAPS}/a"), "", &Value::Null).await;
    assert_eq!(left.code, 404);
}

#[tokio::test]
async fn api_54_a_second_attempt_warns_no_second_time() {
    let key = "/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com";
    let engine = meddled(key, key, |crd| {
        crd["metadata"]["labels"] = json!({"who": "another"});
    });
    let version = |schema: Value| json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]);
    let crd = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": version(json!({"type": "object"})),
        },
    });
    let made = send(engine.clone(), "POST", CRDS, "application/json", &crd).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let odd = json!({"type": "object", "properties": {"spec": {"type": "string", "format": "odd"}}});
    let patch = json!({"spec": {"versions": version(odd)}});
    let path = format!("{CRDS}/widgets.example.com");
    let patched = send(engine, "PATCH", &path, MERGE, &patch).await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    assert_eq!(patched.body["metadata"]["labels"]["who"], "another");
    let warnings: Vec<_> = patched.headers.get_all(header::WARNING).iter().collect();
    assert_eq!(warnings, [r#"299 - "unrecognized format \"odd\"""#]);
}
