use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn drawn(schema: &Value, count: usize) -> Vec<Value> {
    let schema = Structural::from_json(schema).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = valid(&schema, |_| {});
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).expect("a value").current())
        .collect()
}

fn property(schema: &Value) -> Value {
    json!({"type": "object", "properties": {"a": schema}, "required": ["a"]})
}

/// The filter lets only valid values through; here, that nearly all pass it, whatever the keyword.
#[test]
fn most_of_what_is_drawn_fits() {
    let mut schemas: Vec<Value> = text::NAMES
        .iter()
        .map(|name| json!({"type": "string", "format": name}))
        .collect();
    schemas.extend([
        json!({"type": "integer", "minimum": 3, "maximum": 5}),
        json!({"type": "integer", "minimum": 3, "exclusiveMinimum": true, "multipleOf": 4}),
        json!({"type": "integer", "format": "int32"}),
        json!({"type": "number", "minimum": -1.5, "maximum": 2.5}),
        json!({"type": "string", "pattern": "^[a-z]+(-[0-9]{2,3})?$"}),
        json!({"type": "string", "pattern": "b|\\d\\s"}),
        json!({"type": "string", "minLength": 2, "maxLength": 4}),
        json!({"type": "string", "enum": ["a", "b"]}),
        json!({"x-kubernetes-int-or-string": true}),
        json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 3}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1}),
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        json!({"type": "object", "properties": {"b": {"type": "string"}, "c": {"type": "string"}},
            "oneOf": [{"required": ["b"]}, {"required": ["c"]}]}),
        json!({"type": "string", "anyOf": [{"pattern": "^a+$"}, {"enum": ["b"]}]}),
    ]);
    for schema in schemas {
        let whole = Structural::from_json(&property(&schema)).unwrap_or_else(|errors| panic!("{errors:?}"));
        let mut runner = TestRunner::deterministic();
        let strategy = object(&whole.root, &[], true);
        let fits = (0..64)
            .filter(|_| {
                let mut value = strategy.new_tree(&mut runner).expect("a value").current();
                prepare(&mut value, &whole);
                validate(&value, None, &whole).is_empty()
            })
            .count();
        assert!(fits >= 48, "{fits} of 64 fit {schema}");
    }
}

#[test]
fn bounds_and_nulls_occur() {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        "s": {"type": "string", "maxLength": 40},
        "z": {"type": "string", "nullable": true},
    }});
    let all = drawn(&schema, 200);
    let some = |test: &dyn Fn(&Value) -> bool| all.iter().any(test);
    assert!(some(&|value| value["n"] == 1) && some(&|value| value["n"] == 1_000_000));
    assert!(some(&|value| value["s"]
        .as_str()
        .is_some_and(|text| text.chars().count() == 40)));
    assert!(some(&|value| value["s"] == ""));
    assert!(some(&|value| value.get("z").is_some_and(Value::is_null)));
    assert!(some(&|value| value.get("z").is_none()));
    assert!(some(&|value| value["s"]
        .as_str()
        .is_some_and(|text| !text.is_ascii())));
}

#[test]
fn entries_of_lists_differ_by_key_and_rules_hold() {
    let schema = json!({"type": "object", "properties": {"ports": {
        "type": "array", "maxItems": 9, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "enum": ["a", "b", "c"]},
            "low": {"type": "integer"}, "high": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "!has(self.low) || !has(self.high) || self.low <= self.high"}]},
    }}, "required": ["ports"]});
    let all = drawn(&schema, 100);
    let longest = all
        .iter()
        .filter_map(|value| value["ports"].as_array())
        .map(Vec::len)
        .max();
    assert!(longest >= Some(2), "{longest:?}");
}

/// What no value fits is told, and does not run forever.
#[test]
fn a_schema_that_takes_nothing_is_given_up() {
    let schema = property(
        &json!({"type": "string", "x-kubernetes-validations": [{"rule": "self != self"}], "maxLength": 5}),
    );
    let schema = Structural::from_json(&schema).unwrap_or_else(|errors| panic!("{errors:?}"));
    let config = Config {
        max_local_rejects: 100,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let reason = match valid(&schema, |_| {}).new_tree(&mut runner) {
        Ok(tree) => panic!("{} fits", tree.current()),
        Err(reason) => reason.to_string(),
    };
    assert!(reason.contains("rejects"), "{reason}");
}

#[test]
fn sparse_parts_keep_keys() {
    let value = json!({"spec": {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}], "x": 1}});
    let keys: fn(&[&str]) -> &'static [&'static str] = |path| match path {
        ["spec", "ports"] => &["name"],
        _ => &[],
    };
    let mut runner = TestRunner::deterministic();
    let strategy = sparse(value.clone(), keys);
    let all: Vec<Value> = (0..100)
        .map(|_| strategy.new_tree(&mut runner).expect("a value").current())
        .collect();
    assert!(all.contains(&json!({})) && all.contains(&value));
    for ports in all.iter().filter_map(|value| value["spec"]["ports"].as_array()) {
        assert_eq!(ports.len(), 2);
        assert!(ports.iter().all(|port| port["name"].is_string()));
    }
    assert!(
        all.iter()
            .any(|value| value["spec"]["ports"][0] == json!({"name": "a"}))
    );
}
