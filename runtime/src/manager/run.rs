//! The life of a process: what begins when, and what ends when.
//!
//! **Invariant:** what needs the leadership begins after it was won and has ended before the lease is given up; what serves
//! others ends after it.

use std::fmt;
#[cfg(feature = "serve")]
use std::sync::Arc;
#[cfg(feature = "serve")]
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::election::{ElectionError, LeaderElection, LeaderGuard};
use super::group::{Failure, Finish, Group};
#[cfg(feature = "serve")]
use super::health::{Checks, Health};
use super::leadership::Leadership;
use super::shards::{ShardKeys, Shards};
use crate::cache::InformerFactory;
use crate::controller::{Controller, Reconciler, shutdown_signal};
use crate::rbac::Rules;

/// Controllers, webhook servers and other tasks of a process, with one factory of caches, one leadership and one end.
///
/// ```no_run
/// # use k8s_openapi::api::core::v1::{ConfigMap, Secret};
/// # use kubewright::{Controller, InformerFactory, Reconciler};
/// # use kubewright::manager::{LeaderElection, Manager};
/// # async fn f<R: Reconciler<Object: kubewright::kind::Kind>>(client: kube::Client, reconciler: R) -> Result<(), Box<dyn std::error::Error>> {
/// let factory = InformerFactory::new(&client);
/// Manager::new(&factory)
///     .leader_election(LeaderElection::new(&client, "system", "example-operator"))
///     .controller(Controller::new(&factory, reconciler).owns::<Secret>())
///     .run()
///     .await?;
/// # Ok(()) }
/// ```
///
/// - Caches fill, and webhooks and [tasks](Self::task) begin, at once. Controllers and [leader tasks](Self::leader_task) begin
///   once this process leads; without an election, at once too. With [`shards`](Self::shards) controllers begin on each
///   replica, once it has joined the others.
/// - At SIGINT or SIGTERM readiness fails; controllers and leader tasks finish what they have in hand; the lease is given up
///   while webhooks and other tasks end; health is served to the last.
/// - A task that fails stops all others, and its error is the manager's.
/// - A lost lease ends all work that needs it before another process may begin, and then the process: see
///   [`on_lost`](Self::on_lost).
#[must_use = "a manager does nothing until it runs"]
pub struct Manager {
    factory: InformerFactory,
    contest: Contest,
    on_lost: OnLost,
    grace: Duration,
    leading: Vec<Part>,
    always: Vec<Part>,
    rules: Rules,
    #[cfg(feature = "serve")]
    live: Checks,
    #[cfg(feature = "serve")]
    ready: Checks,
    #[cfg(feature = "serve")]
    server: super::serve::Server,
}

/// How long after its lease a term may go on before the process counts as hung, as kube-controller-manager's.
#[cfg(feature = "serve")]
const OVERDUE: Duration = Duration::from_secs(20);

/// Which of a program's replicas work on what.
#[derive(Clone, Debug)]
enum Contest {
    /// There is no other.
    None,
    /// One of them on everything.
    Election(LeaderElection),
    /// Each on its share.
    Shards(Shards),
}

impl Contest {
    fn validate(&self) -> Result<(), ElectionError> {
        match self {
            Self::None => Ok(()),
            Self::Election(election) => election.validate(),
            Self::Shards(shards) => shards.validate(),
        }
    }

    /// Waits until this process may work; `None` where it takes no part in a contest.
    fn enter(
        &self,
        stop: CancellationToken,
    ) -> Option<BoxFuture<'static, Result<Option<LeaderGuard>, ElectionError>>> {
        match self.clone() {
            Self::None => None,
            Self::Election(election) => Some(Box::pin(async move { election.acquire(&stop).await })),
            Self::Shards(shards) => Some(Box::pin(async move { shards.join(&stop).await })),
        }
    }

    fn margin(&self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Election(election) => election.margin(),
            Self::Shards(shards) => shards.margin(),
        }
    }

    fn leadership(&self) -> Option<Leadership> {
        match self {
            Self::None => None,
            Self::Election(election) => Some(election.leadership()),
            Self::Shards(shards) => Some(shards.leadership()),
        }
    }

    fn lease(&self) -> String {
        let leadership = self.leadership();
        leadership.map_or_else(String::new, |leadership| leadership.lease().to_owned())
    }

    fn keys(&self) -> Option<ShardKeys> {
        match self {
            Self::None | Self::Election(_) => None,
            Self::Shards(shards) => Some(shards.keys()),
        }
    }
}

