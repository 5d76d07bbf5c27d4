//! Two CRDs side by side: what stands around the schemas.

use serde_json::{Map, Value};

use super::Verdict::{self, Breaking, Safe, Undecided};
use super::{Change, ChangeKind, walk};
use crate::crd;
use crate::structural::Node;

/// The differences of two CRDs: names, scope, versions, subresources, and the schema of each version that both have.
///
/// Both are read as a server stores them: decoded and with its defaults. What is no CRD is compared as far as it
/// goes; [`crd::validate`] tells what is wrong with it.
///
/// # Errors
/// One of them cannot be decoded, in the server's words.
///
/// ```
/// use kubewright_schema::compare::{Verdict, compare_crds};
/// # use serde_json::json;
/// # let old = json!({
/// #     "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
/// #         "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
/// # });
/// let mut new = old.clone();
/// new["spec"]["versions"][0]["served"] = false.into();
/// let changes = compare_crds(&old, &new).unwrap();
/// assert_eq!(changes[0].kind.id(), "served");
/// assert_eq!(changes[0].stored, Verdict::Breaking);
/// ```
pub fn compare_crds(old: &Value, new: &Value) -> Result<Vec<Change>, crd::DecodeError> {
    let read = |crd: &Value| {
        let mut crd = crd.clone();
        crd::decode(&mut crd)?;
        crd::default(&mut crd);
        Ok::<Value, crd::DecodeError>(crd)
    };
    let (old, new) = (read(old)?, read(new)?);
    let mut changes = Changes(Vec::new());
    changes.names(&old, &new);
    changes.versions(&old, &new);
    Ok(changes.0)
}

fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    value.pointer(pointer).filter(|value| !value.is_null())
}

fn versions(crd: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    at(crd, "/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
}

fn name(version: &Map<String, Value>) -> &str {
    version.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn find<'a>(crd: &'a Value, wanted: &str) -> Option<&'a Map<String, Value>> {
    versions(crd).find(|version| name(version) == wanted)
}

fn is(version: &Map<String, Value>, key: &str) -> bool {
    version.get(key) == Some(&Value::Bool(true))
}

fn schema(version: &Map<String, Value>) -> Option<&Value> {
    version
        .get("schema")?
        .get("openAPIV3Schema")
        .filter(|schema| schema.is_object())
}

/// The schema without what is not compared, to tell whether two are the same.
fn schema_differs(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, None) => false,
        (Some(a), Some(b)) => a != b && !walk::roots(&Node::decode(a), &Node::decode(b)).is_empty(),
        _ => true,
    }
}

struct Changes(Vec<Change>);

impl Changes {
    fn push(
        &mut self,
        kind: ChangeKind,
        path: impl Into<String>,
        [stored, readers]: [Verdict; 2],
        reason: impl Into<String>,
        [old, new]: [Option<&Value>; 2],
    ) {
        self.0.push(Change {
            kind,
            version: None,
            path: path.into(),
            stored,
            readers,
            reason: reason.into(),
            old: old.cloned(),
            new: new.cloned(),
        });
    }

    fn names(&mut self, old: &Value, new: &Value) {
        let both = [Breaking; 2];
        for (kind, pointer, verdicts, reason) in [
            (
                ChangeKind::Group,
                "/spec/group",
                both,
                "the API group is another: clients find no objects",
            ),
            (
                ChangeKind::Scope,
                "/spec/scope",
                both,
                "the scope is another: objects have other URLs",
            ),
            (
                ChangeKind::Plural,
                "/spec/names/plural",
                both,
                "the plural is another: objects have other URLs",
            ),
            (
                ChangeKind::Kind,
                "/spec/names/kind",
                both,
                "the kind is another: objects and clients name the old one",
            ),
            (
                ChangeKind::ListKind,
                "/spec/names/listKind",
                [Safe, Breaking],
                "the kind of lists is another: clients that check it refuse them",
            ),
            (
                ChangeKind::Names,
                "/spec/names/singular",
                [Safe; 2],
                "the singular is another, which only people type",
            ),
            (
                ChangeKind::Names,
                "/spec/names/shortNames",
                [Safe; 2],
                "short names differ, which only people type",
            ),
            (
                ChangeKind::Names,
                "/spec/names/categories",
                [Safe; 2],
                "categories differ, which only people type",
            ),
            (
                ChangeKind::Conversion,
                "/spec/conversion",
                [Undecided; 2],
                "versions are converted otherwise: whether to the same objects is not decidable here",
            ),
        ] {
            let values = [at(old, pointer), at(new, pointer)];
            if values[0] != values[1] {
                let path = pointer[1..].replace('/', ".");
                self.push(kind, path, verdicts, reason, values);
            }
        }
        let values = [old, new].map(|crd| at(crd, "/spec/preserveUnknownFields"));
        let [before, now] = values.map(|value| value == Some(&Value::Bool(true)));
        if before != now {
            let reason = if before {
                "unknown fields are pruned now"
            } else {
                "unknown fields are kept now"
            };
            let verdicts = [Verdict::breaking_if(before), Safe];
            self.push(
                ChangeKind::PreserveAll,
                "spec.preserveUnknownFields",
                verdicts,
                reason,
                values,
            );
        }
    }

