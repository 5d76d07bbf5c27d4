//! The rules of the example's behaviour (SC-n), against the server in the process.

#![allow(clippy::unwrap_used, reason = "a test ends where a step fails")]

mod bad_input;
mod golden;
mod harness;
#[cfg(unix)]
mod program;
mod rbac;
mod resilience;
mod running;
mod sync;
