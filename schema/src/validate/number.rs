//! Numbers: ranges of formats, bounds, multiples, compared as Go compares them.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::walk::{Sink, field_of};
use crate::error::{FieldError, NO_FIELD};
use crate::format::Format;
use crate::gotext;
use crate::path::Path;
use crate::structural::{Bound, Checks, Type};

/// Whole numbers count as integers up to 2^63, however they are written.
pub(super) fn is_integer(number: &Number) -> bool {
    if number.as_i64().is_some() {
        return true;
    }
    // A whole float beyond 2^53 has no exact form that a client could have meant.
    number
        .as_f64()
        .is_some_and(|float| float.fract() == 0.0 && float.abs() <= MAX_JSON_INTEGER)
}

pub(super) fn check_number<S: Sink>(
    number: &Number,
    kind: Type,
    checks: Option<&Checks>,
    path: &Path<'_>,
    sink: &mut S,
) {
    let format = checks
        .and_then(|checks| checks.format.as_ref())
        .map(|(format, _)| *format);
    if !in_range(number.into(), kind, format) {
        sink.fail(|| range_error("Checked", kind, format, path));
    }
    let Some(checks) = checks else { return };
    // A limit that the type cannot have (1.5 for an integer) is told, and the value compared as a float.
    let number = Num::from(number);
    #[allow(clippy::cast_possible_truncation)]
    let limited = |what: &str, limit: f64, sink: &mut S| {
        // Most limits are small whole numbers, which every type has.
        if f64::from(limit as i32) == limit || in_range(Num::Float(limit), kind, format) {
            return number;
        }
        sink.fail(|| range_error(what, kind, format, path));
        Num::Float(number.float())
    };
    if let Some(factor) = checks.multiple_of {
        let number = limited("MultipleOf", factor, sink);
        check_multiple(number, factor, path, sink);
    }
    if let Some(min) = checks.minimum {
        let number = limited("Minimum boundary", min.limit, sink);
        let fits = number
            .compare(min.limit)
            .is_none_or(|order| order.is_gt() || (order.is_eq() && !min.exclusive));
        if !fits {
            sink.fail(|| bound_error(number, min, "greater than or equal to", "greater than", path));
        }
    }
    if let Some(max) = checks.maximum {
        let number = limited("Maximum boundary", max.limit, sink);
        let fits = number
            .compare(max.limit)
            .is_none_or(|order| order.is_lt() || (order.is_eq() && !max.exclusive));
        if !fits {
            sink.fail(|| bound_error(number, max, "less than or equal to", "less than", path));
        }
    }
}

/// A number as Go's decoder has it.
#[derive(Clone, Copy)]
enum Num {
    Int(i64),
    Float(f64),
}

impl From<&Number> for Num {
    fn from(number: &Number) -> Self {
        match number.as_i64() {
            Some(int) => Self::Int(int),
            None => Self::Float(number.as_f64().unwrap_or(f64::INFINITY)),
        }
    }
}

impl Num {
    #[allow(clippy::cast_precision_loss)]
    fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Int(int) => int.into(),
            Self::Float(float) => float.into(),
        }
    }

    /// Integers are compared as integers with the limit cut to one, as upstream does.
    #[allow(clippy::cast_possible_truncation)]
    fn compare(self, limit: f64) -> Option<Ordering> {
        match self {
            Self::Int(int) => Some(int.cmp(&(limit as i64))),
            Self::Float(float) => float.partial_cmp(&limit),
        }
    }

    /// A limit or factor as messages about this number show it.
    #[allow(clippy::cast_possible_truncation)]
    fn like(self, limit: f64) -> Self {
        match self {
            Self::Int(_) => Self::Int(limit as i64),
            Self::Float(_) => Self::Float(limit),
        }
    }

    fn show(self) -> String {
        match self {
            Self::Int(int) => int.to_string(),
            Self::Float(float) => gotext::float(float),
        }
    }
}

fn bound_error(number: Num, bound: Bound, inclusive: &str, exclusive: &str, path: &Path<'_>) -> FieldError {
    let relation = if bound.exclusive { exclusive } else { inclusive };
    let limit = number.like(bound.limit).show();
    let detail = format!("{} in body should be {relation} {limit}", path.render());
    FieldError::invalid(field_of(path), number.value(), detail)
}

fn check_multiple<S: Sink>(number: Num, factor: f64, path: &Path<'_>, sink: &mut S) {
    let (positive, multiple) = match (number, number.like(factor)) {
        (Num::Int(value), Num::Int(factor)) => (factor > 0, factor > 0 && value % factor == 0),
        _ => {
            let value = number.float();
            let quotient = if factor < 1.0 {
                1.0 / factor * value
            } else {
                value / factor
            };
            (factor > 0.0, is_json_integer(quotient))
        }
    };
    let factor = number.like(factor);
    if !positive {
        sink.fail(|| {
            let detail = format!(
                "factor MultipleOf declared for {} must be positive: {}",
                path.render(),
                factor.show()
            );
            FieldError::invalid(field_of(path), factor.value(), detail)
        });
    } else if !multiple {
        sink.fail(|| {
            let detail = format!(
                "{} in body should be a multiple of {}",
                path.render(),
                factor.show()
            );
            FieldError::invalid(field_of(path), number.value(), detail)
        });
    }
}

/// A whole number that a float holds exactly, up to a rounding error of division.
fn is_json_integer(float: f64) -> bool {
    let whole = float.round();
    float.abs() <= MAX_JSON_INTEGER
        && (float == whole || (float - whole).abs() < 1e-9 * float.abs().max(f64::MIN_POSITIVE))
}

/// 2^53 - 1.
const MAX_JSON_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Whether a number fits the machine type that its format names (SCH-26).
#[allow(clippy::cast_possible_truncation)]
fn in_range(number: Num, kind: Type, format: Option<Format>) -> bool {
    match (kind, format, number) {
        (Type::Integer, Some(Format::Int32), Num::Int(int)) => i32::try_from(int).is_ok(),
        (Type::Integer, Some(Format::Int32), Num::Float(float)) => {
            float.fract() == 0.0 && (-2_147_483_648.0..2_147_483_648.0).contains(&float)
        }
        (Type::Integer, _, Num::Int(_)) => true,
        (Type::Integer, _, Num::Float(float)) => {
            float.fract() == 0.0 && float.abs() < 9_223_372_036_854_775_808.0
        }
        (Type::Number, Some(Format::Float), number) => (number.float() as f32).is_finite(),
        _ => true,
    }
}

fn range_error(what: &str, kind: Type, format: Option<Format>, path: &Path<'_>) -> FieldError {
    let format = match format {
        Some(Format::Int32) => " with format int32",
        Some(Format::Int64) => " with format int64",
        Some(Format::Float) => " with format float",
        Some(Format::Double) => " with format double",
        _ => " (default format)",
    };
    let detail = format!(
        "{what} value must be of type {}{format} in {}",
        kind.name(),
        path.render()
    );
    FieldError::invalid(NO_FIELD, "", detail)
}
