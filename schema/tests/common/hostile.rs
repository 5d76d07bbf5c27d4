//! Input that means harm gets a bounded answer from every public door: an error or a result, soon, and no panic.

use std::time::{Duration, Instant};

use kubewright_schema::compare::{compare, compare_crds};
use kubewright_schema::{
    DEPTH_LIMIT, Structural, crd, default, drop_nulls, lint, normalize_numbers, prepare, prune, undecodable,
    validate, validate_status,
};
use serde_json::{Map, Value, json};

/// Properties of a large schema. Code without optimisation takes its time, and the growth is the same.
const MANY: usize = if cfg!(debug_assertions) { 5_000 } else { 100_000 };
/// Far above what any of it takes on a slow machine, and far below what unbounded work would.
const SOON: Duration = Duration::from_secs(20);

#[track_caller]
pub(crate) fn soon<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    assert!(took < SOON, "{what} took {took:?}");
    result
}

pub(crate) fn definition(schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

fn field(schema: &Value) -> Value {
    json!({"type": "object", "properties": {"f": schema}})
}

/// Through all doors for schemas and CRDs; the schema, if one came out.
#[track_caller]
fn all_doors(what: &str, schema: &Value) -> Option<Structural> {
    let document = definition(schema);
    soon(&format!("{what}: lint"), || lint(&document));
    let mut decoded = document.clone();
    if soon(&format!("{what}: decode"), || crd::decode(&mut decoded)).is_ok() {
        crd::default(&mut decoded);
    }
    let errors = soon(&format!("{what}: validate"), || crd::validate(&decoded));
    soon(&format!("{what}: update"), || {
        crd::validate_update(&decoded, &document)
    });
    soon(&format!("{what}: formats"), || {
        crd::unrecognized_formats(&decoded, Some(&document))
    });
    let _ = soon(&format!("{what}: compare"), || compare_crds(&document, &decoded));
    let structural = soon(&format!("{what}: structural"), || Structural::from_json(schema));
    assert!(
        !errors.is_empty() || structural.is_ok(),
        "{what}: accepted and not structural"
    );
    if let Ok(structural) = &structural {
        soon(&format!("{what}: compare schemas"), || {
            compare(structural, structural)
        });
        soon(&format!("{what}: rules"), || structural.rules().len());
    }
    structural.ok()
}

pub(crate) fn nested(depth: usize, mut inner: Value, wrap: impl Fn(Value) -> Value) -> Value {
    for _ in 0..depth {
        inner = wrap(inner);
    }
    inner
}

/// `{key: inner}`, without the copy that `json!` makes.
pub(crate) fn around(key: &str, inner: Value) -> Value {
    let mut map = Map::new();
    map.insert(key.to_owned(), inner);
    map.into()
}

/// Values are dropped by recursion too, on a stack like that of a main thread.
pub(crate) fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(test)
        .unwrap();
    assert!(thread.join().is_ok());
}

#[test]
fn schemas_that_nest_deeply() {
    // Two levels of JSON for each property; the ordinary test thread's stack must do.
    for wrap in [
        |inner| json!({"type": "object", "properties": {"a": inner}}),
        |inner| json!({"type": "array", "items": inner}),
        |inner| json!({"type": "object", "additionalProperties": inner}),
        |inner| json!({"type": "string", "not": inner}),
        |inner| json!({"type": "string", "allOf": [inner]}),
        |inner| json!({"type": "string", "oneOf": [{"minLength": 1}, inner]}),
        |inner| json!({"type": "object", "properties": {"a": inner}, "default": {"a": {"a": {"a": {}}}}}),
    ] {
        all_doors(
            "deep",
            &nested(DEPTH_LIMIT / 2 - 4, json!({"type": "object"}), wrap),
        );
        all_doors(
            "deep",
            &field(&nested(DEPTH_LIMIT / 3 - 4, json!({"type": "string"}), wrap)),
        );
        let too_deep = nested(DEPTH_LIMIT, json!({}), wrap);
        let errors = Structural::from_json(&too_deep).unwrap_err();
        let refused = format!("must not nest deeper than {DEPTH_LIMIT} objects and lists");
        assert_eq!(
            errors[0].to_string(),
            format!("openAPIV3Schema: Invalid value: \"\": {refused}")
        );
        let text = crd::decode(&mut definition(&too_deep)).unwrap_err().to_string();
        assert_eq!(text, format!("the document {refused}"));
        assert_eq!(lint(&definition(&too_deep))[0].id, "undecodable");
        assert!(compare_crds(&definition(&json!({})), &definition(&too_deep)).is_err());
        assert_eq!(crd::validate(&definition(&too_deep)).len(), 1);
        assert_eq!(
            crd::validate_update(&definition(&json!({})), &definition(&too_deep)).len(),
            1
        );
    }
    on_a_large_stack(|| {
        let abyss = nested(5_000, json!({}), |inner| around("properties", around("a", inner)));
        assert!(all_doors("abyss", &abyss).is_none());
    });
}

