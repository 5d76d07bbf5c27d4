use std::sync::mpsc as channel;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;

use super::*;
use crate::cache::Delta;
use crate::cache::reflector::Change;
use crate::kind::ObjectKey;

/// Far beyond what anything here takes; reached only when it will never happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// An informer that the test feeds.
fn informer() -> Informer<ConfigMap> {
    informer_with(ReflectorConfig::default())
}

fn informer_with(config: ReflectorConfig) -> Informer<ConfigMap> {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| {
        std::future::pending::<Result<http::Response<kube::client::Body>, kube::Error>>()
    });
    let client = kube::Client::new(service, "default");
    Informer::new(&client, &WatchScope::all(), config)
}

fn map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map.metadata.resource_version = Some("1".to_owned());
    map
}

fn maps(count: usize) -> Vec<Arc<ConfigMap>> {
    (0..count).map(|at| Arc::new(map(&format!("m{at}")))).collect()
}

#[tokio::test]
async fn a_dropped_subscription_leaves_nothing_behind() {
    let informer = informer();
    let (one, two) = (informer.subscribe(), informer.subscribe());
    assert_eq!(informer.core.shared.feeds().len(), 2);
    drop(one);
    assert_eq!(informer.core.shared.feeds().len(), 1);
    drop(two);
    assert!(informer.core.shared.feeds().is_empty());
}

/// A first state longer than the bound is told object by object; news beyond it is merged, and adds up to the cache.
#[tokio::test]
async fn a_subscriber_that_never_reads_costs_an_entry_for_each_object() {
    const OBJECTS: usize = 100;
    const UPDATES: usize = 100_000;
    let informer = informer();
    let shared = &informer.core.shared;
    let (mut never, mut all) = (
        informer.subscribe(),
        informer.subscribe_as(Subscribe {
            buffer: None,
            ..Subscribe::default()
        }),
    );
    shared.relist(maps(OBJECTS));
    for version in 2..2 + UPDATES {
        let mut map = map(&format!("m{}", version % OBJECTS));
        map.metadata.resource_version = Some(version.to_string());
        shared.apply(vec![Change::Set(map)]);
        // The reader of each change keeps pace, whatever the other one does.
        while all.pending() > 0 {
            all.recv().await;
        }
    }
    let bound = Subscribe::default().buffer.unwrap();
    assert_eq!(never.pending(), OBJECTS + bound);
    assert_eq!(all.merged(), 0);
    // The first state, and that it is complete.
    let one_by_one = bound - OBJECTS - 1;
    let merged = (UPDATES - one_by_one - OBJECTS) as u64;
    assert_eq!((never.merged(), informer.merged()), (merged, merged));
    let mut seen = std::collections::HashMap::new();
    while never.pending() > 0 {
        let delta = never.recv().await.unwrap();
        let before = seen.insert(delta.key(), Arc::clone(delta.object()));
        match delta.old() {
            Some(old) => assert!(Arc::ptr_eq(old, &before.unwrap())),
            None => assert!(before.is_none()),
        }
    }
    assert_eq!(seen.len(), OBJECTS);
    for object in informer.lister().list() {
        assert!(Arc::ptr_eq(&seen[&ObjectKey::of(&*object)], &object));
    }
    // A first state is not merged, however long.
    drop(never);
    shared.relist(maps(20_000));
    let late = informer.subscribe();
    assert_eq!((late.pending(), late.merged()), (20_001, 0));
}

