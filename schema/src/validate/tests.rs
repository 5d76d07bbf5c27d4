use super::walk::{Full, walk};
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn schema(spec: &Value) -> Structural {
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": {"type": "object", "properties": {
        "replicas": {"type": "integer", "minimum": 0},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    }}}});
    Structural::from_json(&schema).unwrap_or_else(|errors| panic!("{}", message(&errors)))
}

fn message(errors: &[FieldError]) -> String {
    crate::message_of(errors)
}

fn update(spec: &Value, old: &Value, new: &Value) -> Vec<String> {
    let errors = validate(&json!({"spec": new}), Some(&json!({"spec": old})), &schema(spec));
    errors.iter().map(ToString::to_string).collect()
}

/// SCH-58: what is as it was is not held against an update.
#[test]
fn unchanged_values_are_forgiven() {
    let spec = json!({"type": "object", "required": ["r"], "properties": {
        "r": {"type": "string"},
        "m": {"type": "string", "pattern": "^[A-Z]+$"},
        "n": {"type": "integer"},
        "o": {"type": "object", "properties": {"m": {"type": "string", "maxLength": 1}}},
        "l": {"type": "array", "items": {"type": "string", "maxLength": 1}},
        "lm": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {
            "type": "object", "required": ["k"], "properties": {
                "k": {"type": "string"}, "v": {"type": "string", "maxLength": 1}}}},
    }});
    assert!(
        update(
            &spec,
            &json!({"r": "", "m": "a", "n": 1}),
            &json!({"r": "", "m": "a", "n": 2})
        )
        .is_empty()
    );
    assert_eq!(
        update(&spec, &json!({"r": "", "m": "a"}), &json!({"r": "", "m": "b"})),
        ["spec.m: Invalid value: \"b\": spec.m in body should match '^[A-Z]+$'"]
    );
    assert!(
        update(
            &spec,
            &json!({"r": "", "o": {"m": "long"}}),
            &json!({"r": "x", "o": {"m": "long"}})
        )
        .is_empty()
    );
    // A requirement of the object itself is forgiven only if the whole object is unchanged.
    assert!(update(&spec, &json!({"n": 1}), &json!({"n": 1})).is_empty());
    assert_eq!(
        update(&spec, &json!({"n": 1}), &json!({"n": 2})),
        ["spec.r: Required value"]
    );
    // Items of atomic lists have no counterpart in the old list, entries of maps are found by their keys.
    assert!(
        update(
            &spec,
            &json!({"r": "", "l": ["long"]}),
            &json!({"r": "x", "l": ["long"]})
        )
        .is_empty()
    );
    assert_eq!(
        update(
            &spec,
            &json!({"r": "", "l": ["long"]}),
            &json!({"r": "", "l": ["long", "a"]})
        ),
        ["spec.l[0]: Too long: may not be more than 1 byte"]
    );
    let old = json!({"r": "", "lm": [{"k": "a", "v": "long"}]});
    assert!(
        update(
            &spec,
            &old,
            &json!({"r": "", "lm": [{"k": "b"}, {"k": "a", "v": "long"}]})
        )
        .is_empty()
    );
    assert_eq!(
        update(&spec, &old, &json!({"r": "", "lm": [{"k": "b", "v": "long"}]})),
        ["spec.lm[0].v: Too long: may not be more than 1 byte"]
    );
}

