//! Rules in CEL.

use std::sync::LazyLock;

use kubewright_schema::{Structural, crd, validate, validate_update};
use serde_json::{Value, json};

/// A field of each kind that expressions tell apart.
static PROPERTIES: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "b": {"type": "boolean"},
        "i": {"type": "integer"},
        "n": {"type": "number"},
        "s": {"type": "string", "maxLength": 20},
        "t": {"type": "string", "format": "date-time"},
        "d": {"type": "string", "format": "duration"},
        "y": {"type": "string", "format": "byte"},
        "q": {"x-kubernetes-int-or-string": true},
        "x": {"x-kubernetes-preserve-unknown-fields": true},
        "l": {"type": "array", "maxItems": 5, "items": {"type": "integer"}},
        "m": {"type": "object", "maxProperties": 5, "additionalProperties": {"type": "string", "maxLength": 9}},
        "o": {"type": "object", "properties": {"a": {"type": "string"}, "namespace": {"type": "string"}}},
        "k": {"type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
            "items": {"type": "object", "required": ["a"], "properties": {
                "a": {"type": "string"}, "v": {"type": "integer"}}}},
    })
});

static OBJECT: LazyLock<Value> = LazyLock::new(|| {
    json!({"spec": {
        "b": true, "i": 3, "n": 1.5, "s": "abc", "t": "2020-01-02T03:04:05Z", "d": "5m", "y": "YWJj", "q": "50%",
        "x": {"a": [1, null]}, "l": [3, 1, 2], "m": {"a": "b", "c": ""}, "o": {"a": "x"},
        "k": [{"a": "p", "v": 1}, {"a": "q"}],
    }})
});

fn schema(rule: &str, message: &str) -> Value {
    let rule = json!({"rule": rule, "messageExpression": message});
    json!({"type": "object", "properties": {"spec": {
        "type": "object", "properties": *PROPERTIES, "x-kubernetes-validations": [rule],
    }}})
}

/// Bytes as a rule and, after a line break, its message expression. What one call may cost bounds the time.
pub fn cel(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (rule, message) = text.split_once('\n').unwrap_or((text, ""));
    let schema = schema(rule, message);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            "conversion": {"strategy": "None"},
        },
    });
    let errors = crd::validate(&definition);
    assert!(
        crd::validate_update(&definition, &definition).is_empty() || !errors.is_empty(),
        "an unchanged CRD is accepted"
    );
    let Ok(structural) = Structural::from_json(&schema) else {
        return;
    };
    let object = &*OBJECT;
    let first = validate(object, None, &structural);
    assert_eq!(validate(object, None, &structural), first, "one answer");
    let compiles = !first
        .iter()
        .any(|error| error.to_string().contains("rule compile error"));
    assert!(
        compiles || !errors.is_empty(),
        "accepted, and it does not compile: {first:?}"
    );
    let mut changed = object.clone();
    changed["spec"]["i"] = 4.into();
    changed["spec"]["l"] = json!([1]);
    validate_update(&changed, object, &structural);
}
