//! CRDs with a conversion webhook (API-80): the same steps on the server in the process and on a real one.

mod metadata;

use std::sync::Arc;

use kubewright::kube;
use kubewright_apiserver::DevServer;
use kubewright_tests::Webhook;
use serde_json::{Value, json};

use super::ask::{apply, delete, events, get, install, merge, post, put, send, until};
use super::client::Server;

const GROUP: &str = "convert.example";

/// v1beta1 has `spec.address` (`host:port`), v1 has `spec.host` and `spec.port`; what is stored is v1.
fn convert(object: &Value, to: &str) -> Result<Value, String> {
    let mut object = object.clone();
    let version = to.rsplit('/').next().unwrap_or_default();
    if let Some(spec) = object["spec"].as_object_mut() {
        match version {
            "v1" => {
                if let Some(address) = spec.remove("address") {
                    let address = address.as_str().unwrap_or_default().to_owned();
                    let (host, port) = address
                        .split_once(':')
                        .ok_or_else(|| format!("{address:?} has no port"))?;
                    spec.insert("host".into(), host.into());
                    let port: u16 = port.parse().map_err(|_| format!("{port:?} is no port"))?;
                    spec.insert("port".into(), port.into());
                }
            }
            _ => {
                if let (Some(host), Some(port)) = (spec.remove("host"), spec.remove("port")) {
                    let host = host.as_str().unwrap_or_default();
                    spec.insert("address".into(), format!("{host}:{port}").into());
                }
            }
        }
    }
    if object["metadata"].is_object() {
        // Labels and annotations are the converter's to change.
        object["metadata"]["labels"]["served-as"] = version.into();
    }
    object["apiVersion"] = to.into();
    Ok(object)
}

/// The answer to a ConversionReview.
fn review(body: &[u8]) -> (u16, String) {
    let review: Value = serde_json::from_slice(body).unwrap();
    let request = &review["request"];
    let to = request["desiredAPIVersion"].as_str().unwrap();
    let objects = request["objects"].as_array().unwrap();
    let converted: Result<Vec<Value>, String> = objects.iter().map(|object| convert(object, to)).collect();
    let response = match converted {
        Ok(objects) => {
            json!({"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects})
        }
        Err(why) => json!({"uid": request["uid"], "result": {"status": "Failure", "message": why}}),
    };
    let answer = json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response});
    (200, answer.to_string())
}

fn crd(plural: &str, kind: &str, client: &Value) -> Value {
    let version = |name: &str, storage: bool, spec: Value, more: Value| {
        let mut version = json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": spec,
                "status": {"type": "object", "properties": {"ready": {"type": "boolean"}, "replicas": {"type": "integer"}}},
            }}},
            "subresources": {
                "status": {},
                "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
            },
        });
        for (key, value) in more.as_object().unwrap() {
            version[key] = value.clone();
        }
        version
    };
    let v1 = json!({"type": "object", "properties": {
        "host": {"type": "string", "maxLength": 20}, "port": {"type": "integer", "maximum": 9000},
        "replicas": {"type": "integer"}, "mode": {"type": "string", "default": "stored"},
    }});
    let v1beta1 = json!({"type": "object", "properties": {
        "address": {"type": "string", "maxLength": 30}, "replicas": {"type": "integer"},
        "mode": {"type": "string"}, "old": {"type": "string", "default": "read"},
    }});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [
                version("v1", true, v1, json!({"selectableFields": [{"jsonPath": ".spec.host"}]})),
                version("v1beta1", false, v1beta1, json!({
                    "deprecated": true, "selectableFields": [{"jsonPath": ".spec.address"}],
                    "additionalPrinterColumns": [{"name": "Address", "type": "string", "jsonPath": ".spec.address"}],
                })),
            ],
            "conversion": {"strategy": "Webhook", "webhook": {
                "clientConfig": client, "conversionReviewVersions": ["v1"],
            }},
        },
    })
}

fn uri(version: &str, rest: &str) -> String {
    format!("/apis/{GROUP}/{version}/namespaces/default/{rest}")
}

fn old(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1beta1"), "kind": "Site",
        "metadata": {"name": name}, "spec": {"address": address},
    })
}

