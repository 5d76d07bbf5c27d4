//! A whole process: controllers, webhooks and tasks with one end, and the one of several replicas that works.
//!
//! - [`Manager`] runs all of them, and stops all of them in the right order.
//! - [`LeaderElection`] finds the one replica that leads, by a Lease; [`Leadership`] keeps writes from going on after that.
//! - [`Shards`] lets all replicas work, each on its share of the keys.
//!
//! **Invariant:** what needs the leadership begins after the lease was taken, and has ended before it is given up.

mod clock;
mod election;
mod elector;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fight_tests;
mod group;
#[cfg(feature = "serve")]
mod health;
mod leadership;
#[cfg(test)]
mod model;
mod run;
#[cfg(test)]
mod run_tests;
#[cfg(feature = "serve")]
mod serve;
mod shards;
#[cfg(test)]
mod tests;

pub use election::{ElectionError, LeaderElection, LeaderGuard};
pub use elector::Timing;
pub use leadership::{FenceLayer, Fenced, Leadership, NotLeader, Overdue};
pub use run::{Manager, ManagerError, OnLost};
pub(crate) use shards::{NotMine, Place, Votes, Working};
pub use shards::{ShardKeys, Shards};
