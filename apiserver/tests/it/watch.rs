//! Watches, byte by byte: over the engine and over sockets.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use http::Request;
use http_body_util::{BodyExt, Empty};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use kubewright_apiserver::engine::Body;
use kubewright_apiserver::{DevServer, Listen};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tower::ServiceExt;

const DEADLINE: Duration = Duration::from_secs(20);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: hangs"))
}

/// The events of a watch, as they are on the wire.
struct Events {
    body: Body,
    lines: VecDeque<Value>,
}

impl Events {
    async fn of(server: &DevServer, uri: &str) -> Self {
        let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("a request");
        let response = server.engine().clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 200, "{uri}");
        Self {
            body: response.into_body(),
            lines: VecDeque::new(),
        }
    }

    async fn next(&mut self) -> Option<Value> {
        while self.lines.is_empty() {
            let frame = self.body.frame().await?.expect("no cut connection");
            let bytes = frame.into_data().expect("data");
            // Without a socket a part of the body arrives as it was made: whole lines.
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            self.lines
                .extend(lines.map(|line| serde_json::from_slice::<Value>(line).expect("JSON")));
        }
        self.lines.pop_front()
    }
}

fn config_map(name: &str, text: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": text}})).expect("a ConfigMap")
}

async fn create(server: &DevServer, name: &str, text: &str) -> String {
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let made = maps
        .create(&PostParams::default(), &config_map(name, text))
        .await
        .expect("created");
    made.resource_version().expect("a version")
}

#[tokio::test(start_paused = true)]
async fn api_32_bookmarks_come_each_minute_and_before_the_end() {
    let server = DevServer::start().await.expect("the server starts");
    let version = create(&server, "a", "").await;
    let begin = Instant::now();
    let uri =
        format!("{MAPS}?watch=true&resourceVersion={version}&timeoutSeconds=300&allowWatchBookmarks=true");
    let mut events = Events::of(&server, &uri).await;
    for seconds in [60, 120, 180, 240, 298] {
        assert_eq!(
            events.next().await,
            Some(json!({"type": "BOOKMARK", "object": {
                "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": version},
            }}))
        );
        assert_eq!(begin.elapsed().as_secs(), seconds);
    }
    assert_eq!(events.next().await, None);
    assert_eq!(begin.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn api_32_no_bookmark_comes_unasked() {
    let server = DevServer::start().await.expect("the server starts");
    let version = create(&server, "a", "").await;
    let uri = format!("{MAPS}?watch=true&resourceVersion={version}&timeoutSeconds=300");
    assert_eq!(Events::of(&server, &uri).await.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn api_32_a_backlog_holds_up_no_bookmark_and_no_end() {
    let server = DevServer::start().await.expect("the server starts");
    let version = create(&server, "first", "").await;
    let uri =
        format!("{MAPS}?watch=true&resourceVersion={version}&timeoutSeconds=90&allowWatchBookmarks=true");
    let mut events = Events::of(&server, &uri).await;
    // More than a watch reads at a time.
    const COUNT: usize = 1200;
    for index in 0..COUNT {
        create(&server, &format!("m{index}"), "").await;
    }
    server.advance(Duration::from_secs(61));
    let mut before = 0;
    loop {
        let event = events.next().await.expect("a bookmark");
        if event["type"] == "BOOKMARK" {
            break;
        }
        before += 1;
    }
    assert!(before < COUNT, "the bookmark came after all changes");
    server.advance(Duration::from_secs(30));
    while events.next().await.is_some() {
        before += 1;
    }
    assert!(before < COUNT, "the end came after all changes");
}

#[tokio::test]
async fn api_34_a_client_that_does_not_read_delays_nobody() {
    let server = DevServer::builder()
        .listen(Listen::Plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
        .start()
        .await
        .expect("started");
    let address = server.url().trim_start_matches("http://").to_owned();
    let version = create(&server, "first", "").await;
    let mut deaf = tokio::net::TcpStream::connect(&address).await.expect("connected");
    let request = format!("GET {MAPS}?watch=true&resourceVersion={version} HTTP/1.1\r\nhost: x\r\n\r\n");
    deaf.write_all(request.as_bytes()).await.expect("sent");
    // The first bytes are there: the watch runs. Nobody takes them.
    within("the answer begins", deaf.readable())
        .await
        .expect("readable");
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let mut events = std::pin::pin!(
        maps.watch(&WatchParams::default(), &version)
            .await
            .expect("watched")
    );
    // More than the buffers of a socket take.
    let text = "x".repeat(200_000);
    let names: Vec<String> = (0..100).map(|index| format!("m{index}")).collect();
    within("writes and another watch", async {
        for name in &names {
            create(&server, name, &text).await;
            let event = events.try_next().await.expect("no failure");
            assert!(matches!(event, Some(WatchEvent::Added(map)) if map.name_any() == *name));
        }
    })
    .await;
}

#[tokio::test]
async fn api_18_a_version_that_is_no_longer_served_vanishes_and_its_watches_end() {
    const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - {name: v1, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}
  - {name: v2, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
";
    let server = DevServer::start().await.expect("the server starts");
    server.install_crds([CRD]).await.expect("installed");
    let codes = async |version: &str| {
        let mut codes = Vec::new();
        for path in [
            "apis/example.com/V",
            "openapi/v3/apis/example.com/V",
            "apis/example.com/V/widgets",
        ] {
            let uri = format!("/{}", path.replace('V', version));
            let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("a request");
            let answer = server.engine().clone().oneshot(request).await.expect("an answer");
            codes.push(answer.status().as_u16());
        }
        codes
    };
    assert_eq!(
        (codes("v1").await, codes("v2").await),
        (vec![200; 3], vec![200; 3])
    );
    let mut old = Events::of(&server, "/apis/example.com/v1/widgets?watch=true").await;
    let mut new = Events::of(&server, "/apis/example.com/v2/widgets?watch=true").await;
    let unserved = CRD.replace("name: v1, served: true", "name: v1, served: false");
    server.install_crds([unserved]).await.expect("replaced");
    assert_eq!(within("the end", old.next()).await, None);
    assert_eq!(
        (codes("v1").await, codes("v2").await),
        (vec![404; 3], vec![200; 3])
    );
    server
        .apply_yaml("apiVersion: example.com/v2\nkind: Widget\nmetadata: {name: a}\n")
        .await
        .expect("created");
    let event = within("the other version goes on", new.next()).await;
    assert_eq!(event.expect("an event")["type"], "ADDED");
}

#[tokio::test]
async fn api_79_the_last_deletions_are_seen_before_the_watch_ends() {
    const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
";
    // On one thread the controller deletes, withdraws and is done before a watch has a turn.
    let server = DevServer::start().await.expect("the server starts");
    server.install_crds([CRD]).await.expect("installed");
    for name in ["a", "b"] {
        let widget = format!("apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: {name}}}\n");
        server.apply_yaml(&widget).await.expect("created");
    }
    let mut events = Events::of(&server, "/apis/example.com/v1/widgets?watch=true").await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let event = within("the present state", events.next())
            .await
            .expect("an event");
        seen.push(event["type"].clone());
    }
    let crds = Api::<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    >::all(server.client());
    crds.delete("widgets.example.com", &DeleteParams::default())
        .await
        .expect("deleted");
    while let Some(event) = within("the end", events.next()).await {
        seen.push(event["type"].clone());
    }
    assert_eq!(seen, ["ADDED", "ADDED", "DELETED", "DELETED"]);
}
