//! Webhook configurations as one file, as controller-gen's `webhook` generator writes them.
//!
//! **Invariant:** the same handlers give the same bytes, and a file whose bytes are right is not touched.

use std::path::Path;

use serde::Serialize;

use super::directory::HEADER;
use super::{BuildError, Result, put_in_directory, to_yaml, up_to_date};
use crate::webhook::Configurations;

/// Webhook configurations on their way to a file.
///
/// ```no_run
/// use kubewright::k8s_openapi::api::core::v1::Pod;
/// use kubewright::versions::Conversion;
/// use kubewright::webhook::{Admission, Allowed, Validator, Verdict, Webhooks};
/// use kubewright::{webhook, webhook_configuration};
///
/// struct Pods;
///
/// #[webhook(validating, path = "/pods")]
/// impl Validator for Pods {
///     type Object = Pod;
///
///     async fn validate(&self, _: &Admission<Pod>) -> Verdict {
///         Ok(Allowed::new())
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let names = webhook_configuration!(mutating = "pods.example.com", validating = "pods.example.com");
///     let at = Conversion::service("system", "webhook-service");
///     let made = Webhooks::new().validator::<Pods>().configurations(&names, &at)?;
///     kubewright::build::webhooks(&made).write("config/webhook/manifests.yaml")?;
///     Ok(())
/// }
/// ```
pub fn webhooks(configurations: &Configurations) -> WebhookManifest<'_> {
    WebhookManifest { configurations }
}

/// Made by [`webhooks`].
#[derive(Debug)]
#[must_use]
pub struct WebhookManifest<'a> {
    configurations: &'a Configurations,
}

impl WebhookManifest<'_> {
    /// The documents: the mutating configuration, then the validating one.
    ///
    /// # Errors
    /// [`BuildError::NoWebhooks`], [`BuildError::Yaml`].
    pub fn text(&self) -> std::result::Result<String, BuildError> {
        let Configurations {
            mutating, validating, ..
        } = self.configurations;
        let mut text = HEADER.to_owned() + "\n";
        let documents = [mutating.as_ref().map(document), validating.as_ref().map(document)];
        for document in documents.into_iter().flatten() {
            text += "---\n";
            text += &document?;
        }
        if text.len() == HEADER.len() + 1 {
            return Err(BuildError::NoWebhooks);
        }
        Ok(text)
    }

    /// Writes the file, and makes its directory where that is missing. A relative path begins at the package's root,
    /// where cargo runs build scripts and tests.
    ///
    /// # Errors
    /// [`BuildError`]: nothing to write, or the file cannot be written.
    pub fn write(&self, file: impl AsRef<Path>) -> Result {
        put_in_directory(file.as_ref(), &self.text()?)
    }

    /// Compares with the file and writes nothing.
    ///
    /// # Errors
    /// [`BuildError::Stale`] with a unified diff where it differs or is missing.
    pub fn check(&self, file: impl AsRef<Path>) -> Result {
        up_to_date(file.as_ref(), &self.text()?)
    }
}

fn document<T: Serialize>(configuration: &T) -> std::result::Result<String, BuildError> {
    to_yaml(configuration).map_err(BuildError::Yaml)
}
