//! Lists and maps.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kubewright_cel::names;
use serde_json::{Map as JsonMap, Value as Json};

use super::typed::{items_shape, raw, read_again};
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
    Typed(Arc<Vec<Outcome<'a>>>, &'a Node),
}

impl<'a> List<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(items, _) => items.len(),
            Self::Values(values) => values.len(),
            Self::Shared(values) | Self::Joined(values) => values.len(),
            Self::Typed(values, _) => values.len(),
        }
    }

    /// The element, which must exist.
    pub(crate) fn get(&self, index: usize) -> Outcome<'a> {
        match self {
            Self::Json(items, Some(node)) => read(&items[index], items_shape(node)),
            Self::Json(items, None) => Ok(raw(&items[index])),
            Self::Values(values) => Ok(values[index].reborrow()),
            Self::Shared(values) | Self::Joined(values) => Ok(values[index].clone()),
            Self::Typed(values, _) => values[index].clone(),
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
        let mut known = match node.list_type {
            ListType::Set => super::equal::elements(&self)?,
            _ => BTreeSet::new(),
        };
        let mut values: Vec<Outcome<'a>> = self.iter().collect();
        match &node.list_type {
            ListType::Atomic => {
                for value in other.iter() {
                    values.push(read_again(value?, node));
                }
            }
            ListType::Set => {
                for value in other.iter() {
                    let value = value?;
                    if known.insert(super::equal::Element::of(&value)?) {
                        values.push(read_again(value, node));
                    }
                }
            }
            ListType::Map(keys) => {
                let key_of = |value: &Value<'a>| super::equal::map_key(value, keys);
                let mut places: HashMap<String, usize> = HashMap::new();
                for (place, value) in values.iter().enumerate() {
                    let key = value.as_ref().ok().and_then(key_of);
                    places.extend(key.map(|key| (key, place)));
                }
                for value in other.iter() {
                    let value = value?;
                    let place = key_of(&value).map(|key| *places.entry(key).or_insert(values.len()));
                    let value = read_again(value, node);
                    match place {
                        Some(place) if place < values.len() => values[place] = value,
                        _ => values.push(value),
                    }
                }
            }
        }
        Ok(Value::List(List::Typed(Arc::new(values), node)))
    }

    fn into_values(self) -> Result<Vec<Value<'a>>, Failure> {
        match self {
            Self::Shared(values) | Self::Joined(values) => {
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
    Other(OtherKey<'a>),
}

/// A key of a type that no checked map has, but one of dynamic type can have.
#[derive(Clone, Debug)]
pub(crate) struct OtherKey<'a> {
    /// What tells it from other keys.
    identity: String,
    value: Arc<Value<'a>>,
}

impl PartialEq for OtherKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for OtherKey<'_> {}

impl PartialOrd for OtherKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OtherKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity.cmp(&other.identity)
    }
}

