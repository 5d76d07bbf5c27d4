//! The certificate that is served, and where it comes from (VER-33).
//!
//! **Invariant:** a pair that is broken, mismatched or expired never takes the place of one that is served.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::Instant;

use super::authority::{ManagedAuthority, describe};
use super::metrics::WebhookMetrics;
use super::pem::{Bundle, BundleError, Pair, PairError};
use super::publish::{Fill, PublishError, Target};

/// How often files and Secrets are read anew: six times within the minute that VER-33 gives.
const POLL: Duration = Duration::from_secs(10);
/// How long a server waits for its first pair.
const FIRST: Duration = Duration::from_secs(60);
/// From when on `/readyz` warns.
const SOON: i64 = 24 * 3600;

/// Where the time of certificates comes from; tests have their own.
#[derive(Clone)]
pub(super) struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The machine's, in seconds since 1970.
    pub(super) fn system() -> Self {
        Self(Arc::new(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
        }))
    }

    /// One that starts at `epoch` and goes as tokio's does, paused or not.
    #[cfg(test)]
    pub(super) fn of_tokio(epoch: i64) -> Self {
        let begin = Instant::now();
        Self(Arc::new(move || {
            epoch + i64::try_from(begin.elapsed().as_secs()).unwrap()
        }))
    }

    pub(super) fn now(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Where a server's certificate and key come from. Each is followed: what changes is served within a minute, to new
/// connections; the ones that are open go on.
///
/// ```no_run
/// use kubewright::webhook::Tls;
///
/// // What cert-manager, or anybody else, mounts into the container.
/// let tls = Tls::directory("/tmp/k8s-webhook-server/serving-certs");
/// ```
#[derive(Clone, Debug)]
pub struct Tls {
    source: Source,
}

#[derive(Clone)]
enum Source {
    Fixed { certificate: String, key: String },
    Files { certificate: PathBuf, key: PathBuf },
    Secret(Box<SecretSource>),
    Managed(Box<ManagedAuthority>),
}

/// A Secret that somebody else keeps current.
#[derive(Clone)]
struct SecretSource {
    client: kube::Client,
    namespace: String,
    name: String,
    targets: Vec<Target>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { .. } => f.write_str("Fixed"),
            Self::Files { certificate, .. } => f.debug_tuple("Files").field(certificate).finish(),
            Self::Secret(secret) => f.debug_tuple("Secret").field(&secret.name).finish(),
            Self::Managed(authority) => authority.fmt(f),
        }
    }
}

impl Tls {
    /// A pair in PEM that never changes; for tests.
    pub fn pem(certificate: impl Into<String>, key: impl Into<String>) -> Self {
        let (certificate, key) = (certificate.into(), key.into());
        Self {
            source: Source::Fixed { certificate, key },
        }
    }

    /// Two files in PEM; the first holds the certificate and the ones between it and its authority.
    ///
    /// Their contents are compared every ten seconds, so that any way to change them is seen, also the swapped
    /// symbolic link of a mounted Secret.
    pub fn files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (certificate, key) = (certificate.into(), key.into());
        Self {
            source: Source::Files { certificate, key },
        }
    }

    /// The files `tls.crt` and `tls.key` of a directory: a mounted Secret of type `kubernetes.io/tls`.
    pub fn directory(directory: impl AsRef<Path>) -> Self {
        let directory = directory.as_ref();
        Self::files(directory.join("tls.crt"), directory.join("tls.key"))
    }

    /// `tls.crt` and `tls.key` of a Secret that somebody else keeps current, as cert-manager does.
    ///
    /// It needs the right to `get` that Secret.
    pub fn secret(client: kube::Client, namespace: &str, name: impl Into<String>) -> Self {
        Self {
            source: Source::Secret(Box::new(SecretSource {
                client,
                namespace: namespace.to_owned(),
                name: name.into(),
                targets: Vec::new(),
            })),
        }
    }

    /// Keeps the `caBundle`s of an object as the entry `ca.crt` of the [Secret](Self::secret) says, unless somebody else
    /// does, told by an annotation of cert-manager. An object that does not exist yet is waited for.
    ///
    /// It needs the rights to `get` and `patch` that object. Files have no `ca.crt` that could be trusted to be
    /// written, so to them this is nothing; an [authority](Self::managed) has its own
    /// [`publish`](ManagedAuthority::publish).
    pub fn publish(mut self, target: Target) -> Self {
        if let Source::Secret(secret) = &mut self.source {
            secret.targets.push(target);
        }
        self
    }

    /// An authority of the server's own, without cert-manager.
    pub fn managed(authority: ManagedAuthority) -> Self {
        Self {
            source: Source::Managed(Box::new(authority)),
        }
    }
}

