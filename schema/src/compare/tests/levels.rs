//! VER-50: what a release may do.

use serde_json::{Value, json};

use super::{crd, field};
use crate::compare::{Change, ChangeKind, Level, Stability, compare_crds};

/// The worst level of a change of one field of a stable version.
fn level(old: &Value, new: &Value) -> Level {
    field(old, new)
        .iter()
        .map(Change::level)
        .max()
        .unwrap_or(Level::Compatible)
}

#[test]
fn ver_50_of_fields() {
    use Level::{Breaking, Compatible, Warning};
    let object = |keywords: Value| {
        let mut schema = json!({"type": "object"});
        schema
            .as_object_mut()
            .unwrap()
            .extend(keywords.as_object().unwrap().clone());
        schema
    };
    let with = |a: Value| object(json!({"properties": {"a": a}}));
    let text = |keywords: Value| {
        let mut schema = json!({"type": "string"});
        schema
            .as_object_mut()
            .unwrap()
            .extend(keywords.as_object().unwrap().clone());
        schema
    };
    let list = |kind: &str, key: &str| {
        let items = json!({"type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
        let mut schema = json!({"type": "array", "x-kubernetes-list-type": kind, "items": items});
        if !key.is_empty() {
            schema["x-kubernetes-list-map-keys"] = json!([key]);
        }
        schema
    };
    let plain = text(json!({}));
    for (what, old, new, there, back) in [
        (
            "optional field",
            object(json!({})),
            with(plain.clone()),
            Compatible,
            Breaking,
        ),
        (
            "renamed",
            with(plain.clone()),
            object(json!({"properties": {"b": plain}})),
            Breaking,
            Breaking,
        ),
        (
            "type",
            plain.clone(),
            json!({"type": "integer"}),
            Breaking,
            Breaking,
        ),
        (
            "wider type",
            json!({"type": "integer"}),
            json!({"type": "number"}),
            Breaking,
            Breaking,
        ),
        (
            "format",
            text(json!({"format": "date"})),
            text(json!({"format": "uuid"})),
            Breaking,
            Breaking,
        ),
        (
            "required",
            with(plain.clone()),
            object(json!({"properties": {"a": plain}, "required": ["a"]})),
            Breaking,
            Warning,
        ),
        (
            "enum value",
            text(json!({"enum": ["a"]})),
            text(json!({"enum": ["a", "b"]})),
            Warning,
            Breaking,
        ),
        (
            "bound",
            text(json!({"maxLength": 5})),
            text(json!({"maxLength": 6})),
            Compatible,
            Breaking,
        ),
        (
            "bound added",
            plain.clone(),
            text(json!({"minLength": 1})),
            Breaking,
            Compatible,
        ),
        (
            "pattern added",
            plain.clone(),
            text(json!({"pattern": "a"})),
            Breaking,
            Compatible,
        ),
        (
            "pattern",
            text(json!({"pattern": "b"})),
            text(json!({"pattern": "a"})),
            Breaking,
            Breaking,
        ),
        (
            "nullable",
            text(json!({"nullable": true})),
            plain.clone(),
            Breaking,
            Warning,
        ),
        (
            "default",
            with(text(json!({"default": "a"}))),
            with(text(json!({"default": "b"}))),
            Breaking,
            Breaking,
        ),
        (
            "default removed",
            with(text(json!({"default": "a"}))),
            with(plain.clone()),
            Breaking,
            Breaking,
        ),
        (
            "list type",
            list("map", "a"),
            list("atomic", ""),
            Breaking,
            Breaking,
        ),
        (
            "list keys",
            list("map", "a"),
            list("map", "b"),
            Breaking,
            Breaking,
        ),
        (
            "preserve",
            object(json!({"x-kubernetes-preserve-unknown-fields": true})),
            object(json!({})),
            Breaking,
            Compatible,
        ),
        (
            "rule",
            plain.clone(),
            text(json!({"x-kubernetes-validations": [{"rule": "self != ''"}]})),
            Breaking,
            Compatible,
        ),
        (
            "description",
            plain.clone(),
            text(json!({"description": "d"})),
            Compatible,
            Compatible,
        ),
    ] {
        assert_eq!(level(&old, &new), there, "{what}");
        assert_eq!(level(&new, &old), back, "{what}, back");
    }
}

/// Each finding says what stood there and what stands there now.
#[test]
fn ver_50_findings_have_old_and_new_values() {
    let member = |value: Value| json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "anyOf": [value]});
    let old = json!({"type": "object", "nullable": true, "required": ["a"], "properties": {
        "a": {"type": "string"}, "gone": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "some": member(json!({"properties": {"a": {"maximum": 5, "exclusiveMaximum": true}}})),
        "said": {"type": "string", "x-kubernetes-validations": [{"rule": "self != ''", "message": "empty"}]},
    }});
    let new = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-map-type": "atomic", "properties": {
        "a": {"type": "string"}, "come": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object"},
        "some": member(json!({"required": ["a"], "not": {"properties": {"a": {"enum": [1]}}}})),
        "said": {"type": "string", "x-kubernetes-validations": [{"rule": "self != ''", "reason": "FieldValueRequired"}]},
    }});
    let found = field(&old, &new);
    let values = |kind: ChangeKind| {
        let change = found.iter().find(|change| change.kind == kind);
        let change = change.unwrap_or_else(|| panic!("no {kind:?} in {found:?}"));
        (change.old.clone(), change.new.clone())
    };
    for (kind, old, new) in [
        (ChangeKind::Nullable, json!(true), json!(false)),
        (ChangeKind::Required, json!(true), json!(false)),
        (ChangeKind::PreserveUnknownFields, json!(false), json!(true)),
        (ChangeKind::ListType, json!("set"), json!("atomic")),
        (ChangeKind::MapType, json!("granular"), json!("atomic")),
        (
            ChangeKind::RuleMessage,
            json!({"message": "empty"}),
            json!({"reason": "FieldValueRequired"}),
        ),
        (
            ChangeKind::Conditions,
            json!({"anyOf": [{"properties": {"a": {"maximum": {"maximum": 5.0, "exclusive": true}}}}]}),
            json!({"anyOf": [{"required": ["a"], "not": {"properties": {"a": {"enum": [1]}}}}]}),
        ),
    ] {
        assert_eq!(values(kind), (Some(old), Some(new)), "{kind:?}");
    }
    assert_eq!(values(ChangeKind::FieldRemoved), (Some(json!("boolean")), None));
    assert_eq!(values(ChangeKind::FieldAdded), (None, Some(json!("integer"))));
    assert_eq!(
        values(ChangeKind::AdditionalProperties),
        (Some(json!("string")), None)
    );
}

