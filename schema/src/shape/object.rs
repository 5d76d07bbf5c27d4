//! Structs: properties, what is required, fields that are lifted out of others.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::node::{Node, mark, problem, strip_null};
use super::{Compat, Field, Kind, Role, Shape, Want, resolve};

/// An object of these fields.
pub(super) fn of(fields: &'static [Field], shape: &Shape, generator: &mut SchemaGenerator) -> Node {
    let mut object = Object::default();
    for field in fields {
        object.add(field, shape, generator);
    }
    object.into_node()
}

/// Properties and what goes with them, collected.
#[derive(Default)]
pub(super) struct Object {
    pub(super) properties: Map<String, Value>,
    pub(super) required: Vec<String>,
    /// Keywords of the object itself: rules of its fields, limits and alternatives of what was lifted into it.
    pub(super) own: Map<String, Value>,
}

impl Object {
    pub(super) fn add(&mut self, field: &'static Field, shape: &Shape, generator: &mut SchemaGenerator) {
        match field.role {
            Role::Always | Role::Required | Role::Optional => self.property(field, shape, generator),
            Role::Flat | Role::FlatOptional => self.lift(field, generator),
        }
    }

    fn property(&mut self, field: &'static Field, shape: &Shape, generator: &mut SchemaGenerator) {
        let mut node = Node::wrap((field.child)(generator, Want::Reference).to_value());
        let optional = if shape.is_kube_derive() {
            has_null(&node.map)
        } else {
            let optional = strip_null(&mut node.map);
            tidy(field, shape, &mut node.map);
            list_keys(&mut node.map, generator);
            optional
        };
        keys(field.kind, &mut node.map);
        node.finish(field.doc, field.keywords, field.later);
        if field.role == Role::Always || (field.role == Role::Required && !optional) {
            self.required.push(field.name.to_owned());
        }
        for rule in std::mem::take(&mut node.of_parent) {
            push(&mut self.own, "x-kubernetes-validations", rule);
        }
        if self.properties.contains_key(field.name) {
            self.twice(field.name);
        }
        self.properties
            .insert(field.name.to_owned(), Value::Object(node.map));
    }

    /// Adds the fields of an inner object.
    fn lift(&mut self, field: &'static Field, generator: &mut SchemaGenerator) {
        let mut inner = Node::wrap((field.child)(generator, Want::Whole).to_value()).map;
        let optional = strip_null(&mut inner) || field.role == Role::FlatOptional;
        let Value::Object(inner) = resolve(Value::Object(inner), generator) else {
            return;
        };
        let mut node = Node::wrap(Value::Object(inner));
        node.finish("", field.keywords, field.later);
        self.take(node.map, optional, &format!("`{}`", field.name));
    }

    /// Adds the properties of another object's schema.
    pub(super) fn take(&mut self, mut inner: Map<String, Value>, optional: bool, what: &str) {
        const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
        if inner.get("type").is_some_and(|kind| kind != "object") {
            problem(
                &mut self.own,
                format!("{what} is flattened and is no object; give it a name"),
            );
            return;
        }
        let open = inner
            .remove("additionalProperties")
            .is_some_and(|values| values != false)
            || inner.remove("patternProperties").is_some();
        if open && !inner.contains_key(PRESERVE) {
            problem(
                &mut self.own,
                format!(
                    "{what} is a flattened map, which turns off pruning of the whole object; give it a name, or opt in \
                     with #[kube(preserve_unknown_fields)]"
                ),
            );
        }
        if let Some(Value::Object(properties)) = inner.remove("properties") {
            for (name, schema) in properties {
                if self.properties.contains_key(&name) {
                    self.twice(&name);
                }
                self.properties.insert(name, schema);
            }
        }
        if let Some(Value::Array(required)) = inner.remove("required")
            && !optional
        {
            let names = required.into_iter().filter_map(|name| match name {
                Value::String(name) => Some(name),
                _ => None,
            });
            self.required.extend(names);
        }
        for junctor in ["oneOf", "anyOf", "allOf"] {
            if let Some(Value::Array(mut forms)) = inner.remove(junctor) {
                if optional && junctor != "allOf" {
                    // None of the variants is an answer too.
                    forms.push(json!({"not": {"anyOf": forms.clone()}}));
                }
                self.junctor(junctor, forms);
            }
        }
        inner.remove("type");
        inner.remove("description");
        inner.remove("title");
        if let Some(Value::Object(mut marks)) = inner.remove(super::MARK)
            && let Some(Value::Array(problems)) = marks.remove("problems")
        {
            for text in problems.iter().filter_map(Value::as_str) {
                problem(&mut self.own, text);
            }
        }
        if optional {
            // Limits of what may be absent are none of the whole object's.
            inner.retain(|key, _| key == PRESERVE);
        }
        for (key, value) in inner {
            if key == "x-kubernetes-validations" {
                if let Value::Array(rules) = value {
                    for rule in rules {
                        push(&mut self.own, &key, rule);
                    }
                }
            } else {
                self.own.insert(key, value);
            }
        }
    }