/// SCH-58: the order of a map in list form is no change, and what the schema does not describe always is one.
#[test]
fn what_counts_as_unchanged() {
    let spec = json!({"type": "object", "properties": {
        "l": {"type": "array", "maxItems": 1, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "n"], "items": {
            "type": "object", "required": ["k", "n"], "properties": {
                "k": {"type": "string"}, "n": {"type": "integer"}, "v": {"type": "string"}}}},
        "s": {"type": "array", "maxItems": 1, "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "p": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "minProperties": 9,
            "properties": {"a": {"type": "string", "minLength": 9}}},
    }});
    let told = |old: &Value, new: &Value| {
        let found = update(&spec, old, new);
        found
            .iter()
            .map(|text| text.split(": ").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let (a, b) = (json!({"k": "a", "n": 1, "v": "x"}), json!({"k": "a", "n": 2}));
    assert_eq!(
        told(&json!({"l": [a, b]}), &json!({"l": [b, a], "s": []})),
        [""; 0]
    );
    assert_eq!(
        told(
            &json!({"l": [a, b]}),
            &json!({"l": [a, {"k": "a", "n": 2, "v": "y"}]})
        ),
        ["spec.l"]
    );
    assert_eq!(
        told(&json!({"l": [a, b]}), &json!({"l": [a, {"k": "a", "n": 3}]})),
        ["spec.l"]
    );
    assert_eq!(
        told(&json!({"s": ["a", "b"]}), &json!({"s": ["b", "a"]})),
        ["spec.s"]
    );
    assert_eq!(
        told(&json!({"s": ["a", "b"]}), &json!({"s": ["a", "b"], "l": []})),
        [""; 0]
    );
    assert_eq!(
        told(&json!({"p": {"a": "x"}}), &json!({"p": {"a": "x"}, "s": []})),
        [""; 0]
    );
    let open = json!({"p": {"a": "x", "zz": 1}});
    assert_eq!(told(&open, &open), ["spec.p"]);
}

/// SCH-58: upstream does not correlate inside junctors.
#[test]
fn junctors_are_not_forgiven_in_parts() {
    let spec = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"properties": {"a": {"enum": ["x"]}}}, {"required": ["b"]}]});
    assert!(update(&spec, &json!({"a": "y"}), &json!({"a": "y"})).is_empty());
    let errors = update(&spec, &json!({"a": "y"}), &json!({"a": "z"}));
    assert_eq!(
        errors[0],
        "<nil>: Invalid value: \"\": \"spec\" must validate at least one schema (anyOf)"
    );
}

/// SCH-44: duplicates that were there before stay allowed.
#[test]
fn duplicates_in_sets_and_maps() {
    let spec = json!({"type": "object", "properties": {
        "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {
            "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "v": {"type": "string"}}}},
    }});
    let errors = validate(
        &json!({"spec": {"s": ["a", "b", "a", "a"], "m": [{"name": "a"}, {"name": "a", "v": "x"}]}}),
        None,
        &schema(&spec),
    );
    assert_eq!(
        message(&errors),
        "[spec.m[1]: Duplicate value: {\"name\":\"a\"}, spec.s[2]: Duplicate value: \"a\"]"
    );
    assert!(
        update(
            &spec,
            &json!({"s": ["a", "a"]}),
            &json!({"s": ["a", "a", "b", "b"]})
        )
        .is_empty()
    );
}

/// SCH-67: the status subresource sees the status alone, under its own path.
#[test]
fn status_is_validated_alone() {
    let schema = schema(&json!({"type": "object", "required": ["x"]}));
    let object = json!({"spec": {}, "status": {"replicas": -1, "set": ["a", "a"]}});
    assert_eq!(
        message(&validate_status(&object, None, &schema)),
        "[status.replicas: Invalid value: -1: replicas in body should be greater than or equal to 0, \
         status.set[1]: Duplicate value: \"a\"]"
    );
    assert!(validate_status(&object, Some(&object), &schema).is_empty());
    assert!(validate_status(&json!({}), None, &schema).is_empty());
}

