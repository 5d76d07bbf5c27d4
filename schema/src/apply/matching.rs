//! Which item of a list is which.

use serde_json::Value;

use super::path::PathElement;
use super::types::{List, ListKind, Types};
use crate::gotext;

/// What an item of an associative list is known by; `Err` where it cannot be told apart from others.
pub(super) fn element_of(types: &Types, list: &List, item: &Value) -> Result<PathElement, String> {
    match &list.kind {
        ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Associative { keys } if keys.is_empty() => set_element(item),
        ListKind::Associative { keys } => key_element(types, list, keys, item),
    }
}

fn set_element(item: &Value) -> Result<PathElement, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(PathElement::Value(scalar.clone())),
    }
}

fn key_element(types: &Types, list: &List, keys: &[Box<str>], item: &Value) -> Result<PathElement, String> {
    let item = match item {
        Value::Object(item) => item,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let declared = types.atom(list.element).map.as_ref();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let value = match item.get(&**key) {
            Some(value) => Some(value),
            None => {
                let declared = declared.ok_or_else(|| {
                    format!(
                        "couldn't find default value for {key}: associative list may not have non-map types"
                    )
                })?;
                declared.field(key).and_then(|field| field.default.as_ref())
            }
        };
        // An item without the key is another one than any item with it.
        if let Some(value) = value {
            found.push((String::from(&**key), value.clone()));
        }
    }
    if found.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| gotext::quote(key)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values \
             for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(PathElement::key(found))
}
