//! One value with what another sets.
//!
//! **Invariant:** each leaf of the patch is in the result, and each leaf of the old value that the patch does not set.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::matching::element_of;
use super::path::PathElement;
use super::types::{
    Form, List, ListKind, Map, ObjectType, TypeId, Types, ValueError, ValueErrors, finish, locate,
};
use super::validate::{check_scalar, formless};

pub(super) fn merge(kind: &ObjectType, old: &Value, patch: &Value) -> Result<Option<Value>, ValueErrors> {
    let mut walk = Walk {
        types: &kind.types,
        errors: Vec::new(),
    };
    let merged = walk.value(kind.root, Some(old), Some(patch));
    finish(walk.errors)?;
    Ok(merged)
}

/// The side that speaks, for a leaf.
fn leaf(old: Option<&Value>, patch: Option<&Value>) -> Option<Value> {
    patch.or(old).cloned()
}

pub(super) fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn is_empty_map(value: Option<&Value>) -> bool {
    value
        .and_then(Value::as_object)
        .is_none_or(serde_json::Map::is_empty)
}

static NULL: Value = Value::Null;

struct Walk<'a> {
    types: &'a Types,
    errors: Vec<ValueError>,
}

impl<'a> Walk<'a> {
    /// At least one side is there.
    fn value(&mut self, id: TypeId, old: Option<&Value>, patch: Option<&Value>) -> Option<Value> {
        let types: &'a Types = self.types;
        let atom = types.atom(id);
        let (left, right) = (atom.forms(old), atom.forms(patch));
        match (old, patch) {
            (_, None) => self.form(atom.form(left), old, patch),
            (Some(_), Some(_)) if left != right => {
                // Where the forms differ the patch's wins; the old one is walked for its mistakes.
                self.form(atom.form(left), old, patch);
                self.form(atom.form(right), old, patch)
            }
            _ => self.form(atom.form(right), old, patch),
        }
    }

    fn form(&mut self, form: Option<Form<'_>>, old: Option<&Value>, patch: Option<&Value>) -> Option<Value> {
        match form {
            None => {
                self.errors.push(formless());
                None
            }
            Some(Form::Scalar(scalar)) => {
                let wrong = |value: Option<&Value>| value.and_then(|value| check_scalar(scalar, value).err());
                if let (Some(left), Some(right)) = (wrong(old), wrong(patch)) {
                    self.errors.push(ValueError::new(format!("lhs: {left}")));
                    self.errors.push(ValueError::new(format!("rhs: {right}")));
                    return None;
                }
                leaf(old, patch)
            }
            // Two that are empty are kept as they are: null and empty differ.
            Some(Form::List(list)) => {
                let empty = items_of(old).is_empty() && items_of(patch).is_empty();
                match list.kind {
                    ListKind::Associative { .. } if !empty => {
                        self.items(list, items_of(old), items_of(patch))
                    }
                    _ => leaf(old, patch),
                }
            }
            Some(Form::Map(map)) => {
                if map.atomic || (is_empty_map(old) && is_empty_map(patch)) {
                    return leaf(old, patch);
                }
                self.fields(map, old, patch)
            }
        }
    }

    fn fields(&mut self, map: &Map, old: Option<&Value>, patch: Option<&Value>) -> Option<Value> {
        let nothing = serde_json::Map::new();
        let old = old.and_then(Value::as_object).unwrap_or(&nothing);
        let patch = patch.and_then(Value::as_object).unwrap_or(&nothing);
        let names: BTreeSet<&String> = old.keys().chain(patch.keys()).collect();
        let mut merged = serde_json::Map::new();
        for name in names {
            let from = self.errors.len();
            let value = match map.type_of(name) {
                Some(id) => self.value(id, old.get(name), patch.get(name)),
                None => {
                    self.errors.push(formless());
                    None
                }
            };
            if self.errors.len() > from {
                locate(&mut self.errors, from, &PathElement::field(name));
            }
            if let Some(value) = value {
                merged.insert(name.clone(), value);
            }
        }
        (!merged.is_empty()).then_some(Value::Object(merged))
    }

    /// The place of each item and, by element, the item; of an item that is there more than once only a null, as such
    /// items are not merged.
    fn index<'v>(
        &mut self,
        list: &List,
        items: &'v [Value],
        refuse_duplicates: bool,
    ) -> (Vec<PathElement>, BTreeMap<PathElement, &'v Value>) {
        let mut order = Vec::with_capacity(items.len());
        let mut found: BTreeMap<PathElement, &Value> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let element = match element_of(self.types, list, item) {
                Ok(element) => element,
                Err(why) => {
                    self.errors
                        .push(ValueError::new(format!("element {index}: {why}")));
                    continue;
                }
            };
            if !found.contains_key(&element) {
                found.insert(element.clone(), item);
            } else if refuse_duplicates {
                self.errors
                    .push(ValueError::new(format!("duplicate entries for key {element}")));
                continue;
            } else {
                found.insert(element.clone(), &NULL);
            }
            order.push(element);
        }
        (order, found)
    }

    /// Items of both lists in one order: that of the patch among its own, and each item that only the old list has
    /// behind the one that it followed.
    fn items(&mut self, list: &List, old: &[Value], patch: &[Value]) -> Option<Value> {
        let from = self.errors.len();
        let (right, right_items) = self.index(list, patch, true);
        let (left, left_items) = self.index(list, old, false);
        if self.errors.len() > from {
            return None;
        }
        // What both have, in the order of the patch: the next of these is not passed over.
        let mut shared: VecDeque<&PathElement> = right
            .iter()
            .filter(|element| left_items.contains_key(*element))
            .collect();
        let mut next_shared = shared.pop_front();
        let mut done: BTreeSet<&PathElement> = BTreeSet::new();
        let mut merged = Vec::with_capacity(left.len().max(right.len()));
        let (mut l, mut r) = (0, 0);
        while l < left.len() || r < right.len() {
            if let (Some(ours), Some(theirs)) = (left.get(l), right.get(r)) {
                if ours == theirs {
                    done.insert(theirs);
                    merged.extend(self.item(list, left_items.get(ours).copied(), Some(right_items[theirs])));
                    l += 1;
                    r += 1;
                    next_shared = shared.pop_front();
                    continue;
                }
                if right_items.contains_key(ours) && next_shared.is_some_and(|next| next != ours) {
                    // Shared, but its turn comes later.
                    l += 1;
                    continue;
                }
            }
            if let Some(ours) = left.get(l) {
                if !right_items.contains_key(ours) {
                    merged.extend(self.item(list, old.get(l), None));
                    l += 1;
                    continue;
                }
                if done.contains(ours) {
                    l += 1;
                }
            }
            if let Some(theirs) = right.get(r) {
                done.insert(theirs);
                merged.extend(self.item(list, left_items.get(theirs).copied(), Some(right_items[theirs])));
                r += 1;
                if next_shared == Some(theirs) {
                    next_shared = shared.pop_front();
                }
            }
        }
        (!merged.is_empty()).then_some(Value::Array(merged))
    }

    /// Mistakes in an item are not reported, as upstream does not; both sides were validated before.
    fn item(&mut self, list: &List, old: Option<&Value>, patch: Option<&Value>) -> Option<Value> {
        let from = self.errors.len();
        let merged = self.value(list.element, old, patch);
        self.errors.truncate(from);
        merged
    }
}
