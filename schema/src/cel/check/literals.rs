//! What is checked of constants once the types are right: durations, times, regular expressions, lists and maps of
//! one kind of value, format strings.
//!
//! **Invariant:** nothing here changes a tree or a type; it only finds mistakes.

use kubewright_cel::{Entry, Expr, ExprKind, Literal};

use super::super::types::{Checked, Type};
use super::Mistake;
use super::format;
use crate::regexp;

/// The mistakes, in cel-go's order of validators.
pub(super) fn validate(checked: &Checked) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    walk(&checked.expr, &mut |expr| {
        argument(expr, "duration", is_duration, &mut mistakes);
    });
    walk(&checked.expr, &mut |expr| {
        argument(expr, "timestamp", is_timestamp, &mut mistakes);
    });
    walk(&checked.expr, &mut |expr| {
        argument(expr, "matches", is_pattern, &mut mistakes);
    });
    uniform(&checked.expr, checked, &mut mistakes);
    walk(&checked.expr, &mut |expr| {
        format::validate(expr, checked, &mut mistakes);
    });
    mistakes
}

/// Visits every node, parents first.
fn walk(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    children(expr, &mut |child| walk(child, visit));
}

/// Visits what is directly below a node.
pub(super) fn children<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Ident(_) => {}
        ExprKind::Select { operand, .. } => visit(operand),
        ExprKind::Call { target, args, .. } => target.as_deref().into_iter().chain(args).for_each(visit),
        ExprKind::List { elements, .. } => elements.iter().for_each(visit),
        ExprKind::Map(entries) => {
            for entry in entries {
                visit(&entry.key);
                visit(&entry.value);
            }
        }
        ExprKind::Struct { fields, .. } => fields.iter().for_each(|field| visit(&field.value)),
        ExprKind::Comprehension(loop_) => {
            visit(&loop_.range);
            visit(&loop_.init);
            visit(&loop_.condition);
            visit(&loop_.step);
            visit(&loop_.result);
        }
    }
}

fn argument(expr: &Expr, name: &str, is_valid: fn(&Literal) -> bool, mistakes: &mut Vec<Mistake>) {
    let ExprKind::Call { function, args, .. } = &expr.kind else {
        return;
    };
    if **function != *name {
        return;
    }
    if let Some(Expr {
        id,
        kind: ExprKind::Literal(literal),
    }) = args.first()
        && !is_valid(literal)
    {
        let message = format!("invalid {name} argument");
        mistakes.push(Mistake { id: *id, message });
    }
}

fn is_pattern(literal: &Literal) -> bool {
    match literal {
        Literal::String(pattern) => regexp::check(pattern).is_ok(),
        _ => true,
    }
}

/// Whether all elements of each list, all keys and all values of each map are of one type, except in the arguments of
/// `format()`.
fn uniform(expr: &Expr, checked: &Checked, mistakes: &mut Vec<Mistake>) {
    // Lists come before maps, which shows where two mistakes are at one place.
    uniform_in(expr, checked, mistakes, Aggregate::Lists);
    uniform_in(expr, checked, mistakes, Aggregate::Maps);
}

#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Lists,
    Maps,
}

fn uniform_in(expr: &Expr, checked: &Checked, mistakes: &mut Vec<Mistake>, which: Aggregate) {
    match &expr.kind {
        ExprKind::Call { function, .. } if &**function == "format" => return,
        ExprKind::List { elements, optional } if which == Aggregate::Lists => {
            uniform_list(elements, optional, checked, mistakes);
        }
        ExprKind::Map(entries) if which == Aggregate::Maps => uniform_map(entries, checked, mistakes),
        _ => {}
    }
    children(expr, &mut |child| uniform_in(child, checked, mistakes, which));
}

fn uniform_list(elements: &[Expr], optional: &[u32], checked: &Checked, mistakes: &mut Vec<Mistake>) {
    let mut first: Option<&Type> = None;
    for (index, element) in elements.iter().enumerate() {
        let mut ty = checked.type_of(element);
        if optional.iter().any(|optional| *optional as usize == index) {
            ty = unwrapped(ty);
        }
        match first {
            None => first = Some(ty),
            Some(first) if first != ty => {
                mistakes.push(mismatch(element.id, first, ty));
                return;
            }
            Some(_) => {}
        }
    }
}

fn uniform_map(entries: &[Entry], checked: &Checked, mistakes: &mut Vec<Mistake>) {
    let mut first: Option<(&Type, &Type)> = None;
    for entry in entries {
        let key = checked.type_of(&entry.key);
        let mut value = checked.type_of(&entry.value);
        if entry.optional {
            value = unwrapped(value);
        }
        let Some((first_key, first_value)) = first else {
            first = Some((key, value));
            continue;
        };
        if first_key != key {
            mistakes.push(mismatch(entry.key.id, first_key, key));
        }
        if first_value != value {
            mistakes.push(mismatch(entry.value.id, first_value, value));
        }
    }
}

