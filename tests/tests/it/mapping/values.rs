//! Values of Rust types, drawn from bytes: few bytes give small values, and zeroes the smallest.
//!
//! **Invariant:** what is drawn is written and read by serde without loss, so that a loss is the schema's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

/// Where values are drawn from.
pub(crate) struct Source {
    bytes: Bytes,
}

enum Bytes {
    /// These, then zeroes.
    Given(Vec<u8>, usize),
    /// Without end.
    Seeded(u64),
}

impl Source {
    /// The bytes, then zeroes.
    pub(crate) fn given(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Bytes::Given(bytes, 0),
        }
    }

    /// A stream without end, the same for each seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            bytes: Bytes::Seeded(seed),
        }
    }

    fn byte(&mut self) -> u8 {
        match &mut self.bytes {
            Bytes::Given(bytes, at) => {
                *at += 1;
                bytes.get(*at - 1).copied().unwrap_or(0)
            }
            Bytes::Seeded(state) => splitmix(state).to_le_bytes()[3],
        }
    }

    /// One of the numbers below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    pub(crate) fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        let at = self.below(values.len());
        values[at].clone()
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }
}

/// SplitMix64, by Steele, Lea and Flood.
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A type whose values can be drawn.
pub(crate) trait Draw: Sized {
    fn draw(from: &mut Source) -> Self;
}

macro_rules! integers {
    ($($ty:ident),*) => {
        $(impl Draw for $ty {
            fn draw(from: &mut Source) -> Self {
                match from.below(6) {
                    0 => 0,
                    1 => 1,
                    2 => $ty::MAX,
                    3 => $ty::MIN,
                    4 => $ty::try_from(from.below(100)).unwrap(),
                    _ => from.word() as $ty,
                }
            }
        })*
    };
}
integers!(i8, i16, i32, i64, isize, u8, u16, u32);

/// Of integers with 64 bits and no sign, those that a server takes (SCH-109).
impl Draw for u64 {
    fn draw(from: &mut Source) -> Self {
        u64::try_from(i64::draw(from).max(0)).unwrap()
    }
}

impl Draw for usize {
    fn draw(from: &mut Source) -> Self {
        usize::try_from(u64::draw(from)).unwrap()
    }
}

macro_rules! not_zero {
    ($($ty:ident: $of:ident),*) => {
        $(impl Draw for std::num::$ty {
            fn draw(from: &mut Source) -> Self {
                Self::new($of::draw(from)).unwrap_or(Self::MIN)
            }
        })*
    };
}
not_zero!(NonZeroU8: u8, NonZeroU16: u16, NonZeroU32: u32, NonZeroU64: u64, NonZeroI32: i32);

impl Draw for f32 {
    fn draw(from: &mut Source) -> Self {
        let small = f32::from(i16::draw(from)) / 8.0;
        from.one_of(&[0.0, 1.0, -1.5, 0.1, small, 1.0e-30, 1.0e10, 65_504.0])
    }
}

impl Draw for f64 {
    fn draw(from: &mut Source) -> Self {
        let small = f64::from(i32::draw(from)) / 8.0;
        from.one_of(&[0.0, 1.0, -1.5, 0.1, small, 1.0e-300, 1.0e21, 123_456_789_012.5])
    }
}

impl Draw for bool {
    fn draw(from: &mut Source) -> Self {
        from.below(2) == 1
    }
}

impl Draw for char {
    fn draw(from: &mut Source) -> Self {
        from.one_of(&['a', '\0', 'é', '𝕏', '"', '\u{10ffff}', '\n'])
    }
}

impl Draw for String {
    fn draw(from: &mut Source) -> Self {
        let long = "long ".repeat(60);
        from.one_of(&["", "a", "null", "ß𝕏\n\"\\\u{1}", "2020-01-01", "1", &long])
            .to_owned()
    }
}

impl Draw for PathBuf {
    fn draw(from: &mut Source) -> Self {
        from.one_of(&["", "/a/b", "ü", "C:\\x"]).into()
    }
}

impl Draw for std::net::IpAddr {
    fn draw(from: &mut Source) -> Self {
        from.one_of(&["0.0.0.0", "::1", "10.1.2.3"]).parse().unwrap()
    }
}

/// A document without null at its top, which a field cannot be told from absent by.
impl Draw for Value {
    fn draw(from: &mut Source) -> Self {
        from.one_of(&[
            json!({}),
            json!(false),
            json!(-1),
            json!(1.5),
            json!("text"),
            json!([]),
            json!([null, 1, {"a": null}]),
            json!({"a": {"b": {"c": [1, "x", true]}}, "n": null, "": 0}),
            json!({"metadata": {"anything": 1}, "kind": 3}),
        ])
    }
}

