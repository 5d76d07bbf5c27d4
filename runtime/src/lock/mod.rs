//! A record of what was released of a kind, and what a new definition would break of it.
//!
//! One file per kind, `api-lock/<plural>.<group>.yaml`, stands beside the source: schemas of released versions without
//! descriptions, what is served, stored and deprecated, and since which release.
//!
//! ```no_run
//! use kubewright::lock::{Lock, Release};
//! # use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
//! # fn f(definition: CustomResourceDefinition) -> Result<(), Box<dyn std::error::Error>> {
//! let release = Release::new("1.4.0", "2026-11-26".parse()?);
//! let mut lock = Lock::read("api-lock/sites.web.example.com.yaml")?;
//! let findings = lock.check(&definition, &release)?;
//! for finding in &findings {
//!     println!("{finding}");
//! }
//! lock.add(&definition, &release, None)?; // an error where something breaks
//! lock.write("api-lock/sites.web.example.com.yaml")?;
//! # Ok(()) }
//! ```
//!
//! A kind of several versions also has its conversions recorded, by [`Lock::record_edges`] and [`Lock::check_edges`].
//!
//! **Invariant:** what a lock says of a released version changes by [`Lock::add`] alone, and in a way that breaks someone
//! only with a reason, which is kept.

mod edges;
mod removal;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
};
use kubewright_schema::compare::{Change, ChangeKind, Level, Stability, compare_crds};
use kubewright_schema::yaml;
use serde::{Deserialize, Serialize};

use crate::build::{shrink, to_yaml};

use edges::LockedEdge;
pub use edges::{EdgeChange, EdgeFinding};
pub use removal::{Missing, Removal};

/// Releases that a deprecated beta version stays for, whichever is longer.
const BETA_RELEASES: usize = 3;
/// Months that a deprecated beta version stays for, whichever is longer.
const BETA_MONTHS: i64 = 9;
/// First line of a lock file.
const HEADER: &str = "# What was released of this kind, written by kubewright. A change of a released version fails `check`.\n";

/// A release of the software that a definition belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its name, such as `1.4.0`.
    pub name: String,
    /// Its day.
    pub date: Date,
}

impl Release {
    /// A release.
    pub fn new(name: impl Into<String>, date: Date) -> Self {
        Self {
            name: name.into(),
            date,
        }
    }

    /// The number before the first dot, where the name begins with one.
    fn major(&self) -> Option<u64> {
        let name = self.name.strip_prefix('v').unwrap_or(&self.name);
        name.split('.').next()?.parse().ok()
    }
}

/// What was released of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    /// Group, scope, names: what all versions share.
    shared: Shared,
    /// Releases of which something was recorded, the oldest first.
    releases: Vec<Release>,
    /// Versions, as the newest release has them.
    versions: BTreeMap<String, LockedVersion>,
    /// Versions that were released once and are gone, with the release in which they went.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    removed: BTreeMap<String, String>,
    /// What was broken on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<Accepted>,
    /// What conversions between neighbouring versions did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    edges: Vec<LockedEdge>,
}

/// What all versions of a definition share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shared {
    group: String,
    scope: String,
    names: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionNames,
}

/// A version, as it was released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockedVersion {
    /// The release in which it first appeared.
    since: String,
    /// The release in which it was deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deprecated_since: Option<String>,
    /// The release in which it was no longer served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unserved_since: Option<String>,
    /// The version without descriptions and columns.
    #[serde(flatten)]
    version: CustomResourceDefinitionVersion,
}

/// Something that was broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The release that broke it.
    pub release: String,
    /// Why.
    pub reason: String,
    /// What it broke.
    pub findings: Vec<String>,
}

/// A difference between a lock and a definition.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What it means for the release.
    pub level: Level,
    /// The difference.
    pub change: Change,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level.name(), self.change)
    }
}

/// What can go wrong with a lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no YAML.
    #[error("{}", path.display())]
    Yaml {
        /// Which one.
        path: PathBuf,
        /// Where it is wrong.
        #[source]
        source: yaml::Error,
    },
    /// The file is no lock.
    #[error("{} is no lock file", path.display())]
    Form {
        /// Which one.
        path: PathBuf,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
    /// The lock could not be written down.
    #[error("write the lock of {name} as YAML")]
    Write {
        /// Name of the definition.
        name: String,
        /// Why.
        #[source]
        source: serde_saphyr::ser::Error,
    },
    /// A definition cannot be decoded.
    #[error("the definition {name} cannot be read: {message}")]
    Definition {
        /// Name of the definition.
        name: String,
        /// The server's words.
        message: String,
    },
    /// The definition is of another kind than the lock.
    #[error("the lock is of {locked} and the definition of {given}")]
    OtherKind {
        /// Name of the lock's definition.
        locked: String,
        /// Name of the given one.
        given: String,
    },
    /// The definition breaks what was released.
    #[error("{}", broken(findings))]
    Breaking {
        /// What it breaks.
        findings: Vec<Finding>,
    },
    /// Stored objects would mean something else than they did.
    #[error("{}", edges::changed(findings))]
    EdgesChanged {
        /// What they become.
        findings: Vec<EdgeFinding>,
    },
    /// Objects of the kind could not be drawn.
    #[error("draw objects of {version}: {message}")]
    Samples {
        /// Their version.
        version: String,
        /// Why.
        message: String,
    },
    /// An older release than one that is recorded.
    #[error("release {given} of {date} is older than {last}, which is recorded already")]
    Order {
        /// The release that was given.
        given: String,
        /// Its day.
        date: Date,
        /// The newest recorded one.
        last: String,
    },
}

