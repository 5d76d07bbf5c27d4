//! Words of a text, by cel-go's grammar: the longest match wins, and what matches nothing is reported and left out.
//!
//! **Invariant:** every byte of the text belongs to a word, to space, to a comment, or to a report.

use std::ops::Range;

/// What a word is; numbered as in cel-go's grammar, since its messages list expected words in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Eof = 0,
    Equals,
    NotEquals,
    In,
    Less,
    LessEquals,
    GreaterEquals,
    Greater,
    And,
    Or,
    LBracket,
    RBracket,
    LBrace,
    RBrace,
    LParen,
    RParen,
    Dot,
    Comma,
    Minus,
    Exclam,
    Question,
    Colon,
    Plus,
    Star,
    Slash,
    Percent,
    True,
    False,
    Null,
    Float,
    Int,
    Uint,
    String,
    Bytes,
    Identifier,
    EscIdentifier,
}

/// Names as cel-go's messages have them, by [`Kind`].
const NAMES: [&str; 36] = [
    "<EOF>",
    "'=='",
    "'!='",
    "'in'",
    "'<'",
    "'<='",
    "'>='",
    "'>'",
    "'&&'",
    "'||'",
    "'['",
    "']'",
    "'{'",
    "'}'",
    "'('",
    "')'",
    "'.'",
    "','",
    "'-'",
    "'!'",
    "'?'",
    "':'",
    "'+'",
    "'*'",
    "'/'",
    "'%'",
    "'true'",
    "'false'",
    "'null'",
    "NUM_FLOAT",
    "NUM_INT",
    "NUM_UINT",
    "STRING",
    "BYTES",
    "IDENTIFIER",
    "ESC_IDENTIFIER",
];

/// A set of kinds, which may hold "nothing more in this rule" too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Set(u64);

impl Set {
    /// What a rule ends with.
    pub(crate) const END: Self = Self(1 << 63);

    pub(crate) const fn of(kinds: &[Kind]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether the rule may end here.
    pub(crate) const fn ends(self) -> bool {
        self.0 & Self::END.0 != 0
    }

    pub(crate) const fn without_end(self) -> Self {
        Self(self.0 & !Self::END.0)
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = NAMES
            .iter()
            .enumerate()
            .filter(|(at, _)| self.0 & (1 << at) != 0)
            .map(|(_, name)| *name)
            .collect();
        match names.as_slice() {
            [name] => f.write_str(name),
            names => write!(f, "{{{}}}", names.join(", ")),
        }
    }
}

/// A word: bytes `start..end` of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Something that is no word: where, and the message.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
}

