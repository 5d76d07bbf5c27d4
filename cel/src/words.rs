//! Variables in the text of a rule, put elsewhere: what was said of a field becomes a rule of the object around it.
//!
//! **Invariant:** nothing but these words changes, and none of them in a string, a comment, or behind a dot.

use crate::lexer::{self, Kind};

/// The text with what `instead` gives in place of each variable. It is told each name, and keeps those of which nothing
/// is given.
#[must_use]
pub fn replace_variables(text: &str, instead: impl Fn(&str) -> Option<String>) -> String {
    let (tokens, _) = lexer::lex(text);
    let mut out = String::with_capacity(text.len());
    let mut read = 0;
    let mut behind_dot = false;
    for token in tokens {
        let word = text.get(token.start..token.end).unwrap_or_default();
        if token.kind == Kind::Identifier
            && !behind_dot
            && let Some(other) = instead(word)
        {
            out.push_str(text.get(read..token.start).unwrap_or_default());
            out.push_str(&other);
            read = token.end;
        }
        // A field may be optional: `self.?self`.
        behind_dot = token.kind == Kind::Dot || (behind_dot && token.kind == Kind::Question);
    }
    out + text.get(read..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_alone_are_replaced() {
        let moved = |text: &str| {
            replace_variables(text, |name| {
                ["self", "oldSelf"].contains(&name).then(|| format!("{name}.a"))
            })
        };
        for (text, wanted) in [
            ("self > 0", "self.a > 0"),
            ("self.self == oldSelf.b", "self.a.self == oldSelf.a.b"),
            (
                r"self == 'it\'s self' && self != b",
                r"self.a == 'it\'s self' && self.a != b",
            ),
            (
                r#"self != """a " self" """ || self"#,
                r#"self.a != """a " self" """ || self.a"#,
            ),
            (
                "myself + selfish // self\n + self",
                "myself + selfish // self\n + self.a",
            ),
            ("x. self + self .b", "x. self + self.a .b"),
            ("x.?self == optional.of(self)", "x.?self == optional.of(self.a)"),
            ("self $ 'open self", "self.a $ 'open self"),
        ] {
            assert_eq!(moved(text), wanted, "{text}");
        }
    }
}
