//! Campaigns for a lease, and its renewal.
//!
//! **Invariant:** a lease is released only after its term ended here, and only where the record still names this candidate.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, Moment};
use super::elector::{Elector, JITTER, Next, Timing};
use super::leadership::{Leadership, NotLeader};
use crate::backoff::Backoff;
use crate::cache::chain;
use crate::client::{AsClient, Client, ClientError, InNamespace};
use crate::metrics::Metrics;
use crate::rbac::Rules;

/// A candidate for the leadership among the replicas of a program, by a Lease as client-go's.
///
/// ```no_run
/// # use kubewright::manager::LeaderElection;
/// # use tokio_util::sync::CancellationToken;
/// # async fn f(client: kube::Client, stop: CancellationToken) -> Result<(), Box<dyn std::error::Error>> {
/// let election = LeaderElection::new(&client, "system", "example-operator");
/// if let Some(guard) = election.acquire(&stop).await? {
///     guard.lost().cancelled().await; // work until then
///     guard.release().await;          // once it has ended
/// }
/// # Ok(()) }
/// ```
///
/// Needs `get`, `create` and `update` on `leases` of `coordination.k8s.io`: [`rules`](Self::rules).
#[derive(Clone, Debug)]
#[must_use = "a candidate does nothing until it acquires"]
pub struct LeaderElection {
    leases: Client<Lease, InNamespace>,
    namespace: String,
    name: String,
    identity: String,
    timing: Timing,
    metrics: Metrics,
    clock: Clock,
    leadership: Leadership,
}

/// Settings with which there can be no election.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElectionError {
    /// Times that do not fit together.
    #[error("elect a leader by the lease {lease}: {fault}")]
    Timing {
        /// Namespace and name of the lease.
        lease: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// A group of replicas whose name cannot be that of Leases and the value of a label.
    #[error(
        "share keys by the Leases {lease}: the name has to have 1 to 63 lower-case letters, digits or `-`, and neither \
         begin nor end with `-`"
    )]
    Group {
        /// Namespace and name of the group.
        lease: String,
    },
    /// A candidate without a name.
    #[error("elect a leader by the lease {lease}: the identity is empty; leave it out for one that is made")]
    Identity {
        /// Namespace and name of the lease.
        lease: String,
    },
}

impl LeaderElection {
    /// A candidate for the lease `name` in `namespace`, with client-go's times and an identity of its own.
    ///
    /// Every replica of the program takes the same name, and no other program does.
    pub fn new(client: &impl AsClient, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let (namespace, name) = (namespace.into(), name.into());
        let election = Self {
            leases: Client::new(client.as_client().clone()).namespace(&*namespace),
            identity: own_identity(),
            timing: Timing::default(),
            metrics: Metrics::new(),
            clock: Clock::system(),
            leadership: Leadership::new(
                String::new(),
                Clock::system(),
                Timing::default(),
                Metrics::new().leader(&name),
            ),
            namespace,
            name,
        };
        election.renewed()
    }

