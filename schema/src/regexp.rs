//! Go's regular expressions on the `regex` crate.
//!
//! Both are RE2 in spirit, yet differ: in Go `\d`, `\w`, `\s` and `\b` are ASCII, `[`, `&&` and `--` inside a class are
//! literal, a brace that opens no repetition is literal, and `\Q…\E` quotes. A pattern is therefore parsed as Go 1.26
//! parses it (`regexp/syntax`, flags Perl), and written anew, atom by atom, for `regex`.
//!
//! **Invariant:** what [`check`] accepts compiles, and means what it means in Go.

mod names;
mod runes;

use std::sync::{Arc, OnceLock};

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::syntax;
use regex_automata::{Input, nfa::thompson};

use self::runes::Program;

/// States of the compiled pattern, roughly; what is larger is refused, so that no pattern takes more than some 100 MB.
const MAX_COST: u64 = 650_000;
/// Nested groups and repetitions. Go allows 1000; the `regex` crate recurses.
const MAX_HEIGHT: u32 = 200;
/// Go repeats nothing more often, nested repetitions multiplied.
const MAX_REPEATS: u32 = 1000;
/// No character.
const NOTHING: &str = "[^\\x00-\\x{10FFFF}]";

/// A pattern of a schema. It is compiled when the first value comes, and clones share the result.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    source: Box<str>,
    matcher: Arc<OnceLock<Option<Matcher>>>,
}

impl Pattern {
    pub(crate) fn new(source: &str) -> Self {
        Self {
            source: source.into(),
            matcher: Arc::default(),
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern is found in the text. One that [`check`] refuses is found nowhere.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.matcher
            .get_or_init(|| Matcher::new(&self.source))
            .as_ref()
            .is_some_and(|matcher| matcher.is_match(text))
    }
}

/// What finds a pattern.
#[derive(Debug)]
enum Matcher {
    /// A table of all that can come: for small patterns, which most are, it is quickly made, and one look per byte is all
    /// that a search takes.
    Table(Box<dense::DFA<Vec<u32>>>),
    /// Whatever is best.
    Regex(Regex),
    /// Pike's machine: for patterns that would take long to compile otherwise.
    Runes(Program),
}

impl Matcher {
    /// As costly patterns are not tabled; those for names and quantities cost some tens.
    const MAX_TABLED: u64 = 300;
    /// Bytes of a table.
    const MAX_TABLE: usize = 1 << 14;
    /// What costs more takes some milliseconds to compile for bytes.
    const MAX_COMPILED: u64 = 10_000;

    /// `None` if [`check`] refuses the pattern.
    fn new(source: &str) -> Option<Self> {
        let (translated, cost) = costed(source).ok()?;
        if cost <= Self::MAX_TABLED
            && let Some(table) = Self::table(&translated)
        {
            return Some(Self::Table(Box::new(table)));
        }
        if cost > Self::MAX_COMPILED
            && let Some(program) = Program::new(&translated)
        {
            return Some(Self::Runes(program));
        }
        build(&translated).map(Self::Regex)
    }

    fn table(translated: &str) -> Option<dense::DFA<Vec<u32>>> {
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(Self::MAX_TABLE))
            .determinize_size_limit(Some(Self::MAX_TABLE * 4));
        dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().utf8(false))
            .thompson(thompson::Config::new().utf8(false))
            .build(translated)
            .ok()
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            // A search in a table fails at bytes that make it give up, of which these tables have none.
            Self::Table(table) => table
                .try_search_fwd(&Input::new(text).earliest(true))
                .is_ok_and(|found| found.is_some()),
            Self::Regex(regex) => regex.is_match(text.as_bytes()),
            Self::Runes(program) => program.is_match(text),
        }
    }
}

/// Compiles what was translated.
fn build(translated: &str) -> Option<Regex> {
    RegexBuilder::new(translated).size_limit(1 << 28).build().ok()
}

/// Whether Go's `regexp.Compile` takes the pattern. Takes time linear in its length.
///
/// # Errors
/// Go's text. Beyond Go's limits, patterns that compile to some millions of states are `expression too large`, and more
/// than some 60 groups inside each other are an `expression nests too deeply`.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    match translate(pattern) {
        Ok(_) => Ok(()),
        Err(text) => Err(format!("error parsing regexp: {text}")),
    }
}

