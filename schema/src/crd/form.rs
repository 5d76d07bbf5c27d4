//! Structural form: every value has one declared type, and junctors only restrict what is declared outside of them.

use serde_json::{Map, Value};

use super::schema::{flag, object, objects, properties, text};
use crate::error::FieldError;
use crate::regexp;

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// SCH-10 to SCH-20, SCH-40 to SCH-42; sorted by text, as the server sorts them.
pub(super) fn check_structural(map: &Map<String, Value>, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    invariants(map, Level::Root, path, &mut errors);
    completeness(map, Some(map), path, path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

fn invariants(map: &Map<String, Value>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text(map, "type");
    let items = object(map, "items");
    if kind == "array" && items.is_none() {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    if let Some(items) = items {
        invariants(items, Level::Item, &format!("{path}.items"), errors);
    }
    let properties = properties(map);
    for (name, property) in &properties {
        invariants(
            property,
            Level::Field,
            &format!("{path}.properties[{name}]"),
            errors,
        );
    }
    let additional = map.get("additionalProperties").filter(|value| !value.is_null());
    if let Some(additional) = additional {
        let path = format!("{path}.additionalProperties");
        if level == Level::Root {
            errors.push(FieldError::forbidden(&*path, "must not be used at the root"));
        }
        if let Some(schema) = additional.as_object() {
            invariants(schema, Level::Field, &path, errors);
        }
    }
    let int_or_string = flag(map, "x-kubernetes-int-or-string");
    let preserve = flag(map, "x-kubernetes-preserve-unknown-fields");
    let embedded = flag(map, "x-kubernetes-embedded-resource");
    for (key, set) in [
        ("x-kubernetes-preserve-unknown-fields", preserve),
        ("x-kubernetes-embedded-resource", embedded),
    ] {
        if int_or_string && set {
            errors.push(FieldError::invalid(
                format!("{path}.{key}"),
                true,
                "must be false if x-kubernetes-int-or-string is true",
            ));
        }
    }
    value_validation(
        map,
        is_int_or_string_any_of(map),
        is_int_or_string_all_of(map),
        path,
        errors,
    );
    check_type_of(map, level, path, errors);
    if embedded && additional.is_some() {
        errors.push(FieldError::forbidden(
            format!("{path}.additionalProperties"),
            "must not be used if x-kubernetes-embedded-resource is set",
        ));
    }
    check_resource_fields(map, level, path, errors);
    if embedded && !preserve && properties.is_empty() {
        errors.push(FieldError::required(
            format!("{path}.properties"),
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ));
    }
}

fn check_type_of(map: &Map<String, Value>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text(map, "type");
    let path = format!("{path}.type");
    if flag(map, "x-kubernetes-embedded-resource") && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if kind.is_empty() {
            FieldError::required(&*path, detail)
        } else {
            FieldError::invalid(&*path, kind, detail)
        });
    } else if kind.is_empty()
        && !flag(map, "x-kubernetes-int-or-string")
        && !flag(map, "x-kubernetes-preserve-unknown-fields")
    {
        let place = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            Level::Field => "for specified object fields",
        };
        errors.push(FieldError::required(&*path, format!("must not be empty {place}")));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(FieldError::invalid(path, kind, "must be object at the root"));
    }
}

/// SCH-20: `apiVersion`, `kind` and `metadata` of a resource, embedded or not.
fn check_resource_fields(map: &Map<String, Value>, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let resource = level == Level::Root || flag(map, "x-kubernetes-embedded-resource");
    let Some(properties) = object(map, "properties") else {
        return;
    };
    let kind_of = |name: &str| {
        properties
            .get(name)
            .and_then(Value::as_object)
            .map(|p| text(p, "type"))
    };
    for (name, wanted) in [
        ("kind", "string"),
        ("apiVersion", "string"),
        ("metadata", "object"),
    ] {
        if resource
            && let Some(kind) = kind_of(name)
            && kind != wanted
        {
            errors.push(FieldError::invalid(
                format!("{path}.properties[{name}].type"),
                kind,
                format!("must be {wanted}"),
            ));
        }
    }
    let metadata = properties.get("metadata").and_then(Value::as_object);
    if level == Level::Root
        && let Some(metadata) = metadata
    {
        let only_names = object(metadata, "properties").is_none_or(|properties| {
            properties.is_empty()
                || properties
                    .keys()
                    .all(|name| matches!(name.as_str(), "name" | "generateName"))
        });
        let nothing_else = metadata
            .keys()
            .all(|key| matches!(key.as_str(), "type" | "properties" | "default"));
        if !only_names || !nothing_else {
            errors.push(FieldError::forbidden(
                format!("{path}.properties[metadata]"),
                "must not specify anything other than name and generateName, but metadata is implicitly specified",
            ));
        }
    }
}

