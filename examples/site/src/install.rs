//! What a cluster has to know: the definition, and where sites are admitted.

use std::net::SocketAddr;

use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube;
use kubewright::versions::{VersionSet, VersionsError};
use kubewright::webhook::{
    AuthorityError, ConfigurationError, Endpoint, EndpointError, Installation, InstallationError, Installed,
    ManagedAuthority, Storage, Target, WebhookServer,
};

use crate::api::{self, NAMESPACE, SERVICE, v1};
use crate::hooks;

/// Secret in which the webhook keeps its certificate.
pub const SECRET: &str = "site-webhook-tls";

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
    /// The webhook cannot be where it is said to be.
    #[error("where the webhook is reached")]
    Endpoint(#[from] EndpointError),
    /// A server would refuse the webhook configurations.
    #[error("make the webhook configurations")]
    Configuration(#[from] ConfigurationError),
    /// The definition or a configuration could not be installed.
    #[error(transparent)]
    Installation(#[from] InstallationError),
}

/// The webhook's own authority, which keeps the bundles in the definition and the configurations current.
pub fn authority(client: &kube::Client) -> ManagedAuthority {
    ManagedAuthority::new(client.clone(), NAMESPACE, SECRET)
        .service(SERVICE)
        .publish(Target::definition::<v1::Site>())
        .publish_all(hooks::NAMES.targets())
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
        definition.spec.conversion = Some(self.endpoint.stanza()?);
        let configurations = server.configurations(&hooks::NAMES, &self.endpoint)?;
        let installed = Installation::new(self.client.clone(), definition)
            .trust(bundle)
            .probe_at(self.address)
            .storage(self.storage)
            .admission(configurations)
            .run()
            .await?;
        Ok(installed)
    }
}
