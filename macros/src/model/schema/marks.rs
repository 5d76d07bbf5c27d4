//! Marks as keywords: of a field, of items and values in it, of a type.
//!
//! **Invariant:** each key that [`schema`](crate::attrs::schema) knows either becomes a keyword, a rule or an
//! instruction here, or is read by `fields` or `forms`; none is passed over.

use proc_macro2::Span;
use quote::ToTokens;
use serde_json::{Map, Value as Json, json};
use syn::spanned::Spanned;
use syn::{Expr, LitStr, Type};

use super::re2;
use super::rules;
use super::sense::is_of;
use super::types::{self, Kind};
use super::{Check, Later};
use crate::attrs::schema::{Given, Mark};
use crate::attrs::suggest;
use crate::errors::Errors;

/// What the marks of one node say.
#[derive(Default)]
pub(super) struct Words {
    pub(super) map: Map<String, Json>,
    pub(super) later: Vec<Later>,
    /// Rules of the object that holds the field.
    pub(super) parent: Vec<Json>,
    pub(super) checks: Vec<Check>,
    pub(super) nullable: bool,
    pub(super) defaulted: bool,
}

/// Where a node stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    /// Absent where it is a type's own, or not known.
    pub(super) ty: Option<&'a Type>,
    pub(super) kind: Kind,
    /// `Type.field`, for messages of constants.
    pub(super) place: String,
    /// Keys to the node from the one that is emitted: `items`, `additionalProperties`.
    pub(super) path: Vec<&'static str>,
}

/// The key, the keyword, and what it is for.
const LIMITS: [(&str, &str, Limit); 11] = [
    ("minimum", "minimum", Limit::Number),
    ("maximum", "maximum", Limit::Number),
    ("exclusive_minimum", "minimum", Limit::Number),
    ("exclusive_maximum", "maximum", Limit::Number),
    ("multiple_of", "multipleOf", Limit::Number),
    ("min_length", "minLength", Limit::Text),
    ("max_length", "maxLength", Limit::Text),
    ("min_items", "minItems", Limit::List),
    ("max_items", "maxItems", Limit::List),
    ("min_properties", "minProperties", Limit::Object),
    ("max_properties", "maxProperties", Limit::Object),
];

/// What a limit is for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Limit {
    Number,
    Text,
    List,
    Object,
    Map,
    /// An integer or a string.
    Either,
    /// What has fields, or holds what has some.
    Fields,
}

impl Limit {
    fn takes(self, kind: Kind) -> bool {
        match kind {
            Kind::Unknown | Kind::Any => true,
            Kind::Text => self == Self::Text,
            Kind::Integer | Kind::Number => self == Self::Number,
            Kind::IntOrString => matches!(self, Self::Number | Self::Text | Self::Either),
            Kind::Bool => false,
            Kind::List => matches!(self, Self::List | Self::Fields),
            Kind::Map => matches!(self, Self::Object | Self::Map | Self::Fields),
        }
    }

    fn fits(self) -> &'static str {
        match self {
            Self::Number => "numbers",
            Self::Text => "strings",
            Self::List => "lists",
            Self::Object => "objects and maps",
            Self::Map => "maps",
            Self::Either => "what is an integer or a string, as `IntOrString` is",
            Self::Fields => "objects, and lists and maps of them",
        }
    }

    /// Its name in `shape::Limit`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Number => "Number",
            Self::Text => "Text",
            Self::List => "List",
            Self::Object => "Object",
            Self::Map => "Map",
            Self::Either => "Either",
            Self::Fields => "Fields",
        }
    }
}

/// Formats that the server checks, by type (SCH-25).
const TEXT_FORMATS: [&str; 31] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "date-time",
    "k8s-short-name",
    "k8s-long-name",
    "bson-object-id",
    "credit-card",
    "hex-color",
    "rgb-color",
];

/// Lays the marks of one node.
pub(super) fn lay(marks: &[Mark], node: &Node<'_>, errors: &mut Errors) -> Words {
    let mut words = Words::default();
    for mark in marks {
        words.mark(mark, node, errors);
    }
    words.contradictions(marks, errors);
    words
}

