//! References inlined, and everything that a name or a wish beside a reference decides.
//!
//! schemars writes each named type once and refers to it. A structural schema has no references, but which type stands
//! behind one matters: types of Kubernetes have forms of their own, a type that contains itself is told by its name, and
//! what a field says besides its type is laid over it. `x-kubewright` carries the wishes of `KubeSchema`'s attributes.
//!
//! **Invariant:** no `x-kubewright` and no `$ref` is left, and the work grows as the schema that comes of it.

mod references;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::columns::{self, Column};
use super::describe::Descriptions;
use super::notes::{self, Note};
use super::overlay::overlay;
use super::wishes::{Allowed, MARK, Settings};
use super::{Problems, Segment, foreign, kube, tidy};
use crate::lint::{Lint, Severity};
use crate::shape::is_of_integers;

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const LIST_TYPE: &str = "x-kubernetes-list-type";
/// The most schemas that a type may consist of: about as many as a server would store.
const MOST_SCHEMAS: usize = 100_000;

/// Whether `KubeSchema` made this schema.
pub(super) fn is_exact(schema: &Value) -> bool {
    schema.get(MARK).and_then(|mark| mark.get("exact")) == Some(&Value::Bool(true))
}

/// Where a schema stands in its parent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Position {
    /// A type's own, or a field's: null means that it is absent.
    Field,
    /// The field's default is serde's, which the server has no part in.
    ForeignField,
    /// An item or a map value, which is never absent.
    Element,
    /// The form of an enum's variant.
    Variant,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    position: Position,
    /// Null is a value of its own here.
    nullable: bool,
}

/// A schema without references.
#[derive(Clone)]
struct Node {
    map: Map<String, Value>,
    exact: bool,
}

/// A definition that is being inlined, and where it began.
struct Open<'a> {
    name: &'a str,
    depth: usize,
}

pub(super) struct Inliner<'a> {
    root: &'a Value,
    root_name: &'a str,
    definitions: &'a Map<String, Value>,
    open: Vec<Open<'a>>,
    /// By what it was made of, with the number of its schemas.
    done: HashMap<(&'a str, Settings, Place), (Node, usize)>,
    cuts: usize,
    /// Schemas so far.
    size: usize,
    pub(super) problems: Problems,
    pub(super) notes: Vec<Lint>,
    pub(super) allowed: Vec<Allowed>,
    pub(super) columns: Vec<Column>,
    pub(super) selectable: Vec<String>,
}

impl<'a> Inliner<'a> {
    /// Of a root schema that carries its definitions.
    pub(super) fn new(root: &'a Value, root_name: &'a str, definitions: &'a Map<String, Value>) -> Self {
        Self {
            root,
            root_name,
            definitions,
            open: Vec::new(),
            done: HashMap::new(),
            cuts: 0,
            size: 0,
            problems: Problems::default(),
            notes: Vec::new(),
            allowed: Vec::new(),
            columns: Vec::new(),
            selectable: Vec::new(),
        }
    }

    /// The root's schema.
    pub(super) fn root(&mut self) -> Value {
        self.open.push(Open {
            name: self.root_name,
            depth: 0,
        });
        let schema = self.part(self.root);
        self.open.pop();
        schema
    }

    /// A schema that stands somewhere in the root, by itself.
    pub(super) fn part(&mut self, schema: &'a Value) -> Value {
        let place = Place {
            position: Position::Field,
            nullable: false,
        };
        self.value(schema, place, Settings::default())
    }

    fn value(&mut self, schema: &'a Value, place: Place, settings: Settings) -> Value {
        match schema {
            Value::Object(map) => Value::Object(self.node(map, place, settings).map),
            other => other.clone(),
        }
    }

    fn node(&mut self, schema: &'a Map<String, Value>, mut place: Place, mut settings: Settings) -> Node {
        self.size += 1;
        if self.size > MOST_SCHEMAS {
            return self.too_large();
        }
        let mark = schema.get(MARK).and_then(Value::as_object);
        let flag = |key: &str| mark.and_then(|mark| mark.get(key)) == Some(&Value::Bool(true));
        place.nullable |= schema.get("nullable") == Some(&Value::Bool(true));
        if let Some(mark) = mark {
            let ids = settings.take(mark, &mut self.problems);
            if !ids.is_empty() {
                let path = self.problems.server_path();
                self.allowed.push(Allowed { path, ids });
            }
        }
        let mut node = if flag("preserve") {
            self.preserved(schema, place, settings)
        } else {
            // A newtype's own form may be that of a type which knows nothing of servers.
            self.plain(schema, place, settings, flag("exact") && !flag("foreign"))
        };
        if let Some(asked) = mark.and_then(|mark| mark.get("column")) {
            let column = columns::column(asked, &node.map, &mut self.problems);
            self.columns.extend(column);
        }
        for note in mark.into_iter().flat_map(notes::told) {
            self.note(&note, settings);
        }
        if let Some(are) = mark.and_then(|mark| mark.get("keys")) {
            self.told_of_keys(are == "integers", settings);
        }
        if flag("selectable") {
            let path = columns::json_path("selectable", &mut self.problems);
            self.selectable.extend(path);
        }
        if settings.descriptions != Descriptions::Full
            && let Some(Value::String(text)) = node.map.remove("description")
            && let Some(text) = settings.descriptions.of(&text)
        {
            node.map.insert("description".to_owned(), text.into());
        }
        node
    }

