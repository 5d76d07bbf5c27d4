//! The version that the server declares: that of the server its data was recorded from.

use std::sync::OnceLock;

use serde_json::Value;

/// Body of `/version`.
pub const JSON: &str = include_str!("../data/version.json");

/// `major.minor`, such as `1.36`.
pub fn minor() -> &'static str {
    static MINOR: OnceLock<String> = OnceLock::new();
    MINOR.get_or_init(|| {
        let version: Value =
            serde_json::from_str(JSON).expect("data/version.json is written by the record example");
        let part = |name: &str| version[name].as_str().unwrap_or_default().to_owned();
        format!("{}.{}", part("major"), part("minor"))
    })
}
