//! Types of expressions, and what the checker finds out.

use std::collections::HashMap;
use std::sync::Arc;

use kubewright_cel::Expr;

/// A type of CEL.
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
    /// A library's type: `kubernetes.Quantity`, `net.IP`, ...
    Opaque(&'static str),
    /// The type of types.
    Type(Arc<Type>),
    /// A parameter of a generic function.
    Param(&'static str),
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
