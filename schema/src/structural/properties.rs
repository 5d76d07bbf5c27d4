//! The declared properties of a node, found by what their names begin and end with.
//!
//! **Invariant:** a name is found in a bounded number of steps, whoever chose the names: names that hash badly are
//! looked up by bisection.

use std::fmt;
use std::ops::Deref;

use super::Node;

/// Longest walk over occupied slots that a table may need.
const MAX_PROBES: usize = 32;
/// With as many properties the next one is tried before a search: objects are sorted too, and large ones that set most of
/// what there is leave the processor's nearest memory otherwise. Few properties lie close together anyway.
const MANY: usize = 64;

/// As few are looked at one by one: they need no slots, which would have to come from memory first.
const FEW: usize = 3;

/// Properties, sorted by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties(Option<Box<Table>>);

#[derive(Clone, Debug)]
struct Table {
    entries: Box<[(Name, Node)]>,
    /// Open addressing by hash. Empty if the names are few or hash badly.
    slots: Box<[Slot]>,
    /// Multiplies a mark into its hash, of which the first bits tell the slot.
    factor: u64,
    shift: u32,
    /// Positions of those with a default.
    defaulted: Box<[u32]>,
}

/// A position plus one; 0 is a free slot.
type Slot = u32;

/// The name of a property, beside what tells it from most others without a look at its text.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    mark: Mark,
    text: Box<str>,
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self {
            mark: Mark::of(text),
            text: text.into(),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Name {
    #[inline]
    fn is(&self, mark: Mark, text: &str) -> bool {
        self.is_short(mark, text) && (text.len() <= 16 || same_middle(&self.text, text))
    }

    /// Of up to 16 bytes the mark and the length are all there is.
    #[inline]
    fn is_short(&self, mark: Mark, text: &str) -> bool {
        self.mark == mark && self.text.len() == text.len()
    }
}

/// The first and the last eight bytes of a name; of a shorter one, all in some order.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    head: u64,
    tail: u64,
}

impl Mark {
    #[inline]
    fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            Self {
                head: u64::from_le_bytes(*first),
                tail: u64::from_le_bytes(*last),
            }
        } else {
            Self {
                head: pack(bytes),
                tail: 0,
            }
        }
    }

    /// Spreads names over all 64 bits, the first ones best.
    #[inline]
    fn hash(self, factor: u64) -> u64 {
        (self.head ^ self.tail.rotate_left(23)).wrapping_mul(factor)
    }
}

/// Whether two names of the same length, longer than 16 bytes and with the same [`Mark`], are the same.
#[inline]
fn same_middle(a: &str, b: &str) -> bool {
    // Two words cover what 32 bytes have between their ends, without a call.
    fn words(text: &str) -> Option<(&[u8; 8], &[u8; 8])> {
        let bytes = text.as_bytes();
        let second = bytes.len().checked_sub(16)?;
        Some((
            bytes.get(8..)?.first_chunk()?,
            bytes.get(second..)?.first_chunk()?,
        ))
    }
    if a.len() <= 32 {
        words(a) == words(b)
    } else {
        *a == *b
    }
}

impl Properties {
    /// Sorts the entries, whose names are distinct.
    pub(super) fn new(mut entries: Vec<(Name, Node)>) -> Self {
        if entries.is_empty() {
            return Self(None);
        }
        entries.sort_by(|a, b| (*a.0).cmp(&b.0));
        let (slots, factor, shift) = slots(&entries);
        let defaulted = (0..)
            .zip(&entries)
            .filter(|(_, (_, node))| node.default.is_some())
            .map(|(position, _)| position)
            .collect();
        Self(Some(Box::new(Table {
            entries: entries.into(),
            slots,
            factor,
            shift,
            defaulted,
        })))
    }

    /// The schema of a property.
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.0.as_deref()?.get(Mark::of(name), name)
    }

    /// For names that come in order, mostly.
    #[inline]
    pub(crate) fn in_order(&self) -> InOrder<'_> {
        InOrder {
            table: self.0.as_deref(),
            next: 0,
        }
    }

    /// For names that are only known after the properties.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        let table = self.0.as_deref_mut()?;
        table
            .find(Mark::of(name), name)
            .map(|position| &mut table.entries[position].1)
    }

    /// Those with a default.
    pub(crate) fn defaulted(&self) -> impl ExactSizeIterator<Item = &(Name, Node)> {
        let positions = self.0.as_deref().map(|table| &*table.defaulted);
        positions
            .unwrap_or_default()
            .iter()
            .map(|position| &self[*position as usize])
    }
}

/// Finds properties one after another.
pub(crate) struct InOrder<'a> {
    table: Option<&'a Table>,
    /// The position behind the last one that was found.
    next: usize,
}

impl<'a> InOrder<'a> {
    /// The schema of a property; quickest if names come sorted, yet right in any order.
    #[inline]
    pub(crate) fn get(&mut self, name: &str) -> Option<&'a Node> {
        let table = self.table?;
        let mark = Mark::of(name);
        if table.entries.len() >= MANY {
            return self.get_of_many(mark, name);
        }
        if table.entries.len() <= FEW {
            let mut known = table.entries.iter();
            return known.find(|(at, _)| at.is(mark, name)).map(|(_, node)| node);
        }
        // Mostly a name stands in its first slot or nowhere.
        let slot = table.slots.get(first_slot(mark, table.factor, table.shift));
        let entry = slot.and_then(|slot| table.entries.get((*slot as usize).wrapping_sub(1)));
        match entry {
            Some((at, node)) if name.len() <= 16 && at.is_short(mark, name) => Some(node),
            None if slot == Some(&0) => None,
            _ => table.get(mark, name),
        }
    }

    #[inline(never)]
    fn get_of_many(&mut self, mark: Mark, name: &str) -> Option<&'a Node> {
        let table = self.table?;
        let position = if table.is_at(self.next, mark, name) {
            self.next
        } else {
            table.find(mark, name)?
        };
        self.next = position + 1;
        Some(&table.entries[position].1)
    }
}

