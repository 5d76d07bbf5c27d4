//! kube-core's rewriting, bottom-up, with merges in the places where kube-core panics.

use serde_json::{Map, Value, json};

use super::merge::{self, Contribution};
use super::{Problems, each_subschema};

const OBJECT_KEYS: [&str; 7] = [
    "maxProperties",
    "minProperties",
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
];
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const ARRAY_KEYS: [&str; 6] = [
    "items",
    "additionalItems",
    "maxItems",
    "minItems",
    "uniqueItems",
    "contains",
];

/// Hoists in the whole schema what the variants of enums declare, opens flattened maps, drops `uniqueItems`.
pub(super) fn rewrite(schema: &mut Value, problems: &mut Problems) {
    let Value::Object(map) = schema else { return };
    type_flattened(map);
    each_subschema(map, problems, rewrite);
    hoist(map, problems);
}

/// Gives the parts of an object their type: a variant of theirs that says nothing stands for `None`, not for any JSON.
pub(super) fn type_flattened(map: &mut Map<String, Value>) {
    if map.get("type").is_some_and(|kind| kind == "object")
        && let Some(Value::Array(flattened)) = map.get_mut("allOf")
    {
        for part in flattened.iter_mut().filter_map(Value::as_object_mut) {
            part.entry("type").or_insert_with(|| "object".into());
        }
    }
}

/// As [`rewrite`], of one schema whose subschemas are rewritten already.
pub(super) fn hoist(map: &mut Map<String, Value>, problems: &mut Problems) {
    normalize(map);
    if let Some(mut variants) = take_array(map, "oneOf") {
        hoist_properties(map, &mut variants, Variants::Tagged, problems);
        hoist_enums(map, &mut variants, problems);
        if !variants.is_empty() {
            map.insert("oneOf".to_owned(), Value::Array(variants));
        }
    }
    // One that says so itself was written by hand, and has its forms to the letter.
    if !map.contains_key(INT_OR_STRING)
        && let Some(mut variants) = take_array(map, "anyOf")
        && !int_or_string(map, &mut variants)
    {
        hoist_properties(map, &mut variants, Variants::Untagged, problems);
        map.insert("anyOf".to_owned(), Value::Array(variants));
    }
    // kube-core leaves `allOf` alone. schemars writes it for two flattened enums in one struct, whose properties are
    // then declared nowhere outside of it.
    if let Some(mut variants) = take_array(map, "allOf") {
        hoist_properties(map, &mut variants, Variants::Flattened, problems);
        map.insert("allOf".to_owned(), Value::Array(variants));
    }
    if has_properties(map) {
        match map.get("additionalProperties") {
            // kube-core leaves a flattened map of typed values as it is, and a server refuses it (SCH-14).
            Some(Value::Bool(true) | Value::Object(_)) => {
                map.remove("additionalProperties");
                map.insert(PRESERVE.to_owned(), Value::Bool(true));
            }
            Some(Value::Bool(false)) => {
                map.remove("additionalProperties");
            }
            _ => {}
        }
    }
    map.remove("uniqueItems");
}

/// `anyOf: [T, null]` becomes T with `nullable`.
pub(super) fn join_optional(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    each_subschema(map, &mut Problems::default(), |sub, _| join_optional(sub));
    let Some(Value::Array(variants)) = map.get_mut("anyOf") else {
        return;
    };
    let [Value::Object(first), second] = variants.as_mut_slice() else {
        return;
    };
    if *second != null_variant() {
        return;
    }
    let mut first = std::mem::take(first);
    map.remove("anyOf");
    map.append(&mut first);
    map.insert("nullable".to_owned(), Value::Bool(true));
}

/// Optional int-or-string properties are nullable.
pub(super) fn nullable_int_or_string(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    each_subschema(map, &mut Problems::default(), |sub, _| {
        nullable_int_or_string(sub);
    });
    let required = map.get("required").cloned().unwrap_or_default();
    let Some(Value::Object(properties)) = map.get_mut("properties") else {
        return;
    };
    for (name, property) in properties {
        let is_required = required
            .as_array()
            .is_some_and(|r| r.iter().any(|entry| entry == name));
        if let Value::Object(property) = property
            && !is_required
            && property.get(INT_OR_STRING) == Some(&Value::Bool(true))
        {
            property.entry("nullable").or_insert(Value::Bool(true));
        }
    }
}

