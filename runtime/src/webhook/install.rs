//! Definitions put into a cluster, step by step (VER-40).
//!
//! **Invariant:** conversion by webhook is switched on only after the webhook has converted, and the storage version is
//! never one that the cluster has not served before.

mod probe;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::pem::{Bundle, BundleError};
use super::publish::{PublishError, Target};

pub use probe::ProbeError;

/// Owner of all of a definition but its `caBundle`.
const MANAGER: &str = "kubewright-install";
/// How often the bundle is given to its own manager before a definition counts as one that never rests.
const HAND_OVER_ATTEMPTS: usize = 10;

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
/// written unless it does. So run it when the server is being served.
///
/// ```no_run
/// use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
/// use kubewright::webhook::{Bundle, Endpoint, Installation};
///
/// # async fn f(client: kubewright::kube::Client, mut definition: CustomResourceDefinition, bundle: Bundle)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// definition.spec.conversion = Some(Endpoint::service("system", "my-operator").conversion());
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
        }
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

    /// Tests the webhook, if there is one, and applies the definition.
    ///
    /// # Errors
    /// See [`InstallationError`]. Trying again is safe at any time.
    pub async fn run(self) -> Result<Installed, InstallationError> {
        let name = self.definition.metadata.name.clone();
        let name = name.ok_or(InstallationError::Definition)?;
        let api: Api<apiext::CustomResourceDefinition> = Api::all(self.client.clone());
        let live = api
            .get_opt(&name)
            .await
            .map_err(|source| InstallationError::Read {
                name: name.clone(),
                source: Box::new(source),
            })?;
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
        let apply = async |bundle: Option<&Bundle>| {
            let params = PatchParams::apply(MANAGER).force();
            let applied = match patch(&plan.definition, bundle) {
                Ok(patch) => api.patch(&name, &params, &Patch::Apply(&patch)).await,
                Err(error) => Err(kube::Error::SerdeError(error)),
            };
            applied.map_err(|source| InstallationError::Apply {
                name: name.clone(),
                source: Box::new(source),
            })
        };
        match bundle {
            // The bundle must come with the webhook, or conversions would fail until it does. Then it goes over to its
            // own manager, so that applying a definition never touches it again.
            Some(bundle) if plan.needs_bundle => {
                apply(Some(&bundle)).await?;
                if self.hand_over(&name, &bundle).await? {
                    apply(None).await?;
                }
            }
            _ => {
                apply(None).await?;
            }
        }
        Ok(Installed {
            created: live.is_none(),
            pending: plan.pending,
        })
    }
}

impl Installation {
    /// Whether the bundle's own manager has it now; `false` where the definition is gone.
    async fn hand_over(&self, name: &str, bundle: &Bundle) -> Result<bool, PublishError> {
        let target = Target::Definition(name.to_owned());
        // The server itself writes conditions into a definition that was just applied.
        let mut attempts = HAND_OVER_ATTEMPTS;
        loop {
            let Some(seen) = target.look(&self.client).await? else {
                return Ok(false);
            };
            if !seen.shows(bundle) {
                // Its manager was faster, and knows better.
                return Ok(true);
            }
            attempts -= 1;
            match target.publish(&self.client, &seen, bundle).await {
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
    let needs_bundle = live
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
