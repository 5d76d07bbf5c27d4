//! The kind `Site` of group `web.example.com`, a module for each version.
//!
//! - [`v1alpha1`] is what the project began with; it is deprecated and still served.
//! - [`v1beta1`] put the address, the certificate and the redirects in order.
//! - [`v1`] is stored. It knows canaries, ports by name, and memory as a number.
//!
//! Each version's types say how they follow from those of the version before; nothing else does.

use kubewright::versions::Conversion;

pub mod v1;
pub mod v1alpha1;
pub mod v1beta1;

/// Namespace of the webhook.
pub const NAMESPACE: &str = "site-system";
/// Service of the webhook.
pub const SERVICE: &str = "site-webhook";

/// Where a cluster finds the conversion webhook. The bundle of authorities is not written down: the webhook keeps it
/// current in the cluster.
pub fn webhook() -> Conversion {
    Conversion::service(NAMESPACE, SERVICE)
}
