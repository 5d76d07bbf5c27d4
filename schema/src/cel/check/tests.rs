use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

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

/// What differs knowingly. No value of a resource is one of these messages, and no rule has a use for them.
fn tolerated(case: &Case) -> bool {
    // Messages of protocol buffers besides durations and times are not declared.
    let is_message =
        case.rule.contains("google.protobuf.") && !case.rule.contains("google.protobuf.Duration");
    // Upstream's checker takes these names for messages, its evaluation does not; here they are refused at once.
    let is_alias = case.rule.starts_with("timestamp{") || case.rule.starts_with("duration{");
    is_message || is_alias
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

fn declared(schema: &Value, place: Place) -> RootDecl {
    RootDecl::new(&Node::decode(schema), place).expect("a type")
}

fn refused(text: &str, decl: &RootDecl, purpose: Purpose) -> String {
    match compile(text, decl, OldSelf::Plain, purpose) {
        Ok(compiled) => panic!("{text} compiles to {}", compiled.output),
        Err(why) => why,
    }
}

/// SCH-50, SCH-51: rules are bools, messages are strings.
#[test]
fn purposes_have_types() {
    let decl = declared(
        &json!({"type": "object", "properties": {"a": {"type": "string"}}}),
        Place::Below,
    );
    let rule = compile("self.a == 'x'", &decl, OldSelf::Plain, Purpose::Rule).expect("compiles");
    assert_eq!(
        (rule.output, rule.uses_old_self, rule.max_cost),
        (Type::Bool, false, 3)
    );
    let message = compile("'not ' + self.a", &decl, OldSelf::Plain, Purpose::Message).expect("compiles");
    assert_eq!((message.output, message.max_cost), (Type::String, 314_575));
    assert_eq!(
        refused("self.a", &decl, Purpose::Rule),
        "cel expression must evaluate to a bool"
    );
    assert_eq!(
        refused("true", &decl, Purpose::Message),
        "messageExpression must evaluate to a string"
    );
    assert_eq!(
        refused("self.b", &decl, Purpose::Rule),
        "compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b\n | ....^"
    );
    assert_eq!(
        refused("1 +", &decl, Purpose::Message).lines().next(),
        Some(
            "messageExpression compilation failed: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' \
             expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, \
             BYTES, IDENTIFIER}"
        )
    );
    assert_eq!(
        refused("self.a.find('(') == ''", &decl, Purpose::Rule),
        "program instantiation failed: error parsing regexp: missing closing ): `(`"
    );
    assert_eq!(
        refused("self.a.find('(')", &decl, Purpose::Message),
        "messageExpression instantiation failed: error parsing regexp: missing closing ): `(`"
    );
}

/// SCH-50: what has the right type may yet be no duration.
#[test]
fn constants_are_looked_at() {
    let decl = declared(&json!({"type": "string"}), Place::Below);
    for (text, name) in [
        ("duration(null) == duration('1s')", "duration"),
        ("duration(5) == duration('1s')", "duration"),
        ("timestamp(null) == timestamp(5)", "timestamp"),
        ("self.matches('[')", "matches"),
    ] {
        let why = refused(text, &decl, Purpose::Rule);
        assert!(
            why.contains(&format!(": invalid {name} argument\n")),
            "{text}: {why}"
        );
    }
}

/// SCH-53
#[test]
fn old_self_is_noticed() {
    let decl = declared(&json!({"type": "integer"}), Place::Below);
    for (text, old_self, uses) in [
        ("self >= oldSelf", OldSelf::Plain, true),
        ("self > 0", OldSelf::Plain, false),
        (
            "oldSelf.optMap(old, old < self).orValue(true)",
            OldSelf::Optional,
            true,
        ),
    ] {
        let compiled = compile(text, &decl, old_self, Purpose::Rule).expect("compiles");
        assert_eq!(compiled.uses_old_self, uses, "{text}");
    }
    assert!(compile("self >= oldSelf", &decl, OldSelf::Optional, Purpose::Rule).is_err());
}

/// SCH-54: what doubles with each step comes to an end.
#[test]
fn types_do_not_grow_without_end() {
    let decl = declared(&json!({"type": "integer"}), Place::Below);
    let nested = |count| format!("[1]{}.size() == 1", ".map(a, {a: a})".repeat(count));
    assert!(compile(&nested(10), &decl, OldSelf::Plain, Purpose::Rule).is_ok());
    let why = refused(&nested(100), &decl, Purpose::Rule);
    assert!(why.contains("a type has more than 4096 parts"), "{why}");
}

/// SCH-50: cel-go refuses trees deeper than 250, so that nothing here needs more than a thread's stack.
#[test]
fn deep_trees_fit_the_stack() {
    let decl = declared(&json!({"type": "string"}), Place::Below);
    for text in [
        format!("{}1 > 1", "1 + ".repeat(249)),
        format!("{}true", "!".repeat(5_001)),
        format!("{}true", "true && ".repeat(5_000)),
        format!("{}true{}", "dyn(".repeat(249), ")".repeat(249)),
        format!("self{} == ''", ".trim()".repeat(248)),
    ] {
        let checked = check(&text, &decl, OldSelf::Plain).expect("checks");
        assert!(
            cost::estimate(&checked, &decl).max > 0 || text.starts_with("true"),
            "{text}"
        );
    }
}
