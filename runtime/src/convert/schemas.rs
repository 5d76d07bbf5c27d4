//! Checks saved values by the schema of the version that they belong to.
//!
//! **Invariant:** a schema is made when the first value is to be checked, and a place's part of it once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kubewright_schema::Structural;
use serde_json::{Value, json};

use super::link::VersionLink;
use super::node::valid;
use super::path::Segment;

/// The schema of a version.
#[derive(Default)]
pub(crate) struct Schemas {
    whole: OnceLock<Option<Value>>,
    /// By names; those of items and of a map's values are empty.
    parts: Mutex<HashMap<Vec<String>, Arc<Structural>>>,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schemas").finish_non_exhaustive()
    }
}

/// What a schema says of the values at a path, and the path in the schema's terms: names that are not properties, and
/// items, have one part for all of them.
fn part<'s>(schema: &'s Value, path: &[Segment]) -> Option<(&'s Value, Vec<String>)> {
    let (mut schema, mut names) = (schema, Vec::with_capacity(path.len()));
    for segment in path {
        let property = match segment {
            Segment::Name(name) => schema
                .get("properties")
                .and_then(|known| known.get(name))
                .zip(Some(name)),
            Segment::Item(_) | Segment::Index(_) => None,
        };
        (schema, names) = match property {
            Some((property, name)) => {
                names.push(name.clone());
                (property, names)
            }
            None => {
                names.push(String::new());
                let values = if matches!(segment, Segment::Name(_)) {
                    "additionalProperties"
                } else {
                    "items"
                };
                (schema.get(values).filter(|values| values.is_object())?, names)
            }
        };
    }
    Some((schema, names))
}

/// Rules in CEL need their object around them.
fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // A property may have the keyword's name; its value is an object then, and a rule's a list.
            if members
                .get("x-kubernetes-validations")
                .is_some_and(Value::is_array)
            {
                members.remove("x-kubernetes-validations");
            }
            members.values_mut().for_each(without_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(without_rules),
        _ => {}
    }
}

impl Schemas {
    /// Whether `text` may stand at `path`. Where no schema is known, it may.
    pub(crate) fn admits(&self, link: &VersionLink, path: &[Segment], text: &str) -> bool {
        let Some(schema) = self.at(link, path) else {
            return true;
        };
        let Some(Ok(value)) = valid(text).map(serde_json::from_str::<Value>) else {
            return false;
        };
        kubewright_schema::validate(&json!({ "value": value }), None, &schema).is_empty()
    }

    fn at(&self, link: &VersionLink, path: &[Segment]) -> Option<Arc<Structural>> {
        let whole = self.whole.get_or_init(|| {
            let mut schema = link.schema?().ok()?.schema;
            without_rules(&mut schema);
            Some(schema)
        });
        let whole = whole.as_ref()?;
        let (schema, names) = part(whole, path)?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = parts.entry(names).or_insert_with(|| {
            let around =
                json!({ "type": "object", "properties": { "value": schema }, "required": ["value"] });
            Arc::new(Structural::from_accepted(&around))
        });
        Some(Arc::clone(known))
    }
}
