//! Order of versions: `v10 > v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > others by text`.

use std::cmp::{Ordering, Reverse};

/// Maturity, major, minor; larger is more mature or newer.
fn parse(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (major, rest) = rest.split_at(digits);
    let number = |text: &str| -> Option<u64> {
        // Upstream's pattern wants a number without leading zero.
        (!text.starts_with('0')).then(|| text.parse().ok()).flatten()
    };
    let major = number(major)?;
    let (maturity, minor) = match rest {
        "" => return Some((2, major, 0)),
        rest => match rest.strip_prefix("beta") {
            Some(minor) => (1, minor),
            None => (0, rest.strip_prefix("alpha")?),
        },
    };
    Some((maturity, major, number(minor)?))
}

/// Most preferred first.
pub(crate) fn by_priority(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => Reverse(a).cmp(&Reverse(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_16_kubernetes_version_priority() {
        let order = [
            "v10",
            "v2",
            "v1",
            "v11beta2",
            "v10beta3",
            "v3beta1",
            "v12alpha1",
            "v11alpha2",
            "foo1",
            "foo10",
            "v0",
            "v1beta",
            "v1beta01",
        ];
        let mut versions = order;
        versions.reverse();
        versions.sort_by(|a, b| by_priority(a, b));
        assert_eq!(versions, order);
    }
}
