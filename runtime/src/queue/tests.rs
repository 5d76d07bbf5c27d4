use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

use futures::{FutureExt, poll};
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;
use crate::metrics::Metrics;

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
    let queue = WorkQueue::new();
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
    let queue = WorkQueue::new();
    queue.add_after("a", seconds(10));
    queue.add_after("a", seconds(2));
    queue.add_after("a", seconds(5));
    assert_eq!(next(&queue).await, ("a", 2));
    // The later times were of the same add.
    assert!(tokio::time::timeout(seconds(100), queue.get()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_earlier_delay_reaches_those_who_wait_already() {
    let queue = WorkQueue::new();
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
    let queue = WorkQueue::new();
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
    let queue = WorkQueue::new();
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
    let queue = WorkQueue::new();
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
    let queue = WorkQueue::new();
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
    let queue = WorkQueue::<&str>::new();
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
    let queue = WorkQueue::new();
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

    let queue = WorkQueue::new();
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

#[tokio::test(start_paused = true)]
async fn higher_priorities_come_first_and_lower_ones_have_their_turn() {
    let queue = WorkQueue::new();
    for key in 0..3 {
        queue.add_with(key, Priority::Low);
    }
    queue.add_with(2, Priority::Normal); // raised
    queue.add_with(2, Priority::Low); // and not lowered
    queue.add(10);
    queue.add_with(20, Priority::High);
    let mut order = Vec::new();
    while let Some(Some(item)) = queue.get().now_or_never() {
        order.push(*item.key());
    }
    assert_eq!(order, [20, 2, 10, 0, 1]);

    // A key that comes again at once, always, lets a lower one have the sixteenth turn.
    queue.add_with(1, Priority::Low);
    queue.add_with(2, Priority::Low);
    queue.add(10);
    let mut turns = Vec::new();
    for turn in 1..=32 {
        let item = queue.get().await.unwrap();
        if *item.key() == 10 {
            queue.add(10);
        } else {
            turns.push((turn, *item.key()));
        }
    }
    assert_eq!(turns, [(16, 1), (32, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_comes_again_and_again_starves_no_other() {
    let queue = WorkQueue::new();
    queue.add("again");
    queue.add("other");
    let item = queue.get().await.unwrap();
    queue.add_with("again", Priority::Normal);
    drop(item);
    assert_eq!(next(&queue).await.0, "other");
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_does_not_pile_up() {
    let queue = WorkQueue::new();
    for _ in 0..10_000 {
        queue.add_with("raised", Priority::Low);
        queue.add("raised");
        queue.add_after("delayed", seconds(100));
        queue.cancel_delay(&"delayed");
        assert_eq!(next(&queue).await, ("raised", 0));
    }
    let (lanes, heap) = queue.inner.state().entries();
    assert!(lanes <= 70 && heap <= 70, "{lanes} {heap}");
}

#[tokio::test(start_paused = true)]
async fn many_keys_are_added_as_one_by_one_and_wake_those_who_wait() {
    let queue = WorkQueue::new();
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let queue = queue.clone();
        waiting.spawn(async move { *queue.get().await.unwrap().key() });
    }
    tokio::task::yield_now().await;
    queue.add_all([7, 7, 8, 9], Priority::Normal);
    let mut first = waiting.join_all().await;
    first.sort_unstable();
    assert_eq!(first, [7, 8, 9]);

    queue.add(500);
    queue.add_all(0..1000, Priority::Low);
    queue.add_all([3, 2], Priority::High);
    assert_eq!(queue.len(), 1000);
    let mut order = Vec::new();
    while let Some(Some(item)) = queue.get().now_or_never() {
        order.push(*item.key());
    }
    let mut rest = (0..1000).filter(|key| ![2, 3, 500].contains(key));
    assert!(order[..3] == [3, 2, 500] && order[3..].iter().all(|key| rest.next() == Some(*key)));
    queue.shut_down();
    queue.add_all([1], Priority::High);
    assert!(queue.is_empty());
}

/// One that was told of a key and goes before it takes it leaves it to the next.
#[tokio::test(start_paused = true)]
async fn a_key_is_not_lost_with_one_who_was_woken_for_it() {
    let queue = WorkQueue::new();
    let mut first = Box::pin(queue.get());
    let mut second = Box::pin(queue.get());
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    queue.add("a");
    drop(first);
    let Poll::Ready(Some(item)) = poll!(&mut second) else {
        panic!("the second one was not woken");
    };
    drop(item);
    drop(second);
    assert!(queue.inner.state().is_empty());
}

/// What a caller may do.
#[derive(Clone, Debug)]
enum Step {
    Add(u8, Priority),
    AddAfter(u8, u64),
    /// With the backoff of the key, or a fixed delay.
    Failed(u8, Option<u64>),
    Forget(u8),
    Cancel(u8),
    Get,
    /// Marks one of the items in hand done.
    Done(usize),
    Advance(u64),
    ShutDown,
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0_u8..5;
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    prop_oneof![
        60 => (key.clone(), priority).prop_map(|(key, priority)| Step::Add(key, priority)),
        30 => (key.clone(), 0_u64..50).prop_map(|(key, delay)| Step::AddAfter(key, delay)),
        30 => (key.clone(), prop::option::of(0_u64..50)).prop_map(|(key, delay)| Step::Failed(key, delay)),
        15 => key.clone().prop_map(Step::Forget),
        15 => key.prop_map(Step::Cancel),
        80 => Just(Step::Get),
        60 => any::<usize>().prop_map(Step::Done),
        40 => (1_u64..30).prop_map(Step::Advance),
        1 => Just(Step::ShutDown),
        1 => Just(Step::Drain),
    ]
}

/// The delay of a key after some failures, in milliseconds.
fn backoff() -> crate::backoff::Backoff {
    crate::backoff::Backoff::exponential(Duration::from_millis(2), Duration::from_millis(40))
}

/// What client-go's queue does, with priorities, without a thought for speed.
#[derive(Default)]
struct Model {
    now: u64,
    /// Keys that wait for a worker, in the order in which they came to their priority.
    ready: Vec<u8>,
    dirty: BTreeMap<u8, Priority>,
    working: BTreeSet<u8>,
    /// Due time and number of each delayed key.
    delayed: BTreeMap<u8, (u64, usize)>,
    numbers: usize,
    failures: BTreeMap<u8, u32>,
    /// How many have passed the head of each lower priority.
    passed: BTreeMap<Priority, u32>,
    closed: bool,
}

impl Model {
    fn add(&mut self, key: u8, priority: Priority) {
        if self.closed {
            return;
        }
        let before = self.dirty.get(&key).copied();
        if before.is_some_and(|before| before >= priority) {
            return;
        }
        self.dirty.insert(key, priority);
        if !self.working.contains(&key) {
            self.ready.retain(|waiting| *waiting != key);
            self.ready.push(key);
        }
    }

    fn add_after(&mut self, key: u8, delay: u64) {
        if self.closed {
            return;
        }
        if delay == 0 {
            return self.add(key, Priority::Normal);
        }
        let at = self.now + delay;
        if self.delayed.get(&key).is_none_or(|(known, _)| at < *known) {
            self.delayed.insert(key, (at, self.numbers));
            self.numbers += 1;
        }
    }

    fn failed(&mut self, key: u8, delay: Option<u64>) {
        if self.closed {
            return;
        }
        let failures = self.failures.entry(key).or_default();
        let own = u64::try_from(backoff().delay(*failures).as_millis()).unwrap();
        *failures += 1;
        self.add_after(key, delay.unwrap_or(own));
    }

    fn promote(&mut self) {
        let mut due: Vec<_> = self
            .delayed
            .iter()
            .filter(|(_, (at, _))| *at <= self.now)
            .map(|(key, when)| (*when, *key))
            .collect();
        due.sort_unstable();
        for (_, key) in due {
            self.delayed.remove(&key);
            self.add(key, Priority::Normal);
        }
    }

    fn get(&mut self) -> Option<u8> {
        self.promote();
        let lanes: BTreeSet<_> = self.ready.iter().map(|key| self.dirty[key]).collect();
        let passed = |lane: &&Priority| self.passed.get(*lane).copied().unwrap_or_default() >= 15;
        let turn = *lanes.iter().find(passed).or(lanes.last())?;
        self.passed
            .retain(|lane, _| *lane > turn || (lanes.contains(lane) && *lane != turn));
        for lane in lanes.iter().filter(|lane| **lane < turn) {
            *self.passed.entry(*lane).or_default() += 1;
        }
        let at = self.ready.iter().position(|key| self.dirty[key] == turn)?;
        let key = self.ready.remove(at);
        self.dirty.remove(&key);
        assert!(self.working.insert(key), "one worker at a time");
        Some(key)
    }

    fn done(&mut self, key: u8) {
        self.working.remove(&key);
        if self.dirty.contains_key(&key) {
            self.ready.push(key);
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.delayed.clear();
    }
}

async fn play(steps: Vec<Step>, metrics: Option<QueueMetrics>) -> Result<(), TestCaseError> {
    let limit = RateLimit {
        per_key: backoff(),
        overall: None,
    };
    let queue = WorkQueue::with(limit, metrics);
    let mut model = Model::default();
    let mut in_hand: Vec<Item<u8>> = Vec::new();
    let mut drain = None;
    // At the end everything is handed out once more.
    let rest = (0..100).flat_map(|_| [Step::Advance(10), Step::Get, Step::Done(0)]);
    for step in steps.into_iter().chain(rest).chain((0..5).map(Step::Forget)) {
        match step {
            Step::Add(key, priority) => {
                queue.add_with(key, priority);
                model.add(key, priority);
            }
            Step::AddAfter(key, delay) => {
                queue.add_after(key, Duration::from_millis(delay));
                model.add_after(key, delay);
            }
            Step::Failed(key, delay) => {
                match delay {
                    Some(delay) => queue.retry_after(key, Duration::from_millis(delay)),
                    None => queue.add_rate_limited(key),
                }
                model.failed(key, delay);
            }
            Step::Forget(key) => {
                let failures = model.failures.remove(&key).unwrap_or_default();
                prop_assert_eq!(queue.num_requeues(&key), failures);
                queue.forget(&key);
                prop_assert_eq!(queue.num_requeues(&key), 0);
            }
            Step::Cancel(key) => {
                model.promote();
                prop_assert_eq!(queue.cancel_delay(&key), model.delayed.remove(&key).is_some());
            }
            Step::Get => {
                let got = queue.get().now_or_never();
                let item = got.flatten();
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
            Step::ShutDown => {
                queue.shut_down();
                model.close();
            }
            Step::Drain => {
                let queue = queue.clone();
                let mut wait = Box::pin(async move { queue.shut_down_with_drain().await });
                let drained = poll!(&mut wait).is_ready();
                model.close();
                prop_assert_eq!(drained, model.dirty.is_empty() && model.working.is_empty());
                drain = (!drained).then_some(wait);
            }
        }
        model.promote();
        prop_assert_eq!(queue.len(), model.ready.len());
        if model.closed && model.ready.is_empty() {
            prop_assert!(matches!(queue.get().now_or_never(), Some(None)));
        }
    }
    prop_assert!(in_hand.is_empty() && queue.is_empty());
    prop_assert!(queue.inner.state().is_empty());
    if let Some(drain) = drain {
        prop_assert!(drain.now_or_never().is_some(), "all is done");
    }
    Ok(())
}

proptest! {
    #[test]
    fn interleavings_match_a_model(steps in prop::collection::vec(step(), 0..120), counted in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(play(steps, counted.then(|| Metrics::new().queue("q"))))?;
    }
}
