//! Go's regular expressions on the `regex` crate.
//!
//! Both are RE2 in spirit, yet differ: in Go `\d`, `\w`, `\s` and `\b` are ASCII, `[` and `&&` inside a class are
//! literal, a brace that opens no repetition is literal, and `\Q…\E` quotes.

use regex::{Regex, RegexBuilder};

/// Compiles a pattern as Go's `regexp.Compile` reads it.
///
/// # Errors
/// Go's text for the mistakes that people make (look-around, back-references, unbalanced brackets, dangling
/// repetitions); for others the text of the `regex` crate.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern).map_err(|text| format!("error parsing regexp: {text}"))?;
    RegexBuilder::new(&translated)
        .octal(true)
        .build()
        .map_err(|error| format!("error parsing regexp: {}", reason(pattern, &error.to_string())))
}

/// The reason in Go's words, where they are known.
fn reason(pattern: &str, text: &str) -> String {
    let reason = last_line(text);
    let shown = match reason.as_str() {
        r if r.starts_with("invalid character class range") => descending_range(pattern),
        r if r.starts_with("Unicode property") || r.starts_with("invalid Unicode character class") => {
            pattern.find("\\p").or_else(|| pattern.find("\\P")).map(|start| {
                let end = pattern[start..]
                    .find('}')
                    .map_or(pattern.len(), |end| start + end + 1);
                pattern[start..end].to_owned()
            })
        }
        _ => None,
    };
    shown.map_or(reason, |shown| {
        format!("invalid character class range: `{shown}`")
    })
}

fn descending_range(pattern: &str) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    chars
        .windows(3)
        .find(|range| range[1] == '-' && range[0] > range[2])
        .map(|range| range.iter().collect())
}

/// The `regex` crate prints the pattern with a marker line by line, and the reason last.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or(text).trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut open = 0_usize;
    // Whether something stands before that a repetition may repeat, and whether that is a repetition itself.
    let mut repeatable = false;
    let mut repetition: Option<&str> = None;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let mut repeated_now: Option<&str> = None;
        match c {
            '\\' => {
                if let Some(quoted) = after.strip_prefix('Q') {
                    let (literal, tail) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                    out.push_str(&regex::escape(literal));
                    rest = tail;
                    repeatable = !literal.is_empty();
                } else {
                    rest = escape(&mut out, rest, Place::Outside)?;
                    repeatable = true;
                }
            }
            '[' => {
                rest = class(&mut out, rest)?;
                repeatable = true;
            }
            '(' => {
                open += 1;
                if let Some(group) = after.strip_prefix('?') {
                    check_group(rest, group)?;
                }
                out.push('(');
                rest = after;
                // The flags or the name follow as they are; none of them can be repeated.
                if let Some(group) = after.strip_prefix('?') {
                    let end = group.find([':', '>', ')']).unwrap_or(group.len());
                    let end = (end + 1).min(group.len());
                    out.push('?');
                    out.push_str(&group[..end]);
                    if group[..end].ends_with(')') {
                        open -= 1;
                    }
                    rest = &group[end..];
                }
                repeatable = false;
            }
            ')' => {
                if open == 0 {
                    return Err(format!("unexpected ): `{pattern}`"));
                }
                open -= 1;
                out.push(')');
                rest = after;
                repeatable = true;
            }
            '|' => {
                out.push('|');
                rest = after;
                repeatable = false;
            }
            '*' | '+' | '?' => {
                let len = 1 + usize::from(after.starts_with('?'));
                let (operator, tail) = rest.split_at(len);
                check_repetition(operator, repeatable, repetition)?;
                out.push_str(operator);
                rest = tail;
                repeated_now = Some(operator);
            }
            '{' => {
                if let Some(len) = repetition_len(rest) {
                    let len = len + usize::from(rest[len..].starts_with('?'));
                    let (operator, tail) = rest.split_at(len);
                    check_repetition(operator, repeatable, repetition)?;
                    check_repeat_size(operator)?;
                    out.push_str(operator);
                    rest = tail;
                    repeated_now = Some(operator);
                } else {
                    out.push_str("\\{");
                    rest = after;
                    repeatable = true;
                }
            }
            '}' => {
                out.push_str("\\}");
                rest = after;
                repeatable = true;
            }
            c => {
                out.push(c);
                rest = after;
                repeatable = true;
            }
        }
        repetition = repeated_now;
    }
    if open > 0 {
        return Err(format!("missing closing ): `{pattern}`"));
    }
    Ok(out)
}

