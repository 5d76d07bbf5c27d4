//! Tests of fields, merges and owners. What a whole server does with them is recorded in the server's own tests.

mod laws;
mod recorded;

use serde_json::{Value, json};

use super::{
    ApplyError, Duplicates, FieldManager, FieldSet, Models, ObjectType, OnConflict, Owners, PathElement,
    ReplicasPaths, SameVersion, Typed,
};

const NOW: &str = "2026-01-02T03:04:05Z";
const LATER: &str = "2026-01-02T03:04:06Z";
const VERSION: &str = "a.example/v1";

fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "count": {"type": "integer"},
        "text": text,
        "set": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "properties": {
                "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}, "name": text,
            }},
        },
        "list": {"type": "array", "items": {"type": "integer"}},
        "atom": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": text},
        "map": {"type": "object", "additionalProperties": text},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}}})
}

fn kind() -> SameVersion {
    SameVersion {
        api_version: VERSION.to_owned(),
        object_type: ObjectType::custom(&schema()),
    }
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": VERSION, "kind": "A", "metadata": {"name": "a"}, "spec": spec})
}

fn manager(kind: &SameVersion) -> FieldManager<'_, SameVersion> {
    FieldManager {
        converter: kind,
        api_version: VERSION,
        kind: "A",
        subresource: "",
        nothing: json!({"apiVersion": VERSION, "kind": "A"}),
        reset: Default::default(),
    }
}

fn fields_of(spec: &Value) -> Value {
    let value = json!({"spec": spec});
    let typed = Typed::new(&kind().object_type, &value, Duplicates::Allowed).expect("it fits");
    typed.field_set().expect("fields").to_fields_v1()["f:spec"].clone()
}

