use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt, poll};
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A queue whose keys wait for nothing but their own backoff, from one second up.
fn slow() -> WorkQueue<&'static str> {
    let limit = RateLimit {
        per_key: crate::backoff::Backoff::exponential(seconds(1), seconds(60)),
        overall: None,
    };
    WorkQueue::with(limit, Metrics::new().queue("slow"))
}

/// The next key, marked done at once, and the time that it took in whole seconds.
async fn next(queue: &WorkQueue<&'static str>) -> (&'static str, u64) {
    let began = Instant::now();
    let item = queue.get().await.unwrap();
    (*item.key(), began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn add_during_work_is_delivered_once_after_done() {
    let queue = WorkQueue::new("q");
    queue.add("a");
    let item = queue.get().await.unwrap();
    queue.add("a");
    queue.add("a");
    assert_eq!(queue.len(), 0, "a worker has it");
    assert!(queue.get().now_or_never().is_none());
    item.done();
    assert_eq!(queue.len(), 1);
    assert_eq!(*queue.get().await.unwrap().key(), "a");
    assert!(queue.get().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_add_after_wins() {
    let queue = WorkQueue::new("q");
    queue.add_after("a", seconds(10));
    queue.add_after("a", seconds(2));
    queue.add_after("a", seconds(5));
    assert_eq!(next(&queue).await, ("a", 2));
    // The later times were of the same add.
    assert!(tokio::time::timeout(seconds(100), queue.get()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_earlier_delay_reaches_those_who_wait_already() {
    let queue = WorkQueue::new("q");
    queue.add_after("late", seconds(50));
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { next(&queue).await }
    });
    tokio::task::yield_now().await;
    queue.add_after("early", seconds(1));
    assert_eq!(waiting.await.unwrap(), ("early", 1));
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_cancelled_and_the_next_one_counts() {
    let queue = WorkQueue::new("q");
    assert!(!queue.cancel_delay(&"a"));
    queue.add_after("a", seconds(1));
    assert!(queue.cancel_delay(&"a"));
    assert!(!queue.cancel_delay(&"a"));
    queue.add_after("a", seconds(5));
    assert_eq!(next(&queue).await, ("a", 5), "the first one is forgotten");
    // One whose time has come waits for a worker, and stays.
    queue.add_after("a", seconds(1));
    tokio::time::advance(seconds(1)).await;
    assert!(!queue.cancel_delay(&"a"));
    assert_eq!(next(&queue).await, ("a", 0));
}

#[tokio::test(start_paused = true)]
async fn an_endless_delay_does_not_panic() {
    let limit = RateLimit {
        per_key: crate::backoff::Backoff::exponential(Duration::MAX, Duration::MAX),
        overall: None,
    };
    let queue = WorkQueue::with(limit, Metrics::new().queue("q"));
    queue.add_after("a", Duration::MAX);
    queue.add_rate_limited("b");
    queue.retry_after("c", Duration::MAX);
    assert!(queue.get().now_or_never().is_none());
    queue.add("a");
    assert_eq!(*queue.get().await.unwrap().key(), "a", "it still works");
}

#[tokio::test(start_paused = true)]
async fn one_timer_frees_several_keys_for_several_workers() {
    let queue = WorkQueue::new("q");
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let queue = queue.clone();
        workers.spawn(async move { queue.get().await.unwrap() });
    }
    tokio::task::yield_now().await;
    for key in ["a", "b", "c"] {
        queue.add_after(key, seconds(1));
    }
    // None is done before all are taken.
    let items = workers.join_all().await;
    assert_eq!(began.elapsed().as_secs(), 1);
    let keys: BTreeSet<_> = items.iter().map(|item| *item.key()).collect();
    assert_eq!(keys, BTreeSet::from(["a", "b", "c"]));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_get_loses_no_wakeup() {
    let queue = WorkQueue::new("q");
    let mut first = Box::pin(queue.get());
    let mut second = Box::pin(queue.get());
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    queue.add("a");
    drop(first);
    assert_eq!(*second.await.unwrap().key(), "a");

    // The one who waited for the timer as well.
    queue.add_after("b", seconds(1));
    let mut first = Box::pin(queue.get());
    assert!(poll!(&mut first).is_pending());
    let second = tokio::spawn({
        let queue = queue.clone();
        async move { next(&queue).await }
    });
    tokio::task::yield_now().await;
    drop(first);
    assert_eq!(second.await.unwrap(), ("b", 1));
}

#[tokio::test(start_paused = true)]
async fn shut_down_hands_out_what_waits_and_drops_delays() {
    let queue = WorkQueue::new("q");
    queue.add("in work");
    let item = queue.get().await.unwrap();
    queue.add("in work");
    queue.add("waits");
    queue.add_after("delayed", seconds(1));
    queue.add_rate_limited("delayed");
    queue.shut_down();
    queue.add("late");
    queue.add_after("late", seconds(1));
    queue.add_rate_limited("late");
    assert_eq!(queue.num_requeues(&"late"), 0);
    tokio::time::advance(seconds(5)).await;

    assert_eq!(next(&queue).await.0, "waits");
    assert!(queue.get().await.is_none());
    // Added before the shutdown, during work.
    item.done();
    assert_eq!(next(&queue).await.0, "in work");
    assert!(queue.get().await.is_none());
    assert!(queue.is_shut_down());
}

#[tokio::test(start_paused = true)]
async fn shut_down_wakes_all_who_wait() {
    let queue = WorkQueue::<&str>::new("q");
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let queue = queue.clone();
        waiting.spawn(async move { queue.get().await.is_none() });
    }
    tokio::task::yield_now().await;
    queue.shut_down();
    assert_eq!(waiting.join_all().await, [true; 3]);
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_work_and_shut_down_ends_it() {
    let queue = WorkQueue::new("q");
    queue.add("a");
    let item = queue.get().await.unwrap();
    queue.add("b");
    {
        let mut drained = Box::pin(queue.shut_down_with_drain());
        assert!(poll!(&mut drained).is_pending());
        item.done();
        assert!(poll!(&mut drained).is_pending(), "b waits");
        assert_eq!(next(&queue).await.0, "b");
        drained.await;
    }

    let queue = WorkQueue::new("q");
    queue.add("a");
    let _item = queue.get().await.unwrap();
    let mut drained = Box::pin(queue.shut_down_with_drain());
    assert!(poll!(&mut drained).is_pending());
    queue.shut_down();
    drained.await;
}

#[tokio::test(start_paused = true)]
async fn forget_restarts_backoff_and_num_requeues() {
    let queue = slow();
    for (failures, delay) in [(1, 1), (2, 2), (3, 4)] {
        queue.add_rate_limited("a");
        assert_eq!(queue.num_requeues(&"a"), failures);
        assert_eq!(next(&queue).await, ("a", delay));
    }
    // Another key has its own count, and a retry with a fixed delay counts too.
    queue.retry_after("b", seconds(3));
    assert_eq!(queue.num_requeues(&"b"), 1);
    assert_eq!(next(&queue).await, ("b", 3));

    queue.forget(&"a");
    assert_eq!(queue.num_requeues(&"a"), 0);
    queue.add_rate_limited("a");
    assert_eq!(next(&queue).await, ("a", 1));
    queue.add_rate_limited("b");
    assert_eq!(next(&queue).await, ("b", 2));
}

#[tokio::test(start_paused = true)]
async fn the_longer_one_of_backoff_and_overall_rate_counts() {
    let limit = RateLimit {
        per_key: crate::backoff::Backoff::exponential(Duration::from_millis(1500), seconds(60)),
        overall: Some(TokenBucket {
            per_second: 1.0,
            burst: 2,
        }),
    };
    let queue = WorkQueue::with(limit, Metrics::new().queue("q"));
    for key in 0..5 {
        queue.add_rate_limited(key);
    }
    let began = Instant::now();
    let mut times = Vec::new();
    for _ in 0..5 {
        let item = queue.get().await.unwrap();
        times.push((*item.key(), (began.elapsed().as_secs_f64() * 10.0).round() / 10.0));
    }
    assert_eq!(times, [(0, 1.5), (1, 1.5), (2, 1.5), (3, 2.0), (4, 3.0)]);
}

#[tokio::test(start_paused = true)]
async fn counts_as_client_go_does() {
    let metrics = Metrics::new().queue("q");
    let queue = WorkQueue::with(RateLimit::default(), metrics.clone());
    queue.add("a");
    queue.add("a");
    assert_eq!((metrics.adds.get(), metrics.depth.get()), (1, 1));
    queue.add_after("b", Duration::ZERO);
    queue.add_after("c", seconds(1));
    queue.add_rate_limited("d");
    queue.retry_after("e", seconds(1));
    assert_eq!(metrics.retries.get(), 4, "each delayed add");
    assert_eq!((metrics.adds.get(), metrics.depth.get()), (2, 2));

    tokio::time::advance(seconds(3)).await;
    assert_eq!(queue.len(), 5);
    assert_eq!((metrics.adds.get(), metrics.depth.get()), (5, 5));
    let item = queue.get().await.unwrap();
    queue.add("a");
    assert_eq!((metrics.adds.get(), metrics.depth.get()), (6, 4), "not yet");
    tokio::time::advance(seconds(2)).await;
    queue.observe();
    assert!((metrics.longest_running.get() - 2.0).abs() < 0.01);
    item.done();
    queue.observe();
    assert!(metrics.unfinished_work.get().abs() < f64::EPSILON);
    assert_eq!(metrics.depth.get(), 5);
    queue.shut_down();
    queue.add_after("f", seconds(1));
    assert_eq!(metrics.retries.get(), 4);
}

/// What a caller may do.
#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    AddAfter(u8, u64),
    Get,
    /// Marks one of the items in hand done.
    Done(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0_u8..5;
    prop_oneof![
        3 => key.clone().prop_map(Step::Add),
        3 => (key, 0_u64..50).prop_map(|(key, delay)| Step::AddAfter(key, delay)),
        4 => Just(Step::Get),
        3 => any::<usize>().prop_map(Step::Done),
        2 => (1_u64..30).prop_map(Step::Advance),
    ]
}

/// What client-go's queue does, without a thought for speed.
#[derive(Default)]
struct Model {
    now: u64,
    ready: Vec<u8>,
    dirty: BTreeSet<u8>,
    working: BTreeSet<u8>,
    /// Due time and number of each delayed key.
    delayed: BTreeMap<u8, (u64, usize)>,
    numbers: usize,
}

impl Model {
    fn add(&mut self, key: u8) {
        if self.dirty.insert(key) && !self.working.contains(&key) {
            self.ready.push(key);
        }
    }

    fn add_after(&mut self, key: u8, delay: u64) {
        if delay == 0 {
            return self.add(key);
        }
        let at = self.now + delay;
        if self.delayed.get(&key).is_none_or(|(known, _)| at < *known) {
            self.delayed.insert(key, (at, self.numbers));
            self.numbers += 1;
        }
    }

    fn get(&mut self) -> Option<u8> {
        let mut due: Vec<_> = self
            .delayed
            .iter()
            .filter(|(_, (at, _))| *at <= self.now)
            .map(|(key, when)| (*when, *key))
            .collect();
        due.sort_unstable();
        for (_, key) in due {
            self.delayed.remove(&key);
            self.add(key);
        }
        if self.ready.is_empty() {
            return None;
        }
        let key = self.ready.remove(0);
        self.dirty.remove(&key);
        assert!(self.working.insert(key), "one worker at a time");
        Some(key)
    }

    fn done(&mut self, key: u8) {
        self.working.remove(&key);
        if self.dirty.contains(&key) {
            self.ready.push(key);
        }
    }
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let queue = WorkQueue::new("q");
    let mut model = Model::default();
    let mut in_hand: Vec<Item<u8>> = Vec::new();
    // At the end everything is handed out once more.
    let rest = (0..100).flat_map(|_| [Step::Advance(10), Step::Get, Step::Done(0)]);
    for step in steps.into_iter().chain(rest) {
        match step {
            Step::Add(key) => {
                queue.add(key);
                model.add(key);
            }
            Step::AddAfter(key, delay) => {
                queue.add_after(key, Duration::from_millis(delay));
                model.add_after(key, delay);
            }
            Step::Get => {
                let item = queue.get().now_or_never().flatten();
                prop_assert_eq!(item.as_ref().map(|item| *item.key()), model.get());
                in_hand.extend(item);
            }
            Step::Done(which) if !in_hand.is_empty() => {
                let item = in_hand.remove(which % in_hand.len());
                model.done(*item.key());
                item.done();
            }
            Step::Done(_) => {}
            Step::Advance(by) => {
                tokio::time::advance(Duration::from_millis(by)).await;
                model.now += by;
            }
        }
    }
    prop_assert!(in_hand.is_empty() && queue.is_empty());
    let state = queue.inner.state();
    prop_assert!(state.slots.is_empty() && state.delayed.len() == 0 && state.delayed.heap.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn interleavings_match_a_model(steps in prop::collection::vec(step(), 0..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(play(steps))?;
    }
}
