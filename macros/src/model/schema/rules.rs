//! CEL that attributes stand for.

use serde_json::{Value as Json, json};
use syn::{Expr, ExprMethodCall, Lit};

use crate::attrs::schema::{Given, Mark};
use crate::errors::Errors;

/// A rule and its message.
pub(super) fn rule(rule: impl Into<String>, message: impl Into<String>) -> Json {
    let (rule, message): (String, String) = (rule.into(), message.into());
    json!({"rule": rule, "message": message})
}

/// A field's name in CEL (SCH-57). One that no rule can spell stays as it is, and the rule is refused when it is compiled.
pub(super) fn escaped(name: &str) -> String {
    kubewright_cel::names::escape(name).unwrap_or_else(|| name.to_owned())
}

/// A value in CEL.
pub(super) fn literal(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), literal(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out + "'"
}

/// Count of those of these fields that are set.
fn how_many(fields: &[String]) -> String {
    let terms: Vec<String> = fields
        .iter()
        .map(|field| format!("(has(self.{})?1:0)", escaped(field)))
        .collect();
    terms.join("+")
}

/// controller-gen's rules and texts for groups of fields.
pub(super) fn one_of(key: &str, fields: &[String]) -> Json {
    let names = fields.join(" ");
    match key {
        "at_most_one_of" => rule(
            format!("{} <= 1", how_many(fields)),
            format!("at most one of the fields in [{names}] may be set"),
        ),
        "exactly_one_of" => rule(
            format!("{} == 1", how_many(fields)),
            format!("exactly one of the fields in [{names}] must be set"),
        ),
        _ => {
            let terms: Vec<String> = fields
                .iter()
                .map(|field| format!("has(self.{})", escaped(field)))
                .collect();
            rule(
                terms.join("||"),
                format!("at least one of the fields in [{names}] must be set"),
            )
        }
    }
}

/// Of a field that may be unset: once set, it stays.
pub(super) fn stays(field: &str) -> Json {
    let name = escaped(field);
    rule(
        format!("!has(oldSelf.{name}) || has(self.{name})"),
        format!("field {field} is immutable once set"),
    )
}

/// What a part of a field has to be, in CEL over `subject`. Absent for what has no such form.
pub(super) fn conditions(marks: &[Mark], subject: &str, errors: &mut Errors) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for mark in marks {
        let number = match &mark.value {
            Given::Json(value, _) => literal(value),
            _ => String::new(),
        };
        let plain = |text: &str, words: String| Some((text.replace('$', subject), words));
        let condition = match (mark.key, &mark.value) {
            ("minimum", Given::Json(..)) => plain(&format!("$ >= {number}"), format!("at least {number}")),
            ("maximum", Given::Json(..)) => plain(&format!("$ <= {number}"), format!("at most {number}")),
            ("exclusive_minimum", Given::Json(..)) => {
                plain(&format!("$ > {number}"), format!("more than {number}"))
            }
            ("exclusive_maximum", Given::Json(..)) => {
                plain(&format!("$ < {number}"), format!("less than {number}"))
            }
            ("multiple_of", Given::Json(..)) => {
                plain(&format!("$ % {number} == 0"), format!("a multiple of {number}"))
            }
            ("min_length" | "min_items" | "min_properties", Given::Json(..)) => plain(
                &format!("size($) >= {number}"),
                format!("of size {number} or more"),
            ),
            ("max_length" | "max_items" | "max_properties", Given::Json(..)) => plain(
                &format!("size($) <= {number}"),
                format!("of size {number} or less"),
            ),
            ("max_bytes", Given::Json(..)) => plain(
                &format!("bytes($).size() <= {number}"),
                format!("of {number} bytes or less"),
            ),
            ("pattern", Given::Text(text)) => {
                let text = text.value();
                plain(
                    &format!("$.matches({})", quoted(&text)),
                    format!("what matches {text}"),
                )
            }
            ("not_equal", Given::Json(value, _)) => plain(
                &format!("$ != {}", literal(value)),
                format!("other than {}", literal(value)),
            ),
            ("enum_values", Given::Jsons(values)) => {
                let values = Json::Array(values.iter().map(|(_, value)| value.clone()).collect());
                plain(
                    &format!("$ in {}", literal(&values)),
                    format!("one of {}", literal(&values)),
                )
            }
            ("validation", Given::Expr(expr)) => match text_of(expr) {
                Some(text) if mentions_old(&text) => {
                    errors.at(
                        mark.span,
                        "a part of a field has no `oldSelf`; write the rule on the field, or on that of its type",
                    );
                    continue;
                }
                Some(text) => Some((replace_self(&text, subject), String::new())),
                None => None,
            },
            _ => None,
        };
        match condition {
            Some(condition) => found.push(condition),
            None => errors.at(
                mark.span,
                format!(
                    "`{}` cannot be said of a part of a field; write `validation = \"...\"`",
                    mark.key
                ),
            ),
        }
    }
    found
}

