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
        if *self.peek() == Token::End {
            return Ok(all);
        }
        loop {
            all.push(self.requirement()?);
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
        match self.peek().clone() {
            Token::End | Token::Sign(",") => Ok(Requirement::Exists(key)),
            Token::Sign("=" | "==") => {
                self.next();
                Ok(Requirement::In(key, vec![self.value()?]))
            }
            Token::Sign("!=") => {
                self.next();
                Ok(Requirement::NotIn(key, vec![self.value()?]))
            }
            Token::Sign(">") => {
                self.next();
                Ok(Requirement::Greater(key, self.bound()?))
            }
            Token::Sign("<") => {
                self.next();
                Ok(Requirement::Less(key, self.bound()?))
            }
            Token::Word(word) if word == "in" => {
                self.next();
                Ok(Requirement::In(key, self.values()?))
            }
            Token::Word(word) if word == "notin" => {
                self.next();
                Ok(Requirement::NotIn(key, self.values()?))
            }
            other => Err(format!(
                "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                bare(&other)
            )),
        }
    }

    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(String::new()),
            Token::Word(_) => match self.next() {
                Token::Word(word) => check_value(word),
                other => Err(format!("found '{}', expected: identifier", bare(&other))),
            },
            other => Err(format!("found '{}', expected: identifier", bare(other))),
        }
    }

    fn bound(&mut self) -> Result<i64, String> {
        let value = self.value()?;
        value
            .parse()
            .map_err(|_| format!("{value:?}: for 'Gt', 'Lt' operators, the value must be an integer"))
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(format!("found '{}', expected: '('", bare(&other))),
        }
        let mut values = Vec::new();
        loop {
            values.push(match self.peek() {
                Token::Sign("," | ")") => String::new(),
                _ => self.value()?,
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
        Some(why) => Err(format!(
            "unable to parse requirement: key: Invalid value: {key:?}: {why}"
        )),
    }
}

fn check_value(value: String) -> Result<String, String> {
    match super::names::label_value(&value).first() {
        None => Ok(value),
        Some(why) => Err(format!(
            "unable to parse requirement: values[0][]: Invalid value: {value:?}: {why}"
        )),
    }
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
                let (pointer, absent) = match label.as_str() {
                    "metadata.name" => ("/metadata/name".to_owned(), ""),
                    "metadata.namespace" => ("/metadata/namespace".to_owned(), ""),
                    _ => info
                        .selectable_fields
                        .iter()
                        .find(|field| field.label == *label)
                        .map(|field| (super::path::pointer(&field.path), field.absent.as_str()))
                        .ok_or_else(|| unknown_field(info, label))?,
                };
                Ok(Term {
                    pointer,
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
    pointer: String,
    absent: String,
    equal: bool,
    value: String,
}

/// A field selector that knows where the fields are.
#[derive(Clone, Debug, Default)]
pub struct BoundFields(Vec<Term>);

impl BoundFields {
    /// Whether an object's fields satisfy every term.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let equal = match object.pointer(&term.pointer) {
                Some(Value::String(text)) => *text == term.value,
                None | Some(Value::Null) => term.absent == term.value,
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
