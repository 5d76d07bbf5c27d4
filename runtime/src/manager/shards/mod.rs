//! Keys of controllers, spread over the replicas of a program by Leases.
//!
//! `member.rs` decides, `view.rs` says whose a key is, `keys.rs` is asked by controllers; this is the I/O around them.
//!
//! **Invariant:** controllers are told what they may work on before it is looked whether their work allows the next write,
//! and a Lease is released only after its term ended here.

mod keys;
mod member;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, Preconditions};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::member::{GROUP, Member, Write};
use super::clock::{Clock, Moment};
use super::elector::{JITTER, Timing};
use super::leadership::Leadership;
use super::{ElectionError, LeaderGuard};
use crate::backoff::Backoff;
use crate::cache::chain;
use crate::client::{AsClient, Client, ClientError, InNamespace};
use crate::metrics::{Metrics, ShardMetrics};
use crate::rbac::Rules;
pub use keys::ShardKeys;
pub(crate) use keys::{NotMine, Working};
pub(crate) use view::{Place, Votes};

/// A member of a group of replicas over which the keys of controllers are spread: each replica works, and each key is worked
/// on by one of them.
///
/// ```no_run
/// # use kubewright::{Controller, InformerFactory, Reconciler};
/// # use kubewright::manager::{Manager, Shards};
/// # async fn f<R: Reconciler<Object: kubewright::kind::Kind>>(client: kube::Client, reconciler: R) -> Result<(), Box<dyn std::error::Error>> {
/// let factory = InformerFactory::new(&client);
/// Manager::new(&factory)
///     .shards(Shards::new(&client, "system", "example-operator"))
///     .controller(Controller::new(&factory, reconciler))
///     .run()
///     .await?;
/// # Ok(()) }
/// ```
///
/// A key is namespace and name of a reconciled object; all that leads to its reconciliation follows it. A replica that comes
/// takes its share of all keys and moves no others; one that leaves, or dies, leaves its own to the others alone.
///
/// Needs `list`, `get`, `create`, `update` and `delete` on `leases` of `coordination.k8s.io`: [`rules`](Self::rules).
#[derive(Clone, Debug)]
#[must_use = "a member owns nothing until it joins"]
pub struct Shards {
    leases: Client<Lease, InNamespace>,
    namespace: String,
    name: String,
    identity: String,
    timing: Timing,
    hand_over: Duration,
    metrics: Metrics,
    clock: Clock,
    leadership: Leadership,
    keys: ShardKeys,
}

impl Shards {
    /// A member of the group `name`, whose Leases are in `namespace`, with client-go's times and the host's name as its
    /// identity.
    ///
    /// Every replica of the program takes the same name, and no other program does.
    pub fn new(client: &impl AsClient, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let (namespace, name) = (namespace.into(), name.into());
        let shards = Self {
            leases: Client::new(client.as_client().clone()).namespace(&*namespace),
            identity: super::election::own_host(),
            timing: Timing::default(),
            hand_over: Duration::from_secs(30),
            metrics: Metrics::new(),
            clock: Clock::system(),
            leadership: Leadership::new(
                String::new(),
                Clock::system(),
                Timing::default(),
                Metrics::new().leader(&name),
            ),
            keys: ShardKeys::new(None),
            namespace,
            name,
        };
        shards.renewed()
    }