/// A base64 text of a PEM.
pub(crate) fn bundle(pem: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(pem)
}

/// How many objects each review held that came in since the last look.
fn reviews(hook: &Webhook) -> Vec<usize> {
    let seen = hook.seen().into_iter();
    seen.map(|(_, body)| {
        let review: Value = serde_json::from_str(&body).unwrap();
        review["request"]["objects"].as_array().unwrap().len()
    })
    .collect()
}

pub(crate) async fn suite(client: kube::Client, server: Server) {
    let hook = Webhook::start(&[], |_, body| review(body)).await;
    let place = json!({"url": hook.url("/convert"), "caBundle": bundle(hook.ca())});
    install(&client, &crd("sites", "Site", &place)).await;

    // Written at one version, read at both; metadata but labels and annotations is the server's.
    let made = post(&client, &uri("v1beta1", "sites"), &old("a", "one:80")).await;
    assert_eq!(
        made.warnings,
        ["convert.example/v1beta1 Site is deprecated; use convert.example/v1 Site"]
    );
    let made = made.ok();
    assert_eq!(made["spec"]["address"], "one:80");
    assert_eq!(made["apiVersion"], "convert.example/v1beta1");
    assert_eq!(made["metadata"]["labels"]["served-as"], "v1beta1");
    let new = get(&client, &uri("v1", "sites/a")).await.ok();
    assert_eq!(new["spec"], json!({"host": "one", "port": 80, "mode": "stored"}));
    assert_eq!(new["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(
        new["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );

    // VER-9: defaults are those of the version written and of the one stored, never of the one read.
    assert_eq!(made["spec"]["mode"], "stored", "read through the stored version");
    assert_eq!(made["spec"].get("old"), None, "unknown to the stored version");
    let v1 = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "Site", "metadata": {"name": "b"},
        "spec": {"host": "two", "port": 81, "replicas": 3},
    });
    post(&client, &uri("v1", "sites"), &v1).await.ok();
    let read = get(&client, &uri("v1beta1", "sites/b")).await.ok();
    assert_eq!(
        read["spec"],
        json!({"address": "two:81", "mode": "stored", "replicas": 3})
    );

    // Validation is the request's version's.
    let refused = post(&client, &uri("v1beta1", "sites"), &old("c", &"x".repeat(40))).await;
    let (code, message) = refused.failure();
    assert_eq!((code, message.contains("spec.address")), (422, true), "{message}");
    // What is too high a port for v1 is none of v1beta1's business.
    post(&client, &uri("v1beta1", "sites"), &old("high", "high:9999"))
        .await
        .ok();
    // Ratcheting: at v1 the port is wrong, and may stay so.
    let patched = merge(
        &client,
        &uri("v1", "sites/high"),
        &json!({"spec": {"replicas": 2}}),
    )
    .await;
    assert_eq!(patched.ok()["spec"]["port"], 9999);
    let refused = merge(
        &client,
        &uri("v1", "sites/high"),
        &json!({"spec": {"port": 9998}}),
    )
    .await;
    assert_eq!(refused.failure().0, 422);
    delete(&client, &uri("v1beta1", "sites/high")).await.ok();

    // Update, patches, status and scale at the version that is not stored.
    let mut wanted = get(&client, &uri("v1beta1", "sites/a")).await.ok();
    let generation = wanted["metadata"]["generation"].as_i64().unwrap();
    wanted["spec"]["address"] = "one:8080".into();
    let updated = put(&client, &uri("v1beta1", "sites/a"), &wanted).await.ok();
    assert_eq!(updated["metadata"]["generation"], generation + 1);
    // The default of a version that is not stored comes anew with each write, and is a change each time.
    let same = put(&client, &uri("v1beta1", "sites/a"), &updated).await.ok();
    assert_eq!(same["metadata"]["generation"], generation + 2);
    let now = get(&client, &uri("v1", "sites/a")).await.ok();
    assert_eq!(now["spec"]["port"], 8080);
    let same = put(&client, &uri("v1", "sites/a"), &now).await.ok();
    assert_eq!(
        same["metadata"]["resourceVersion"],
        now["metadata"]["resourceVersion"]
    );
    let patch = json!([
        {"op": "replace", "path": "/spec/address", "value": "one:81"},
        {"op": "add", "path": "/spec/replicas", "value": 1},
    ]);
    let patched = send(
        &client,
        "PATCH",
        &uri("v1beta1", "sites/a"),
        "application/json-patch+json",
        &patch,
    )
    .await;
    assert_eq!(patched.ok()["spec"]["address"], "one:81");
    let status = merge(
        &client,
        &uri("v1beta1", "sites/a/status"),
        &json!({"status": {"ready": true}}),
    )
    .await;
    assert_eq!(status.ok()["status"]["ready"], true);
    let scale = merge(
        &client,
        &uri("v1beta1", "sites/a/scale"),
        &json!({"spec": {"replicas": 5}}),
    )
    .await;
    assert_eq!(scale.ok()["spec"]["replicas"], 5);
    let now = get(&client, &uri("v1", "sites/a")).await.ok();
    assert_eq!(
        (
            &now["spec"]["port"],
            &now["spec"]["replicas"],
            &now["status"]["ready"]
        ),
        (&json!(81), &json!(5), &json!(true))
    );
    let dry = merge(
        &client,
        &uri("v1beta1", "sites/a?dryRun=All"),
        &json!({"spec": {"address": "x:1"}}),
    )
    .await;
    assert_eq!(dry.ok()["spec"]["address"], "x:1");

    // Lists, selectors and tables look at the served form.
    let list = get(&client, &uri("v1beta1", "sites")).await.ok();
    assert_eq!(list["kind"], "SiteList");
    let addresses: Vec<&Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["spec"]["address"])
        .collect();
    assert_eq!(addresses, ["one:81", "two:81"]);
    for (version, selector, found) in [
        ("v1beta1", "fieldSelector=spec.address%3Dtwo:81", 1),
        ("v1", "fieldSelector=spec.host%3Dtwo", 1),
        ("v1", "fieldSelector=spec.host%3Dtwo:81", 0),
        ("v1beta1", "labelSelector=served-as%3Dv1beta1", 2),
        ("v1beta1", "labelSelector=served-as%3Dv1", 0),
    ] {
        let list = get(&client, &uri(version, &format!("sites?{selector}")))
            .await
            .ok();
        assert_eq!(
            list["items"].as_array().unwrap().len(),
            found,
            "{version} {selector}"
        );
    }
    let request = http::Request::get(uri("v1beta1", "sites"))
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .unwrap();
    let table: Value = client.request(request).await.unwrap();
    assert_eq!(table["rows"][1]["cells"], json!(["b", "two:81"]));

    // Watches: what is there, and what comes.
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    put(&client, &uri("v1", "sites/b"), &{
        let mut b = get(&client, &uri("v1", "sites/b")).await.ok();
        b["spec"]["port"] = 82.into();
        b
    })
    .await
    .ok();
    let watched = events(
        &client,
        &uri("v1beta1", &format!("sites?watch=true&resourceVersion={version}")),
        1,
    )
    .await;
    assert_eq!(
        (&watched[0]["type"], &watched[0]["object"]["spec"]["address"]),
        (&json!("MODIFIED"), &json!("two:82"))
    );
    let watched = events(&client, &uri("v1beta1", "sites?watch=true"), 2).await;
    assert_eq!(watched[0]["object"]["apiVersion"], "convert.example/v1beta1");

    // A failure of the converter: refused with its words, and nothing is stored.
    let refused = post(&client, &uri("v1beta1", "sites"), &old("d", "no-port")).await;
    assert_eq!(
        refused.failure(),
        (
            500,
            "conversion webhook for convert.example/v1beta1, Kind=Site failed: \"no-port\" has no port"
        )
    );
    assert_eq!(refused.body.get("reason"), None);
    assert_eq!(get(&client, &uri("v1", "sites/d")).await.code, 404);

    if server == Server::Real {
        assert!(
            reviews(&hook).iter().all(|objects| *objects == 1),
            "one object each"
        );
    }
    owners(&client).await;
    // As many reviews as there must be, on the server in the process: it keeps what was converted.
    if server == Server::Dev {
        batches(&client, &hook).await;
    }
    metadata::suite(&client, &hook, server).await;
    failures(&client, &hook).await;
    stored_versions(&client, &hook).await;
    delete(
        &client,
        &format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sites.{GROUP}"),
    )
    .await
    .ok();
}