/// The other half of the invariant of the store: user code holds up neither readers nor subscribers, and these miss
/// nothing of what is built meanwhile.
#[tokio::test]
async fn an_index_function_delays_no_reader_and_no_subscriber() {
    let informer = informer();
    let (entered, enters) = channel::channel();
    let (go, goes) = channel::channel::<()>();
    let goes = Mutex::new(goes);
    let slow = move |_: &ConfigMap| {
        entered.send(()).unwrap();
        // Fails where the test has failed.
        let _ = goes.lock().unwrap().recv();
        Vec::new()
    };
    informer.add_index("slow", slow).unwrap();
    let shared = Arc::clone(&informer.core.shared);
    let replacing = std::thread::spawn(move || shared.relist(maps(1)));
    enters.recv_timeout(DEADLINE).unwrap();
    let (done, outcome) = channel::channel();
    let beside = informer.clone();
    std::thread::spawn(move || done.send((beside.lister().len(), beside.subscribe())));
    let (objects, changes) = outcome
        .recv_timeout(DEADLINE)
        .expect("nothing waits for the function");
    assert_eq!((objects, changes.pending()), (0, 0));
    drop(go);
    replacing.join().unwrap();
    informer.stop();
    let changes: Vec<_> = changes.map(|delta| delta.key().name).collect().await;
    assert_eq!(changes, ["m0"]);
}

/// Whoever listens gets old states from objects that nobody kept decoded.
#[tokio::test]
async fn old_states_come_from_packed_objects() {
    let config = ReflectorConfig {
        keep_decoded: crate::cache::KeepDecoded::UpTo(0),
        ..ReflectorConfig::default()
    };
    let informer = informer_with(config);
    let shared = &informer.core.shared;
    let state = |name: &str, uid: &str, version: &str| {
        let mut map = map(name);
        map.metadata.uid = Some(uid.to_owned());
        map.metadata.resource_version = Some(version.to_owned());
        map
    };
    shared.relist(vec![
        Arc::new(state("a", "u", "1")),
        Arc::new(state("b", "u", "1")),
    ]);
    let mut changes = informer.subscribe();
    for _ in 0..2 {
        assert!(matches!(changes.recv().await, Some(Delta::Added(_))));
    }
    let key = ObjectKey::of(&state("b", "u", "1"));
    shared.apply(vec![
        Change::Set(state("a", "u", "2")),
        Change::Set(state("a", "u", "2")),
        Change::Set(state("a", "v", "3")),
        Change::GoneKey(key),
    ]);
    shared.relist(vec![Arc::new(state("a", "v", "4"))]);
    shared.relist(vec![Arc::new(state("a", "v", "4"))]);
    shared.relist(Vec::new());
    let mut seen = Vec::new();
    let version = |map: &Arc<ConfigMap>| map.metadata.resource_version.clone().unwrap();
    while changes.pending() > 0 {
        seen.push(match changes.recv().await.unwrap() {
            Delta::Added(new) => format!("+{}", version(&new)),
            Delta::Updated { old, new } => format!("{}>{}", version(old.get().unwrap()), version(&new)),
            Delta::Deleted { object, state } => format!("-{} {state:?}", version(&object)),
        });
    }
    assert_eq!(
        seen,
        ["1>2", "-2 LastKnown", "+3", "-1 LastKnown", "3>4", "-4 LastKnown"]
    );
    assert!(informer.lister().size().decodes > 0);
}

/// A state whose parts are as told.
fn state(name: &str, uid: &str, version: u64, generation: i64) -> ConfigMap {
    let mut map = map(name);
    map.metadata.uid = Some(uid.to_owned());
    map.metadata.resource_version = Some(version.to_string());
    map.metadata.generation = Some(generation);
    map
}

/// An informer that packs everything, whose cache holds `a` and `b`.
fn packing() -> Informer<ConfigMap> {
    let informer = informer_with(ReflectorConfig {
        keep_decoded: crate::cache::KeepDecoded::UpTo(0),
        ..ReflectorConfig::default()
    });
    let first = ["a", "b"].map(|name| Arc::new(state(name, name, 1, 1)));
    informer.core.shared.relist(first.to_vec());
    informer
}

fn decodes(informer: &Informer<ConfigMap>) -> u64 {
    informer.lister().size().decodes
}

