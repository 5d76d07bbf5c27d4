//! Sets and maps in list form: no entry twice.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::error::FieldError;
use crate::gotext;
use crate::path::Path;
use crate::structural::{ListType, Node};

/// Sets and maps in list form have no entry twice (SCH-44).
pub(super) fn validate_lists(value: &Value, node: &Node, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !node.lists_below {
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let Some(property) = node.property(key) {
                    validate_lists(value, property, &Path::Key(path, key), errors);
                } else if let Some(values) = node.field(key) {
                    validate_lists(value, values, &Path::Bracket(path, key), errors);
                }
            }
        }
        Value::Array(items) => {
            match &node.list_type {
                ListType::Atomic => {}
                ListType::Set => duplicates(items.iter().cloned(), path, errors),
                ListType::Map(keys) => validate_list_map(items, keys, path, errors),
            }
            if let Some(node) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    validate_lists(item, node, &Path::Index(path, index), errors);
                }
            }
        }
        _ => {}
    }
}

fn validate_list_map(items: &[Value], keys: &[Box<str>], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let odd = items
        .iter()
        .enumerate()
        .find(|(_, item)| !item.is_object() && !item.is_null());
    if let Some((index, item)) = odd {
        errors.push(FieldError::invalid(
            Path::Index(path, index).render(),
            item.clone(),
            "must be an object for an array of list-type map",
        ));
        return;
    }
    let key_objects = items.iter().map(|item| {
        let mut key = Map::new();
        for name in keys {
            if let Some(value) = item.get(&**name) {
                key.insert(name.to_string(), value.clone());
            }
        }
        Value::Object(key)
    });
    duplicates(key_objects, path, errors);
}

/// Reports the second appearance of each entry.
fn duplicates(entries: impl Iterator<Item = Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, entry) in entries.enumerate() {
        let times = seen.entry(gotext::json(&entry)).or_default();
        *times += 1;
        if *times == 2 {
            errors.push(FieldError::duplicate(Path::Index(path, index).render(), entry));
        }
    }
}