impl Words {
    pub(super) fn set(&mut self, key: &str, value: impl Into<Json>) {
        self.map.insert(key.to_owned(), value.into());
    }

    pub(super) fn note(&mut self, key: &str, value: impl Into<Json>) {
        let marks = self.map.entry("x-kubewright").or_insert_with(|| json!({}));
        if let Json::Object(marks) = marks {
            marks.insert(key.to_owned(), value.into());
        }
    }

    pub(super) fn allow(&mut self, id: String) {
        let marks = self.map.entry("x-kubewright").or_insert_with(|| json!({}));
        if let Json::Object(marks) = marks
            && let Json::Array(list) = marks.entry("allow").or_insert_with(|| json!([]))
        {
            list.push(id.into());
        }
    }

    pub(super) fn rule(&mut self, rule: Json) {
        if let Json::Array(rules) = self
            .map
            .entry("x-kubernetes-validations")
            .or_insert_with(|| json!([]))
        {
            rules.push(rule);
        }
    }

    fn later(&mut self, node: &Node<'_>, keyword: &str, value: &Expr) {
        let mut path: Vec<String> = node.path.iter().map(|key| (*key).to_owned()).collect();
        path.push(keyword.to_owned());
        self.later.push(Later::Set(path, value.to_token_stream()));
    }