fn broken(findings: &[Finding]) -> String {
    let mut text = String::from(
        "the definition breaks what was released; give it a new version, or accept it with a reason:",
    );
    for finding in findings {
        text += &format!("\n  {finding}");
    }
    text
}

impl Lock {
    /// A lock of a definition that is released for the first time.
    pub fn new(definition: &CustomResourceDefinition, release: &Release) -> Self {
        let mut lock = Self {
            shared: Shared {
                group: definition.spec.group.clone(),
                scope: definition.spec.scope.clone(),
                names: definition.spec.names.clone(),
            },
            releases: Vec::new(),
            versions: BTreeMap::new(),
            removed: BTreeMap::new(),
            accepted: Vec::new(),
            edges: Vec::new(),
        };
        lock.take(definition, release);
        lock
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// Where there is no such file, or it is no lock.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, LockError> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|source| LockError::Io {
            path: path.to_owned(),
            source,
        })?;
        let value = yaml::from_slice(&text).map_err(|source| LockError::Yaml {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_value(value).map_err(|source| LockError::Form {
            path: path.to_owned(),
            source,
        })
    }

    /// The lock as YAML; the same lock gives the same bytes.
    ///
    /// # Errors
    /// Where a value has no form in YAML.
    pub fn to_yaml(&self) -> Result<String, LockError> {
        let yaml = |value: &serde_json::Value| {
            to_yaml(value).map_err(|source| LockError::Write {
                name: self.name(),
                source,
            })
        };
        // Recorded conversions are for machines, and come last.
        let mut whole = serde_json::json!(self);
        let edges = whole.as_object_mut().and_then(|members| members.remove("edges"));
        let mut text = format!("{HEADER}{}", yaml(&whole)?);
        if let Some(edges) = edges {
            text += &yaml(&serde_json::json!({ "edges": edges }))?;
        }
        Ok(text)
    }

    /// Writes the lock file, whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), LockError> {
        let path = path.as_ref();
        let text = self.to_yaml()?;
        let io = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        let beside = path.with_extension("yaml.tmp");
        std::fs::write(&beside, text).map_err(io)?;
        std::fs::rename(&beside, path).map_err(io)
    }

    /// Name of the definition, such as `sites.web.example.com`; the lock file has it, too.
    pub fn name(&self) -> String {
        format!("{}.{}", self.shared.names.plural, self.shared.group)
    }

    /// Versions that were released and are not gone.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.versions.keys().map(String::as_str)
    }

    /// Releases of which something is recorded, the oldest first.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// What was broken on purpose.
    pub fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    /// What a definition would change of what was released, if it came out as `release` (VER-50).
    ///
    /// Levels are those of [`Change::level`], and where a version leaves, what the lock knows: an alpha version may go
    /// at any time, a beta version 9 months and 3 releases after it was deprecated, a stable one with the next major
    /// release after that.
    ///
    /// # Errors
    /// Where the definition is of another kind, or none.
    pub fn check(
        &self,
        definition: &CustomResourceDefinition,
        release: &Release,
    ) -> Result<Vec<Finding>, LockError> {
        let given = definition.metadata.name.clone().unwrap_or_default();
        if given != self.name() {
            return Err(LockError::OtherKind {
                locked: self.name(),
                given,
            });
        }
        let json = |definition: &CustomResourceDefinition| {
            serde_json::to_value(bare(definition)).expect("a definition's maps have strings as keys")
        };
        let changes = compare_crds(&json(&self.definition()), &json(definition)).map_err(|error| {
            LockError::Definition {
                name: self.name(),
                message: error.to_string(),
            }
        })?;
        let findings = changes
            .into_iter()
            .map(|change| Finding {
                level: self.level(&change, release),
                change,
            })
            .collect();
        Ok(findings)
    }

    /// Records a release. With a reason, also one that breaks something.
    ///
    /// # Errors
    /// [`LockError::Breaking`] where the definition breaks what was released and there is no reason; the lock stays as it
    /// was.
    pub fn add(
        &mut self,
        definition: &CustomResourceDefinition,
        release: &Release,
        accept_breaking: Option<&str>,
    ) -> Result<Vec<Finding>, LockError> {
        if let Some(last) = self.releases.last()
            && last.name != release.name
            && release.date < last.date
        {
            return Err(LockError::Order {
                given: release.name.clone(),
                date: release.date,
                last: last.name.clone(),
            });
        }
        let findings = self.check(definition, release)?;
        let breaking: Vec<Finding> = findings
            .iter()
            .filter(|finding| finding.level == Level::Breaking)
            .cloned()
            .collect();
        if !breaking.is_empty() {
            let Some(reason) = accept_breaking.map(str::trim).filter(|reason| !reason.is_empty()) else {
                return Err(LockError::Breaking { findings: breaking });
            };
            self.accepted.push(Accepted {
                release: release.name.clone(),
                reason: reason.to_owned(),
                findings: breaking.iter().map(ToString::to_string).collect(),
            });
        }
        self.take(definition, release);
        Ok(findings)
    }

    fn take(&mut self, definition: &CustomResourceDefinition, release: &Release) {
        let definition = bare(definition);
        match self.releases.iter_mut().find(|known| known.name == release.name) {
            Some(known) => *known = release.clone(),
            None => self.releases.push(release.clone()),
        }
        self.shared = Shared {
            group: definition.spec.group,
            scope: definition.spec.scope,
            names: definition.spec.names,
        };
        let mut before = std::mem::take(&mut self.versions);
        for version in definition.spec.versions {
            let known = before.remove(&version.name);
            let once =
                |was: Option<String>, is: bool| is.then(|| was.unwrap_or_else(|| release.name.clone()));
            let (since, deprecated, unserved) = match known {
                Some(known) => (known.since, known.deprecated_since, known.unserved_since),
                None => (release.name.clone(), None, None),
            };
            self.removed.remove(&version.name);
            self.versions.insert(
                version.name.clone(),
                LockedVersion {
                    since,
                    deprecated_since: once(deprecated, version.deprecated == Some(true)),
                    unserved_since: once(unserved, !version.served),
                    version,
                },
            );
        }
        for name in before.into_keys() {
            self.removed.insert(name, release.name.clone());
        }
    }

    /// What was released, as a definition.
    fn definition(&self) -> CustomResourceDefinition {
        let mut definition = CustomResourceDefinition {
            spec: CustomResourceDefinitionSpec {
                group: self.shared.group.clone(),
                scope: self.shared.scope.clone(),
                names: self.shared.names.clone(),
                versions: self
                    .versions
                    .values()
                    .map(|locked| locked.version.clone())
                    .collect(),
                ..CustomResourceDefinitionSpec::default()
            },
            ..CustomResourceDefinition::default()
        };
        definition.metadata.name = Some(self.name());
        definition
    }

    fn level(&self, change: &Change, release: &Release) -> Level {
        let leaves = matches!(change.kind, ChangeKind::VersionRemoved | ChangeKind::Served)
            && change.verdict() != kubewright_schema::compare::Verdict::Safe;
        let Some(locked) = change.version.as_ref().and_then(|name| self.versions.get(name)) else {
            return change.level();
        };
        if leaves && self.may_leave(locked, release) {
            return Level::Warning;
        }
        match change.level() {
            // It says so of any deprecated beta version, and here is known for how long.
            Level::Warning if leaves && Stability::of(&locked.version.name) == Stability::Beta => {
                Level::Breaking
            }
            level => level,
        }
    }

    fn release(&self, name: &str) -> Option<(usize, &Release)> {
        self.releases
            .iter()
            .enumerate()
            .find(|(_, release)| release.name == name)
    }

    /// Whether a release may take a version from its clients.
    fn may_leave(&self, locked: &LockedVersion, release: &Release) -> bool {
        let stability = Stability::of(&locked.version.name);
        if stability == Stability::Alpha {
            return true;
        }
        let Some((index, since)) = locked
            .deprecated_since
            .as_deref()
            .and_then(|name| self.release(name))
        else {
            return false;
        };
        match stability {
            Stability::Beta => {
                let known = self.releases.iter().any(|known| known.name == release.name);
                let releases = self.releases.len() - index - usize::from(known);
                let long_enough = jiff::Span::new()
                    .try_months(BETA_MONTHS)
                    .and_then(|span| since.date.checked_add(span))
                    .is_ok_and(|until| release.date >= until);
                releases >= BETA_RELEASES && long_enough
            }
            _ => matches!((since.major(), release.major()), (Some(then), Some(now)) if now > then),
        }
    }
}

/// A definition without what no client depends on.
fn bare(definition: &CustomResourceDefinition) -> CustomResourceDefinition {
    let mut definition = definition.clone();
    shrink::shorten(&mut definition, 0);
    for version in &mut definition.spec.versions {
        version.additional_printer_columns = None;
    }
    // How a webhook is reached differs from cluster to cluster; what it does is recorded as edges.
    definition.spec.conversion = None::<CustomResourceConversion>;
    definition.status = None;
    definition
}

#[cfg(test)]
mod tests;
