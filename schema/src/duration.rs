//! Durations as texts: Go's, and the looser ones of the format `duration`.
//!
//! **Invariant:** a text has the format exactly if it is read as a duration.

use crate::gotext;

pub(crate) const NANOS: i64 = 1_000_000_000;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1000),
    ("µs", 1000),
    ("μs", 1000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// `duration(text)`: Go's `time.ParseDuration`.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let end = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (whole, after) = rest.split_at(end(rest));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(end(after)),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        if whole > 1 << 63 {
            return None;
        }
        let mut value = whole.checked_mul(*unit).filter(|value| *value <= 1 << 63)?;
        if !fraction.is_empty() {
            value += leading_fraction(fraction, *unit);
            if value > 1 << 63 {
                return None;
            }
        }
        total = total.checked_add(value).filter(|total| *total <= 1 << 63)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(total)) => Some(total),
        (true, Ok(total)) => Some(-total),
        // The smallest number has no positive counterpart.
        (true, Err(_)) => Some(i64::MIN),
        (false, Err(_)) => None,
    }
}

/// A fraction of a unit, as Go computes it: by float, from as many digits as fit.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn leading_fraction(digits: &str, unit: u64) -> u64 {
    let mut number = 0_u64;
    let mut scale = 1.0_f64;
    for digit in digits.bytes() {
        if number > (1 << 63) / 10 {
            break;
        }
        let next = number * 10 + u64::from(digit - b'0');
        if next > 1 << 63 {
            break;
        }
        number = next;
        scale *= 10.0;
    }
    (number as f64 * (unit as f64 / scale)) as u64
}

/// A string of format `duration`: Go's, or numbers each followed by a unit as in Scala.
///
/// # Errors
/// Upstream's text.
pub(crate) fn parse_loose_duration(text: &str) -> Result<i64, String> {
    /// Names of units; the last of each also begins longer words.
    const LOOSE: [(&[&str], i64); 8] = [
        (&["ns", "nano"], 1),
        (&["us", "µs", "micro"], 1000),
        (&["ms", "milli"], 1_000_000),
        (&["s", "sec"], NANOS),
        (&["m", "min"], 60 * NANOS),
        (&["h", "hr", "hour"], 3600 * NANOS),
        (&["d", "day"], 86_400 * NANOS),
        (&["w", "wk", "week"], 604_800 * NANOS),
    ];
    if let Some(duration) = parse_duration(text) {
        return Ok(duration);
    }
    let mut rest = text;
    let mut total = 0_i64;
    let mut found = false;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        rest = &rest[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let tail = tail.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        let end = tail
            .find(|c: char| !(c.is_ascii_alphabetic() || c == 'µ'))
            .unwrap_or(tail.len());
        let unit = tail[..end].to_lowercase();
        rest = &tail[end..];
        if unit.is_empty() {
            continue;
        }
        let factor: i64 = number.parse().map_err(|_| {
            format!(
                "strconv.Atoi: parsing {}: value out of range",
                gotext::quote(number)
            )
        })?;
        for (names, size) in LOOSE {
            for (index, name) in names.iter().enumerate() {
                let last = index + 1 == names.len();
                if (last && unit.starts_with(name)) || unit == *name {
                    found = true;
                    total = total.wrapping_add(factor.wrapping_mul(size));
                    // Go counts a unit once for each of its names that fits.
                }
            }
        }
    }
    if found {
        Ok(total)
    } else {
        Err(format!("unable to parse {text} as duration"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1h1.5s"), Some(3_601_500_000_000));
        assert_eq!(parse_duration("-1.5h"), Some(-5_400_000_000_000));
        assert_eq!(parse_duration("1"), None);
        assert_eq!(parse_duration("300000000h"), None);
        assert_eq!(parse_loose_duration("3 days"), Ok(3 * 86_400 * NANOS));
        assert_eq!(
            parse_loose_duration("x"),
            Err("unable to parse x as duration".to_owned())
        );
    }
}
