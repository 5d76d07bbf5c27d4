//! Serves the engine with memory storage until stopped.
fn main() {}