    /// What the names of this replica's Leases begin with, after the group's; each term adds something random, so that none
    /// is taken for another. Default: the host's name, which is the Pod's.
    ///
    /// Letters that no name of an object may have are replaced.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// The times: of each Lease what [`LeaderElection`](super::LeaderElection) does with its one. Default
    /// [`Timing::default`].
    ///
    /// What [`leadership`](Self::leadership) and [`keys`](Self::keys) gave before does not follow.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self.renewed()
    }

    /// How long a reconciliation of a key that goes to another member may go on; then it is dropped. Until it has ended
    /// nobody works on any key that moves from here. Default 30 s.
    pub fn hand_over(mut self, limit: Duration) -> Self {
        self.hand_over = limit;
        self
    }

    /// Where members and share are counted: `kubewright_shard_members` and `kubewright_shard_share`, by the group's name.
    /// Default: nowhere.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    fn renewed(mut self) -> Self {
        let group = format!("{}/{}", self.namespace, self.name);
        let metrics = Metrics::new().leader(&self.name);
        self.leadership = Leadership::new(group, self.clock.clone(), self.timing, metrics);
        self.keys = ShardKeys::new(Some(self.leadership.clone()));
        self
    }

    /// What a member does with the Leases of its group, whose names are not known before.
    pub fn rules(&self) -> Rules {
        const VERBS: [&str; 5] = ["create", "delete", "get", "list", "update"];
        Rules::of::<Lease>(Some(&self.namespace), &VERBS)
    }

    /// Whether this process is a member, for checks and for a client's layer: its writes are those of the keys it owns as
    /// long as it is one.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// The keys that are this process's, for [`Controller::shards`](crate::controller::Controller::shards).
    pub fn keys(&self) -> ShardKeys {
        self.keys.clone()
    }

    /// How long a member that lost its Lease may take to end its work, before others may take its keys.
    pub fn margin(&self) -> Duration {
        self.timing.margin()
    }

    /// Whether the settings allow a group.
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
        let letter = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
        let name = &self.name;
        if name.is_empty()
            || name.len() > 63
            || !name.chars().all(letter)
            || name.starts_with('-')
            || name.ends_with('-')
        {
            return Err(ElectionError::Group { lease });
        }
        Ok(())
    }

    /// A name for a Lease that nobody had before.
    fn member_name(&self) -> String {
        // A name of an object has 253 letters at most, and a label 63.
        let identity: String = self
            .identity
            .chars()
            .take(100)
            .map(|letter| match letter.to_ascii_lowercase() {
                letter @ ('a'..='z' | '0'..='9' | '-') => letter,
                _ => '-',
            })
            .collect();
        format!("{}-{identity}-{:016x}", self.name, crate::backoff::random_bits())
    }

    /// Waits until this process is a member, however long that takes; `None` where `stop` was cancelled before. From then on
    /// keys come and go, as members do.
    ///
    /// A server that does not answer or refuses is tried again, with a line in the log. All work on keys must end once the
    /// guard's [`lost`](LeaderGuard::lost) is cancelled, and have ended before it is [released](LeaderGuard::release).
    ///
    /// # Errors
    /// See [`ElectionError`].
    pub async fn join(&self, stop: &CancellationToken) -> Result<Option<LeaderGuard>, ElectionError> {
        self.validate()?;
        let retry =
            Backoff::exponential(self.timing.retry_period, self.timing.retry_period).with_jitter(JITTER);
        let mut round = Round::new(self.clone());
        tracing::info!(group = %self.leadership.lease(), member = %round.name, "joining");
        while !stop.is_cancelled() {
            // To its end also after a stop: what it has written has to be known, to be given up again.
            match round.go().await {
                Outcome::Written(sent) => {
                    let (term, lost) = self.leadership.begin(sent);
                    tracing::info!(group = %self.leadership.lease(), member = %round.name, "joined");
                    let ending = CancellationToken::new();
                    let task = tokio::spawn(round.keep(term, lost.clone(), ending.clone()));
                    let guard = LeaderGuard::new(self.leadership(), term, lost, ending, task);
                    if stop.is_cancelled() {
                        guard.release().await;
                        return Ok(None);
                    }
                    return Ok(Some(guard));
                }
                Outcome::Lost => {
                    tracing::info!(group = %self.leadership.lease(), member = %round.name, "too late; joining anew");
                    round = Round::new(self.clone());
                }
                Outcome::Quiet | Outcome::Failed => {}
            }
            let pause = tokio::time::sleep(retry.jittered(0));
            stop.run_until_cancelled(pause).await;
        }
        Ok(None)
    }
}

