//! Definitions and webhook configurations put into a cluster, step by step (VER-35, VER-40).
//!
//! **Invariant:** conversion by webhook is switched on only after the webhook has converted, the storage version is
//! never one that the cluster has not served before, and no webhook is in the cluster without its bundle for a moment.

mod admission;
mod established;
mod probe;
mod release;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::admission::Configurations;
use super::pem::{Bundle, BundleError};
use super::publish::{Fill, PublishError, Target, is_injected};
use crate::rbac::Rules;

pub use probe::ProbeError;

/// Owner of all but `caBundle`.
const MANAGER: &str = "kubewright-install";
/// How often an object that changed meanwhile is looked at again before it counts as one that never rests.
const ATTEMPTS: usize = 10;

/// What an installation does about a storage version that is another than the cluster's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// The cluster's stays; the one that waits is [told](Installed::pending).
    #[default]
    Keep,
    /// The new one takes its place, if the cluster serves it already. For a release after the one that brought the
    /// version: until then a rollback would leave objects that nobody can read.
    Move,
}

/// Puts a definition into a cluster by server-side apply.
///
/// Where its conversion is by webhook, the webhook is asked to convert between all versions first, and nothing is
/// written unless it does. So run it when the server is being served. It returns when the cluster serves the definition.
///
/// ```no_run
/// use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// use kubewright::webhook::{Bundle, Endpoint, Installation};
///
/// # async fn f(client: kubewright::kube::Client, mut definition: CustomResourceDefinition, bundle: Bundle)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// definition.spec.conversion = Some(Endpoint::service("system", "my-operator").stanza()?);
/// let installed = Installation::new(client, definition).trust(bundle).run().await?;
/// if let Some(storage) = installed.pending {
///     println!("{storage} becomes the storage version with a later release");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Installation {
    client: kube::Client,
    definition: apiext::CustomResourceDefinition,
    trust: Option<Bundle>,
    probe_at: Option<SocketAddr>,
    storage: Storage,
    timeout: Duration,
    admission: Configurations,
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation")
            .field("definition", &self.definition.metadata.name)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

/// What an installation did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// There was no such definition before.
    pub created: bool,
    /// The version that shall be the storage version and is not yet.
    pub pending: Option<String>,
}

