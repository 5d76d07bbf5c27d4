//! `url()`: URLs as Go's `net/url` reads and writes them, with its texts.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use super::net;
use crate::gotext::quote;

/// A parsed URL. Parts that stood escaped are kept as bytes, since they need not be UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    opaque: String,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    host: Vec<u8>,
    path: Vec<u8>,
    /// The path as written, where it is not what escaping makes of it.
    raw_path: String,
    query: String,
    force_query: bool,
    omit_host: bool,
    fragment: Vec<u8>,
    raw_fragment: String,
}

/// Part of a URL; each has its own characters that need no escape.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Path,
    User,
    Host,
    Zone,
    Query,
    Fragment,
}

fn must_escape(byte: u8, part: Part) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']'
        | b'<' | b'>' | b'"'
            if matches!(part, Part::Host | Part::Zone) =>
        {
            false
        }
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::Query => true,
            Part::Fragment => false,
            Part::Host | Part::Zone => true,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

fn escape(bytes: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if must_escape(byte, part) {
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

fn hex(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*bytes.first()?)?, digit(*bytes.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        index += 1;
        match byte {
            b'%' => {
                let shown = &bytes[index - 1..bytes.len().min(index + 2)];
                let refused = || {
                    Err(format!(
                        "invalid URL escape {}",
                        quote(&String::from_utf8_lossy(shown))
                    ))
                };
                let Some(value) = hex(&bytes[index..]) else {
                    return refused();
                };
                if part == Part::Host && value < 0x80 && shown != b"%25" {
                    return refused();
                }
                if part == Part::Zone && shown != b"%25" && value != b' ' && must_escape(value, Part::Host) {
                    return refused();
                }
                out.push(value);
                index += 2;
            }
            b'+' if part == Part::Query => out.push(b' '),
            _ => {
                if matches!(part, Part::Host | Part::Zone) && byte < 0x80 && must_escape(byte, part) {
                    return Err(format!(
                        "invalid character {} in host name",
                        quote(&char::from(byte).to_string())
                    ));
                }
                out.push(byte);
            }
        }
    }
    Ok(out)
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index > 0 => return Ok((&text[..index], &text[index + 1..])),
            b':' => return Err("missing protocol scheme".to_owned()),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_host(scheme: &str, host: &str) -> Result<Vec<u8>, String> {
    let bad_port = |port: &str| Err(format!("invalid port {} after host", quote(port)));
    match host.rfind('[') {
        Some(1..) => return Err("invalid IP-literal".to_owned()),
        Some(0) => {
            let Some(close) = host.rfind(']') else {
                return Err("missing ']' in host".to_owned());
            };
            let port = &host[close + 1..];
            if !is_port(port) {
                return bad_port(port);
            }
            let name = &host[1..close];
            let name = match name.find("%25") {
                Some(zone) => {
                    let mut name_bytes = unescape(&name[..zone], Part::Host)?;
                    name_bytes.extend(unescape(&name[zone..], Part::Zone)?);
                    name_bytes
                }
                None => unescape(name, Part::Host)?,
            };
            let (address, _) = net::parse_any(&String::from_utf8_lossy(&name))
                .map_err(|error| format!("invalid host: {error}"))?;
            if address.is_ipv4() {
                return Err("invalid IP-literal".to_owned());
            }
            let mut out = vec![b'['];
            out.extend(name);
            out.push(b']');
            out.extend(port.bytes());
            return Ok(out);
        }
        None => {}
    }
    if let (Some(first), Some(last)) = (host.find(':'), host.rfind(':')) {
        // Other schemes have long been let through with more colons.
        let colon = if matches!(scheme, "http" | "https") {
            first
        } else {
            last
        };
        if !is_port(&host[colon..]) {
            return bad_port(&host[colon..]);
        }
    }
    unescape(host, Part::Host)
}

/// What a URL is read from.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    /// A request: an absolute URL or path.
    Request,
    Anywhere,
}

impl Url {
    fn read(text: &str, origin: Origin) -> Result<Self, String> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        if text.is_empty() && origin == Origin::Request {
            return Err("empty url".to_owned());
        }
        let mut url = Self::default();
        if text == "*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, mut rest) = split_scheme(text)?;
        url.scheme = scheme.to_lowercase();
        match rest.split_once('?') {
            Some((before, "")) => {
                url.force_query = true;
                rest = before;
            }
            Some((before, query)) => {
                query.clone_into(&mut url.query);
                rest = before;
            }
            None => {}
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            if origin == Origin::Request {
                return Err("invalid URI for request".to_owned());
            }
            if rest
                .split('/')
                .next()
                .is_some_and(|segment| segment.contains(':'))
            {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority =
            !url.scheme.is_empty() || (origin == Origin::Anywhere && !rest.starts_with("///"));
        if has_authority && let Some(after) = rest.strip_prefix("//") {
            let end = after.find('/').unwrap_or(after.len());
            url.set_authority(&after[..end])?;
            rest = &after[end..];
        } else if !url.scheme.is_empty() && rest.starts_with('/') {
            url.omit_host = true;
        }
        url.path = unescape(rest, Part::Path)?;
        if escape(&url.path, Part::Path) != rest {
            rest.clone_into(&mut url.raw_path);
        }
        Ok(url)
    }

    fn set_authority(&mut self, authority: &str) -> Result<(), String> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = parse_host(&self.scheme, host)?;
        let Some(user) = user else {
            return Ok(());
        };
        let fine = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
        if !user.chars().all(fine) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        self.user = Some(match user.split_once(':') {
            Some((name, password)) => (unescape(name, Part::User)?, Some(unescape(password, Part::User)?)),
            None => (unescape(user, Part::User)?, None),
        });
        Ok(())
    }

    fn split_host(&self) -> (String, String) {
        let host = self.host();
        let (name, port) = match host.rfind(':') {
            Some(colon) if is_port(&host[colon..]) => (&host[..colon], &host[colon + 1..]),
            _ => (host.as_str(), ""),
        };
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        (inner.unwrap_or(name).to_owned(), port.to_owned())
    }

    pub(crate) fn host(&self) -> String {
        String::from_utf8_lossy(&self.host).into_owned()
    }

    pub(crate) fn hostname(&self) -> String {
        self.split_host().0
    }

    pub(crate) fn port(&self) -> String {
        self.split_host().1
    }

    pub(crate) fn escaped_path(&self) -> String {
        written(&self.path, &self.raw_path, Part::Path)
    }

    /// The query's parameters, without those that are written wrongly.
    pub(crate) fn query(&self) -> BTreeMap<String, Vec<String>> {
        let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // Go reads no longer query.
        if self.query.matches('&').count() >= 10_000 {
            return out;
        }
        let text = |escaped: &str| {
            unescape(escaped, Part::Query)
                .ok()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        for setting in self.query.split('&').filter(|setting| !setting.is_empty()) {
            if setting.contains(';') {
                continue;
            }
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            if let (Some(key), Some(value)) = (text(key), text(value)) {
                out.entry(key).or_default().push(value);
            }
        }
        out
    }
}

/// A part as it was written, if that says what the part is; else newly escaped.
fn written(bytes: &[u8], raw: &str, part: Part) -> String {
    let valid = raw
        .bytes()
        .all(|byte| b"!$&'()*+,;=:@[]%".contains(&byte) || !must_escape(byte, part));
    if !raw.is_empty() && valid && unescape(raw, part).is_ok_and(|found| found == bytes) {
        return raw.to_owned();
    }
    if part == Part::Path && bytes == b"*" {
        return "*".to_owned();
    }
    escape(bytes, part)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let named = !self.host.is_empty() || self.user.is_some();
            if named || (!self.scheme.is_empty() && !self.omit_host) {
                if named || !self.path.is_empty() {
                    out.push_str("//");
                }
                if let Some((name, password)) = &self.user {
                    out.push_str(&escape(name, Part::User));
                    if let Some(password) = password {
                        out.push(':');
                        out.push_str(&escape(password, Part::User));
                    }
                    out.push('@');
                }
                out.push_str(&escape(&self.host, Part::Host));
            }
            let path = self.escaped_path();
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty()
                && path
                    .split('/')
                    .next()
                    .is_some_and(|segment| segment.contains(':'))
            {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&written(&self.fragment, &self.raw_fragment, Part::Fragment));
        }
        f.write_str(&out)
    }
}

