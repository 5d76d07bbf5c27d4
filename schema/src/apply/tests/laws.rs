//! Laws that hold for all sets, values and sequences of applies.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::values;
use super::*;

fn element() -> impl Strategy<Value = PathElement> {
    let scalar = prop_oneof![
        (-3..3i64).prop_map(Value::from),
        "[a<\"é]{0,2}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!(1.5)),
    ];
    prop_oneof![
        4 => "[a-c/.]{0,2}".prop_map(PathElement::field),
        1 => prop::collection::btree_map("[kn]", scalar.clone(), 1..3).prop_map(PathElement::key),
        1 => scalar.prop_map(PathElement::Value),
        1 => (0..4i64).prop_map(PathElement::Index),
    ]
}

fn set() -> impl Strategy<Value = FieldSet> {
    prop::collection::vec(prop::collection::vec(element(), 1..4), 0..8)
        .prop_map(|paths| paths.into_iter().collect())
}

/// A spec of the test's kind, as one manager may apply it. Sets and maps in list form are not empty: nobody owns an
/// empty one, so that it goes with what was in it.
fn spec() -> impl Strategy<Value = Value> {
    let text = || "[a-c]{1,2}";
    let map = |strategy| prop::option::of(prop::collection::btree_map("[k-m]", strategy, 0..3));
    let port = (1..4i64, prop::option::of("TCP|UDP"), prop::option::of(text()));
    (
        prop::option::of(0..3i64),
        prop::option::of(text()),
        prop::option::of(prop::collection::btree_set(text(), 1..4)),
        prop::option::of(prop::collection::vec(port, 1..4)),
        prop::option::of(prop::collection::vec(0..3i64, 0..3)),
        map(text()),
        map(text()),
    )
        .prop_map(|(count, name, set, ports, list, atom, map)| {
            let mut spec = serde_json::Map::new();
            let mut put = |key: &str, value: Value| {
                if !value.is_null() {
                    spec.insert(key.into(), value);
                }
            };
            put("count", json!(count));
            put("text", json!(name));
            put("set", json!(set));
            put("list", json!(list));
            put("atom", json!(atom));
            put("map", json!(map));
            let mut seen = std::collections::BTreeSet::new();
            put(
                "ports",
                json!(ports.map(|ports| {
                    let ports = ports.into_iter().filter(|(port, protocol, _)| {
                        seen.insert((*port, protocol.clone().unwrap_or_else(|| "TCP".into())))
                    });
                    let ports = ports.map(|(port, protocol, name)| {
                        let mut item = json!({"port": port});
                        if let Some(protocol) = protocol {
                            item["protocol"] = json!(protocol);
                        }
                        if let Some(name) = name {
                            item["name"] = json!(name);
                        }
                        item
                    });
                    ports.collect::<Vec<_>>()
                })),
            );
            Value::Object(spec)
        })
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

fn typed(kind: &ObjectType, spec: &Value) -> Typed<'static> {
    Typed::of(kind, json!({"spec": spec}), Duplicates::Refused).expect("it fits")
}

