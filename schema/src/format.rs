//! The string and number formats that a server checks (SCH-25).

use std::net::Ipv6Addr;
use std::sync::LazyLock;

use regex::Regex;

use crate::duration;

/// A format that is checked; all others are stored and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Int32,
    Int64,
    Float,
    Double,
    BsonObjectId,
    Uri,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Cidr,
    Mac,
    Uuid,
    Uuid3,
    Uuid4,
    Uuid5,
    Isbn,
    Isbn10,
    Isbn13,
    CreditCard,
    Ssn,
    HexColor,
    RgbColor,
    Byte,
    Password,
    Date,
    Duration,
    DateTime,
    ShortName,
    LongName,
    /// One that no server checks.
    Unchecked,
}

impl Format {
    /// The format of this name, if a schema of this type may have it. Without a type, those of strings count.
    pub(crate) fn recognize(type_name: Option<&str>, name: &str) -> Option<Self> {
        match type_name {
            None | Some("string") => Self::of_strings(&name.replace('-', "")),
            Some("integer") => match name {
                "int32" => Some(Self::Int32),
                "int64" => Some(Self::Int64),
                _ => None,
            },
            Some("number") => match name {
                "float" => Some(Self::Float),
                "double" => Some(Self::Double),
                _ => None,
            },
            Some(_) => None,
        }
    }

    fn of_strings(normalized: &str) -> Option<Self> {
        Some(match normalized {
            "bsonobjectid" => Self::BsonObjectId,
            "uri" => Self::Uri,
            "email" => Self::Email,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "cidr" => Self::Cidr,
            "mac" => Self::Mac,
            "uuid" => Self::Uuid,
            "uuid3" => Self::Uuid3,
            "uuid4" => Self::Uuid4,
            "uuid5" => Self::Uuid5,
            "isbn" => Self::Isbn,
            "isbn10" => Self::Isbn10,
            "isbn13" => Self::Isbn13,
            "creditcard" => Self::CreditCard,
            "ssn" => Self::Ssn,
            "hexcolor" => Self::HexColor,
            "rgbcolor" => Self::RgbColor,
            "byte" => Self::Byte,
            "password" => Self::Password,
            "date" => Self::Date,
            "duration" => Self::Duration,
            "datetime" => Self::DateTime,
            "k8sshortname" => Self::ShortName,
            "k8slongname" => Self::LongName,
            _ => return None,
        })
    }

    /// Whether a string has the format. Formats of numbers hold for every string.
    pub(crate) fn matches(self, text: &str) -> bool {
        match self {
            Self::Int32 | Self::Int64 | Self::Float | Self::Double | Self::Password | Self::Unchecked => true,
            Self::BsonObjectId => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
            Self::Uri => is_request_uri(text),
            Self::Email => is_email(text),
            Self::Hostname => is_hostname(text),
            Self::Ipv4 => text.contains('.') && parse_ip(text).is_some(),
            Self::Ipv6 => is_ipv6(text),
            Self::Cidr => is_cidr(text),
            Self::Mac => is_mac(text),
            Self::Uuid => is_uuid(text, None),
            Self::Uuid3 => is_uuid(text, Some('3')),
            Self::Uuid4 => is_uuid(text, Some('4')),
            Self::Uuid5 => is_uuid(text, Some('5')),
            Self::Isbn => is_isbn10(text) || is_isbn13(text),
            Self::Isbn10 => is_isbn10(text),
            Self::Isbn13 => is_isbn13(text),
            Self::CreditCard => is_credit_card(text),
            Self::Ssn => is_ssn(text),
            Self::HexColor => {
                let digits = text.strip_prefix('#').unwrap_or(text);
                matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
            }
            Self::RgbColor => is_rgb(text),
            Self::Byte => is_base64(text),
            Self::Date => is_date(text),
            Self::Duration => duration::parse_loose_duration(text).is_ok(),
            Self::DateTime => is_date_time(text),
            Self::ShortName => is_label(text),
            Self::LongName => text.len() <= 253 && text.split('.').all(is_label_of_any_length),
        }
    }
}

