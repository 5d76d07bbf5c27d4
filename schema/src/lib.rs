//! Structural schemas for Kubernetes: build, check, prune, default, validate. No I/O, no async.
//!
//! A server's way with a custom resource is [`prepare`] (numbers, nulls, defaults, pruning), then [`validate`]. The
//! schema comes from a CRD version through [`Structural::from_json`]; CRDs themselves are checked by [`crd`].
//! `build` makes schemas from Rust types.
//!
//! Messages and paths are those of kube-apiserver 1.36.3.
//!
//! Schemas and values are walked by recursion. What serde_json has parsed is at most 128 levels deep; a `Value` that was
//! built another way must not be deeper than some hundred levels, or the stack may overflow.

#[cfg(feature = "schemars")]
pub mod build;
mod cel;
pub mod compare;
pub mod crd;
mod error;
mod format;
mod gotext;
mod lint;
mod meta;
mod names;
mod path;
mod prune;
mod regexp;
#[cfg(feature = "schemars")]
#[doc(hidden)]
pub mod shape;
mod structural;
mod validate;

pub use error::{ErrorKind, FieldError, message_of};
pub use lint::{LINTS, Lint, Severity, is_final, lint};
pub use prune::{default, drop_nulls, normalize_numbers, prepare, prune};
pub use structural::{Rule, Structural};
pub use validate::{blocks_rules, undecodable, validate, validate_status};
