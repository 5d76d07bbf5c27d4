//! An authority of the server's own: made, renewed and published without anybody's help (VER-34).
//!
//! **Invariant:** what to do is decided by `machine` from what was seen; this module looks and does, and each write is
//! refused by the server where another replica was faster.

mod machine;
mod mint;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::Notify;

use self::machine::{Phase, State, Step, View};
use super::certificate::{CertificateError, Clock, FirstPair, Served};
use super::pem::{Bundle, BundleError, PairError};
use super::publish::{Fill, PublishError, Seen, Target};
use crate::rbac::Rules;

/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long a replica that goes may take to say so.
const FAREWELL: Duration = Duration::from_secs(5);
/// The entry of the Secret that decides; the others are copies for people and other programs.
const STATE: &str = "state";
/// No rotation is wanted.
const NONE: i64 = i64::MIN;
/// A rotation is wanted of whatever is served.
const ANY: i64 = i64::MAX;

/// The server's own authority: certificates that renew themselves, in one Secret that all replicas share.
///
/// A certificate lives for 90 days and is replaced after 60, in two steps so that no call fails: the new authority is
/// published beside the old one first, and only once API servers have heard of it for [two minutes](Self::settle) is its
/// certificate served. No key of an authority is ever stored: each signs one certificate.
///
/// The server needs the rights to `create` Secrets in the namespace, to `get` and `update` that one, and to `get` and
/// `patch` each [target](Self::publish).
///
/// ```no_run
/// use kubewright::webhook::{ManagedAuthority, Target, Tls};
///
/// # fn f(client: kubewright::kube::Client) {
/// let authority = ManagedAuthority::new(client, "system", "my-operator-webhook")
///     .service("my-operator")
///     .publish(Target::Definition("sites.web.example.com".into()))
///     .publish(Target::Validating("hooks.example.com".into()));
/// let tls = Tls::managed(authority);
/// # }
/// ```
#[derive(Clone)]
pub struct ManagedAuthority {
    client: kube::Client,
    namespace: String,
    secret: String,
    names: BTreeSet<String>,
    targets: Vec<Target>,
    replica: String,
    lifetime: Duration,
    settle: i64,
    wish: Arc<Wish>,
}

/// What a program may ask for while the server runs.
#[derive(Debug)]
struct Wish {
    rotate: AtomicI64,
    heard: Notify,
}

