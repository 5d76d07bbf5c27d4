//! What a change means for a release: whether it may be made, and under which version.

use super::Verdict::{self, Safe, Undecided};
use super::{Change, ChangeKind};

/// What a release promises of a version, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stability {
    /// `v1alpha1`: may change and go at any time.
    Alpha,
    /// `v1beta1`: stays 9 months or 3 releases, whichever is longer, after it was deprecated.
    Beta,
    /// `v1`, and any name of another form: stays within a major release.
    Stable,
}

impl Stability {
    /// That of a version's name.
    ///
    /// ```
    /// # use kubewright_schema::compare::Stability;
    /// assert_eq!(Stability::of("v2alpha1"), Stability::Alpha);
    /// assert_eq!(Stability::of("v1beta3"), Stability::Beta);
    /// assert_eq!(Stability::of("v1"), Stability::Stable);
    /// assert_eq!(Stability::of("alpha"), Stability::Stable);
    /// ```
    pub fn of(version: &str) -> Self {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is = |word: &str| {
            version
                .strip_prefix('v')
                .and_then(|rest| rest.split_once(word))
                .is_some_and(|(major, minor)| is_number(major) && is_number(minor))
        };
        if is("alpha") {
            Self::Alpha
        } else if is("beta") {
            Self::Beta
        } else {
            Self::Stable
        }
    }
}

/// What a change means for a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It may be made in any release.
    Compatible,
    /// It may be made, and someone should have looked at it.
    Warning,
    /// It needs another version of the API.
    Breaking,
}

impl Level {
    /// As texts name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compatible => "compatible",
            Self::Warning => "warning",
            Self::Breaking => "breaking",
        }
    }
}

impl Change {
    /// What it means for a release (VER-50).
    ///
    /// More is allowed than by [`verdict`](Self::verdict), which is about any reader: a looser limit is compatible, and a
    /// new value of an enum is a warning, since writers and stored objects keep what they have. What is undecided is
    /// breaking, unless nothing was promised of it (conversion, the version that is stored) or it is a new optional
    /// field. What concerns alpha versions alone is never more than a warning. So is it when a beta version goes
    /// that was deprecated: whether it was so for long enough is not seen in a CRD.
    pub fn level(&self) -> Level {
        let level = by_kind(self.kind, self.stored, self.readers);
        let excused = match self.stability {
            Some(Stability::Alpha) => true,
            Some(Stability::Beta) => self.deprecated && is_removal(self.kind),
            Some(Stability::Stable) | None => false,
        };
        if excused { level.min(Level::Warning) } else { level }
    }
}

/// Whether a version is taken from its clients.
pub(super) fn is_removal(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::VersionRemoved | ChangeKind::Served)
}

fn by_kind(kind: ChangeKind, stored: Verdict, readers: Verdict) -> Level {
    use ChangeKind as K;
    match (kind, stored, readers) {
        (_, Safe, Safe) => Level::Compatible,
        (K::Conversion | K::Storage, _, _) | (K::FieldAdded, Undecided, _) => Level::Warning,
        (K::Bounds | K::MultipleOf | K::Pattern | K::Conditions | K::RuleRemoved, Safe, _) => {
            Level::Compatible
        }
        (K::Enum | K::Nullable | K::Required | K::AdditionalProperties, Safe, _) => Level::Warning,
        _ => Level::Breaking,
    }
}
