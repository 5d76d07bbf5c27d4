//! Places in objects: where an edit may be, and what must be there after it.
//!
//! **Invariant:** nothing here converts; all that is known of a conversion are its [`Cell`]s.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::convert::cell::{Called, Cell, Form};

/// A step down an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

/// `spec.ports[0].name`
pub(crate) fn text(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Name(name) if out.is_empty() => out.push_str(name),
            Step::Name(name) => out += &format!(".{name}"),
            Step::Index(at) => out += &format!("[{at}]"),
        }
    }
    if out.is_empty() {
        "the object".to_owned()
    } else {
        out
    }
}

/// What two values differ in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) path: Vec<Step>,
    pub(crate) was: Option<Value>,
    pub(crate) is: Option<Value>,
}

/// The first place where two values differ.
pub(crate) fn difference(was: &Value, is: &Value) -> Option<Difference> {
    let mut path = Vec::new();
    differs(Some(was), Some(is), &mut path)
}

fn differs(was: Option<&Value>, is: Option<&Value>, path: &mut Vec<Step>) -> Option<Difference> {
    if was == is {
        return None;
    }
    let inner = match (was, is) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => a
            .keys()
            .chain(b.keys().filter(|name| !a.contains_key(*name)))
            .find_map(|name| {
                path.push(Step::Name(name.clone()));
                let found = differs(a.get(name), b.get(name), path);
                path.pop();
                found
            }),
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => (0..a.len()).find_map(|at| {
            path.push(Step::Index(at));
            let found = differs(a.get(at), b.get(at), path);
            path.pop();
            found
        }),
        _ => None,
    };
    inner.or_else(|| {
        Some(Difference {
            path: path.clone(),
            was: was.cloned(),
            is: is.cloned(),
        })
    })
}

/// Takes the nulls out of `was` that functions read and `is` lacks.
pub(crate) fn forgive_nulls(was: &mut Value, is: &Value, cell: &Cell) {
    match (&cell.form, was, is) {
        (Form::Struct(fields), Value::Object(was), Value::Object(is)) => {
            for (name, cell) in &fields.fields {
                if cell.called == Called::Itself
                    && was.get(*name).is_some_and(Value::is_null)
                    && !is.contains_key(*name)
                {
                    was.remove(*name);
                }
                if let (Some(was), Some(is)) = (was.get_mut(*name), is.get(*name)) {
                    forgive_nulls(was, is, cell);
                }
            }
        }
        (Form::Map(cell), Value::Object(was), Value::Object(is)) => {
            for (name, was) in was {
                if let Some(is) = is.get(name) {
                    forgive_nulls(was, is, cell);
                }
            }
        }
        (Form::List { item, .. }, Value::Array(was), Value::Array(is)) => {
            for (was, is) in was.iter_mut().zip(is) {
                forgive_nulls(was, is, item);
            }
        }
        (Form::Unit, was, is) if cell.called != Called::No => forgive_all(was, is),
        _ => {}
    }
}

fn forgive_all(was: &mut Value, is: &Value) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            was.retain(|name, value| !value.is_null() || is.contains_key(name));
            for (name, was) in was {
                if let Some(is) = is.get(name) {
                    forgive_all(was, is);
                }
            }
        }
        (Value::Array(was), Value::Array(is)) => {
            for (was, is) in was.iter_mut().zip(is) {
                forgive_all(was, is);
            }
        }
        _ => {}
    }
}

/// The value at a path. An index beyond a list's end begins anew, so that any list of items has one.
pub(crate) fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::Index(index) => {
            let items = value.as_array()?;
            items.get(index.checked_rem(items.len())?)
        }
    })
}

/// Sets or removes the value at a path whose parent is there.
pub(crate) fn replace(object: &mut Value, path: &[Step], value: Option<Value>) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let parent = parents.iter().try_fold(object, |value, step| match step {
        Step::Name(name) => value.get_mut(name),
        Step::Index(index) => value.get_mut(*index),
    });
    match (parent, last, value) {
        (Some(Value::Object(members)), Step::Name(name), Some(value)) => {
            members.insert(name.clone(), value);
        }
        (Some(Value::Object(members)), Step::Name(name), None) => {
            members.remove(name);
        }
        (Some(Value::Array(items)), Step::Index(index), Some(value)) => items[*index] = value,
        _ => {}
    }
}

/// Places of an object.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Values that the other version represents exactly, there or not.
    pub(crate) exact: Vec<Vec<Step>>,
    /// Lists whose items are told apart, with the names of their keys.
    pub(crate) lists: Vec<(Vec<Step>, Vec<&'static str>)>,
}

impl Places {
    /// The places of `object`, whose `cell` says what the way to the other version loses.
    pub(crate) fn of(object: &Value, cell: &Cell) -> Self {
        let mut places = Self::default();
        places.walk(Some(object), cell, &[], &mut Vec::new());
        places
    }

