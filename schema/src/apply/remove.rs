//! Taking fields and items out of a value, or all but these.

use serde_json::Value;

use super::fields::field_set;
use super::matching::element_of;
use super::path::PathElement;
use super::set::FieldSet;
use super::types::{Form, List, ListKind, Map, ObjectType, TypeId, Types};

pub(super) fn without(kind: &ObjectType, value: &Value, items: &FieldSet) -> Value {
    let walk = Walk {
        types: &kind.types,
        keep: Keep::Others,
    };
    walk.value(kind.root, value, items)
}

pub(super) fn only(kind: &ObjectType, value: &Value, items: &FieldSet) -> Value {
    let mut items = items.clone();
    if let Ok(there) = field_set(kind, value) {
        for path in items.paths() {
            if !there.has(&path) {
                continue;
            }
            for (index, element) in path.iter().enumerate() {
                let PathElement::Key(fields) = element else {
                    continue;
                };
                for (name, _) in fields {
                    let mut key = path[..=index].to_vec();
                    key.push(PathElement::field(name));
                    items.insert(&key);
                }
            }
        }
    }
    let walk = Walk {
        types: &kind.types,
        keep: Keep::These,
    };
    walk.value(kind.root, value, &items)
}

#[derive(Clone, Copy, PartialEq)]
enum Keep {
    These,
    Others,
}

struct Walk<'a> {
    types: &'a Types,
    keep: Keep,
}

impl<'a> Walk<'a> {
    /// Null is what is left of a list or map that lost all it had.
    fn value(&self, id: TypeId, value: &Value, items: &FieldSet) -> Value {
        let types: &'a Types = self.types;
        let whole = || match self.keep {
            Keep::These => value.clone(),
            Keep::Others => Value::Null,
        };
        match (types.atom(id).form_of(value), value) {
            (Some(Form::Scalar(_)), _) => value.clone(),
            (Some(Form::List(list)), Value::Array(found)) => {
                if list.kind == ListKind::Atomic || found.is_empty() {
                    return whole();
                }
                self.items(list, found, items)
            }
            (Some(Form::Map(map)), Value::Object(found)) => {
                if map.atomic || found.is_empty() {
                    return whole();
                }
                self.fields(map, found, items)
            }
            _ => Value::Null,
        }
    }

    fn items(&self, list: &List, found: &[Value], items: &FieldSet) -> Value {
        let mut kept = Vec::with_capacity(found.len());
        for item in found {
            let Ok(element) = element_of(self.types, list, item) else {
                if self.keep == Keep::Others {
                    kept.push(item.clone());
                }
                continue;
            };
            let named = items.has(std::slice::from_ref(&element));
            let below = items.below(&element);
            let inside = |below| self.value(list.element, item, below);
            match (self.keep, below) {
                (Keep::Others, _) if named => {}
                (_, Some(below)) => kept.push(inside(below)),
                (Keep::Others, None) => kept.push(item.clone()),
                (Keep::These, None) if named => kept.push(item.clone()),
                (Keep::These, None) => {}
            }
        }
        if kept.is_empty() {
            return Value::Null;
        }
        Value::Array(kept)
    }

    fn fields(&self, map: &Map, found: &serde_json::Map<String, Value>, items: &FieldSet) -> Value {
        let mut kept = serde_json::Map::new();
        for (name, value) in found {
            let element = PathElement::field(name);
            let inside = |items: &FieldSet| match map.type_of(name) {
                Some(id) => self.value(id, value, items),
                None => Value::Null,
            };
            if items.has(std::slice::from_ref(&element)) {
                if self.keep == Keep::These {
                    let below = items.below(&element);
                    kept.insert(name.clone(), below.map_or_else(|| value.clone(), inside));
                }
                continue;
            }
            match (self.keep, items.below(&element)) {
                (_, Some(below)) => {
                    kept.insert(name.clone(), inside(below));
                }
                (Keep::Others, None) => {
                    kept.insert(name.clone(), value.clone());
                }
                (Keep::These, None) => {}
            }
        }
        if kept.is_empty() {
            return Value::Null;
        }
        Value::Object(kept)
    }
}
