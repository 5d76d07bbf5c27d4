//! The name rules of Kubernetes: each returns what is wrong, in the server's words; nothing means valid.

use crate::format::is_label;

const LABEL_PATTERN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

fn max_len(value: &str, max: usize) -> Option<String> {
    (value.len() > max).then(|| format!("must be no more than {max} bytes"))
}

fn with_pattern(message: &str, examples: &[&str], pattern: &str) -> String {
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!(
        "{message} (e.g. {}regex used for validation is '{pattern}')",
        examples.join(" or ")
    )
}

fn is_subdomain(value: &str) -> bool {
    value.split('.').all(|part| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// Lower-case labels joined by dots, at most 253 bytes.
pub fn dns1123_subdomain(value: &str) -> Vec<String> {
    let mut errors: Vec<String> = max_len(value, 253).into_iter().collect();
    if !is_subdomain(value) {
        errors.push(with_pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
            &["example.com"],
            &format!("{LABEL_PATTERN}(\\.{LABEL_PATTERN})*"),
        ));
    }
    errors
}

/// One lower-case label that may begin with a digit.
pub(crate) fn dns1123_label(value: &str) -> Vec<String> {
    let mut errors: Vec<String> = max_len(value, 63).into_iter().collect();
    if !is_label(value) && errors.is_empty() {
        if is_subdomain(value) {
            errors.push("must not contain dots".to_owned());
        } else {
            errors.push(with_pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character",
                &["my-name", "123-abc"],
                LABEL_PATTERN,
            ));
        }
    }
    errors
}

/// One lower-case label that begins with a letter.
pub(crate) fn dns1035_label(value: &str) -> Vec<String> {
    let mut errors: Vec<String> = max_len(value, 63).into_iter().collect();
    let well_formed =
        value.starts_with(|c: char| c.is_ascii_lowercase()) && is_subdomain(value) && !value.contains('.');
    if !well_formed {
        errors.push(with_pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            &["my-name", "abc-123"],
            "[a-z]([-a-z0-9]*[a-z0-9])?",
        ));
    }
    errors
}

const QUALIFIED_PATTERN: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

fn is_qualified(value: &str) -> bool {
    !value.is_empty()
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.ends_with(|c: char| c.is_ascii_alphanumeric())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// `name` or `prefix/name`: keys of labels and annotations, finalizers.
pub fn qualified_name(value: &str) -> Vec<String> {
    const MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                           alphanumeric character";
    const EXAMPLES: [&str; 3] = ["MyName", "my.name", "123-abc"];
    let mut errors = Vec::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        ["", name] => {
            errors.push("prefix part must be non-empty".to_owned());
            *name
        }
        [prefix, name] => {
            errors.extend(
                dns1123_subdomain(prefix)
                    .into_iter()
                    .map(|e| format!("prefix part {e}")),
            );
            *name
        }
        _ => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                with_pattern(MESSAGE, &EXAMPLES, QUALIFIED_PATTERN)
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if let Some(error) = max_len(name, 63) {
        errors.push(format!("name part {error}"));
    }
    if !is_qualified(name) {
        errors.push(format!(
            "name part {}",
            with_pattern(MESSAGE, &EXAMPLES, QUALIFIED_PATTERN)
        ));
    }
    errors
}

/// Value of a label: empty, or like the name part of a key.
pub fn label_value(value: &str) -> Vec<String> {
    let mut errors: Vec<String> = max_len(value, 63).into_iter().collect();
    if !value.is_empty() && !is_qualified(value) {
        errors.push(with_pattern(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
            &["MyValue", "my_value", "12345"],
            &format!("({QUALIFIED_PATTERN})?"),
        ));
    }
    errors
}

/// A name that can stand in a URL path.
pub(crate) fn path_segment(value: &str) -> Vec<String> {
    if matches!(value, "." | "..") {
        return vec![format!("may not be '{value}'")];
    }
    path_segment_prefix(value)
}

/// The beginning of such a name.
pub(crate) fn path_segment_prefix(value: &str) -> Vec<String> {
    ["/", "%"]
        .iter()
        .filter(|illegal| value.contains(**illegal))
        .map(|illegal| format!("may not contain '{illegal}'"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_texts() {
        assert!(dns1035_label("a-1").is_empty());
        assert_eq!(
            dns1035_label("1.0"),
            [
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
              character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
              validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(dns1035_label(&"a".repeat(64)), ["must be no more than 63 bytes"]);
        assert!(dns1123_label("1a").is_empty());
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert!(dns1123_subdomain("a.b-1").is_empty());
        assert_eq!(dns1123_subdomain("A").len(), 1);
        assert!(qualified_name("example.com/My_Name").is_empty());
        assert_eq!(qualified_name("/x"), ["prefix part must be non-empty"]);
        assert_eq!(qualified_name("a/b/c").len(), 1);
        assert!(label_value("").is_empty());
        assert_eq!(label_value("-").len(), 1);
        assert_eq!(path_segment("."), ["may not be '.'"]);
        assert_eq!(path_segment("a/b"), ["may not contain '/'"]);
    }
}
