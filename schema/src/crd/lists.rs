//! The types of lists and maps (SCH-43, SCH-45): what server-side apply and the check for duplicates go by.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::internal;
use super::schema::{Strictness, flag, object, text};
use crate::error::FieldError;

/// An extension that needs a type: required if there is none, else invalid.
fn need_type(
    map: &Map<String, Value>,
    path: &str,
    wanted: &str,
    extension: &str,
    errors: &mut Vec<FieldError>,
) {
    let kind = text(map, "type");
    let detail = format!("must be {wanted} if {extension} is specified");
    let path = format!("{path}.type");
    errors.push(if kind.is_empty() {
        FieldError::required(path, detail)
    } else {
        FieldError::invalid(path, kind, detail)
    });
}

/// SCH-45.
pub(super) fn check_map_type(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(map_type) = map.get("x-kubernetes-map-type").and_then(Value::as_str) else {
        return;
    };
    if text(map, "type") != "object" {
        need_type(map, path, "object", "x-kubernetes-map-type", errors);
    }
    if !matches!(map_type, "atomic" | "granular") {
        errors.push(FieldError::not_supported(
            format!("{path}.x-kubernetes-map-type"),
            map_type,
            &["atomic", "granular"],
        ));
    }
}

fn list_map_keys(map: &Map<String, Value>) -> Vec<&str> {
    map.get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// SCH-43.
pub(super) fn check_list_type(
    map: &Map<String, Value>,
    path: &str,
    strict: Strictness,
    errors: &mut Vec<FieldError>,
) {
    let list_type = map.get("x-kubernetes-list-type").and_then(Value::as_str);
    let items = object(map, "items");
    if list_type.is_some() && text(map, "type") != "array" {
        need_type(map, path, "array", "x-kubernetes-list-type", errors);
    } else if strict.atomic_sets
        && list_type == Some("set")
        && let Some(items) = items
    {
        let (key, atomic) = match text(items, "type") {
            "array" => (
                "x-kubernetes-list-type",
                matches!(text(items, "x-kubernetes-list-type"), "" | "atomic"),
            ),
            "object" => (
                "x-kubernetes-map-type",
                text(items, "x-kubernetes-map-type") == "atomic",
            ),
            _ => ("", true),
        };
        if !atomic {
            // The server shows the list type in both cases.
            let shown = items.get("x-kubernetes-list-type").cloned().unwrap_or_default();
            errors.push(FieldError::invalid(
                format!("{path}.items.{key}"),
                shown,
                "must be atomic as item of a list with x-kubernetes-list-type=set",
            ));
        }
    }
    if let Some(list_type) = list_type
        && !matches!(list_type, "atomic" | "set" | "map")
    {
        errors.push(FieldError::not_supported(
            format!("{path}.x-kubernetes-list-type"),
            list_type,
            &["atomic", "set", "map"],
        ));
    }
    let keys = list_map_keys(map);
    if !keys.is_empty() && list_type != Some("map") {
        let field = format!("{path}.x-kubernetes-list-type");
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(match list_type {
            None => FieldError::required(field, detail),
            Some(other) => FieldError::invalid(field, other, detail),
        });
    }
    if list_type == Some("map") {
        check_list_map(map, items, &keys, path, errors);
    }
}

fn check_list_map(
    map: &Map<String, Value>,
    items: Option<&Map<String, Value>>,
    keys: &[&str],
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if keys.is_empty() {
        errors.push(FieldError::required(
            format!("{path}.x-kubernetes-list-map-keys"),
            "must not be empty if x-kubernetes-list-type is map",
        ));
    }
    let Some(items) = items else {
        let field = format!("{path}.items");
        errors.push(match map.get("items") {
            None | Some(Value::Null) => {
                FieldError::required(field, "must have a schema if x-kubernetes-list-type is map")
            }
            Some(other) => {
                let detail = "must only have a single schema if x-kubernetes-list-type is map";
                FieldError::invalid(field, other.clone(), detail).showing(internal::items(Some(other)))
            }
        });
        return;
    };
    let kind = text(items, "type");
    if kind != "object" {
        errors.push(FieldError::invalid(
            format!("{path}.items.type"),
            kind,
            "must be object if parent array's x-kubernetes-list-type is map",
        ));
        return;
    }
    let shown = Value::from(keys.to_vec());
    let mut seen = HashSet::new();
    for key in keys {
        match object(items, "properties").and_then(|properties| properties.get(*key)?.as_object()) {
            Some(property) if matches!(text(property, "type"), "array" | "object") => {
                errors.push(FieldError::invalid(
                    format!("{path}.items.properties[{key}].type"),
                    kind,
                    "must be a scalar type if parent array's x-kubernetes-list-type is map",
                ));
            }
            Some(_) => {}
            None => errors.push(FieldError::invalid(
                format!("{path}.x-kubernetes-list-map-keys"),
                shown.clone(),
                "entries must all be names of item properties",
            )),
        }
        if !seen.insert(*key) {
            errors.push(FieldError::invalid(
                format!("{path}.x-kubernetes-list-map-keys"),
                shown.clone(),
                "must not contain duplicate entries",
            ));
        }
    }
}

/// Items of sets and maps are there, and so are the keys of maps.
pub(super) fn check_list_items(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let list_type = text(map, "x-kubernetes-list-type");
    let Some(items) = object(map, "items").filter(|_| matches!(list_type, "set" | "map")) else {
        return;
    };
    if flag(items, "nullable") {
        errors.push(FieldError::forbidden(
            format!("{path}.items.nullable"),
            format!("cannot be nullable when x-kubernetes-list-type is {list_type}"),
        ));
    }
    if list_type != "map" {
        return;
    }
    let required: HashSet<&str> = items
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for key in list_map_keys(map) {
        let Some(property) =
            object(items, "properties").and_then(|properties| properties.get(key)?.as_object())
        else {
            continue;
        };
        let path = format!("{path}.items.properties[{key}]");
        if !required.contains(key) && property.get("default").is_none_or(Value::is_null) {
            errors.push(FieldError::required(
                format!("{path}.default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            ));
        }
        if flag(property, "nullable") {
            errors.push(FieldError::forbidden(
                format!("{path}.nullable"),
                "this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
            ));
        }
    }
}

/// Whether a stored schema has a set of entries that are not atomic.
pub(super) fn has_granular_set(map: &Map<String, Value>) -> bool {
    let items = object(map, "items").filter(|_| text(map, "x-kubernetes-list-type") == "set");
    items.is_some_and(|items| match text(items, "type") {
        "array" => !matches!(text(items, "x-kubernetes-list-type"), "" | "atomic"),
        "object" => text(items, "x-kubernetes-map-type") != "atomic",
        _ => false,
    })
}
