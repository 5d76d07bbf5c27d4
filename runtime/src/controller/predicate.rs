//! Which changes concern a controller.
//!
//! **Invariant:** a predicate sees changes only; it cannot make a controller act on an object that did not change.

use std::sync::Arc;

use crate::cache::{Cached, Delta, Glance};

/// Decides whether a change is of interest. Combine with [`and`](Self::and), [`or`](Self::or), [`not`](Self::not).
///
/// An object that its cache keeps packed is decoded for a predicate that looks at it; the predicates here that tell
/// additions, deletions and resyncs apart from updates do so without.
pub struct Predicate<K> {
    accepts: Arc<Accepts<K>>,
    glance: Arc<Foretells>,
}

type Accepts<K> = dyn Fn(&Delta<K>) -> bool + Send + Sync;
/// What `accepts` says of each change of a sort, where it says the same of all.
type Foretells = dyn Fn(Glance) -> Option<bool> + Send + Sync;

impl<K> Clone for Predicate<K> {
    fn clone(&self) -> Self {
        Self {
            accepts: Arc::clone(&self.accepts),
            glance: Arc::clone(&self.glance),
        }
    }
}

impl<K> std::fmt::Debug for Predicate<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Predicate")
    }
}

impl<K: Cached> Predicate<K> {
    /// A predicate from a function of the change.
    pub fn new(accepts: impl Fn(&Delta<K>) -> bool + Send + Sync + 'static) -> Self {
        Self::foretold(accepts, |_| None)
    }

    /// A predicate that is known for some sorts of changes without a look at the object.
    fn foretold(
        accepts: impl Fn(&Delta<K>) -> bool + Send + Sync + 'static,
        glance: impl Fn(Glance) -> Option<bool> + Send + Sync + 'static,
    ) -> Self {
        Self {
            accepts: Arc::new(accepts),
            glance: Arc::new(glance),
        }
    }

    /// Updates for which `of` gives something else than before, and nothing else.
    pub(super) fn turned<T: PartialEq>(of: impl Fn(&K) -> T + Send + Sync + 'static) -> Self {
        Self::foretold(
            move |delta| delta.old().is_some_and(|old| of(old) != of(delta.object())),
            |glance| match glance {
                Glance::Updated => None,
                Glance::Added | Glance::Again | Glance::Deleted => Some(false),
            },
        )
    }

    /// Updates that change `metadata.generation`, that is, of most kinds, the spec; additions and deletions.
    /// Resyncs pass not.
    pub fn generation_changed() -> Self {
        Self::changed(|object| object.meta().generation)
    }

    /// Updates that change the resource version, which leaves out resyncs; additions and deletions.
    pub fn resource_version_changed() -> Self {
        Self::foretold(|delta| !delta.is_resync(), |glance| Some(glance != Glance::Again))
    }

    /// Updates that change the labels; additions and deletions.
    pub fn labels_changed() -> Self {
        Self::changed(|object| object.meta().labels.clone())
    }

    /// Updates that change the annotations; additions and deletions.
    pub fn annotations_changed() -> Self {
        Self::changed(|object| object.meta().annotations.clone())
    }

    /// Objects that carry the label `key` with `value`, before the change or after it.
    pub fn has_label(key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        let has = move |object: &K| {
            let labels = object.meta().labels.as_ref();
            labels.and_then(|labels| labels.get(&key)) == Some(&value)
        };
        Self::new(move |delta| has(delta.object()) || delta.old().is_some_and(|old| has(old)))
    }

    /// Updates for which `of` gives something else than before; additions and deletions.
    pub fn changed<T: PartialEq>(of: impl Fn(&K) -> T + Send + Sync + 'static) -> Self {
        Self::foretold(
            move |delta| delta.old().is_none_or(|old| of(old) != of(delta.object())),
            |glance| match glance {
                Glance::Added | Glance::Deleted => Some(true),
                Glance::Updated | Glance::Again => None,
            },
        )
    }

    /// Whether `delta` passes.
    pub fn accepts(&self, delta: &Delta<K>) -> bool {
        (self.accepts)(delta)
    }

