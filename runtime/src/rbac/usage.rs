//! What a program asked for, beside what it may.
//!
//! **Invariant:** a request is written down before it is sent, so that one which fails or is refused counts too.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use kube::client::Body;
use tower::{Layer, Service};

use super::{Access, Grant, Rules, everybody};

/// Writes down what clients ask a server for.
///
/// A test runs the code under test with a client that is [watched](Self::watch), and compares with what is
/// declared: nothing may be missing, and, where the test goes through all that the code can do, nothing too much.
///
/// ```no_run
/// # use kubewright::rbac::{Rules, Usage};
/// # async fn f(client: kube::Client, rules: Rules) -> Result<(), Box<dyn std::error::Error>> {
/// let usage = Usage::new();
/// let client = usage.watch(client);
/// // ... run what is tested on this client ...
/// usage.used().check(&rules)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Usage {
    seen: Arc<Mutex<BTreeSet<Access>>>,
}

impl Usage {
    /// Nothing was asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client of the same server whose requests are written down.
    pub fn watch(&self, client: kube::Client) -> kube::Client {
        let namespace = client.default_namespace().to_owned();
        kube::Client::new(self.layer().layer(Connection(client)), namespace)
    }

    /// The same as a layer, for kube's `ClientBuilder`.
    pub fn layer(&self) -> UsageLayer {
        UsageLayer { usage: self.clone() }
    }

    /// What was asked for so far.
    pub fn used(&self) -> Used {
        Used {
            accesses: self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn saw(&self, access: Access) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(access);
    }
}

/// What was asked for; made by [`Usage::used`], or collected of [`Access`]es.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    accesses: BTreeSet<Access>,
}

impl FromIterator<Access> for Used {
    fn from_iter<I: IntoIterator<Item = Access>>(accesses: I) -> Self {
        Self {
            accesses: accesses.into_iter().collect(),
        }
    }
}

impl Used {
    /// What was asked for, each once.
    pub fn iter(&self) -> impl Iterator<Item = &Access> {
        self.accesses.iter()
    }

    /// What `rules` do not allow. What a cluster allows to [everybody] is never missing.
    pub fn missing(&self, rules: &Rules) -> Vec<Access> {
        let everybody = everybody();
        let refused = |access: &&Access| !rules.allow(access) && !everybody.allow(access);
        self.accesses.iter().filter(refused).cloned().collect()
    }

    /// What `rules` allow, and nothing needed.
    pub fn unused(&self, rules: &Rules) -> Vec<Grant> {
        rules
            .grants()
            .filter(|grant| !self.accesses.iter().any(|access| grant.covers(access)))
            .collect()
    }

    /// That `rules` are enough and none too many.
    ///
    /// # Errors
    /// [`Mismatch`] names what is missing and what was never used.
    pub fn check(&self, rules: &Rules) -> Result<(), Mismatch> {
        self.compare(rules, self.unused(rules))
    }

    /// That `rules` are enough; for a test that does not go through all that the code can do.
    ///
    /// # Errors
    /// [`Mismatch`] names what is missing.
    pub fn check_covered(&self, rules: &Rules) -> Result<(), Mismatch> {
        self.compare(rules, Vec::new())
    }

    fn compare(&self, rules: &Rules, unused: Vec<Grant>) -> Result<(), Mismatch> {
        let missing = self.missing(rules);
        if missing.is_empty() && unused.is_empty() {
            return Ok(());
        }
        Err(Mismatch { missing, unused })
    }
}

/// Rights that are not those that were used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// What was asked for and is not allowed: to be declared.
    pub missing: Vec<Access>,
    /// What is allowed and was never asked for: to be removed, or to be tested.
    pub unused: Vec<Grant>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rules are not what was used")?;
        for access in &self.missing {
            write!(f, "\n  missing: {access}")?;
        }
        for grant in &self.unused {
            write!(f, "\n  never used: {grant}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mismatch {}

/// Writes down what a client asks for; see [`Usage::layer`].
#[derive(Clone, Debug)]
pub struct UsageLayer {
    usage: Usage,
}

impl<S> Layer<S> for UsageLayer {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched {
            inner,
            usage: self.usage.clone(),
        }
    }
}

/// A client's service whose requests are written down.
#[derive(Clone)]
#[allow(unreachable_pub, reason = "named by the layer's public impl")]
pub struct Watched<S> {
    inner: S,
    usage: Usage,
}

impl<S, B> Service<Request<B>> for Watched<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.usage.saw(Access::of(request.method(), request.uri()));
        self.inner.call(request)
    }
}

/// A client as the service that it is made of.
struct Connection(kube::Client);

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, kube::Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move { client.send(request).await })
    }
}
