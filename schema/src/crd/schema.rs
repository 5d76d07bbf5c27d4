//! The rules for one schema in a CRD: what `form` and `lists` say, forbidden keywords, then the rules in CEL.

use std::cell::OnceCell;

use serde_json::{Map, Value};

use super::form::check_structural;
use super::lists::{check_list_items, check_list_type, check_map_type};
use super::rules::{self, CostLimit, Scope, Total};
use super::{defaults, internal};
use crate::error::FieldError;
use crate::structural::{Additional, Node, Reading};

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

/// A schema in a CRD, read once for all that looks at it.
pub(super) struct Schema<'a> {
    json: &'a Value,
    served: OnceCell<Node>,
}

impl<'a> Schema<'a> {
    pub(super) fn new(json: &'a Value) -> Self {
        Self {
            json,
            served: OnceCell::new(),
        }
    }

    /// As it is read for objects.
    pub(super) fn served(&self) -> &Node {
        self.served.get_or_init(|| Node::decode(self.json))
    }
}

/// Checks a whole schema; `path` is that of the schema itself.
pub(super) fn check(
    schema: &Schema<'_>,
    path: &str,
    status: bool,
    strict: Strictness,
    limit: CostLimit,
) -> Vec<FieldError> {
    let Some(map) = schema.json.as_object() else {
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
    let mut node = None;
    if strict.structural {
        unsupported = find_unsupported(map);
        if unsupported.is_none() {
            let mut structural = check_structural(map, path);
            if structural.is_empty() {
                let served = schema.served();
                let read = Node::of(map, Reading::Defaults);
                structural = defaults::check(read, Some(served), path, strict.pruned_defaults);
                // Rules are judged on schemas without a mistake.
                node = (structural.is_empty() && served.rules_below).then_some(served);
            }
            errors.extend(structural);
        }
    }
    let mut found = Found {
        schema: Vec::new(),
        rules: Vec::new(),
        total: Total::new(limit),
    };
    let context = Context::new(strict, node.map(Scope::root));
    check_open_api(map, path, true, &context, &mut found);
    errors.extend(found.schema);
    errors.extend(found.rules);
    if errors.is_empty()
        && let Some(text) = unsupported
    {
        errors.push(FieldError::invalid(path, "", text));
    }
    found.total.check(path, &mut errors);
    errors
}

pub(super) fn flag(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key) == Some(&Value::Bool(true))
}

pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn object<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

pub(super) fn objects<'a>(
    map: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    map.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
}

/// Declared properties, sorted by name, so that errors come in the same order whatever the map keeps.
pub(super) fn properties(map: &Map<String, Value>) -> Vec<(&String, &Map<String, Value>)> {
    let mut found: Vec<_> = object(map, "properties")
        .into_iter()
        .flatten()
        .filter_map(|(name, schema)| schema.as_object().map(|schema| (name, schema)))
        .collect();
    found.sort_by_key(|(name, _)| *name);
    found
}

/// The keyword for which no structural schema can be made at all (SCH-5, SCH-41).
pub(super) fn find_unsupported(map: &Map<String, Value>) -> Option<String> {
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

/// What holds for a schema because of where it stands.
#[derive(Clone)]
struct Context<'a> {
    strict: Strictness,
    /// Why defaults are forbidden here.
    no_defaults: Option<String>,
    /// Inside type or object metadata.
    inside_meta: bool,
    /// What expressions see here; none if they are not judged.
    scope: Option<Scope<'a>>,
    /// The outermost list around whose entries cannot be found in an old object.
    uncorrelated: Option<String>,
}

impl<'a> Context<'a> {
    fn new(strict: Strictness, scope: Option<Scope<'a>>) -> Self {
        Self {
            strict,
            no_defaults: None,
            inside_meta: false,
            scope,
            uncorrelated: None,
        }
    }

    /// The same in a place where expressions are not judged.
    fn without_rules(&self) -> Self {
        Self {
            scope: None,
            ..self.clone()
        }
    }
}

/// What is wrong: a server tells the mistakes of rules after all others.
struct Found {
    schema: Vec<FieldError>,
    rules: Vec<FieldError>,
    total: Total,
}

/// The rules beside structural form: forbidden keywords, list types, texts of rules.
fn check_open_api(
    map: &Map<String, Value>,
    path: &str,
    root: bool,
    context: &Context<'_>,
    found: &mut Found,
) {
    let before = found.schema.len();
    let errors = &mut found.schema;
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
            below.scope = context.scope.and_then(|scope| scope.additional(map));
            if below.inside_meta {
                below.no_defaults =
                    Some("inside additionalProperties applying to object metadata".to_owned());
            }
            check_open_api(
                schema,
                &format!("{path}.additionalProperties"),
                false,
                &below,
                found,
            );
        }
    }
    for (name, property) in properties {
        let mut below = context.clone();
        below.scope = context.scope.and_then(|scope| scope.property(map, name));
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
            found,
        );
    }
    let valueless = context.without_rules();
    if let Some(not) = object(map, "not") {
        check_open_api(not, &format!("{path}.not"), false, &valueless, found);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (index, member) in objects(map, key).enumerate() {
            check_open_api(
                member,
                &format!("{path}.{key}[{index}]"),
                false,
                &valueless,
                found,
            );
        }
    }
    for (name, schema) in object(map, "definitions").into_iter().flatten() {
        if let Some(schema) = schema.as_object() {
            check_open_api(
                schema,
                &format!("{path}.definitions[{name}]"),
                false,
                &valueless,
                found,
            );
        }
    }
    if let Some(items) = object(map, "items") {
        let mut below = context.clone();
        below.scope = context.scope.and_then(|scope| scope.items(map));
        // Entries of sets are found too, but by what they are, which leaves nothing to compare.
        if text(map, "x-kubernetes-list-type") != "map" && below.uncorrelated.is_none() {
            below.uncorrelated = Some(path.to_owned());
        }
        check_open_api(items, &format!("{path}.items"), false, &below, found);
    }
    for (index, item) in objects(map, "items").enumerate() {
        check_open_api(item, &format!("{path}.items[{index}]"), false, &valueless, found);
    }
    for (name, schema) in object(map, "dependencies").into_iter().flatten() {
        if let Some(schema) = schema.as_object() {
            check_open_api(
                schema,
                &format!("{path}.dependencies[{name}]"),
                false,
                &valueless,
                found,
            );
        }
    }
    let errors = &mut found.schema;
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
    rules::check_texts(map, path, errors);
    // A schema with mistakes, here or below, is nothing to compile rules against.
    if let Some(scope) = &context.scope
        && errors.len() == before
    {
        let uncorrelated = context.uncorrelated.as_deref();
        rules::check_expressions(map, path, scope, uncorrelated, &mut found.total, &mut found.rules);
    }
}

fn check_keywords(map: &Map<String, Value>, path: &str, context: &Context<'_>, errors: &mut Vec<FieldError>) {
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

/// Whether additional properties are described, for paths.
pub(super) fn describes_values(node: &Node) -> bool {
    !matches!(node.additional, Additional::Undeclared)
}
