//! `DevServer` and its controls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::Request;
use http_body_util::{BodyExt, Empty};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::Status;
use kube::{Api, ResourceExt};
use kubewright_apiserver::{DevServer, Matcher};
use serde_json::{Value, json};
use tower::ServiceExt;

const DEADLINE: Duration = Duration::from_secs(10);

async fn server() -> DevServer {
    DevServer::start().await.expect("the server starts")
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).expect("a ConfigMap")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("it does not hang")
}

#[tokio::test]
async fn api_1_verbs_without_a_socket() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let made = maps
        .create(&PostParams::default(), &config_map("a"))
        .await
        .expect("created");
    assert!(made.uid().is_some() && made.resource_version().is_some());
    let mut read = maps.get("a").await.expect("read");
    assert_eq!(read, made);
    read.data.get_or_insert_default().insert("b".into(), "2".into());
    let replaced = maps
        .replace("a", &PostParams::default(), &read)
        .await
        .expect("replaced");
    assert_ne!(replaced.resource_version(), made.resource_version());
    let patched = maps
        .patch(
            "a",
            &PatchParams::default(),
            &Patch::Merge(json!({"data": {"b": null}})),
        )
        .await
        .expect("patched");
    assert_eq!(patched.data, made.data);
    assert_eq!(
        maps.list(&ListParams::default()).await.expect("listed").items,
        [patched]
    );
    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert!(maps.get_opt("a").await.expect("read").is_none());
}

#[tokio::test]
async fn api_2_fifty_servers_are_isolated() {
    let begin = Instant::now();
    let mut servers = Vec::new();
    for _ in 0..50 {
        servers.push(server().await);
    }
    // Unoptimised and beside other tests; the budget of a release build is for the bench.
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let api = |server: &DevServer| Api::<ConfigMap>::namespaced(server.client(), "default");
    api(&servers[0])
        .create(&PostParams::default(), &config_map("a"))
        .await
        .expect("created");
    for server in &servers[1..] {
        assert!(
            api(server)
                .list(&ListParams::default())
                .await
                .expect("listed")
                .items
                .is_empty()
        );
    }
}

#[tokio::test]
async fn api_3_dropping_ends_watches_and_refuses_clients() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let mut events = maps
        .watch(&WatchParams::default(), "0")
        .await
        .expect("watched")
        .boxed();
    drop(server);
    assert!(within(events.next()).await.is_none());
    assert!(within(maps.get("a")).await.is_err());
}

#[tokio::test]
async fn api_5_compact_expires_older_starts_and_keeps_running_watches() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let first = maps
        .create(&PostParams::default(), &config_map("a"))
        .await
        .expect("created");
    let version = first.resource_version().expect("a version");
    let mut running = maps
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watched")
        .boxed();
    maps.create(&PostParams::default(), &config_map("b"))
        .await
        .expect("created");
    server.compact();
    let event = within(running.try_next()).await.expect("no failure");
    assert!(matches!(event, Some(WatchEvent::Added(map)) if map.name_any() == "b"));
    let mut late = maps
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watched")
        .boxed();
    let event = within(late.try_next()).await.expect("no failure");
    assert!(
        matches!(event, Some(WatchEvent::Error(status)) if status.code == 410 && status.reason == "Expired")
    );
    assert!(within(late.next()).await.is_none());
}

#[tokio::test]
async fn api_5_advance_expires_events_and_ends_watches() {
    let server = server().await;
    let events: Api<Event> = Api::namespaced(server.client(), "default");
    let event = serde_json::from_value(json!({
        "metadata": {"name": "a"}, "involvedObject": {"kind": "Pod", "name": "b", "namespace": "default"},
    }))
    .expect("an event");
    let made = events
        .create(&PostParams::default(), &event)
        .await
        .expect("created");
    let version = made.resource_version().expect("a version");
    let mut watch = events
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watched")
        .boxed();
    server.advance(Duration::from_secs(3601));
    // Its own time was at most an hour; what else it says before it ends is a matter of who wakes first.
    within(async { while watch.next().await.is_some() {} }).await;
    assert!(events.get_opt("a").await.expect("read").is_none());
    let mut watch = events
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watched")
        .boxed();
    let gone = within(watch.try_next()).await.expect("no failure");
    assert!(
        matches!(gone, Some(WatchEvent::Deleted(ref event)) if event.name_any() == "a"),
        "{gone:?}"
    );
}

