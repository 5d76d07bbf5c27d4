//! The memory backend: a sorted map and a bounded history.
//!
//! **Invariant:** no lock is held while anything waits. A write holds it for one entry and one change; a read shares it
//! for as long as it collects: a watch for one batch, a list for the whole of its result, and one of an older state
//! for all changes since. Watches read the shared history at their own pace. One that falls out of it is told so and
//! ends.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::ready;
use jiff::Timestamp;
use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::watch;

use super::{Batch, Change, ChangeKind, Changes, Entry, ListRequest, Page, Pending, Storage, StorageError};
use crate::clock::Clock;

/// Bounds of the history.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Changes older than this are forgotten. Default 5 minutes, as etcd's compaction in kube-apiserver.
    pub age: Duration,
    /// At most so many changes are kept. Default 100 000.
    pub changes: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(300),
            changes: 100_000,
        }
    }
}

/// Keeps everything in memory.
#[derive(Debug)]
pub struct Memory {
    state: Arc<RwLock<State>>,
    clock: Arc<Clock>,
    retention: Retention,
}

#[derive(Debug)]
struct State {
    revision: u64,
    /// Reads and new watches before this revision are refused.
    compacted: u64,
    entries: BTreeMap<Arc<str>, Arc<Entry>>,
    expiries: BTreeSet<(Timestamp, Arc<str>)>,
    /// When a key with a TTL expires, and that TTL.
    expiry_of: HashMap<Arc<str>, (Timestamp, Duration)>,
    /// Moment of each retained change, oldest first.
    ages: VecDeque<Timestamp>,
    all: Log,
    by_resource: HashMap<Box<str>, Log>,
}

/// Retained changes of one resource, or of all.
#[derive(Debug)]
struct Log {
    changes: VecDeque<Arc<Change>>,
    /// Revision of the newest change that was dropped.
    dropped: u64,
    moved: watch::Sender<()>,
}

impl Log {
    fn new() -> Self {
        Self {
            changes: VecDeque::new(),
            dropped: 0,
            moved: watch::Sender::new(()),
        }
    }

    fn push(&mut self, change: Arc<Change>) {
        self.changes.push_back(change);
        self.moved.send_replace(());
    }

    fn drop_oldest(&mut self) -> Option<Arc<Change>> {
        let change = self.changes.pop_front()?;
        self.dropped = change.revision();
        Some(change)
    }
}

/// Changes handed to a watch in one go; bounds the time that it holds the read lock.
const BATCH: usize = 512;

/// `/group/resource/` of a key or prefix; `None` for `/`.
fn resource_of(key: &str) -> Option<&str> {
    let group = key.get(1..)?.find('/')? + 1;
    let resource = key.get(group + 1..)?.find('/')? + group + 1;
    key.get(..=resource)
}

impl State {
    fn write(
        &mut self,
        kind: ChangeKind,
        entry: Arc<Entry>,
        previous: Option<Arc<Entry>>,
        now: Timestamp,
    ) -> Arc<Entry> {
        self.revision = entry.revision;
        match kind {
            ChangeKind::Deleted => {
                self.entries.remove(&entry.key);
                if let Some((at, _)) = self.expiry_of.remove(&entry.key) {
                    self.expiries.remove(&(at, entry.key.clone()));
                }
            }
            _ => {
                self.entries.insert(entry.key.clone(), entry.clone());
            }
        }
        let change = Arc::new(Change::new(kind, entry.clone(), previous));
        if let Some(resource) = resource_of(&entry.key) {
            match self.by_resource.get_mut(resource) {
                Some(log) => log.push(change.clone()),
                None => self
                    .by_resource
                    .entry(resource.into())
                    .or_insert_with(Log::new)
                    .push(change.clone()),
            }
        }
        self.all.push(change);
        self.ages.push_back(now);
        entry
    }

