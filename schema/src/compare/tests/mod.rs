//! Each row of the module's tables.

mod levels;

use serde_json::{Value, json};

use super::Verdict::{Breaking, Safe, Undecided};
use super::{Change, ChangeKind, Verdict, compare, compare_crds};
use crate::structural::Structural;

fn schema(field: &Value) -> Structural {
    let spec = json!({"type": "object", "properties": {"f": field}});
    Structural::from_json(&json!({"type": "object", "properties": {"spec": spec}}))
        .unwrap_or_else(|errors| panic!("{field}: {errors:?}"))
}

fn field(old: &Value, new: &Value) -> Vec<Change> {
    compare(&schema(old), &schema(new))
}

/// The only change, in short.
#[track_caller]
fn one(old: &Value, new: &Value) -> (&'static str, Verdict, Verdict) {
    let changes = field(old, new);
    assert_eq!(changes.len(), 1, "{old} {new}: {changes:?}");
    (changes[0].kind.id(), changes[0].stored, changes[0].readers)
}

#[track_caller]
fn both_ways(old: &Value, new: &Value, id: &str, there: [Verdict; 2], back: [Verdict; 2]) {
    assert_eq!(one(old, new), (id, there[0], there[1]), "{old} {new}");
    assert_eq!(one(new, old), (id, back[0], back[1]), "{new} {old}");
}

const TIGHTER: [Verdict; 2] = [Breaking, Safe];
const LOOSER: [Verdict; 2] = [Safe, Breaking];
const UNKNOWN: [Verdict; 2] = [Undecided; 2];

#[test]
fn equal_schemas_and_texts_for_people() {
    let old =
        json!({"type": "object", "description": "a", "properties": {"a": {"type": "string", "format": "x"}}});
    let new =
        json!({"type": "object", "title": "b", "properties": {"a": {"type": "string", "example": "z"}}});
    assert_eq!(field(&old, &new), []);
}

#[test]
fn fields_come_and_go() {
    let with = |properties: Value| json!({"type": "object", "properties": properties});
    let a = with(json!({"a": {"type": "string"}}));
    let ab = with(json!({"a": {"type": "string"}, "b": {"type": "string"}}));
    assert_eq!(one(&a, &ab), ("field-added", Safe, Safe));
    assert_eq!(one(&ab, &a), ("field-removed", Breaking, Safe));
    let defaulted = with(json!({"a": {"type": "string"}, "b": {"type": "string", "default": "x"}}));
    assert_eq!(one(&a, &defaulted), ("field-added", Safe, Safe));
    assert_eq!(one(&defaulted, &a), ("field-removed", Breaking, Breaking));
    let limited = |mut schema: Value| {
        schema["maxProperties"] = 1.into();
        schema
    };
    assert_eq!(
        one(&limited(a.clone()), &limited(defaulted)),
        ("field-added", Undecided, Safe)
    );
    // Unknown fields are kept.
    let kept = |mut schema: Value| {
        schema["x-kubernetes-preserve-unknown-fields"] = true.into();
        schema
    };
    assert_eq!(
        one(&kept(a.clone()), &kept(ab.clone())),
        ("field-added", Breaking, Safe)
    );
    assert_eq!(
        one(&kept(ab), &kept(a.clone())),
        ("field-removed", Safe, Breaking)
    );
    // A default that is refused once it is filled in.
    let refused = with(
        json!({"a": {"type": "string"}, "b": {"type": "array", "default": ["x", "x"],
        "items": {"type": "string"}, "x-kubernetes-list-type": "set"}}),
    );
    assert_eq!(one(&a, &refused), ("field-added", Breaking, Safe));
    // One field becomes one of a map.
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let ids: Vec<_> = field(&a, &map)
        .iter()
        .map(|change| (change.kind.id(), change.stored))
        .collect();
    assert_eq!(ids, [("field-removed", Safe), ("additional-properties", Safe)]);
}