/// `[{type: integer}, {type: string}]`, to the letter.
fn is_int_or_string_any_of(map: &Map<String, Value>) -> bool {
    let Some(Value::Array(members)) = map.get("anyOf") else {
        return false;
    };
    let only_type = |value: &Value, kind: &str| {
        value
            .as_object()
            .is_some_and(|map| map.len() == 1 && text(map, "type") == kind)
    };
    members.len() == 2 && only_type(&members[0], "integer") && only_type(&members[1], "string")
}

fn is_int_or_string_all_of(map: &Map<String, Value>) -> bool {
    objects(map, "allOf").next().is_some_and(is_int_or_string_any_of)
}

fn value_validation(
    map: &Map<String, Value>,
    skip_any_of: bool,
    skip_first_all_of: bool,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if !skip_any_of {
        for (index, member) in objects(map, "anyOf").enumerate() {
            nested(member, false, &format!("{path}.anyOf[{index}]"), errors);
        }
    }
    for (index, member) in objects(map, "allOf").enumerate() {
        let skip = skip_first_all_of && index == 0;
        nested(member, skip, &format!("{path}.allOf[{index}]"), errors);
    }
    for (index, member) in objects(map, "oneOf").enumerate() {
        nested(member, false, &format!("{path}.oneOf[{index}]"), errors);
    }
    if let Some(not) = object(map, "not") {
        nested(not, false, &format!("{path}.not"), errors);
    }
    let pattern = text(map, "pattern");
    if !pattern.is_empty()
        && let Err(reason) = regexp::check(pattern)
    {
        errors.push(FieldError::invalid(
            format!("{path}.pattern"),
            pattern,
            format!("must be a valid regular expression, but isn't: {reason}"),
        ));
    }
}

/// SCH-16: a junctor holds value validation only.
fn nested(map: &Map<String, Value>, skip_any_of: bool, path: &str, errors: &mut Vec<FieldError>) {
    value_validation(map, skip_any_of, false, path, errors);
    if let Some(items) = object(map, "items") {
        nested(items, false, &format!("{path}.items"), errors);
    }
    for (name, property) in properties(map) {
        nested(property, false, &format!("{path}.properties[{name}]"), errors);
    }
    let mut forbid =
        |key: &str, detail: &str| errors.push(FieldError::forbidden(format!("{path}.{key}"), detail));
    for key in ["type", "title", "description"] {
        if !text(map, key).is_empty() {
            forbid(key, "must be empty to be structural");
        }
    }
    if matches!(
        map.get("additionalProperties"),
        Some(Value::Bool(true) | Value::Object(_))
    ) {
        forbid("additionalProperties", "must be undefined to be structural");
    }
    for key in ["default", "x-kubernetes-list-type", "x-kubernetes-map-type"] {
        if map.get(key).is_some_and(|value| !value.is_null()) {
            forbid(key, "must be undefined to be structural");
        }
    }
    for key in [
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
    ] {
        if flag(map, key) {
            forbid(key, "must be false to be structural");
        }
    }
    for key in ["x-kubernetes-list-map-keys", "x-kubernetes-validations"] {
        if map
            .get(key)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
        {
            forbid(key, "must be empty to be structural");
        }
    }
    if object(map, "properties").is_some_and(|properties| properties.contains_key("metadata")) {
        forbid(
            "properties[metadata]",
            "must not be specified in a nested context",
        );
    }
}

/// SCH-17: whatever a junctor in `map` names is declared in `declared`.
fn completeness(
    map: &Map<String, Value>,
    declared: Option<&Map<String, Value>>,
    declared_path: &str,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let not = object(map, "not").map(|not| (format!("{path}.not"), not));
    let members = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| {
        objects(map, key)
            .enumerate()
            .map(move |(index, member)| (format!("{path}.{key}[{index}]"), member))
    });
    for (path, member) in not.into_iter().chain(members) {
        nested_completeness(member, declared, declared_path, &path, errors);
    }
}

fn nested_completeness(
    map: &Map<String, Value>,
    declared: Option<&Map<String, Value>>,
    declared_path: &str,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let missing = |errors: &mut Vec<FieldError>, field: String, path: &str| {
        errors.push(FieldError::required(
            field,
            format!("because it is defined in {path}"),
        ));
    };
    let Some(declared) = declared else {
        missing(errors, declared_path.to_owned(), path);
        return;
    };
    completeness(map, Some(declared), declared_path, path, errors);
    if let Some(items) = object(map, "items") {
        nested_completeness(
            items,
            object(declared, "items"),
            &format!("{declared_path}.items"),
            &format!("{path}.items"),
            errors,
        );
    }
    for (name, property) in properties(map) {
        let path = format!("{path}.properties[{name}]");
        let declared_path = format!("{declared_path}.properties[{name}]");
        let known = object(declared, "properties").and_then(|properties| properties.get(name)?.as_object());
        nested_completeness(property, known, &declared_path, &path, errors);
    }
}
