//! Functions of strings; positions count characters.

use super::super::value::{Failure, List, Outcome, Value, display};
use super::check_length;

fn out_of_range(index: i64) -> Failure {
    Failure::new(format!("index out of range: {index}"))
}

/// The byte at which a character begins; the length for the one after the last.
fn offset(text: &str, index: i64) -> Result<usize, Failure> {
    let wanted = usize::try_from(index).map_err(|_| out_of_range(index))?;
    if text.is_ascii() {
        return if wanted <= text.len() {
            Ok(wanted)
        } else {
            Err(out_of_range(index))
        };
    }
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(wanted)
        .ok_or_else(|| out_of_range(index))
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

pub(super) fn char_at(text: &str, index: i64) -> Result<String, Failure> {
    let at = offset(text, index)?;
    Ok(text[at..].chars().next().map(String::from).unwrap_or_default())
}

/// `indexOf()`.
pub(super) fn index_of(text: &str, part: &str, from: i64) -> Result<i64, Failure> {
    if part.is_empty() {
        return Ok(from);
    }
    if from < 0 {
        return Err(out_of_range(from));
    }
    let Ok(start) = offset(text, from) else {
        return Ok(-1);
    };
    Ok(text[start..]
        .find(part)
        .map_or(-1, |at| from + count(&text[start..start + at])))
}

/// `lastIndexOf()`; without a position it looks from the end.
pub(super) fn last_index_of(text: &str, part: &str, from: Option<i64>) -> Result<i64, Failure> {
    let length = count(text);
    let from = match from {
        Some(from) if part.is_empty() => return Ok(from),
        None if part.is_empty() => return Ok(length),
        None if text.len() < part.len() => return Ok(-1),
        Some(from) => from,
        None => length - 1,
    };
    if from < 0 {
        return Err(out_of_range(from));
    }
    if from >= length {
        return Ok(-1);
    }
    // The match may begin at `from` at the latest.
    let last = from.min(length - count(part));
    if last < 0 {
        return Ok(-1);
    }
    let start = offset(text, last)?;
    let end = (start + part.len()).min(text.len());
    let window = (end..=text.len())
        .find(|end| text.is_char_boundary(*end))
        .map_or(text, |end| &text[..end]);
    Ok(window
        .rmatch_indices(part)
        .find(|(at, _)| *at <= start)
        .map_or(-1, |(at, _)| count(&text[..at])))
}

pub(super) fn substring(text: &str, start: i64, end: Option<i64>) -> Result<String, Failure> {
    let Some(end) = end else {
        return Ok(text[offset(text, start)?..].to_owned());
    };
    if start > end {
        return Err(Failure::new(format!(
            "invalid substring range. start: {start}, end: {end}"
        )));
    }
    let start = offset(text, start)?;
    let end = offset(text, end)?;
    Ok(text[start..end].to_owned())
}

/// `replace()`; a negative limit is none.
///
/// # Errors
/// The text would be too long.
pub(super) fn replace(text: &str, old: &str, new: &str, limit: i64) -> Result<String, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if new.len() > old.len() {
        let most = if old.is_empty() {
            text.len() + 1
        } else {
            text.len() / old.len()
        };
        let added = most.min(limit).checked_mul(new.len() - old.len());
        // Only what could be too long is looked at twice.
        if check_length(added.and_then(|added| added.checked_add(text.len()))).is_err() {
            let count = text.matches(old).take(limit).count();
            let added = count.checked_mul(new.len() - old.len());
            check_length(added.and_then(|added| added.checked_add(text.len())))?;
        }
    }
    Ok(text.replacen(old, new, limit))
}

/// `split()`; a negative limit is none.
pub(super) fn split(text: &str, separator: &str, limit: i64) -> Vec<String> {
    if limit == 0 {
        return Vec::new();
    }
    if separator.is_empty() {
        // Go splits into characters, the last of which takes the rest.
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if parts.len() + 1 == limit {
                break;
            }
            parts.push(c.to_string());
            rest = &rest[c.len_utf8()..];
        }
        if !rest.is_empty() {
            parts.push(rest.to_owned());
        }
        return parts;
    }
    match usize::try_from(limit) {
        Ok(limit) => text.splitn(limit, separator).map(str::to_owned).collect(),
        Err(_) => text.split(separator).map(str::to_owned).collect(),
    }
}

/// `trim()`: Go's white space, which Unicode's is.
pub(super) fn trim(text: &str) -> &str {
    text.trim()
}

pub(super) fn join<'a>(list: &List<'a>, separator: &str) -> Outcome<'a> {
    let mut out = String::new();
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        match value? {
            Value::String(text) => {
                check_length(out.len().checked_add(text.len() + separator.len()))?;
                out.push_str(&text);
            }
            other => return Err(Failure::new(format!("join: invalid input: {}", display(&other)))),
        }
    }
    Ok(Value::text(out))
}

/// `strings.quote()`.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        assert_eq!(char_at("añb", 1).unwrap(), "ñ");
        assert_eq!(char_at("ab", 2).unwrap(), "");
        assert_eq!(char_at("ab", 3).unwrap_err().text(), "index out of range: 3");
        assert_eq!(index_of("añbñ", "ñ", 2).unwrap(), 3);
        assert_eq!(index_of("abc", "", 7).unwrap(), 7);
        assert_eq!(index_of("abc", "c", 9).unwrap(), -1);
        assert_eq!(last_index_of("añbñ", "ñ", None).unwrap(), 3);
        assert_eq!(last_index_of("añbñ", "ñ", Some(2)).unwrap(), 1);
        assert_eq!(last_index_of("tacocat", "cat", None).unwrap(), 4);
        assert_eq!(last_index_of("aaa", "aa", Some(2)).unwrap(), 1);
        assert_eq!(last_index_of("a", "ab", None).unwrap(), -1);
        assert_eq!(substring("añb", 1, Some(2)).unwrap(), "ñ");
        assert_eq!(
            substring("abc", 2, Some(1)).unwrap_err().text(),
            "invalid substring range. start: 2, end: 1"
        );
    }

    #[test]
    fn parts() {
        assert_eq!(split("a,b,c", ",", 2), ["a", "b,c"]);
        assert_eq!(split("abc", "", -1), ["a", "b", "c"]);
        assert_eq!(split("abc", "", 2), ["a", "bc"]);
        assert!(split("abc", ",", 0).is_empty());
        assert_eq!(split("", ",", -1), [""]);
        assert_eq!(replace("aaa", "a", "b", 2).unwrap(), "bba");
        assert_eq!(replace("ab", "", "-", -1).unwrap(), "-a-b-");
        assert_eq!(replace("ab", "", "-", 0).unwrap(), "ab");
        assert_eq!(quote("a\"\n\\"), "\"a\\\"\\n\\\\\"");
    }
}
