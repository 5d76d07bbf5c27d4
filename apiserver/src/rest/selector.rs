//! Label and field selectors.

use serde_json::Value;

use crate::registry::{Origin, ResourceInfo};
use crate::status::{ApiError, Result};

/// One term of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

/// A label selector; the default selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads equality and set forms (`a=b,c in (d,e),!f`).
    ///
    /// # Errors
    /// 400 with the position and what was expected.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser {
            rest: text,
            seen: None,
        };
        parser.requirements().map(Self).map_err(ApiError::bad_request)
    }

    /// A `LabelSelector` as objects hold it, which has been validated; an absent or empty one selects all.
    pub fn of(selector: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        let equal = labels.map(|(key, value)| Requirement::In(key.clone(), vec![text(value)]));
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
        let set = expressions.map(|expression| {
            let key = text(&expression["key"]);
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values.map(text).collect();
            match expression["operator"].as_str().unwrap_or_default() {
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => Requirement::In(key, values),
            }
        });
        Self(equal.chain(set).collect())
    }

    /// Whether it selects all.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object's labels satisfy every term.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        let number = |key: &str| label(key).and_then(|value| value.parse::<i64>().ok());
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::In(key, values) => {
                label(key).is_some_and(|v| values.iter().any(|wanted| wanted == v))
            }
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|v| values.iter().all(|wanted| wanted != v))
            }
            Requirement::Greater(key, bound) => number(key).is_some_and(|value| value > *bound),
            Requirement::Less(key, bound) => number(key).is_some_and(|value| value < *bound),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(&'static str),
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => write!(f, "{word:?}"),
            Self::Sign(sign) => write!(f, "{sign:?}"),
            Self::End => f.write_str(r#""""#),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    seen: Option<Token>,
}

/// Longer signs stand first.
const SIGNS: [&str; 10] = ["==", "!=", "=", "!", ",", "(", ")", ">", "<", "\n"];

impl Parser<'_> {
    fn next(&mut self) -> Token {
        if let Some(token) = self.seen.take() {
            return token;
        }
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() {
            return Token::End;
        }
        if let Some(sign) = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
            self.rest = &self.rest[sign.len()..];
            return Token::Sign(sign);
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "=!,()<>".contains(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Token::Word(word.to_owned())
    }

    fn peek(&mut self) -> &Token {
        let token = self.next();
        self.seen.insert(token)
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut all = Vec::new();
        match self.peek() {
            Token::End => return Ok(all),
            Token::Word(_) | Token::Sign("!") => {}
            other => {
                return Err(format!(
                    "found '{}', expected: !, identifier, or 'end of string'",
                    bare(other)
                ));
            }
        }
        loop {
            let requirement = self.requirement();
            all.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.next() {
                Token::End => return Ok(all),
                Token::Sign(",") => {
                    if !matches!(self.peek(), Token::Word(_) | Token::Sign("!")) {
                        return Err(format!(
                            "found '{}', expected: identifier after ','",
                            bare(self.peek())
                        ));
                    }
                }
                other => {
                    return Err(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        bare(&other)
                    ));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = *self.peek() == Token::Sign("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(word) => word,
            other => return Err(format!("found '{}', expected: identifier", bare(&other))),
        };
        check_key(&key)?;
        if absent {
            return Ok(Requirement::Absent(key));
        }
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            return Ok(Requirement::Exists(key));
        }
        match self.next() {
            Token::Sign("=" | "==") => self.value().and_then(|value| is_in(key, vec![value])),
            Token::Sign("!=") => self.value().and_then(|value| is_not_in(key, vec![value])),
            Token::Sign(">") => Ok(Requirement::Greater(key, self.bound()?)),
            Token::Sign("<") => Ok(Requirement::Less(key, self.bound()?)),
            Token::Word(word) if word == "in" => self.values().and_then(|values| is_in(key, values)),
            Token::Word(word) if word == "notin" => self.values().and_then(|values| is_not_in(key, values)),
            other => Err(format!(
                "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                bare(&other)
            )),
        }
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(word) => Ok(word),
            other => Err(format!("found '{}', expected: identifier", bare(&other))),
        }
    }

    fn bound(&mut self) -> Result<i64, String> {
        let value = self.value()?;
        value.parse().map_err(|_| {
            format!(
                "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            )
        })
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Sign("(") => {}
            // Upstream leaves the comma out here.
            other => return Err(format!("found '{}' expected: '('", bare(&other))),
        }
        if !matches!(self.peek(), Token::Word(_) | Token::Sign("," | ")")) {
            return Err(format!(
                "found '{}', expected: ',', ')' or identifier",
                bare(self.peek())
            ));
        }
        let mut values = Vec::new();
        loop {
            values.push(match self.peek() {
                Token::Sign("," | ")") => String::new(),
                Token::Word(_) => self.value()?,
                other => {
                    return Err(format!("found '{}', expected: ',', or identifier", bare(other)));
                }
            });
            match self.next() {
                Token::Sign(",") => {}
                Token::Sign(")") => return Ok(values),
                other => return Err(format!("found '{}', expected: ',' or ')'", bare(&other))),
            }
        }
    }
}

fn bare(token: &Token) -> &str {
    match token {
        Token::Word(word) => word,
        Token::Sign(sign) => sign,
        Token::End => "",
    }
}

fn check_key(key: &str) -> Result<(), String> {
    match super::names::qualified_name(key).first() {
        None => Ok(()),
        // Upstream has no path there, and prints that.
        Some(why) => Err(format!("<nil>: Invalid value: {key:?}: {why}")),
    }
}

fn is_in(key: String, values: Vec<String>) -> Result<Requirement, String> {
    check_values(&key, values).map(|values| Requirement::In(key, values))
}

fn is_not_in(key: String, values: Vec<String>) -> Result<Requirement, String> {
    check_values(&key, values).map(|values| Requirement::NotIn(key, values))
}

/// The values in order, each once; their places in complaints are those.
fn check_values(key: &str, mut values: Vec<String>) -> Result<Vec<String>, String> {
    values.sort_unstable();
    values.dedup();
    for (index, value) in values.iter().enumerate() {
        if let Some(why) = super::names::label_value(value).first() {
            return Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {why}"));
        }
    }
    Ok(values)
}

/// A field selector; the default selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Reads `a=b,c!=d`; values may escape `,`, `=` and `\` by `\`.
    ///
    /// # Errors
    /// 400 for a term without an operator.
    pub fn parse(text: &str) -> Result<Self> {
        let mut terms = Vec::new();
        for term in split_unescaped(text).into_iter().filter(|term| !term.is_empty()) {
            let Some(at) = term.find('=') else {
                return Err(ApiError::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                )));
            };
            let (left, value) = (&term[..at], &term[at + 1..]);
            let (label, equal) = match left.strip_suffix('!') {
                Some(label) => (label, false),
                None => (left, true),
            };
            let value = if equal {
                value.strip_prefix('=').unwrap_or(value)
            } else {
                value
            };
            terms.push((label.to_owned(), equal, unescape(value)));
        }
        Ok(Self(terms))
    }

    /// Whether it selects all.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// The name that it asks for, where it asks for one.
    pub fn name(&self) -> Option<&str> {
        self.0
            .iter()
            .find(|(label, equal, _)| *equal && label == "metadata.name")
            .map(|(_, _, value)| value.as_str())
    }

    /// Asks for one name besides all else.
    pub(super) fn require_name(&mut self, name: &str) {
        self.0.push(("metadata.name".into(), true, name.into()));
    }

    /// Ties the terms to the fields that a resource lets be selected.
    ///
    /// # Errors
    /// 400 for a field that it does not.
    pub fn bind(&self, info: &ResourceInfo) -> Result<BoundFields> {
        self.0
            .iter()
            .map(|(label, equal, value)| {
                let (pointers, absent) = match label.as_str() {
                    "metadata.name" => (vec!["/metadata/name".to_owned()], ""),
                    "metadata.namespace" => (vec!["/metadata/namespace".to_owned()], ""),
                    _ => {
                        let field = info.selectable_fields.iter().find(|field| field.label == *label);
                        let field = field.ok_or_else(|| unknown_field(info, label))?;
                        let paths = std::iter::once(&field.path).chain(&field.fallback);
                        let pointers = paths.map(|path| super::path::pointer(path)).collect();
                        (pointers, field.absent.as_str())
                    }
                };
                Ok(Term {
                    pointers,
                    absent: absent.to_owned(),
                    equal: *equal,
                    value: value.clone(),
                })
            })
            .collect::<Result<_>>()
            .map(BoundFields)
    }
}