/// Something to run.
struct Part {
    name: String,
    begin: Begin,
    /// Whether there has to be one that leads.
    leader: bool,
}

type Task = BoxFuture<'static, Result<(), Failure>>;

/// What a part is given at its beginning.
struct Term {
    stop: CancellationToken,
    keys: Option<ShardKeys>,
}

enum Begin {
    Once(Option<Box<dyn FnOnce(Term) -> Task + Send>>),
    Each(Box<dyn FnMut(Term) -> Task + Send>),
}

impl Part {
    fn begin(&mut self, term: Term) -> Option<Task> {
        match &mut self.begin {
            Begin::Once(begin) => begin.take().map(|begin| begin(term)),
            Begin::Each(begin) => Some(begin(term)),
        }
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |parts: &[Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>();
        f.debug_struct("Manager")
            .field("contest", &self.contest)
            .field("leading", &names(&self.leading))
            .field("always", &names(&self.always))
            .finish_non_exhaustive()
    }
}

/// What follows the loss of the leadership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLost {
    /// The manager ends with [`ManagerError::LeadershipLost`], as client-go's and controller-runtime's programs do: the
    /// process is started anew, with nothing left of the term.
    #[default]
    End,
    /// Work that needs the leadership ends, and begins again in the next term. Where it does not end in time the manager
    /// does.
    Campaign,
}

