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

/// All that a schema says of a place, where it says no more than this.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar {
    Text,
    Bool,
    /// Of so many digits at most.
    Integer(usize),
}

impl Scalar {
    fn of(schema: &Value) -> Option<Self> {
        let members = schema.as_object()?;
        let speaks = |name: &str| matches!(name, "type" | "format" | "nullable" | "description" | "default");
        let known = members.keys().all(|name| speaks(name));
        let format = members.get("format").map(Value::as_str);
        match (members.get("type")?.as_str()?, format) {
            _ if !known => None,
            ("string", None) => Some(Self::Text),
            ("boolean", None) => Some(Self::Bool),
            ("integer", Some(Some("int32"))) => Some(Self::Integer(9)),
            ("integer", None | Some(Some("int64"))) => Some(Self::Integer(18)),
            _ => None,
        }
    }

    /// Whether a text is sure to be one of these; a text without escapes and a number without a fraction are.
    pub(crate) fn admits(self, text: &str) -> bool {
        match self {
            Self::Text => text.starts_with('"') && !text.contains('\\'),
            Self::Bool => matches!(text, "true" | "false"),
            Self::Integer(digits) => {
                let number = text.strip_prefix('-').unwrap_or(text);
                number.len() <= digits && number.bytes().all(|byte| byte.is_ascii_digit())
            }
        }
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

    /// What is said of a place, where that is little.
    pub(crate) fn scalar(&self, link: &VersionLink, path: &[Segment]) -> Option<Scalar> {
        Scalar::of(part(self.whole(link)?, path)?.0)
    }

    fn whole(&self, link: &VersionLink) -> Option<&Value> {
        let whole = self.whole.get_or_init(|| {
            let mut schema = link.schema?().ok()?.schema;
            without_rules(&mut schema);
            Some(schema)
        });
        whole.as_ref()
    }

    fn at(&self, link: &VersionLink, path: &[Segment]) -> Option<Arc<Structural>> {
        let (schema, names) = part(self.whole(link)?, path)?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = parts.entry(names).or_insert_with(|| {
            let around =
                json!({ "type": "object", "properties": { "value": schema }, "required": ["value"] });
            Arc::new(Structural::from_accepted(&around))
        });
        Some(Arc::clone(known))
    }
}
