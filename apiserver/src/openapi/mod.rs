//! OpenAPI v2 and v3 of what is served.
//!
//! Built-in kinds: the recorded documents, byte for byte. Custom resources: documents made from their CRDs, kept
//! until the resources of the group version change.
//!
//! **Invariant:** a document shows the snapshot that it is asked for, so a resource is described no later than it is
//! served.

mod custom;
pub mod data;
mod gnostic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use self::custom::Form;
use self::data::Document;
use crate::engine::{Body, Handler, body};
use crate::negotiate::{Accept, etag_matches, query};
use crate::registry::{Origin, ResourceInfo, Snapshot};
use crate::status::ApiError;

const JSON: &str = "application/json";
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The older spelling, which kubectl still sends.
const V2_PROTOBUF_AT: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// The OpenAPI documents of a server, with what was built for the last snapshots.
#[derive(Debug, Default)]
pub struct OpenApi {
    v3: Mutex<BTreeMap<String, Cached<Document>>>,
    v2: Mutex<Option<Cached<Arc<V2>>>>,
}

/// A document and the resources that it describes. It is made on first use and outside of the lock, by one request
/// while others for the same document wait.
#[derive(Clone, Debug)]
struct Cached<T> {
    infos: Vec<Arc<ResourceInfo>>,
    document: Arc<OnceLock<T>>,
}

impl<T: Clone> Cached<T> {
    fn new(infos: Vec<Arc<ResourceInfo>>) -> Self {
        Self {
            infos,
            document: Arc::default(),
        }
    }

    fn get(&self, make: impl FnOnce(&[Arc<ResourceInfo>]) -> T) -> T {
        match self.document.get() {
            Some(document) => document.clone(),
            None => blocking(|| self.document.get_or_init(|| make(&self.infos)).clone()),
        }
    }
}

/// Runs what takes milliseconds or more, so that a runtime with several workers does other work meanwhile.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// The v2 document in its two encodings.
#[derive(Debug)]
pub struct V2 {
    /// JSON text and hash.
    pub document: Document,
    value: Value,
    protobuf: OnceLock<Bytes>,
}

impl V2 {
    /// The gnostic `openapi.v2.Document` message, encoded on first use.
    pub fn protobuf(&self) -> Bytes {
        match self.protobuf.get() {
            Some(bytes) => bytes.clone(),
            None => blocking(|| {
                self.protobuf
                    .get_or_init(|| gnostic::encode(&self.value).into())
                    .clone()
            }),
        }
    }
}

impl OpenApi {
    /// `/openapi/v3`: where each document is, with its hash.
    pub fn v3_index(&self, snapshot: &Snapshot) -> Value {
        let mut paths = Map::new();
        for (path, infos) in self.by_path(snapshot) {
            let hash = match data::hash(&path) {
                Some(hash) if all_built_in(&infos) => hash.to_owned(),
                _ => self.build(&path, infos).sha512,
            };
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
        json!({"paths": paths})
    }

    /// The document at `path` below `/openapi/v3/`; none where nothing is served there.
    pub fn v3(&self, snapshot: &Snapshot, path: &str) -> Option<Document> {
        let infos = self.by_path(snapshot).remove(path)?;
        if all_built_in(&infos) {
            blocking(|| data::document(path))
        } else {
            Some(self.build(path, infos))
        }
    }

    /// The v2 document.
    pub fn v2(&self, snapshot: &Snapshot) -> Arc<V2> {
        let infos: Vec<_> = snapshot.iter().cloned().collect();
        let cached = {
            let mut kept = lock(&self.v2);
            match &*kept {
                Some(cached) if same(&cached.infos, &infos) => cached.clone(),
                _ => kept.insert(Cached::new(infos)).clone(),
            }
        };
        cached.get(|infos| {
            let value = v2_value(infos);
            Arc::new(V2 {
                document: document(&value),
                value,
                protobuf: OnceLock::new(),
            })
        })
    }

    fn build(&self, path: &str, infos: Vec<Arc<ResourceInfo>>) -> Document {
        let cached = {
            let mut kept = lock(&self.v3);
            match kept.get(path) {
                Some(cached) if same(&cached.infos, &infos) => cached.clone(),
                _ => {
                    let cached = Cached::new(infos);
                    kept.insert(path.to_owned(), cached.clone());
                    cached
                }
            }
        };
        cached.get(|infos| document(&v3_value(path, infos)))
    }

    /// Served resources by the path of their document. Documents of groups that are gone are forgotten.
    fn by_path(&self, snapshot: &Snapshot) -> BTreeMap<String, Vec<Arc<ResourceInfo>>> {
        let served = by_path(snapshot);
        lock(&self.v3).retain(|path, _| served.contains_key(path));
        served
    }
}

/// What a panic while building has left is whole: documents are put in as wholes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn v2_value(infos: &[Arc<ResourceInfo>]) -> Value {
    let mut value = data::v2();
    let built_in: BTreeSet<String> = infos
        .iter()
        .filter(|info| matches!(info.origin, Origin::BuiltIn))
        .map(|info| format!("/{}/", data::path_of(&info.gvr.group, &info.gvr.version)))
        .collect();
    if let Some(paths) = value["paths"].as_object_mut() {
        // `/version/`, `/apis/` and the group indexes stay.
        paths.retain(|path, _| {
            path.split('/').count() < 5 && !path.starts_with("/api/v")
                || built_in.iter().any(|prefix| path.starts_with(prefix.as_str()))
        });
    }
    for info in infos {
        if let Origin::Custom(version) = &info.origin {
            let parts = custom::parts(info, version, Form::V2);
            extend(&mut value["paths"], parts.paths);
            extend(&mut value["definitions"], parts.schemas);
        }
    }
    value
}

