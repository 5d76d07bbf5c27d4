//! The rules for one schema in a CRD: structural form, forbidden keywords, list and map types, rules as text.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{defaults, internal};
use crate::error::FieldError;
use crate::regexp;
use crate::structural::{Additional, Node};

/// What an update relaxes, since the stored CRD already breaks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strictness {
    pub(super) known_types: bool,
    pub(super) structural: bool,
    pub(super) pruned_defaults: bool,
    pub(super) atomic_sets: bool,
    pub(super) list_map_keys: bool,
}

impl Strictness {
    pub(super) const FULL: Self = Self {
        known_types: true,
        structural: true,
        pruned_defaults: true,
        atomic_sets: true,
        list_map_keys: true,
    };
}

/// Checks a whole schema; `path` is that of the schema itself.
pub(super) fn check(schema: &Value, path: &str, status: bool, strict: Strictness) -> Vec<FieldError> {
    let Some(map) = schema.as_object() else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    if status {
        check_root_for_status(map, path, &mut errors);
    }
    if flag(map, "nullable") {
        errors.push(FieldError::forbidden(
            format!("{path}.nullable"),
            "nullable cannot be true at the root",
        ));
    }
    let mut unsupported = None;
    if strict.structural {
        unsupported = find_unsupported(map);
        if unsupported.is_none() {
            let structural = check_structural(map, path);
            if structural.is_empty() {
                errors.extend(defaults::check(
                    &Node::decode(schema),
                    path,
                    strict.pruned_defaults,
                ));
            } else {
                errors.extend(structural);
            }
        }
    }
    check_open_api(map, path, true, &Context::new(strict), &mut errors);
    if errors.is_empty()
        && let Some(text) = unsupported
    {
        errors.push(FieldError::invalid(path, "", text));
    }
    errors
}

pub(super) fn flag(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key) == Some(&Value::Bool(true))
}

pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn object<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

fn objects<'a>(map: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    map.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
}

/// Declared properties, sorted by name, so that errors come in the same order whatever the map keeps.
fn properties(map: &Map<String, Value>) -> Vec<(&String, &Map<String, Value>)> {
    let mut found: Vec<_> = object(map, "properties")
        .into_iter()
        .flatten()
        .filter_map(|(name, schema)| schema.as_object().map(|schema| (name, schema)))
        .collect();
    found.sort_by_key(|(name, _)| *name);
    found
}

/// The keyword for which no structural schema can be made at all (SCH-5, SCH-41).
fn find_unsupported(map: &Map<String, Value>) -> Option<String> {
    let filled = |key: &str| match map.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(entries)) => key == "additionalItems" || !entries.is_empty(),
        Some(_) => true,
    };
    for (key, name) in [
        ("id", "id"),
        ("$schema", "schema"),
        ("$ref", "$ref"),
        ("patternProperties", "patternProperties"),
        ("dependencies", "dependencies"),
        ("additionalItems", "additionalItems"),
        ("definitions", "definitions"),
    ] {
        if filled(key) {
            return Some(format!("OpenAPIV3Schema '{name}' is not supported"));
        }
    }
    let nested = ["not"]
        .into_iter()
        .filter_map(|key| object(map, key))
        .chain(
            ["allOf", "anyOf", "oneOf"]
                .into_iter()
                .flat_map(|key| objects(map, key)),
        )
        .find_map(find_unsupported);
    if nested.is_some() {
        return nested;
    }
    if map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        return Some(
            "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_owned(),
        );
    }
    if map
        .get("items")
        .is_some_and(|items| items.as_array().is_some_and(|items| !items.is_empty()))
    {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    object(map, "items")
        .into_iter()
        .chain(properties(map).into_iter().map(|(_, schema)| schema))
        .chain(object(map, "additionalProperties"))
        .find_map(find_unsupported)
}

