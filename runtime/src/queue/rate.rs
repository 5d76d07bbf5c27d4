//! How long a key waits after a failure.
//!
//! **Invariant:** the delay of a key is the longer one of its own backoff and the wait for a token of the bucket
//! that all keys share.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Delays of keys that are added again after a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Backoff of each key by the number of its failures. Default 5 ms doubling to 1000 s.
    pub per_key: Backoff,
    /// Bucket that all keys share. Default 10 per second, 100 at once.
    pub overall: Option<TokenBucket>,
}

/// A rate with a reserve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenBucket {
    /// Tokens that come back each second.
    pub per_second: f64,
    /// Tokens that can be taken at once.
    pub burst: u32,
}

/// client-go's `DefaultTypedControllerRateLimiter`.
impl Default for RateLimit {
    fn default() -> Self {
        Self {
            per_key: Backoff::per_key(),
            overall: Some(TokenBucket {
                per_second: 10.0,
                burst: 100,
            }),
        }
    }
}

/// A bucket in use: a token may be taken before it is there, at the price of waiting for it.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: TokenBucket,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: TokenBucket, now: Instant) -> Self {
        Self {
            rate,
            tokens: f64::from(rate.burst),
            at: now,
        }
    }

    fn refill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.rate.per_second.max(0.0);
        self.at = now;
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst));
    }

    /// Takes one token if there is one.
    pub(crate) fn try_take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    /// Whether nothing is missing, so that the bucket could as well be a new one.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= f64::from(self.rate.burst)
    }

    /// Takes one token and says how long to wait for it.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        // A rate of nothing would never give a token back; a year stands for that without overflow.
        const LONGEST: f64 = 31_536_000.0;
        self.refill(now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((-self.tokens / self.rate.per_second.max(0.0)).min(LONGEST))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_burst_at_once_and_then_the_rate() {
        let now = Instant::now();
        let mut bucket = Bucket::new(
            TokenBucket {
                per_second: 10.0,
                burst: 3,
            },
            now,
        );
        let waits: Vec<_> = (0..5).map(|_| bucket.take(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
        assert_eq!(bucket.take(now + Duration::from_millis(250)).as_millis(), 50);
        let later = now + Duration::from_secs(3600);
        let waits: Vec<_> = (0..4).map(|_| bucket.take(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100], "the reserve never exceeds the burst");
    }

    #[test]
    fn survives_a_rate_of_nothing() {
        let now = Instant::now();
        let mut bucket = Bucket::new(
            TokenBucket {
                per_second: 0.0,
                burst: 0,
            },
            now,
        );
        assert!(bucket.take(now) >= Duration::from_secs(86_400));
    }
}
