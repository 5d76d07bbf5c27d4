//! A kind that lived long: `Site` in three versions. See README.md beside this crate.

pub mod api;
pub mod hooks;
pub mod install;