/// API-46: owners at several versions; an apply converts to the version of each.
async fn owners(client: &kube::Client) {
    let by = |version: &str, manager: &str, force: bool| {
        format!(
            "{}?fieldManager={manager}&force={force}",
            uri(version, "sites/owned")
        )
    };
    let mut v1 = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "Site", "metadata": {"name": "owned"},
        "spec": {"host": "one", "port": 80},
    });
    apply(client, &by("v1", "new", false), &v1).await.ok();
    // Equal values at another version are shared.
    let applied = apply(client, &by("v1beta1", "old", false), &old("owned", "one:80"))
        .await
        .ok();
    let fields = applied["metadata"]["managedFields"].as_array().unwrap();
    let of = |manager: &str| fields.iter().find(|entry| entry["manager"] == manager).unwrap();
    assert_eq!(of("new")["apiVersion"], "convert.example/v1");
    assert_eq!(of("old")["apiVersion"], "convert.example/v1beta1");
    // Others are a conflict, told by the field of the version that owns it.
    let conflict = apply(client, &by("v1beta1", "old", false), &old("owned", "one:81")).await;
    let (code, message) = conflict.failure();
    assert_eq!(
        (code, message),
        (
            409,
            "Apply failed with 1 conflict: conflict with \"new\": .spec.port"
        )
    );
    let forced = apply(client, &by("v1beta1", "old", true), &old("owned", "one:81"))
        .await
        .ok();
    assert_eq!(forced["spec"]["address"], "one:81");
    let fields = forced["metadata"]["managedFields"].as_array().unwrap();
    let new = fields.iter().find(|entry| entry["manager"] == "new").unwrap();
    assert_eq!(
        new["fieldsV1"]["f:spec"],
        json!({"f:host": {}}),
        "the port is the other's"
    );
    // Leaving a field out at one version removes what nobody else owns.
    v1["spec"] = json!({"host": "one", "port": 81, "replicas": 1});
    apply(client, &by("v1", "new", true), &v1).await.ok();
    v1["spec"] = json!({"host": "one", "port": 81});
    let without = apply(client, &by("v1", "new", false), &v1).await.ok();
    assert_eq!(without["spec"].get("replicas"), None);
    delete(client, &uri("v1", "sites/owned")).await.ok();
}

