//! Conversions between types: `int()`, `string()`, `timestamp()` and so on.

use super::super::value::{Failure, Outcome, Value, float_g};
use super::time;
use crate::duration;

/// A type that values convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Bool,
    Bytes,
    Double,
    Duration,
    Int,
    String,
    Timestamp,
    Uint,
}

impl Target {
    /// Function of that name, and the type as messages write it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Bool => ("bool", "bool"),
            Self::Bytes => ("bytes", "bytes"),
            Self::Double => ("double", "double"),
            Self::Duration => ("duration", "google.protobuf.Duration"),
            Self::Int => ("int", "int"),
            Self::String => ("string", "string"),
            Self::Timestamp => ("timestamp", "google.protobuf.Timestamp"),
            Self::Uint => ("uint", "uint"),
        }
    }
}

fn overflow(target: Target) -> Failure {
    Failure::fixed(match target {
        Target::Uint => "unsigned integer overflow",
        _ => "integer overflow",
    })
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseFloat`, hexadecimal floats included; what overflows is none.
fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') {
        return parse_float(&without_underscores(text)?);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "infinity") {
        return Some(if text.starts_with('-') {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    if lower == "nan" && unsigned == text {
        return Some(f64::NAN);
    }
    if let Some(hex) = lower.strip_prefix("0x") {
        let value = parse_hex_float(hex)?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    // What Rust reads beyond are names of special values.
    let digits = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let value: f64 = digits.then(|| text.parse().ok()).flatten()?;
    value.is_finite().then_some(value)
}

/// Underscores may stand between digits, and after the base.
fn without_underscores(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hex = unsigned.starts_with("0x") || unsigned.starts_with("0X");
    let is_digit = |byte: u8| byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit());
    let bytes = unsigned.as_bytes();
    for (index, _) in unsigned.match_indices('_') {
        let before = index.checked_sub(1).map(|index| bytes[index]);
        let after_base = hex && index == 2;
        let fits = before.is_some_and(is_digit) || after_base;
        if !fits || !bytes.get(index + 1).copied().is_some_and(is_digit) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

/// Mantissa and binary exponent, the second of which Go demands.
fn parse_hex_float(text: &str) -> Option<f64> {
    /// Beyond any exponent of a float, with as many digits as a text may have.
    const FAR: i64 = 1 << 40;
    let (mantissa, exponent) = text.split_once('p')?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let sign = if exponent.starts_with('-') { -1 } else { 1 };
    let mut exponent = sign * digits.parse::<i64>().unwrap_or(FAR).min(FAR);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    exponent -= 4 * i64::try_from(fraction.len()).ok()?;
    let mut value = 0_u128;
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = u128::from(digit.to_digit(16)?);
        if value >> 120 == 0 {
            value = value << 4 | digit;
        } else {
            // More than a float holds: these only say whether there is anything more.
            value |= u128::from(digit != 0);
            exponent += 4;
        }
    }
    let value = scale_binary(value, exponent);
    value.is_finite().then_some(value)
}

/// `value` times two to the `exponent`, rounded once, to the nearest and of two to the even one.
#[allow(clippy::cast_precision_loss)]
fn scale_binary(value: u128, exponent: i64) -> f64 {
    if value == 0 {
        return 0.0;
    }
    let top = i64::from(value.ilog2()) + exponent;
    if top > 1023 {
        return f64::INFINITY;
    }
    // The last bit that a float of this size has; the smallest ones have fewer.
    let last = (top - 52).max(-1074);
    let surplus = last - exponent;
    let whole = match surplus {
        // All bits fit.
        ..=0 => return value as f64 * power_of_two(exponent),
        128.. => return 0.0,
        1..128 => {
            let (kept, rest) = (value >> surplus, value & ((1 << surplus) - 1));
            let half = 1 << (surplus - 1);
            kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
        }
    };
    whole as f64 * power_of_two(last)
}

/// Exact, also where it is smaller than the smallest normal float.
fn power_of_two(exponent: i64) -> f64 {
    let half = i32::try_from(exponent / 2).unwrap_or_default();
    let rest = i32::try_from(exponent - exponent / 2).unwrap_or_default();
    2.0_f64.powi(half) * 2.0_f64.powi(rest)
}

fn parse_uint(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// An integer nearest to zero from a float; whether the ends fit is as in Go.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn from_float<'a>(value: f64, target: Target) -> Outcome<'a> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    match target {
        Target::Int if value > -TWO_TO_63 && value < TWO_TO_63 => Ok(Value::Int(value as i64)),
        Target::Uint if (0.0..2.0 * TWO_TO_63).contains(&value) => Ok(Value::Uint(value as u64)),
        other => Err(overflow(other)),
    }
}

/// The value converted.
///
/// # Errors
/// Upstream's text, which differs for types that no overload takes.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn convert<'a>(value: &Value<'a>, target: Target) -> Outcome<'a> {
    let (function, name) = target.names();
    match (value, target) {
        (Value::Bool(_), Target::Bool)
        | (Value::Bytes(_), Target::Bytes)
        | (Value::Double(_), Target::Double)
        | (Value::Duration(_), Target::Duration)
        | (Value::Int(_), Target::Int)
        | (Value::String(_), Target::String)
        | (Value::Timestamp(_), Target::Timestamp)
        | (Value::Uint(_), Target::Uint) => Ok(value.clone()),
        (Value::String(text), target) => from_text(text, target).unwrap_or_else(|| {
            Err(Failure::new(format!(
                "type conversion error from 'string' to '{name}'"
            )))
        }),
        (Value::Int(value), Target::Double) => Ok(Value::Double(*value as f64)),
        (Value::Int(value), Target::Uint) => u64::try_from(*value)
            .map(Value::Uint)
            .map_err(|_| overflow(target)),
        (Value::Int(value), Target::Timestamp) => time::from_seconds(*value).map(Value::Timestamp),
        // The overload is declared, and nothing converts.
        (Value::Int(_), Target::Duration) => Err(Failure::new(format!(
            "type conversion error from 'int' to '{name}'"
        ))),
        (Value::Uint(value), Target::Double) => Ok(Value::Double(*value as f64)),
        (Value::Uint(value), Target::Int) => i64::try_from(*value)
            .map(Value::Int)
            .map_err(|_| overflow(target)),
        (Value::Double(value), Target::Int | Target::Uint) => from_float(*value, target),
        (Value::Duration(value), Target::Int) => Ok(Value::Int(*value)),
        (Value::Timestamp(time), Target::Int) => Ok(Value::Int(time.seconds)),
        (_, Target::String) => {
            to_text(value).unwrap_or_else(|| super::mismatch(function, std::slice::from_ref(value)))
        }
        _ => super::mismatch(function, std::slice::from_ref(value)),
    }
}

fn from_text<'a>(text: &str, target: Target) -> Option<Outcome<'a>> {
    Some(Ok(match target {
        Target::Int => Value::Int(text.parse().ok()?),
        Target::Uint => Value::Uint(parse_uint(text)?),
        Target::Double => Value::Double(parse_float(text)?),
        Target::Bool => Value::Bool(parse_bool(text)?),
        Target::Bytes => Value::Bytes(text.as_bytes().into()),
        Target::Duration => Value::Duration(duration::parse_duration(text)?),
        Target::Timestamp => return Some(time::parse_timestamp(text)?.map(Value::Timestamp)),
        Target::String => Value::text(text),
    }))
}

fn to_text<'a>(value: &Value<'a>) -> Option<Outcome<'a>> {
    Some(Ok(Value::text(match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => float_g(*value),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                return Some(Err(Failure::fixed(
                    "invalid UTF-8 in bytes, cannot convert to string",
                )));
            }
        },
        Value::Duration(nanos) => time::duration_text(*nanos),
        Value::Timestamp(time) => time.rfc3339(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(network) => network.to_string(),
        _ => return None,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value<'_>, target: Target) -> String {
        match convert(value, target) {
            Ok(value) => format!(
                "{} {}",
                value.type_name(),
                super::super::super::value::display(&value)
            ),
            Err(error) => error.text().to_owned(),
        }
    }

    #[test]
    fn from_texts() {
        let of = |source: &str, target| text(&Value::text(source), target);
        assert_eq!(of("12", Target::Int), "int 12");
        assert_eq!(
            of("-1", Target::Uint),
            "type conversion error from 'string' to 'uint'"
        );
        assert_eq!(of("1e3", Target::Double), "double 1000");
        assert_eq!(of("0x1p4", Target::Double), "double 16");
        assert_eq!(of("0x1p-1074", Target::Double), "double 5e-324");
        assert_eq!(of("0x1p-1075", Target::Double), "double 0");
        assert_eq!(of("0x1.8p-1075", Target::Double), "double 5e-324");
        assert_eq!(of("0x1p-99999999999999999999", Target::Double), "double 0");
        assert_eq!(of("0x1.fffffffffffff8p0", Target::Double), "double 2");
        assert_eq!(
            of("0x1.fffffffffffff7p0", Target::Double),
            "double 1.9999999999999998"
        );
        assert_eq!(
            of("0x123456789abcdef01p0", Target::Double),
            "double 2.0988295479420645e+19"
        );
        assert_eq!(
            of(&format!("0x1{}1p-400", "0".repeat(99)), Target::Double),
            "double 1"
        );
        assert_eq!(
            of("0x1.fffffffffffffp1023", Target::Double),
            "double 1.7976931348623157e+308"
        );
        assert_eq!(
            of("0x1p1024", Target::Double),
            "type conversion error from 'string' to 'double'"
        );
        assert_eq!(
            of("0x1p", Target::Double),
            "type conversion error from 'string' to 'double'"
        );
        assert_eq!(of("1_0", Target::Double), "double 10");
        assert_eq!(
            of("1__0", Target::Double),
            "type conversion error from 'string' to 'double'"
        );
        assert_eq!(of("nan", Target::Double), "double NaN");
        assert_eq!(of("T", Target::Bool), "bool true");
        assert_eq!(
            of("yes", Target::Bool),
            "type conversion error from 'string' to 'bool'"
        );
        assert_eq!(
            of("x", Target::Timestamp),
            "type conversion error from 'string' to 'google.protobuf.Timestamp'"
        );
    }

    #[test]
    fn between_numbers() {
        assert_eq!(text(&Value::Double(1.9), Target::Int), "int 1");
        assert_eq!(text(&Value::Double(1e19), Target::Int), "integer overflow");
        assert_eq!(
            text(&Value::Double(-1.0), Target::Uint),
            "unsigned integer overflow"
        );
        assert_eq!(text(&Value::Int(-1), Target::Uint), "unsigned integer overflow");
        assert_eq!(text(&Value::Uint(u64::MAX), Target::Int), "integer overflow");
        assert_eq!(text(&Value::Double(1e6), Target::String), "string 1e+06");
        assert_eq!(
            text(&Value::Null, Target::Int),
            "no such overload: int(null_type)"
        );
    }
}
