//! Which changes concern a controller.
//!
//! **Invariant:** a predicate sees changes only; it cannot make a controller act on an object that did not change.

use std::sync::Arc;

use crate::cache::Delta;
use crate::kind::Kind;

/// Decides whether a change is of interest. Combine with [`and`](Self::and), [`or`](Self::or), [`not`](Self::not).
pub struct Predicate<K>(Accepts<K>);

type Accepts<K> = Arc<dyn Fn(&Delta<K>) -> bool + Send + Sync>;

impl<K> Clone for Predicate<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> std::fmt::Debug for Predicate<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Predicate")
    }
}

impl<K: Kind> Predicate<K> {
    /// A predicate from a function of the change.
    pub fn new(accepts: impl Fn(&Delta<K>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(accepts))
    }

    /// Updates that change `metadata.generation`, that is, of most kinds, the spec; additions and deletions.
    /// Resyncs pass not.
    pub fn generation_changed() -> Self {
        Self::changed(|object| object.meta().generation)
    }

    /// Updates that change the resource version, which leaves out resyncs; additions and deletions.
    pub fn resource_version_changed() -> Self {
        Self::new(|delta| !delta.is_resync())
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
        Self::new(move |delta| delta.old().is_none_or(|old| of(old) != of(delta.object())))
    }

    /// Whether `delta` passes.
    pub fn accepts(&self, delta: &Delta<K>) -> bool {
        (self.0)(delta)
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self::new(move |delta| self.accepts(delta) && other.accepts(delta))
    }

    /// At least one of both.
    pub fn or(self, other: Self) -> Self {
        Self::new(move |delta| self.accepts(delta) || other.accepts(delta))
    }

    /// The opposite.
    #[allow(clippy::should_implement_trait)] // reads as the other two do
    pub fn not(self) -> Self {
        Self::new(move |delta| !self.accepts(delta))
    }
}
