//! CRDs and their objects, in process.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, ResourceExt};
use kubewright_apiserver::DevServer;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(10);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: hangs"))
}

fn crd(plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                }}},
            }],
        },
    })
}

fn typed(crd: &Value) -> CustomResourceDefinition {
    serde_json::from_value(crd.clone()).expect("a CRD")
}

fn widgets(client: Client) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("example.com", "v1", "Widget");
    Api::namespaced_with(
        client,
        "default",
        &ApiResource::from_gvk_with_plural(&gvk, "widgets"),
    )
}

fn widget(name: &str, size: i64) -> DynamicObject {
    let object = json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size},
    });
    serde_json::from_value(object).expect("an object")
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("no answer of the server: {other}"),
    }
}

fn reason(crd: &CustomResourceDefinition, type_: &str) -> String {
    let conditions = crd.status.as_ref().and_then(|status| status.conditions.as_ref());
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == type_);
    found
        .and_then(|condition| condition.reason.clone())
        .unwrap_or_default()
}

async fn wait_for_reason(crds: &Api<CustomResourceDefinition>, name: &str, type_: &str, wanted: &str) {
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = crds.watch(&parameters, "0").await.expect("a watch").boxed();
    within(wanted, async {
        while let Some(event) = events.next().await {
            if let WatchEvent::Added(crd) | WatchEvent::Modified(crd) = event.expect("an event")
                && reason(&crd, type_) == wanted
            {
                return;
            }
        }
        panic!("the watch ended");
    })
    .await;
}

#[tokio::test]
async fn api_18_an_established_crd_is_served_and_discovered() {
    let server = DevServer::start().await.expect("the server starts");
    let client = server.client();
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.create(&PostParams::default(), &typed(&crd("widgets", "Widget")))
        .await
        .expect("created");
    wait_for_reason(
        &crds,
        "widgets.example.com",
        "Established",
        "InitialNamesAccepted",
    )
    .await;
    let api = widgets(client.clone());
    api.create(&PostParams::default(), &widget("a", 1))
        .await
        .expect("served");
    let list = client
        .list_api_group_resources("example.com/v1")
        .await
        .expect("discovered");
    assert_eq!(list.resources[0].name, "widgets");
    let get = http::Request::get("/openapi/v3/apis/example.com/v1")
        .body(Vec::new())
        .expect("a request");
    let document: Value = client.request(get).await.expect("described");
    assert!(document["components"]["schemas"]["com.example.v1.Widget"].is_object());
}

#[tokio::test]
async fn api_79_a_changed_schema_holds_for_the_next_request() {
    let server = DevServer::start().await.expect("the server starts");
    server
        .install_crds([crd("widgets", "Widget").to_string()])
        .await
        .expect("installed");
    let crds: Api<CustomResourceDefinition> = Api::all(server.client());
    let api = widgets(server.client());
    for maximum in 1..20 {
        let schema = json!([{
            "op": "add",
            "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum",
            "value": maximum,
        }]);
        let patch = Patch::Json::<()>(serde_json::from_value(schema).expect("a patch"));
        crds.patch("widgets.example.com", &PatchParams::default(), &patch)
            .await
            .expect("patched");
        let refused = api
            .create(&PostParams::default(), &widget("over", maximum + 1))
            .await
            .expect_err("too large");
        assert_eq!(code(&refused), 422);
        api.create(&PostParams::default(), &widget(&format!("w{maximum}"), maximum))
            .await
            .expect("allowed");
    }
}