    /// Who this candidate is in the record. Default: the host's name, which is the Pod's, and something random.
    ///
    /// No two processes may have the same one at a time: each would take the other's lease for its own.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// The times. Default [`Timing::default`].
    ///
    /// What [`leadership`](Self::leadership) gave before does not follow.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self.renewed()
    }

    /// Where it is counted who leads: `leader_election_master_status`, by the lease's name. Default: nowhere.
    ///
    /// What [`leadership`](Self::leadership) gave before does not follow.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self.renewed()
    }

    #[cfg(test)]
    pub(super) fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self.renewed()
    }

    fn renewed(mut self) -> Self {
        let lease = format!("{}/{}", self.namespace, self.name);
        let metrics = self.metrics.leader(&self.name);
        self.leadership = Leadership::new(lease, self.clock.clone(), self.timing, metrics);
        self
    }

    /// What a candidate does: reads and updates its Lease, and makes one, which cannot be restricted to a name.
    pub fn rules(&self) -> Rules {
        let namespace = Some(&*self.namespace);
        Rules::of_named::<Lease>(namespace, &[&self.name], &["get", "update"])
            .with(&Rules::of::<Lease>(namespace, &["create"]))
    }

    /// Whether this process leads, for checks and for a client's layer.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// How long a leader that lost its lease may take to end its work, before another one may begin.
    pub fn margin(&self) -> Duration {
        self.timing.margin()
    }

    /// Whether the settings allow an election.
    ///
    /// # Errors
    /// See [`ElectionError`].
    pub fn validate(&self) -> Result<(), ElectionError> {
        let lease = self.leadership.lease().to_owned();
        if let Some(fault) = self.timing.fault() {
            return Err(ElectionError::Timing { lease, fault });
        }
        if self.identity.is_empty() {
            return Err(ElectionError::Identity { lease });
        }
        Ok(())
    }

    /// Waits until this candidate leads, however long that takes; `None` where `stop` was cancelled before.
    ///
    /// A server that does not answer or refuses is tried again, with a line in the log.
    ///
    /// # Errors
    /// See [`ElectionError`].
    pub async fn acquire(&self, stop: &CancellationToken) -> Result<Option<LeaderGuard>, ElectionError> {
        self.validate()?;
        let retry =
            Backoff::exponential(self.timing.retry_period, self.timing.retry_period).with_jitter(JITTER);
        let mut campaign = Campaign {
            elector: Elector::new(&self.namespace, &self.name, &self.identity, self.timing),
            election: self.clone(),
        };
        tracing::info!(lease = %self.leadership.lease(), identity = %self.identity, "waiting to lead");
        while !stop.is_cancelled() {
            // To its end also after a stop: what it has written has to be known, to be given up again.
            if let Attempt::Written(began) = campaign.attempt(false).await {
                let (term, lost) = self.leadership.begin(began);
                tracing::info!(lease = %self.leadership.lease(), identity = %self.identity, "leading");
                let ending = CancellationToken::new();
                let task = tokio::spawn(campaign.keep(term, lost.clone(), ending.clone()));
                let guard = LeaderGuard::new(self.leadership(), term, lost, ending, task);
                if stop.is_cancelled() {
                    guard.release().await;
                    return Ok(None);
                }
                return Ok(Some(guard));
            }
            let pause = tokio::time::sleep(retry.jittered(0));
            stop.run_until_cancelled(pause).await;
        }
        Ok(None)
    }
}

/// The host's name and something that tells two processes of one host apart.
fn own_identity() -> String {
    let [high, low] = [(); 2].map(|()| crate::backoff::random_bits());
    format!("{}_{high:016x}{low:016x}", own_host())
}

/// `HOSTNAME` is the Pod's name in a cluster.
pub(super) fn own_host() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    let host = host.or_else(|| {
        let name = std::fs::read_to_string("/etc/hostname").ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    });
    host.unwrap_or_else(|| "host".to_owned())
}

/// A candidate at work.
struct Campaign {
    election: LeaderElection,
    elector: Elector,
}

/// How an attempt to take or keep a lease ended.
#[derive(Debug)]
enum Attempt {
    /// The lease is this candidate's, by a request sent then.
    Written(Moment),
    /// It is somebody else's.
    Follow,
    /// Nobody knows: no answer, or a refusal.
    Failed,
}

impl Campaign {
    /// One attempt; `leading` writes without reading first.
    async fn attempt(&mut self, leading: bool) -> Attempt {
        match self.try_once(leading).await {
            Ok(attempt) => attempt,
            Err(error) => {
                tracing::warn!(lease = %self.election.leadership.lease(), error = chain(&error), "not written");
                Attempt::Failed
            }
        }
    }

    async fn try_once(&mut self, leading: bool) -> Result<Attempt, Failure> {
        let clock = self.election.clock.clone();
        if leading {
            let began = clock.now();
            if let Some(renewal) = self.elector.renewal(&began) {
                match self.request(self.election.leases.update(&renewal)).await {
                    Ok(lease) => return Ok(self.written(began, lease)),
                    // As client-go: whatever it is, look at the lease.
                    Err(error) => tracing::debug!(error = chain(&error), "renewal failed; reading the lease"),
                }
                self.election.metrics.leader(&self.election.name).slow_path();
            }
        }
        let found = self
            .request(self.election.leases.get_opt(&self.election.name))
            .await?;
        let now = clock.now();
        let next = self.elector.read(&now, found);
        self.election.leadership.saw(self.elector.holder());
        let began = clock.now();
        let written = match &next {
            Next::Follow => return Ok(Attempt::Follow),
            Next::Create(lease) => self.request(self.election.leases.create(lease)).await,
            Next::Update(lease) => self.request(self.election.leases.update(lease)).await,
        };
        match written {
            Ok(lease) => Ok(self.written(began, lease)),
            // Another one was faster.
            Err(Failure::Client(error)) if error.is_conflict() || error.is_already_exists() => {
                Ok(Attempt::Failed)
            }
            Err(error) => Err(error),
        }
    }

