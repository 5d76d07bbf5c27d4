//! Simple JSON paths (`.spec.replicas`), as CRDs use them for scale and selectable fields.

use serde_json::{Map, Value};

/// The JSON pointer for a simple path.
pub(crate) fn pointer(path: &str) -> String {
    steps(path)
        .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
        .collect()
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|step| !step.is_empty())
}

/// The value at a path.
pub(crate) fn get<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path)
        .try_fold(object, |at, step| at.get(step))
        .filter(|value| !value.is_null())
}

/// Sets the value at a path, making the objects on the way; `false` where something else is in the way.
pub(crate) fn set(object: &mut Value, path: &str, value: Value) -> bool {
    let mut at = object;
    for step in steps(path) {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let Some(map) = at.as_object_mut() else {
            return false;
        };
        at = map.entry(step).or_insert(Value::Null);
    }
    *at = value;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_read_and_write() {
        let mut object = json!({"spec": {"a": 1}});
        assert_eq!(get(&object, ".spec.a"), Some(&json!(1)));
        assert_eq!(get(&object, ".spec.b.c"), None);
        assert!(set(&mut object, ".spec.b.c", json!(2)));
        assert_eq!(object.pointer(&pointer(".spec.b.c")), Some(&json!(2)));
        assert!(!set(&mut object, ".spec.a.x", json!(2)));
    }
}
