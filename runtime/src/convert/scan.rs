//! One pass over JSON that checks it as it goes.
//!
//! **Invariant:** what is read without a `None` is JSON as serde_json understands it. The other direction does not hold:
//! what is nested very deep, or a name with escapes, is for others to read.

/// How deep lists and objects may stand in one another.
const DEPTH: usize = 100;

/// A place in a text.
#[derive(Clone)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// A text that is often met, as a member's name with its quotes and the colon. Up to 16 bytes are compared as two numbers.
#[derive(Debug)]
pub(crate) struct Token {
    text: Box<str>,
    head: u64,
    /// The bytes of `head` that count.
    mask: u64,
    /// The last eight bytes, of a longer text.
    tail: u64,
}

impl Token {
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut head = [0; 8];
        let length = bytes.len().min(8);
        head[..length].copy_from_slice(&bytes[..length]);
        Self {
            head: u64::from_le_bytes(head),
            mask: u64::MAX.checked_shr(64 - 8 * length as u32).unwrap_or_default(),
            tail: bytes.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail)),
            text: text.into(),
        }
    }

    fn begins(&self, rest: &[u8]) -> bool {
        let length = self.text.len();
        let Some(head) = rest.first_chunk() else {
            return rest.starts_with(self.text.as_bytes());
        };
        if u64::from_le_bytes(*head) & self.mask != self.head {
            return false;
        }
        let Some(rest) = rest.get(..length) else {
            return false;
        };
        match rest.last_chunk() {
            Some(tail) if length > 8 => {
                u64::from_le_bytes(*tail) == self.tail && (length <= 16 || rest == self.text.as_bytes())
            }
            _ => true,
        }
    }
}

/// A string without escapes, without its quotes.
pub(crate) fn bare(text: &str) -> &str {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}

/// The bytes of eight that end a plain part of a string, each by its highest bit: a quote, a backslash or a control
/// character. The first of them is right; behind it there may be others that are none.
fn ends(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * 0x22));
    let slash = zero(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | slash | control) & HIGH
}

impl<'a> Scan<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// The text from `at` to here.
    pub(crate) fn since(&self, at: usize) -> &'a str {
        self.between(at, self.at)
    }

    pub(crate) fn between(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Over one byte that was seen.
    pub(crate) fn step(&mut self) {
        self.at += 1;
    }

    /// Into an object or a list that is expected next.
    pub(crate) fn open(&mut self, bracket: u8) -> Option<()> {
        (self.peek()? == bracket).then(|| self.at += 1)
    }

    /// The byte that the next token begins with.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Whether one more member or item comes, and to where it begins; else behind the `end`.
    pub(crate) fn more(&mut self, end: u8, first: bool) -> Option<bool> {
        let byte = self.peek()?;
        if byte == end {
            self.at += 1;
            return Some(false);
        }
        if !first {
            if byte != b',' {
                return None;
            }
            self.at += 1;
            self.peek()?;
        }
        Some(true)
    }

    /// Over a token that is expected here.
    pub(crate) fn meets(&mut self, token: &Token) -> bool {
        let there = token.begins(self.text.as_bytes().get(self.at..).unwrap_or_default());
        if there {
            self.at += token.text.len();
        }
        there
    }

    /// Over a text that is known to be here.
    pub(crate) fn skip_text(&mut self, text: &str) -> Option<()> {
        self.eat(text).then_some(())
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let there = rest.starts_with(token.as_bytes());
        if there {
            self.at += token.len();
        }
        there
    }

    /// Over the colon, and to the value.
    pub(crate) fn colon(&mut self) -> Option<()> {
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.peek().map(drop)
    }

    /// A string with its quotes; `None` if it has escapes.
    pub(crate) fn name(&mut self) -> Option<&'a str> {
        let from = self.at;
        if self.byte()? != b'"' || self.string()? {
            return None;
        }
        Some(self.since(from))
    }

    /// Over the string that begins here; whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        let bytes = self.text.as_bytes();
        let (mut at, mut escapes) = (self.at + 1, false);
        loop {
            while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
                let ends = ends(u64::from_le_bytes(*word));
                if ends != 0 {
                    at += ends.trailing_zeros() as usize / 8;
                    break;
                }
                at += 8;
            }
            match *bytes.get(at)? {
                b'"' => {
                    self.at = at + 1;
                    return Some(escapes);
                }
                b'\\' => {
                    escapes = true;
                    at += match bytes.get(at + 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                        _ => return None,
                    };
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        self.value_within(0)
    }

    /// Over the next value.
    pub(crate) fn over(&mut self) -> Option<()> {
        self.skip(0)
    }

    /// The next value, which stands so deep in others.
    pub(crate) fn value_within(&mut self, depth: usize) -> Option<&'a str> {
        self.peek()?;
        let from = self.at;
        self.skip(depth)?;
        Some(self.since(from))
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' if depth < DEPTH => {
                self.at += 1;
                let mut first = true;
                while self.more(b'}', first)? {
                    first = false;
                    if self.byte()? != b'"' {
                        return None;
                    }
                    self.string()?;
                    self.colon()?;
                    self.skip(depth + 1)?;
                }
                Some(())
            }
            b'[' if depth < DEPTH => {
                self.at += 1;
                let mut first = true;
                while self.more(b']', first)? {
                    first = false;
                    self.skip(depth + 1)?;
                }
                Some(())
            }
            b't' => self.eat("true").then_some(()),
            b'f' => self.eat("false").then_some(()),
            b'n' => self.eat("null").then_some(()),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.byte()? == b'-' {
            self.at += 1;
        }
        if self.byte()? == b'0' {
            self.at += 1;
            if self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
                return None;
            }
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }
}
