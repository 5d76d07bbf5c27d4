//! Status of a CRD: which names it has got, and its conditions.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::registry::ResourceInfo;

/// Names that the other CRDs and the built-in kinds of a group have got.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Plurals, singulars and short names.
    resources: BTreeSet<String>,
    /// Kinds and list kinds.
    kinds: BTreeSet<String>,
}

impl Taken {
    /// Adds the accepted names of a CRD.
    pub(super) fn add(&mut self, crd: &Value) {
        let names = &crd["status"]["acceptedNames"];
        let text = |key: &str| names[key].as_str().map(str::to_owned);
        self.resources
            .extend(["plural", "singular"].into_iter().filter_map(text));
        let short = names["shortNames"].as_array().into_iter().flatten();
        self.resources
            .extend(short.filter_map(Value::as_str).map(str::to_owned));
        self.kinds
            .extend(["kind", "listKind"].into_iter().filter_map(text));
    }

    /// Adds the names of a built-in kind. Upstream accepts them and never shows the objects, since the built-in kind
    /// answers first; here both would be stored in one place.
    pub(super) fn add_built_in(&mut self, info: &ResourceInfo) {
        let short = info.short_names.iter();
        self.resources.extend(
            [&info.gvr.resource, &info.singular]
                .into_iter()
                .chain(short)
                .cloned(),
        );
        self.kinds
            .extend([&info.kind, &info.list_kind].into_iter().cloned());
    }
}

/// Whether a condition of the CRD is true.
pub(super) fn is_true(crd: &Value, type_: &str) -> bool {
    crd["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == type_ && condition["status"] == "True")
}

/// Sets a condition; its time moves only when its status does.
pub(super) fn set_condition(
    crd: &mut Value,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let Some(conditions) = entry(crd, "status", json!({}))
        .as_object_mut()
        .map(|status| status.entry("conditions").or_insert_with(|| json!([])))
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    let mut condition = json!({
        "type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
    });
    match conditions.iter_mut().find(|old| old["type"] == type_) {
        Some(old) => {
            if old["status"] == condition["status"] {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = condition;
        }
        None => conditions.push(condition),
    }
}

fn entry<'a>(object: &'a mut Value, key: &str, default: Value) -> &'a mut Value {
    match &mut object[key] {
        Value::Null => {
            object[key] = default;
            &mut object[key]
        }
        _ => &mut object[key],
    }
}

/// Accepts what names are free and sets the conditions that follow.
pub(super) fn accept(crd: &mut Value, taken: &Taken, now: &str) {
    let wanted = crd["spec"]["names"].clone();
    let mut accepted = match crd["status"]["acceptedNames"].take() {
        Value::Object(accepted) => accepted,
        _ => Map::new(),
    };
    // Of several conflicts the last one is told, as upstream does.
    let mut conflict = take(
        &mut accepted,
        &wanted,
        "plural",
        "PluralConflict",
        &taken.resources,
    );
    conflict = take(
        &mut accepted,
        &wanted,
        "singular",
        "SingularConflict",
        &taken.resources,
    )
    .or(conflict);
    conflict = take_short_names(&mut accepted, &wanted, &taken.resources).or(conflict);
    conflict = take(&mut accepted, &wanted, "kind", "KindConflict", &taken.kinds).or(conflict);
    conflict = take(
        &mut accepted,
        &wanted,
        "listKind",
        "ListKindConflict",
        &taken.kinds,
    )
    .or(conflict);
    replace(&mut accepted, "categories", &wanted);
    entry(crd, "status", json!({}))["acceptedNames"] = Value::Object(accepted);
    let (status, reason, message) = match &conflict {
        None => ("True", "NoConflicts", "no conflicts found"),
        Some(conflict) => ("False", conflict.reason, conflict.message.as_str()),
    };
    set_condition(crd, "NamesAccepted", status, reason, message, now);
    if !is_true(crd, "Established") {
        let (status, reason, message) = match conflict {
            None => (
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ),
            Some(_) => ("False", "NotAccepted", "not all names are accepted"),
        };
        set_condition(crd, "Established", status, reason, message, now);
    }
    approve(crd, now);
}

struct Conflict {
    reason: &'static str,
    message: String,
}

/// Takes one name; a name that another CRD has leaves the old one in place.
fn take(
    accepted: &mut Map<String, Value>,
    wanted: &Value,
    key: &str,
    reason: &'static str,
    taken: &BTreeSet<String>,
) -> Option<Conflict> {
    let name = wanted[key].as_str()?;
    let own = accepted.get(key).and_then(Value::as_str) == Some(name);
    if !own && taken.contains(name) {
        return Some(Conflict {
            reason,
            message: in_use(name),
        });
    }
    accepted.insert(key.to_owned(), name.into());
    None
}

/// Takes all short names or none.
fn take_short_names(
    accepted: &mut Map<String, Value>,
    wanted: &Value,
    taken: &BTreeSet<String>,
) -> Option<Conflict> {
    let own = accepted
        .get("shortNames")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let clashes: Vec<String> = wanted["shortNames"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|name| !own.contains(name))
        .filter_map(Value::as_str)
        .filter(|name| taken.contains(*name))
        .map(in_use)
        .collect();
    match clashes.as_slice() {
        [] => {
            replace(accepted, "shortNames", wanted);
            None
        }
        [one] => Some(Conflict {
            reason: "ShortNamesConflict",
            message: one.clone(),
        }),
        many => Some(Conflict {
            reason: "ShortNamesConflict",
            message: format!("[{}]", many.join(", ")),
        }),
    }
}

