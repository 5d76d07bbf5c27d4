//! The REST contract as a suite over a client (API-120): a black box, run on `DevServer` and on real clusters alike.
//!
//! **Invariant:** a case speaks of what upstream does; one that a real kube-apiserver fails is a wrong case. Cases
//! keep to namespaces and CRDs of their own, so they may run side by side and on a server that is in use.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{AsyncBufReadExt, FutureExt, StreamExt, TryStreamExt};
use http::{Request, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// Name, beginning with the rule that it is about.
    pub name: &'static str,
    run: fn(Server) -> BoxFuture<'static, ()>,
}

impl Case {
    /// Runs the case.
    ///
    /// # Panics
    /// Where the server answers otherwise than it should, or not within 30 seconds.
    pub async fn run(&self, client: Client) {
        let server = Server {
            client,
            namespace: format!(
                "{}-{}",
                self.name.replace('_', "-"),
                &uuid::Uuid::new_v4().to_string()[..8]
            ),
        };
        let namespace = server.namespace.clone();
        let made = server
            .post("/api/v1/namespaces", json!({"metadata": {"name": namespace}}))
            .await;
        assert_eq!(made.code, 201, "{}", made.body);
        let done = tokio::time::timeout(Duration::from_secs(30), (self.run)(server.clone())).await;
        assert!(done.is_ok(), "{} takes too long", self.name);
        server
            .delete(&format!("/api/v1/namespaces/{namespace}"), Value::Null)
            .await;
    }
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// All cases.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            run: |server| $name(server).boxed(),
        }),*];
    };
}

cases! {
    api_22_create,
    api_22_wrong_creates,
    api_23_generated_names,
    api_24_server_fields,
    api_25_list_versions,
    api_26_wrong_lists,
    api_27_pages,
    api_28_lists,
    api_29_watch_from_a_version,
    api_30_watch_with_a_selector,
    api_31_watch_of_a_future_past,
    api_33_initial_events,
    api_36_update,
    api_36_creating_and_unversioned_updates,
    api_37_kept_fields,
    api_38_nothing_changes,
    api_39_patch_types,
    api_39_patches_do_not_conflict,
    api_40_json_patch,
    api_40_merge_patch,
    api_41_patched_identity,
    api_48_delete_and_finalizers,
    api_48_deletes_that_return_the_object,
    api_49_delete_options,
    api_49_policies_and_finalizers,
    api_51_delete_collection,
    api_52_dry_run,
    api_53_wrong_options,
    api_54_built_in_fields,
    api_55_one_counter,
    api_56_generation,
    api_57_metadata,
    api_59_field_selectors,
    api_59_label_selector_errors,
    api_59_events_of_both_groups,
    api_60_tables_and_metadata,
    api_61_custom_status,
    api_62_scale,
    api_64_namespace_finalize,
    api_65_the_first_service,
    api_66_namespaces_of_creates,
    api_67_namespace_deletion,
    api_78_custom_fields,
    api_86_nesting,
    api_100_paths,
}

#[derive(Clone)]
struct Server {
    client: Client,
    namespace: String,
}

struct Answer {
    code: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn ok(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.body);
        self.body
    }

    /// Asserts a failure with this code, reason and part of its message.
    #[track_caller]
    fn fails(self, code: u16, reason: &str, part: &str) -> Value {
        let message = self.body["message"].as_str().unwrap_or_default();
        assert_eq!(self.code, code, "{}", self.body);
        assert_eq!(self.body["kind"], "Status");
        assert_eq!(self.body["status"], "Failure");
        assert_eq!(self.body["code"], code);
        assert_eq!(self.body["reason"], reason, "{}", self.body);
        assert!(message.contains(part), "{message:?} holds no {part:?}");
        self.body
    }

    /// Asserts the code alone.
    #[track_caller]
    fn has_code(self, code: u16) {
        assert_eq!(self.code, code, "{}", self.body);
    }

    fn warnings(&self) -> Vec<&str> {
        self.headers
            .get_all(header::WARNING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect()
    }
}

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

impl Server {
    async fn send(&self, method: &str, path: &str, media: &str, accept: &str, body: Value) -> Answer {
        let text = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, media)
            .header(header::ACCEPT, accept)
            .body(Body::from(text))
            .expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole answer").to_bytes();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, JSON, JSON, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, JSON, JSON, body).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, JSON, JSON, body).await
    }

    async fn patch(&self, path: &str, media: &str, body: Value) -> Answer {
        self.send("PATCH", path, media, JSON, body).await
    }

    async fn patch_map(&self, name: &str, body: Value) -> Answer {
        self.patch(&self.maps(&format!("/{name}")), MERGE, body).await
    }

    async fn delete(&self, path: &str, body: Value) -> Answer {
        self.send("DELETE", path, JSON, JSON, body).await
    }

    /// Path of this case's ConfigMaps, with a name or query behind it.
    fn maps(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/configmaps{rest}", self.namespace)
    }

    fn deployments(&self, rest: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/deployments{rest}", self.namespace)
    }

    async fn make(&self, name: &str) -> Value {
        self.post(&self.maps(""), config_map(name)).await.ok(201)
    }

    /// Events of a watch until `count` have come or it ends.
    async fn watch(&self, path: &str, count: usize) -> Vec<Value> {
        let request = Request::get(path).body(Vec::new()).expect("a request");
        let lines = self
            .client
            .request_stream(request)
            .await
            .expect("a watch")
            .lines();
        let lines: Vec<String> = lines.take(count).try_collect().await.expect("whole lines");
        lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("an event"))
            .collect()
    }

    /// Asks until the answer has this code.
    async fn until(&self, path: &str, code: u16) -> Value {
        loop {
            let answer = self.get(path).await;
            if answer.code == code {
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A kind of its own, with status and scale; returns the path of its collection.
    async fn custom(&self) -> (String, String) {
        let group = format!("{}.example.com", self.namespace);
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("foos.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}, "scale": {
                        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                    }},
                    "selectableFields": [{"jsonPath": ".spec.colour"}],
                    "additionalPrinterColumns": [{"name": "Colour", "type": "string", "jsonPath": ".spec.colour"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {
                            "replicas": {"type": "integer", "minimum": 1, "maximum": 10},
                            "colour": {"type": "string", "default": "red"},
                        }},
                        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                    }}},
                }],
            },
        });
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        self.post(path, crd).await.ok(201);
        let collection = format!("/apis/{group}/v1/namespaces/{}/foos", self.namespace);
        self.until(&collection, 200).await;
        // A real server answers lists a little before it takes writes.
        loop {
            let probe = self
                .post(
                    &format!("{collection}?dryRun=All"),
                    foo(&group, "probe", json!({})),
                )
                .await;
            if probe.code == 201 {
                return (collection, group);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "a literal at every call")]
fn foo(group: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Foo", "metadata": {"name": name}, "spec": spec})
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "d"}]},
            },
        },
    })
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().expect("a version")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .filter(|name| *name != "kube-root-ca.crt")
        .collect()
}

