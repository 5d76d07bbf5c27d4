//! What a cluster has to know: the definition, and where sites are admitted.

use std::fmt::Debug;
use std::net::SocketAddr;

use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube::api::{Api, Patch, PatchParams};
use kubewright::kube::{self, Resource};
use kubewright::versions::{VersionSet, VersionsError};
use kubewright::webhook::{
    AuthorityError, Bundle, Endpoint, Installation, InstallationError, Installed, ManagedAuthority, Storage,
    Target, WebhookServer,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{self, NAMESPACE, SERVICE, v1};

/// Name of both configurations of admission webhooks.
pub const HOOKS: &str = "site-webhook.web.example.com";
/// Secret in which the webhook keeps its certificate.
pub const SECRET: &str = "site-webhook-tls";
/// Owner of the configurations.
const MANAGER: &str = "site-webhook";

/// Why the webhook is not known to the cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The versions have no common definition.
    #[error("make the definition")]
    Definition(#[from] VersionsError),
    /// The webhook has no certificate yet.
    #[error("the webhook's authority is not made yet; start the server first")]
    NoAuthority,
    /// The webhook's authority could not be read.
    #[error("read the webhook's authority")]
    Authority(#[from] AuthorityError),
    /// The definition could not be installed.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// A configuration could not be written.
    #[error("apply {name}")]
    Apply {
        /// Its kind and name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

/// The webhook's own authority, which keeps the bundles in the definition and the configurations current.
pub fn authority(client: &kube::Client) -> ManagedAuthority {
    ManagedAuthority::new(client.clone(), NAMESPACE, SECRET)
        .service(SERVICE)
        .publish(Target::definition::<v1::Site>())
        .publish(Target::Mutating(HOOKS.to_owned()))
        .publish(Target::Validating(HOOKS.to_owned()))
}

/// The definition with all versions.
///
/// # Errors
/// [`InstallError::Definition`].
pub fn definition() -> Result<CustomResourceDefinition, InstallError> {
    Ok(VersionSet::<v1::Site>::crd(&api::webhook())?)
}

/// Tells the cluster of the webhook, which is being served at `address`.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "a client has none")]
pub struct Install {
    /// Where to.
    pub client: kube::Client,
    /// The webhook's authority.
    pub authority: ManagedAuthority,
    /// Where API servers reach the webhook.
    pub endpoint: Endpoint,
    /// Where this process reaches it.
    pub address: SocketAddr,
    /// What to do about the storage version.
    pub storage: Storage,
}

impl Install {
    /// Installs the definition, once the webhook converts, and the configurations of the server's hooks.
    ///
    /// # Errors
    /// See [`InstallError`]. Trying again is safe.
    pub async fn run(
        &self,
        server: &WebhookServer,
        mut definition: CustomResourceDefinition,
    ) -> Result<Installed, InstallError> {
        let bundle = self.authority.bundle().await?.ok_or(InstallError::NoAuthority)?;
        definition.spec.conversion = Some(self.endpoint.conversion());
        let installed = Installation::new(self.client.clone(), definition)
            .trust(bundle.clone())
            .probe_at(self.address)
            .storage(self.storage)
            .run()
            .await?;
        self.configure(server, bundle).await?;
        Ok(installed)
    }

    async fn configure(&self, server: &WebhookServer, bundle: Bundle) -> Result<(), InstallError> {
        // With the bundle as it is now: until the authority published it, no site could be written.
        let endpoint = self.endpoint.clone().ca_bundle(bundle);
        if let Some(configuration) = server.mutating_configuration(HOOKS, &endpoint) {
            self.apply(&configuration).await?;
        }
        if let Some(configuration) = server.validating_configuration(HOOKS, &endpoint) {
            self.apply(&configuration).await?;
        }
        Ok(())
    }

    async fn apply<K>(&self, object: &K) -> Result<(), InstallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let params = PatchParams::apply(MANAGER).force();
        let applied = api.patch(HOOKS, &params, &Patch::Apply(object)).await;
        applied.map(drop).map_err(|source| InstallError::Apply {
            name: format!("{} {HOOKS}", K::kind(&())),
            source: Box::new(source),
        })
    }
}