impl Table {
    #[inline(never)]
    fn get(&self, mark: Mark, name: &str) -> Option<&Node> {
        self.find(mark, name).map(|position| &self.entries[position].1)
    }

    #[inline]
    fn is_at(&self, position: usize, mark: Mark, name: &str) -> bool {
        self.entries
            .get(position)
            .is_some_and(|(at, _)| at.is(mark, name))
    }

    #[inline]
    fn find(&self, mark: Mark, name: &str) -> Option<usize> {
        if self.slots.is_empty() {
            return if self.entries.len() <= FEW {
                self.entries.iter().position(|(at, _)| at.is(mark, name))
            } else {
                self.bisect(name)
            };
        }
        let mut index = first_slot(mark, self.factor, self.shift);
        loop {
            let slot = self.slots[index & (self.slots.len() - 1)];
            let position = (slot as usize).checked_sub(1)?;
            if self.is_at(position, mark, name) {
                return Some(position);
            }
            index = index.wrapping_add(1);
        }
    }

    #[cold]
    fn bisect(&self, name: &str) -> Option<usize> {
        self.entries.binary_search_by(|(key, _)| (**key).cmp(name)).ok()
    }
}

impl Deref for Properties {
    type Target = [(Name, Node)];

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().map(|table| &*table.entries).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = &'a (Name, Node);
    type IntoIter = std::slice::Iter<'a, (Name, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)]
fn first_slot(mark: Mark, factor: u64, shift: u32) -> usize {
    (mark.hash(factor) >> shift) as usize
}

/// A table with free places, so that each search ends, and how its slots are chosen; empty if a search could be long.
fn slots(entries: &[(Name, Node)]) -> (Box<[Slot]>, u64, u32) {
    /// Small tables try several factors for one under which no name stands in another's place.
    const FACTORS: [u64; 4] = [
        0x9e37_79b9_7f4a_7c15,
        0xff51_afd7_ed55_8ccd,
        0xc4ce_b9fe_1a85_ec53,
        0xd6e8_feb8_6659_fd93,
    ];
    if entries.len() <= FEW {
        return Default::default();
    }
    let size = (entries.len() + entries.len() / 3 + 1).next_power_of_two();
    let shift = 64 - size.trailing_zeros();
    let (few, factors) = if entries.len() < MANY {
        (1, 4)
    } else {
        (MAX_PROBES, 1)
    };
    FACTORS[..factors]
        .iter()
        .find_map(|factor| Some((place(entries, size, *factor, shift, few)?, *factor, shift)))
        .or_else(|| {
            let slots = place(entries, size, FACTORS[0], shift, MAX_PROBES)?;
            Some((slots, FACTORS[0], shift))
        })
        .unwrap_or_default()
}

/// Gives each name a slot, at most a number of steps from its first one.
fn place(
    entries: &[(Name, Node)],
    size: usize,
    factor: u64,
    shift: u32,
    steps: usize,
) -> Option<Box<[Slot]>> {
    let mut slots = vec![0; size];
    for (place, (name, _)) in (1..).zip(entries) {
        let start = first_slot(name.mark, factor, shift);
        let index = (start..start + steps)
            .map(|index| index & (size - 1))
            .find(|index| slots[*index] == 0)?;
        slots[index] = place;
    }
    Some(slots.into())
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
        Properties::new(names.map(|name| (name.as_str().into(), node.clone())).collect())
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

    /// Names of all lengths that have both ends in common, asked for in order and in none.
    #[test]
    fn names_are_told_apart_by_all_their_bytes() {
        for count in [1, 3, 40, 300] {
            let names = || {
                (0..count).flat_map(|n| {
                    let fill = "x".repeat(n % 40);
                    [
                        format!("{fill}{n}"),
                        format!("{n}{fill}"),
                        format!("name-{fill}{n:04}{fill}-name"),
                    ]
                })
            };
            let names: std::collections::BTreeSet<String> = names().chain([String::new()]).collect();
            let found = properties(names.iter().cloned());
            let ordered: Vec<&str> = names.iter().map(String::as_str).collect();
            let turned: Vec<&str> = ordered.iter().rev().copied().collect();
            for order in [ordered, turned] {
                let mut search = found.in_order();
                for name in order {
                    let wanted = found
                        .iter()
                        .find(|(known, _)| **known == *name)
                        .map(|(_, node)| node);
                    assert!(
                        search
                            .get(name)
                            .zip(wanted)
                            .is_some_and(|(a, b)| std::ptr::eq(a, b)),
                        "{name}"
                    );
                    assert!(
                        found
                            .get(name)
                            .zip(wanted)
                            .is_some_and(|(a, b)| std::ptr::eq(a, b)),
                        "{name}"
                    );
                    for unknown in [
                        format!("{name}?"),
                        name.replace('x', "y"),
                        name.replace("e-x", "e-y"),
                    ] {
                        let known = names.contains(&unknown);
                        assert_eq!(search.get(&unknown).is_some(), known, "{unknown}");
                        assert_eq!(found.get(&unknown).is_some(), known, "{unknown}");
                    }
                }
            }
        }
    }

    /// Names that would all begin in one place get no table.
    #[test]
    fn names_that_hash_badly_are_bisected() {
        let found = properties((100..140).map(|n| format!("namename{n}namename")));
        assert!(found.0.as_deref().expect("there are properties").slots.is_empty());
        assert!(found.iter().all(|(name, _)| found.get(name).is_some()));
        assert!(found.get("name").is_none());
    }
}
