//! Formats that no server checks, which schemas lose when they are read for validation: programs that make types of
//! schemas go by them (`uint32`, `duration` of another language).

use serde_json::{Map, Value};

use super::Verdict::{Safe, Undecided};
use super::{Change, ChangeKind};
use crate::error::join;
use crate::format::Format;

/// Changes between formats of which neither is checked.
pub(super) fn formats(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    if let (Some(old), Some(new)) = (old.as_object(), new.as_object()) {
        node(old, new, "", &mut changes);
    }
    changes
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn node(old: &Map<String, Value>, new: &Map<String, Value>, path: &str, changes: &mut Vec<Change>) {
    let [before, now] = [old, new].map(|schema| text(schema, "format"));
    let is_checked = |schema: &Map<String, Value>| {
        text(schema, "format").is_some_and(|format| Format::recognize(text(schema, "type"), format).is_some())
    };
    if before != now && !is_checked(old) && !is_checked(new) {
        let show = |format: Option<&str>| format.unwrap_or("nothing").to_owned();
        changes.push(Change {
            kind: ChangeKind::Format,
            version: None,
            stability: None,
            deprecated: false,
            path: path.to_owned(),
            stored: Safe,
            readers: Undecided,
            reason: format!(
                "the format was {} and is {}: no server checks it, and types made of the schema may differ",
                show(before),
                show(now)
            ),
            old: before.map(Value::from),
            new: now.map(Value::from),
        });
    }
    let schemas = |key: &str| [old, new].map(|schema| schema.get(key).and_then(Value::as_object));
    if let [Some(old), Some(new)] = schemas("properties") {
        for (name, old) in old {
            if let (Some(old), Some(new)) = (old.as_object(), new.get(name).and_then(Value::as_object)) {
                node(old, new, &join(path, name), changes);
            }
        }
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "[*]")] {
        if let [Some(old), Some(new)] = schemas(key) {
            node(old, new, &format!("{path}{mark}"), changes);
        }
    }
}