    /// One set of alternatives stands at the object; further ones beside it, all of which hold.
    fn junctor(&mut self, key: &str, forms: Vec<Value>) {
        if key == "allOf" {
            for form in forms {
                push(&mut self.own, "allOf", form);
            }
        } else if let Some(before) = self.own.remove(key) {
            push(&mut self.own, "allOf", json!({ key: before }));
            push(&mut self.own, "allOf", json!({ key: forms }));
        } else {
            self.own.insert(key.to_owned(), Value::Array(forms));
        }
    }

    fn twice(&mut self, name: &str) {
        problem(
            &mut self.own,
            format!("`{name}` is declared twice, once by a flattened field; rename one"),
        );
    }

    pub(super) fn into_node(mut self) -> Node {
        self.required.sort();
        self.required.dedup();
        let mut map = self.own;
        map.insert("type".to_owned(), "object".into());
        if !self.properties.is_empty() {
            map.insert("properties".to_owned(), Value::Object(self.properties));
        }
        if !self.required.is_empty() {
            map.insert("required".to_owned(), json!(self.required));
        }
        Node::wrap(Value::Object(map))
    }
}

/// The schema of a single value: of a newtype, or of what a variant holds.
pub(super) fn value_of(field: &'static Field, shape: &Shape, generator: &mut SchemaGenerator) -> Value {
    let mut node = Node::wrap((field.child)(generator, Want::Reference).to_value());
    if !shape.is_kube_derive() {
        strip_null(&mut node.map);
        tidy(field, shape, &mut node.map);
        list_keys(&mut node.map, generator);
    }
    keys(field.kind, &mut node.map);
    node.finish(field.doc, field.keywords, field.later);
    Value::Object(node.map)
}

fn tidy(field: &Field, shape: &Shape, map: &mut Map<String, Value>) {
    if shape.compat == Compat::ControllerGen {
        unsigned(map);
    }
    if field.kind == Kind::Any && map.is_empty() {
        map.insert(
            "x-kubernetes-preserve-unknown-fields".to_owned(),
            Value::Bool(true),
        );
    }
}

/// Go's unsigned integers are integers, and of 32 bits at most `int32`.
fn unsigned(map: &mut Map<String, Value>) {
    let format = map.get("format").and_then(Value::as_str).unwrap_or_default();
    if format.starts_with("uint") {
        if format == "uint32" {
            map.insert("format".to_owned(), "int32".into());
        }
        map.remove("minimum");
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(Value::Object(inner)) = map.get_mut(inner) {
            unsigned(inner);
        }
    }
}

/// Fields of the items that say `map_key` make the list one of type map.
fn list_keys(map: &mut Map<String, Value>, generator: &SchemaGenerator) {
    let Some(items) = map.get("items").filter(|items| items.is_object()) else {
        return;
    };
    let items = resolve(items.clone(), generator);
    let Some(Value::Object(properties)) = items.get("properties") else {
        return;
    };
    let is_key = |schema: &Value| {
        let marks = schema.get(super::MARK);
        marks.is_some_and(|marks| marks.get("mapKey") == Some(&Value::Bool(true)))
    };
    let keys: Vec<&String> = properties
        .iter()
        .filter(|(_, schema)| is_key(schema))
        .map(|(name, _)| name)
        .collect();
    if !keys.is_empty() {
        map.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
        map.insert("x-kubernetes-list-type".to_owned(), "map".into());
    }
}

/// schemars tells a map's keys as properties, where their type is an enum, and else as patterns; a server knows maps with
/// any keys alone (SCH-89, 90). What the field says of its values is laid over those of the map.
fn keys(kind: Kind, map: &mut Map<String, Value>) {
    if kind != Kind::Map {
        return;
    }
    for (told, are) in [("properties", "names"), ("patternProperties", "patterns")] {
        let Some(Value::Object(keys)) = map.get(told) else {
            continue;
        };
        let are = if told == "patternProperties" && keys.keys().any(|key| is_of_integers(key)) {
            "integers"
        } else {
            are
        };
        if let Some(any) = keys.values().next().cloned() {
            map.remove(told);
            map.insert("additionalProperties".to_owned(), any);
            mark(map, "keys", are.into());
        }
    }
}

/// Whether a key's pattern is the one by which schemars tells integers.
pub(crate) fn is_of_integers(pattern: &str) -> bool {
    pattern == r"^\d+$" || pattern == r"^-?\d+$"
}

fn has_null(map: &Map<String, Value>) -> bool {
    strip_null(&mut map.clone())
}

pub(super) fn push(map: &mut Map<String, Value>, key: &str, value: Value) {
    match map.get_mut(key) {
        Some(Value::Array(list)) => list.push(value),
        _ => {
            map.insert(key.to_owned(), Value::Array(vec![value]));
        }
    }
}

/// Marks a node as made by the derive.
pub(super) fn exact(map: &mut Map<String, Value>, shape: &Shape) {
    if !shape.is_kube_derive() {
        mark(map, "exact", Value::Bool(true));
    }
}