/// The words, the last of which is the end, and what was not recognised.
pub(crate) fn lex(text: &str) -> (Vec<Token>, Vec<Unknown>) {
    let (mut tokens, mut unknown) = (Vec::new(), Vec::new());
    let mut start = 0;
    while start < text.len() {
        let rest = text.get(start..).unwrap_or_default();
        match longest(rest) {
            Ok((kind, length)) => {
                if let Some(kind) = kind {
                    tokens.push(Token {
                        kind,
                        start,
                        end: start + length,
                    });
                }
                start += length;
            }
            // The character that does not fit is swallowed with what stands before it, as by ANTLR.
            Err(fits) => {
                let misfit = rest
                    .get(fits..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(0, char::len_utf8);
                let text = rest.get(..fits + misfit).unwrap_or(rest);
                unknown.push(Unknown {
                    range: start..start + fits + misfit,
                    message: format!("token recognition error at: '{text}'"),
                });
                start += (fits + misfit).max(1);
            }
        }
    }
    tokens.push(Token {
        kind: Kind::Eof,
        start: text.len(),
        end: text.len(),
    });
    (tokens, unknown)
}

/// What the text begins with (`None` for space and comments) and its length, or how many bytes fit the beginning of a
/// word that doesn't end.
fn longest(text: &str) -> Result<(Option<Kind>, usize), usize> {
    use Kind::{
        And, Colon, Comma, Dot, Equals, Exclam, Greater, GreaterEquals, LBrace, LBracket, LParen, Less,
        LessEquals, Minus, NotEquals, Or, Percent, Plus, Question, RBrace, RBracket, RParen, Slash, Star,
    };
    let bytes = text.as_bytes();
    let second = bytes.get(1).copied();
    let pair = |wanted: u8, pair: Kind, single: Option<Kind>| match (second, single) {
        (Some(byte), _) if byte == wanted => Ok((Some(pair), 2)),
        (_, Some(single)) => Ok((Some(single), 1)),
        (_, None) => Err(1),
    };
    let single = |kind| Ok((Some(kind), 1));
    match bytes.first().copied().unwrap_or_default() {
        b' ' | b'\t' | b'\r' | b'\n' | 0x0c => Ok((
            None,
            run(bytes, 0, |byte| {
                matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0c)
            }),
        )),
        b'/' if second == Some(b'/') => Ok((None, run(bytes, 0, |byte| byte != b'\n'))),
        b'=' => pair(b'=', Equals, None),
        b'!' => pair(b'=', NotEquals, Some(Exclam)),
        b'<' => pair(b'=', LessEquals, Some(Less)),
        b'>' => pair(b'=', GreaterEquals, Some(Greater)),
        b'&' => pair(b'&', And, None),
        b'|' => pair(b'|', Or, None),
        b'[' => single(LBracket),
        b']' => single(RBracket),
        b'{' => single(LBrace),
        b'}' => single(RBrace),
        b'(' => single(LParen),
        b')' => single(RParen),
        b',' => single(Comma),
        b'-' => single(Minus),
        b'?' => single(Question),
        b':' => single(Colon),
        b'+' => single(Plus),
        b'*' => single(Star),
        b'/' => single(Slash),
        b'%' => single(Percent),
        b'.' if !second.is_some_and(|byte| byte.is_ascii_digit()) => single(Dot),
        b'.' | b'0'..=b'9' => Ok(number(bytes)),
        b'"' | b'\'' => quoted(text, 0, false).map(|end| (Some(Kind::String), end)),
        b'`' => escaped_identifier(bytes),
        byte if byte == b'_' || byte.is_ascii_alphabetic() => Ok(word(text)),
        _ => Err(0),
    }
}

/// The first index from `at` on whose byte isn't accepted.
fn run(bytes: &[u8], at: usize, accept: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .skip(at)
        .position(|byte| !accept(*byte))
        .map_or(bytes.len(), |length| at + length)
}

fn number(bytes: &[u8]) -> (Option<Kind>, usize) {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let digits = |at| run(bytes, at, |byte| byte.is_ascii_digit());
    let unsigned = |end: usize| match bytes.get(end) {
        Some(b'u' | b'U') => (Some(Kind::Uint), end + 1),
        _ => (Some(Kind::Int), end),
    };
    if bytes.starts_with(b"0x") && bytes.get(2).is_some_and(u8::is_ascii_hexdigit) {
        return unsigned(run(bytes, 2, |byte| byte.is_ascii_hexdigit()));
    }
    let whole = digits(0);
    let fraction = if bytes.get(whole) == Some(&b'.') && digit(whole + 1) {
        digits(whole + 1)
    } else {
        whole
    };
    let end = match (bytes.get(fraction), bytes.get(fraction + 1)) {
        (Some(b'e' | b'E'), Some(b'+' | b'-')) if digit(fraction + 2) => digits(fraction + 2),
        (Some(b'e' | b'E'), _) if digit(fraction + 1) => digits(fraction + 1),
        _ => fraction,
    };
    if end == whole {
        unsigned(whole)
    } else {
        (Some(Kind::Float), end)
    }
}

