//! Several versions of one kind in one definition.

use std::cmp::Reverse;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use kube::core::Version;
use serde::Serialize;

/// Joins definitions of one kind, each with its versions, into one.
///
/// Versions stand in Kubernetes' order of priority, newest and most stable first, whatever the order given.
/// Which version is stored is the types' own word: exactly one of them is made without `storage = false`.
/// A conversion and a list kind may stand in any of the definitions, and hold for all.
///
/// # Errors
/// [`MergeError`] where the definitions contradict each other.
pub fn merge(
    definitions: impl IntoIterator<Item = apiext::CustomResourceDefinition>,
) -> Result<apiext::CustomResourceDefinition, MergeError> {
    let mut definitions = definitions.into_iter();
    let mut merged = definitions.next().ok_or(MergeError::Nothing)?;
    for mut other in definitions {
        agree(&merged, &other)?;
        metadata(&mut merged, &other)?;
        shared(&mut merged, &mut other)?;
        for version in other.spec.versions {
            if merged
                .spec
                .versions
                .iter()
                .any(|known| known.name == version.name)
            {
                return Err(MergeError::SameVersion {
                    kind: merged.spec.names.kind,
                    version: version.name,
                });
            }
            merged.spec.versions.push(version);
        }
    }
    merged
        .spec
        .versions
        .sort_by_key(|version| Reverse(Version::parse(&version.name).priority()));
    stored_once(&merged)?;
    Ok(merged)
}

fn agree(
    left: &apiext::CustomResourceDefinition,
    right: &apiext::CustomResourceDefinition,
) -> Result<(), MergeError> {
    let (a, b) = (&left.spec, &right.spec);
    let list = |words: &Option<Vec<String>>| words.as_deref().unwrap_or_default().join(", ");
    let text = |word: &Option<String>| word.clone().unwrap_or_default();
    let pairs = [
        ("group", a.group.clone(), b.group.clone()),
        ("kind", a.names.kind.clone(), b.names.kind.clone()),
        ("scope", a.scope.clone(), b.scope.clone()),
        ("plural", a.names.plural.clone(), b.names.plural.clone()),
        ("singular", text(&a.names.singular), text(&b.names.singular)),
        (
            "short names",
            list(&a.names.short_names),
            list(&b.names.short_names),
        ),
        ("categories", list(&a.names.categories), list(&b.names.categories)),
    ];
    for (what, first, second) in pairs {
        if first != second {
            return Err(MergeError::Differ {
                kind: a.names.kind.clone(),
                what,
                versions: Box::new([names(left), names(right)]),
                values: Box::new([first, second]),
            });
        }
    }
    Ok(())
}

fn names(definition: &apiext::CustomResourceDefinition) -> String {
    let names: Vec<_> = definition
        .spec
        .versions
        .iter()
        .map(|version| version.name.as_str())
        .collect();
    names.join(", ")
}

/// Labels and annotations of all versions, which share one object.
fn metadata(
    into: &mut apiext::CustomResourceDefinition,
    from: &apiext::CustomResourceDefinition,
) -> Result<(), MergeError> {
    let versions = Box::new([names(into), names(from)]);
    let kind = into.spec.names.kind.clone();
    for (what, into, from) in [
        ("label", &mut into.metadata.labels, &from.metadata.labels),
        (
            "annotation",
            &mut into.metadata.annotations,
            &from.metadata.annotations,
        ),
    ] {
        for (key, value) in from.iter().flatten() {
            let into = into.get_or_insert_default();
            let kept = into.entry(key.clone()).or_insert_with(|| value.clone());
            if kept != value {
                return Err(MergeError::Differ {
                    kind,
                    what,
                    versions,
                    values: Box::new([format!("{key}={kept}"), format!("{key}={value}")]),
                });
            }
        }
    }
    Ok(())
}

/// What one version may say for all: the server has one value of each and a default.
fn shared(
    into: &mut apiext::CustomResourceDefinition,
    from: &mut apiext::CustomResourceDefinition,
) -> Result<(), MergeError> {
    let versions = [names(into), names(from)];
    let kind = into.spec.names.kind.clone();
    let (a, b) = (&mut into.spec, &mut from.spec);
    let differ = match (
        take(&mut a.names.list_kind, &mut b.names.list_kind),
        take(&mut a.conversion, &mut b.conversion),
        take(&mut a.preserve_unknown_fields, &mut b.preserve_unknown_fields),
    ) {
        (Some(values), _, _) => ("list kind", values),
        (_, Some(values), _) => ("conversion", values),
        (_, _, Some(values)) => ("preserveUnknownFields", values),
        (None, None, None) => return Ok(()),
    };
    Err(MergeError::Differ {
        kind,
        what: differ.0,
        versions: Box::new(versions),
        values: Box::new(differ.1),
    })
}

/// Takes over what is set in `from` alone; the values, as JSON, where both are set and differ.
fn take<T: PartialEq + Serialize>(into: &mut Option<T>, from: &mut Option<T>) -> Option<[String; 2]> {
    if into.is_none() {
        *into = from.take();
    }
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    match (into, from) {
        (Some(first), Some(second)) if first != second => Some([text(first), text(second)]),
        _ => None,
    }
}

fn stored_once(definition: &apiext::CustomResourceDefinition) -> Result<(), MergeError> {
    let versions = &definition.spec.versions;
    let stored: Vec<_> = versions.iter().filter(|version| version.storage).collect();
    let kind = definition.spec.names.kind.clone();
    match stored.as_slice() {
        [_] => Ok(()),
        [] => Err(MergeError::NotStored {
            kind,
            versions: names(definition),
        }),
        several => Err(MergeError::StoredTwice {
            kind,
            versions: several
                .iter()
                .map(|version| version.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// Why definitions cannot be joined.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There was nothing to join.
    #[error("no definitions to merge")]
    Nothing,
    /// Versions of one kind must agree on this.
    #[error(
        "{kind}: {what} is `{}` in {} and `{}` in {}; versions of one kind share it, and one plural is one \
         kind: another kind needs its own `plural`",
        values[0], versions[0], values[1], versions[1]
    )]
    Differ {
        /// The kind.
        kind: String,
        /// What differs.
        what: &'static str,
        /// Where the values stand.
        versions: Box<[String; 2]>,
        /// The values.
        values: Box<[String; 2]>,
    },
    /// A version is given twice.
    #[error("{kind}: version {version} is given twice; another kind needs its own `plural`")]
    SameVersion {
        /// The kind.
        kind: String,
        /// The version.
        version: String,
    },
    /// No version is stored.
    #[error("{kind}: none of {versions} is stored; remove `storage = false` from one")]
    NotStored {
        /// The kind.
        kind: String,
        /// Its versions.
        versions: String,
    },
    /// More than one version is stored.
    #[error("{kind}: {versions} are all stored; write `storage = false` on all but one")]
    StoredTwice {
        /// The kind.
        kind: String,
        /// The versions that claim to be stored.
        versions: String,
    },
}