#[test]
fn values_that_nest_deeply() {
    let schema = Structural::from_json(&json!({"type": "object", "properties": {
        "keep": {"x-kubernetes-preserve-unknown-fields": true},
        "set": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}},
        "enum": {"type": "string", "enum": ["a"]},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }}))
    .unwrap();
    let doors = move |value: &Value, too_deep: bool| {
        for name in ["keep", "set", "enum", "pod", "unknown"] {
            let mut object = json!({});
            object[name] = value.clone();
            let sent = object.clone();
            normalize_numbers(&mut object);
            drop_nulls(&mut object, &schema);
            default(&mut object, &schema);
            validate(&sent, Some(&object), &schema);
            validate_status(&sent, None, &schema);
            if too_deep {
                assert!(prune(&mut object, &schema).is_empty() && prepare(&mut object, &schema).is_empty());
                assert!(object == sent, "left as it was");
                let text = validate(&sent, None, &schema)[0].to_string();
                assert_eq!(
                    text,
                    format!(
                        "<nil>: Invalid value: \"\": must not nest deeper than {DEPTH_LIMIT} objects and lists"
                    )
                );
                assert!(undecodable(&sent, &schema).is_some());
            } else {
                prepare(&mut object, &schema);
            }
        }
    };
    let list = |inner| Value::Array(vec![inner]);
    let map = |inner| around("a", inner);
    doors(&nested(DEPTH_LIMIT - 1, json!(1), list), false);
    doors(&nested(DEPTH_LIMIT - 1, json!(1.0), map), false);
    doors(&nested(DEPTH_LIMIT, json!(1), list), true);
    on_a_large_stack(move || doors(&nested(20_000, json!(1), list), true));
}

#[test]
fn large_schemas() {
    let properties = |count: usize, property: &Value| -> Map<String, Value> {
        (0..count)
            .map(|index| (format!("p{index}"), property.clone()))
            .collect()
    };
    let wide =
        json!({"type": "object", "properties": properties(MANY, &json!({"type": "string", "maxLength": 5}))});
    let schema = all_doors("many properties", &wide).expect("it is structural");
    let mut object: Value = (0..MANY)
        .map(|index| (format!("p{index}"), json!("too long")))
        .collect::<Map<_, _>>()
        .into();
    soon("prepare", || prepare(&mut object, &schema));
    assert_eq!(soon("validate", || validate(&object, None, &schema)).len(), MANY);
    // Each of them is wrong, and required besides.
    let names: Vec<String> = (0..10_000).map(|index| format!("p{index}")).collect();
    let wrong = json!({"type": "object", "required": names, "properties": properties(10_000, &json!({"type": "x", "default": 1}))});
    assert!(all_doors("10,000 mistakes", &wrong).is_none());

    let values: Vec<String> = (0..MANY * 4).map(|index| format!("value-{index}")).collect();
    let giant = field(&json!({"type": "string", "enum": values}));
    let schema = all_doors("a giant enum", &giant).expect("it is structural");
    assert_eq!(
        soon("validate", || validate(&json!({"f": "x"}), None, &schema)).len(),
        1
    );
    let mut values = values;
    values.extend(values.clone());
    all_doors(
        "a giant enum, twice",
        &field(&json!({"type": "string", "enum": values})),
    );

    let members: Vec<Value> = (0..5_000).map(|index| json!({"maxLength": index})).collect();
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let schema = all_doors(
            keyword,
            &field(&json!({"type": "string", keyword: members.clone()})),
        )
        .unwrap();
        soon(keyword, || validate(&json!({"f": "xx"}), None, &schema));
    }
}

