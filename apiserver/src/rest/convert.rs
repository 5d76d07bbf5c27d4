//! Between the served and the stored version of an object.
//!
//! **Invariant:** what is shown has come all the way from its stored to its served version: a [`Served`] is made by
//! [`Engine::served`] alone. Defaults are filled in at the version that a client writes and at the one that is stored, never
//! at the one that is read (VER-9); reading never writes (API-58).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::conversion::{self, ObjectConverter};
use crate::engine::Engine;
use crate::registry::{Conversion, CustomVersion, GroupVersionResource, Origin, ResourceInfo};
use crate::status::Result;
use crate::storage::Entry;

/// Event fields that the two groups name differently: (core, events.k8s.io).
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Whether the resource is served as it is stored.
fn is_identity(info: &ResourceInfo) -> bool {
    info.gvr == info.storage
}

/// Turns a served object of a built-in kind into a stored one.
pub(super) fn to_storage(object: &mut Value, info: &ResourceInfo) {
    if is_identity(info) {
        return;
    }
    set_type(object, info, &info.storage.api_version());
    if info.gvr.group == "events.k8s.io" {
        for (core, event) in EVENT_FIELDS {
            rename(object, event, core);
        }
    }
}

/// Turns a stored object of a built-in kind into a served one.
pub(super) fn to_served(object: &mut Value, info: &ResourceInfo) {
    if is_identity(info) {
        return;
    }
    set_type(object, info, &info.gvr.api_version());
    if info.gvr.group == "events.k8s.io" {
        for (core, event) in EVENT_FIELDS {
            rename(object, core, event);
        }
    }
}

/// Writes apiVersion and kind, which a built-in's body may lack.
pub(super) fn set_type(object: &mut Value, info: &ResourceInfo, api_version: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".into(), api_version.into());
        map.insert("kind".into(), info.kind.as_str().into());
    }
}

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(map) = object.as_object_mut()
        && let Some(value) = map.remove(from)
    {
        map.insert(to.into(), value);
    }
}

fn api_version(object: &Value) -> &str {
    object["apiVersion"].as_str().unwrap_or_default()
}

/// Brings a stored custom resource to the present schema of the version that it was stored at: defaults come, unknown
/// fields go.
fn renew(object: &mut Value, custom: &CustomVersion) {
    if let Some(schema) = custom.schema_of(api_version(object)) {
        kubewright_schema::prepare(object, schema);
    }
}

/// Drops of a converted object what its new version does not know. No defaults: they would be another object each time
/// that somebody reads it at another version.
fn cut(object: &mut Value, custom: &CustomVersion) {
    if let Some(schema) = custom.schema_of(api_version(object)) {
        kubewright_schema::normalize_numbers(object);
        kubewright_schema::drop_nulls(object, schema);
        kubewright_schema::prune(object, schema);
    }
}

/// A stored object for which everything is done that takes a converter's time.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    entry: Arc<Entry>,
    /// Whether the entry holds the object as it is served, rather than as it is stored.
    converted: bool,
}

impl Served {
    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The object as `info` serves it, which is the resource that it was made for.
    pub(crate) fn object(&self, info: &ResourceInfo) -> Cow<'_, Value> {
        let stored = &self.entry.value;
        match &info.origin {
            _ if self.converted => Cow::Borrowed(stored),
            Origin::BuiltIn if is_identity(info) => Cow::Borrowed(stored),
            Origin::BuiltIn => {
                let mut object = stored.clone();
                to_served(&mut object, info);
                Cow::Owned(object)
            }
            Origin::Custom(custom) => {
                let mut object = stored.clone();
                renew(&mut object, custom);
                let served = info.gvr.api_version();
                if api_version(&object) != served {
                    set_type(&mut object, info, &served);
                    cut(&mut object, custom);
                }
                Cow::Owned(object)
            }
        }
    }

    /// The same object stamped with another revision.
    pub(crate) fn at(&self, revision: u64) -> Self {
        let Entry { key, value, .. } = &*self.entry;
        Self {
            entry: Arc::new(Entry::new(key.clone(), value.clone(), revision)),
            converted: self.converted,
        }
    }

    /// Its JSON, made once for all readers.
    pub(crate) fn json(&self, info: &Arc<ResourceInfo>) -> Bytes {
        self.entry.rendered(info, || {
            serde_json::to_vec(&*self.object(info)).unwrap_or_default().into()
        })
    }

    /// Labels and annotations, the name and what else is in metadata, as it is served; so cheap that selectors and tables may ask
    /// for it. Without a converter's doing metadata is the same in all versions.
    pub(crate) fn with_metadata(&self) -> &Value {
        &self.entry.value
    }
}

impl Engine {
    /// The converter that objects need which stand at `from` and are wanted at `to`; none where the server can do it
    /// itself.
    ///
    /// # Errors
    /// 500 where the CRD has no such version.
    fn converter(
        &self,
        info: &ResourceInfo,
        from: &str,
        to: &str,
    ) -> Result<Option<Arc<dyn ObjectConverter>>> {
        let Origin::Custom(custom) = &info.origin else {
            return Ok(None);
        };
        if from == to {
            return Ok(None);
        }
        if custom.schema_of(from).is_none() {
            return Err(conversion::failure(format!(
                "request to convert CR from an invalid group/version: {from}"
            )));
        }
        Ok(match &custom.conversion {
            Conversion::None => None,
            Conversion::Webhook(hook) => {
                let stored = &custom.storage_version;
                Some(self.hooks().converter(&info.gvr.group, &info.kind, hook, stored))
            }
        })
    }