/// The pattern, ready for searches.
///
/// # Errors
/// As for [`check`].
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern).map_err(|text| format!("error parsing regexp: {text}"))?;
    build(&translated).ok_or_else(|| format!("error parsing regexp: expression too large: `{pattern}`"))
}

/// The pattern as the `regex` crate writes it.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    costed(pattern).map(|(translated, _)| translated)
}

/// The pattern as the `regex` crate writes it, and how many states it has there, roughly.
fn costed(pattern: &str) -> Result<(String, u64), String> {
    let mut parser = Parser::new(pattern);
    parser.run()?;
    parser.fold();
    Ok((parser.out, parser.frame.before.cost))
}

/// What a repetition can repeat.
#[derive(Clone, Copy, Default)]
struct Atom {
    /// The product of the repetitions on the worst way down.
    repeats: u32,
    cost: u64,
    height: u32,
}

/// An open group, or the whole.
struct Frame {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
    /// All that stands in the group, but for the last atom.
    before: Atom,
    last: Option<Atom>,
}

struct Parser<'p> {
    whole: &'p str,
    rest: &'p str,
    out: String,
    /// Outer groups; flags hold until the end of the group in which they are set.
    outer: Vec<Frame>,
    frame: Frame,
    /// What begins with the repetition just before.
    last_repeat: Option<&'p str>,
    /// Where the last `:]` begins, which may end the name of a class.
    last_name_end: Option<usize>,
}

/// The beginning of `from` that is not in its tail `to`.
fn between<'p>(from: &'p str, to: &str) -> &'p str {
    &from[..from.len() - to.len()]
}

fn error<T>(what: &str, shown: &str) -> Result<T, String> {
    Err(format!("{what}: `{shown}`"))
}

/// The first character and what follows it.
fn split_first(text: &str) -> Option<(char, &str)> {
    let c = text.chars().next()?;
    Some((c, &text[c.len_utf8()..]))
}

const INVALID_RANGE: &str = "invalid character class range";

impl<'p> Parser<'p> {
    fn new(whole: &'p str) -> Self {
        Self {
            whole,
            rest: whole,
            out: String::with_capacity(whole.len() + 8),
            outer: Vec::new(),
            frame: Frame {
                fold_case: false,
                multi_line: false,
                dot_newline: false,
                before: Atom::default(),
                last: None,
            },
            last_repeat: None,
            last_name_end: whole.rfind(":]"),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some((c, after)) = split_first(self.rest) {
            let mut repeat = None;
            match c {
                '(' => self.open(after)?,
                ')' => self.close(after)?,
                '|' => {
                    self.fold();
                    self.out.push('|');
                    self.rest = after;
                }
                '^' => {
                    let text = if self.frame.multi_line { "(?m:^)" } else { "\\A" };
                    self.atom(text, 1, after)?;
                }
                '$' => {
                    let text = if self.frame.multi_line { "(?m:$)" } else { "\\z" };
                    self.atom(text, 1, after)?;
                }
                '.' => {
                    let text = if self.frame.dot_newline { "(?s:.)" } else { "." };
                    self.atom(text, 10, after)?;
                }
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    repeat = Some(self.rest);
                    // `{0,1}`, since a question mark behind another repetition would make that one lazy.
                    let text = if c == '?' {
                        "{0,1}"
                    } else {
                        between(self.rest, after)
                    };
                    self.repeat(text, 1, after)?;
                }
                '{' => match counts(after) {
                    Some((min, max, after)) => {
                        repeat = Some(self.rest);
                        let shown = between(self.rest, after);
                        let (min, max) = match (min, max) {
                            (Some(min), Some(max))
                                if min <= MAX_REPEATS
                                    && max.is_none_or(|max| max <= MAX_REPEATS && min <= max) =>
                            {
                                (min, max)
                            }
                            _ => return error("invalid repeat count", shown),
                        };
                        self.repeat(shown, max.unwrap_or(min.max(1)), after)?;
                    }
                    None => self.literal(u32::from('{'), after)?,
                },
                '\\' => self.backslash(after)?,
                c => self.literal(u32::from(c), after)?,
            }
            self.last_repeat = repeat;
        }
        if self.outer.is_empty() {
            Ok(())
        } else {
            error("missing closing )", self.whole)
        }
    }