/// One review for a list, none where nobody needs one.
async fn batches(client: &kube::Client, hook: &Webhook) {
    for index in 0..20 {
        let site = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "Site", "metadata": {"name": format!("many-{index}"), "labels": {"many": ""}},
            "spec": {"host": "many", "port": index},
        });
        post(client, &uri("v1", "sites"), &site).await.ok();
    }
    reviews(hook);
    get(client, &uri("v1", "sites")).await.ok();
    assert_eq!(reviews(hook), [0; 0], "stored as it is wanted");
    get(client, &uri("v1beta1", "sites")).await.ok();
    assert_eq!(reviews(hook), [20], "one and two were read before");
    get(client, &uri("v1beta1", "sites")).await.ok();
    get(client, &uri("v1beta1", "sites/many-7")).await.ok();
    assert_eq!(reviews(hook), [0; 0], "converted once");
    send(
        client,
        "DELETE",
        &uri("v1", "sites?labelSelector=many"),
        "application/json",
        &Value::Null,
    )
    .await
    .ok();
}

/// What a webhook does wrong, and what is made of it.
async fn failures(client: &kube::Client, hook: &Webhook) {
    const WHO: &str = "conversion webhook for convert.example/v1, Kind=Site";
    let site = |name: &str| {
        json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "Site", "metadata": {"name": name},
            "spec": {"host": "three", "port": 83},
        })
    };
    let changed = |change: fn(&mut Value)| {
        move |_: &str, body: &[u8]| {
            let (code, text) = review(body);
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            change(&mut answer);
            (code, answer.to_string())
        }
    };
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 8] = [
        (
            "count",
            |answer| answer["response"]["convertedObjects"] = json!([]),
            " returned 0 objects, expected 1",
        ),
        (
            "name",
            |answer| answer["response"]["convertedObjects"][0]["metadata"]["name"] = "other".into(),
            " returned invalid object: must have the same name: name != other",
        ),
        (
            "kind",
            |answer| answer["response"]["convertedObjects"][0]["kind"] = "Other".into(),
            " returned invalid object at index 0: invalid kind (expected Site, received Other)",
        ),
        (
            "version",
            |answer| answer["response"]["convertedObjects"][0]["apiVersion"] = "convert.example/v2".into(),
            " returned invalid object at index 0: invalid groupVersion (expected convert.example/v1beta1, received \
             convert.example/v2)",
        ),
        (
            "labels",
            |answer| answer["response"]["convertedObjects"][0]["metadata"]["labels"] = json!({"a b": "c"}),
            " returned invalid metadata: metadata.labels: Invalid value: \"a b\": name part must consist of \
             alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
             'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
             '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
        ("uid", |answer| answer["response"]["uid"] = "other".into(), ""),
        (
            "response",
            |answer| answer["response"] = Value::Null,
            " failed: no response provided",
        ),
        (
            "status",
            |answer| answer["response"]["result"] = json!({"status": "Failure"}),
            " failed: response.result.status was 'Failure', not 'Success'",
        ),
    ];
    for (name, change, text) in cases {
        post(client, &uri("v1", "sites"), &site(name)).await.ok();
        hook.set(changed(change));
        let refused = get(client, &uri("v1beta1", &format!("sites/{name}"))).await;
        let (code, message) = refused.failure();
        assert_eq!(code, 500, "{name}");
        if name == "uid" {
            assert!(
                message.starts_with(&format!("{WHO} failed: expected response.uid=\"")),
                "{message}"
            );
            assert!(message.ends_with("\", got \"other\""), "{message}");
        } else {
            assert_eq!(message, format!("{WHO}{text}"), "{name}");
        }
        hook.set(|_, body| review(body));
        delete(client, &uri("v1", &format!("sites/{name}"))).await.ok();
    }
    for (code, text, message) in [
        (
            404,
            "nothing here",
            "the server could not find the requested resource",
        ),
        (
            500,
            "oh",
            "an error on the server (\"oh\") has prevented the request from succeeding",
        ),
        (
            400,
            r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "so not"}"#,
            "so not",
        ),
    ] {
        post(client, &uri("v1", "sites"), &site("answer")).await.ok();
        hook.set(move |_, _| (code, text.to_owned()));
        let refused = get(client, &uri("v1beta1", "sites/answer")).await;
        assert_eq!(refused.failure(), (500, &*format!("{WHO} failed: {message}")));
        hook.set(|_, body| review(body));
        delete(client, &uri("v1", "sites/answer")).await.ok();
    }
}

