//! A Kubernetes API server as a library.

pub mod engine;
pub mod registry;
pub mod status;
