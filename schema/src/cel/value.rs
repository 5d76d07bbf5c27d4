//! Values while a rule runs: scalars, lists and maps, most of them borrowed from the object.
//!
//! An object is not converted before its rules run. A list or map of it is a reference beside its schema, and an element
//! gets its type when it is read.
//!
//! **Invariant:** reading a field, an element or a text of the object allocates nothing.

mod compare;
mod container;
mod equal;
mod print;
mod typed;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value as Json;

use super::library::authorizer::Authorization;
use super::library::net::Cidr;
use super::library::quantity::Quantity;
use super::library::semver::Semver;
use super::library::time::Timestamp;
use super::library::url::Url;
use crate::structural::ListType;

pub(crate) use compare::{Numeric, compare, is_comparable};
pub(crate) use container::{Entries, FieldName, Key, List, Map, lossless_int};
pub(crate) use equal::{equal, equal_method, is_member, membership};
pub(crate) use print::{display, float_g};
pub(crate) use typed::{Shape, read};

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// An error of CEL, which `&&`, `||`, `all()` and `exists()` may absorb.
    Error(Message),
    /// The end of the evaluation, whatever stands around: the cost limit, and what panics upstream.
    Abort(Message),
}

/// Text of a failure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Fixed(&'static str),
    Written(Box<str>),
}

impl Failure {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self::Error(Message::Written(text.into()))
    }

    pub(crate) fn fixed(text: &'static str) -> Self {
        Self::Error(Message::Fixed(text))
    }

    pub(crate) fn abort(text: &'static str) -> Self {
        Self::Abort(Message::Fixed(text))
    }

    /// What upstream says when a value's type fits no function, without more.
    pub(crate) fn no_overload() -> Self {
        Self::fixed("no such overload")
    }

    pub(crate) fn no_key(key: impl fmt::Display) -> Self {
        Self::new(format!("no such key: {key}"))
    }

    pub(crate) fn is_abort(&self) -> bool {
        matches!(self, Self::Abort(_))
    }

    pub(crate) fn text(&self) -> &str {
        let (Self::Error(message) | Self::Abort(message)) = self;
        match message {
            Message::Fixed(text) => text,
            Message::Written(text) => text,
        }
    }
}

/// What an expression comes to.
pub(crate) type Outcome<'a> = Result<Value<'a>, Failure>;

/// A string: a piece of the object or the rule, or made on the way.
#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

impl Text<'_> {
    /// The same text without a copy.
    pub(crate) fn borrow(&self) -> Text<'_> {
        Text::Borrowed(self)
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

