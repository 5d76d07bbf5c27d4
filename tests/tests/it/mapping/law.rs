//! The law of the mapping: what a type can hold, a server stores as it is, and the type reads again.
//!
//! A server adds defaults that the schema tells, and drops null where the field is not nullable: that is all.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kind::CustomKind;
use kubewright_schema::Structural;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How many problems of one kind are worth reading.
const ENOUGH: usize = 5;

/// How many letters before and behind a difference are shown.
const SHOWN: usize = 60;

/// Whether the object that is read again is the one that was written, by their numbers in the kind's list.
type Same = Box<dyn Fn(usize, &Value) -> Result<(), String> + Send + Sync>;

/// A kind and values of its spec.
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) crd: CustomResourceDefinition,
    /// Whole objects, as they are sent.
    pub(crate) sent: Vec<Value>,
    same: Same,
}

/// A kind's definition.
pub(crate) fn definition<K: CustomKind>() -> CustomResourceDefinition {
    kubewright::crd::of::<K>().unwrap_or_else(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{error}: {}", source.unwrap_or_default())
    })
}

/// A kind with its values.
pub(crate) fn case<K>(name: &'static str, crd: CustomResourceDefinition, objects: Vec<K>) -> Case
where
    K: CustomKind + Serialize + DeserializeOwned + PartialEq + Send + Sync + 'static,
{
    let sent = objects
        .iter()
        .map(|object| serde_json::to_value(object).unwrap())
        .collect();
    let same = move |at: usize, stored: &Value| {
        let read: K = serde_json::from_value(stored.clone()).map_err(|error| error.to_string())?;
        // The server's part of the metadata is not compared.
        let (mut read, wanted) = (read, &objects[at]);
        read.meta_mut().clone_from(wanted.meta());
        if read == *wanted {
            Ok(())
        } else {
            let text = |object: &K| serde_json::to_value(object).unwrap().to_string();
            Err(apart(&text(wanted), &text(&read)))
        }
    };
    Case {
        kind: name,
        crd,
        sent,
        same: Box::new(same),
    }
}

impl Case {
    /// The schema of the only version.
    pub(crate) fn schema(&self) -> Value {
        let crd = serde_json::to_value(&self.crd).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    pub(crate) fn structural(&self) -> Structural {
        Structural::from_json(&self.schema()).unwrap_or_else(|errors| panic!("{}: {errors:?}", self.kind))
    }

    /// That of the spec.
    pub(crate) fn spec(&self) -> Value {
        self.schema()["properties"]["spec"].clone()
    }

    /// What the stored object has lost or gained.
    pub(crate) fn problems(&self, at: usize, stored: &Value) -> Vec<String> {
        let mut found = Vec::new();
        differences(
            &self.sent[at]["spec"],
            &stored["spec"],
            &self.spec(),
            "spec",
            &mut found,
        );
        if let Err(error) = (self.same)(at, stored) {
            found.push(error);
        }
        found
    }

    /// Without a server: what the schema crate makes of all values.
    pub(crate) fn hold(&self, schema: &Structural) {
        let mut found = Vec::new();
        for (at, sent) in self.sent.iter().enumerate() {
            let mut object = sent.clone();
            let pruned = kubewright_schema::prepare(&mut object, schema);
            let mut problems: Vec<String> = pruned.iter().map(|path| format!("pruned: {path}")).collect();
            let errors = kubewright_schema::validate(&object, None, schema);
            problems.extend(errors.iter().map(|error| format!("refused: {error}")));
            problems.extend(self.problems(at, &object));
            problems.truncate(ENOUGH);
            found.extend(problems.iter().map(|problem| format!("{}: {problem}", self.kind)));
        }
        found.sort();
        found.dedup();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// Where two texts part, for messages.
fn apart(wanted: &str, read: &str) -> String {
    let letters = wanted.chars().zip(read.chars());
    let same = letters.take_while(|(wanted, read)| wanted == read).count();
    let around = |text: &str| {
        let from = same.saturating_sub(SHOWN);
        text.chars().skip(from).take(2 * SHOWN).collect::<String>()
    };
    format!(
        "another value was read: {} and not {}",
        around(read),
        around(wanted)
    )
}

/// What became of a value, where that is neither a default that the schema tells nor a null that it does not.
fn differences(sent: &Value, stored: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => {
            let below = |name: &str| {
                let values = &schema["additionalProperties"];
                schema["properties"].get(name).unwrap_or(values)
            };
            for (name, value) in sent {
                let (schema, path) = (below(name), format!("{path}.{name}"));
                let known = schema.is_object();
                match stored.get(name) {
                    Some(stored) => differences(value, stored, schema, &path, found),
                    // SCH-30.
                    None if value.is_null() && known && schema["nullable"] != true => {}
                    None => found.push(format!("{path} is lost: {value}")),
                }
            }
            for (name, value) in stored {
                let told = &below(name)["default"];
                if !sent.contains_key(name) && (told.is_null() || told != value) {
                    found.push(format!("{path}.{name} is new: {value}"));
                }
            }
        }
        (Value::Array(sent), Value::Array(stored)) if sent.len() == stored.len() => {
            for (at, (sent, stored)) in sent.iter().zip(stored).enumerate() {
                let schema = if open { &Value::Null } else { &schema["items"] };
                differences(sent, stored, schema, &format!("{path}[{at}]"), found);
            }
        }
        // 1.0 is stored as 1 (SCH-26).
        (Value::Number(sent), Value::Number(stored)) if sent.as_f64() == stored.as_f64() => {}
        // A default stands where null was dropped before (SCH-30).
        (Value::Null, stored) if schema["default"] == *stored => {}
        _ if sent == stored => {}
        _ => found.push(format!("{path} was {sent} and is {stored}")),
    }
}

/// What of a schema no value shows: a field that is never there or always, a name of an enum, an empty list.
pub(crate) fn unseen(schema: &Value, values: &[&Value], path: &str, found: &mut Vec<String>) {
    let values: Vec<&Value> = values.iter().copied().filter(|value| !value.is_null()).collect();
    if values.is_empty() {
        found.push(format!("{path} is never there"));
        return;
    }
    if let Some(names) = schema["enum"].as_array() {
        let missing = names
            .iter()
            .filter(|name| !name.is_null() && !values.contains(name));
        found.extend(missing.map(|name| format!("{path} is never {name}")));
    }
    if schema["type"] == "boolean" && !(values.contains(&&json!(true)) && values.contains(&&json!(false))) {
        found.push(format!("{path} is always the same"));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let inner: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
        let path = format!("{path}.{name}");
        let required = schema["required"].as_array();
        let required = required.is_some_and(|names| names.iter().any(|known| known == name));
        let absent = inner.len() < values.len() || inner.iter().any(|value| value.is_null());
        // A list may be there always, and be empty.
        let counted = ["array", "object"].iter().any(|kind| property["type"] == *kind);
        let in_rust = ALWAYS.iter().any(|known| path.ends_with(known));
        if !required && !absent && property["default"].is_null() && !counted && !in_rust {
            found.push(format!("{path} is always there"));
        }
        unseen(property, &inner, &path, found);
    }
    if schema["items"].is_object() {
        let lists: Vec<&Vec<Value>> = values.iter().filter_map(|value| value.as_array()).collect();
        let in_rust = ALWAYS.iter().any(|known| path.ends_with(known));
        if schema["minItems"].is_null() && !in_rust && lists.iter().all(|list| !list.is_empty()) {
            found.push(format!("{path} is never empty"));
        }
        let items: Vec<&Value> = lists.into_iter().flatten().collect();
        unseen(&schema["items"], &items, &format!("{path}[]"), found);
    }
    if schema["additionalProperties"].is_object() {
        let maps: Vec<_> = values.iter().filter_map(|value| value.as_object()).collect();
        if maps.iter().all(|map| !map.is_empty()) {
            found.push(format!("{path} is never empty"));
        }
        let inner: Vec<&Value> = maps.into_iter().flat_map(|map| map.values()).collect();
        unseen(
            &schema["additionalProperties"],
            &inner,
            &format!("{path}[*]"),
            found,
        );
    }
}

/// Fields with a default in Rust alone, which serde writes always or, of one, where it is not empty.
const ALWAYS: [&str; 4] = [".defaulted", ".hundred", ".container.a", ".seldom"];
