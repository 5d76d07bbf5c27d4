//! What goes wrong at random, and again in the same way.
//!
//! **Invariant:** what happens to the n-th request of a method and path follows from the seed alone, in whatever order
//! requests come.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::controls::{Matcher, Subject};
use crate::status::ApiError;

/// What goes wrong with the requests of a [`DevServer`](super::DevServer), and how often; at first nothing.
///
/// Shares are between 0 and 1, and what is not is taken for the nearer of the two. Of the ends of a request, of which it has
/// one, their shares add up; where they come to more than 1 the later ones in the list below get what is left.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use kubewright_apiserver::{Chaos, DevServer, Matcher};
///
/// let server = DevServer::start().await?;
/// server.chaos(
///     Chaos::seeded(7)
///         .only(Matcher::any().resource("configmaps"))
///         .delay(0.5, Duration::from_millis(5))
///         .lose(0.1)
///         .cut(0.3, 2_000),
/// );
/// // .. the code under test ..
/// server.calm();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing goes wrong until a server is given it"]
pub struct Chaos {
    seed: u64,
    only: Matcher,
    delay: (f64, Duration),
    refuse: f64,
    fail: f64,
    lose: f64,
    cut: (f64, usize),
    silence: (f64, usize),
}

fn share(share: f64) -> f64 {
    match share.is_nan() {
        true => 0.0,
        false => share.clamp(0.0, 1.0),
    }
}

impl Chaos {
    /// Nothing yet; `seed` decides which requests it will be.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            only: Matcher::any(),
            delay: (0.0, Duration::ZERO),
            refuse: 0.0,
            fail: 0.0,
            lose: 0.0,
            cut: (0.0, 0),
            silence: (0.0, 0),
        }
    }

    /// Concerns only requests that match. Requests for no resource, such as discovery, are never concerned.
    pub fn only(mut self, matcher: Matcher) -> Self {
        self.only = matcher;
        self
    }

    /// Holds this share of the requests back for up to `most`, so that later ones overtake them.
    pub fn delay(mut self, share_of: f64, most: Duration) -> Self {
        self.delay = (share(share_of), most);
        self
    }

    /// Cuts the connection before the request is carried out. It does not stand in the log.
    pub fn refuse(mut self, share_of: f64) -> Self {
        self.refuse = share(share_of);
        self
    }

    /// Fails the request with 429 and 503, which say that it may be tried again in a second, or with 500, without carrying
    /// it out.
    pub fn fail(mut self, share_of: f64) -> Self {
        self.fail = share(share_of);
        self
    }

    /// Carries the request out and cuts the connection instead of answering.
    pub fn lose(mut self, share_of: f64) -> Self {
        self.lose = share(share_of);
        self
    }

    /// Cuts the connection after up to `most` bytes of the answer; a watch goes on until that many came.
    pub fn cut(mut self, share_of: f64, most: usize) -> Self {
        self.cut = (share(share_of), most);
        self
    }

    /// Sends up to `most` bytes of the answer and then nothing more, on a connection that stays: a network that is gone
    /// without a word. A client without timeouts, as the one in the process, waits until the chaos ends, by
    /// [`calm`](super::DevServer::calm) or by another one in its place: then the connection is cut.
    pub fn silence(mut self, share_of: f64, most: usize) -> Self {
        self.silence = (share(share_of), most);
        self
    }

    fn trouble(&self, draws: &mut Draws, over: &Over) -> Trouble {
        let (delayed, most) = self.delay;
        let delay = match draws.share() < delayed {
            true => most.mul_f64(draws.share()),
            false => Duration::ZERO,
        };
        let up_to = |draws: &mut Draws, most: usize| (draws.share() * (most as f64 + 1.0)) as usize;
        let mut at = draws.share();
        let mut falls = |share: f64| {
            at -= share;
            at < 0.0
        };
        let end = if falls(self.refuse) {
            Some(End::Refused)
        } else if falls(self.fail) {
            Some(End::Failed(match draws.next() % 3 {
                0 => ApiError::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "TooManyRequests",
                    "The server is busy: chaos was asked for",
                )
                .with_retry_after(1),
                1 => {
                    ApiError::unavailable("the server is not ready: chaos was asked for").with_retry_after(1)
                }
                _ => ApiError::internal("chaos was asked for"),
            }))
        } else if falls(self.lose) {
            Some(End::Lost)
        } else if falls(self.cut.0) {
            Some(End::Cut(up_to(draws, self.cut.1)))
        } else if falls(self.silence.0) {
            Some(End::Silent(up_to(draws, self.silence.1), over.clone()))
        } else {
            None
        };
        Trouble { delay, end }
    }
}