#[tokio::test]
async fn api_5_faults_delays_and_the_log() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client_as("jane", ["dev"]), "default");
    server.fail_next(
        Matcher::any().verb("create").resource("configmaps"),
        Status::failure("no", "Conflict").with_code(409),
    );
    let refused = maps.create(&PostParams::default(), &config_map("a")).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 409 && status.message == "no"));
    maps.create(&PostParams::default(), &config_map("a"))
        .await
        .expect("the next one is answered");
    server.delay(Matcher::any().verb("get"), Duration::from_millis(50));
    let begin = Instant::now();
    maps.get("a").await.expect("read");
    assert!(begin.elapsed() >= Duration::from_millis(50));
    let creates = Matcher::any()
        .verb("create")
        .resource("configmaps")
        .namespace("default");
    let log = server.request_log();
    let codes: Vec<_> = log
        .iter()
        .filter(|request| request.is(&creates))
        .map(|request| request.code)
        .collect();
    assert_eq!(codes, [409, 201]);
    assert!(log.iter().all(|request| request.user.as_deref() == Some("jane")));
}

#[tokio::test]
async fn api_5_lost_connections_and_a_restart_keep_what_is_stored() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    maps.create(&PostParams::default(), &config_map("a"))
        .await
        .expect("created");
    let mut watch = maps
        .watch(&WatchParams::default(), "1")
        .await
        .expect("watched")
        .boxed();
    assert!(within(watch.try_next()).await.is_ok_and(|event| event.is_some()));
    server.drop_watches();
    assert!(!matches!(within(watch.next()).await, Some(Ok(_))));
    server.go_down();
    assert!(maps.get("a").await.is_err());
    server.come_up();
    maps.get("a").await.expect("it is still there");
    server.become_unavailable();
    assert!(matches!(maps.get("a").await, Err(kube::Error::Api(status)) if status.code == 503));
    server.come_up();
    maps.get("a").await.expect("it is still there");
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).expect("a request")
}

#[tokio::test]
async fn api_5_the_shortest_outage_cuts_what_runs() {
    let server = server().await;
    server.delay(Matcher::any(), Duration::from_secs(3600));
    let path = "/api/v1/namespaces/default";
    let mut running = std::pin::pin!(server.engine().clone().oneshot(get(path)));
    assert!(futures::poll!(&mut running).is_pending());
    server.go_down();
    server.come_up();
    assert!(within(running).await.is_err());
    let mut running = std::pin::pin!(server.engine().clone().oneshot(get(path)));
    assert!(futures::poll!(&mut running).is_pending());
    server.restart(Duration::ZERO).await;
    assert!(within(running).await.is_err());
    let mut running = std::pin::pin!(server.engine().clone().oneshot(get(path)));
    assert!(futures::poll!(&mut running).is_pending());
    drop(server);
    assert!(within(running).await.is_err());
}

#[tokio::test]
async fn api_20_paths_that_are_no_resource() {
    let server = server().await;
    let ask = async |path: &str| {
        let answer = server
            .engine()
            .clone()
            .oneshot(get(path))
            .await
            .expect("an answer");
        let (code, media) = (answer.status().as_u16(), answer.headers()["content-type"].clone());
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a whole body")
            .to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("text");
        (code, media.to_str().expect("text").to_owned(), text)
    };
    let plain = |text: &str| (200, "text/plain; charset=utf-8".to_owned(), text.to_owned());
    assert_eq!(ask("/readyz").await, plain("ok"));
    assert_eq!(ask("/readyz/ping").await, plain("ok"));
    assert_eq!(
        ask("/readyz?verbose&exclude=ping").await,
        plain("[+]ping excluded: ok\n[+]shutdown ok\nreadyz check passed\n")
    );
    let (code, media, text) = ask("/").await;
    let index: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, media.as_str()), (200, "application/json"));
    let paths = index["paths"].as_array().expect("paths");
    for path in [
        "/api",
        "/api/v1",
        "/apis",
        "/apis/apps",
        "/apis/apps/v1",
        "/healthz",
        "/openapi/v3",
    ] {
        assert!(paths.contains(&path.into()), "{path}");
    }
    for path in [
        "/nothing",
        "/readyz/nothing",
        "/apis/nothing",
        "/apis/apps/v9",
        "/api/v1/nothing",
    ] {
        let (code, media, text) = ask(path).await;
        let status: Status = serde_json::from_str(&text).expect("a Status");
        assert_eq!((code, media.as_str()), (404, "application/json"), "{path}");
        assert_eq!(
            (status.code, status.reason.as_str(), status.message.as_str()),
            (
                404,
                "NotFound",
                "the server could not find the requested resource"
            ),
            "{path}"
        );
    }
}

