//! The last pass: what a CRD has no place for goes, what has a structural twin is rewritten, the rest is reported.

use serde_json::{Map, Value, json};

use super::{Problems, each_subschema, graft};
use crate::format::Format;

/// Keywords of `JSONSchemaProps` that a CRD may carry.
const KNOWN: [&str; 36] = [
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalDocs",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Keywords that restrict values and have no structural counterpart; dropping one would accept what the type refuses.
const UNSUPPORTED: [&str; 14] = [
    "additionalItems",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

pub(super) fn tidy(schema: &mut Value, problems: &mut Problems) {
    let Value::Object(map) = schema else {
        return;
    };
    if graft::is_mark(map) {
        return;
    }
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let message = recursion(reference);
        problems.push(message);
        return;
    }
    tidy_keywords(map, problems);
    drop_null_value(map);
    drop_unknown_format(map);
    open_any_map(map);
    strip_variants(map, problems);
    let junctors: Vec<(String, Value)> = ["allOf", "anyOf", "oneOf", "not"]
        .into_iter()
        .filter_map(|key| map.remove_entry(key))
        .collect();
    each_subschema(map, problems, tidy);
    map.extend(junctors);
}

/// As [`tidy`], of one schema whose subschemas are tidy already. What the author of a `KubeSchema` says is kept, even
/// where it means nothing, so that it is told of.
pub(super) fn tidy_one(map: &mut Map<String, Value>, exact: bool, problems: &mut Problems) {
    tidy_keywords(map, problems);
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if exact {
        return;
    }
    drop_unknown_format(map);
    open_any_map(map);
    strip_variants(map, problems);
}

fn tidy_keywords(map: &mut Map<String, Value>, problems: &mut Problems) {
    refuse_unsupported(map, problems);
    exclusive_bounds(map, "exclusiveMinimum", "minimum", f64::max);
    exclusive_bounds(map, "exclusiveMaximum", "maximum", f64::min);
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    map.retain(|key, _| KNOWN.contains(&key.as_str()));
    embedded(map, problems);
    settle_type(map, problems);
}

/// SCH-42: any value, embedded, is an object; and one that has no place for its kind is refused whatever is in it.
fn embedded(map: &mut Map<String, Value>, problems: &mut Problems) {
    let on = |map: &Map<String, Value>, key: &str| map.get(key) == Some(&Value::Bool(true));
    if !on(map, "x-kubernetes-embedded-resource") {
        return;
    }
    const FORMS: [&str; 8] = [
        "type",
        "properties",
        "enum",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "x-kubernetes-int-or-string",
    ];
    if FORMS.iter().all(|key| !map.contains_key(*key)) {
        map.insert("type".to_owned(), "object".into());
        map.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
    let open = on(map, "x-kubernetes-preserve-unknown-fields");
    if let Some(Value::Object(properties)) = map.get("properties")
        && !open
        && ["apiVersion", "kind"]
            .iter()
            .any(|name| !properties.contains_key(*name))
    {
        problems.push(
            "an embedded object has `apiVersion`, `kind` and `metadata`; add those fields, or keep any object with \
             `RawExtension`",
        );
    }
}

fn strip_variants(map: &mut Map<String, Value>, problems: &mut Problems) {
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(variants)) = map.get_mut(key) {
            for variant in variants {
                strip_variant(variant, problems);
            }
        }
    }
    if let Some(not) = map.get_mut("not") {
        strip_variant(not, problems);
    }
}

/// A server never takes null for a value of an enum, `nullable` or not, and not even where null is listed (SCH-31). Of
/// a field that is not nullable it drops the null that `None` is written as, and takes the object (SCH-30).
fn drop_null_value(map: &mut Map<String, Value>) {
    let Some(Value::Array(values)) = map.get_mut("enum") else {
        return;
    };
    values.retain(|value| !value.is_null());
    map.remove("nullable");
}

/// Formats that no server checks, such as schemars' `uint32`, only make it warn (SCH-25); the limits stand beside them.
fn drop_unknown_format(map: &mut Map<String, Value>) {
    let kind = map.get("type").and_then(Value::as_str);
    let format = map.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| Format::recognize(kind, format).is_none()) {
        map.remove("format");
    }
}

fn recursion(reference: &str) -> String {
    let what = match reference.rsplit('/').next() {
        Some(name) if name != "#" && !name.is_empty() => format!("`{name}` contains itself"),
        _ => "the type contains itself".to_owned(),
    };
    format!(
        "{what} here; structural schemas have no references: cut the cycle with a field whose schema keeps unknown \
         fields (x-kubernetes-preserve-unknown-fields)"
    )
}

fn refuse_unsupported(map: &Map<String, Value>, problems: &mut Problems) {
    if map.contains_key("patternProperties") {
        problems.push(
            "map keys of this type cannot be validated by the server; use String keys, or a `Vec` of a struct with the \
             key as a field and list type map",
        );
    }
    if map.get("items").is_some_and(Value::is_array) {
        problems.push(
            "a structural schema cannot describe a tuple; use a struct with named fields (or `Vec<T>` if all members \
             have one type)",
        );
    }
    for key in UNSUPPORTED {
        // A keyword beside the tuple that is already reported says nothing new.
        if map.contains_key(key)
            && !(key == "additionalItems" && map.get("items").is_some_and(Value::is_array))
        {
            problems.push(format!("`{key}` does not exist in CRD schemas"));
        }
    }
}