#[test]
fn metadata_of_resources_is_known() {
    let root = |properties: Value| {
        Structural::from_json(&json!({"type": "object", "properties": properties})).unwrap()
    };
    let plain = root(json!({"metadata": {"type": "object"}, "kind": {"type": "string"}}));
    let changes = compare(&root(json!({"spec": {"type": "string"}})), &plain);
    assert_eq!(changes[0].kind, ChangeKind::FieldRemoved);
    assert!(
        changes[1..].iter().all(|change| change.verdict() == Safe),
        "{changes:?}"
    );
    let named = root(
        json!({"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}}),
    );
    let changes = compare(&root(json!({})), &named);
    assert_eq!(
        (changes[0].kind, changes[0].stored),
        (ChangeKind::FieldAdded, Breaking)
    );
    let changes = compare(&named, &root(json!({})));
    assert_eq!(
        (changes[0].kind, changes[0].stored, changes[0].readers),
        (ChangeKind::FieldRemoved, Safe, Breaking)
    );
}

#[test]
fn types_and_null() {
    let of = |kind: &str| json!({ "type": kind });
    both_ways(&of("integer"), &of("number"), "type", LOOSER, TIGHTER);
    both_ways(
        &of("integer"),
        &json!({"x-kubernetes-int-or-string": true}),
        "type",
        LOOSER,
        TIGHTER,
    );
    both_ways(
        &of("integer"),
        &of("string"),
        "type",
        [Breaking; 2],
        [Breaking; 2],
    );
    both_ways(
        &of("string"),
        &json!({"x-kubernetes-preserve-unknown-fields": true, "type": "string"}),
        "preserve-unknown-fields",
        [Safe; 2],
        TIGHTER,
    );
    both_ways(
        &of("string"),
        &json!({"type": "string", "nullable": true}),
        "nullable",
        LOOSER,
        TIGHTER,
    );
}

#[test]
fn formats() {
    let string = |format: &str| json!({"type": "string", "format": format});
    both_ways(
        &json!({"type": "string"}),
        &string("date"),
        "format",
        TIGHTER,
        LOOSER,
    );
    both_ways(&string("uuid4"), &string("uuid"), "format", LOOSER, TIGHTER);
    both_ways(
        &string("date"),
        &string("uuid"),
        "format",
        [Breaking; 2],
        [Breaking; 2],
    );
    let integer = |format: &str| json!({"type": "integer", "format": format});
    both_ways(&integer("int32"), &integer("int64"), "format", LOOSER, TIGHTER);
    both_ways(
        &json!({"type": "integer"}),
        &integer("int64"),
        "format",
        [Safe; 2],
        [Safe; 2],
    );
    // No server checks it.
    assert_eq!(field(&integer("uint32"), &integer("uint64")), []);
}

#[test]
fn bounds() {
    let with = |kind: &str, keyword: &str, limit: i32| {
        let mut schema = json!({"type": kind, keyword: limit});
        if kind == "array" {
            schema["items"] = json!({"type": "string"});
        }
        schema
    };
    for (kind, keyword) in [
        ("integer", "maximum"),
        ("number", "maximum"),
        ("string", "maxLength"),
        ("array", "maxItems"),
        ("object", "maxProperties"),
    ] {
        both_ways(
            &with(kind, keyword, 5),
            &with(kind, keyword, 4),
            "bounds",
            TIGHTER,
            LOOSER,
        );
        both_ways(
            &json!({"type": kind, "items": with(kind, keyword, 4).get("items")}),
            &with(kind, keyword, 4),
            "bounds",
            TIGHTER,
            LOOSER,
        );
    }
    for (kind, keyword) in [
        ("integer", "minimum"),
        ("number", "minimum"),
        ("string", "minLength"),
        ("array", "minItems"),
        ("object", "minProperties"),
    ] {
        both_ways(
            &with(kind, keyword, 4),
            &with(kind, keyword, 5),
            "bounds",
            TIGHTER,
            LOOSER,
        );
    }
    both_ways(
        &json!({"type": "string"}),
        &json!({"type": "string", "minLength": 0}),
        "bounds",
        [Safe; 2],
        [Safe; 2],
    );
    both_ways(
        &json!({"type": "number", "minimum": 1}),
        &json!({"type": "number", "minimum": 1, "exclusiveMinimum": true}),
        "bounds",
        TIGHTER,
        LOOSER,
    );
    both_ways(
        &json!({"type": "number", "maximum": 1}),
        &json!({"type": "number", "maximum": 1, "exclusiveMaximum": true}),
        "bounds",
        TIGHTER,
        LOOSER,
    );
}

#[test]
fn multiples() {
    let of = |factor: f64| json!({"type": "integer", "multipleOf": factor});
    both_ways(
        &json!({"type": "integer"}),
        &of(2.0),
        "multiple-of",
        TIGHTER,
        LOOSER,
    );
    both_ways(
        &of(4.0),
        &of(2.0),
        "multiple-of",
        [Safe, Undecided],
        [Undecided, Safe],
    );
    both_ways(&of(4.0), &of(3.0), "multiple-of", UNKNOWN, UNKNOWN);
}

#[test]
fn patterns_and_enums() {
    let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern});
    both_ways(
        &json!({"type": "string"}),
        &pattern("a"),
        "pattern",
        TIGHTER,
        LOOSER,
    );
    both_ways(&pattern("a"), &pattern("b"), "pattern", UNKNOWN, UNKNOWN);
    let values = |values: &[&str]| json!({"type": "string", "enum": values});
    both_ways(&values(&["a", "b"]), &values(&["b"]), "enum", TIGHTER, LOOSER);
    both_ways(
        &json!({"type": "string"}),
        &values(&["b"]),
        "enum",
        TIGHTER,
        LOOSER,
    );
    both_ways(
        &values(&["a"]),
        &values(&["b"]),
        "enum",
        [Breaking; 2],
        [Breaking; 2],
    );
    assert_eq!(field(&values(&["a", "b"]), &values(&["b", "a"])), []);
    let reason = field(&values(&["a"]), &values(&["b"]))[0].reason.clone();
    assert_eq!(
        reason,
        "values are gone: \"a\"; values are new, which old readers do not know: \"b\""
    );
}

