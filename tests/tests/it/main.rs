//! What crosses crates: the suites that run on DevServer, on a real control plane.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where a step fails, and says what it ran"
)]

mod real;