#[test]
fn conditions_inside_conditions() {
    let mut pair = json!({"minLength": 1});
    for _ in 0..12 {
        pair = json!({"anyOf": [pair, {"oneOf": [pair, {"maxLength": 3}]}]});
    }
    pair["type"] = "string".into();
    let old = field(&pair);
    pair["maxLength"] = 9.into();
    pair["not"] = json!({"anyOf": [{"pattern": "a"}, {"pattern": "b"}]});
    if let (Ok(old), Ok(new)) = (Structural::from_json(&old), Structural::from_json(&field(&pair))) {
        soon("compare", || compare(&old, &new));
    }
    let tower = nested(
        40,
        json!({"minLength": 1}),
        |inner| json!({"not": {"anyOf": [inner, {"maxLength": 0}]}}),
    );
    let mut tower = tower;
    tower["type"] = "string".into();
    all_doors("a tower of conditions", &field(&tower));
    let tower = nested(24, json!({"minLength": 1}), |inner| json!({"allOf": [inner]}));
    let mut tower = tower;
    tower["type"] = "string".into();
    if let Some(schema) = all_doors("allOf in allOf", &field(&tower)) {
        soon("validate", || validate(&json!({"f": ""}), None, &schema));
    }
}

#[test]
fn large_values() {
    let schema = Structural::from_json(&json!({"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer", "maximum": 1}}}},
        "text": {"type": "string", "pattern": "^(a+)+$", "maxLength": 10_000_000},
    }}))
    .unwrap();
    let names = (0..100_000).map(|index| format!("n{}", index / 2));
    let set: Vec<String> = names.clone().collect();
    let list: Vec<Value> = names.map(|name| json!({"k": name, "v": 2})).collect();
    let object = json!({"set": set, "list": list, "text": "a".repeat(2_000_000) + "b"});
    let old = json!({"list": list});
    assert_eq!(
        soon("validate", || validate(&object, None, &schema)).len(),
        200_001
    );
    soon("validate an update", || validate(&object, Some(&old), &schema));
    let mut unknown: Value = (0..200_000)
        .map(|index| (format!("u{index}"), json!({})))
        .collect::<Map<_, _>>()
        .into();
    assert_eq!(soon("prune", || prune(&mut unknown, &schema)).len(), 200_000);
}

#[test]
fn hostile_patterns() {
    for pattern in [
        "(a{1000}){1000}".to_owned(),
        "((a{100}){100}){100}".to_owned(),
        "a{1000}{1000}".to_owned(),
        "(?:(?:x{500}|y){2}){500}".to_owned(),
        "\\pL{1000}".to_owned(),
        "(\\pL|\\pN){300}".to_owned(),
        "[^a]{1000}".to_owned(),
        "(?i)\\pL{900}".to_owned(),
        "(".repeat(100_000),
        "(".repeat(100_000) + &")".repeat(100_000),
        "(?:".repeat(100) + "a" + &")*".repeat(100),
        "a|".repeat(20_000),
        "[".repeat(100_000),
        "\\Q".repeat(50_000),
        "x*".repeat(10_000),
        "[[:alpha:]]".repeat(2_000),
        "(?P<n>a)".repeat(2_000),
        "(a*)*b".to_owned(),
    ] {
        let shown: String = pattern.chars().take(30).collect();
        if let Some(schema) = all_doors(&shown, &field(&json!({"type": "string", "pattern": pattern}))) {
            soon(&shown, || {
                validate(&json!({"f": "a".repeat(100_000)}), None, &schema)
            });
        }
    }
}

