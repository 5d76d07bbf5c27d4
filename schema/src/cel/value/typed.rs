//! Data of the object, read by its schema.

use kubewright_cel::names;
use serde_json::{Map as JsonMap, Value as Json};

use super::super::library::time;
use super::{Failure, List, Map, Outcome, Text, Value};
use crate::duration;
use crate::gotext;
use crate::structural::{Additional, Node, Type};

/// What is known of a value's form.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// A schema.
    Node(&'a Node),
    /// The schema of a resource, in which `apiVersion`, `kind` and two fields of `metadata` are added.
    Resource(&'a Node),
    /// The metadata that is added.
    Meta,
    /// A string.
    Text,
    /// Nothing: what an optional has held lost its schema.
    Raw,
}

impl<'a> Shape<'a> {
    /// Whether the value has declared fields, with names that are escaped in rules.
    pub(crate) fn is_object(self) -> bool {
        match self {
            Self::Node(node) => !node.properties.is_empty(),
            Self::Resource(_) | Self::Meta => true,
            Self::Text | Self::Raw => false,
        }
    }

    /// The form of a field or of a map's value.
    pub(crate) fn field(self, name: &str) -> Option<Shape<'a>> {
        match self {
            Self::Node(node) if !node.properties.is_empty() => node.property(name).map(Shape::Node),
            Self::Node(node) => match &node.additional {
                Additional::Schema(node) => Some(Shape::Node(node)),
                _ => None,
            },
            Self::Resource(node) => {
                let added = match name {
                    "apiVersion" | "kind" => Some(Shape::Text),
                    "metadata" => Some(Shape::Meta),
                    _ => None,
                };
                match added {
                    Some(added) if !declares_resource(node) => Some(added),
                    _ => node.property(name).map(Shape::Node),
                }
            }
            Self::Meta => matches!(name, "name" | "generateName").then_some(Shape::Text),
            Self::Text | Self::Raw => None,
        }
    }

    /// A key as a loop over the map sees it.
    pub(super) fn key(self, name: &'a str) -> Option<Value<'a>> {
        if !matches!(self, Self::Raw) {
            self.field(name)?;
        }
        if self.is_object()
            && let Some(escaped) = names::escape(name)
            && escaped != name
        {
            return Some(Value::text(escaped));
        }
        Some(Value::borrowed(name))
    }
}

/// Whether a schema says itself all that a resource must have.
fn declares_resource(node: &Node) -> bool {
    let is_text = |node: Option<&Node>| node.is_some_and(|node| node.kind == Type::String);
    is_text(node.property("kind"))
        && is_text(node.property("apiVersion"))
        && node.property("metadata").is_some_and(|metadata| {
            metadata.kind == Type::Object
                && is_text(metadata.property("name"))
                && is_text(metadata.property("generateName"))
        })
}

static NO_ITEMS: std::sync::OnceLock<Node> = std::sync::OnceLock::new();

/// The form of a list's elements.
pub(super) fn items_shape(list: &Node) -> Shape<'_> {
    match &list.items {
        Some(items) => Shape::Node(items),
        None => Shape::Node(
            NO_ITEMS.get_or_init(|| Node::of(&JsonMap::new(), crate::structural::Reading::Served)),
        ),
    }
}

/// Data without a schema, as Go's values are read.
pub(crate) fn raw(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::borrowed(text),
        Json::Array(items) => Value::List(List::Json(items, None)),
        Json::Object(entries) => Value::Map(Map::Json(entries, Shape::Raw)),
    }
}

fn go_type(json: &Json) -> &'static str {
    match json {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.as_i64().is_some() => "int64",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}

fn invalid(expected: &str, json: &Json) -> Failure {
    Failure::new(format!(
        "invalid data, expected {expected}, got {}",
        go_type(json)
    ))
}

