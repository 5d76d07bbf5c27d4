//! The fields that a value sets.

use std::collections::BTreeSet;

use serde_json::Value;

use super::matching::element_of;
use super::path::{Path, PathElement};
use super::set::FieldSet;
use super::types::{
    Form, List, ListKind, Map, ObjectType, TypeId, Types, ValueError, ValueErrors, finish, locate,
};
use super::validate::formless;

pub(super) fn field_set(kind: &ObjectType, value: &Value) -> Result<FieldSet, ValueErrors> {
    let mut walk = Walk {
        types: &kind.types,
        set: FieldSet::new(),
        path: Path::new(),
        errors: Vec::new(),
    };
    walk.value(kind.root, value);
    finish(walk.errors)?;
    Ok(walk.set)
}

struct Walk<'a> {
    types: &'a Types,
    set: FieldSet,
    path: Path,
    errors: Vec<ValueError>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, id: TypeId, value: &Value) {
        let types: &'a Types = self.types;
        match (types.atom(id).form_of(value), value) {
            (None, _) => self.errors.push(formless()),
            (Some(Form::Scalar(_)), _) => self.set.insert(&self.path),
            (Some(Form::List(list)), _) if list.kind == ListKind::Atomic => self.set.insert(&self.path),
            (Some(Form::Map(map)), _) if map.atomic => self.set.insert(&self.path),
            (Some(Form::List(list)), Value::Array(items)) => self.items(list, items),
            (Some(Form::Map(map)), Value::Object(fields)) => self.fields(map, fields),
            _ => {}
        }
    }

    fn items(&mut self, list: &List, items: &[Value]) {
        // What cannot be told apart was found before; here it owns nothing.
        let elements: Vec<Option<PathElement>> = items
            .iter()
            .map(|item| element_of(self.types, list, item).ok())
            .collect();
        let mut seen = BTreeSet::new();
        let repeated: BTreeSet<&PathElement> = elements
            .iter()
            .flatten()
            .filter(|element| !seen.insert(*element))
            .collect();
        for (element, item) in elements.iter().zip(items) {
            let Some(element) = element else { continue };
            self.path.push(element.clone());
            // Duplicates are owned together, without the fields in them.
            if !repeated.contains(element) {
                let from = self.errors.len();
                self.value(list.element, item);
                locate(&mut self.errors, from, element);
            }
            self.set.insert(&self.path);
            self.path.pop();
        }
    }

    fn fields(&mut self, map: &Map, fields: &serde_json::Map<String, Value>) {
        for (name, value) in fields {
            let element = PathElement::field(name);
            self.path.push(element.clone());
            let from = self.errors.len();
            match map.type_of(name) {
                Some(id) => self.value(id, value),
                None => self.errors.push(formless()),
            }
            locate(&mut self.errors, from, &element);
            let empty = match value {
                Value::Null => true,
                Value::Object(fields) => fields.is_empty(),
                _ => false,
            };
            if empty || map.field(name).is_none() {
                self.set.insert(&self.path);
            }
            self.path.pop();
        }
    }
}
