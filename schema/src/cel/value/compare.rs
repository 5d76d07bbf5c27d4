//! Order of values.

use std::cmp::Ordering;

use super::{Failure, Value};

/// A number of any of the three types.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numeric {
    Int(i64),
    Uint(u64),
    Double(f64),
}

impl Numeric {
    pub(crate) fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Int(value) => Some(Self::Int(*value)),
            Value::Uint(value) => Some(Self::Uint(*value)),
            Value::Double(value) => Some(Self::Double(*value)),
            _ => None,
        }
    }

    fn is_nan(self) -> bool {
        matches!(self, Self::Double(value) if value.is_nan())
    }

    /// Order as Go's library has it: an integer beside a float counts as the nearest float.
    #[allow(clippy::cast_precision_loss)]
    fn order(self, other: Self) -> Ordering {
        let floats = |left: f64, right: f64| left.partial_cmp(&right).unwrap_or(Ordering::Equal);
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.cmp(&right),
            (Self::Uint(left), Self::Uint(right)) => left.cmp(&right),
            (Self::Double(left), Self::Double(right)) => floats(left, right),
            (Self::Int(left), Self::Uint(right)) => i128::from(left).cmp(&i128::from(right)),
            (Self::Double(left), Self::Int(right)) => floats(left, right as f64),
            (Self::Double(left), Self::Uint(right)) => floats(left, right as f64),
            (left, right) => right.order(left).reverse(),
        }
    }

    pub(super) fn equals(self, other: Self) -> bool {
        !self.is_nan() && !other.is_nan() && self.order(other).is_eq()
    }
}

/// Whether values of the type have an order.
pub(crate) fn is_comparable(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::Bool(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Duration(_)
            | Value::Timestamp(_)
    )
}

/// The order of two values.
///
/// # Errors
/// They have none.
pub(crate) fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Ordering, Failure> {
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::Duration(left), Value::Duration(right)) => left.cmp(right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.instant().cmp(&right.instant()),
        _ => {
            let (Some(left), Some(right)) = (Numeric::of(left), Numeric::of(right)) else {
                return Err(Failure::no_overload());
            };
            if left.is_nan() || right.is_nan() {
                return Err(Failure::fixed("NaN values cannot be ordered"));
            }
            left.order(right)
        }
    })
}