#[test]
fn required_and_defaults() {
    let with = |required: &[&str], default: Option<&str>| {
        let mut schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if let Some(default) = default {
            schema["properties"]["a"]["default"] = default.into();
        }
        schema
    };
    both_ways(&with(&[], None), &with(&["a"], None), "required", TIGHTER, LOOSER);
    both_ways(
        &with(&[], Some("x")),
        &with(&["a"], Some("x")),
        "required",
        [Safe; 2],
        [Safe; 2],
    );
    both_ways(
        &with(&[], None),
        &with(&[], Some("x")),
        "default",
        TIGHTER,
        [Breaking; 2],
    );
    both_ways(
        &with(&["a"], None),
        &with(&["a"], Some("x")),
        "default",
        [Safe; 2],
        TIGHTER,
    );
    both_ways(
        &with(&[], Some("x")),
        &with(&[], Some("y")),
        "default",
        TIGHTER,
        TIGHTER,
    );
    // From required to defaulted: nobody notices.
    let changes = field(&with(&["a"], None), &with(&[], Some("x")));
    assert_eq!(changes.len(), 2);
    assert!(
        changes.iter().all(|change| change.verdict() == Safe),
        "{changes:?}"
    );
}

#[test]
fn conditions() {
    let with = |keyword: &str, members: Value| json!({"type": "string", keyword: members});
    for keyword in ["allOf", "anyOf"] {
        let of = |most: i32| with(keyword, json!([{"maxLength": most}]));
        both_ways(&json!({"type": "string"}), &of(3), "conditions", TIGHTER, LOOSER);
        both_ways(&of(3), &of(4), "conditions", [Safe, Undecided], [Undecided, Safe]);
    }
    let one_of = |most: i32| with("oneOf", json!([{"maxLength": most}, {"enum": ["abcdef"]}]));
    both_ways(
        &json!({"type": "string"}),
        &one_of(3),
        "conditions",
        TIGHTER,
        LOOSER,
    );
    both_ways(&one_of(3), &one_of(4), "conditions", UNKNOWN, UNKNOWN);
    let not = |most: i32| with("not", json!({"maxLength": most}));
    both_ways(&json!({"type": "string"}), &not(3), "conditions", TIGHTER, LOOSER);
    both_ways(
        &not(3),
        &not(4),
        "conditions",
        [Undecided, Safe],
        [Safe, Undecided],
    );
    let more = with("anyOf", json!([{"maxLength": 3}, {"pattern": "^a"}]));
    both_ways(
        &with("anyOf", json!([{"maxLength": 3}])),
        &more,
        "conditions",
        [Safe, Undecided],
        [Undecided, Safe],
    );
    let fields = |name: &str| {
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "allOf": [{"required": [name]}]})
    };
    both_ways(&fields("a"), &fields("b"), "conditions", UNKNOWN, UNKNOWN);
}

#[test]
fn rules_in_cel() {
    let with = |rules: Value| json!({"type": "string", "x-kubernetes-validations": rules});
    let plain = json!({"type": "string"});
    let rule = with(json!([{"rule": "self != 'a'"}]));
    assert_eq!(one(&plain, &rule), ("rule-added", Breaking, Safe));
    assert_eq!(one(&rule, &plain), ("rule-removed", Safe, Breaking));
    let worded = with(json!([{"rule": "self != 'a'", "message": "no"}]));
    assert_eq!(one(&rule, &worded), ("rule-message", Safe, Safe));
    let transition = |optional: bool| {
        with(json!([{"rule": "self != 'a' || dyn(oldSelf) == dyn('b')", "optionalOldSelf": optional}]))
    };
    assert_eq!(
        one(&transition(false), &transition(true)),
        ("rule-added", Breaking, Safe)
    );
    assert_eq!(
        one(&transition(true), &transition(false)),
        ("rule-removed", Safe, Breaking)
    );
}

