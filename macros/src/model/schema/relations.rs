//! Attributes that stand for rules: of a field, and between fields.

use serde_json::{Value as Json, json};
use syn::LitStr;

use super::fields::Fields;
use super::marks::{self, Words};
use super::parts::Part;
use super::{json as written, rules, types};
use crate::attrs::schema::{Given, Mark};
use crate::attrs::suggest;
use crate::errors::Errors;

/// A rule of one field that names others.
pub(super) struct Reference {
    field: String,
    pub(super) key: &'static str,
    pub(super) others: Vec<LitStr>,
}

/// Rules that a field's marks stand for, of itself and of the object around it.
pub(super) fn references(
    name: &str,
    marks: &[Mark],
    optional: bool,
    node: &marks::Node<'_>,
    words: &mut Words,
    errors: &mut Errors,
) -> Vec<Reference> {
    let mut found = Vec::new();
    let field = rules::escaped(name);
    for mark in marks {
        match (mark.key, &mark.value) {
            ("immutable", Given::Flag(true)) => {
                words.rule(rules::rule("self == oldSelf", "field is immutable"));
                if optional {
                    words.parent.push(rules::stays(name));
                }
            }
            ("monotonic", Given::Flag(true)) => {
                words.rule(rules::rule("self >= oldSelf", "must not decrease"));
            }
            ("forbidden", Given::Flag(true)) => {
                words.parent.push(rules::rule(
                    format!("!has(self.{field})"),
                    format!("field {name} is forbidden"),
                ));
            }
            ("update", Given::Texts(texts)) => {
                for text in texts {
                    match text.value().as_str() {
                        "no-set" | "NoSet" => words.parent.push(rules::rule(
                            format!("has(oldSelf.{field}) || !has(self.{field})"),
                            format!("field {name} cannot be set once created"),
                        )),
                        "no-unset" | "NoUnset" => words.parent.push(rules::rule(
                            format!("!has(oldSelf.{field}) || has(self.{field})"),
                            format!("field {name} cannot be cleared once set"),
                        )),
                        "no-modify" | "NoModify" => {
                            words.rule(rules::rule(
                                "self == oldSelf",
                                "field cannot be modified once set",
                            ));
                        }
                        other => errors.at(
                            text.span(),
                            format!("`{other}` is none of `no-set`, `no-unset` and `no-modify`"),
                        ),
                    }
                    if !optional && !matches!(text.value().as_str(), "no-modify" | "NoModify") {
                        errors.at(text.span(), "the field is required, so that it is always set");
                    }
                }
            }
            ("requires" | "conflicts_with", Given::Texts(others)) => found.push(Reference {
                field: name.to_owned(),
                key: mark.key,
                others: others.clone(),
            }),
            ("item" | "subfield", Given::Inside(..)) => {
                if mark.key == "item" && !matches!(node.kind, types::Kind::List | types::Kind::Unknown) {
                    errors.at(mark.span, "`item(...)` is for lists");
                }
                Part::whole().mark(mark, words, errors);
            }
            ("map_key", Given::Flag(true)) => words.note("mapKey", true),
            _ => {}
        }
    }
    found
}

/// `requires` and `conflicts_with`, once all fields are known.
pub(super) fn resolve(found: &mut Fields, reference: &Reference, errors: &mut Errors) {
    let mut rules_of_parent = Vec::new();
    for other in &reference.others {
        let Some(name) = named_field(other, &found.names, found.open, errors) else {
            continue;
        };
        let (field, this) = (&reference.field, rules::escaped(&reference.field));
        let that = rules::escaped(&name);
        rules_of_parent.push(if reference.key == "requires" {
            rules::rule(
                format!("!has(self.{this}) || has(self.{that})"),
                format!("field {name} is required when {field} is set"),
            )
        } else {
            rules::rule(
                format!("!(has(self.{this}) && has(self.{that}))"),
                format!("fields {field} and {name} may not be set together"),
            )
        });
    }
    if let Some(field) = found
        .fields
        .iter_mut()
        .find(|field| field.name == reference.field)
    {
        let mut map: serde_json::Map<String, Json> =
            serde_json::from_str(&field.extra.keywords).unwrap_or_default();
        if let Json::Array(list) = map.entry("parent").or_insert_with(|| json!([])) {
            list.extend(rules_of_parent);
        }
        field.extra.keywords = written(&map);
    }
}

/// A field by its name in JSON, or by that in Rust.
pub(super) fn named_field(
    text: &LitStr,
    names: &[(String, String)],
    open: bool,
    errors: &mut Errors,
) -> Option<String> {
    let value = text.value();
    if let Some((name, _)) = names.iter().find(|(name, rust)| *name == value || *rust == value) {
        return Some(name.clone());
    }
    if open {
        return Some(value);
    }
    errors.at(
        text.span(),
        format!("there is no field `{value}`; {}", advice(&value, names)),
    );
    None
}

/// What was probably meant.
pub(super) fn advice(name: &str, names: &[(String, String)]) -> String {
    let known: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    match suggest::nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the fields are {}", suggest::list(&known)),
    }
}
