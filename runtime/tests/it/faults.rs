//! Caches on a wire that fails, against a server that keeps a history and breaks off its answers as it is told; tokio's
//! time is paused.
//!
//! Each test ends with the law of a cache: what a subscriber was told adds up to what the server has, each change is of
//! what was told before, and nothing is told twice.

#[path = "faults/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kubewright::cache::{Delta, Informer, InitialState, ReflectorConfig, Subscription, WatchScope};
use tokio::net::TcpListener;

use server::{Cut, Fault, History, World};

/// Nothing here takes longer; time is paused, so it costs none.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// A cache, and what its subscriber was told.
struct Cache {
    informer: Informer<ConfigMap>,
    changes: Subscription<ConfigMap>,
    held: BTreeMap<String, Arc<ConfigMap>>,
    told: Vec<String>,
    /// How often it is looked whether the first state is complete.
    look: Duration,
}

fn version(map: &ConfigMap) -> u64 {
    map.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}

impl Cache {
    fn start(world: &World, config: ReflectorConfig) -> Self {
        Self::start_with(&world.client(), config)
    }

    fn start_with(client: &kube::Client, config: ReflectorConfig) -> Self {
        let look = config.backoff.initial;
        let informer = Informer::new(client, &WatchScope::all(), config);
        let changes = informer.subscribe();
        informer.start();
        Self {
            informer,
            changes,
            held: BTreeMap::new(),
            told: Vec::new(),
            look,
        }
    }

    fn apply(&mut self, delta: Delta<ConfigMap>) {
        let name = delta.key().name;
        match delta {
            Delta::Added(new) => {
                self.told.push(format!("+{name} {}", version(&new)));
                assert!(
                    self.held.insert(name, new).is_none(),
                    "told twice: {:?}",
                    self.told
                );
            }
            Delta::Updated { old, new } => {
                let old = old.get().expect("the type reads what it wrote");
                self.told.push(format!("{name} {}", version(&new)));
                assert!(version(&new) > version(old), "told twice: {:?}", self.told);
                let before = self.held.insert(name, new);
                assert!(
                    before.is_some_and(|before| Arc::ptr_eq(&before, old)),
                    "{:?}",
                    self.told
                );
            }
            Delta::Deleted { object, state } => {
                self.told.push(format!("-{name} {state:?}"));
                let before = self.held.remove(&name);
                assert!(
                    before.is_some_and(|before| before.metadata.uid == object.metadata.uid),
                    "{:?}",
                    self.told
                );
            }
        }
    }

    /// Waits until what was told is what the server has, which the cache itself then is, too.
    async fn follows(&mut self, world: &World, what: &str) {
        let versions = |held: &BTreeMap<String, Arc<ConfigMap>>| -> BTreeMap<String, String> {
            let version = |(name, map): (&String, &Arc<ConfigMap>)| (name.clone(), version(map).to_string());
            held.iter().map(version).collect()
        };
        let waiting = async {
            while versions(&self.held) != world.history().state() || !self.changes.has_synced() {
                tokio::select! {
                    delta = self.changes.recv() => self.apply(delta.expect("the cache runs")),
                    // That the first state is complete may be all that comes.
                    () = tokio::time::sleep(self.look) => {}
                }
            }
        };
        let came = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(
            came.is_ok(),
            "{what}: {:?}, {:?}",
            self.told,
            world.history().asked
        );
        let cached = self.informer.lister().list();
        let cached = cached
            .into_iter()
            .map(|map| (map.metadata.name.clone().unwrap(), map))
            .collect();
        assert_eq!(versions(&cached), world.history().state(), "{what}");
    }

    /// Ten quiet minutes bring nothing.
    async fn is_quiet(&mut self, what: &str) {
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(self.changes.pending(), 0, "{what}: {:?}", self.told);
    }

    fn lists(&self) -> u64 {
        self.informer.status().lists
    }
}

fn config(initial: InitialState) -> ReflectorConfig {
    ReflectorConfig {
        initial,
        page_size: Some(2),
        ..ReflectorConfig::default()
    }
}

const CUTS: [Cut; 2] = [Cut::Reset, Cut::End];

/// What happens to `a`, `b` and `c` after the first state, and how a subscriber is told.
fn busy(history: &mut History) {
    history.set("a");
    history.set("d");
    history.delete("b");
    history.set("b");
    history.set("a");
    history.delete("c");
}

const TOLD: [&str; 6] = ["a 4", "+d 5", "-b Final", "+b 7", "a 8", "-c Final"];

/// A place in the history is neither lost nor passed over: each change once, without another list.
#[tokio::test(start_paused = true)]
async fn a_watch_is_cut_at_every_byte() {
    let length = {
        let world = World::of(&["a", "b", "c"]);
        world.change(busy);
        world.history().lines(3).0.len()
    };
    for at in 0..=length {
        for cut in CUTS {
            let what = format!("{cut:?} at {at}");
            let world = World::of(&["a", "b", "c"]);
            world.faults([Fault::None, Fault::Cut(at, cut), Fault::Cut(length / 2, cut)]);
            let mut cache = Cache::start(&world, config(InitialState::Pages));
            // Two pages, and then the watch.
            world.history().faults.push_front(Fault::None);
            cache.follows(&world, &what).await;
            world.change(busy);
            cache.follows(&world, &what).await;
            assert_eq!(cache.told[3..], TOLD, "{what}");
            cache.is_quiet(&what).await;
            assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
        }
    }
}

