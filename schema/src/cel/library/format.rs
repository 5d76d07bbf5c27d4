//! `format()` of strings.

use super::super::value::{Failure, List, Map, Value};
use super::COST_EXCEEDED;
use super::convert::{Target, convert};
use crate::gotext;

/// Digits after the point where no number says how many.
const PRECISION: usize = 6;

/// `text.format(args)`.
///
/// # Errors
/// Upstream's text.
pub(super) fn format(text: &str, args: &List<'_>) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut index = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        if index >= args.len() {
            return Err(Failure::new(format!("index {index} out of range")));
        }
        let arg = args.get(index)?;
        if rest.is_empty() {
            return Err(Failure::fixed("unexpected end of string"));
        }
        let (verb, precision, after) = clause(rest)
            .map_err(|error| Failure::new(format!("could not parse formatting clause: {error}")))?;
        let written = write(verb, precision, &arg).map_err(|error| match error {
            error if error == COST_EXCEEDED => Failure::abort(COST_EXCEEDED),
            error => Failure::new(format!("error during formatting: {error}")),
        })?;
        super::check_length(out.len().checked_add(written.len()))?;
        out.push_str(&written);
        rest = after;
        index += 1;
    }
    out.push_str(rest);
    Ok(out)
}

/// The verb, its precision, and what follows.
fn clause(text: &str) -> Result<(char, Option<usize>, &str), String> {
    let mut precision = None;
    let mut rest = text;
    if let Some(after) = text.strip_prefix('.') {
        let Some(end) = after.find(|c: char| !c.is_ascii_digit()) else {
            return Err(
                "error while parsing precision: could not find end of precision specifier".to_owned(),
            );
        };
        let digits = &after[..end];
        let number = digits.parse::<i64>().map_err(|_| {
            let why = if digits.is_empty() { "invalid syntax" } else { "value out of range" };
            format!(
                "error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing \
                 {}: {why}",
                gotext::quote(digits)
            )
        })?;
        precision = usize::try_from(number).ok();
        rest = &after[end..];
    }
    let verb = rest.chars().next().unwrap_or_default();
    if !"sdfebxXo".contains(verb) {
        // Go looks at bytes here.
        let byte = char::from(rest.as_bytes().first().copied().unwrap_or_default());
        return Err(format!("unrecognized formatting clause \"{byte}\""));
    }
    Ok((verb, precision, &rest[verb.len_utf8()..]))
}

fn write(verb: char, precision: Option<usize>, arg: &Value<'_>) -> Result<String, String> {
    let given = arg.type_name();
    match (verb, arg) {
        ('s', _) => text(arg),
        ('d', _) => decimal(arg),
        ('f' | 'e', _) => {
            let name = if verb == 'f' { "fixed-point" } else { "scientific" };
            let Some(value) = float(arg) else {
                return Err(format!(
                    "{name} clause can only be used on doubles, was given {given}"
                ));
            };
            let precision = precision.unwrap_or(PRECISION);
            // Zero has no sign there, though what rounds to it has.
            let value = if value == 0.0 { 0.0 } else { value };
            Ok(if verb == 'f' {
                fixed(value, precision)
            } else {
                // What should be a precision is taken for a width upstream.
                wide(&scientific(value), precision)
            })
        }
        ('b', Value::Int(value)) => Ok(signed(*value, |value| format!("{value:b}"))),
        ('b', Value::Uint(value)) => Ok(format!("{value:b}")),
        ('b', Value::Bool(value)) => Ok(u8::from(*value).to_string()),
        ('b', _) => Err(format!(
            "only integers and bools can be formatted as binary, was given {given}"
        )),
        ('o', Value::Int(value)) => Ok(signed(*value, |value| format!("{value:o}"))),
        ('o', Value::Uint(value)) => Ok(format!("{value:o}")),
        ('o', _) => Err(format!(
            "octal clause can only be used on integers, was given {given}"
        )),
        (verb, _) => {
            let hex = match arg {
                Value::Int(value) => signed(*value, |value| format!("{value:x}")),
                Value::Uint(value) => format!("{value:x}"),
                Value::String(text) => hex(text.as_bytes()),
                Value::Bytes(bytes) => hex(bytes),
                _ => {
                    return Err(format!(
                        "only integers, byte buffers, and strings can be formatted as hex, was given {given}"
                    ));
                }
            };
            Ok(if verb == 'X' { hex.to_uppercase() } else { hex })
        }
    }
}

/// Largest width or precision that Go reads in a verb, and what it prints for a larger one.
const MAX_NUMBER: usize = 1_000_000;
const NO_VERB: &str = "%!(NOVERB)";
/// Digits behind the point after which every float has but zeros.
const EXACT_DIGITS: usize = 1_100;

