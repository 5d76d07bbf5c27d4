//! Server-side apply and the owners of fields, held to what kube-apiserver 1.36.3 answered (API-42…46).
//!
//! `data/apply.jsonl` holds the CRDs in its first line and one sequence of requests in each other. Of an answer are kept
//! code, warnings, Status or object, and whether the resourceVersion changed; times of owners are the number of the step
//! that wrote them.

use std::collections::BTreeMap;
use std::time::Duration;

use kubewright_apiserver::DevServer;
use serde_json::{Value, json};

const RECORDED: &str = include_str!("data/apply.jsonl");

struct Answer {
    code: u16,
    warnings: Vec<String>,
    document: Value,
}

async fn ask(server: &DevServer, method: &str, path: &str, agent: &str, media: &str, body: String) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .header("user-agent", agent)
        .body(kube::client::Body::from(body.into_bytes()))
        .expect("a request");
    let answer = server.client().send(request).await.expect("an answer");
    let warnings = answer.headers().get_all("warning").iter();
    let warnings = warnings
        .filter_map(|value| value.to_str().ok())
        .filter_map(|text| text.strip_prefix("299 - \"")?.strip_suffix('"'))
        .map(|text| text.replace("\\\"", "\""))
        .collect();
    let code = answer.status().as_u16();
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .expect("a body")
        .to_bytes();
    Answer {
        code,
        warnings,
        document: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

/// Replaces the case's placeholder everywhere.
fn renamed(value: &Value, from: &str, to: &str) -> Value {
    let text = value.to_string().replace(from, to);
    serde_json::from_str(&text).expect("JSON")
}

/// One case against one server.
struct Run<'a> {
    server: &'a DevServer,
    name: String,
    /// Which step wrote at a moment.
    moments: BTreeMap<String, usize>,
    version: Value,
    built_in: bool,
}

impl Run<'_> {
    async fn step(&mut self, at: usize, step: &Value) -> Result<(), String> {
        let step = renamed(step, "NAME", &self.name);
        self.server.advance(Duration::from_secs(10));
        let text = |field: &str| step[field].as_str().unwrap_or_default().to_owned();
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in step["query"].as_object().into_iter().flatten() {
            query.append_pair(key, value.as_str().unwrap_or_default());
        }
        let query = query.finish();
        let path = match query.as_str() {
            "" => text("path"),
            query => format!("{}?{query}", text("path")),
        };
        let agent = step["ua"].as_str().unwrap_or("recorder/1.0");
        let body = match (&step["change"], &step["body"]) {
            (Value::Null, Value::Null) => String::new(),
            (Value::Null, Value::String(text)) => text.clone(),
            (Value::Null, body) => body.to_string(),
            (change, _) => {
                let path = text("path").replace("/status", "");
                let mut now = ask(self.server, "GET", &path, agent, "", String::new())
                    .await
                    .document;
                json_patch::merge(&mut now, change);
                now.to_string()
            }
        };
        let before = self.server.engine().clock().now_text();
        let answer = ask(self.server, &text("method"), &path, agent, &text("ct"), body).await;
        let after = self.server.engine().clock().now_text();
        self.moments.insert(before, at);
        self.moments.insert(after, at);
        self.compare(&step["expect"], answer, step["query"]["dryRun"].is_null())
    }

    fn compare(&mut self, expect: &Value, answer: Answer, stores: bool) -> Result<(), String> {
        let Answer {
            code,
            warnings,
            mut document,
        } = answer;
        if expect["code"] != code {
            return Err(format!("expected {}, found {code}: {document}", expect["code"]));
        }
        let wanted_warnings = expect.get("warnings").cloned().unwrap_or_else(|| json!([]));
        if wanted_warnings != json!(warnings) {
            return Err(format!("expected warnings {wanted_warnings}, found {warnings:?}"));
        }
        if let Some(status) = expect.get("status") {
            return compare_status(status, &document);
        }
        let Some(metadata) = document["metadata"].as_object_mut() else {
            return Err(format!("no metadata: {document}"));
        };
        let version = metadata.remove("resourceVersion").unwrap_or_default();
        metadata.remove("uid");
        metadata.remove("creationTimestamp");
        if let Some(time) = metadata.get_mut("deletionTimestamp") {
            *time = json!("SET");
        }
        for entry in metadata
            .get_mut("managedFields")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(time) = entry.get_mut("time")
                && let Some(step) = time.as_str().and_then(|time| self.moments.get(time))
            {
                *time = json!(step);
            }
        }
        let mut wanted = expect["object"].clone();
        if self.built_in {
            // Defaults of built-in kinds are not filled in here.
            let owners = |object: &mut Value| {
                let mut owners = object["metadata"]["managedFields"].take();
                // Nor has the server an entry of its own for the status of CRDs.
                if let Some(owners) = owners.as_array_mut() {
                    owners.retain(|entry| entry["manager"] != "kube-apiserver");
                }
                owners
            };
            wanted = owners(&mut wanted);
            document = owners(&mut document);
        }
        let changed = version != self.version;
        if stores {
            self.version = version;
        }
        if wanted != document {
            return Err(format!("expected {wanted}\n     found {document}"));
        }
        if expect["changed"] != changed {
            return Err(format!(
                "resourceVersion changed: expected {}, found {changed}",
                expect["changed"]
            ));
        }
        Ok(())
    }
}

