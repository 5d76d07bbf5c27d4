//! The version that the server declares: that of the server its data was recorded from.

/// Body of `/version`.
pub const JSON: &str = include_str!("../data/version.json");