/// RFC 1034 names as the server knows them: any letters and symbols, and one label may stand alone.
fn is_hostname(text: &str) -> bool {
    static HOSTNAME: LazyLock<Regex> = LazyLock::new(|| {
        let word = r"[a-zA-Z0-9\p{L}\p{S}]";
        let label = format!(r"{word}(?:[a-zA-Z0-9\p{{L}}\p{{S}}-]{{0,61}}{word})?");
        let single = format!("{word}-?{word}{{0,62}}");
        Regex::new(&format!(r"^(?:{single}|(?:{label}\.)+[a-zA-Z\p{{L}}]{{2,63}})$"))
            .expect("the pattern is a constant and covered by a test")
    });
    text.len() <= 255 && text.split('.').all(|label| label.len() <= 63) && HOSTNAME.is_match(text)
}

/// An address as Go's `net/mail` reads it: `local@domain`, optionally after a name and in angle brackets.
fn is_email(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    // A comment may follow the address.
    let text = match text.strip_suffix(')').and_then(|inner| inner.split_once('(')) {
        Some((address, comment)) if !comment.contains(['(', ')']) => address.trim_end_matches([' ', '\t']),
        _ => text,
    };
    match text.strip_suffix('>').and_then(|inner| inner.rsplit_once('<')) {
        Some((name, address)) => is_phrase(name) && is_addr_spec(address),
        None => is_addr_spec(text),
    }
}

fn is_phrase(name: &str) -> bool {
    let name = name.trim();
    name.is_empty()
        || is_quoted(name)
        || name
            .split([' ', '\t'])
            .all(|word| word.is_empty() || is_dot_atom(word))
}

fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return false;
    };
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            c if c.is_control() && c != '\t' => return false,
            _ => {}
        }
    }
    !escaped
}

fn is_addr_spec(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let literal = domain
        .strip_prefix('[')
        .and_then(|d| d.strip_suffix(']'))
        .is_some_and(|d| parse_ip(d).is_some());
    (is_dot_atom(local) || is_quoted(local)) && (literal || is_dot_atom(domain))
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    })
}

/// Go's older parser: leading zeros of IPv4 parts are decimal.
fn parse_ip(text: &str) -> Option<()> {
    if text.contains(':') {
        let sloppy = match text.rsplit_once(':') {
            Some((head, tail)) if tail.contains('.') => format!("{head}:{}", plain_ipv4(tail)?),
            _ => text.to_owned(),
        };
        return sloppy.parse::<Ipv6Addr>().ok().map(|_| ());
    }
    plain_ipv4(text).map(|_| ())
}

fn plain_ipv4(text: &str) -> Option<String> {
    let mut parts = Vec::with_capacity(4);
    for part in text.split('.') {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        parts.push(part.parse::<u8>().ok()?.to_string());
    }
    (parts.len() == 4).then(|| parts.join("."))
}

fn is_ipv6(text: &str) -> bool {
    text.contains(':') && text.parse::<Ipv6Addr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let limit = if address.contains(':') { 128 } else { 32 };
    parse_ip(address).is_some()
        && !bits.is_empty()
        && bits.bytes().all(|b| b.is_ascii_digit())
        && bits.parse::<u32>().is_ok_and(|bits| bits <= limit)
}

fn is_mac(text: &str) -> bool {
    let groups = |separator: char, digits: usize, counts: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len())
            && parts
                .iter()
                .all(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let bare = matches!(text.len(), 12 | 16 | 40) && text.bytes().all(|b| b.is_ascii_hexdigit());
    bare || groups(':', 2, &[6, 8, 20]) || groups('-', 2, &[6, 8, 20]) || groups('.', 4, &[3, 4, 10])
}

