//! What conversions tell those who count.

use std::sync::Arc;

/// Counts what happens in conversions beside their results.
///
/// The engine has no metrics of its own; a webhook hands one of these to [`Converters::observer`](super::Converters::observer).
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// `units` saved values were not restored: `kubewright_conversion_preserved_dropped_total{reason}`.
    fn dropped(&self, reason: Dropped, units: u64);

    /// User code panicked: `kubewright_conversion_panics_total`.
    fn panicked(&self);
}

/// Why a saved value was not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dropped {
    /// The annotation is no JSON object.
    Unparsable,
    /// The annotation has too many units.
    TooMany,
    /// The annotation is nested too deep.
    TooDeep,
    /// The unit is no unit, or is below another.
    Malformed,
    /// The unit's place is none that the version declares.
    Undeclared,
    /// The value is not of the place's type.
    Type,
    /// The value is against the version's schema.
    Schema,
    /// The place is not there any more.
    Gone,
    /// The client changed what it saw of the place.
    Changed,
}

impl Dropped {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Unparsable,
        Self::TooMany,
        Self::TooDeep,
        Self::Malformed,
        Self::Undeclared,
        Self::Type,
        Self::Schema,
        Self::Gone,
        Self::Changed,
    ];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unparsable => "unparsable",
            Self::TooMany => "too_many",
            Self::TooDeep => "too_deep",
            Self::Malformed => "malformed",
            Self::Undeclared => "undeclared",
            Self::Type => "type",
            Self::Schema => "schema",
            Self::Gone => "gone",
            Self::Changed => "changed",
        }
    }
}

/// What was dropped during one conversion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    dropped: Vec<(Dropped, u64)>,
}

impl Tally {
    pub(crate) fn add(&mut self, reason: Dropped, units: usize) {
        let units = units as u64;
        if units == 0 {
            return;
        }
        match self.dropped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += units,
            None => self.dropped.push((reason, units)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.dropped.is_empty()
    }

    pub(crate) fn tell(&self, observer: Option<&Arc<dyn Observer>>, kind: &str, object: &str) {
        for (reason, units) in &self.dropped {
            if let Some(observer) = observer {
                observer.dropped(*reason, *units);
            }
            // The client's own edit of a lossy field is no news.
            if *reason != Dropped::Changed && *reason != Dropped::Gone {
                tracing::warn!(
                    kind,
                    object,
                    reason = reason.as_str(),
                    units,
                    "saved values of a conversion dropped"
                );
            }
        }
    }
}

/// Counts work in tests, where time says little; elsewhere it is nothing.
#[inline]
pub(crate) fn step() {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The steps of this thread since it was asked last.
#[cfg(test)]
pub(crate) fn steps() -> u64 {
    STEPS.with(|steps| steps.replace(0))
}
