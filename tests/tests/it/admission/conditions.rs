//! `matchConditions` (API-73): recorded texts and verdicts of a real server, which both servers give.

use kubewright::kube;
use kubewright_tests::Webhook;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::ask::{Answer, delete, install, merge, post};
use super::{MUTATING, VALIDATING, configuration, configure, hook, patch, respond, review};

/// At the version that no rule is about, so that objects are converted for the webhooks.
const GAUGES: &str = "/apis/hooks.example/v2/namespaces/hooked/gauges";
const CRD: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gauges.hooks.example";

#[derive(Deserialize)]
struct Recorded {
    /// Of a configuration's one webhook.
    refused: Vec<Value>,
    /// Of a configuration that holds all of them.
    message: String,
    requests: Vec<Request>,
}

/// A request about an object that one webhook selects.
#[derive(Deserialize)]
struct Request {
    does: String,
    conditions: Vec<String>,
    #[serde(default)]
    ignored: bool,
    /// `called`, `skipped`, or why the request was refused.
    outcome: String,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("conditions.json")).unwrap()
}

fn named(conditions: &[String]) -> Value {
    let conditions = conditions.iter().enumerate();
    conditions
        .map(|(index, expression)| json!({"name": format!("c{index}"), "expression": expression}))
        .collect()
}

fn gauge(name: &str, case: &str) -> Value {
    json!({
        "apiVersion": "hooks.example/v2", "kind": "Gauge", "metadata": {"name": name, "labels": {"case": case}},
        "spec": {
            "int": 3, "float": 1.5, "whole": 2.0, "big": 9_007_199_254_740_993_i64, "text": "a.b", "yes": true, "none": null,
            "list": ["x", "y"], "mixed": [1, "1", {"k": 1}], "map": {"a-b": 1, "namespace": "n"}, "when": "2024-01-02T03:04:05Z",
            "amount": "1500m", "long": "ab".repeat(2000),
        },
    })
}

fn rules() -> Value {
    json!([{"operations": ["*"], "apiGroups": ["hooks.example"], "apiVersions": ["v1"], "resources": ["gauges"]}])
}

pub(super) async fn suite(client: &kube::Client, server: &Webhook) {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open}}},
        })
    };
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gauges.hooks.example"},
        "spec": {
            "group": "hooks.example", "scope": "Namespaced", "names": {"plural": "gauges", "kind": "Gauge"},
            "versions": [version("v1", true), version("v2", false)],
        },
    });
    install(client, &crd).await;
    server.set(|path, body| match path.starts_with("/adds") {
        true => {
            let operations = json!([{"op": "add", "path": "/spec/added", "value": true}]);
            respond(&review(body), true, &patch(&operations))
        }
        false => respond(&review(body), true, &Value::Null),
    });
    refused(client, server).await;
    verdicts(client, server).await;
    patched(client, server).await;
    delete(client, CRD).await.ok();
}

/// Conditions that no configuration may have.
async fn refused(client: &kube::Client, server: &Webhook) {
    let recorded = recorded();
    let hooks = recorded.refused.iter().enumerate();
    let hooks: Vec<Value> = hooks
        .map(|(index, conditions)| {
            let more = json!({"matchConditions": conditions});
            hook(server, &format!("wrong{index}"), "/wrong", &more)
        })
        .collect();
    let wrong = configuration("Validating", "wrong", &hooks);
    let answer = post(client, &format!("{VALIDATING}?dryRun=All"), &wrong).await;
    let (code, message) = answer.failure();
    assert_eq!((code, message), (422, &*recorded.message));
    let many: Vec<String> = (0..65).map(|index| format!("{index} > 0")).collect();
    let many = hook(server, "many", "/many", &json!({"matchConditions": named(&many)}));
    let many = configuration("Mutating", "many", &[many]);
    let answer = post(client, &format!("{MUTATING}?dryRun=All"), &many).await;
    let expected = "MutatingWebhookConfiguration.admissionregistration.k8s.io \"many\" is invalid: \
                    webhooks[0].matchConditions: Too many: 65: must have at most 64 items";
    assert_eq!(answer.failure(), (422, expected));
}

/// Who is called and who is not, by all kinds of requests.
async fn verdicts(client: &kube::Client, server: &Webhook) {
    let requests = recorded().requests;
    for (case, request) in requests.iter().enumerate() {
        if request.does != "create" {
            let name = format!("kept{case}");
            post(client, GAUGES, &gauge(&name, &case.to_string())).await.ok();
        }
    }
    let hooks = requests.iter().enumerate().map(|(case, request)| {
        let more = json!({
            "rules": rules(), "matchConditions": named(&request.conditions),
            "objectSelector": {"matchLabels": {"case": case.to_string()}},
            "failurePolicy": if request.ignored { "Ignore" } else { "Fail" },
        });
        hook(server, &format!("case{case}"), &format!("/case{case}"), &more)
    });
    let hooks: Vec<Value> = hooks.collect();
    let all = configuration("Validating", "conditions", &hooks);
    configure(client, server, VALIDATING, &all).await;
    let mut differing = Vec::new();
    for (case, request) in requests.iter().enumerate() {
        let kept = format!("{GAUGES}/kept{case}?dryRun=All");
        let answer = match &*request.does {
            "create" => {
                let object = gauge("new", &case.to_string());
                post(client, &format!("{GAUGES}?dryRun=All&fieldManager=me"), &object).await
            }
            "update" => merge(client, &kept, &json!({"spec": {"int": 4}})).await,
            "delete" => delete(client, &kept).await,
            other => panic!("{other}: no such request"),
        };
        let outcome = outcome(&answer, case, server);
        if outcome != request.outcome {
            differing.push((&request.conditions, outcome, &request.outcome));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    // What is stored stays as good as it was.
    let touched = json!({"metadata": {"annotations": {"a": "b"}}});
    let uri = format!("{VALIDATING}/conditions");
    merge(client, &uri, &touched).await.ok();
    delete(client, &uri).await.ok();
}

fn outcome(answer: &Answer, case: usize, server: &Webhook) -> String {
    let path = format!("/case{case}?");
    let called = server.seen().iter().any(|(seen, _)| seen.starts_with(&path));
    match (answer.code, called) {
        (200..300, true) => "called".to_owned(),
        (200..300, false) => "skipped".to_owned(),
        (403, false) => {
            assert_eq!(answer.body["reason"], "Forbidden", "{}", answer.body);
            answer.failure().1.to_owned()
        }
        other => panic!("{case}: {other:?}: {}", answer.body),
    }
}

/// Mutating webhooks see in their conditions what others before them made of the object.
async fn patched(client: &kube::Client, server: &Webhook) {
    let of = |name: &str, expression: &str| {
        let more = json!({"rules": rules(), "matchConditions": [{"name": "c", "expression": expression}]});
        hook(server, name, &format!("/{name}"), &more)
    };
    let hooks = [
        of("before", "has(object.spec.added)"),
        of("adds", "request.operation == 'CREATE'"),
        of("after", "object.spec.added == true"),
        of("never", "object.spec.added == false"),
    ];
    configure(
        client,
        server,
        MUTATING,
        &configuration("Mutating", "patched", &hooks),
    )
    .await;
    let made = post(client, &format!("{GAUGES}?dryRun=All"), &gauge("new", "none")).await;
    assert_eq!(made.ok()["spec"]["added"], true);
    let seen = server.seen();
    let paths: Vec<&str> = seen
        .iter()
        .filter_map(|(path, _)| path.split('?').next())
        .collect();
    assert_eq!(paths, ["/adds", "/after"]);
    delete(client, &format!("{MUTATING}/patched")).await.ok();
}
