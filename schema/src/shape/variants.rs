//! Enums: one string, or one object that holds what the variants declare, with the alternatives beside it.
//!
//! **Invariant:** a property that stands in an alternative is declared outside of it too (SCH-17).

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::node::{Node, problem, strip_null};
use super::object::{self, Object};
use super::{Body, Shape, Tagging, Variant, Want, resolve};

const RULES: &str = "x-kubernetes-validations";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// SCH-91.
pub(super) fn names(names: &'static [&'static str], open: bool) -> Node {
    Node::wrap(if open {
        json!({"type": "string"})
    } else {
        json!({"type": "string", "enum": names})
    })
}

pub(super) fn of(
    tagging: Tagging,
    variants: &'static [Variant],
    shape: &Shape,
    generator: &mut SchemaGenerator,
) -> Node {
    match tagging {
        Tagging::External => external(variants, shape, generator),
        Tagging::Internal(tag) => internal(tag, variants, shape, generator),
        Tagging::Adjacent(tag, content) => adjacent(tag, content, variants, shape, generator),
        Tagging::Untagged => untagged(variants, shape, generator),
    }
}

/// SCH-92.
fn external(variants: &'static [Variant], shape: &Shape, generator: &mut SchemaGenerator) -> Node {
    let mut object = Object::default();
    let mut forms = Vec::new();
    for variant in variants {
        let mut node = Node::wrap(content(variant, shape, generator));
        node.finish(variant.doc, variant.keywords, None);
        object
            .properties
            .insert(variant.name.to_owned(), Value::Object(node.map));
        forms.push(json!({"required": [variant.name]}));
    }
    object.own.insert("oneOf".to_owned(), Value::Array(forms));
    object.into_node()
}

/// SCH-94.
fn internal(
    tag: &'static str,
    variants: &'static [Variant],
    shape: &Shape,
    generator: &mut SchemaGenerator,
) -> Node {
    let mut union = Union::default();
    let mut forms = Vec::new();
    for variant in variants {
        let mut parts = match whole(variant, shape, generator) {
            Some(map) if !is_object(&map) => {
                let message = format!(
                    "beside the tag stand the fields of a struct, and `{}` holds none",
                    variant.name
                );
                problem(&mut union.object.own, message);
                Parts::default()
            }
            Some(map) => union.add(variant.name, map),
            None => Parts::default(),
        };
        parts.required.retain(|name| *name != tag);
        for rule in parts.rules {
            union.rule(rule, &format!("self.{tag} != '{}'", variant.name));
        }
        forms.push(alternative(tag, variant.name, &parts.required, None, parts.rest));
    }
    if let Some(variant) = union.from.get(tag).and_then(Value::as_str) {
        // serde would write both.
        let message =
            format!("a field of variant `{variant}` is written `{tag}`, which is the tag; rename one");
        problem(&mut union.object.own, message);
    }
    let mut object = union.object;
    object.properties.insert(tag.to_owned(), tag_schema(variants));
    object.required = vec![tag.to_owned()];
    object.own.insert("oneOf".to_owned(), Value::Array(forms));
    object.into_node()
}

/// SCH-95.
fn adjacent(
    tag: &'static str,
    content_key: &'static str,
    variants: &'static [Variant],
    shape: &Shape,
    generator: &mut SchemaGenerator,
) -> Node {
    let mut object = Object::default();
    object.properties.insert(tag.to_owned(), tag_schema(variants));
    object.required.push(tag.to_owned());
    let contents: Vec<(&Variant, Value)> = variants
        .iter()
        .filter(|variant| !matches!(variant.body, Body::Unit))
        .map(|variant| (variant, content(variant, shape, generator)))
        .collect();
    let same = contents
        .iter()
        .all(|(_, content)| Some(content) == contents.first().map(|c| &c.1));
    let mut inner: Vec<(&str, Parts)> = Vec::new();
    if let Some((_, first)) = contents.first().filter(|_| same) {
        object.properties.insert(content_key.to_owned(), first.clone());
    } else if !contents.is_empty() {
        let mut union = Union::default();
        for (variant, _) in &contents {
            match whole(variant, shape, generator) {
                Some(map) if is_object(&map) => {
                    let mut parts = union.add(variant.name, map);
                    for rule in std::mem::take(&mut parts.rules) {
                        // The rule is the content's; which variant it is stands beside it.
                        let rule = below(rule, content_key);
                        object::push(
                            &mut object.own,
                            RULES,
                            guarded(rule, &format!("self.{tag} != '{}'", variant.name)),
                        );
                    }
                    inner.push((variant.name, parts));
                }
                _ => problem(
                    &mut object.own,
                    format!(
                        "`{content_key}` must be an object in every variant, and is none in `{}`",
                        variant.name
                    ),
                ),
            }
        }
        let mut node = union.object.into_node();
        object::exact(&mut node.map, shape);
        object
            .properties
            .insert(content_key.to_owned(), Value::Object(node.map));
    }
    let forms = variants.iter().map(|variant| {
        let parts = inner.iter().find(|(name, _)| *name == variant.name);
        let fields = parts.map(|(_, parts)| {
            let mut form = parts.rest.clone();
            if !parts.required.is_empty() {
                form.insert("required".to_owned(), json!(parts.required));
            }
            form
        });
        let fields = fields.filter(|fields| !fields.is_empty());
        let fields = fields.map(|fields| (content_key, Value::Object(fields)));
        let required: Vec<String> = match variant.body {
            Body::Unit => Vec::new(),
            _ => vec![content_key.to_owned()],
        };
        alternative(tag, variant.name, &required, fields, Map::new())
    });
    let forms = Value::Array(forms.collect());
    object.own.insert("oneOf".to_owned(), forms);
    object.into_node()
}