/// Any JSON, with keys that look like elements of paths.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,3}".prop_map(Value::from),
    ];
    let key = "(\\.|[fkvix]?:?(\\{\"a\":1\\}|\\[1\\]|\"|[0-9a-z{é]{0,3}))";
    leaf.prop_recursive(4, 24, 4, move |below| {
        prop_oneof![
            prop::collection::vec(below.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key, below, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    /// What a client may send is read or refused, and a write with it ends.
    #[test]
    fn any_list_of_owners_is_survived(fields in anything(), entry in anything(), spec in anything()) {
        if let Ok(set) = FieldSet::from_fields_v1(&fields) {
            prop_assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()).expect("a set"), set);
        }
        let kind = kind();
        let manager = manager(&kind);
        let mut live = object(&json!({"text": "a"}));
        live["metadata"]["uid"] = json!("u");
        let mut new = object(&spec);
        new["metadata"]["managedFields"] = json!([{
            "manager": "m", "operation": "Apply", "apiVersion": VERSION, "fieldsType": "FieldsV1", "fieldsV1": fields,
        }, entry]);
        manager.update(&live, &mut new, "w", NOW);
        prop_assert!(Owners::decode(&new).is_ok());
        live["metadata"]["managedFields"] = json!([{
            "manager": "m", "operation": "Update", "apiVersion": VERSION, "fieldsType": "FieldsV1", "fieldsV1": fields,
        }]);
        if let Ok(applied) = manager.apply(&live, &object(&spec), "m", NOW, OnConflict::Take) {
            prop_assert!(Owners::decode(&applied).is_ok());
        }
    }

    #[test]
    fn sets_survive_the_wire(set in set()) {
        let wire = set.to_fields_v1();
        prop_assert_eq!(FieldSet::from_fields_v1(&wire).expect("a set"), set.clone());
        // Text in between, as a store or a client has it.
        let text: Value = serde_json::from_str(&wire.to_string()).expect("JSON");
        prop_assert_eq!(FieldSet::from_fields_v1(&text).expect("a set"), set.clone());
        prop_assert_eq!(set.paths().into_iter().collect::<FieldSet>(), set);
    }

    #[test]
    fn set_algebra(a in set(), b in set(), c in set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.union(&a), a.clone());
        prop_assert_eq!(a.intersection(&a), a.clone());
        prop_assert!(a.difference(&a).is_empty());
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(a.intersection(&b.union(&c)), a.intersection(&b).union(&a.intersection(&c)));
        let rest = a.recursive_difference(&b);
        prop_assert_eq!(rest.difference(&a), FieldSet::new());
        prop_assert!(rest.intersection(&b).is_empty());
        prop_assert_eq!(a.len(), a.paths().len());
        prop_assert_eq!(a.leaves().leaves(), a.leaves());
        for path in a.paths() {
            prop_assert!(a.has(&path) && a.union(&b).has(&path));
            prop_assert_eq!(a.difference(&b).has(&path), !b.has(&path));
        }
    }

    #[test]
    fn merges(a in spec(), b in spec()) {
        let kind = kind().object_type;
        let (a, b) = (typed(&kind, &a), typed(&kind, &b));
        let merged = a.merge(&b).expect("merged");
        let again = merged.merge(&b).expect("merged");
        prop_assert!(values::equal(merged.value(), again.value()));
        let same = a.merge(&a).expect("merged");
        prop_assert!(values::equal(same.value(), a.value()));
        // All that the patch sets is there, and nothing that was there went.
        let set = b.field_set().expect("fields");
        let changes = b.compare(&merged).expect("compared");
        prop_assert!(changes.modified.intersection(&set).is_empty());
        prop_assert!(changes.removed.is_empty());
        prop_assert!(a.compare(&merged).expect("compared").removed.is_empty());
    }

    #[test]
    fn comparisons_are_symmetric(a in spec(), b in spec()) {
        let kind = kind().object_type;
        let (a, b) = (typed(&kind, &a), typed(&kind, &b));
        prop_assert!(a.compare(&a).expect("compared").is_same());
        let (there, back) = (a.compare(&b).expect("compared"), b.compare(&a).expect("compared"));
        prop_assert_eq!(&there.added, &back.removed);
        prop_assert_eq!(&there.modified, &back.modified);
        prop_assert!(there.added.intersection(&there.removed).is_empty());
        prop_assert!(there.added.intersection(&there.modified).is_empty());
    }

    /// Whoever applies gets what it applied, and applying it again changes nothing; nobody owns what is not there.
    #[test]
    fn applies(steps in prop::collection::vec((0..3usize, spec()), 1..6)) {
        let kind = kind();
        let fields = manager(&kind);
        let mut live = fields.nothing.clone();
        for (who, spec) in steps {
            let (who, config) = (format!("m{who}"), object(&spec));
            let new = fields.apply(&live, &config, &who, NOW, OnConflict::Take).expect("applied");
            // What was emptied and not removed is null, which a server refuses.
            if has_null(&new) {
                break;
            }
            let again = fields.apply(&new, &config, &who, LATER, OnConflict::Refuse).expect("no conflict with oneself");
            prop_assert_eq!(&again, &new);
            let applied = typed(&kind.object_type, &spec);
            let merged = Typed::of(&kind.object_type, json!({"spec": new["spec"]}), Duplicates::Refused)
                .expect("it fits");
            let changes = applied.compare(&merged).expect("compared");
            prop_assert!(changes.modified.intersection(&applied.field_set().expect("fields")).is_empty());
            prop_assert!(changes.removed.intersection(&applied.field_set().expect("fields")).is_empty());
            for owned in Owners::decode(&new).expect("owners").fields.values() {
                let there = Typed::of(&kind.object_type, new.clone(), Duplicates::Refused).expect("it fits");
                let there = there.field_set().expect("fields");
                for path in owned.set.leaves().paths() {
                    prop_assert!(there.has(&path) || there.paths().iter().any(|leaf| leaf.starts_with(&path)),
                        "{:?} owns {:?} of {}", owned, path, new["spec"]);
                }
            }
            live = new;
        }
    }
}
