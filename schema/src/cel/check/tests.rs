use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::decl::Place;
use super::*;
use crate::structural::Node;

#[derive(Deserialize)]
struct Schema {
    root: bool,
    schema: Value,
}

/// What the libraries of a server say of an expression.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    schema: String,
    rule: String,
    optional_old_self: bool,
    error: Option<String>,
    stage: Option<String>,
    #[serde(rename = "type")]
    output: Option<String>,
    uses_old_self: bool,
    cost_min: Option<u64>,
    cost_max: Option<u64>,
}

fn data(name: &str) -> String {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("recorded answers")
}

fn declarations(file: &str) -> HashMap<String, RootDecl> {
    let schemas: HashMap<String, Schema> = serde_json::from_str(&data(file)).expect("schemas by name");
    let declare = |(name, schema): (String, Schema)| {
        let node = Node::decode(&schema.schema);
        let place = if schema.root || node.embedded {
            Place::ResourceRoot
        } else {
            Place::Below
        };
        let decl = RootDecl::new(&node, place).expect("a type");
        (name, decl)
    };
    schemas.into_iter().map(declare).collect()
}

/// What a case tells, in the form of its recorded answer.
fn answer(case: &Case, decl: &RootDecl) -> String {
    let old_self = if case.optional_old_self {
        OldSelf::Optional
    } else {
        OldSelf::Plain
    };
    let checked = match check(&case.rule, decl, old_self) {
        Ok(checked) => checked,
        Err(why) => return why,
    };
    if let Err(why) = program::instantiate(&checked) {
        return why;
    }
    let output = recorded_name(checked.type_of(&checked.expr));
    let old = if uses_old_self(&checked) {
        ", uses oldSelf"
    } else {
        ""
    };
    let cost = cost::estimate(&checked, decl);
    format!("{output}, {}..{}{old}", cost.min, cost.max)
}

/// Answers give types with their names at run time.
fn recorded_name(ty: &Type) -> String {
    match ty {
        Type::List(of) | Type::Optional(of) | Type::Type(of) => {
            format!("{}({})", ty.name(), recorded_name(of))
        }
        Type::Map(of) => format!("map({}, {})", recorded_name(&of.0), recorded_name(&of.1)),
        _ => ty.name().to_owned(),
    }
}

fn expected(case: &Case) -> String {
    match &case.error {
        Some(error) => error.clone(),
        None => format!(
            "{}, {}..{}{}",
            case.output.as_deref().unwrap_or_default(),
            case.cost_min.unwrap_or_default(),
            case.cost_max.unwrap_or_default(),
            if case.uses_old_self { ", uses oldSelf" } else { "" }
        ),
    }
}

fn compare(rules: &str, schemas: &str) {
    let declarations = declarations(schemas);
    let mut different = Vec::new();
    for line in data(rules).lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let answer = answer(&case, &declarations[&case.schema]);
        let expected = expected(&case);
        if answer != expected && !tolerated(&case) {
            different.push(format!(
                "{} ({})\n  is       {answer}\n  expected {expected}",
                case.rule, case.schema
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

/// What differs knowingly.
fn tolerated(case: &Case) -> bool {
    // Messages of protocol buffers besides durations and timestamps: no value of a resource is one, and rules have no
    // use for them.
    let is_message = case.rule.contains("google.protobuf.");
    // Constants are folded when a program is made, which is the evaluator's.
    let is_folded = case.stage.as_deref() == Some("program")
        && case.error.as_deref().is_some_and(|error| {
            [
                "conversion",
                "overflow",
                "no such overload",
                "invalid UTF-8",
                "invalid qualifier",
                "parsing regexp",
            ]
            .iter()
            .any(|text| error.contains(text))
        });
    // The parser expands it with one variable, too.
    let is_macro = case.rule.contains(".existsOne(x, x");
    is_message || is_folded || is_macro
}

/// SCH-50, SCH-53, SCH-54: types, mistakes and costs are a server's.
#[test]
fn answers_are_those_of_a_server() {
    compare("cel.jsonl", "cel-schemas.json");
}

/// SCH-50, SCH-53, SCH-54, SCH-56, SCH-57
#[test]
fn answers_are_those_of_a_server_in_corners() {
    compare("cel-check.jsonl", "cel-check-schemas.json");
}
