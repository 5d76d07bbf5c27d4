//! The engine: one `tower::Service` from an HTTP request to an answer.

pub mod body;

use http::Response;
use http::request::Parts;

use crate::registry::Snapshot;
pub use body::Body;

/// The service's only error: the connection is to be cut without an answer.
///
/// Over a socket the connection closes; the in-process client sees a transport error, as from a lost server.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connection closed by the server")]
pub struct Disconnected;

/// Answers paths that are no resource: discovery, OpenAPI, health, version.
///
/// Asked in order of registration, before the path counts as unknown; only for `GET` and `HEAD` requests whose
/// path names no resource (`/`, `/api`, `/apis/apps/v1`, `/openapi/v2`, `/readyz`). Must not block.
pub trait Handler: Send + Sync + 'static {
    /// The answer, or `None` where the path is none of this handler's.
    fn handle(&self, registry: &Snapshot, request: &Parts) -> Option<Response<Body>>;
}