impl Draw for serde_json::Map<String, Value> {
    fn draw(from: &mut Source) -> Self {
        BTreeMap::<String, Value>::draw(from).into_iter().collect()
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(from: &mut Source) -> Self {
        (from.below(3) > 0).then(|| T::draw(from))
    }
}

impl<T: Draw> Draw for Box<T> {
    fn draw(from: &mut Source) -> Self {
        Self::new(T::draw(from))
    }
}

impl<T: Draw> Draw for Arc<T> {
    fn draw(from: &mut Source) -> Self {
        Self::new(T::draw(from))
    }
}

impl Draw for Cow<'static, str> {
    fn draw(from: &mut Source) -> Self {
        Cow::Owned(String::draw(from))
    }
}

impl<T: Draw, const N: usize> Draw for [T; N] {
    fn draw(from: &mut Source) -> Self {
        std::array::from_fn(|_| T::draw(from))
    }
}

macro_rules! collections {
    ($($ty:ty [$($param:tt)*]),*) => {
        $(impl<$($param)*> Draw for $ty {
            fn draw(from: &mut Source) -> Self {
                (0..from.below(4)).map(|_| Draw::draw(from)).collect()
            }
        })*
    };
}
collections!(
    Vec<T> [T: Draw], VecDeque<T> [T: Draw],
    BTreeSet<T> [T: Draw + Ord], HashSet<T> [T: Draw + Eq + Hash],
    BTreeMap<K, V> [K: Draw + Ord, V: Draw], HashMap<K, V> [K: Draw + Eq + Hash, V: Draw]
);

impl<K: Draw, V: Draw> Draw for (K, V) {
    fn draw(from: &mut Source) -> Self {
        (K::draw(from), V::draw(from))
    }
}

/// Types with `KubeSchema`, serde's derives, equality and values.
///
/// A field may name what draws it: `a: String => names`.
macro_rules! mapped {
    () => {};
    ($(#[$meta:meta])* struct $name:ident {
        $($(#[$of:meta])* $field:ident: $ty:ty $(=> $draw:path)?),* $(,)?
    } $($rest:tt)*) => {
        #[derive(::kubewright::KubeSchema, ::serde::Serialize, ::serde::Deserialize, Clone, Debug, PartialEq)]
        $(#[$meta])*
        pub(crate) struct $name { $($(#[$of])* pub(crate) $field: $ty,)* }
        impl $crate::mapping::values::Draw for $name {
            fn draw(_from: &mut $crate::mapping::values::Source) -> Self {
                Self { $($field: mapped!(@draw _from $($draw)?),)* }
            }
        }
        mapped!($($rest)*);
    };
    ($(#[$meta:meta])* struct $name:ident ($(#[$of:meta])* $ty:ty $(=> $draw:path)?); $($rest:tt)*) => {
        #[derive(::kubewright::KubeSchema, ::serde::Serialize, ::serde::Deserialize, Clone, Debug, PartialEq)]
        $(#[$meta])*
        pub(crate) struct $name($(#[$of])* pub(crate) $ty);
        impl $crate::mapping::values::Draw for $name {
            fn draw(from: &mut $crate::mapping::values::Source) -> Self {
                Self(mapped!(@draw from $($draw)?))
            }
        }
        mapped!($($rest)*);
    };
    ($(#[$meta:meta])* enum $name:ident {
        $($(#[$of:meta])* $variant:ident
            $(($inner:ty))?
            $({$($(#[$field_meta:meta])* $field:ident: $ty:ty),* $(,)?})?
        ),* $(,)?
    } $($rest:tt)*) => {
        #[derive(::kubewright::KubeSchema, ::serde::Serialize, ::serde::Deserialize, Clone, Debug, PartialEq)]
        $(#[$meta])*
        pub(crate) enum $name {
            $($(#[$of])* $variant $(($inner))? $({$($(#[$field_meta])* $field: $ty),*})?,)*
        }
        impl $crate::mapping::values::Draw for $name {
            fn draw(from: &mut $crate::mapping::values::Source) -> Self {
                type Of = fn(&mut $crate::mapping::values::Source) -> $name;
                let variants: &[Of] = &[$(
                    |_from| $name::$variant
                        $((<$inner as $crate::mapping::values::Draw>::draw(_from)))?
                        $({$($field: $crate::mapping::values::Draw::draw(_from)),*})?
                ),*];
                variants[from.below(variants.len())](from)
            }
        }
        mapped!($($rest)*);
    };
    (@draw $from:ident) => { $crate::mapping::values::Draw::draw($from) };
    (@draw $from:ident $draw:path) => { $draw($from) };
}
pub(crate) use mapped;
