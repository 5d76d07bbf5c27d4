use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::check;
use super::super::decl::{Place, RootDecl};
use super::super::plan::{OldSelf, Program, Subject};
use super::super::run_cost::LIMIT_PER_CALL;
use super::super::value::{Outcome, Value, display};
use crate::structural::Node;

#[derive(Deserialize)]
struct Schema {
    root: bool,
    schema: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    schema: String,
    rule: String,
    optional_old_self: bool,
    error: Option<String>,
    stage: Option<String>,
    evals: Vec<Evaluation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evaluation {
    #[serde(rename = "self")]
    this: Option<Json>,
    old_self: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Json>,
    error: Option<String>,
    cost: u64,
}

/// A null is a value, too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

struct Subjects {
    node: Node,
    root: bool,
    decl: RootDecl,
}

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("recorded answers")
}

fn subjects() -> HashMap<String, Subjects> {
    let schemas: HashMap<String, Schema> =
        serde_json::from_str(&data("cel-schemas.json")).expect("schemas by name");
    schemas
        .into_iter()
        .map(|(name, schema)| {
            let node = Node::decode(&schema.schema);
            let place = if schema.root || node.embedded {
                Place::ResourceRoot
            } else {
                Place::Below
            };
            let decl = RootDecl::new(&node, place).expect("a type");
            let root = schema.root;
            (name, Subjects { node, root, decl })
        })
        .collect()
}

/// A value in the form of the recorded answers.
fn recorded(value: &Value<'_>) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::String(text) => json!(**text),
        Value::Uint(value) => json!({"uint": value.to_string()}),
        Value::Double(value) if value.is_finite() => json!({"double": value}),
        Value::Double(_) => json!({"double": display(value)}),
        Value::Bytes(bytes) => json!({"bytes": bytes.to_vec()}),
        Value::Timestamp(time) => json!({"google.protobuf.Timestamp": time.rfc3339()}),
        Value::Duration(nanos) => {
            json!({"google.protobuf.Duration": super::super::library::time::duration_text(*nanos)})
        }
        Value::Type(name) => json!({"type": name}),
        Value::Null | Value::List(_) | Value::Map(_) => json!({"json": plain(value)}),
        Value::Optional(Some(inner)) => json!({"json": plain(inner)}),
        other => json!({"opaque": other.type_name()}),
    }
}

/// A value as JSON, as protobuf converts it.
#[allow(clippy::cast_precision_loss)]
fn plain(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Uint(value) => json!(value),
        Value::Double(value) => json!(value),
        Value::String(text) => json!(**text),
        Value::Timestamp(time) => json!(time.rfc3339()),
        Value::Duration(nanos) => json!(super::super::library::time::duration_text(*nanos)),
        Value::List(list) => list
            .iter()
            .map(|value| value.map_or_else(|error| json!(error.text()), |value| plain(&value)))
            .collect(),
        Value::Map(map) => {
            let entry = |key: &Value<'_>| {
                (
                    display(key),
                    map.get(key).map_or(Json::Null, |value| plain(&value)),
                )
            };
            Json::Object(map.keys().iter().map(entry).collect())
        }
        other => json!(display(other)),
    }
}

/// Numbers compare by their value: recorded ones went through floats.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

fn differs(found: &Outcome<'_>, cost: u64, wanted: &Evaluation) -> Option<String> {
    let found_text = match found {
        Ok(value) => recorded(value).to_string(),
        Err(error) => format!("error {:?}", error.text()),
    };
    let fits = match (found, &wanted.value, &wanted.error) {
        (Ok(value), Some(wanted), _) => same(&recorded(value), wanted),
        (Err(error), None, Some(wanted)) => error.text() == wanted,
        _ => false,
    };
    if fits && cost == wanted.cost {
        return None;
    }
    let wanted_text = match (&wanted.value, &wanted.error) {
        (Some(value), _) => value.to_string(),
        (None, Some(error)) => format!("error {error:?}"),
        (None, None) => "nothing".to_owned(),
    };
    Some(format!(
        "{found_text} at {cost}, upstream {wanted_text} at {}",
        wanted.cost
    ))
}

/// SCH-50 to SCH-57: results, texts of errors and costs are those that Kubernetes' own libraries gave.
#[test]
fn evaluations_are_upstreams() {
    let subjects = subjects();
    let mut count = 0;
    let mut differences = Vec::new();
    for line in data("cel.jsonl").lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        // The wrappers of protobuf are no types that this checker knows.
        let skipped = case.rule.contains("google.protobuf.Int32Value");
        if skipped || matches!(case.stage.as_deref(), Some("parse" | "check")) {
            continue;
        }
        let subject = &subjects[&case.schema];
        let old_self = if case.optional_old_self {
            check::OldSelf::Optional
        } else {
            check::OldSelf::Plain
        };
        let checked = match check::check(&case.rule, &subject.decl, old_self) {
            Ok(checked) => checked,
            Err(error) => {
                differences.push(format!("{}: does not compile: {error}", case.rule));
                continue;
            }
        };
        let program = match (Program::new(&checked), &case.error) {
            (Ok(program), None) => program,
            (Err(found), Some(wanted)) if found == *wanted => continue,
            (found, wanted) => {
                differences.push(format!(
                    "{}: program {:?}, upstream {wanted:?}",
                    case.rule,
                    found.map(|_| ())
                ));
                continue;
            }
        };
        for evaluation in &case.evals {
            count += 1;
            let place = |value| {
                if subject.root {
                    Subject::resource(value, &subject.node)
                } else {
                    Subject::new(value, &subject.node)
                }
            };
            let none = Json::Null;
            let this = place(evaluation.this.as_ref().unwrap_or(&none));
            let old = match (&evaluation.old_self, case.optional_old_self) {
                (old, true) => OldSelf::Optional(old.as_ref().map(place)),
                (Some(old), false) => OldSelf::Value(place(old)),
                (None, false) => OldSelf::Absent,
            };
            let (found, cost) = program.outcome(this, old, LIMIT_PER_CALL);
            if let Some(difference) = differs(&found, cost, evaluation) {
                let this = evaluation.this.as_ref().map(Json::to_string).unwrap_or_default();
                differences.push(format!("{} for {this}: {difference}", case.rule));
            }
        }
    }
    assert!(count > 1500, "{count} evaluations");
    assert!(
        differences.is_empty(),
        "{} of {count}:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