#[test]
fn maps_and_lists() {
    let map = |values: Value| json!({"type": "object", "additionalProperties": values});
    let plain = json!({"type": "object"});
    let strings = map(json!({"type": "string"}));
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    both_ways(&plain, &strings, "additional-properties", [Safe; 2], TIGHTER);
    both_ways(
        &strings,
        &map(true.into()),
        "additional-properties",
        LOOSER,
        TIGHTER,
    );
    let objects = map(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    assert_eq!(
        one(&objects, &map(true.into())),
        ("additional-properties", Breaking, Breaking)
    );
    both_ways(
        &map(json!({"type": "string", "maxLength": 5})),
        &strings,
        "bounds",
        LOOSER,
        TIGHTER,
    );
    let changes = field(&map(json!({"type": "string", "maxLength": 5})), &strings);
    assert_eq!(changes[0].path, "spec.f[*]");
    let kinds: Vec<_> = field(&strings, &free)
        .iter()
        .map(|change| (change.kind.id(), change.stored, change.readers))
        .collect();
    assert_eq!(
        kinds,
        [
            ("preserve-unknown-fields", Safe, Safe),
            ("additional-properties", Safe, Breaking)
        ]
    );
    let kinds: Vec<_> = field(&free, &strings)
        .iter()
        .map(|change| (change.kind.id(), change.stored))
        .collect();
    assert_eq!(
        kinds,
        [
            ("preserve-unknown-fields", Breaking),
            ("additional-properties", Breaking)
        ]
    );
    both_ways(&plain, &free, "preserve-unknown-fields", [Safe; 2], TIGHTER);
    let resource = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-embedded-resource": true});
    both_ways(&free, &resource, "embedded-resource", TIGHTER, [Breaking; 2]);

    let items = json!({"type": "object", "required": ["k", "l"], "properties": {"k": {"type": "string"}, "l": {"type": "string"}}});
    let list = |kind: &str, keys: &[&str]| match kind {
        "map" => {
            json!({"type": "array", "items": items, "x-kubernetes-list-type": kind, "x-kubernetes-list-map-keys": keys})
        }
        _ => json!({"type": "array", "items": items, "x-kubernetes-list-type": kind}),
    };
    both_ways(
        &list("atomic", &[]),
        &list("map", &["k"]),
        "list-type",
        TIGHTER,
        [Breaking; 2],
    );
    both_ways(
        &list("map", &["k"]),
        &list("map", &["k", "l"]),
        "list-type",
        [Breaking; 2],
        TIGHTER,
    );
    assert_eq!(
        field(&list("atomic", &[]), &json!({"type": "array", "items": items})),
        []
    );
    let map_type = |kind: &str| json!({"type": "object", "x-kubernetes-map-type": kind});
    both_ways(
        &map_type("granular"),
        &map_type("atomic"),
        "map-type",
        TIGHTER,
        TIGHTER,
    );
    assert_eq!(field(&map_type("granular"), &plain), []);

    let open = json!({"x-kubernetes-preserve-unknown-fields": true});
    let listed =
        json!({"x-kubernetes-preserve-unknown-fields": true, "items": {"type": "string"}, "type": "array"});
    let ids: Vec<_> = field(&open, &listed)
        .iter()
        .map(|change| change.kind.id())
        .collect();
    assert_eq!(ids, ["type", "nullable", "items"]);
}

fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v1beta1", "served": true, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v1alpha1", "served": false, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
            ],
        },
    })
}

