//! Admission webhooks (API-73…75): the same steps on the server in the process and on a real one.

mod conditions;

use std::time::Duration;

use base64::Engine as _;
use kubewright::kube;
use kubewright_apiserver::DevServer;
use kubewright_tests::Webhook;
use serde_json::{Value, json};

use super::ask::{apply, delete, get, install, merge, post, put, until};
use super::conversion::bundle;

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const MAPS: &str = "/api/v1/namespaces/hooked/configmaps";

/// One webhook of a configuration; `more` overrides.
fn hook(server: &Webhook, name: &str, path: &str, more: &Value) -> Value {
    let mut hook = json!({
        "name": format!("{name}.example.com"),
        "clientConfig": {"url": server.url(path), "caBundle": bundle(server.ca())},
        "rules": [{
            "operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
        }],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "hooked"}},
        "objectSelector": {"matchExpressions": [{"key": "probe", "operator": "DoesNotExist"}]},
        "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 5,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        hook[key] = value.clone();
    }
    hook
}

fn configuration(kind: &str, name: &str, hooks: &[Value]) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
        "metadata": {"name": name}, "webhooks": hooks,
    })
}

fn review(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// An answer to a review; `more` is what it says besides.
fn respond(review: &Value, allowed: bool, more: &Value) -> (u16, String) {
    let mut response = json!({"uid": review["request"]["uid"], "allowed": allowed});
    for (key, value) in more.as_object().into_iter().flatten() {
        response[key] = value.clone();
    }
    let answer = json!({
        "apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response,
    });
    (200, answer.to_string())
}

fn patch(operations: &Value) -> Value {
    let text = base64::prelude::BASE64_STANDARD.encode(operations.to_string());
    json!({"patch": text, "patchType": "JSONPatch"})
}

fn map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// The answer of the webhooks of this file, by path.
fn answer(path: &str, body: &[u8]) -> (u16, String) {
    let review = review(body);
    let request = &review["request"];
    let path = path.split('?').next().unwrap();
    match path {
        // Adds a line to what it sees, so that order and rounds show.
        "/first" | "/second" | "/again" => {
            if request["object"].is_null() {
                return respond(&review, true, &Value::Null);
            }
            let seen = request["object"]["data"]["seen"].as_str().unwrap_or_default();
            let seen = format!("{seen}{path}");
            let operations = json!([{"op": "add", "path": "/data/seen", "value": seen}]);
            respond(&review, true, &patch(&operations))
        }
        "/deny" => {
            let object = match request["operation"] == "DELETE" {
                true => &request["oldObject"],
                false => &request["object"],
            };
            match object["data"]["deny"].as_str() {
                None => respond(&review, true, &json!({"warnings": ["looked at"]})),
                Some("plain") => respond(&review, false, &Value::Null),
                Some("reason") => respond(&review, false, &json!({"status": {"reason": "BadTaste"}})),
                Some(_) => respond(
                    &review,
                    false,
                    &json!({"status": {"code": 403, "reason": "Forbidden", "message": "not here"}, "warnings": ["beware"]}),
                ),
            }
        }
        "/garbage" => (200, "what?".to_owned()),
        "/uid" => (
            200,
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "x", "allowed": true}})
                .to_string(),
        ),
        "/untyped" => respond(&review, true, &json!({"patch": "W10="})),
        "/broken-patch" => respond(&review, true, &patch(&json!([{"op": "remove", "path": "/data/none"}]))),
        "/error" => (500, "out of order".to_owned()),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(3));
            respond(&review, true, &Value::Null)
        }
        _ => respond(&review, true, &Value::Null),
    }
}

