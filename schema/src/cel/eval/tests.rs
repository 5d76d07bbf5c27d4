use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::check;
use super::super::decl::{Place, RootDecl};
use super::super::plan::{OldSelf, Program, Subject};
use super::super::run_cost::LIMIT_PER_CALL;
use super::super::value::{List, Map, Outcome, Shape, Value, display};
use crate::structural::Node;

#[derive(Deserialize)]
struct Schema {
    root: bool,
    schema: Json,
    #[serde(default)]
    values: Vec<Given>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    #[serde(rename = "self")]
    this: Option<Json>,
    old_self: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    schema: String,
    rule: String,
    #[serde(default)]
    optional_old_self: bool,
    error: Option<String>,
    stage: Option<String>,
    evals: Vec<Evaluation>,
}

#[derive(Deserialize)]
struct Evaluation {
    /// Values are given here, or by their index among those of the schema.
    #[serde(flatten)]
    given: Given,
    on: Option<usize>,
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
    values: Vec<Given>,
}

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("recorded answers")
}

fn subjects(file: &str) -> HashMap<String, Subjects> {
    let schemas: HashMap<String, Schema> = serde_json::from_str(&data(file)).expect("schemas by name");
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
            let subjects = Subjects {
                node,
                root: schema.root,
                decl,
                values: schema.values,
            };
            (name, subjects)
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
        Value::Null | Value::List(_) | Value::Map(_) | Value::Optional(Some(_)) => match plain(value) {
            Some(plain) => json!({"json": plain}),
            None => json!({"opaque": value.type_name()}),
        },
        other => json!({"opaque": other.type_name()}),
    }
}

/// A value as JSON, as protobuf converts it; nothing where it does not.
#[allow(clippy::cast_precision_loss)]
fn plain(value: &Value<'_>) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Uint(value) => json!(value),
        Value::Double(value) if value.is_finite() => json!(value),
        Value::Double(value) if value.is_nan() => json!("NaN"),
        Value::Double(value) => json!(if *value > 0.0 { "Infinity" } else { "-Infinity" }),
        Value::String(text) => json!(**text),
        Value::Bytes(bytes) => json!(base64(bytes)),
        Value::Timestamp(time) => json!(time.rfc3339()),
        Value::Duration(nanos) => json!(super::super::library::time::duration_text(*nanos)),
        Value::Optional(Some(inner)) => return plain(inner),
        Value::List(List::Json(_, Some(_)) | List::Typed(..))
        | Value::Map(Map::Json(_, Shape::Node(_) | Shape::Resource(_) | Shape::Meta)) => return None,
        Value::List(list) => list
            .iter()
            .map(|value| value.ok().and_then(|value| plain(&value)))
            .collect::<Option<Vec<_>>>()?
            .into(),
        Value::Map(map) => {
            let entry = |key: &Value<'_>| match key {
                Value::String(key_text) => Some((key_text.to_string(), plain(&map.get(key).ok()?)?)),
                _ => None,
            };
            Json::Object(map.keys().iter().map(entry).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
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
    for (cases, schemas, least) in [
        ("cel.jsonl", "cel-schemas.json", 1500),
        ("cel-eval.jsonl", "cel-eval-schemas.json", 5000),
    ] {
        let (count, differences) = compare(&data(cases), &subjects(schemas));
        assert!(count > least, "{count} evaluations");
        assert!(
            differences.is_empty(),
            "{} of {count}:\n{}",
            differences.len(),
            differences.join("\n")
        );
    }
}

/// Number of evaluations, and those that differ.
fn compare(cases: &str, subjects: &HashMap<String, Subjects>) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut differences = Vec::new();
    for line in cases.lines() {
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
            let given = match evaluation.on {
                Some(index) => &subject.values[index],
                None => &evaluation.given,
            };
            let place = |value| {
                if subject.root {
                    Subject::resource(value, &subject.node)
                } else {
                    Subject::new(value, &subject.node)
                }
            };
            let none = Json::Null;
            let this = place(given.this.as_ref().unwrap_or(&none));
            let old = match (&given.old_self, case.optional_old_self) {
                (old, true) => OldSelf::Optional(old.as_ref().map(place)),
                (Some(old), false) => OldSelf::Value(place(old)),
                (None, false) => OldSelf::Absent,
            };
            let (found, cost) = program.outcome(this, old, LIMIT_PER_CALL);
            if let Some(difference) = differs(&found, cost, evaluation) {
                let this = given.this.as_ref().map(Json::to_string).unwrap_or_default();
                differences.push(format!("{} for {this}: {difference}", case.rule));
            }
        }
    }
    (count, differences)
}

fn program(rule: &str, schema: &Node) -> Program {
    let decl = RootDecl::new(schema, Place::Below).expect("a type");
    let checked = check::check(rule, &decl, check::OldSelf::Plain).expect("a rule");
    Program::new(&checked).expect("a program")
}

