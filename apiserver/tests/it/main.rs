//! One binary for all integration tests of the server.

mod admission;
mod apply;
mod chaos;
mod conformance;
mod conversion;
mod crd;
mod dev;
mod doors;
mod garbage;
mod kubectl;
mod outage;
#[cfg(all(feature = "devserver", unix))]
mod program;
mod rbac;
mod rest;
mod watch;
