//! Structural schemas for Kubernetes: build, check, prune, default, validate. No I/O, no async.

/// A structural schema, decoded and ready to walk.
#[derive(Clone, Debug)]
pub struct Structural {}
