use std::sync::mpsc as channel;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;

use super::*;

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

#[tokio::test]
async fn a_replay_is_no_backlog() {
    let informer = informer();
    let shared = &informer.core.shared;
    let mut early = informer.subscribe();
    shared.relist(maps(20_000));
    let _late = informer.subscribe();
    shared.apply(vec![Change::Set(map("new"))]);
    let late = || -> Vec<_> {
        let feeds = shared.feeds();
        let late = |feed: &Feed<ConfigMap>| feed.late(feed.pending.load(Ordering::Relaxed));
        feeds.iter().map(late).collect()
    };
    // That the first state is complete, and the change.
    assert_eq!(late(), [2, 2]);
    while early.pending() > 1 {
        early.recv().await;
    }
    assert_eq!(late(), [0, 2]);
    // From the second list on, what changes is news.
    shared.relist(maps(10));
    assert_eq!(late()[1], 2 + 20_000 - 10 + 1);
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
            Delta::Updated { old, new } => format!("{}>{}", version(&old), version(&new)),
            Delta::Deleted { object, state } => format!("-{} {state:?}", version(&object)),
        });
    }
    assert_eq!(
        seen,
        ["1>2", "-2 LastKnown", "+3", "-1 LastKnown", "3>4", "-4 LastKnown"]
    );
    assert!(informer.lister().size().decodes > 0);
}
