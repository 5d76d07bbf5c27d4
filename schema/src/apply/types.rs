//! How a kind's values are merged: which lists are sets or maps, which maps are one piece.
//!
//! **Invariant:** every id leads to an atom of the same [`Types`]; the first two atoms are those of undeclared values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::path::PathElement;
use super::set::FieldSet;

/// Place of an atom in its [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TypeId(pub(super) usize);

/// Any value, owned as a whole.
pub(super) const UNTYPED: TypeId = TypeId(0);
/// Any value: maps are merged, lists are owned as a whole.
pub(super) const DEDUCED: TypeId = TypeId(1);

/// What scalars a type takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Numeric,
    Text,
    Boolean,
    Untyped,
}

/// What belongs to a list as a whole, and what to its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    /// One owner for the list.
    Atomic,
    /// Items are told apart by their keys, or by their value where there are no keys.
    Associative { keys: Box<[Box<str>]> },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct List {
    pub(super) element: TypeId,
    pub(super) kind: ListKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) id: TypeId,
    pub(super) default: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) fields: BTreeMap<Box<str>, Field>,
    /// Type of undeclared keys; none: there may be none.
    pub(super) element: Option<TypeId>,
    pub(super) atomic: bool,
}

impl Map {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// The type of a key, declared or not.
    pub(super) fn type_of(&self, name: &str) -> Option<TypeId> {
        self.field(name).map(|field| field.id).or(self.element)
    }
}

/// What forms a value of a type may have; a value has one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Atom {
    pub(super) scalar: Option<Scalar>,
    pub(super) list: Option<List>,
    pub(super) map: Option<Map>,
}

/// Which forms come into question for one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forms {
    pub(super) scalar: bool,
    pub(super) list: bool,
    pub(super) map: bool,
}

/// The form that a walk takes a value for.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Scalar(Scalar),
    List(&'a List),
    Map(&'a Map),
}

impl Atom {
    /// The forms that a value may be taken for: its own where the type has that, else all of the type's.
    pub(super) fn forms(&self, value: Option<&Value>) -> Forms {
        let all = Forms {
            scalar: self.scalar.is_some(),
            list: self.list.is_some(),
            map: self.map.is_some(),
        };
        let only = |scalar, list, map| Forms { scalar, list, map };
        match value {
            Some(Value::Number(_) | Value::String(_) | Value::Bool(_)) if all.scalar => {
                only(true, false, false)
            }
            Some(Value::Array(_)) if all.list => only(false, true, false),
            Some(Value::Object(_)) if all.map => only(false, false, true),
            _ => all,
        }
    }

    /// Maps first, lists last.
    pub(super) fn form(&self, forms: Forms) -> Option<Form<'_>> {
        if let (true, Some(map)) = (forms.map, &self.map) {
            Some(Form::Map(map))
        } else if let (true, Some(scalar)) = (forms.scalar, self.scalar) {
            Some(Form::Scalar(scalar))
        } else if let (true, Some(list)) = (forms.list, &self.list) {
            Some(Form::List(list))
        } else {
            None
        }
    }

    /// The form of one value.
    pub(super) fn form_of(&self, value: &Value) -> Option<Form<'_>> {
        self.form(self.forms(Some(value)))
    }
}

/// Atoms that refer to each other, in circles where a kind's types do.
#[derive(Debug)]
pub(super) struct Types {
    pub(super) atoms: Vec<Atom>,
    /// Atoms from this place on are written where they are used, rather than referred to by a name.
    pub(super) inline_from: usize,
}

impl Types {
    pub(super) fn new() -> Self {
        let undeclared = |map_element, atomic| Atom {
            scalar: Some(Scalar::Untyped),
            list: Some(List {
                element: UNTYPED,
                kind: ListKind::Atomic,
            }),
            map: Some(Map {
                fields: BTreeMap::new(),
                element: Some(map_element),
                atomic,
            }),
        };
        Self {
            atoms: vec![undeclared(UNTYPED, true), undeclared(DEDUCED, false)],
            inline_from: 2,
        }
    }

    pub(super) fn atom(&self, id: TypeId) -> &Atom {
        &self.atoms[id.0]
    }
}

/// The type of a kind's objects, for merging. Clones share it.
#[derive(Clone)]
pub struct ObjectType {
    pub(super) types: Arc<Types>,
    pub(super) root: TypeId,
}

impl ObjectType {
    /// The type of objects of which nothing is known: maps are merged, lists are owned as a whole.
    pub fn deduced() -> Self {
        Self {
            types: Arc::new(Types::new()),
            root: DEDUCED,
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.types, &other.types) && self.root == other.root
    }
}

