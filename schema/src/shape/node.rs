//! A schema in the making: keywords laid over a child's, nulls of `Option` taken out, integers as a server knows them.
//!
//! **Invariant:** laying keywords over others never widens what is accepted: of two limits the narrower stays, of two
//! patterns both (see the builder's `overlay`).

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{Later, MARK, parse};

const RULES: &str = "x-kubernetes-validations";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// The schema of one value.
#[derive(Debug, Default)]
pub struct Node {
    pub(super) map: Map<String, Value>,
    /// Rules for the object that holds this field.
    pub(super) of_parent: Vec<Value>,
}

impl Node {
    /// A node that a child made.
    pub(super) fn wrap(schema: Value) -> Self {
        let map = match schema {
            Value::Object(map) => map,
            // `false`: nothing is accepted.
            Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
            _ => Map::new(),
        };
        Self {
            map,
            ..Self::default()
        }
    }

    /// Adds documentation, the keywords that the derive wrote, and what is known at run time alone.
    pub(super) fn finish(&mut self, doc: &'static str, keywords: &'static str, later: Option<Later>) {
        if !doc.is_empty() {
            self.map.insert("description".to_owned(), doc.into());
        }
        let mut keywords = parse(keywords);
        if let Some(Value::Array(rules)) = keywords.remove("parent") {
            self.of_parent = rules;
        }
        overlay(&mut self.map, keywords);
        if let Some(later) = later {
            later(self);
        }
        reach_inside(&mut self.map);
    }

    /// Sets a keyword to the value of an expression.
    pub fn set(&mut self, path: &[&str], value: impl serde::Serialize) {
        self.lay(path, value, |value| value);
    }

    /// The same for `minimum` or `maximum` with the flag that excludes it, which stand and fall together.
    pub fn exclude(
        &mut self,
        path: &[&str],
        limit: &'static str,
        flag: &'static str,
        value: impl serde::Serialize,
    ) {
        self.lay(path, value, |value| json!({limit: value, flag: true}));
    }

    fn lay(&mut self, path: &[&str], value: impl serde::Serialize, layer: impl FnOnce(Value) -> Value) {
        match serde_json::to_value(value) {
            // A server stores no default of null; there is nothing to say.
            Ok(Value::Null) => {}
            Ok(value) => {
                let mut layer = layer(value);
                for key in path.iter().rev() {
                    layer = Value::Object(Map::from_iter([((*key).to_owned(), layer)]));
                }
                if let Value::Object(layer) = layer {
                    overlay(&mut self.map, layer);
                }
            }
            Err(error) => self.problem(format!("the value of `{}` has no JSON: {error}", path.join("."))),
        }
    }

    /// Adds a rule, to this node or to one below it.
    pub fn rule(&mut self, path: &[&str], rule: Value) {
        let mut path = path.to_vec();
        path.push(RULES);
        self.set(&path, [rule]);
    }

    /// Tells of a field that the type's own default sets, so that its `None` would be read as something else.
    pub fn none_as_default(&mut self, field: &str) {
        let property = self.map.get_mut("properties").and_then(|all| all.get_mut(field));
        if let Some(Value::Object(property)) = property {
            mark(property, "noneAsDefault", Value::Bool(true));
        }
    }

    /// Calls schemars' `transform`.
    pub fn transform(&mut self, mut transform: impl schemars::transform::Transform) {
        let mut schema = Schema::from(std::mem::take(&mut self.map));
        transform.transform(&mut schema);
        *self = Self {
            of_parent: std::mem::take(&mut self.of_parent),
            ..Self::wrap(schema.to_value())
        };
    }

    /// Adds an instruction for the builder.
    pub(super) fn mark(&mut self, key: &str, value: Value) {
        mark(&mut self.map, key, value);
    }

    /// Reports what no schema can say.
    pub fn problem(&mut self, message: impl Into<String>) {
        problem(&mut self.map, message);
    }

    pub(super) fn into_schema(self) -> Schema {
        Schema::from(self.map)
    }
}

pub(super) fn mark(map: &mut Map<String, Value>, key: &str, value: Value) {
    if let Value::Object(marks) = map.entry(MARK).or_insert_with(|| json!({})) {
        marks.insert(key.to_owned(), value);
    }
}

/// The builder tells it with the path of the node.
pub(super) fn problem(map: &mut Map<String, Value>, message: impl Into<String>) {
    let message = Value::String(message.into());
    if let Value::Object(marks) = map.entry(MARK).or_insert_with(|| json!({}))
        && let Value::Array(problems) = marks.entry("problems").or_insert_with(|| json!([]))
        && !problems.contains(&message)
    {
        problems.push(message);
    }
}

/// Lays keywords over those of the node.
fn overlay(map: &mut Map<String, Value>, layer: Map<String, Value>) {
    let mut wrong = Vec::new();
    crate::build::overlay::overlay(map, layer, &mut |message| wrong.push(message));
    for message in wrong {
        problem(map, message);
    }
}

/// To keep unknown fields of a list means those of its items: a list has none. A map has, and keeps its own.
fn reach_inside(map: &mut Map<String, Value>) {
    match map.get_mut("items") {
        Some(Value::Object(_)) => {}
        // Any value.
        Some(items @ Value::Bool(true)) => *items = json!({}),
        _ => return,
    }
    let mut moved = Vec::new();
    if let Some(Value::Object(marks)) = map.get_mut(MARK) {
        for key in ["preserve", "maxDepth", "embeddedMeta", "full"] {
            moved.extend(marks.remove_entry(key));
        }
    }
    let preserve = map.remove(PRESERVE);
    if let Some(Value::Object(inside)) = map.get_mut("items") {
        if let Some(preserve) = preserve {
            inside.entry(PRESERVE).or_insert(preserve);
        }
        for (key, value) in moved {
            mark(inside, &key, value);
        }
        reach_inside(inside);
    }
}

/// Takes out the null that an `Option` adds, and says whether there was one.
pub(super) fn strip_null(map: &mut Map<String, Value>) -> bool {
    let null = |value: &Value| value == "null" || value.get("type").is_some_and(|kind| kind == "null");
    let mut found = false;
    if let Some(Value::Array(kinds)) = map.get_mut("type") {
        let before = kinds.len();
        kinds.retain(|kind| !null(kind));
        found = kinds.len() < before;
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
        if found && let Some(Value::Array(values)) = map.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
    }
    if let Some(Value::Array(forms)) = map.get_mut("anyOf") {
        let before = forms.len();
        forms.retain(|form| !null(form));
        if forms.len() < before {
            found = true;
            if let [Value::Object(only)] = forms.as_mut_slice() {
                let only = std::mem::take(only);
                map.remove("anyOf");
                for (key, value) in only {
                    // What stands beside the alternatives describes the field.
                    map.entry(key).or_insert(value);
                }
            }
        }
    }
    found
}
