//! Equality, which differs by where values come from.
//!
//! Lists of the object compare by their list type, and values that cannot be compared are an error there; what a rule
//! makes itself compares element by element, and takes such values for equal or different as Go's library does.

use std::collections::{BTreeSet, HashMap};

use kubewright_cel::names;
use serde_json::Value as Json;

use super::container::{lossless_int, lossless_uint};
use super::{Failure, List, Map, Numeric, Outcome, Shape, Value};
use crate::structural::ListType;

/// `left == right`.
pub(crate) fn equal(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Failure> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        _ => equal_method(left, right),
    }
}

/// Equality without the case of nulls, as values inside others compare.
pub(crate) fn equal_method(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Failure> {
    Ok(match (left, right) {
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Null, right) => matches!(right, Value::Null),
        (
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
        ) => Numeric::of(left)
            .zip(Numeric::of(right))
            .is_some_and(|(left, right)| left.equals(right)),
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left.is_same_instant(right),
        (Value::List(left), right) => return equal_lists(left, right),
        (Value::Map(left), right) => return equal_maps(left, right),
        (Value::Optional(None), Value::Optional(None)) => true,
        (Value::Optional(Some(left)), Value::Optional(Some(right))) => return equal_method(left, right),
        (Value::Type(left), Value::Type(right)) => left == right,
        (Value::Quantity(left), Value::Quantity(right)) if !right.computed => left.cmp(right).is_eq(),
        (Value::Url(left), Value::Url(right)) => left.to_string() == right.to_string(),
        (Value::Ip(left), Value::Ip(right)) => left == right,
        (Value::Cidr(left), Value::Cidr(right)) => left == right,
        (Value::Semver(left), Value::Semver(right)) => left.cmp(right).is_eq(),
        (Value::Format(left), Value::Format(right)) => left.name == right.name,
        (
            Value::Quantity(_)
            | Value::Url(_)
            | Value::Ip(_)
            | Value::Cidr(_)
            | Value::Semver(_)
            | Value::Format(_)
            // One is not even equal to itself.
            | Value::Authorization(_),
            _,
        ) => return Err(Failure::no_overload()),
        (Value::Opaque(left), right) => is_same_data(left, right),
        _ => false,
    })
}

/// Whether data without a type is the same as what a value was read from.
fn is_same_data(left: &Json, right: &Value<'_>) -> bool {
    match (left, right) {
        (left, Value::Opaque(right)) => left == *right,
        (Json::String(left), Value::String(right)) => **left == **right,
        (Json::Bool(left), Value::Bool(right)) => left == right,
        (Json::Number(left), Value::Int(right)) => left.as_i64() == Some(*right),
        (Json::Number(left), Value::Double(right)) => {
            left.as_i64().is_none() && left.as_f64() == Some(*right)
        }
        (Json::Array(left), Value::List(List::Json(right, _))) => left == *right,
        (Json::Object(left), Value::Map(Map::Json(right, _))) => left == *right,
        _ => false,
    }
}