fn null_variant() -> Value {
    json!({"enum": [null], "nullable": true})
}

/// `required` sorted and unique; empty `required` and `properties` left out, since a server does not store them.
fn normalize(map: &mut Map<String, Value>) {
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        required.dedup();
        if required.is_empty() {
            map.remove("required");
        }
    }
    if let Some(Value::Object(properties)) = map.get("properties")
        && properties.is_empty()
    {
        map.remove("properties");
    }
}

fn take_array(map: &mut Map<String, Value>, key: &str) -> Option<Vec<Value>> {
    match map.remove(key) {
        Some(Value::Array(items)) => Some(items),
        Some(other) => {
            map.insert(key.to_owned(), other);
            None
        }
        None => None,
    }
}

fn has_properties(map: &Map<String, Value>) -> bool {
    map.get("properties")
        .and_then(Value::as_object)
        .is_some_and(|properties| !properties.is_empty())
}

fn has_any(map: &Map<String, Value>, keys: &[&str]) -> bool {
    keys.iter().any(|key| map.contains_key(*key))
}

/// What the members of a junctor are.
#[derive(Clone, Copy, PartialEq)]
enum Variants {
    /// `oneOf`. A doc comment moves to the only property of its variant.
    Tagged,
    /// `anyOf`. A doc comment describes no field, and has no place here.
    Untagged,
    /// `allOf`, for flattened enums.
    Flattened,
}

/// Moves the properties and the type that variants declare to their parent.
fn hoist_properties(
    parent: &mut Map<String, Value>,
    variants: &mut [Value],
    kind: Variants,
    problems: &mut Problems,
) {
    // Without a type and with unknown fields kept, on demand, every form passes.
    let free = parent.contains_key(PRESERVE) && !parent.contains_key("type");
    let mut declared: Vec<(String, Vec<Contribution>)> = Vec::new();
    let mut forms: Vec<Form> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, variant) in variants.iter_mut().enumerate() {
        let Value::Object(variant) = variant else {
            names.push(format!("#{}", index + 1));
            continue;
        };
        names.push(variant_name(variant, index));
        normalize(variant);
        forms.extend(form_of(variant, kind));
        if has_any(variant, &OBJECT_KEYS) {
            let description = variant.remove("description");
            let mut properties = match variant.remove("properties") {
                Some(Value::Object(properties)) => properties,
                _ => Map::new(),
            };
            if let Some(description) = description
                && kind == Variants::Tagged
                && properties.len() == 1
                && let Some(Value::Object(only)) = properties.values_mut().next()
            {
                only.insert("description".to_owned(), description);
            }
            for (name, schema) in properties {
                let contribution = Contribution {
                    variant: index,
                    schema,
                };
                match declared.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, list)) => list.push(contribution),
                    None => declared.push((name, vec![contribution])),
                }
            }
            // A map, or an object with a flattened one: the parent must let its keys pass.
            let open = match variant.remove("additionalProperties") {
                Some(Value::Bool(open)) => open,
                Some(_) => true,
                None => variant.contains_key(PRESERVE),
            };
            if open {
                parent.insert(PRESERVE.to_owned(), Value::Bool(true));
            }
            variant.remove("type");
        } else if !has_any(variant, &["enum", "anyOf", "oneOf", "allOf"]) && !has_any(variant, &ARRAY_KEYS) {
            variant.remove("description");
            variant.remove("default");
            variant.remove("type");
        }
    }
    if !free {
        hoist_type(parent, &forms, problems);
    }
    tell_apart(&mut names);
    if declared.is_empty() {
        return;
    }
    let mut properties = match parent.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    for (name, contributions) in declared {
        if let Some(own) = properties.get(&name) {
            if contributions
                .iter()
                .any(|c| !merge::same_but_annotations(&c.schema, own))
            {
                problems.push(format!(
                    "`{name}` is declared twice with different types, once beside the variants; rename one"
                ));
            }
            continue;
        }
        match merge::merge(contributions) {
            Ok(merged) => {
                for (variant, residual) in merged.residuals {
                    if let Value::Object(variant) = &mut variants[variant] {
                        let nested = variant
                            .entry("properties")
                            .or_insert_with(|| Value::Object(Map::new()));
                        nested[&name] = residual;
                    }
                }
                properties.insert(name, merged.core);
            }
            Err(conflict) => {
                problems.push(format!(
                    "`{}` has {} in variant `{}` and {} in `{}`; rename one",
                    conflict.field(&name),
                    conflict.first.1,
                    names[conflict.first.0],
                    conflict.second.1,
                    names[conflict.second.0],
                ));
            }
        }
    }
    parent.insert("properties".to_owned(), Value::Object(properties));
    require_common_tags(parent, variants);
}

