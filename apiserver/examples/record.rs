//! Records discovery and OpenAPI of a real kube-apiserver into `apiserver/data/`.
//!
//! ```console
//! cargo run -p kubewright-apiserver --example record -- KUBECONFIG
//! ```
//!
//! The server should be a fresh one: samples are created on it, whose tables the tests compare with.
//! A CRD is created on the server for the time of the recording, whose documents become the template for those of
//! other custom resources. `SERVED` says which groups and resources are kept. To serve more built-in kinds, add them there and record
//! again: nothing else in the crate lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

/// Group versions and, for each, the resources that are kept.
const SERVED: &[(&str, &[&str])] = &[
    (
        "v1",
        &[
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        ],
    ),
    (
        "apps/v1",
        &[
            "controllerrevisions",
            "daemonsets",
            "deployments",
            "replicasets",
            "statefulsets",
        ],
    ),
    ("events.k8s.io/v1", &["events"]),
    ("batch/v1", &["cronjobs", "jobs"]),
    ("apiextensions.k8s.io/v1", &["customresourcedefinitions"]),
    ("coordination.k8s.io/v1", &["leases"]),
    (
        "admissionregistration.k8s.io/v1",
        &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
    ),
    (
        "rbac.authorization.k8s.io/v1",
        &["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
    ),
];

/// Subresources that the engine serves; paths and entries of others are left out.
const SUBRESOURCES: &[&str] = &["finalize", "scale", "status"];

/// Schemas that documents of custom resources refer to.
const COMMON: &[&str] = &[
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta",
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
];

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let path = std::env::args().nth(1).ok_or("usage: record KUBECONFIG")?;
    let config =
        Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    std::fs::create_dir_all(data.join("openapi"))?;

    let version = get(&client, "/version", "application/json").await?;
    std::fs::write(data.join("version.json"), pretty(&version)?)?;
    std::fs::write(data.join("resources.json"), pretty(&resources(&client).await?)?)?;

    let mut index = String::from("&[\n");
    let mut common = Map::new();
    for (group_version, kept) in SERVED {
        let url = if group_version.contains('/') {
            format!("apis/{group_version}")
        } else {
            format!("api/{group_version}")
        };
        let mut document = get(&client, &format!("/openapi/v3/{url}"), "application/json").await?;
        trim(&mut document, kept, &["components", "schemas"]);
        if *group_version == "apps/v1" {
            let schemas = document["components"]["schemas"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            common = reachable(
                &json!(
                    COMMON
                        .iter()
                        .map(|name| json!({"$ref": name}))
                        .collect::<Vec<_>>()
                ),
                &schemas,
            );
        }
        let text = serde_json::to_vec(&document)?;
        let file = format!("v3.{}.json.gz", group_version.replace('/', "."));
        write_gz(&data.join("openapi").join(&file), &text)?;
        let sha512 = Sha512::digest(&text)
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect::<String>();
        index += &format!("    Recorded {{\n        path: \"{url}\",\n        sha512: \"{sha512}\",\n");
        index += &format!("        json_gz: include_bytes!(\"{file}\"),\n    }},\n");
    }
    write_gz(
        &data.join("openapi/common.json.gz"),
        &serde_json::to_vec(&common)?,
    )?;
    std::fs::write(data.join("openapi/index.rs"), index + "]\n")?;

    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "zzplurals.zzgroup.example"},
        "spec": {
            "group": "zzgroup.example",
            "names": {"plural": "zzplurals", "kind": "Zzkind", "listKind": "Zzlist"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v0zz",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"zzembedded": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": true,
                    "properties": {"zz": {"type": "string"}},
                }}}},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
            }],
        },
    });
    let request = http::Request::post(CRDS)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(&crd)?)?;
    client.request_text(request).await?;
    let recorded = template(&client).await;
    let request = http::Request::delete(format!("{CRDS}/zzplurals.zzgroup.example")).body(Vec::new())?;
    client.request_text(request).await?;
    let (v3, v2) = recorded?;
    write_gz(
        &data.join("openapi/template.json.gz"),
        &serde_json::to_vec(&json!({"v2": v2, "v3": v3}))?,
    )?;

    let (columns, tables) = tables(&client).await?;
    std::fs::write(data.join("columns.json"), pretty(&columns)?)?;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/tables.json");
    std::fs::write(golden, pretty(&tables)?)?;

    let mut v2 = get(&client, "/openapi/v2", "application/json").await?;
    trim_v2(&mut v2);
    write_gz(&data.join("openapi/v2.json.gz"), &serde_json::to_vec(&v2)?)
}