/// JSON Schema's numeric exclusive bounds, as a bound and a flag.
fn exclusive_bounds(
    map: &mut Map<String, Value>,
    exclusive: &str,
    bound: &str,
    tighter: fn(f64, f64) -> f64,
) {
    let Some(limit) = map.get(exclusive).filter(|value| value.is_number()).cloned() else {
        return;
    };
    let excluded = limit.as_f64().unwrap_or_default();
    match map.get(bound).and_then(Value::as_f64) {
        Some(included) if included != excluded && tighter(included, excluded) == included => {
            map.remove(exclusive);
        }
        _ => {
            map.insert(bound.to_owned(), limit);
            map.insert(exclusive.to_owned(), Value::Bool(true));
        }
    }
}

/// Every schema outside of junctors has one type, or says that it needs none.
fn settle_type(map: &mut Map<String, Value>, problems: &mut Problems) {
    let flag = |key: &str| map.get(key) == Some(&Value::Bool(true));
    if flag("x-kubernetes-int-or-string") || flag("x-kubernetes-preserve-unknown-fields") {
        return;
    }
    match map.get("type") {
        Some(Value::String(_)) => {}
        Some(Value::Array(kinds)) => {
            let mut kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.sort_unstable();
            if kinds == ["integer", "string"] {
                map.remove("type");
                map.remove("format");
                map.insert("x-kubernetes-int-or-string".to_owned(), Value::Bool(true));
            } else {
                let message = format!(
                    "values of several JSON types ({}) are not structural; keep unknown fields \
                     (x-kubernetes-preserve-unknown-fields) or choose one type",
                    kinds.join(", ")
                );
                problems.push(message);
            }
        }
        _ => infer_type(map, problems),
    }
}

fn infer_type(map: &mut Map<String, Value>, problems: &mut Problems) {
    if map.contains_key("properties") || map.contains_key("additionalProperties") {
        map.insert("type".to_owned(), "object".into());
        return;
    }
    if map.contains_key("items") {
        map.insert("type".to_owned(), "array".into());
        return;
    }
    if let Some(Value::Array(values)) = map.get("enum") {
        let mut kinds: Vec<&str> = values.iter().filter(|v| !v.is_null()).map(json_type).collect();
        kinds.dedup();
        match kinds.as_slice() {
            [] => problems.push(
                "this type serializes as null, which is always dropped; remove the field or use an empty struct `S {}`",
            ),
            [kind] => {
                let kind = Value::from(*kind);
                map.insert("type".to_owned(), kind);
            }
            _ => problems.push("an enum of values of different JSON types is not structural"),
        }
        return;
    }
    let says_nothing = map.keys().all(|key| {
        matches!(
            key.as_str(),
            "description" | "default" | "title" | "example" | "nullable" | "externalDocs"
        )
    });
    if says_nothing {
        // Any JSON value, such as serde_json::Value: without the keyword a server refuses the schema.
        map.remove("nullable");
        map.insert(
            "x-kubernetes-preserve-unknown-fields".to_owned(),
            Value::Bool(true),
        );
    } else {
        let keys: Vec<&str> = map.keys().map(String::as_str).collect();
        let message = format!(
            "a schema with {} but without a type is not structural",
            keys.join(", ")
        );
        problems.push(message);
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `additionalProperties: true`, or of any value, keeps the keys yet empties their values; preserving keeps both.
fn open_any_map(map: &mut Map<String, Value>) {
    let any = match map.get("additionalProperties") {
        Some(Value::Bool(true)) => true,
        Some(Value::Object(values)) => values.keys().all(|key| key == "description" || key == "title"),
        _ => false,
    };
    if any {
        map.remove("additionalProperties");
        map.insert(
            "x-kubernetes-preserve-unknown-fields".to_owned(),
            Value::Bool(true),
        );
    }
}

/// A junctor's member validates values and declares nothing.
fn strip_variant(variant: &mut Value, problems: &mut Problems) {
    if matches!(variant, Value::Bool(_)) {
        // `false` matches nothing, as `not: {}`.
        *variant = if *variant == Value::Bool(true) {
            json!({})
        } else {
            json!({"not": {}})
        };
    }
    let Value::Object(map) = variant else { return };
    if map.contains_key("$ref") {
        let message = recursion(map.get("$ref").and_then(Value::as_str).unwrap_or_default());
        problems.push(message);
        return;
    }
    if map.contains_key("x-kubernetes-validations") {
        problems.push("x-kubernetes-validations cannot stand in a variant; move the rule to the enum");
    }
    for key in UNSUPPORTED {
        if map.contains_key(key) {
            problems.push(format!("`{key}` does not exist in CRD schemas"));
        }
    }
    exclusive_bounds(map, "exclusiveMinimum", "minimum", f64::max);
    exclusive_bounds(map, "exclusiveMaximum", "maximum", f64::min);
    drop_unknown_format(map);
    let keeps_type = map.len() == 1
        && matches!(
            map.get("type").and_then(Value::as_str),
            Some("integer" | "string")
        );
    map.retain(|key, _| {
        matches!(
            key.as_str(),
            "allOf"
                | "anyOf"
                | "oneOf"
                | "not"
                | "enum"
                | "exclusiveMaximum"
                | "exclusiveMinimum"
                | "format"
                | "items"
                | "maxItems"
                | "maxLength"
                | "maxProperties"
                | "maximum"
                | "minItems"
                | "minLength"
                | "minProperties"
                | "minimum"
                | "multipleOf"
                | "pattern"
                | "properties"
                | "required"
        ) || (keeps_type && key == "type")
    });
    each_subschema(map, problems, strip_variant);
}
