//! Random structural schemas, edits of them, and values that fit or nearly fit: for property tests, for the
//! comparison with a real server, and for fuzzing.
//!
//! All is drawn from bytes, so that one generator serves a fuzzer, a shrinking property test (fewer bytes are a
//! smaller case, since nothing drawn is the simplest choice) and a seed.

#![allow(dead_code, reason = "each of those who include this file uses a part of it")]

mod rules;

use serde_json::{Map, Value, json};

/// Choices, drawn from bytes. Where they end, the first choice is taken.
#[derive(Debug)]
pub(crate) struct Draw<'d> {
    data: &'d [u8],
}

impl<'d> Draw<'d> {
    /// Draws from these bytes.
    pub(crate) fn new(data: &'d [u8]) -> Self {
        Self { data }
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let Some((first, rest)) = self.data.split_first() else {
            return 0;
        };
        self.data = rest;
        let mut drawn = usize::from(*first);
        if n > 256
            && let Some((second, rest)) = self.data.split_first()
        {
            self.data = rest;
            drawn = drawn << 8 | usize::from(*second);
        }
        drawn % n.max(1)
    }

    /// True in about one of `n` cases.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// What no choice used.
    pub(crate) fn rest(&self) -> &'d [u8] {
        self.data
    }
}

/// What schemas may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Levels below `spec`.
    pub(crate) depth: usize,
    /// Whether defaults are drawn.
    pub(crate) defaults: bool,
    /// Whether `allOf` and its like are drawn.
    pub(crate) junctors: bool,
    /// One in this many nodes gets [`rules`] in CEL; none if 0.
    pub(crate) rules: usize,
}

impl Options {
    /// Everything that a server takes.
    pub(crate) const ALL: Self = Self {
        depth: 3,
        defaults: true,
        junctors: true,
        rules: 0,
    };

