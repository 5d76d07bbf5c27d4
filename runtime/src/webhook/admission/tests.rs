//! Reviews in, reviews out.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use serde_json::{Value, json};

use super::super::body::Refusal;
use super::super::metrics::WebhookMetrics;
use super::*;
use crate::endpoint::Endpoint;

/// A review about a ConfigMap, with members of its request replaced.
fn config_map(members: &Value) -> Value {
    let mut review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "resource": {"group": "", "version": "v1", "resource": "configmaps"},
            "requestKind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "requestResource": {"group": "", "version": "v1", "resource": "configmaps"},
            "name": "a",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "admin", "uid": "u", "groups": ["g"], "extra": {"e": ["1"]}},
            "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}},
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "f"},
        },
    });
    for (key, value) in members.as_object().unwrap() {
        review["request"][key] = value.clone();
    }
    review
}

async fn raw(hook: &Hook, body: &[u8]) -> Result<Value, Refusal> {
    let answer = review(&*hook.admit(), body, &WebhookMetrics::new()).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

/// The response to a review that is answered by a review with its uid.
async fn ask(hook: &Hook, review: &Value) -> Value {
    let mut answer = raw(hook, review.to_string().as_bytes()).await.unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["request"], Value::Null);
    let mut response = answer["response"].take();
    assert_eq!(response["uid"].take(), review["request"]["uid"]);
    response.as_object_mut().unwrap().remove("uid");
    response
}

fn validates(check: impl Fn(&Admission<ConfigMap>) -> Verdict + Send + Sync + 'static) -> Hook {
    Hook::validator(validate_with(check))
}

fn mutates(change: impl Fn(&mut ConfigMap) + Send + Sync + 'static) -> Hook {
    Hook::mutator(mutate_with(move |object: &mut ConfigMap, _: &Admission<_>| {
        change(object);
        Ok(Allowed::new())
    }))
}

#[tokio::test]
async fn a_validator_sees_the_whole_request() {
    let hook = validates(|request| {
        assert_eq!(request.key(), ObjectKey::namespaced("default", "a"));
        assert_eq!(request.operation, Operation::Update);
        assert_eq!(request.object.as_ref().unwrap().data.as_ref().unwrap()["k"], "v");
        assert_eq!(request.old_object.as_ref().unwrap().data, None);
        assert_eq!(request.user.username.as_deref(), Some("admin"));
        assert_eq!(request.user.extra.as_ref().unwrap()["e"], ["1"]);
        assert_eq!(request.options.as_ref().unwrap()["fieldManager"], "f");
        assert_eq!(request.subresource.as_deref(), Some("status"));
        assert_eq!(request.request_kind.as_ref().unwrap().kind, "ConfigMap");
        assert_eq!(request.request_resource.as_ref().unwrap().resource, "configmaps");
        assert!(request.dry_run);
        Ok(Allowed::new().warn("one").warn("two"))
    });
    let review = config_map(&json!({
        "operation": "UPDATE", "oldObject": {"metadata": {}}, "subResource": "status", "dryRun": true,
    }));
    let expected = json!({"allowed": true, "warnings": ["one", "two"]});
    assert_eq!(ask(&hook, &review).await, expected);
}

#[tokio::test]
async fn a_deletion_has_the_old_object_alone() {
    let review = config_map(&json!({"operation": "DELETE", "object": null, "oldObject": {"metadata": {}}}));
    let hook = validates(|request| {
        assert!(request.object.is_none() && request.old_object.is_some());
        Err("it stays".into())
    });
    let expected = json!({"allowed": false, "status": {
        "status": "Failure", "message": "it stays", "reason": "Forbidden", "code": 403,
    }});
    assert_eq!(ask(&hook, &review).await, expected);
    let hook = mutates(|_| panic!("there is nothing to change"));
    assert_eq!(ask(&hook, &review).await, json!({"allowed": true}));
}

