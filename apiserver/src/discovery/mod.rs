//! Discovery: which groups, versions and resources are served (`/api`, `/apis` and below).
//!
//! **Invariant:** every answer is computed from the snapshot of the request, so a resource is discoverable as soon
//! as it is served and not a moment longer.

mod version;

pub(crate) use version::by_priority;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::engine::{Body, Handler, body};
use crate::negotiate::{Accept, Agreed, Encoding, Target, etag_matches, query};
use crate::registry::{Origin, ResourceInfo, Scope, Snapshot, builtin};

/// Answers the discovery paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discovery;

impl Handler for Discovery {
    fn handle(&self, registry: &Snapshot, request: &Parts) -> Option<Response<Body>> {
        let path = request.uri.path().trim_end_matches('/');
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let accept = Accept::of(&request.headers);
        if let [root @ ("api" | "apis")] = parts.as_slice()
            && let Ok(agreed) = accept.agree(&[Target::GroupDiscovery])
            && agreed.target == Target::GroupDiscovery
        {
            return Some(tagged(request, agreed, &group_discovery_list(registry, root)));
        }
        let document = match parts.as_slice() {
            ["api"] => api_versions(registry, &host(request)),
            ["apis"] => api_group_list(registry),
            ["apis", group] => api_group(registry, group)?,
            ["api", version] => api_resource_list(registry, "", version)?,
            ["apis", group, version] => api_resource_list(registry, group, version)?,
            _ => return None,
        };
        Some(match accept.agree(&[]) {
            Ok(agreed) => {
                let mut response = written(request, agreed, &document);
                if parts.len() == 1 {
                    vary(&mut response);
                }
                response
            }
            Err(error) => error.into_response(),
        })
    }
}

fn host(request: &Parts) -> String {
    request
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(str::to_owned)
        .or_else(|| request.uri.authority().map(ToString::to_string))
        .unwrap_or_default()
}

