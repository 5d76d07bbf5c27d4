//! Growing delays between attempts.
//!
//! **Invariant:** the delay before attempt `n` is `initial * factor^n`, never more than `max`, before jitter; no
//! setting makes it panic.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Stands for delays without an end, which added to the present would overflow; tokio's own far future.
pub(crate) const LONGEST: Duration = Duration::from_secs(86_400 * 365 * 30);

/// How long to wait before each further attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    /// Delay before the first retry.
    pub initial: Duration,
    /// Longest delay, before jitter.
    pub max: Duration,
    /// What each delay is multiplied by for the next one; less than 1, or no number, counts as 1.
    pub factor: f64,
    /// Random share added to a delay: 1.0 adds up to the delay itself, 0.0 nothing; less, or no finite number,
    /// counts as 0.
    pub jitter: f64,
}

impl Backoff {
    /// Delays from `initial`, doubling up to `max`, without jitter.
    pub const fn exponential(initial: Duration, max: Duration) -> Self {
        Self {
            initial,
            max,
            factor: 2.0,
            jitter: 0.0,
        }
    }

    /// 800 ms doubling to 30 s, each with up to as much again at random, as client-go's reflectors use against
    /// a server that does not answer.
    pub const fn reflector() -> Self {
        Self {
            initial: Duration::from_millis(800),
            max: Duration::from_secs(30),
            factor: 2.0,
            jitter: 1.0,
        }
    }

    /// 5 ms doubling to 1000 s, as client-go's `DefaultTypedControllerRateLimiter` for each key.
    pub const fn per_key() -> Self {
        Self::exponential(Duration::from_millis(5), Duration::from_secs(1000))
    }

    /// This backoff with `jitter` as its random share.
    pub const fn with_jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// The delay after `failures` failed attempts (0: before the first retry), without jitter.
    pub fn delay(&self, failures: u32) -> Duration {
        if self.initial.is_zero() {
            // Nothing times infinity, after many failures, is no number.
            return Duration::ZERO;
        }
        let exponent = i32::try_from(failures).unwrap_or(i32::MAX);
        let seconds = self.initial.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        Duration::try_from_secs_f64(seconds).map_or(self.max, |delay| delay.min(self.max))
    }

    /// [`delay`](Self::delay) with its random share added.
    pub fn jittered(&self, failures: u32) -> Duration {
        let delay = self.delay(failures);
        if self.jitter <= 0.0 || !self.jitter.is_finite() {
            return delay;
        }
        let added = delay.as_secs_f64() * (self.jitter * random_share());
        delay.saturating_add(Duration::try_from_secs_f64(added).unwrap_or(Duration::MAX))
    }
}

/// 64 bits that differ from call to call and from process to process. The standard library seeds a hasher at random for
/// each `RandomState`, which saves a dependency for purposes that keep no secret.
pub(crate) fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A number in 0..1, good enough to spread clients out.
pub(crate) fn random_share() -> f64 {
    let bits = random_bits() >> 11;
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    let share = bits as f64 / (1_u64 << 53) as f64;
    share
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_up_to_the_maximum() {
        let backoff = Backoff::per_key();
        let delays: Vec<_> = (0..4).map(|n| backoff.delay(n).as_millis()).collect();
        assert_eq!(delays, [5, 10, 20, 40]);
        assert_eq!(backoff.delay(17), Duration::from_millis(655_360));
        assert_eq!(backoff.delay(18), Duration::from_secs(1000));
        assert_eq!(backoff.delay(u32::MAX), Duration::from_secs(1000));
    }

    #[test]
    fn nothing_stays_nothing_and_numbers_that_are_none_do_not_panic() {
        let nothing = Backoff::exponential(Duration::ZERO, Duration::from_secs(1));
        assert_eq!(nothing.delay(u32::MAX), Duration::ZERO);
        let endless = Backoff::exponential(Duration::from_secs(1), Duration::MAX).with_jitter(1.0);
        assert_eq!(endless.jittered(u32::MAX), Duration::MAX);
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            let backoff = Backoff {
                factor: odd,
                ..Backoff::per_key().with_jitter(odd)
            };
            assert_eq!(backoff.jittered(0), Duration::from_millis(5), "{odd}");
            let later = if odd == f64::INFINITY {
                backoff.max
            } else {
                backoff.initial
            };
            assert_eq!(backoff.jittered(u32::MAX), later, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn never_shrinks_and_jitter_stays_in_its_share(failures in 0_u32..100) {
            let backoff = Backoff::reflector();
            prop_assert!(backoff.delay(failures) <= backoff.delay(failures + 1));
            let jittered = backoff.jittered(failures);
            prop_assert!(jittered >= backoff.delay(failures));
            prop_assert!(jittered <= backoff.delay(failures) * 2);
        }
    }

    #[test]
    fn random_shares_differ() {
        let shares: Vec<_> = (0..8).map(|_| random_share()).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        assert!(shares.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
