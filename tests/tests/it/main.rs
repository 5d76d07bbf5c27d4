//! What crosses crates: the suites that run on DevServer, on a real control plane.

mod real;
