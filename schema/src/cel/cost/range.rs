//! A range of sizes or costs, whose sums and products stop at the largest number.

/// From the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Range {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        min: 0,
        max: u64::MAX,
    };

    pub(super) const fn exactly(count: u64) -> Self {
        Self {
            min: count,
            max: count,
        }
    }

    /// What to unite with the sizes of the elements of a list or map.
    pub(super) const fn none_yet(is_empty: bool) -> Self {
        Self {
            min: if is_empty { 0 } else { u64::MAX },
            max: 0,
        }
    }

    pub(super) const fn add(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    pub(super) const fn multiply(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    /// Both ends times a factor, rounded up.
    pub(super) fn scale(self, factor: f64) -> Self {
        Self {
            min: scale(self.min, factor),
            max: scale(self.max, factor),
        }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// In floating point, as upstream computes it; a conversion to `u64` stops at the largest number.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn scale(count: u64, factor: f64) -> u64 {
    (count as f64 * factor).ceil() as u64
}
