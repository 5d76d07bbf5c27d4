//! Server-side apply.

use kubewright_schema::apply::{FieldManager, FieldSet, ObjectType, OnConflict, SameVersion};
use serde_json::{Value, json};

use crate::generate::{self, Draw, Options};

const VERSION: &str = "example.com/v1";
const NOW: &str = "2020-01-02T03:04:05Z";
const MANAGERS: [&str; 3] = ["one", "two", "kubectl"];

/// Bytes as a `fieldsV1`, which is read, written and read again, and is who owns an object. Other bytes draw a schema, and
/// what several managers do to an object.
pub fn fields(data: &[u8]) {
    if let Ok(json) = serde_json::from_slice::<Value>(data) {
        round_trip(&json);
        owned_by(&json);
    } else {
        sequence(&mut Draw::new(data));
    }
}

fn round_trip(json: &Value) {
    let Ok(set) = FieldSet::from_fields_v1(json) else {
        return;
    };
    let written = set.to_fields_v1();
    let again = FieldSet::from_fields_v1(&written).expect("what was written is read");
    assert_eq!(again, set);
    assert_eq!(again.to_fields_v1(), written);
    assert_eq!(set.paths().len(), set.len());
    assert_eq!(set.union(&set), set);
    assert_eq!(set.intersection(&set), set);
    assert!(set.difference(&set).is_empty() && set.recursive_difference(&set).is_empty());
}

fn manager(converter: &SameVersion) -> FieldManager<'_, SameVersion> {
    FieldManager {
        converter,
        api_version: VERSION,
        kind: "T",
        subresource: "",
        nothing: json!({"apiVersion": VERSION, "kind": "T"}),
        reset: Default::default(),
    }
}

fn whole(mut object: Value) -> Value {
    object["apiVersion"] = VERSION.into();
    object["kind"] = "T".into();
    object["metadata"]["name"] = "t".into();
    object
}

/// The JSON owns fields of an object, or stands in for its whole list of owners.
fn owned_by(json: &Value) {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "a": {"type": "string"},
        "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "k": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"], "items": {
            "type": "object", "required": ["n"], "properties": {"n": {"type": "string"}, "v": {"type": "integer"}}}},
    }}}});
    let converter = SameVersion {
        api_version: VERSION.to_owned(),
        object_type: ObjectType::custom(&schema),
    };
    let manager = manager(&converter);
    let entry = json!({"apiVersion": VERSION, "fieldsType": "FieldsV1", "fieldsV1": json, "manager": "one",
        "operation": "Apply", "time": NOW});
    for owners in [json!([entry]), json.clone()] {
        let spec = json!({"a": "x", "s": ["p", "q"], "k": [{"n": "1", "v": 1}, {"n": "2"}]});
        let mut live = whole(json!({ "spec": spec }));
        live["metadata"]["uid"] = "u".into();
        live["metadata"]["managedFields"] = owners;
        let patch = whole(json!({"spec": {"a": "y", "s": ["r"], "k": [{"n": "2", "v": 3}]}}));
        for on_conflict in [OnConflict::Refuse, OnConflict::Take] {
            apply_twice(&manager, &live, &patch, "one", on_conflict);
        }
        let mut new = live.clone();
        new["spec"]["a"] = "z".into();
        manager.update(&live, &mut new, "two", NOW);
    }
}

/// Whoever applies the same again and again changes nothing in the end.
fn apply_twice(
    manager: &FieldManager<'_, SameVersion>,
    live: &Value,
    patch: &Value,
    who: &str,
    on_conflict: OnConflict,
) -> Option<Value> {
    let first = manager.apply(live, patch, who, NOW, on_conflict).ok()?;
    // Empty over null is null first and empty then, as upstream's; what another manager emptied is null too, and a
    // change at the next apply. A list that is emptied goes with its last item, and the next apply makes it anew.
    if ![live, patch, &first].into_iter().any(has_null) {
        let again = |live: &Value| {
            manager
                .apply(live, patch, who, NOW, on_conflict)
                .expect("what was applied is applied again")
        };
        let second = again(&first);
        // Who applies nothing but what is empty may own nothing; an object without owners gets the one before all
        // others at the next apply, as upstream's.
        if second["metadata"].get("managedFields").is_some() {
            assert_eq!(again(&second), second, "by {who}: {patch}");
        }
    }
    Some(first)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

fn sequence(draw: &mut Draw<'_>) {
    let schema = generate::schema(draw, Options::ALL);
    let converter = SameVersion {
        api_version: VERSION.to_owned(),
        object_type: ObjectType::custom(&schema),
    };
    let manager = manager(&converter);
    let mut live = manager.nothing.clone();
    while !draw.rest().is_empty() {
        let mutations = draw.below(3);
        let object = whole(generate::instance(draw, &schema, mutations));
        let who = *draw.pick(&MANAGERS);
        if draw.one_in(3) {
            let mut new = object;
            new["metadata"] = live["metadata"].clone();
            manager.update(&live, &mut new, who, NOW);
            live = new;
        } else {
            let on_conflict = match draw.one_in(2) {
                true => OnConflict::Take,
                false => OnConflict::Refuse,
            };
            live = apply_twice(&manager, &live, &object, who, on_conflict).unwrap_or(live);
        }
        live["metadata"]["uid"] = "u".into();
    }
}
