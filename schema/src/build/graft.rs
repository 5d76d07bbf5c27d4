//! Types that derive `KubeSchema` within one that does not: the outer keeps kube-derive's shape, they have their own.
//!
//! The outer type's schema is schemars' inlined one, in which names are lost; the same type with references is walked
//! beside it, so that what is grafted in is made from there.
//!
//! **Invariant:** the passes that give the outer type its shape see a graft as one opaque value.

use serde_json::{Map, Value, json};

use super::Segment;
use super::inline::{Inliner, is_exact};
use super::wishes::MARK;

/// What was cut out, to be put in at the end.
#[derive(Default)]
pub(super) struct Grafts {
    schemas: Vec<Value>,
}

impl Grafts {
    /// Puts a mark in place of each schema in `inlined` that `KubeSchema` made. `referring` is the same, with references.
    pub(super) fn cut<'a>(
        &mut self,
        inlined: &mut Value,
        referring: &'a Value,
        definitions: &'a Map<String, Value>,
        inliner: &mut Inliner<'a>,
    ) {
        let Value::Object(map) = inlined else { return };
        let referring = definition(without_null(referring, map), definitions);
        for (key, value) in map.iter_mut() {
            let Some(twin) = referring.get(key) else { continue };
            match (key.as_str(), value, twin) {
                ("properties", Value::Object(properties), Value::Object(twins)) => {
                    for (name, property) in properties {
                        if let Some(twin) = twins.get(name) {
                            let segment = Segment::Property(name.clone());
                            self.child(segment, property, twin, definitions, inliner);
                        }
                    }
                }
                ("items", items @ Value::Object(_), twin) => {
                    self.child(Segment::Items, items, twin, definitions, inliner);
                }
                ("additionalProperties", values @ Value::Object(_), twin) => {
                    self.child(Segment::Values, values, twin, definitions, inliner);
                }
                ("oneOf" | "anyOf" | "allOf", Value::Array(members), Value::Array(twins)) => {
                    // A member's fields become its parent's: it is no value of its own.
                    for (member, twin) in members.iter_mut().zip(twins) {
                        self.cut(member, twin, definitions, inliner);
                    }
                }
                _ => {}
            }
        }
    }

    fn child<'a>(
        &mut self,
        segment: Segment,
        inlined: &mut Value,
        referring: &'a Value,
        definitions: &'a Map<String, Value>,
        inliner: &mut Inliner<'a>,
    ) {
        inliner.problems.path.push(segment);
        if is_exact(inlined) {
            let mut schema = inliner.part(referring);
            // kube-derive's way with an `Option`.
            if inlined.get("nullable") == Some(&Value::Bool(true)) && schema.get("enum").is_none() {
                schema["nullable"] = Value::Bool(true);
            }
            let description = schema.get("description").cloned();
            *inlined = json!({ MARK: {"graft": self.keep(schema)} });
            if let Some(description) = description {
                inlined["description"] = description;
            }
        } else {
            self.cut(inlined, referring, definitions, inliner);
        }
        inliner.problems.path.pop();
    }

    /// Equal schemas are one, whatever their descriptions, so that variants which share a field agree.
    fn keep(&mut self, mut schema: Value) -> usize {
        if let Value::Object(map) = &mut schema {
            map.remove("description");
        }
        self.schemas
            .iter()
            .position(|known| *known == schema)
            .unwrap_or_else(|| {
                self.schemas.push(schema);
                self.schemas.len() - 1
            })
    }

    /// Puts in what was cut out.
    pub(super) fn put_back(&self, schema: &mut Value) {
        let Value::Object(map) = schema else { return };
        let index = map.get(MARK).and_then(|mark| mark.get("graft")?.as_u64());
        let Some(graft) = index.and_then(|index| self.schemas.get(usize::try_from(index).ok()?)) else {
            super::each_subschema_plain(map, &mut |sub| self.put_back(sub));
            return;
        };
        let description = map.remove("description");
        *schema = graft.clone();
        if let Some(description) = description {
            schema["description"] = description;
        }
    }
}

/// Whether the place of a graft is all that is known here.
pub(super) fn is_mark(map: &Map<String, Value>) -> bool {
    map.get(MARK).is_some_and(|mark| mark.get("graft").is_some())
}

/// schemars writes `anyOf: [T, null]` for an optional reference, and sets a flag where it inlines.
fn without_null<'a>(referring: &'a Value, inlined: &Map<String, Value>) -> &'a Value {
    if !inlined.contains_key("anyOf")
        && let Some(Value::Array(members)) = referring.get("anyOf")
        && let [only, null] = members.as_slice()
        && null.get("type").is_some_and(|kind| kind == "null")
    {
        return only;
    }
    referring
}

fn definition<'a>(mut schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    // A definition may be a reference itself.
    for _ in 0..definitions.len() {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let name = reference.and_then(|reference| reference.rsplit('/').next());
        match name.and_then(|name| definitions.get(name)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}