impl Handler for OpenApi {
    fn handle(&self, registry: &Snapshot, request: &Parts) -> Option<Response<Body>> {
        let rest = request.uri.path().strip_prefix("/openapi/")?;
        match rest {
            "v2" => Some(self.answer_v2(registry, request)),
            "v3" | "v3/" => Some(answer(JSON, Bytes::from(self.v3_index(registry).to_string()))),
            _ => self.answer_v3(registry, request, rest.strip_prefix("v3/")?),
        }
    }
}

impl OpenApi {
    fn answer_v2(&self, registry: &Snapshot, request: &Parts) -> Response<Body> {
        let accept = Accept::of(&request.headers);
        let Some(chosen) = accept.choose(&[JSON, V2_PROTOBUF, V2_PROTOBUF_AT]) else {
            return ApiError::not_acceptable(&[JSON, V2_PROTOBUF]).into_response();
        };
        let v2 = self.v2(registry);
        if etag_matches(&request.headers, &v2.document.sha512) {
            return tagged(not_modified(), &v2.document.sha512);
        }
        let response = if chosen == JSON {
            answer(JSON, v2.document.json.clone())
        } else {
            answer(V2_PROTOBUF, v2.protobuf())
        };
        tagged(response, &v2.document.sha512)
    }

    fn answer_v3(&self, registry: &Snapshot, request: &Parts, path: &str) -> Option<Response<Body>> {
        let document = self.v3(registry, path)?;
        let asked = query(&request.uri, "hash");
        if let Some(asked) = &asked
            && *asked != document.sha512
        {
            let mut moved = Response::new(body::full(Bytes::new()));
            *moved.status_mut() = StatusCode::MOVED_PERMANENTLY;
            let location = format!("/openapi/v3/{path}?hash={}", document.sha512);
            if let Ok(location) = HeaderValue::try_from(location) {
                moved.headers_mut().insert(header::LOCATION, location);
            }
            return Some(tagged(moved, &document.sha512));
        }
        if etag_matches(&request.headers, &document.sha512) {
            return Some(tagged(not_modified(), &document.sha512));
        }
        let mut response = tagged(answer(JSON, document.json), &document.sha512);
        if asked.is_some() {
            // The hash names the content, so the answer never goes stale.
            let forever = HeaderValue::from_static("public, immutable, max-age=31536000");
            response.headers_mut().insert(header::CACHE_CONTROL, forever);
        }
        Some(response)
    }
}

fn answer(content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(body::full(bytes));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn not_modified() -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::new()));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn tagged(mut response: Response<Body>, hash: &str) -> Response<Body> {
    if let Ok(etag) = HeaderValue::try_from(format!("\"{hash}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

fn v3_value(path: &str, infos: &[Arc<ResourceInfo>]) -> Value {
    let recorded =
        data::document(path).filter(|_| infos.iter().any(|info| matches!(info.origin, Origin::BuiltIn)));
    let mut value = match recorded {
        Some(document) => serde_json::from_slice(&document.json).unwrap_or_default(),
        None => json!({
            "openapi": "3.0.0",
            // What upstream calls the documents of CRDs.
            "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
            "paths": {},
            "components": {"schemas": {}},
        }),
    };
    let mut schemas = data::common().clone();
    for info in infos {
        if let Origin::Custom(version) = &info.origin {
            let parts = custom::parts(info, version, Form::V3);
            extend(&mut value["paths"], parts.paths);
            schemas.extend(parts.schemas);
        }
    }
    let needed = reachable(&value["paths"], &schemas);
    extend(&mut value["components"]["schemas"], needed);
    value
}

fn extend(target: &mut Value, more: Map<String, Value>) {
    if let Some(target) = target.as_object_mut() {
        target.extend(more);
    }
}

/// Served resources by the path of their document.
fn by_path(snapshot: &Snapshot) -> BTreeMap<String, Vec<Arc<ResourceInfo>>> {
    let mut out: BTreeMap<String, Vec<Arc<ResourceInfo>>> = BTreeMap::new();
    for info in snapshot.iter() {
        let path = data::path_of(&info.gvr.group, &info.gvr.version);
        out.entry(path).or_default().push(Arc::clone(info));
    }
    out
}

fn all_built_in(infos: &[Arc<ResourceInfo>]) -> bool {
    infos.iter().all(|info| matches!(info.origin, Origin::BuiltIn))
}

/// Entries are replaced, never changed, so the same allocation means the same content.
fn same(a: &[Arc<ResourceInfo>], b: &[Arc<ResourceInfo>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

fn document(value: &Value) -> Document {
    let text = value.to_string();
    let sha512 = Sha512::digest(text.as_bytes())
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    Document {
        json: text.into(),
        sha512,
    }
}

/// The part of `all` that `roots` refer to, directly or through others.
fn reachable(roots: &Value, all: &Map<String, Value>) -> Map<String, Value> {
    let mut found = Map::new();
    let mut next = vec![roots];
    while let Some(value) = next.pop() {
        match value {
            Value::Array(items) => next.extend(items),
            Value::Object(map) => {
                if let Some(name) = map
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|to| to.rsplit('/').next())
                    && let Some(schema) = all.get(name)
                    && !found.contains_key(name)
                {
                    found.insert(name.to_owned(), schema.clone());
                    next.push(schema);
                }
                next.extend(map.values());
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
