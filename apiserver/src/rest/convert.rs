//! Between the served and the stored version of an object.
//!
//! **Invariant:** converting to the storage version and back changes nothing but what the target version cannot
//! say; reading never writes (API-58).

use serde_json::Value;

use crate::registry::ResourceInfo;

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
pub(super) fn is_identity(info: &ResourceInfo) -> bool {
    info.gvr == info.storage
}

/// Turns a served object into a stored one.
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

/// Turns a stored object into a served one.
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
