//! What schemars' own implementations write, in the shape that controller-gen gives the same Go type.
//!
//! This holds below a type that derives `KubeSchema`. Alone, such types keep kube-derive's shape.

use serde_json::{Map, Value};

use super::Problems;
use super::notes::{self, Note};
use super::wishes::Integers;

/// Rewrites one schema whose subschemas are done.
pub(super) fn shape(
    map: &mut Map<String, Value>,
    integers: Integers,
    problems: &mut Problems,
    found: &mut Vec<Note>,
) {
    map.remove("title");
    numbers(map, integers, problems, found);
    durations(map, problems);
    sets(map, problems);
    // A `properties` that pretends to know all keys says nothing that pruning does not (SCH-14).
    if map.get("additionalProperties") == Some(&Value::Bool(false)) {
        if map.contains_key("properties") {
            found.push(notes::CLOSED);
        }
        map.remove("additionalProperties");
    }
}

/// SCH-107 to 110, 25: the formats that a server knows, and the limits that these leave.
fn numbers(map: &mut Map<String, Value>, integers: Integers, problems: &mut Problems, found: &mut Vec<Note>) {
    let Some(format) = map.get("format").and_then(Value::as_str).map(str::to_owned) else {
        return;
    };
    let natural = |map: &mut Map<String, Value>, key: &str, limit: i64| {
        if integers != Integers::Strict && map.get(key).and_then(Value::as_i64) == Some(limit) {
            map.remove(key);
        }
    };
    // A Go type says nothing of its sign.
    if integers == Integers::Go && format.starts_with("uint") {
        natural(map, "minimum", 0);
    }
    match (map.get("type").and_then(Value::as_str), format.as_str()) {
        (Some("integer"), "int8") => {
            natural(map, "minimum", i64::from(i8::MIN));
            natural(map, "maximum", i64::from(i8::MAX));
            map.remove("format");
        }
        (Some("integer"), "int16") => {
            natural(map, "minimum", i64::from(i16::MIN));
            natural(map, "maximum", i64::from(i16::MAX));
            map.remove("format");
        }
        (Some("integer"), "uint8") => {
            natural(map, "maximum", i64::from(u8::MAX));
            map.remove("format");
        }
        (Some("integer"), "uint16") => {
            natural(map, "maximum", i64::from(u16::MAX));
            map.remove("format");
        }
        (Some("integer"), "uint32") if integers == Integers::Go => {
            map.insert("format".to_owned(), "int32".into());
        }
        (Some("integer"), "uint32" | "int") => {
            map.insert("format".to_owned(), "int64".into());
        }
        (Some("integer"), "uint64" | "uint") => {
            map.insert("format".to_owned(), "int64".into());
            found.push(notes::WIDE);
        }
        (Some("integer"), "int128" | "uint128") => {
            map.remove("format");
            problems.push("larger than 64 bits: use a string");
        }
        (Some("number"), "float" | "double") => found.push(notes::FLOAT),
        // A server's `duration` is Go's, which is not what Rust's parsers write.
        (_, "duration") => {
            map.remove("format");
        }
        _ => {}
    }
}

/// SCH-115: std's durations and times are objects of two numbers, which nobody writes by hand.
fn durations(map: &Map<String, Value>, problems: &mut Problems) {
    let Some(Value::Object(properties)) = map.get("properties") else {
        return;
    };
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    let message = match names.as_slice() {
        ["nanos", "secs"] | ["secs", "nanos"] => {
            "a `std::time::Duration` is written as {secs, nanos}; use a string such as metav1's Duration, or say the \
             form with `#[serde(with = \"...\")]` and its schema"
        }
        ["nanos_since_epoch", "secs_since_epoch"] | ["secs_since_epoch", "nanos_since_epoch"] => {
            "a `SystemTime` is written as {secs_since_epoch, nanos_since_epoch}; use Time (date-time), or say the form \
             with `#[serde(with = \"...\")]` and its schema"
        }
        _ => return,
    };
    problems.push(message);
}

/// SCH-88: sets of scalars are sets for the server too.
fn sets(map: &mut Map<String, Value>, problems: &mut Problems) {
    if map.remove("uniqueItems") != Some(Value::Bool(true)) || map.contains_key("x-kubernetes-list-type") {
        return;
    }
    let items = map.get("items");
    let scalar = items
        .and_then(|items| items.get("type")?.as_str())
        .is_some_and(|kind| matches!(kind, "string" | "integer" | "number" | "boolean"));
    let atomic = items.is_some_and(|items| {
        items
            .get("x-kubernetes-map-type")
            .is_some_and(|kind| kind == "atomic")
            || items
                .get("x-kubernetes-list-type")
                .is_some_and(|kind| kind == "atomic")
    });
    if scalar || atomic {
        map.insert("x-kubernetes-list-type".to_owned(), "set".into());
    } else {
        problems
            .push("only scalars (or atomic objects) can form a set; use `Vec` with list_type = map and keys");
    }
}
