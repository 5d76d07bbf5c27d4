//! Field errors: what is wrong, at which field, in the words of the server.
//!
//! **Invariant:** the text of a [`FieldError`] is that of upstream's `field.Error` for the same kind, value and
//! detail, so that it can stand in a `Status` unchanged.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use crate::gotext;

/// Sort of a field error; decides the `reason` of a status cause and the first words of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value that must be there is not.
    Required,
    /// The value breaks a rule.
    Invalid,
    /// The value has the wrong JSON type or format.
    TypeInvalid,
    /// The value is none of those allowed.
    NotSupported,
    /// The value occurs twice where it must be unique.
    Duplicate,
    /// The field must not be set here.
    Forbidden,
    /// A string is too long.
    TooLong,
    /// A list or map has too many entries.
    TooMany,
    /// A value that was looked for is not there.
    NotFound,
    /// The server's own fault.
    Internal,
}

impl ErrorKind {
    /// `reason` of a status cause, such as `FieldValueInvalid`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::NotFound => "FieldValueNotFound",
            Self::Internal => "InternalError",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::NotFound => "Not found",
            Self::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(
            self,
            Self::Required | Self::Forbidden | Self::TooLong | Self::Internal
        )
    }
}

/// One mistake in an object or a CRD.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FieldError {
    /// Sort of mistake.
    pub kind: ErrorKind,
    /// Path of the field, such as `spec.replicas` or `spec.ports[0].name`; `<nil>` where the server names none.
    pub field: String,
    /// The value found; `None` where the message leaves it out.
    pub bad_value: Option<Value>,
    /// What is wrong with it; may be empty.
    pub detail: String,
    /// The value as the message shows it, where the server prints its own internal form.
    shown: Option<String>,
}

impl FieldError {
    /// Makes an error of any kind.
    pub fn new(
        kind: ErrorKind,
        field: impl Into<String>,
        bad_value: impl Into<Option<Value>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            field: field.into(),
            bad_value: bad_value.into(),
            detail: detail.into(),
            shown: None,
        }
    }

    /// Shows this text as the value.
    pub(crate) fn showing(mut self, text: String) -> Self {
        self.shown = Some(text);
        self
    }

    pub(crate) fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Required, field, None, detail)
    }

    pub(crate) fn invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::Invalid, field, value.into(), detail)
    }

    pub(crate) fn type_invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::TypeInvalid, field, value.into(), detail)
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, field, None, detail)
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(ErrorKind::Duplicate, field, value.into(), "")
    }

    pub(crate) fn not_supported<S: AsRef<str>>(
        field: impl Into<String>,
        value: impl Into<Value>,
        supported: &[S],
    ) -> Self {
        let detail = if supported.is_empty() {
            String::new()
        } else {
            let quoted: Vec<String> = supported.iter().map(|s| gotext::quote(s.as_ref())).collect();
            format!("supported values: {}", quoted.join(", "))
        };
        Self::new(ErrorKind::NotSupported, field, value.into(), detail)
    }

    pub(crate) fn too_long(field: impl Into<String>, max: i64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        let detail = if max >= 0 {
            format!("may not be more than {max} {unit}")
        } else {
            "value is too long".to_owned()
        };
        Self::new(ErrorKind::TooLong, field, None, detail)
    }

    pub(crate) fn too_many(field: impl Into<String>, actual: usize, max: i64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        let detail = if max >= 0 {
            format!("must have at most {max} {unit}")
        } else {
            "has too many items".to_owned()
        };
        Self::new(ErrorKind::TooMany, field, Value::from(actual), detail)
    }

    /// `reason` of the status cause, such as `FieldValueInvalid`.
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// `message` of the status cause: all of the text but the field.
    pub fn message(&self) -> String {
        let mut text = self.kind.title().to_owned();
        if self.kind.shows_value()
            && let Some(value) = &self.bad_value
        {
            text.push_str(": ");
            text.push_str(&match value {
                _ if self.shown.is_some() => self.shown.clone().unwrap_or_default(),
                Value::String(s) => gotext::quote(s),
                Value::Number(n) => gotext::number(n),
                other => gotext::json(other),
            });
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }

    /// The same error one level further out: `prefix` is put before its field.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        if !prefix.is_empty() && self.field != NO_FIELD {
            self.field = join(prefix, &self.field);
        }
        self
    }
}

/// What the server prints where an error has no field.
pub(crate) const NO_FIELD: &str = "<nil>";

/// `parent.child`, with `[0]` joined without a dot.
pub(crate) fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() {
        child.to_owned()
    } else if child.is_empty() {
        parent.to_owned()
    } else if child.starts_with('[') {
        format!("{parent}{child}")
    } else {
        format!("{parent}.{child}")
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message())
    }
}

impl std::error::Error for FieldError {}

/// All errors in one text, as a `Status` message has them: bare if there is one, else bracketed; repetitions are
/// left out.
///
/// ```
/// use kubewright_schema::{ErrorKind, FieldError, message_of};
/// let a = FieldError::new(ErrorKind::Required, "spec.a", None, "");
/// let b = FieldError::new(ErrorKind::Required, "spec.b", None, "");
/// assert_eq!(message_of(&[a.clone()]), "spec.a: Required value");
/// assert_eq!(message_of(&[a, b]), "[spec.a: Required value, spec.b: Required value]");
/// ```
pub fn message_of(errors: &[FieldError]) -> String {
    let mut seen = HashSet::with_capacity(errors.len());
    let mut texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.retain(|text| seen.insert(text.clone()));
    match texts.len() {
        1 => texts.remove(0),
        _ => format!("[{}]", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_upstreams() {
        let e = FieldError::invalid("spec.r", 11, "spec.r in body should be less than or equal to 10");
        assert_eq!(
            e.to_string(),
            "spec.r: Invalid value: 11: spec.r in body should be less than or equal to 10"
        );
        assert_eq!(FieldError::required("a", "").to_string(), "a: Required value");
        assert_eq!(
            FieldError::not_supported("a", Value::Null, &["A"]).message(),
            "Unsupported value: null: supported values: \"A\""
        );
        assert_eq!(
            FieldError::duplicate("l[1]", json!({"name": "a"})).to_string(),
            "l[1]: Duplicate value: {\"name\":\"a\"}"
        );
        assert_eq!(
            FieldError::too_many("a", 3, 2).message(),
            "Too many: 3: must have at most 2 items"
        );
        assert_eq!(
            FieldError::too_long("a", 3).message(),
            "Too long: may not be more than 3 bytes"
        );
    }
}
