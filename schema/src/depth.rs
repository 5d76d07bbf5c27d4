//! How deep documents may nest. All walks here are recursive, so this is what keeps them on the stack.

use serde_json::Value;

use crate::error::FieldError;

/// Deepest nesting of objects and lists in a value or schema that is looked at. What serde_json parses, by its defaults,
/// has 128 levels at most; this is what ordinary threads have the stack for.
///
/// What is deeper, which only a program can have built, is refused by whatever can refuse, and left as it is by
/// [`prepare`](crate::prepare) and its parts.
pub const DEPTH_LIMIT: usize = 640;

/// Whether a value nests deeper than [`DEPTH_LIMIT`]; never looks deeper itself.
pub(crate) fn exceeds(value: &Value) -> bool {
    exceeds_by(value, DEPTH_LIMIT)
}

/// Whether a value nests deeper than a number of levels.
pub(crate) fn exceeds_by(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if limit == 0 => true,
        Value::Array(items) => items.iter().any(|item| exceeds_by(item, limit - 1)),
        Value::Object(map) => map.values().any(|value| exceeds_by(value, limit - 1)),
        _ => false,
    }
}

/// What is wrong with a value that nests too deeply.
pub(crate) fn message() -> String {
    format!("must not nest deeper than {DEPTH_LIMIT} objects and lists")
}

/// The error for a document that nests too deeply; the document is not shown.
pub(crate) fn error(value: &Value, field: &str) -> Option<FieldError> {
    exceeds(value).then(|| FieldError::invalid(field, "", message()))
}
