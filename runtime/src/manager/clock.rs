//! What time it is, for those who hold a lease and for those who wait for one.
//!
//! A monotonic clock does not run while the machine is suspended; a wall clock does, but it is set by hand and by NTP. So
//! both are read, and each side takes the one that does no harm: who holds a lease counts the longer of the two, and may
//! stop too early; who waits for one counts the monotonic clock alone, and may wait too long.
//!
//! **Invariant:** a suspension makes no lease look fresher to its holder, and a wall clock that is set makes none look
//! older to the others.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

/// A reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Of a clock that is never set.
    pub(super) monotonic: Duration,
    /// Of the clock that people read.
    pub(super) wall: Timestamp,
}

impl Moment {
    /// How long ago `earlier` was, for one who must not think that too little time has passed.
    pub(super) fn at_most_since(&self, earlier: &Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall);
        // A wall clock that was set back says nothing.
        let wall = Duration::try_from(wall).unwrap_or_default();
        self.at_least_since(earlier).max(wall)
    }

    /// How long ago `earlier` was, for one who must not think that too much time has passed.
    pub(super) fn at_least_since(&self, earlier: &Self) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }
}

/// Both clocks. Clones give the same readings.
#[derive(Clone)]
pub(super) struct Clock {
    began: Instant,
    wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Clock {
    pub(super) fn system() -> Self {
        Self::with(SystemTime::now)
    }

    /// With another wall clock, for tests.
    pub(super) fn with(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            began: Instant::now(),
            wall: Arc::new(wall),
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment {
            monotonic: self.began.elapsed(),
            // A wall clock beyond the years that a timestamp has is as good as none.
            wall: Timestamp::try_from((self.wall)()).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// When the monotonic clock will have gone `after` on from `moment`.
    pub(super) fn instant(&self, moment: &Moment, after: Duration) -> Instant {
        self.began + moment.monotonic + after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(monotonic: u64, wall: i64) -> Moment {
        Moment {
            monotonic: Duration::from_secs(monotonic),
            wall: Timestamp::from_second(wall).unwrap(),
        }
    }

    #[test]
    fn each_side_takes_the_clock_that_does_no_harm() {
        let began = moment(5, 1000);
        let [second, minute] = [1, 60].map(Duration::from_secs);
        // Suspended for 59 s.
        let woken = moment(6, 1060);
        assert_eq!(
            (woken.at_most_since(&began), woken.at_least_since(&began)),
            (minute, second)
        );
        // Set back by an hour, and forward.
        let back = moment(6, -2600);
        assert_eq!(
            (back.at_most_since(&began), back.at_least_since(&began)),
            (second, second)
        );
        let forward = moment(6, 4600);
        assert_eq!(forward.at_least_since(&began), second);
    }
}
