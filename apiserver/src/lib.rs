//! A Kubernetes API server as a library.

pub mod discovery;
pub mod engine;
pub mod health;
pub mod negotiate;
pub mod openapi;
pub mod registry;
pub mod status;
pub mod table;
pub mod version;