/// A first state that breaks off is told once it is whole, as one, whichever way it comes then.
#[tokio::test(start_paused = true)]
async fn a_first_state_is_cut_at_every_byte() {
    let length = {
        let world = World::of(&["a", "b", "c"]);
        let page = world.history().page(2, None).to_string();
        // The watch-list is the longer one.
        page.len() * 2 + 120
    };
    for initial in [InitialState::WatchList, InitialState::Pages] {
        for at in 0..=length {
            for cut in CUTS {
                let what = format!("{initial:?}: {cut:?} at {at}");
                let world = World::of(&["a", "b", "c"]);
                // The same page twice, and then the next one.
                world.faults([Fault::Cut(at, cut), Fault::None, Fault::Cut(at, cut)]);
                let mut cache = Cache::start(&world, config(initial));
                cache.follows(&world, &what).await;
                world.change(busy);
                cache.follows(&world, &what).await;
                let mut first = cache.told[..3].to_vec();
                first.sort();
                assert_eq!(first, ["+a 1", "+b 2", "+c 3"], "{what}");
                assert_eq!(cache.told[3..], TOLD, "{what}");
                cache.is_quiet(&what).await;
                assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
            }
        }
    }
}

/// As above with HTTP around it: within the head, the length of a chunk, its data, and the list and the watch alike.
#[tokio::test]
async fn a_connection_is_cut_at_every_byte() {
    // As long as the longest answer.
    let length = {
        let world = World::of(&["a", "b", "c"]);
        world.change(busy);
        world.history().lines(3).0.len() + 80
    };
    let quick = ReflectorConfig {
        backoff: kubewright::backoff::Backoff::exponential(
            Duration::from_millis(1),
            Duration::from_millis(1),
        ),
        ..config(InitialState::Pages)
    };
    let world = World::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(world.clone().serve(listener));
    let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    for at in 0..length {
        let what = format!("at {at}");
        let cut = Fault::Cut(at, Cut::Reset);
        world.away(|history| {
            *history = History {
                breaks: history.breaks,
                faults: [cut, Fault::None, cut].into(),
                ..History::default()
            };
            ["a", "b", "c"].iter().for_each(|name| history.set(name));
        });
        let mut cache = Cache::start_with(&client, quick.clone());
        cache.follows(&world, &what).await;
        world.away(|history| {
            history.faults = [cut].into();
            busy(history);
        });
        cache.follows(&world, &what).await;
        assert_eq!(cache.told[3..], TOLD, "{what}");
        assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
    }
    serving.abort();
}

/// The history is forgotten while the cache is told of it, and while it is away; a server says so by a status or by an
/// event.
#[tokio::test(start_paused = true)]
async fn history_is_compacted_during_a_watch() {
    let length = {
        let world = World::of(&["a", "b", "c"]);
        world.change(busy);
        world.history().lines(3).0.len()
    };
    for initial in [InitialState::WatchList, InitialState::Pages] {
        for as_event in [false, true] {
            for at in (0..length).step_by(5) {
                let what = format!("{initial:?}, as event: {as_event}, at {at}");
                let world = World::of(&["a", "b", "c"]);
                world.history().as_event = as_event;
                let pages = if initial == InitialState::Pages { 2 } else { 0 };
                world.faults((0..pages).map(|_| Fault::None).chain([Fault::Compacted(at)]));
                let mut cache = Cache::start(&world, config(initial));
                cache.follows(&world, &what).await;
                world.change(busy);
                cache.follows(&world, &what).await;
                cache.is_quiet(&what).await;
            }
            let what = format!("{initial:?}, as event: {as_event}, away");
            let world = World::of(&["a", "b", "c"]);
            world.history().as_event = as_event;
            let mut cache = Cache::start(&world, config(initial));
            cache.follows(&world, &what).await;
            world.away(|history| {
                busy(history);
                history.compact();
            });
            cache.follows(&world, &what).await;
            let mut told = cache.told[3..].to_vec();
            told.sort();
            assert_eq!(
                told,
                ["+b 7", "+d 5", "-b LastKnown", "-c LastKnown", "a 8"],
                "{what}"
            );
            cache.is_quiet(&what).await;
            assert_eq!(cache.lists(), 2, "{what}");
        }
    }
}

