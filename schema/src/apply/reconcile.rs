//! Field sets that were written before a schema changed.
//!
//! **Invariant:** whoever owned something in a list or map that has become one piece owns that piece; what became
//! granular is taken for granular all along.

use super::path::{Path, PathElement};
use super::set::{Entry, FieldSet};
use super::types::ValueError;
use super::types::{
    DEDUCED, Form, List, ListKind, Map, ObjectType, Scalar, TypeId, Types, ValueErrors, finish,
};
use super::validate::formless;

/// The set as the present type has it; `None` where it is as it was.
pub(super) fn reconcile(set: &FieldSet, kind: &ObjectType) -> Result<Option<FieldSet>, ValueErrors> {
    let mut walk = Walk {
        types: &kind.types,
        path: Path::new(),
        now_atomic: FieldSet::new(),
        errors: Vec::new(),
    };
    walk.value(kind.root, Some(set), false);
    finish(walk.errors)?;
    if walk.now_atomic.is_empty() {
        return Ok(None);
    }
    Ok(Some(
        set.recursive_difference(&walk.now_atomic).union(&walk.now_atomic),
    ))
}

struct Walk<'a> {
    types: &'a Types,
    path: Path,
    now_atomic: FieldSet,
    errors: Vec<ValueError>,
}

impl<'a> Walk<'a> {
    /// `whole`: the value is owned as one piece.
    fn value(&mut self, id: TypeId, below: Option<&FieldSet>, whole: bool) {
        let types: &'a Types = self.types;
        let atom = types.atom(id);
        match atom.form(atom.forms(None)) {
            None => self.errors.push(formless()),
            Some(Form::Scalar(_)) => {}
            Some(Form::List(list)) => self.list(list, below, whole),
            Some(Form::Map(map)) => self.map(map, below, whole),
        }
    }

    fn list(&mut self, list: &List, below: Option<&FieldSet>, whole: bool) {
        if !whole && list.kind == ListKind::Atomic {
            self.now_atomic.insert(&self.path);
            return;
        }
        for (element, entry) in below.into_iter().flat_map(|below| &below.entries) {
            self.descend(element, list.element, entry);
        }
    }

    fn map(&mut self, map: &Map, below: Option<&FieldSet>, whole: bool) {
        if self.is_free(map) {
            return;
        }
        if !whole && map.atomic {
            if below.is_some_and(|below| !below.is_empty()) {
                self.now_atomic.insert(&self.path);
            }
            return;
        }
        for (element, entry) in below.into_iter().flat_map(|below| &below.entries) {
            let id = match element {
                PathElement::Field(name) => map.type_of(name),
                _ => map.element,
            };
            // Fields that are no longer declared are left alone.
            if let Some(id) = id {
                self.descend(element, id, entry);
            }
        }
    }

    fn descend(&mut self, element: &PathElement, id: TypeId, entry: &Entry) {
        let below = (!entry.below.is_empty()).then_some(&entry.below);
        self.path.push(element.clone());
        self.value(id, below, entry.member && below.is_none());
        self.path.pop();
    }

    /// Whether a map has undeclared keys alone, of any form.
    fn is_free(&self, map: &Map) -> bool {
        let of_any_form = map.element.is_some_and(|id| {
            let inline = id.0 >= self.types.inline_from;
            id == DEDUCED || (inline && self.types.atom(id).scalar == Some(Scalar::Untyped))
        });
        of_any_form && map.fields.is_empty()
    }
}
