//! `resource.Quantity`: a decimal number with a suffix, written in its shortest form.
//!
//! Source: apimachinery's `pkg/api/resource/quantity.go` and `suffix.go`.

use serde_json::Value;

const WRONG: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Parts of one in which quantities are counted; smaller ones round up.
const NANO: i128 = 1_000_000_000;

enum Format {
    Decimal,
    Exponent,
    Binary,
}

/// The text of a quantity as the server writes it. One too large for that stays as it is.
///
/// # Errors
/// Upstream's text for what is none.
pub(super) fn normal(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err(WRONG.to_owned()),
    };
    let (unsigned, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(&text), false),
    };
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    if number.is_empty() {
        return Err(WRONG.to_owned());
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || whole.len() + fraction.len() == 0 {
        return Err("unable to parse numeric part of quantity".to_owned());
    }
    let (format, base, power) = read_suffix(suffix).ok_or("unable to parse quantity's suffix")?;
    let canonical = nanos(whole, fraction, base, power).and_then(|nanos| write(nanos, negative, &format));
    Ok(canonical.unwrap_or(text))
}

fn read_suffix(suffix: &str) -> Option<(Format, i128, i32)> {
    let position = |all: &[&str]| all.iter().position(|known| *known == suffix);
    if let Some(at) = position(&DECIMAL) {
        return Some((Format::Decimal, 10, i32::try_from(at).ok()? * 3 - 9));
    }
    if let Some(at) = position(&BINARY) {
        return Some((Format::Binary, 1024, i32::try_from(at).ok()? + 1));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((Format::Exponent, 10, exponent.parse().ok()?))
}

/// The number in nanos; `None` where it is too large to be counted.
fn nanos(whole: &str, fraction: &str, base: i128, power: i32) -> Option<i128> {
    let fraction = fraction.trim_end_matches('0');
    let mut value: i128 = match format!("{whole}{fraction}").trim_start_matches('0') {
        "" => return Some(0),
        digits => digits.parse().ok()?,
    };
    value = value.checked_mul(NANO)?;
    let (mut multiply, mut divide) = (1_i128, 1_i128);
    let factor = base.checked_pow(power.unsigned_abs())?;
    match power < 0 {
        true => divide = factor,
        false => multiply = factor,
    }
    divide = divide.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    value = value.checked_mul(multiply)?;
    // Away from zero, as upstream rounds.
    Some(value / divide + i128::from(value % divide != 0))
}

fn write(nanos: i128, negative: bool, format: &Format) -> Option<String> {
    if nanos == 0 {
        return Some("0".to_owned());
    }
    let sign = if negative { "-" } else { "" };
    let (mut number, mut power) = (nanos, -9);
    if matches!(format, Format::Binary) && nanos % NANO == 0 && nanos >= 1024 * NANO {
        number /= NANO;
        let mut suffix = "";
        let mut larger = BINARY.into_iter();
        while number % 1024 == 0 {
            suffix = larger.next()?;
            number /= 1024;
        }
        return Some(format!("{sign}{number}{suffix}"));
    }
    while number % 1000 == 0 {
        number /= 1000;
        power += 3;
    }
    Some(match format {
        Format::Exponent if power == 0 => format!("{sign}{number}"),
        Format::Exponent => format!("{sign}{number}e{power}"),
        Format::Decimal | Format::Binary => {
            let suffix = DECIMAL.get(usize::try_from(power / 3 + 3).ok()?)?;
            format!("{sign}{number}{suffix}")
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_written_as_upstream_writes_them() {
        for (given, written) in [
            (json!(2), "2"),
            (json!(1.5), "1500m"),
            (json!("1.5"), "1500m"),
            (json!("0.5Gi"), "512Mi"),
            (json!("1024Mi"), "1Gi"),
            (json!("1000"), "1k"),
            (json!("1500"), "1500"),
            (json!("100Ki"), "100Ki"),
            (json!("0.5Ki"), "512"),
            (json!("1e3"), "1e3"),
            (json!("12e4"), "120e3"),
            (json!("-0.1"), "-100m"),
            (json!("0.0000000001"), "1n"),
            (json!("00.00Mi"), "0"),
            (json!(" 5M "), "5M"),
            (json!(".5"), "500m"),
            (json!("5."), "5"),
        ] {
            assert_eq!(normal(&given).as_deref(), Ok(written), "{given}");
        }
        for wrong in [
            json!(""),
            json!("x"),
            json!("1 Mi"),
            json!("1.2.3"),
            json!("1Z"),
            json!(true),
            json!("1e"),
            json!("-"),
        ] {
            assert!(normal(&wrong).is_err(), "{wrong}");
        }
    }
}