fn equal_lists(left: &List<'_>, right: &Value<'_>) -> Result<bool, Failure> {
    let node = left.node();
    let Value::List(right) = right else {
        return match node {
            Some(_) => Err(Failure::no_overload()),
            None => Ok(false),
        };
    };
    if left.len() != right.len() {
        return Ok(false);
    }
    match node.map(|node| &node.list_type) {
        Some(ListType::Set) => equal_sets(left, right),
        Some(ListType::Map(keys)) => equal_map_lists(left, right, keys),
        Some(ListType::Atomic) => {
            for (left, right) in left.iter().zip(right.iter()) {
                if !equal_method(&left?, &right?)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        None => {
            let mut failure = None;
            for (left, right) in left.iter().zip(right.iter()) {
                match left.and_then(|left| equal(&left, &right?)) {
                    Ok(true) => {}
                    Ok(false) => return Ok(false),
                    Err(error) if error.is_abort() => return Err(error),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            match failure {
                Some(error) if matches!(left, List::Joined(_)) => Err(error),
                _ => Ok(true),
            }
        }
    }
}

/// A scalar as Go's maps tell keys apart: by type, too.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(u64),
    Text(String),
    /// Times and durations, which are texts in the object and no text as values.
    Other(String),
}

fn unhashable<T>(value: &Value<'_>) -> Result<T, Failure> {
    Err(Failure::abort(match value {
        Value::Map(_) => "internal error: runtime error: hash of unhashable type map[string]interface {}",
        Value::Bytes(_) => "internal error: runtime error: hash of unhashable type []uint8",
        _ => "internal error: runtime error: hash of unhashable type []interface {}",
    }))
}

/// Zero has one key, whatever its sign.
fn float_key(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

impl Element {
    pub(super) fn of(value: &Value<'_>) -> Result<Self, Failure> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Double(value) => Self::Double(float_key(*value)),
            Value::String(text) => Self::Text(text.to_string()),
            Value::Map(_) | Value::List(_) | Value::Bytes(_) => return unhashable(value),
            other => Self::Other(format!("{} {}", other.type_name(), super::display(other))),
        })
    }

    /// Of data as it stands in the object, where a whole float is an integer and a time is a text.
    fn of_data(json: &Json) -> Result<Self, Failure> {
        Self::of(&super::typed::raw(json))
    }
}

/// The elements of a set, as they stand in the object.
pub(super) fn elements(set: &List<'_>) -> Result<BTreeSet<Element>, Failure> {
    match set {
        List::Json(items, _) => items.iter().map(Element::of_data).collect(),
        other => other.iter().map(|value| Element::of(&value?)).collect(),
    }
}

fn equal_sets(left: &List<'_>, right: &List<'_>) -> Result<bool, Failure> {
    let known = elements(left)?;
    for value in right.iter() {
        if !known.contains(&Element::of(&value?)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What tells an entry of a map list from others; nothing for what is no entry of the object.
///
/// Upstream looks for the escaped names in the data, so that keys with a dash count as absent.
pub(super) fn map_key(value: &Value<'_>, keys: &[Box<str>]) -> Option<String> {
    let Value::Map(Map::Json(entries, _)) = value else {
        return None;
    };
    let mut out = String::new();
    for key in keys {
        let escaped = names::escape(key);
        match entries.get(escaped.as_deref().unwrap_or(key)) {
            Some(value) => out.push_str(&value.to_string()),
            None => out.push_str("null"),
        }
        out.push('\0');
    }
    Some(out)
}

fn equal_map_lists<'a>(left: &List<'a>, right: &List<'a>, keys: &[Box<str>]) -> Result<bool, Failure> {
    let mut entries: HashMap<Option<String>, Outcome<'a>> = HashMap::new();
    for value in left.iter() {
        let key = value.as_ref().ok().and_then(|value| map_key(value, keys));
        entries.insert(key, value);
    }
    for value in right.iter() {
        let value = value?;
        let Some(key) = map_key(&value, keys) else {
            return Ok(false);
        };
        let Some(entry) = entries.get(&Some(key)) else {
            return Ok(false);
        };
        if !equal_method(entry.as_ref().map_err(Clone::clone)?, &value)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(left: &Map<'_>, right: &Value<'_>) -> Result<bool, Failure> {
    let typed = match left {
        Map::Json(entries, shape) if !matches!(shape, Shape::Raw) => Some((*entries, *shape)),
        _ => None,
    };
    let Value::Map(right) = right else {
        return match typed {
            Some(_) => Err(Failure::no_overload()),
            None => Ok(false),
        };
    };
    if left.len() != right.len() {
        return Ok(false);
    }
    let Some((entries, shape)) = typed else {
        for key in left.keys() {
            let Some(found) = right.find(&key)? else {
                return Ok(false);
            };
            match equal(&left.get(&key)?, &found) {
                Ok(false) => return Ok(false),
                Err(error) if error.is_abort() => return Err(error),
                _ => {}
            }
        }
        return Ok(true);
    };
    for (key, json) in entries {
        if shape.field(key).is_some() {
            match (left.find_text(key)?, right.find_text(key)?) {
                (Some(left), Some(right)) => {
                    if !equal_method(&left, &right)? {
                        return Ok(false);
                    }
                }
                (None, None) => {}
                _ => return Ok(false),
            }
        } else {
            let Map::Json(other, other_shape) = right else {
                return Err(Failure::no_overload());
            };
            if matches!(other_shape, Shape::Raw) {
                return Err(Failure::no_overload());
            }
            if other.get(key).is_some_and(|other| other != json) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The constants of `x in [constants]` as Go prepares them: each number also as the other types that can hold it.
pub(crate) fn membership(values: &[Value<'static>]) -> Option<Vec<Value<'static>>> {
    let mut out = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::Bool(_) | Value::String(_) => {}
            Value::Int(int) => {
                #[allow(clippy::cast_precision_loss)]
                out.push(Value::Double(*int as f64));
                out.extend(u64::try_from(*int).ok().map(Value::Uint));
            }
            Value::Uint(uint) => {
                #[allow(clippy::cast_precision_loss)]
                out.push(Value::Double(*uint as f64));
                out.extend(i64::try_from(*uint).ok().map(Value::Int));
            }
            Value::Double(double) => {
                out.extend(lossless_int(*double).map(Value::Int));
                out.extend(lossless_uint(*double).map(Value::Uint));
            }
            _ => return None,
        }
        out.push(value.clone());
    }
    Some(out)
}

/// Whether a value is among them: of the same type, and equal.
pub(crate) fn is_member(members: &[Value<'_>], value: &Value<'_>) -> bool {
    members.iter().any(|member| match (member, value) {
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Uint(left), Value::Uint(right)) => left == right,
        #[allow(clippy::float_cmp)]
        (Value::Double(left), Value::Double(right)) => left == right,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        _ => false,
    })
}