    fn mark(&mut self, mark: &Mark, node: &Node<'_>, errors: &mut Errors) {
        if let Some((_, keyword, limit)) = LIMITS.iter().find(|(key, ..)| *key == mark.key) {
            if !self.fits(mark, *limit, node, errors) {
                return;
            }
            let flag = match mark.key {
                "exclusive_minimum" => Some("exclusiveMinimum"),
                "exclusive_maximum" => Some("exclusiveMaximum"),
                _ => None,
            };
            match &mark.value {
                Given::Json(value, span) => {
                    if node.kind == Kind::Integer && !value.is_i64() && !value.is_u64() {
                        errors.at(*span, "limits of an integer are integers");
                        return;
                    }
                    // The server keeps bounds as floating-point numbers (SCH-27).
                    if *limit == Limit::Number
                        && value.as_f64().is_some_and(|n| n.abs() > 9_007_199_254_740_992.0)
                    {
                        errors.at(
                            *span,
                            "the server keeps no bound beyond 2^53 exactly; leave it out",
                        );
                        return;
                    }
                    if *limit == Limit::Number && self.of_small_integer(mark.key, value, *span, node, errors)
                    {
                        return;
                    }
                    if mark.key == "multiple_of" && value.as_f64().is_some_and(|n| n <= 0.0) {
                        errors.at(*span, "`multiple_of` takes a number above zero");
                        return;
                    }
                    self.set(keyword, value.clone());
                    if let Some(flag) = flag {
                        self.set(flag, true);
                    }
                }
                Given::Expr(expr) => match flag {
                    Some(flag) => {
                        let path = node.path.iter().map(|key| (*key).to_owned()).collect();
                        self.later
                            .push(Later::Exclude(path, keyword, flag, expr.to_token_stream()));
                    }
                    None => self.later(node, keyword, expr),
                },
                _ => {}
            }
            return;
        }
        match (mark.key, &mark.value) {
            ("pattern", value) => self.pattern(mark, value, node, errors),
            ("max_bytes", Given::Json(value, _)) => self.max_bytes(mark, value, node, errors),
            ("max_bytes", _) => errors.at(mark.span, "`max_bytes` stands in a rule; write a literal number"),
            ("format", Given::Text(text)) => self.format(text, node, errors),
            ("title", Given::Text(text)) => self.set("title", text.value()),
            ("title", Given::Expr(expr)) => self.later(node, "title", expr),
            ("example", Given::Json(value, _)) => self.set("example", value.clone()),
            ("example", Given::Expr(expr)) => self.later(node, "example", expr),
            ("external_docs", Given::Docs(url, description)) => {
                let mut docs = Map::new();
                for (key, text) in [("url", url), ("description", description)] {
                    docs.extend(text.as_ref().map(|text| (key.to_owned(), text.value().into())));
                }
                self.set("externalDocs", docs);
            }
            ("enum_values", Given::Jsons(values)) => self.values(mark, values, node, errors),
            ("not_equal", Given::Json(value, _)) => {
                let value = rules::literal(value);
                self.rule(rules::rule(format!("self != {value}"), format!("must not be equal to {value}")));
            }
            ("not_equal", _) => errors.at(mark.span, "`not_equal` stands in a rule; write a literal"),
            ("validation", Given::Expr(expr)) => self.validation(expr, node),
            ("list_type", Given::Text(text)) => self.list_type(mark, text, node, errors),
            ("list_map_keys", Given::Texts(keys)) => self.list_map_keys(mark, keys, node, errors),
            ("map_type", Given::Text(text)) => self.map_type(mark, text, node, errors),
            ("merge_strategy", Given::Expr(expr)) => self.merge_strategy(expr),
            ("unique", value) => self.unique(mark, value, node, errors),
            ("items" | "values" | "keys", Given::Marks(marks)) => self.each(mark, marks, node, errors),
            ("nullable", Given::Flag(true)) => {
                self.set("nullable", true);
                self.nullable = true;
            }
            ("default", value) => self.default_of(mark, value, node, errors),
            ("int_or_string", Given::Flag(true)) if self.fits(mark, Limit::Either, node, errors) => {
                self.set("x-kubernetes-int-or-string", true);
                self.set("anyOf", json!([{"type": "integer"}, {"type": "string"}]));
            }
            ("preserve_unknown_fields", Given::Flag(true)) if self.keeps(mark, node, errors) => {
                self.set("x-kubernetes-preserve-unknown-fields", true);
                self.note("preserve", true);
            }
            ("embedded_resource" | "embedded", Given::Flag(true)) => {
                self.set("x-kubernetes-embedded-resource", true);
            }
            ("embedded_object_meta", Given::Flag(true)) => self.note("embeddedMeta", true),
            ("full_schema", Given::Flag(true)) => self.note("full", true),
            ("max_depth", Given::Json(value, _)) => self.note("maxDepth", value.clone()),
            ("int_keys", Given::Flag(true)) => self.note("intKeys", true),
            ("strict_ints", Given::Flag(true)) => self.note("strictInts", true),
            ("allow_float", Given::Flag(true)) => self.allow("float".to_owned()),
            ("empty_ok", Given::Flag(true)) => self.allow("empty-object".to_owned()),
            ("allow", Given::Texts(ids)) => {
                for id in ids {
                    self.allow(id.value());
                }
            }
            ("description", Given::Json(value, _)) | ("max_desc_len", Given::Json(value, _)) => {
                self.note("description", value.clone());
            }
            ("description", Given::Text(text)) => match text.value().as_str() {
                word @ ("none" | "short") => self.note("description", word),
                _ => errors.at(
                    text.span(),
                    "write `description = \"none\"`, `\"short\"` (the first sentence) or a number of characters; the \
                     text itself is the doc comment",
                ),
            },
            ("compat", Given::Text(text)) => match text.value().as_str() {
                word @ ("kube-derive" | "controller-gen") => self.note("compat", word),
                other => errors.at(
                    text.span(),
                    format!("`{other}` is none of `kube-derive` and `controller-gen`"),
                ),
            },
            // An expression where a literal is needed.
            ("max_depth" | "max_desc_len", Given::Expr(expr)) => {
                errors.at(expr.span(), format!("`{}` takes a literal number", mark.key));
            }
            // Flags that are off, and keys that fields and types read themselves.
            _ => {}
        }
    }