#[tokio::test]
async fn a_denial_names_its_causes_as_the_server_does() {
    let hook = validates(|_| Err(Denied::invalid("data.k", "too short").warn("w")));
    let expected = json!({"allowed": false, "warnings": ["w"], "status": {
        "status": "Failure", "reason": "Invalid", "code": 422,
        "message": "ConfigMap \"a\" is invalid: data.k: too short",
        "details": {"name": "a", "group": "", "kind": "ConfigMap", "causes": [
            {"reason": "FieldValueInvalid", "message": "too short", "field": "data.k"},
        ]},
    }});
    assert_eq!(ask(&hook, &config_map(&json!({}))).await, expected);

    let hook = Hook::validator(validate_with(|_: &Admission<Deployment>| {
        Err(Denied::invalid("spec", "wrong").cause_of("FieldValueRequired", "spec.x", "missing"))
    }));
    let review = config_map(&json!({
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "object": {"metadata": {}},
    }));
    let response = ask(&hook, &review).await;
    assert_eq!(
        response["status"]["message"],
        "Deployment.apps \"a\" is invalid: [spec: wrong, spec.x: missing]"
    );

    let hook = validates(|_| Err(Denied::bad_request("no").code(418).reason("Teapot")));
    let response = ask(&hook, &config_map(&json!({}))).await;
    assert_eq!(
        response["status"],
        json!({"status": "Failure", "message": "no", "reason": "Teapot", "code": 418})
    );
}

fn patch(response: &Value) -> Value {
    assert_eq!(response["patchType"], "JSONPatch");
    let patch: k8s_openapi::ByteString = serde_json::from_value(response["patch"].clone()).unwrap();
    serde_json::from_slice(&patch.0).unwrap()
}

#[tokio::test]
async fn a_mutator_changes_what_it_changed_and_nothing_else() {
    let hook = mutates(|object| {
        let labels = object.metadata.labels.get_or_insert_default();
        labels.insert("a/b".to_owned(), "c".to_owned());
        object
            .data
            .get_or_insert_default()
            .insert("k".to_owned(), "w".to_owned());
    });
    // What the type does not know, or would write in another way.
    let review = config_map(&json!({"object": {
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}, "immutable": null, "future": {"x": 1.50},
        "metadata": {"name": "a", "creationTimestamp": null, "future": [1]},
    }}));
    let response = ask(&hook, &review).await;
    assert_eq!(response["allowed"], true);
    let expected = json!([
        {"op": "replace", "path": "/data/k", "value": "w"},
        {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}},
    ]);
    assert_eq!(patch(&response), expected);
    let hook = mutates(|_| {});
    assert_eq!(ask(&hook, &review).await, json!({"allowed": true}), "no patch");
}

