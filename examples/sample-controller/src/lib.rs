//! The smallest whole controller: a Foo drives a Deployment. See README.md beside this crate.

pub mod api;
pub mod controller;
