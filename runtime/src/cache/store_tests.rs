use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use proptest::prelude::*;

use super::*;
use crate::cache::{LastState, Lister};

const VALUES: [&str; 3] = ["x", "y", "z"];

/// What tells one state of an object from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    namespace: &'static str,
    name: &'static str,
    uid: u8,
    version: u8,
}

impl State {
    fn key(&self) -> ObjectKey {
        ObjectKey::namespaced(self.namespace, self.name)
    }

    fn object(&self) -> Arc<ConfigMap> {
        let mut map = ConfigMap::default();
        map.metadata.namespace = Some(self.namespace.to_owned());
        map.metadata.name = Some(self.name.to_owned());
        map.metadata.uid = Some(self.uid.to_string());
        map.metadata.resource_version = Some(self.version.to_string());
        Arc::new(map)
    }

    fn of(map: &ConfigMap) -> Self {
        let known = |text: &Option<String>, all: &[&'static str]| {
            let text = text.as_deref().unwrap();
            *all.iter().find(|known| **known == text).unwrap()
        };
        let number = |text: &Option<String>| text.as_deref().unwrap().parse().unwrap();
        Self {
            namespace: known(&map.metadata.namespace, &NAMESPACES),
            name: known(&map.metadata.name, &NAMES),
            uid: number(&map.metadata.uid),
            version: number(&map.metadata.resource_version),
        }
    }

    /// None, one or two values.
    fn values(&self) -> Vec<String> {
        let values: &[&str] = match self.version % 4 {
            0 => &[],
            1 => &VALUES[..1],
            2 => &VALUES[..2],
            _ => &VALUES[1..],
        };
        values.iter().map(ToString::to_string).collect()
    }
}

const NAMESPACES: [&str; 2] = ["n", "m"];
const NAMES: [&str; 3] = ["a", "b", "c"];

fn state(name: &'static str, uid: u8, version: u8) -> State {
    State {
        namespace: "n",
        name,
        uid,
        version,
    }
}

fn by_value(map: &ConfigMap) -> Vec<String> {
    State::of(map).values()
}

fn store_of(states: &[State]) -> Store<ConfigMap> {
    let store = Store::new();
    store.replace(states.iter().map(State::object).collect(), &[]);
    store
}

fn states(objects: &[Arc<ConfigMap>]) -> BTreeSet<State> {
    let states: BTreeSet<_> = objects.iter().map(|object| State::of(object)).collect();
    assert_eq!(
        states.len(),
        objects.len(),
        "an object is there twice: {objects:?}"
    );
    states
}