    /// Objects of a CRD at another version of it, each from its own. Nothing is pruned.
    pub(crate) async fn convert(&self, info: &ResourceInfo, object: Value, to: &str) -> Result<Value> {
        match self.converter(info, api_version(&object), to)? {
            None => {
                let mut object = object;
                set_type(&mut object, info, to);
                Ok(object)
            }
            Some(converter) => {
                let mut objects = conversion::convert(&*converter, vec![object], to).await?;
                objects
                    .pop()
                    .ok_or_else(|| conversion::failure("a converted object is lost"))
            }
        }
    }

    /// An object of a request where the same object is served, or could be.
    pub(crate) async fn convert_to(
        &self,
        info: &ResourceInfo,
        mut object: Value,
        to: &GroupVersionResource,
    ) -> Result<Value> {
        if info.is_custom() {
            return self.convert(info, object, &to.api_version()).await;
        }
        let snapshot = self.registry().snapshot();
        let place = |api_version: &str| {
            let mut places = snapshot.iter().filter(|place| place.storage == info.storage);
            places
                .find(|place| place.gvr.api_version() == api_version)
                .cloned()
        };
        if let (Some(from), Some(to)) = (place(api_version(&object)), place(&to.api_version())) {
            to_storage(&mut object, &from);
            to_served(&mut object, &to);
        }
        Ok(object)
    }

    /// A stored object, ready to be shown.
    ///
    /// # Errors
    /// 500 where it cannot be converted.
    pub(crate) async fn served(&self, info: &Arc<ResourceInfo>, entry: Arc<Entry>) -> Result<Served> {
        let to = info.gvr.api_version();
        let Some(converter) = self.converter(info, api_version(&entry.value), &to)? else {
            return Ok(Served {
                entry,
                converted: false,
            });
        };
        // Readers that come at once wait for the first of them.
        let form = entry.form(info);
        let converted = form
            .get_or_try_init(async || {
                let object = renewed(info, &entry.value);
                let mut objects = conversion::convert(&*converter, vec![object], &to).await?;
                let object = objects.pop().unwrap_or_default();
                Ok::<_, crate::status::ApiError>(form_of(info, &entry, object))
            })
            .await?;
        Ok(Served {
            entry: converted.clone(),
            converted: true,
        })
    }

    /// Stored objects, ready to be shown; all that need a converter go to it together.
    ///
    /// # Errors
    /// 500 where one of them cannot be converted.
    pub(crate) async fn all_served(
        &self,
        info: &Arc<ResourceInfo>,
        entries: Vec<Arc<Entry>>,
    ) -> Result<Vec<Served>> {
        let to = info.gvr.api_version();
        let mut all = Vec::with_capacity(entries.len());
        let mut due = Vec::new();
        let mut with = None;
        for entry in entries {
            let mut served = Served {
                entry,
                converted: false,
            };
            if let Some(converter) = self.converter(info, api_version(&served.entry.value), &to)? {
                match served.entry.form(info).get() {
                    Some(form) => {
                        served = Served {
                            entry: form.clone(),
                            converted: true,
                        }
                    }
                    None => {
                        due.push(all.len());
                        with = Some(converter);
                    }
                }
            }
            all.push(served);
        }
        let Some(converter) = with else { return Ok(all) };
        let objects: Vec<Value> = due
            .iter()
            .map(|index| renewed(info, &all[*index].entry.value))
            .collect();
        let converted = conversion::convert(&*converter, objects, &to).await?;
        for (index, object) in due.into_iter().zip(converted) {
            let served = &mut all[index];
            let form = form_of(info, &served.entry, object);
            // Somebody may have been faster; both are right.
            let _ = served.entry.form(info).set(form.clone());
            *served = Served {
                entry: form,
                converted: true,
            };
        }
        Ok(all)
    }

    /// An object of any version of its kind as it is to be stored.
    ///
    /// # Errors
    /// 500 where it cannot be converted.
    pub(crate) async fn stored(&self, info: &ResourceInfo, mut object: Value) -> Result<Value> {
        match &info.origin {
            Origin::BuiltIn => to_storage(&mut object, info),
            Origin::Custom(custom) => {
                let storage = info.storage.api_version();
                if api_version(&object) != storage {
                    object = self.convert(info, object, &storage).await?;
                    cut(&mut object, custom);
                }
            }
        }
        Ok(object)
    }
}

fn renewed(info: &ResourceInfo, stored: &Value) -> Value {
    let mut object = stored.clone();
    if let Origin::Custom(custom) = &info.origin {
        renew(&mut object, custom);
    }
    object
}

/// An entry that holds a converted object in place of the stored one.
fn form_of(info: &ResourceInfo, stored: &Entry, mut object: Value) -> Arc<Entry> {
    if let Origin::Custom(custom) = &info.origin {
        cut(&mut object, custom);
    }
    Arc::new(Entry::new(stored.key.clone(), object, stored.revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_of_both_groups_are_one_object() {
        let info = crate::registry::builtin::resources()
            .iter()
            .find(|info| info.gvr.group == "events.k8s.io")
            .expect("events are served");
        let served = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"}, "note": "x",
            "regarding": {"name": "b"}, "reportingController": "c", "series": {"count": 2}, "type": "Normal",
        });
        let mut object = served.clone();
        to_storage(&mut object, info);
        assert_eq!(
            object,
            json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "message": "x",
                "involvedObject": {"name": "b"}, "reportingComponent": "c", "series": {"count": 2}, "type": "Normal",
            })
        );
        to_served(&mut object, info);
        assert_eq!(object, served);
    }
}
