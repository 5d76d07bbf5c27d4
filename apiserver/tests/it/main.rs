//! One binary for all integration tests of the server.

mod conformance;
mod dev;
mod garbage;