/// SCH-58: rules need values of the declared types, and are not held against other mistakes.
#[test]
fn rules_are_skipped_where_values_have_wrong_types() {
    let schema = schema(
        &json!({"type": "object", "properties": {"l": {"type": "array", "items": {
        "type": "integer", "maximum": 5, "x-kubernetes-validations": [{"rule": "self > 0", "reason": "FieldValueForbidden"}]}}}}),
    );
    let told = |l: Value| message(&validate(&json!({"spec": {"l": l}}), None, &schema));
    assert_eq!(told(json!([1, 0])), "spec.l[1]: Forbidden: failed rule: self > 0");
    assert_eq!(
        told(json!([6, 0])),
        "[spec.l[0]: Invalid value: 6: spec.l[0] in body should be less than or equal to 5, \
         spec.l[1]: Forbidden: failed rule: self > 0]"
    );
    assert_eq!(
        told(json!(["x", 0])),
        "[spec.l[0]: Invalid value: \"string\": spec.l[0] in body must be of type integer: \"string\", \
         <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; \
         correct the existing errors to complete validation]"
    );
    let rules = schema.rules();
    assert_eq!(
        (rules[0].0.as_str(), rules[0].1.rule.as_str()),
        ("spec.l[]", "self > 0")
    );
    assert!(!blocks_rules(&[FieldError::invalid("spec", 1, "too small")]));
}

/// A broken pattern in a schema that was never checked matches nothing, rather than everything.
#[test]
fn a_pattern_that_does_not_compile_matches_nothing() {
    let node = Node::decode(&json!({"type": "string", "pattern": "("}));
    assert_eq!(validate_value(&json!("a"), None, &node, "").len(), 1);
}

/// Nesting is bounded by the JSON parser; schemas as deep as a server takes are walked.
#[test]
fn deep_schemas_and_objects() {
    let (mut schema, mut object) = (json!({"type": "string"}), json!("x"));
    for _ in 0..300 {
        schema = json!({"type": "object", "properties": {"p": schema}});
        object = json!({ "p": object });
    }
    let schema = Structural::from_json(&schema).expect("300 levels are accepted");
    assert!(crate::prepare(&mut object, &schema).is_empty());
    assert!(validate(&object, None, &schema).is_empty());
}

