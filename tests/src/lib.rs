//! What the tests across crates and the benches share: a real control plane, where there is one.

pub mod control_plane;

pub use control_plane::ControlPlane;
