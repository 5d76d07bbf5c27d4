//! Putting CRDs and other objects into a server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::Status;
use serde_json::Value;

use super::DevServer;
use crate::engine::decode;
use crate::registry::{ResourceInfo, Scope};
use crate::status::ApiError;
use crate::storage::Storage;

/// How long a CRD may take to be served.
const ESTABLISH: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";

/// What becomes of objects that are there already.
#[derive(Clone, Copy)]
enum Existing {
    /// The new text is merged into them.
    Merged,
    /// CRDs become what the new text says, so that what it leaves out is gone; others are merged.
    CrdsReplaced,
}

/// Where CRDs come from: a value, YAML text (several documents), or a file of it.
#[derive(Clone, Debug)]
pub struct CrdSource(Source);

#[derive(Clone, Debug)]
enum Source {
    Value(Box<CustomResourceDefinition>),
    Text(String),
    File(std::path::PathBuf),
}

impl From<CustomResourceDefinition> for CrdSource {
    fn from(crd: CustomResourceDefinition) -> Self {
        Self(Source::Value(Box::new(crd)))
    }
}

impl From<&str> for CrdSource {
    fn from(yaml: &str) -> Self {
        Self(Source::Text(yaml.into()))
    }
}

impl From<String> for CrdSource {
    fn from(yaml: String) -> Self {
        Self(Source::Text(yaml))
    }
}

impl From<&Path> for CrdSource {
    fn from(file: &Path) -> Self {
        Self(Source::File(file.into()))
    }
}

impl From<std::path::PathBuf> for CrdSource {
    fn from(file: std::path::PathBuf) -> Self {
        Self(Source::File(file))
    }
}

/// Why objects were not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file could not be read.
    #[error("read {}", file.display())]
    Read {
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A document is no object, or its text does not parse.
    #[error("document {index} of the YAML text: {why}")]
    Document {
        /// Position, from 1.
        index: usize,
        /// Why.
        why: String,
    },
    /// A document's kind is not served.
    #[error("{kind} of {api_version} is not served")]
    UnknownKind {
        /// Its kind.
        kind: String,
        /// Its apiVersion.
        api_version: String,
    },
    /// The server refused an object.
    #[error("{object} was refused")]
    Refused {
        /// Kind and name.
        object: String,
        /// The server's answer.
        #[source]
        source: Box<Status>,
    },
    /// A CRD was stored but is not served.
    #[error("the CRD {name} is not established: {why}")]
    NotEstablished {
        /// Its name.
        name: String,
        /// What its conditions say.
        why: String,
    },
}

impl DevServer {
    /// Creates or replaces CRDs and waits until their kinds are served. Other objects in a text or file are created or
    /// merged, as by [`DevServer::apply_yaml`].
    ///
    /// # Errors
    /// See [`LoadError`]; nothing after the first failure is loaded.
    pub async fn install_crds(
        &self,
        crds: impl IntoIterator<Item = impl Into<CrdSource>>,
    ) -> Result<(), LoadError> {
        for crd in crds {
            match crd.into().0 {
                Source::Text(yaml) => self.apply_all(&yaml, Existing::CrdsReplaced).await?,
                Source::File(file) => {
                    let yaml =
                        std::fs::read_to_string(&file).map_err(|source| LoadError::Read { file, source })?;
                    self.apply_all(&yaml, Existing::CrdsReplaced).await?;
                }
                Source::Value(crd) => {
                    let value = serde_json::to_value(crd).map_err(|why| LoadError::Document {
                        index: 1,
                        why: why.to_string(),
                    })?;
                    self.apply(value, Existing::CrdsReplaced).await?;
                }
            }
        }
        Ok(())
    }

    /// Creates the objects of a YAML text, or merges them into those that are there; waits for CRDs to be served.
    /// A namespaced object without a namespace goes to `default`.
    ///
    /// # Errors
    /// See [`LoadError`]; nothing after the first failure is loaded.
    pub async fn apply_yaml(&self, yaml: &str) -> Result<(), LoadError> {
        self.apply_all(yaml, Existing::Merged).await
    }

    async fn apply_all(&self, yaml: &str, existing: Existing) -> Result<(), LoadError> {
        for (index, document) in documents(yaml).enumerate() {
            let index = index + 1;
            let decoded = decode::decode_yaml(document.as_bytes()).map_err(|error| LoadError::Document {
                index,
                why: error.to_string(),
            })?;
            if let Some(duplicate) = decoded.duplicates.first() {
                return Err(LoadError::Document {
                    index,
                    why: duplicate.clone(),
                });
            }
            match decoded.value {
                Value::Null => {}
                object @ Value::Object(_) => self.apply(object, existing).await?,
                _ => {
                    return Err(LoadError::Document {
                        index,
                        why: "not an object".into(),
                    });
                }
            }
        }
        Ok(())
    }