/// Paths of the template CRD in both forms, and its two schemas; waits until the server publishes them.
async fn template(client: &Client) -> Result<(Value, Value)> {
    for _ in 0..150 {
        if let Ok(v3) = get(
            client,
            "/openapi/v3/apis/zzgroup.example/v0zz",
            "application/json",
        )
        .await
        {
            let v2 = get(client, "/openapi/v2", "application/json").await?;
            let is_template = |name: &str| name.contains("zzgroup");
            let pick = |all: &Value| -> Map<String, Value> {
                let all = all.as_object().cloned().unwrap_or_default();
                all.into_iter().filter(|(name, _)| is_template(name)).collect()
            };
            let (paths, schemas) = (pick(&v3["paths"]), pick(&v3["components"]["schemas"]));
            let v2 = json!({"paths": pick(&v2["paths"]), "schemas": pick(&v2["definitions"])});
            if v2["paths"].as_object().is_some_and(|paths| !paths.is_empty()) {
                return Ok((json!({"paths": paths, "schemas": schemas}), v2));
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    Err("the server did not publish the template CRD within 30 s".into())
}

/// Creates the samples, each with its status, and returns the table columns of every resource and, for the tests, the
/// samples as the server lists and as it tabulates them.
async fn tables(client: &Client) -> Result<(Value, Value)> {
    let samples: Value = serde_json::from_str(include_str!("../tests/it/data/samples.json"))
        .map_err(|e| format!("samples.json: {e}"))?;
    send(client, "POST", CRDS, &samples["crd"]).await?;
    send(
        client,
        "POST",
        "/api/v1/namespaces",
        &json!({"metadata": {"name": "tables"}}),
    )
    .await?;
    let resources = resources(client).await?;
    let plural = |api_version: &str, kind: &str| {
        resources.as_array().into_iter().flatten().find_map(|r| {
            let group = r["group"].as_str()?;
            let version = r["version"].as_str()?;
            let own = if group.is_empty() {
                version.to_owned()
            } else {
                format!("{group}/{version}")
            };
            (own == api_version && r["kind"] == kind).then(|| {
                (
                    r["resource"].as_str().unwrap_or_default().to_owned(),
                    r["scope"] == "Namespaced",
                )
            })
        })
    };
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    for sample in samples["objects"].as_array().into_iter().flatten() {
        let api_version = sample["apiVersion"].as_str().ok_or("apiVersion")?;
        let kind = sample["kind"].as_str().ok_or("kind")?;
        let (plural, namespaced) = plural(api_version, kind).unwrap_or(("widgets".to_owned(), true));
        let root = if api_version.contains('/') {
            "/apis"
        } else {
            "/api"
        };
        let place = if namespaced { "/namespaces/tables" } else { "" };
        let url = format!("{root}/{api_version}{place}/{plural}");
        let mut stored = send(client, "POST", &url, sample).await?;
        if let Some(status) = sample.get("status") {
            stored["status"] = status.clone();
            let name = sample["metadata"]["name"].as_str().ok_or("name")?;
            send(client, "PUT", &format!("{url}/{name}/status"), &stored).await?;
        }
    }
    let deleting = "/api/v1/namespaces/tables/pods/deleting?gracePeriodSeconds=0";
    client
        .request_text(http::Request::delete(deleting).body(Vec::new())?)
        .await?;

    let (mut columns, mut golden) = (Map::new(), Map::new());
    let mut urls: Vec<(String, bool)> = Vec::new();
    for r in resources.as_array().into_iter().flatten() {
        let (group, version) = (
            r["group"].as_str().unwrap_or(""),
            r["version"].as_str().unwrap_or(""),
        );
        let root = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        urls.push((format!("{root}/{}", r["resource"].as_str().unwrap_or("")), true));
    }
    urls.push((CRDS.to_owned(), false));
    urls.push(("/apis/tables.example/v1/widgets".to_owned(), false));
    for (url, built_in) in urls {
        let mut table = get(client, &url, "application/json;as=Table;v=v1;g=meta.k8s.io").await?;
        if built_in {
            columns.insert(url.clone(), table["columnDefinitions"].clone());
        }
        let mut list = get(client, &url, "application/json").await?;
        for item in list["items"].as_array_mut().into_iter().flatten() {
            item["metadata"]
                .as_object_mut()
                .map(|metadata| metadata.remove("managedFields"));
        }
        for row in table["rows"].as_array_mut().into_iter().flatten() {
            row.as_object_mut().map(|row| row.remove("object"));
        }
        // A server begins with some seventy roles; a few of them say as much.
        for rows in [&mut list["items"], &mut table["rows"]] {
            if url.contains("/rbac.authorization.k8s.io/")
                && let Some(rows) = rows.as_array_mut()
            {
                rows.truncate(10);
            }
        }
        let now = jiff::Timestamp::now().to_string();
        golden.insert(url, json!({"now": now, "items": list["items"], "table": table}));
    }
    for url in [CRDS, "/api/v1/namespaces"] {
        let name = if url == CRDS {
            "widgets.tables.example"
        } else {
            "tables"
        };
        client
            .request_text(http::Request::delete(format!("{url}/{name}")).body(Vec::new())?)
            .await?;
    }
    Ok((Value::Object(columns), Value::Object(golden)))
}

async fn send(client: &Client, method: &str, url: &str, body: &Value) -> Result<Value> {
    let request = http::Request::builder()
        .method(method)
        .uri(url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(body)?)?;
    let text = client
        .request_text(request)
        .await
        .map_err(|error| format!("{method} {url}: {error}"))?;
    Ok(serde_json::from_str(&text)?)
}

async fn get(client: &Client, path: &str, accept: &str) -> Result<Value> {
    let request = http::Request::get(path)
        .header(http::header::ACCEPT, accept)
        .body(Vec::new())?;
    Ok(serde_json::from_str(&client.request_text(request).await?)?)
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn write_gz(path: &Path, text: &[u8]) -> Result {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    std::fs::write(path, encoder.finish()?)?;
    Ok(())
}

/// The served resources in one list: aggregated discovery, and from the legacy form what only that has.
async fn resources(client: &Client) -> Result<Value> {
    let mut out = Vec::new();
    for root in ["/api", "/apis"] {
        let list = get(client, root, AGGREGATED).await?;
        for group in list["items"].as_array().into_iter().flatten() {
            let name = group["metadata"]["name"].as_str().unwrap_or("");
            for version in group["versions"].as_array().into_iter().flatten() {
                let version_name = version["version"].as_str().ok_or("a version without name")?;
                let group_version = if name.is_empty() {
                    version_name.to_owned()
                } else {
                    format!("{name}/{version_name}")
                };
                let Some((_, kept)) = SERVED.iter().find(|(served, _)| *served == group_version) else {
                    continue;
                };
                let legacy_url = format!("{root}/{group_version}");
                let legacy = get(client, &legacy_url, "application/json").await?;
                for entry in version["resources"].as_array().into_iter().flatten() {
                    let plural = entry["resource"].as_str().ok_or("a resource without name")?;
                    if kept.contains(&plural) {
                        let hash = legacy["resources"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .find(|r| r["name"] == plural)
                            .map(|r| r["storageVersionHash"].clone())
                            .ok_or("the two discovery forms disagree")?;
                        out.push(resource(name, version_name, entry, hash)?);
                    }
                }
            }
        }
    }
    Ok(Value::Array(out))
}

fn resource(group: &str, version: &str, entry: &Value, hash: Value) -> Result<Value> {
    let mut out = entry.as_object().cloned().ok_or("a resource that is no object")?;
    out.insert("group".into(), group.into());
    out.insert("version".into(), version.into());
    out.insert("kind".into(), entry["responseKind"]["kind"].clone());
    out.insert("storageVersionHash".into(), hash);
    out.remove("responseKind");
    let subresources: Vec<Value> = entry["subresources"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|sub| {
            sub["subresource"]
                .as_str()
                .is_some_and(|name| SUBRESOURCES.contains(&name))
        })
        .cloned()
        .collect();
    out.remove("subresources");
    if !subresources.is_empty() {
        out.insert("subresources".into(), Value::Array(subresources));
    }
    Ok(Value::Object(out))
}

/// Leaves the paths of kept resources, and the schemas that those refer to.
fn trim(document: &mut Value, kept: &[&str], schemas_at: &[&str]) {
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| keeps(path, kept));
    }
    let roots = document["paths"].clone();
    let mut at = document;
    for key in schemas_at {
        at = &mut at[*key];
    }
    let all = at.as_object().cloned().unwrap_or_default();
    *at = Value::Object(reachable(&roots, &all));
}

fn trim_v2(document: &mut Value) {
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| {
            path == "/version/"
                || path == "/api/"
                || path == "/apis/"
                || SERVED.iter().any(|(group_version, kept)| {
                    let root = if group_version.contains('/') {
                        "/apis/"
                    } else {
                        "/api/"
                    };
                    let group = group_version
                        .split_once('/')
                        .map(|(group, _)| format!("/apis/{group}/"));
                    Some(path) == group.as_ref()
                        || (path.starts_with(&format!("{root}{group_version}/")) && keeps(path, kept))
                })
        });
    }
    let paths = document["paths"].clone();
    let parameters = document["parameters"].as_object().cloned().unwrap_or_default();
    let parameters = reachable(&paths, &parameters);
    let roots = json!([paths, parameters]);
    document["parameters"] = Value::Object(parameters);
    let all = document["definitions"].as_object().cloned().unwrap_or_default();
    document["definitions"] = Value::Object(reachable(&roots, &all));
}

/// Whether a path below `/api/v1/` or `/apis/{group}/{version}/` is the index or that of a kept resource.
fn keeps(path: &str, kept: &[&str]) -> bool {
    let skip = if path.starts_with("/apis/") { 4 } else { 3 };
    let mut rest: Vec<&str> = path
        .split('/')
        .skip(skip)
        .filter(|part| !part.is_empty())
        .collect();
    if rest.first() == Some(&"watch") {
        rest.remove(0);
    }
    if rest.starts_with(&["namespaces", "{namespace}"]) {
        rest.drain(..2);
    }
    match rest.as_slice() {
        [] => true,
        [resource] | [resource, "{name}"] => kept.contains(resource),
        [resource, "{name}", subresource] => kept.contains(resource) && SUBRESOURCES.contains(subresource),
        _ => false,
    }
}

/// The part of `all` that `roots` refer to, directly or through others.
fn reachable(roots: &Value, all: &Map<String, Value>) -> Map<String, Value> {
    let mut found = BTreeSet::new();
    let mut next = vec![roots];
    while let Some(value) = next.pop() {
        match value {
            Value::Array(items) => next.extend(items),
            Value::Object(map) => {
                if let Some(name) = map
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|r| r.rsplit('/').next())
                    && let Some((name, schema)) = all.get_key_value(name)
                    && found.insert(name)
                {
                    next.push(schema);
                }
                next.extend(map.values());
            }
            _ => {}
        }
    }
    let picked: BTreeMap<_, _> = found
        .into_iter()
        .map(|name| (name.clone(), all[name].clone()))
        .collect();
    picked.into_iter().collect()
}