    /// Unknown fields are kept here: what cannot be said is then not said, and a cycle ends.
    fn preserved(&mut self, schema: &'a Map<String, Value>, place: Place, mut settings: Settings) -> Node {
        settings.max_depth = Some(0);
        let before = self.problems.found.len();
        let mut node = self.plain(schema, place, settings, false);
        if self.problems.found.len() > before {
            self.problems.found.truncate(before);
            node.map
                .retain(|key, _| key == "description" || key == "nullable");
        }
        node.map.insert(PRESERVE.to_owned(), Value::Bool(true));
        node
    }

    fn plain(
        &mut self,
        schema: &'a Map<String, Value>,
        place: Place,
        settings: Settings,
        exact: bool,
    ) -> Node {
        let mut own = Map::new();
        let mut base = None;
        let mut null = false;
        for (key, value) in schema {
            match (key.as_str(), value) {
                (MARK | "$defs" | "$schema", _) => {}
                ("$ref", Value::String(reference)) => base = Some(Base::Reference(reference)),
                ("type", Value::Array(kinds)) => {
                    let mut rest: Vec<&Value> = kinds.iter().filter(|kind| *kind != "null").collect();
                    null |= rest.len() < kinds.len();
                    let kinds = if rest.len() == 1 {
                        rest.remove(0).clone()
                    } else {
                        json!(rest)
                    };
                    own.insert(key.clone(), kinds);
                }
                ("type", Value::String(kind)) if kind == "null" => {
                    self.problems.push(
                        "`()` serializes as null, which is always dropped; remove the field or use an empty struct \
                         `S {}`",
                    );
                    own.insert(PRESERVE.to_owned(), Value::Bool(true));
                }
                ("anyOf" | "oneOf", Value::Array(members)) => {
                    let rest: Vec<&Value> = members.iter().filter(|member| !is_null(member)).collect();
                    let had_null = rest.len() < members.len();
                    null |= had_null;
                    match rest.as_slice() {
                        [Value::Object(only)] if had_null => base = Some(Base::Schema(only)),
                        _ if exact => {
                            own.insert(key.clone(), json!(rest));
                        }
                        rest => {
                            let members = self.variants(rest.iter().copied(), settings);
                            own.insert(key.clone(), members);
                        }
                    }
                }
                ("allOf", Value::Array(members)) if !exact => {
                    let members = self.variants(members.iter(), settings);
                    own.insert(key.clone(), members);
                }
                _ => {
                    self.keyword(&mut own, key, value, place, settings, exact);
                }
            }
        }
        // SCH-124 and `map_key`, unless the field says otherwise.
        if let Some(items) = schema
            .get("items")
            .filter(|_| !settings.compat && !own.contains_key(LIST_TYPE))
        {
            let keys = self.keys(items);
            if !keys.is_empty() {
                own.insert(LIST_TYPE.to_owned(), "map".into());
                own.insert("x-kubernetes-list-map-keys".to_owned(), keys.into());
            }
        }
        if null {
            self.absent(&mut own, place, settings);
        }
        match base {
            None => {
                self.finish(&mut own, place, settings, exact);
                Node { map: own, exact }
            }
            Some(base) => {
                // One that is told of here need not be told of there.
                let place = Place {
                    nullable: place.nullable || null,
                    ..place
                };
                let mut node = match base {
                    Base::Reference(reference) => self.reference(reference, place, settings),
                    Base::Schema(schema) => self.node(schema, place, settings),
                };
                overlay(&mut node.map, own, &mut |message| self.problems.push(message));
                if place.position != Position::Variant {
                    tidy::tidy_one(&mut node.map, node.exact, &mut self.problems);
                }
                node
            }
        }
    }

    fn variants(&mut self, members: impl Iterator<Item = &'a Value>, settings: Settings) -> Value {
        let place = Place {
            position: Position::Variant,
            nullable: false,
        };
        members
            .map(|member| self.value(member, place, settings))
            .collect()
    }