/// SCH-21.
fn check_root_for_status(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    const ALLOWED: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength \
                           MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties \
                           ExternalDocs Example XPreserveUnknownFields XValidations]";
    const FORBIDDEN: [&str; 22] = [
        "id",
        "$schema",
        "$ref",
        "nullable",
        "default",
        "enum",
        "maxProperties",
        "minProperties",
        "allOf",
        "oneOf",
        "anyOf",
        "not",
        "additionalProperties",
        "patternProperties",
        "dependencies",
        "additionalItems",
        "definitions",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
    ];
    let kind = text(map, "type");
    if !kind.is_empty() && kind != "object" {
        errors.push(FieldError::invalid(
            format!("{path}.type"),
            kind,
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled",
        ));
        return;
    }
    if FORBIDDEN.iter().any(|key| map.contains_key(*key)) {
        let detail = format!(
            "only {ALLOWED} fields are allowed at the root of the schema if the status subresource is enabled"
        );
        errors.push(
            FieldError::invalid(path, Value::Object(map.clone()), detail).showing(internal::schema(map)),
        );
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// SCH-10 to SCH-20, SCH-40 to SCH-42; sorted by text, as the server sorts them.
fn check_structural(map: &Map<String, Value>, path: &str) -> Vec<FieldError> {
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
        && let Err(reason) = regexp::compile(pattern)
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

/// What holds for a schema because of where it stands.
#[derive(Clone)]
struct Context {
    strict: Strictness,
    /// Why defaults are forbidden here.
    no_defaults: Option<String>,
    /// Inside type or object metadata.
    inside_meta: bool,
}

impl Context {
    fn new(strict: Strictness) -> Self {
        Self {
            strict,
            no_defaults: None,
            inside_meta: false,
        }
    }
}

/// The rules beside structural form: forbidden keywords, list types, texts of rules.
fn check_open_api(
    map: &Map<String, Value>,
    path: &str,
    root: bool,
    context: &Context,
    errors: &mut Vec<FieldError>,
) {
    check_keywords(map, path, context, errors);
    if flag(map, "uniqueItems") {
        errors.push(FieldError::forbidden(
            format!("{path}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ));
    }
    let properties = properties(map);
    if let Some(additional) = map.get("additionalProperties").filter(|value| !value.is_null()) {
        if !properties.is_empty() && *additional != Value::Bool(true) {
            errors.push(FieldError::forbidden(
                format!("{path}.additionalProperties"),
                "additionalProperties and properties are mutual exclusive",
            ));
        }
        if let Some(schema) = additional.as_object() {
            let mut below = context.clone();
            if below.inside_meta {
                below.no_defaults =
                    Some("inside additionalProperties applying to object metadata".to_owned());
            }
            check_open_api(
                schema,
                &format!("{path}.additionalProperties"),
                false,
                &below,
                errors,
            );
        }
    }
    for (name, property) in properties {
        let mut below = context.clone();
        let resource = root || flag(map, "x-kubernetes-embedded-resource");
        if resource && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            below.inside_meta = true;
            if root {
                below.no_defaults = Some(format!("in top-level {name}"));
            }
        }
        check_open_api(
            property,
            &format!("{path}.properties[{name}]"),
            false,
            &below,
            errors,
        );
    }
    if let Some(not) = object(map, "not") {
        check_open_api(not, &format!("{path}.not"), false, context, errors);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (index, member) in objects(map, key).enumerate() {
            check_open_api(member, &format!("{path}.{key}[{index}]"), false, context, errors);
        }
    }
    for (name, schema) in object(map, "definitions").into_iter().flatten() {
        if let Some(schema) = schema.as_object() {
            check_open_api(
                schema,
                &format!("{path}.definitions[{name}]"),
                false,
                context,
                errors,
            );
        }
    }
    if let Some(items) = object(map, "items") {
        check_open_api(items, &format!("{path}.items"), false, context, errors);
    }
    for (index, item) in objects(map, "items").enumerate() {
        check_open_api(item, &format!("{path}.items[{index}]"), false, context, errors);
    }
    for (name, schema) in object(map, "dependencies").into_iter().flatten() {
        if let Some(schema) = schema.as_object() {
            check_open_api(
                schema,
                &format!("{path}.dependencies[{name}]"),
                false,
                context,
                errors,
            );
        }
    }
    if map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        errors.push(FieldError::invalid(
            format!("{path}.x-kubernetes-preserve-unknown-fields"),
            false,
            "must be true or undefined",
        ));
    }
    check_map_type(map, path, errors);
    check_list_type(map, path, context.strict, errors);
    if context.strict.list_map_keys {
        check_list_items(map, path, errors);
    }
    check_rules(map, path, errors);
}

fn check_keywords(map: &Map<String, Value>, path: &str, context: &Context, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let kind = text(map, "type");
    if context.strict.known_types && !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(format!("{path}.type"), kind, &TYPES));
    }
    let set = |key: &str| map.get(key).is_some_and(|value| !value.is_null());
    let filled = |key: &str| match map.get(key) {
        Some(Value::Object(entries)) => !entries.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        _ => false,
    };
    let mut forbid = |key: &str, detail: String| {
        errors.push(FieldError::forbidden(format!("{path}.{key}"), detail));
    };
    if set("default")
        && let Some(reason) = &context.no_defaults
    {
        forbid("default", format!("must not be set {reason}"));
    }
    for (key, present) in [
        ("id", filled("id")),
        ("additionalItems", set("additionalItems")),
        ("patternProperties", filled("patternProperties")),
        ("definitions", filled("definitions")),
        ("dependencies", set("dependencies")),
        ("$ref", set("$ref")),
    ] {
        if present {
            forbid(key, format!("{key} is not supported"));
        }
    }
    if kind == "null" {
        forbid(
            "type",
            "type cannot be set to null, use nullable as an alternative".to_owned(),
        );
    }
    if map
        .get("items")
        .and_then(Value::as_array)
        .is_some_and(|items| !items.is_empty())
    {
        forbid(
            "items",
            "items must be a schema object and not an array".to_owned(),
        );
    }
    if context.inside_meta && flag(map, "x-kubernetes-embedded-resource") {
        forbid(
            "x-kubernetes-embedded-resource",
            "must not be used inside of resource meta".to_owned(),
        );
    }
}

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
fn check_map_type(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
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
fn check_list_type(map: &Map<String, Value>, path: &str, strict: Strictness, errors: &mut Vec<FieldError>) {
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
    let required: Vec<&str> = items
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
        if !required.contains(&key) && property.get("default").is_none_or(Value::is_null) {
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

/// SCH-50 to SCH-52, as far as they are about text. Expressions are not compiled.
fn check_rules(map: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    const REASONS: [&str; 4] = [
        "FieldValueDuplicate",
        "FieldValueForbidden",
        "FieldValueInvalid",
        "FieldValueRequired",
    ];
    let breaks = |text: &str| text.contains(['\n', '\r']);
    for (index, rule) in objects(map, "x-kubernetes-validations").enumerate() {
        let field = |name: &str| format!("{path}.x-kubernetes-validations[{index}].{name}");
        let message = text(rule, "message");
        let expression = text(rule, "rule").trim();
        if expression.is_empty() {
            errors.push(FieldError::required(field("rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.push(FieldError::invalid(
                field("message"),
                message,
                "must be non-empty if specified",
            ));
        } else if breaks(message.trim()) {
            errors.push(FieldError::invalid(
                field("message"),
                message,
                "must not contain line breaks",
            ));
        } else if breaks(expression) && message.trim().is_empty() {
            errors.push(FieldError::required(
                field("message"),
                "message must be specified if rule contains line breaks",
            ));
        }
        let message_expression = text(rule, "messageExpression");
        if !message_expression.is_empty() && message_expression.trim().is_empty() {
            errors.push(FieldError::required(
                field("messageExpression"),
                "messageExpression must be non-empty if specified",
            ));
        }
        if let Some(reason) = rule.get("reason").and_then(Value::as_str)
            && !REASONS.contains(&reason)
        {
            errors.push(FieldError::not_supported(field("reason"), reason, &REASONS));
        }
        let field_path = text(rule, "fieldPath");
        if !field_path.is_empty() {
            let mut wrong =
                |detail: &str| errors.push(FieldError::invalid(field("fieldPath"), field_path, detail));
            if field_path.trim().is_empty() {
                wrong("must be non-empty if specified");
            }
            if breaks(field_path) {
                wrong("must not contain line breaks");
            }
            let node = Node::decode(&Value::Object(map.clone()));
            if super::fieldpath::resolve(field_path, &node, super::fieldpath::Brackets::Allowed).is_err() {
                wrong("must be a valid path");
            }
        }
    }
}

/// Formats that the server does not know, in the order it finds them (SCH-25).
pub(super) fn unrecognized_formats(schema: &Value, found: &mut Vec<String>) {
    let Some(map) = schema.as_object() else { return };
    let format = text(map, "format");
    let kind = text(map, "type");
    let type_name = (!kind.is_empty()).then_some(kind);
    if !format.is_empty() && crate::format::Format::recognize(type_name, format).is_none() {
        found.push(format.to_owned());
    }
    each_subschema(map, &mut |sub| unrecognized_formats(sub, found));
}

/// Every direct subschema, in the server's order.
pub(super) fn each_subschema(map: &Map<String, Value>, visit: &mut dyn FnMut(&Value)) {
    match map.get("items") {
        Some(items @ Value::Object(_)) => visit(items),
        Some(Value::Array(items)) => items.iter().for_each(&mut *visit),
        _ => {}
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(members)) = map.get(key) {
            members.iter().for_each(&mut *visit);
        }
    }
    if let Some(not) = map.get("not") {
        visit(not);
    }
    if let Some(Value::Object(properties)) = map.get("properties") {
        properties.values().for_each(&mut *visit);
    }
    if let Some(schema @ Value::Object(_)) = map.get("additionalProperties") {
        visit(schema);
    }
}

/// Whether `found` holds for a schema or one below.
pub(super) fn any(schema: &Value, found: &dyn Fn(&Map<String, Value>) -> bool) -> bool {
    let Some(map) = schema.as_object() else {
        return false;
    };
    let mut hit = found(map);
    if !hit {
        each_subschema(map, &mut |sub| hit = hit || any(sub, found));
    }
    hit
}

/// Whether a schema that is already stored is structural.
pub(super) fn is_structural(schema: &Value) -> bool {
    schema
        .as_object()
        .is_none_or(|map| find_unsupported(map).is_none() && check_structural(map, "").is_empty())
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

/// Whether additional properties are described, for paths.
pub(super) fn describes_values(node: &Node) -> bool {
    !matches!(node.additional, Additional::Undeclared)
}
