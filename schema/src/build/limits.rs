//! Limits that schemars drops where it writes a reference.
//!
//! schemars puts a field's `range` or `length` into the field's schema only where that has a type, which a reference does
//! not have. kube-derive, which has everything inlined, keeps them; so they are taken from the inlined form.

use serde_json::{Map, Value};

use super::inline::is_exact;
use super::kubernetes;
use super::overlay::overlay;

const LIMITS: [&str; 9] = [
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// Whether a type that schemars' derive made refers to another such: what is dropped is dropped there.
pub(super) fn may_be_dropped(definitions: &Map<String, Value>) -> bool {
    let foreign = |name: &str, schema: &Value| kubernetes::known_as(name).is_none() && !is_exact(schema);
    definitions
        .iter()
        .any(|(name, schema)| foreign(name, schema) && refers(schema))
}

fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("$ref") || map.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// Narrows `schema` by the limits of the same type's `inlined` form.
pub(super) fn restore(schema: &mut Value, inlined: &Value) {
    let (Value::Object(map), Value::Object(inlined)) = (schema, inlined) else {
        return;
    };
    let own: Map<String, Value> = LIMITS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), inlined.get(*key)?.clone())))
        .filter(|(key, value)| map.get(key) != Some(value) && !is_natural(inlined, value))
        .collect();
    // Only of values: what is a variant's own has no place at its parent.
    if map.get("type").is_some_and(|kind| has_type(inlined, kind)) {
        // Of limits there is always a narrower one.
        overlay(map, own, &mut |_| {});
    }
    for (key, value) in map.iter_mut() {
        let Some(twin) = inlined.get(key) else { continue };
        match (key.as_str(), value, twin) {
            ("properties", Value::Object(properties), Value::Object(twins)) => {
                for (name, property) in properties {
                    if let Some(twin) = twins.get(name) {
                        restore(property, twin);
                    }
                }
            }
            ("items" | "additionalProperties", value, twin) => restore(value, twin),
            _ => {}
        }
    }
}

fn has_type(schema: &Map<String, Value>, wanted: &Value) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.contains(wanted),
        Some(kind) => kind == wanted,
        None => false,
    }
}

/// The limits of a Rust integer, which are left out on purpose.
fn is_natural(schema: &Map<String, Value>, limit: &Value) -> bool {
    let Some(limit) = limit.as_i64() else { return false };
    let format = schema.get("format").and_then(Value::as_str);
    match format {
        Some("int8") => limit == i64::from(i8::MIN) || limit == i64::from(i8::MAX),
        Some("int16") => limit == i64::from(i16::MIN) || limit == i64::from(i16::MAX),
        Some("uint8") => limit == i64::from(u8::MAX),
        Some("uint16") => limit == i64::from(u16::MAX),
        _ => false,
    }
}
