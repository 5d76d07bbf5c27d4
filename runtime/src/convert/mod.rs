//! Conversion of objects between the versions of their kind.
//!
//! A [`Converter`] takes an object as JSON from one version to another; what the other cannot show is kept in an
//! annotation and comes back when the object does. [`Converters`] answer the API server's reviews.
//!
//! What is here, in the order in which an object meets it: `review.rs` (the question), `chain.rs` (versions; its legs, the
//! annotation's place), `stream.rs` with `ops.rs`, `scan.rs`, `units.rs` and `recall.rs` (from text to text, as almost
//! every object goes), `node.rs` (an object as a tree that is as deep as needed), `walk.rs` and `enums.rs` (there and back),
//! `cell.rs` and `diff.rs` (what is lost), `preserve.rs` (the annotation's text), `guard.rs` and `schemas.rs` (what
//! may come back). Derived code writes `wire.rs` (one type's names) and `table.rs` (an edge between two), with functions
//! behind `shim.rs` and `written.rs`; `plan.rs` resolves them for one direction.
//!
//! **Invariant:** conversion is a function of its input alone: no clock, no random, no network (VER-14). What a table does
//! not name is moved as it stands, never read (VER-2).

#[cfg(feature = "lock")]
pub(crate) mod canonical;
pub(crate) mod cell;
mod chain;
mod diff;
mod enums;
mod error;
mod guard;
pub(crate) mod link;
mod node;
mod observe;
mod ops;
mod path;
mod plan;
mod preserve;
mod recall;
mod review;
mod scan;
mod schemas;
pub(crate) mod shim;
mod stream;
pub(crate) mod table;
mod typed;
mod units;
mod walk;
pub(crate) mod wire;
mod written;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::sync::Arc;

pub use chain::Converter;
pub use error::ConvertError;
pub use link::{Loss, Overflow, VersionLink, Versioned};
pub use observe::{Dropped, Observer};
pub use review::{Converters, Review, ReviewAnswer, ReviewPart};
use table::Shape;

/// A type that converts from the type of the version before: `#[derive(Convert)]` with `#[convert(from = ...)]`.
///
/// `Option`, `Box` and `Arc` are seen through; lists and maps convert each value.
#[diagnostic::on_unimplemented(
    message = "no conversion leads to `{Self}`",
    label = "`{Self}` does not convert from an older type",
    note = "derive Convert with `#[convert(from = ...)]` on `{Self}`, or leave out `nested` where the type did not change"
)]
pub trait Convert {
    /// The type of the version before.
    type Old;
    /// How values convert.
    #[doc(hidden)]
    const SHAPE: Shape;
    /// Whether something can be lost.
    const LOSS: Loss;
}

/// An edge between two types: how `Old` becomes this type, and back.
#[diagnostic::on_unimplemented(
    message = "the trait bound `{Self}: ConvertEdge<{Old}>` is not satisfied",
    label = "no conversion from `{Old}`",
    note = "derive Convert with `#[convert(from = ...)]`"
)]
pub trait ConvertEdge<Old> {
    /// How values convert.
    #[doc(hidden)]
    const SHAPE: Shape;
    /// Whether something can be lost.
    const LOSS: Loss;
}

// A type that both versions share.
#[diagnostic::do_not_recommend]
impl<T> ConvertEdge<T> for T {
    const SHAPE: Shape = Shape::Same;
    const LOSS: Loss = Loss::NONE;
}

/// A conversion that the user writes: `#[convert(from = ..., manual)]`.
///
/// What one way loses is kept in the annotation, as with any other change; the type is restored as a whole.
pub trait ManualConvert<Old>: Sized {
    /// What goes wrong; `Infallible` where nothing does.
    type Error: Display;

    /// From the older type.
    ///
    /// # Errors
    /// Where the older value cannot be shown at this version; the object's conversion fails with the text.
    fn up(old: Old) -> Result<Self, Self::Error>;

    /// To the older type.
    ///
    /// # Errors
    /// Where the value cannot be shown at the older version; the object's conversion fails with the text.
    fn down(self) -> Result<Old, Self::Error>;
}

macro_rules! seen_through {
    ($($outer:ident),*) => {$(
        impl<T: Convert> Convert for $outer<T> {
            type Old = $outer<T::Old>;
            const SHAPE: Shape = T::SHAPE;
            const LOSS: Loss = T::LOSS;
        }
    )*};
}

seen_through!(Option, Box, Arc);

impl<T: Convert> Convert for Vec<T> {
    type Old = Vec<T::Old>;
    const SHAPE: Shape = Shape::List(&T::SHAPE);
    const LOSS: Loss = T::LOSS;
}

impl<T: Convert> Convert for BTreeMap<String, T> {
    type Old = BTreeMap<String, T::Old>;
    const SHAPE: Shape = Shape::Map(&T::SHAPE);
    const LOSS: Loss = T::LOSS;
}

impl<T: Convert, S> Convert for HashMap<String, T, S> {
    type Old = HashMap<String, T::Old, S>;
    const SHAPE: Shape = Shape::Map(&T::SHAPE);
    const LOSS: Loss = T::LOSS;
}

/// What emitted code names.
#[doc(hidden)]
pub mod emitted {
    pub use super::link::{Loss, Overflow, VersionLink, Versioned};
    pub use super::shim::{
        Ask, Call, Check, Create, Fault, Make, Said, create, json, map, reads, reads_at, try_map, view,
    };
    pub use super::table::{Field, Group, Manual, Member, Moved, Shape, Table, Variant, With};
    pub use super::typed::{down, part_down, part_up, up};
    pub use super::wire::{OnWire, Wire, WireField, WireVariant};
    pub use super::{Convert, ConvertEdge, ConvertError};
}