/// The rest of a list is no longer available: after each page, each second and each third one.
#[tokio::test(start_paused = true)]
async fn history_is_compacted_between_pages() {
    for every in 1..4 {
        let world = World::of(&["a", "b", "c", "d", "e", "f", "g"]);
        let pages = Mutex::new(0);
        world.history().meanwhile = Some(Arc::new(move |history| {
            let mut pages = pages.lock().unwrap();
            *pages += 1;
            history.set("a");
            history.set(&format!("n{pages}"));
            if *pages % 2 == 0 {
                history.delete(&format!("n{}", *pages - 1));
            }
            if *pages % every == 0 {
                history.compact();
            }
        }));
        let what = format!("every {every}");
        let mut cache = Cache::start(&world, config(InitialState::Pages));
        cache.follows(&world, &what).await;
        world.away(|history| {
            busy(history);
            history.compact();
        });
        cache.follows(&world, &what).await;
        cache.is_quiet(&what).await;
        assert_eq!(cache.lists(), 2, "{what}: {:?}", world.history().asked);
    }
}

/// Ten thousand updates while everything is listed again, with their history and without.
#[tokio::test(start_paused = true)]
async fn ten_thousand_updates_during_a_relist() {
    const OBJECTS: usize = 20;
    const UPDATES: usize = 10_000;
    let names: Vec<_> = (0..OBJECTS).map(|at| format!("o{at:02}")).collect();
    for compacts in [false, true] {
        let what = format!("compacts: {compacts}");
        let world = World::default();
        world.change(|history| names.iter().for_each(|name| history.set(name)));
        let mut cache = Cache::start(&world, config(InitialState::Pages));
        cache.follows(&world, &what).await;
        let (updated, left) = (names.clone(), Mutex::new(UPDATES));
        // Ten pages; or the first one, and the second that comes too late.
        let each = if compacts { UPDATES / 2 } else { UPDATES / 10 };
        world.away(|history| {
            history.set("o00");
            history.compact();
            history.meanwhile = Some(Arc::new(move |history| {
                let mut left = left.lock().unwrap();
                for _ in 0..each.min(*left) {
                    *left -= 1;
                    history.set(&updated[*left % OBJECTS]);
                }
                if compacts {
                    history.compact();
                }
            }));
        });
        cache.follows(&world, &what).await;
        assert_eq!(world.history().happened.len(), OBJECTS + 1 + UPDATES, "{what}");
        cache.is_quiet(&what).await;
        assert_eq!(cache.lists(), 2, "{what}: {:?}", world.history().asked);
    }
}

/// A server that comes back with its data is followed on; one that lost it, or took up an older state of it, is listed.
#[tokio::test(start_paused = true)]
async fn a_server_comes_back_with_and_without_its_data() {
    for initial in [InitialState::WatchList, InitialState::Pages] {
        let what = format!("{initial:?}");
        let world = World::of(&["a", "b", "c"]);
        let mut cache = Cache::start(&world, config(initial));
        cache.follows(&world, &what).await;
        world.faults((0..3).map(|_| Fault::Silence));
        world.away(busy);
        cache.follows(&world, &what).await;
        assert_eq!(cache.told[3..], TOLD, "{what}");
        assert_eq!(cache.lists(), 1, "{what}");

        world.away(|history| {
            history.life += 1;
            (history.version, history.compacted) = (0, 0);
            history.happened.clear();
            history.objects.clear();
            history.set("a");
        });
        cache.follows(&world, &what).await;
        let mut told = cache.told[9..].to_vec();
        told.sort();
        assert_eq!(
            told,
            ["+a 1", "-a LastKnown", "-b LastKnown", "-d LastKnown"],
            "{what}"
        );
        world.change(|history| history.set("b"));
        cache.follows(&world, &what).await;
        assert_eq!(cache.lists(), 2, "{what}: {:?}", world.history().asked);
    }
}

/// Only the monotonic clock is asked, which never goes back: what jumps is how much of it passed since it was last asked,
/// as after a suspended machine. Each deadline passes once, and costs no list.
#[tokio::test(start_paused = true)]
async fn the_clock_jumps() {
    const JUMP: Duration = Duration::from_secs(40 * 24 * 60 * 60);
    for initial in [InitialState::WatchList, InitialState::Pages] {
        let what = format!("{initial:?}");
        let world = World::of(&["a", "b", "c"]);
        // While the first state is on its way.
        world.faults([Fault::Silence]);
        let mut cache = Cache::start(&world, config(initial));
        tokio::task::yield_now().await;
        tokio::time::advance(JUMP).await;
        cache.follows(&world, &what).await;
        let first = world.history().asked.len();
        assert!(first <= 5, "{what}: {:?}", world.history().asked);

        // While a watch is silent.
        tokio::time::advance(JUMP).await;
        world.change(busy);
        cache.follows(&world, &what).await;
        assert_eq!(cache.told[3..], TOLD, "{what}");
        assert!(
            world.history().asked.len() <= first + 1,
            "{what}: {:?}",
            world.history().asked
        );

        // While it waits for its next attempt.
        let before = world.history().asked.len();
        world.faults([Fault::Cut(0, Cut::Reset)]);
        world.away(|history| history.set("a"));
        tokio::task::yield_now().await;
        tokio::time::advance(JUMP).await;
        cache.follows(&world, &what).await;
        let asked = world.history().asked.len() - before;
        assert!(asked <= 3, "{what}: {:?}", world.history().asked);
        assert_eq!(cache.lists(), 1, "{what}: {:?}", world.history().asked);
    }
}
