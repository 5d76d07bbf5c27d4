//! Structural schemas for Kubernetes: build, check, prune, default, validate. No I/O, no async.

#[cfg(feature = "schemars")]
pub mod build;
mod error;
mod gotext;

pub use error::{ErrorKind, FieldError, message_of};

/// A structural schema, decoded and ready to walk.
#[derive(Clone, Debug)]
pub struct Structural {}