fn level_of(old: &Value, new: &Value, kind: ChangeKind) -> Option<Level> {
    let changes = compare_crds(old, new).unwrap();
    changes
        .iter()
        .find(|change| change.kind == kind)
        .map(Change::level)
}

/// Stable: never; beta: not before it was deprecated; alpha: at once. Likewise where a version is not served any more.
#[test]
fn ver_50_versions_go_by_their_stability() {
    for (version, deprecated, expected) in [
        ("v1", false, Level::Breaking),
        ("v1", true, Level::Breaking),
        ("v1beta1", false, Level::Breaking),
        ("v1beta1", true, Level::Warning),
        ("v1alpha1", false, Level::Warning),
    ] {
        let mut old = crd();
        old["spec"]["versions"].as_array_mut().unwrap().truncate(2);
        old["spec"]["versions"][1] = json!({"name": version, "served": true, "storage": false,
            "deprecated": deprecated, "schema": {"openAPIV3Schema": {"type": "object"}}});
        old["spec"]["versions"][0]["name"] = "v2".into();
        let mut gone = old.clone();
        gone["spec"]["versions"].as_array_mut().unwrap().remove(1);
        assert_eq!(
            level_of(&old, &gone, ChangeKind::VersionRemoved),
            Some(expected),
            "{version}"
        );
        let mut unserved = old.clone();
        unserved["spec"]["versions"][1]["served"] = false.into();
        assert_eq!(
            level_of(&old, &unserved, ChangeKind::Served),
            Some(expected),
            "{version}"
        );
        let change = &compare_crds(&old, &gone).unwrap()[0];
        assert_eq!(change.version.as_deref(), Some(version));
        assert_eq!(
            (change.stability, change.deprecated),
            (Some(Stability::of(version)), deprecated)
        );
        assert_eq!(
            change.old,
            Some(json!({"name": version, "served": true, "storage": false, "deprecated": deprecated}))
        );
    }
}

