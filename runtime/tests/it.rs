//! Integration tests of the crate, in one binary.
#[path = "it/derive.rs"]
mod derive;