/// A change in short: what happened, and the versions before and after.
fn short(delta: &Delta<ConfigMap>) -> String {
    let version = |object: &Arc<ConfigMap>| object.metadata.resource_version.clone().unwrap();
    match delta {
        Delta::Added(new) => format!("added {}", version(new)),
        Delta::Updated { old, new } => format!("updated {} {}", version(old.get().unwrap()), version(new)),
        Delta::Deleted { object, state } => format!("deleted {} {state:?}", version(object)),
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(State),
    Remove(State),
    Replace(Vec<State>, Vec<State>),
    AddIndex(&'static str),
}

fn any_state() -> impl Strategy<Value = State> {
    let (namespace, name) = (prop::sample::select(&NAMESPACES), prop::sample::select(&NAMES));
    (namespace, name, 0_u8..2, 0_u8..5).prop_map(|(namespace, name, uid, version)| State {
        namespace,
        name,
        uid,
        version,
    })
}

fn any_op() -> impl Strategy<Value = Op> {
    let several = || prop::collection::vec(any_state(), 0..8);
    prop_oneof![
        4 => any_state().prop_map(Op::Insert),
        2 => any_state().prop_map(Op::Remove),
        3 => (several(), several()).prop_map(|(objects, keep)| Op::Replace(objects, keep)),
        1 => prop::sample::select(&["one", "two"][..]).prop_map(Op::AddIndex),
    ]
}

/// Nothing, or about one object, or several, or all of them.
fn any_keep() -> impl Strategy<Value = KeepDecoded> {
    prop::sample::select(vec![
        KeepDecoded::UpTo(0),
        KeepDecoded::UpTo(700),
        KeepDecoded::UpTo(2_000),
        KeepDecoded::All,
    ])
}

proptest! {
    /// The invariant of the store as far as one thread can see it: the table and each index always agree.
    #[test]
    fn matches_a_map_model(ops in prop::collection::vec(any_op(), 1..40), keep in any_keep()) {
        let store = Store::keeping(keep);
        let lister = Lister::new(store.clone());
        let mut model: BTreeMap<ObjectKey, State> = BTreeMap::new();
        let mut indexes = BTreeSet::new();
        for op in ops {
            match op {
                Op::Insert(state) => {
                    let old = store.insert(state.object()).map(|old| State::of(&old));
                    prop_assert_eq!(old, model.insert(state.key(), state));
                }
                Op::Remove(state) => {
                    let old = store.remove(Some(state.namespace), state.name);
                    prop_assert_eq!(old.map(|old| State::of(&old)), model.remove(&state.key()));
                }
                Op::Replace(objects, keep) => {
                    let keep: Vec<_> = keep.iter().map(State::key).collect();
                    let mut next: BTreeMap<_, _> = model.clone();
                    next.retain(|key, _| keep.contains(key));
                    next.extend(objects.iter().map(|state| (state.key(), state.clone())));
                    for delta in store.replace(objects.iter().map(State::object).collect(), &keep) {
                        let new = State::of(delta.object());
                        let old = match &delta {
                            Delta::Added(_) => model.insert(new.key(), new),
                            Delta::Updated { old, .. } => {
                                let before = model.insert(new.key(), new);
                                prop_assert_eq!(before.as_ref(), Some(&State::of(old.get().unwrap())));
                                None
                            }
                            Delta::Deleted { .. } => {
                                prop_assert_eq!(model.remove(&new.key()), Some(new));
                                None
                            }
                        };
                        prop_assert_eq!(old, None, "added what was there");
                    }
                    // The changes lead from one state to the other.
                    prop_assert_eq!(&model, &next);
                    prop_assert!(lister.has_synced());
                }
                Op::AddIndex(name) => {
                    prop_assert_eq!(store.add_index(name, by_value).is_ok(), indexes.insert(name));
                }
            }
            let weight: Tally = store.parts().iter().map(|part| part.tally()).sum();
            prop_assert!(weight.weight <= store.budget());
            prop_assert_eq!(weight.weight, store.inner.weight.load(Ordering::Relaxed));
            for state in model.values() {
                let found = store.get(Some(state.namespace), state.name).map(|found| State::of(&found));
                prop_assert_eq!(found.as_ref(), Some(state));
            }
            let all: BTreeSet<_> = model.values().cloned().collect();
            prop_assert_eq!(states(&lister.list()), all.clone());
            prop_assert_eq!(lister.len(), all.len());
            for namespace in NAMESPACES {
                let mut expected = all.clone();
                expected.retain(|state| state.namespace == namespace);
                prop_assert_eq!(states(&lister.namespace(namespace).list()), expected);
            }
            for index in &indexes {
                let values: BTreeSet<_> = all.iter().flat_map(State::values).collect();
                let found: BTreeSet<_> = lister.index_values(index).unwrap().into_iter().collect();
                prop_assert_eq!(found, values);
                for value in VALUES {
                    let mut expected = all.clone();
                    expected.retain(|state| state.values().iter().any(|other| other == value));
                    prop_assert_eq!(states(&lister.by_index(index, value).unwrap()), expected);
                }
            }
        }
    }
}

/// The other half of the invariant: a reader beside the writer sees whole states only.
#[test]
fn readers_see_a_replacement_as_one_step() {
    let whole = |version| NAMES.map(|name| state(name, 0, version));
    let store = store_of(&whole(1));
    store.add_index("value", by_value).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for version in (1..4).cycle().take(600) {
                store.replace(whole(version).iter().map(State::object).collect(), &[]);
            }
        });
        while !writer.is_finished() {
            let versions: BTreeSet<_> = states(&store.list()).iter().map(|state| state.version).collect();
            assert_eq!(versions.len(), 1);
            let found = store.indexed("value", "y").unwrap().len();
            assert!(found == 0 || found == NAMES.len(), "{found} of a state");
        }
    });
}

