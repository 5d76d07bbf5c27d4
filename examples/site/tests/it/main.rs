//! The rules of versions (VER-n) that a kind with three of them can show.

#![allow(clippy::unwrap_used, reason = "a test ends where a step fails")]

mod admission;
mod conversion;
mod harness;
mod laws;
mod lock;
mod manifests;
mod program;
mod serving;

/// Where conversion keeps what a version cannot show.
const PRESERVED: &str = "conversion.web.example.com/preserved";