/// The value of data in the form that its schema gives it.
///
/// # Errors
/// Upstream's text for data that does not fit; such data does not pass validation.
pub(crate) fn read<'a>(json: &'a Json, shape: Shape<'a>) -> Outcome<'a> {
    let node = match shape {
        Shape::Raw => return Ok(raw(json)),
        Shape::Text => {
            return match json {
                Json::String(text) => Ok(Value::borrowed(text)),
                Json::Null => Err(not_nullable()),
                other => Err(invalid("string", other)),
            };
        }
        Shape::Meta => {
            return match json {
                Json::Object(entries) => Ok(Value::Map(Map::Json(entries, shape))),
                Json::Null => Err(not_nullable()),
                _ => Err(Failure::fixed(
                    "invalid data, expected a map for the provided schema with type=object",
                )),
            };
        }
        Shape::Node(node) | Shape::Resource(node) => node,
    };
    match (node.kind, json) {
        (_, Json::Null) if node.nullable => Ok(Value::Null),
        (_, Json::Null) => Err(not_nullable()),
        (Type::String, Json::String(text)) => read_text(text, node),
        (Type::Integer, Json::Number(number)) => match number.as_i64() {
            Some(int) => Ok(Value::Int(int)),
            None => Err(invalid("int", json)),
        },
        (Type::Boolean, Json::Bool(value)) => Ok(Value::Bool(*value)),
        (Type::Number, Json::Number(number)) => Ok(Value::Double(number.as_f64().unwrap_or(f64::NAN))),
        (Type::Object, Json::Object(entries)) => {
            let shape = if node.embedded || matches!(shape, Shape::Resource(_)) {
                Shape::Resource(node)
            } else {
                Shape::Node(node)
            };
            Ok(Value::Map(Map::Json(entries, shape)))
        }
        (Type::Array, Json::Array(items)) => match node.items {
            Some(_) => Ok(Value::List(List::Json(items, Some(node)))),
            None => Err(Failure::fixed(
                "invalid array type, expected Items with a non-empty Schema",
            )),
        },
        (Type::IntOrString, Json::String(text)) => Ok(Value::borrowed(text)),
        (Type::IntOrString, Json::Number(number)) if number.as_i64().is_some() => {
            Ok(Value::Int(number.as_i64().unwrap_or_default()))
        }
        (Type::IntOrString, _) => Err(Failure::fixed(
            "invalid data, expected XIntOrString value to be either a string or integer",
        )),
        (Type::Object, _) => Err(Failure::fixed(
            "invalid data, expected a map for the provided schema with type=object",
        )),
        (Type::Array, _) => Err(Failure::fixed(
            "invalid data, expected an array for the provided schema with type=array",
        )),
        (Type::String, _) => Err(invalid("string", json)),
        (Type::Number, _) => Err(invalid("float", json)),
        (Type::Integer, _) => Err(invalid("int", json)),
        (Type::Boolean, _) => Err(invalid("bool", json)),
        (Type::Any | Type::Null | Type::Unknown, _) if node.preserve => Ok(Value::Opaque(json)),
        (Type::Any | Type::Null | Type::Unknown, _) => Err(Failure::fixed(
            "invalid type, expected object, array, number, integer, boolean or string, or no type with \
             x-kubernetes-int-or-string or x-kubernetes-preserve-unknown-fields is true, got ",
        )),
    }
}

