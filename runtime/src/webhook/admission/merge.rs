//! From what a mutator did to its typed object to what shall be done to the object as it came.
//!
//! A typed object does not know all of its original: fields of other versions of the type are missing, and what the
//! type gives by default is there though the original has it not. So the original is never compared with the result.
//! Compared are the typed object before and after, both as JSON, and what differs is carried over.
//!
//! **Invariant:** where before and after are equal, the original stays as it is, whatever it is.

use serde_json::{Map, Value};

/// The original with the changes that lead from `before` to `after`.
pub(super) fn carry_over(before: &Value, after: &Value, original: &Value) -> Value {
    if before == after {
        return original.clone();
    }
    match (before, after, original) {
        (Value::Object(before), Value::Object(after), Value::Object(original)) => {
            Value::Object(objects(before, after, original))
        }
        (Value::Array(before), Value::Array(after), Value::Array(original))
            if before.len() == original.len() =>
        {
            Value::Array(arrays(before, after, original))
        }
        // Of another shape than its type writes it, or a single value.
        _ => after.clone(),
    }
}

fn objects(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    original: &Map<String, Value>,
) -> Map<String, Value> {
    let mut result = original.clone();
    for key in before.keys() {
        if !after.contains_key(key) {
            result.remove(key);
        }
    }
    for (key, after) in after {
        let before = before.get(key);
        if before == Some(after) {
            continue;
        }
        let carried = match (before, original.get(key)) {
            (Some(before), Some(original)) => carry_over(before, after, original),
            _ => after.clone(),
        };
        result.insert(key.clone(), carried);
    }
    result
}

/// Items are told apart by one of these, in this order of trust: what Kubernetes' own lists use as keys.
const KEYS: [&str; 9] = [
    "name",
    "key",
    "type",
    "uid",
    "ip",
    "mountPath",
    "devicePath",
    "containerPort",
    "port",
];

/// `original` has the items of `before`, one for one.
fn arrays(before: &[Value], after: &[Value], original: &[Value]) -> Vec<Value> {
    let partners = partners(before, after);
    let pairs = after.iter().zip(partners);
    pairs
        .map(|(after, partner)| match partner {
            Some(partner) => carry_over(&before[partner], after, &original[partner]),
            None => after.clone(),
        })
        .collect()
}

