//! Objects that are packed and decoded while others read and write them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta, Selector};
use serde_json::json;

use super::*;
use crate::cache::Lister;

/// A map whose data follow from its name and version, and which weighs about 1 kB.
fn map(name: &str, version: u64) -> Arc<ConfigMap> {
    let map = json!({
        "metadata": {
            "namespace": "n", "name": name, "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
            "labels": {"parity": (["even", "odd"][(version % 2) as usize])},
        },
        "data": {"name": name, "version": version.to_string()},
    });
    Arc::new(serde_json::from_value(map).unwrap())
}

fn version(map: &ConfigMap) -> u64 {
    map.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}

/// It is one state of one object.
fn check(found: &ConfigMap) {
    let expected = map(found.metadata.name.as_deref().unwrap(), version(found));
    assert_eq!(*found, *expected);
}

fn parity(map: &ConfigMap) -> Vec<String> {
    map.labels().get("parity").cloned().into_iter().collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|nth| format!("a-name-that-is-long-{nth:05}"))
        .collect()
}

/// What decoded objects weigh, and that this is no more than the budget, and that the sum is right.
fn weight(store: &Store<ConfigMap>) -> usize {
    let tally: Tally = store.parts().iter().map(|part| part.tally()).sum();
    let weight = store.inner.weight.load(Ordering::Relaxed);
    assert_eq!(tally.weight, weight);
    assert!(weight <= store.budget(), "{weight} of {}", store.budget());
    weight
}

fn is_decoded(store: &Store<ConfigMap>, name: &str) -> bool {
    let (part, namespace) = store.hashed("n");
    let table = read(store.part(part));
    matches!(
        table.get(&store.inner.hasher, namespace, name),
        Some(Entry::Decoded(_))
    )
}

#[test]
fn what_is_decoded_weighs_no_more_than_the_budget() {
    for budget in [0, 1, 5_000, 100_000, 1 << 30] {
        let store = Store::keeping(KeepDecoded::UpTo(budget));
        store.add_label_index("parity");
        let names = names(500);
        store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
        let first = weight(&store);
        assert!(first + 2_000 > budget.min(500_000), "{first} of {budget}");
        for (nth, name) in names.iter().enumerate() {
            store.insert(map(name, nth as u64 + 2));
            weight(&store);
        }
        for _ in 0..3 {
            for name in &names {
                check(&store.get(Some("n"), name).unwrap());
                weight(&store);
            }
            assert_eq!(store.namespace("n", |_| true).len(), 500);
            let selector: Selector = [("parity", "odd")].into_iter().collect();
            assert_eq!(Lister::new(store.clone()).select(&selector).len(), 250);
            weight(&store);
        }
        for name in &names {
            check(&store.remove(Some("n"), name).unwrap());
            weight(&store);
        }
        assert_eq!((weight(&store), store.len()), (0, 0));
    }
}

#[test]
fn another_budget_is_kept_from_then_on() {
    let store = Store::keeping(KeepDecoded::UpTo(1 << 20));
    let names = names(100);
    store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
    assert!(names.iter().all(|name| is_decoded(&store, name)));
    store.keep(KeepDecoded::UpTo(10_000));
    assert!(weight(&store) > 0);
    assert!(names.iter().filter(|name| is_decoded(&store, name)).count() < 20);
    // All that is read again.
    store.keep(KeepDecoded::All);
    for name in names.iter().chain(&names) {
        store.get(Some("n"), name).unwrap();
    }
    assert!(names.iter().all(|name| is_decoded(&store, name)));
}

#[test]
fn what_is_read_again_stays_ready() {
    let store = Store::keeping(KeepDecoded::UpTo(20_000));
    let names = names(200);
    store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
    let hot = &names[150];
    assert!(!is_decoded(&store, hot));
    // Once is in passing.
    store.get(Some("n"), hot).unwrap();
    assert!(!is_decoded(&store, hot));
    let held = store.get(Some("n"), hot).unwrap();
    assert!(is_decoded(&store, hot));
    for nth in 0..2_000 {
        store.insert(map(&names[nth % 150], nth as u64 + 2));
        assert!(Arc::ptr_eq(&held, &store.get(Some("n"), hot).unwrap()), "{nth}");
    }
    // Until it is read no more.
    for nth in 0..200 {
        store.insert(map(&names[nth % 150], nth as u64 + 10_000));
    }
    assert!(!is_decoded(&store, hot));
    assert_eq!(*held, *store.get(Some("n"), hot).unwrap());
}