/// Hexadecimal digits in groups of 8, 4, 4, 4, 12, each dash optional; `version` fixes the 13th digit, and from
/// version 4 on the variant digit.
fn is_uuid(text: &str, version: Option<char>) -> bool {
    let mut rest = text;
    let mut groups = [""; 5];
    for (index, len) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some((group, tail)) = rest.split_at_checked(len) else {
            return false;
        };
        if !group.bytes().all(|b| b.is_ascii_hexdigit()) {
            return false;
        }
        groups[index] = group;
        rest = tail;
    }
    let variant = matches!(version, Some('4' | '5'));
    rest.is_empty()
        && version.is_none_or(|version| groups[2].starts_with(version))
        && (!variant || groups[3].starts_with(['8', '9', 'a', 'b', 'A', 'B']))
}

fn without_spaces_and_dashes(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ' | '-'))
        .collect()
}

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

fn is_isbn10(text: &str) -> bool {
    let text = without_spaces_and_dashes(text);
    let (body, last) = match text.strip_suffix('X') {
        Some(body) => (body.to_owned(), 10),
        None => match text.chars().last().and_then(|c| c.to_digit(10)) {
            Some(last) => (text[..text.len() - 1].to_owned(), last),
            None => return false,
        },
    };
    let Some(body) = digits(&body).filter(|body| body.len() == 9) else {
        return false;
    };
    let sum: u32 = (1..).zip(&body).map(|(weight, digit)| weight * digit).sum();
    (sum + 10 * last).is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let Some(all) = digits(&without_spaces_and_dashes(text)).filter(|all| all.len() == 13) else {
        return false;
    };
    let sum: u32 = all
        .iter()
        .zip([1, 3].iter().cycle())
        .map(|(digit, weight)| digit * weight)
        .sum();
    sum.is_multiple_of(10)
}

