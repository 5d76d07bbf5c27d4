//! Whether a value fits its type.

use std::collections::BTreeSet;

use serde_json::Value;

use super::matching::element_of;
use super::path::PathElement;
use super::types::{
    Duplicates, Form, List, ListKind, Map, ObjectType, Scalar, TypeId, Types, ValueError, ValueErrors,
    finish, locate,
};
use super::values;

pub(super) fn validate(kind: &ObjectType, value: &Value, duplicates: Duplicates) -> Result<(), ValueErrors> {
    let mut walk = Walk {
        types: &kind.types,
        duplicates,
        errors: Vec::new(),
    };
    walk.value(kind.root, value);
    finish(walk.errors)
}

/// The error that a type without any form gives.
pub(super) fn formless() -> ValueError {
    ValueError::new("schema error: invalid atom: inlined")
}

pub(super) fn check_scalar(scalar: Scalar, value: &Value) -> Result<(), String> {
    match (scalar, value) {
        (_, Value::Null)
        | (Scalar::Numeric | Scalar::Untyped, Value::Number(_))
        | (Scalar::Text | Scalar::Untyped, Value::String(_))
        | (Scalar::Boolean | Scalar::Untyped, Value::Bool(_)) => Ok(()),
        (Scalar::Numeric, value) => Err(format!(
            "expected numeric (int or float), got {}",
            values::go_type(value)
        )),
        (Scalar::Text, value) => Err(format!("expected string, got {}", values::boxed_in_detail(value))),
        (Scalar::Boolean, value) => Err(format!("expected boolean, got {}", values::boxed(value))),
        (Scalar::Untyped, value) => Err(format!("expected any scalar, got {}", values::boxed(value))),
    }
}

struct Walk<'a> {
    types: &'a Types,
    duplicates: Duplicates,
    errors: Vec<ValueError>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, id: TypeId, value: &Value) {
        let types: &'a Types = self.types;
        match (types.atom(id).form_of(value), value) {
            (None, _) => self.errors.push(formless()),
            (Some(Form::Scalar(scalar)), value) => {
                if let Err(why) = check_scalar(scalar, value) {
                    self.errors.push(ValueError::new(why));
                }
            }
            (Some(Form::List(_) | Form::Map(_)), Value::Null) => {}
            (Some(Form::List(list)), Value::Array(items)) => self.items(list, items),
            (Some(Form::List(_)), other) => {
                let why = format!("expected list, got {}", values::boxed(other));
                self.errors.push(ValueError::new(why));
            }
            (Some(Form::Map(map)), Value::Object(fields)) => self.fields(map, fields),
            (Some(Form::Map(_)), other) => {
                let why = format!("expected map, got {}", values::boxed(other));
                self.errors.push(ValueError::new(why));
            }
        }
    }

    fn items(&mut self, list: &List, items: &[Value]) {
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let element = if list.kind == ListKind::Atomic {
                PathElement::Index(i64::try_from(index).unwrap_or(i64::MAX))
            } else {
                match element_of(self.types, list, item) {
                    Ok(element) => element,
                    Err(why) => {
                        // Nothing after it can be told apart either.
                        self.errors
                            .push(ValueError::new(format!("element {index}: {why}")));
                        return;
                    }
                }
            };
            if list.kind != ListKind::Atomic
                && !seen.insert(element.clone())
                && self.duplicates == Duplicates::Refused
            {
                self.errors
                    .push(ValueError::new(format!("duplicate entries for key {element}")));
            }
            let from = self.errors.len();
            self.value(list.element, item);
            locate(&mut self.errors, from, &element);
        }
    }

    fn fields(&mut self, map: &Map, fields: &serde_json::Map<String, Value>) {
        for (name, value) in fields {
            let from = self.errors.len();
            let known = map.type_of(name);
            match known {
                Some(id) => self.value(id, value),
                None => self.errors.push(ValueError::new("field not declared in schema")),
            }
            if self.errors.len() > from {
                locate(&mut self.errors, from, &PathElement::field(name));
            }
            if known.is_none() {
                // As upstream, which names one of them.
                return;
            }
        }
    }
}