fn written(request: &Parts, agreed: Agreed, document: &Value) -> Response<Body> {
    let pretty = agreed.encoding == Encoding::Json
        && query(&request.uri, "pretty").is_some_and(|value| value == "true" || value == "1");
    let encoding = if pretty {
        Encoding::PrettyJson
    } else {
        agreed.encoding
    };
    let mut response = Response::new(body::full(encoding.encode(document)));
    let content_type = format!("{}{}", encoding.media_type(), agreed.target.parameters());
    if let Ok(content_type) = HeaderValue::try_from(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

fn vary(response: &mut Response<Body>) {
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept"));
}

/// The aggregated form can be revalidated: `ETag` is a hash of the document.
fn tagged(request: &Parts, agreed: Agreed, document: &Value) -> Response<Body> {
    let hash: String = Sha512::digest(document.to_string())
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    let mut response = if etag_matches(&request.headers, &hash) {
        let mut response = Response::new(body::full(bytes::Bytes::new()));
        *response.status_mut() = http::StatusCode::NOT_MODIFIED;
        response
    } else {
        written(request, agreed, document)
    };
    if let Ok(etag) = HeaderValue::try_from(format!("\"{hash}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    vary(&mut response);
    response
}

/// Versions of a group with their resources; versions by priority, resources by name.
type Versions<'a> = Vec<(&'a str, Vec<&'a ResourceInfo>)>;

/// Served groups other than the core group: built-in ones in upstream's order, then the others by name.
fn groups(registry: &Snapshot) -> Vec<(&str, Versions<'_>)> {
    let mut groups: BTreeMap<(usize, &str), BTreeMap<&str, Vec<&ResourceInfo>>> = BTreeMap::new();
    for info in registry.iter() {
        let group = info.gvr.group.as_str();
        let key = (builtin::group_rank(group), group);
        groups
            .entry(key)
            .or_default()
            .entry(&info.gvr.version)
            .or_default()
            .push(info);
    }
    groups
        .into_iter()
        .map(|((_, group), versions)| (group, sorted(versions)))
        .collect()
}

fn sorted<'a>(versions: BTreeMap<&'a str, Vec<&'a ResourceInfo>>) -> Versions<'a> {
    let mut versions: Versions<'a> = versions.into_iter().collect();
    versions.sort_by(|(a, _), (b, _)| version::by_priority(a, b));
    versions
}

fn versions_of<'a>(registry: &'a Snapshot, group: &str) -> Versions<'a> {
    groups(registry)
        .into_iter()
        .find(|(name, _)| *name == group)
        .map(|(_, versions)| versions)
        .unwrap_or_default()
}

/// `/api`.
fn api_versions(registry: &Snapshot, host: &str) -> Value {
    let versions: Vec<&str> = versions_of(registry, "")
        .into_iter()
        .map(|(version, _)| version)
        .collect();
    json!({
        "kind": "APIVersions",
        "versions": versions,
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    })
}

/// `/apis`.
fn api_group_list(registry: &Snapshot) -> Value {
    let groups: Vec<Value> = groups(registry)
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| Value::Object(group_entry(group, &versions)))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/{group}`.
fn api_group(registry: &Snapshot, group: &str) -> Option<Value> {
    let versions = versions_of(registry, group);
    if group.is_empty() || versions.is_empty() {
        return None;
    }
    let mut entry = group_entry(group, &versions);
    entry.insert("kind".into(), "APIGroup".into());
    entry.insert("apiVersion".into(), "v1".into());
    Some(Value::Object(entry))
}

fn group_entry(group: &str, versions: &Versions<'_>) -> Map<String, Value> {
    let versions: Vec<Value> = versions
        .iter()
        .map(|(version, _)| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    let mut entry = Map::new();
    entry.insert("name".into(), group.into());
    entry.insert(
        "preferredVersion".into(),
        versions.first().cloned().unwrap_or_default(),
    );
    entry.insert("versions".into(), Value::Array(versions));
    entry
}

/// `/api/v1`, `/apis/{group}/{version}`.
fn api_resource_list(registry: &Snapshot, group: &str, version: &str) -> Option<Value> {
    let (_, infos) = versions_of(registry, group)
        .into_iter()
        .find(|(name, _)| *name == version)?;
    let mut resources = Vec::new();
    for info in &infos {
        let namespaced = info.scope == Scope::Namespaced;
        let mut entry = json!({
            "name": info.gvr.resource,
            "singularName": info.singular,
            "namespaced": namespaced,
            "kind": info.kind,
            "verbs": info.verbs,
            "storageVersionHash": storage_version_hash(info),
        });
        names(&mut entry, info);
        resources.push(entry);
        for sub in &info.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", info.gvr.resource, sub.name),
                "singularName": "",
                "namespaced": namespaced,
                "kind": sub.kind,
                "verbs": sub.verbs,
            });
            if !sub.version.is_empty() && (sub.group.as_str(), sub.version.as_str()) != (group, version) {
                entry["group"] = sub.group.as_str().into();
                entry["version"] = sub.version.as_str().into();
            }
            resources.push(entry);
        }
    }
    let group_version = infos.first()?.gvr.api_version();
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }))
}

fn names(entry: &mut Value, info: &ResourceInfo) {
    for (key, names) in [
        ("shortNames", &info.short_names),
        ("categories", &info.categories),
    ] {
        if !names.is_empty() {
            entry[key] = json!(names);
        }
    }
}

/// Same for all versions of a resource, other as soon as it is stored at another version.
fn storage_version_hash(info: &ResourceInfo) -> String {
    let storage = &info.storage;
    let digest = Sha256::digest(format!("{}/{}/{}", storage.group, storage.version, info.kind));
    BASE64_STANDARD.encode(&digest[..8])
}

/// `/api` and `/apis` in the aggregated form.
fn group_discovery_list(registry: &Snapshot, root: &str) -> Value {
    let items: Vec<Value> = groups(registry)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == (root == "api"))
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|(version, infos)| {
                    let resources: Vec<Value> = infos.into_iter().map(resource_discovery).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if group.is_empty() {
                json!({})
            } else {
                json!({"name": group})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn resource_discovery(info: &ResourceInfo) -> Value {
    // Upstream leaves group and version of built-in kinds empty, which means the list's own.
    let (group, version) = match info.origin {
        Origin::BuiltIn => ("", ""),
        Origin::Custom(_) => (info.gvr.group.as_str(), info.gvr.version.as_str()),
    };
    let mut entry = json!({
        "resource": info.gvr.resource,
        "responseKind": {"group": group, "version": version, "kind": info.kind},
        "scope": match info.scope {
            Scope::Namespaced => "Namespaced",
            Scope::Cluster => "Cluster",
        },
        "singularResource": info.singular,
        "verbs": info.verbs,
    });
    names(&mut entry, info);
    if !info.subresources.is_empty() {
        let subresources: Vec<Value> = info
            .subresources
            .iter()
            .map(|sub| {
                json!({
                    "subresource": sub.name,
                    "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
                    "verbs": sub.verbs,
                })
            })
            .collect();
        entry["subresources"] = Value::Array(subresources);
    }
    entry
}

#[cfg(test)]
mod tests;
