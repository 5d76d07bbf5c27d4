//! One version of a kind, and the version before it: what a chain is made of.
//!
//! **Invariant:** all of a kind's versions are reached from the newest by [`VersionLink::previous`].

use kubewright_schema::build::{BuildError, Built};

use super::ConvertEdge;
use super::table::Shape;
use crate::crd::KindInfo;
use crate::kind::CustomKind;

/// Whether a conversion can lose something, each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// From old to new.
    pub up: bool,
    /// From new to old.
    pub down: bool,
}

impl Loss {
    /// Nothing is lost.
    pub const NONE: Self = Self {
        up: false,
        down: false,
    };
    /// Something can be lost both ways.
    pub const BOTH: Self = Self { up: true, down: true };

    /// What this or the other can lose.
    pub const fn or(self, other: Self) -> Self {
        Self {
            up: self.up || other.up,
            down: self.down || other.down,
        }
    }
}

/// What happens where the data that a version cannot show is too large to keep in an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The object can be read at that version, and no longer written at it. The default.
    #[default]
    RefuseWrite,
    /// The object can neither be read nor written at that version.
    Fail,
}

/// A version of a kind.
#[derive(Clone, Copy, Debug)]
pub struct VersionLink {
    /// What the derive knows of the version.
    pub info: &'static KindInfo,
    /// How the schema is made.
    pub schema: Option<fn() -> Result<Built, BuildError>>,
    /// The version before this one.
    pub previous: Option<&'static VersionLink>,
    /// How the spec converts from the version before.
    pub spec: Shape,
    /// How the status converts from the version before.
    pub status: Shape,
    /// Whether the two can lose something.
    pub loss: Loss,
    /// `conversion(overflow = ...)`.
    pub overflow: Overflow,
}

/// A kind with its place in the chain of its versions; `#[derive(CustomResource)]` implements it.
pub trait Versioned: CustomKind {
    /// The version, and through it all older ones.
    #[doc(hidden)]
    const LINK: &'static VersionLink;
}

impl VersionLink {
    /// The first version.
    pub const fn of<K: CustomKind>() -> Self {
        Self {
            info: K::INFO,
            schema: K::SCHEMA,
            previous: None,
            spec: Shape::Same,
            status: Shape::Same,
            loss: Loss::NONE,
            overflow: Overflow::RefuseWrite,
        }
    }

    /// The version before this one.
    pub const fn previous<New, Old>(self) -> Self
    where
        Old: Versioned,
        New: CustomKind<Spec: ConvertEdge<Old::Spec>, Status: ConvertEdge<Old::Status>>,
    {
        self.after::<New, Old>(Old::LINK)
    }

    pub(crate) const fn after<New, Old>(mut self, previous: &'static VersionLink) -> Self
    where
        Old: CustomKind,
        New: CustomKind<Spec: ConvertEdge<Old::Spec>, Status: ConvertEdge<Old::Status>>,
    {
        self.previous = Some(previous);
        self.spec = <New::Spec as ConvertEdge<Old::Spec>>::SHAPE;
        self.status = <New::Status as ConvertEdge<Old::Status>>::SHAPE;
        self.loss =
            <New::Spec as ConvertEdge<Old::Spec>>::LOSS.or(<New::Status as ConvertEdge<Old::Status>>::LOSS);
        self
    }

    /// What happens where an annotation would be too large; for the whole chain, the newest version's word counts.
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }
}
