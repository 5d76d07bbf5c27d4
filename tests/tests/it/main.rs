//! What crosses crates: the suites that run on DevServer and on a real control plane.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    clippy::print_stdout,
    reason = "a test ends where a step fails, and says what it ran"
)]

mod admission;
mod ask;
mod client;
mod conversion;
mod differential;
mod election;
mod gadget;
#[path = "../../../schema/tests/common/generate.rs"]
mod generate;
mod mapping;
mod migrate;
mod rbac;
mod real;
mod shards;
mod sharing;
mod versions;
mod webhook;
