//! Write Kubernetes operators in Rust: one derive, typed clients, caches, controllers.
pub mod apply;
#[cfg(feature = "build")]
pub mod build;
pub mod crd;
pub mod kind;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private0;

#[cfg(feature = "client")]
pub mod backoff;
#[cfg(feature = "client")]
pub mod cache;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod conditions;
#[cfg(feature = "client")]
pub mod controller;
#[cfg(feature = "client")]
pub mod events;
#[cfg(feature = "client")]
pub mod finalizer;
#[cfg(feature = "client")]
pub mod metrics;
#[cfg(feature = "client")]
pub mod owner;
#[cfg(feature = "client")]
pub mod queue;
mod scope;

pub use apply::Apply;
#[cfg(feature = "client")]
pub use client::{AsClient, Client};
pub use crd::KindInfo;
pub use kube::core::crd::v1::CustomResourceExt;
#[cfg(feature = "client")]
pub use kubewright_macros::Clientset;
pub use kubewright_macros::{Apply, CustomResource};

pub use k8s_openapi;
pub use kube;
pub use schemars;