/// Variants of an untagged enum may have the same only property; their positions then name them.
fn tell_apart(names: &mut [String]) {
    let positions: Vec<usize> = (0..names.len())
        .filter(|&index| names.iter().filter(|name| **name == names[index]).count() > 1)
        .collect();
    for index in positions {
        names[index] = format!("#{}", index + 1);
    }
}

/// A name for a variant in messages: its tag, its only property, or its position.
fn variant_name(variant: &Map<String, Value>, index: usize) -> String {
    let properties = variant.get("properties").and_then(Value::as_object);
    let tag = properties.and_then(|p| {
        p.values()
            .find_map(|property| match property.get("enum")?.as_array()?.as_slice() {
                [Value::String(tag)] => Some(tag.clone()),
                _ => None,
            })
    });
    let only = || {
        let properties = properties.filter(|p| p.len() == 1)?;
        properties.keys().next().cloned()
    };
    tag.or_else(only).unwrap_or_else(|| format!("#{}", index + 1))
}

/// What tells the variants apart (restricted in each) and is required in each is required outside too.
fn require_common_tags(parent: &mut Map<String, Value>, variants: &[Value]) {
    let mut common: Option<Vec<&str>> = None;
    for variant in variants {
        let Some(restricted) = variant.get("properties").and_then(Value::as_object) else {
            return;
        };
        let required = variant.get("required").and_then(Value::as_array);
        let tags: Vec<&str> = restricted
            .iter()
            .filter(|(_, schema)| schema.get("enum").is_some())
            .filter(|(name, _)| required.is_some_and(|r| r.iter().any(|entry| entry == name.as_str())))
            .map(|(name, _)| name.as_str())
            .collect();
        common = Some(match common {
            None => tags,
            Some(before) => before.into_iter().filter(|tag| tags.contains(tag)).collect(),
        });
    }
    let tags: Vec<Value> = common.unwrap_or_default().into_iter().map(Value::from).collect();
    if tags.is_empty() {
        return;
    }
    if let Value::Array(required) = parent
        .entry("required")
        .or_insert_with(|| Value::Array(Vec::new()))
    {
        required.extend(tags);
    }
    normalize(parent);
}

/// What values of a variant look like.
#[derive(Clone, PartialEq)]
enum Form {
    Type(Value),
    IntOrString,
    Any,
}

/// The form of a variant; `None` if it is none of its own.
fn form_of(variant: &Map<String, Value>, kind: Variants) -> Option<Form> {
    let null = variant.get("enum") == Some(&json!([null]));
    // The values of unit variants are joined later.
    let unit = kind == Variants::Tagged && variant.contains_key("enum");
    if null || unit {
        return None;
    }
    match variant.get("type") {
        Some(name) => Some(Form::Type(name.clone())),
        None if has_any(variant, &OBJECT_KEYS) => Some(Form::Type("object".into())),
        None if variant.contains_key(INT_OR_STRING) => Some(Form::IntOrString),
        None => (kind != Variants::Flattened).then_some(Form::Any),
    }
}

