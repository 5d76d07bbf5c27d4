//! Admission webhooks answered in the process (API-73, API-75).

use base64::Engine as _;
use bytes::Bytes;
use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use kubewright_apiserver::{DevServer, Matcher};
use serde_json::{Value, json};

/// Answers reviews: adds `data.seen`, or denies what has `data.bad`.
fn answer(request: &Request<Bytes>) -> Response<Bytes> {
    let review: Value = serde_json::from_slice(request.body()).expect("JSON");
    let object = &review["request"]["object"];
    let mut response = json!({
        "uid": review["request"]["uid"], "allowed": object["data"]["bad"].is_null(),
        "auditAnnotations": {"path": request.uri().path()},
    });
    if request.uri().path() == "/mutate" {
        let patch = json!([{"op": "add", "path": "/data/seen", "value": "yes"}]);
        let patch = base64::prelude::BASE64_STANDARD.encode(patch.to_string());
        response["patch"] = patch.into();
        response["patchType"] = "JSONPatch".into();
    }
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Response::new(Bytes::from(review.to_string()))
}

fn configuration(kind: &str, client: &Value) -> String {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
        "metadata": {"name": "hooks"},
        "webhooks": [{
            "name": "hook.example.com", "clientConfig": client, "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "rules": [{
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
            }],
        }],
    })
    .to_string()
}

fn map(name: &str, key: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {key: "x"}})).expect("a ConfigMap")
}

#[tokio::test]
async fn api_75_handlers_stand_in_for_services_and_urls() {
    let server = DevServer::builder()
        .service_handler("hooks", "mutate", |request| async move { answer(&request) })
        .url_handler("https://hooks.example.com/validate", |request| async move {
            answer(&request)
        })
        .start()
        .await
        .expect("the server starts");
    let service = json!({"service": {"namespace": "hooks", "name": "mutate", "path": "/mutate"}});
    let url = json!({"url": "https://hooks.example.com/validate"});
    for text in [
        configuration("Mutating", &service),
        configuration("Validating", &url),
    ] {
        server.apply_yaml(&text).await.expect("a configuration");
    }
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let made = maps
        .create(&PostParams::default(), &map("a", "good"))
        .await
        .expect("allowed");
    assert_eq!(made.data.unwrap_or_default()["seen"], "yes");
    let refused = maps.create(&PostParams::default(), &map("b", "bad")).await;
    let kube::Error::Api(status) = refused.expect_err("denied") else {
        panic!("an answer of the server")
    };
    assert_eq!(
        (status.code, status.message.as_str()),
        (
            400,
            "admission webhook \"hook.example.com\" denied the request without explanation"
        )
    );
    // API-74: kept for whoever looks.
    let log = server.request_log();
    let creates = Matcher::any().verb("create").resource("configmaps");
    let mut annotated = log.iter().filter(|request| request.is(&creates));
    let annotations = annotated.next().map(|request| request.annotations.clone());
    let annotation = |path: &str| ("hook.example.com/path".to_owned(), path.to_owned());
    assert_eq!(
        annotations,
        Some(vec![annotation("/mutate"), annotation("/validate")])
    );
}

/// What conditions are about is what a webhook would be asked about; `tests/` has them on a real server, too.
#[tokio::test]
async fn api_73_match_conditions() {
    let server = DevServer::builder()
        .url_handler("https://hooks.example.com/validate", |request| async move {
            answer(&request)
        })
        .start()
        .await
        .expect("the server starts");
    let client = json!({"url": "https://hooks.example.com/validate"});
    let mut configuration: Value = serde_json::from_str(&configuration("Validating", &client)).expect("JSON");
    let condition = "object.data.exists(key, key == 'bad') && object.data.bad != 'fine'";
    configuration["webhooks"][0]["matchConditions"] = json!([{"name": "bad", "expression": condition}]);
    server
        .apply_yaml(&configuration.to_string())
        .await
        .expect("conditions are stored");
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let create = async |name: &str, data: Value| {
        let map = json!({"metadata": {"name": name}, "data": data});
        let map = serde_json::from_value(map).expect("a ConfigMap");
        match maps.create(&PostParams::default(), &map).await {
            Ok(_) => None,
            Err(kube::Error::Api(status)) => Some((status.code, status.message)),
            Err(error) => panic!("{name}: {error}"),
        }
    };
    assert_eq!(
        create("good", json!({"good": "x"})).await,
        None,
        "nobody was asked"
    );
    assert_eq!(
        create("fine", json!({"bad": "fine"})).await,
        None,
        "nobody was asked"
    );
    let denied = "admission webhook \"hook.example.com\" denied the request without explanation";
    assert_eq!(
        create("bad", json!({"bad": "x"})).await,
        Some((400, denied.to_owned()))
    );
    let failed = format!(
        "configmaps \"none\" is forbidden: expression '{condition}' resulted in error: no such key: data"
    );
    assert_eq!(create("none", Value::Null).await, Some((403, failed)));
}