/// The storage version changes: what is stored stays as it is, is converted when read, and written anew.
async fn stored_versions(client: &kube::Client, hook: &Webhook) {
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sites.{GROUP}");
    let before = get(client, &uri("v1", "sites/b")).await.ok();
    let mut crd = get(client, &path).await.ok();
    assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
    crd["spec"]["versions"][0]["storage"] = false.into();
    crd["spec"]["versions"][1]["storage"] = true.into();
    let crd = put(client, &path, &crd).await.ok();
    assert_eq!(crd["status"]["storedVersions"], json!(["v1", "v1beta1"]));
    // The schema of the new storage version has a default of its own, which shows when it is stored so.
    until("the other version to be stored", async || {
        let name = format!("s{}", reviews(hook).len());
        let site = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "Site", "metadata": {"generateName": name},
            "spec": {"host": "s", "port": 1},
        });
        let made = post(client, &uri("v1", "sites"), &site).await.ok();
        let name = made["metadata"]["name"].as_str().unwrap();
        let read = get(client, &uri("v1beta1", &format!("sites/{name}"))).await.ok();
        read["spec"]["old"] == "read"
    })
    .await;
    let read = get(client, &uri("v1beta1", "sites/b")).await.ok();
    assert_eq!(read["spec"]["address"], "two:82");
    assert_eq!(read["spec"].get("old"), None, "still stored as v1");
    assert_eq!(
        read["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    let written = merge(
        client,
        &uri("v1", "sites/b"),
        &json!({"metadata": {"annotations": {"a": "b"}}}),
    )
    .await
    .ok();
    assert_eq!(written["spec"]["port"], 82);
    let read = get(client, &uri("v1beta1", "sites/b")).await.ok();
    assert_eq!(read["spec"]["old"], "read", "stored as v1beta1 now");
}