    fn max_bytes(&mut self, mark: &Mark, value: &Json, node: &Node<'_>, errors: &mut Errors) {
        if !self.fits(mark, Limit::Text, node, errors) {
            return;
        }
        self.rule(rules::rule(
            format!("bytes(self).size() <= {value}"),
            format!("must be no more than {value} bytes"),
        ));
        // A character has at least one byte; with a bound the rule's cost can be estimated.
        self.map.entry("maxLength").or_insert_with(|| value.clone());
    }

    /// `items(...)`, `values(...)` and `keys(...)`.
    fn each(&mut self, mark: &Mark, marks: &[Mark], node: &Node<'_>, errors: &mut Errors) {
        let limit = if mark.key == "items" {
            Limit::List
        } else {
            Limit::Map
        };
        if !self.fits(mark, limit, node, errors) {
            return;
        }
        match mark.key {
            "items" => self.inside("items", marks, node.ty.and_then(types::item), node, errors),
            "values" => {
                let ty = node.ty.and_then(|ty| types::map(ty).1);
                self.inside("additionalProperties", marks, ty, node, errors);
            }
            // The server has no keyword for keys; a rule reaches them.
            _ => {
                for (condition, words) in rules::conditions(marks, "k", errors) {
                    let words = if words.is_empty() {
                        "what the rule says"
                    } else {
                        &words
                    };
                    self.rule(rules::rule(
                        format!("self.all(k, {condition})"),
                        format!("each key must be {words}"),
                    ));
                }
            }
        }
    }

    /// Reports a limit on the wrong kind of value; where tokens do not tell, a constant does.
    pub(super) fn fits(&mut self, mark: &Mark, limit: Limit, node: &Node<'_>, errors: &mut Errors) -> bool {
        if !limit.takes(node.kind) {
            let what = node.ty.map_or_else(String::new, |ty| {
                format!(", and `{}` is {}", types::text(ty), node.kind.name())
            });
            errors.at(mark.span, format!("`{}` is for {}{what}", mark.key, limit.fits()));
            return false;
        }
        if node.kind == Kind::Unknown
            && let Some(ty) = node.ty
        {
            self.checks.push(Check::Limit {
                place: node.place.clone(),
                key: mark.key,
                limit,
                ty: types::peel(ty).0.clone(),
                span: mark.span,
            });
        }
        true
    }

    /// Whether what is held here, however deep in lists, can have unknown fields.
    fn keeps(&mut self, mark: &Mark, node: &Node<'_>, errors: &mut Errors) -> bool {
        let inside = node.ty.and_then(types::item);
        if let (Kind::List, Some(item)) = (node.kind, inside) {
            let inner = Node {
                ty: Some(item),
                kind: types::kind(item),
                ..node.clone()
            };
            return self.keeps(mark, &inner, errors);
        }
        self.fits(mark, Limit::Fields, node, errors)
    }

    fn pattern(&mut self, mark: &Mark, value: &Given, node: &Node<'_>, errors: &mut Errors) {
        if !self.fits(mark, Limit::Text, node, errors) {
            return;
        }
        match value {
            Given::Text(text) => {
                if let Err(mistake) = re2::check(&text.value()) {
                    errors.at(text.span(), mistake);
                }
                self.set("pattern", text.value());
            }
            Given::Expr(expr) => {
                let mut path: Vec<String> = node.path.iter().map(|key| (*key).to_owned()).collect();
                path.push("pattern".to_owned());
                self.later.push(Later::Text(path, expr.to_token_stream()));
            }
            _ => {}
        }
    }

