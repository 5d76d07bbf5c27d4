//! `matches()`, `find()` and `findAll()`: Go's regular expressions.

use regex::bytes::Regex;

use super::super::value::Failure;
use crate::regexp;

/// A pattern, ready for use. Ones that stand in the rule are compiled with it.
#[derive(Clone, Debug)]
pub(crate) struct Compiled(Regex);

impl Compiled {
    /// # Errors
    /// Go's text.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        regexp::compile(pattern).map(Self)
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }

    /// The first match; nothing is found as an empty text.
    pub(crate) fn find<'t>(&self, text: &'t str) -> &'t str {
        self.0
            .find(text.as_bytes())
            .and_then(|found| text.get(found.range()))
            .unwrap_or_default()
    }

    /// The first matches, all for a negative limit. As in Go, an empty one does not follow another at once.
    pub(crate) fn find_all(&self, text: &str, limit: i64) -> Vec<String> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        let mut position = 0;
        let mut previous_end = None;
        while out.len() < limit && position <= text.len() {
            let Some(found) = self.0.find_at(text.as_bytes(), position) else {
                break;
            };
            let accepted = found.end() != position || previous_end != Some(found.start());
            if found.end() == position {
                position += text[position..].chars().next().map_or(1, char::len_utf8);
            } else {
                position = found.end();
            }
            previous_end = Some(found.end());
            if accepted {
                out.push(text.get(found.range()).unwrap_or_default().to_owned());
            }
        }
        out
    }
}

/// For `matches()` with a pattern that is known at run time only.
pub(super) fn matches(text: &str, pattern: &str) -> Result<bool, Failure> {
    Compiled::new(pattern)
        .map(|compiled| compiled.is_match(text))
        .map_err(Failure::new)
}

/// For `find()` and `findAll()` likewise.
pub(super) fn compile_late(pattern: &str) -> Result<Compiled, Failure> {
    Compiled::new(pattern).map_err(|error| Failure::new(format!("Illegal regex: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of Go 1.26.
    #[test]
    fn all_matches() {
        let all = |pattern: &str, text: &str, limit| Compiled::new(pattern).unwrap().find_all(text, limit);
        assert_eq!(all("a*", "baac", -1), ["", "aa", ""]);
        assert_eq!(all("[0-9]+", "1a22b333", 2), ["1", "22"]);
        assert!(all("x", "abc", -1).is_empty());
        assert!(all("a", "abc", 0).is_empty());
        assert_eq!(Compiled::new("b+").unwrap().find("abbc"), "bb");
        assert_eq!(
            Compiled::new("(").unwrap_err(),
            "error parsing regexp: missing closing ): `(`"
        );
    }
}
