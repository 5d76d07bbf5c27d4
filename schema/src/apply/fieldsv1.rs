//! Sets of fields as `fieldsV1` writes them: one JSON object a level, keys with a letter and a colon, `.` for a member
//! with others below it.
//!
//! **Invariant:** what was written is read back as the same set; what a later version may add is skipped.

use serde_json::{Map, Value};
use thiserror::Error;

use super::path::PathElement;
use super::set::FieldSet;
use crate::depth;
use crate::gotext;

/// Why a `fieldsV1` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct FieldsError(String);

impl FieldSet {
    /// The set as `fieldsV1`.
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.contents(false))
    }

    fn contents(&self, itself: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if itself && !self.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, entry) in &self.entries {
            map.insert(to_key(element), Value::Object(entry.below.contents(entry.member)));
        }
        map
    }

    /// Reads a `fieldsV1`. Kinds of elements that are not known are left out, as upstream does.
    ///
    /// # Errors
    /// Where a level is no object, an element cannot be read, or levels nest deeper than
    /// [`DEPTH_LIMIT`](crate::DEPTH_LIMIT).
    pub fn from_fields_v1(fields: &Value) -> Result<Self, FieldsError> {
        if depth::exceeds(fields) {
            return Err(FieldsError(depth::message()));
        }
        read(fields).map(|(set, _)| set)
    }
}

/// The set below a level, and whether the level itself is a member.
fn read(level: &Value) -> Result<(FieldSet, bool), FieldsError> {
    let map = match level {
        Value::Object(map) => map,
        Value::Null => return Ok((FieldSet::new(), true)),
        other => {
            return Err(FieldsError(format!(
                "expected an object of fields, found {}",
                gotext::json(other)
            )));
        }
    };
    let mut set = FieldSet::new();
    let mut itself = false;
    for (key, level) in map {
        if key == "." {
            itself = true;
            continue;
        }
        let Some(element) = from_key(key)? else { continue };
        let (below, member) = read(level)?;
        let entry = set.entries.entry(element).or_default();
        entry.member |= member;
        // Two keys may name one element; else nothing is copied at each level anew.
        if entry.below.is_empty() {
            entry.below = below;
        } else {
            entry.below.add_all(&below);
        }
    }
    // A level without anything is a member itself.
    let itself = itself || set.is_empty();
    Ok((set, itself))
}

fn to_key(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => format!("f:{name}"),
        PathElement::Key(fields) => {
            let fields: Vec<String> = fields
                .iter()
                // The library escapes names less than values.
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), gotext::json(value)))
                .collect();
            format!("k:{{{}}}", fields.join(","))
        }
        PathElement::Value(value) => format!("v:{}", gotext::json(value)),
        PathElement::Index(index) => format!("i:{index}"),
    }
}

/// The element that a key stands for; none where its letter is not known.
fn from_key(key: &str) -> Result<Option<PathElement>, FieldsError> {
    if key.len() < 2 {
        return Err(FieldsError("key must be 2 characters long:".to_owned()));
    }
    let bytes = key.as_bytes();
    if bytes[1] != b':' {
        return Err(FieldsError(format!("missing colon: {key}")));
    }
    // The second byte is a colon, so that the third begins a character.
    let rest = &key[2..];
    let json = || -> Result<Value, FieldsError> {
        serde_json::from_str(rest).map_err(|why| FieldsError(format!("{key:?} holds no JSON: {why}")))
    };
    Ok(Some(match bytes[0] {
        b'f' => PathElement::field(rest),
        b'v' => PathElement::Value(json()?),
        b'k' => match json()? {
            Value::Object(fields) => PathElement::key(fields),
            _ => return Err(FieldsError(format!("{key:?} holds no object of key fields"))),
        },
        b'i' => PathElement::Index(
            rest.parse()
                .map_err(|_| FieldsError(format!("{key:?} holds no index")))?,
        ),
        _ => return Ok(None),
    }))
}