#[tokio::test]
async fn what_cannot_be_read_is_denied_in_clear_words() {
    let hook = validates(|_| Ok(Allowed::new()));
    let message = async |members| {
        let response = ask(&hook, &config_map(&members)).await;
        assert_eq!(response["allowed"], false);
        assert_eq!(response["status"]["code"], 400);
        assert_eq!(response["status"]["reason"], "BadRequest");
        response["status"]["message"].as_str().unwrap().to_owned()
    };
    let text = message(json!({"object": {"metadata": {}, "data": {"k": 1}}})).await;
    let expected = "the object cannot be read as v1 ConfigMap: invalid type: integer `1`, expected a string";
    assert!(text.starts_with(expected), "{text}");
    let text = message(json!({"oldObject": []})).await;
    assert!(
        text.starts_with("the old object cannot be read as v1 ConfigMap: "),
        "{text}"
    );
    let text = message(json!({"kind": {"group": "apps", "version": "v1", "kind": "Scale"}})).await;
    let expected = "this webhook is about v1 ConfigMap, not about apps/v1 Scale; its rules select too much";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn what_is_no_review_is_a_bad_request() {
    let hook = validates(|_| Ok(Allowed::new()));
    let mut beta = config_map(&json!({}));
    beta["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let mut empty = config_map(&json!({}));
    empty["request"] = Value::Null;
    for (body, expected) in [
        (
            "{".to_owned(),
            "the body is not an AdmissionReview: EOF while parsing an object at line 1 column 1",
        ),
        (
            String::new(),
            "the body is not an AdmissionReview: EOF while parsing a value at line 1 column 0",
        ),
        (
            beta.to_string(),
            "\"admission.k8s.io/v1beta1\" \"AdmissionReview\" is not served; admission.k8s.io/v1 AdmissionReview is: \
             set admissionReviewVersions to [\"v1\"]",
        ),
        (
            "{}".to_owned(),
            "\"\" \"\" is not served; admission.k8s.io/v1 AdmissionReview is: set admissionReviewVersions to [\"v1\"]",
        ),
        (empty.to_string(), "the AdmissionReview has no request"),
        (
            config_map(&json!({"operation": "STEAL"})).to_string(),
            "the request of the AdmissionReview cannot be read: unknown variant `STEAL`, expected one of `CREATE`, \
             `UPDATE`, `DELETE`, `CONNECT`",
        ),
    ] {
        let refusal = raw(&hook, body.as_bytes()).await.unwrap_err();
        assert_eq!(refusal.status, 400);
        assert!(refusal.message.starts_with(expected), "{}", refusal.message);
    }
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let hook = validates(|_| panic!("a bug"));
    for _ in 0..3 {
        let response = ask(&hook, &config_map(&json!({}))).await;
        let expected = json!({"allowed": false, "status": {
            "status": "Failure", "message": "panicked: a bug", "reason": "InternalError", "code": 500,
        }});
        assert_eq!(response, expected);
    }
}

struct Never;

impl Validator for Never {
    type Object = ConfigMap;

    async fn validate(&self, _: &Admission<ConfigMap>) -> Verdict {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_cut_off() {
    let hook = Hook::validator(Never).timeout(Duration::from_millis(2500));
    let begin = tokio::time::Instant::now();
    let response = ask(&hook, &config_map(&json!({}))).await;
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    assert_eq!(response["status"]["code"], 504);
    assert_eq!(response["status"]["message"], "no verdict within 2s");
}

#[test]
fn configurations_have_controller_tools_defaults() {
    let validator = validate_with(|_: &Admission<Deployment>| Ok(Allowed::new()));
    let hooks = [
        Hook::validator(validator),
        Hook::validator(validate_with(|_: &Admission<Namespace>| Ok(Allowed::new())))
            .name("n.example.com")
            .at("/n")
            .operations([Operation::Delete])
            .failure_policy(FailurePolicy::Ignore)
            .match_policy(MatchPolicy::Exact)
            .side_effects(SideEffects::NoneOnDryRun)
            .timeout(Duration::from_secs(60))
            .only_subresource("finalize")
            .object_label("a", "b")
            .namespace_label("c", "d")
            .condition("not-me", "request.userInfo.username != 'me'"),
        mutates(|_| {})
            .reinvocation(Reinvocation::IfNeeded)
            .subresource("status"),
    ];
    let endpoint = Endpoint::service("system", "hooks");
    let names = ConfigurationNames {
        mutating: "m.example.com",
        validating: "v.example.com",
    };
    let made = |hooks: &[Hook], endpoint: &Endpoint| configurations(hooks, &names, endpoint).unwrap();
    let configuration = made(&hooks, &endpoint).validating.unwrap();
    let expected = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "v.example.com"},
        "webhooks": [
            {
                "name": "validate.deployments.v1.apps",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {
                    "namespace": "system", "name": "hooks", "path": "/validate-apps-v1-deployment",
                }},
                "failurePolicy": "Fail", "matchPolicy": "Equivalent", "sideEffects": "None", "timeoutSeconds": 10,
                "rules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                    "resources": ["deployments"], "scope": "Namespaced",
                }],
            },
            {
                "name": "n.example.com",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {
                    "namespace": "system", "name": "hooks", "path": "/n",
                }},
                "failurePolicy": "Ignore", "matchPolicy": "Exact", "sideEffects": "NoneOnDryRun",
                "timeoutSeconds": 30,
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"],
                    "resources": ["namespaces/finalize"], "scope": "Cluster",
                }],
                "objectSelector": {"matchLabels": {"a": "b"}},
                "namespaceSelector": {"matchLabels": {"c": "d"}},
                "matchConditions": [{"name": "not-me", "expression": "request.userInfo.username != 'me'"}],
            },
        ],
    });
    assert_eq!(serde_json::to_value(configuration).unwrap(), expected);

    let endpoint = Endpoint::url("https://127.0.0.1:9443");
    let configuration = made(&hooks, &endpoint).mutating.unwrap();
    assert_eq!(configuration.metadata.name.as_deref(), Some("m.example.com"));
    let expected = json!([{
        "name": "mutate.configmaps.v1.core",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:9443/mutate--v1-configmap"},
        "failurePolicy": "Fail", "matchPolicy": "Equivalent", "sideEffects": "None", "timeoutSeconds": 10,
        "reinvocationPolicy": "IfNeeded",
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps", "configmaps/status"], "scope": "Namespaced",
        }],
    }]);
    assert_eq!(serde_json::to_value(configuration.webhooks).unwrap(), expected);
    assert!(made(&hooks[..2], &endpoint).mutating.is_none());
}