    /// Everything, and rules in CEL.
    pub(crate) const WITH_RULES: Self = Self {
        rules: 5,
        ..Self::ALL
    };
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "name"];
const WORDS: [&str; 12] = [
    "a",
    "",
    "b",
    "abc",
    "x-y",
    "10",
    "é",
    "aaaaaaaaaa",
    "2020-01-02",
    "10.0.0.1",
    "a b",
    "A",
];
const PATTERNS: [&str; 8] = [
    "^a",
    "b$",
    "^[a-z]+$",
    "a|b",
    "^.{2,4}$",
    "\\d",
    "(?i)^a",
    "^[a-z]([-a-z0-9]*[a-z0-9])?$",
];
const STRING_FORMATS: [(&str, &str); 12] = [
    ("date", "2020-01-02"),
    ("date-time", "2020-01-02T03:04:05Z"),
    ("ipv4", "10.0.0.1"),
    ("ipv6", "::1"),
    ("uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ("byte", "YWJj"),
    ("duration", "5m"),
    ("email", "a@b.c"),
    ("uri", "http://a.b/c"),
    ("cidr", "10.0.0.0/8"),
    ("hostname", "a.b"),
    ("unheard-of", "x"),
];
const NUMBERS: [f64; 10] = [0.0, 1.0, 2.0, 3.0, 5.0, 10.0, -1.0, 1.5, 0.5, 100.0];

/// A schema for a whole object, with `spec` and sometimes `status`.
pub(crate) fn schema(draw: &mut Draw<'_>, options: Options) -> Value {
    let mut properties = Map::new();
    properties.insert("spec".to_owned(), object(draw, options, options.depth));
    if draw.one_in(4) {
        properties.insert("status".to_owned(), object(draw, options, 1));
    }
    let mut root = json!({"type": "object", "properties": properties});
    if draw.one_in(12) {
        root["required"] = json!(["spec"]);
    }
    if draw.one_in(16) {
        let name = json!({"type": "string", "maxLength": 20});
        root["properties"]["metadata"] = json!({"type": "object", "properties": {"name": name}});
    }
    if options.rules > 0 && draw.one_in(3) {
        let spec = &mut root["properties"]["spec"];
        spec["x-kubernetes-validations"] = rules::rules(draw, spec);
    }
    if options.rules > 0 && draw.one_in(6) {
        root["x-kubernetes-validations"] = rules::rules(draw, &root);
    }
    root
}

/// A schema for any place below the object.
pub(crate) fn node(draw: &mut Draw<'_>, options: Options, depth: usize) -> Value {
    let kinds = if depth == 0 { 5 } else { 10 };
    let mut node = match draw.below(kinds) {
        0 => string(draw),
        1 => number(draw, "integer"),
        2 => json!({"type": "boolean"}),
        3 => number(draw, "number"),
        4 => int_or_string(draw),
        5 | 6 => object(draw, options, depth - 1),
        7 => list(draw, options, depth - 1),
        8 => map(draw, options, depth - 1),
        _ => free(draw),
    };
    if draw.one_in(5) {
        node["nullable"] = true.into();
    }
    if options.junctors && draw.one_in(6) {
        junctor(draw, &mut node);
    }
    if options.rules > 0 && !draw.one_in(4) {
        bound(&mut node);
    }
    if options.rules > 0 && draw.one_in(options.rules) {
        node["x-kubernetes-validations"] = rules::rules(draw, &node);
    }
    if options.defaults && draw.one_in(5) {
        let default = value(draw, &node);
        if !default.is_null() {
            node["default"] = default;
        }
    }
    node
}

/// Limits what a node holds, so that rules about it are not too expensive.
fn bound(node: &mut Value) {
    let keyword = match node["type"].as_str() {
        Some("string") => "maxLength",
        Some("array") => "maxItems",
        Some("object") if node["additionalProperties"].is_object() => "maxProperties",
        _ => return,
    };
    if node.get(keyword).is_none() {
        node[keyword] = 20.into();
    }
}

fn string(draw: &mut Draw<'_>) -> Value {
    let mut node = json!({"type": "string"});
    match draw.below(10) {
        0..=3 => {}
        4 => node["maxLength"] = (draw.below(8) + 1).into(),
        5 => node["minLength"] = draw.below(4).into(),
        6 => node["pattern"] = (*draw.pick(&PATTERNS)).into(),
        7 => node["format"] = draw.pick(&STRING_FORMATS).0.into(),
        _ => {
            let values: Vec<&str> = (0..=draw.below(3))
                .map(|i| WORDS[(i * 5 + 2) % WORDS.len()])
                .collect();
            node["enum"] = json!(values);
        }
    }
    node
}

fn number(draw: &mut Draw<'_>, kind: &str) -> Value {
    let mut node = json!({"type": kind});
    let limit = |draw: &mut Draw<'_>| {
        let limit = *draw.pick(&NUMBERS);
        if kind == "integer" {
            json!(limit.trunc())
        } else {
            json!(limit)
        }
    };
    match draw.below(9) {
        0..=2 => {}
        3 => node["maximum"] = limit(draw),
        4 => node["minimum"] = limit(draw),
        5 => {
            node["minimum"] = limit(draw);
            node["exclusiveMinimum"] = true.into();
        }
        6 => node["multipleOf"] = (draw.below(4) + 1).into(),
        7 => {
            let formats = if kind == "integer" {
                ["int32", "int64"]
            } else {
                ["float", "double"]
            };
            node["format"] = (*draw.pick(&formats)).into();
        }
        _ => node["enum"] = json!([1, 2, 3][..=draw.below(3)]),
    }
    node
}

fn int_or_string(draw: &mut Draw<'_>) -> Value {
    let mut node = json!({"x-kubernetes-int-or-string": true});
    if draw.one_in(2) {
        node["anyOf"] = json!([{"type": "integer"}, {"type": "string"}]);
    }
    if draw.one_in(3) {
        node["pattern"] = "^[0-9]+%?$".into();
    }
    node
}

fn object(draw: &mut Draw<'_>, options: Options, depth: usize) -> Value {
    let mut properties = Map::new();
    for _ in 0..=draw.below(4) {
        let name = *draw.pick(&NAMES);
        properties.insert(name.to_owned(), node(draw, options, depth));
    }
    let mut node = json!({"type": "object"});
    if draw.one_in(4) {
        let names: Vec<&String> = properties.keys().take(1 + draw.below(2)).collect();
        node["required"] = json!(names);
    }
    node["properties"] = properties.into();
    match draw.below(16) {
        12 => node["x-kubernetes-preserve-unknown-fields"] = true.into(),
        13 => node["maxProperties"] = (draw.below(4) + 1).into(),
        14 => node["minProperties"] = draw.below(3).into(),
        15 => node["x-kubernetes-map-type"] = (*draw.pick(&["atomic", "granular"])).into(),
        _ => {}
    }
    node
}

