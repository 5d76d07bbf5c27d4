//! CustomResourceDefinitions: how they are checked, accepted, served and removed.
//!
//! What a CRD must look like is the schema crate's knowledge; here it becomes entries of the registry, conditions,
//! and the end of its objects.
//!
//! **Invariant:** the registry serves a CRD's versions no later than its Established condition can be read, follows a
//! change of the CRD before that change is answered, and forgets them with the CRD (API-18, API-79).

mod controller;
mod serving;
mod status;
mod strategy;

pub(crate) use controller::run;
pub use serving::resources;
pub(crate) use strategy::Crds;

/// Keeps a deleted CRD until its objects are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Storage prefix of CRDs.
const PREFIX: &str = "/apiextensions.k8s.io/customresourcedefinitions/";
