//! Which member of a group a key belongs to.
//!
//! Rendezvous hashing: each member has a score for each key, and the highest one owns it. A member that comes takes the keys
//! for which it has the highest score, one that goes leaves its own to the next highest; all others stay where they are.
//!
//! **Invariant:** the owner of a key is a function of the members' names and the key alone, the same in each build of this
//! crate: two replicas of different versions must not disagree. Whoever changes a number here changes [`FORM`].

use std::fmt;
use std::sync::Arc;

use crate::kind::ObjectKey;

/// How a view is written, and with it how keys are spread over its members. What is written otherwise gives nobody a key.
const FORM: &str = "1:";

/// FNV-1a, 64 bits.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// MurmurHash3's last step: each bit of what comes out depends on each bit of what goes in.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// A key, hashed once for all members and views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Place {
    pub(crate) fn of(key: &ObjectKey) -> Self {
        let namespace = key.namespace.as_deref().unwrap_or_default().bytes();
        // No name holds a zero.
        Self(mix(fnv(namespace.chain([0]).chain(key.name.bytes()))))
    }
}

/// The members of a group as one of them saw it: names of their Leases, sorted, and a hash of each.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct View(Arc<[(u64, Box<str>)]>);

impl View {
    pub(super) fn new<'a>(members: impl IntoIterator<Item = &'a str>) -> Self {
        let mut members: Vec<_> = members
            .into_iter()
            .map(|name| (mix(fnv(name.bytes())), Box::<str>::from(name)))
            .collect();
        members.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
        members.dedup();
        Self(members.into())
    }

    /// One that gives nobody a key.
    pub(super) fn nobody() -> Self {
        Self::new([])
    }

    /// What stands in a Lease; whatever cannot be read gives nobody a key.
    pub(super) fn read(text: Option<&str>) -> Self {
        match text.and_then(|text| text.strip_prefix(FORM)) {
            Some(members) => Self::new(members.split(',').filter(|name| !name.is_empty())),
            None => Self::nobody(),
        }
    }

    pub(super) fn write(&self) -> String {
        let names: Vec<_> = self.members().collect();
        format!("{FORM}{}", names.join(","))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, name)| &**name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn names(&self, member: &str) -> bool {
        self.0.iter().any(|(_, name)| **name == *member)
    }

    /// Who owns a key.
    pub(super) fn owner(&self, place: Place) -> Option<&str> {
        let score = |hash: u64| mix(place.0 ^ hash);
        // Of equal scores the last name wins, as the names are sorted.
        let best = self.0.iter().max_by_key(|(hash, _)| score(*hash));
        best.map(|(_, name)| &**name)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members()).finish()
    }
}

/// The views that have to agree before a member works on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Votes {
    member: Arc<str>,
    /// Whether it has asked; before that a further view gives it nothing.
    asked: bool,
    views: Vec<View>,
}

impl Votes {
    /// No key is the member's, whatever is added.
    pub(super) fn none(member: &str) -> Self {
        Self {
            member: member.into(),
            asked: false,
            views: Vec::new(),
        }
    }

