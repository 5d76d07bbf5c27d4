//! What differs between two values.
//!
//! **Invariant:** no field is in two of the three sets, and all are empty where the values are equal.

use std::collections::BTreeMap;

use serde_json::Value;

use super::matching::element_of;
use super::merge::{is_empty_map, items_of};
use super::path::{Path, PathElement};
use super::set::FieldSet;
use super::types::{
    Form, List, ListKind, Map, ObjectType, TypeId, Types, ValueError, ValueErrors, finish, locate,
};
use super::validate::{check_scalar, formless};
use super::values;

/// How one value differs from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Fields that only the second has.
    pub added: FieldSet,
    /// Fields that both have, with different values.
    pub modified: FieldSet,
    /// Fields that only the first has.
    pub removed: FieldSet,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// Leaves out these fields and all below them.
    #[must_use]
    pub fn excluding(self, fields: &FieldSet) -> Self {
        if fields.is_empty() {
            return self;
        }
        Self {
            added: self.added.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            removed: self.removed.recursive_difference(fields),
        }
    }
}

pub(super) fn compare(kind: &ObjectType, old: &Value, new: &Value) -> Result<Comparison, ValueErrors> {
    let mut walk = Walk {
        types: &kind.types,
        found: Comparison::default(),
        path: Path::new(),
        errors: Vec::new(),
    };
    walk.value(kind.root, Some(old), Some(new));
    finish(walk.errors)?;
    Ok(walk.found)
}

struct Walk<'a> {
    types: &'a Types,
    found: Comparison,
    path: Path,
    errors: Vec<ValueError>,
}

/// Whether a walk has come to a leaf, which speaks for all below it.
#[derive(PartialEq)]
enum Reached {
    Leaf,
    Branch,
}

impl<'a> Walk<'a> {
    /// At least one side is there.
    fn value(&mut self, id: TypeId, old: Option<&Value>, new: Option<&Value>) {
        let types: &'a Types = self.types;
        let atom = types.atom(id);
        let (left, right) = (atom.forms(old), atom.forms(new));
        let reached = match (old, new) {
            (_, None) => self.form(atom.form(left), old, new),
            (Some(_), Some(_)) if left != right => {
                self.form(atom.form(left), old, new);
                self.form(atom.form(right), old, new)
            }
            _ => self.form(atom.form(right), old, new),
        };
        if reached == Reached::Branch {
            match (old, new) {
                (None, _) => self.found.added.insert(&self.path),
                (_, None) => self.found.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) -> Reached {
        match (old, new) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            (Some(old), Some(new)) if !values::equal(old, new) => self.found.modified.insert(&self.path),
            _ => {}
        }
        Reached::Leaf
    }

    fn form(&mut self, form: Option<Form<'_>>, old: Option<&Value>, new: Option<&Value>) -> Reached {
        match form {
            None => self.errors.push(formless()),
            Some(Form::Scalar(scalar)) => {
                let wrong = |value: Option<&Value>| value.and_then(|value| check_scalar(scalar, value).err());
                match (wrong(old), wrong(new)) {
                    (Some(left), Some(right)) => {
                        self.errors.push(ValueError::new(format!("lhs: {left}")));
                        self.errors.push(ValueError::new(format!("rhs: {right}")));
                    }
                    _ => return self.leaf(old, new),
                }
            }
            Some(Form::List(list)) => {
                let (left, right) = (items_of(old), items_of(new));
                if list.kind == ListKind::Atomic || (left.is_empty() && right.is_empty()) {
                    return self.leaf(old, new);
                }
                self.items(list, left, right);
            }
            Some(Form::Map(map)) => {
                if map.atomic || (is_empty_map(old) && is_empty_map(new)) {
                    return self.leaf(old, new);
                }
                self.fields(map, old, new);
            }
        }
        Reached::Branch
    }

    fn fields(&mut self, map: &Map, old: Option<&Value>, new: Option<&Value>) {
        let nothing = serde_json::Map::new();
        let old = old.and_then(Value::as_object).unwrap_or(&nothing);
        let new = new.and_then(Value::as_object).unwrap_or(&nothing);
        let only_new = new.keys().filter(|name| !old.contains_key(*name));
        for name in old.keys().chain(only_new) {
            let Some(id) = map.type_of(name) else {
                self.errors.push(formless());
                continue;
            };
            self.descend(PathElement::field(name), id, old.get(name), new.get(name));
        }
    }

    fn descend(&mut self, element: PathElement, id: TypeId, old: Option<&Value>, new: Option<&Value>) {
        let from = self.errors.len();
        self.path.push(element);
        self.value(id, old, new);
        if let Some(element) = self.path.pop() {
            locate(&mut self.errors, from, &element);
        }
    }

    fn items(&mut self, list: &List, old: &[Value], new: &[Value]) {
        #[derive(Default)]
        struct Sides<'v> {
            old: Vec<&'v Value>,
            new: Vec<&'v Value>,
        }
        let mut found: BTreeMap<PathElement, Sides<'_>> = BTreeMap::new();
        for (items, is_old) in [(old, true), (new, false)] {
            for (index, item) in items.iter().enumerate() {
                match element_of(self.types, list, item) {
                    Ok(element) => {
                        let sides = found.entry(element).or_default();
                        if is_old { &mut sides.old } else { &mut sides.new }.push(item);
                    }
                    Err(why) => self
                        .errors
                        .push(ValueError::new(format!("element {index}: {why}"))),
                }
            }
        }
        for (element, Sides { old, new }) in found {
            match (old.as_slice(), new.as_slice()) {
                ([] | [_], [] | [_]) => {
                    let (old, new) = (old.first().copied(), new.first().copied());
                    self.descend(element, list.element, old, new);
                }
                // Duplicates are one thing, whatever is in them.
                ([_, _, ..], [_, _, ..]) => {
                    let same =
                        old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| values::equal(a, b));
                    if !same {
                        self.path.push(element);
                        self.found.modified.insert(&self.path);
                        self.path.pop();
                    }
                }
                ([_, _, ..], rest) => {
                    if let Some(new) = rest.first() {
                        self.descend(element.clone(), list.element, None, Some(new));
                    }
                    self.path.push(element);
                    self.found.removed.insert(&self.path);
                    self.path.pop();
                }
                (rest, _) => {
                    if let Some(old) = rest.first() {
                        self.descend(element.clone(), list.element, Some(old), None);
                    }
                    self.path.push(element);
                    self.found.added.insert(&self.path);
                    self.path.pop();
                }
            }
        }
    }
}
