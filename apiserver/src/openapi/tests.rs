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