/// Why there is no certificate to serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file could not be read.
    #[error("read {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The Secret could not be read.
    #[error("read Secret {name}")]
    Secret {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret lacks an entry.
    #[error("Secret {name} has no {key}")]
    Entry {
        /// Its name.
        name: String,
        /// Which entry.
        key: &'static str,
    },
    /// What was read cannot be served.
    #[error("the certificate and its key cannot be served")]
    Pair(#[from] PairError),
    /// `ca.crt` is no bundle.
    #[error("read ca.crt")]
    Bundle(#[from] BundleError),
    /// A bundle could not be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The server's own authority has none yet.
    #[error("the server's own authority has made no certificate yet")]
    Authority(#[source] Option<Box<super::AuthorityError>>),
}

/// What is served to new connections.
#[derive(Debug)]
pub(super) struct Served {
    pair: RwLock<Option<Arc<Pair>>>,
    metrics: WebhookMetrics,
    clock: Clock,
}

/// How long the certificate is valid still.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Absent,
    Past,
    Soon(Duration),
    Far,
}

impl Served {
    pub(super) fn new(metrics: WebhookMetrics, clock: Clock) -> Self {
        Self {
            pair: RwLock::default(),
            metrics,
            clock,
        }
    }

    fn pair(&self) -> Option<Arc<Pair>> {
        self.pair.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves a pair from now on.
    pub(super) fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), PairError> {
        let pair = Pair::from_pem(certificate, key).and_then(|pair| {
            // One that is past is better than none: its clients may have another clock, and its end is told.
            if pair.validity.not_after < self.clock.now() && self.pair().is_some() {
                return Err(PairError::Expired);
            }
            Ok(pair)
        });
        let pair = pair.inspect_err(|_| self.metrics.certificate_refused())?;
        self.metrics.certificate_read();
        self.metrics.certificate_served(pair.validity.not_after);
        let not_after = jiff::Timestamp::from_second(pair.validity.not_after);
        tracing::info!(not_after = ?not_after.ok(), "serving a new certificate");
        *self.pair.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(pair));
        Ok(())
    }

    pub(super) fn expiry(&self) -> Expiry {
        let Some(pair) = self.pair() else {
            return Expiry::Absent;
        };
        let left = pair.validity.not_after - self.clock.now();
        match u64::try_from(left) {
            Err(_) => Expiry::Past,
            Ok(seconds) if left < SOON => Expiry::Soon(Duration::from_secs(seconds)),
            Ok(_) => Expiry::Far,
        }
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Whatever name the client asks for: an API server may call by the name of a Service, a URL or an address.
        Some(self.pair()?.key.clone())
    }
}

/// The texts of a certificate and its key.
type Texts = (Vec<u8>, Vec<u8>);

impl Tls {
    /// Keeps `served` current for as long as it is polled; tells of the first pair by `first`.
    pub(super) async fn follow(self, served: Arc<Served>, clock: Clock, first: FirstPair) {
        match self.source {
            Source::Managed(authority) => authority.run(served, clock, first).await,
            Source::Secret(ref secret) if !secret.targets.is_empty() => {
                tokio::join!(follow(&self.source, &served, first), secret.keep_published());
            }
            source => follow(&source, &served, first).await,
        }
    }
}

impl Tls {
    /// Nothing is served any more by this replica.
    pub(super) async fn leave(self) {
        if let Source::Managed(authority) = self.source {
            authority.leave().await;
        }
    }
}

/// Tells that there is a pair to serve, or why there is none within the time that one waits.
#[derive(Debug)]
pub(super) struct FirstPair {
    sender: Option<tokio::sync::oneshot::Sender<Result<(), CertificateError>>>,
    until: Instant,
}

impl FirstPair {
    pub(super) fn new() -> (Self, tokio::sync::oneshot::Receiver<Result<(), CertificateError>>) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let first = Self {
            sender: Some(sender),
            until: Instant::now() + FIRST,
        };
        (first, receiver)
    }

    /// A try was made. `patient` are failures that may pass by themselves.
    pub(super) fn tell(&mut self, outcome: Result<(), CertificateError>, patient: bool) {
        if outcome.is_err() && patient && Instant::now() < self.until {
            return;
        }
        if let Some(sender) = self.sender.take() {
            // Nobody waits any more: the server is being stopped.
            let _ = sender.send(outcome);
        }
    }
}

