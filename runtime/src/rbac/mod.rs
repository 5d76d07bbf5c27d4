//! What a program may do in a cluster, as data: from what its code says to the roles that it is given.
//!
//! What the runtime does is known without being told: a cache lists and watches its kind, an election reads and writes one
//! Lease. Each part says so next to its code, as [`Controller::rules`](crate::Controller::rules),
//! [`InformerFactory::rules`](crate::InformerFactory::rules) and [`LeaderElection::rules`](crate::manager::LeaderElection::rules);
//! [`Manager::rules`](crate::manager::Manager::rules) is all of it. What a reconciler writes, `#[rbac(...)]` says on it,
//! by the types that it writes. The sum is a [`Rules`], of which [`RoleSet`] makes the objects that a cluster wants.
//!
//! ```
//! use kubewright::k8s_openapi::api::apps::v1::Deployment;
//! use kubewright::rbac;
//! use kubewright::rbac::RoleSet;
//!
//! struct Scaler;
//!
//! #[rbac(Deployment: get, patch; status(Deployment): patch)]
//! impl Scaler {}
//!
//! let roles = RoleSet::new("scaler", &Scaler::RBAC.rules());
//! let role = &roles.cluster_roles[0];
//! let rules = role.rules.as_deref().unwrap_or_default();
//! assert_eq!(rules[0].resources.as_deref(), Some(&["deployments".to_owned()][..]));
//! assert_eq!(rules[1].resources.as_deref(), Some(&["deployments/status".to_owned()][..]));
//! ```
//!
//! That they are enough, and none too many, is a test: [`Usage`] writes down what a client asks for and compares.
//!
//! **Invariant:** two sets that grant the same rights one by one are equal, and give the same bytes.

mod access;
mod info;
mod normal;
mod roles;
mod rules;
#[cfg(test)]
mod tests;
#[cfg(feature = "client")]
mod usage;

pub use access::{Access, everybody, permits};
pub use info::{RbacInfo, RuleInfo};
pub use roles::RoleSet;
pub use rules::{Grant, Rules};
#[cfg(feature = "client")]
pub use usage::{Mismatch, Usage, UsageLayer, Used};