    fn walk(&mut self, value: Option<&Value>, cell: &Cell, keys: &[&str], path: &mut Vec<Step>) {
        match (&cell.form, value) {
            (Form::Unit, _) if !cell.lossy && !cell.appears && !path.is_empty() => {
                self.exact.push(path.clone());
            }
            (Form::Struct(fields), Some(Value::Object(members))) => {
                for (name, cell) in &fields.fields {
                    // Another key is another item.
                    if keys.contains(name) {
                        continue;
                    }
                    path.push(Step::Name((*name).to_owned()));
                    self.walk(members.get(*name), cell, &[], path);
                    path.pop();
                }
            }
            (Form::Map(cell), Some(Value::Object(members))) => {
                for (name, value) in members {
                    path.push(Step::Name(name.clone()));
                    self.walk(Some(value), cell, &[], path);
                    path.pop();
                }
            }
            (Form::List { keys, item }, Some(Value::Array(items))) => {
                if by_key(items, keys).is_none() {
                    return;
                }
                self.lists.push((path.clone(), keys.clone()));
                for (index, value) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    self.walk(Some(value), item, keys, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

/// Items by their keys, in their order; none where an item has none, or two the same.
pub(crate) fn by_key<'v>(items: &'v [Value], keys: &[&'static str]) -> Option<Vec<(String, &'v Value)>> {
    if keys.is_empty() {
        return None;
    }
    let mut out: Vec<(String, &Value)> = Vec::with_capacity(items.len());
    for item in items {
        let key: Option<Vec<String>> = keys
            .iter()
            .map(|key| Some(item.get(key).filter(|value| !value.is_null())?.to_string()))
            .collect();
        let key = key?.join(",");
        if out.iter().any(|(known, _)| *known == key) {
            return None;
        }
        out.push((key, item));
    }
    Some(out)
}

/// An object before and after an edit at another version, with what the other version's object says by itself.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'v> {
    /// As it was.
    pub(crate) before: Option<&'v Value>,
    /// What the unedited object says without what was saved.
    pub(crate) plain_before: Option<&'v Value>,
    /// What the edited object says without what was saved.
    pub(crate) plain_after: Option<&'v Value>,
    /// As it is.
    pub(crate) after: Option<&'v Value>,
}

impl<'v> Edit<'v> {
    fn each(self, of: impl Fn(&'v Value) -> Option<&'v Value>) -> Self {
        Self {
            before: self.before.and_then(&of),
            plain_before: self.plain_before.and_then(&of),
            plain_after: self.plain_after.and_then(&of),
            after: self.after.and_then(of),
        }
    }

    fn all<T>(self, of: impl Fn(&'v Value) -> Option<T>) -> Option<[T; 4]> {
        Some([
            of(self.before?)?,
            of(self.plain_before?)?,
            of(self.plain_after?)?,
            of(self.after?)?,
        ])
    }

    /// Where something else changed than the edit says: what an edit does not touch is as it was, and elsewhere stands
    /// what the edited object says.
    pub(crate) fn strays(self, cell: Option<&Cell>, path: &mut Vec<Step>) -> Option<Difference> {
        if self.plain_before == self.plain_after {
            return differs(self.before, self.after, path);
        }
        let form = cell.map(|cell| &cell.form);
        match form {
            Some(Form::Struct(fields)) => {
                if let Some(members) = self.all(Value::as_object) {
                    return self.members(members, |name| fields.get(name), path);
                }
            }
            Some(Form::Map(value)) => {
                if let Some(members) = self.all(Value::as_object) {
                    return self.members(members, |_| Some(value), path);
                }
            }
            Some(Form::List { keys, item }) => {
                let keyed = self.all(|value| by_key(value.as_array()?, keys));
                if let Some(lists) = keyed {
                    return self.items(&lists, item, path);
                }
            }
            Some(Form::Unit) | None => {}
        }
        if self.after == self.plain_after || self.after == self.before {
            return None;
        }
        differs(self.plain_after, self.after, path)
    }

    fn members<'c>(
        self,
        members: [&'v Map<String, Value>; 4],
        cell: impl Fn(&str) -> Option<&'c Cell>,
        path: &mut Vec<Step>,
    ) -> Option<Difference> {
        let names: std::collections::BTreeSet<&String> =
            members.iter().flat_map(|members| members.keys()).collect();
        names.into_iter().find_map(|name| {
            path.push(Step::Name(name.clone()));
            let found = self.each(|value| value.get(name)).strays(cell(name), path);
            path.pop();
            found
        })
    }

    fn items(
        self,
        [before, plain_before, plain_after, after]: &[Vec<(String, &'v Value)>; 4],
        cell: &Cell,
        path: &mut Vec<Step>,
    ) -> Option<Difference> {
        let names =
            |items: &[(String, &'v Value)]| items.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        if names(plain_after) != names(after) {
            return differs(self.plain_after, self.after, path);
        }
        let index = |items: &[(String, &'v Value)]| -> BTreeMap<String, &'v Value> {
            items.iter().cloned().collect()
        };
        let (before, plain_before) = (index(before), index(plain_before));
        plain_after
            .iter()
            .zip(after)
            .enumerate()
            .find_map(|(at, ((key, plain), (_, after)))| {
                path.push(Step::Index(at));
                let known = before.contains_key(key) && plain_before.contains_key(key);
                let found = if known {
                    let item = Edit {
                        before: before.get(key).copied(),
                        plain_before: plain_before.get(key).copied(),
                        plain_after: Some(plain),
                        after: Some(after),
                    };
                    item.strays(Some(cell), path)
                } else {
                    differs(Some(plain), Some(after), path)
                };
                path.pop();
                found
            })
    }
}

/// The first place that no diff is taken for and where two values differ.
pub(crate) fn exact_difference(was: &Value, is: &Value, cell: &Cell) -> Option<Difference> {
    let places = Places::of(was, cell);
    places.exact.into_iter().find_map(|path| {
        let parent_there = path.len() < 2 || at(is, &path[..path.len() - 1]).is_some();
        let (was, is) = (at(was, &path), at(is, &path));
        (parent_there && was != is).then(|| {
            let mut path = path.clone();
            differs(was, is, &mut path)
        })?
    })
}
