//! Types of expressions, and what the checker finds out.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use kubewright_cel::Expr;

/// A type of CEL.
#[allow(clippy::enum_variant_names)] // `type(x)` is what CEL calls the type of types
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    /// Known at run time only.
    Dyn,
    /// Of an expression with a mistake that is already reported.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Arc<Type>),
    Map(Arc<(Type, Type)>),
    Optional(Arc<Type>),
    /// A declared object, by its name.
    Object(Arc<str>),
    /// A library's type: `kubernetes.Quantity`, `net.IP`, ... The name `type` as a value is `Opaque("type")`, the name
    /// `optional_type` is `Opaque("optional_type")`.
    Opaque(&'static str),
    /// The type of types.
    Type(Arc<Type>),
    /// A parameter of a generic function.
    Param(&'static str),
    /// What the checker has yet to find; never in a [`Checked`].
    Var(u32),
}

impl Type {
    /// The name at run time, without parameters.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Dyn => "dyn",
            Self::Error => "error",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Object(name) => name,
            Self::Opaque(name) | Self::Param(name) => name,
            Self::Type(_) => "type",
            Self::Var(_) => "",
        }
    }
}

impl Type {
    /// The name in full, as the type itself prints it.
    pub(crate) fn declared(&self) -> String {
        match self {
            Self::List(of) | Self::Optional(of) | Self::Type(of) => {
                format!("{}({})", self.name(), of.declared())
            }
            Self::Map(of) => format!("map({}, {})", of.0.declared(), of.1.declared()),
            _ => self.name().to_owned(),
        }
    }
}

/// As messages of the checker name it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error => f.write_str("!error!"),
            Self::Null => f.write_str("null"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::List(of) | Self::Optional(of) | Self::Type(of) => write!(f, "{}({of})", self.name()),
            Self::Map(of) => write!(f, "map({}, {})", of.0, of.1),
            Self::Var(number) => write!(f, "_var{number}"),
            _ => f.write_str(self.name()),
        }
    }
}

/// An expression whose types are right.
///
/// Where a name is qualified (`sets.contains(a, b)`, `optional.none()`), the tree has one call or name without a target,
/// as in cel-go.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) expr: Expr,
    /// Types of nodes, by id.
    pub(crate) types: HashMap<u32, Type>,
    /// What names and calls stand for, by id.
    pub(crate) references: HashMap<u32, Reference>,
}

impl Checked {
    /// The type of a node.
    pub(crate) fn type_of(&self, expr: &Expr) -> &Type {
        self.types.get(&expr.id).unwrap_or(&Type::Dyn)
    }
}

/// What a name or a call stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reference {
    /// A variable, by its full name.
    Variable(Box<str>),
    /// A type as a value (`int`, `type(x) == string`).
    TypeName(Type),
    /// A call: cel-go's overload ids that may apply, one unless an argument is dynamic.
    Overloads(Vec<&'static str>),
}
