use http::Request;
use http_body_util::BodyExt;

use super::*;
use crate::registry::{GroupVersionResource, Subresource};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../data/resources.json")).expect("JSON")
}

async fn get(
    registry: &Snapshot,
    path: &str,
    headers: &[(header::HeaderName, &str)],
) -> Option<(Parts2, Value)> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let (parts, body) = Discovery.handle(registry, &parts)?.into_parts();
    let bytes = body.collect().await.expect("a whole body").to_bytes();
    Some((parts, serde_json::from_slice(&bytes).unwrap_or_default()))
}

type Parts2 = http::response::Parts;

fn custom(group: &str, version: &str, plural: &str) -> ResourceInfo {
    ResourceInfo {
        gvr: GroupVersionResource::new(group, version, plural),
        kind: "Widget".into(),
        list_kind: "WidgetList".into(),
        singular: "widget".into(),
        short_names: vec!["wg".into()],
        categories: Vec::new(),
        scope: Scope::Cluster,
        verbs: vec!["get".into()],
        status: false,
        scale: None,
        columns: Vec::new(),
        selectable_fields: Vec::new(),
        subresources: vec![Subresource {
            name: "scale".into(),
            group: "autoscaling".into(),
            version: "v1".into(),
            kind: "Scale".into(),
            verbs: vec!["get".into()],
        }],
        storage: GroupVersionResource::new(group, "v1", plural),
        origin: Origin::BuiltIn,
    }
}

#[tokio::test]
async fn api_17_aggregated_discovery_is_the_recorded_one() {
    let registry = Snapshot::builtin();
    let mut served = Vec::new();
    for root in ["/api", "/apis"] {
        let (parts, list) = get(&registry, root, &[(header::ACCEPT, AGGREGATED)])
            .await
            .expect(root);
        assert_eq!(parts.headers[header::CONTENT_TYPE], AGGREGATED);
        assert_eq!(parts.headers[header::VARY], "Accept");
        for group in list["items"].as_array().expect("items") {
            for version in group["versions"].as_array().expect("versions") {
                for resource in version["resources"].as_array().expect("resources") {
                    let mut resource = resource.clone();
                    resource["group"] = group["metadata"]
                        .get("name")
                        .cloned()
                        .unwrap_or_else(|| "".into());
                    resource["version"] = version["version"].clone();
                    resource["kind"] = resource["responseKind"]["kind"].clone();
                    resource
                        .as_object_mut()
                        .expect("an object")
                        .remove("responseKind");
                    served.push(resource);
                }
            }
        }
    }
    let mut expected = recorded();
    for resource in expected.as_array_mut().expect("a list") {
        resource
            .as_object_mut()
            .expect("an object")
            .remove("storageVersionHash");
    }
    assert_eq!(Value::Array(served), expected);
}

#[tokio::test]
async fn api_15_legacy_documents_agree_with_the_recorded_ones() {
    let registry = Snapshot::builtin();
    for entry in recorded().as_array().expect("a list") {
        let group = entry["group"].as_str().expect("group");
        let version = entry["version"].as_str().expect("version");
        let (_, list) = get(
            &registry,
            &format!("/{}", crate::openapi::data::path_of(group, version)),
            &[],
        )
        .await
        .expect("served");
        let found = list["resources"]
            .as_array()
            .expect("resources")
            .iter()
            .find(|resource| resource["name"] == entry["resource"])
            .expect("listed");
        // Upstream stores CRDs at v1beta1 to this day.
        if entry["resource"] != "customresourcedefinitions" {
            assert_eq!(
                found["storageVersionHash"], entry["storageVersionHash"],
                "{entry}"
            );
        }
        assert_eq!(found["verbs"], entry["verbs"]);
        assert_eq!(found["namespaced"], entry["scope"] == "Namespaced");
    }
}

#[tokio::test]
async fn api_17_etag_is_stable_and_revalidates() {
    let mut registry = Snapshot::builtin();
    let (parts, _) = get(&registry, "/apis", &[(header::ACCEPT, AGGREGATED)])
        .await
        .expect("served");
    let etag = parts.headers[header::ETAG].to_str().expect("text").to_owned();
    let again = [
        (header::ACCEPT, AGGREGATED),
        (header::IF_NONE_MATCH, etag.as_str()),
    ];
    let (parts, body) = get(&registry, "/apis", &again).await.expect("served");
    assert_eq!((parts.status.as_u16(), body), (304, Value::Null));
    registry.insert(custom("example.com", "v1", "widgets"));
    let (parts, _) = get(&registry, "/apis", &again).await.expect("served");
    assert_eq!(parts.status.as_u16(), 200);
}

#[tokio::test]
async fn api_16_and_18_versions_are_ordered_and_unserved_groups_absent() {
    let mut registry = Snapshot::builtin();
    for version in ["v1alpha1", "v2", "v1beta1", "v10"] {
        registry.insert(custom("example.com", version, "widgets"));
    }
    let (_, group) = get(&registry, "/apis/example.com", &[]).await.expect("served");
    let versions: Vec<&str> = group["versions"]
        .as_array()
        .expect("versions")
        .iter()
        .filter_map(|v| v["version"].as_str())
        .collect();
    assert_eq!(versions, ["v10", "v2", "v1beta1", "v1alpha1"]);
    assert_eq!(group["preferredVersion"]["groupVersion"], "example.com/v10");
    registry.retain(|info| info.gvr.group != "example.com");
    assert!(get(&registry, "/apis/example.com", &[]).await.is_none());
    assert!(get(&registry, "/apis/example.com/v1", &[]).await.is_none());
    let (_, groups) = get(&registry, "/apis", &[]).await.expect("served");
    assert!(!groups.to_string().contains("example.com"));
}

#[tokio::test]
async fn api_15_subresources_name_their_own_group() {
    let mut registry = Snapshot::builtin();
    registry.insert(custom("example.com", "v1", "widgets"));
    let (_, list) = get(&registry, "/apis/example.com/v1", &[]).await.expect("served");
    insta::assert_json_snapshot!("resource_list", list);
    let (_, versions) = get(&registry, "/api", &[(header::HOST, "127.0.0.1:1")])
        .await
        .expect("served");
    insta::assert_json_snapshot!("api_versions", versions);
}