/// A number of the known issuers with a right check digit; everything but digits is ignored.
fn is_credit_card(text: &str) -> bool {
    static ISSUERS: LazyLock<Regex> = LazyLock::new(|| {
        let visa = "4[0-9]{12}(?:[0-9]{3})?";
        let mastercard = "5[1-5][0-9]{14}";
        let discover = "6(?:011|5[0-9]{2})[0-9]{12}";
        let amex = "3[47][0-9]{13}";
        let diners = "3(?:0[0-5]|[68][0-9])[0-9]{11}";
        let jcb = "(?:2131|1800|35[0-9]{3})[0-9]{11}";
        Regex::new(&format!(
            "^(?:{visa}|{mastercard}|{discover}|{amex}|{diners}|{jcb})$"
        ))
        .expect("the pattern is a constant and covered by a test")
    });
    let number: String = text.chars().filter(char::is_ascii_digit).collect();
    if !ISSUERS.is_match(&number) {
        return false;
    }
    let sum: u32 = number
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(index, digit)| {
            if index % 2 == 0 {
                digit
            } else {
                digit * 2 / 10 + digit * 2 % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Eleven characters: two separators stand between the three groups of digits.
fn is_ssn(text: &str) -> bool {
    text.len() == 11
        && text.bytes().enumerate().all(|(index, b)| match index {
            3 | 6 => matches!(b, b'-' | b' '),
            _ => b.is_ascii_digit(),
        })
}

fn is_rgb(text: &str) -> bool {
    let Some(inner) = text.strip_prefix("rgb(").and_then(|t| t.strip_suffix(')')) else {
        return false;
    };
    let parts: Vec<&str> = inner.split(',').collect();
    let space = [' ', '\t', '\n', '\r', '\u{c}'];
    parts.len() == 3
        && parts.iter().all(|part| {
            let part = part.trim_matches(space);
            let no_leading_zero = part == "0" || !part.starts_with('0');
            no_leading_zero && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u8>().is_ok()
        })
}

/// Standard alphabet, padded, not empty.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let number = |text: &str, len: usize| -> Option<u32> {
        (text.len() == len && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// A date, `t`, and a time with zone; what follows a second `t` is not looked at.
fn is_date_time(text: &str) -> bool {
    if !text.is_ascii() {
        // Upstream lower-cases everything, which may make two characters of one.
        let lower = text.to_lowercase();
        return is_date_and_time(&lower);
    }
    is_date_and_time(text)
}

fn is_date_and_time(text: &str) -> bool {
    let mut parts = text.split(['t', 'T']);
    match (parts.next(), parts.next()) {
        (Some(date), Some(time)) => is_date(date) && is_time(time),
        _ => false,
    }
}

fn is_time(text: &str) -> bool {
    let two =
        |text: &str, max: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && text <= max;
    let clock = |text: &str| {
        text.len() == 8
            && text.is_ascii()
            && two(&text[..2], "23")
            && two(&text[3..5], "59")
            && two(&text[6..], "59")
            && &text[2..3] == ":"
            && &text[5..6] == ":"
    };
    let offset = |text: &str| {
        text.len() == 6
            && text.is_ascii()
            && text.starts_with(['+', '-'])
            && two(&text[1..3], "99")
            && &text[3..4] == ":"
            && two(&text[4..], "99")
    };
    let Some((head, tail)) = text.split_at_checked(8) else {
        return false;
    };
    if !clock(head) {
        return false;
    }
    // A fraction may be led by any character, as upstream's pattern has an unescaped dot there.
    let zone = |rest: &str| rest.eq_ignore_ascii_case("z") || offset(rest);
    let after_fraction = || {
        let mut chars = tail.chars();
        chars.next().filter(|c| *c != '\n')?;
        let rest = chars.as_str();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        (end > 0).then(|| &rest[end..])
    };
    zone(tail) || after_fraction().is_some_and(zone)
}

/// An absolute URI or an absolute path, as Go's `url.ParseRequestURI` reads it.
fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let Some((scheme, rest)) = split_scheme(text) else {
        return false;
    };
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if !rest.starts_with('/') {
        // Opaque, such as mailto:someone@example.com; without a scheme it is relative.
        return !scheme.is_empty();
    }
    match rest.strip_prefix("//") {
        // Without a scheme, three slashes begin a path.
        Some(tail) if !(scheme.is_empty() && tail.starts_with('/')) => {
            let end = tail.find('/').unwrap_or(tail.len());
            is_authority(&tail[..end]) && percent_encoded(&tail[end..])
        }
        _ => percent_encoded(rest),
    }
}

/// Scheme (may be empty) and what follows its colon; `None` if a colon stands first.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (index, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if index > 0 => {}
            ':' if index > 0 => return Some((&text[..index], &text[index + 1..])),
            ':' => return None,
            _ => return Some(("", text)),
        }
    }
    Some(("", text))
}

fn is_authority(text: &str) -> bool {
    let host = match text.rsplit_once('@') {
        Some((user, host)) => {
            let valid = user
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c));
            if !valid || !percent_encoded(user) {
                return false;
            }
            host
        }
        None => text,
    };
    let port_is_valid = |port: &str| {
        port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(inner) = host.strip_prefix('[') {
        return inner.rsplit_once(']').is_some_and(|(address, port)| {
            let address = address.split_once("%25").map_or(address, |(address, _)| address);
            port_is_valid(port) && address.parse::<Ipv6Addr>().is_ok()
        });
    }
    if host.contains('[') {
        return false;
    }
    let name = match host.rfind(':') {
        Some(colon) if port_is_valid(&host[colon..]) => &host[..colon],
        Some(_) => return false,
        None => host,
    };
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b >= 0x80 || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b))
        && percent_encoded(name)
        && only_foreign_escapes(name)
}

/// In hosts, escapes stand for bytes outside of ASCII only; `%25` is let through.
fn only_foreign_escapes(host: &str) -> bool {
    host.match_indices('%').all(|(index, _)| {
        let escape = &host[index..];
        escape.starts_with("%25")
            || escape[1..].starts_with(|c: char| c.to_digit(16).is_some_and(|digit| digit >= 8))
    })
}

fn percent_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'%')
        .all(|(index, _)| {
            bytes
                .get(index + 1..index + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        })
}