/// The invariant of what is told: nothing is decoded that nobody looks at, and an earlier state once for all.
#[tokio::test]
async fn what_nobody_looks_at_is_not_decoded() {
    let informer = packing();
    let shared = &informer.core.shared;
    let mut changes = [informer.subscribe(), informer.subscribe()];
    assert_eq!(decodes(&informer), 0, "what waits is packed");
    for changes in &mut changes {
        for _ in 0..2 {
            assert!(matches!(changes.recv().await, Some(Delta::Added(_))));
        }
    }
    assert_eq!(decodes(&informer), 4, "decoded as it was taken");
    shared.apply(vec![
        Change::Set(state("a", "a", 2, 1)),
        // Another object of that name, and one that is gone.
        Change::Set(state("b", "c", 3, 1)),
        Change::Gone(state("b", "c", 4, 1)),
    ]);
    assert_eq!(decodes(&informer), 4);
    let mut updates = Vec::new();
    for changes in &mut changes {
        updates.push(changes.recv().await.unwrap());
        assert!(!updates.last().unwrap().is_resync());
    }
    assert_eq!(decodes(&informer), 4, "new states came decoded");
    for update in &updates {
        assert_eq!(
            update.old().unwrap().metadata.resource_version.as_deref(),
            Some("1")
        );
    }
    assert!(Arc::ptr_eq(updates[0].old().unwrap(), updates[1].old().unwrap()));
    assert_eq!(decodes(&informer), 5, "once for both");
    for changes in &mut changes {
        let told: Vec<_> = changes
            .take(3)
            .map(|delta| format!("{delta:?}").split('(').next().unwrap().to_owned())
            .collect()
            .await;
        assert!(told[0].starts_with("Deleted") && told[1] == "Added" && told[2].starts_with("Deleted"));
    }
    // A replay of what nobody reads.
    let late = informer.subscribe_with(Some(Duration::from_secs(1)));
    assert_eq!(late.pending(), 2, "the first state and its end");
    assert_eq!(decodes(&informer), 7, "the last state of the first `b`, for each");
}

/// What a controller asks of changes whose objects it does not need.
#[tokio::test]
async fn a_controller_decodes_what_its_predicate_looks_at() {
    use crate::controller::Predicate;

    let informer = packing();
    let mut changes = informer.subscribe();
    let passes = |predicate: &Predicate<ConfigMap>, change: &crate::cache::Heard<ConfigMap>| {
        predicate
            .foretells(change.glance())
            .unwrap_or_else(|| predicate.accepts(change.delta().unwrap()))
    };
    let (generation, version) = (
        Predicate::generation_changed(),
        Predicate::resource_version_changed(),
    );
    let both = generation.clone().and(version.clone());
    for name in ["a", "b"] {
        let change = changes.hear().await.unwrap();
        assert_eq!(change.key().name, name);
        assert!(passes(&both, &change) && !passes(&both.clone().not(), &change));
    }
    let shared = &informer.core.shared;
    shared.apply(vec![
        Change::Set(state("a", "a", 2, 1)),
        Change::Set(state("a", "a", 3, 2)),
    ]);
    let change = changes.hear().await.unwrap();
    assert!(passes(&version, &change) && passes(&version.clone().or(generation.clone()), &change));
    assert_eq!(decodes(&informer), 0);
    assert!(!passes(&generation, &change) && !passes(&both, &change));
    assert_eq!(decodes(&informer), 1, "the old state, once");
    let change = changes.hear().await.unwrap();
    assert!(passes(&generation, &change) && passes(&both, &change));
    assert_eq!(decodes(&informer), 2);
    // Every object once more is no change of any.
    for entry in shared.store.entries() {
        let again = crate::cache::Heard::new(crate::cache::News::Again(entry), &shared.store);
        assert!(!passes(&version, &again) && !passes(&both, &again));
        assert!(passes(&version.clone().not(), &again));
    }
    assert_eq!(decodes(&informer), 2);
}