/// Whether Go's `url.ParseRequestURI` takes the text.
///
/// # Errors
/// Go's text.
pub(crate) fn check_request(text: &str) -> Result<(), String> {
    Url::read(text, Origin::Request)
        .map(|_| ())
        .map_err(|error| format!("parse {}: {error}", quote(text)))
}

/// `url(text)`.
///
/// # Errors
/// Upstream's text.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    const CONTEXT: &str = "URL parse error during conversion from string";
    check_request(text).map_err(|error| format!("{CONTEXT}: {error}"))?;
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let failed = |shown: &str, error: &str| format!("{CONTEXT}: parse {}: {error}", quote(shown));
    let mut url = Url::read(before, Origin::Anywhere).map_err(|error| failed(before, &error))?;
    url.fragment = unescape(fragment, Part::Fragment).map_err(|error| failed(text, &error))?;
    if escape(&url.fragment, Part::Fragment) != fragment {
        fragment.clone_into(&mut url.raw_fragment);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let url = parse("https://user:pw@example.com:80/a%2Fb/c%20d?k=a&k=b+c&x#f").unwrap();
        assert_eq!(url.scheme, "https");
        assert_eq!(url.host(), "example.com:80");
        assert_eq!(url.hostname(), "example.com");
        assert_eq!(url.port(), "80");
        assert_eq!(url.escaped_path(), "/a%2Fb/c%20d");
        assert_eq!(url.query()["k"], ["a", "b c"]);
        assert_eq!(url.query()["x"], [""]);
        assert_eq!(
            url.to_string(),
            "https://user:pw@example.com:80/a%2Fb/c%20d?k=a&k=b+c&x#f"
        );
        let url = parse("https://[::1]:8080/").unwrap();
        assert_eq!(
            (url.host(), url.hostname()),
            ("[::1]:8080".to_owned(), "::1".to_owned())
        );
        assert_eq!(parse("/abs?").unwrap().to_string(), "/abs?");
        assert_eq!(parse("https://a/b c").unwrap().escaped_path(), "/b%20c");
    }

    /// Texts of Go 1.26.
    #[test]
    fn texts() {
        for (text, error) in [
            ("", "empty url"),
            ("rel", "invalid URI for request"),
            (":x", "missing protocol scheme"),
            ("https://a b/", "invalid character \" \" in host name"),
            ("https://a:x/", "invalid port \":x\" after host"),
            ("https://a/%zz", "invalid URL escape \"%zz\""),
            ("https://[::1", "missing ']' in host"),
        ] {
            assert_eq!(
                parse(text).unwrap_err(),
                format!(
                    "URL parse error during conversion from string: parse {}: {error}",
                    quote(text)
                )
            );
        }
    }
}