impl<'a> Key<'a> {
    pub(crate) fn of(value: &Value<'a>) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Double(value) => Self::Double(value.to_bits()),
            Value::String(text) => Self::Text(text.clone()),
            other => {
                let value = Arc::new(other.clone());
                let identity = match other {
                    // Go compares pointers here.
                    Value::List(_)
                    | Value::Map(_)
                    | Value::Optional(Some(_))
                    | Value::Quantity(_)
                    | Value::Url(_) => {
                        format!("{:p}", Arc::as_ptr(&value))
                    }
                    other => format!("{} {}", other.type_name(), display(other)),
                };
                Self::Other(OtherKey { identity, value })
            }
        }
    }

    pub(crate) fn value(&self) -> Value<'a> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(bits) => Value::Double(f64::from_bits(*bits)),
            Self::Text(text) => Value::String(text.clone()),
            Self::Other(key) => (*key.value).clone(),
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
            (Self::Json(..), Value::String(name)) => self.find_text(name),
            (Self::Json(_, Shape::Raw), _) => Ok(None),
            (Self::Json(..), _) => Err(Failure::no_overload()),
            (Self::Values(entries), _) => Ok(find_entry(entries, key)?.map(Value::reborrow)),
            (Self::Shared(entries), _) => Ok(find_entry(entries, key)?.cloned()),
        }
    }

    /// As [`find`](Self::find) for a text.
    pub(super) fn find_text(&self, name: &str) -> Result<Option<Value<'a>>, Failure> {
        match self {
            Self::Json(entries, shape) => find_field(entries, *shape, name),
            Self::Values(entries) => Ok(find_text(entries, name).map(Value::reborrow)),
            Self::Shared(entries) => Ok(find_text(entries, name).cloned()),
        }
    }

    /// As [`find`](Self::find) for a name that stands in the rule.
    pub(crate) fn find_name(&self, name: &FieldName) -> Result<Option<Value<'a>>, Failure> {
        match self {
            Self::Json(entries, Shape::Raw) => Ok(entries.get(&*name.written).map(raw)),
            Self::Json(entries, shape) if shape.is_object() => match &name.property {
                Some(property) => find_property(entries, *shape, property),
                None => Ok(None),
            },
            Self::Json(entries, shape) => find_value(entries, *shape, &name.written),
            Self::Values(entries) => Ok(find_text(entries, &name.written).map(Value::reborrow)),
            Self::Shared(entries) => Ok(find_text(entries, &name.written).cloned()),
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

/// A field's name, ready to look up.
#[derive(Clone, Debug)]
pub(crate) struct FieldName {
    /// As the rule spells it, and as keys of maps are.
    pub(crate) written: Box<str>,
    /// The property of an object that is meant; none if no property is spelt so.
    property: Option<Box<str>>,
}

impl FieldName {
    pub(crate) fn new(written: &str) -> Self {
        Self {
            written: written.into(),
            property: names::unescape(written).map(Into::into),
        }
    }

    /// The property of an object that is meant.
    pub(crate) fn property(&self) -> Option<&str> {
        self.property.as_deref()
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
    if !shape.is_object() {
        return find_value(entries, shape, name);
    }
    match names::unescape(name) {
        Some(property) => find_property(entries, shape, &property),
        None => Ok(None),
    }
}

/// A field of an object; a null one is as good as none.
fn find_property<'a>(
    entries: &'a JsonMap<String, Json>,
    shape: Shape<'a>,
    name: &str,
) -> Result<Option<Value<'a>>, Failure> {
    match (entries.get(name), shape.field(name)) {
        (Some(json), Some(shape)) if !json.is_null() => read(json, shape).map(Some),
        _ => Ok(None),
    }
}

/// A value of a map.
fn find_value<'a>(
    entries: &'a JsonMap<String, Json>,
    shape: Shape<'a>,
    name: &str,
) -> Result<Option<Value<'a>>, Failure> {
    match (entries.get(name), shape.field(name)) {
        (Some(json), Some(shape)) => read(json, shape).map(Some),
        _ => Ok(None),
    }
}

fn find_text<'m, 'a>(entries: &'m Entries<'a>, name: &str) -> Option<&'m Value<'a>> {
    // A borrowed key for the look-up would need the map's lifetime.
    entries.get(&Key::Text(Text::Shared(name.into())))
}

fn find_entry<'m, 'a>(entries: &'m Entries<'a>, key: &Value<'a>) -> Result<Option<&'m Value<'a>>, Failure> {
    if entries.is_empty() {
        return Ok(None);
    }
    key.check_hashable()?;
    if let Some(found) = entries.get(&Key::of(key)) {
        return Ok(Some(found));
    }
    // Numbers of another type find the key, too, where nothing is lost.
    let int = |int: Option<i64>| int.and_then(|int| entries.get(&Key::Int(int)));
    let uint = |uint: Option<u64>| uint.and_then(|uint| entries.get(&Key::Uint(uint)));
    Ok(match *key {
        Value::Double(value) => int(lossless_int(value)).or_else(|| uint(lossless_uint(value))),
        Value::Int(value) => uint(u64::try_from(value).ok()),
        Value::Uint(value) => int(i64::try_from(value).ok()),
        _ => None,
    })
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