/// SCH-96.
fn untagged(variants: &'static [Variant], shape: &Shape, generator: &mut SchemaGenerator) -> Node {
    let forms: Vec<(&'static str, Map<String, Value>)> = variants
        .iter()
        .map(|variant| (variant.name, whole(variant, shape, generator).unwrap_or_default()))
        .collect();
    let mut types: Vec<&str> = forms
        .iter()
        .map(|(_, form)| form.get("type").and_then(Value::as_str).unwrap_or_default())
        .collect();
    types.sort_unstable();
    types.dedup();
    match types.as_slice() {
        ["object"] => {
            let mut union = Union::default();
            let mut alternatives = Vec::new();
            for (name, form) in forms {
                let parts = union.add(name, form);
                if !parts.rules.is_empty() {
                    problem(
                        &mut union.object.own,
                        format!(
                            "the rules of `{name}` cannot tell whether a value is of this variant; write them at the \
                             enum, or tag it"
                        ),
                    );
                }
                let mut form = parts.rest;
                if !parts.required.is_empty() {
                    form.insert("required".to_owned(), json!(parts.required));
                }
                alternatives.push(Value::Object(form));
            }
            let mut object = union.object;
            object.own.insert("anyOf".to_owned(), Value::Array(alternatives));
            object.into_node()
        }
        ["integer", "string"] => Node::wrap(json!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        })),
        [one @ ("string" | "integer" | "number" | "boolean")] => {
            let mut map = Map::from_iter([("type".to_owned(), Value::from(*one))]);
            let alternatives: Vec<Value> = forms
                .into_iter()
                .map(|(_, mut form)| {
                    for key in ["type", "description", "title", super::MARK] {
                        form.remove(key);
                    }
                    Value::Object(form)
                })
                .collect();
            // An alternative that says nothing makes the others superfluous.
            if alternatives.iter().all(|form| *form != json!({})) {
                map.insert("anyOf".to_owned(), Value::Array(alternatives));
            }
            Node::wrap(Value::Object(map))
        }
        _ => {
            let mut node = Node::default();
            node.problem(
                "untagged enums of different JSON types are not structural; use IntOrString, a tagged enum, or \
                 #[kube(preserve_unknown_fields)]",
            );
            node
        }
    }
}

fn tag_schema(variants: &[Variant]) -> Value {
    let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    json!({"type": "string", "enum": names})
}

/// What tells one variant from the others.
fn alternative(
    tag: &str,
    name: &str,
    required: &[String],
    fields: Option<(&str, Value)>,
    mut form: Map<String, Value>,
) -> Value {
    let mut properties = Map::from_iter([(tag.to_owned(), json!({"enum": [name]}))]);
    properties.extend(fields.map(|(key, value)| (key.to_owned(), value)));
    let mut names: Vec<&str> = required.iter().map(String::as_str).collect();
    names.push(tag);
    names.sort_unstable();
    form.insert("properties".to_owned(), Value::Object(properties));
    form.insert("required".to_owned(), json!(names));
    Value::Object(form)
}

/// A rule that holds only where `unless` does not.
fn guarded(mut rule: Value, unless: &str) -> Value {
    if let Some(text) = rule.get("rule").and_then(Value::as_str) {
        let text = format!("{unless} || ({text})");
        rule["rule"] = text.into();
    }
    rule
}

/// A rule about a field, for the object that holds it.
fn below(mut rule: Value, field: &str) -> Value {
    for key in ["rule", "messageExpression"] {
        if let Some(text) = rule.get(key).and_then(Value::as_str) {
            rule[key] = move_self(text, field).into();
        }
    }
    if let Some(path) = rule.get("fieldPath").and_then(Value::as_str) {
        rule["fieldPath"] = format!(".{field}{path}").into();
    }
    rule
}