#[tokio::test]
async fn api_79_a_deleted_crd_waits_for_its_objects_and_ends_their_watches() {
    let server = DevServer::start().await.expect("the server starts");
    server
        .install_crds([crd("widgets", "Widget").to_string()])
        .await
        .expect("installed");
    let crds: Api<CustomResourceDefinition> = Api::all(server.client());
    let api = widgets(server.client());
    let mut held = widget("held", 1);
    held.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    let held = api.create(&PostParams::default(), &held).await.expect("created");
    api.create(&PostParams::default(), &widget("free", 1))
        .await
        .expect("created");
    let since = held.resource_version().expect("a version");
    let mut events = api
        .watch(&WatchParams::default(), &since)
        .await
        .expect("a watch")
        .boxed();

    crds.delete("widgets.example.com", &DeleteParams::default())
        .await
        .expect("begun");
    wait_for_reason(
        &crds,
        "widgets.example.com",
        "Terminating",
        "InstanceDeletionInProgress",
    )
    .await;
    let crd = crds.get("widgets.example.com").await.expect("still there");
    assert_eq!(crd.finalizers(), ["customresourcecleanup.apiextensions.k8s.io"]);
    let refused = api
        .create(&PostParams::default(), &widget("late", 1))
        .await
        .expect_err("terminating");
    assert_eq!(code(&refused), 405);

    let release = Patch::Json::<()>(
        serde_json::from_value(json!([{"op": "remove", "path": "/metadata/finalizers"}])).expect("a patch"),
    );
    api.patch("held", &PatchParams::default(), &release)
        .await
        .expect("released");
    within("the watch", async { while events.next().await.is_some() {} }).await;
    assert_eq!(code(&api.get("held").await.expect_err("not served")), 404);
}