async fn api_22_create(server: Server) {
    let answer = server.post(&server.maps(""), config_map("a")).await;
    let cache = answer
        .headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok());
    assert_eq!(cache, Some("no-cache, private"));
    assert!(answer.headers.contains_key("audit-id"));
    let made = answer.ok(201);
    let metadata = &made["metadata"];
    assert_eq!(metadata["namespace"], server.namespace.as_str());
    assert_eq!(metadata["uid"].as_str().map(str::len), Some(36));
    let created = metadata["creationTimestamp"].as_str().expect("a timestamp");
    assert!(created.len() == 20 && created.ends_with('Z'), "{created}");
    assert!(metadata.get("selfLink").is_none() && metadata.get("generation").is_none());
    let read = server.get(&server.maps("/a")).await.ok(200);
    assert_eq!((&read["data"], version(&read)), (&made["data"], version(&made)));
    server.post(&server.maps(""), config_map("a")).await.fails(
        409,
        "AlreadyExists",
        r#"configmaps "a" already exists"#,
    );
}

async fn api_22_wrong_creates(server: Server) {
    let maps = server.maps("");
    let body = server
        .post(
            &maps,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
        )
        .await
        .fails(
            422,
            "Invalid",
            r#"ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required"#,
        );
    assert_eq!(
        body["details"],
        json!({"kind": "ConfigMap", "causes": [{
            "reason": "FieldValueRequired", "message": "Required value: name or generateName is required",
            "field": "metadata.name",
        }]})
    );
    let mut other = config_map("a");
    other["metadata"]["namespace"] = json!("elsewhere");
    server.post(&maps, other).await.fails(
        400,
        "BadRequest",
        "the namespace of the provided object does not match",
    );
    let mut other = config_map("a");
    other["kind"] = json!("Pod");
    server
        .post(&maps, other)
        .await
        .fails(400, "BadRequest", "cannot be handled as a ConfigMap");
    let mut other = config_map("a");
    other["apiVersion"] = json!("v9");
    server.post(&maps, other).await.fails(
        400,
        "BadRequest",
        "ConfigMap in version \"v9\" cannot be handled as",
    );
    for rubbish in [json!([]), json!("a"), Value::Null] {
        server.post(&maps, rubbish).await.fails(400, "BadRequest", "");
    }
    server.send("POST", &maps, "text/plain", JSON, config_map("a")).await.fails(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json",
    );
    server
        .send("GET", &maps, JSON, "text/html", Value::Null)
        .await
        .fails(
            406,
            "NotAcceptable",
            "Available representations: application/json",
        );
}

async fn api_23_generated_names(server: Server) {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x".repeat(60)}});
    let made = server.post(&server.maps(""), object).await.ok(201);
    let name = made["metadata"]["name"].as_str().expect("a name");
    assert_eq!(name.len(), 63);
    assert!(
        name[58..]
            .chars()
            .all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)),
        "{name}"
    );
    assert_eq!(made["metadata"]["generateName"], "x".repeat(60));
    let both =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "generateName": "b-"}});
    let made = server.post(&server.maps(""), both).await.ok(201);
    assert_eq!(made["metadata"]["name"], "a");
}

async fn api_24_server_fields(server: Server) {
    let mut object = deployment("a");
    object["metadata"] = json!({
        "name": "a", "uid": "foreign", "generation": 5, "creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x",
        "deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 3,
    });
    let made = server.post(&server.deployments(""), object).await.ok(201);
    let metadata = &made["metadata"];
    assert_eq!(metadata["uid"].as_str().map(str::len), Some(36));
    assert_ne!(metadata["creationTimestamp"], "2001-01-01T00:00:00Z");
    assert_eq!(metadata["generation"], 1);
    for dropped in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        assert!(metadata.get(dropped).is_none(), "{dropped}");
    }
}

async fn api_25_list_versions(server: Server) {
    let first = server.make("a").await;
    let second = server.make("b").await;
    let list = server.get(&server.maps("")).await.ok(200);
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(names(&list), ["a", "b"]);
    assert!(version(&list).parse::<u64>().expect("a number") >= version(&second).parse().expect("a number"));
    let at = |version: &str, how: &str| {
        server.maps(&format!("?resourceVersion={version}&resourceVersionMatch={how}"))
    };
    let exact = server.get(&at(version(&first), "Exact")).await.ok(200);
    assert_eq!((names(&exact), version(&exact)), (vec!["a"], version(&first)));
    assert_eq!(
        names(&server.get(&at(version(&first), "NotOlderThan")).await.ok(200)),
        ["a", "b"]
    );
    let empty = server
        .get(&format!("/api/v1/namespaces/{}/secrets", server.namespace))
        .await
        .ok(200);
    assert_eq!(empty["items"], json!([]));
}

async fn api_26_wrong_lists(server: Server) {
    for (query, field) in [
        ("?resourceVersionMatch=Exact", "resourceVersionMatch"),
        (
            "?resourceVersion=1&resourceVersionMatch=Roughly",
            "resourceVersionMatch",
        ),
        (
            "?resourceVersion=0&resourceVersionMatch=Exact",
            "resourceVersionMatch",
        ),
        ("?sendInitialEvents=true", "sendInitialEvents"),
        ("?watch=1&sendInitialEvents=true", "resourceVersionMatch"),
        (
            "?watch=1&sendInitialEvents=false&resourceVersionMatch=Exact",
            "resourceVersionMatch",
        ),
        (
            "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=abc",
            "resourceVersionMatch",
        ),
    ] {
        let body = server.get(&server.maps(query)).await.fails(
            422,
            "Invalid",
            "ListOptions.meta.k8s.io \"\" is invalid",
        );
        assert_eq!(body["details"]["causes"][0]["field"], field, "{query}");
    }
    for query in [
        "?resourceVersion=x",
        "?limit=x",
        "?labelSelector=a%3Db%3Dc",
        "?continue=abc",
        "?fieldSelector=a",
        "?timeout=foo",
    ] {
        server.get(&server.maps(query)).await.fails(400, "BadRequest", "");
    }
    server.get(&server.maps("?labelSelector=a%3Db%3Dc")).await.fails(
        400,
        "BadRequest",
        "found '=', expected: ',' or 'end of string'",
    );
}

async fn api_27_pages(server: Server) {
    for index in 0..5 {
        server.make(&format!("m{index}")).await;
    }
    let first = server
        .get(&server.maps("?limit=2&fieldSelector=metadata.name!%3Dkube-root-ca.crt"))
        .await
        .ok(200);
    assert!(first["metadata"].get("remainingItemCount").is_none());
    let secrets = format!("/api/v1/namespaces/{}/secrets", server.namespace);
    for index in 0..5 {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("s{index}")}});
        server.post(&secrets, secret).await.ok(201);
    }
    let page = server.get(&format!("{secrets}?limit=2")).await.ok(200);
    assert_eq!(names(&page), ["s0", "s1"]);
    assert_eq!(page["metadata"]["remainingItemCount"], 3);
    // Later writes are in no page of this snapshot.
    server.delete(&format!("{secrets}/s2"), Value::Null).await.ok(200);
    let token = page["metadata"]["continue"].as_str().expect("a token");
    let next = server
        .get(&format!("{secrets}?limit=2&continue={token}"))
        .await
        .ok(200);
    assert_eq!((names(&next), version(&next)), (vec!["s2", "s3"], version(&page)));
    let token = next["metadata"]["continue"].as_str().expect("a token");
    let last = server
        .get(&format!("{secrets}?limit=2&continue={token}"))
        .await
        .ok(200);
    assert_eq!(names(&last), ["s4"]);
    assert!(last["metadata"].get("continue").is_none_or(|token| token == ""));
    assert!(last["metadata"].get("remainingItemCount").is_none());
}

