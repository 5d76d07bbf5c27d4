//! Configurations of types that are not derived.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::num;
use std::sync::Arc;

use serde::Serialize;

use super::Apply;

/// Types that are set as a whole.
macro_rules! whole {
    ($($ty:ty),* $(,)?) => {
        $(#[diagnostic::do_not_recommend] impl $crate::apply::Apply for $ty { type Configuration = Self; })*
    };
}
pub(super) use whole;

whole! {
    bool, char, String, Cow<'static, str>, f32, f64,
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize,
    num::NonZeroI8, num::NonZeroI16, num::NonZeroI32, num::NonZeroI64, num::NonZeroI128, num::NonZeroIsize,
    num::NonZeroU8, num::NonZeroU16, num::NonZeroU32, num::NonZeroU64, num::NonZeroU128, num::NonZeroUsize,
    serde_json::Value, serde_json::Map<String, serde_json::Value>, serde_json::Number,
}

impl Apply for crate::__private0::NoStatus {
    type Configuration = Self;
}

/// The twin's field is optional itself.
impl<T: Apply> Apply for Option<T> {
    type Configuration = T::Configuration;
}

impl<T: Apply> Apply for Box<T> {
    type Configuration = Box<T::Configuration>;
}

impl<T: Apply> Apply for Vec<T> {
    type Configuration = Vec<T::Configuration>;
}

impl<T: Apply<Configuration: Ord>> Apply for BTreeSet<T> {
    type Configuration = BTreeSet<T::Configuration>;
}

impl<K: Clone + Debug + Ord + Serialize, T: Apply> Apply for BTreeMap<K, T> {
    type Configuration = BTreeMap<K, T::Configuration>;
}

impl<K, T, S> Apply for HashMap<K, T, S>
where
    K: Clone + Debug + Eq + Hash + Serialize,
    T: Apply,
    S: BuildHasher + Clone,
{
    type Configuration = HashMap<K, T::Configuration, S>;
}

// The rest is not recommended, so that the compiler's list of types that have a configuration stays short.

/// Where serde's feature `rc` is on, without which no spec with an `Arc` can be read.
#[diagnostic::do_not_recommend]
impl<T: Apply> Apply for Arc<T>
where
    Arc<T::Configuration>: Serialize,
{
    type Configuration = Arc<T::Configuration>;
}

#[diagnostic::do_not_recommend]
impl<T: Apply> Apply for VecDeque<T> {
    type Configuration = VecDeque<T::Configuration>;
}

#[diagnostic::do_not_recommend]
impl<T: Apply, const N: usize> Apply for [T; N]
where
    [T::Configuration; N]: Serialize,
{
    type Configuration = [T::Configuration; N];
}

#[diagnostic::do_not_recommend]
impl<T, S> Apply for HashSet<T, S>
where
    T: Apply<Configuration: Eq + Hash>,
    S: BuildHasher + Clone,
{
    type Configuration = HashSet<T::Configuration, S>;
}
