//! Defaults that a controller or a webhook fills in: the counterpart of Go's `SetDefaults` functions.
//!
//! [`#[derive(Defaults)]`](derive@crate::Defaults) implements [`Defaults`] from the attributes that the schema is made of,
//! so that an object which no server has seen is filled in as a server would do it, and beyond by functions.
//!
//! **Invariant:** what is there stays, zero, empty and false among it; nothing but `None` is filled, so filling twice is
//! filling once. Neither conversion nor reading an object calls any of this.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type with defaults.
///
/// Implemented by the derive of the same name, for lists, maps, `Option` and `Box` of such types, and, without effect,
/// for strings, numbers and the like. Write it by hand where a derive is not enough.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no defaults",
    label = "does not implement `Defaults`",
    note = "derive it: `#[derive(kubewright::Defaults)]`"
)]
pub trait Defaults {
    /// Fills what is `None`, from the outside inwards: the type's own fields, then, by the type's function, whatever that
    /// does, then what stands inside. It does not create parents of values that have defaults.
    fn set_defaults(&mut self);

    /// The same for a value that stands where null is one: null stays.
    #[doc(hidden)]
    fn set_defaults_inside(&mut self) {
        self.set_defaults();
    }

    /// What stands for an absent value of the type.
    #[doc(hidden)]
    fn default_of_type() -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

impl<T: Defaults> Defaults for Option<T> {
    fn set_defaults(&mut self) {
        if self.is_none() {
            *self = T::default_of_type();
        }
        self.set_defaults_inside();
    }

    // `Option<Option<T>>`: the inner `None` is a null that somebody wrote.
    fn set_defaults_inside(&mut self) {
        if let Some(value) = self {
            value.set_defaults_inside();
        }
    }

    fn default_of_type() -> Option<Self> {
        T::default_of_type().map(Some)
    }
}

impl<T: Defaults> Defaults for Box<T> {
    fn set_defaults(&mut self) {
        (**self).set_defaults();
    }

    fn set_defaults_inside(&mut self) {
        (**self).set_defaults_inside();
    }

    fn default_of_type() -> Option<Self> {
        T::default_of_type().map(Box::new)
    }
}

/// What is shared is copied before it is filled in.
impl<T: Defaults + Clone> Defaults for Arc<T> {
    fn set_defaults(&mut self) {
        Arc::make_mut(self).set_defaults();
    }

    fn set_defaults_inside(&mut self) {
        Arc::make_mut(self).set_defaults_inside();
    }

    fn default_of_type() -> Option<Self> {
        T::default_of_type().map(Arc::new)
    }
}

macro_rules! each {
    ($([$($generics:tt)*] $ty:ty, $values:ident;)*) => {$(
        impl<$($generics)*> Defaults for $ty {
            fn set_defaults(&mut self) {
                for value in self.$values() {
                    value.set_defaults_inside();
                }
            }
        }
    )*};
}

each! {
    [T: Defaults] Vec<T>, iter_mut;
    [T: Defaults] VecDeque<T>, iter_mut;
    [T: Defaults, const N: usize] [T; N], iter_mut;
    [K, T: Defaults] BTreeMap<K, T>, values_mut;
    [K, T: Defaults, S] HashMap<K, T, S>, values_mut;
}

macro_rules! nothing {
    ($($ty:ty)*) => {$(
        impl Defaults for $ty {
            fn set_defaults(&mut self) {}
        }
    )*};
}

nothing! {
    () String bool char f32 f64 i8 i16 i32 i64 isize u8 u16 u32 u64 usize serde_json::Value
    k8s_openapi::apimachinery::pkg::util::intstr::IntOrString
}

/// What a default fills: an `Option`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a default fills `None`, and there is none in `{Self}`",
    label = "always there",
    note = "make the field an `Option`, or remove the default"
)]
pub trait Absent {
    /// What it holds.
    type Value;

    /// Fills it unless something is there.
    fn fill(&mut self, make: impl FnOnce() -> Self::Value);
}

impl<T> Absent for Option<T> {
    type Value = T;

    fn fill(&mut self, make: impl FnOnce() -> T) {
        if self.is_none() {
            *self = Some(make());
        }
    }
}

/// Fills in what the schema holds as JSON.
#[doc(hidden)]
pub fn json<S: Absent<Value: DeserializeOwned>>(slot: &mut S, text: &str) {
    slot.fill(|| read(text));
}

/// Fills in the value of an expression: what is written of it, as in the schema.
#[doc(hidden)]
pub fn value<S: Absent<Value: DeserializeOwned>, V: Serialize>(slot: &mut S, make: impl FnOnce() -> V) {
    slot.fill(|| rewrite(&make()));
}

/// Fills in what a function makes.
#[doc(hidden)]
pub fn with<S: Absent>(slot: &mut S, make: impl FnOnce() -> S::Value) {
    slot.fill(make);
}

/// Fills in what serde would take for an absent field.
#[doc(hidden)]
pub fn serde<T>(slot: &mut Option<T>, make: impl FnOnce() -> Option<T>) {
    if slot.is_none() {
        *slot = make();
    }
}

/// Calls a type's own function.
#[doc(hidden)]
pub fn apply<T>(value: &mut T, function: impl FnOnce(&mut T)) {
    function(value);
}

/// A default's text as a value.
///
/// # Panics
/// Where the default is no value of the type. A definition with such a default does not pass
/// [`crd::check`](crate::crd::check), which a test calls.
#[doc(hidden)]
#[must_use]
pub fn read<T: DeserializeOwned>(text: &str) -> T {
    match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => panic!("the default {text} is no {}: {error}", std::any::type_name::<T>()),
    }
}

/// The same for what is written of another value.
#[doc(hidden)]
pub fn rewrite<T: DeserializeOwned, V: Serialize>(value: &V) -> T {
    match serde_json::to_string(value) {
        Ok(text) => read(&text),
        Err(error) => panic!(
            "a default of type {} cannot be written: {error}",
            std::any::type_name::<V>()
        ),
    }
}

/// A field whose type may have defaults. Derived code asks without knowing whether it has.
#[doc(hidden)]
#[derive(Debug)]
pub struct Inside<'a, T>(pub &'a mut T);

#[doc(hidden)]
impl<T: Defaults> Inside<'_, T> {
    /// Stands before the method of [`NothingInside`] where there are defaults.
    pub fn set_defaults(self) {
        self.0.set_defaults();
    }
}

/// For types without defaults.
#[doc(hidden)]
pub trait NothingInside: Sized {
    /// Does nothing.
    fn set_defaults(self) {}
}

impl<T> NothingInside for Inside<'_, T> {}