async fn api_28_lists(server: Server) {
    let (foos, group) = server.custom().await;
    let empty = server.get(&foos).await.ok(200);
    assert_eq!((&empty["kind"], &empty["items"]), (&json!("FooList"), &json!([])));
    server.post(&foos, foo(&group, "a", json!({}))).await.ok(201);
    // Across namespaces, at the level of the group.
    let all = server.get(&format!("/apis/{group}/v1/foos")).await.ok(200);
    assert_eq!(all["apiVersion"], format!("{group}/v1"));
    let item = &all["items"][0];
    assert_eq!(
        (&item["kind"], &item["apiVersion"], &item["metadata"]["namespace"]),
        (
            &json!("Foo"),
            &json!(format!("{group}/v1")),
            &json!(server.namespace)
        )
    );
}

fn types(events: &[Value]) -> Vec<(&str, &str)> {
    events
        .iter()
        .map(|event| {
            (
                event["type"].as_str().unwrap_or_default(),
                event["object"]["metadata"]["name"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

async fn api_29_watch_from_a_version(server: Server) {
    let start = server.make("a").await;
    server.make("b").await;
    server
        .patch(&server.maps("/b"), MERGE, json!({"data": {"x": "y"}}))
        .await
        .ok(200);
    server.delete(&server.maps("/b"), Value::Null).await.ok(200);
    let path = server.maps(&format!(
        "?watch=1&timeoutSeconds=20&resourceVersion={}",
        version(&start)
    ));
    let events = server.watch(&path, 3).await;
    assert_eq!(
        types(&events),
        [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "b")]
    );
    let versions: Vec<u64> = events
        .iter()
        .map(|event| version(&event["object"]).parse().expect("a number"))
        .collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    // A deletion carries the last state.
    assert_eq!(events[2]["object"]["data"]["x"], "y");
    // Without a version the present objects come first; the timeout ends the stream cleanly.
    let events = server
        .watch(
            &server.maps("?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Da"),
            9,
        )
        .await;
    assert_eq!(types(&events), [("ADDED", "a")]);
}

async fn api_30_watch_with_a_selector(server: Server) {
    let start = server.make("a").await;
    let label = |value: &str| json!({"metadata": {"labels": {"l": value}}});
    for value in ["yes", "no"] {
        server
            .patch(&server.maps("/a"), MERGE, label(value))
            .await
            .ok(200);
    }
    let path = server.maps(&format!(
        "?watch=1&labelSelector=l%3Dyes&resourceVersion={}",
        version(&start)
    ));
    let events = server.watch(&path, 2).await;
    assert_eq!(types(&events), [("ADDED", "a"), ("DELETED", "a")]);
    assert_eq!(events[1]["object"]["metadata"]["labels"]["l"], "yes");
    assert!(version(&events[0]["object"]) != version(&events[1]["object"]));
}

async fn api_31_watch_of_a_future_past(server: Server) {
    // Failures before the stream begins are ordinary ones.
    server
        .get(&server.maps("?watch=1&labelSelector=a%3Db%3Dc"))
        .await
        .fails(400, "BadRequest", "");
}

async fn api_33_initial_events(server: Server) {
    server.make("a").await;
    let path = server.maps(
        "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true\
         &fieldSelector=metadata.name%3Da",
    );
    let events = server.watch(&path, 2).await;
    assert_eq!(types(&events), [("ADDED", "a"), ("BOOKMARK", "")]);
    let bookmark = &events[1]["object"];
    assert_eq!(
        bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(bookmark["kind"], "ConfigMap");
}

async fn api_36_update(server: Server) {
    let made = server.make("a").await;
    let path = server.maps("/a");
    let mut next = made.clone();
    next["data"] = json!({"b": "2"});
    let updated = server.put(&path, next.clone()).await.ok(200);
    assert_eq!(updated["data"], json!({"b": "2"}));
    next["data"] = json!({"c": "3"});
    server.put(&path, next.clone()).await.fails(
        409,
        "Conflict",
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to \
         the latest version and try again",
    );
    // ConfigMaps may be updated without a version.
    server.put(&path, config_map("a")).await.ok(200);
    let mut wrong = config_map("a");
    wrong["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    server
        .put(&path, wrong)
        .await
        .fails(409, "Conflict", "Precondition failed: UID in precondition:");
    server.put(&path, config_map("b")).await.fails(
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    );
    server.put(&server.maps("/z"), config_map("z")).await.fails(
        404,
        "NotFound",
        r#"configmaps "z" not found"#,
    );
}

async fn api_36_creating_and_unversioned_updates(server: Server) {
    let core = format!("/api/v1/namespaces/{}", server.namespace);
    let coordination = format!("/apis/coordination.k8s.io/v1/namespaces/{}", server.namespace);
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}", server.namespace);
    let named = |rest: Value| {
        let mut object = rest;
        object["metadata"]["name"] = json!("a");
        object
    };
    let regarding = json!({"namespace": server.namespace});
    for (path, object) in [
        (format!("{coordination}/leases/a"), json!({})),
        (format!("{core}/limitranges/a"), json!({})),
        (format!("{core}/endpoints/a"), json!({})),
        (
            format!("{core}/services/a"),
            json!({"spec": {"ports": [{"port": 80}]}}),
        ),
        (format!("{core}/events/a"), json!({"involvedObject": regarding})),
        (
            format!("{events}/events/b"),
            json!({
                "metadata": {"name": "b"}, "regarding": regarding, "eventTime": "2026-01-01T00:00:00.000000Z",
                "reportingController": "example.com/c", "reportingInstance": "i", "reason": "R", "action": "A",
                "type": "Normal",
            }),
        ),
    ] {
        let object = match object["metadata"]["name"].is_null() {
            true => named(object),
            false => object,
        };
        server.put(&path, object).await.ok(201);
    }
    // An absent object has no version to stand on, and no uid.
    let other = json!({"metadata": {"name": "c", "resourceVersion": "7"}});
    server.put(&format!("{core}/limitranges/c"), other).await.ok(201);
    let other = json!({"metadata": {"name": "d", "uid": "x"}});
    server.put(&format!("{core}/limitranges/d"), other).await.fails(
        409,
        "Conflict",
        "Precondition failed: UID in precondition: x",
    );
    let unversioned = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
    let lease = format!("{coordination}/leases/a");
    for version in ["", "0"] {
        let object = json!({"metadata": {"name": "a", "resourceVersion": version}});
        server
            .put(&lease, object)
            .await
            .fails(422, "Invalid", unversioned);
    }
    let (foos, group) = server.custom().await;
    server.post(&foos, foo(&group, "a", json!({}))).await.ok(201);
    let mut zero = foo(&group, "a", json!({}));
    zero["metadata"]["resourceVersion"] = json!("0");
    server
        .put(&format!("{foos}/a"), zero)
        .await
        .fails(422, "Invalid", unversioned);
    let patch = json!({"metadata": {"resourceVersion": null}, "spec": {"replicas": 2}});
    server
        .patch(&format!("{foos}/a"), MERGE, patch)
        .await
        .fails(422, "Invalid", unversioned);
    let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/foos.{group}");
    let mut next = server.get(&crd).await.ok(200);
    if let Some(metadata) = next["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    server.put(&crd, next).await.fails(422, "Invalid", unversioned);
}

async fn api_37_kept_fields(server: Server) {
    let made = server.make("a").await;
    let mut next = made.clone();
    next["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    next["metadata"]["generation"] = json!(77);
    next["metadata"]["labels"] = json!({"a": "b"});
    let updated = server.put(&server.maps("/a"), next).await.ok(200);
    assert_eq!(
        updated["metadata"]["creationTimestamp"],
        made["metadata"]["creationTimestamp"]
    );
    assert!(updated["metadata"].get("generation").is_none());
}

async fn api_38_nothing_changes(server: Server) {
    let made = server.make("a").await;
    let put = server.put(&server.maps("/a"), made.clone()).await.ok(200);
    assert_eq!(version(&put), version(&made));
    let patched = server
        .patch(&server.maps("/a"), MERGE, json!({"data": {"a": "1"}}))
        .await
        .ok(200);
    assert_eq!(version(&patched), version(&made));
    // Nor is there an event: the next one is of the next change.
    let changed = server
        .patch(&server.maps("/a"), MERGE, json!({"data": {"a": "2"}}))
        .await
        .ok(200);
    let path = server.maps(&format!(
        "?watch=1&timeoutSeconds=20&fieldSelector=metadata.name%3Da&resourceVersion={}",
        version(&made)
    ));
    let events = server.watch(&path, 1).await;
    assert_eq!(types(&events), [("MODIFIED", "a")]);
    assert_eq!(version(&events[0]["object"]), version(&changed));
}

async fn api_39_patch_types(server: Server) {
    server.make("a").await;
    let path = server.maps("/a");
    server
        .patch(&path, "application/x-unknown", json!({}))
        .await
        .fails(415, "UnsupportedMediaType", "");
    let stale = json!({"metadata": {"resourceVersion": "1"}, "data": {"x": "y"}});
    server
        .patch(&path, MERGE, stale)
        .await
        .fails(409, "Conflict", "the object has been modified");
    server.patch(&server.maps("/z"), MERGE, json!({})).await.fails(
        404,
        "NotFound",
        r#"configmaps "z" not found"#,
    );
}

async fn api_39_patches_do_not_conflict(server: Server) {
    server.make("a").await;
    let patches = (0..4).map(|index| {
        let server = server.clone();
        async move {
            let patch = json!({"data": {format!("k{index}"): "v"}});
            server.patch(&server.maps("/a"), MERGE, patch).await.ok(200);
        }
    });
    futures::future::join_all(patches).await;
    let read = server.get(&server.maps("/a")).await.ok(200);
    assert_eq!(read["data"].as_object().map(serde_json::Map::len), Some(5));
}

async fn api_40_json_patch(server: Server) {
    server.make("a").await;
    let path = server.maps("/a");
    let all = json!([
        {"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/b", "value": "2"},
        {"op": "copy", "from": "/data/b", "path": "/data/c"}, {"op": "move", "from": "/data/a", "path": "/data/d"},
        {"op": "replace", "path": "/data/b", "value": "3"}, {"op": "remove", "path": "/data/c"},
    ]);
    let patched = server.patch(&path, JSON_PATCH, all).await.ok(200);
    assert_eq!(patched["data"], json!({"b": "3", "d": "1"}));
    let failing = json!([{"op": "test", "path": "/data/b", "value": "9"}]);
    server
        .patch(&path, JSON_PATCH, failing)
        .await
        .fails(422, "Invalid", "the server rejected our request");
    // An absent key is equal to null, which is how kube-rs adds a first finalizer; one below an absent key is not.
    let first = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/f"]},
        {"op": "remove", "path": "/metadata/finalizers"},
    ]);
    server.patch(&path, JSON_PATCH, first).await.ok(200);
    let below = json!([{"op": "test", "path": "/none/below", "value": null}]);
    server
        .patch(&path, JSON_PATCH, below)
        .await
        .fails(422, "Invalid", "the server rejected our request");
    let missing = json!([{"op": "remove", "path": "/data/none"}]);
    server
        .patch(&path, JSON_PATCH, missing)
        .await
        .fails(422, "Invalid", "the server rejected our request");
    // Not RFC 6902's way, but upstream's.
    let absent = json!([{"op": "replace", "path": "/data/e", "value": "5"}]);
    assert_eq!(
        server.patch(&path, JSON_PATCH, absent).await.ok(200)["data"]["e"],
        "5"
    );
    server
        .patch(&path, JSON_PATCH, json!({"op": "add"}))
        .await
        .fails(400, "BadRequest", "");
    let many = vec![json!({"op": "test", "path": "/data/b", "value": "3"}); 10_001];
    server.patch(&path, JSON_PATCH, many.into()).await.fails(
        413,
        "RequestEntityTooLarge",
        "The allowed maximum operations in a JSON patch is 10000, got 10001",
    );
}

async fn api_40_merge_patch(server: Server) {
    server.make("a").await;
    let patch = json!({"metadata": {"labels": {"x": "y"}}, "data": {"a": null, "b": "2"}});
    let patched = server.patch(&server.maps("/a"), MERGE, patch).await.ok(200);
    assert_eq!(
        (&patched["data"], &patched["metadata"]["labels"]),
        (&json!({"b": "2"}), &json!({"x": "y"}))
    );
    server
        .patch(&server.maps("/a"), MERGE, json!([]))
        .await
        .fails(400, "BadRequest", "");
}

async fn api_41_patched_identity(server: Server) {
    server.make("a").await;
    let renamed = server
        .patch(&server.maps("/a"), MERGE, json!({"metadata": {"name": "b"}}))
        .await;
    renamed.fails(
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    );
    let wrong = server
        .patch(
            &server.maps("/a"),
            MERGE,
            json!({"metadata": {"labels": {"a": "b c"}}}),
        )
        .await;
    wrong.fails(422, "Invalid", "metadata.labels: Invalid value");
    let patch = |patch: Value| server.patch_map("a", patch);
    let elsewhere = patch(json!({"metadata": {"namespace": "elsewhere"}})).await;
    elsewhere.fails(
        400,
        "BadRequest",
        "the namespace of the provided object does not match",
    );
    let nameless = patch(json!({"metadata": null})).await;
    nameless.fails(
        400,
        "BadRequest",
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    );
    for other in [json!({"kind": "Pod"}), json!({"apiVersion": "v9"})] {
        patch(other).await.fails(422, "Invalid", "patch: Invalid value");
    }
    let (foos, group) = server.custom().await;
    server.post(&foos, foo(&group, "a", json!({}))).await.ok(201);
    let foo = format!("{foos}/a");
    let other = server.patch(&foo, MERGE, json!({"kind": "Bar"})).await;
    other.fails(422, "Invalid", "kind: Invalid value: \"Bar\": must be Foo");
    let version = json!({"apiVersion": format!("{group}/v9")});
    let other = server.patch(&foo, MERGE, version).await;
    other.fails(422, "Invalid", "apiVersion: Invalid value");
}

async fn api_48_delete_and_finalizers(server: Server) {
    let made = server.make("a").await;
    let answer = server.delete(&server.maps("/a"), Value::Null).await.ok(200);
    assert_eq!(
        (&answer["kind"], &answer["status"]),
        (&json!("Status"), &json!("Success"))
    );
    assert_eq!(
        answer["details"],
        json!({"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]})
    );
    server.delete(&server.maps("/a"), Value::Null).await.fails(
        404,
        "NotFound",
        r#"configmaps "a" not found"#,
    );
    let mut held = config_map("b");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    server.post(&server.maps(""), held).await.ok(201);
    let waiting = server.delete(&server.maps("/b"), Value::Null).await.ok(200);
    assert!(waiting["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(waiting["metadata"]["deletionGracePeriodSeconds"], 0);
    let again = server.delete(&server.maps("/b"), Value::Null).await.ok(200);
    assert_eq!(version(&again), version(&waiting));
    let more = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    server.patch(&server.maps("/b"), MERGE, more).await.fails(
        422,
        "Invalid",
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new \
         finalizers []string{\"example.com/more\"}",
    );
    let last = server
        .patch(
            &server.maps("/b"),
            MERGE,
            json!({"metadata": {"finalizers": null}}),
        )
        .await
        .ok(200);
    assert_eq!(last["metadata"]["name"], "b");
    server.get(&server.maps("/b")).await.fails(404, "NotFound", "");
}

async fn api_48_deletes_that_return_the_object(server: Server) {
    let core = format!("/api/v1/namespaces/{}", server.namespace);
    let template = &deployment("a")["spec"]["template"];
    for (plural, kind, mut object) in [
        ("services", "Service", json!({"spec": {"ports": [{"port": 80}]}})),
        ("podtemplates", "PodTemplate", json!({"template": template})),
        ("resourcequotas", "ResourceQuota", json!({})),
    ] {
        object["metadata"] = json!({"name": "a"});
        server.post(&format!("{core}/{plural}"), object).await.ok(201);
        let gone = server
            .delete(&format!("{core}/{plural}/a"), Value::Null)
            .await
            .ok(200);
        assert_eq!(
            (&gone["kind"], &gone["metadata"]["name"]),
            (&json!(kind), &json!("a"))
        );
    }
    let pod = json!({"metadata": {"name": "a"}, "spec": template["spec"]});
    server.post(&format!("{core}/pods"), pod).await.ok(201);
    let gone = server
        .delete(&format!("{core}/pods/a"), json!({"gracePeriodSeconds": 0}))
        .await
        .ok(200);
    assert_eq!(gone["kind"], "Pod");
    // What waits has begun another generation.
    let mut held = deployment("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    server.post(&server.deployments(""), held).await.ok(201);
    let path = server.deployments("/held");
    let waiting = server.delete(&path, Value::Null).await.ok(200);
    assert_eq!(waiting["metadata"]["generation"], 2);
    let free = json!({"metadata": {"finalizers": null}});
    server.patch(&path, MERGE, free).await.ok(200);
}

async fn api_49_policies_and_finalizers(server: Server) {
    let held = |name: &str, finalizer: &str| {
        let mut map = config_map(name);
        map["metadata"]["finalizers"] = json!([finalizer, "example.com/hold"]);
        map
    };
    for (name, own, body, left) in [
        ("a", "orphan", Value::Null, json!(["orphan", "example.com/hold"])),
        (
            "b",
            "foregroundDeletion",
            json!({}),
            json!(["foregroundDeletion", "example.com/hold"]),
        ),
        (
            "c",
            "orphan",
            json!({"propagationPolicy": "Background"}),
            json!(["example.com/hold"]),
        ),
        (
            "d",
            "orphan",
            json!({"propagationPolicy": "Foreground"}),
            json!(["example.com/hold", "foregroundDeletion"]),
        ),
    ] {
        server.post(&server.maps(""), held(name, own)).await.ok(201);
        let path = server.maps(&format!("/{name}"));
        let waiting = server.delete(&path, body).await.ok(200);
        // A collector may have done its part already, but only after this answer.
        assert_eq!(waiting["metadata"]["finalizers"], left, "{name}");
        server
            .patch(&path, MERGE, json!({"metadata": {"finalizers": null}}))
            .await
            .ok(200);
    }
    // Kinds older than the collector orphan by themselves.
    let controllers = format!("/api/v1/namespaces/{}/replicationcontrollers", server.namespace);
    let template = &deployment("a")["spec"]["template"];
    let controller = json!({"metadata": {"name": "a"}, "spec": {"replicas": 0, "selector": {"a": "b"}, "template": template}});
    server.post(&controllers, controller).await.ok(201);
    let waiting = server
        .delete(&format!("{controllers}/a"), Value::Null)
        .await
        .ok(200);
    assert_eq!(waiting["metadata"]["finalizers"], json!(["orphan"]));
    // With a body the query counts for nothing.
    server.make("e").await;
    server
        .delete(&server.maps("/e?dryRun=All&propagationPolicy=Orphan"), json!({}))
        .await
        .ok(200);
    server.get(&server.maps("/e")).await.fails(404, "NotFound", "");
}

async fn api_49_delete_options(server: Server) {
    let made = server.make("a").await;
    let uid = json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}});
    server.delete(&server.maps("/a"), uid).await.fails(
        409,
        "Conflict",
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (0000",
    );
    let stale = json!({"preconditions": {"resourceVersion": "1"}});
    let part = format!(
        "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({})",
        version(&made)
    );
    server
        .delete(&server.maps("/a"), stale)
        .await
        .fails(409, "Conflict", &part);
    server
        .delete(&server.maps("/a"), json!({"propagationPolicy": "Sideways"}))
        .await
        .fails(
            422,
            "Invalid",
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy",
        );
    let both = json!({"propagationPolicy": "Orphan", "orphanDependents": true});
    server
        .delete(&server.maps("/a"), both)
        .await
        .fails(422, "Invalid", "DeleteOptions");
    let right = json!({"preconditions": {"uid": made["metadata"]["uid"]}});
    server.delete(&server.maps("/a"), right).await.ok(200);
}

async fn api_51_delete_collection(server: Server) {
    for name in ["a", "b"] {
        let mut map = config_map(name);
        map["metadata"]["labels"] = json!({"l": name});
        server.post(&server.maps(""), map).await.ok(201);
    }
    server
        .delete(&server.maps("?labelSelector=l%3Da"), Value::Null)
        .await
        .ok(200);
    assert_eq!(names(&server.get(&server.maps("")).await.ok(200)), ["b"]);
    for name in ["c", "d"] {
        let mut map = config_map(name);
        map["metadata"]["labels"] = json!({"l": "some"});
        server.post(&server.maps(""), map).await.ok(201);
    }
    // One page alone, and the way to the next one.
    let page = server
        .delete(&server.maps("?labelSelector=l%3Dsome&limit=1"), Value::Null)
        .await
        .ok(200);
    assert_eq!(names(&page), ["c"]);
    assert!(page["metadata"]["continue"].is_string());
    assert_eq!(names(&server.get(&server.maps("")).await.ok(200)), ["b", "d"]);
}

async fn api_52_dry_run(server: Server) {
    let made = server
        .post(&server.maps("?dryRun=All"), config_map("a"))
        .await
        .ok(201);
    assert!(made["metadata"]["uid"].is_string());
    server.get(&server.maps("/a")).await.fails(404, "NotFound", "");
    let made = server.make("a").await;
    let mut next = config_map("a");
    next["data"] = json!({"z": "z"});
    let tried = server.put(&server.maps("/a?dryRun=All"), next).await.ok(200);
    assert_eq!(tried["data"], json!({"z": "z"}));
    server
        .delete(&server.maps("/a?dryRun=All"), Value::Null)
        .await
        .ok(200);
    let read = server.get(&server.maps("/a")).await.ok(200);
    assert_eq!((version(&read), &read["data"]), (version(&made), &made["data"]));
}

async fn api_53_wrong_options(server: Server) {
    for (query, field) in [
        ("?dryRun=Some", "dryRun"),
        ("?fieldValidation=Maybe", "fieldValidation"),
    ] {
        let body = server.post(&server.maps(query), config_map("a")).await.fails(
            422,
            "Invalid",
            "CreateOptions.meta.k8s.io",
        );
        assert_eq!(body["details"]["causes"][0]["field"], field);
    }
    server.make("a").await;
    let manager = "x".repeat(129);
    let path = server.maps(&format!("/a?fieldManager={manager}"));
    server
        .put(&path, config_map("a"))
        .await
        .fails(422, "Invalid", "UpdateOptions.meta.k8s.io");
    server.patch(&server.maps("/a?force=true"), MERGE, json!({})).await.fails(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
    );
}

async fn api_54_built_in_fields(server: Server) {
    let mut object = deployment("a");
    object["spec"]["replicas"] = json!("3");
    let place = "into Go struct field DeploymentSpec.spec.replicas of type int32";
    server.post(&server.deployments(""), object).await.fails(
        400,
        "BadRequest",
        &format!(
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string {place}"
        ),
    );
    let mut object = deployment("a");
    object["spec"]["colour"] = json!("red");
    object["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"limits": {"cpu": 1.5, "memory": "1024Mi"}, "shape": "round"});
    let unknown = [
        r#"unknown field "spec.colour""#,
        r#"unknown field "spec.template.spec.containers[0].resources.shape""#,
    ];
    let strict = server.deployments("?fieldValidation=Strict");
    server.post(&strict, object.clone()).await.fails(
        400,
        "BadRequest",
        &format!("strict decoding error: {}", unknown.join(", ")),
    );
    let ignoring = server.deployments("?fieldValidation=Ignore&dryRun=All");
    assert!(server.post(&ignoring, object.clone()).await.warnings().is_empty());
    let made = server.post(&server.deployments(""), object).await;
    let told: Vec<String> = unknown
        .iter()
        .map(|text| format!("299 - \"{}\"", text.replace('"', "\\\"")))
        .collect();
    assert_eq!(made.warnings(), told);
    let made = made.ok(201);
    assert!(made["spec"].get("colour").is_none());
    assert_eq!(
        made["spec"]["template"]["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "1500m", "memory": "1Gi"}})
    );
    server
        .patch(
            &server.deployments("/a"),
            MERGE,
            json!({"spec": {"replicas": "x"}}),
        )
        .await
        .fails(422, "Invalid", &format!("json: cannot unmarshal string {place}"));
    let namespace = format!("/api/v1/namespaces/{}/status", server.namespace);
    let wrong = json!({"metadata": {"name": server.namespace}, "status": "foo"});
    server.put(&namespace, wrong).await.fails(
        400,
        "BadRequest",
        "json: cannot unmarshal string into Go struct field Namespace.status of type v1.NamespaceStatus",
    );
}

async fn api_55_one_counter(server: Server) {
    let secrets = format!("/api/v1/namespaces/{}/secrets", server.namespace);
    let mut last = 0;
    for name in ["a", "b", "c"] {
        let map = server.make(name).await;
        let secret = json!({"metadata": {"name": name}});
        let secret = server.post(&secrets, secret).await.ok(201);
        for made in [map, secret] {
            let version: u64 = version(&made).parse().expect("a number");
            assert!(version > last, "{version} comes after {last}");
            last = version;
        }
    }
    let list = server.get(&secrets).await.ok(200);
    assert!(version(&list).parse::<u64>().expect("a number") >= last);
}

async fn api_56_generation(server: Server) {
    let made = server
        .post(&server.deployments(""), deployment("a"))
        .await
        .ok(201);
    assert_eq!(made["metadata"]["generation"], 1);
    let path = server.deployments("/a");
    let labelled = server
        .patch(&path, MERGE, json!({"metadata": {"labels": {"x": "y"}}}))
        .await
        .ok(200);
    assert_eq!(labelled["metadata"]["generation"], 1);
    let scaled = server
        .patch(&path, MERGE, json!({"spec": {"replicas": 2}}))
        .await
        .ok(200);
    assert_eq!(scaled["metadata"]["generation"], 2);
    let status = json!({"spec": {"replicas": 9}, "status": {"replicas": 2, "observedGeneration": 2}});
    let told = server
        .patch(&format!("{path}/status"), MERGE, status)
        .await
        .ok(200);
    assert_eq!(
        (
            &told["metadata"]["generation"],
            &told["spec"]["replicas"],
            &told["status"]["replicas"]
        ),
        (&json!(2), &json!(2), &json!(2))
    );
    // The main door leaves status alone.
    let ignored = server
        .patch(&path, MERGE, json!({"status": {"replicas": 7}}))
        .await
        .ok(200);
    assert_eq!(ignored["status"]["replicas"], 2);
    let other = json!({"spec": {"selector": {"matchLabels": {"a": "c"}}, "template": {"metadata": {"labels": {"a": "c"}}}}});
    server
        .patch(&path, MERGE, other)
        .await
        .fails(422, "Invalid", "field is immutable");
}

async fn api_57_metadata(server: Server) {
    let mut map = config_map("A_");
    map["metadata"]["labels"] = json!({"-": "b c"});
    let body = server.post(&server.maps(""), map).await.fails(
        422,
        "Invalid",
        "metadata.name: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
         characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used \
         for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    );
    let fields: Vec<_> = body["details"]["causes"]
        .as_array()
        .expect("causes")
        .iter()
        .map(|c| &c["field"])
        .collect();
    assert_eq!(fields, ["metadata.name", "metadata.labels", "metadata.labels"]);
    let mut map = config_map("a");
    map["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod", "name": "a"}]);
    server.post(&server.maps(""), map).await.fails(
        422,
        "Invalid",
        "metadata.ownerReferences.uid: Invalid value",
    );
}

async fn api_59_field_selectors(server: Server) {
    for name in ["a", "b"] {
        server.make(name).await;
    }
    let list = server
        .get(&server.maps("?fieldSelector=metadata.name%3Da"))
        .await
        .ok(200);
    assert_eq!(names(&list), ["a"]);
    server
        .get(&server.maps("?fieldSelector=spec.x%3Db"))
        .await
        .fails(400, "BadRequest", "field selector");
    let (foos, group) = server.custom().await;
    for (name, colour) in [("a", "red"), ("b", "blue")] {
        server
            .post(&foos, foo(&group, name, json!({"colour": colour})))
            .await
            .ok(201);
    }
    let list = server
        .get(&format!("{foos}?fieldSelector=spec.colour%3Dblue"))
        .await
        .ok(200);
    assert_eq!(names(&list), ["b"]);
    let wrong = server
        .get(&format!("{foos}?fieldSelector=spec.replicas%3D1"))
        .await;
    wrong.fails(400, "BadRequest", "field label not supported: spec.replicas");
}

async fn api_59_label_selector_errors(server: Server) {
    for (selector, text) in [
        ("%2Ca", "found ',', expected: !, identifier, or 'end of string'"),
        (
            "a%20in%20b",
            "unable to parse requirement: found 'b' expected: '('",
        ),
        (
            "a%3D-",
            "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label",
        ),
        (
            "-a",
            "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must",
        ),
    ] {
        server
            .get(&server.maps(&format!("?labelSelector={selector}")))
            .await
            .fails(400, "BadRequest", text);
    }
}

async fn api_59_events_of_both_groups(server: Server) {
    let core = format!("/api/v1/namespaces/{}/events", server.namespace);
    let events = format!("/apis/events.k8s.io/v1/namespaces/{}/events", server.namespace);
    let event = json!({
        "metadata": {"name": "a"}, "involvedObject": {"namespace": server.namespace, "name": "thing"},
        "reportingComponent": "example.com/c", "reason": "R",
    });
    server.post(&core, event).await.ok(201);
    for (path, selector) in [
        (&core, "involvedObject.name%3Dthing"),
        (&core, "source%3Dexample.com%2Fc"),
        (&events, "regarding.name%3Dthing"),
        (&events, "reportingController%3Dexample.com%2Fc"),
    ] {
        let list = server
            .get(&format!("{path}?fieldSelector={selector}"))
            .await
            .ok(200);
        assert_eq!(names(&list), ["a"], "{selector}");
        let watch = format!("{path}?fieldSelector={selector}&watch=1&timeoutSeconds=20");
        assert_eq!(
            types(&server.watch(&watch, 1).await),
            [("ADDED", "a")],
            "{selector}"
        );
    }
    server
        .get(&format!("{events}?fieldSelector=involvedObject.name%3Dthing"))
        .await
        .fails(
            400,
            "BadRequest",
            "field label not supported: involvedObject.name",
        );
}

async fn api_60_tables_and_metadata(server: Server) {
    let (foos, group) = server.custom().await;
    server
        .post(&foos, foo(&group, "a", json!({"colour": "blue"})))
        .await
        .ok(201);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let list = server.send("GET", &foos, JSON, table, Value::Null).await.ok(200);
    assert_eq!(list["kind"], "Table");
    assert_eq!(list["columnDefinitions"][1]["name"], "Colour");
    assert_eq!(list["rows"][0]["cells"], json!(["a", "blue"]));
    assert_eq!(list["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let one = server
        .send(
            "GET",
            &format!("{foos}/a?includeObject=None"),
            JSON,
            table,
            Value::Null,
        )
        .await
        .ok(200);
    assert_eq!(
        (&one["kind"], &one["rows"][0]["object"]),
        (&json!("Table"), &Value::Null)
    );
    let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let list = server
        .send("GET", &foos, JSON, partial, Value::Null)
        .await
        .ok(200);
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert!(list["items"][0].get("spec").is_none());
    let chair = "application/json;as=Chair;v=v1;g=meta.k8s.io";
    server
        .send("GET", &foos, JSON, chair, Value::Null)
        .await
        .fails(406, "NotAcceptable", "");
}

async fn api_61_custom_status(server: Server) {
    let (foos, group) = server.custom().await;
    let mut object = foo(&group, "a", json!({"replicas": 1}));
    object["status"] = json!({"replicas": 5});
    let made = server.post(&foos, object).await.ok(201);
    assert!(made.get("status").is_none());
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{foos}/a");
    let mut next = made.clone();
    next["spec"]["replicas"] = json!(9);
    next["metadata"]["labels"] = json!({"x": "y"});
    next["status"] = json!({"replicas": 3});
    let told = server.put(&format!("{path}/status"), next.clone()).await.ok(200);
    assert_eq!(
        (&told["spec"]["replicas"], &told["status"]["replicas"]),
        (&json!(1), &json!(3))
    );
    assert!(told["metadata"].get("labels").is_none());
    assert_eq!(told["metadata"]["generation"], 1);
    let changed = server
        .patch(
            &path,
            MERGE,
            json!({"spec": {"replicas": 2}, "status": {"replicas": 8}}),
        )
        .await
        .ok(200);
    assert_eq!(
        (&changed["spec"]["replicas"], &changed["status"]["replicas"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(changed["metadata"]["generation"], 2);
    let body = server
        .patch(
            &format!("{path}/status"),
            MERGE,
            json!({"status": {"replicas": "x"}}),
        )
        .await;
    body.fails(422, "Invalid", "status.replicas");
}

async fn api_62_scale(server: Server) {
    server
        .post(&server.deployments(""), deployment("a"))
        .await
        .ok(201);
    let path = server.deployments("/a/scale");
    let scale = server.get(&path).await.ok(200);
    assert_eq!(
        (&scale["kind"], &scale["apiVersion"]),
        (&json!("Scale"), &json!("autoscaling/v1"))
    );
    assert_eq!(
        (&scale["spec"]["replicas"], &scale["status"]["selector"]),
        (&json!(1), &json!("a=b"))
    );
    let mut next = scale.clone();
    next["spec"]["replicas"] = json!(4);
    let scaled = server.put(&path, next.clone()).await.ok(200);
    assert_eq!(scaled["spec"]["replicas"], 4);
    assert_eq!(
        server.get(&server.deployments("/a")).await.ok(200)["spec"]["replicas"],
        4
    );
    server
        .put(&path, next)
        .await
        .fails(409, "Conflict", "the object has been modified");
    let patched = server
        .patch(&path, MERGE, json!({"spec": {"replicas": 2}}))
        .await
        .ok(200);
    assert_eq!(patched["spec"]["replicas"], 2);
    for wrong in [
        json!([]),
        json!({"spec": "x"}),
        json!({"spec": {"replicas": "3"}}),
    ] {
        server.put(&path, wrong).await.fails(400, "BadRequest", "");
    }
    server
        .patch(&path, MERGE, json!({"spec": {"replicas": "x"}}))
        .await
        .fails(
            422,
            "Invalid",
            "into Go struct field ScaleSpec.spec.replicas of type int32",
        );
    // A null is Go's zero.
    server
        .patch(&path, MERGE, json!({"spec": {"replicas": null}}))
        .await
        .ok(200);
    let scaled = server.get(&server.deployments("/a")).await.ok(200);
    assert_eq!(scaled["spec"]["replicas"], 0);
    let (foos, group) = server.custom().await;
    server.post(&foos, foo(&group, "a", json!({}))).await.ok(201);
    let missing = server.get(&format!("{foos}/a/scale")).await;
    missing.fails(
        500,
        "InternalError",
        "the spec replicas field \".spec.replicas\" does not exist",
    );
    server
        .patch(&format!("{foos}/a"), MERGE, json!({"spec": {"replicas": 3}}))
        .await
        .ok(200);
    let scale = server.get(&format!("{foos}/a/scale")).await.ok(200);
    assert_eq!(
        (&scale["spec"]["replicas"], &scale["status"]["replicas"]),
        (&json!(3), &json!(0))
    );
}

async fn api_64_namespace_finalize(server: Server) {
    let name = format!("{}-b", server.namespace);
    server
        .post("/api/v1/namespaces", json!({"metadata": {"name": name}}))
        .await
        .ok(201);
    let path = format!("/api/v1/namespaces/{name}/finalize");
    let with = |finalizers: Value| json!({"metadata": {"name": name}, "spec": {"finalizers": finalizers}});
    let held = server
        .put(&path, with(json!(["kubernetes", "example.com/hold"])))
        .await
        .ok(200);
    assert_eq!(
        (&held["spec"]["finalizers"], &held["metadata"]["labels"]),
        (
            &json!(["kubernetes", "example.com/hold"]),
            &json!({"kubernetes.io/metadata.name": name})
        )
    );
    server.put(&path, with(json!(["bad"]))).await.fails(
        422,
        "Invalid",
        "spec.finalizers[0]: Invalid value: \"bad\": name is neither a standard finalizer name nor",
    );
    server.get(&path).await.fails(405, "MethodNotAllowed", "");
    let deleted = server
        .delete(&format!("/api/v1/namespaces/{name}"), Value::Null)
        .await
        .ok(200);
    assert_eq!(deleted["status"]["phase"], "Terminating");
    server.put(&path, with(json!([]))).await.ok(200);
    server
        .get(&format!("/api/v1/namespaces/{name}"))
        .await
        .fails(404, "NotFound", "");
}

async fn api_65_the_first_service(server: Server) {
    let service = server
        .get("/api/v1/namespaces/default/services/kubernetes")
        .await
        .ok(200);
    assert_eq!(service["spec"]["type"], "ClusterIP");
    assert_eq!(service["spec"]["ports"][0]["name"], "https");
}

async fn api_66_namespaces_of_creates(server: Server) {
    let missing = format!("{}-absent", server.namespace);
    let path = format!("/api/v1/namespaces/{missing}/configmaps");
    let part = format!("namespaces {missing:?} not found");
    server
        .post(&path, config_map("a"))
        .await
        .fails(404, "NotFound", &part);
    assert_eq!(names(&server.get(&path).await.ok(200)), Vec::<&str>::new());
}

async fn api_67_namespace_deletion(server: Server) {
    let name = format!("{}-b", server.namespace);
    let path = format!("/api/v1/namespaces/{name}");
    server
        .post("/api/v1/namespaces", json!({"metadata": {"name": name}}))
        .await
        .ok(201);
    let deleted = server.delete(&path, Value::Null).await.ok(200);
    assert_eq!(
        (&deleted["kind"], &deleted["status"]["phase"]),
        (&json!("Namespace"), &json!("Terminating"))
    );
    assert_eq!(deleted["spec"]["finalizers"], json!(["kubernetes"]));
}

async fn api_78_custom_fields(server: Server) {
    let (foos, group) = server.custom().await;
    let made = server
        .post(
            &foos,
            foo(&group, "a", json!({"replicas": null, "shape": "round"})),
        )
        .await;
    assert_eq!(made.warnings(), ["299 - \"unknown field \\\"spec.shape\\\"\""]);
    assert_eq!(made.ok(201)["spec"], json!({"colour": "red"}));
    let strict = format!("{foos}?fieldValidation=Strict");
    server
        .post(&strict, foo(&group, "b", json!({"shape": "round"})))
        .await
        .fails(
            400,
            "BadRequest",
            "strict decoding error: unknown field \"spec.shape\"",
        );
    for (replicas, part) in [
        (json!(0), "should be greater than or equal to 1"),
        (json!("3"), "must be of type integer"),
    ] {
        let body = server
            .post(&foos, foo(&group, "b", json!({"replicas": replicas})))
            .await
            .fails(422, "Invalid", part);
        assert_eq!(body["details"]["causes"][0]["field"], "spec.replicas");
        assert_eq!(body["details"]["kind"], "Foo");
    }
    let unversioned = foo(&group, "a", json!({}));
    server.put(&format!("{foos}/a"), unversioned).await.fails(
        422,
        "Invalid",
        "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
    );
    let strategic = server
        .patch(
            &format!("{foos}/a"),
            "application/strategic-merge-patch+json",
            json!({}),
        )
        .await;
    strategic.fails(
        415,
        "UnsupportedMediaType",
        "accepted media types include: application/json-patch+json, application/merge-patch+json",
    );
}

async fn api_86_nesting(server: Server) {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let body = format!(r#"{{"metadata":{{"name":"a"}},"data":{{"a":{deep}}}}}"#);
    let request = Request::post(server.maps(""))
        .header(header::CONTENT_TYPE, JSON)
        .body(Body::from(body.into_bytes()))
        .expect("a request");
    let answer = server.client.send(request).await.expect("an answer");
    assert_eq!(answer.status(), 400);
}

async fn api_100_paths(server: Server) {
    server.get("/api/v1/chairs").await.has_code(404);
    server
        .get("/apis/nowhere.example.com/v1/chairs")
        .await
        .has_code(404);
    server.get(&server.maps("/a/legs")).await.has_code(404);
    server
        .get(&format!("/api/v1/namespaces/{}/nodes", server.namespace))
        .await
        .has_code(404);
    server.post(&server.maps("/a"), config_map("a")).await.fails(
        405,
        "MethodNotAllowed",
        "does not allow this method",
    );
    server
        .put(&server.maps(""), config_map("a"))
        .await
        .fails(405, "MethodNotAllowed", "");
    let escaped = server.get(&server.maps("/%2e%2e")).await;
    assert!(matches!(escaped.code, 400 | 404), "{}", escaped.body);
    let body = server
        .get(&server.maps("/a"))
        .await
        .fails(404, "NotFound", r#"configmaps "a" not found"#);
    assert_eq!(body["details"], json!({"name": "a", "kind": "configmaps"}));
    let large = "x".repeat(3 * 1024 * 1024);
    let request = Request::post(server.maps(""))
        .header(header::CONTENT_TYPE, JSON)
        .body(Body::from(Bytes::from(large).to_vec()))
        .expect("a request");
    // A server may close the connection instead of reading so much.
    if let Ok(answer) = server.client.send(request).await {
        assert!(
            matches!(answer.status().as_u16(), 400 | 413),
            "{}",
            answer.status()
        );
    }
}
