//! Integration tests of the crate, in one binary.
#![allow(unreachable_pub)]

#[path = "it/derive.rs"]
mod derive;