/// An object is never between the table and an index, nor between two parts, for who reads both.
#[test]
fn readers_see_a_change_in_all_tables_at_once() {
    let namespaces: Vec<_> = (0..40).map(|nth| format!("n{nth}")).collect();
    let object = |namespace: &str, version: u32| {
        let mut map = ConfigMap::default();
        map.metadata.namespace = Some(namespace.to_owned());
        map.metadata.name = Some("a".to_owned());
        map.metadata.resource_version = Some(version.to_string());
        Arc::new(map)
    };
    let version = |map: &Arc<ConfigMap>| {
        let text = map.metadata.resource_version.as_deref().unwrap();
        text.parse::<u32>().unwrap()
    };
    let all = |of: u32| namespaces.iter().map(|namespace| object(namespace, of)).collect();
    let store = Store::new();
    store.replace(all(0), &[]);
    store
        .add_index("all", |_: &ConfigMap| vec!["x".to_owned()])
        .unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..200 {
                store.replace(all(round * 10), &[]);
                for namespace in &namespaces {
                    store.insert(object(namespace, round * 10 + 1));
                }
            }
        });
        while !writer.is_finished() {
            // Within a round the writer goes from the first namespace to the last, so every state is a run of new
            // versions before a run of old ones.
            let list = store.list();
            let found: BTreeMap<_, _> = list
                .iter()
                .map(|map| (map.metadata.namespace.clone().unwrap(), version(map)))
                .collect();
            let versions: Vec<_> = namespaces.iter().map(|namespace| found[namespace]).collect();
            assert!(
                versions.is_sorted_by(|a, b| a >= b) && versions[0] - versions[39] <= 1,
                "{versions:?}"
            );
            let indexed = store.indexed("all", "x").unwrap();
            for map in &indexed {
                let now = store.get(map.metadata.namespace.as_deref(), "a").unwrap();
                assert!(version(&now) >= version(map), "the table is behind the index");
            }
            let now = store.get(Some("n7"), "a").unwrap();
            let indexed = store.indexed("all", "x").unwrap();
            let other = indexed
                .iter()
                .find(|map| map.metadata.namespace == now.metadata.namespace);
            assert!(
                version(other.unwrap()) >= version(&now),
                "the index is behind the table"
            );
        }
    });
}

fn labelled(namespace: &str, name: &str, labels: &[(&str, &str)]) -> Arc<ConfigMap> {
    let mut map = ConfigMap::default();
    map.metadata.namespace = Some(namespace.to_owned());
    map.metadata.name = Some(name.to_owned());
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    map.metadata.labels = Some(labels.collect());
    Arc::new(map)
}

/// What an index serves is what a look at every object gives.
#[test]
fn selectors_are_the_same_with_and_without_an_index() {
    use kube::core::{Expression, Selector};
    let (plain, indexed) = (Store::new(), Store::new());
    indexed.add_label_index("app");
    for nth in 0..60 {
        let (app, tier) = (["web", "db", "queue"][nth % 3], ["front", "back"][nth % 2]);
        let labels: &[_] = match nth % 5 {
            0 => &[("tier", tier)],
            _ => &[("app", app), ("tier", tier)],
        };
        let namespace = ["n", "m", "o"][nth / 20];
        for store in [&plain, &indexed] {
            store.insert(labelled(namespace, &format!("a{nth}"), labels));
        }
    }
    indexed.add_label_index("tier");
    indexed.add_label_index("tier");
    let set = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    let selectors: Vec<Selector> = vec![
        Selector::default(),
        Expression::Equal("app".into(), "web".into()).into(),
        Expression::Equal("app".into(), "none".into()).into(),
        Expression::In("app".into(), set(&["web", "db", "none"])).into(),
        Expression::Exists("app".into()).into(),
        Expression::DoesNotExist("app".into()).into(),
        Expression::NotEqual("app".into(), "web".into()).into(),
        Expression::NotIn("app".into(), set(&["web", "db"])).into(),
        Expression::Equal("unknown".into(), "web".into()).into(),
        [("app", "web"), ("tier", "front")].into_iter().collect(),
    ];
    let names = |objects: Vec<Arc<ConfigMap>>| {
        let names: BTreeSet<_> = objects
            .iter()
            .map(|map| map.metadata.name.clone().unwrap())
            .collect();
        assert_eq!(names.len(), objects.len());
        names
    };
    let (plain, indexed_lister) = (Lister::new(plain), Lister::new(indexed.clone()));
    for selector in &selectors {
        let expected = names(plain.select(selector));
        assert_eq!(names(indexed_lister.select(selector)), expected, "{selector}");
        for namespace in ["n", "m", "o", "p"] {
            assert_eq!(
                names(indexed_lister.namespace(namespace).select(selector)),
                names(plain.namespace(namespace).select(selector)),
                "{selector} in {namespace}"
            );
        }
    }
    // The smaller of two indexes, and none where none fits.
    let both = &selectors[9];
    assert_eq!(indexed.candidates(both, usize::MAX, |_| true).unwrap().len(), 16);
    assert!(indexed.candidates(both, 16, |_| true).is_none());
    for selector in [&selectors[0], &selectors[5], &selectors[6], &selectors[8]] {
        assert!(
            indexed.candidates(selector, usize::MAX, |_| true).is_none(),
            "{selector}"
        );
    }
}

