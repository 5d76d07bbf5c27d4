//! The engine's clock: real time, or tokio's paused time in tests, plus what [`Clock::advance`] has added.
//!
//! **Invariant:** the clock never goes back, and everything that waits on it wakes when it is advanced. At
//! [`Timestamp::MAX`] it stands still.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

/// Source of timestamps and waits for one server.
#[derive(Debug)]
pub struct Clock {
    started: (Timestamp, Instant),
    added: watch::Sender<Duration>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            started: (Timestamp::now(), Instant::now()),
            added: watch::Sender::new(Duration::ZERO),
        }
    }
}

impl Clock {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        let passed = self.started.1.elapsed().saturating_add(*self.added.borrow());
        SignedDuration::try_from(passed)
            .ok()
            .and_then(|passed| self.started.0.checked_add(passed).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// The present moment as objects carry it: UTC, whole seconds.
    pub fn now_text(&self) -> String {
        text(self.now())
    }

    /// Moves the clock forward and wakes whoever waits on it.
    pub fn advance(&self, by: Duration) {
        self.added.send_modify(|added| *added = added.saturating_add(by));
    }

    /// The moment that lies `after` from now.
    pub fn after(&self, after: Duration) -> Timestamp {
        SignedDuration::try_from(after)
            .ok()
            .and_then(|after| self.now().checked_add(after).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// Waits until the clock shows `moment`, for ever if that is [`Timestamp::MAX`]. Cancel safe.
    pub async fn sleep_until(&self, moment: Timestamp) {
        if moment == Timestamp::MAX {
            return std::future::pending().await;
        }
        let mut added = self.added.subscribe();
        loop {
            let Ok(left) = Duration::try_from(moment.duration_since(self.now())) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender lives in `self`, so this cannot be an error.
                _ = added.changed() => {}
            }
        }
    }
}

/// A timestamp as objects carry it: UTC, whole seconds.
pub fn text(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn api_5_advancing_wakes_sleepers_at_once() {
        let clock = std::sync::Arc::new(Clock::default());
        let before = Instant::now();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(clock.after(Duration::from_secs(3600))).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(3601));
        sleeper.await.expect("the sleeper wakes");
        assert!(before.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn api_5_the_clock_stands_still_at_its_end() {
        let clock = Clock::default();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
        let never = clock.sleep_until(clock.after(Duration::from_secs(1)));
        let outcome = tokio::time::timeout(Duration::from_secs(60), never).await;
        assert!(outcome.is_err(), "a loop that waits would never pause");
    }

    #[test]
    fn timestamps_are_whole_seconds() {
        assert_eq!(text(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