#[test]
fn what_a_server_would_refuse_of_a_configuration() {
    let names = ConfigurationNames {
        mutating: "M",
        validating: "v.example.com",
    };
    let endpoint = Endpoint::service("system", "hooks");
    let refused = |hooks: &[Hook]| configurations(hooks, &names, &endpoint).unwrap_err().to_string();
    let hook = || validates(|_| Ok(Allowed::new())).name("a.example.com");
    for (hooks, expected) in [
        (
            vec![hook().name("a.b")],
            "v.example.com: webhooks[0].name: Invalid value: \"a.b\": should be a domain with at least three segments \
             separated by dots",
        ),
        (
            vec![hook(), hook()],
            "v.example.com: webhooks[1].name: Duplicate value: \"a.example.com\"",
        ),
        (
            vec![hook().operations([])],
            "v.example.com: webhooks[0].rules[0].operations: Required value",
        ),
        (
            vec![hook().condition("a", "true").condition("a", " ")],
            "v.example.com: webhooks[0].matchConditions[1].name: Duplicate value: \"a\"; \
             webhooks[0].matchConditions[1].expression: Required value",
        ),
        (vec![hook().at("x")], "where webhook a.example.com is reached"),
        (
            vec![hook().url("http://a.example/x")],
            "where webhook a.example.com is reached",
        ),
    ] {
        assert_eq!(refused(&hooks), expected);
    }
    let name = refused(&[mutates(|_| {})]);
    assert!(
        name.starts_with("M: metadata.name: Invalid value: \"M\": a lowercase RFC 1123"),
        "{name}"
    );
    let labels = refused(&[hook().object_label("-", "?")]);
    assert!(
        labels.contains("webhooks[0].objectSelector.matchLabels: Invalid value: \"-\""),
        "{labels}"
    );
    assert!(
        labels.contains("webhooks[0].objectSelector.matchLabels: Invalid value: \"?\""),
        "{labels}"
    );
}

/// A webhook with a place of its own keeps the authorities of the others, and is served where it is reached.
#[test]
fn a_place_of_its_own() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let hook = validates(|_| Ok(Allowed::new())).url("https://a.example:8443/x");
    assert_eq!(hook.path(), "/x");
    let hooks = [hook, mutates(|_| {}).service("ns", "other", Some(8443))];
    let names = ConfigurationNames {
        mutating: "m.example.com",
        validating: "v.example.com",
    };
    let made = configurations(
        &hooks,
        &names,
        &Endpoint::service("system", "hooks").ca_bundle(pem),
    )
    .unwrap();
    let bundle = ByteString(pem.as_bytes().to_vec());
    let validating = &made.validating.unwrap().webhooks.unwrap()[0].client_config;
    assert_eq!(
        serde_json::to_value(validating).unwrap(),
        json!({"url": "https://a.example:8443/x", "caBundle": bundle})
    );
    let mutating = &made.mutating.unwrap().webhooks.unwrap()[0].client_config;
    assert_eq!(
        serde_json::to_value(mutating).unwrap(),
        json!({
            "service": {"namespace": "ns", "name": "other", "path": "/mutate--v1-configmap", "port": 8443},
            "caBundle": bundle,
        })
    );
}