/// Each that comes in costs the packing of another one.
#[test]
fn reads_all_over_a_cache_let_few_in() {
    let store = Store::keeping(KeepDecoded::UpTo(50_000));
    let names = names(500);
    store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
    let decoded = || -> Vec<_> { names.iter().filter(|name| is_decoded(&store, name)).collect() };
    let mut came_in = 0;
    for _ in 0..8 {
        for name in &names {
            let was_decoded = is_decoded(&store, name);
            check(&store.get(Some("n"), name).unwrap());
            came_in += usize::from(!was_decoded && is_decoded(&store, name));
            weight(&store);
        }
    }
    let decodes = store.decodes() as usize;
    assert!(decodes > 3_000, "{decodes}");
    assert!((1..=decodes / 16).contains(&came_in), "{came_in} of {decodes}");
    // Whatever is read often comes in all the same, and soon.
    let before = decoded();
    let hot = names.iter().find(|name| !before.contains(name)).unwrap();
    let reads = (1..)
        .find(|_| {
            store.get(Some("n"), hot).unwrap();
            is_decoded(&store, hot)
        })
        .unwrap();
    assert!(reads <= 18, "{reads}");
}

#[test]
fn a_list_of_everything_leaves_all_as_it_is() {
    let store = Store::keeping(KeepDecoded::UpTo(20_000));
    let names = names(200);
    store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
    let ready = || -> Vec<_> { names.iter().map(|name| is_decoded(&store, name)).collect() };
    let before = ready();
    for _ in 0..3 {
        let all = store.list();
        all.iter().for_each(|map| check(map));
        assert_eq!(all.len(), 200);
    }
    assert_eq!(ready(), before);
}

#[test]
fn what_has_not_changed_is_neither_decoded_nor_reported() {
    let store = Store::keeping(KeepDecoded::UpTo(0));
    let all = |version| {
        names(100)
            .iter()
            .map(|name| map(name, version))
            .collect::<Vec<_>>()
    };
    store.replace(all(1), &[]);
    assert!(store.replace(all(1), &[]).is_empty());
    assert_eq!(store.decodes(), 100, "the first list was reported");
    let deltas = store.replace(all(2), &[]);
    assert_eq!(deltas.len(), 100);
    for delta in &deltas {
        check(delta.object());
        let old = delta.old().unwrap();
        check(old);
        assert_eq!((version(old), version(delta.object())), (1, 2));
    }
    let gone = store.replace(Vec::new(), &[]);
    assert_eq!(gone.len(), 100);
    assert!(gone.iter().all(|delta| version(delta.object()) == 2));
}

#[test]
fn an_index_finds_what_is_packed() {
    let store = Store::keeping(KeepDecoded::UpTo(3_000));
    let names = names(100);
    store.add_index("parity", parity).unwrap();
    store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
    // One that comes later sees what is there.
    store.add_index("again", parity).unwrap();
    let sizes = |store: &Store<ConfigMap>| {
        ["parity", "again"].map(|index| {
            ["even", "odd"].map(|value| {
                let found = store.indexed(index, value).unwrap();
                found.iter().for_each(|map| {
                    check(map);
                    assert_eq!(parity(map), [value]);
                });
                found.len()
            })
        })
    };
    assert_eq!(sizes(&store), [[0, 100]; 2]);
    for name in &names[..30] {
        store.insert(map(name, 2));
    }
    for name in &names[20..40] {
        store.remove(Some("n"), name);
    }
    assert_eq!(sizes(&store), [[20, 60]; 2]);
    let keep = ObjectKey::namespaced("n", &names[0]);
    store.replace(vec![map(&names[1], 3)], &[keep]);
    assert_eq!(sizes(&store), [[1, 1]; 2]);
}

/// Readers that decode without end do not keep a writer from its end, nor the store from its budget.
#[test]
fn nobody_packs_for_ever() {
    let store = Store::keeping(KeepDecoded::UpTo(20_000));
    let names = names(300);
    store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (store, names, done) = (&store, &names, &done);
            scope.spawn(move || {
                let mut nth = reader;
                while !done.load(Ordering::Relaxed) {
                    nth += 7;
                    check(&store.get(Some("n"), &names[nth % names.len()]).unwrap());
                    // Each thread has one at most on its way.
                    let weight = store.inner.weight.load(Ordering::Relaxed);
                    assert!(weight < 20_000 + 5 * 2_000, "{weight}");
                }
            });
        }
        for version in 2..2_000 {
            store.insert(map(&names[version % names.len()], version as u64));
        }
        done.store(true, Ordering::Relaxed);
    });
    store.settle(Patience::Writer);
    weight(&store);
}

