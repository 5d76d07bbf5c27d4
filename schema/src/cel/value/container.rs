//! Lists and maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json};

use super::typed::{items_shape, raw};
use super::{Failure, Outcome, Shape, Text, Value, display, equal_method, read};
use crate::structural::{ListType, Node};

/// A list.
#[derive(Clone, Debug)]
pub(crate) enum List<'a> {
    /// A list of the object, with the schema of the list; without one where it was lost.
    Json(&'a Vec<Json>, Option<&'a Node>),
    /// A constant of the rule.
    Values(&'a [Value<'a>]),
    /// Made on the way.
    Shared(Arc<Vec<Value<'a>>>),
    /// Two lists as one; it compares more strictly than others.
    Joined(Arc<Vec<Value<'a>>>),
    /// A list of the object and what was added.
    Typed(Arc<Vec<Value<'a>>>, &'a Node),
}

impl<'a> List<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(items, _) => items.len(),
            Self::Values(values) => values.len(),
            Self::Shared(values) | Self::Joined(values) | Self::Typed(values, _) => values.len(),
        }
    }

    /// The element, which must exist.
    pub(crate) fn get(&self, index: usize) -> Outcome<'a> {
        match self {
            Self::Json(items, Some(node)) => read(&items[index], items_shape(node)),
            Self::Json(items, None) => Ok(raw(&items[index])),
            Self::Values(values) => Ok(values[index].reborrow()),
            Self::Shared(values) | Self::Joined(values) | Self::Typed(values, _) => Ok(values[index].clone()),
        }
    }

    /// All elements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Outcome<'a>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The list's schema, if equality and `+` follow it.
    pub(crate) fn node(&self) -> Option<&'a Node> {
        match self {
            Self::Json(_, node) => *node,
            Self::Typed(_, node) => Some(node),
            _ => None,
        }
    }

    /// `element in list`.
    pub(crate) fn contains(&self, element: &Value<'a>) -> Result<bool, Failure> {
        let from_object = self.node().is_some();
        let mut failure = None;
        for candidate in self.iter() {
            let found = match candidate {
                Ok(candidate) if from_object => equal_method(&candidate, element),
                Ok(candidate) => equal_method(element, &candidate),
                Err(error) => Err(error),
            };
            match found {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.is_abort() => return Err(error),
                // Lists that the rule makes take what cannot be compared for different.
                Err(error) if from_object => failure = failure.or(Some(error)),
                Err(_) => {}
            }
        }
        failure.map_or(Ok(false), Err)
    }

    /// `left + right`.
    pub(crate) fn add(self, other: List<'a>) -> Outcome<'a> {
        let Some(node) = self.node() else {
            if self.len() == 0 {
                return Ok(Value::List(other));
            }
            if other.len() == 0 {
                return Ok(Value::List(self));
            }
            let mut values = self.into_values()?;
            values.extend(other.iter().collect::<Result<Vec<_>, _>>()?);
            return Ok(Value::List(List::Joined(Arc::new(values))));
        };
        let mut values = self.into_values()?;
        match &node.list_type {
            ListType::Atomic => values.extend(other.iter().collect::<Result<Vec<_>, _>>()?),
            ListType::Set => {
                for value in other.iter() {
                    let value = value?;
                    let mut known = false;
                    for old in &values {
                        known |= super::equal::same_element(old, &value)?;
                    }
                    if !known {
                        values.push(value);
                    }
                }
            }
            ListType::Map(keys) => {
                for value in other.iter() {
                    let value = value?;
                    let key = super::equal::map_key(&value, keys);
                    let position = key.as_ref().and_then(|key| {
                        values
                            .iter()
                            .position(|old| super::equal::map_key(old, keys).as_ref() == Some(key))
                    });
                    match position {
                        Some(position) => values[position] = value,
                        None => values.push(value),
                    }
                }
            }
        }
        Ok(Value::List(List::Typed(Arc::new(values), node)))
    }

    fn into_values(self) -> Result<Vec<Value<'a>>, Failure> {
        match self {
            Self::Shared(values) | Self::Joined(values) | Self::Typed(values, _) => {
                Ok(Arc::try_unwrap(values).unwrap_or_else(|shared| (*shared).clone()))
            }
            other => other.iter().collect(),
        }
    }
}

/// Key of a map that a rule makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key<'a> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// The bits of a float.
    Double(u64),
    Text(Text<'a>),
}

impl<'a> Key<'a> {
    pub(crate) fn of(value: &Value<'a>) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Double(value) => Self::Double(value.to_bits()),
            Value::String(text) => Self::Text(text.clone()),
            _ => return None,
        })
    }

    pub(crate) fn value(&self) -> Value<'a> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(bits) => Value::Double(f64::from_bits(*bits)),
            Self::Text(text) => Value::String(text.clone()),
        }
    }
}