/// Why nothing was installed, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallationError {
    /// The definition is none.
    #[error("the definition has no name, or no storage version")]
    Definition,
    /// The definition in the cluster could not be read.
    #[error("read CustomResourceDefinition {name}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The definition could not be written.
    #[error("apply CustomResourceDefinition {name}")]
    Apply {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The cluster stores a version that the new definition does not have.
    #[error(
        "{name} is stored as {stored}, which the new definition lacks; keep the version until its objects are migrated"
    )]
    Stored {
        /// Name of the definition.
        name: String,
        /// The cluster's storage version.
        stored: String,
    },
    /// The bundle in the definition is none.
    #[error("the conversion's caBundle")]
    Bundle(#[from] BundleError),
    /// The webhook does not convert.
    #[error("conversion of {name} stays as it is, since the webhook failed its test")]
    Probe {
        /// Name of the definition.
        name: String,
        /// Why.
        #[source]
        source: ProbeError,
    },
    /// The bundle could not be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The names of the kind are taken by another definition.
    #[error("{name} is applied and not served, since its names are not accepted: {message}")]
    Names {
        /// Name of the definition.
        name: String,
        /// The server's words.
        message: String,
    },
    /// The definition was applied, and the cluster does not serve it in time.
    #[error("{name} is applied and not served after {timeout:?}: {message}")]
    Established {
        /// Name of the definition.
        name: String,
        /// For how long it was waited.
        timeout: Duration,
        /// What the server says of it.
        message: String,
    },
    /// A webhook configuration could not be read or written.
    #[error("{verb} {kind} {name}")]
    Configuration {
        /// `read` or `apply`.
        verb: &'static str,
        /// Which of the two kinds.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Installation {
    /// An installation of a definition with all its versions.
    pub fn new(client: kube::Client, definition: apiext::CustomResourceDefinition) -> Self {
        Self {
            client,
            definition,
            trust: None,
            probe_at: None,
            storage: Storage::default(),
            timeout: Duration::from_secs(30),
            admission: Configurations::default(),
        }
    }

    /// What an installation does: reads and applies the definition and the configurations. An apply that makes an
    /// object has its name, so that `create` can be restricted to it.
    pub fn rules(&self) -> Rules {
        let name = |meta: &ObjectMeta| meta.name.clone().unwrap_or_default();
        let mutating = self.admission.mutating.as_ref();
        let validating = self.admission.validating.as_ref();
        let mut targets = vec![Target::Definition(name(&self.definition.metadata))];
        targets.extend(mutating.map(|made| Target::Mutating(name(&made.metadata))));
        targets.extend(validating.map(|made| Target::Validating(name(&made.metadata))));
        let each = targets
            .iter()
            .map(|target| target.rules(&["create", "get", "patch"]));
        each.fold(Rules::new(), |all, rules| all.with(&rules))
    }

    /// The authorities by which the webhook's certificate is checked, as [`ManagedAuthority::bundle`] gives them.
    /// Default: the `caBundle` of the definition. One of the two is needed where there is a webhook.
    ///
    /// [`ManagedAuthority::bundle`]: super::ManagedAuthority::bundle
    pub fn trust(mut self, bundle: Bundle) -> Self {
        self.trust = Some(bundle);
        self
    }

    /// Where the webhook is reached for its test, by the name that the definition has for it. Default: where API
    /// servers reach it, which takes a ready replica behind the Service; a replica may ask itself instead.
    pub fn probe_at(mut self, address: SocketAddr) -> Self {
        self.probe_at = Some(address);
        self
    }

    /// What to do about a storage version that is another than the cluster's. Default: [`Storage::Keep`].
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// How long the cluster may take to serve the definition once it is applied. Default 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Applies webhook configurations too, once the definition is served: what
    /// [`WebhookServer::configurations`](super::WebhookServer::configurations) made. A webhook that has no bundle in the
    /// cluster comes with [the one to trust](Self::trust); from then on it is its own manager's. What an earlier release
    /// applied and these do not have is removed from them.
    pub fn admission(mut self, configurations: Configurations) -> Self {
        self.admission = configurations;
        self
    }

    /// Tests the webhook, if there is one, applies the definition and waits until it is served; then applies the webhook
    /// configurations.
    ///
    /// # Errors
    /// See [`InstallationError`]. Trying again is safe at any time.
    pub async fn run(self) -> Result<Installed, InstallationError> {
        let name = self.definition.metadata.name.clone();
        let name = name.ok_or(InstallationError::Definition)?;
        let live = self.live(&name).await?;
        let plan = plan(live.as_ref(), &self.definition, self.storage)?;
        let bundle = match (&self.trust, config(&plan.definition)) {
            (Some(bundle), _) => Some(bundle.clone()),
            (None, Some(config)) => config
                .ca_bundle
                .as_ref()
                .map(|bundle| Bundle::parse(&String::from_utf8_lossy(&bundle.0)))
                .transpose()?,
            (None, None) => None,
        };
        if let Some(config) = config(&plan.definition) {
            probe::probe(&plan.definition, config, bundle.as_ref(), self.probe_at)
                .await
                .map_err(|source| InstallationError::Probe {
                    name: name.clone(),
                    source,
                })?;
        }
        if config(&plan.definition).is_none() && live.as_ref().and_then(config).is_some() {
            self.without_webhook(&name, &plan.definition).await?;
        }
        let target = Target::Definition(name.clone());
        match &bundle {
            // The bundle must come with the webhook, or conversions would fail until it does. Then it goes over to its
            // own manager, so that applying a definition never touches it again.
            Some(bundle) if plan.needs_bundle => {
                self.apply(&name, &plan.definition, Some(bundle)).await?;
                if self.hand_over(&target, bundle, Fill::Missing).await? {
                    self.apply(&name, &plan.definition, None).await?;
                }
            }
            _ => self.apply(&name, &plan.definition, None).await?,
        }
        // A bundle that stands in the definition is what its author wants; one to trust is what the webhook had when it
        // was asked, and who keeps it current may have gone on since.
        if let (Some(bundle), None) = (&bundle, &self.trust)
            && config(&plan.definition).is_some()
        {
            self.hand_over(&target, bundle, Fill::All).await?;
        }
        established::wait(&self.client, &name, self.timeout).await?;
        self.apply_admission().await?;
        Ok(Installed {
            created: live.is_none(),
            pending: plan.pending,
        })
    }

    fn definitions(&self) -> Api<apiext::CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    async fn live(&self, name: &str) -> Result<Option<apiext::CustomResourceDefinition>, InstallationError> {
        let live = self.definitions().get_opt(name).await;
        live.map_err(|source| InstallationError::Read {
            name: name.to_owned(),
            source: Box::new(source),
        })
    }

    async fn apply(
        &self,
        name: &str,
        definition: &apiext::CustomResourceDefinition,
        bundle: Option<&Bundle>,
    ) -> Result<(), InstallationError> {
        let params = PatchParams::apply(MANAGER).force();
        let applied = match patch(definition, bundle) {
            Ok(patch) => {
                let api = self.definitions();
                api.patch(name, &params, &Patch::Apply(&patch)).await
            }
            Err(error) => Err(kube::Error::SerdeError(error)),
        };
        applied.map(drop).map_err(|source| InstallationError::Apply {
            name: name.to_owned(),
            source: Box::new(source),
        })
    }

    /// Gives the bundle to its own manager; `false` where there is nothing to give: the object is gone, or somebody
    /// else injects its bundles.
    async fn hand_over(&self, target: &Target, bundle: &Bundle, fill: Fill) -> Result<bool, PublishError> {
        // The server itself writes conditions into a definition that was just applied.
        let mut attempts = ATTEMPTS;
        loop {
            let Some(seen) = target.look(&self.client).await? else {
                return Ok(false);
            };
            attempts -= 1;
            match target.publish(&self.client, &seen, bundle, fill).await {
                Ok(()) => return Ok(true),
                Err(error) if attempts > 0 && error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What shall be applied.
#[derive(Debug)]
struct Plan {
    definition: apiext::CustomResourceDefinition,
    /// The cluster has no bundle for the webhook yet.
    needs_bundle: bool,
    pending: Option<String>,
}

fn plan(
    live: Option<&apiext::CustomResourceDefinition>,
    wanted: &apiext::CustomResourceDefinition,
    storage: Storage,
) -> Result<Plan, InstallationError> {
    let mut definition = wanted.clone();
    let new = stored(wanted).ok_or(InstallationError::Definition)?.to_owned();
    let injected = is_injected(&wanted.metadata) || live.is_some_and(|live| is_injected(&live.metadata));
    let needs_bundle = config(wanted).is_some()
        && !injected
        && live
            .and_then(config)
            .is_none_or(|config| config.ca_bundle.is_none());
    let mut pending = None;
    if let Some(live) = live
        && let Some(old) = stored(live)
        && old != new
    {
        let is_served = live
            .spec
            .versions
            .iter()
            .any(|version| version.name == new && version.served);
        if !(is_served && storage == Storage::Move) {
            let versions = &mut definition.spec.versions;
            if !versions.iter().any(|version| version.name == old) {
                return Err(InstallationError::Stored {
                    name: wanted.metadata.name.clone().unwrap_or_default(),
                    stored: old.to_owned(),
                });
            }
            for version in versions {
                version.storage = version.name == old;
            }
            pending = Some(new);
        }
    }
    Ok(Plan {
        definition,
        needs_bundle,
        pending,
    })
}

pub(super) fn stored(definition: &apiext::CustomResourceDefinition) -> Option<&str> {
    let mut versions = definition.spec.versions.iter();
    let stored = versions.find(|version| version.storage)?;
    Some(&stored.name)
}

/// The client configuration of the conversion, where it is by webhook.
fn config(definition: &apiext::CustomResourceDefinition) -> Option<&apiext::WebhookClientConfig> {
    let conversion = definition.spec.conversion.as_ref()?;
    conversion.webhook.as_ref()?.client_config.as_ref()
}

/// What is sent: the definition as it is written down, with the bundle or without.
fn patch(
    definition: &apiext::CustomResourceDefinition,
    bundle: Option<&Bundle>,
) -> Result<Value, serde_json::Error> {
    let mut definition = definition.clone();
    definition.metadata.managed_fields = None;
    definition.metadata.resource_version = None;
    definition.status = None;
    let conversion = definition.spec.conversion.as_mut();
    let webhook = conversion.and_then(|conversion| conversion.webhook.as_mut());
    if let Some(config) = webhook.and_then(|webhook| webhook.client_config.as_mut()) {
        config.ca_bundle = bundle.map(|bundle| k8s_openapi::ByteString(bundle.to_string().into_bytes()));
    }
    serde_json::to_value(definition)
}