    fn versions(&mut self, old: &Value, new: &Value) {
        let stored = |crd: &Value, wanted: &str| {
            at(crd, "/status/storedVersions")
                .and_then(Value::as_array)
                .is_some_and(|stored| stored.iter().any(|name| name == wanted))
        };
        for version in versions(old) {
            let name = name(version);
            let path = format!("spec.versions[{name}]");
            if let Some(now) = find(new, name) {
                self.version(version, now, &path);
                continue;
            }
            let served = is(version, "served");
            let needed = served || is(version, "storage") || stored(old, name);
            let reason = match (served, needed) {
                (true, _) => "the version is gone: its clients find nothing",
                (false, true) => "the version is gone, and objects may be stored in it",
                (false, false) => "the version is gone, which was neither served nor stored",
            };
            let verdicts = [Verdict::breaking_if(needed), Verdict::breaking_if(served)];
            self.push(ChangeKind::VersionRemoved, path, verdicts, reason, [None; 2]);
        }
        for version in versions(new) {
            let name = name(version);
            if find(old, name).is_none() {
                let path = format!("spec.versions[{name}]");
                self.push(
                    ChangeKind::VersionAdded,
                    path,
                    [Safe; 2],
                    "the version is new",
                    [None; 2],
                );
            }
        }
        let storage = |crd| versions(crd).find(|version| is(version, "storage"));
        if let (Some(before), Some(now)) = (storage(old), storage(new))
            && name(before) != name(now)
        {
            let other = schema_differs(schema(before), schema(now));
            let (verdict, reason) = if other {
                (
                    Undecided,
                    "another version is stored, with another schema: what conversion loses is not seen here",
                )
            } else {
                (Safe, "another version is stored, with the same schema")
            };
            let values = [before.get("name"), now.get("name")];
            self.push(
                ChangeKind::Storage,
                "spec.versions",
                [verdict, Safe],
                reason,
                values,
            );
        }
    }

    fn version(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let values = |key: &str| [old.get(key), new.get(key)];
        if is(old, "served") != is(new, "served") {
            let (verdict, reason) = if is(new, "served") {
                (Safe, "the version is served now")
            } else {
                (
                    Breaking,
                    "the version is not served any more: its clients find nothing",
                )
            };
            self.push(
                ChangeKind::Served,
                format!("{path}.served"),
                [verdict; 2],
                reason,
                values("served"),
            );
        }
        for key in ["deprecated", "deprecationWarning"] {
            if old.get(key) != new.get(key) {
                let reason = "clients are warned otherwise";
                self.push(
                    ChangeKind::Deprecated,
                    format!("{path}.{key}"),
                    [Safe; 2],
                    reason,
                    values(key),
                );
            }
        }
        self.subresources(old, new, path);
        if old.get("additionalPrinterColumns") != new.get("additionalPrinterColumns") {
            self.push(
                ChangeKind::Columns,
                format!("{path}.additionalPrinterColumns"),
                [Safe; 2],
                "columns differ, which only people read",
                values("additionalPrinterColumns"),
            );
        }
        let fields = values("selectableFields").map(|fields| {
            fields
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default()
        });
        if fields[0] != fields[1] {
            let gone = fields[0].iter().any(|field| !fields[1].contains(field));
            let reason = if gone {
                "a field selector is refused now"
            } else {
                "further fields can be selected by"
            };
            self.push(
                ChangeKind::SelectableFields,
                format!("{path}.selectableFields"),
                [Safe, Verdict::breaking_if(gone)],
                reason,
                values("selectableFields"),
            );
        }
        match (schema(old), schema(new)) {
            (Some(before), Some(now)) if before != now => {
                let changes = walk::roots(&Node::decode(before), &Node::decode(now));
                let version = Some(name(new).to_owned());
                self.0.extend(changes.into_iter().map(|change| Change {
                    version: version.clone(),
                    ..change
                }));
            }
            (None, Some(_)) | (Some(_), None) => self.push(
                ChangeKind::SchemaPresence,
                format!("{path}.schema"),
                [Breaking; 2],
                "the version has a schema in one of both only",
                [None; 2],
            ),
            _ => {}
        }
    }

    fn subresources(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, path: &str) {
        let of = |version: &'_ Map<String, Value>, key: &str| {
            version
                .get("subresources")
                .and_then(|all| all.get(key))
                .filter(|value| !value.is_null())
                .cloned()
        };
        let [before, now] = [old, new].map(|version| of(version, "status"));
        if before.is_some() != now.is_some() {
            let reason = if now.is_some() {
                "status is a subresource now: writes to the object leave it as it is"
            } else {
                "status is no subresource any more: its writers find no path, and writes to the object change it"
            };
            let path = format!("{path}.subresources.status");
            self.push(
                ChangeKind::StatusSubresource,
                path,
                [Breaking, Safe],
                reason,
                [None; 2],
            );
        }
        let [before, now] = [old, new].map(|version| of(version, "scale"));
        if before != now {
            let (verdict, reason) = match (&before, &now) {
                (None, _) => (Safe, "it can be scaled now"),
                (_, None) => (Breaking, "it cannot be scaled any more"),
                _ => (Breaking, "scaling reads and writes other fields"),
            };
            let path = format!("{path}.subresources.scale");
            self.push(
                ChangeKind::ScaleSubresource,
                path,
                [verdict; 2],
                reason,
                [before.as_ref(), now.as_ref()],
            );
        }
    }
}