/// A rule of a part as one of what holds it.
fn replace_self(rule: &str, subject: &str) -> String {
    kubewright_cel::replace_variables(rule, |name| (name == "self").then(|| subject.to_owned()))
}

fn mentions_old(rule: &str) -> bool {
    kubewright_cel::replace_variables(rule, |name| (name == "oldSelf").then(String::new)) != rule
}

/// A rule that is written in literals alone, as the JSON it becomes.
pub(super) fn literal_rule(expr: &Expr) -> Option<Json> {
    match crate::attrs::item::ungroup(expr) {
        Expr::Lit(_) => Some(json!({"rule": text_of(expr)?})),
        Expr::Tuple(pair) if pair.elems.len() == 2 => {
            let (rule, message) = (text_of(&pair.elems[0])?, text_of(&pair.elems[1])?);
            Some(json!({"rule": rule, "message": message}))
        }
        Expr::Call(call) => {
            let Expr::Path(path) = &*call.func else {
                return None;
            };
            let named = path
                .path
                .segments
                .iter()
                .map(|s| s.ident.to_string())
                .collect::<Vec<_>>();
            (named == ["Rule", "new"] && call.args.len() == 1).then_some(())?;
            Some(json!({"rule": text_of(call.args.first()?)?}))
        }
        Expr::MethodCall(call) => {
            let mut rule = literal_rule(&call.receiver)?;
            let (key, value) = setting(call)?;
            if let Json::Object(map) = &mut rule {
                // The later of two texts stands.
                if key.starts_with("message") {
                    map.remove("message");
                    map.remove("messageExpression");
                }
                map.insert(key.to_owned(), value);
            }
            Some(rule)
        }
        _ => None,
    }
}

fn setting(call: &ExprMethodCall) -> Option<(&'static str, Json)> {
    let argument = call.args.first().filter(|_| call.args.len() == 1)?;
    Some(match call.method.to_string().as_str() {
        "message" => match argument {
            Expr::Call(inner) => {
                let Expr::Path(path) = &*inner.func else {
                    return None;
                };
                let kind = path.path.segments.last()?.ident.to_string();
                let text = owned_text(inner.args.first()?)?.into();
                match kind.as_str() {
                    "Message" => ("message", text),
                    "Expression" => ("messageExpression", text),
                    _ => return None,
                }
            }
            _ => ("message", text_of(argument)?.into()),
        },
        "message_expression" => ("messageExpression", text_of(argument)?.into()),
        "field_path" => ("fieldPath", text_of(argument)?.into()),
        "reason" => match argument {
            Expr::Path(path) => {
                let reason = path.path.segments.last()?.ident.to_string();
                const REASONS: [&str; 4] = [
                    "FieldValueInvalid",
                    "FieldValueForbidden",
                    "FieldValueRequired",
                    "FieldValueDuplicate",
                ];
                REASONS.contains(&reason.as_str()).then_some(())?;
                ("reason", reason.into())
            }
            _ => return None,
        },
        "optional_old_self" => match argument {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Bool(value) => ("optionalOldSelf", value.value.into()),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}

/// A literal, as it is or made a `String`.
fn owned_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::MethodCall(call) if call.args.is_empty() => text_of(&call.receiver),
        other => text_of(other),
    }
}

pub(super) fn text_of(expr: &Expr) -> Option<String> {
    match crate::attrs::item::ungroup(expr) {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
