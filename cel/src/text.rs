//! Values of string and bytes literals.
//!
//! **Invariant:** the text is one that the lexer took for a literal, so that what doesn't fit is reported, not guessed.

/// What stands for an escape sequence that isn't one.
const BAD: &str = "unable to unescape string";

/// The value of a literal (without the `b` of bytes): line breaks are `\n`, escape sequences are replaced.
pub(crate) fn unquote(literal: &str, bytes: bool) -> Result<Vec<u8>, &'static str> {
    let text = literal.replace("\r\n", "\n").replace('\r', "\n");
    let raw = text.strip_prefix(['r', 'R']);
    let quoted = raw.unwrap_or(&text);
    let inner = ["'''", "\"\"\"", "'", "\""]
        .into_iter()
        .find_map(|quote| quoted.strip_prefix(quote)?.strip_suffix(quote))
        .ok_or(BAD)?;
    if raw.is_some() || !inner.contains('\\') {
        return Ok(inner.into());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        rest = unescape(escape, bytes, &mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// Puts the value of the escape sequence that the text begins with; the rest.
fn unescape<'a>(text: &'a str, bytes: bool, out: &mut Vec<u8>) -> Result<&'a str, &'static str> {
    let kind = text.as_bytes().get(1).copied().ok_or(BAD)?;
    let (digits, radix) = match kind {
        b'x' | b'X' => (text.get(2..4), 16),
        b'u' if !bytes => (text.get(2..6), 16),
        b'U' if !bytes => (text.get(2..10), 16),
        b'0'..=b'3' => (text.get(1..4), 8),
        _ => {
            out.push(match kind {
                b'a' => 0x07,
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                b'\\' | b'\'' | b'"' | b'`' | b'?' => kind,
                _ => return Err(BAD),
            });
            return text.get(2..).ok_or(BAD);
        }
    };
    let digits = digits.ok_or(BAD)?;
    let value = u32::from_str_radix(digits, radix).map_err(|_| BAD)?;
    if bytes {
        out.push(u8::try_from(value).map_err(|_| BAD)?);
    } else {
        let character = char::from_u32(value).ok_or("invalid unicode code point")?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    let length = if radix == 8 { 4 } else { 2 + digits.len() };
    text.get(length..).ok_or(BAD)
}
