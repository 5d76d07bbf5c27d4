//! All objects of a store replaced in one step.
//!
//! **Invariant:** until the commit the store is as it was; after it, it is as if it had been so from the first on.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use hashbrown::HashSet;
use kube::Resource;

use super::delta::{Earlier, News};
use super::keeping::Patience;
use super::store::{IndexFn, PARTS, Store, Values, index_object, read, values, write};
use super::table::{At, Entry, Index, Table, Weighed};
use crate::kind::ObjectKey;

/// An object that is to be kept, with its values for the indexes that there were when it came.
pub(crate) struct Incoming<K> {
    pub(super) object: Weighed<K>,
    pub(super) values: Values,
}

#[cfg(test)]
impl<K> Incoming<K> {
    pub(super) fn entry(&self) -> &Entry<K> {
        &self.object.entry
    }
}

/// What a replacement changed of one object; decoded by who asks.
pub(super) enum Difference<K> {
    Added(Entry<K>),
    Updated { old: Entry<K>, new: Entry<K> },
    Vanished(Entry<K>),
}

impl<K: Resource> Difference<K> {
    pub(super) fn news(self, store: &Store<K>) -> News<K> {
        match self {
            Self::Added(new) => News::Added(new),
            Self::Updated { old, new } => News::Updated {
                old: Earlier::of(old, store),
                new,
            },
            Self::Vanished(old) => News::vanished(old),
        }
    }
}

/// New tables beside the present ones. Other writers wait until it is committed or dropped.
pub(crate) struct Replacement<'a, K> {
    store: &'a Store<K>,
    parts: [Table<K>; PARTS],
    indexes: Vec<Index>,
    differences: Vec<Difference<K>>,
    _writing: MutexGuard<'a, Vec<IndexFn<K>>>,
}

/// What stands in a new table.
struct Standing<K> {
    at: At,
    values: Values,
    difference: Option<[Option<Difference<K>>; 2]>,
}

impl<'a, K: Resource> Replacement<'a, K> {
    pub(super) fn new(store: &'a Store<K>, objects: Vec<Incoming<K>>, keep: &[ObjectKey]) -> Self {
        let hasher = &store.inner.hasher;
        let functions = store.writing();
        let names: Vec<_> = read(&store.inner.indexes)
            .iter()
            .map(|index| index.name.clone())
            .collect();
        let mut fresh: [Table<K>; PARTS] = std::array::from_fn(|_| Table::default());
        let mut indexes: Vec<_> = names.into_iter().map(Index::new).collect();
        let mut standing = Vec::with_capacity(objects.len());
        let mut differences = Vec::new();
        {
            let parts = store.parts();
            let mut twice = false;
            for Incoming { mut object, values } in objects {
                let entry = object.entry.clone();
                let identity = entry.identity();
                let (part, namespace) = store.hashed(identity.namespace);
                let old = parts[part]
                    .find(hasher, namespace, identity.name)
                    .and_then(|old| parts[part].weighed(old));
                let difference = match old {
                    Some(old) if old.entry.identity().is_same_version(&identity) => {
                        object = old;
                        None
                    }
                    Some(old) => {
                        let (old, new) = (old.entry, entry.clone());
                        let is_same = old.identity().uid == identity.uid;
                        Some(match is_same {
                            true => [Some(Difference::Updated { old, new }), None],
                            false => [Some(Difference::Vanished(old)), Some(Difference::Added(new))],
                        })
                    }
                    None => Some([Some(Difference::Added(entry.clone())), None]),
                };
                let (slot, before) = fresh[part].set(hasher, namespace, object);
                twice |= before.is_some();
                standing.push(Standing {
                    at: At::new(part, slot),
                    values,
                    difference,
                });
            }
            if twice {
                let mut seen = HashSet::new();
                standing.reverse();
                standing.retain(|standing: &Standing<K>| seen.insert(standing.at));
                standing.reverse();
            }
            for key in keep {
                let (part, namespace) = store.hashed(key.namespace.as_deref().unwrap_or_default());
                if fresh[part].find(hasher, namespace, &key.name).is_none()
                    && let Some(old) = parts[part].find(hasher, namespace, &key.name)
                    && let Some(old) = parts[part].weighed(old)
                {
                    let (slot, _) = fresh[part].set(hasher, namespace, old);
                    standing.push(Standing {
                        at: At::new(part, slot),
                        values: Values::new(),
                        difference: None,
                    });
                }
            }
            for standing in &mut standing {
                differences.extend(standing.difference.take().into_iter().flatten().flatten());
            }
            for (part, fresh) in parts.iter().zip(&mut fresh) {
                fresh.shrink();
                for old in part.entries() {
                    let identity = old.identity();
                    let (_, namespace) = store.hashed(identity.namespace);
                    if fresh.find(hasher, namespace, identity.name).is_none() {
                        differences.push(Difference::Vanished(old.clone()));
                    }
                }
            }
        }
        if !functions.is_empty() {
            for Standing {
                at, values: known, ..
            } in &mut standing
            {
                // Functions may have come since, and what was kept has no values at hand.
                if known.len() < functions.len()
                    && let Some(entry) = fresh[at.part()].slot(at.slot()).and_then(|slot| slot.entry())
                    && let Some(object) = store.open(entry)
                {
                    let later = values(&functions[known.len()..], &object);
                    known.extend(later);
                }
                index_object(&mut indexes, known, *at);
            }
        }
        Self {
            store,
            parts: fresh,
            indexes,
            differences,
            _writing: functions,
        }
    }

    /// Lets readers see the new state, and says what changed.
    pub(super) fn commit(mut self) -> Vec<Difference<K>> {
        let inner = &*self.store.inner;
        {
            let mut indexes = write(&inner.indexes);
            let mut parts: Vec<_> = inner.parts.iter().map(|part| write(&part.0)).collect();
            let mut weight = 0;
            for (part, fresh) in parts.iter_mut().zip(&mut self.parts) {
                weight += fresh.tally().weight;
                std::mem::swap(&mut **part, fresh);
            }
            std::mem::swap(&mut *indexes, &mut self.indexes);
            inner.weight.store(weight, Ordering::Relaxed);
            inner.synced.store(true, Ordering::Release);
        }
        let Self {
            store,
            parts,
            differences,
            _writing,
            ..
        } = self;
        // What was replaced is dropped here, where nobody waits for it.
        drop((parts, _writing));
        store.settle(Patience::Writer);
        differences
    }
}