/// What one request meets.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    pub(super) delay: Duration,
    pub(super) end: Option<End>,
}

#[derive(Clone, Debug)]
pub(super) enum End {
    Refused,
    Failed(ApiError),
    Lost,
    Cut(usize),
    /// Until the chaos is over.
    Silent(usize, Over),
}

/// Tells of the end of a plan.
#[derive(Clone, Debug)]
pub(super) struct Over(watch::Receiver<()>);

impl Over {
    pub(super) async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// A plan at work.
#[derive(Debug)]
pub(super) struct Running {
    plan: Chaos,
    /// How many requests of a method and path there were.
    counts: Mutex<HashMap<u64, u64>>,
    /// Dropped with the plan, which is what [`Over`] waits for.
    ends: watch::Sender<()>,
}

impl Running {
    pub(super) fn new(plan: Chaos) -> Self {
        Self {
            plan,
            counts: Mutex::default(),
            ends: watch::Sender::new(()),
        }
    }

    pub(super) fn trouble(&self, request: Subject<'_>, place: (&str, &str)) -> Option<Trouble> {
        if !self.plan.only.matches(request) {
            return None;
        }
        // Without keys: the same in each process.
        let mut hasher = DefaultHasher::new();
        (self.plan.seed, place, request.verb).hash(&mut hasher);
        let place = hasher.finish();
        let count = {
            let mut counts = self.counts.lock();
            let count = counts.entry(place).or_default();
            *count += 1;
            *count
        };
        let mut draws = Draws(place.wrapping_add(count.wrapping_mul(Draws::STEP << 8)));
        Some(self.plan.trouble(&mut draws, &Over(self.ends.subscribe())))
    }
}

/// SplitMix64, of which short sequences from any seed look independent.
struct Draws(u64);

impl Draws {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In 0..1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Target, Verb};

    fn ends(chaos: Chaos, requests: u64) -> [u64; 6] {
        let running = Running::new(chaos);
        let mut counts = [0; 6];
        for n in 0..requests {
            let path = format!("/api/v1/namespaces/default/configmaps/{}", n % 10);
            let Target::Resource(resource) = Target::of(&path) else {
                panic!("a resource")
            };
            let trouble = running.trouble(
                Subject {
                    path: &resource,
                    verb: Some(Verb::Get),
                    user: None,
                },
                ("GET", &path),
            );
            counts[match trouble.expect("it matches").end {
                None => 0,
                Some(End::Refused) => 1,
                Some(End::Failed(_)) => 2,
                Some(End::Lost) => 3,
                Some(End::Cut(after)) => {
                    assert!(after <= 100);
                    4
                }
                Some(End::Silent(after, _)) => {
                    assert_eq!(after, 0);
                    5
                }
            }] += 1;
        }
        counts
    }

    #[test]
    fn shares_are_kept() {
        let all = |seed| {
            Chaos::seeded(seed)
                .refuse(0.1)
                .fail(0.2)
                .lose(0.05)
                .cut(0.3, 100)
                .silence(0.05, 0)
        };
        for seed in 0..5 {
            let counts = ends(all(seed), 10_000);
            for (count, expected) in counts.into_iter().zip([3000_u64, 1000, 2000, 500, 3000, 500]) {
                assert!(count.abs_diff(expected) < 200, "{counts:?}");
            }
            assert_eq!(counts, ends(all(seed), 10_000));
        }
        assert_ne!(ends(all(1), 1000), ends(all(2), 1000));
        assert_eq!(ends(Chaos::seeded(1), 100), [100, 0, 0, 0, 0, 0]);
        assert_eq!(
            ends(Chaos::seeded(1).lose(7.0).cut(1.0, 1), 100),
            [0, 0, 0, 100, 0, 0]
        );
        assert_eq!(ends(Chaos::seeded(1).lose(f64::NAN).refuse(-1.0), 100)[0], 100);
    }
}
