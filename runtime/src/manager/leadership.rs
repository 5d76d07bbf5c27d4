//! Whether this process leads, asked at each write.
//!
//! **Invariant:** a term that was lost is never held again, whatever answer comes late; the check reads the clocks itself
//! and so holds in a process that was stopped for a while, before any of its timers ran.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Layer, Service};

use super::clock::{Clock, Moment};
use super::elector::Timing;
use crate::metrics::LeaderMetrics;

/// This process does not lead, or not any more: whatever was to be written must not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not hold the lease {lease}")]
pub struct NotLeader {
    /// Namespace and name of the lease.
    pub lease: String,
}

/// A term that was not renewed should have ended long ago, and its work has not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease {lease} was not renewed, and the work that needs it has not ended")]
pub struct Overdue {
    /// Namespace and name of the lease.
    pub lease: String,
}

/// Whether this process leads; cloning gives the same.
///
/// [`check`](Self::check) before a write, or give the client a [`layer`](Self::layer) that does:
///
/// ```
/// # use kubewright::manager::LeaderElection;
/// # fn f(config: kube::Config, client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let election = LeaderElection::new(&client, "system", "example-operator");
/// let layer = election.leadership().layer();
/// let fenced = kube::client::ClientBuilder::try_from(config)?.with_layer(&layer).build();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Leadership {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lease: String,
    clock: Clock,
    timing: Timing,
    metrics: LeaderMetrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many terms there were.
    terms: u64,
    term: Option<Term>,
    /// The last term whose work has not been said to have ended, and when it was last renewed.
    working: Option<(u64, Moment)>,
    holder: Option<String>,
}

#[derive(Debug)]
struct Term {
    number: u64,
    /// When the last renewal that succeeded was sent.
    renewed: Moment,
    lost: CancellationToken,
}