fn map(draw: &mut Draw<'_>, options: Options, depth: usize) -> Value {
    let values = if draw.one_in(8) {
        Value::Bool(true)
    } else {
        node(draw, options, depth)
    };
    let mut node = json!({"type": "object", "additionalProperties": values});
    if draw.one_in(6) {
        node["maxProperties"] = (draw.below(4) + 1).into();
    }
    node
}

fn list(draw: &mut Draw<'_>, options: Options, depth: usize) -> Value {
    let mut node = json!({"type": "array"});
    match draw.below(8) {
        0..=3 => node["items"] = self::node(draw, options, depth),
        4 => {
            node["items"] = string(draw);
            node["x-kubernetes-list-type"] = "set".into();
        }
        5 | 6 => {
            let mut items = object(draw, options, depth);
            let key = *draw.pick(&NAMES);
            items["properties"][key] = string(draw);
            items["required"] = json!([key]);
            items["nullable"] = Value::Null;
            items.as_object_mut().map(|items| items.remove("nullable"));
            node["items"] = items;
            node["x-kubernetes-list-type"] = "map".into();
            node["x-kubernetes-list-map-keys"] = json!([key]);
        }
        _ => {
            node["items"] = self::node(draw, options, depth);
            node["x-kubernetes-list-type"] = "atomic".into();
        }
    }
    if draw.one_in(5) {
        node["maxItems"] = (draw.below(4) + 1).into();
    }
    if draw.one_in(8) {
        node["minItems"] = draw.below(3).into();
    }
    node
}

/// Places that keep what they get.
fn free(draw: &mut Draw<'_>) -> Value {
    let mut node = json!({"x-kubernetes-preserve-unknown-fields": true});
    match draw.below(4) {
        0 => {}
        1 => node["type"] = "object".into(),
        2 => {
            node["type"] = "object".into();
            node["x-kubernetes-embedded-resource"] = true.into();
        }
        _ => {
            node = json!({
                "type": "object",
                "x-kubernetes-embedded-resource": true,
                "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
            });
        }
    }
    node
}

/// Adds one of `allOf`, `anyOf`, `oneOf`, `not`, over what the node declares.
fn junctor(draw: &mut Draw<'_>, node: &mut Value) {
    if node.get("anyOf").is_some() {
        return;
    }
    let keyword = *draw.pick(&["allOf", "anyOf", "oneOf", "not"]);
    let member = |draw: &mut Draw<'_>| match node.get("type").and_then(Value::as_str) {
        Some("string") => match draw.below(3) {
            0 => json!({"maxLength": draw.below(6) + 1}),
            1 => json!({"pattern": draw.pick(&PATTERNS)}),
            _ => json!({"enum": [draw.pick(&WORDS), "abc"]}),
        },
        Some("integer" | "number") => match draw.below(2) {
            0 => json!({"minimum": draw.pick(&NUMBERS).trunc()}),
            _ => json!({"maximum": draw.pick(&NUMBERS).trunc()}),
        },
        Some("object") => {
            let names: Vec<&String> = node
                .get("properties")
                .and_then(Value::as_object)
                .map(|properties| properties.keys().collect())
                .unwrap_or_default();
            match names.is_empty() {
                true => json!({"maxProperties": draw.below(3) + 1}),
                false => json!({"required": [draw.pick(&names)]}),
            }
        }
        Some("array") => json!({"maxItems": draw.below(4) + 1}),
        _ => json!({"not": {"enum": ["abc"]}}),
    };
    if keyword == "not" {
        let member = member(draw);
        node[keyword] = if member.get("not").is_some() {
            json!({"enum": ["x"]})
        } else {
            member
        };
    } else {
        let members: Vec<Value> = (0..=draw.below(2)).map(|_| member(draw)).collect();
        node[keyword] = members.into();
    }
}

