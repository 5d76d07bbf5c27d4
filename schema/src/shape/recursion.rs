//! Whether a type contains itself through others, asked while the user's crate is compiled.
//!
//! A constant that led from each type to all that it holds would have to know itself. So there is one for each number of
//! steps, which is made of those with a step less.
//!
//! **Invariant:** the work is bounded, since the compiler stops a constant that takes long. What is further away, the
//! builder tells.

use super::check::{refuse, same};

/// Most types that are looked at for one field.
const MOST: usize = 4_000;

/// A type, and those that it holds, be it in lists, maps or boxes; without those that a mark cuts off.
#[derive(Clone, Copy, Debug)]
pub struct Links {
    name: &'static str,
    /// Where it is declared: with the name it tells one type from another.
    module: &'static str,
    inner: &'static [Self],
}

impl Links {
    /// Of a type that nothing is known of.
    pub const NONE: Self = Self::new("", "");

    /// Of the type with this name alone.
    #[must_use]
    pub const fn new(name: &'static str, module: &'static str) -> Self {
        Self {
            name,
            module,
            inner: &[],
        }
    }

    /// With the types that it holds.
    #[must_use]
    pub const fn to(self, inner: &'static [Self]) -> Self {
        Self { inner, ..self }
    }

    /// Whether a type with the name and the module of `outer` is found within `left` looks.
    const fn lead_to(&self, outer: &Self, left: &mut usize) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        if same(self.name, outer.name) && same(self.module, outer.module) {
            return true;
        }
        let mut at = 0;
        while at < self.inner.len() {
            if self.inner[at].lead_to(outer, left) {
                return true;
            }
            at += 1;
        }
        false
    }
}

/// Refuses a field of `outer` whose type `inner` contains `outer` (SCH-106).
#[track_caller]
pub const fn recursion(place: &str, outer: Links, inner: Links) {
    let mut left = MOST;
    if !outer.name.is_empty() && inner.lead_to(&outer, &mut left) {
        refuse(&[
            place,
            ": `",
            outer.name,
            "` contains itself here, through `",
            inner.name,
            "`; structural schemas have no references: cut with #[kube(preserve_unknown_fields)] on the field or bound \
             with #[kube(max_depth = n)]",
        ]);
    }
}