    fn expire_at(&mut self, key: &Arc<str>, at: Timestamp, ttl: Duration) {
        if let Some((before, _)) = self.expiry_of.insert(key.clone(), (at, ttl)) {
            self.expiries.remove(&(before, key.clone()));
        }
        self.expiries.insert((at, key.clone()));
    }

    fn trim(&mut self, oldest: Timestamp, changes: usize) {
        while self.ages.len() > changes || self.ages.front().is_some_and(|at| *at < oldest) {
            self.ages.pop_front();
            let Some(change) = self.all.drop_oldest() else {
                return;
            };
            if let Some(log) = resource_of(&change.entry.key).and_then(|r| self.by_resource.get_mut(r)) {
                log.drop_oldest();
            }
            self.compacted = self.compacted.max(change.revision());
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.expiries.first().cloned() {
            if at > now {
                return;
            }
            self.expiries.pop_first();
            self.expiry_of.remove(&key);
            if let Some(stored) = self.entries.get(&key).cloned() {
                let last = Arc::new(Entry::new(key, stored.value.clone(), self.revision + 1));
                self.write(ChangeKind::Deleted, last, Some(stored), now);
            }
        }
    }

    fn log(&self, prefix: &str) -> Option<&Log> {
        match resource_of(prefix) {
            Some(resource) => self.by_resource.get(resource),
            None => Some(&self.all),
        }
    }

    fn expected(&self, key: &str, expected: u64) -> Result<Arc<Entry>, StorageError> {
        let current = self
            .entries
            .get(key)
            .ok_or_else(|| StorageError::Missing { key: key.to_owned() })?;
        if current.revision == expected {
            Ok(current.clone())
        } else {
            Err(StorageError::Conflict {
                current: current.clone(),
            })
        }
    }

    fn check(&self, revision: u64) -> Result<(), StorageError> {
        if revision > self.revision {
            return Err(StorageError::Future {
                asked: revision,
                current: self.revision,
            });
        }
        if revision < self.compacted {
            return Err(StorageError::Compacted {
                asked: revision,
                compacted: self.compacted,
            });
        }
        Ok(())
    }

    fn list(&self, request: ListRequest<'_>) -> Result<Page, StorageError> {
        let revision = request.revision.unwrap_or(self.revision);
        self.check(revision)?;
        // What later changes overwrote: walking back, the last word is the oldest change's.
        let mut before: BTreeMap<&str, Option<&Arc<Entry>>> = BTreeMap::new();
        if let Some(log) = self.log(request.prefix) {
            for change in log
                .changes
                .iter()
                .rev()
                .take_while(|change| change.revision() > revision)
            {
                before.insert(&change.entry.key, change.previous.as_ref());
            }
        }
        let start = match request.after {
            Some(after) if after >= request.prefix => Bound::Excluded(after),
            _ => Bound::Included(request.prefix),
        };
        let within = |key: &str| key.starts_with(request.prefix);
        let present = self
            .entries
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| within(key))
            .map(|(key, entry)| (&**key, entry));
        if before.is_empty() {
            return Ok(page(present.map(|(_, entry)| entry), request.limit, revision));
        }
        let mut state: BTreeMap<&str, &Arc<Entry>> =
            present.filter(|(key, _)| !before.contains_key(key)).collect();
        state.extend(
            before
                .range::<str, _>((start, Bound::Unbounded))
                .filter(|(key, _)| within(key))
                .filter_map(|(key, entry)| entry.map(|entry| (*key, entry))),
        );
        Ok(page(state.into_values(), request.limit, revision))
    }
}

fn page<'a>(mut all: impl Iterator<Item = &'a Arc<Entry>>, limit: usize, revision: u64) -> Page {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let entries: Vec<_> = all.by_ref().take(limit).cloned().collect();
    let remaining = if entries.len() == limit { all.count() } else { 0 };
    Page {
        entries,
        revision,
        remaining,
    }
}