/// A value that fits the schema, or nearly: bounds that contradict each other and conditions are not solved.
pub(crate) fn value(draw: &mut Draw<'_>, schema: &Value) -> Value {
    if schema["nullable"] == true && draw.one_in(8) {
        return Value::Null;
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return draw.pick(values).clone();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return if draw.one_in(2) {
            json!("50%")
        } else {
            json!(draw.below(100))
        };
    }
    match schema["type"].as_str() {
        Some("string") => text(draw, schema),
        Some("integer") => {
            let least = schema["minimum"]
                .as_f64()
                .unwrap_or(0.0)
                .max(schema["maximum"].as_f64().unwrap_or(0.0) - 3.0);
            #[allow(clippy::cast_possible_truncation)]
            let least = least as i64;
            let factor = schema["multipleOf"].as_i64().unwrap_or(1).max(1);
            let drawn = i64::try_from(draw.below(5)).unwrap_or_default();
            json!((least + drawn) / factor * factor)
        }
        Some("number") => match schema["maximum"].as_f64() {
            Some(most) => json!(most),
            None if schema.get("minimum").is_some() || schema.get("multipleOf").is_some() => json!(120),
            None => json!(draw.pick(&NUMBERS)),
        },
        Some("boolean") => json!(draw.one_in(2)),
        Some("array") => {
            let most = usize::try_from(schema["maxItems"].as_u64().unwrap_or(3).min(3)).unwrap_or(3);
            let count = draw.below(most + 1);
            (0..count).map(|_| value(draw, &schema["items"])).collect()
        }
        Some("object") => fields(draw, schema),
        _ => any(draw, 2),
    }
}

fn text(draw: &mut Draw<'_>, schema: &Value) -> Value {
    if let Some(format) = schema["format"].as_str()
        && let Some((_, fit)) = STRING_FORMATS.iter().find(|(name, _)| *name == format)
    {
        return json!(fit);
    }
    let most = usize::try_from(schema["maxLength"].as_u64().unwrap_or(100)).unwrap_or(100);
    let word = *draw.pick(&WORDS);
    json!(word.chars().take(most).collect::<String>())
}

fn fields(draw: &mut Draw<'_>, schema: &Value) -> Value {
    let mut map = Map::new();
    let required = schema["required"].as_array();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let must = required.is_some_and(|required| required.contains(&json!(name)));
        if must || !draw.one_in(3) {
            map.insert(name.clone(), value(draw, property));
        }
    }
    match &schema["additionalProperties"] {
        values @ Value::Object(_) => {
            for _ in 0..draw.below(3) {
                let name = *draw.pick(&NAMES);
                map.insert(name.to_owned(), value(draw, values));
            }
        }
        Value::Bool(true) => {
            let name = *draw.pick(&NAMES);
            map.insert(name.to_owned(), any(draw, 2));
        }
        _ => {}
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        map.insert("apiVersion".to_owned(), "v1".into());
        map.insert("kind".to_owned(), "Thing".into());
        if draw.one_in(2) {
            map.insert("metadata".to_owned(), json!({"name": "x"}));
        }
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == true && draw.one_in(2) {
        let name = *draw.pick(&["zz", "a", "b"]);
        map.entry(name.to_owned()).or_insert_with(|| any(draw, 1));
    }
    map.into()
}

/// Any JSON.
pub(crate) fn any(draw: &mut Draw<'_>, depth: usize) -> Value {
    match draw.below(if depth == 0 { 6 } else { 8 }) {
        0 => json!(draw.pick(&WORDS)),
        1 => json!(draw.below(12)),
        2 => json!(draw.one_in(2)),
        3 => json!(draw.pick(&NUMBERS)),
        4 => json!({}),
        5 => Value::Null,
        6 => (0..draw.below(3)).map(|_| any(draw, depth - 1)).collect(),
        _ => {
            let mut map = Map::new();
            for _ in 0..draw.below(3) {
                let name = *draw.pick(&NAMES);
                map.insert(name.to_owned(), any(draw, depth - 1));
            }
            map.into()
        }
    }
}

/// Changes a value somewhere: another value, a field less, an unknown field, an item twice.
pub(crate) fn mutate(draw: &mut Draw<'_>, value: &mut Value) {
    match value {
        Value::Object(map) if !map.is_empty() && draw.below(4) != 0 => {
            let name = draw.pick(&map.keys().cloned().collect::<Vec<_>>()).clone();
            if draw.one_in(6) {
                map.remove(&name);
            } else if let Some(value) = map.get_mut(&name) {
                mutate(draw, value);
            }
        }
        Value::Array(items) if !items.is_empty() && draw.below(4) != 0 => {
            let index = draw.below(items.len());
            if draw.one_in(4) {
                let twice = items[index].clone();
                items.push(twice);
            } else {
                mutate(draw, &mut items[index]);
            }
        }
        Value::Object(map) => {
            let name = *draw.pick(&NAMES);
            map.insert(name.to_owned(), any(draw, 1));
        }
        Value::Array(items) => items.push(any(draw, 1)),
        other => *other = any(draw, 1),
    }
}

