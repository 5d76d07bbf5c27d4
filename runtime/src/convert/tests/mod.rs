#![allow(unreachable_pub, reason = "types of a user stand in modules of theirs")]
#![allow(clippy::needless_pass_by_value, reason = "conversion functions take values")]

mod forged;
mod hostile;
pub(crate) mod kinds;
mod laws;
mod review;
mod rules;
mod small;
mod speed;
mod stored;
mod stream;
mod table;
mod three;
mod typed;