#[test]
fn api_43_each_form_of_value_has_its_fields() {
    assert_eq!(fields_of(&json!({"count": 1})), json!({"f:count": {}}));
    assert_eq!(fields_of(&json!({"list": [1, 2]})), json!({"f:list": {}}));
    assert_eq!(fields_of(&json!({"atom": {"a": "b"}})), json!({"f:atom": {}}));
    assert_eq!(
        fields_of(&json!({"map": {"a/b": "c"}})),
        json!({"f:map": {"f:a/b": {}}})
    );
    assert_eq!(
        fields_of(&json!({"set": ["b", "<a>"]})),
        json!({"f:set": {"v:\"\\u003ca\\u003e\"": {}, "v:\"b\"": {}}})
    );
    assert_eq!(
        fields_of(&json!({"ports": [{"port": 1, "name": "x"}]})),
        json!({"f:ports": {"k:{\"port\":1,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}}})
    );
    assert_eq!(
        fields_of(&json!({"free": {"a": [1], "b": {"c": 1}, "d": {}}})),
        json!({"f:free": {"f:a": {}, "f:b": {".": {}, "f:c": {}}, "f:d": {}}})
    );
}

#[test]
fn fields_v1_is_written_in_order_and_read_back() {
    let fields = json!({
        "f:a": {".": {}, "f:b": {}}, "k:{\"n\":\"x\",\"p\":1}": {".": {}, "f:n": {}}, "v:1": {}, "v:\"a\"": {},
        "v:true": {}, "i:3": {},
    });
    let set = FieldSet::from_fields_v1(&fields).expect("a set");
    assert_eq!(set.to_fields_v1(), fields);
    let shown = ".a\n[=1]\n[=\"a\"]\n[=true]\n[3]\n.a.b\n[n=\"x\",p=1].n";
    let shown_key = shown.replacen(".a\n", ".a\n[n=\"x\",p=1]\n", 1);
    assert_eq!(set.to_string(), shown_key);
    assert!(set.has(&[PathElement::field("a"), PathElement::field("b")]));
    assert!(!set.has(&[]));
}

#[test]
fn fields_v1_that_cannot_be_read_is_refused() {
    let refused = |fields: &Value| FieldSet::from_fields_v1(fields).expect_err("refused").to_string();
    assert_eq!(refused(&json!({"x": {}})), "key must be 2 characters long:");
    assert_eq!(refused(&json!({"xyz": {}})), "missing colon: xyz");
    assert!(refused(&json!({"k:[1]": {}})).contains("no object of key fields"));
    assert!(refused(&json!({"v:{": {}})).contains("holds no JSON"));
    assert!(refused(&json!({"i:x": {}})).contains("holds no index"));
    assert!(refused(&json!({"f:a": 1})).contains("expected an object"));
    assert!(refused(&json!({"éa": {}})).starts_with("missing colon"));
    // Of an element that a later version may know.
    let later = FieldSet::from_fields_v1(&json!({"z:a": {}, "f:a": {}})).expect("a set");
    assert_eq!(later.len(), 1);
}

#[test]
fn differences_know_parents_from_children() {
    let set = |fields: Value| FieldSet::from_fields_v1(&fields).expect("a set");
    let (parent, child) = (set(json!({"f:a": {}})), set(json!({"f:a": {"f:b": {}}})));
    assert_eq!(parent.difference(&child), parent);
    assert_eq!(child.difference(&parent), child);
    assert!(child.recursive_difference(&parent).is_empty());
    assert_eq!(parent.union(&child).leaves(), child);
    assert!(parent.intersection(&child).is_empty());
}

fn merged(old: &Value, patch: &Value) -> Value {
    let kind = kind().object_type;
    let (old, patch) = (json!({"spec": old}), json!({"spec": patch}));
    let old = Typed::new(&kind, &old, Duplicates::Allowed).expect("it fits");
    let patch = Typed::new(&kind, &patch, Duplicates::Refused).expect("it fits");
    old.merge(&patch).expect("merged").into_value()["spec"].take()
}

#[test]
fn api_43_lists_merge_in_the_order_of_both() {
    let set = |old: Value, patch: Value| merged(&json!({"set": old}), &json!({"set": patch}))["set"].take();
    assert_eq!(
        set(json!(["a", "b", "c"]), json!(["c", "a"])),
        json!(["b", "c", "a"])
    );
    assert_eq!(
        set(json!(["a", "b"]), json!(["x", "b", "y"])),
        json!(["a", "x", "b", "y"])
    );
    assert_eq!(set(json!([]), json!(["b", "a"])), json!(["b", "a"]));
    // Duplicates of what is stored are put together by who names them.
    assert_eq!(set(json!(["a", "a"]), json!(["a"])), json!(["a"]));
    assert_eq!(set(json!(["a", "a"]), json!(["b"])), json!(["a", "a", "b"]));
    assert_eq!(
        merged(
            &json!({"list": [1], "atom": {"a": "b"}}),
            &json!({"list": [2], "atom": {"c": "d"}})
        ),
        json!({"list": [2], "atom": {"c": "d"}})
    );
    assert_eq!(
        merged(
            &json!({"ports": [{"port": 1, "name": "x"}]}),
            &json!({"ports": [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}]})
        ),
        json!({"ports": [{"port": 1, "name": "x", "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}]})
    );
}

#[test]
fn comparisons_take_duplicates_for_one_thing() {
    let kind = kind().object_type;
    let compare = |old: Value, new: Value| {
        let (old, new) = (json!({"spec": {"set": old}}), json!({"spec": {"set": new}}));
        let old = Typed::new(&kind, &old, Duplicates::Allowed).expect("it fits");
        let new = Typed::new(&kind, &new, Duplicates::Allowed).expect("it fits");
        let found = old.compare(&new).expect("compared");
        [found.added, found.modified, found.removed].map(|set| set.to_string())
    };
    assert_eq!(compare(json!(["a", "a"]), json!(["a", "a"])), ["", "", ""]);
    assert_eq!(
        compare(json!(["a", "a"]), json!(["a", "a", "a"])),
        ["", ".spec.set[=\"a\"]", ""]
    );
    assert_eq!(
        compare(json!(["a"]), json!(["a", "a"])),
        [".spec.set[=\"a\"]", "", ".spec.set[=\"a\"]"]
    );
    assert_eq!(
        compare(json!(["a", "a"]), json!(["a"])),
        [".spec.set[=\"a\"]", "", ".spec.set[=\"a\"]"]
    );
    assert_eq!(compare(json!(null), json!(["a"])), [".spec.set[=\"a\"]", "", ""]);
}

#[test]
fn only_and_without_are_parts_of_one_value() {
    let kind = kind().object_type;
    let value = json!({"spec": {"count": 1, "text": "a", "ports": [{"port": 1, "name": "x"}, {"port": 2}]}});
    let typed = Typed::new(&kind, &value, Duplicates::Refused).expect("it fits");
    let fields = FieldSet::from_fields_v1(&json!({"f:spec": {
        "f:count": {}, "f:ports": {"k:{\"port\":1,\"protocol\":\"TCP\"}": {"f:name": {}}},
    }}));
    let fields = fields.expect("a set");
    assert_eq!(
        typed.only(&fields).into_value(),
        json!({"spec": {"count": 1, "ports": [{"port": 1, "name": "x"}]}})
    );
    assert_eq!(
        typed.without(&fields).into_value(),
        json!({"spec": {"text": "a", "ports": [{"port": 1}, {"port": 2}]}})
    );
}

/// SCH-32, SCH-44: an apply is strict, with the library's texts.
#[test]
fn sch_32_44_what_does_not_fit_is_named() {
    let kind = kind();
    let fields = manager(&kind);
    let refused = |spec: Value| {
        let error = fields.apply(&fields.nothing, &object(&spec), "m", NOW, OnConflict::Refuse);
        error.expect_err("refused").to_string()
    };
    let prefix = "failed to create typed patch object (/a; a.example/v1, Kind=A): ";
    for (spec, why) in [
        (json!({"zz": 1}), ".spec.zz: field not declared in schema"),
        (
            json!({"set": ["a", "a"]}),
            ".spec.set: duplicate entries for key [=\"a\"]",
        ),
        (
            json!({"ports": [{"port": 1}, {"port": 1}]}),
            ".spec.ports: duplicate entries for key [port=1,protocol=\"TCP\"]",
        ),
        (
            json!({"text": 1.5}),
            ".spec.text: expected string, got &value.valueUnstructured{Value:1.5}",
        ),
        (
            json!({"count": true, "map": []}),
            "errors:\n  .spec.count: expected numeric (int or float), got bool\n  .spec.map: expected map, got &{[]}",
        ),
    ] {
        assert_eq!(refused(spec), format!("{prefix}{why}"));
    }
}

#[test]
fn api_44_conflicts_are_told_in_singular_and_plural() {
    let kind = kind();
    let fields = manager(&kind);
    let first = object(&json!({"count": 1, "text": "a"}));
    let mut stored = fields
        .apply(&fields.nothing, &first, "m1", NOW, OnConflict::Refuse)
        .expect("applied");
    stored["metadata"]["uid"] = json!("u");
    let mut changed = stored.clone();
    changed["spec"]["text"] = json!("b");
    fields.update(&stored, &mut changed, "", LATER);
    let refused = |spec: Value| match fields.apply(&changed, &object(&spec), "m2", LATER, OnConflict::Refuse)
    {
        Err(ApplyError::Conflicts(conflicts)) => conflicts,
        other => panic!("{other:?}"),
    };
    let one = refused(json!({"count": 2}));
    assert_eq!(
        one.to_string(),
        "Apply failed with 1 conflict: conflict with \"m1\": .spec.count"
    );
    assert_eq!(one.0[0].message(), "conflict with \"m1\"");
    assert_eq!(
        refused(json!({"count": 2, "text": "c"})).to_string(),
        "Apply failed with 2 conflicts: conflicts with \"m1\":\n- .spec.count\nconflicts with \"unknown\" using \
         a.example/v1:\n- .spec.text"
    );
    // One value has two owners without a conflict.
    let shared = fields
        .apply(
            &changed,
            &object(&json!({"count": 1})),
            "m2",
            LATER,
            OnConflict::Refuse,
        )
        .expect("shared");
    assert_eq!(Owners::decode(&shared).expect("owners").fields.len(), 3);
}

#[test]
fn api_45_fields_left_out_go_unless_others_own_them() {
    let kind = kind();
    let fields = manager(&kind);
    let apply = |live: &Value, spec: Value, who: &str| {
        fields
            .apply(live, &object(&spec), who, NOW, OnConflict::Refuse)
            .expect("applied")
    };
    let full = json!({"count": 1, "text": "a", "set": ["x", "y"], "map": {"k": "v"}});
    let one = apply(&fields.nothing, full, "m1");
    let two = apply(&one, json!({"count": 1, "set": ["x"]}), "m2");
    let less = apply(&two, json!({}), "m1");
    assert_eq!(less["spec"], json!({"count": 1, "set": ["x"]}));
    let mut nothing = object(&json!({}));
    if let Some(nothing) = nothing.as_object_mut() {
        nothing.remove("spec");
    }
    let gone = fields
        .apply(&less, &nothing, "m2", NOW, OnConflict::Refuse)
        .expect("applied");
    let owners = Owners::decode(&gone).expect("owners");
    assert!(owners.fields.keys().all(|manager| !manager.contains("m2")));
}

#[test]
fn api_46_updates_beyond_ten_become_one() {
    let kind = kind();
    let fields = manager(&kind);
    let mut stored = object(&json!({}));
    fields.update(&fields.nothing, &mut stored, "u00", NOW);
    stored["metadata"]["uid"] = json!("u");
    for index in 1..15 {
        let mut next = stored.clone();
        next["spec"]["map"][format!("k{index}")] = json!("v");
        let time = format!("2026-01-02T03:04:{index:02}Z");
        fields.update(&stored, &mut next, &format!("u{index:02}"), &time);
        stored = next;
    }
    let entries = stored["metadata"]["managedFields"].as_array().expect("entries");
    assert_eq!(entries.len(), 10);
    let ancient = &entries[0];
    assert_eq!(ancient["manager"], "ancient-changes");
    // The time of the last that was put in.
    assert_eq!(ancient["time"], "2026-01-02T03:04:05Z");
    assert_eq!(ancient["fieldsV1"]["f:spec"]["f:map"]["f:k5"], json!({}));
}

#[test]
fn api_46_lists_that_a_client_sends_count_or_clear() {
    let kind = kind();
    let fields = manager(&kind);
    let mut stored = object(&json!({"text": "a"}));
    fields.update(&fields.nothing, &mut stored, "m", NOW);
    stored["metadata"]["uid"] = json!("u");
    let sent = |list: Value| {
        let mut new = stored.clone();
        new["metadata"]["managedFields"] = list;
        fields.update(&stored, &mut new, "w", LATER);
        new["metadata"]["managedFields"].take()
    };
    assert_eq!(sent(json!([])), Value::Null);
    assert_eq!(sent(json!([{}])), Value::Null);
    let kept = stored["metadata"]["managedFields"].clone();
    assert_eq!(sent(Value::Null), kept);
    assert_eq!(sent(json!([{"manager": "x", "operation": "Nope"}])), kept);
    let other = json!([{
        "manager": "x", "operation": "Update", "apiVersion": VERSION, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:text": {}}},
    }]);
    assert_eq!(sent(other.clone()), other);
}

#[test]
fn granular_fields_that_became_atomic_are_owned_as_one() {
    let kind = kind();
    let fields = manager(&kind);
    let mut stored = object(&json!({"atom": {"a": "1", "b": "2"}, "list": [1]}));
    stored["metadata"]["uid"] = json!("u");
    stored["metadata"]["managedFields"] = json!([{
        "manager": "x", "operation": "Apply", "apiVersion": VERSION, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:atom": {"f:a": {}}, "f:list": {"v:1": {}}, "f:gone": {}}},
    }]);
    let mut new = stored.clone();
    new["spec"]["text"] = json!("t");
    fields.update(&stored, &mut new, "w", NOW);
    assert_eq!(
        new["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {"f:atom": {}, "f:list": {}, "f:gone": {}}})
    );
}

#[test]
fn api_62_scales_share_the_owners_of_replicas() {
    let paths = ReplicasPaths(
        [(
            VERSION.to_owned(),
            Some(vec![PathElement::field("spec"), PathElement::field("count")]),
        )]
        .into(),
    );
    let kind = kind();
    let fields = manager(&kind);
    let parent = object(&json!({"count": 1, "text": "a"}));
    let parent = fields
        .apply(&fields.nothing, &parent, "m1", NOW, OnConflict::Refuse)
        .expect("applied");
    let mut scale = json!({"metadata": {}});
    paths.to_scale(&parent).expect("owners").write(&mut scale);
    assert_eq!(
        scale["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {"f:replicas": {}}})
    );
    // Somebody else takes it there.
    scale["metadata"]["managedFields"][0]["manager"] = json!("s");
    let after = paths
        .to_parent(&parent, &scale, VERSION)
        .expect("owners")
        .encode();
    assert_eq!(after.len(), 2);
    let of = |who: &str| {
        let entry = after.iter().find(|entry| entry["manager"] == who);
        entry.expect("an entry")["fieldsV1"].clone()
    };
    assert_eq!(of("m1"), json!({"f:spec": {"f:text": {}}}));
    assert_eq!(of("s"), json!({"f:spec": {"f:count": {}}}));
}

#[test]
fn published_types_may_refer_in_circles_and_override_their_target() {
    let models = json!({
        "x.Node": {"type": "object", "properties": {
            "next": {"$ref": "#/components/schemas/x.Node"},
            "whole": {"allOf": [{"$ref": "#/components/schemas/x.Node"}], "x-kubernetes-map-type": "atomic"},
            "name": {"type": "string"},
        }, "x-kubernetes-group-version-kind": [{"group": "x", "version": "v1", "kind": "Node"}]},
    });
    let models = Models::compile(models.as_object().expect("models"));
    let kind = models.kind("x", "v1", "Node").expect("a kind");
    let value = json!({"next": {"next": {"name": "a"}}, "whole": {"name": "b"}});
    let typed = Typed::new(&kind, &value, Duplicates::Refused).expect("it fits");
    assert_eq!(
        typed.field_set().expect("fields").to_fields_v1(),
        json!({"f:next": {"f:next": {"f:name": {}}}, "f:whole": {}})
    );
    assert!(models.kind("x", "v1", "Other").is_none() && models.named("x.Node").is_some());
}
