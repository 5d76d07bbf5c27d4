//! What ties the types of two versions together while they compile. Derived code calls these in functions that nobody
//! calls, so that rustc says at the field what does not fit.
//!
//! **Invariant:** nothing here does anything.

use std::sync::Arc;

use crate::convert::shim::{self, Fault};

/// A field that is copied has one type in both versions.
pub fn same_type<T>(_: &T, _: &T) {}

/// A nested field's type converts from the older field's.
pub fn nested<Old, New: crate::convert::Convert<Old = Old>>(_: &Old, _: &New) {}

/// A value that stands in a field: of the field's type, or of what an `Option`, `Box` or `Arc` there holds.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Field}` holds no `{Self}`",
    label = "the field's type is `{Field}`",
    note = "a conversion function takes and returns the types of the fields, or what their `Option`, `Box` or `Arc` holds"
)]
pub trait Of<Field: ?Sized> {}

impl<T> Of<T> for T {}
impl<T> Of<Option<T>> for T {}
impl<T> Of<Box<T>> for T {}
impl<T> Of<Option<Box<T>>> for T {}
impl<T> Of<Arc<T>> for T {}
impl<T> Of<Option<Arc<T>>> for T {}
// Written as a `String` is.
impl Of<String> for &str {}
impl Of<Option<String>> for &str {}

/// A function that makes one field of another.
pub fn way<From, Into, A: Of<From>, B: Of<Into>>(_: &From, _: &Into, _: fn(A) -> B) {}

/// The same where it can fail.
pub fn try_way<From, Into, A, B, E>(_: &From, _: &Into, _: fn(A) -> Result<B, E>)
where
    A: Of<From>,
    B: Of<Into>,
    E: std::fmt::Display,
{
}

/// A function of a group: of one member, or of all as a tuple.
pub fn group<From: Members, Into: Members>(_: From, _: Into, _: fn(From::Values) -> Into::Values) {}

/// The same where it can fail.
pub fn try_group<From: Members, Into: Members, E: std::fmt::Display>(
    _: From,
    _: Into,
    _: fn(From::Values) -> Result<Into::Values, E>,
) {
}

/// The fields of a group's side.
pub trait Members {
    /// What the functions take and return.
    type Values;
}

impl<A> Members for (&A,) {
    type Values = A;
}

macro_rules! members {
    ($($($name:ident)*;)*) => {$(
        impl<$($name),*> Members for ($(&$name),*) {
            type Values = ($($name),*);
        }
    )*};
}

members! {
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

/// A function that makes an added field of the older struct.
pub fn made<Old, Field, T: Of<Field>>(_: &Old, _: &Field, _: fn(&Old) -> T) {}

/// An added variant as older clients see it.
pub fn shown<Old, New>(_: fn(&New) -> Old) {}

/// An expression's value as JSON, for the field that an accessor names.
///
/// # Errors
/// Where it cannot be written.
pub fn value<S, Field, T: Of<Field> + serde::Serialize>(
    _: fn(&S) -> &Field,
    value: &T,
) -> Result<String, Fault> {
    shim::json(value)
}

/// [`value`] for a field whose type is at hand.
///
/// # Errors
/// Where it cannot be written.
pub fn value_of<Field, T: Of<Field> + serde::Serialize>(value: &T) -> Result<String, Fault> {
    shim::json(value)
}

/// A field that moves has one type in both places, but that one of them may be an `Option`.
pub fn moved<Old, New: Alike<Old>>(_: &Old, _: &New) {}

/// A container on the way of a field that moves.
pub fn creatable<T: shim::Creatable>(_: &T) {}

/// See [`moved`].
#[diagnostic::on_unimplemented(
    message = "a field of type `{Old}` cannot move to one of type `{Self}`",
    note = "the types are the same, but that one of them may be an `Option`"
)]
pub trait Alike<Old> {}

impl<T> Alike<T> for T {}
impl<T> Alike<Option<T>> for T {}
impl<T> Alike<T> for Option<T> {}

/// Sees through an `Option` on the way to a field.
#[derive(Debug)]
pub struct Through<'a, T>(pub &'a T);

impl<'a, T> Through<'a, Option<T>> {
    /// What it would hold. A tie is never called.
    #[must_use]
    pub fn it(self) -> &'a T {
        unreachable!("no function calls a tie")
    }
}

/// For what is no `Option`.
pub trait ThroughAny<'a>: Sized {
    /// What stands there.
    type There;

    /// The same.
    fn it(self) -> &'a Self::There;
}

impl<'a, T> ThroughAny<'a> for Through<'a, T> {
    type There = T;

    fn it(self) -> &'a T {
        self.0
    }
}