/// A whole object around a spec that fits, with some mutations.
pub(crate) fn instance(draw: &mut Draw<'_>, schema: &Value, mutations: usize) -> Value {
    let mut object = value(draw, schema);
    if !object.is_object() {
        object = json!({});
    }
    for _ in 0..mutations {
        for part in ["spec", "status"] {
            if object.get(part).is_some() {
                mutate(draw, &mut object[part]);
                break;
            }
        }
    }
    object["metadata"] = json!({"name": "t"});
    object
}

/// Edits a schema at one place, as people do between two releases: one keyword more, less, or another value of it.
pub(crate) fn edit(draw: &mut Draw<'_>, schema: &mut Value, options: Options) {
    let mut places = 0;
    count(schema, &mut places);
    let mut chosen = draw.below(places.max(1));
    edit_at(draw, schema, options, &mut chosen, options.depth);
}

fn below(schema: &mut Value) -> Vec<&mut Value> {
    let Some(map) = schema.as_object_mut() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in map {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => found.extend(properties.values_mut()),
            ("items" | "additionalProperties", value @ Value::Object(_)) => found.push(value),
            _ => {}
        }
    }
    found
}

fn count(schema: &mut Value, places: &mut usize) {
    *places += 1;
    for inner in below(schema) {
        count(inner, places);
    }
}

fn edit_at(
    draw: &mut Draw<'_>,
    schema: &mut Value,
    options: Options,
    chosen: &mut usize,
    depth: usize,
) -> bool {
    if *chosen == 0 {
        edit_here(draw, schema, options, depth);
        return true;
    }
    *chosen -= 1;
    below(schema)
        .into_iter()
        .any(|inner| edit_at(draw, inner, options, chosen, depth.saturating_sub(1)))
}

fn edit_here(draw: &mut Draw<'_>, schema: &mut Value, options: Options, depth: usize) {
    match draw.below(8) {
        // A keyword changes its value.
        0 => {
            for keyword in [
                "maximum",
                "minimum",
                "maxLength",
                "minLength",
                "maxItems",
                "minItems",
                "maxProperties",
                "minProperties",
                "multipleOf",
            ] {
                if schema.get(keyword).is_some() {
                    schema[keyword] = draw.below(8).into();
                }
            }
            if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                match draw.below(2) {
                    0 if values.len() < 6 => values.push(if values[0].is_string() {
                        json!("é")
                    } else {
                        json!(7)
                    }),
                    _ if values.len() > 1 => drop(values.pop()),
                    _ => {}
                }
            }
        }
        // A field more.
        1 if schema.get("properties").is_some() => {
            let name = *draw.pick(&["new", "a", "b", "c", "d"]);
            schema["properties"][name] = node(draw, options, depth.saturating_sub(1).min(1));
            if draw.one_in(4) {
                schema["required"] = json!([name]);
            }
        }
        // A keyword or a field less.
        2 => {
            let Some(map) = schema.as_object_mut() else { return };
            let keys: Vec<String> = map
                .keys()
                .filter(|key| !matches!(key.as_str(), "type" | "properties" | "items"))
                .cloned()
                .collect();
            if !keys.is_empty() {
                map.remove(draw.pick(&keys));
            }
        }
        3 => {
            if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut)
                && properties.len() > 1
            {
                let names: Vec<String> = properties.keys().cloned().collect();
                properties.remove(draw.pick(&names));
            }
        }
        // A flag turns.
        4 => {
            let flag = *draw.pick(&["nullable", "x-kubernetes-preserve-unknown-fields", "nullable"]);
            if schema.get(flag).is_some() {
                schema.as_object_mut().map(|map| map.remove(flag));
            } else {
                schema[flag] = true.into();
            }
        }
        5 => {
            if schema.get("required").is_some() {
                schema.as_object_mut().map(|map| map.remove("required"));
            } else if let Some(name) = schema["properties"]
                .as_object()
                .and_then(|map| map.keys().next().cloned())
            {
                schema["required"] = json!([name]);
            }
        }
        6 if options.rules > 0 => schema["x-kubernetes-validations"] = rules::rules(draw, schema),
        6 if options.junctors => junctor(draw, schema),
        _ => {
            let fresh = node(draw, options, depth.min(2));
            // A new value for the same type, or a new node.
            if fresh["type"] == schema["type"] || draw.one_in(3) {
                *schema = fresh;
            } else if options.defaults {
                let default = value(draw, schema);
                if !default.is_null() {
                    schema["default"] = default;
                }
            }
        }
    }
}

