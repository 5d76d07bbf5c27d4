//! Write Kubernetes operators in Rust: one derive, typed clients, caches, controllers.
pub mod kind;

#[cfg(feature = "client")]
pub mod client;

pub use k8s_openapi;
pub use kube;
pub use schemars;