/// Many mistakes, and many of them the same: each is compared with those before by its text alone, not one by one.
#[test]
fn many_mistakes_in_junctors() {
    let spec = json!({"type": "object", "properties": {"l": {"type": "array", "items": {
        "type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}]}}}});
    let items: Vec<Value> = (0..10_000).map(|_| json!({})).collect();
    let errors = validate(&json!({"spec": {"l": items}}), None, &schema(&spec));
    assert_eq!(errors.len(), 20_000);
    assert_eq!(message(&errors).matches("anyOf").count(), 10_000);
    // An unchanged list is forgiven, whatever was told about its items.
    let old = json!({"spec": {"l": items}});
    assert_eq!(validate(&old, Some(&old), &schema(&spec)), []);
    let twice = [errors.clone(), errors].concat();
    assert_eq!(message(&twice).matches("anyOf").count(), 10_000);
}

/// Any JSON that fits the fields of the schema below now and then.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..50).prop_map(Value::from),
        (-5.0_f64..50.0).prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "name", "zz"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|map| {
                Value::Object(
                    map.into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

fn busy_schema() -> Structural {
    schema(&json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string", "default": "x", "maxLength": 2},
        "b": {"type": "integer", "minimum": 0, "multipleOf": 2, "nullable": true, "default": 4},
        "c": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {
            "type": "object", "properties": {
                "name": {"type": "string", "default": "n"}, "b": {"type": "number", "default": 1}}}},
        "d": {"type": "object", "additionalProperties": {"type": "object", "default": {"e": 1}, "properties": {
            "e": {"type": "integer"}, "f": {"type": "string", "default": "f"}}}},
        "e": {"x-kubernetes-preserve-unknown-fields": true, "type": "object", "properties": {
            "a": {"type": "object", "properties": {"b": {"type": "string"}}}}},
        "f": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"], "properties": {"b": {"enum": ["a", "b"]}}}]},
    }}))
}

/// SCH-44: what is written the same is the same, however it is held in memory; a hash alone condemns nobody.
#[test]
fn equal_entries_are_found_in_lists_of_any_length() {
    let spec = json!({"type": "object", "properties": {
        "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"x-kubernetes-preserve-unknown-fields": true}},
    }});
    let schema = schema(&spec);
    let found = |items: Vec<Value>| validate(&json!({"spec": {"s": items}}), None, &schema).len();
    let distinct = |count: i64| {
        (0..count)
            .map(|n| json!({"a": n, "b": [n, "x"], "c": null}))
            .collect::<Vec<_>>()
    };
    for count in [2, 16, 17, 300] {
        assert_eq!(found(distinct(count)), 0, "{count}");
        let repeated = [distinct(count), vec![json!({"c": null, "b": [1.0, "x"], "a": 1})]].concat();
        assert_eq!(found(repeated), 1, "{count}");
    }
    assert_eq!(
        found(vec![
            json!(0),
            json!(false),
            json!(""),
            json!([]),
            json!({}),
            json!(1.5)
        ]),
        0
    );
}

/// Where pruning, defaulting and nulls meet.
fn odd_schema() -> Structural {
    schema(&json!({"type": "object", "properties": {
        "a": {"type": "string", "default": "x"},
        "b": {"type": "integer", "nullable": true, "default": 4},
        "c": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "a": {"type": "object", "default": {"c": "q"}, "properties": {"b": {"type": "integer", "default": 1}, "c": {"type": "string"}}}}},
        "d": {"type": "object", "additionalProperties": {"type": "object", "default": {"zz": 1}, "properties": {
            "e": {"type": "array", "items": {"type": "integer", "default": 3}}, "f": {"type": "string", "default": "f"}}}},
        "name": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {
            "a": {"type": "array", "x-kubernetes-preserve-unknown-fields": true, "items": {
                "type": "object", "properties": {"b": {"type": "integer", "default": 1}}}},
            "metadata": {"type": "object", "default": {"name": "x"}, "properties": {"name": {"type": "string", "default": "y"}}},
            "b": {"type": "object", "additionalProperties": true}}},
        "zz": {"type": "array", "items": {"type": "array", "items": {"type": "integer", "default": 7}}},
    }}))
}

/// Each type under each check, whether it applies or not.
fn checked_nodes() -> Vec<Node> {
    let types = [
        json!({}),
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": "number"}),
        json!({"type": "boolean"}),
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer", "maximum": 9}}}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "array", "items": {"type": "integer"}}),
        json!({"x-kubernetes-int-or-string": true}),
    ];
    let checks = [
        json!({}),
        json!({"nullable": true}),
        json!({"enum": ["a", 1, 2.5, true, {}, [], {"a": "b"}]}),
        json!({"format": "date"}),
        json!({"format": "byte"}),
        json!({"format": "int32"}),
        json!({"format": "float"}),
        json!({"pattern": "^a", "maxLength": 2}),
        json!({"minLength": 2}),
        json!({"minimum": 3, "exclusiveMinimum": true, "maximum": 7}),
        json!({"multipleOf": 2}),
        json!({"minItems": 1, "maxItems": 2}),
        json!({"minProperties": 1, "maxProperties": 2, "required": ["a", "zz"]}),
        json!({"required": ["a"]}),
        json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "b"}),
        json!({"oneOf": [{"minLength": 1}, {"required": ["a"]}]}),
        json!({"not": {"enum": ["a"]}}),
    ];
    let with = |(kind, check): (&Value, &Value)| {
        let parts = [kind, check].map(|part| part.as_object().cloned().unwrap_or_default());
        Node::decode(&Value::Object(parts.into_iter().flatten().collect()))
    };
    types
        .iter()
        .flat_map(|kind| checks.iter().map(move |check| (kind, check)))
        .map(with)
        .collect()
}