#[test]
fn replace_with_duplicates_keeps_the_last_everywhere() {
    let (old, new) = (state("a", 0, 1), state("a", 0, 3));
    let store = Store::new();
    store.add_index("value", by_value).unwrap();
    let deltas = store.replace(vec![old.object(), new.object()], &[]);
    assert_eq!(deltas.iter().map(short).collect::<Vec<_>>(), ["added 3"]);
    assert_eq!(store.len(), 1);
    assert_eq!(
        states(&store.namespace("n", |_| true)),
        BTreeSet::from([new.clone()])
    );
    assert!(store.indexed("value", "x").unwrap().is_empty());
    assert_eq!(
        states(&store.indexed("value", "y").unwrap()),
        BTreeSet::from([new])
    );

    // The old state among them is no change.
    let newest = state("a", 0, 4);
    let deltas = store.replace(vec![state("a", 0, 3).object(), newest.object()], &[]);
    assert_eq!(deltas.iter().map(short).collect::<Vec<_>>(), ["updated 3 4"]);
    assert!(store.index_values("value").unwrap().is_empty());
}

#[test]
fn same_version_keeps_the_arc() {
    let store = store_of(&[state("a", 0, 1)]);
    let held = store.get(Some("n"), "a").unwrap();
    let deltas = store.replace(vec![state("a", 0, 1).object()], &[]);
    assert!(deltas.is_empty(), "{deltas:?}");
    assert!(Arc::ptr_eq(&held, &store.get(Some("n"), "a").unwrap()));
    // Without a version nothing tells that it is the same.
    let mut bare = ConfigMap::clone(&held);
    bare.metadata.resource_version = None;
    assert_eq!(store.replace(vec![Arc::new(bare)], &[]).len(), 1);
}

#[test]
fn a_new_uid_is_deleted_then_added() {
    let store = store_of(&[state("a", 0, 1)]);
    // The same version in a server that was set up anew is another object as well.
    for (uid, version) in [(1, 2), (0, 2)] {
        let deltas = store.replace(vec![state("a", uid, version).object()], &[]);
        let [Delta::Deleted { object, state: last }, Delta::Added(new)] = &deltas[..] else {
            panic!("{deltas:?}");
        };
        assert_eq!(*last, LastState::LastKnown);
        assert_ne!(object.metadata.uid, new.metadata.uid);
    }
}

#[test]
fn undecodable_keeps_the_old() {
    let store = store_of(&[state("a", 0, 1), state("b", 0, 1)]);
    store.add_index("value", by_value).unwrap();
    let keep = [state("a", 0, 0).key(), state("c", 0, 0).key()];
    let deltas = store.replace(vec![state("b", 0, 1).object()], &keep);
    assert!(deltas.is_empty(), "{deltas:?}");
    assert_eq!(states(&store.list()).len(), 2);
    assert_eq!(states(&store.indexed("value", "x").unwrap()).len(), 2);
    let deltas = store.replace(vec![state("b", 0, 1).object()], &[]);
    assert_eq!(
        deltas.iter().map(short).collect::<Vec<_>>(),
        ["deleted 1 LastKnown"]
    );
}

#[test]
fn an_index_function_that_panics_leaves_the_rest() {
    let store = store_of(&[state("a", 0, 1)]);
    let fussy = |map: &ConfigMap| {
        assert_ne!(State::of(map).name, "b", "as the test wants it");
        by_value(map)
    };
    store.add_index("fussy", fussy).unwrap();
    store.add_index("value", by_value).unwrap();
    store.insert(state("b", 0, 1).object());
    store.replace(
        [("a", 1), ("b", 1), ("c", 1)]
            .map(|(name, version)| state(name, 0, version).object())
            .into(),
        &[],
    );
    assert_eq!(store.len(), 3);
    assert_eq!(store.indexed("value", "x").unwrap().len(), 3);
    let found = states(&store.indexed("fussy", "x").unwrap());
    assert_eq!(
        found.iter().map(|state| state.name).collect::<Vec<_>>(),
        ["a", "c"]
    );
    store.remove(Some("n"), "b");
    assert_eq!(store.indexed("value", "x").unwrap().len(), 2);
}

#[test]
fn the_name_of_an_index_is_taken_once() {
    let store = store_of(&[state("a", 0, 1)]);
    store.add_index("value", by_value).unwrap();
    let error = store.add_index("value", |_| Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "add index \"value\" of ConfigMap: there is an index of that name"
    );
    assert_eq!(store.indexed("value", "x").unwrap().len(), 1);
}
