use http::Request;
use http_body_util::BodyExt;

use super::*;

async fn get(
    openapi: &OpenApi,
    registry: &Snapshot,
    url: &str,
    accept: &str,
) -> (http::response::Parts, Bytes) {
    let request = Request::get(url)
        .header(header::ACCEPT, accept)
        .body(())
        .expect("a request");
    let (parts, ()) = request.into_parts();
    let (parts, body) = openapi.handle(registry, &parts).expect("served").into_parts();
    (parts, body.collect().await.expect("a whole body").to_bytes())
}

#[tokio::test]
async fn api_19_index_leads_to_documents_that_never_go_stale() {
    let (openapi, registry) = (OpenApi::default(), Snapshot::builtin());
    let (_, index) = get(&openapi, &registry, "/openapi/v3", "application/json").await;
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .expect("served");
    let (parts, text) = get(&openapi, &registry, url, "application/json").await;
    assert!(
        parts.headers[header::CACHE_CONTROL]
            .to_str()
            .expect("text")
            .contains("immutable")
    );
    let document: Value = serde_json::from_slice(&text).expect("JSON");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-action"], "patch");
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let names: Vec<&str> = patch["parameters"]
        .as_array()
        .expect("parameters")
        .iter()
        .filter_map(|p| p["name"].as_str())
        .collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    assert!(document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"].is_object());

    let (parts, _) = get(
        &openapi,
        &registry,
        "/openapi/v3/apis/apps/v1?hash=AB",
        "application/json",
    )
    .await;
    assert_eq!(
        (
            parts.status.as_u16(),
            parts.headers[header::LOCATION].to_str().expect("text")
        ),
        (301, url)
    );
}

#[tokio::test]
async fn api_19_v2_is_served_in_both_encodings() {
    let (openapi, registry) = (OpenApi::default(), Snapshot::builtin());
    let (parts, json) = get(&openapi, &registry, "/openapi/v2", "*/*").await;
    assert_eq!(parts.headers[header::CONTENT_TYPE], JSON);
    let document: Value = serde_json::from_slice(&json).expect("JSON");
    assert!(document["definitions"]["io.k8s.api.core.v1.Pod"].is_object());
    assert!(document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"].is_object());
    let (parts, protobuf) = get(&openapi, &registry, "/openapi/v2", V2_PROTOBUF_AT).await;
    assert_eq!(parts.headers[header::CONTENT_TYPE], V2_PROTOBUF);
    assert!(protobuf.len() > 500_000);
    let (parts, _) = get(&openapi, &registry, "/openapi/v2", "text/html").await;
    assert_eq!(parts.status.as_u16(), 406);
}

#[tokio::test]
async fn api_18_documents_follow_the_registry() {
    let openapi = OpenApi::default();
    let mut registry = Snapshot::builtin();
    registry.retain(|info| info.gvr.group != "apps");
    assert!(openapi.v3(&registry, "apis/apps/v1").is_none());
    assert!(openapi.v3_index(&registry)["paths"].get("apis/apps/v1").is_none());
    let v2 = openapi.v2(&registry);
    let paths = v2.value["paths"].as_object().expect("paths");
    assert!(!paths.keys().any(|path| path.starts_with("/apis/apps/v1/")));
    assert!(paths.contains_key("/api/v1/namespaces/{namespace}/pods/{name}"));
}

#[test]
fn api_18_documents_of_removed_groups_are_forgotten() {
    let openapi = OpenApi::default();
    let served = with(&recorded_custom()[0]["crd"]);
    openapi.v3_index(&served);
    openapi.v2(&served);
    assert!(!lock(&openapi.v3).is_empty());
    let builtin = Snapshot::builtin();
    openapi.v3_index(&builtin);
    assert!(lock(&openapi.v3).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_19_a_document_is_made_once_for_all_who_ask() {
    let (openapi, registry) = (Arc::new(OpenApi::default()), Arc::new(Snapshot::builtin()));
    let ask = || {
        let (openapi, registry) = (openapi.clone(), registry.clone());
        tokio::spawn(async move { openapi.v2(&registry) })
    };
    let (one, other) = (ask(), ask());
    let (one, other) = (one.await.expect("made"), other.await.expect("made"));
    assert!(Arc::ptr_eq(&one, &other));
}

/// What a real server published for two CRDs, the first with subresources, the second cluster-scoped.
fn recorded_custom() -> Vec<Value> {
    use std::io::Read;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&include_bytes!("../../tests/it/data/custom_openapi.json.gz")[..])
        .read_to_string(&mut text)
        .expect("gzip");
    serde_json::from_str(&text).expect("JSON")
}

/// The registry with a CRD as it stands once its names are accepted.
fn with(crd: &Value) -> Snapshot {
    let mut crd = crd.clone();
    kubewright_schema::crd::default(&mut crd);
    crd["status"] = json!({
        "acceptedNames": crd["spec"]["names"],
        "conditions": [{"type": "Established", "status": "True"}],
    });
    let mut registry = Snapshot::builtin();
    for info in crate::crd::resources(&crd) {
        registry.insert(info);
    }
    registry
}

fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    // Kinds of all groups list their groups, of which fewer are served here.
    if path.ends_with("DeleteOptions x-kubernetes-group-version-kind") {
        return;
    }
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                differences(&format!("{path} {key}"), &ours[key], &theirs[key], found);
            }
        }
        _ if ours != theirs => found.push(format!("{path}\n  ours   {ours}\n  theirs {theirs}")),
        _ => {}
    }
}

#[test]
fn api_19_custom_resources_are_described_as_upstream_does() {
    let mut found = Vec::new();
    for recorded in recorded_custom() {
        let registry = with(&recorded["crd"]);
        let (group, version) = (
            &recorded["crd"]["spec"]["group"],
            &recorded["crd"]["spec"]["versions"][0]["name"],
        );
        let (group, version) = (group.as_str().expect("group"), version.as_str().expect("version"));
        let openapi = OpenApi::default();
        let v3 = openapi
            .v3(&registry, &data::path_of(group, version))
            .expect("published");
        let v3: Value = serde_json::from_slice(&v3.json).expect("JSON");
        differences("v3", &v3, &recorded["v3"], &mut found);
        let v2 = openapi.v2(&registry);
        for part in ["paths", "definitions"] {
            for (name, theirs) in recorded["v2"][part].as_object().expect(part) {
                differences(&format!("v2 {name}"), &v2.value[part][name], theirs, &mut found);
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