/// A member at work: it looks at all Leases, and writes its own.
struct Round {
    shards: Shards,
    name: String,
    member: Member,
    metrics: ShardMetrics,
    /// Whether its term has begun.
    joined: bool,
    /// When it last sent a write.
    wrote: Option<Instant>,
    /// Since when it waits for work on keys that it loses.
    waits: Option<Instant>,
}

/// What came of a round.
#[derive(Debug)]
enum Outcome {
    /// The Lease was written, by a request that was sent then.
    Written(Moment),
    /// There was nothing to write.
    Quiet,
    /// Nobody knows: no answer, or a refusal.
    Failed,
    /// The Lease is not its own any more.
    Lost,
}

/// Why a request about a Lease failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Round {
    fn new(shards: Shards) -> Self {
        let name = shards.member_name();
        Self {
            member: Member::new(&shards.namespace, &shards.name, &name, shards.timing),
            metrics: shards.metrics.shards(&shards.name),
            name,
            shards,
            joined: false,
            wrote: None,
            waits: None,
        }
    }

    /// Tells the controllers, once the term has begun.
    fn publish(&self) {
        if !self.joined {
            return;
        }
        let (votes, target) = (self.member.votes(), self.member.target());
        self.shards.keys.set(&self.name, votes, target);
        self.metrics.set(target.len(), votes.share());
    }

    /// A look at all Leases, and a write of its own where it is time for one.
    async fn go(&mut self) -> Outcome {
        let clock = self.shards.clock.clone();
        let params = ListParams::default().labels(&format!("{GROUP}={}", self.shards.name));
        let sent = clock.now();
        let mut failed = false;
        match self.request(self.shards.leases.list(&params)).await {
            Ok(leases) => {
                let came = clock.now();
                if self.member.is_late(&came) || self.member.look(&sent, &came, leases.items).is_err() {
                    return Outcome::Lost;
                }
                self.publish();
            }
            Err(error) => {
                tracing::warn!(group = %self.shards.leadership.lease(), error = chain(&error), "not listed");
                // There may be no others, or all of them; a member goes on with those that it knows.
                if self.member.lease().is_none() {
                    return Outcome::Failed;
                }
                failed = true;
            }
        }
        let free = self.shards.keys.is_free();
        self.wait_for_work(free);
        let due = self
            .wrote
            .is_none_or(|wrote| wrote.elapsed() >= self.shards.timing.retry_period);
        let changes = free && self.member.changes();
        if !due && !changes {
            return if failed { Outcome::Failed } else { Outcome::Quiet };
        }
        let sent = clock.now();
        self.wrote = Some(Instant::now());
        let written = match self.member.write(&sent, free) {
            Write::Create(lease) => self.request(self.shards.leases.create(&lease)).await,
            Write::Update(lease) => self.request(self.shards.leases.update(&lease)).await,
        };
        match written {
            Ok(_) if self.member.is_late(&clock.now()) => Outcome::Lost,
            Ok(lease) => {
                self.member.written(&sent, lease);
                self.publish();
                Outcome::Written(sent)
            }
            Err(error) => {
                tracing::warn!(group = %self.shards.leadership.lease(), error = chain(&error), "not written");
                Outcome::Failed
            }
        }
    }

    /// Others wait for work on keys that are theirs, and not for ever.
    fn wait_for_work(&mut self, free: bool) {
        if free {
            self.waits = None;
            return;
        }
        let since = *self.waits.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.shards.hand_over {
            let cut = self.shards.keys.cut();
            if cut > 0 {
                tracing::warn!(group = %self.shards.leadership.lease(), cut, "reconciliations of keys that go to others are dropped");
            }
        }
    }

    async fn request<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, Failure> {
        let limit = self.shards.timing.request();
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::Late(limit)),
        }
    }

    /// How long to wait before the next round: not at all where a view was acknowledged, as keys wait for a look at the
    /// others'.
    fn pause(&self) -> Duration {
        let retry = self.shards.timing.retry_period;
        if !self.member.has_looked() {
            Duration::ZERO
        } else if self.member.is_settled() {
            retry
        } else {
            retry / 5
        }
    }

    /// Goes on until the term is over or `ending`, which gives the Lease up.
    async fn keep(mut self, term: u64, lost: CancellationToken, ending: CancellationToken) {
        // A panic here must not leave work going on that nothing renews for.
        let _lost = lost.drop_guard();
        let (leadership, keys) = (self.shards.leadership(), self.shards.keys());
        self.joined = true;
        while let Some(deadline) = leadership.deadline(term) {
            let tick = (Instant::now() + self.pause()).min(deadline);
            tokio::select! {
                biased;
                () = ending.cancelled() => break,
                () = tokio::time::sleep_until(tick) => {}
                () = keys.ended(), if self.waits.is_some() => {}
            }
            // By all clocks: a machine that was suspended finds out here at the latest.
            if leadership.check_term(Some(term)).is_err() {
                break;
            }
            let outcome = tokio::select! {
                () = ending.cancelled() => break,
                outcome = tokio::time::timeout_at(deadline, self.go()) => outcome,
            };
            match outcome {
                Ok(Outcome::Written(sent)) => {
                    if leadership.renew(term, sent).is_err() {
                        break;
                    }
                }
                Ok(Outcome::Quiet) => self.clean().await,
                Ok(Outcome::Failed) => {
                    let pause = tokio::time::sleep(self.shards.timing.retry_period / 5);
                    ending.run_until_cancelled(pause).await;
                }
                Ok(Outcome::Lost) | Err(_) => break,
            }
        }
        self.member.end();
        self.publish();
        let ended = ending.is_cancelled();
        leadership.lose(term);
        if !ended {
            tracing::error!(group = %leadership.lease(), member = %self.name, "the membership is lost");
        }
        // Work may still be about to end.
        ending.cancelled().await;
        let limit = self.shards.timing.request();
        if tokio::time::timeout(limit, self.release()).await.is_err() {
            tracing::warn!(group = %leadership.lease(), "the Lease was not released in time; it will expire");
        }
    }

    /// Deletes a Lease that nobody needs any more.
    async fn clean(&self) {
        let Some(lease) = self.member.garbage().next() else {
            return;
        };
        let name = lease.metadata.name.clone().unwrap_or_default();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                resource_version: lease.metadata.resource_version.clone(),
                uid: lease.metadata.uid.clone(),
            }),
            ..DeleteParams::default()
        };
        // Another member may be faster, and whoever comes too late finds it gone the next time.
        if let Err(error) = self.request(self.shards.leases.delete_with(&name, &params)).await {
            tracing::debug!(lease = %name, error = chain(&error), "not deleted");
        }
    }

    /// Says that it leaves, where the Lease is its own; tries again until it is known.
    async fn release(&mut self) {
        let leases = &self.shards.leases;
        let mut found = self.member.lease().cloned();
        let mut pause = Duration::from_millis(100);
        loop {
            let now = self.shards.clock.now();
            let Some(released) = found.as_ref().and_then(|lease| self.member.release(&now, lease)) else {
                return;
            };
            let Err(error) = leases.update(&released).await else {
                tracing::info!(group = %self.shards.leadership.lease(), member = %self.name, "left");
                return;
            };
            tracing::debug!(error = chain(&error), "leaving failed; reading the Lease");
            // A renewal may have been on its way when the term ended.
            match leases.get_opt(&self.name).await {
                Ok(lease) => found = lease,
                Err(error) => tracing::debug!(error = chain(&error), "reading the Lease failed"),
            }
            if !error.is_conflict() {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
}