#[test]
fn definitions() {
    let judge = |pointer: &str, value: Value| {
        let (old, mut new) = (crd(), crd());
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[key] = value;
        let short = |old: &Value, new: &Value| -> Vec<(&'static str, Verdict, Verdict)> {
            let changes = compare_crds(old, new).unwrap();
            changes
                .iter()
                .map(|change| (change.kind.id(), change.stored, change.readers))
                .collect()
        };
        (short(&old, &new), short(&new, &old))
    };
    let same = |id: &'static str, [stored, readers]: [Verdict; 2]| {
        (vec![(id, stored, readers)], vec![(id, stored, readers)])
    };
    assert_eq!(
        judge("/spec/group", "other.com".into()),
        same("group", [Breaking; 2])
    );
    assert_eq!(
        judge("/spec/scope", "Cluster".into()),
        same("scope", [Breaking; 2])
    );
    assert_eq!(
        judge("/spec/names/plural", "fooz".into()),
        same("plural", [Breaking; 2])
    );
    assert_eq!(
        judge("/spec/names/listKind", "Foos".into()),
        same("list-kind", LOOSER)
    );
    assert_eq!(
        judge("/spec/names/shortNames", json!(["f"])),
        same("names", [Safe; 2])
    );
    assert_eq!(
        judge("/spec/versions/0/deprecated", true.into()),
        same("deprecated", [Safe; 2])
    );
    let column = json!([{"name": "A", "type": "string", "jsonPath": ".spec.a"}]);
    assert_eq!(
        judge("/spec/versions/0/additionalPrinterColumns", column),
        same("columns", [Safe; 2])
    );
    let webhook = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}});
    assert_eq!(judge("/spec/conversion", webhook), same("conversion", UNKNOWN));
    assert_eq!(
        judge("/spec/versions/0/subresources", json!({"status": {}})),
        same("status-subresource", TIGHTER)
    );
    let scale = json!({"scale": {"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.a"}});
    assert_eq!(
        judge("/spec/versions/0/subresources", scale),
        (
            vec![("scale-subresource", Safe, Safe)],
            vec![("scale-subresource", Breaking, Breaking)]
        )
    );
    assert_eq!(
        judge(
            "/spec/versions/0/selectableFields",
            json!([{"jsonPath": ".spec.a"}])
        ),
        (
            vec![("selectable-fields", Safe, Safe)],
            vec![("selectable-fields", Safe, Breaking)]
        )
    );
    assert_eq!(
        judge("/spec/versions/1/served", false.into()),
        (vec![("served", Breaking, Breaking)], vec![("served", Safe, Safe)])
    );
    assert_eq!(
        judge("/spec/preserveUnknownFields", true.into()),
        (
            vec![("preserve-all", Safe, Safe)],
            vec![("preserve-all", Breaking, Safe)]
        )
    );
    assert_eq!(
        judge("/spec/versions/0/schema", Value::Null),
        same("schema-presence", [Breaking; 2])
    );
}

#[test]
fn versions_come_and_go() {
    let without = |index: usize| {
        let mut new = crd();
        new["spec"]["versions"].as_array_mut().unwrap().remove(index);
        new
    };
    let changes = compare_crds(&crd(), &without(1)).unwrap();
    assert_eq!(
        (changes[0].kind, changes[0].stored, changes[0].readers),
        (ChangeKind::VersionRemoved, Breaking, Breaking)
    );
    let changes = compare_crds(&crd(), &without(2)).unwrap();
    assert_eq!(
        (changes[0].kind, changes[0].verdict()),
        (ChangeKind::VersionRemoved, Safe)
    );
    let mut stored = crd();
    stored["status"] = json!({"storedVersions": ["v1", "v1alpha1"]});
    let changes = compare_crds(&stored, &without(2)).unwrap();
    assert_eq!((changes[0].stored, changes[0].readers), (Breaking, Safe));
    let changes = compare_crds(&without(1), &crd()).unwrap();
    assert_eq!(
        (changes[0].kind, changes[0].verdict()),
        (ChangeKind::VersionAdded, Safe)
    );

    let mut moved = crd();
    moved["spec"]["versions"][0]["storage"] = false.into();
    moved["spec"]["versions"][1]["storage"] = true.into();
    let changes = compare_crds(&crd(), &moved).unwrap();
    assert_eq!(
        (changes[0].kind, changes[0].verdict()),
        (ChangeKind::Storage, Safe)
    );
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    moved["spec"]["versions"][1]["schema"]["openAPIV3Schema"] = schema;
    let changes = compare_crds(&crd(), &moved).unwrap();
    assert_eq!(changes[0].version.as_deref(), Some("v1beta1"));
    assert_eq!(
        changes[0].to_string(),
        "field-added[stored: safe, readers: safe]: v1beta1: a: it is new; readers that do not know it are not harmed"
    );
    assert_eq!(
        (changes[1].kind, changes[1].stored),
        (ChangeKind::Storage, Undecided)
    );
}

#[test]
fn identifiers_are_unique_and_documented() {
    let text = include_str!("../mod.rs");
    let mut seen = std::collections::HashSet::new();
    for kind in ChangeKind::ALL {
        assert!(seen.insert(kind.id()), "{kind:?}");
        assert!(
            text.contains(&format!("`{}`", kind.id())),
            "{kind:?} is in no table"
        );
    }
}