impl Memory {
    /// An empty store at revision 1, with the default retention.
    pub fn new(clock: Arc<Clock>) -> Self {
        Self::with_retention(clock, Retention::default())
    }

    /// An empty store at revision 1.
    pub fn with_retention(clock: Arc<Clock>, retention: Retention) -> Self {
        Self {
            state: Arc::new(RwLock::new(State {
                revision: 1,
                compacted: 0,
                entries: BTreeMap::new(),
                expiries: BTreeSet::new(),
                expiry_of: HashMap::new(),
                ages: VecDeque::new(),
                all: Log::new(),
                by_resource: HashMap::new(),
            })),
            clock,
            retention,
        }
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&mut State, Timestamp) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let now = self.clock.now();
        let oldest = now
            .checked_sub(
                jiff::SignedDuration::try_from(self.retention.age).unwrap_or(jiff::SignedDuration::MAX),
            )
            .unwrap_or(Timestamp::MIN);
        let mut state = self.state.write();
        state.expire(now);
        let outcome = change(&mut state, now);
        state.trim(oldest, self.retention.changes);
        outcome
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        let now = self.clock.now();
        let state = self.state.read();
        if state.expiries.first().is_some_and(|(at, _)| *at <= now) {
            drop(state);
            let mut state = self.state.write();
            state.expire(now);
            return look(&state);
        }
        look(&state)
    }

    /// Removes what has outlived its TTL, and tells when the next entry will have.
    pub(crate) fn expire(&self) -> Option<Timestamp> {
        self.read(|state| state.expiries.first().map(|(at, _)| *at))
    }
}

fn done<'a, T: Send + 'a>(outcome: Result<T, StorageError>) -> Pending<'a, T> {
    ready(outcome).boxed()
}

impl Storage for Memory {
    fn create<'a>(&'a self, key: &'a str, value: Value, ttl: Option<Duration>) -> Pending<'a, Arc<Entry>> {
        done(self.write(|state, now| {
            if state.entries.contains_key(key) {
                return Err(StorageError::Exists { key: key.to_owned() });
            }
            let entry = Arc::new(Entry::new(key.into(), value, state.revision + 1));
            if let Some(ttl) = ttl {
                state.expire_at(&entry.key, self.clock.after(ttl), ttl);
            }
            Ok(state.write(ChangeKind::Created, entry, None, now))
        }))
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Arc<Entry>>> {
        done(Ok(self.read(|state| state.entries.get(key).cloned())))
    }

    fn list<'a>(&'a self, request: ListRequest<'a>) -> Pending<'a, Page> {
        done(self.read(|state| state.list(request)))
    }

    fn update<'a>(&'a self, key: &'a str, value: Value, expected: u64) -> Pending<'a, Arc<Entry>> {
        done(self.write(|state, now| {
            let previous = state.expected(key, expected)?;
            let entry = Arc::new(Entry::new(previous.key.clone(), value, state.revision + 1));
            if let Some((_, ttl)) = state.expiry_of.get(key).copied() {
                state.expire_at(&entry.key, self.clock.after(ttl), ttl);
            }
            Ok(state.write(ChangeKind::Updated, entry, Some(previous), now))
        }))
    }

    fn delete<'a>(&'a self, key: &'a str, last: Value, expected: u64) -> Pending<'a, Arc<Entry>> {
        done(self.write(|state, now| {
            let previous = state.expected(key, expected)?;
            let entry = Arc::new(Entry::new(previous.key.clone(), last, state.revision + 1));
            Ok(state.write(ChangeKind::Deleted, entry, Some(previous), now))
        }))
    }

    fn watch<'a>(&'a self, prefix: &'a str, after: u64) -> Pending<'a, Box<dyn Changes>> {
        let mut state = self.state.write();
        if after < state.compacted {
            let compacted = state.compacted;
            return done(Err(StorageError::Compacted {
                asked: after,
                compacted,
            }));
        }
        let moved = match resource_of(prefix) {
            None => state.all.moved.subscribe(),
            Some(resource) => state
                .by_resource
                .entry(resource.into())
                .or_insert_with(Log::new)
                .moved
                .subscribe(),
        };
        drop(state);
        done(Ok(Box::new(Reader {
            state: self.state.clone(),
            prefix: prefix.into(),
            after,
            moved,
        })))
    }

    fn revision(&self) -> Pending<'_, u64> {
        done(Ok(self.read(|state| state.revision)))
    }

