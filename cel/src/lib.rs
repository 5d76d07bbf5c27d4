//! Syntax of the Common Expression Language (CEL), as API servers read it: from a text to a syntax tree with its
//! macros expanded, or to the messages that cel-go gives.
//!
//! What an expression means (types, cost, value) is the schema crate's; this crate has no dependencies, so that derive
//! macros can look at rules too.

pub mod ast;

pub use ast::{Comprehension, Entry, Expr, ExprKind, Field, Literal};
