use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use proptest::prelude::*;

use super::*;
use crate::cache::{Delta, Store};

/// An object of that name, life and version.
fn map(name: usize, uid: usize, version: usize) -> Arc<ConfigMap> {
    let mut map = ConfigMap::default();
    map.metadata.namespace = Some("n".to_owned());
    map.metadata.name = Some(format!("m{name}"));
    map.metadata.uid = Some(uid.to_string());
    map.metadata.resource_version = Some(version.to_string());
    Arc::new(map)
}

fn version(map: &ConfigMap) -> &str {
    map.metadata.resource_version.as_deref().unwrap()
}

fn backlog(bound: usize) -> Backlog<ConfigMap> {
    Backlog::new(Some(bound), &Arc::default())
}

fn next(backlog: &Backlog<ConfigMap>) -> Option<Note<ConfigMap>> {
    match backlog.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(note) => note,
        Poll::Pending => None,
    }
}

fn short(note: &Note<ConfigMap>) -> String {
    match note {
        Note::Synced => "synced".to_owned(),
        Note::News(news) => match opened(news) {
            Delta::Added(new) => format!("+{}", version(&new)),
            Delta::Updated { old, new } => format!("{}>{}", version(old.get().unwrap()), version(&new)),
            Delta::Deleted { object, .. } => format!("-{}", version(&object)),
        },
    }
}

fn opened(news: &News<ConfigMap>) -> Delta<ConfigMap> {
    news.open(&Store::new()).unwrap()
}

/// The table of the module, row by row; `a` is version 1, `b` 2.
#[test]
fn changes_of_one_object_merge() {
    let [o, a, b, d, e] = [0, 1, 2, 3, 4].map(|version| map(0, 0, version));
    let added = |new: &Arc<ConfigMap>| Delta::Added(Arc::clone(new));
    let updated = |old: &Arc<ConfigMap>, new: &Arc<ConfigMap>| Delta::Updated {
        old: Arc::clone(old).into(),
        new: Arc::clone(new),
    };
    let deleted = |object: &Arc<ConfigMap>| Delta::Deleted {
        object: Arc::clone(object),
        state: LastState::Final,
    };
    for (changes, merged, expected) in [
        (vec![added(&a), updated(&a, &b)], 1, vec!["+2"]),
        (vec![added(&a), deleted(&d)], 1, vec![]),
        (vec![updated(&o, &a), updated(&a, &b)], 1, vec!["0>2"]),
        (vec![updated(&o, &a), deleted(&d)], 1, vec!["-3"]),
        (vec![deleted(&d), added(&b)], 1, vec!["-3", "+2"]),
        (vec![deleted(&d), added(&a), updated(&a, &b)], 2, vec!["-3", "+2"]),
        (vec![deleted(&d), added(&a), deleted(&e)], 2, vec!["-3"]),
        // A resync says nothing new; one alone stays one.
        (vec![updated(&o, &a), updated(&a, &a)], 1, vec!["0>1"]),
        (vec![updated(&a, &a), updated(&a, &a)], 1, vec!["1>1"]),
        (vec![updated(&a, &a), updated(&a, &b)], 1, vec!["1>2"]),
        // What was cancelled leaves nothing behind.
        (vec![added(&a), deleted(&d), added(&b)], 1, vec!["+2"]),
    ] {
        let backlog = backlog(0);
        let what: Vec<_> = changes
            .iter()
            .map(|delta| short(&Note::News(delta.clone().into())))
            .collect();
        for delta in changes {
            assert!(backlog.push(delta.into(), "ConfigMap"));
        }
        let taken: Vec<_> = std::iter::from_fn(|| next(&backlog))
            .map(|note| short(&note))
            .collect();
        assert_eq!(taken, expected, "{what:?}");
        assert_eq!(backlog.merged(), merged, "{what:?}");
    }
}

