use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Structural, message_of};

fn crd(field: &Value) -> Value {
    let mut crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "properties": {"f": field}}},
            }}}],
        },
    });
    default(&mut crd);
    crd
}

fn string() -> Value {
    crd(&json!({"type": "string"}))
}

fn with(pointer: &str, value: Value) -> Value {
    let mut crd = string();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    crd.pointer_mut(parent).expect("the parent is there")[key] = value;
    crd
}

/// SCH-61, SCH-65.
#[test]
fn defaults_are_the_servers() {
    let crd = string();
    assert_eq!(crd["spec"]["names"]["singular"], "foo");
    assert_eq!(crd["spec"]["names"]["listKind"], "FooList");
    assert_eq!(crd["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
    assert!(validate(&crd).is_empty());
    let mut webhook = with(
        "/spec/conversion",
        json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "n", "namespace": "ns"}}}}),
    );
    default(&mut webhook);
    assert_eq!(
        webhook["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["port"],
        443
    );
    assert!(validate(&webhook).is_empty());
}

/// SCH-71: group and plural never change; scope and kind not once the kind is served; stored versions stay.
#[test]
fn what_must_not_change() {
    let mut old = string();
    let texts = |new: &Value, old: &Value| message_of(&validate_update(new, old));
    assert!(validate_update(&old, &old).is_empty());
    assert!(
        texts(&with("/spec/group", "other.com".into()), &old)
            .contains("spec.group: Invalid value: \"other.com\": field is immutable")
    );
    let cluster = with("/spec/scope", "Cluster".into());
    assert!(validate_update(&cluster, &old).is_empty());
    old["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    assert_eq!(
        texts(&cluster, &old),
        "spec.scope: Invalid value: \"Cluster\": field is immutable"
    );
    let mut renamed = old.clone();
    renamed["spec"]["versions"][0]["name"] = "v2".into();
    renamed["status"]["storedVersions"] = json!(["v1", "v2"]);
    assert!(
        texts(&renamed, &old)
            .starts_with("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions")
    );
}

/// An update may keep what a new CRD could not have.
#[test]
fn updates_are_judged_by_what_is_stored() {
    let loose_key = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": {"type": "string"}}}});
    let granular_set = json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}});
    let unpruned = json!({"type": "object", "default": {"zz": 1}});
    let odd_type = json!({"type": "odd"});
    for field in [loose_key, granular_set, unpruned, odd_type] {
        let stored = crd(&field);
        assert!(!validate(&stored).is_empty(), "{field} is refused when new");
        assert_eq!(validate_update(&stored, &stored), [], "{field} may stay");
        assert!(
            !validate_update(&stored, &string()).is_empty(),
            "{field} may not come in"
        );
    }
}

/// What stands around the schemas may stay too, as long as it is as it was.
#[test]
fn updates_may_keep_what_is_around_the_schemas() {
    let text = |new: &Value, old: &Value| message_of(&validate_update(new, old));
    let without_schema = |served: bool| {
        let mut crd = with("/spec/versions/0/served", served.into());
        crd["spec"]["versions"][0]
            .as_object_mut()
            .unwrap()
            .remove("schema");
        crd
    };
    let field = "spec.versions[0].schema.openAPIV3Schema: Required value";
    assert_eq!(message_of(&validate(&without_schema(false))), field);
    assert_eq!(text(&without_schema(false), &string()), field);
    assert_eq!(
        validate_update(&without_schema(false), &without_schema(false)),
        []
    );
    assert_eq!(
        text(&without_schema(true), &without_schema(true)),
        format!("{field}: because otherwise all fields are pruned")
    );

    let reviewed = |version: &str| {
        let webhook =
            json!({"conversionReviewVersions": [version], "clientConfig": {"url": "https://a.example/c"}});
        with(
            "/spec/conversion",
            json!({"strategy": "Webhook", "webhook": webhook}),
        )
    };
    assert_eq!(validate(&reviewed("v1")), []);
    assert!(!validate(&reviewed("v9")).is_empty());
    assert!(!validate_update(&reviewed("v9"), &string()).is_empty());
    assert!(!validate_update(&reviewed("v9"), &reviewed("v1")).is_empty());
    assert_eq!(validate_update(&reviewed("v9"), &reviewed("v9")), []);

    let selectable = |count: usize| {
        let names: Vec<String> = (0..count).map(|index| format!("f{index}")).collect();
        let properties: Map<String, Value> = (0..12)
            .map(|index| (format!("f{index}"), json!({"type": "string"})))
            .collect();
        let mut crd = crd(&json!({"type": "object", "properties": properties}));
        crd["spec"]["versions"][0]["selectableFields"] = names
            .iter()
            .map(|name| json!({"jsonPath": format!(".spec.f.{name}")}))
            .collect();
        crd
    };
    assert_eq!(validate(&selectable(8)), []);
    assert!(message_of(&validate(&selectable(9))).contains("Too many: 9: must have at most 8 items"));
    assert!(!validate_update(&selectable(9), &selectable(8)).is_empty());
    assert!(!validate_update(&selectable(10), &selectable(9)).is_empty());
    assert_eq!(validate_update(&selectable(9), &selectable(9)), []);
}