    fn written(&mut self, began: Moment, lease: Lease) -> Attempt {
        self.elector.written(&began, lease);
        self.election.leadership.saw(self.elector.holder());
        Attempt::Written(began)
    }

    async fn request<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, Failure> {
        let limit = self.election.timing.request();
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::Late(limit)),
        }
    }

    /// Renews until the term is over or `ending`, which gives the lease up.
    async fn keep(mut self, term: u64, lost: CancellationToken, ending: CancellationToken) {
        // A panic here must not leave work going on that nothing renews for.
        let _lost = lost.drop_guard();
        let leadership = self.election.leadership();
        let retry = self.election.timing.retry_period;
        while let Some(deadline) = leadership.deadline(term) {
            let tick = (Instant::now() + retry).min(deadline);
            if ending
                .run_until_cancelled(tokio::time::sleep_until(tick))
                .await
                .is_none()
            {
                break;
            }
            // By all clocks: a machine that was suspended finds out here at the latest.
            if leadership.check_term(Some(term)).is_err() {
                break;
            }
            let attempt = tokio::select! {
                () = ending.cancelled() => break,
                attempt = tokio::time::timeout_at(deadline, self.attempt(true)) => attempt,
            };
            match attempt {
                Ok(Attempt::Written(began)) => {
                    if leadership.renew(term, began).is_err() {
                        break;
                    }
                }
                Ok(Attempt::Failed) => {}
                Ok(Attempt::Follow) | Err(_) => break,
            }
        }
        let ended = ending.is_cancelled();
        leadership.lose(term);
        if !ended {
            tracing::error!(lease = %leadership.lease(), "the lease is lost");
        }
        // Work may still be about to end.
        ending.cancelled().await;
        let limit = self.election.timing.request();
        if tokio::time::timeout(limit, self.release()).await.is_err() {
            tracing::warn!(lease = %leadership.lease(), "the lease was not released in time; it will expire");
        }
    }

    /// Gives the lease up where it is this candidate's; tries again until it is known.
    async fn release(&mut self) {
        let leases = &self.election.leases;
        let mut found = self.elector.last().cloned();
        let mut pause = Duration::from_millis(100);
        loop {
            let now = self.election.clock.now();
            let Some(released) = found.as_ref().and_then(|lease| self.elector.release(&now, lease)) else {
                return;
            };
            let Err(error) = leases.update(&released).await else {
                tracing::info!(lease = %self.election.leadership.lease(), "released");
                return;
            };
            tracing::debug!(error = chain(&error), "releasing the lease failed; reading it");
            // A renewal may have been on its way when the term ended.
            match leases.get_opt(&self.election.name).await {
                Ok(lease) => found = lease,
                Err(error) => tracing::debug!(error = chain(&error), "reading the lease failed"),
            }
            if !error.is_conflict() {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

/// Why a request about a lease failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// A term of leadership, or of membership in a group of [`Shards`](super::Shards), renewed in a task of its own.
///
/// Dropped without [`release`](Self::release) the term ends at once, and the lease is left to expire.
#[derive(Debug)]
#[must_use = "dropping it ends the leadership"]
pub struct LeaderGuard {
    leadership: Leadership,
    term: u64,
    lost: CancellationToken,
    ending: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl LeaderGuard {
    /// A term that `task` renews until `ending` is cancelled, after which it gives the lease up.
    pub(super) fn new(
        leadership: Leadership,
        term: u64,
        lost: CancellationToken,
        ending: CancellationToken,
        task: JoinHandle<()>,
    ) -> Self {
        Self {
            leadership,
            term,
            lost,
            ending,
            task: Some(task),
        }
    }

    /// Whether this term lasts. Where another term of the same process began it does not.
    ///
    /// # Errors
    /// [`NotLeader`], from then on always; see [`Leadership::check`].
    pub fn check(&self) -> Result<(), NotLeader> {
        self.leadership.check_term(Some(self.term))
    }

    /// Cancelled at the end of the term: at the renew deadline, or earlier where another holder was seen. Work has to
    /// end then, within the lease's duration less the renew deadline.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Ends the term, and gives the lease up for another one to take at once. All work that needs the leadership must
    /// have ended. Takes at most half the renew deadline; a lease that cannot be released expires.
    pub async fn release(mut self) {
        self.leadership.lose(self.term);
        self.ending.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the lease was not released; it will expire");
        }
        self.leadership.ended(self.term);
    }
}

impl Drop for LeaderGuard {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            self.leadership.lose(self.term);
            self.leadership.ended(self.term);
        }
    }
}