#[test]
fn numbers_beyond_all_bounds() {
    assert!(serde_json::from_str::<Value>("{\"maximum\": 1e400}").is_err());
    for limit in [
        "1e308",
        "-1e308",
        "5e-324",
        "18446744073709551615",
        "-9223372036854775808",
        "9007199254740993",
    ] {
        let limit: Value = serde_json::from_str(limit).unwrap();
        for keyword in [
            "maximum",
            "minimum",
            "multipleOf",
            "maxLength",
            "minLength",
            "maxItems",
            "minProperties",
        ] {
            for kind in ["integer", "number", "string"] {
                let schema = json!({"type": kind, keyword: limit, "enum": [limit], "x-kubernetes-preserve-unknown-fields": true});
                let plain = json!({"type": kind, keyword: limit});
                all_doors("limits", &field(&schema));
                let Some(schema) = all_doors("limits", &field(&plain)) else {
                    continue;
                };
                for value in [
                    json!(1),
                    limit.clone(),
                    json!(-1.5),
                    json!(i64::MIN),
                    json!(u64::MAX),
                    json!(f64::MAX),
                ] {
                    let mut object = json!({ "f": value });
                    prepare(&mut object, &schema);
                    validate(&object, None, &schema);
                }
            }
        }
    }
}

#[cfg(feature = "yaml")]
#[test]
fn yaml_that_means_harm() {
    use kubewright_schema::yaml;

    let refused = |what: &str, text: &[u8]| {
        soon(what, || {
            assert!(yaml::from_slice(text).is_err(), "{what} is refused");
        });
        soon(what, || {
            assert!(yaml::documents(text).is_err(), "{what} is refused among several");
        });
    };
    refused("nesting in flow style", "[".repeat(100_000).as_bytes());
    refused("nesting in block style", "- ".repeat(100_000).as_bytes());
    refused(
        "nesting of keys",
        (0..2000)
            .map(|depth| " ".repeat(depth) + "a:\n")
            .collect::<String>()
            .as_bytes(),
    );
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for index in 1..12 {
        bomb += &format!(
            "a{index}: &a{index} [{}]\n",
            vec![format!("*a{}", index - 1); 10].join(",")
        );
    }
    refused("exponential aliases", bomb.as_bytes());
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(10_000), "*a,".repeat(10_000));
    refused("quadratic aliases", wide.as_bytes());
    refused("an alias of itself", b"a: &a [*a]");
    refused("merge keys of themselves", b"a: &a {<<: *a}");
    refused("an unknown alias", b"a: *b");
    refused("text that is no UTF-8", b"a: \xff\xfe");
    refused("repeated keys", b"a: 1\na: 2\n");
    refused("repeated keys below", b"a: {b: 1, b: 2}");
    refused("numbers without end", b"a: 1e400");
    refused("what is no number", b"a: .nan");
    refused("keys that are no text", b"[a]: 1");
    refused("too many bytes", &vec![b'#'; yaml::SIZE_LIMIT + 1]);
    assert!(matches!(
        yaml::from_slice(&vec![b' '; yaml::SIZE_LIMIT + 1]),
        Err(yaml::Error::TooLong { .. })
    ));

    let wide: String = (0..50_000).map(|index| format!("p{index}: x\n")).collect();
    soon("many keys", || yaml::from_slice(wide.as_bytes()).map(drop)).expect("a large document is read");
    let deep = "a: ".to_owned() + &"[".repeat(50) + &"]".repeat(50);
    assert!(yaml::from_slice(deep.as_bytes()).is_ok());
    let two = yaml::documents(b"a: yes\n---\n---\nb: 0x10\n").unwrap();
    assert_eq!(two, [json!({"a": true}), json!({"b": 16})]);
}