/// A named format, as `format.named()` finds it.
pub(crate) type NamedFormat = super::library::formats::NamedFormat;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    /// In nanoseconds, as in Go.
    Duration(i64),
    Timestamp(Timestamp),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Arc<Value<'a>>>),
    /// A type, by its name at run time.
    Type(&'static str),
    Quantity(Arc<Quantity>),
    Url(Arc<Url>),
    Ip(IpAddr),
    Cidr(Cidr),
    Semver(Arc<Semver>),
    Format(&'static NamedFormat),
    /// An authorizer, or what comes of it.
    Authorization(Authorization),
    /// Data without a type, of which nothing but its equality is known.
    Opaque(&'a Json),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::String(Text::from(text.into()))
    }

    pub(crate) fn borrowed(text: &'a str) -> Self {
        Self::String(Text::Borrowed(text))
    }

    pub(crate) fn list(values: Vec<Value<'a>>) -> Self {
        Self::List(List::Shared(Arc::new(values)))
    }

    pub(crate) fn texts(values: impl IntoIterator<Item = String>) -> Self {
        Self::list(values.into_iter().map(Value::text).collect())
    }

    pub(crate) fn some(value: Value<'a>) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    /// The same value for as long as this one lives; costs no allocation where the value is plain.
    pub(crate) fn reborrow(&'a self) -> Value<'a> {
        match self {
            Self::String(text) => Self::String(text.borrow()),
            Self::List(List::Shared(values)) => Self::List(List::Values(values)),
            Self::Map(Map::Shared(entries)) => Self::Map(Map::Values(entries)),
            other => other.clone(),
        }
    }

    /// Name of the type at run time, without what is inside.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Authorization(stage) => stage.type_name(),
            Self::Opaque(_) => "unknown",
        }
    }

    /// The type as messages write it: lists and maps have parameters there.
    pub(crate) fn type_text(&self) -> &'static str {
        type_text(self.type_name())
    }

    /// The type of the value in Go, which some messages give away.
    pub(crate) fn go_type(&self) -> &'static str {
        match self {
            Self::Null => "types.Null",
            Self::Bool(_) => "types.Bool",
            Self::Int(_) => "types.Int",
            Self::Uint(_) => "types.Uint",
            Self::Double(_) => "types.Double",
            Self::String(_) => "types.String",
            Self::Bytes(_) => "types.Bytes",
            Self::Duration(_) => "types.Duration",
            Self::Timestamp(_) => "types.Timestamp",
            Self::List(List::Json(_, Some(node)) | List::Typed(_, node)) => match node.list_type {
                ListType::Atomic => "*common.unstructuredList",
                ListType::Set => "*common.unstructuredSetList",
                ListType::Map(_) => "*common.unstructuredMapList",
            },
            Self::List(List::Joined(_)) => "*types.concatList",
            Self::List(_) => "*types.baseList",
            Self::Map(Map::Json(_, shape)) if !matches!(shape, Shape::Raw) => "*common.unstructuredMap",
            Self::Map(_) => "*types.baseMap",
            Self::Optional(_) => "*types.Optional",
            Self::Type(_) => "*types.Type",
            Self::Quantity(quantity) if quantity.computed => "*cel.Quantity",
            Self::Quantity(_) => "cel.Quantity",
            Self::Url(_) => "cel.URL",
            Self::Ip(_) => "cel.IP",
            Self::Cidr(_) => "cel.CIDR",
            Self::Semver(_) => "cel.Semver",
            Self::Format(_) => "cel.Format",
            Self::Authorization(stage) => stage.go_type(),
            Self::Opaque(_) => "*common.unknownPreserved",
        }
    }

    /// Whether Go can look for the value among a map's keys.
    ///
    /// # Errors
    /// It panics, which ends the evaluation.
    pub(crate) fn check_hashable(&self) -> Result<(), Failure> {
        match self {
            Self::Bytes(_) => Err(Failure::abort(
                "internal error: runtime error: hash of unhashable type types.Bytes",
            )),
            Self::Semver(_) => Err(Failure::abort(
                "internal error: runtime error: hash of unhashable type cel.Semver",
            )),
            Self::Format(_) => Err(Failure::abort(
                "internal error: runtime error: hash of unhashable type cel.Format",
            )),
            _ => Ok(()),
        }
    }

    /// Number of elements, entries, characters or bytes; nothing for what has no size.
    pub(crate) fn size(&self) -> Option<u64> {
        Some(match self {
            Self::String(text) => text.chars().count() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::List(list) => list.len() as u64,
            Self::Map(map) => map.len() as u64,
            Self::Ip(IpAddr::V4(_)) => 4,
            Self::Ip(IpAddr::V6(_)) => 16,
            Self::Cidr(cidr) => u64::from(cidr.bits).div_ceil(8),
            _ => return None,
        })
    }

    /// The value as Go's interpreter hands it on from inside an optional: what came from the object has lost its schema.
    pub(crate) fn stripped(&self) -> Value<'a> {
        match self {
            Self::List(List::Json(items, Some(_))) => Self::List(List::Json(items, None)),
            Self::List(List::Typed(values, _)) => {
                Self::list(values.iter().flatten().map(Value::stripped).collect())
            }
            Self::Map(Map::Json(entries, _)) => Self::Map(Map::Json(entries, Shape::Raw)),
            Self::Opaque(json) => typed::raw(json),
            Self::Optional(None) => Self::Null,
            Self::Optional(Some(inner)) => inner.stripped(),
            other => other.clone(),
        }
    }

    /// Whether `optional.ofNonZeroValue()` keeps nothing of it.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) | Self::Duration(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::String(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Timestamp(time) => time.is_zero(),
            // Lists and maps of the object do not say.
            Self::List(List::Json(_, Some(_)) | List::Typed(..)) => false,
            Self::List(list) => list.len() == 0,
            Self::Map(Map::Json(entries, Shape::Raw)) => entries.is_empty(),
            Self::Map(Map::Json(..)) => false,
            Self::Map(map) => map.len() == 0,
            _ => false,
        }
    }
}

/// A type's name as messages write it.
pub(crate) fn type_text(name: &'static str) -> &'static str {
    match name {
        "list" => "list(dyn)",
        "map" => "map(dyn, dyn)",
        other => other,
    }
}
