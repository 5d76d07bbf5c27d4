//! Descriptions: how much of them is kept. They are most of a large definition's bytes.

use serde_json::Value;

use super::each_subschema_plain;

/// How much of descriptions is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Descriptions {
    /// All of them.
    #[default]
    Full,
    /// The first sentence.
    Short,
    /// At most so many bytes, cut where a sentence or a word ends, as controller-gen's `maxDescLen`. 0 removes all.
    Max(usize),
}

impl Descriptions {
    /// What is left of `text`; `None` is nothing.
    #[must_use]
    pub fn of(self, text: &str) -> Option<String> {
        let text = match self {
            Self::Full => text.to_owned(),
            Self::Short => first_sentence(text).to_owned(),
            Self::Max(limit) if text.len() <= limit => text.to_owned(),
            Self::Max(limit) => cut(text, limit),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Shortens every description in a schema.
    pub fn shorten(self, schema: &mut Value) {
        if self == Self::Full {
            return;
        }
        let Value::Object(map) = schema else { return };
        if let Some(Value::String(text)) = map.get("description") {
            match self.of(text) {
                Some(text) => map.insert("description".to_owned(), text.into()),
                None => map.remove("description"),
            };
        }
        each_subschema_plain(map, &mut |sub| self.shorten(sub));
    }
}

/// Up to the first full stop that ends a sentence, or the first empty line.
fn first_sentence(text: &str) -> &str {
    let text = text.trim();
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    let end = paragraph
        .match_indices(['.', '!', '?'])
        .map(|(at, mark)| at + mark.len())
        .find(|&end| {
            let rest = &paragraph[end..];
            // `e.g. this` goes on: a sentence begins with a capital letter.
            let mut next = rest.chars().skip_while(|c| c.is_whitespace());
            rest.is_empty()
                || (rest.starts_with(char::is_whitespace) && !next.next().is_some_and(char::is_lowercase))
        });
    paragraph[..end.unwrap_or(paragraph.len())].trim_end()
}

/// controller-gen's cut: after the last whole sentence that fits, else after the last whole word and with an ellipsis.
fn cut(text: &str, limit: usize) -> String {
    if limit == 0 {
        return String::new();
    }
    let end = (0..=limit)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    let text = &text[..end];
    if let Some(at) = text.rfind(['.', '!', '?']).filter(|&at| at > 0) {
        return text[..=at].to_owned();
    }
    let word = text
        .rfind(char::is_whitespace)
        .filter(|&at| at > 0)
        .unwrap_or(end);
    format!("{}...", &text[..word])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_is_the_first_sentence() {
        for (text, short) in [
            ("One. Two.", "One."),
            ("Numbers, e.g. one. Two.", "Numbers, e.g. one."),
            ("Version 1.2 of it", "Version 1.2 of it"),
            ("Heading\n\nBody.", "Heading"),
            ("Over\nlines. More", "Over\nlines."),
            ("", ""),
        ] {
            assert_eq!(Descriptions::Short.of(text).unwrap_or_default(), short, "{text}");
        }
    }

    #[test]
    fn a_maximum_cuts_at_sentences_and_words() {
        for (limit, left) in [
            (100, Some("First one. Second one.")),
            (15, Some("First one.")),
            (8, Some("First...")),
            (3, Some("Fir...")),
            (0, None),
        ] {
            assert_eq!(
                Descriptions::Max(limit).of("First one. Second one.").as_deref(),
                left
            );
        }
        // Never inside a character.
        assert_eq!(Descriptions::Max(1).of("äa"), Some("...".to_owned()));
    }
}
