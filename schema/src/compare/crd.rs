//! Two CRDs side by side: what stands around the schemas.

use serde_json::{Map, Value, json};

use super::Verdict::{self, Breaking, Safe, Undecided};
use super::level::{self, Stability};
use super::{Change, ChangeKind, unchecked, walk};
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
    let mut changes = Changes {
        found: Vec::new(),
        stability: promised(&old),
        version: None,
    };
    changes.names(&old, &new);
    changes.versions(&old, &new);
    Ok(changes.found)
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

/// The most that is promised of any version: of those that are served, if any is.
fn promised(crd: &Value) -> Option<Stability> {
    let of = |served: bool| {
        versions(crd)
            .filter(move |version| !served || is(version, "served"))
            .map(|version| Stability::of(name(version)))
            .max()
    };
    of(true).or_else(|| of(false))
}

/// A scale subresource but for the path of the selector.
fn without_selector(scale: &Value) -> Value {
    let mut scale = scale.clone();
    if let Some(map) = scale.as_object_mut() {
        map.remove("labelSelectorPath");
    }
    scale
}

/// A version as a finding shows it.
fn summary(version: &Map<String, Value>) -> Option<Value> {
    Some(json!({
        "name": name(version),
        "served": is(version, "served"),
        "storage": is(version, "storage"),
        "deprecated": is(version, "deprecated"),
    }))
}

/// The schema without what is not compared, to tell whether two are the same.
fn schema_differs(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, None) => false,
        (Some(a), Some(b)) => a != b && !walk::roots(&Node::decode(a), &Node::decode(b)).is_empty(),
        _ => true,
    }
}

/// What is promised of the version that is looked at.
struct About {
    name: String,
    stability: Stability,
    deprecated: bool,
}

struct Changes {
    found: Vec<Change>,
    /// Of what all versions share.
    stability: Option<Stability>,
    version: Option<About>,
}

impl Changes {
    fn push(
        &mut self,
        kind: ChangeKind,
        path: impl Into<String>,
        [stored, readers]: [Verdict; 2],
        reason: impl Into<String>,
        [old, new]: [Option<&Value>; 2],
    ) {
        let mut reason = reason.into();
        let about = self.version.as_ref();
        if let Some(about) = about
            && level::is_removal(kind)
            && readers != Safe
        {
            reason += match (about.stability, about.deprecated) {
                (Stability::Alpha, _) => "",
                (Stability::Beta, true) => {
                    "; a beta version stays 9 months or 3 releases after it was deprecated"
                }
                (Stability::Beta, false) => "; deprecate it first, for 9 months or 3 releases",
                (Stability::Stable, _) => "; a stable version stays until the next major release",
            };
        }
        self.found.push(Change {
            kind,
            version: about.map(|about| about.name.clone()),
            stability: about.map(|about| about.stability).or(self.stability),
            deprecated: about.is_some_and(|about| about.deprecated),
            path: path.into(),
            stored,
            readers,
            reason,
            old: old.cloned(),
            new: new.cloned(),
        });
    }

    /// Says which version the next changes are about, and what the old CRD promised of it.
    fn enter(&mut self, version: &Map<String, Value>, was_there: bool) {
        self.version = Some(About {
            name: name(version).to_owned(),
            stability: Stability::of(name(version)),
            deprecated: was_there && is(version, "deprecated"),
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
            self.enter(version, true);
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
            let gone = summary(version);
            self.push(
                ChangeKind::VersionRemoved,
                path,
                verdicts,
                reason,
                [gone.as_ref(), None],
            );
        }
        for version in versions(new) {
            let name = name(version);
            if find(old, name).is_none() {
                let path = format!("spec.versions[{name}]");
                self.enter(version, false);
                self.push(
                    ChangeKind::VersionAdded,
                    path,
                    [Safe; 2],
                    "the version is new",
                    [None, summary(version).as_ref()],
                );
            }
        }
        self.version = None;
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
            let lacks = |a: &[Value], b: &[Value]| a.iter().any(|field| !b.contains(field));
            let gone = lacks(fields[0], fields[1]);
            let reason = match (gone, lacks(fields[1], fields[0])) {
                (true, _) => "a field selector is refused now",
                (false, true) => "further fields can be selected by",
                (false, false) => "selectable fields stand in another order",
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
                let mut changes = walk::roots(&Node::decode(before), &Node::decode(now));
                changes.extend(unchecked::formats(before, now));
                let about = self.version.as_ref();
                self.found.extend(changes.into_iter().map(|change| Change {
                    version: about.map(|about| about.name.clone()),
                    stability: about.map(|about| about.stability),
                    deprecated: about.is_some_and(|about| about.deprecated),
                    ..change
                }));
            }
            (None, Some(_)) | (Some(_), None) => self.push(
                ChangeKind::SchemaPresence,
                format!("{path}.schema"),
                [Breaking; 2],
                "the version has a schema in one of both only",
                [schema(old), schema(new)].map(|schema| {
                    Some(if schema.is_some() {
                        &Value::Bool(true)
                    } else {
                        &Value::Bool(false)
                    })
                }),
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
                [before.as_ref(), now.as_ref()],
            );
        }
        let [before, now] = [old, new].map(|version| of(version, "scale"));
        if before != now {
            let (verdict, reason) = match (&before, &now) {
                (None, _) => (Safe, "it can be scaled now"),
                (_, None) => (Breaking, "it cannot be scaled any more"),
                (Some(before), Some(now)) if *before == without_selector(now) => {
                    (Safe, "those that scale it find its pods now")
                }
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