/// The invariant of the store, beside threads that make it pack and decode all the time.
#[test]
fn whoever_reads_sees_whole_states_while_objects_are_packed() {
    const ROUNDS: u64 = 60;
    for budget in [0, 4_000, 40_000] {
        let store = Store::keeping(KeepDecoded::UpTo(budget));
        let names = names(60);
        store.add_index("parity", parity).unwrap();
        store.replace(names.iter().map(|name| map(name, 0)).collect(), &[]);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..ROUNDS {
                    if round % 10 == 0 {
                        store.replace(names.iter().map(|name| map(name, round)).collect(), &[]);
                    } else {
                        for name in &names {
                            check(&store.insert(map(name, round)).unwrap());
                        }
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
            for reader in 0..3 {
                let (store, names, done) = (&store, &names, &done);
                scope.spawn(move || {
                    let (mut seen, mut nth) = (vec![0; names.len()], reader);
                    while !done.load(Ordering::Relaxed) {
                        nth += 7;
                        let at = nth % names.len();
                        let found = store.get(Some("n"), &names[at]).unwrap();
                        check(&found);
                        assert!(version(&found) >= seen[at]);
                        seen[at] = version(&found);
                        match nth % 5 {
                            0 => {
                                let all = store.list();
                                assert_eq!(all.len(), names.len());
                                let versions: BTreeSet<_> = all.iter().map(|map| version(map)).collect();
                                assert!(versions.len() <= 2, "{versions:?}");
                            }
                            1 => {
                                for map in store.indexed("parity", "odd").unwrap() {
                                    check(&map);
                                    assert_eq!(version(&map) % 2, 1);
                                }
                            }
                            2 => assert_eq!(store.namespace("n", |_| true).len(), names.len()),
                            _ => {}
                        }
                    }
                });
            }
        });
        store.settle(Patience::Writer);
        weight(&store);
        assert!(store.list().iter().all(|map| version(map) == ROUNDS - 1));
        let odd = store.indexed("parity", "odd").unwrap().len();
        assert_eq!(odd, names.len(), "the last round is odd");
    }
}

#[test]
fn metadata_and_objects_without_a_type_are_packed_too() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "namespace": "n", "resourceVersion": "1", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i", "args": ["x", "-1"]}], "priority": -3},
        "status": {"phase": "Running", "ratio": 0.25, "none": null},
    });
    let untyped: DynamicObject = serde_json::from_value(pod.clone()).unwrap();
    let store = Store::keeping(KeepDecoded::UpTo(0));
    store.insert(Arc::new(untyped.clone()));
    assert_eq!(store.inner.weight.load(Ordering::Relaxed), 0);
    let found = store.get(Some("n"), "a").unwrap();
    assert_eq!(*found, untyped);
    assert_eq!(serde_json::to_value(&*found).unwrap(), pod);
    assert_eq!(
        found.types.as_ref().unwrap().kind,
        ApiResource::erase::<Pod>(&()).kind
    );

    let metadata: PartialObjectMeta<Pod> = serde_json::from_value(pod.clone()).unwrap();
    let expected = serde_json::to_value(&metadata).unwrap();
    let store = Store::keeping(KeepDecoded::UpTo(0));
    store.insert(Arc::new(metadata));
    let found = store.get(Some("n"), "a").unwrap();
    assert_eq!(serde_json::to_value(&*found).unwrap(), expected);
    assert_eq!(store.decodes(), 1);
}

#[test]
fn the_size_says_what_is_packed() {
    let names = names(1_000);
    let sizes = [KeepDecoded::All, KeepDecoded::UpTo(200_000), KeepDecoded::UpTo(0)].map(|keep| {
        let store = Store::keeping(keep);
        store.replace(names.iter().map(|name| map(name, 1)).collect(), &[]);
        Lister::new(store).size()
    });
    assert!(sizes.iter().all(|size| size.objects == 1_000));
    assert_eq!((sizes[0].decoded, sizes[2].decoded), (1_000, 0));
    assert!((100..400).contains(&sizes[1].decoded), "{sizes:?}");
    assert!(
        sizes[0].bytes > 3 * sizes[1].bytes.min(sizes[2].bytes),
        "{sizes:?}"
    );
    assert!(sizes[1].bytes > sizes[2].bytes, "{sizes:?}");
}