/// A schema of the time before pruning need not be structural, unless it has what needs that.
#[test]
fn preserved_objects_need_no_structural_schema() {
    let old = |field: Value| {
        let mut crd = crd(&field);
        crd["spec"]["preserveUnknownFields"] = true.into();
        crd
    };
    let loose = old(json!({"description": "no type"}));
    assert!(!validate(&loose).is_empty());
    assert_eq!(validate_update(&loose, &loose), []);
    assert!(!validate_update(&loose, &old(json!({"type": "string"}))).is_empty());
    assert!(!validate_update(&crd(&json!({"description": "no type"})), &loose).is_empty());
    let extended = old(json!({"description": "no type", "x-kubernetes-map-type": "atomic"}));
    assert!(!validate_update(&extended, &loose).is_empty());
    let defaulted = old(json!({"type": "string", "default": "a"}));
    assert_eq!(
        message_of(&validate_update(&defaulted, &loose)),
        "spec.preserveUnknownFields: Invalid value: true: must be false in order to use defaults in the schema"
    );
}

/// SCH-60: an approval that was missing may stay missing.
#[test]
fn protected_groups() {
    let mut new = string();
    new["spec"]["group"] = "foo.k8s.io".into();
    new["metadata"]["name"] = "foos.foo.k8s.io".into();
    let text = message_of(&validate(&new));
    assert!(
        text.starts_with(
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups"
        )
    );
    assert!(validate_update(&new, &new).is_empty());
    new["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "unapproved, experimental"});
    assert!(validate(&new).is_empty());
}

/// SCH-25: an update warns of new formats only.
#[test]
fn formats_that_nobody_checks() {
    let odd = crd(&json!({"type": "integer", "format": "uint32"}));
    assert_eq!(unrecognized_formats(&odd, None), ["uint32"]);
    assert!(unrecognized_formats(&odd, Some(&odd)).is_empty());
    assert!(unrecognized_formats(&string(), None).is_empty());
}

/// A schema is read once for all of its rules, patterns are not compiled, and lists are looked through once.
#[test]
fn many_rules_patterns_and_values() {
    let rules: Vec<Value> = (0..5000)
        .map(|i| json!({"rule": "true", "fieldPath": format!(".p{i}")}))
        .collect();
    let names: Vec<String> = (0..5000).map(|i| format!("p{i}")).collect();
    let properties: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| {
            (
                name.clone(),
                json!({"type": "string", "pattern": r"^[\pL\pN]{1,500}$"}),
            )
        })
        .collect();
    let large = crd(
        &json!({"type": "object", "properties": properties, "required": names,
        "x-kubernetes-validations": rules}),
    );
    assert_eq!(validate(&large), []);
    let values: Vec<String> = (0..20_000).map(|i| format!("v{}", i / 2)).collect();
    let enums = crd(&json!({"type": "string", "enum": values}));
    let repeated = crate::lint(&enums)
        .iter()
        .filter(|lint| lint.id == "repeated-value")
        .count();
    assert_eq!(repeated, 10_000);
}