/// Upstream's causes come in the order of a Go map, and some twice.
fn compare_status(wanted: &Value, found: &Value) -> Result<(), String> {
    let causes = |status: &Value| -> Vec<String> {
        let causes = status["details"]["causes"].as_array();
        let mut causes: Vec<String> = causes.into_iter().flatten().map(Value::to_string).collect();
        causes.sort();
        causes.dedup();
        causes
    };
    let rest = |status: &Value| {
        let mut rest = status.clone();
        if let Some(details) = rest["details"].as_object_mut() {
            details.remove("causes");
        }
        // So do the faults in one message.
        let message = rest["message"].as_str().unwrap_or_default();
        if let Some((head, faults)) = message.split_once("is invalid: [") {
            let mut faults: Vec<&str> = faults.trim_end_matches(']').split(", spec.").collect();
            faults[0] = faults[0].trim_start_matches("spec.");
            faults.sort_unstable();
            rest["message"] = json!([head, faults]);
        } else if let Some((head, faults)) = message.split_once("errors:\n") {
            let mut faults: Vec<&str> = faults.lines().collect();
            faults.sort_unstable();
            rest["message"] = json!([head, faults]);
        }
        rest
    };
    if causes(wanted) == causes(found) && rest(wanted) == rest(found) {
        return Ok(());
    }
    Err(format!("expected {wanted}\n     found {found}"))
}

async fn check(is_ours: impl Fn(&str) -> bool, differs: &[(&str, usize)]) {
    let mut lines = RECORDED.lines();
    let crds: Value = serde_json::from_str(lines.next().expect("CRDs")).expect("JSON");
    // Owners that are not there are part of the cases; the recorded server had no garbage collector either.
    let server = DevServer::builder()
        .without_garbage_collection()
        .start()
        .await
        .expect("the server starts");
    let crds = crds["crds"].as_array().expect("CRDs");
    server
        .install_crds(crds.iter().map(Value::to_string))
        .await
        .expect("installed");
    let mut wrong = Vec::new();
    let mut steps = 0;
    let mut differing = Vec::new();
    for line in lines {
        let case: Value = serde_json::from_str(line).expect("a case");
        let name = case["name"].as_str().expect("a name");
        if !is_ours(name) {
            continue;
        }
        let mut run = Run {
            server: &server,
            name: format!("c-{name}"),
            moments: BTreeMap::new(),
            version: Value::Null,
            built_in: is_built_in(name),
        };
        for (at, step) in case["steps"].as_array().into_iter().flatten().enumerate() {
            steps += 1;
            if let Err(why) = run.step(at, step).await {
                if differs.contains(&(name, at)) {
                    differing.push((name.to_owned(), at));
                } else {
                    wrong.push(format!("{name} {at}: {why}"));
                }
            }
        }
    }
    assert!(steps > 0);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(
        differing.len(),
        differs.len(),
        "no longer different: {differing:?}"
    );
}

fn is_built_in(name: &str) -> bool {
    ["builtin-", "configmap-", "crd-", "deployment-", "secret-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[tokio::test]
async fn api_42_46_custom_resources_are_owned_as_recorded() {
    check(
        |name| !is_built_in(name),
        &[
            // The words of another reader of YAML.
            ("bodies", 0),
            ("unknown-warn", 1),
            ("unknown-warn", 2),
            ("unknown-warn", 3),
            // The answer to a write that removes the object shows the version of the removal.
            ("delete-then", 4),
        ],
    )
    .await;
}

#[tokio::test]
async fn api_46_47_built_in_kinds_are_owned_as_recorded() {
    check(
        is_built_in,
        &[
            // Upstream's admission puts a taint on a new node, which the next apply takes away; a claim is written once
            // more, though nothing that shows has changed.
            ("builtin-node", 8),
            ("builtin-pvc", 8),
        ],
    )
    .await;
}

/// API-86: owners of very many fields may be what makes an object too large; they are given up, but not by an apply.
#[tokio::test]
async fn api_86_owners_are_given_up_before_an_object_is_refused() {
    let server = DevServer::start().await.expect("the server starts");
    let maps = "/api/v1/namespaces/default/configmaps";
    let data: serde_json::Map<String, Value> = (0..9000)
        .map(|index| (format!("{index:090}"), Value::from("")))
        .collect();
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}).to_string();
    let json = "application/json";
    let made = ask(&server, "POST", maps, "a", json, map.clone()).await;
    assert_eq!(made.code, 201);
    assert_eq!(made.document["metadata"]["managedFields"], Value::Null);
    let apply = |name: &str| format!("{maps}/{name}?fieldManager=m");
    let yaml = "application/apply-patch+yaml";
    let other = map.replace("\"name\":\"a\"", "\"name\":\"b\"");
    let refused = ask(&server, "PATCH", &apply("b"), "a", yaml, other).await;
    assert_eq!(refused.code, 413);
}

/// Who writes at once is told apart all the same: each apply of its own field succeeds, and all are there at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_42_applies_race_and_none_is_lost() {
    let server = DevServer::start().await.expect("the server starts");
    let path = "/api/v1/namespaces/default/configmaps/a";
    let applies = (0..16).map(|index| {
        let server = &server;
        async move {
            let config = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                "data": {format!("k{index}"): "v"},
            });
            let path = format!("{path}?fieldManager=m{index}");
            let answer = ask(
                server,
                "PATCH",
                &path,
                "a",
                "application/apply-patch+yaml",
                config.to_string(),
            )
            .await;
            assert!(matches!(answer.code, 200 | 201), "{}", answer.document);
        }
    });
    futures::future::join_all(applies).await;
    let stored = ask(&server, "GET", path, "a", "", String::new()).await.document;
    assert_eq!(stored["data"].as_object().map(serde_json::Map::len), Some(16));
    assert_eq!(
        stored["metadata"]["managedFields"].as_array().map(Vec::len),
        Some(16)
    );
}
