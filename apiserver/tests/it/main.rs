//! One binary for all integration tests of the server.

mod dev;