#[test]
fn ver_50_of_whole_definitions() {
    let set = |pointer: &str, value: Value| {
        let mut new = crd();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[key] = value;
        new
    };
    for (pointer, value, kind, expected) in [
        (
            "/spec/scope",
            json!("Cluster"),
            ChangeKind::Scope,
            Level::Breaking,
        ),
        (
            "/spec/names/plural",
            json!("x"),
            ChangeKind::Plural,
            Level::Breaking,
        ),
        ("/spec/names/kind", json!("X"), ChangeKind::Kind, Level::Breaking),
        (
            "/spec/names/listKind",
            json!("Xs"),
            ChangeKind::ListKind,
            Level::Breaking,
        ),
        (
            "/spec/names/shortNames",
            json!(["x"]),
            ChangeKind::Names,
            Level::Compatible,
        ),
        (
            "/spec/conversion",
            json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}),
            ChangeKind::Conversion,
            Level::Warning,
        ),
        (
            "/spec/versions/0/additionalPrinterColumns",
            json!([]),
            ChangeKind::Columns,
            Level::Compatible,
        ),
        (
            "/spec/versions/0/subresources",
            Value::Null,
            ChangeKind::StatusSubresource,
            Level::Breaking,
        ),
        (
            "/spec/versions/0/subresources",
            Value::Null,
            ChangeKind::ScaleSubresource,
            Level::Breaking,
        ),
    ] {
        let mut old = crd();
        old["spec"]["versions"][0]["subresources"] = json!({"status": {}, "scale":
            {"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.a"}});
        old["spec"]["versions"][0]["additionalPrinterColumns"] =
            json!([{"name": "A", "type": "string", "jsonPath": ".spec.a"}]);
        let new = set(pointer, value);
        assert_eq!(level_of(&old, &new, kind), Some(expected), "{pointer}");
        // Where nothing but alpha versions is promised, nothing is more than a warning.
        let alpha = |mut crd: Value| {
            for (index, version) in crd["spec"]["versions"]
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .enumerate()
            {
                version["name"] = format!("v{}alpha1", index + 1).into();
            }
            crd
        };
        assert_eq!(
            level_of(&alpha(old), &alpha(new), kind),
            Some(expected.min(Level::Warning)),
            "{pointer} of alpha versions"
        );
    }
    let scale = |selector: Option<&str>| {
        let mut scale = json!({"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.a"});
        if let Some(path) = selector {
            scale["labelSelectorPath"] = path.into();
        }
        set("/spec/versions/0/subresources", json!({ "scale": scale }))
    };
    let judge = |old: &Value, new: &Value| level_of(old, new, ChangeKind::ScaleSubresource);
    assert_eq!(
        judge(&scale(None), &scale(Some(".status.b"))),
        Some(Level::Compatible)
    );
    assert_eq!(
        judge(&scale(Some(".status.b")), &scale(None)),
        Some(Level::Breaking)
    );
    assert_eq!(
        judge(&scale(Some(".status.b")), &scale(Some(".status.c"))),
        Some(Level::Breaking)
    );
}

#[test]
fn ver_50_schemas_of_alpha_versions_and_unchecked_formats() {
    let with = |version: usize, field: Value| {
        let mut crd = crd();
        crd["spec"]["versions"][version]["schema"]["openAPIV3Schema"] =
            json!({"type": "object", "properties": {"list": {"type": "array", "items": field}}});
        crd
    };
    let number = |format: &str| json!({"type": "integer", "format": format});
    for (version, expected) in [(0, Level::Breaking), (2, Level::Warning)] {
        let changes =
            compare_crds(&with(version, number("uint32")), &with(version, number("uint64"))).unwrap();
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(
            (changes[0].kind, changes[0].path.as_str()),
            (ChangeKind::Format, "list[]")
        );
        assert_eq!(
            (&changes[0].old, &changes[0].new),
            (&Some("uint32".into()), &Some("uint64".into()))
        );
        assert_eq!(changes[0].level(), expected);
        let changes = compare_crds(&with(version, number("int64")), &with(version, number("int32"))).unwrap();
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].level(), expected);
    }
}