fn check_group(whole: &str, group: &str) -> Result<(), String> {
    let flags_end = group.find([':', ')']);
    let flags_only = |end: usize| {
        group[..end]
            .chars()
            .all(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-'))
    };
    if let Some(name) = group.strip_prefix("P<").or_else(|| group.strip_prefix('<')) {
        return check_group_name(whole, name);
    }
    if flags_end.is_some_and(flags_only) {
        return Ok(());
    }
    // Go names the text up to the first character that it cannot read.
    let odd = group
        .chars()
        .take_while(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-'))
        .count()
        + 1;
    let shown: String = whole.chars().take(2 + odd).collect();
    Err(format!("invalid or unsupported Perl syntax: `{shown}`"))
}

fn check_group_name(whole: &str, name: &str) -> Result<(), String> {
    let Some(end) = name.find('>') else {
        return Err(format!("invalid named capture: `{whole}`"));
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if end > 0 && name[..end].chars().all(word) {
        return Ok(());
    }
    let shown = &whole[..whole.len() - name.len() + end + 1];
    Err(format!("invalid named capture: `{shown}`"))
}

fn check_repetition(operator: &str, repeatable: bool, before: Option<&str>) -> Result<(), String> {
    if let Some(before) = before {
        return Err(format!(
            "invalid nested repetition operator: `{before}{operator}`"
        ));
    }
    if !repeatable {
        return Err(format!("missing argument to repetition operator: `{operator}`"));
    }
    Ok(())
}

/// Length of `{n}`, `{n,}` or `{n,m}` at the start; other braces are literal.
fn repetition_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find('}')?;
    let (min, max) = match inner[..end].split_once(',') {
        Some((min, max)) => (min, max),
        None => (&inner[..end], "0"),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    (!min.is_empty() && digits(min) && digits(max)).then_some(end + 2)
}

/// Go refuses to repeat more than a thousand times, or at least more often than at most.
fn check_repeat_size(operator: &str) -> Result<(), String> {
    let too_large = operator
        .split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .any(|number| number.parse::<u32>().map_or(true, |n| n > 1000));
    let descending = operator
        .split_once('}')
        .and_then(|(counts, _)| counts.strip_prefix('{')?.split_once(','))
        .is_some_and(|(min, max)| match (min.parse::<u32>(), max.parse::<u32>()) {
            (Ok(min), Ok(max)) => min > max,
            _ => false,
        });
    if too_large || descending {
        Err(format!("invalid repeat count: `{operator}`"))
    } else {
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Outside,
    InClass,
}

/// Copies one escape sequence; returns what follows it.
fn escape<'a>(out: &mut String, text: &'a str, place: Place) -> Result<&'a str, String> {
    let Some(c) = text[1..].chars().next() else {
        return Err("trailing backslash at end of expression: ``".to_owned());
    };
    let after = &text[1 + c.len_utf8()..];
    let class = match c {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\f\\r\\x20",
        _ => "",
    };
    match (c, place) {
        ('d' | 'w' | 's', Place::InClass) => out.push_str(class),
        ('d' | 'w' | 's', Place::Outside) => {
            out.push('[');
            out.push_str(class);
            out.push(']');
        }
        ('D', _) => out.push_str("[^0-9]"),
        ('W', _) => out.push_str("[^0-9A-Za-z_]"),
        ('S', _) => out.push_str("[^\\t\\n\\f\\r\\x20]"),
        ('b' | 'B', Place::Outside) => {
            // The negated form is written so that it stays valid on UTF-8 text.
            out.push_str(if c == 'b' { "(?-u:\\b)" } else { "\\B" });
        }
        ('A' | 'z', Place::Outside) | ('p' | 'P' | 'x' | 'a' | 'f' | 't' | 'n' | 'r' | 'v', _) => {
            out.push('\\');
            out.push(c);
        }
        ('0'..='7', _) if c == '0' || after.starts_with(|d: char| ('0'..='7').contains(&d)) => {
            out.push('\\');
            out.push(c);
        }
        (c, _) if c.is_ascii() && !c.is_ascii_alphanumeric() => out.push_str(&regex::escape(&c.to_string())),
        _ => return Err(format!("invalid escape sequence: `\\{c}`")),
    }
    Ok(after)
}

const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Copies a bracketed class; returns what follows it.
fn class<'a>(out: &mut String, text: &'a str) -> Result<&'a str, String> {
    let missing = || format!("missing closing ]: `{text}`");
    out.push('[');
    let mut rest = &text[1..];
    if let Some(tail) = rest.strip_prefix('^') {
        out.push('^');
        rest = tail;
    }
    let mut first = true;
    loop {
        let c = rest.chars().next().ok_or_else(missing)?;
        let after = &rest[c.len_utf8()..];
        match c {
            ']' if !first => {
                out.push(']');
                return Ok(after);
            }
            '\\' => rest = escape(out, rest, Place::InClass)?,
            '[' if after.starts_with(':') => {
                let end = after.find(":]").ok_or_else(missing)?;
                let name = &rest[..end + 3];
                if !POSIX_CLASSES.contains(&name[2..name.len() - 2].trim_start_matches('^')) {
                    return Err(format!("invalid character class range: `{name}`"));
                }
                out.push_str(name);
                rest = &after[end + 2..];
            }
            '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(c);
                rest = after;
            }
            // Two dashes would be a difference of classes.
            '-' if first || after.starts_with([']', '-']) => {
                out.push_str("\\-");
                rest = after;
            }
            c => {
                out.push(c);
                rest = after;
            }
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap().is_match(text)
    }

    /// SCH-18.
    #[test]
    fn patterns_mean_what_go_means() {
        assert!(matches("b+", "abc"));
        assert!(!matches(r"^\d$", "٣"));
        assert!(!matches(r"^[\w]$", "é"));
        assert!(matches(r"^[[a]$", "["));
        assert!(matches("^{}$", "{}"));
        assert!(matches("^a{,3}$", "a{,3}"));
        assert!(matches(r"^\Qa.b\E$", "a.b"));
        assert!(!matches(r"^\Qa.b\E$", "axb"));
        assert!(matches(r"^[-a-z0-9]*[a-z0-9]\.[^&]$", "x-9.y"));
        assert!(matches(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-b"));
        assert!(matches(r"^(?P<n>a)(?:b)(?i)C$", "abc"));
        assert!(matches(r"^\/\-\_$", "/-_"));
        assert!(matches(r"^[[:alpha:]]+$", "abc"));
        assert!(!matches("a$", "a\n"));
        assert!(matches(r"^[a\-z]$", "-"));
        assert!(matches(r"^[+-]?\d+$", "-1"));
    }

    #[test]
    fn mistakes_have_gos_text() {
        let text = |pattern: &str| compile(pattern).unwrap_err();
        assert_eq!(
            text("^(?!a).*$"),
            "error parsing regexp: invalid or unsupported Perl syntax: `(?!`"
        );
        assert_eq!(
            text(r"(a)\1"),
            "error parsing regexp: invalid escape sequence: `\\1`"
        );
        assert_eq!(text("(a"), "error parsing regexp: missing closing ): `(a`");
        assert_eq!(text("a)"), "error parsing regexp: unexpected ): `a)`");
        assert_eq!(text("[a"), "error parsing regexp: missing closing ]: `[a`");
        assert_eq!(
            text("*a"),
            "error parsing regexp: missing argument to repetition operator: `*`"
        );
        assert_eq!(
            text("a**"),
            "error parsing regexp: invalid nested repetition operator: `**`"
        );
        assert_eq!(
            text("a{2000}"),
            "error parsing regexp: invalid repeat count: `{2000}`"
        );
    }
}