fn in_use(name: &str) -> String {
    format!("{name:?} is already in use")
}

fn replace(accepted: &mut Map<String, Value>, key: &str, wanted: &Value) {
    match wanted.get(key) {
        Some(value) => accepted.insert(key.to_owned(), value.clone()),
        None => accepted.remove(key),
    };
}

/// The condition that groups of the Kubernetes community have.
fn approve(crd: &mut Value, now: &str) {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    const WHERE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    let group = crd["spec"]["group"].as_str().unwrap_or_default();
    let protected = ["k8s.io", "kubernetes.io"].into_iter().any(|domain| {
        group
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if !protected {
        return;
    }
    let annotation = crd["metadata"]["annotations"][ANNOTATION]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let is_url = annotation
        .parse::<http::Uri>()
        .is_ok_and(|url| url.scheme().is_some() && url.host().is_some());
    let (status, reason, message) = if annotation.is_empty() {
        let message = format!("protected groups must have approval annotation {ANNOTATION:?}, {WHERE}");
        ("False", "MissingAnnotation", message)
    } else if annotation.starts_with("unapproved") {
        (
            "False",
            "UnapprovedAnnotation",
            format!("not approved: {annotation:?}"),
        )
    } else if is_url {
        ("True", "ApprovedAnnotation", format!("approved in {annotation}"))
    } else {
        let message = format!(
            "protected groups must have approval annotation {ANNOTATION:?} with either a URL or a reason starting with \
             \"unapproved\", {WHERE}"
        );
        ("False", "InvalidAnnotation", message)
    };
    set_condition(
        crd,
        "KubernetesAPIApprovalPolicyConformant",
        status,
        reason,
        &message,
        now,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn crd(plural: &str, kind: &str, short: &[&str]) -> Value {
        json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "names": {
                "plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List"),
                "shortNames": short,
            }},
        })
    }

    fn reason<'a>(crd: &'a Value, type_: &str) -> &'a str {
        let conditions = crd["status"]["conditions"].as_array().expect("conditions");
        let found = conditions
            .iter()
            .find(|condition| condition["type"] == type_)
            .expect(type_);
        found["reason"].as_str().expect("a reason")
    }

    #[test]
    fn api_77_free_names_are_accepted_and_established() {
        let mut foo = crd("foos", "Foo", &["fo"]);
        accept(&mut foo, &Taken::default(), NOW);
        insta::assert_json_snapshot!("accepted", foo["status"]);
    }

    #[test]
    fn api_77_each_conflict_has_its_reason() {
        let mut foo = crd("foos", "Foo", &["fo"]);
        accept(&mut foo, &Taken::default(), NOW);
        let mut taken = Taken::default();
        taken.add(&foo);
        let cases = [
            (crd("foo", "Bar", &[]), "PluralConflict"),
            (crd("bars", "Fo", &[]), "SingularConflict"),
            (crd("bars", "Bar", &["x", "fo"]), "ShortNamesConflict"),
            (crd("bars", "FooList", &[]), "KindConflict"),
        ];
        for (mut other, expected) in cases {
            accept(&mut other, &taken, NOW);
            assert_eq!(reason(&other, "NamesAccepted"), expected);
            assert_eq!(reason(&other, "Established"), "NotAccepted");
            assert!(!is_true(&other, "Established"));
        }
    }

    #[test]
    fn api_77_established_stays_true() {
        let mut foo = crd("foos", "Foo", &[]);
        accept(&mut foo, &Taken::default(), NOW);
        let mut taken = Taken::default();
        taken.add(&crd_with_status("bars"));
        foo["spec"]["names"]["shortNames"] = json!(["bars"]);
        accept(&mut foo, &taken, "2027-01-01T00:00:00Z");
        assert!(is_true(&foo, "Established"));
        assert_eq!(reason(&foo, "NamesAccepted"), "ShortNamesConflict");
        assert_eq!(foo["status"]["conditions"][1]["lastTransitionTime"], NOW);
    }

    fn crd_with_status(plural: &str) -> Value {
        json!({"status": {"acceptedNames": {"plural": plural}}})
    }

    #[test]
    fn api_77_protected_groups_need_approval() {
        let cases = [
            (None, "MissingAnnotation"),
            (Some("unapproved, an example"), "UnapprovedAnnotation"),
            (Some("https://github.com/x/y/pull/1"), "ApprovedAnnotation"),
            (Some("because"), "InvalidAnnotation"),
        ];
        for (annotation, expected) in cases {
            let mut foo = crd("foos", "Foo", &[]);
            foo["spec"]["group"] = json!("samplecontroller.k8s.io");
            if let Some(annotation) = annotation {
                foo["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": annotation});
            }
            accept(&mut foo, &Taken::default(), NOW);
            assert_eq!(reason(&foo, "KubernetesAPIApprovalPolicyConformant"), expected);
        }
    }
}