/// Makes a schema probably not structural: forbidden keywords, missing types, values of wrong types.
pub(crate) fn spoil(draw: &mut Draw<'_>, schema: &mut Value) {
    let mut places = 0;
    count(schema, &mut places);
    let mut chosen = draw.below(places.max(1));
    spoil_at(draw, schema, &mut chosen);
}

fn spoil_at(draw: &mut Draw<'_>, schema: &mut Value, chosen: &mut usize) -> bool {
    if *chosen > 0 {
        *chosen -= 1;
        return below(schema)
            .into_iter()
            .any(|inner| spoil_at(draw, inner, chosen));
    }
    let (keyword, value) = match draw.below(24) {
        0 => ("type", json!("")),
        1 => (
            "type",
            json!(draw.pick(&["string", "integer", "array", "object", "boolean", "null"])),
        ),
        2 => ("uniqueItems", json!(true)),
        3 => ("additionalProperties", json!(*draw.pick(&[false, true]))),
        4 => ("additionalProperties", json!({"type": "string"})),
        5 => ("$ref", json!("#/definitions/x")),
        6 => ("definitions", json!({"x": {"type": "string"}})),
        7 => ("dependencies", json!({"a": ["b"]})),
        8 => ("patternProperties", json!({"^a": {"type": "string"}})),
        9 => (
            "pattern",
            json!(draw.pick(&["(", "a{2,1}", "[z-a]", "(?=a)", "a**", "\\pZZ"])),
        ),
        10 => ("enum", json!([1, 1, "a", null])),
        11 => ("enum", json!([])),
        12 => ("default", any(draw, 2)),
        13 => ("nullable", json!(true)),
        14 => (
            "x-kubernetes-list-type",
            json!(draw.pick(&["set", "map", "atomic", "x"])),
        ),
        15 => (
            "x-kubernetes-list-map-keys",
            json!([draw.pick(&NAMES), draw.pick(&NAMES)]),
        ),
        16 => (
            "x-kubernetes-map-type",
            json!(draw.pick(&["atomic", "granular", "x"])),
        ),
        17 => ("x-kubernetes-embedded-resource", json!(true)),
        18 => ("x-kubernetes-int-or-string", json!(true)),
        19 => (
            "x-kubernetes-preserve-unknown-fields",
            json!(*draw.pick(&[false, true])),
        ),
        20 => (*draw.pick(&["allOf", "anyOf", "oneOf"]), {
            let member = match draw.below(5) {
                0 => json!({"type": "string"}),
                1 => json!({"properties": {"zz": {"maxLength": 2}}}),
                2 => json!({"default": 1}),
                3 => json!({"nullable": true}),
                _ => json!({"items": {"x-kubernetes-int-or-string": true}}),
            };
            json!([member])
        }),
        21 => ("required", json!([draw.pick(&NAMES), draw.pick(&NAMES)])),
        22 => (
            *draw.pick(&["maxLength", "minItems", "maxProperties", "minLength"]),
            json!(*draw.pick(&[-1, 0, 3])),
        ),
        _ => ("metadata", any(draw, 1)),
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert(keyword.to_owned(), value);
        // Expressions fail on values of two types, with a text of Go's.
        if map.contains_key("type") && map.contains_key("x-kubernetes-int-or-string") {
            map.remove("x-kubernetes-validations");
        }
    }
    true
}

/// A list where a string with a format stands: servers let it pass, and the comparison leaves it out.
pub(crate) fn is_quirk(schema: &Value, value: &Value) -> bool {
    match value {
        Value::Array(items) => {
            (schema.get("format").is_some() && schema["type"] != "array")
                || items.iter().any(|item| is_quirk(&schema["items"], item))
        }
        Value::Object(map) => map.iter().any(|(key, value)| {
            let inner = schema["properties"]
                .get(key)
                .unwrap_or(&schema["additionalProperties"]);
            is_quirk(inner, value)
        }),
        _ => false,
    }
}