impl Leadership {
    pub(super) fn new(lease: String, clock: Clock, timing: Timing, metrics: LeaderMetrics) -> Self {
        metrics.follows();
        Self {
            shared: Arc::new(Shared {
                lease,
                clock,
                timing,
                metrics,
                state: Mutex::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this process may act as the leader now.
    ///
    /// Once the renew deadline has passed it may not, also where the process or its machine was suspended meanwhile and
    /// nothing else could notice. A request that is sent right after a check still arrives later: what takes longer than
    /// the lease's duration less the renew deadline needs a precondition of its own, as an update has by its
    /// `resourceVersion`.
    ///
    /// # Errors
    /// [`NotLeader`]; the same later only if this process is elected again.
    pub fn check(&self) -> Result<(), NotLeader> {
        self.check_term(None)
    }

    /// Whether this process leads.
    pub fn is_leader(&self) -> bool {
        self.check().is_ok()
    }

    /// Who held the lease when it was last read: for people, as it may have changed since.
    pub fn holder(&self) -> Option<String> {
        self.state().holder.clone()
    }

    /// Whether this process is well as far as its lease goes: fails where a term that was not renewed should have ended
    /// long ago, `tolerance` after others may have taken the lease, and its work has not. What hangs like that is mended by
    /// a new start alone; client-go: `HealthzAdaptor`. A process that does not lead is well.
    ///
    /// A manager asks so at `/healthz`, with a tolerance of 20 s.
    ///
    /// # Errors
    /// [`Overdue`].
    pub fn check_overdue(&self, tolerance: Duration) -> Result<(), Overdue> {
        let state = self.state();
        let shared = &self.shared;
        let Some((_, renewed)) = &state.working else {
            return Ok(());
        };
        if shared.clock.now().at_least_since(renewed)
            <= shared.timing.lease_duration.saturating_add(tolerance)
        {
            return Ok(());
        }
        Err(Overdue {
            lease: shared.lease.clone(),
        })
    }

    /// The work of a term has ended.
    pub(super) fn ended(&self, number: u64) {
        let mut state = self.state();
        state.working.take_if(|(working, _)| *working == number);
    }

    /// A layer for kube's `ClientBuilder` that lets no write pass while this process does not lead: a request other than
    /// `GET` fails with [`NotLeader`], before it is sent.
    ///
    /// The client of the election itself must not have it.
    pub fn layer(&self) -> FenceLayer {
        FenceLayer {
            leadership: self.clone(),
        }
    }

    /// Namespace and name of the lease.
    pub(super) fn lease(&self) -> &str {
        &self.shared.lease
    }

    pub(super) fn check_term(&self, number: Option<u64>) -> Result<(), NotLeader> {
        let mut state = self.state();
        // Read under the lock: a thread that waited for it must not use what it read before.
        let now = self.shared.clock.now();
        let timing = &self.shared.timing;
        let term = state.term.as_ref();
        if term.is_some_and(|term| !timing.holds(&term.renewed, &now)) {
            self.end(&mut state);
        }
        let leads = state
            .term
            .as_ref()
            .is_some_and(|term| number.is_none_or(|number| number == term.number));
        if leads {
            return Ok(());
        }
        Err(NotLeader {
            lease: self.shared.lease.clone(),
        })
    }

    fn end(&self, state: &mut State) {
        if let Some(term) = state.term.take() {
            term.lost.cancel();
            self.shared.metrics.follows();
        }
    }

    /// A term begins by a request that was sent at `began`; its number, and what is cancelled at its end.
    pub(super) fn begin(&self, began: Moment) -> (u64, CancellationToken) {
        let mut state = self.state();
        self.end(&mut state);
        state.terms += 1;
        let (number, lost) = (state.terms, CancellationToken::new());
        state.term = Some(Term {
            number,
            renewed: began,
            lost: lost.clone(),
        });
        state.working = Some((number, began));
        self.shared.metrics.leads();
        (number, lost)
    }

    /// The term was renewed by a request that was sent at `began`. Too late for a term that ended meanwhile.
    pub(super) fn renew(&self, number: u64, began: Moment) -> Result<(), NotLeader> {
        self.check_term(Some(number))?;
        let mut state = self.state();
        if let Some(term) = state.term.as_mut().filter(|term| term.number == number) {
            term.renewed = began;
            state.working = Some((number, began));
        }
        Ok(())
    }

    /// Ends the term, where it has not ended yet.
    pub(super) fn lose(&self, number: u64) {
        let mut state = self.state();
        if state.term.as_ref().is_some_and(|term| term.number == number) {
            self.end(&mut state);
        }
    }

    /// When the term ends unless it is renewed, by the clock that timers use.
    pub(super) fn deadline(&self, number: u64) -> Option<tokio::time::Instant> {
        let state = self.state();
        let term = state.term.as_ref().filter(|term| term.number == number)?;
        let shared = &self.shared;
        Some(shared.clock.instant(&term.renewed, shared.timing.renew_deadline))
    }

    pub(super) fn saw(&self, holder: Option<&str>) {
        let mut state = self.state();
        if state.holder.as_deref() != holder {
            if let Some(holder) = holder {
                tracing::info!(lease = %self.shared.lease, leader = holder, "there is a new leader");
            }
            state.holder = holder.map(str::to_owned);
        }
    }
}

/// Lets no write of a client pass while this process does not lead; see [`Leadership::layer`].
#[derive(Clone, Debug)]
pub struct FenceLayer {
    leadership: Leadership,
}

impl<S> Layer<S> for FenceLayer {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced {
            inner,
            leadership: self.leadership.clone(),
        }
    }
}

/// A client's service whose writes are checked; see [`Leadership::layer`].
#[derive(Clone)]
pub struct Fenced<S> {
    inner: S,
    leadership: Leadership,
}

impl<S> fmt::Debug for Fenced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fenced")
            .field("leadership", &self.leadership)
            .finish_non_exhaustive()
    }
}

impl<S, B, C> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>, Response = Response<C>, Error: Into<BoxError>, Future: Send + 'static>,
    C: 'static,
{
    type Response = Response<C>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<C>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        if !reads && let Err(error) = self.leadership.check() {
            return Box::pin(async move { Err(error.into()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}