    /// The keys are the member's that each of these views gives it, and each that is added.
    pub(super) fn of<'a>(member: &str, views: impl IntoIterator<Item = &'a View>) -> Self {
        let mut votes = Self {
            asked: true,
            ..Self::none(member)
        };
        views.into_iter().for_each(|view| votes.add(view));
        votes
    }

    pub(super) fn add(&mut self, view: &View) {
        if !self.views.contains(view) {
            self.views.push(view.clone());
        }
    }

    /// How large a part of all keys they give, about: of a thousand that are no objects' keys.
    pub(super) fn share(&self) -> f64 {
        const SAMPLES: u32 = 1000;
        let given = (0..SAMPLES).filter(|n| self.give(Place(mix(u64::from(*n)))));
        f64::from(u32::try_from(given.count()).unwrap_or(SAMPLES)) / f64::from(SAMPLES)
    }

    /// Whether all of them give the key to the member.
    pub(crate) fn give(&self, place: Place) -> bool {
        let all = |view: &View| view.owner(place) == Some(&*self.member);
        self.asked && !self.views.is_empty() && self.views.iter().all(all)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(n: usize) -> ObjectKey {
        ObjectKey::namespaced(format!("namespace-{}", n % 10), format!("object-{n}"))
    }

    fn members(count: usize) -> Vec<String> {
        (0..count)
            .map(|n| format!("operator-7c9f5d-{n}-0123abcd"))
            .collect()
    }

    fn view(members: &[String]) -> View {
        View::new(members.iter().map(String::as_str))
    }

    /// Written down once: another build that said otherwise would own what this one owns.
    #[test]
    fn owners_are_the_same_in_each_build() {
        let view = view(&members(3));
        let owner = |n| {
            let owner = view.owner(Place::of(&key(n))).unwrap();
            owner.as_bytes()[16] - b'0'
        };
        let owners: Vec<_> = (0..24).map(owner).collect();
        insta::assert_compact_debug_snapshot!(owners, @"[2, 2, 1, 1, 2, 0, 0, 1, 0, 0, 1, 1, 0, 2, 2, 1, 0, 1, 1, 2, 0, 1, 1, 0]");
        let cluster = ObjectKey {
            namespace: None,
            name: "a".into(),
        };
        insta::assert_compact_debug_snapshot!((Place::of(&cluster), mix(fnv(*b"a"))), @"(Place(6980058099257063764), 9413272369427828315)");
    }

    #[test]
    fn shares_are_even() {
        for count in [2, 3, 5, 10, 50] {
            let view = view(&members(count));
            let mut shares = BTreeMap::<_, f64>::new();
            for n in 0..20_000 {
                *shares.entry(view.owner(Place::of(&key(n))).unwrap()).or_default() += 1.0;
            }
            assert_eq!(shares.len(), count);
            let expected = 20_000.0 / f64::from(u32::try_from(count).unwrap());
            // Five standard deviations of a fair draw.
            let margin = 5.0 * expected.sqrt();
            assert!(
                shares.values().all(|share| (share - expected).abs() < margin),
                "{count}: {shares:?}"
            );
        }
    }

    /// One that comes takes its share and moves nothing else; one that goes gives its own back alone.
    #[test]
    fn a_member_moves_its_share_and_no_more() {
        for count in [1, 2, 4, 9] {
            let all = members(count + 1);
            let (before, after) = (view(&all[..count]), view(&all));
            let mut moved = 0_usize;
            for n in 0..20_000 {
                let place = Place::of(&key(n));
                let (from, to) = (before.owner(place).unwrap(), after.owner(place).unwrap());
                if from != to {
                    assert_eq!(to, all[count], "a key moved between those who stayed");
                    moved += 1;
                }
            }
            let expected = 20_000 / (count + 1);
            assert!(moved.abs_diff(expected) < expected / 10, "{moved} of {expected}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_members_is_no_matter(names in prop::collection::vec("[a-z]{1,8}", 1..8), n in any::<usize>()) {
            let mut turned = names.clone();
            turned.reverse();
            let (one, other) = (view(&names), view(&turned));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(&View::read(Some(&one.write())), &one);
            prop_assert_eq!(one.owner(Place(n as u64)), other.owner(Place(n as u64)));
        }
    }

    #[test]
    fn what_cannot_be_read_gives_nobody_a_key() {
        let place = Place::of(&key(0));
        for text in [None, Some(""), Some("a,b"), Some("2:a"), Some("1:")] {
            assert_eq!(View::read(text).owner(place), None, "{text:?}");
        }
        let mut votes = Votes::none("a");
        votes.add(&View::new(["a"]));
        assert!(!votes.give(place));
        let mut votes = Votes::of("a", &[View::new(["a"])]);
        assert!(votes.give(place));
        votes.add(&View::nobody());
        assert!(!votes.give(place));
    }
}
