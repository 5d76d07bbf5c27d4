//! Sequences of random applies and updates, with what structured-merge-diff 6.3.3 made of them.

use super::*;
use crate::apply::{Managers, UpdateError, Updater, VersionedSet};

/// The type that the recording program declared.
fn root() -> ObjectType {
    let models = json!({"root": {"type": "object", "properties": {
        "apiVersion": {"type": "string"},
        "count": {"type": "integer"},
        "text": {"type": "string"},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "properties": {
                "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
                "name": {"type": "string"},
                "opts": {"type": "object", "additionalProperties": {"type": "string"}},
            }},
        },
        "list": {"type": "array", "items": {"type": "number"}},
        "atom": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "deep": {"type": "object", "additionalProperties": {"type": "object", "properties": {
            "x": {"type": "integer"}, "y": {"type": "integer"},
        }}},
        "free": {"x-kubernetes-preserve-unknown-fields": true},
    }}});
    let models = Models::compile(models.as_object().expect("models"));
    models.named("root").expect("a type")
}

/// Fields that the recording program had reset.
fn reset() -> FieldSet {
    FieldSet::from_fields_v1(&json!({"f:apiVersion": {}, "f:deep": {"f:l": {}}})).expect("a set")
}

fn shown(managers: &Managers) -> Value {
    let entry = |owned: &VersionedSet| json!({"applied": owned.applied, "set": owned.set.to_fields_v1()});
    managers
        .iter()
        .map(|(manager, owned)| (manager.clone(), entry(owned)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Upstream finds the mistakes of a map in the order of a Go map.
fn in_order(mut step: Value) -> Value {
    if let Some(why) = step["invalid"].as_str() {
        let mut lines: Vec<&str> = why.lines().collect();
        lines.sort_unstable();
        step["invalid"] = lines.join("\n").into();
    } else if let Some(step) = step.as_object_mut() {
        step.remove("invalid");
    }
    step
}

struct State {
    kind: SameVersion,
    live: Typed<'static>,
    managers: Managers,
}

impl State {
    /// What comes of a step, in the form of the recording.
    fn step(&mut self, step: &Value) -> serde_json::Map<String, Value> {
        let mut found = serde_json::Map::new();
        for given in ["op", "who", "object"] {
            found.insert(given.into(), step[given].clone());
        }
        let updates = step["op"] == "update";
        let duplicates = if updates {
            Duplicates::Allowed
        } else {
            Duplicates::Refused
        };
        let object = match Typed::of(&self.kind.object_type, step["object"].clone(), duplicates) {
            Ok(object) => object,
            Err(why) => {
                found.insert("invalid".into(), why.to_string().into());
                return found;
            }
        };
        let mut note = |name: &str, value: Value| found.insert(name.into(), value);
        note("fields", object.field_set().expect("fields").to_fields_v1());
        let updater = Updater {
            converter: &self.kind,
            reset: [("v1".to_owned(), reset())].into(),
        };
        let mut who = step["who"].as_str().expect("a manager").to_owned();
        let before = self.managers.clone();
        if updates {
            who.push('u');
            let changes = self.live.compare(&object).expect("compared");
            note("added", changes.added.to_fields_v1());
            note("modified", changes.modified.to_fields_v1());
            note("removed", changes.removed.to_fields_v1());
            self.managers = updater
                .update(&self.live, &object, "v1", before, &who)
                .expect("updated");
            self.live = object;
        } else {
            let on_conflict = match step["op"] == "force" {
                true => OnConflict::Take,
                false => OnConflict::Refuse,
            };
            match updater.apply(&self.live, &object, "v1", before, &who, on_conflict) {
                Err(UpdateError::Conflicts(conflicts)) => {
                    let fields: FieldSet = conflicts.0.into_iter().map(|conflict| conflict.path).collect();
                    note("conflicts", fields.to_fields_v1());
                    return found;
                }
                Err(other) => panic!("{other}"),
                Ok((new, managers)) => {
                    self.managers = managers;
                    note("noop", new.is_none().into());
                    self.live = new.unwrap_or_else(|| self.live.clone());
                }
            }
        }
        note("live", self.live.value().clone());
        note("managers", shown(&self.managers));
        if let Some(owned) = self.managers.get(&who) {
            note("without", self.live.without(&owned.set).into_value());
        }
        found
    }
}

#[test]
fn api_43_45_sequences_end_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/merges.jsonl");
    let recorded = std::fs::read_to_string(path).expect("recorded");
    let object_type = root();
    let mut steps = 0;
    for (at, line) in recorded.lines().enumerate() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let mut state = State {
            kind: SameVersion {
                api_version: "v1".into(),
                object_type: object_type.clone(),
            },
            live: Typed::of(&object_type, json!({"apiVersion": "v1"}), Duplicates::Allowed).expect("it fits"),
            managers: Managers::new(),
        };
        for (number, step) in case["steps"].as_array().into_iter().flatten().enumerate() {
            steps += 1;
            let found = Value::Object(state.step(step));
            assert_eq!(
                in_order(found),
                in_order(step.clone()),
                "case {at}, step {number}"
            );
        }
    }
    assert_eq!(steps, 650);
}