/// Makes a configuration and waits until the server minds it: a real one learns of it by a watch.
async fn configure(client: &kube::Client, server: &Webhook, uri: &str, configuration: &Value) {
    post(client, uri, configuration).await.ok();
    let name = configuration["metadata"]["name"].as_str().unwrap();
    // A probe of its own tells when configurations of this age are followed.
    let probe = hook(
        server,
        "probe",
        &format!("/probe-{name}"),
        &json!({"rules": [{"operations": ["UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
            "objectSelector": {"matchLabels": {"probe": "yes"}}, "failurePolicy": "Ignore"}),
    );
    let kind = configuration["kind"]
        .as_str()
        .unwrap()
        .replace("WebhookConfiguration", "");
    let probing = configuration_name(name);
    post(client, uri, &self::configuration(&kind, &probing, &[probe]))
        .await
        .ok();
    let probed = json!({"metadata": {"annotations": {"touched": "0"}}});
    until("webhooks to be followed", async || {
        merge(
            client,
            "/api/v1/namespaces/hooked/configmaps/probe?dryRun=All",
            &probed,
        )
        .await;
        let path = format!("/probe-{name}");
        server.seen().iter().any(|(seen, _)| seen.starts_with(&path))
    })
    .await;
    delete(client, &format!("{uri}/{probing}")).await.ok();
    server.seen();
}

fn configuration_name(name: &str) -> String {
    format!("probe-{name}")
}

/// Removes a configuration and waits until nobody is asked any more.
async fn forget(client: &kube::Client, server: &Webhook, uri: &str, name: &str) {
    delete(client, &format!("{uri}/{name}")).await.ok();
    until("webhooks to be forgotten", async || {
        server.seen();
        post(client, &format!("{MAPS}?dryRun=All"), &map("forget", &json!({}))).await;
        server.seen().is_empty()
    })
    .await;
}

pub(crate) async fn suite(client: kube::Client) {
    let server = Webhook::start(&[], answer).await;
    let namespace = json!({"metadata": {"name": "hooked", "labels": {"team": "blue"}}});
    post(&client, "/api/v1/namespaces", &namespace).await.ok();
    let mut probe = map("probe", &json!({}));
    probe["metadata"]["labels"] = json!({"probe": "yes"});
    post(&client, MAPS, &probe).await.ok();
    configurations(&client, &server).await;
    mutating(&client, &server).await;
    validating(&client, &server).await;
    failing(&client, &server).await;
    selection(&client, &server).await;
    equivalents(&client, &server).await;
    conditions::suite(&client, &server).await;
}

/// Defaults and faults of configurations.
async fn configurations(client: &kube::Client, server: &Webhook) {
    let full = json!({
        "name": "a.example.com", "clientConfig": {"service": {"namespace": "a", "name": "b"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "admissionReviewVersions": ["v1"], "sideEffects": "None",
    });
    let dry = |uri: &str| format!("{uri}?dryRun=All&fieldValidation=Strict");
    let made = post(
        client,
        &dry(MUTATING),
        &configuration("Mutating", "full", std::slice::from_ref(&full)),
    )
    .await
    .ok();
    assert_eq!(
        made["webhooks"][0],
        json!({
            "name": "a.example.com",
            "clientConfig": {"service": {"namespace": "a", "name": "b", "port": 443}},
            "rules": [{
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*",
            }],
            "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "sideEffects": "None", "timeoutSeconds": 10, "admissionReviewVersions": ["v1"],
            "reinvocationPolicy": "Never",
        })
    );
    assert_eq!(made["metadata"]["generation"], 1);
    // Connections are what rules may speak of on any server, also where none can be made.
    let mut connections = full;
    let operations = json!(["CONNECT", "CREATE"]);
    connections["rules"][0]["operations"] = operations.clone();
    connections["rules"][0]["resources"] = json!(["pods/exec", "pods/attach"]);
    for (uri, kind) in [(MUTATING, "Mutating"), (VALIDATING, "Validating")] {
        let made = configuration(kind, "connections", std::slice::from_ref(&connections));
        let made = post(client, &dry(uri), &made).await.ok();
        assert_eq!(made["webhooks"][0]["rules"][0]["operations"], operations);
    }
    // Recorded: one text for all mistakes at once.
    let wrong: Value = serde_json::from_str(include_str!("admission/wrong.json")).unwrap();
    let refused = post(
        client,
        &format!("{MUTATING}?dryRun=All"),
        &configuration("Mutating", "wrong", wrong["webhooks"].as_array().unwrap()),
    )
    .await;
    let (code, message) = refused.failure();
    assert_eq!((code, message), (422, wrong["message"].as_str().unwrap()));
    // Objects of these kinds are no webhook's business.
    let all = json!({
        "rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}],
        "namespaceSelector": {}, "failurePolicy": "Ignore",
    });
    let own = hook(server, "own", "/own", &all);
    configure(
        client,
        server,
        VALIDATING,
        &configuration("Validating", "own", &[own]),
    )
    .await;
    let touched = json!({"metadata": {"annotations": {"a": "b"}}});
    merge(client, &format!("{VALIDATING}/own"), &touched).await.ok();
    let seen = server.seen();
    let own = seen
        .iter()
        .filter(|(path, body)| path.starts_with("/own") && body.contains("WebhookConfiguration"));
    assert_eq!(own.count(), 0, "{seen:?}");
    forget(client, server, VALIDATING, "own").await;
}

/// Order, patches, rounds, and what a webhook is told.
async fn mutating(client: &kube::Client, server: &Webhook) {
    let again = hook(
        server,
        "again",
        "/again",
        &json!({"reinvocationPolicy": "IfNeeded"}),
    );
    let first = hook(server, "first", "/first", &json!({}));
    let second = hook(server, "second", "/second", &json!({}));
    configure(
        client,
        server,
        MUTATING,
        &configuration("Mutating", "b-later", &[second]),
    )
    .await;
    configure(
        client,
        server,
        MUTATING,
        &configuration("Mutating", "a-sooner", &[again, first]),
    )
    .await;
    let made = post(
        client,
        &format!("{MAPS}?fieldManager=me"),
        &map("m", &json!({"a": "b"})),
    )
    .await
    .ok();
    assert_eq!(made["data"]["seen"], "/again/first/second/again");
    let fields = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:data"];
    assert_eq!(
        fields,
        &json!({".": {}, "f:a": {}}),
        "what webhooks add is nobody's"
    );
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen[0].0.ends_with("/again?timeout=5s"), "{}", seen[0].0);
    let told: Value = serde_json::from_str(&seen[0].1).unwrap();
    let mut request = told["request"].clone();
    assert!(request["uid"].as_str().is_some_and(|uid| uid.len() == 36));
    assert!(
        request["userInfo"]["groups"]
            .as_array()
            .unwrap()
            .contains(&json!("system:masters"))
    );
    let object = request["object"].take();
    assert_eq!(
        (&object["kind"], &object["apiVersion"]),
        (&json!("ConfigMap"), &json!("v1"))
    );
    assert_eq!(object["metadata"]["namespace"], "hooked");
    for field in ["uid", "userInfo", "object"] {
        request.as_object_mut().unwrap().remove(field);
    }
    let kind = json!({"group": "", "version": "v1", "kind": "ConfigMap"});
    let resource = json!({"group": "", "version": "v1", "resource": "configmaps"});
    assert_eq!(
        request,
        json!({
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": "m", "namespace": "hooked", "operation": "CREATE", "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"},
        })
    );

    let patched = merge(
        client,
        &format!("{MAPS}/m"),
        &json!({"data": {"a": "c", "seen": null}}),
    )
    .await
    .ok();
    assert_eq!(
        patched["data"],
        json!({"a": "c", "seen": "/again/first/second/again"})
    );
    let told: Value = serde_json::from_str(&server.seen()[0].1).unwrap();
    let request = &told["request"];
    assert_eq!(
        (&request["operation"], &request["options"]["kind"]),
        (&json!("UPDATE"), &json!("UpdateOptions"))
    );
    assert_eq!(
        (
            &request["oldObject"]["data"]["a"],
            &request["object"]["data"]["a"]
        ),
        (&json!("b"), &json!("c"))
    );
    let applied =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "b"}});
    let uri = format!("{MAPS}/applied?fieldManager=me&force=true");
    assert_eq!(
        apply(client, &uri, &applied).await.ok()["data"]["seen"],
        "/again/first/second/again"
    );
    let told: Value = serde_json::from_str(&server.seen()[0].1).unwrap();
    assert_eq!(told["request"]["operation"], "CREATE");
    assert_eq!(
        told["request"]["options"],
        json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"})
    );
    delete(
        client,
        &format!("{MAPS}/applied?propagationPolicy=Foreground&dryRun=All"),
    )
    .await
    .ok();
    let seen = server.seen();
    let told: Value = serde_json::from_str(&seen[0].1).unwrap();
    let request = &told["request"];
    assert_eq!(
        (&request["operation"], &request["dryRun"]),
        (&json!("DELETE"), &json!(true))
    );
    assert_eq!(
        (&request["object"], &request["oldObject"]["data"]["a"]),
        (&json!(null), &json!("b"))
    );
    assert_eq!(
        request["options"],
        json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"], "propagationPolicy": "Foreground"})
    );
    delete(client, &format!("{MUTATING}/a-sooner")).await.ok();
    forget(client, server, MUTATING, "b-later").await;
}

/// Denials, with their texts and codes.
async fn validating(client: &kube::Client, server: &Webhook) {
    let deny = hook(server, "deny", "/deny", &json!({}));
    configure(
        client,
        server,
        VALIDATING,
        &configuration("Validating", "deny", &[deny]),
    )
    .await;
    const WHO: &str = "admission webhook \"deny.example.com\" denied the request";
    for (why, code, message, reason) in [
        ("plain", 400, format!("{WHO} without explanation"), json!(null)),
        ("reason", 400, format!("{WHO}: BadTaste"), json!("BadTaste")),
        ("full", 403, format!("{WHO}: not here"), json!("Forbidden")),
    ] {
        let refused = post(client, MAPS, &map("denied", &json!({"deny": why}))).await;
        assert_eq!(refused.failure(), (code, &*message), "{why}");
        assert_eq!(refused.body["reason"], reason);
        if why == "full" {
            assert_eq!(refused.warnings, ["beware"]);
        }
    }
    assert_eq!(get(client, &format!("{MAPS}/denied")).await.code, 404);
    let made = post(client, MAPS, &map("v", &json!({"a": "b"}))).await;
    assert_eq!(made.warnings, ["looked at"]);
    let mut made = made.ok();
    // It sees what will be stored.
    let told: Value = serde_json::from_str(&server.seen().pop().unwrap().1).unwrap();
    let object = &told["request"]["object"];
    assert_eq!(object["metadata"]["uid"], made["metadata"]["uid"]);
    made["data"]["deny"] = "full".into();
    assert_eq!(put(client, &format!("{MAPS}/v"), &made).await.code, 403);
    let kept = merge(client, &format!("{MAPS}/v"), &json!({"data": {"a": "c"}}))
        .await
        .ok();
    assert_eq!(kept["data"], json!({"a": "c"}));
    forget(client, server, VALIDATING, "deny").await;
    // A denied delete.
    post(client, MAPS, &map("kept", &json!({"deny": "full"})))
        .await
        .ok();
    let deny = hook(server, "deny", "/deny", &json!({}));
    configure(
        client,
        server,
        VALIDATING,
        &configuration("Validating", "deny", &[deny]),
    )
    .await;
    let refused = delete(client, &format!("{MAPS}/kept")).await;
    assert_eq!(refused.failure(), (403, &*format!("{WHO}: not here")));
    forget(client, server, VALIDATING, "deny").await;
    delete(client, &format!("{MAPS}/kept")).await.ok();
}

/// Calls that fail, by both policies.
async fn failing(client: &kube::Client, server: &Webhook) {
    const WHO: &str = "Internal error occurred: failed calling webhook \"fails.example.com\": ";
    let url = server.url("");
    for (kind, uri, path, expected) in [
        (
            "Mutating",
            MUTATING,
            "/error",
            "failed to call webhook: an error on the server (\"out of order\") has prevented the request from succeeding".to_owned(),
        ),
        (
            "Validating",
            VALIDATING,
            "/slow",
            format!("failed to call webhook: Post \"{url}/slow?timeout=1s\": context deadline exceeded"),
        ),
        (
            "Mutating",
            MUTATING,
            "/untyped",
            "received invalid webhook response: webhook returned response.patch but not response.patchType".to_owned(),
        ),
        (
            "Validating",
            VALIDATING,
            "/untyped",
            "received invalid webhook response: validating webhook may not return response.patch".to_owned(),
        ),
    ] {
        let fails = hook(server, "fails", path, &json!({"timeoutSeconds": 1}));
        configure(client, server, uri, &configuration(kind, "fails", &[fails])).await;
        let refused = post(client, MAPS, &map("f", &json!({}))).await;
        assert_eq!(refused.failure(), (500, &*format!("{WHO}{expected}")), "{kind} {path}");
        assert_eq!(refused.body["reason"], "InternalError");
        forget_silently(client, server, uri, "fails").await;
        let ignored = hook(server, "fails", path, &json!({"timeoutSeconds": 1, "failurePolicy": "Ignore"}));
        configure(client, server, uri, &configuration(kind, "fails", &[ignored])).await;
        post(client, &format!("{MAPS}?dryRun=All"), &map("f", &json!({}))).await.ok();
        forget_silently(client, server, uri, "fails").await;
    }
    let uid = hook(server, "fails", "/uid", &json!({}));
    configure(
        client,
        server,
        VALIDATING,
        &configuration("Validating", "fails", &[uid]),
    )
    .await;
    let refused = post(client, MAPS, &map("f", &json!({}))).await;
    let (code, message) = refused.failure();
    let start = format!("{WHO}received invalid webhook response: expected response.uid=\"");
    assert_eq!(code, 500);
    assert!(
        message.starts_with(&start) && message.ends_with("\", got \"x\""),
        "{message}"
    );
    forget_silently(client, server, VALIDATING, "fails").await;
    let broken = hook(server, "fails", "/broken-patch", &json!({}));
    configure(
        client,
        server,
        MUTATING,
        &configuration("Mutating", "fails", &[broken]),
    )
    .await;
    let refused = post(client, MAPS, &map("f", &json!({"a": "b"}))).await;
    assert_eq!(
        refused.failure(),
        (
            500,
            "Internal error occurred: error in remove for path: '/data/none': Unable to remove nonexistent key: none: missing value"
        )
    );
    forget_silently(client, server, MUTATING, "fails").await;
}

async fn forget_silently(client: &kube::Client, server: &Webhook, uri: &str, name: &str) {
    forget(client, server, uri, name).await;
}

/// Rules, selectors, and dry runs.
async fn selection(client: &kube::Client, server: &Webhook) {
    let rule = |operations: &Value, resources: &Value, scope: &str| json!([{"operations": operations, "apiGroups": ["", "apps"], "apiVersions": ["*"], "resources": resources, "scope": scope}]);
    let all = json!(["*"]);
    let hooks = [
        hook(
            server,
            "exact",
            "/exact",
            &json!({"rules": rule(&json!(["CREATE"]), &json!(["configmaps"]), "*")}),
        ),
        hook(
            server,
            "wild",
            "/wild",
            &json!({"rules": rule(&all, &json!(["*"]), "Namespaced")}),
        ),
        hook(
            server,
            "cluster",
            "/cluster",
            &json!({"rules": rule(&all, &json!(["*"]), "Cluster"), "namespaceSelector": {"matchLabels": {"team": "blue"}}}),
        ),
        hook(
            server,
            "sub",
            "/sub",
            &json!({"rules": rule(&all, &json!(["*/scale", "deployments/status"]), "*")}),
        ),
        hook(
            server,
            "blue",
            "/blue",
            &json!({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["blue"]}]}}),
        ),
        hook(
            server,
            "red",
            "/red",
            &json!({"namespaceSelector": {"matchLabels": {"team": "red"}}}),
        ),
        hook(
            server,
            "labelled",
            "/labelled",
            &json!({"objectSelector": {"matchLabels": {"watched": "yes"}}}),
        ),
    ];
    configure(
        client,
        server,
        VALIDATING,
        &configuration("Validating", "selection", &hooks),
    )
    .await;
    let asked = || {
        let mut paths: Vec<String> = server
            .seen()
            .into_iter()
            .map(|(path, _)| {
                path.split('?')
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches('/')
                    .to_owned()
            })
            .collect();
        paths.sort();
        paths.join(" ")
    };
    let mut labelled = map("l", &json!({}));
    labelled["metadata"]["labels"] = json!({"watched": "yes"});
    post(client, MAPS, &map("s", &json!({}))).await.ok();
    assert_eq!(asked(), "blue exact wild");
    post(client, MAPS, &labelled).await.ok();
    assert_eq!(asked(), "blue exact labelled wild");
    // The old object counts as well.
    merge(
        client,
        &format!("{MAPS}/l"),
        &json!({"metadata": {"labels": null}}),
    )
    .await
    .ok();
    assert_eq!(asked(), "blue labelled wild");
    merge(client, &format!("{MAPS}/l"), &json!({"data": {"a": "b"}}))
        .await
        .ok();
    assert_eq!(asked(), "blue wild");
    post(
        client,
        "/api/v1/namespaces/default/configmaps?dryRun=All",
        &map("other", &json!({})),
    )
    .await
    .ok();
    assert_eq!(asked(), "");
    merge(
        client,
        "/api/v1/namespaces/hooked",
        &json!({"metadata": {"annotations": {"a": "b"}}}),
    )
    .await
    .ok();
    assert_eq!(asked(), "cluster");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        }},
    });
    let deployments = "/apis/apps/v1/namespaces/hooked/deployments";
    post(client, deployments, &deployment).await.ok();
    assert_eq!(asked(), "wild");
    merge(
        client,
        &format!("{deployments}/d/status"),
        &json!({"status": {"replicas": 1}}),
    )
    .await
    .ok();
    assert_eq!(asked(), "sub");
    merge(
        client,
        &format!("{deployments}/d/scale"),
        &json!({"spec": {"replicas": 2}}),
    )
    .await
    .ok();
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let told: Value = serde_json::from_str(&seen[0].1).unwrap();
    let request = &told["request"];
    assert_eq!(request["subResource"], "scale");
    assert_eq!(
        request["kind"],
        json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
    );
    assert_eq!(request["resource"]["resource"], "deployments");
    assert_eq!(
        (
            &request["oldObject"]["spec"]["replicas"],
            &request["object"]["spec"]["replicas"]
        ),
        (&json!(1), &json!(2))
    );
    delete(client, &format!("{deployments}/d")).await.ok();
    forget(client, server, VALIDATING, "selection").await;

    // Nobody with side effects can be made any more, so the text is that of a unit test; dry runs are told.
    let told = hook(server, "told", "/told", &json!({"sideEffects": "NoneOnDryRun"}));
    configure(
        client,
        server,
        VALIDATING,
        &configuration("Validating", "told", &[told]),
    )
    .await;
    post(client, &format!("{MAPS}?dryRun=All"), &map("dry", &json!({})))
        .await
        .ok();
    let told: Value = serde_json::from_str(&server.seen()[0].1).unwrap();
    assert_eq!(told["request"]["dryRun"], true);
    assert_eq!(told["request"]["options"]["dryRun"], json!(["All"]));
    forget(client, server, VALIDATING, "told").await;
}

