//! A CRD as the server's internal type has it.

use serde_json::{Map, Value};

use super::schema::text;

/// A CRD as the server's internal type has it: what all versions share stands at the top.
pub(super) struct View<'a> {
    pub(super) spec: Option<&'a Map<String, Value>>,
    pub(super) versions: Vec<&'a Map<String, Value>>,
    pub(super) shared_schema: bool,
    pub(super) shared_subresources: bool,
    pub(super) shared_columns: bool,
    pub(super) shared_selectable: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(crd: &'a Value) -> Self {
        let spec = crd.get("spec").and_then(Value::as_object);
        let versions: Vec<&Map<String, Value>> = spec
            .and_then(|spec| spec.get("versions")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .collect();
        let shared = |key: &str| {
            !versions.is_empty()
                && versions
                    .iter()
                    .all(|version| version.get(key) == versions[0].get(key))
        };
        Self {
            shared_schema: shared("schema"),
            shared_subresources: shared("subresources"),
            shared_columns: shared("additionalPrinterColumns"),
            shared_selectable: shared("selectableFields"),
            spec,
            versions,
        }
    }

    pub(super) fn text(&self, key: &str) -> &'a str {
        self.spec.map(|spec| text(spec, key)).unwrap_or_default()
    }

    pub(super) fn names(&self) -> Option<&'a Map<String, Value>> {
        self.spec?.get("names")?.as_object()
    }

    pub(super) fn spec_value(&self, pointer: &str) -> Value {
        let mut keys = pointer.trim_start_matches('/').split('/');
        let first = keys.next().and_then(|key| self.spec?.get(key));
        keys.fold(first, |value, key| value?.get(key))
            .cloned()
            .unwrap_or_else(|| "".into())
    }

    /// The schemas of all versions, a shared one once.
    pub(super) fn schemas(&self) -> Vec<&'a Value> {
        let schemas = self.versions.iter().filter_map(|version| schema_of(version));
        if self.shared_schema {
            schemas.take(1).collect()
        } else {
            schemas.collect()
        }
    }
}

pub(super) fn schema_of(version: &Map<String, Value>) -> Option<&Value> {
    version
        .get("schema")?
        .get("openAPIV3Schema")
        .filter(|schema| schema.is_object())
}
