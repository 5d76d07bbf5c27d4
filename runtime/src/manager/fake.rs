//! The clocks of a replica whose machine misbehaves, for the models of elections and shards.
//!
//! True time is the model's own. A replica sees it through a monotonic clock that runs too fast or too slow, and stands still
//! while its machine is suspended, and a wall clock that is set at random.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::clock::Moment;

/// The clocks of one replica.
#[derive(Debug)]
pub(super) struct Clocks {
    /// Parts per thousand of true time.
    rate: u64,
    /// What the monotonic clock shows, in microseconds.
    monotonic: u64,
    pub(super) wall: Timestamp,
}

impl Clocks {
    pub(super) const EPOCH: Timestamp = Timestamp::constant(1_700_000_000, 0);

    pub(super) fn new(rate: u64) -> Self {
        Self {
            rate,
            monotonic: 0,
            wall: Self::EPOCH,
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment {
            monotonic: Duration::from_micros(self.monotonic),
            wall: self.wall,
        }
    }

    /// True time passes, in milliseconds.
    pub(super) fn pass(&mut self, millis: u64, awake: bool) {
        if awake {
            self.monotonic += millis * self.rate;
        }
        self.wall += Duration::from_millis(millis);
    }

    /// The wall clock is set, in seconds.
    ///
    /// One that sleeps must not be set back as well: no clock would know how long that was.
    pub(super) fn set(&mut self, seconds: i64) {
        let seconds = if sleeps(self.rate) { seconds.abs() } else { seconds };
        self.wall += SignedDuration::from_secs(seconds);
    }
}

/// Whether a machine of this rate may be suspended; the others' wall clocks are set back instead.
pub(super) fn sleeps(rate: u64) -> bool {
    rate == 1000
}

/// Rates of two or three replicas, whose ratio is below 15 : 10.
pub(super) fn rates() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(prop_oneof![Just(1000_u64), 821_u64..1230], 2..4)
}
