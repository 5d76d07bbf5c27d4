//! Structural schemas for Kubernetes: build, check, prune, default, validate. No I/O, no async.
//!
//! A server's way with a custom resource is [`prepare`] (numbers, nulls, defaults, pruning), then [`validate`] or
//! [`validate_update`] (values, lists, rules in CEL). The
//! schema comes from a CRD version through [`Structural::from_json`]; CRDs themselves are checked by [`crd`].
//! `build` makes schemas from Rust types.
//!
//! Messages and paths are those of kube-apiserver 1.36.3.
//!
//! Schemas and values are walked by recursion, and none deeper than [`DEPTH_LIMIT`]: what is deeper is refused. Time
//! and memory are bounded by the size of what comes in; patterns that would take much are refused.

pub mod apply;
#[cfg(feature = "schemars")]
pub mod build;
mod cel;
pub mod compare;
pub mod crd;
mod depth;
mod duration;
mod error;
mod format;
mod gotext;
mod lint;
mod meta;
pub mod names;
mod path;
mod prune;
mod regexp;
#[cfg(feature = "samples")]
pub mod samples;
#[cfg(feature = "schemars")]
#[doc(hidden)]
pub mod shape;
mod structural;
mod validate;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use cel::conditions;
pub use depth::DEPTH_LIMIT;
pub use error::{ErrorKind, FieldError, message_of};
pub use lint::{LINTS, Lint, Severity, is_final, lint};
pub use prune::{default, drop_nulls, normalize_numbers, prepare, prune};
pub use structural::{Rule, Structural};
pub use validate::{
    Verdict, undecodable, validate, validate_status, validate_status_update, validate_update,
};