/// Declares the type that all variants have.
///
/// A variant of another type, left to its junctor, would lose it there and match whatever the rest of it allows, while
/// the parent's type refuses its values at run time (SCH-96).
fn hoist_type(parent: &mut Map<String, Value>, forms: &[Form], problems: &mut Problems) {
    let preset = parent.get("type").map(|kind| Form::Type(kind.clone()));
    // A member that says nothing, beside a declared type, restricts nothing: it is no form of its own.
    let mut forms = forms
        .iter()
        .filter(|form| preset.is_none() || **form != Form::Any)
        .chain(&preset);
    let Some(first) = forms.next() else { return };
    if forms.all(|form| form == first) {
        if let Form::Type(kind) = first {
            parent.insert("type".to_owned(), kind.clone());
        }
        return;
    }
    problems.push(
        "untagged enums of different JSON types are not structural; use IntOrString, a tagged enum, or keep unknown \
         fields (x-kubernetes-preserve-unknown-fields)",
    );
    parent.insert(PRESERVE.to_owned(), Value::Bool(true));
}

/// Joins the values of unit variants in the parent's `enum`.
fn hoist_enums(parent: &mut Map<String, Value>, variants: &mut Vec<Value>, problems: &mut Problems) {
    let mut values = Vec::new();
    let mut mixed = false;
    variants.retain(|variant| {
        let Some(Value::Array(own)) = variant.get("enum") else {
            return true;
        };
        if let Some(kind) = variant.get("type") {
            match parent.get("type") {
                None => {
                    parent.insert("type".to_owned(), kind.clone());
                }
                Some(present) => mixed |= present != kind,
            }
        }
        values.extend(own.iter().cloned());
        false
    });
    if mixed {
        problems.push(
            "unit variants serialize as strings, data variants as objects: no structural schema has both; write \
             `V {}` for unit variants or tag the enum",
        );
        return;
    }
    if !values.is_empty() {
        match parent.get_mut("enum") {
            Some(Value::Array(present)) => present.append(&mut values),
            _ => {
                parent.insert("enum".to_owned(), Value::Array(values));
            }
        }
    }
}

/// An integer or a string, told apart by nothing: Kubernetes has a keyword for exactly that.
///
/// Limits of either form move to the parent; they apply to values of their own type only.
fn int_or_string(parent: &mut Map<String, Value>, variants: &mut Vec<Value>) -> bool {
    let null = variants.iter().position(|variant| *variant == null_variant());
    let forms: Vec<&Map<String, Value>> = variants
        .iter()
        .enumerate()
        .filter(|(index, _)| Some(*index) != null)
        .filter_map(|(_, variant)| variant.as_object())
        .collect();
    let [first, second] = forms.as_slice() else {
        return false;
    };
    let mut kinds = [first.get("type"), second.get("type")].map(|kind| kind.and_then(Value::as_str));
    kinds.sort_unstable();
    let plain = |form: &Map<String, Value>| {
        form.keys().all(|key| {
            matches!(
                key.as_str(),
                "type"
                    | "format"
                    | "description"
                    | "minimum"
                    | "maximum"
                    | "multipleOf"
                    | "pattern"
                    | "minLength"
                    | "maxLength"
            )
        })
    };
    // A preset `type` means that somebody wrote this schema by hand; leave it as it is.
    if kinds != [Some("integer"), Some("string")]
        || !plain(first)
        || !plain(second)
        || parent.contains_key("type")
    {
        return false;
    }
    let limits: Vec<(String, Value)> = forms
        .iter()
        .flat_map(|form| form.iter())
        .filter(|(key, _)| !matches!(key.as_str(), "type" | "format" | "description"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    parent.extend(limits);
    parent.insert(INT_OR_STRING.to_owned(), Value::Bool(true));
    parent.insert(
        "anyOf".to_owned(),
        json!([{"type": "integer"}, {"type": "string"}]),
    );
    if null.is_some() {
        parent.insert("nullable".to_owned(), Value::Bool(true));
    }
    variants.clear();
    true
}