    fn compact(&self, revision: u64) -> Pending<'_, ()> {
        let mut state = self.state.write();
        done(if revision > state.revision {
            Err(StorageError::Future {
                asked: revision,
                current: state.revision,
            })
        } else {
            // The changes themselves stay until they are too many or too old, for watches that run.
            state.compacted = state.compacted.max(revision);
            Ok(())
        })
    }

    fn count<'a>(&'a self, prefix: &'a str) -> Pending<'a, usize> {
        done(Ok(self.read(|state| {
            state
                .entries
                .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .count()
        })))
    }
}

/// A watch: a position in the shared history.
struct Reader {
    state: Arc<RwLock<State>>,
    prefix: Box<str>,
    after: u64,
    moved: watch::Receiver<()>,
}

impl Reader {
    /// The next changes, and whether they are all that there are.
    fn read(&mut self) -> Result<(Batch, bool), StorageError> {
        let state = self.state.read();
        let Some(log) = state.log(&self.prefix) else {
            return Ok((
                Batch {
                    changes: Vec::new(),
                    through: state.revision,
                },
                true,
            ));
        };
        if self.after < log.dropped {
            return Err(StorageError::Compacted {
                asked: self.after,
                compacted: log.dropped,
            });
        }
        let from = log
            .changes
            .partition_point(|change| change.revision() <= self.after);
        let to = log.changes.len().min(from + BATCH);
        let changes = log
            .changes
            .range(from..to)
            .filter(|change| change.entry.key.starts_with(&*self.prefix))
            .cloned()
            .collect();
        // A watch may have been asked to begin after the present revision.
        let caught_up = to == log.changes.len();
        let through = match to.checked_sub(1).filter(|_| !caught_up) {
            Some(last) => log.changes[last].revision(),
            None => state.revision,
        };
        self.after = self.after.max(through);
        Ok((
            Batch {
                changes,
                through: self.after,
            },
            caught_up,
        ))
    }
}