    /// A keyword that is not about null; those that hold schemas are walked.
    fn keyword(
        &mut self,
        own: &mut Map<String, Value>,
        key: &str,
        value: &'a Value,
        place: Place,
        settings: Settings,
        exact: bool,
    ) {
        let element = Place {
            position: Position::Element,
            nullable: false,
        };
        let value = match (key, value) {
            ("properties", Value::Object(properties)) => {
                let position = if exact {
                    Position::Field
                } else {
                    Position::ForeignField
                };
                let place = Place {
                    position,
                    nullable: false,
                };
                let properties = properties
                    .iter()
                    .map(|(name, schema)| {
                        let segment = Segment::Property(name.clone());
                        (name.clone(), self.at(segment, schema, place, settings))
                    })
                    .collect();
                Value::Object(properties)
            }
            ("items", Value::Object(_)) => {
                if value.get("format").is_some_and(|format| format == "uint8") {
                    self.note(&notes::BYTES, settings);
                }
                self.at(Segment::Items, value, element, settings)
            }
            ("items", Value::Array(items)) => {
                // A tuple; it is told of once its keywords are known.
                Value::Array(items.iter().map(|_| json!({})).collect())
            }
            ("additionalProperties", Value::Object(_)) => self.at(Segment::Values, value, element, settings),
            ("patternProperties", Value::Object(patterns)) => {
                self.map_keys(own, patterns, settings);
                return;
            }
            ("default", _) if place.position == Position::ForeignField && !settings.compat => return,
            ("enum", Value::Array(values)) => {
                Value::Array(values.iter().filter(|value| !value.is_null()).cloned().collect())
            }
            ("not", Value::Object(_)) if !exact => {
                let place = Place {
                    position: Position::Variant,
                    nullable: false,
                };
                self.value(value, place, settings)
            }
            _ => value.clone(),
        };
        own.insert(key.to_owned(), value);
    }

    fn at(&mut self, segment: Segment, schema: &'a Value, place: Place, settings: Settings) -> Value {
        self.problems.path.push(segment);
        let value = self.value(schema, place, settings);
        self.problems.path.pop();
        value
    }

    /// SCH-89, 90: keys are strings, and no server looks at them.
    fn map_keys(
        &mut self,
        own: &mut Map<String, Value>,
        patterns: &'a Map<String, Value>,
        settings: Settings,
    ) {
        self.told_of_keys(patterns.keys().any(|key| is_of_integers(key)), settings);
        let Some(values) = patterns.values().next() else {
            return;
        };
        let element = Place {
            position: Position::Element,
            nullable: false,
        };
        let values = self.at(Segment::Values, values, element, settings);
        own.insert("additionalProperties".to_owned(), values);
    }

    /// What is to be said of keys that are integers, or else strings of some form.
    fn told_of_keys(&mut self, integers: bool, settings: Settings) {
        if integers && !settings.int_keys {
            self.problems.push(
                "integer map keys cannot be validated by the server; use `Vec` of a keyed struct with list_type = map, \
                 or accept that with #[kube(int_keys)]",
            );
        } else if !integers {
            self.note(&notes::KEYS, settings);
        }
    }

    /// What null means where the type admits it (SCH-30, 85 to 87).
    fn absent(&mut self, own: &mut Map<String, Value>, place: Place, settings: Settings) {
        if place.nullable {
            return;
        }
        if settings.compat && !own.contains_key("enum") {
            own.insert("nullable".to_owned(), Value::Bool(true));
        } else if place.position == Position::Element {
            self.problems.push(
                "null is refused as an item and dropped as a map value: make items nullable (#[kube(items(nullable))]) \
                 or drop the Option",
            );
        }
    }

    fn finish(&mut self, map: &mut Map<String, Value>, place: Place, settings: Settings, exact: bool) {
        if !exact {
            if !settings.compat {
                let mut notes = Vec::new();
                foreign::shape(map, settings.integers, &mut self.problems, &mut notes);
                for note in notes {
                    self.note(&note, settings);
                }
            }
            kube::type_flattened(map);
            kube::hoist(map, &mut self.problems);
        }
        if place.position != Position::Variant {
            tidy::tidy_one(map, exact, &mut self.problems);
        }
    }

    fn note(&mut self, note: &Note, settings: Settings) {
        let in_status = self.problems.path.first() == Some(&Segment::Property("status".to_owned()));
        if settings.kubernetes || settings.allows(note.id) || (in_status && !note.in_status) {
            return;
        }
        self.notes.push(Lint {
            id: note.id,
            severity: Severity::Warning,
            path: self.problems.server_path(),
            message: note.message.to_owned(),
        });
    }
}

/// What else a schema begins with.
enum Base<'a> {
    Reference(&'a str),
    Schema(&'a Map<String, Value>),
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
}