#[tokio::test]
async fn api_80_conversion_by_url() {
    let server = DevServer::start().await.unwrap();
    suite(server.client(), Server::Dev).await;
}

/// The network and its certificates are told apart from the webhook's own failures.
#[tokio::test]
async fn api_80_webhooks_that_are_not_reached() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let hook = Webhook::start(&["hook.default.svc"], |_, body| review(body)).await;
    let other = Webhook::start(&[], |_, body| review(body)).await;
    let closed = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap().port()
    };
    let service = |name: &str| json!({"service": {"namespace": "default", "name": name, "path": "/c", "port": 8443}, "caBundle": bundle(hook.ca())});
    server
        .hooks()
        .set_service_address("default", "hook", hook.address());
    server
        .hooks()
        .set_service_address("default", "named", hook.address());
    for (index, (place, expected)) in [
        (service("hook"), None),
        (json!({"url": hook.url("/c"), "caBundle": bundle(hook.ca())}), None),
        (
            json!({"url": hook.url("/c"), "caBundle": bundle(other.ca())}),
            Some(format!(
                "Post \"{}\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
                hook.url("/c")
            )),
        ),
        (
            service("named"),
            Some(
                "Post \"https://named.default.svc:8443/c\": tls: failed to verify certificate: x509: certificate is \
                 valid for localhost, hook.default.svc, not named.default.svc"
                    .to_owned(),
            ),
        ),
        (
            json!({"url": format!("https://127.0.0.1:{closed}/c"), "caBundle": bundle(hook.ca())}),
            Some(format!(
                "Post \"https://127.0.0.1:{closed}/c\": dial tcp 127.0.0.1:{closed}: connect: connection refused"
            )),
        ),
        (
            service("nobody"),
            Some(
                "Post \"https://nobody.default.svc:8443/c\": service \"default/nobody\" not found: nothing resolves \
                 names of services here, so map it to an address or a handler"
                    .to_owned(),
            ),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let plural = format!("sites{index}");
        install(&client, &crd(&plural, &format!("Site{index}"), &place)).await;
        let site = json!({
            "apiVersion": format!("{GROUP}/v1beta1"), "kind": format!("Site{index}"),
            "metadata": {"name": "a"}, "spec": {"address": "a:1"},
        });
        let made = post(&client, &uri("v1beta1", &plural), &site).await;
        match expected {
            None => assert_eq!(made.ok()["spec"]["address"], "a:1"),
            Some(expected) => assert_eq!(
                made.failure(),
                (
                    500,
                    &*format!("conversion webhook for {GROUP}/v1beta1, Kind=Site{index} failed: {expected}")
                )
            ),
        }
    }
}

/// Several watches and readers at once convert an event once.
#[tokio::test]
async fn api_80_watches_share_conversions() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let hook = Arc::new(Webhook::start(&[], |_, body| review(body)).await);
    let place = json!({"url": hook.url("/c"), "caBundle": bundle(hook.ca())});
    install(&client, &crd("sites", "Site", &place)).await;
    let watches: Vec<_> = (0..5)
        .map(|_| {
            let client = client.clone();
            let uri = uri("v1beta1", "sites?watch=true&resourceVersion=1");
            tokio::spawn(async move { events(&client, &uri, 3).await })
        })
        .collect();
    for name in ["a", "b", "c"] {
        let site = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "Site", "metadata": {"name": name},
            "spec": {"host": "h", "port": 1},
        });
        post(&client, &uri("v1", "sites"), &site).await.ok();
    }
    for watch in watches {
        let events = watch.await.unwrap();
        assert!(
            events
                .iter()
                .all(|event| event["object"]["spec"]["address"] == "h:1")
        );
    }
    assert_eq!(reviews(&hook), [1, 1, 1]);
}
