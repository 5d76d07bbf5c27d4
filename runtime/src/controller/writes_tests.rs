use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Resource;
use serde_json::json;

use super::*;
use crate::cache::{Delta, LastState, News, Store};

const PATIENCE: Duration = Duration::from_secs(10);

fn map(name: &str, uid: &str, version: &str) -> Arc<ConfigMap> {
    let metadata = json!({"namespace": "default", "name": name, "uid": uid, "resourceVersion": version});
    Arc::new(serde_json::from_value(json!({ "metadata": metadata })).unwrap())
}

const MAPS: CacheId = CacheId::RECONCILED;

/// A cache, its writes and their queue; the key "owner" is what is reconciled.
struct World {
    store: Store<ConfigMap>,
    writes: Writes,
    queue: WorkQueue<ObjectKey>,
    owner: Arc<ObjectKey>,
}

impl World {
    fn new() -> Self {
        let queue = WorkQueue::new();
        Self {
            store: Store::new(),
            writes: Writes::new(PATIENCE, queue.clone()),
            queue,
            owner: Arc::new(ObjectKey::namespaced("default", "owner")),
        }
    }

    fn lister(&self) -> Lister<ConfigMap> {
        Lister::new(self.store.clone())
    }

    fn wrote(&self, name: &str, uid: &str, version: &str) {
        let want = Want::Written {
            uid: uid.into(),
            version: version.into(),
        };
        let key = ObjectKey::namespaced("default", name);
        self.writes.note(&self.owner, key, want, (MAPS, &self.lister()));
    }

    fn deleted(&self, name: &str, uid: &str) {
        let want = Want::Deleted { uid: uid.into() };
        let key = ObjectKey::namespaced("default", name);
        self.writes.note(&self.owner, key, want, (MAPS, &self.lister()));
    }

    /// As an informer does: first the store, then the change.
    fn set(&self, object: Arc<ConfigMap>) {
        let delta = match self.store.insert(Arc::clone(&object)) {
            Some(old) => Delta::Updated {
                old: old.into(),
                new: object,
            },
            None => Delta::Added(object),
        };
        self.deliver(MAPS, delta);
    }

    fn end(&self, object: Arc<ConfigMap>) {
        self.store
            .remove(Some("default"), object.meta().name.as_deref().unwrap());
        let state = LastState::Final;
        self.deliver(MAPS, Delta::Deleted { object, state });
    }

    fn deliver<C: Cached>(&self, id: CacheId, delta: Delta<C>) {
        let change = Heard::new(News::from(delta), &Store::new());
        self.writes.delivered(id, &change);
    }

    fn turn(&self) -> Turn {
        self.writes.turn(&self.owner)
    }

    /// Whether the owner was enqueued; takes it out.
    fn woken(&self) -> bool {
        self.queue.get().now_or_never().flatten().is_some()
    }