impl Changes for Reader {
    fn next(&mut self) -> Pending<'_, Batch> {
        async move {
            loop {
                self.moved.borrow_and_update();
                let (batch, caught_up) = self.read()?;
                if !batch.changes.is_empty() {
                    return Ok(batch);
                }
                if !caught_up {
                    continue;
                }
                // Logs are never removed and `self.state` keeps them, so the sender is there.
                if self.moved.changed().await.is_err() {
                    return Err(StorageError::Backend("the store is gone".into()));
                }
            }
        }
        .boxed()
    }

    fn progress(&mut self) -> Pending<'_, Batch> {
        done(self.read().map(|(batch, _)| batch))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::contract::{self, PREFIX, Step};
    use super::*;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..8u8, any::<u8>()).prop_map(|(key, value)| Step::Create(key, value)),
            (0..8u8, any::<u8>()).prop_map(|(key, value)| Step::Update(key, value)),
            (0..8u8, any::<u8>()).prop_map(|(key, value)| Step::StaleUpdate(key, value)),
            (0..8u8).prop_map(Step::Delete),
        ]
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(future)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn api_90_memory_keeps_the_contract(steps in proptest::collection::vec(step(), 0..60)) {
            block_on(contract::check(Arc::new(Memory::new(Arc::default())), &steps));
        }
    }

    fn object() -> Value {
        json!({"metadata": {"name": "x"}})
    }

    #[tokio::test]
    async fn api_91_history_is_bounded_and_a_slow_watch_is_told() {
        let retention = Retention {
            changes: 10,
            ..Retention::default()
        };
        let memory = Memory::with_retention(Arc::default(), retention);
        let mut slow = memory.watch(PREFIX, 1).await.expect("a watch");
        for index in 0..30 {
            memory
                .create(&format!("{PREFIX}a/{index}"), object(), None)
                .await
                .expect("created");
        }
        assert!(matches!(slow.next().await, Err(StorageError::Compacted { .. })));
        assert!(matches!(
            memory.watch(PREFIX, 1).await,
            Err(StorageError::Compacted { .. })
        ));
        let page = memory
            .list(ListRequest {
                prefix: PREFIX,
                ..ListRequest::default()
            })
            .await
            .expect("a list");
        assert_eq!(page.entries.len(), 30);
        let mut recent = memory
            .watch(PREFIX, page.revision - 10)
            .await
            .expect("within the history");
        assert_eq!(recent.next().await.expect("changes").changes.len(), 10);
    }

    #[tokio::test]
    async fn api_91_old_history_is_forgotten_by_age() {
        let clock = Arc::new(Clock::default());
        let memory = Memory::new(clock.clone());
        memory
            .create(&format!("{PREFIX}a/0"), object(), None)
            .await
            .expect("created");
        clock.advance(Duration::from_secs(301));
        memory
            .create(&format!("{PREFIX}a/1"), object(), None)
            .await
            .expect("created");
        assert!(matches!(
            memory.watch(PREFIX, 1).await,
            Err(StorageError::Compacted { .. })
        ));
        memory.watch(PREFIX, 2).await.expect("the newer one is known");
    }

    #[tokio::test]
    async fn api_90_entries_with_a_ttl_vanish_with_an_event() {
        let clock = Arc::new(Clock::default());
        let memory = Memory::new(clock.clone());
        let key = format!("{PREFIX}a/0");
        let made = memory
            .create(&key, object(), Some(Duration::from_secs(10)))
            .await
            .expect("created");
        let mut watch = memory.watch(PREFIX, made.revision).await.expect("a watch");
        clock.advance(Duration::from_secs(11));
        assert!(memory.get(&key).await.expect("an answer").is_none());
        let batch = watch.next().await.expect("a change");
        assert_eq!(batch.changes[0].kind, ChangeKind::Deleted);
        assert_eq!(batch.changes[0].entry.value["metadata"]["resourceVersion"], "3");
    }

    #[tokio::test]
    async fn api_90_an_update_begins_the_ttl_anew() {
        let clock = Arc::new(Clock::default());
        let memory = Memory::new(clock.clone());
        let key = format!("{PREFIX}a/0");
        let made = memory
            .create(&key, object(), Some(Duration::from_secs(10)))
            .await
            .expect("created");
        clock.advance(Duration::from_secs(6));
        memory
            .update(&key, object(), made.revision)
            .await
            .expect("updated");
        clock.advance(Duration::from_secs(6));
        assert!(memory.get(&key).await.expect("an answer").is_some());
        clock.advance(Duration::from_secs(6));
        assert!(memory.get(&key).await.expect("an answer").is_none());
    }

    #[tokio::test]
    async fn watches_of_one_namespace_pass_over_many_changes_of_others() {
        let memory = Memory::new(Arc::default());
        for index in 0..BATCH + 10 {
            memory
                .create(&format!("{PREFIX}other/{index}"), object(), None)
                .await
                .expect("created");
        }
        let made = memory
            .create(&format!("{PREFIX}mine/0"), object(), None)
            .await
            .expect("created");
        let mut watch = memory.watch(&format!("{PREFIX}mine/"), 1).await.expect("a watch");
        let batch = watch.next().await.expect("a change");
        assert_eq!(batch.changes[0].revision(), made.revision);
    }
}