    /// Makes the last atom one of those before it.
    fn fold(&mut self) {
        if let Some(last) = self.frame.last.take() {
            let before = &mut self.frame.before;
            before.repeats = before.repeats.max(last.repeats);
            before.cost = before.cost.saturating_add(last.cost);
            before.height = before.height.max(last.height);
        }
    }

    fn push(&mut self, atom: Atom) -> Result<(), String> {
        self.fold();
        if atom.cost.saturating_add(self.frame.before.cost) > MAX_COST {
            return error("expression too large", self.whole);
        }
        if atom.height > MAX_HEIGHT {
            return error("expression nests too deeply", self.whole);
        }
        self.frame.last = Some(atom);
        Ok(())
    }

    fn atom(&mut self, text: &str, cost: u64, after: &'p str) -> Result<(), String> {
        self.rest = after;
        if self.frame.fold_case {
            self.out.push_str("(?i:");
            self.out.push_str(text);
            self.out.push(')');
        } else {
            self.out.push_str(text);
        }
        self.push(Atom {
            repeats: 1,
            cost,
            height: 2,
        })
    }

    fn literal(&mut self, c: u32, after: &'p str) -> Result<(), String> {
        let mut text = String::new();
        if char::from_u32(c).is_some() {
            write_char(&mut text, c);
        } else {
            text.push_str(NOTHING);
        }
        let plain = c < 0x80 && !self.frame.fold_case;
        self.atom(&text, if plain { 1 } else { 4 }, after)
    }

    /// Repeats the last atom; `text` is how it is written, `count` how often at most, or at least where there is no most.
    fn repeat(&mut self, text: &str, count: u32, after: &'p str) -> Result<(), String> {
        let from = self.rest;
        let after = after.strip_prefix('?').unwrap_or(after);
        self.rest = after;
        if let Some(before) = self.last_repeat {
            return error("invalid nested repetition operator", between(before, after));
        }
        let Some(last) = self.frame.last.take() else {
            return error("missing argument to repetition operator", between(from, after));
        };
        let repeats = last.repeats.saturating_mul(count);
        if repeats > MAX_REPEATS {
            return error("invalid repeat count", between(from, after));
        }
        // Whether the repetition is lazy makes no difference to whether something is found.
        self.out.push_str(text);
        self.push(Atom {
            repeats,
            cost: last.cost.saturating_mul(u64::from(count)).saturating_add(1),
            height: last.height + 1,
        })
    }