/// The text at the end of a field of this width.
fn wide(text: &str, width: usize) -> String {
    if width > MAX_NUMBER {
        return NO_VERB.to_owned();
    }
    let mut out = " ".repeat(width.saturating_sub(text.chars().count()));
    out.push_str(text);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signed(value: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", digits(value.unsigned_abs()))
}

/// A float, or one of three texts that stand for one.
fn float(arg: &Value<'_>) -> Option<f64> {
    match arg {
        Value::Double(value) => Some(*value),
        Value::String(text) if matches!(&**text, "NaN" | "Infinity" | "-Infinity") => {
            match convert(arg, Target::Double) {
                Ok(Value::Double(value)) => Some(value),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What is no number, as the English locale writes it.
fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "∞" } else { "-∞" })
    } else {
        None
    }
}

/// With groups of three digits, as in English.
fn fixed(value: f64, precision: usize) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    if precision > MAX_NUMBER {
        return NO_VERB.to_owned();
    }
    // No float has more digits than these; zeros follow.
    let exact = precision.min(EXACT_DIGITS);
    let mut text = format!("{value:.exact$}");
    text.extend(std::iter::repeat_n('0', precision - exact));
    let unsigned = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut out = String::with_capacity(text.len() + whole.len() / 3);
    if unsigned.len() < text.len() {
        out.push('-');
    }
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// With a power of ten written out, as in English.
fn scientific(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = format!("{value:.PRECISION$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('⁻', digits),
        None => ('\0', exponent),
    };
    let raised: String = format!("{digits:0>2}")
        .chars()
        .map(|digit| match digit {
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        })
        .collect();
    let sign: String = Some(sign).filter(|sign| *sign != '\0').into_iter().collect();
    format!("{mantissa}×10{sign}{raised}")
}

fn decimal(arg: &Value<'_>) -> Result<String, String> {
    match arg {
        Value::Int(value) => Ok(value.to_string()),
        Value::Uint(value) => Ok(value.to_string()),
        other => Err(format!(
            "decimal clause can only be used on integers, was given {}",
            other.type_name()
        )),
    }
}

/// The `%s` clause.
fn text(arg: &Value<'_>) -> Result<String, String> {
    match arg {
        Value::List(list) => list_text(list),
        Value::Map(map) => map_text(map),
        Value::Null => Ok("null".to_owned()),
        Value::Type(name) => Ok((*name).to_owned()),
        Value::Int(_)
        | Value::Uint(_)
        | Value::Double(_)
        | Value::Bool(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Duration(_)
        | Value::Timestamp(_) => match convert(arg, Target::String) {
            Ok(Value::String(text)) => Ok(text.to_string()),
            Ok(_) => Ok(String::new()),
            Err(error) => Err(format!(
                "could not convert argument {} to string",
                gotext::quote(error.text())
            )),
        },
        other => Err(format!(
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and \
             timestamps, was given {}",
            other.type_name()
        )),
    }
}

/// A value inside a list or a map, as a literal of CEL.
fn member(value: &Value<'_>) -> Result<String, String> {
    Ok(match value {
        Value::Int(_) | Value::Uint(_) => decimal(value)?,
        Value::String(inner) => gotext::quote(inner),
        Value::Bytes(_) => format!("b{}", gotext::quote(&text(value)?)),
        Value::Bool(_) | Value::Null | Value::Type(_) | Value::List(_) | Value::Map(_) => text(value)?,
        Value::Timestamp(_) => format!("timestamp({})", gotext::quote(&text(value)?)),
        Value::Duration(_) => format!("duration({})", gotext::quote(&text(value)?)),
        Value::Double(value) if value.is_nan() => "\"NaN\"".to_owned(),
        Value::Double(value) if value.is_infinite() => {
            if *value > 0.0 { "\"+Inf\"" } else { "\"-Inf\"" }.to_owned()
        }
        Value::Double(value) => format!("{value:.PRECISION$}"),
        other => return Err(format!("no formatting function for {}", other.type_name())),
    })
}

/// Texts that are put together; what becomes too long ends the evaluation.
#[derive(Default)]
struct Parts {
    texts: Vec<String>,
    length: usize,
}

impl Parts {
    fn push(&mut self, text: String) -> Result<(), String> {
        self.length = self.length.saturating_add(text.len());
        super::check_length(Some(self.length)).map_err(|_| COST_EXCEEDED.to_owned())?;
        self.texts.push(text);
        Ok(())
    }
}

fn list_text(list: &List<'_>) -> Result<String, String> {
    let mut members = Parts::default();
    for value in list.iter() {
        members.push(member(&value.map_err(|error| error.text().to_owned())?)?)?;
    }
    Ok(format!("[{}]", members.texts.join(", ")))
}

fn map_text(map: &Map<'_>) -> Result<String, String> {
    let mut entries = Parts::default();
    for key in map.keys() {
        let name = match &key {
            Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_) => member(&key)?,
            other => {
                return Err(format!(
                    "no formatting function for map key of type {}",
                    other.type_name()
                ));
            }
        };
        let value = map.get(&key).map_err(|error| error.text().to_owned())?;
        entries.push(format!("{name}:{}", member(&value)?))?;
    }
    // Names end in a quote or are of one type, so that their order is that of the entries.
    entries.texts.sort();
    Ok(format!("{{{}}}", entries.texts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str, args: Vec<Value<'_>>) -> String {
        let Value::List(list) = Value::list(args) else {
            unreachable!()
        };
        format(text, &list).unwrap_or_else(|error| error.text().to_owned())
    }

    #[test]
    fn clauses() {
        assert_eq!(
            formatted(
                "%s %d %x%%",
                vec![Value::text("a"), Value::Int(-3), Value::Uint(255)]
            ),
            "a -3 ff%"
        );
        assert_eq!(
            formatted("%.2f", vec![Value::Double(1_234_567.891)]),
            "1,234,567.89"
        );
        assert_eq!(
            formatted(
                "%s",
                vec![Value::list(vec![
                    Value::text("a"),
                    Value::Double(1.5),
                    Value::Duration(1)
                ])]
            ),
            "[\"a\", 1.500000, duration(\"0.000000001s\")]"
        );
        assert_eq!(formatted("%s", vec![]), "index 0 out of range");
        assert_eq!(
            formatted("%y", vec![Value::Int(1)]),
            "could not parse formatting clause: unrecognized formatting clause \"y\""
        );
        assert_eq!(
            formatted("%d", vec![Value::text("a")]),
            "error during formatting: decimal clause can only be used on integers, was given string"
        );
    }
}
