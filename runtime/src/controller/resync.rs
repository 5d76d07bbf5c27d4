//! Looks at each object once in a period, though nothing changed, and decodes none for that.
//!
//! **Invariant:** an object's turn is the same moment of each period, told by a hash of its key, so that the turns of
//! many objects are spread over the whole of it; what is being waited for costs no memory but that of a small part.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::LONGEST;
use crate::cache::{Cached, Entry, Heard, Lister, News};

/// Calls `turn` for each object of the cache once in each period, without an end.
pub(super) async fn spread<K: Cached>(lister: Lister<K>, period: Duration, mut turn: impl FnMut(Heard<K>)) {
    let period = period.min(LONGEST);
    let parts = parts(period);
    let part = period / parts;
    let mut begin = Instant::now();
    loop {
        for n in 0..parts {
            let (from, to) = (part * n, if n + 1 == parts { period } else { part * (n + 1) });
            tokio::time::sleep_until(begin + from).await;
            let mut due: Vec<_> = lister
                .store()
                .entries()
                .into_iter()
                .map(|entry| (offset(&entry, period), entry))
                .filter(|(at, _)| (from..to).contains(at))
                .collect();
            due.sort_unstable_by_key(|(at, _)| *at);
            for (at, entry) in due {
                tokio::time::sleep_until(begin + at).await;
                turn(Heard::new(News::Again(entry), lister.store()));
            }
        }
        // A machine that slept does not make up for the periods that it missed.
        begin = (begin + period).max(Instant::now().checked_sub(period).unwrap_or(begin));
        tokio::time::sleep_until(begin).await;
    }
}

/// In how many parts the cache is looked through in a period: one each second, or fewer where that would be too many.
fn parts(period: Duration) -> u32 {
    u32::try_from(period.as_secs()).map_or(256, |seconds| seconds.clamp(1, 256))
}

/// When in its period an object has its turn.
fn offset<K: Cached>(entry: &Entry<K>, period: Duration) -> Duration {
    let key = entry.key();
    // The same in each run and each process: its keys are fixed.
    let mut hasher = DefaultHasher::new();
    (&key.namespace, &key.name).hash(&mut hasher);
    let nanoseconds = (period.as_nanos() * u128::from(hasher.finish())) >> 64;
    u64::try_from(nanoseconds).map_or(Duration::ZERO, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;
    use crate::cache::Store;

    fn map(name: &str) -> Arc<ConfigMap> {
        Arc::new(serde_json::from_value(json!({"metadata": {"namespace": "a", "name": name}})).unwrap())
    }

    /// When each object had its turns, in milliseconds, over some periods.
    async fn turns(objects: usize, period: Duration, periods: u32) -> BTreeMap<String, Vec<u128>> {
        let store = Store::new();
        for n in 0..objects {
            store.insert(map(&n.to_string()));
        }
        let (turns, began) = (Mutex::new(BTreeMap::<_, Vec<_>>::new()), Instant::now());
        let spread = spread(Lister::new(store), period, |again: Heard<ConfigMap>| {
            let name = again.key().name;
            let mut turns = turns.lock().unwrap();
            turns.entry(name).or_default().push(began.elapsed().as_millis());
        });
        let _ = tokio::time::timeout(period * periods - Duration::from_millis(1), spread).await;
        turns.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_object_has_its_own_time_in_each_period() {
        const PERIOD: Duration = Duration::from_secs(600);
        let turns = turns(1000, PERIOD, 3).await;
        assert_eq!(turns.len(), 1000);
        let mut per_minute = [0; 10];
        for (name, times) in &turns {
            assert_eq!(times.len(), 3, "{name}");
            for pair in times.windows(2) {
                assert!(
                    (pair[1] - pair[0]).abs_diff(PERIOD.as_millis()) <= 1,
                    "{name}: {times:?}"
                );
            }
            per_minute[usize::try_from(times[0] / 60_000).unwrap()] += 1;
        }
        assert!(
            per_minute.iter().all(|count| (60..=140).contains(count)),
            "{per_minute:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn short_periods_and_endless_ones_work() {
        let short = turns(50, Duration::from_millis(20), 4).await;
        assert!(short.values().all(|times| times.len() >= 3), "{short:?}");
        let endless = spread(Lister::new(Store::<ConfigMap>::new()), Duration::MAX, |_| ());
        assert!(
            tokio::time::timeout(Duration::from_secs(1), endless)
                .await
                .is_err()
        );
    }
}
