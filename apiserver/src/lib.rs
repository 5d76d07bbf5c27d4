//! A Kubernetes API server as a library.

pub mod clock;
#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;
pub mod crd;
pub mod dev;
pub mod discovery;
pub mod engine;
mod garbage;
pub mod health;
mod namespace;
pub mod negotiate;
pub mod openapi;
pub mod registry;
pub mod rest;
pub mod status;
pub mod storage;
pub mod table;
pub mod version;

pub use dev::{CrdSource, DevServer, Listen, LoggedRequest, Matcher};