    fn open(&mut self, after: &'p str) -> Result<(), String> {
        let mut inner = Frame {
            before: Atom::default(),
            last: None,
            ..self.frame
        };
        let Some(group) = after.strip_prefix('?') else {
            self.rest = after;
            self.enter(inner);
            return Ok(());
        };
        let from = self.rest;
        if let Some(name) = group
            .strip_prefix("P<")
            .or_else(|| group.strip_prefix('<'))
            // Go asks for one character more before it calls this a name.
            .filter(|name| !name.is_empty())
        {
            let Some(end) = name.find('>') else {
                return error("invalid named capture", from);
            };
            self.rest = &name[end + 1..];
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if end == 0 || !name[..end].chars().all(word) {
                return error("invalid named capture", between(from, self.rest));
            }
            self.enter(inner);
            return Ok(());
        }
        let mut rest = group;
        let (mut on, mut seen) = (true, false);
        while let Some((c, after)) = split_first(rest) {
            rest = after;
            match c {
                'i' => inner.fold_case = on,
                'm' => inner.multi_line = on,
                's' => inner.dot_newline = on,
                // Which of several matches is found makes no difference here.
                'U' => {}
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' if on || seen => {
                    self.rest = rest;
                    self.enter(inner);
                    return Ok(());
                }
                ')' if on || seen => {
                    self.rest = rest;
                    // The atom before stays the one that a repetition repeats.
                    self.frame.fold_case = inner.fold_case;
                    self.frame.multi_line = inner.multi_line;
                    self.frame.dot_newline = inner.dot_newline;
                    return Ok(());
                }
                _ => break,
            }
            seen = true;
        }
        error("invalid or unsupported Perl syntax", between(from, rest))
    }

    fn enter(&mut self, inner: Frame) {
        // Nothing is captured: the question is only whether there is a match.
        self.out.push_str("(?:");
        self.outer.push(std::mem::replace(&mut self.frame, inner));
    }

    fn close(&mut self, after: &'p str) -> Result<(), String> {
        let Some(outer) = self.outer.pop() else {
            return error("unexpected )", self.whole);
        };
        self.fold();
        self.out.push(')');
        self.rest = after;
        let group = std::mem::replace(&mut self.frame, outer).before;
        self.push(Atom {
            repeats: group.repeats,
            cost: group.cost.saturating_add(1),
            // A group, the alternatives in it, and the sequence in those.
            height: group.height + 3,
        })
    }

    fn backslash(&mut self, after: &'p str) -> Result<(), String> {
        if let Some((c, tail)) = split_first(after) {
            match c {
                'A' => return self.atom("\\A", 1, tail),
                'z' => return self.atom("\\z", 1, tail),
                'b' => return self.atom("(?-u:\\b)", 1, tail),
                // The ASCII form also holds inside a character, where neither of the Unicode ones does.
                'B' => return self.atom("(?:(?-u:\\B)(?:\\b|\\B))", 3, tail),
                'C' => return error("invalid escape sequence", "\\C"),
                'Q' => {
                    let (quoted, tail) = tail.split_once("\\E").unwrap_or((tail, ""));
                    for c in quoted.chars() {
                        self.literal(u32::from(c), tail)?;
                    }
                    self.rest = tail;
                    return Ok(());
                }
                _ => {}
            }
        }
        let mut text = "[".to_owned();
        if let Some((after, cost)) = self.named_class(&mut text, self.rest)? {
            text.push(']');
            return self.atom(&text, cost, after);
        }
        let (c, after) = escape(self.rest)?;
        self.literal(c, after)
    }

    /// `\d`, `\pL`, `\p{Greek}` and their like: writes the class, returns what follows and the cost.
    fn named_class(&self, out: &mut String, text: &'p str) -> Result<Option<(&'p str, u64)>, String> {
        let Some((c, after)) = text.strip_prefix('\\').and_then(split_first) else {
            return Ok(None);
        };
        let (class, cost) = match c {
            'd' => ("0-9", 1),
            'w' => ("0-9A-Za-z_", 1),
            's' => ("\\t\\n\\f\\r\\x20", 1),
            'D' => ("[^0-9]", 20),
            'W' => ("[^0-9A-Za-z_]", 20),
            'S' => ("[^\\t\\n\\f\\r\\x20]", 20),
            'p' | 'P' => return unicode_class(out, text, after, c == 'P').map(Some),
            _ => return Ok(None),
        };
        out.push_str(class);
        Ok(Some((after, cost)))
    }

    /// A class in brackets.
    fn class(&mut self) -> Result<(), String> {
        let from = self.rest;
        let mut text = "[".to_owned();
        let mut cost = 1;
        let mut rest = &from[1..];
        if let Some(tail) = rest.strip_prefix('^') {
            text.push('^');
            cost = 20;
            rest = tail;
        }
        let start = text.len();
        let mut first = true;
        while first || !rest.starts_with(']') {
            first = false;
            if rest.starts_with("[:")
                && self
                    .last_name_end
                    .is_some_and(|end| end >= self.whole.len() - rest.len() + 2)
                && let Some(end) = rest[2..].find(":]")
            {
                let (name, tail) = rest.split_at(end + 4);
                if !POSIX_CLASSES.contains(&name[2..end + 2].strip_prefix('^').unwrap_or(&name[2..end + 2])) {
                    return error(INVALID_RANGE, name);
                }
                text.push_str(name);
                rest = tail;
                continue;
            }
            if let Some((tail, more)) = self.named_class(&mut text, rest)? {
                cost += more;
                rest = tail;
                continue;
            }
            let range = rest;
            let (low, tail) = class_char(rest, from)?;
            let mut high = low;
            rest = tail;
            // A dash before the bracket is itself.
            if let Some(tail) = rest.strip_prefix('-')
                && !tail.is_empty()
                && !tail.starts_with(']')
            {
                (high, rest) = class_char(tail, from)?;
                if high < low {
                    return error(INVALID_RANGE, between(range, rest));
                }
            }
            cost += if high < 0x80 { 1 } else { 10 };
            write_range(&mut text, low, high);
        }
        if text.len() == start {
            text.push_str(NOTHING);
        }
        text.push(']');
        // Letters may have relatives beyond ASCII.
        cost += if self.frame.fold_case { 20 } else { 0 };
        self.atom(&text, cost.min(400), &rest[1..])
    }
}