    async fn apply(&self, object: Value, existing: Existing) -> Result<(), LoadError> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (kind, api_version, name) = (text("/kind"), text("/apiVersion"), text("/metadata/name"));
        let info = self
            .find(kind, api_version)
            .ok_or_else(|| LoadError::UnknownKind {
                kind: kind.into(),
                api_version: api_version.into(),
            })?;
        let mut path = match info.gvr.group.as_str() {
            "" => format!("/api/{}", info.gvr.version),
            group => format!("/apis/{group}/{}", info.gvr.version),
        };
        if info.scope == Scope::Namespaced {
            let namespace = match text("/metadata/namespace") {
                "" => "default",
                namespace => namespace,
            };
            path += &format!("/namespaces/{namespace}");
        }
        path += &format!("/{}", info.gvr.resource);
        let refused = |error: ApiError| LoadError::Refused {
            object: format!("{kind} {name}"),
            source: Box::new(error.status().clone()),
        };
        let is_crd = info.gvr.resource == "customresourcedefinitions";
        let item = format!("{path}/{name}");
        match self.send(Method::POST, &path, JSON, &object).await {
            Err(error) if error.status().reason == "AlreadyExists" => match existing {
                Existing::CrdsReplaced if is_crd => self.replace(&item, &object).await,
                _ => self
                    .send(Method::PATCH, &item, "application/merge-patch+json", &object)
                    .await
                    .map(drop),
            },
            outcome => outcome.map(drop),
        }
        .map_err(refused)?;
        if is_crd {
            self.wait_established(name).await?;
        }
        Ok(())
    }

    /// Puts the object in the place of the stored one, whatever that is by then.
    async fn replace(&self, path: &str, object: &Value) -> Result<(), ApiError> {
        loop {
            let stored = self.send(Method::GET, path, JSON, &Value::Null).await?;
            let mut next = object.clone();
            next["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
            match self.send(Method::PUT, path, JSON, &next).await {
                // A controller was faster.
                Err(error) if error.status().reason == "Conflict" => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    fn find(&self, kind: &str, api_version: &str) -> Option<Arc<ResourceInfo>> {
        let snapshot = self.engine.registry().snapshot();
        snapshot
            .iter()
            .find(|info| info.kind == kind && info.gvr.api_version() == api_version)
            .cloned()
    }

    async fn send(&self, method: Method, path: &str, media: &str, object: &Value) -> Result<Value, ApiError> {
        let request = Request::builder()
            .extension(super::listen::administrator())
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, media)
            .body(Full::new(Bytes::from(object.to_string())))
            .map_err(ApiError::internal)?;
        let mut engine = self.engine.clone();
        let gone = |_| ApiError::unavailable("the server is down");
        let response = tower::Service::call(&mut engine, request).await.map_err(gone)?;
        let code = response.status();
        let body = response.into_body().collect().await.map_err(gone)?.to_bytes();
        let value: Value = serde_json::from_slice(&body).map_err(ApiError::internal)?;
        if code.is_success() {
            return Ok(value);
        }
        Err(serde_json::from_value::<Status>(value).map_or_else(
            |_| ApiError::new(code, "", "the answer is no Status"),
            ApiError::from,
        ))
    }

    async fn wait_established(&self, name: &str) -> Result<(), LoadError> {
        let key = format!("/apiextensions.k8s.io/customresourcedefinitions/{name}");
        let failed = |why: String| LoadError::NotEstablished {
            name: name.into(),
            why,
        };
        let wait = async {
            let after = self
                .storage
                .revision()
                .await
                .map_err(|error| failed(error.to_string()))?;
            let mut changes = self
                .storage
                .watch(&key, after)
                .await
                .map_err(|error| failed(error.to_string()))?;
            loop {
                let entry = self
                    .storage
                    .get(&key)
                    .await
                    .map_err(|error| failed(error.to_string()))?;
                let condition = |wanted: &str| {
                    let conditions = entry.as_ref()?.value.pointer("/status/conditions")?.as_array()?;
                    conditions
                        .iter()
                        .find(|condition| condition["type"] == wanted)
                        .cloned()
                };
                let is =
                    |wanted: &str, status: &str| condition(wanted).filter(|found| found["status"] == status);
                if is("Established", "True").is_some() {
                    return Ok(());
                }
                if let Some(refused) = is("NamesAccepted", "False") {
                    return Err(failed(refused["message"].as_str().unwrap_or_default().into()));
                }
                changes.next().await.map_err(|error| failed(error.to_string()))?;
            }
        };
        tokio::time::timeout(ESTABLISH, wait)
            .await
            .unwrap_or_else(|_| Err(failed(format!("it has no such condition after {ESTABLISH:?}"))))
    }
}

/// The documents of a YAML stream, split at its `---` lines. What stands on such a line belongs to the document that
/// it begins.
fn documents(yaml: &str) -> impl Iterator<Item = String> {
    let mut documents = vec![String::new()];
    for line in yaml.lines() {
        let marker = line
            .strip_prefix("---")
            .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if marker.is_some() {
            documents.push(String::new());
        }
        if let Some(document) = documents.last_mut() {
            document.push_str(marker.map_or(line, str::trim));
            document.push('\n');
        }
    }
    let is_blank = |document: &String| {
        document
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    };
    documents.into_iter().filter(move |document| !is_blank(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_streams_are_split() {
        let yaml = "# head\n---\na: 1\n---\n\n--- \nb: |\n  ----\n--- {c: 2}\n--- # note\nd: 3\n";
        let values: Vec<Value> = documents(yaml)
            .map(|document| decode::decode_yaml(document.as_bytes()).expect("YAML").value)
            .collect();
        assert_eq!(
            serde_json::Value::from(values),
            serde_json::json!([{"a": 1}, {"b": "----\n"}, {"c": 2}, {"d": 3}])
        );
    }
}