/// SCH-34, SCH-50: what the server tells of rules beside mistakes of the schema, in its words.
#[test]
fn rules_beside_other_mistakes() {
    let texts = |field: &Value| message_of(&validate(&crd(field)));
    let rule = |extra: Value| {
        let mut rule = json!({"rule": "true"});
        if let (Some(rule), Value::Object(extra)) = (rule.as_object_mut(), extra) {
            rule.extend(extra);
        }
        json!([rule])
    };
    let untyped = json!({"x-kubernetes-preserve-unknown-fields": true, "default": 2,
        "x-kubernetes-validations": rule(json!({}))});
    let told = texts(&untyped);
    assert!(
        told.ends_with(
            ".default: Invalid value: \"\": rule compiler initialization error: failed to convert to declType for CEL \
             validation rules"
        ),
        "{told}"
    );
    // A path is followed where a structural schema can be made of the node.
    let mut path = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "x-kubernetes-validations": rule(json!({"fieldPath": ".zz"}))});
    assert!(texts(&path).contains("fieldPath: Invalid value: \".zz\": must be a valid path"));
    path["properties"]["a"]["$ref"] = "#/x".into();
    let told = texts(&path);
    assert!(
        told.contains("$ref is not supported") && !told.contains("fieldPath"),
        "{told}"
    );
    // Of a map expressions know no declared properties, whose rules are not run on defaults.
    let both = json!({"type": "object", "additionalProperties": {"type": "string"}, "default": {"a": "x"},
        "properties": {"a": {"type": "string", "x-kubernetes-validations": [{"rule": "false"}]}}});
    let told = texts(&both);
    assert!(
        told.contains("additionalProperties and properties are mutual exclusive")
            && !told.contains("default"),
        "{told}"
    );
    let null = json!({"type": "object", "properties": {"a": {"type": "null"}}, "default": {"a": 1}});
    let told = texts(&null);
    assert!(told.contains("must be of type null: \"integer\""), "{told}");
}

/// Defaults of embedded resources: metadata is decoded, not pruned, so that an empty part of it is no unknown field.
#[test]
fn defaults_of_embedded_resources() {
    let with = |metadata: Value| {
        crd(&json!({
            "type": "object",
            "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true,
            "default": {"apiVersion": "v1", "kind": "Pod", "metadata": metadata},
        }))
    };
    assert_eq!(validate(&with(json!({"labels": {}}))), []);
    assert_eq!(validate(&with(json!({"labels": {"a": "b"}, "name": ""}))), []);
    let text = message_of(&validate(&with(json!({"labels": []}))));
    assert!(
        text.contains("ObjectMeta.labels of type map[string]string"),
        "{text}"
    );
}

/// Input of any form gets an answer, never a panic.
#[test]
fn odd_input() {
    for mut odd in [
        json!(null),
        json!([]),
        json!({"spec": 1}),
        json!({"spec": {"versions": [1, {"schema": []}], "names": [], "conversion": "x"}}),
        json!({"metadata": [], "status": 3}),
    ] {
        let decoded = decode(&mut odd);
        default(&mut odd);
        assert!(decoded.is_err() || !validate(&odd).is_empty(), "{odd}");
        let _ = validate_update(&odd, &odd);
        let _ = unrecognized_formats(&odd, None);
    }
}

/// Fragments of schemas, right and wrong.
fn schemas() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec![
        "string", "integer", "number", "boolean", "object", "array", "null", "odd",
    ]);
    let leaf = prop_oneof![
        kinds.prop_map(|kind| json!({ "type": kind })),
        Just(json!({})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"type": "string", "enum": ["a"], "default": "b"})),
        Just(json!({"type": "string", "pattern": "("})),
        Just(json!({"type": "integer", "default": 1, "minimum": 0})),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            inner
                .clone()
                .prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            (inner.clone(), inner.clone()).prop_map(
                |(a, b)| json!({"type": "object", "properties": {"a": a, "b": b}, "required": ["a"]})
            ),
            (inner.clone(), inner)
                .prop_map(|(a, b)| json!({"type": "object", "properties": {"a": a}, "anyOf": [b]})),
        ]
    })
}

