//! Sets of fields.
//!
//! **Invariant:** an entry is a member or leads to members; there are no empty branches, so equal sets are equal trees.

use std::collections::BTreeMap;
use std::fmt;

use super::path::{self, Path, PathElement};
use super::types::{TypeId, Types};

/// A set of fields. A field may be a member with and without the fields below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    pub(super) entries: BTreeMap<PathElement, Entry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) member: bool,
    pub(super) below: FieldSet,
}

impl Entry {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        let entries = self.entries.values();
        entries
            .map(|entry| usize::from(entry.member) + entry.below.len())
            .sum()
    }

    /// Makes a field a member; the fields that it lies in do not become members. Nothing happens for the empty path.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let entry = self.entries.entry(first.clone()).or_default();
        match rest {
            [] => entry.member = true,
            rest => entry.below.insert(rest),
        }
    }

    /// Whether a field is a member.
    pub fn has(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.entries.get(last).is_some_and(|entry| entry.member),
            [first, rest @ ..] => self.entries.get(first).is_some_and(|entry| entry.below.has(rest)),
        }
    }

    /// The members below an element, as paths that begin behind it.
    pub fn below(&self, element: &PathElement) -> Option<&FieldSet> {
        let entry = self.entries.get(element)?;
        (!entry.below.is_empty()).then_some(&entry.below)
    }

    /// Members of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.add_all(other);
        union
    }

    /// Takes in the members of another, whose size alone matters for the time.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (element, theirs) in &other.entries {
            match self.entries.get_mut(element) {
                Some(own) => {
                    own.member |= theirs.member;
                    own.below.add_all(&theirs.below);
                }
                None => {
                    self.entries.insert(element.clone(), theirs.clone());
                }
            }
        }
    }

    /// Members of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.pick(|element, own| {
            let theirs = other.entries.get(element)?;
            Some(Entry {
                member: own.member && theirs.member,
                below: own.below.intersection(&theirs.below),
            })
        })
    }

    /// Members of this set that are not of the other. A field does not stand for the fields below it.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.pick(|element, own| {
            Some(match other.entries.get(element) {
                None => own.clone(),
                Some(theirs) => Entry {
                    member: own.member && !theirs.member,
                    below: own.below.difference(&theirs.below),
                },
            })
        })
    }

    /// Members of this set that are neither of the other nor below one of its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.pick(|element, own| match other.entries.get(element) {
            None => Some(own.clone()),
            Some(theirs) if theirs.member => None,
            Some(theirs) => Some(Entry {
                member: own.member,
                below: own.below.recursive_difference(&theirs.below),
            }),
        })
    }

    /// Members with no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        self.pick(|_, own| {
            Some(Entry {
                member: own.member && own.below.is_empty(),
                below: own.below.leaves(),
            })
        })
    }

    fn pick(&self, mut choose: impl FnMut(&PathElement, &Entry) -> Option<Entry>) -> Self {
        let entries = self.entries.iter();
        let entries = entries
            .filter_map(|(element, entry)| Some((element, choose(element, entry)?)))
            .filter(|(_, entry)| !entry.is_empty())
            .map(|(element, entry)| (element.clone(), entry));
        Self {
            entries: entries.collect(),
        }
    }

    /// With each declared field of a type that leads to members: such fields go when all that is in them goes, the
    /// keys of maps do not.
    pub(super) fn with_named_fields(&self, types: &Types, id: Option<TypeId>) -> Self {
        let atom = id.map(|id| types.atom(id));
        let map = atom.and_then(|atom| atom.map.as_ref());
        let list = atom.and_then(|atom| atom.list.as_ref());
        self.pick(|element, own| {
            let declared = match element {
                PathElement::Field(name) => map.and_then(|map| map.field(name)),
                _ => None,
            };
            let below = match element {
                PathElement::Field(_) => declared
                    .map(|field| field.id)
                    .or_else(|| map.and_then(|map| map.element)),
                PathElement::Key(_) => list.map(|list| list.element),
                _ => None,
            };
            Some(Entry {
                member: own.member || (declared.is_some() && !own.below.is_empty()),
                below: own.below.with_named_fields(types, below),
            })
        })
    }

    /// All members, each before those below it.
    pub fn paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect(&self, prefix: &mut Path, found: &mut Vec<Path>) {
        // Upstream lists the members of a level before it goes deeper.
        for (element, entry) in &self.entries {
            if entry.member {
                prefix.push(element.clone());
                found.push(prefix.clone());
                prefix.pop();
            }
        }
        for (element, entry) in &self.entries {
            if !entry.below.is_empty() {
                prefix.push(element.clone());
                entry.below.collect(prefix, found);
                prefix.pop();
            }
        }
    }
}

impl<'a> FromIterator<&'a [PathElement]> for FieldSet {
    fn from_iter<I: IntoIterator<Item = &'a [PathElement]>>(paths: I) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path);
        }
        set
    }
}

impl FromIterator<Path> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Path>>(paths: I) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&path);
        }
        set
    }
}

/// One path a line.
impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.paths().iter().map(|path| path::to_text(path)).collect();
        f.write_str(&lines.join("\n"))
    }
}