#[tokio::test]
async fn api_79_a_crd_without_held_objects_goes_with_everything() {
    let server = DevServer::start().await.expect("the server starts");
    server
        .install_crds([crd("widgets", "Widget").to_string()])
        .await
        .expect("installed");
    let crds: Api<CustomResourceDefinition> = Api::all(server.client());
    let api = widgets(server.client());
    let free = api
        .create(&PostParams::default(), &widget("free", 1))
        .await
        .expect("created");
    let since = free.resource_version().expect("a version");
    let mut events = api
        .watch(&WatchParams::default(), &since)
        .await
        .expect("a watch")
        .boxed();
    crds.delete("widgets.example.com", &DeleteParams::default())
        .await
        .expect("begun");
    within("the watch", async {
        while let Some(event) = events.next().await {
            let event = event.expect("no failure");
            assert!(matches!(event, WatchEvent::Deleted(_)), "{event:?}");
        }
    })
    .await;
    within("the CRD", async {
        while crds
            .get_opt("widgets.example.com")
            .await
            .expect("an answer")
            .is_some()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(code(&api.get("free").await.expect_err("not served")), 404);
    assert!(
        server
            .client()
            .list_api_group_resources("example.com/v1")
            .await
            .is_err()
    );
    // The same name begins anew, with nothing left of the old objects.
    server
        .install_crds([crd("widgets", "Widget").to_string()])
        .await
        .expect("installed again");
    assert!(
        api.list(&kube::api::ListParams::default())
            .await
            .expect("served")
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn api_77_a_refused_name_is_taken_when_it_is_free() {
    let server = DevServer::start().await.expect("the server starts");
    server
        .install_crds([crd("widgets", "Widget").to_string()])
        .await
        .expect("installed");
    let crds: Api<CustomResourceDefinition> = Api::all(server.client());
    crds.create(&PostParams::default(), &typed(&crd("others", "Widget")))
        .await
        .expect("created");
    wait_for_reason(&crds, "others.example.com", "NamesAccepted", "ListKindConflict").await;
    crds.delete("widgets.example.com", &DeleteParams::default())
        .await
        .expect("deleted");
    wait_for_reason(&crds, "others.example.com", "Established", "InitialNamesAccepted").await;
}

#[tokio::test]
async fn api_76_faults_are_told_together_and_v1beta1_is_gone() {
    let server = DevServer::start().await.expect("the server starts");
    let crds: Api<CustomResourceDefinition> = Api::all(server.client());
    let mut bad = crd("widgets", "Widget");
    bad["metadata"]["name"] = json!("wrong.example.com");
    bad["spec"]["versions"][0]["storage"] = json!(false);
    let refused = crds
        .create(&PostParams::default(), &typed(&bad))
        .await
        .expect_err("invalid");
    let kube::Error::Api(status) = refused else {
        panic!("an answer")
    };
    assert_eq!(status.code, 422);
    let causes = status.details.expect("details").causes;
    let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
    assert!(
        fields.contains(&"metadata.name") && fields.contains(&"spec.versions"),
        "{fields:?}"
    );

    let mut protected = crd("widgets", "Widget");
    protected["metadata"]["name"] = json!("widgets.example.k8s.io");
    protected["spec"]["group"] = json!("example.k8s.io");
    let refused = crds.create(&PostParams::default(), &typed(&protected)).await;
    let Err(kube::Error::Api(status)) = refused else {
        panic!("{refused:?}")
    };
    let causes = status.details.expect("details").causes;
    let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
    assert_eq!(fields, ["metadata.annotations[api-approved.kubernetes.io]"]);

    let old = http::Request::get("/apis/apiextensions.k8s.io/v1beta1/customresourcedefinitions");
    let error = server
        .client()
        .request::<Value>(old.body(Vec::new()).expect("a request"))
        .await
        .expect_err("gone");
    assert_eq!(code(&error), 404);
}

#[tokio::test]
async fn api_77_a_built_in_kind_cannot_be_replaced() {
    let server = DevServer::start().await.expect("the server starts");
    let client = server.client();
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> = Api::namespaced(client.clone(), "default");
    let lease = serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": {}})).expect("a lease");
    leases
        .create(&PostParams::default(), &lease)
        .await
        .expect("created");
    let crds: Api<CustomResourceDefinition> = Api::all(client);
    for version in ["v1", "v2"] {
        let mut shadow = crd("leases", "Lease");
        shadow["metadata"] = json!({
            "name": "leases.coordination.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
        });
        shadow["spec"]["group"] = json!("coordination.k8s.io");
        shadow["spec"]["versions"][0]["name"] = json!(version);
        crds.create(&PostParams::default(), &typed(&shadow))
            .await
            .expect("created");
        let name = "leases.coordination.k8s.io";
        wait_for_reason(&crds, name, "NamesAccepted", "ListKindConflict").await;
        // Not even where somebody says that it is established.
        let forged = json!({"status": {
            "acceptedNames": {"plural": "leases", "kind": "Lease", "listKind": "LeaseList"},
            "conditions": [{"type": "Established", "status": "True"}],
        }});
        crds.patch_status(name, &PatchParams::default(), &Patch::Merge(&forged))
            .await
            .expect("patched");
        leases.get("a").await.expect("still a built-in kind");
        crds.delete(name, &DeleteParams::default())
            .await
            .expect("deleted");
        within("the CRD goes", async {
            while crds.get_opt(name).await.expect("an answer").is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        leases.get("a").await.expect("nobody deleted it");
    }
}

/// Objects of a CRD that serves no version any more are deleted with it all the same.
#[tokio::test]
async fn api_79_an_unserved_crd_takes_its_objects_along() {
    let server = DevServer::start().await.expect("the server starts");
    server
        .install_crds([crd("widgets", "Widget").to_string()])
        .await
        .expect("installed");
    let api = widgets(server.client());
    api.create(&PostParams::default(), &widget("a", 1))
        .await
        .expect("created");
    let crds: Api<CustomResourceDefinition> = Api::all(server.client());
    let name = "widgets.example.com";
    let unserved = json!([{"op": "replace", "path": "/spec/versions/0/served", "value": false}]);
    let patch: json_patch::Patch = serde_json::from_value(unserved).expect("a patch");
    crds.patch(name, &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
        .expect("patched");
    assert_eq!(code(&api.get("a").await.expect_err("unserved")), 404);
    crds.delete(name, &DeleteParams::default())
        .await
        .expect("deleted");
    within("the CRD goes", async {
        while crds.get_opt(name).await.expect("an answer").is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server
        .install_crds([crd("widgets", "Widget").to_string()])
        .await
        .expect("installed again");
    assert!(
        api.list(&Default::default())
            .await
            .expect("a list")
            .items
            .is_empty()
    );
}

/// What a later schema adds or leaves out holds for objects that are stored already.
#[tokio::test]
async fn api_78_stored_objects_follow_a_later_schema() {
    let server = DevServer::start().await.expect("the server starts");
    let schema = |properties: Value| {
        let mut crd = crd("widgets", "Widget");
        crd["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.colour"}]);
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] =
            properties;
        crd
    };
    let first = schema(json!({"size": {"type": "integer"}, "colour": {"type": "string"}}));
    server.install_crds([first.to_string()]).await.expect("installed");
    let api = widgets(server.client());
    api.create(&PostParams::default(), &widget("a", 1))
        .await
        .expect("created");
    let later = schema(json!({"colour": {"type": "string", "default": "red"}}));
    server.install_crds([later.to_string()]).await.expect("changed");
    let read = api.get("a").await.expect("read");
    assert_eq!(read.data["spec"], json!({"colour": "red"}));
    // A default that is shown can be selected.
    let red = kube::api::ListParams::default().fields("spec.colour=red");
    assert_eq!(api.list(&red).await.expect("a list").items.len(), 1);
}

/// A rule is evaluated from the moment on that its CRD says so, and compiled once for all states of the CRD.
#[tokio::test]
async fn api_76_rules_are_evaluated() {
    let server = DevServer::start().await.expect("the server starts");
    let with_rules = |rules: Value| {
        let mut crd = crd("widgets", "Widget");
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
            rules;
        crd
    };
    let broken = with_rules(json!([{"rule": "self.size > 'a'"}]));
    let refused = server
        .install_crds([broken.to_string()])
        .await
        .expect_err("refused");
    let why = format!("{refused:?}");
    assert!(why.contains("compilation failed: ERROR: <input>:1:11"), "{why}");

    let crd = with_rules(json!([
        {"rule": "self.size > 0", "message": "must be there", "fieldPath": ".size"},
        {"rule": "self.size >= oldSelf.size", "reason": "FieldValueForbidden", "message": "must not shrink"},
    ]));
    server.install_crds([crd.to_string()]).await.expect("installed");
    let api = widgets(server.client());
    let text = |error: kube::Error| match error {
        kube::Error::Api(status) => status.message,
        other => panic!("{other}"),
    };
    let refused = api
        .create(&PostParams::default(), &widget("a", 0))
        .await
        .expect_err("refused");
    assert_eq!(
        text(refused),
        "Widget.example.com \"a\" is invalid: spec.size: Invalid value: must be there"
    );
    api.create(&PostParams::default(), &widget("a", 2))
        .await
        .expect("created");
    let shrunk = json!({"spec": {"size": 1}});
    let patch = Patch::Merge(&shrunk);
    let refused = api
        .patch("a", &PatchParams::default(), &patch)
        .await
        .expect_err("refused");
    assert_eq!(
        text(refused),
        "Widget.example.com \"a\" is invalid: spec: Forbidden: must not shrink"
    );
    // What a later rule forbids may stay, with a warning.
    let stricter = with_rules(json!([{"rule": "self.size > 5", "message": "too small"}]));
    server
        .install_crds([stricter.to_string()])
        .await
        .expect("changed");
    let path = "/apis/example.com/v1/namespaces/default/widgets/a";
    let labelled = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    let (code, warnings, _) = ask(&server, "PATCH", path, "application/merge-patch+json", labelled).await;
    assert_eq!(
        (code, warnings),
        (200, vec!["spec: Invalid value: too small".to_owned()])
    );
    let (code, _, _) = ask(
        &server,
        "PATCH",
        path,
        "application/merge-patch+json",
        shrunk.to_string(),
    )
    .await;
    assert_eq!(code, 422);
}

/// Answers recorded from kube-apiserver 1.36.3 for one object and one CRD each (see the folder's README).
#[tokio::test]
async fn api_78_recorded_verdicts_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/tests/data/cr-verdicts");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(&folder).expect("a folder") {
        let file = file.expect("a file").path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(file).expect("a case");
        let case: Value = serde_json::from_str(&text).expect("a case");
        let steps = case["steps"].as_array().expect("steps");
        count += 1;
        let schema = format!("schemas/{}.yaml", case["schema"].as_str().expect("a schema"));
        let server = DevServer::start().await.expect("the server starts");
        // Recorded through JSON, made by a reader to which `n` is no boolean.
        let options = serde_saphyr::options! { strict_booleans: true };
        let schema = std::fs::read_to_string(folder.join(schema)).expect("a schema");
        let schema: Value = serde_saphyr::from_str_with_options(&schema, options).expect("a schema");
        server
            .install_crds([schema.to_string()])
            .await
            .expect("installed");
        for (index, step) in steps.iter().enumerate() {
            if let Err(why) = check_step(&server, step).await {
                wrong.push(format!("{} step {index}: {why}", case["name"]));
                break;
            }
        }
    }
    assert!(count >= 58, "only {count} cases were found");
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

async fn ask(
    server: &DevServer,
    method: &str,
    path: &str,
    media: &str,
    body: String,
) -> (u16, Vec<String>, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .body(kube::client::Body::from(body.into_bytes()))
        .expect("a request");
    let answer = server.client().send(request).await.expect("an answer");
    let code = answer.status().as_u16();
    let warnings = answer.headers().get_all("warning").iter();
    let warnings = warnings
        .filter_map(|value| value.to_str().ok())
        .filter_map(|text| text.strip_prefix("299 - \"")?.strip_suffix('"'))
        .map(|text| text.replace("\\\"", "\""))
        .collect();
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .expect("a body");
    let document = serde_json::from_slice(&body.to_bytes()).expect("a document");
    (code, warnings, document)
}

/// Does one step of a recorded case and compares the answer.
async fn check_step(server: &DevServer, step: &Value) -> Result<(), String> {
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (_, _, list) = ask(server, "GET", crds, "", String::new()).await;
    let crd = &list["items"][0];
    let plural = crd["spec"]["names"]["plural"].as_str().expect("a plural");
    let collection = format!("/apis/lab.example.com/v1/namespaces/default/{plural}");
    let validation = step["fieldValidation"].as_str().unwrap_or("Warn");
    let object = match step["sub"].as_str() {
        Some(sub) => format!("{collection}/t/{sub}"),
        None => format!("{collection}/t"),
    };
    let json = "application/json";
    let (method, path, media) = match step["op"].as_str().expect("an operation") {
        "create" => ("POST", format!("{collection}?fieldValidation={validation}"), json),
        "update" => ("PUT", format!("{object}?fieldValidation={validation}"), json),
        "merge-patch" => ("PATCH", object, "application/merge-patch+json"),
        "apply" => {
            let manager = step["manager"].as_str().expect("a manager");
            let force = step["force"].as_bool().unwrap_or(false);
            let query = format!("fieldManager={manager}&force={force}&fieldValidation={validation}");
            (
                "PATCH",
                format!("{object}?{query}"),
                "application/apply-patch+yaml",
            )
        }
        "get" => ("GET", object, json),
        "crd-patch" => {
            let name = crd["metadata"]["name"].as_str().expect("a name");
            ("PATCH", format!("{crds}/{name}"), "application/json-patch+json")
        }
        other => panic!("{other} is not known here"),
    };
    let mut body = step["body"].clone();
    if method == "PUT" {
        let (_, _, stored) = ask(server, "GET", &format!("{collection}/t"), json, String::new()).await;
        body["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    }
    let text = match (step["raw"].as_str(), body) {
        (Some(raw), _) => raw.to_owned(),
        (None, Value::Null) => String::new(),
        (None, body) => body.to_string(),
    };
    let (code, warnings, mut found) = ask(server, method, &path, media, text).await;
    let expect = &step["expect"];
    if expect["code"] != code {
        return Err(format!("expected {}, found {code}: {found}", expect["code"]));
    }
    if expect["warnings"] != json!(warnings) {
        return Err(format!("expected {}, found {warnings:?}", expect["warnings"]));
    }
    if let Some(metadata) = found["metadata"].as_object_mut() {
        for left_out in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            metadata.remove(left_out);
        }
    }
    let wanted = match (&expect["object"], &expect["status"]) {
        // Of the CRD itself only the code was kept.
        _ if step["op"] == "crd-patch" => return Ok(()),
        (Value::Null, status) => status,
        (object, _) => object,
    };
    if found == *wanted {
        Ok(())
    } else {
        Err(format!("expected {wanted}\n  found {found}"))
    }
}