/// What a linter should see, in the places where it may be overlooked.
fn doubtful() -> impl Strategy<Value = Value> {
    let alter = prop::sample::select(vec![
        json!({"const": "a"}),
        json!({"default": null}),
        json!({"maximum": u64::MAX}),
        json!({"minimum": -9_007_199_254_740_993_i64}),
        json!({"required": []}),
        json!({"x-foo": null}),
        json!({"externalDocs": {"url": "https://a.example", "odd": 1}}),
        json!({"items": 5}),
        json!({"title": null, "nullable": false}),
        json!({}),
    ]);
    (schemas(), alter, 0..5_usize).prop_map(|(mut schema, alter, place)| {
        let schema_map = schema.as_object_mut().expect("schemas are objects");
        schema_map.extend(alter.as_object().cloned().unwrap_or_default());
        match place {
            0 => schema,
            1 => json!({"type": "array", "items": schema}),
            2 => json!({"type": "object", "additionalProperties": schema}),
            3 => json!({"type": "object", "properties": {"default": schema}}),
            _ => json!({"type": "array", "items": {"type": "object", "properties": {"p": schema}}}),
        }
    })
}

/// Whether all that was sent is stored, but for empty values.
fn is_kept(sent: &Value, stored: &Value) -> bool {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(stored)) => {
            sent.iter().all(|(key, value)| match stored.get(key) {
                Some(stored) => is_kept(value, stored),
                None => matches!(value, Value::Null | Value::Bool(false)) || *value == json!([]),
            })
        }
        (Value::Array(sent), Value::Array(stored)) => {
            sent.len() == stored.len()
                && sent
                    .iter()
                    .zip(stored)
                    .all(|(sent, stored)| is_kept(sent, stored))
        }
        _ => sent == stored,
    }
}

proptest! {
    /// The linter's invariant: what it finds no error in is accepted with strict decoding, and stored as it was sent.
    #[test]
    fn lint_clean_crds_are_stored_unchanged(field in doubtful()) {
        let sent = crd(&field);
        let clean = crate::lint(&sent).iter().all(|lint| lint.severity != crate::Severity::Error);
        if clean {
            let mut stored = sent.clone();
            prop_assert_eq!(decode(&mut stored), Ok(vec![]));
            default(&mut stored);
            prop_assert_eq!(validate(&stored), vec![]);
            prop_assert!(is_kept(&sent["spec"], &stored["spec"]), "{sent} became {stored}");
            prop_assert!(!field.to_string().contains("\"default\":null"), "{field}");
        }
    }

    /// The invariant of this module: an accepted CRD has a schema, and defaults that prune away nothing and are valid.
    #[test]
    fn accepted_crds_have_structural_schemas(field in schemas()) {
        let mut crd = crd(&field);
        if decode(&mut crd).is_ok() && validate(&crd).is_empty() {
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let structural = Structural::from_json(schema);
            prop_assert!(structural.is_ok(), "{schema}");
            let structural = structural.expect("just seen");
            let mut object = json!({"spec": {}});
            prop_assert!(crate::prepare(&mut object, &structural).is_empty());
            prop_assert_eq!(crate::validate(&object, None, &structural), vec![]);
        }
    }

    /// Decoding is idempotent, and so is what the server fills in.
    #[test]
    fn decoding_twice_changes_nothing(field in schemas()) {
        let mut crd = crd(&field);
        if decode(&mut crd).is_ok() {
            let once = crd.clone();
            prop_assert_eq!(decode(&mut crd), Ok(vec![]));
            default(&mut crd);
            prop_assert_eq!(crd, once);
        }
    }
}

/// SCH-35: in messages a key of a map stands after a dot, though nothing stands before it; in fields it does not.
#[test]
fn defaults_of_maps() {
    let schema = json!({"type": "object", "properties": {"m": {
        "type": "object", "default": {"a": 1}, "additionalProperties": {"type": "string"}}}});
    let errors = crate::Structural::from_json(&schema).unwrap_err();
    assert_eq!(
        crate::message_of(&errors),
        "openAPIV3Schema.properties[m].default.a: Invalid value: \"integer\": .a in body must be of type string: \"integer\""
    );
}
