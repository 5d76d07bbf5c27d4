//! What Go writes of fields that were never set.
//!
//! Go's types hold structs by value and have fields that are always written. Where the owners of fields are kept
//! (`owners.rs`) such a field was there before somebody first set what is in it.
//!
//! **Invariant:** [`trimmed`] takes out nothing but what is empty: structs and nulls that [`written`] would fill in again.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Schema, Type, Types, type_of};
use crate::registry::ResourceInfo;

/// The fields of a struct that are always written; `None` for a struct, whose own zeros follow.
pub(super) fn zeros(schema: &Schema, named: &HashMap<&str, Type>) -> Vec<(String, Option<Value>)> {
    let fields = schema.properties.iter();
    fields
        .filter_map(|(field, schema_of_field)| {
            let type_ = type_of(schema_of_field, named);
            let default = schema_of_field.default.as_ref();
            let zero = match type_ {
                Type::Struct(_) if default == Some(&json!({})) => return Some((field.clone(), None)),
                Type::Text => "".into(),
                Type::Bool => false.into(),
                Type::Int32 | Type::Int64 | Type::Float | Type::IntOrString => 0.into(),
                Type::Quantity => "0".into(),
                _ => Value::Null,
            };
            // Both say that Go does not leave the field out; only some fields say both.
            let written = schema.required.contains(field) || default == Some(&zero);
            written.then(|| (field.clone(), Some(zero)))
        })
        .collect()
}

/// An object of a built-in kind as Go writes it.
pub(in crate::rest) fn written(object: &Value, info: &ResourceInfo) -> Value {
    let mut object = object.clone();
    if let Some((types, kind)) = types_of(info) {
        types.fill(kind, &mut object);
    }
    object
}

/// Takes out empty structs and nulls that [`written`] may have filled in.
pub(in crate::rest) fn trimmed(mut object: Value, info: &ResourceInfo) -> Value {
    if let Some((types, kind)) = types_of(info) {
        types.trim(kind, &mut object);
    }
    object
}

fn types_of(info: &ResourceInfo) -> Option<(&'static Types, &'static Type)> {
    let types = Types::of(&info.gvr)?;
    Some((types, types.kinds.get(&info.kind)?))
}

impl Types {
    fn fill(&self, type_: &Type, value: &mut Value) {
        self.descend(
            type_,
            value,
            &|owner, map| {
                for (field, zero) in &owner.zeros {
                    if !map.contains_key(field) {
                        let zero = zero.clone().unwrap_or_else(|| Value::Object(Map::new()));
                        map.insert(field.clone(), zero);
                    }
                }
            },
            &|_, _| {},
        );
    }

    fn trim(&self, type_: &Type, value: &mut Value) {
        self.descend(type_, value, &|_, _| {}, &|owner, map| {
            for (field, zero) in &owner.zeros {
                let empty = match (zero, map.get(field)) {
                    (_, Some(Value::Null)) => true,
                    (None, Some(Value::Object(map))) => map.is_empty(),
                    _ => false,
                };
                if empty {
                    map.remove(field);
                }
            }
        });
    }

    /// Goes through all structs, and calls one function before and one after what is in them.
    fn descend(
        &self,
        type_: &Type,
        value: &mut Value,
        before: &dyn Fn(&super::Struct, &mut Map<String, Value>),
        after: &dyn Fn(&super::Struct, &mut Map<String, Value>),
    ) {
        match (type_, value) {
            (Type::List(type_), Value::Array(items)) => {
                for item in items {
                    self.descend(type_, item, before, after);
                }
            }
            (Type::Map(type_), Value::Object(map)) => {
                for value in map.values_mut() {
                    self.descend(type_, value, before, after);
                }
            }
            (Type::Struct(index), Value::Object(map)) => {
                let Some(owner) = self.structs.get(*index) else {
                    return;
                };
                before(owner, map);
                for (field, value) in map.iter_mut() {
                    if let Some(type_) = owner.fields.get(field) {
                        self.descend(type_, value, before, after);
                    }
                }
                after(owner, map);
            }
            _ => {}
        }
    }
}