/// SCH-54: the limit ends an evaluation at once, whatever would absorb an error.
#[test]
fn costs_are_limited() {
    let node = Node::decode(&json!({"type": "array", "items": {"type": "integer"}}));
    let value = json!((0..100).collect::<Vec<i32>>());
    let run = |rule: &str, limit| {
        program(rule, &node).evaluate(Subject::new(&value, &node), OldSelf::Absent, limit)
    };
    let all = run("self.all(x, x >= 0)", 1000);
    assert_eq!(all.result, Ok(super::Output::Bool(true)));
    let enough = all.cost;
    assert_eq!(run("self.all(x, x >= 0)", enough), all);
    let short = run("self.all(x, x >= 0)", enough - 1);
    assert_eq!(short.result, Err(super::EvalError::CostExceeded));
    assert_eq!(short.cost, enough);
    let absorbed = run("self.all(x, x >= 0) || true", 50);
    assert_eq!(absorbed.result, Err(super::EvalError::CostExceeded));
    assert_eq!(absorbed.cost, 51);
    let range = run("lists.range(1000000000000).size() > 0", LIMIT_PER_CALL);
    assert_eq!(
        range.result.map_err(|error| error.to_string()),
        Err("operation cancelled: actual cost limit exceeded".to_owned())
    );
}

fn soon<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let found = work();
    assert!(
        start.elapsed().as_secs() < 20,
        "{what} took {:?}",
        start.elapsed()
    );
    found
}

/// SCH-54: what costs little and doubles with each step ends, too, before the memory does.
#[test]
fn results_that_costs_do_not_bound_are_limited() {
    let node = Node::decode(&json!({"type": "array", "items": {"type": "string"}}));
    let value = json!(vec!["x".repeat(1000); 300]);
    let run = |rule: &str| {
        soon(rule, || {
            program(rule, &node).evaluate(Subject::new(&value, &node), OldSelf::Absent, LIMIT_PER_CALL)
        })
    };
    let doubled = |first: &str, step: &str, end: &str| format!("[{first}]{}{end}", step.repeat(40));
    for rule in [
        doubled("self", ".map(a, a + a)", "[0].size() > 0"),
        doubled("self[0]", ".map(a, '%s%s'.format([a, a]))", "[0].size() > 0"),
        doubled("self", ".map(a, [a, a])", ".map(a, '%s'.format([a])).size() > 0"),
        doubled("self[0]", ".map(a, a.replace('x', 'xx'))", "[0].size() > 0"),
        doubled("self[0]", ".map(a, [a, a].join())", "[0].size() > 0"),
        doubled("self[0]", ".map(a, a.replace('', a))", "[0].size() > 0"),
        format!("[self]{}.flatten(50).size() > 0", ".map(a, [a, a])".repeat(40)),
        // Each is short enough, all together are not.
        "self.map(a, self.map(b, self.join())).size() > 0".to_owned(),
    ] {
        assert_eq!(run(&rule).result, Err(super::EvalError::CostExceeded), "{rule}");
    }
    let joined = run("[self].map(a, a + a).map(a, a + a)[0].size() == 1200");
    assert_eq!(joined.result, Ok(super::Output::Bool(true)));
}

/// SCH-54: quadratic work is paid for before it is done, and maps grow in place.
#[test]
fn work_is_within_the_budget() {
    let inner = json!({"type": "array", "items": {"type": "integer"}});
    let node = Node::decode(&json!({"type": "array", "items": inner}));
    let value = json!([(0..200_000).collect::<Vec<i32>>()]);
    let run = |rule: &str| {
        soon(rule, || {
            program(rule, &node).evaluate(Subject::new(&value, &node), OldSelf::Absent, LIMIT_PER_CALL)
        })
    };
    for rule in [
        "self.flatten().distinct().size() > 0",
        "sets.contains(self.flatten(), self.flatten().map(x, -x))",
        "self.flatten().sort().size() > 0",
    ] {
        assert_eq!(run(rule).result, Err(super::EvalError::CostExceeded), "{rule}");
    }
    // Go makes the same large cost of it.
    let deep = run("self.flatten(9223372036854775807).size() > 0");
    assert_eq!(deep.result, Err(super::EvalError::CostExceeded));

    let node = Node::decode(&json!({"type": "object", "additionalProperties": {"type": "integer"}}));
    let value: Json = (0..30_000)
        .map(|at| (format!("k{at}"), at.into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for rule in [
        "self.transformMap(k, v, v + 1).size() == 30000",
        "self.transformMap(k, v, v > 0, v).size() == 29999",
        "self.transformMapEntry(k, v, v % 3 == 0, {k: v}).size() == 10000",
    ] {
        let found = soon(rule, || {
            program(rule, &node).evaluate(Subject::new(&value, &node), OldSelf::Absent, LIMIT_PER_CALL)
        });
        assert_eq!(found.result, Ok(super::Output::Bool(true)), "{rule}");
    }
}

/// SCH-56: what is absent fails by name, and a rule that needs an old value has none to read.
#[test]
fn absent_values() {
    let node = Node::decode(&json!({"type": "object", "properties": {"min": {"type": "integer"}}}));
    let value = json!({});
    let run = |rule: &str| {
        program(rule, &node).evaluate(Subject::new(&value, &node), OldSelf::Absent, LIMIT_PER_CALL)
    };
    let failed = |text: &str| Err(super::EvalError::Failed(text.to_owned()));
    assert_eq!(run("self.min > 1").result, failed("no such key: min"));
    assert_eq!(
        run("self == oldSelf").result,
        failed("no such attribute(s): oldSelf")
    );
    assert_eq!(
        run("'min: %s'.format([has(self.min)])").result,
        Ok(super::Output::Text("min: false".to_owned()))
    );
}

#[test]
fn programs_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Program>();
}