/// Built-in kinds without fields of their own share one conversion function upstream, which words it otherwise.
fn unknown_field(info: &ResourceInfo, label: &str) -> ApiError {
    ApiError::bad_request(match info.origin {
        Origin::BuiltIn if info.selectable_fields.is_empty() => {
            format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        }
        _ => format!("field label not supported: {label}"),
    })
}

/// Splits at commas that are not escaped.
fn split_unescaped(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

#[derive(Clone, Debug)]
struct Term {
    /// The first one that leads to something counts.
    pointers: Vec<String>,
    absent: String,
    equal: bool,
    value: String,
}

/// A field selector that knows where the fields are.
#[derive(Clone, Debug, Default)]
pub struct BoundFields(Vec<Term>);

impl BoundFields {
    /// Whether every term is about metadata, which is the same in all versions.
    pub fn is_metadata(&self) -> bool {
        let mut pointers = self.0.iter().flat_map(|term| &term.pointers);
        pointers.all(|pointer| pointer.starts_with("/metadata/"))
    }

    /// Whether the fields of an object, in its served form, satisfy every term.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let mut values = term.pointers.iter().filter_map(|pointer| object.pointer(pointer));
            let equal = match values.find(|value| !value.is_null() && *value != "") {
                Some(Value::String(text)) => *text == term.value,
                None => term.absent == term.value,
                Some(Value::Bool(flag)) => term.value.parse() == Ok(*flag),
                Some(Value::Number(number)) => *number.to_string() == *term.value,
                Some(_) => false,
            };
            equal == term.equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selects(selector: &str) -> bool {
        LabelSelector::parse(selector)
            .expect("the selector is right")
            .matches(&json!({"metadata": {"labels": {"a": "b", "n": "5", "x.io/y": ""}}}))
    }

    #[test]
    fn api_59_label_selectors() {
        for yes in [
            "",
            "a",
            "a=b",
            "a==b",
            "a!=c",
            "z!=c",
            "!z",
            "a in (b,c)",
            "a notin (c)",
            "z notin (c)",
            "n>4",
            "n<6",
            "a=b,n=5",
            "x.io/y=",
            "x.io/y in (,z)",
            " a = b , n ",
        ] {
            assert!(selects(yes), "{yes}");
        }
        for no in [
            "z",
            "a=c",
            "a!=b",
            "!a",
            "a in (c)",
            "a notin (b)",
            "n>5",
            "z=",
            "z>1",
            "a=b,z",
        ] {
            assert!(!selects(no), "{no}");
        }
        for wrong in [
            "a=b,", ",", "a in b", "a in (b", "a b", "=", "a>x", "-a=b", "a=-", "a=b=c", "!a=b",
        ] {
            assert!(LabelSelector::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// The texts are kube-apiserver 1.36.3's.
    #[test]
    fn api_59_label_selectors_fail_in_upstreams_words() {
        for (selector, expected) in [
            (",a", "found ',', expected: !, identifier, or 'end of string'"),
            ("=", "found '=', expected: !, identifier, or 'end of string'"),
            ("a=b,", "found '', expected: identifier after ','"),
            ("a=b=c", "found '=', expected: ',' or 'end of string'"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a in", "unable to parse requirement: found '' expected: '('"),
            (
                "a in (b",
                "unable to parse requirement: found '', expected: ',' or ')'",
            ),
            (
                "a in (b c)",
                "unable to parse requirement: found 'c', expected: ',' or ')'",
            ),
            (
                "a in (=)",
                "unable to parse requirement: found '=', expected: ',', ')' or identifier",
            ),
            (
                "a b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            (
                "a=(b",
                "unable to parse requirement: found '(', expected: identifier",
            ),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must \
                 be an integer",
            ),
        ] {
            let error = LabelSelector::parse(selector).expect_err(selector);
            assert_eq!(error.to_string(), expected, "{selector}");
        }
        for (selector, start) in [
            (
                "-a",
                "unable to parse requirement: <nil>: Invalid value: \"-a\": name part",
            ),
            (
                "a=-",
                "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label",
            ),
            (
                "a in (b,-)",
                "unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid label",
            ),
        ] {
            let error = LabelSelector::parse(selector).expect_err(selector).to_string();
            assert!(error.starts_with(start), "{error}");
        }
        assert!(LabelSelector::parse("a in ()").is_ok());
    }

    /// Fields are named as each group names them, whatever is stored.
    #[test]
    fn api_59_a_core_event_without_a_source_has_its_reporter() {
        let events = crate::registry::builtin::resources()
            .iter()
            .find(|info| info.storage == info.gvr && info.gvr.resource == "events")
            .expect("events are served");
        let selects = |event: &Value| {
            let fields = FieldSelector::parse("source=kubelet").and_then(|fields| fields.bind(events));
            fields.expect("a known field").matches(event)
        };
        assert!(selects(&json!({"reportingComponent": "kubelet"})));
        assert!(selects(
            &json!({"source": {"component": ""}, "reportingComponent": "kubelet"})
        ));
        assert!(!selects(
            &json!({"source": {"component": "x"}, "reportingComponent": "kubelet"})
        ));
    }

    #[test]
    fn api_59_field_selectors() {
        let info = crate::registry::builtin::resources()
            .iter()
            .find(|info| info.gvr.resource == "pods")
            .expect("pods are served");
        let pod = json!({"metadata": {"name": "a,b"}, "spec": {"nodeName": "n"}});
        let selects = |text: &str| {
            FieldSelector::parse(text)?
                .bind(info)
                .map(|fields| fields.matches(&pod))
        };
        assert_eq!(selects(r"metadata.name=a\,b,spec.nodeName==n"), Ok(true));
        assert_eq!(selects("spec.nodeName!=n"), Ok(false));
        assert_eq!(selects("spec.hostNetwork=false"), Ok(true));
        assert_eq!(
            selects("spec.colour=x").map_err(|error| error.to_string()),
            Err("field label not supported: spec.colour".into())
        );
        assert!(selects("metadata.name").is_err());
    }
}
