//! What the tests across crates and the benches share: a real control plane, where there is one,
//! and a webhook.

pub mod control_plane;
pub mod webhook;

pub use control_plane::ControlPlane;
pub use webhook::Webhook;
