//! Between a value on the wire and a function that a user wrote: read, call, write.
//!
//! Emitted code hands a closure without captures, which becomes a [`Call`]: `|ask| shim::map(s_to_ms, ask)`. All that
//! runs of a user's code during a conversion runs here, its types' `Deserialize` and `Serialize` among it.
//!
//! What is `None` in a result is left out of it, as a server would (see `written.rs`).
//!
//! **Invariant:** a message of a [`Fault`] holds no value, unless the user's own error does (VER-27).

use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::catch_unwind;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ManualConvert, written};

/// A user's function, behind reading and writing.
pub type Call = fn(Ask<'_>) -> Result<Said, Fault>;
/// Makes a value: of an expression, as JSON.
pub type Make = fn() -> Result<String, Fault>;
/// Whether a text is a value of some type.
pub type Check = fn(&str) -> bool;

/// What a [`Call`] is asked.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// Whether the function takes null, as one of an `Option` does.
    TakesNull,
    /// The function's result for this value.
    Value(&'a str),
}

/// What a [`Call`] answers.
#[derive(Clone, Debug)]
pub enum Said {
    /// Whether null is taken.
    TakesNull(bool),
    /// The result as JSON.
    Json(String),
}

/// Why a function gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The value is none of the function's parameter type; the function was not called.
    Unreadable(String),
    /// The function's own error, or that its result cannot be written.
    Failed(String),
}

/// `fn(A) -> B`; several fields, as one tuple.
pub fn map<A: DeserializeOwned, B: Serialize>(f: impl FnOnce(A) -> B, ask: Ask<'_>) -> Result<Said, Fault> {
    match ask {
        Ask::TakesNull => Ok(takes_null::<A>()),
        Ask::Value(text) => write(&f(read(text)?)),
    }
}

/// `fn(A) -> Result<B, E>`.
pub fn try_map<A: DeserializeOwned, B: Serialize, E: Display>(
    f: impl FnOnce(A) -> Result<B, E>,
    ask: Ask<'_>,
) -> Result<Said, Fault> {
    match ask {
        Ask::TakesNull => Ok(takes_null::<A>()),
        Ask::Value(text) => write(&f(read(text)?).map_err(|error| Fault::Failed(error.to_string()))?),
    }
}

/// `fn(&A) -> B`: `added(with = ...)`, `added(down_with = ...)`.
pub fn view<A: DeserializeOwned, B: Serialize>(f: impl FnOnce(&A) -> B, ask: Ask<'_>) -> Result<Said, Fault> {
    map(|a| f(&a), ask)
}

/// [`ManualConvert::up`].
pub(crate) fn manual_up<New, Old>(ask: Ask<'_>) -> Result<Said, Fault>
where
    New: ManualConvert<Old> + Serialize,
    Old: DeserializeOwned,
{
    try_map(New::up, ask)
}

/// [`ManualConvert::down`].
pub(crate) fn manual_down<New, Old>(ask: Ask<'_>) -> Result<Said, Fault>
where
    New: ManualConvert<Old> + DeserializeOwned,
    Old: Serialize,
{
    try_map(New::down, ask)
}

/// An expression's value as JSON, without members that are `None`.
///
/// # Errors
/// Where the type's `Serialize` fails, as it does for a map whose keys are no strings.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    written::to_string(value).map_err(|error| {
        Fault::Failed(format!(
            "the value of type {} that conversion writes cannot be written as JSON: {error}",
            std::any::type_name::<T>()
        ))
    })
}

/// What an expression of the user's gives, be it a panic.
pub(crate) fn made(make: Make) -> Result<String, Fault> {
    catch_unwind(make).unwrap_or_else(|panic| {
        Err(Fault::Failed(format!(
            "the value that conversion writes panicked: {}",
            super::walk::panic_text(&*panic)
        )))
    })
}

/// Whether a text is a `T`.
pub fn reads<T: DeserializeOwned>(text: &str) -> bool {
    serde_json::from_str::<T>(text).is_ok()
}

/// [`reads`] for the type of a field that only an accessor names: `reads_at(|o: &Old| &o.legacy_mode)`.
pub const fn reads_at<S, T: DeserializeOwned>(_: fn(&S) -> &T) -> Check {
    reads::<T>
}

/// A container that `moved` can create.
#[diagnostic::on_unimplemented(
    message = "`moved` cannot create `{Self}`: it is not Default",
    label = "not Default",
    note = "derive Default for `{Self}`: a conversion creates it where the older or newer object lacks it"
)]
pub trait Creatable: Default + Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Default + Serialize> Creatable for T {}

/// Asks for the default of the container that an accessor names: `create(|o: &Old| &o.tls).json()`. That of an `Option`
/// is the default of what stands inside.
pub const fn create<S, T>(_: fn(&S) -> &T) -> Create<T> {
    Create(CreateWhole(PhantomData))
}

/// See [`create`].
#[derive(Clone, Copy, Debug)]
pub struct Create<T>(CreateWhole<T>);

/// See [`create`].
#[derive(Clone, Copy, Debug)]
pub struct CreateWhole<T>(PhantomData<fn() -> T>);

impl<T: Creatable> Create<Option<T>> {
    /// The default as JSON.
    ///
    /// # Errors
    /// Those of [`json`].
    pub fn json(&self) -> Result<String, Fault> {
        json(&T::default())
    }
}

impl<T: Creatable> CreateWhole<T> {
    /// The default as JSON.
    ///
    /// # Errors
    /// Those of [`json`].
    pub fn json(&self) -> Result<String, Fault> {
        json(&T::default())
    }
}

// Where `T` is no `Option`, the method is found behind this.
impl<T> Deref for Create<T> {
    type Target = CreateWhole<T>;

    fn deref(&self) -> &CreateWhole<T> {
        &self.0
    }
}

fn takes_null<A: DeserializeOwned>() -> Said {
    Said::TakesNull(reads::<A>("null"))
}

// serde's own message may show the value.
fn read<A: DeserializeOwned>(text: &str) -> Result<A, Fault> {
    serde_json::from_str(text)
        .map_err(|_| Fault::Unreadable(format!("is not a value of type {}", type_name::<A>())))
}

fn write<B: Serialize>(value: &B) -> Result<Said, Fault> {
    match written::to_string(value) {
        Ok(text) => Ok(Said::Json(text)),
        Err(_) => Err(Fault::Failed(format!(
            "a value of type {} cannot be written as JSON",
            type_name::<B>()
        ))),
    }
}

/// The name of a type without the modules that it stands in.
fn type_name<T>() -> String {
    let full = std::any::type_name::<T>();
    let mut short = String::with_capacity(full.len());
    let mut word = 0;
    for part in full.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_')) {
        if part.ends_with(':') {
            short.truncate(word);
        } else {
            short.push_str(part);
            word = short.len();
        }
    }
    short
}