/// A value that was added to a list of the object: upstream keeps it as data, and reads that by the list's schema again.
pub(super) fn read_again<'a>(value: Value<'a>, list: &'a Node) -> Outcome<'a> {
    let Some(items) = &list.items else {
        return Ok(value);
    };
    let expected = match (items.kind, value) {
        (Type::String, value @ Value::String(_))
        | (Type::Integer, value @ Value::Int(_))
        | (Type::Number, value @ Value::Double(_))
        | (Type::Boolean, value @ Value::Bool(_))
        | (Type::IntOrString, value @ (Value::Int(_) | Value::String(_)))
        | (Type::Array, value @ Value::List(List::Typed(..))) => return Ok(value),
        #[allow(clippy::cast_precision_loss)]
        (Type::Number, Value::Int(value)) => return Ok(Value::Double(value as f64)),
        (Type::Object, Value::Map(Map::Json(entries, _))) => {
            let shape = if items.embedded {
                Shape::Resource(items)
            } else {
                Shape::Node(items)
            };
            return Ok(Value::Map(Map::Json(entries, shape)));
        }
        (Type::Array, Value::List(List::Json(values, _))) => {
            return Ok(Value::List(List::Json(values, Some(items))));
        }
        (_, Value::Opaque(json)) => return read(json, Shape::Node(items)),
        (Type::Any | Type::Null | Type::Unknown, value) => return Ok(value),
        (Type::Object, _) => {
            return Err(Failure::fixed(
                "invalid data, expected a map for the provided schema with type=object",
            ));
        }
        (Type::Array, _) => {
            return Err(Failure::fixed(
                "invalid data, expected an array for the provided schema with type=array",
            ));
        }
        (Type::IntOrString, _) => {
            return Err(Failure::fixed(
                "invalid data, expected XIntOrString value to be either a string or integer",
            ));
        }
        (Type::String, value) => ("string", value),
        (Type::Number, value) => ("float", value),
        (Type::Integer, value) => ("int", value),
        (Type::Boolean, value) => ("bool", value),
    };
    let (expected, value) = expected;
    let got = match value {
        Value::Null => "structpb.NullValue",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Uint(_) => "uint64",
        Value::Double(_) => "float64",
        Value::String(_) => "string",
        Value::Bytes(_) => "[]uint8",
        Value::Duration(_) => "time.Duration",
        Value::Timestamp(_) => "time.Time",
        other => other.go_type(),
    };
    Err(Failure::new(format!(
        "invalid data, expected {expected}, got {got}"
    )))
}

fn not_nullable() -> Failure {
    Failure::fixed("invalid data, got null for schema with nullable=false")
}

fn read_text<'a>(text: &'a str, node: &Node) -> Outcome<'a> {
    let format = node
        .checks
        .as_ref()
        .and_then(|checks| checks.format.as_ref())
        .map(|(_, name)| &**name);
    match format {
        Some("duration") => duration::parse_loose_duration(text)
            .map(Value::Duration)
            .map_err(|error| Failure::new(format!("Invalid duration {text}: {error}"))),
        Some("date") => time::parse_date(text)
            .map(Value::Timestamp)
            .map_err(|error| Failure::new(format!("Invalid date formatted string {text}: {error}"))),
        Some("date-time") => time::parse_date_time(text)
            .map(Value::Timestamp)
            .map_err(|error| Failure::new(format!("Invalid date-time formatted string {text}: {error}"))),
        Some("byte") => decode_url_base64(text)
            .map(|bytes| Value::Bytes(bytes.into()))
            .map_err(|at| {
                Failure::new(format!(
                    "Invalid byte formatted string {text}: illegal base64 data at input byte {at}"
                ))
            }),
        _ => Ok(Value::String(Text::Borrowed(text))),
    }
}

/// Base 64 with the alphabet of URLs and padding, as Go's decoder reads it; else the byte that it stumbles over.
fn decode_url_base64(text: &str) -> Result<Vec<u8>, usize> {
    let digit = |byte: u8| -> Option<u32> {
        Some(u32::from(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        }))
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = 0_u32;
    let mut count = 0;
    let mut bytes = text
        .bytes()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\n' | b'\r'));
    while let Some((at, byte)) = bytes.next() {
        if byte == b'=' {
            let missing = match count {
                2 => bytes.next().map_or(
                    Err(text.len()),
                    |(at, byte)| if byte == b'=' { Ok(()) } else { Err(at) },
                ),
                3 => Ok(()),
                _ => Err(at),
            };
            missing?;
            if let Some((at, _)) = bytes.next() {
                return Err(at);
            }
            let [_, first, second, _] = (group << (6 * (4 - count))).to_be_bytes();
            out.push(first);
            if count == 3 {
                out.push(second);
            }
            return Ok(out);
        }
        group = group << 6 | digit(byte).ok_or(at)?;
        count += 1;
        if count == 4 {
            out.extend(&group.to_be_bytes()[1..]);
            (group, count) = (0, 0);
        }
    }
    if count == 0 {
        Ok(out)
    } else {
        Err(text.len() - count)
    }
}

/// A value as Go's `%v` prints JSON data.
pub(super) fn print_raw(json: &Json) -> String {
    match json {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => gotext::number(number),
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(print_raw).collect();
            format!("[{}]", items.join(" "))
        }
        Json::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{key}:{}", print_raw(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}