    fn format(&mut self, text: &LitStr, node: &Node<'_>, errors: &mut Errors) {
        let value = text.value();
        let known: &[&str] = match node.kind {
            Kind::Integer => &["int32", "int64"],
            Kind::Number => &["float", "double"],
            Kind::Text => &TEXT_FORMATS,
            Kind::Bool | Kind::List | Kind::Map => {
                errors.at(
                    text.span(),
                    format!(
                        "the server knows no formats for {}; leave it out",
                        node.kind.name()
                    ),
                );
                return;
            }
            Kind::IntOrString | Kind::Any | Kind::Unknown => &[],
        };
        // Names that the server has rules for, though no formats.
        let rule = match value.as_str() {
            "k8s-label-value" => Some("labelValue"),
            "k8s-label-key" => Some("qualifiedName"),
            "k8s-uuid" => Some("uuid"),
            _ => None,
        };
        if let Some(name) = rule {
            self.rule(rules::rule(
                format!("!format.{name}().validate(self).hasValue()"),
                format!(
                    "must be a valid {}",
                    value.trim_start_matches("k8s-").replace('-', " ")
                ),
            ));
            return;
        }
        if value == "k8s-ip" {
            self.rule(rules::rule("isIP(self)", "must be a valid IP address"));
            return;
        }
        if !known.is_empty() && !known.contains(&value.as_str()) {
            let advice = match suggest::nearest(&value, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it knows {}", suggest::list(known)),
            };
            errors.at(
                text.span(),
                format!(
                    "the server does not know the format `{value}` for {}; {advice}",
                    node.kind.name()
                ),
            );
        }
        self.set("format", value);
    }

    fn values(&mut self, mark: &Mark, values: &[(Span, Json)], node: &Node<'_>, errors: &mut Errors) {
        if values.is_empty() {
            errors.at(
                mark.span,
                "`enum_values` is empty, so that nothing would be valid",
            );
        }
        for (index, (span, value)) in values.iter().enumerate() {
            if values[..index].iter().any(|(_, before)| before == value) {
                errors.at(*span, format!("`{value}` is given twice; keep one"));
            }
            if !is_of(value, node.kind) {
                errors.at(*span, format!("`{value}` is not {}", node.kind.name()));
            }
            self.literal(value, *span, node);
        }
        let values: Vec<Json> = values.iter().map(|(_, value)| value.clone()).collect();
        self.set("enum", values);
    }

    /// Asks whether a literal is a value of the type, where tokens do not tell.
    fn literal(&mut self, value: &Json, span: Span, node: &Node<'_>) {
        if let (Kind::Unknown, Some(ty)) = (node.kind, node.ty) {
            self.checks.push(Check::Literal {
                place: node.place.clone(),
                value: value.clone(),
                ty: types::peel(ty).0.clone(),
                span,
            });
        }
    }

    fn validation(&mut self, expr: &Expr, node: &Node<'_>) {
        match rules::literal_rule(expr) {
            Some(rule) => self.rule(rule),
            None => {
                let path = node.path.iter().map(|key| (*key).to_owned()).collect();
                self.later.push(Later::Rule(path, expr.clone()));
            }
        }
    }

    fn inside(
        &mut self,
        key: &'static str,
        marks: &[Mark],
        ty: Option<&Type>,
        node: &Node<'_>,
        errors: &mut Errors,
    ) {
        let mut path = node.path.clone();
        path.push(key);
        let inner = Node {
            ty,
            kind: ty.map_or(Kind::Unknown, types::kind),
            place: format!(
                "{} ({})",
                node.place,
                if key == "items" { "items" } else { "values" }
            ),
            path,
        };
        let words = lay(marks, &inner, errors);
        if !words.map.is_empty() {
            self.map.insert(key.to_owned(), Json::Object(words.map));
        }
        self.later.extend(words.later);
        self.checks.extend(words.checks);
    }

    fn default_of(&mut self, mark: &Mark, value: &Given, node: &Node<'_>, errors: &mut Errors) {
        match value {
            Given::Json(Json::Null, span) => {
                errors.at(
                    *span,
                    "a default of null is not stored by the server; leave it out",
                );
            }
            Given::Json(value, span) => {
                if !is_of(value, node.kind) {
                    errors.at(
                        *span,
                        format!("the default `{value}` is not {}", node.kind.name()),
                    );
                }
                self.literal(value, *span, node);
                self.set("default", value.clone());
                self.defaulted = true;
            }
            Given::Expr(expr) => {
                self.later(node, "default", expr);
                self.defaulted = true;
            }
            _ => errors.at(mark.span, "write `default = ...`"),
        }
    }
}
