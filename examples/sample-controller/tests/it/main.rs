//! The rules of the example's behaviour (SC-n), against the server in the process.

mod bad_input;
mod harness;
mod resilience;
mod running;
mod sync;
