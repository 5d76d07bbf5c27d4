//! Several replicas of a program, of which one works.
//!
//! **Invariant:** what needs the leadership begins after the lease was taken, and has ended before it is given up.

mod clock;
mod election;
mod elector;
mod leadership;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use election::{ElectionError, LeaderElection, LeaderGuard};
pub use elector::Timing;
pub use leadership::{FenceLayer, Fenced, Leadership, NotLeader};