fn unwrapped(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => inner,
        // cel-go panics here if it is `dyn`.
        ty => ty,
    }
}

fn mismatch(id: u32, expected: &Type, found: &Type) -> Mistake {
    Mistake {
        id,
        message: format!("expected type '{expected}' but found '{found}'"),
    }
}

fn is_duration(literal: &Literal) -> bool {
    match literal {
        Literal::String(text) => duration(text).is_some(),
        // Has the right type, yet cannot be converted.
        Literal::Int(_) => false,
        _ => true,
    }
}

/// Go's `time.ParseDuration`, in nanoseconds.
fn duration(text: &str) -> Option<i64> {
    const LIMIT: u64 = 1 << 63;
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, digits, after) = leading_int(rest)?;
        let (fraction, scale, fraction_digits, after) = match after.strip_prefix('.') {
            Some(after) => leading_fraction(after),
            None => (0, 1.0, 0, after),
        };
        if digits == 0 && fraction_digits == 0 {
            return None;
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let unit: u64 = match &after[..end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        rest = &after[end..];
        let mut part = whole.checked_mul(unit).filter(|part| *part <= LIMIT)?;
        if fraction > 0 {
            // As Go does it, losing a little.
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss
            )]
            let below = (fraction as f64 * (unit as f64 / scale)) as u64;
            part = part.checked_add(below).filter(|part| *part <= LIMIT)?;
        }
        total = total.checked_add(part).filter(|total| *total <= LIMIT)?;
    }
    if negative {
        return Some(0i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).ok()
}

/// A number, the count of its digits, and the rest; none beyond Go's limit.
fn leading_int(text: &str) -> Option<(u64, usize, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let mut value: u64 = 0;
    for digit in number.bytes() {
        if value > (1 << 63) / 10 {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
        if value > 1 << 63 {
            return None;
        }
    }
    Some((value, digits, rest))
}

/// Digits after a point, by what to divide them, their count, and the rest. Digits beyond the precision count for
/// nothing.
fn leading_fraction(text: &str) -> (u64, f64, usize, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    let mut value: u64 = 0;
    let mut scale = 1.0;
    for digit in number.bytes() {
        if value > ((1 << 63) - 1) / 10 {
            break;
        }
        let next = value * 10 + u64::from(digit - b'0');
        if next > 1 << 63 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value, scale, digits, rest)
}

fn is_timestamp(literal: &Literal) -> bool {
    match literal {
        Literal::String(text) => seconds(text).is_some_and(in_range),
        Literal::Int(seconds) => in_range(*seconds),
        _ => true,
    }
}

/// From the year 1 to the year 9999.
fn in_range(seconds: i64) -> bool {
    (-62_135_596_800..=253_402_300_799).contains(&seconds)
}

/// Go's `time.Parse(time.RFC3339, …)`, in seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    sign(&mut rest, "-")?;
    let month = digits(&mut rest, 2)?;
    sign(&mut rest, "-")?;
    let day = digits(&mut rest, 2)?;
    sign(&mut rest, "T")?;
    // Hours may have one digit.
    let hour = digits(&mut rest, 2).or_else(|| digits(&mut rest, 1))?;
    sign(&mut rest, ":")?;
    let minute = digits(&mut rest, 2)?;
    sign(&mut rest, ":")?;
    let second = digits(&mut rest, 2)?;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return None;
        }
        rest = &fraction[count..];
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = if rest == "Z" {
        0
    } else {
        let direction = match rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        rest = &rest[1..];
        let hours = digits(&mut rest, 2)?;
        sign(&mut rest, ":")?;
        let minutes = digits(&mut rest, 2)?;
        if hours > 24 || minutes > 60 || !rest.is_empty() {
            return None;
        }
        direction * (hours * 3600 + minutes * 60)
    };
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let number = rest.get(..count)?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    *rest = &rest[count..];
    number.parse().ok()
}

fn sign(rest: &mut &str, sign: &str) -> Option<()> {
    *rest = rest.strip_prefix(sign)?;
    Some(())
}

/// Days from 1970-01-01 in the Gregorian calendar (years begin in March here, so that a leap day ends one).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_reads_them() {
        for (text, expected) in [
            ("1h30m", Some(5_400_000_000_000)),
            ("-1.5s", Some(-1_500_000_000)),
            ("+0", Some(0)),
            (".5ms", Some(500_000)),
            ("1µs", Some(1000)),
            ("9223372036854775807ns", Some(i64::MAX)),
            ("-9223372036854775808ns", Some(i64::MIN)),
            ("9223372036854775808ns", None),
            ("", None),
            ("-", None),
            ("1", None),
            (".s", None),
            ("1d", None),
            ("1 s", None),
        ] {
            assert_eq!(duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn times_as_go_reads_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T1:02:03.5+01:00", Some(951_782_523)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("1900-02-29T00:00:00Z", None),
            ("2000-01-01T24:00:00Z", None),
            ("2000-01-01 00:00:00Z", None),
            ("2000-01-01T00:00:00", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