async fn follow(source: &Source, served: &Served, mut first: FirstPair) {
    let mut last: Option<Texts> = None;
    let mut failed = false;
    loop {
        match source.read().await {
            Ok(texts) if last.as_ref() == Some(&texts) => {}
            Ok(texts) => {
                // One file may have been read before a change and the other after it.
                let again = Pair::from_pem(&texts.0, &texts.1).is_err();
                let texts = match source.read().await {
                    Ok(now) if again => now,
                    _ => texts,
                };
                let outcome = served.replace(&texts.0, &texts.1);
                if let Err(error) = &outcome {
                    let error: &dyn std::error::Error = error;
                    tracing::error!(
                        error,
                        "the new certificate is not served; the one before still is"
                    );
                }
                failed = false;
                last = Some(texts);
                // One of two files may be there before the other.
                first.tell(outcome.map_err(CertificateError::Pair), source.is_patient());
            }
            Err(error) => {
                if !std::mem::replace(&mut failed, true) {
                    served.metrics.certificate_refused();
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        error,
                        "the certificate cannot be read; the one before is still served"
                    );
                }
                first.tell(Err(error), source.is_patient());
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

impl Source {
    /// Whether what is missing may come by itself.
    fn is_patient(&self) -> bool {
        matches!(self, Self::Files { .. } | Self::Secret(_))
    }

    async fn read(&self) -> Result<Texts, CertificateError> {
        match self {
            Self::Fixed { certificate, key } => Ok((certificate.clone().into(), key.clone().into())),
            Self::Files { certificate, key } => Ok((file(certificate).await?, file(key).await?)),
            Self::Secret(secret) => {
                let mut data = secret.data().await?;
                Ok((
                    secret.entry(&mut data, "tls.crt")?,
                    secret.entry(&mut data, "tls.key")?,
                ))
            }
            // Runs by itself.
            Self::Managed(_) => Err(CertificateError::Authority(None)),
        }
    }
}

impl SecretSource {
    async fn data(&self) -> Result<BTreeMap<String, ByteString>, CertificateError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = api
            .get(&self.name)
            .await
            .map_err(|source| CertificateError::Secret {
                name: self.name.clone(),
                source: Box::new(source),
            })?;
        Ok(secret.data.unwrap_or_default())
    }

    fn entry(
        &self,
        data: &mut BTreeMap<String, ByteString>,
        key: &'static str,
    ) -> Result<Vec<u8>, CertificateError> {
        let entry = data.remove(key).map(|value| value.0);
        entry.ok_or_else(|| CertificateError::Entry {
            name: self.name.clone(),
            key,
        })
    }

    /// Writes what `ca.crt` says wherever it is not so.
    async fn keep_published(&self) {
        let mut last_failure = String::new();
        loop {
            match self.publish().await {
                Ok(()) => last_failure.clear(),
                Err(error) => {
                    let text = describe(&error);
                    if text != last_failure {
                        tracing::error!(error = %text, "the bundle of authorities is not published; it is tried again");
                        last_failure = text;
                    }
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn publish(&self) -> Result<(), CertificateError> {
        let mut data = self.data().await?;
        let text = self.entry(&mut data, "ca.crt")?;
        let bundle = Bundle::parse(&String::from_utf8_lossy(&text))?;
        for target in &self.targets {
            if let Some(seen) = target.look(&self.client).await?
                && !seen.shows(&bundle)
            {
                target.publish(&self.client, &seen, &bundle, Fill::All).await?;
            }
        }
        Ok(())
    }
}

async fn file(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read(owned)).await;
    read.unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| CertificateError::File {
            path: path.to_owned(),
            source,
        })
}