const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// `n}`, `n,}` or `n,m}` behind a brace: least, most (if there is one), what follows. `None` for a number that is out of
/// all bounds; other braces are literal.
#[allow(clippy::type_complexity, reason = "one caller takes it apart at once")]
fn counts(text: &str) -> Option<(Option<u32>, Option<Option<u32>>, &str)> {
    let (min, rest) = count(text)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, min.map(Some), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, Some(None), rest));
    }
    let (max, rest) = count(rest)?;
    Some((min, max.map(Some), rest.strip_prefix('}')?))
}

/// Digits without leading zeros; `None` inside if the number is too large for its type.
fn count(text: &str) -> Option<(Option<u32>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let proper = !digits.is_empty() && (digits.len() == 1 || !digits.starts_with('0'));
    proper.then(|| (digits.parse().ok(), rest))
}

fn class_char<'p>(text: &'p str, class: &str) -> Result<(u32, &'p str), String> {
    match split_first(text) {
        None => error("missing closing ]", class),
        Some(('\\', _)) => escape(text),
        Some((c, after)) => Ok((u32::from(c), after)),
    }
}

/// The character of an escape sequence, which may be a surrogate, and what follows.
fn escape(text: &str) -> Result<(u32, &str), String> {
    let Some((c, mut rest)) = split_first(&text[1..]) else {
        return error("trailing backslash at end of expression", "");
    };
    let invalid = |rest: &str| error("invalid escape sequence", between(text, rest));
    let octal = |text: &str| text.chars().next().and_then(|c| c.to_digit(8));
    let value = match c {
        // A single digit would be a reference to a group.
        '1'..='7' if octal(rest).is_none() => return invalid(rest),
        '0'..='7' => {
            let mut value = c.to_digit(8).unwrap_or_default();
            for _ in 0..2 {
                let Some(digit) = octal(rest) else { break };
                value = value * 8 + digit;
                rest = &rest[1..];
            }
            value
        }
        'x' => {
            let braces = rest.starts_with('{');
            let mut value = 0;
            let mut digits = 0;
            if braces {
                rest = &rest[1..];
            }
            while braces || digits < 2 {
                let Some((c, after)) = split_first(rest) else {
                    return invalid(rest);
                };
                rest = after;
                if braces && c == '}' && digits > 0 {
                    break;
                }
                // Go looks at both digits before it judges them.
                let digit = match c.to_digit(16) {
                    Some(digit) => digit,
                    None if !braces && digits == 0 => {
                        return invalid(split_first(rest).map_or("", |(_, after)| after));
                    }
                    None => return invalid(rest),
                };
                value = value * 16 + digit;
                if value > u32::from(char::MAX) {
                    return invalid(rest);
                }
                digits += 1;
            }
            value
        }
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        _ => return invalid(rest),
    };
    Ok((value, rest))
}

/// Writes a Unicode class into a class in brackets; `after` begins behind `\p`.
fn unicode_class<'p>(
    out: &mut String,
    from: &'p str,
    after: &'p str,
    negated: bool,
) -> Result<(&'p str, u64), String> {
    let (name, rest) = match split_first(after) {
        None => ("", after),
        Some(('{', inner)) => match inner.split_once('}') {
            Some(split) => split,
            None => return error(INVALID_RANGE, from),
        },
        Some((_, rest)) => (between(after, rest), rest),
    };
    let (negated, plain) = match name.strip_prefix('^') {
        Some(plain) => (!negated, plain),
        None => (negated, name),
    };
    let Some(class) = names::find(plain) else {
        return error(INVALID_RANGE, between(from, rest));
    };
    let p = if negated { 'P' } else { 'p' };
    match (class, negated) {
        (names::Class::Any, false) | (names::Class::Surrogates, true) => out.push_str("\\x00-\\x{10FFFF}"),
        (names::Class::Any, true) | (names::Class::Surrogates, false) => out.push_str(NOTHING),
        (names::Class::Ascii, false) => out.push_str("\\x00-\\x7F"),
        (names::Class::Ascii, true) => out.push_str("[^\\x00-\\x7F]"),
        (names::Class::Assigned, false) => out.push_str("\\P{gc=Cn}"),
        (names::Class::Assigned, true) => out.push_str("\\p{gc=Cn}"),
        (names::Class::Category(name), _) => out.push_str(&format!("\\{p}{{gc={name}}}")),
        (names::Class::Script(name), _) => out.push_str(&format!("\\{p}{{sc={name}}}")),
    }
    Ok((rest, 300))
}

