//! Changes objects before a cache keeps them. client-go: `SetTransform`.
//!
//! **Invariant:** a transform never changes which object something is, and one that fails costs that object alone: the
//! cache keeps what it held of it, as for an object that cannot be decoded.

use std::sync::Arc;

use super::reflector::{Change, Intake, Sink};
use super::replacement::Incoming;
use super::target::{Cached, kind_name};
use crate::guard::guarded;
use crate::kind::ObjectKey;

/// A sink that gets objects as `transform` leaves them.
pub(super) struct Transforming<K, F> {
    pub(super) sink: Arc<dyn Sink<K>>,
    pub(super) transform: Arc<F>,
}

/// What says which state of which object something is.
#[derive(PartialEq)]
struct Identity {
    key: ObjectKey,
    uid: Option<String>,
    version: Option<String>,
}

impl Identity {
    fn of<K: Cached>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            key: ObjectKey::of(object),
            uid: meta.uid.clone(),
            version: meta.resource_version.clone(),
        }
    }
}

/// The key of the object where the transform failed, which may have left it half changed.
fn failed<K: Cached>(transform: &impl Fn(&mut K), object: &mut K) -> Option<ObjectKey> {
    let before = Identity::of(object);
    let error = match guarded(|| transform(object)) {
        Ok(()) if Identity::of(object) == before => return None,
        Ok(()) => "it changed namespace, name, uid or resourceVersion".to_owned(),
        Err(panic) => format!("it panicked: {panic}"),
    };
    tracing::error!(
        object.kind = %kind_name::<K>(),
        object = %before.key,
        error,
        "transform failed; the cache keeps what it held of the object"
    );
    Some(before.key)
}

impl<K: Cached, F: Fn(&mut K) + Send + Sync + 'static> Sink<K> for Transforming<K, F> {
    fn intake(&self) -> Intake<K> {
        let (next, transform) = (self.sink.intake(), Arc::clone(&self.transform));
        Arc::new(move |mut object| match failed(&*transform, &mut object) {
            None => next(object),
            Some(key) => Err(key),
        })
    }

    fn replace(&self, objects: Vec<Incoming<K>>, undecodable: &[ObjectKey]) {
        self.sink.replace(objects, undecodable);
    }

    fn apply(&self, changes: Vec<Change<K>>) {
        let transformed = changes.into_iter().filter_map(|change| match change {
            Change::Set(mut object) => failed(&*self.transform, &mut object)
                .is_none()
                .then_some(Change::Set(object)),
            // That it is gone is true all the same.
            Change::Gone(mut object) => Some(match failed(&*self.transform, &mut object) {
                None => Change::Gone(object),
                Some(key) => Change::GoneKey(key),
            }),
            gone @ Change::GoneKey(_) => Some(gone),
        });
        self.sink.apply(transformed.collect());
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::cache::Store;

    fn map(name: &str, version: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        map.metadata.namespace = Some("n".to_owned());
        map.metadata.resource_version = Some(version.to_owned());
        map.data = Some([("secret".to_owned(), "x".to_owned())].into());
        map
    }

    /// Takes the data away, panics for `panics` and renames `renames`, all from version 2 on.
    fn sink(store: &Store<ConfigMap>) -> Transforming<ConfigMap, impl Fn(&mut ConfigMap) + use<>> {
        Transforming {
            sink: Arc::new(store.clone()),
            transform: Arc::new(|map: &mut ConfigMap| {
                map.data = None;
                let meta = &mut map.metadata;
                match meta.name.as_deref() {
                    Some("panics") if meta.resource_version.as_deref() > Some("1") => {
                        panic!("as the test wants it")
                    }
                    Some("renames") if meta.resource_version.as_deref() > Some("1") => {
                        meta.name = Some("other".to_owned());
                    }
                    _ => {}
                }
            }),
        }
    }

    fn held(store: &Store<ConfigMap>) -> Vec<(String, String)> {
        let mut held: Vec<_> = store
            .list()
            .iter()
            .map(|map| {
                assert_eq!(map.data, None);
                let meta = &map.metadata;
                (meta.name.clone().unwrap(), meta.resource_version.clone().unwrap())
            })
            .collect();
        held.sort();
        held
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        expected.iter().map(owned).collect()
    }

    /// The invariant, for lists and for events.
    #[test]
    fn one_that_fails_costs_that_object_alone() {
        let names = ["a", "panics", "renames"];
        let replace = |sink: &dyn Sink<ConfigMap>, version: &str| {
            let (taken, failed): (Vec<_>, Vec<_>) = names
                .map(|name| sink.intake()(map(name, version)))
                .into_iter()
                .partition(Result::is_ok);
            let failed: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
            sink.replace(taken.into_iter().filter_map(Result::ok).collect(), &failed);
        };
        let store = Store::new();
        let sink = sink(&store);
        replace(&sink, "1");
        assert_eq!(
            held(&store),
            pairs(&[("a", "1"), ("panics", "1"), ("renames", "1")])
        );
        replace(&sink, "2");
        assert_eq!(
            held(&store),
            pairs(&[("a", "2"), ("panics", "1"), ("renames", "1")])
        );
        sink.apply(names.map(|name| Change::Set(map(name, "3"))).into());
        assert_eq!(
            held(&store),
            pairs(&[("a", "3"), ("panics", "1"), ("renames", "1")])
        );
        sink.apply(names.map(|name| Change::Gone(map(name, "4"))).into());
        assert_eq!(held(&store), []);
    }
}