/// The rule as one of the object that holds the field.
fn move_self(rule: &str, field: &str) -> String {
    kubewright_cel::replace_variables(rule, |name| {
        ["self", "oldSelf"]
            .contains(&name)
            .then(|| format!("{name}.{field}"))
    })
}

/// The schema of what stands under a variant's name.
fn content(variant: &'static Variant, shape: &Shape, generator: &mut SchemaGenerator) -> Value {
    match variant.body {
        Body::Unit => json!({"type": "object"}),
        Body::New(field) => object::value_of(field, shape, generator),
        Body::Fields(fields) => {
            let mut node = object::of(fields, shape, generator);
            object::exact(&mut node.map, shape);
            Value::Object(node.map)
        }
    }
}

/// The same without references, since its properties are needed. Absent for a variant without content.
fn whole(
    variant: &'static Variant,
    shape: &Shape,
    generator: &mut SchemaGenerator,
) -> Option<Map<String, Value>> {
    let map = match variant.body {
        Body::Unit => return None,
        Body::Fields(fields) => object::of(fields, shape, generator).map,
        Body::New(field) => {
            let mut inner = Node::wrap((field.child)(generator, Want::Whole).to_value()).map;
            strip_null(&mut inner);
            let Value::Object(inner) = resolve(Value::Object(inner), generator) else {
                return None;
            };
            inner
        }
    };
    let mut node = Node::wrap(Value::Object(map));
    node.finish("", variant.keywords, None);
    Some(node.map)
}

fn is_object(map: &Map<String, Value>) -> bool {
    map.get("type").is_some_and(|kind| kind == "object")
}

/// The fields of several variants, in one object.
#[derive(Default)]
struct Union {
    object: Object,
    /// Which variant declared a property first.
    from: Map<String, Value>,
}

/// What a variant says besides its properties.
#[derive(Default)]
struct Parts {
    required: Vec<String>,
    rules: Vec<Value>,
    /// Value validation, for the variant's alternative.
    rest: Map<String, Value>,
}

impl Union {
    /// Adds a variant's fields.
    fn add(&mut self, variant: &str, mut map: Map<String, Value>) -> Parts {
        let mut parts = Parts::default();
        if let Some(Value::Array(required)) = map.remove("required") {
            parts.required = required
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect();
        }
        if let Some(Value::Array(rules)) = map.remove(RULES) {
            parts.rules = rules;
        }
        if let Some(Value::Object(properties)) = map.remove("properties") {
            for (name, schema) in properties {
                self.property(variant, name, schema);
            }
        }
        if let Some(Value::Object(marks)) = map.remove(super::MARK)
            && let Some(Value::Array(problems)) = marks.get("problems")
        {
            for text in problems.iter().filter_map(Value::as_str) {
                problem(&mut self.object.own, text);
            }
        }
        if map
            .remove("additionalProperties")
            .is_some_and(|values| values != false)
        {
            map.insert(PRESERVE.to_owned(), Value::Bool(true));
        }
        if let Some(preserve) = map.remove(PRESERVE) {
            self.object.own.insert(PRESERVE.to_owned(), preserve);
        }
        for key in [
            "type",
            "description",
            "title",
            "externalDocs",
            "example",
            "default",
            "x-kubernetes-map-type",
        ] {
            map.remove(key);
        }
        parts.rest = map;
        parts
    }

    fn property(&mut self, variant: &str, name: String, schema: Value) {
        match self.object.properties.get(&name) {
            Some(before) if without_texts(before) != without_texts(&schema) => {
                let first = self.from.get(&name).and_then(Value::as_str).unwrap_or_default();
                let message = format!(
                    "field `{name}` has {} in variant `{first}` and {} in `{variant}`; rename one",
                    type_of(before),
                    type_of(&schema)
                );
                problem(&mut self.object.own, message);
            }
            Some(_) => {}
            None => {
                self.from.insert(name.clone(), variant.into());
                self.object.properties.insert(name, schema);
            }
        }
    }

    fn rule(&mut self, rule: Value, unless: &str) {
        object::push(&mut self.object.own, RULES, guarded(rule, unless));
    }
}

fn without_texts(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(map) = &mut schema {
        map.remove("description");
        map.remove("title");
    }
    schema
}

fn type_of(schema: &Value) -> String {
    let kind = schema.get("type").and_then(Value::as_str);
    let kind = kind.or_else(|| schema.get("$ref")?.as_str()?.rsplit('/').next());
    format!("type {}", kind.unwrap_or("any"))
}