/// A range inside a class. No text holds surrogates, so they are cut out of it.
fn write_range(out: &mut String, low: u32, high: u32) {
    let low = if (0xD800..0xE000).contains(&low) {
        0xE000
    } else {
        low
    };
    let high = if (0xD800..0xE000).contains(&high) {
        0xD7FF
    } else {
        high
    };
    if low > high {
        return;
    }
    write_char(out, low);
    if low < high {
        out.push('-');
        write_char(out, high);
    }
}

fn write_char(out: &mut String, c: u32) {
    match char::from_u32(c) {
        Some(c) if c.is_ascii_alphanumeric() => out.push(c),
        _ => out.push_str(&format!("\\x{{{c:X}}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// SCH-18: patterns and what they match, as Go 1.26 answers (`tests/data/README.md`).
    #[test]
    fn patterns_are_gos() {
        let record = include_str!("../tests/data/regexp.jsonl");
        let mut cases = 0;
        for line in record.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let source = case["p"].as_str().unwrap();
            let found = check(source).err();
            assert_eq!(found.as_deref(), case["e"].as_str(), "{source}");
            let pattern = Pattern::new(source);
            for (key, want) in [("m", true), ("n", false)] {
                for text in case[key].as_array().into_iter().flatten() {
                    let text = text.as_str().unwrap();
                    assert_eq!(pattern.is_match(text), want, "{source} on {text:?}");
                }
            }
            cases += 1;
        }
        assert!(cases > 150, "the record is whole: {cases} cases");
    }

    /// The invariant, at the limits.
    #[test]
    fn the_largest_patterns_compile() {
        for pattern in [
            format!("^(?i)({}){{100}}$", "[^a-zäöü]".repeat(20)),
            format!("{}a{}", "(".repeat(45), ")*".repeat(45)),
            "(a|bc)".repeat(10_000),
        ] {
            assert_eq!(check(&pattern), Ok(()));
            let translated = translate(&pattern).unwrap();
            let built = RegexBuilder::new(&translated).size_limit(1 << 28).build();
            assert!(
                built.is_ok(),
                "{:.40}: {:.200}",
                pattern,
                built.unwrap_err().to_string()
            );
        }
        let text = |pattern: &str| check(pattern).unwrap_err()[..45].to_owned();
        assert_eq!(
            text(r"^[\pL\pN]{2,1000}(?:[\pL\pN]{900})$"),
            "error parsing regexp: expression too large: `"
        );
        assert_eq!(
            text(&format!("{}a{}", "(".repeat(500), ")".repeat(500))),
            "error parsing regexp: expression nests too de"
        );
    }

    /// Each of these took time quadratic in its length; a long one is now one pass.
    #[test]
    fn long_patterns_are_read_once() {
        for (piece, fine) in [
            ("{", true),
            ("[:", false),
            ("(?", false),
            ("\\Q", true),
            ("{1", true),
            ("a(?i)", true),
        ] {
            let pattern = piece.repeat(100_000);
            assert_eq!(check(&pattern).is_ok(), fine, "{piece}");
        }
    }

    proptest! {
        /// The invariant, on patterns of the characters that mean something.
        #[test]
        fn what_is_accepted_compiles(pattern in r"[\[\]^\-\\dwpP{}()?*+|:,a-c0-2&~.$éQE]{0,12}") {
            if check(&pattern).is_ok() {
                let translated = translate(&pattern).unwrap();
                prop_assert!(Regex::new(&translated).is_ok(), "{pattern} as {translated}");
            }
        }
    }
}