impl fmt::Debug for ManagedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedAuthority")
            .field("namespace", &self.namespace)
            .field("secret", &self.secret)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// Why the authority cannot go on; it tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The Secret could not be read or written.
    #[error("{verb} Secret {namespace}/{name}")]
    Secret {
        /// `read` or `write`.
        verb: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret is somebody else's.
    #[error(
        "Secret {namespace}/{name} holds something else than a webhook server's authority; name another one, or delete it"
    )]
    Foreign {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// No certificate can be made for these names.
    #[error("make a certificate for {names:?}")]
    Mint {
        /// Which names.
        names: Vec<String>,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// What the Secret holds cannot be served.
    #[error("serve the certificate of Secret {namespace}/{name}")]
    Pair {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: PairError,
    },
    /// What the Secret holds is no authority.
    #[error("publish the authority")]
    Bundle(#[from] BundleError),
    /// A target could not be read or written.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The Secret as it was seen.
struct Kept {
    /// Absent where there is no Secret.
    secret: Option<Secret>,
    state: Option<State>,
}

impl ManagedAuthority {
    /// What keeping it current does: reads, makes and updates the Secret, and writes bundles into the
    /// [targets](Self::publish).
    pub fn rules(&self) -> Rules {
        let namespace = Some(&*self.namespace);
        let secret = Rules::of_named::<Secret>(namespace, &[&self.secret], &["get", "update"])
            .with(&Rules::of::<Secret>(namespace, &["create"]));
        let targets = self.targets.iter().map(|target| target.rules(&["get", "patch"]));
        targets.fold(secret, |all, rules| all.with(&rules))
    }

    /// An authority that is kept in a Secret, which is made where it is missing.
    pub fn new(client: kube::Client, namespace: impl Into<String>, secret: impl Into<String>) -> Self {
        let replica = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        Self {
            client,
            namespace: namespace.into(),
            secret: secret.into(),
            names: BTreeSet::new(),
            targets: Vec::new(),
            // A pod's host name is its own name. Elsewhere one that no other process has.
            replica: replica.unwrap_or_else(|| format!("process-{:016x}", RandomState::new().hash_one(0))),
            lifetime: Duration::from_secs(90 * 24 * 3600),
            settle: machine::SETTLE,
            wish: Arc::new(Wish {
                rotate: AtomicI64::new(NONE),
                heard: Notify::new(),
            }),
        }
    }

    /// The certificate is for a Service of the same namespace.
    pub fn service(mut self, name: &str) -> Self {
        let namespace = &self.namespace;
        self.names.extend([
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.cluster.local"),
        ]);
        self
    }

    /// The certificate is for a host name or an IP address.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.names.insert(name.into());
        self
    }

    /// Keeps the `caBundle`s of an object current, unless somebody else does (cert-manager, told by an annotation).
    /// An object that does not exist yet is waited for.
    pub fn publish(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// [Publishes](Self::publish) to several objects, as those of
    /// [`ConfigurationNames::targets`](super::ConfigurationNames::targets).
    pub fn publish_all(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// The name of this replica, which no other has. Default: that of the pod.
    pub fn replica(mut self, name: impl Into<String>) -> Self {
        self.replica = name.into();
        self
    }

    /// How long a certificate is valid; it is replaced after two thirds of that. Default 90 days, at least an hour.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.max(Duration::from_secs(3600));
        self
    }

    /// How long both authorities are published before the new certificate is served, and after the old one is not any
    /// more. Default two minutes, in whole seconds.
    ///
    /// Nobody tells when an API server has heard of a changed bundle. With one server it takes moments; among several
    /// one may be behind while its watch is cut off and begun anew, and would refuse a certificate of an authority that
    /// it does not know. To wait longer costs nothing. Shorter is for tests, where there is one server.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = i64::try_from(settle.as_secs()).unwrap_or(i64::MAX / 4);
        self
    }

    /// Replaces certificate and authority now, whatever their age, while a server with this authority (or with a
    /// clone) runs. Returns at once; it takes some five minutes, most of it to [settle](Self::settle).
    pub fn rotate(&self) {
        self.wish.rotate.store(ANY, Ordering::Relaxed);
        self.refresh();
    }

    /// Looks at all targets now, and not within twenty seconds: after one was installed.
    pub fn refresh(&self) {
        self.wish.heard.notify_one();
    }

    /// The authorities to be trusted at present, as the Secret has them; `None` before a server made them.
    ///
    /// # Errors
    /// Where the Secret cannot be read, or is somebody else's.
    pub async fn bundle(&self) -> Result<Option<Bundle>, AuthorityError> {
        let state = self.look().await?.state;
        Ok(state.map(|state| bundle(&state.bundle())).transpose()?)
    }

    /// Keeps the Secret, what is served and the targets in step for as long as it is polled.
    pub(super) async fn run(self, served: Arc<Served>, clock: Clock, mut first: FirstPair) {
        let mut memory = Memory::default();
        let mut last_failure = String::new();
        loop {
            let pause = match self.step(&served, &clock, &mut memory).await {
                Ok(pause) => {
                    if memory.serving.is_some() {
                        last_failure.clear();
                        first.tell(Ok(()), false);
                    }
                    pause
                }
                Err(error) => {
                    let text = describe(&error);
                    if text != last_failure {
                        tracing::error!(error = %text, "the webhook's authority cannot go on; it tries again");
                        last_failure = text;
                    }
                    first.tell(Err(CertificateError::Authority(Some(Box::new(error)))), true);
                    Some(AFTER_FAILURE)
                }
            };
            if let Some(pause) = pause {
                let heard = self.wish.heard.notified();
                let _ = tokio::time::timeout(pause, heard).await;
            }
        }
    }

    /// One look and one step; how long to wait before the next one.
    async fn step(
        &self,
        served: &Served,
        clock: &Clock,
        memory: &mut Memory,
    ) -> Result<Option<Duration>, AuthorityError> {
        // The targets first: what the Secret says must not be older than they are.
        let mut seen = Vec::new();
        let mut failure = None;
        for target in &self.targets {
            match target.look(&self.client).await {
                Ok(Some(found)) => seen.push((target, found)),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        let kept = self.look().await?;
        let mut shown: Vec<_> = seen
            .iter()
            .flat_map(|(_, seen)| seen.bundles())
            .map(<[_]>::to_vec)
            .collect();
        if failure.is_some() {
            // Nobody knows what it shows: no rotation goes on.
            shown.push(Vec::new());
        }
        if let Some(state) = &kept.state {
            // A wish is about the leaf that is served when it is heard, by this replica or another.
            let current = state.current.generation;
            let _ = self
                .wish
                .rotate
                .compare_exchange(ANY, current, Ordering::Relaxed, Ordering::Relaxed);
            memory.state = Some(state.clone());
        }
        let names: Vec<_> = self.names.iter().cloned().collect();
        let rotate = self.wish.rotate.load(Ordering::Relaxed);
        let view = View {
            now: clock.now(),
            me: &self.replica,
            serving: memory.serving,
            state: kept.state.as_ref(),
            remembered: memory.state.as_ref(),
            shown: &shown,
            names: &names,
            rotate: (rotate != NONE && rotate != ANY).then_some(rotate),
            settle: self.settle,
        };
        let step = machine::next(&view, |generation, names| {
            mint::mint(generation, names.clone(), view.now, self.lifetime)
                .map_err(|source| AuthorityError::Mint { names, source })
        })?;
        match step {
            Step::Write(state) => {
                let (old, new) = (kept.state.as_ref().map(phase), phase(&state));
                if self.write(kept.secret, &state).await? && old != Some(new) {
                    tracing::info!(phase = new, replica = self.replica, "the webhook's authority");
                }
                Ok(None)
            }
            Step::Publish(certificates) => {
                let published = self.publish_to(&seen, &certificates).await?;
                match failure {
                    None => Ok(None),
                    // The others are as they should be.
                    Some(_) if published => Ok(None),
                    Some(failure) => Err(failure.into()),
                }
            }
            Step::Serve => {
                // The state is there: it says what to serve.
                if let Some(state) = &kept.state {
                    let leaf = &state.current;
                    served
                        .replace(leaf.certificate.as_bytes(), leaf.key.as_bytes())
                        .map_err(|source| AuthorityError::Pair {
                            namespace: self.namespace.clone(),
                            name: self.secret.clone(),
                            source,
                        })?;
                    memory.serving = Some(leaf.generation);
                }
                Ok(None)
            }
            Step::Wait(pause) => Ok(Some(pause)),
        }
    }

    /// Whether anything was written.
    async fn publish_to(
        &self,
        seen: &[(&Target, Seen)],
        certificates: &[String],
    ) -> Result<bool, AuthorityError> {
        let bundle = bundle(certificates)?;
        let mut written = false;
        for (target, seen) in seen {
            if seen.shows(&bundle) {
                continue;
            }
            match target.publish(&self.client, seen, &bundle, Fill::All).await {
                Ok(()) => {}
                // Changed since it was seen: it is looked at again.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
            written = true;
        }
        Ok(written)
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn failed(&self, verb: &'static str, source: kube::Error) -> AuthorityError {
        AuthorityError::Secret {
            verb,
            namespace: self.namespace.clone(),
            name: self.secret.clone(),
            source: Box::new(source),
        }
    }

    async fn look(&self) -> Result<Kept, AuthorityError> {
        let secret = self.api().get_opt(&self.secret).await;
        let secret = secret.map_err(|source| self.failed("read", source))?;
        let data = secret.as_ref().and_then(|secret| secret.data.as_ref());
        let state = match data.map(|data| (data, data.get(STATE))) {
            Some((_, Some(state))) => serde_json::from_slice(&state.0)
                .inspect_err(|error| {
                    tracing::error!(%error, secret = self.secret, "its state cannot be read; a new authority is made");
                })
                .ok(),
            // A Secret that was made empty, so that rights can name it, is taken; any other is not.
            Some((data, None)) if data.values().any(|value| !value.0.is_empty()) => {
                return Err(AuthorityError::Foreign {
                    namespace: self.namespace.clone(),
                    name: self.secret.clone(),
                });
            }
            _ => None,
        };
        Ok(Kept { secret, state })
    }

    /// Whether it was written; `false` where another replica was faster.
    async fn write(&self, seen: Option<Secret>, state: &State) -> Result<bool, AuthorityError> {
        let known = seen.is_some();
        let mut secret = seen.unwrap_or_else(|| Secret {
            metadata: ObjectMeta {
                name: Some(self.secret.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            ..Secret::default()
        });
        let text = serde_json::to_vec(state)
            .map_err(|error| self.failed("write", kube::Error::SerdeError(error)))?;
        secret.data = Some(BTreeMap::from([
            (STATE.to_owned(), ByteString(text)),
            (
                "ca.crt".to_owned(),
                ByteString(state.bundle().concat().into_bytes()),
            ),
            (
                "tls.crt".to_owned(),
                ByteString(state.current.certificate.clone().into_bytes()),
            ),
            (
                "tls.key".to_owned(),
                ByteString(state.current.key.clone().into_bytes()),
            ),
        ]));
        let (api, params) = (self.api(), PostParams::default());
        let written = if known {
            // With the resource version that was seen.
            api.replace(&self.secret, &params, &secret).await
        } else {
            api.create(&params, &secret).await
        };
        match written {
            Ok(_) => Ok(true),
            // Somebody else wrote, made or deleted it meanwhile.
            Err(error) if is_conflict(&error) || is_not_found(&error) => Ok(false),
            Err(error) => Err(self.failed("write", error)),
        }
    }

    /// This replica serves nothing any more.
    pub(super) async fn leave(&self) {
        let leave = async {
            loop {
                let Kept { secret, state } = self.look().await?;
                let Some(state) = state.and_then(|state| machine::left(&state, &self.replica)) else {
                    return Ok(());
                };
                if self.write(secret, &state).await? {
                    return Ok(());
                }
            }
        };
        let left: Result<Result<(), AuthorityError>, _> = tokio::time::timeout(FAREWELL, leave).await;
        match left {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %describe(&error), "a later rotation will wait for this replica");
            }
            Err(_) => tracing::warn!("no answer in time; a later rotation will wait for this replica"),
        }
    }
}

/// What a replica knows by itself.
#[derive(Default)]
struct Memory {
    serving: Option<i64>,
    state: Option<State>,
}

fn phase(state: &State) -> &'static str {
    match state.phase {
        Phase::Stable => "stable",
        Phase::Staged { .. } => "staged",
        Phase::Switched { .. } => "switched",
    }
}

fn bundle(certificates: &[String]) -> Result<Bundle, BundleError> {
    Bundle::parse(&certificates.concat())
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// An error with its sources.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
