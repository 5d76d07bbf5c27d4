//! Sets and maps in list form: no entry twice.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::error::FieldError;
use crate::gotext;
use crate::path::Path;
use crate::structural::{ListType, Node, hash, mix};

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

/// Whether entries may be equal: `false` is certain, and found without comparing texts.
pub(super) fn may_repeat(items: &[Value], list_type: &ListType) -> bool {
    /// Of as many entries, each is compared with each.
    const FEW: usize = 16;
    let identity = |item: &Value| match list_type {
        ListType::Map(keys) => match (&**keys, item) {
            (keys, Value::Object(map)) => keys
                .iter()
                .fold(0, |state, key| mix(state, map.get(&**key).map_or(1, hash_of))),
            _ => 0,
        },
        _ => hash_of(item),
    };
    if *list_type == ListType::Atomic {
        return false;
    }
    if items.len() < 2 {
        return odd_entry(items, list_type);
    }
    if items.len() > FEW {
        let mut hashes: Vec<u64> = items.iter().map(identity).collect();
        hashes.sort_unstable();
        return hashes.windows(2).any(|pair| pair[0] == pair[1]) || odd_entry(items, list_type);
    }
    let mut hashes = [0; FEW];
    for (index, item) in items.iter().enumerate() {
        let hash = identity(item);
        if hashes[..index].contains(&hash) {
            return true;
        }
        hashes[index] = hash;
    }
    odd_entry(items, list_type)
}

/// Whether a map in list form has an entry that is no object.
fn odd_entry(items: &[Value], list_type: &ListType) -> bool {
    matches!(list_type, ListType::Map(_)) && !items.iter().all(Value::is_object)
}

/// A hash that is the same for values that [`gotext::json`] writes the same.
fn hash_of(value: &Value) -> u64 {
    match value {
        Value::Null => 2,
        Value::Bool(truth) => 3 + u64::from(*truth),
        // Whole floats are written as integers.
        Value::Number(number) => mix(5, (number.as_f64().unwrap_or_default() + 0.0).to_bits()),
        Value::String(text) => hash(text.as_bytes()),
        Value::Array(items) => items.iter().fold(6, |state, item| mix(state, hash_of(item))),
        // In any order.
        Value::Object(map) => map.iter().fold(7, |state: u64, (key, value)| {
            state.wrapping_add(mix(hash(key.as_bytes()), hash_of(value)))
        }),
    }
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
