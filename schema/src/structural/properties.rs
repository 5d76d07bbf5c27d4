//! The declared properties of a node, found by a hash of their names.
//!
//! **Invariant:** a name is found in a bounded number of steps, whoever chose the names: names that hash badly are
//! looked up by bisection.

use std::ops::Deref;

use super::Node;

/// Longest walk over occupied slots that a table may need.
const MAX_PROBES: usize = 32;

/// Properties, sorted by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties(Option<Box<Table>>);

#[derive(Clone, Debug)]
struct Table {
    entries: Box<[(Box<str>, Node)]>,
    /// Open addressing; empty if the names hash badly or are very many.
    slots: Box<[Slot]>,
    /// Positions of those with a default.
    defaulted: Box<[u32]>,
}

/// Small, so that the table of a usual node takes one or two cache lines.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Part of the hash, so that another name is seldom looked at.
    tag: u16,
    /// Position plus one; 0 if the slot is free.
    place: u16,
}

impl Properties {
    /// Sorts the entries, whose names are distinct.
    pub(super) fn new(mut entries: Vec<(Box<str>, Node)>) -> Self {
        if entries.is_empty() {
            return Self(None);
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let slots = slots(&entries);
        let defaulted = (0..)
            .zip(&entries)
            .filter(|(_, (_, node))| node.default.is_some())
            .map(|(position, _)| position)
            .collect();
        Self(Some(Box::new(Table {
            entries: entries.into(),
            slots,
            defaulted,
        })))
    }

    /// The schema of a property.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        let table = self.0.as_deref()?;
        table.find(name).map(|position| &table.entries[position].1)
    }

    /// For names that are only known after the properties.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        let table = self.0.as_deref_mut()?;
        table.find(name).map(|position| &mut table.entries[position].1)
    }

    /// Those with a default.
    pub(crate) fn defaulted(&self) -> impl ExactSizeIterator<Item = &(Box<str>, Node)> {
        let positions = self.0.as_deref().map(|table| &*table.defaulted);
        positions
            .unwrap_or_default()
            .iter()
            .map(|position| &self[*position as usize])
    }
}

impl Table {
    #[inline]
    fn find(&self, name: &str) -> Option<usize> {
        if self.slots.is_empty() {
            return self.entries.binary_search_by(|(key, _)| (**key).cmp(name)).ok();
        }
        let (mut index, tag) = split(ends(name));
        loop {
            let slot = self.slots[index & (self.slots.len() - 1)];
            let position = usize::from(slot.place).checked_sub(1)?;
            if slot.tag == tag && *self.entries[position].0 == *name {
                return Some(position);
            }
            index = index.wrapping_add(1);
        }
    }
}

impl Deref for Properties {
    type Target = [(Box<str>, Node)];

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().map(|table| &*table.entries).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = &'a (Box<str>, Node);
    type IntoIter = std::slice::Iter<'a, (Box<str>, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A table with free places, so that each search ends; empty if a search could be long.
fn slots(entries: &[(Box<str>, Node)]) -> Box<[Slot]> {
    let Ok(count) = u16::try_from(entries.len()) else {
        return Box::default();
    };
    let size = (entries.len() + entries.len() / 3 + 1).next_power_of_two();
    let mut slots = vec![Slot { tag: 0, place: 0 }; size];
    for (place, (name, _)) in (1..=count).zip(entries) {
        let (start, tag) = split(ends(name));
        let free = (start..start.saturating_add(MAX_PROBES))
            .map(|index| index & (size - 1))
            .find(|index| slots[*index].place == 0);
        let Some(index) = free else {
            return Box::default();
        };
        slots[index] = Slot { tag, place };
    }
    slots.into()
}

/// Where to begin in a table, and a tag.
#[allow(clippy::cast_possible_truncation)]
fn split(hash: u64) -> (usize, u16) {
    ((hash as u32) as usize, (hash >> 48) as u16)
}

/// A hash of both ends of a name, which tell most names apart.
#[inline]
fn ends(name: &str) -> u64 {
    let bytes = name.as_bytes();
    mix(bytes.len() as u64, pack(bytes))
}

/// A quick hash without a secret: whoever chooses bad names gets bisection, no more.
#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut state = bytes.len() as u64;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        state = mix(state, u64::from_le_bytes(*word));
        rest = after;
    }
    // The last word may overlap the one before it.
    match bytes.last_chunk::<8>() {
        Some(word) => mix(state, u64::from_le_bytes(*word)),
        None => mix(state, pack(bytes)),
    }
}

/// The first and the last four bytes as one word; of fewer than four, all.
#[inline]
fn pack(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Takes one word into a hash.
#[inline]
pub(crate) fn mix(state: u64, word: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = (state.rotate_left(5) ^ word).wrapping_mul(ODD);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn properties(names: impl Iterator<Item = String>) -> Properties {
        let node = Node::decode(&json!({"type": "string"}));
        Properties::new(names.map(|name| (name.into(), node.clone())).collect())
    }

    /// The module's invariant, in both forms.
    #[test]
    fn names_are_found_in_tables_and_without() {
        let many: Vec<String> = (0..5000).map(|n| format!("property{n}")).collect();
        let found = properties(many.iter().cloned());
        let mut without = found.clone();
        let table = without.0.as_deref_mut().expect("there are properties");
        assert!(!std::mem::take(&mut table.slots).is_empty());
        for properties in [&found, &without] {
            assert!(many.iter().all(|name| properties.get(name).is_some()));
            for unknown in ["", "property", "property5000", "p", "property-1234"] {
                assert!(properties.get(unknown).is_none(), "{unknown}");
            }
        }
        assert!(properties(std::iter::empty()).get("").is_none());
        assert!(properties(std::iter::once(String::new())).get("").is_some());
    }

    /// Names that would all begin in one place get no table.
    #[test]
    fn names_that_hash_badly_are_bisected() {
        let found = properties((100..140).map(|n| format!("name{n}name")));
        assert!(found.0.as_deref().expect("there are properties").slots.is_empty());
        assert!(found.iter().all(|(name, _)| found.get(name).is_some()));
        assert!(found.get("name").is_none());
    }
}