/// Why a manager did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// There can be no election.
    #[error(transparent)]
    Election(#[from] ElectionError),
    /// A controller, a server or a task failed; the others were stopped.
    #[error("run {name}")]
    Task {
        /// Its name.
        name: String,
        /// What it said.
        #[source]
        source: Failure,
    },
    /// A task panicked; the others were stopped.
    #[error("run {name}: it panicked")]
    Panicked {
        /// Its name.
        name: String,
        /// The panic.
        #[source]
        source: tokio::task::JoinError,
    },
    /// Another process may lead now.
    #[error("the lease {lease} is lost")]
    LeadershipLost {
        /// Namespace and name of the lease.
        lease: String,
    },
    /// What can run once should have run again in another term.
    #[error(
        "{name} can run for one term only, and a lost leadership is to be won again: add it by `controller_with`, \
         which makes another one for each term"
    )]
    OneTerm {
        /// Its name.
        name: String,
    },
    /// A task that only one replica may run, where all of them work.
    #[error(
        "{name} needs a leader, and with shards there is none: run it as a `task`, or elect a leader instead"
    )]
    NoLeader {
        /// Its name.
        name: String,
    },
    /// Some still ran when the time for a shutdown had passed; they were dropped.
    #[error("shut down: {} did not end within {grace:?}", .tasks.join(", "))]
    GraceExceeded {
        /// Their names.
        tasks: Vec<String>,
        /// The time that they had.
        grace: Duration,
    },
    /// Health and metrics cannot be served.
    #[error("serve health and metrics")]
    Serve {
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Manager {
    /// A manager of what uses the caches of `factory`; it starts them, and shuts them down at the end.
    pub fn new(factory: &InformerFactory) -> Self {
        Self {
            factory: factory.clone(),
            contest: Contest::None,
            on_lost: OnLost::End,
            grace: Duration::from_secs(25),
            leading: Vec::new(),
            always: Vec::new(),
            rules: Rules::new(),
            #[cfg(feature = "serve")]
            live: Checks::default(),
            #[cfg(feature = "serve")]
            ready: Checks::default(),
            #[cfg(feature = "serve")]
            server: super::serve::Server::default(),
        }
    }

    /// Controllers and leader tasks run only while this process leads. Default: always.
    ///
    /// Takes the place of [`shards`](Self::shards).
    pub fn leader_election(mut self, election: LeaderElection) -> Self {
        self.contest = Contest::Election(election);
        self
    }

    /// Each replica works, its controllers on its share of their keys. There can be no [leader tasks](Self::leader_task).
    ///
    /// Takes the place of [`leader_election`](Self::leader_election).
    pub fn shards(mut self, shards: Shards) -> Self {
        self.contest = Contest::Shards(shards);
        self
    }

    /// Adds what tasks and servers do, which the manager cannot know: [`RbacInfo::rules`](crate::rbac::RbacInfo::rules) of
    /// a task's attribute, `ManagedAuthority::rules`, ...
    pub fn needs(mut self, rules: &Rules) -> Self {
        self.rules.merge(rules);
        self
    }

    /// All that the process does on the server: its controllers, the caches of the factory, the election or the shards, and what
    /// was [added](Self::needs).
    pub fn rules(&self) -> Rules {
        let rules = self.rules.clone().with(&self.factory.rules());
        match &self.contest {
            Contest::Election(election) => rules.with(&election.rules()),
            Contest::Shards(shards) => rules.with(&shards.rules()),
            Contest::None => rules,
        }
    }

    /// What follows the loss of the leadership. Default: the end.
    pub fn on_lost(mut self, follows: OnLost) -> Self {
        self.on_lost = follows;
        self
    }

    /// How long a shutdown may take until what still runs is dropped. Default 25 s: less than the 30 s that a Pod has
    /// (`terminationGracePeriodSeconds`), so that the lease can still be given up.
    ///
    /// A controller has its own [`grace`](Controller::grace) within it.
    ///
    /// What blocks its thread cannot be dropped, and tokio's runtime waits for it when `main` ends: a program that may run
    /// such code calls [`std::process::exit`] after the manager.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Runs a controller while this process leads.
    pub fn controller<R: Reconciler>(mut self, controller: Controller<R>) -> Self {
        let name = controller.label();
        self.rules.merge(&controller.rules());
        let begin = move |term: Term| run_controller(controller, term);
        self.leading.push(Part {
            name,
            begin: Begin::Once(Some(Box::new(begin))),
            leader: false,
        });
        self
    }

    /// Runs a controller in each term, made anew for it: for [`OnLost::Campaign`].
    ///
    /// `make` is called here once as well, so that the caches of its kinds fill before the first term.
    pub fn controller_with<R: Reconciler>(
        mut self,
        mut make: impl FnMut() -> Controller<R> + Send + 'static,
    ) -> Self {
        let first = make();
        let name = first.label();
        self.rules.merge(&first.rules());
        self.leading.push(Part {
            name,
            begin: Begin::Each(Box::new(move |term| run_controller(make(), term))),
            leader: false,
        });
        self
    }

    /// Runs a task while this process leads. It has to end soon after its token is cancelled; after an end by itself without
    /// an error the others go on.
    pub fn leader_task<F, E>(
        mut self,
        name: &str,
        mut task: impl FnMut(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        self.leading.push(Part {
            name: name.to_owned(),
            begin: Begin::Each(Box::new(move |term| run_task(task(term.stop)))),
            leader: true,
        });
        self
    }

    /// Runs a task, whoever leads. It has to end soon after its token is cancelled; after an end by itself without an error
    /// the others go on.
    pub fn task<F, E>(
        mut self,
        name: &str,
        task: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        self.always.push(Part {
            name: name.to_owned(),
            begin: Begin::Once(Some(Box::new(move |term: Term| run_task(task(term.stop))))),
            leader: false,
        });
        self
    }

    /// Serves webhooks, whoever leads. The process is ready once they are.
    #[cfg(feature = "webhook")]
    pub fn webhook(mut self, server: crate::webhook::WebhookServer) -> Self {
        let bound = Arc::new(std::sync::OnceLock::<crate::webhook::Readiness>::new());
        let asked = Arc::clone(&bound);
        self.ready.add("webhook", move || match asked.get() {
            None => Err("there is no certificate yet".into()),
            Some(readiness) => readiness.check(),
        });
        self.task("webhook", move |stop| async move {
            let server = server.bind().await?;
            // Bound once: the part runs once.
            let _ = bound.set(server.readiness());
            server.run_until(stop.cancelled_owned()).await
        })
    }

    /// Fails `/healthz` while `check` says why: for what only a new start mends.
    #[cfg(feature = "serve")]
    pub fn health_check(
        mut self,
        name: &str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.live.add(name, check);
        self
    }

    /// Fails `/readyz` while `check` says why.
    #[cfg(feature = "serve")]
    pub fn ready_check(
        mut self,
        name: &str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.ready.add(name, check);
        self
    }

    /// Answers `/healthz`, `/livez` and `/readyz`, and `/metrics` for a [registry](Self::expose), over plain HTTP.
    ///
    /// `/readyz` passes once the caches hold their first state, the certificates of webhooks are there and all
    /// [checks](Self::ready_check) pass. What failed, and why, stands in the answer: let nobody but the cluster ask.
    #[cfg(feature = "serve")]
    pub fn listen(mut self, listener: std::net::TcpListener) -> Self {
        self.server.listener = Some(listener);
        self
    }

    /// Serves the figures of a registry at `/metrics` of [`listen`](Self::listen).
    #[cfg(feature = "serve")]
    pub fn expose(mut self, registry: Arc<crate::metrics::prometheus_client::registry::Registry>) -> Self {
        self.server.registry = Some(registry);
        self
    }

    /// Runs until SIGINT or SIGTERM.
    ///
    /// # Errors
    /// See [`ManagerError`].
    pub async fn run(self) -> Result<(), ManagerError> {
        self.run_until(shutdown_signal()).await
    }

    /// Runs until `shutdown` is ready, the factory is shut down, or something fails.
    ///
    /// # Errors
    /// See [`ManagerError`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ManagerError> {
        self.contest.validate()?;
        if !matches!(self.contest, Contest::None) {
            let once = self
                .leading
                .iter()
                .find(|part| matches!(part.begin, Begin::Once(_)));
            if let (OnLost::Campaign, Some(part)) = (self.on_lost, once) {
                return Err(ManagerError::OneTerm {
                    name: part.name.clone(),
                });
            }
        }
        let single = self.leading.iter().find(|part| part.leader);
        if let (Contest::Shards(_), Some(part)) = (&self.contest, single) {
            return Err(ManagerError::NoLeader {
                name: part.name.clone(),
            });
        }
        #[cfg(feature = "serve")]
        let health = {
            let mut live = self.live;
            if let Some(leadership) = self.contest.leadership() {
                live.add("leaderElection", move || {
                    leadership
                        .check_overdue(OVERDUE)
                        .map_err(|error| error.to_string())
                });
            }
            Health::new(self.factory.clone(), live, self.ready)
        };
        #[cfg(feature = "serve")]
        let server = {
            let server = self.server.start(Arc::clone(&health));
            server.map_err(|source| ManagerError::Serve { source })?
        };
        self.factory.start();
        let running = Running {
            factory: self.factory,
            contest: self.contest,
            on_lost: self.on_lost,
            grace: self.grace,
            parts: self.leading,
            leading: Group::default(),
            always: Group::default(),
            stop_leading: CancellationToken::new(),
            stop_always: CancellationToken::new(),
            stop_campaign: CancellationToken::new(),
            #[cfg(feature = "serve")]
            health,
        };
        let outcome = running.run(self.always, shutdown).await;
        #[cfg(feature = "serve")]
        server.stop().await;
        outcome
    }
}

fn run_controller<R: Reconciler>(controller: Controller<R>, term: Term) -> Task {
    let controller = match &term.keys {
        Some(keys) => controller.shards(keys),
        None => controller,
    };
    Box::pin(async move { Ok(controller.run_until(term.stop.cancelled_owned()).await?) })
}

fn run_task<E: Into<Failure>>(task: impl Future<Output = Result<(), E>> + Send + 'static) -> Task {
    Box::pin(async move { task.await.map_err(Into::into) })
}

/// A manager at work.
struct Running {
    factory: InformerFactory,
    contest: Contest,
    on_lost: OnLost,
    grace: Duration,
    parts: Vec<Part>,
    leading: Group,
    always: Group,
    stop_leading: CancellationToken,
    stop_always: CancellationToken,
    stop_campaign: CancellationToken,
    #[cfg(feature = "serve")]
    health: Arc<Health>,
}

/// Where this process stands.
enum Role {
    /// There is no contest.
    Alone,
    Candidate(BoxFuture<'static, Result<Option<LeaderGuard>, ElectionError>>),
    Leader(LeaderGuard),
}

/// What became of it.
enum Change {
    Won(LeaderGuard),
    Lost,
    Failed(ElectionError),
}

impl Role {
    /// Ready when it leads, or does not any more.
    async fn changed(&mut self) -> Change {
        match self {
            Self::Candidate(campaign) => match campaign.await {
                Ok(Some(guard)) => Change::Won(guard),
                // Only at a stop, after which nobody asks.
                Ok(None) => std::future::pending().await,
                Err(error) => Change::Failed(error),
            },
            Self::Leader(guard) => {
                guard.lost().cancelled().await;
                Change::Lost
            }
            Self::Alone => std::future::pending().await,
        }
    }
}

impl Running {
    async fn run(
        mut self,
        always: Vec<Part>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ManagerError> {
        for mut part in always {
            let term = Term {
                stop: self.stop_always.clone(),
                keys: None,
            };
            if let Some(task) = part.begin(term) {
                self.always.spawn(&part.name, task);
            }
        }
        let mut role = self.campaign();
        if let Role::Alone = role {
            self.begin_term();
        }
        let stopped = self.factory.stopped();
        let mut shutdown = std::pin::pin!(shutdown);
        let outcome = loop {
            let change = tokio::select! {
                biased;
                change = role.changed() => change,
                () = &mut shutdown => break Ok(()),
                () = stopped.cancelled() => break Ok(()),
                error = self.leading.failure() => break Err(error),
                error = self.always.failure() => break Err(error),
            };
            match (change, std::mem::replace(&mut role, Role::Alone)) {
                (Change::Won(guard), _) => {
                    role = Role::Leader(guard);
                    self.begin_term();
                }
                (Change::Lost, was) => match self.end_term(was).await {
                    Ok(()) => role = self.campaign(),
                    Err(error) => break Err(error),
                },
                (Change::Failed(error), _) => break Err(error.into()),
            }
        };
        self.stop(role, outcome).await
    }

    fn campaign(&self) -> Role {
        let contest = self.contest.enter(self.stop_campaign.clone());
        contest.map_or(Role::Alone, Role::Candidate)
    }

    fn begin_term(&mut self) {
        self.stop_leading = CancellationToken::new();
        for part in &mut self.parts {
            let term = Term {
                stop: self.stop_leading.clone(),
                keys: self.contest.keys(),
            };
            if let Some(task) = part.begin(term) {
                self.leading.spawn(&part.name, task);
            }
        }
    }

    /// The term is over: all of its work ends before another process may begin.
    async fn end_term(&mut self, role: Role) -> Result<(), ManagerError> {
        let Role::Leader(guard) = role else {
            return Ok(());
        };
        let lost = ManagerError::LeadershipLost {
            lease: self.contest.lease(),
        };
        let margin = self.contest.margin();
        self.stop_leading.cancel();
        let finish = self.leading.finish(tokio::time::sleep(margin)).await;
        if finish.stuck {
            tracing::error!(tasks = ?finish.cut, "still running without the leadership");
            return Err(lost);
        }
        guard.release().await;
        match (self.on_lost, finish.failure) {
            (OnLost::End, _) => Err(lost),
            (OnLost::Campaign, Some(failure)) => Err(failure),
            (OnLost::Campaign, None) => Ok(()),
        }
    }

    /// Ends everything in its order: work of the leader, the leadership, what serves others, the caches.
    async fn stop(mut self, role: Role, outcome: Result<(), ManagerError>) -> Result<(), ManagerError> {
        let deadline = Instant::now() + self.grace.min(crate::backoff::LONGEST);
        #[cfg(feature = "serve")]
        self.health.draining.store(true, Ordering::Relaxed);
        tracing::info!(grace = ?self.grace, "stopping");
        self.stop_campaign.cancel();
        self.stop_leading.cancel();
        let margin = self.contest.margin();
        let lost = match &role {
            Role::Leader(guard) => guard.lost().clone(),
            Role::Alone | Role::Candidate(_) => CancellationToken::new(),
        };
        let limit = async {
            let lost = async {
                lost.cancelled().await;
                tokio::time::sleep(margin).await;
            };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                () = lost => {}
            }
        };
        let led = self.leading.finish(limit).await;
        let leave = async {
            match role {
                Role::Leader(guard) if led.stuck => {
                    tracing::error!(tasks = ?led.cut, "still running; the lease is left to expire");
                    drop(guard);
                }
                Role::Leader(guard) => guard.release().await,
                // Whatever it wrote last is given up again.
                Role::Candidate(campaign) => drop(campaign.await),
                Role::Alone => {}
            }
        };
        self.stop_always.cancel();
        let (served, ()) = tokio::join!(self.always.finish(tokio::time::sleep_until(deadline)), leave);
        self.factory.shutdown();

        let Finish { failure, mut cut, .. } = led;
        cut.extend(served.cut);
        outcome?;
        match failure.or(served.failure) {
            Some(failure) => Err(failure),
            None if cut.is_empty() => Ok(()),
            None => Err(ManagerError::GraceExceeded {
                tasks: cut,
                grace: self.grace,
            }),
        }
    }
}
