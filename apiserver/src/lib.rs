//! A Kubernetes API server as a library.

pub mod registry;