impl fmt::Debug for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A kind's types would fill a log.
        f.debug_struct("ObjectType")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// Whether sets and maps in list form may hold an item twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// As what is stored may.
    Allowed,
    /// As in what is applied.
    Refused,
}

/// A mistake in a value, seen by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// Where, with a leading dot; empty for the root.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl ValueError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All mistakes that were found; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueErrors(pub Vec<ValueError>);

impl fmt::Display for ValueErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return only.fmt(f);
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ValueErrors {}

/// Says where the errors behind `from` were found, seen from one level up.
pub(super) fn locate(errors: &mut [ValueError], from: usize, element: &PathElement) {
    if let Some(found) = errors.get_mut(from..).filter(|found| !found.is_empty()) {
        let prefix = element.to_string();
        for error in found {
            error.path.insert_str(0, &prefix);
        }
    }
}

pub(super) fn finish(errors: Vec<ValueError>) -> Result<(), ValueErrors> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ValueErrors(errors))
    }
}

/// A value that fits its type.
#[derive(Clone, Debug)]
pub struct Typed<'a> {
    pub(super) kind: ObjectType,
    pub(super) value: Cow<'a, Value>,
}

impl<'a> Typed<'a> {
    /// Checks a value.
    ///
    /// # Errors
    /// Each place where it does not fit; undeclared fields and duplicates among them.
    pub fn new(kind: &ObjectType, value: &'a Value, duplicates: Duplicates) -> Result<Self, ValueErrors> {
        super::validate::validate(kind, value, duplicates)?;
        Ok(Self {
            kind: kind.clone(),
            value: Cow::Borrowed(value),
        })
    }

    /// As [`Typed::new`], of a value that is handed over.
    ///
    /// # Errors
    /// As of [`Typed::new`].
    pub fn of(kind: &ObjectType, value: Value, duplicates: Duplicates) -> Result<Self, ValueErrors> {
        super::validate::validate(kind, &value, duplicates)?;
        Ok(Self::unchecked(kind, value))
    }

    pub(super) fn unchecked(kind: &ObjectType, value: Value) -> Self {
        Self {
            kind: kind.clone(),
            value: Cow::Owned(value),
        }
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value, without its type.
    pub fn into_value(self) -> Value {
        self.value.into_owned()
    }

    /// The type.
    pub fn object_type(&self) -> &ObjectType {
        &self.kind
    }

    /// The fields that the value sets: leaves, and items of lists and keys of maps besides.
    ///
    /// # Errors
    /// Where a type has no form at all, which a schema that was accepted rules out.
    pub fn field_set(&self) -> Result<FieldSet, ValueErrors> {
        super::fields::field_set(&self.kind, &self.value)
    }

    /// This value with all that `patch` sets. Where both set a leaf it is the patch's; lists keep this value's order,
    /// and follow the patch's where it moves their items. Nothing is removed.
    ///
    /// # Errors
    /// Where the two are of different types, or items of lists cannot be told apart.
    pub fn merge(&self, patch: &Typed<'_>) -> Result<Typed<'static>, ValueErrors> {
        self.check_same(patch)?;
        let merged = super::merge::merge(&self.kind, &self.value, &patch.value)?;
        Ok(Typed::unchecked(&self.kind, merged.unwrap_or(Value::Null)))
    }

    /// What `other` adds, changes and removes.
    ///
    /// # Errors
    /// As of [`Typed::merge`].
    pub fn compare(&self, other: &Typed<'_>) -> Result<super::Comparison, ValueErrors> {
        self.check_same(other)?;
        super::compare::compare(&self.kind, &self.value, &other.value)
    }

    /// Without these fields and items.
    #[must_use]
    pub fn without(&self, items: &FieldSet) -> Typed<'static> {
        let value = super::remove::without(&self.kind, &self.value, items);
        Typed::unchecked(&self.kind, value)
    }

    /// Only these fields and items; the keys of list items come with them.
    #[must_use]
    pub fn only(&self, items: &FieldSet) -> Typed<'static> {
        let value = super::remove::only(&self.kind, &self.value, items);
        Typed::unchecked(&self.kind, value)
    }

    fn check_same(&self, other: &Typed<'_>) -> Result<(), ValueErrors> {
        if self.kind.is_same(&other.kind) {
            return Ok(());
        }
        Err(ValueErrors(vec![ValueError::new(
            "expected objects with types from the same schema",
        )]))
    }
}