/// `matchPolicy: Equivalent`: objects are converted to the version that a webhook speaks.
async fn equivalents(client: &kube::Client, server: &Webhook) {
    let version = |name: &str, storage: bool, default: &str| {
        json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
                "size": {"type": "integer"}, "seen": {"type": "string"}, "from": {"type": "string", "default": default},
            }}}}},
        })
    };
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "boxes.hooks.example"},
        "spec": {
            "group": "hooks.example", "scope": "Namespaced", "names": {"plural": "boxes", "kind": "Box"},
            "versions": [version("v1", true, "one"), version("v2", false, "two")],
        },
    });
    install(client, &crd).await;
    let rules = json!([{"operations": ["*"], "apiGroups": ["hooks.example"], "apiVersions": ["v1"], "resources": ["boxes"]}]);
    server.set(|path, body| {
        let review = review(body);
        if path.starts_with("/change") && review["request"]["object"].is_object() {
            let operations =
                json!([{"op": "add", "path": "/spec/seen", "value": review["request"]["kind"]["version"]}]);
            return respond(&review, true, &patch(&operations));
        }
        respond(&review, true, &Value::Null)
    });
    let change = hook(server, "change", "/change", &json!({"rules": rules}));
    let exact = hook(
        server,
        "exact",
        "/exact",
        &json!({"rules": rules, "matchPolicy": "Exact"}),
    );
    let look = hook(server, "look", "/look", &json!({"rules": rules}));
    configure(
        client,
        server,
        MUTATING,
        &configuration("Mutating", "boxes", &[change]),
    )
    .await;
    configure(
        client,
        server,
        VALIDATING,
        &configuration("Validating", "boxes", &[exact, look]),
    )
    .await;
    let object = json!({
        "apiVersion": "hooks.example/v2", "kind": "Box", "metadata": {"name": "b"}, "spec": {"size": 1, "unknown": 2},
    });
    let uri = "/apis/hooks.example/v2/namespaces/hooked/boxes";
    let made = post(client, uri, &object).await.ok();
    assert_eq!(made["apiVersion"], "hooks.example/v2");
    assert_eq!(made["spec"], json!({"size": 1, "seen": "v1", "from": "two"}));
    let seen = server.seen();
    let paths: Vec<&str> = seen
        .iter()
        .map(|(path, _)| path.split('?').next().unwrap())
        .collect();
    assert_eq!(paths, ["/change", "/look"], "the other wants v1 alone");
    for (_, body) in &seen {
        let told: Value = serde_json::from_str(body).unwrap();
        let request = &told["request"];
        assert_eq!(request["object"]["apiVersion"], "hooks.example/v1");
        assert_eq!(
            (
                &request["resource"]["version"],
                &request["requestResource"]["version"]
            ),
            (&json!("v1"), &json!("v2"))
        );
        assert_eq!(
            (&request["kind"]["version"], &request["requestKind"]["version"]),
            (&json!("v1"), &json!("v2"))
        );
    }
    // What a webhook adds is pruned, and a wrong value is told by the schema.
    server.set(|path, body| {
        let review = review(body);
        let operations = match path.starts_with("/change") {
            true => json!([{"op": "add", "path": "/spec/size", "value": "large"}]),
            false => return respond(&review, true, &Value::Null),
        };
        respond(&review, true, &patch(&operations))
    });
    let mut other = object.clone();
    other["metadata"]["name"] = "c".into();
    let refused = post(client, uri, &other).await;
    let (code, message) = refused.failure();
    assert_eq!(code, 422, "{message}");
    assert!(
        message.contains("spec.size: Invalid value: \"string\""),
        "{message}"
    );
    delete(client, &format!("{MUTATING}/boxes")).await.ok();
    delete(client, &format!("{VALIDATING}/boxes")).await.ok();
    delete(
        client,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boxes.hooks.example",
    )
    .await
    .ok();
}

#[tokio::test]
async fn api_73_admission_webhooks() {
    let server = DevServer::start().await.unwrap();
    suite(server.client()).await;
}
