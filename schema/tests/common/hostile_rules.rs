//! Rules in CEL and owners of fields that mean harm: each gets its answer soon.

use kubewright_schema::apply::{FieldManager, FieldSet, ObjectType, OnConflict, SameVersion};
use kubewright_schema::{Structural, crd, validate, validate_update};
use serde_json::{Value, json};

use crate::hostile::{around, definition, nested, on_a_large_stack, soon};

const FEW: usize = if cfg!(debug_assertions) { 200 } else { 2_000 };

fn schema(rule: &str) -> Value {
    let list = json!({"type": "array", "items": {"type": "integer"}});
    json!({"type": "object", "properties": {"spec": {
        "type": "object",
        "properties": {"l": list, "s": {"type": "string"}, "x": {"x-kubernetes-int-or-string": true}},
        "x-kubernetes-validations": [{"rule": rule, "messageExpression": "self.s"}],
    }}})
}

/// A rule is compiled, costed and run, whatever a server says of it; the texts of the CRD's errors.
#[track_caller]
fn run(what: &str, rule: &str) -> String {
    let schema = schema(rule);
    let document = definition(&schema);
    let errors = soon(&format!("{what}: validate"), || crd::validate(&document));
    soon(&format!("{what}: update"), || {
        crd::validate_update(&document, &document)
    });
    if let Ok(structural) = soon(&format!("{what}: structural"), || Structural::from_json(&schema)) {
        let numbers: Vec<usize> = (0..FEW).collect();
        let object = json!({"spec": {"l": numbers, "s": "a".repeat(20_000), "x": "50%"}});
        soon(&format!("{what}: run"), || validate(&object, None, &structural));
        let mut changed = object.clone();
        changed["spec"]["x"] = 1.into();
        soon(&format!("{what}: run on an update"), || {
            validate_update(&changed, &object, &structural)
        });
    }
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn expressions_that_nest_deeply() {
    for (open, inner, close) in [
        ("(", "true", ")"),
        ("!", "true", ""),
        ("-", "1", " == 1"),
        ("[", "1", "]"),
        ("{'a': ", "1", "}"),
        ("true ? true : ", "true", ""),
        ("true && ", "true", ""),
        ("1 + ", "1", " == 1"),
        ("size(", "'a'", ")"),
        ("self.l.all(x, ", "true", ")"),
        ("self.", "s", ""),
        ("'", "", "'"),
        ("\"\"\"", "", ""),
        ("[].map(x, ", "x", ")"),
    ] {
        for depth in [10, 40, 300, 50_000] {
            let close = if close.starts_with(' ') {
                close.to_owned()
            } else {
                close.repeat(depth)
            };
            let rule = format!("{}{inner}{close}", open.repeat(depth));
            run(&format!("{depth} times {open}"), &rule);
        }
    }
    for piece in [".a", "[0]", ".size()", "()", " + 1", " || true", ".?a", "{}"] {
        for count in [100, 20_000] {
            run(piece, &format!("self.l{}", piece.repeat(count)));
        }
    }
}

#[test]
fn expressions_that_cost_much() {
    for rule in [
        "lists.range(1000000000).all(x, x > 0)",
        "lists.range(9223372036854775807).size() > 0",
        "lists.range(-1).size() == 0",
        "lists.range(1000000).map(x, lists.range(1000000)).size() > 0",
        "self.l.all(a, self.l.all(b, self.l.all(c, self.l.all(d, a == b || c == d))))",
        "self.l.map(a, self.l.map(b, self.l.map(c, self.l + self.l))).size() > 0",
        "self.l.sort().distinct().reverse() == self.l",
        "self.s.split('').join('').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa') == ''",
        "self.s.matches('(a+)+$b')",
        "self.s.matches('(a{1000}){1000}')",
        "self.s.findAll('(a|a)*b').size() > 0",
        "self.s.matches(self.s)",
        "'%s%s'.format([self.s, self.s]) == '%999999999d'.format([1])",
        "'%.999999999f'.format([1.0]) == ''",
        "'%.999999999e'.format([1.0]) == ''",
        "'%.1000000f'.format([1.0]) == ''",
        "quantity('1e999999999').isGreaterThan(quantity('1'))",
        "duration('999999999999999h') == duration('1h')",
        "timestamp('9999-12-31T23:59:59.999999999Z') + duration('1h') == timestamp(0)",
        "-9223372036854775808 / -1 == 9223372036854775807 * 2",
    ] {
        run(rule, rule);
    }
    let told = run("a huge range", "lists.range(1000000000).all(x, x > 0)");
    assert!(told.contains("estimated rule cost exceeds budget"), "{told}");
    // Each round doubles what the one before made.
    let doubled = nested_text(30, "self.l", |inner| format!("cel.bind(v, {inner}, v + v)"));
    run("doubled lists", &format!("{doubled}.size() > 0"));
    let doubled = nested_text(30, "self.s", |inner| format!("({inner}).replace('a', 'aa')"));
    run("doubled texts", &format!("{doubled}.size() > 0"));
    let macros = nested_text(12, "true", |inner| {
        format!("self.l.exists_one(x, {inner}) && self.l.all(x, {inner})")
    });
    run("macros in macros", &macros);
    let text = format!("'{}' == self.s", "x".repeat(1_000_000));
    run("a giant text", &text);
    let list = format!("self.l == [{}]", "1,".repeat(100_000));
    run("a giant list", &list);
    let words = format!("{}true", "true || ".repeat(FEW * 10));
    run("a giant disjunction", &words);
}

fn nested_text(depth: usize, inner: &str, wrap: impl Fn(&str) -> String) -> String {
    (0..depth).fold(inner.to_owned(), |inner, _| wrap(&inner))
}

#[test]
fn owners_that_mean_harm() {
    let version = "example.com/v1";
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"x-kubernetes-preserve-unknown-fields": true},
    }}}});
    let converter = SameVersion {
        api_version: version.to_owned(),
        object_type: soon("compile", || ObjectType::custom(&schema)),
    };
    let manager = FieldManager {
        converter: &converter,
        api_version: version,
        kind: "T",
        subresource: "",
        nothing: json!({"apiVersion": version, "kind": "T"}),
        reset: Default::default(),
    };
    let now = "2020-01-02T03:04:05Z";
    let object = |spec: &Value, owners: &Value| {
        json!({"apiVersion": version, "kind": "T", "spec": spec,
            "metadata": {"name": "t", "uid": "u", "managedFields": owners}})
    };
    let entry = |name: &str, fields: &Value| {
        json!({"apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields, "manager": name,
            "operation": "Update", "time": now})
    };
    let many = FEW * 10;
    let names: Vec<String> = (0..many).map(|index| format!("n{index}")).collect();
    let spec = json!({
        "set": names,
        "list": names.iter().map(|name| json!({ "k": name })).collect::<Vec<_>>(),
        "map": names.iter().map(|name| (name.clone(), json!("x"))).collect::<serde_json::Map<_, _>>(),
    });
    let mut patch = object(&spec, &Value::Null);
    patch["metadata"].as_object_mut().unwrap().remove("managedFields");
    let wide: serde_json::Map<_, _> = names
        .iter()
        .map(|name| (format!("f:{name}"), json!({})))
        .collect();
    let wide = json!({"f:spec": {"f:map": wide, "f:set": names.iter()
        .map(|name| (format!("v:\"{name}\""), json!({}))).collect::<serde_json::Map<_, _>>()}});
    let deep = nested(1_000, json!({}), |inner| around("f:a", inner));
    for (what, owners) in [
        ("nobody", json!([])),
        ("one of many fields", json!([entry("one", &wide)])),
        (
            "many of one field",
            (0..many)
                .map(|index| entry(&format!("m{index}"), &json!({"f:spec": {"f:map": {"f:n1": {}}}})))
                .collect(),
        ),
        ("one of deep fields", json!([entry("one", &deep)])),
        (
            "garbage",
            json!([1, null, {"fieldsV1": []}, entry("", &json!({"k:{": {}}))]),
        ),
        ("no list", json!({"a": 1})),
    ] {
        let live = object(&spec, &owners);
        for on_conflict in [OnConflict::Refuse, OnConflict::Take] {
            let _ = soon(what, || manager.apply(&live, &patch, "two", now, on_conflict));
        }
        let mut new = live.clone();
        new["spec"]["map"] = json!({});
        soon(what, || manager.update(&live, &mut new, "three", now));
    }
    for fields in [
        json!({"k:{\"a\":1,\"a\":2}": {}, "v:": {}, "i:99999999999999999999": {}, "f": {}, ":": {}, "": {}}),
        json!({ "v:".to_owned() + &"[".repeat(10_000): {} }),
        json!({ "k:".to_owned() + &"{\"a\":".repeat(10_000): {} }),
    ] {
        let _ = soon("odd keys", || FieldSet::from_fields_v1(&fields));
    }
    on_a_large_stack(|| {
        let abyss = nested(20_000, json!({}), |inner| around("f:a", inner));
        let _ = soon("an abyss of fields", || FieldSet::from_fields_v1(&abyss));
    });
}
