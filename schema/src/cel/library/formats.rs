//! `format.named()`: the named formats of strings.

use super::url;
use crate::format::Format;
use crate::names;

/// A format.
#[derive(Debug)]
pub(crate) struct NamedFormat {
    /// As two formats are compared.
    pub(crate) name: &'static str,
    /// As `format.named()` and `format.<key>()` find it.
    pub(crate) key: &'static str,
    /// Length of the pattern that costs are counted for.
    pub(crate) pattern_length: u64,
    check: fn(&str) -> Vec<String>,
}

impl NamedFormat {
    /// What is wrong with a text; nothing if it has the format.
    pub(crate) fn validate(&self, text: &str) -> Vec<String> {
        (self.check)(text)
    }
}

/// What upstream checks instead of a name to which something will be appended: its last two bytes give way to an `a`.
fn masked(text: &str) -> String {
    if text.len() > 1 && text.ends_with('-') {
        let head = String::from_utf8_lossy(&text.as_bytes()[..text.len() - 2]);
        format!("{head}a")
    } else {
        text.to_owned()
    }
}

fn one(fine: bool, message: &str) -> Vec<String> {
    if fine {
        Vec::new()
    } else {
        vec![message.to_owned()]
    }
}

fn uri(text: &str) -> Vec<String> {
    url::check_request(text).err().into_iter().collect()
}

fn matches(name: &str, text: &str) -> bool {
    Format::recognize(Some("string"), name).is_some_and(|format| format.matches(text))
}

static FORMATS: [NamedFormat; 13] = [
    NamedFormat {
        name: "DNS1123Label",
        key: "dns1123Label",
        pattern_length: 30,
        check: names::dns1123_label,
    },
    NamedFormat {
        name: "DNS1123Subdomain",
        key: "dns1123Subdomain",
        pattern_length: 60,
        check: names::dns1123_subdomain,
    },
    NamedFormat {
        name: "DNS1035Label",
        key: "dns1035Label",
        pattern_length: 30,
        check: names::dns1035_label,
    },
    NamedFormat {
        name: "QualifiedName",
        key: "qualifiedName",
        pattern_length: 60,
        check: names::qualified_name,
    },
    NamedFormat {
        name: "DNS1123LabelPrefix",
        key: "dns1123LabelPrefix",
        pattern_length: 30,
        check: |text| names::dns1123_label(&masked(text)),
    },
    NamedFormat {
        name: "DNS1123SubdomainPrefix",
        key: "dns1123SubdomainPrefix",
        pattern_length: 60,
        check: |text| names::dns1123_subdomain(&masked(text)),
    },
    NamedFormat {
        name: "DNS1035LabelPrefix",
        key: "dns1035LabelPrefix",
        pattern_length: 30,
        check: |text| names::dns1035_label(&masked(text)),
    },
    NamedFormat {
        name: "LabelValue",
        key: "labelValue",
        pattern_length: 40,
        check: names::label_value,
    },
    NamedFormat {
        name: "URI",
        key: "uri",
        pattern_length: 1103,
        check: uri,
    },
    NamedFormat {
        name: "uuid",
        key: "uuid",
        pattern_length: 70,
        check: |text| one(matches("uuid", text), "does not match the UUID format"),
    },
    NamedFormat {
        name: "byte",
        key: "byte",
        pattern_length: 84,
        check: |text| one(matches("byte", text), "invalid base64"),
    },
    NamedFormat {
        name: "date",
        key: "date",
        pattern_length: 71,
        check: |text| one(matches("date", text), "invalid date"),
    },
    NamedFormat {
        name: "datetime",
        key: "datetime",
        pattern_length: 71,
        check: |text| one(matches("date-time", text), "invalid datetime"),
    },
];

/// The format of that name.
pub(crate) fn find(key: &str) -> Option<&'static NamedFormat> {
    FORMATS.iter().find(|format| format.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts() {
        let validate = |key: &str, text: &str| find(key).unwrap().validate(text);
        assert!(validate("dns1123Label", "a-b").is_empty());
        assert!(validate("dns1123LabelPrefix", "a-").is_empty());
        assert_eq!(validate("dns1123Label", "a-").len(), 1);
        assert_eq!(validate("uuid", "x"), ["does not match the UUID format"]);
        assert_eq!(validate("uri", "x"), ["parse \"x\": invalid URI for request"]);
        assert!(validate("datetime", "2021-01-01T00:00:00Z").is_empty());
        assert!(find("nothing").is_none());
    }
}
