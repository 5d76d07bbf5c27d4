//! Text as Go prints it: the server's messages quote strings, numbers and JSON that way.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// A string in double quotes, as Go's `%q`.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if (c as u32) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// Whether Go's `strconv.IsPrint` holds, as far as the standard library can tell: no controls, no separators but
/// the ASCII space.
pub(crate) fn is_printable(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}'))
}

/// A float as Go's `%v`: shortest digits, exponent form below 1e-4 and from a million on.
pub(crate) fn float(value: f64) -> String {
    scientific_outside(value, 1e-4, 1e6)
}

/// A float as Go's JSON encoder writes it: exponent form below 1e-6 and from 1e21 on.
fn json_float(value: f64) -> String {
    let text = scientific_outside(value, 1e-6, 1e21);
    // The encoder shortens e-09 to e-9.
    match text.find("e-0") {
        Some(at) => format!("{}e-{}", &text[..at], &text[at + 3..]),
        None => text,
    }
}

pub(crate) fn scientific_outside(value: f64, low: f64, high: f64) -> String {
    let abs = value.abs();
    if abs != 0.0 && (abs < low || abs >= high) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        format!("{mantissa}e{sign}{digits:0>2}")
    } else {
        format!("{value}")
    }
}

/// A number as the server prints it inside messages.
pub(crate) fn number(value: &Number) -> String {
    match (value.as_i64(), value.as_f64()) {
        (Some(n), _) => n.to_string(),
        (_, Some(n)) => float(n),
        _ => value.to_string(),
    }
}

/// JSON as Go's encoder writes it: sorted keys, no spaces, `<`, `>` and `&` escaped.
pub(crate) fn json(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value);
    out
}

/// Whether a text is a time of RFC 3339.
///
/// # Errors
/// What Go's `time.Parse` says.
pub(crate) fn parse_time(text: &str) -> Result<(), String> {
    let failed = |rest: &str, element: &str| {
        Err(format!(
            "parsing time {} as \"2006-01-02T15:04:05Z07:00\": cannot parse {} as {}",
            quote(text),
            quote(rest),
            quote(element)
        ))
    };
    let outside = |what: &str| Err(format!("parsing time {}: {what} out of range", quote(text)));
    let digits = |text: &str, count: usize| -> Option<u32> {
        let digits = text.get(..count)?;
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| digits.parse().ok()).flatten()
    };
    let mut rest = text;
    let mut numbers = [0; 6];
    for (index, (before, element, name)) in [
        ("", "2006", "year"),
        ("-", "01", "month"),
        ("-", "02", "day"),
        ("T", "15", "hour"),
        (":", "04", "minute"),
        (":", "05", "second"),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(after) = rest.strip_prefix(before) else {
            return failed(rest, before);
        };
        rest = after;
        let Some(number) = digits(rest, element.len()) else {
            return failed(rest, element);
        };
        numbers[index] = number;
        rest = &rest[element.len()..];
        let fits = match name {
            "month" => (1..=12).contains(&number),
            "hour" => number < 24,
            "minute" | "second" => number < 60,
            _ => true,
        };
        if !fits {
            return outside(name);
        }
    }
    if let Some(fraction) = rest.strip_prefix(['.', ','])
        && fraction.starts_with(|c: char| c.is_ascii_digit())
    {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    let zone = match rest.strip_prefix('Z') {
        Some(after) => Some(after),
        None => rest.strip_prefix(['+', '-']).and_then(|zone| {
            digits(zone, 2)?;
            digits(zone.get(2..)?.strip_prefix(':')?, 2)?;
            zone.get(5..)
        }),
    };
    match zone {
        None => return failed(rest, "Z07:00"),
        Some("") => {}
        Some(extra) => {
            return Err(format!(
                "parsing time {}: extra text: {}",
                quote(text),
                quote(extra)
            ));
        }
    }
    let [year, month, day, ..] = numbers;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if (1..=last).contains(&day) {
        Ok(())
    } else {
        outside("day")
    }
}

fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (None, None, Some(f)) => out.push_str(&json_float(f)),
            _ => out.push_str(&n.to_string()),
        },
        Value::String(s) => write_json_string(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json_string(out, key);
                out.push(':');
                write_json(out, &map[key]);
            }
            out.push('}');
        }
    }
}

fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_as_go_prints_them() {
        assert_eq!(float(1e300), "1e+300");
        assert_eq!(float(1.5), "1.5");
        assert_eq!(float(1_234_567.0), "1.234567e+06");
        assert_eq!(float(999_999.0), "999999");
        assert_eq!(json_float(1e20), "100000000000000000000");
        assert_eq!(json_float(1e21), "1e+21");
        assert_eq!(float(0.00001), "1e-05");
        assert_eq!(json_float(0.000_000_1), "1e-7");
    }

    /// Texts of Go 1.26.
    #[test]
    fn times_as_go_reads_them() {
        for fine in [
            "2020-01-01T00:00:00Z",
            "2020-02-29T23:59:59.5+01:00",
            "2020-01-01T00:00:00,25Z",
        ] {
            assert_eq!(parse_time(fine), Ok(()), "{fine}");
        }
        for (text, error) in [
            ("x", "cannot parse \"x\" as \"2006\""),
            ("", "cannot parse \"\" as \"2006\""),
            ("2020-01-01", "cannot parse \"\" as \"T\""),
            ("2020-01-01T00:00:00", "cannot parse \"\" as \"Z07:00\""),
            ("2020-13-01T00:00:00Z", "month out of range"),
            ("2021-02-29T00:00:00Z", "day out of range"),
            ("2020-01-01T24:00:00Z", "hour out of range"),
            ("2020-01-01T00:00:00Zx", "extra text: \"x\""),
        ] {
            let found = parse_time(text).unwrap_err();
            assert!(
                found.starts_with(&format!("parsing time {}", quote(text))),
                "{found}"
            );
            assert!(found.ends_with(error), "{found}");
        }
    }

    #[test]
    fn strings_as_go_quotes_them() {
        assert_eq!(quote("a\n\"b\"\u{1}é"), "\"a\\n\\\"b\\\"\\x01é\"");
        assert_eq!(
            json(&json!({"b": "x > 3", "a": [1, null]})),
            "{\"a\":[1,null],\"b\":\"x \\u003e 3\"}"
        );
    }
}