#[tokio::test]
async fn api_3_installing_a_crd_again_replaces_it() {
    const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
";
    let server = server().await;
    let short_names = async || {
        let list = server.client().list_api_group_resources("example.com/v1").await;
        list.expect("discovered").resources[0].short_names.clone()
    };
    server.install_crds([CRD]).await.expect("installed");
    assert_eq!(short_names().await, Some(vec!["wd".to_owned()]));
    let crds: Api<CustomResourceDefinition> = Api::all(server.client());
    let first = crds.get("widgets.example.com").await.expect("read");
    let bare = CRD.replace(", shortNames: [wd]", "");
    server.apply_yaml(&bare).await.expect("merged");
    assert_eq!(
        short_names().await,
        Some(vec!["wd".to_owned()]),
        "a merge takes nothing"
    );
    server.install_crds([bare.as_str()]).await.expect("replaced");
    assert_eq!(short_names().await, None);
    let second = crds.get("widgets.example.com").await.expect("read");
    assert_eq!(second.uid(), first.uid());
    let typed = CustomResourceDefinition {
        metadata: kube::core::ObjectMeta {
            name: first.metadata.name.clone(),
            ..Default::default()
        },
        spec: first.spec,
        status: None,
    };
    server.install_crds([typed]).await.expect("replaced by a value");
    assert_eq!(short_names().await, Some(vec!["wd".to_owned()]));
}

#[tokio::test]
async fn api_65_namespaces_at_the_start() {
    let server = server().await;
    let namespaces: Api<Namespace> = Api::all(server.client());
    let list = namespaces.list(&ListParams::default()).await.expect("listed");
    let names: Vec<_> = list.iter().map(ResourceExt::name_any).collect();
    assert_eq!(
        names,
        ["default", "kube-node-lease", "kube-public", "kube-system"]
    );
    assert!(
        list.iter()
            .all(|ns| ns.labels()["kubernetes.io/metadata.name"] == ns.name_any())
    );
    for name in ["default", "kube-system", "kube-public"] {
        let refused = namespaces.delete(name, &DeleteParams::default()).await;
        assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
    }
}

#[tokio::test]
async fn apply_yaml_creates_and_merges() {
    let server = server().await;
    let yaml = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: d}]}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
";
    server.apply_yaml(yaml).await.expect("created");
    server.apply_yaml(yaml).await.expect("merged");
    let deployments: Api<Deployment> = Api::namespaced(server.client(), "default");
    assert_eq!(
        deployments.get("a").await.expect("read").metadata.generation,
        Some(1)
    );
    let wrong = server.apply_yaml("apiVersion: v9\nkind: Chair\n").await;
    assert_eq!(
        wrong.expect_err("refused").to_string(),
        "Chair of v9 is not served"
    );
}

#[tokio::test]
async fn api_25_a_future_version_is_a_timeout() {
    // Not in the contract suite: clients try again on 504, for longer than a case may take.
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let Err(kube::Error::Api(status)) = maps.list(&ListParams::default().at("999999")).await else {
        panic!("the version is not there yet");
    };
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
    let details = status.details.expect("details");
    assert_eq!(details.causes[0].reason, "ResourceVersionTooLarge");
    assert_eq!(details.retry_after_seconds, 1);
}

#[tokio::test]
async fn api_86_large_bodies_and_objects_are_refused() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    for (size, part) in [(2 << 20, "the object takes"), (4 << 20, "limit is 3145728")] {
        let mut map = config_map("a");
        map.data = Some([("a".to_owned(), "x".repeat(size))].into());
        let Err(kube::Error::Api(status)) = maps.create(&PostParams::default(), &map).await else {
            panic!("{size} bytes are too many");
        };
        assert_eq!(
            (status.code, status.reason.as_str()),
            (413, "RequestEntityTooLarge")
        );
        assert!(status.message.contains(part), "{}", status.message);
    }
}

#[tokio::test]
async fn api_27_an_expired_page_goes_on_inconsistently() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    for name in ["a", "b", "c"] {
        maps.create(&PostParams::default(), &config_map(name))
            .await
            .expect("created");
    }
    let page = maps.list(&ListParams::default().limit(1)).await.expect("listed");
    let token = page.metadata.continue_.expect("a token");
    maps.create(&PostParams::default(), &config_map("d"))
        .await
        .expect("created");
    server.compact();
    let Err(kube::Error::Api(status)) = maps
        .list(&ListParams::default().limit(1).continue_token(&token))
        .await
    else {
        panic!("the snapshot is gone");
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    let token = status
        .metadata
        .and_then(|metadata| metadata.continue_)
        .expect("a token to go on with");
    let rest = maps
        .list(&ListParams::default().continue_token(&token))
        .await
        .expect("listed");
    assert_eq!(
        rest.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["b", "c", "d"]
    );
}