/// Entries of a map that a rule makes.
pub(crate) type Entries<'a> = BTreeMap<Key<'a>, Value<'a>>;

/// A map or an object.
#[derive(Clone, Debug)]
pub(crate) enum Map<'a> {
    /// Of the object.
    Json(&'a JsonMap<String, Json>, Shape<'a>),
    /// A constant of the rule.
    Values(&'a Entries<'a>),
    /// Made on the way.
    Shared(Arc<Entries<'a>>),
}

impl<'a> Map<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(entries, _) => entries.len(),
            Self::Values(entries) => entries.len(),
            Self::Shared(entries) => entries.len(),
        }
    }

    /// The value of a key, if it is there.
    ///
    /// # Errors
    /// The key's type fits no map of the object, or the value does not fit its schema.
    pub(crate) fn find(&self, key: &Value<'a>) -> Result<Option<Value<'a>>, Failure> {
        match (self, key) {
            (Self::Json(entries, shape), Value::String(name)) => find_field(entries, *shape, name),
            (Self::Json(_, Shape::Raw), _) => Ok(None),
            (Self::Json(..), _) => Err(Failure::no_overload()),
            (Self::Values(entries), _) => Ok(find_entry(entries, key).map(Value::reborrow)),
            (Self::Shared(entries), _) => Ok(find_entry(entries, key).cloned()),
        }
    }

    /// As [`find`](Self::find) for a name as the rule writes it.
    pub(crate) fn find_name(&self, name: &str) -> Result<Option<Value<'a>>, Failure> {
        match self {
            Self::Json(entries, shape) => find_field(entries, *shape, name),
            Self::Values(entries) => Ok(find_text(entries, name).map(Value::reborrow)),
            Self::Shared(entries) => Ok(find_text(entries, name).cloned()),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As for [`find`](Self::find), and there is none.
    pub(crate) fn get(&self, key: &Value<'a>) -> Outcome<'a> {
        self.find(key)?.ok_or_else(|| Failure::no_key(display(key)))
    }

    /// The keys, sorted. Go has no order.
    pub(crate) fn keys(&self) -> Vec<Value<'a>> {
        match self {
            Self::Json(entries, shape) => entries.keys().filter_map(|key| shape.key(key)).collect(),
            Self::Values(entries) => entries.keys().map(Key::value).collect(),
            Self::Shared(entries) => entries.keys().map(Key::value).collect(),
        }
    }
}

fn find_field<'a>(
    entries: &'a JsonMap<String, Json>,
    shape: Shape<'a>,
    name: &str,
) -> Result<Option<Value<'a>>, Failure> {
    if matches!(shape, Shape::Raw) {
        return Ok(entries.get(name).map(raw));
    }
    let object = shape.is_object();
    let unescaped;
    let name = if object && name.contains("__") {
        match super::names::unescape(name) {
            Some(text) => {
                unescaped = text;
                unescaped.as_str()
            }
            None => return Ok(None),
        }
    } else {
        name
    };
    let Some(json) = entries.get(name) else {
        return Ok(None);
    };
    // A null field of an object is as good as none.
    if object && json.is_null() {
        return Ok(None);
    }
    match shape.field(name) {
        Some(shape) => read(json, shape).map(Some),
        None => Ok(None),
    }
}

fn find_text<'m, 'a>(entries: &'m Entries<'a>, name: &str) -> Option<&'m Value<'a>> {
    // A borrowed key for the look-up would need the map's lifetime.
    entries.get(&Key::Text(Text::Shared(name.into())))
}

fn find_entry<'m, 'a>(entries: &'m Entries<'a>, key: &Value<'a>) -> Option<&'m Value<'a>> {
    if let Some(found) = entries.get(&Key::of(key)?) {
        return Some(found);
    }
    // Numbers of another type find the key, too, where nothing is lost.
    match *key {
        Value::Double(value) => lossless_int(value)
            .and_then(|int| entries.get(&Key::Int(int)))
            .or_else(|| lossless_uint(value).and_then(|uint| entries.get(&Key::Uint(uint)))),
        Value::Int(value) => entries.get(&Key::Uint(u64::try_from(value).ok()?)),
        Value::Uint(value) => entries.get(&Key::Int(i64::try_from(value).ok()?)),
        _ => None,
    }
}

/// The integer that equals the float.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp
)]
pub(crate) fn lossless_int(value: f64) -> Option<i64> {
    let inside = value > -9_223_372_036_854_775_808.0 && value < 9_223_372_036_854_775_808.0;
    (inside && (value as i64) as f64 == value).then_some(value as i64)
}

/// The unsigned integer that equals the float.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp
)]
pub(crate) fn lossless_uint(value: f64) -> Option<u64> {
    let inside = (0.0..18_446_744_073_709_551_616.0).contains(&value);
    (inside && (value as u64) as f64 == value).then_some(value as u64)
}
