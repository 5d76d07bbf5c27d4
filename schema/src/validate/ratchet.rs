//! What of an object is as it was (SCH-58).
//!
//! **Invariant:** two values count as unchanged where upstream's `CorrelatedObject` finds them equal: entries of a map in
//! list form are held beside the old ones with their keys, in whatever order, and an object with a field that the
//! schema does not describe never is.

use std::collections::HashMap;

use serde_json::Value;

use crate::gotext;
use crate::structural::{ListType, Node, Type};

/// Whether a value is as it was.
pub(crate) fn unchanged(value: &Value, old: &Value, node: &Node) -> bool {
    match (value, old) {
        (Value::Array(items), Value::Array(old)) => {
            if items.len() != old.len() {
                return false;
            }
            let Some(by_key) = OldItems::new(old, node) else {
                // No entry of another list has a counterpart; of maps in list form this is the empty one.
                return items == old;
            };
            let Some(inner) = node.items.as_deref() else {
                return false;
            };
            items
                .iter()
                .all(|item| by_key.find(item).is_some_and(|old| unchanged(item, old, inner)))
        }
        (Value::Object(map), Value::Object(old)) => {
            map.len() == old.len()
                && map
                    .iter()
                    .all(|(key, value)| match (old.get(key), node.field(key)) {
                        (Some(old), Some(field)) => unchanged(value, old, field),
                        _ => false,
                    })
        }
        _ => value == old,
    }
}

/// The entries of an old list by their keys; only maps in list form have such.
pub(crate) struct OldItems<'a> {
    keys: &'a [Box<str>],
    by_key: HashMap<String, &'a Value>,
}

impl<'a> OldItems<'a> {
    pub(crate) fn new(old: &'a [Value], node: &'a Node) -> Option<Self> {
        let ListType::Map(keys) = &node.list_type else {
            return None;
        };
        if node.kind != Type::Array || keys.is_empty() || old.is_empty() {
            return None;
        }
        let mut by_key = HashMap::with_capacity(old.len());
        for item in old {
            if let Some(key) = key_of(item, keys) {
                // Of several with one key, the first counts.
                by_key.entry(key).or_insert(item);
            }
        }
        Some(Self { keys, by_key })
    }

    pub(crate) fn find(&self, item: &Value) -> Option<&'a Value> {
        self.by_key.get(&key_of(item, self.keys)?).copied()
    }
}

/// Keys are scalars, all of them given.
fn key_of(item: &Value, keys: &[Box<str>]) -> Option<String> {
    let mut text = String::new();
    for key in keys {
        let value = item.as_object()?.get(&**key)?;
        if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
            return None;
        }
        text.push_str(&gotext::json(value));
        text.push('\u{0}');
    }
    Some(text)
}
