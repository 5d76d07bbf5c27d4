//! Keywords as values, for [`Change::old`](super::Change::old) and [`Change::new`](super::Change::new).

use serde_json::{Map, Value, json};

use super::imply::checks;
use super::keywords::SIZES;
use crate::regexp::Pattern;
use crate::structural::{Additional, Bound, ListType, Node, Rule, Type};

/// The type of a field, as its schema names it.
pub(super) fn kind(node: &Node) -> Value {
    match node.kind {
        Type::Any => "any".into(),
        kind => kind.name().into(),
    }
}

pub(super) fn additional(additional: &Additional) -> Option<Value> {
    match additional {
        Additional::Undeclared => None,
        Additional::Any => Some(true.into()),
        Additional::Forbidden => Some(false.into()),
        Additional::Schema(values) => Some(kind(values)),
    }
}

pub(super) fn list_type(list: &ListType) -> Value {
    match list {
        ListType::Atomic => "atomic".into(),
        ListType::Set => "set".into(),
        ListType::Map(keys) => json!({ "map": keys.iter().map(|key| &**key).collect::<Vec<&str>>() }),
    }
}

/// What a rule says when it is broken.
pub(super) fn message(rule: &Rule) -> Value {
    let mut map = Map::new();
    for (key, text) in [
        ("message", rule.message.as_str()),
        ("messageExpression", &rule.message_expression),
        ("reason", rule.reason.as_deref().unwrap_or_default()),
        ("fieldPath", &rule.field_path),
    ] {
        if !text.is_empty() {
            map.insert(key.to_owned(), text.into());
        }
    }
    Value::Object(map)
}

/// A limit, as findings show it.
pub(super) fn bound(keyword: &str, bound: Option<Bound>) -> Option<Value> {
    bound.map(|bound| match bound.exclusive {
        false => json!(bound.limit),
        true => json!({ keyword: bound.limit, "exclusive": true }),
    })
}

/// `allOf`, `anyOf`, `oneOf` and `not` of a schema, if it has any.
pub(super) fn conditions(node: &Node) -> Option<Value> {
    let mut map = Map::new();
    add_conditions(node, &mut map);
    (!map.is_empty()).then_some(Value::Object(map))
}

fn add_conditions(node: &Node, map: &mut Map<String, Value>) {
    let checks = checks(node);
    for (key, members) in [
        ("allOf", &checks.all_of),
        ("anyOf", &checks.any_of),
        ("oneOf", &checks.one_of),
    ] {
        if !members.is_empty() {
            map.insert(key.to_owned(), members.iter().map(member).collect());
        }
    }
    if let Some(not) = &checks.not {
        map.insert("not".to_owned(), member(not));
    }
}

/// A member of a condition: value validation, since it can declare nothing.
fn member(node: &Node) -> Value {
    let checks = checks(node);
    let mut map = Map::new();
    if node.kind != Type::Any {
        map.insert("type".to_owned(), kind(node));
    }
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    add(
        "format",
        checks.format.as_ref().map(|(_, name)| Value::from(&**name)),
    );
    add(
        "pattern",
        checks
            .pattern
            .as_ref()
            .map(|pattern| Pattern::source(pattern).into()),
    );
    add("minimum", bound("minimum", checks.minimum));
    add("maximum", bound("maximum", checks.maximum));
    add("multipleOf", checks.multiple_of.map(Value::from));
    for size in &SIZES {
        add(size.keyword, (size.get)(checks).map(Value::from));
    }
    add(
        "enum",
        (!checks.values.is_empty()).then(|| checks.values.to_vec().into()),
    );
    let required = || checks.required.iter().map(|name| Value::from(&**name)).collect();
    add("required", (!checks.required.is_empty()).then(required));
    add("items", node.items.as_deref().map(member));
    let properties = || {
        let fields = node.properties.iter();
        Value::Object(
            fields
                .map(|(name, field)| (name.to_string(), member(field)))
                .collect(),
        )
    };
    add("properties", (!node.properties.is_empty()).then(properties));
    add_conditions(node, &mut map);
    Value::Object(map)
}
