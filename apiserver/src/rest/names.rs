//! What names, labels and annotations may be, in upstream's words. Each check returns its complaints.

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
     and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
     alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
     '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
     and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
     for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
     alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
     validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn lower(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            lower(*first) && lower(*last) && bytes.iter().all(|c| lower(*c) || *c == b'-')
        }
        _ => false,
    }
}

fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes
                    .iter()
                    .all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
        }
        _ => false,
    }
}

/// DNS-1123 subdomain: what most objects are named by.
pub(crate) fn subdomain(text: &str) -> Vec<String> {
    let mut why = Vec::new();
    if text.len() > 253 {
        why.push(too_long(253));
    }
    if !text.split('.').all(is_label) {
        why.push(SUBDOMAIN.into());
    }
    why
}

/// DNS-1123 label: namespaces.
pub(crate) fn label(text: &str) -> Vec<String> {
    let mut why = Vec::new();
    if text.len() > 63 {
        why.push(too_long(63));
    }
    if !is_label(text) {
        why.push(LABEL.into());
    }
    why
}

/// DNS-1035 label: services.
pub(crate) fn dns_1035(text: &str) -> Vec<String> {
    let mut why = Vec::new();
    if text.len() > 63 {
        why.push(too_long(63));
    }
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        why.push(DNS_1035.into());
    }
    why
}

/// A path segment: RBAC objects.
pub(crate) fn path_segment(text: &str) -> Vec<String> {
    let mut why = Vec::new();
    if matches!(text, "." | "..") {
        why.push(format!("may not be '{text}'"));
    }
    for odd in ["/", "%"] {
        if text.contains(odd) {
            why.push(format!("may not contain '{odd}'"));
        }
    }
    why
}

/// A qualified name: label and annotation keys, finalizers.
pub(crate) fn qualified_name(text: &str) -> Vec<String> {
    let mut why = Vec::new();
    let name = match text.split_once('/') {
        None => text,
        Some((prefix, name)) => {
            if prefix.is_empty() {
                why.push("prefix part must be non-empty".into());
            } else {
                why.extend(
                    subdomain(prefix)
                        .into_iter()
                        .map(|complaint| format!("prefix part {complaint}")),
                );
            }
            if name.contains('/') {
                return vec![format!(
                    "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
                )];
            }
            name
        }
    };
    if name.is_empty() {
        why.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        why.push(format!("name part {}", too_long(63)));
    }
    if !is_qualified(name) {
        why.push(format!("name part {QUALIFIED}"));
    }
    why
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    let mut why = Vec::new();
    if text.len() > 63 {
        why.push(too_long(63));
    }
    if !text.is_empty() && !is_qualified(text) {
        why.push(VALUE.into());
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_57_names() {
        for good in ["a", "a-b", "a.b-c.d", "0", &"a".repeat(253)] {
            assert!(subdomain(good).is_empty(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", ".a", "a_b", "ä", &"a".repeat(254)] {
            assert!(!subdomain(bad).is_empty(), "{bad}");
        }
        assert!(label("a.b").len() == 1 && label(&"a".repeat(64)).len() == 1);
        assert!(dns_1035("1a").len() == 1 && dns_1035("a1").is_empty());
        assert!(path_segment("system:admin").is_empty() && path_segment("a/b").len() == 1);
    }

    #[test]
    fn api_57_labels() {
        for good in [
            "a",
            "A_b.c",
            "example.com/a",
            &format!("example.com/{}", "a".repeat(63)),
        ] {
            assert!(qualified_name(good).is_empty(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "Example.com/a", "a b", &"a".repeat(64)] {
            assert!(!qualified_name(bad).is_empty(), "{bad}");
        }
        assert!(
            label_value("").is_empty() && label_value("a_B").is_empty() && !label_value("a/b").is_empty()
        );
    }
}
