//! `semver()`: versions as the library behind upstream's reads and orders them.

use std::cmp::Ordering;

use crate::gotext::quote;

/// A version; its build metadata counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Semver {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    pre: Vec<Pre>,
}

/// A part of the pre-release; numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    Number(u64),
    Word(String),
}

impl Semver {
    pub(crate) fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self)
            .cmp(&numbers(other))
            // A release comes after its pre-releases.
            .then_with(|| self.pre.is_empty().cmp(&other.pre.is_empty()))
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

fn number(text: &str, what: &str) -> Result<u64, String> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "Invalid character(s) found in {what} number {}",
            quote(text)
        ));
    }
    if text.len() > 1 && text.starts_with('0') {
        let mut what = what.to_owned();
        what[..1].make_ascii_uppercase();
        return Err(format!(
            "{what} number must not contain leading zeroes {}",
            quote(text)
        ));
    }
    parse_uint(text)
}

fn parse_uint(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        let why = if text.is_empty() {
            "invalid syntax"
        } else {
            "value out of range"
        };
        format!("strconv.ParseUint: parsing {}: {why}", quote(text))
    })
}

fn is_word(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn parse_pre(text: &str) -> Result<Pre, String> {
    if text.is_empty() {
        Err("Prerelease is empty".to_owned())
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        if text.len() > 1 && text.starts_with('0') {
            Err(format!(
                "Numeric PreRelease version must not contain leading zeroes {}",
                quote(text)
            ))
        } else {
            parse_uint(text).map(Pre::Number)
        }
    } else if is_word(text) {
        Ok(Pre::Word(text.to_owned()))
    } else {
        Err(format!(
            "Invalid character(s) found in prerelease {}",
            quote(text)
        ))
    }
}

/// Reads a version.
///
/// # Errors
/// The library's text.
pub(crate) fn parse(text: &str) -> Result<Semver, String> {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, rest] = parts.as_slice() else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let major = number(major, "major")?;
    let minor = number(minor, "minor")?;
    let (rest, build) = match rest.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (*rest, None),
    };
    let (patch, pre) = match rest.split_once('-') {
        Some((patch, pre)) => (patch, Some(pre)),
        None => (rest, None),
    };
    let patch = number(patch, "patch")?;
    let pre = match pre {
        Some(pre) => pre.split('.').map(parse_pre).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    for part in build.into_iter().flat_map(|build| build.split('.')) {
        if part.is_empty() {
            return Err("Build meta data is empty".to_owned());
        }
        if !is_word(part) {
            return Err(format!(
                "Invalid character(s) found in build meta data {}",
                quote(part)
            ));
        }
    }
    Ok(Semver {
        major,
        minor,
        patch,
        pre,
    })
}

/// Reads a version that may begin with `v`, have leading zeros, and lack its last numbers.
///
/// # Errors
/// The library's text, for the completed version.
pub(crate) fn parse_normalized(text: &str) -> Result<Semver, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text
        .splitn(3, '.')
        .map(|part| {
            if part.len() <= 1 {
                return part.to_owned();
            }
            let trimmed = part.trim_start_matches('0');
            if trimmed.starts_with(|c: char| c.is_ascii_digit()) {
                trimmed.to_owned()
            } else {
                format!("0{trimmed}")
            }
        })
        .collect();
    if parts.len() < 3 {
        if parts.last().is_some_and(|part| part.contains(['+', '-'])) {
            return Err("short version cannot contain PreRelease/Build meta data".to_owned());
        }
        parts.resize(3, "0".to_owned());
    }
    parse(&parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let versions = [
            "0.9.10",
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta",
            "1.0.0",
            "1.0.1",
            "1.10.0",
        ];
        for pair in versions.windows(2) {
            assert!(
                parse(pair[0]).unwrap().cmp(&parse(pair[1]).unwrap()).is_lt(),
                "{pair:?}"
            );
        }
        assert!(parse("1.0.0+a").unwrap().cmp(&parse("1.0.0+b").unwrap()).is_eq());
    }

    #[test]
    fn texts() {
        for (text, error) in [
            ("", "Version string empty"),
            ("1.2", "No Major.Minor.Patch elements found"),
            ("v1.2.3", "Invalid character(s) found in major number \"v1\""),
            ("1.02.3", "Minor number must not contain leading zeroes \"02\""),
            ("1.2.", "strconv.ParseUint: parsing \"\": invalid syntax"),
            ("1.2.3-", "Prerelease is empty"),
            (
                "1.2.3-01",
                "Numeric PreRelease version must not contain leading zeroes \"01\"",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), error);
        }
        assert_eq!(parse_normalized("v01.2").unwrap(), parse("1.2.0").unwrap());
        assert!(parse_normalized("1.2-a").is_err());
    }
}
