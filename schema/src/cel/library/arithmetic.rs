//! `+`, `-`, `*`, `/`, `%` and the sign.

use super::super::value::{Failure, Outcome, Text, Value};

fn int_overflow() -> Failure {
    Failure::fixed("integer overflow")
}

fn uint_overflow() -> Failure {
    Failure::fixed("unsigned integer overflow")
}

fn int<'a>(value: Option<i64>) -> Outcome<'a> {
    value.map(Value::Int).ok_or_else(int_overflow)
}

fn uint<'a>(value: Option<u64>) -> Outcome<'a> {
    value.map(Value::Uint).ok_or_else(uint_overflow)
}

/// Whether values of the type stand on the left of the operator at all; texts and times say it another way.
fn unknown<'a>(left: &Value<'_>, known: bool, operator: &str) -> Outcome<'a> {
    let receives = matches!(left, Value::String(_) | Value::Duration(_) | Value::Timestamp(_));
    Err(if known || receives {
        Failure::no_overload()
    } else {
        Failure::new(format!("no such overload: {operator}"))
    })
}

fn is_number(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
}

pub(crate) fn add<'a>(left: Value<'a>, right: Value<'a>) -> Outcome<'a> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_add(right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_add(right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left + right)),
        (Value::String(left), Value::String(right)) => {
            let mut out = String::with_capacity(left.len() + right.len());
            out.push_str(&left);
            out.push_str(&right);
            Ok(Value::String(Text::from(out)))
        }
        (Value::Bytes(left), Value::Bytes(right)) => Ok(Value::Bytes([&*left, &*right].concat().into())),
        (Value::List(left), Value::List(right)) => left.add(right),
        (Value::Duration(left), Value::Duration(right)) => left
            .checked_add(right)
            .map(Value::Duration)
            .ok_or_else(int_overflow),
        (Value::Timestamp(time), Value::Duration(nanos))
        | (Value::Duration(nanos), Value::Timestamp(time)) => time.plus(nanos).map(Value::Timestamp),
        (left, _) => {
            let known = is_number(&left) || matches!(left, Value::Bytes(_) | Value::List(_));
            unknown(&left, known, "_+_")
        }
    }
}

pub(crate) fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Outcome<'a> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_sub(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_sub(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left - right)),
        (Value::Duration(left), Value::Duration(right)) => left
            .checked_sub(*right)
            .map(Value::Duration)
            .ok_or_else(int_overflow),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.since(right).map(Value::Duration),
        (Value::Timestamp(time), Value::Duration(nanos)) => {
            let nanos = nanos.checked_neg().ok_or_else(int_overflow)?;
            time.plus(nanos).map(Value::Timestamp)
        }
        (left, _) => unknown(left, is_number(left), "_-_"),
    }
}

pub(crate) fn multiply<'a>(left: &Value<'a>, right: &Value<'a>) -> Outcome<'a> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(left.checked_mul(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_mul(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left * right)),
        (left, _) => unknown(left, is_number(left), "_*_"),
    }
}

pub(crate) fn divide<'a>(left: &Value<'a>, right: &Value<'a>) -> Outcome<'a> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(Failure::fixed("division by zero"))
        }
        (Value::Int(left), Value::Int(right)) => int(left.checked_div(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_div(*right)),
        (Value::Double(left), Value::Double(right)) => Ok(Value::Double(left / right)),
        (left, _) => unknown(left, is_number(left), "_/_"),
    }
}

pub(crate) fn modulo<'a>(left: &Value<'a>, right: &Value<'a>) -> Outcome<'a> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(Failure::fixed("modulus by zero"))
        }
        (Value::Int(left), Value::Int(right)) => int(left.checked_rem(*right)),
        (Value::Uint(left), Value::Uint(right)) => uint(left.checked_rem(*right)),
        (left, _) => unknown(left, matches!(left, Value::Int(_) | Value::Uint(_)), "_%_"),
    }
}

pub(crate) fn negate<'a>(value: &Value<'a>) -> Outcome<'a> {
    match value {
        Value::Int(value) => int(value.checked_neg()),
        Value::Double(value) => Ok(Value::Double(-value)),
        Value::Duration(value) => value.checked_neg().map(Value::Duration).ok_or_else(int_overflow),
        other => unknown(other, matches!(other, Value::Bool(_)), "-_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(outcome: Outcome<'_>) -> String {
        outcome.unwrap_err().text().to_owned()
    }

    #[test]
    fn limits() {
        let max = Value::Int(i64::MAX);
        assert_eq!(error(add(max.clone(), Value::Int(1))), "integer overflow");
        assert_eq!(
            error(subtract(&Value::Uint(0), &Value::Uint(1))),
            "unsigned integer overflow"
        );
        assert_eq!(error(divide(&max, &Value::Int(0))), "division by zero");
        assert_eq!(error(modulo(&max, &Value::Int(0))), "modulus by zero");
        assert_eq!(
            error(divide(&Value::Int(i64::MIN), &Value::Int(-1))),
            "integer overflow"
        );
        assert_eq!(error(negate(&Value::Int(i64::MIN))), "integer overflow");
        assert_eq!(error(add(max, Value::Uint(1))), "no such overload");
        assert_eq!(error(add(Value::Null, Value::Uint(1))), "no such overload: _+_");
    }
}
