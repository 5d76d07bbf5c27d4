//! What constants know of a type: its JSON type and, for derived types, its shape.
//!
//! [`Of`] asks for any type at all: an associated constant of an impl stands before one of a trait, so that
//! `Of::<T>::KIND` is `T`'s where `T` is [`Shaped`], and [`Kind::Unknown`] elsewhere.
//!
//! **Invariant:** a kind looks into no other type but the one that stands in its place (`Box<T>`, a newtype), so that
//! types which contain themselves have one.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, Mutex, RwLock};

use super::{Links, Shape};

/// What a type's JSON is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing is known.
    Unknown,
    /// An object with fields of its own.
    Object,
    /// An object with any keys.
    Map,
    /// An array.
    List,
    /// An array without repetitions.
    Set,
    /// A string.
    String,
    /// An integer.
    Integer,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// An integer or a string.
    IntOrString,
    /// Any value.
    Any,
    /// null.
    Null,
}

/// A type whose JSON is known to constants.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has attributes that `KubeSchema` reads, and does not derive it",
    label = "add `KubeSchema` to the derives of `{Self}`",
    note = "`use kubewright::KubeSchema;`, and remove `JsonSchema` from the derives"
)]
pub trait Shaped {
    /// Its JSON type.
    const KIND: Kind;
    /// What the derive wrote of it.
    const SHAPE: Option<&'static Shape> = None;
    /// The type alone, where it holds others.
    const LINKS_0: Links = Links::NONE;
    /// With the types that it holds.
    const LINKS_1: Links = Links::NONE;
    /// With those that these hold, and so on.
    const LINKS_2: Links = Links::NONE;
    /// See [`LINKS_2`](Self::LINKS_2).
    const LINKS_3: Links = Links::NONE;
    /// See [`LINKS_2`](Self::LINKS_2).
    const LINKS_4: Links = Links::NONE;
}

/// Asks what is known of `T`.
pub struct Of<T: ?Sized>(PhantomData<T>);

impl<T: Shaped + ?Sized> Of<T> {
    /// The JSON type.
    pub const KIND: Kind = T::KIND;
    /// What the derive wrote.
    pub const SHAPE: Option<&'static Shape> = T::SHAPE;
    /// The type alone.
    pub const LINKS_0: Links = T::LINKS_0;
    /// With all that is one step away.
    pub const LINKS_1: Links = T::LINKS_1;
    /// Two.
    pub const LINKS_2: Links = T::LINKS_2;
    /// Three.
    pub const LINKS_3: Links = T::LINKS_3;
    /// Four.
    pub const LINKS_4: Links = T::LINKS_4;
}

/// What is known of all other types.
pub trait Foreign {
    /// Nothing.
    const KIND: Kind = Kind::Unknown;
    /// Nothing.
    const SHAPE: Option<&'static Shape> = None;
    /// Nothing.
    const LINKS_0: Links = Links::NONE;
    /// Nothing.
    const LINKS_1: Links = Links::NONE;
    /// Nothing.
    const LINKS_2: Links = Links::NONE;
    /// Nothing.
    const LINKS_3: Links = Links::NONE;
    /// Nothing.
    const LINKS_4: Links = Links::NONE;
}

impl<T: ?Sized> Foreign for Of<T> {}

/// Stands for a type that is written as base64 and implements no `JsonSchema`.
pub struct Bytes(());

impl schemars::JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "byte"})
    }
}

macro_rules! scalars {
    ($($kind:ident: $($ty:ty),*;)*) => {
        $($(impl Shaped for $ty {
            const KIND: Kind = Kind::$kind;
        })*)*
    };
}
scalars! {
    String: str, String, char, Bytes, std::path::Path, std::path::PathBuf;
    Integer: i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize;
    Integer: std::num::NonZeroU8, std::num::NonZeroU16, std::num::NonZeroU32, std::num::NonZeroU64;
    Integer: std::num::NonZeroI8, std::num::NonZeroI16, std::num::NonZeroI32, std::num::NonZeroI64;
    Number: f32, f64;
    Boolean: bool;
    Null: ();
    Any: serde_json::Value;
    Map: serde_json::Map<String, serde_json::Value>;
}

macro_rules! same {
    ($($ty:ty),*) => {
        $(impl<T: Shaped + ?Sized> Shaped for $ty {
            const KIND: Kind = T::KIND;
            const SHAPE: Option<&'static Shape> = T::SHAPE;
        })*
    };
}
same!(&T, Box<T>, Rc<T>, Arc<T>, RefCell<T>, Mutex<T>, RwLock<T>);

impl<T: Shaped> Shaped for Option<T> {
    const KIND: Kind = T::KIND;
    const SHAPE: Option<&'static Shape> = T::SHAPE;
}

impl<T: Shaped> Shaped for Cell<T> {
    const KIND: Kind = T::KIND;
    const SHAPE: Option<&'static Shape> = T::SHAPE;
}

impl<T: Shaped + ToOwned + ?Sized> Shaped for Cow<'_, T> {
    const KIND: Kind = T::KIND;
    const SHAPE: Option<&'static Shape> = T::SHAPE;
}

macro_rules! collections {
    ($($kind:ident: $($ty:ty [$($param:tt)*]),*;)*) => {
        $($(impl<$($param)*> Shaped for $ty {
            const KIND: Kind = Kind::$kind;
        })*)*
    };
}
collections! {
    List: Vec<T> [T], VecDeque<T> [T], LinkedList<T> [T], BinaryHeap<T> [T], [T] [T], [T; N] [T, const N: usize];
    Set: BTreeSet<T> [T], HashSet<T, S> [T, S];
    Map: BTreeMap<K, V> [K, V], HashMap<K, V, S> [K, V, S];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_and_what_is_not() {
        struct Unknown;
        assert_eq!(Of::<Option<Box<u8>>>::KIND, Kind::Integer);
        assert_eq!(Of::<Vec<Unknown>>::KIND, Kind::List);
        assert_eq!(Of::<HashMap<String, Unknown>>::KIND, Kind::Map);
        assert_eq!(Of::<Unknown>::KIND, Kind::Unknown);
        assert_eq!(Of::<Option<Unknown>>::KIND, Kind::Unknown);
        assert_eq!(Of::<&'static str>::KIND, Kind::String);
        assert!(Of::<Unknown>::SHAPE.is_none());
    }
}