proptest! {
    /// The quick walk knows short ways for types under usual checks; all of them lead where the full one does.
    #[test]
    fn both_walks_agree_on_each_check(value in values()) {
        for node in checked_nodes() {
            let mut full = Full::default();
            walk(&value, None, &node, &Path::Root, &mut full);
            prop_assert_eq!(Quick::judge(&value, &node).failed, !full.errors.is_empty(), "{} by {:?}", value, node);
        }
    }

    /// Pruning and defaulting twice is the same as once, and nothing is unknown the second time.
    #[test]
    fn preparing_is_idempotent(spec in values()) {
        let schema = busy_schema();
        let mut object = json!({"spec": spec});
        crate::prepare(&mut object, &schema);
        let once = object.clone();
        prop_assert!(crate::prune(&mut object, &schema).is_empty());
        prop_assert_eq!(&object, &once);
        crate::default(&mut object, &schema);
        prop_assert_eq!(&object, &once);
        prop_assert!(crate::prepare(&mut object, &schema).is_empty());
        prop_assert_eq!(&object, &once);
    }

    /// One walk does what its steps do one after another.
    #[test]
    fn preparing_is_its_steps(spec in values(), plain in any::<bool>()) {
        let schema = odd_schema();
        let mut object = if plain { spec } else { json!({"spec": spec, "metadata": {"zz": 1.0}, "kind": null}) };
        let mut by_steps = object.clone();
        let unknown = crate::prepare(&mut object, &schema);
        crate::normalize_numbers(&mut by_steps);
        crate::drop_nulls(&mut by_steps, &schema);
        crate::default(&mut by_steps, &schema);
        prop_assert_eq!(unknown, crate::prune(&mut by_steps, &schema));
        prop_assert_eq!(object, by_steps);
    }

    /// What is prepared is judged the same, however often it is prepared, and an unchanged object is accepted.
    #[test]
    fn judging_is_stable(spec in values()) {
        let schema = busy_schema();
        let mut object = json!({"spec": spec});
        crate::prepare(&mut object, &schema);
        let errors = validate(&object, None, &schema);
        crate::prepare(&mut object, &schema);
        prop_assert_eq!(validate(&object, None, &schema), errors);
        if unchanged(&object, &object, &schema.root) {
            prop_assert_eq!(validate(&object, Some(&object), &schema), vec![]);
        }
    }

    /// The quick walk and the full one agree, on raw values too.
    #[test]
    fn both_walks_agree(value in values()) {
        let schema = busy_schema();
        let object = json!({ "spec": value });
        let quick = Quick::judge(&object, &schema.root);
        let mut full = Full::default();
        walk(&object, None, &schema.root, &Path::Root, &mut full);
        prop_assert_eq!(quick.failed, !full.errors.is_empty());
        let mut repeated = Vec::new();
        lists::validate_lists(&object, &schema.root, &Path::Root, &mut repeated);
        prop_assert!(repeated.is_empty() || quick.may_repeat(), "{repeated:?}");
    }
}

/// How deep a value may be does not hang on whether the schema describes it.
#[test]
fn depth_is_seen_where_the_schema_says_nothing() {
    let nested = |levels: usize| (0..levels).fold(Value::Bool(true), |inner, _| json!([inner]));
    let kept = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let listed = json!({"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": true}});
    let schema = schema(&json!({"type": "object", "properties": {"kept": kept, "listed": listed}}));
    let too_deep = |field: &str, levels: usize| {
        let object = json!({"spec": {field: [nested(levels)]}});
        let object = match field {
            "kept" => json!({"spec": {"kept": {"a": nested(levels)}}}),
            _ => object,
        };
        let errors = validate(&object, None, &schema);
        errors
            .iter()
            .any(|error| error.detail.contains("must not nest deeper"))
    };
    for field in ["kept", "listed"] {
        // The object, `spec` and the field itself are three levels.
        assert!(!too_deep(field, crate::DEPTH_LIMIT - 3), "{field}");
        assert!(too_deep(field, crate::DEPTH_LIMIT - 2), "{field}");
    }
}