/// DNS-1123 label of at most 63 characters.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_of_any_length(text)
}

fn is_label_of_any_length(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SCH-25, SCH-28: one line for each format, what it takes and what not.
    #[test]
    fn formats() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (
                "bsonobjectid",
                &["507f1f77bcf86cd799439011"],
                &["507f", "507f1f77bcf86cd79943901g"],
            ),
            (
                "uri",
                &[
                    "http://foo.bar/#com",
                    "/abs/dir",
                    "mailto:a@b.c",
                    "http://[::1]:80/x",
                    "http://h/%20",
                    "//h/x",
                ],
                &[
                    "foo",
                    "",
                    "./rel",
                    "http://h:port/",
                    "http://h/%zz",
                    "http://a b/",
                ],
            ),
            (
                "email",
                &["a@b.c", "N <a@b.c>", "\"x y\"@b.c"],
                &["a", "a@", "@b", "a b@c.d"],
            ),
            (
                "hostname",
                &["a", "a.example.com", "x-y.org", "möbel.de"],
                &["", "-a.com", "a..com", "a_b.com", "a.b"],
            ),
            ("ipv4", &["1.2.3.4", "010.1.1.1"], &["::1", "1.2.3", "1.2.3.256"]),
            ("ipv6", &["::1", "fe80::1"], &["1.2.3.4", "::g"]),
            (
                "cidr",
                &["10.0.0.0/8", "::/0"],
                &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/"],
            ),
            (
                "mac",
                &["01:23:45:67:89:ab", "0123.4567.89ab"],
                &["01:23", "01-23-45-67-89-zz"],
            ),
            (
                "uuid",
                &[
                    "123e4567-e89b-12d3-a456-426614174000",
                    "123E4567e89b12d3a456426614174000",
                ],
                &["x", "123e4567-e89b-12d3-a456"],
            ),
            (
                "uuid4",
                &["123e4567-e89b-42d3-a456-426614174000"],
                &["123e4567-e89b-12d3-a456-426614174000"],
            ),
            (
                "isbn",
                &["3836221195", "978-3-8362-2119-1"],
                &["3423214121", "foo", ""],
            ),
            (
                "creditcard",
                &["4220 8554 2622 2389", "374953669708156"],
                &["4220855426213389", "30190239451016"],
            ),
            (
                "ssn",
                &["123-45-6789", "123 45 6789"],
                &["123456789", "12-345-6789"],
            ),
            ("hexcolor", &["#fff", "00FF00"], &["#ff", "ggg"]),
            (
                "rgbcolor",
                &["rgb(0, 31,255)"],
                &["rgb(01,31,255)", "rgb(1,2)", "rgb(1,2,256)"],
            ),
            ("byte", &["aGk=", "aGkh"], &["", "a", "aGk", "a-_="]),
            ("date", &["2024-02-29"], &["2023-02-29", "2024-2-1", "2024-13-01"]),
            (
                "date-time",
                &["2014-12-15T19:30:20.000Z", "2014-12-15t19:30:20+01:00"],
                &["2014-12-15", "2014-12-15T24:00:00Z", "2014-12-15T19:30:20"],
            ),
            (
                "duration",
                &["1h30m", "PT1H", "22 ns", "3 days", "0", "-1.5s"],
                &["", "x", "1", "5 x"],
            ),
            ("k8s-short-name", &["a-b"], &["A", "a-", ""]),
            ("k8s-long-name", &["a.b-c"], &["a..b", "A"]),
            ("password", &["", "x"], &[]),
        ];
        for (name, good, bad) in cases {
            let format = Format::recognize(Some("string"), name).unwrap();
            for text in *good {
                assert!(format.matches(text), "{name} should take {text:?}");
            }
            for text in *bad {
                assert!(!format.matches(text), "{name} should not take {text:?}");
            }
        }
        assert_eq!(Format::recognize(Some("integer"), "uint32"), None);
        assert_eq!(Format::recognize(Some("object"), "int32"), None);
    }
}