    fn assert_empty(&self) {
        let state = self.writes.state();
        assert!(state.gates.is_empty() && state.awaited.is_empty());
        assert_eq!(self.writes.waiting.load(atomic::Ordering::SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_for_its_version_and_is_woken_by_it() {
    let world = World::new();
    assert_eq!(world.turn(), Turn::Now);
    world.set(map("child", "u", "9"));
    world.wrote("child", "u", "11");
    assert_eq!(world.turn(), Turn::Held);
    world.set(map("other", "v", "12"));
    world.set(map("child", "u", "10"));
    assert!(!world.woken(), "an older version is no news");
    assert_eq!(world.turn(), Turn::Held);
    world.set(map("child", "u", "11"));
    assert!(world.woken());
    assert_eq!(world.turn(), Turn::Now);
    world.assert_empty();
    // The delay that stood for its patience is gone with it.
    tokio::time::advance(PATIENCE * 2).await;
    assert!(!world.woken());
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_or_the_end_will_do() {
    let world = World::new();
    world.wrote("child", "u", "9");
    world.set(map("child", "u", "10"));
    world.assert_empty();
    assert!(!world.woken(), "nobody was sent away");

    // Changed and deleted before it was seen.
    world.wrote("child", "u", "11");
    assert_eq!(world.turn(), Turn::Held);
    world.end(map("child", "u", "12"));
    assert!(world.woken());
    world.assert_empty();

    // A new object took its name.
    world.wrote("child", "v", "13");
    world.set(map("child", "w", "14"));
    world.assert_empty();

    // The end of its predecessor is not its own.
    world.end(map("child", "w", "15"));
    world.wrote("child", "x", "17");
    let (object, state) = (map("child", "w", "14"), LastState::LastKnown);
    world.deliver(MAPS, Delta::Deleted { object, state });
    assert_eq!(world.turn(), Turn::Held);
}

#[tokio::test(start_paused = true)]
async fn what_the_cache_shows_already_is_not_waited_for() {
    let world = World::new();
    world.set(map("child", "u", "10"));
    world.wrote("child", "u", "10");
    world.assert_empty();
    // Gone before it was noted.
    world.end(map("child", "u", "11"));
    world.wrote("child", "u", "10");
    world.deleted("child", "u");
    world.assert_empty();
}

#[tokio::test(start_paused = true)]
async fn versions_that_are_no_numbers_are_compared_as_they_are() {
    let world = World::new();
    world.wrote("child", "u", "b");
    world.set(map("child", "u", "c"));
    assert_eq!(world.turn(), Turn::Held);
    world.set(map("child", "u", "b"));
    assert!(world.woken());
    world.assert_empty();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_there_when_it_is_gone_or_going() {
    let world = World::new();
    world.set(map("child", "u", "10"));
    world.deleted("child", "u");
    world.set(map("child", "u", "11"));
    assert_eq!(world.turn(), Turn::Held);
    let mut going = ConfigMap::clone(&map("child", "u", "12"));
    going.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    world.set(Arc::new(going));
    assert!(world.woken());
    world.deleted("child", "u");
    world.assert_empty();

    world.set(map("second", "v", "20"));
    world.deleted("second", "v");
    world.end(map("second", "v", "21"));
    world.assert_empty();
}

#[tokio::test(start_paused = true)]
async fn all_writes_are_waited_for_and_of_one_object_the_last() {
    let world = World::new();
    world.wrote("a", "u", "10");
    world.wrote("a", "u", "12");
    world.wrote("b", "v", "11");
    assert_eq!(world.turn(), Turn::Held);
    world.set(map("b", "v", "11"));
    world.set(map("a", "u", "10"));
    assert!(!world.woken());
    world.set(map("a", "u", "12"));
    assert!(world.woken());
    world.assert_empty();
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_leaves_nothing() {
    let world = World::new();
    world.wrote("a", "u", "10");
    world.wrote("b", "v", "11");
    world.set(map("b", "v", "11"));
    assert_eq!(world.turn(), Turn::Held);
    let began = Instant::now();
    // No loop: the key comes back when its patience ends, and not before.
    let item = world.queue.get().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    assert_eq!(item.key(), &*world.owner);
    assert_eq!(world.turn(), Turn::Late(1));
    assert_eq!(world.turn(), Turn::Now);
    world.assert_empty();
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_comes_for_do_not_pile_up() {
    let mut world = World::new();
    for n in 0..10 * SWEEP {
        world.owner = Arc::new(ObjectKey::cluster(n.to_string()));
        world.wrote("never", &n.to_string(), "10");
        tokio::time::advance(PATIENCE / 8).await;
    }
    let state = world.writes.state();
    assert!(state.gates.len() <= SWEEP);
    assert!(state.awaited.values().map(Vec::len).sum::<usize>() <= SWEEP);
}

#[tokio::test(start_paused = true)]
async fn kinds_are_told_apart() {
    let world = World::new();
    world.wrote("child", "u", "10");
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"namespace": "default", "name": "child", "uid": "u", "resourceVersion": "10"}
    }))
    .unwrap();
    world.deliver(CacheId(1), Delta::Added(Arc::new(secret)));
    assert_eq!(world.turn(), Turn::Held);
}
