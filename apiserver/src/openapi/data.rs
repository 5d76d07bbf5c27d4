//! The recorded OpenAPI documents (see `data/README.md`), decoded on first use and never at start.

use std::io::Read;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::{Map, Value};

struct Recorded {
    /// Below `/openapi/v3/`.
    path: &'static str,
    /// Of the decompressed text, in upper-case hexadecimal.
    sha512: &'static str,
    json_gz: &'static [u8],
}

impl Recorded {
    /// The text, decompressed once.
    fn text(&self) -> Bytes {
        static TEXTS: PerDocument<Bytes> = PerDocument::new();
        TEXTS
            .get(self.path, |recorded| decompress(recorded.json_gz).into())
            .expect("it is one of those that are recorded")
            .clone()
    }
}

static RECORDED: &[Recorded] = include!("../../data/openapi/index.rs");

/// A document as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Document {
    /// JSON text.
    pub json: Bytes,
    /// Hash that the index and the ETag name: SHA-512 of the text in upper-case hexadecimal.
    pub sha512: String,
}

fn decompress(gz: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(gz)
        .read_to_end(&mut text)
        .expect("the data files are written by the record example");
    text
}

fn parse(gz: &[u8]) -> Value {
    serde_json::from_slice(&decompress(gz)).expect("the data files are written by the record example")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Path below `/openapi/v3/` of a group version: `api/v1`, `apis/apps/v1`.
pub fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

/// Hash of the recorded v3 document at `path`, without decompressing it.
pub(super) fn hash(path: &str) -> Option<&'static str> {
    RECORDED
        .iter()
        .find(|recorded| recorded.path == path)
        .map(|recorded| recorded.sha512)
}

/// One thing for each recorded document, made on first use.
pub(crate) struct PerDocument<T>(OnceLock<Vec<OnceLock<T>>>);

impl<T> PerDocument<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// That of the document at `path` (see [`path_of`]); nothing if none is recorded.
    fn get(&self, path: &str, make: impl FnOnce(&'static Recorded) -> T) -> Option<&T> {
        let at = RECORDED.iter().position(|recorded| recorded.path == path)?;
        let all = self
            .0
            .get_or_init(|| RECORDED.iter().map(|_| OnceLock::new()).collect());
        Some(all[at].get_or_init(|| make(&RECORDED[at])))
    }

    /// That of a group version, made of the document's text.
    pub(crate) fn of_text(
        &self,
        group: &str,
        version: &str,
        make: impl FnOnce(&[u8]) -> serde_json::Result<T>,
    ) -> Option<&T> {
        self.get(&path_of(group, version), |recorded| {
            make(&recorded.text()).expect("the data files are written by the record example")
        })
    }
}

/// The recorded v3 document at `path` (see [`path_of`]).
pub fn document(path: &str) -> Option<Document> {
    let recorded = RECORDED.iter().find(|recorded| recorded.path == path)?;
    Some(Document {
        json: recorded.text(),
        sha512: recorded.sha512.to_owned(),
    })
}

/// Schemas of a built-in group version by their full names (`io.k8s.api.apps.v1.Deployment`); parsed once.
pub fn schemas(group: &str, version: &str) -> Option<&'static Map<String, Value>> {
    static SCHEMAS: PerDocument<Map<String, Value>> = PerDocument::new();
    SCHEMAS.get(&path_of(group, version), |recorded| {
        object(parse(recorded.json_gz)["components"]["schemas"].take())
    })
}

/// Full name and schema of a built-in kind.
pub fn schema(group: &str, version: &str, kind: &str) -> Option<(&'static str, &'static Value)> {
    schemas(group, version)?
        .iter()
        .find(|(_, schema)| {
            schema["x-kubernetes-group-version-kind"]
                .as_array()
                .is_some_and(|gvks| {
                    gvks.len() == 1
                        && gvks.iter().any(|gvk| {
                            gvk["group"] == group && gvk["version"] == version && gvk["kind"] == kind
                        })
                })
        })
        .map(|(name, schema)| (name.as_str(), schema))
}

/// Schemas that documents of custom resources refer to: object metadata, options, Status, Scale.
pub(super) fn common() -> &'static Map<String, Value> {
    static COMMON: OnceLock<Map<String, Value>> = OnceLock::new();
    COMMON.get_or_init(|| object(parse(include_bytes!("../../data/openapi/common.json.gz"))))
}

/// What upstream publishes for a custom resource, under placeholder names: `{"v2", "v3"}` of `{"paths", "schemas"}`.
pub(super) fn template() -> &'static Value {
    static TEMPLATE: OnceLock<Value> = OnceLock::new();
    TEMPLATE.get_or_init(|| parse(include_bytes!("../../data/openapi/template.json.gz")))
}

/// The recorded v2 document. Not kept: the caller keeps what it makes of it.
pub(super) fn v2() -> Value {
    parse(include_bytes!("../../data/openapi/v2.json.gz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_97_each_built_in_kind_has_a_schema() {
        for info in crate::registry::builtin::resources() {
            let gvr = &info.gvr;
            assert!(schema(&gvr.group, &gvr.version, &info.kind).is_some(), "{gvr:?}");
        }
    }

    #[test]
    fn api_97_data_stays_small() {
        let total: usize = RECORDED
            .iter()
            .map(|recorded| recorded.json_gz.len())
            .sum::<usize>()
            + include_bytes!("../../data/openapi/common.json.gz").len()
            + include_bytes!("../../data/openapi/template.json.gz").len()
            + include_bytes!("../../data/openapi/v2.json.gz").len();
        assert!(total <= 1_500_000, "{total} bytes");
    }

    #[test]
    fn recorded_hashes_are_those_of_the_texts() {
        use sha2::{Digest, Sha512};
        let document = document("apis/coordination.k8s.io/v1").expect("leases are recorded");
        let digest: String = Sha512::digest(&document.json)
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        assert_eq!(document.sha512, digest);
    }
}