    /// Whether a change of that sort passes, where no look at the object is needed to tell.
    pub(crate) fn foretells(&self, glance: Glance) -> Option<bool> {
        (self.glance)(glance)
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        let glances = (Arc::clone(&self.glance), Arc::clone(&other.glance));
        Self::foretold(
            move |delta| self.accepts(delta) && other.accepts(delta),
            move |glance| match ((glances.0)(glance), (glances.1)(glance)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
        )
    }

    /// At least one of both.
    pub fn or(self, other: Self) -> Self {
        let glances = (Arc::clone(&self.glance), Arc::clone(&other.glance));
        Self::foretold(
            move |delta| self.accepts(delta) || other.accepts(delta),
            move |glance| match ((glances.0)(glance), (glances.1)(glance)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        )
    }

    /// The opposite.
    #[allow(clippy::should_implement_trait)] // reads as the other two do
    pub fn not(self) -> Self {
        let before = Arc::clone(&self.glance);
        Self::foretold(
            move |delta| !self.accepts(delta),
            move |glance| before(glance).map(|passes| !passes),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::cache::LastState;

    fn map(metadata: Value) -> Arc<ConfigMap> {
        let metadata = serde_json::from_value(metadata).unwrap();
        Arc::new(ConfigMap {
            metadata,
            ..ConfigMap::default()
        })
    }

    fn update(old: Value, new: Value) -> Delta<ConfigMap> {
        Delta::Updated {
            old: map(old).into(),
            new: map(new),
        }
    }

    /// Generation, labels and annotations changed, each alone; nothing but the version; nothing at all.
    fn updates() -> [Delta<ConfigMap>; 5] {
        let old = || json!({"name": "a", "resourceVersion": "1", "generation": 1});
        let new = |field: &str, value: Value| {
            let mut new = old();
            new["resourceVersion"] = json!("2");
            new[field] = value;
            update(old(), new)
        };
        [
            new("generation", json!(2)),
            new("labels", json!({"a": "b"})),
            new("annotations", json!({"a": "b"})),
            new("resourceVersion", json!("2")),
            update(old(), old()),
        ]
    }

    fn passed(predicate: &Predicate<ConfigMap>) -> [bool; 5] {
        updates().map(|delta| predicate.accepts(&delta))
    }

    #[test]
    fn updates_pass_for_what_changed() {
        let table = [
            (
                Predicate::generation_changed(),
                [true, false, false, false, false],
            ),
            (Predicate::labels_changed(), [false, true, false, false, false]),
            (
                Predicate::annotations_changed(),
                [false, false, true, false, false],
            ),
            (
                Predicate::resource_version_changed(),
                [true, true, true, true, false],
            ),
            (
                Predicate::changed(|map: &ConfigMap| {
                    map.metadata.generation.map(|generation| generation > 1)
                }),
                [true, false, false, false, false],
            ),
        ];
        for (n, (predicate, expected)) in table.iter().enumerate() {
            assert_eq!(passed(predicate), *expected, "row {n}");
            // Whoever comes or goes passes always.
            for state in [LastState::Final, LastState::LastKnown] {
                let object = map(json!({"name": "a"}));
                assert!(predicate.accepts(&Delta::Deleted { object, state }), "row {n}");
            }
            assert!(
                predicate.accepts(&Delta::Added(map(json!({"name": "a"})))),
                "row {n}"
            );
        }
    }

    #[test]
    fn a_label_counts_before_and_after_the_change() {
        let predicate = Predicate::has_label("app", "x");
        let with = || json!({"name": "a", "labels": {"app": "x"}});
        let without = || json!({"name": "a", "labels": {"app": "y"}});
        let table = [
            (Delta::Added(map(with())), true),
            (Delta::Added(map(without())), false),
            (Delta::Added(map(json!({"name": "a"}))), false),
            (update(with(), without()), true),
            (update(without(), with()), true),
            (update(without(), without()), false),
        ];
        for (n, (delta, expected)) in table.iter().enumerate() {
            assert_eq!(predicate.accepts(delta), *expected, "row {n}");
        }
    }

    #[test]
    fn combine_as_booleans_do() {
        let generation = Predicate::<ConfigMap>::generation_changed;
        let labels = Predicate::<ConfigMap>::labels_changed;
        assert_eq!(passed(&generation().and(labels())), [false; 5]);
        assert_eq!(
            passed(&generation().or(labels())),
            [true, true, false, false, false]
        );
        assert_eq!(passed(&generation().not()), [false, true, true, true, true]);
        assert_eq!(
            passed(
                &generation()
                    .or(labels())
                    .not()
                    .and(Predicate::resource_version_changed())
            ),
            [false, false, true, true, false]
        );
    }
}