#[test]
fn an_object_keeps_its_place_and_what_waited_alone_stays() {
    let backlog = backlog(2);
    for delta in [
        Delta::Added(map(0, 0, 1)),
        Delta::Updated {
            old: map(0, 0, 1).into(),
            new: map(0, 0, 2),
        },
        // From here on by object.
        Delta::Added(map(1, 1, 10)),
        Delta::Updated {
            old: map(0, 0, 2).into(),
            new: map(0, 0, 3),
        },
        Delta::Updated {
            old: map(1, 1, 10).into(),
            new: map(1, 1, 11),
        },
    ] {
        backlog.push(delta.into(), "ConfigMap");
    }
    assert_eq!(backlog.len(), 4);
    let taken: Vec<_> = (0..2)
        .filter_map(|_| next(&backlog))
        .map(|note| short(&note))
        .collect();
    assert_eq!(taken, ["+1", "1>2"]);
    // There is room again, but the order of an object's changes comes first.
    backlog.push(
        Delta::Updated {
            old: map(0, 0, 3).into(),
            new: map(0, 0, 4),
        }
        .into(),
        "ConfigMap",
    );
    backlog.synced();
    let taken: Vec<_> = std::iter::from_fn(|| next(&backlog))
        .map(|note| short(&note))
        .collect();
    assert_eq!(taken, ["+11", "2>4", "synced"]);
    backlog.push(Delta::Added(map(2, 2, 20)).into(), "ConfigMap");
    assert!(backlog.state().late.is_empty(), "caught up, it is as before");
    backlog.end();
    assert_eq!(next(&backlog).map(|note| short(&note)).as_deref(), Some("+20"));
    assert!(matches!(
        backlog.poll(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(None)
    ));
    backlog.close();
    assert!(!backlog.push(Delta::Added(map(2, 2, 21)).into(), "ConfigMap"));
}

fn vanished(object: Arc<ConfigMap>) -> Delta<ConfigMap> {
    let state = LastState::LastKnown;
    Delta::Deleted { object, state }
}

fn again(object: Arc<ConfigMap>) -> News<ConfigMap> {
    News::Again(table::Entry::Decoded(object))
}

#[derive(Clone, Debug)]
enum Step {
    /// Creates the object, or changes it.
    Set(usize),
    Delete(usize),
    /// Another one of its name, told as a deletion and an addition.
    Replace(usize),
    /// Every object once more.
    Resync,
    Take(usize),
}

const NAMES: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..NAMES).prop_map(Step::Set),
        3 => (0..NAMES).prop_map(Step::Delete),
        2 => (0..NAMES).prop_map(Step::Replace),
        1 => Just(Step::Resync),
        2 => (1..4_usize).prop_map(Step::Take),
    ]
}

type Held = BTreeMap<ObjectKey, Arc<ConfigMap>>;

/// Applies a change as a subscriber would, who knows that none is out of place.
fn apply(held: &mut Held, delta: Delta<ConfigMap>) -> Result<(), TestCaseError> {
    let key = delta.key();
    match delta {
        Delta::Added(new) => {
            prop_assert!(
                held.insert(key, new).is_none(),
                "an object that is there was added"
            );
        }
        Delta::Updated { old, new } => {
            let before = held.insert(key, new);
            prop_assert!(
                before.is_some_and(|before| Arc::ptr_eq(&before, old.get().unwrap())),
                "`old` is not what was seen"
            );
        }
        Delta::Deleted { object, .. } => {
            let before = held.remove(&key);
            prop_assert!(
                before.is_some_and(|before| before.metadata.uid == object.metadata.uid),
                "an object that is not there was deleted"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The invariant, whatever the bound and whenever something is taken.
    #[test]
    fn what_is_taken_adds_up_to_the_cache(bound in 0..6_usize, steps in prop::collection::vec(step(), 0..80)) {
        let backlog = backlog(bound);
        let (mut cache, mut seen) = (Held::new(), Held::new());
        let (mut version, mut longest_replay) = (0, 0);
        for step in steps {
            version += 1;
            let told: Vec<Delta<ConfigMap>> = match step {
                Step::Set(name) => {
                    let key = ObjectKey::namespaced("n", format!("m{name}"));
                    let uid = cache.get(&key).map_or(version, |old| old.metadata.uid.as_deref().unwrap().parse().unwrap());
                    let new = map(name, uid, version);
                    vec![match cache.insert(key, Arc::clone(&new)) {
                        None => Delta::Added(new),
                        Some(old) => Delta::Updated { old: old.into(), new },
                    }]
                }
                Step::Delete(name) => {
                    let old = cache.remove(&ObjectKey::namespaced("n", format!("m{name}")));
                    // As the server does, with a version of its own.
                    old.map(|old| Delta::Deleted {
                        object: map(name, old.metadata.uid.as_deref().unwrap().parse().unwrap(), version),
                        state: LastState::Final,
                    }).into_iter().collect()
                }
                Step::Replace(name) => {
                    let new = map(name, version, version);
                    let old = cache.insert(ObjectKey::namespaced("n", format!("m{name}")), Arc::clone(&new));
                    old.map(vanished).into_iter().chain([Delta::Added(new)]).collect()
                }
                Step::Resync => {
                    longest_replay = cache.len().max(longest_replay);
                    // A subscriber that has not finished the last one is passed over.
                    if backlog.len() == 0 {
                        backlog.replay(cache.values().cloned().map(again).collect::<Vec<_>>().into_iter(), "");
                    }
                    Vec::new()
                }
                Step::Take(count) => {
                    for _ in 0..count {
                        if let Some(Note::News(news)) = next(&backlog) {
                            apply(&mut seen, opened(&news))?;
                        }
                    }
                    Vec::new()
                }
            };
            for delta in told {
                prop_assert!(backlog.push(delta.into(), ""));
            }
            // An entry of two changes leaves its second one in the queue.
            prop_assert!(backlog.len() <= bound.max(longest_replay) + 1 + NAMES);
            let state = backlog.state();
            prop_assert_eq!(state.places.len(), state.late.len());
        }
        while let Some(Note::News(news)) = next(&backlog) {
            apply(&mut seen, opened(&news))?;
        }
        prop_assert_eq!(seen.len(), cache.len());
        for (key, object) in &cache {
            prop_assert!(seen.get(key).is_some_and(|seen| Arc::ptr_eq(seen, object)), "{key} differs");
        }
        prop_assert_eq!(backlog.len(), 0);
    }
}