/// An identifier, a keyword, or a string with a prefix.
fn word(text: &str) -> (Option<Kind>, usize) {
    let bytes = text.as_bytes();
    let end = run(bytes, 0, |byte| byte == b'_' || byte.is_ascii_alphanumeric());
    let prefix = text.get(..end).unwrap_or_default();
    if matches!(bytes.get(end), Some(b'"' | b'\'')) {
        let found = match prefix {
            "r" | "R" => Some((Kind::String, true)),
            "b" | "B" => Some((Kind::Bytes, false)),
            "br" | "bR" | "Br" | "BR" => Some((Kind::Bytes, true)),
            _ => None,
        };
        // An unclosed one leaves its prefix, which is an identifier; the quote is reported next.
        if let Some((kind, raw)) = found
            && let Ok(length) = quoted(text, end, raw)
        {
            return (Some(kind), length);
        }
    }
    let kind = match prefix {
        "in" => Kind::In,
        "true" => Kind::True,
        "false" => Kind::False,
        "null" => Kind::Null,
        _ => Kind::Identifier,
    };
    (Some(kind), end)
}

/// The end of the string whose quote stands at `start`, or how far it goes without an end.
fn quoted(text: &str, start: usize, raw: bool) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    let quote = bytes.get(start).copied().unwrap_or_default();
    if bytes.get(start + 1) == Some(&quote) {
        // An empty string, unless a third quote opens a long one that is closed.
        if bytes.get(start + 2) == Some(&quote)
            && let Ok(end) = body(
                bytes,
                start + 3,
                raw,
                |at| {
                    let closed = bytes
                        .get(at..at + 3)
                        .is_some_and(|next| next.iter().all(|byte| *byte == quote));
                    closed.then_some(at + 3)
                },
                |_| false,
            )
        {
            return Ok(end);
        }
        return Ok(start + 2);
    }
    let close = |at: usize| (bytes.get(at) == Some(&quote)).then_some(at + 1);
    body(bytes, start + 1, raw, close, |byte| matches!(byte, b'\n' | b'\r'))
}

/// Walks over a string's inside: the end that `close` finds, or where it stopped.
fn body(
    bytes: &[u8],
    mut at: usize,
    raw: bool,
    close: impl Fn(usize) -> Option<usize>,
    forbidden: impl Fn(u8) -> bool,
) -> Result<usize, usize> {
    loop {
        if let Some(end) = close(at) {
            return Ok(end);
        }
        match bytes.get(at) {
            None => return Err(at),
            Some(b'\\') if !raw => at = escape(bytes, at)?,
            Some(byte) if forbidden(*byte) => return Err(at),
            Some(_) => at += 1,
        }
    }
}

/// The end of the escape sequence whose backslash stands at `at`, or the first byte that does not fit.
fn escape(bytes: &[u8], at: usize) -> Result<usize, usize> {
    let all = |from: usize, count: usize, fits: fn(&u8) -> bool| {
        (from..from + count)
            .find(|at| !bytes.get(*at).is_some_and(fits))
            .map_or(Ok(from + count), Err)
    };
    match bytes.get(at + 1) {
        Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`') => {
            Ok(at + 2)
        }
        Some(b'0'..=b'3') => all(at + 2, 2, |byte| matches!(byte, b'0'..=b'7')),
        Some(b'x' | b'X') => all(at + 2, 2, u8::is_ascii_hexdigit),
        Some(b'u') => all(at + 2, 4, u8::is_ascii_hexdigit),
        Some(b'U') => all(at + 2, 8, u8::is_ascii_hexdigit),
        _ => Err(at + 1),
    }
}

fn escaped_identifier(bytes: &[u8]) -> Result<(Option<Kind>, usize), usize> {
    let end = run(bytes, 1, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b' ')
    });
    if end > 1 && bytes.get(end) == Some(&b'`') {
        Ok((Some(Kind::EscIdentifier), end + 1))
    } else {
        Err(end)
    }
}
