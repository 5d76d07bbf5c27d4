//! Resource versions.
//!
//! **Invariant:** list and watch requests hand a version back exactly as the server gave it.

use std::cmp::Ordering;
use std::fmt;

/// The version that a server gives an object or a list; opaque to requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceVersion(Box<str>);

impl ResourceVersion {
    /// A version as the server gave it.
    pub fn new(version: impl Into<Box<str>>) -> Self {
        Self(version.into())
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of two versions of one resource type is older; `None` where either is no decimal number.
    ///
    /// Sound only for two versions of the same resource type that one server gave: since Kubernetes 1.35 these
    /// are decimal numbers of any length without leading zeros, and compare as such (KEP-5504).
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        let number = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text == "0" || !text.starts_with('0'))
        };
        if !number(&self.0) || !number(&other.0) {
            return None;
        }
        let by_length = self.0.len().cmp(&other.0.len());
        Some(by_length.then_with(|| self.0.cmp(&other.0)))
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ResourceVersion {
    fn from(version: &str) -> Self {
        Self::new(version)
    }
}

impl From<String> for ResourceVersion {
    fn from(version: String) -> Self {
        Self::new(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_numbers_and_nothing_else() {
        let order = |a: &str, b: &str| ResourceVersion::from(a).order(&b.into());
        assert_eq!(order("9", "10"), Some(Ordering::Less));
        assert_eq!(
            order(
                "340282366920938463463374607431768211457",
                "340282366920938463463374607431768211456"
            ),
            Some(Ordering::Greater)
        );
        assert_eq!(order("7", "7"), Some(Ordering::Equal));
        for odd in ["", "07", "-1", "a", "1.5"] {
            assert_eq!(order(odd, "1"), None, "{odd:?}");
        }
    }
}