/// Which item of `before` each of `after` was.
fn partners(before: &[Value], after: &[Value]) -> Vec<Option<usize>> {
    let mut partners = vec![None; after.len()];
    let mut free: Vec<bool> = vec![true; before.len()];
    let same_length = before.len() == after.len();
    // An item that did not change was itself, at its place before elsewhere.
    for (at, item) in after.iter().enumerate() {
        if before.get(at) == Some(item) {
            partners[at] = Some(at);
            free[at] = false;
        }
    }
    let mut pair = |partners: &mut Vec<Option<usize>>, same: &dyn Fn(&Value, &Value) -> bool| {
        for (at, item) in after.iter().enumerate() {
            if partners[at].is_none() {
                let found = (0..before.len()).find(|&other| free[other] && same(&before[other], item));
                if let Some(found) = found {
                    free[found] = false;
                    partners[at] = Some(found);
                }
            }
        }
    };
    pair(&mut partners, &|before, after| before == after);
    for key in KEYS {
        pair(&mut partners, &|before, after| {
            let (before, after) = (before.get(key), after.get(key));
            before.is_some_and(|before| !before.is_null()) && before == after
        });
    }
    if same_length {
        // A change of the key itself: the list is as long as before, so the item at the same place is meant.
        for (at, partner) in partners.iter_mut().enumerate() {
            if partner.is_none() && free[at] {
                free[at] = false;
                *partner = Some(at);
            }
        }
    }
    partners
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_did_not_change_stays_as_it_came() {
        // A type that knows `a` and `list[].name`, gives `b` by default, and writes no null.
        let original = json!({
            "a": 1.0, "unknown": {"x": null}, "null": null,
            "list": [{"name": "p", "unknown": 1}, {"name": "q", "unknown": 2}],
        });
        let before = json!({"a": 1, "b": false, "list": [{"name": "p"}, {"name": "q"}]});
        assert_eq!(carry_over(&before, &before, &original), original);

        let after = json!({"a": 2, "b": true, "c": "new", "list": [{"name": "p"}, {"name": "q"}]});
        let expected = json!({
            "a": 2, "b": true, "c": "new", "unknown": {"x": null}, "null": null,
            "list": [{"name": "p", "unknown": 1}, {"name": "q", "unknown": 2}],
        });
        assert_eq!(carry_over(&before, &after, &original), expected);

        let removed = json!({"b": false, "list": [{"name": "q"}]});
        let expected = json!({
            "unknown": {"x": null}, "null": null, "list": [{"name": "q", "unknown": 2}],
        });
        assert_eq!(carry_over(&before, &removed, &original), expected);
    }

    #[test]
    fn items_of_lists_are_followed() {
        let original = json!([{"name": "a", "u": 1}, {"name": "b", "u": 2}, {"name": "c", "u": 3}]);
        let before = json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]);
        for (after, expected) in [
            // Inserted in front, with a change behind it.
            (
                json!([{"name": "z"}, {"name": "a", "v": 1}, {"name": "b"}, {"name": "c"}]),
                json!([{"name": "z"}, {"name": "a", "u": 1, "v": 1}, {"name": "b", "u": 2}, {"name": "c", "u": 3}]),
            ),
            // Turned round.
            (
                json!([{"name": "c"}, {"name": "b"}, {"name": "a"}]),
                json!([{"name": "c", "u": 3}, {"name": "b", "u": 2}, {"name": "a", "u": 1}]),
            ),
            // Renamed in place.
            (
                json!([{"name": "a"}, {"name": "x"}, {"name": "c"}]),
                json!([{"name": "a", "u": 1}, {"name": "x", "u": 2}, {"name": "c", "u": 3}]),
            ),
            // One for another, at the end.
            (
                json!([{"name": "a"}, {"name": "x"}]),
                json!([{"name": "a", "u": 1}, {"name": "x"}]),
            ),
            (json!([]), json!([])),
            (json!(null), json!(null)),
        ] {
            assert_eq!(carry_over(&before, &after, &original), expected, "{after}");
        }
    }

    #[test]
    fn what_the_type_gives_by_default_may_be_changed() {
        // The original lacks what the typed object has: containers come along whole.
        let (original, before) = (json!({"kept": 1}), json!({"spec": {"a": 1, "b": 2}}));
        assert_eq!(
            carry_over(&before, &json!({"spec": {"a": 5, "b": 2}}), &original),
            json!({"kept": 1, "spec": {"a": 5, "b": 2}})
        );
        assert_eq!(carry_over(&before, &json!({}), &original), original);
        assert_eq!(
            carry_over(&before, &json!({"spec": {"a": 5}}), &json!({"spec": null})),
            json!({"spec": {"a": 5}})
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4).prop_map(Value::from),
            "[ab]{0,1}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("name|a|b|~/", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// A typed form of a value: some members forgotten, others given by default.
    fn typed(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let known = map.iter().filter(|(key, value)| *key != "b" && !value.is_null());
                let mut map: Map<_, _> = known.map(|(key, value)| (key.clone(), typed(value))).collect();
                map.entry("default").or_insert(json!(0));
                Value::Object(map)
            }
            Value::Array(items) => Value::Array(items.iter().map(typed).collect()),
            single => single.clone(),
        }
    }

    proptest! {
        /// Where the type knows everything, the result is what the mutator made.
        #[test]
        fn a_type_that_knows_all_gives_what_it_made(before in values(), after in values()) {
            prop_assert_eq!(carry_over(&before, &after, &before), after);
        }

        #[test]
        fn unchanged_is_unchanged(original in values(), before in values()) {
            prop_assert_eq!(carry_over(&before, &before, &original), original);
        }

        /// What is sent leads to what is meant.
        #[test]
        fn the_patch_gives_the_result(original in values(), after in values()) {
            let result = carry_over(&typed(&original), &after, &original);
            let patch = json_patch::diff(&original, &result);
            let mut patched = original.clone();
            json_patch::patch(&mut patched, &patch).unwrap();
            prop_assert_eq!(patched, result);
        }

        /// A member that the type does not know stays wherever its parent stays.
        #[test]
        fn unknown_members_survive(original in values()) {
            let before = typed(&original);
            if let Value::Object(map) = &before {
                let mut after = map.clone();
                after.insert("added".to_owned(), json!(true));
                let result = carry_over(&before, &Value::Object(after), &original);
                prop_assert_eq!(result.get("b"), original.get("b"));
                prop_assert_eq!(result.get("added"), Some(&json!(true)));
            }
        }
    }
}
