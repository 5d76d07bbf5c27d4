//! Who may take a lease, and when: client-go's rules without its I/O.
//!
//! The record of a lease holds times, but they are for people: machines' clocks differ. Whoever waits for a lease counts by
//! its own clock how long the record has stood unchanged, and takes it after the duration that the record names.
//!
//! **Invariant:** as long as the clocks of the candidates run at rates whose ratio is below lease duration : renew deadline,
//! a holder that counts its time from before it sent its last successful renewal has given up before another one may take
//! the lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::clock::Moment;

/// The times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long the others wait after they saw the last renewal. Whole seconds are written: a part of one counts as
    /// one. Default 15 s.
    pub lease_duration: Duration,
    /// How long after its last renewal a leader stops to lead. Default 10 s.
    ///
    /// What is left of the lease's duration is for work to end, and for clocks that do not run at the same rate.
    pub renew_deadline: Duration,
    /// How long to wait between two renewals, and, with up to 1.2 times as much again at random, between two attempts to
    /// lead. Default 2 s.
    pub retry_period: Duration,
}

impl Default for Timing {
    /// Those of client-go's and controller-runtime's programs.
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// client-go's `JitterFactor`.
pub(super) const JITTER: f64 = 1.2;

impl Timing {
    /// What is wrong with the times, if anything.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.retry_period.is_zero() {
            Some("the retry period is zero; client-go's is 2 s")
        } else if self.renew_deadline <= self.retry_period.mul_f64(JITTER) {
            Some(
                "the renew deadline has to be longer than 1.2 times the retry period, or no renewal could fail",
            )
        } else if self.lease_duration <= self.renew_deadline {
            Some("the lease duration has to be longer than the renew deadline, or two could lead at once")
        } else if self.lease_duration.as_secs() >= i32::MAX as u64 {
            Some("the lease duration has to fit in 32 bits as seconds")
        } else {
            None
        }
    }

    /// How long one request may take, as controller-runtime: one that hangs must not cost the leadership.
    pub(super) fn request(&self) -> Duration {
        (self.renew_deadline / 2)
            .max(Duration::from_secs(1))
            .min(self.renew_deadline)
    }

    /// What is left for work to end once a leader stopped to lead.
    pub(super) fn margin(&self) -> Duration {
        self.lease_duration.saturating_sub(self.renew_deadline)
    }

    /// Whether one leads at `now` whose last successful renewal was sent at `renewed`.
    pub(super) fn holds(&self, renewed: &Moment, now: &Moment) -> bool {
        now.at_most_since(renewed) < self.renew_deadline
    }

    pub(super) fn seconds(&self) -> i32 {
        let whole = self.lease_duration.as_secs() + u64::from(self.lease_duration.subsec_nanos() > 0);
        i32::try_from(whole).unwrap_or(i32::MAX)
    }
}

/// A candidate's view of a lease.
#[derive(Clone, Debug)]
pub(super) struct Elector {
    namespace: String,
    name: String,
    identity: String,
    timing: Timing,
    observed: Option<Observed>,
}

/// A record, and since when it is known.
#[derive(Clone, Debug)]
struct Observed {
    lease: Lease,
    since: Moment,
}

/// What to do about a lease that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// There is none: create this one.
    Create(Lease),
    /// Write this one, on the condition that the lease has not changed.
    Update(Lease),
    /// Somebody else leads.
    Follow,
}

impl Elector {
    pub(super) fn new(namespace: &str, name: &str, identity: &str, timing: Timing) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing,
            observed: None,
        }
    }

    /// Who led when the lease was last seen.
    pub(super) fn holder(&self) -> Option<&str> {
        holder(self.spec()?)
    }

    fn spec(&self) -> Option<&LeaseSpec> {
        self.observed.as_ref()?.lease.spec.as_ref()
    }

    /// The renewal that a leader sends without reading first, as the lease was last seen.
    pub(super) fn renewal(&self, now: &Moment) -> Option<Lease> {
        let observed = self.observed.as_ref()?;
        (self.holder() == Some(&self.identity)).then(|| self.claim(observed.lease.clone(), now))
    }

    /// What follows from reading the lease; `now` is when the answer had come.
    pub(super) fn read(&mut self, now: &Moment, found: Option<Lease>) -> Next {
        let Some(found) = found else {
            // Whoever was seen to hold it may not have noticed yet that it is gone.
            if self.held_by_another(now) {
                return Next::Follow;
            }
            self.observed = None;
            return Next::Create(self.claim(self.blank(), now));
        };
        let since = match &self.observed {
            Some(observed) if observed.lease.spec == found.spec => observed.since,
            _ => *now,
        };
        self.observed = Some(Observed {
            lease: found.clone(),
            since,
        });
        if self.held_by_another(now) {
            Next::Follow
        } else {
            Next::Update(self.claim(found, now))
        }
    }

    /// The lease was written, by a request that was sent at `began`.
    pub(super) fn written(&mut self, began: &Moment, lease: Lease) {
        self.observed = Some(Observed { lease, since: *began });
    }

    /// What gives the lease up, where the lease that was read is this candidate's. Its work must have ended.
    pub(super) fn release(&self, now: &Moment, found: &Lease) -> Option<Lease> {
        let spec = found.spec.as_ref()?;
        if holder(spec) != Some(&self.identity) {
            return None;
        }
        let mut released = found.clone();
        released.spec = Some(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            acquire_time: Some(MicroTime(now.wall)),
            renew_time: Some(MicroTime(now.wall)),
            ..spec.clone()
        });
        Some(released)
    }

    /// The lease as it was last seen.
    pub(super) fn last(&self) -> Option<&Lease> {
        self.observed.as_ref().map(|observed| &observed.lease)
    }

    fn held_by_another(&self, now: &Moment) -> bool {
        let Some(observed) = &self.observed else {
            return false;
        };
        let Some(spec) = &observed.lease.spec else {
            return false;
        };
        let Some(holder) = holder(spec) else { return false };
        if holder == self.identity {
            return false;
        }
        // The record's own duration: its holder may run with other settings.
        let duration = match spec.lease_duration_seconds {
            Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            None => self.timing.lease_duration,
        };
        now.at_least_since(&observed.since) < duration
    }

    fn blank(&self) -> Lease {
        Lease {
            metadata: ObjectMeta {
                namespace: Some(self.namespace.clone()),
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            ..Lease::default()
        }
    }

    /// `lease`, held by this candidate from `now` on. What others put there stays.
    fn claim(&self, mut lease: Lease, now: &Moment) -> Lease {
        let fresh = lease.metadata.resource_version.is_none();
        let old = lease.spec.take().unwrap_or_default();
        let ours = holder(&old) == Some(&self.identity);
        let transitions = old.lease_transitions.unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(self.timing.seconds()),
            acquire_time: old
                .acquire_time
                .clone()
                .filter(|_| ours)
                .or(Some(MicroTime(now.wall))),
            renew_time: Some(MicroTime(now.wall)),
            lease_transitions: Some(if ours || fresh {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..old
        });
        lease
    }
}

fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
}
