//! The order in which a version leaves (VER-47): deprecated and unserved for a release, migrated, owners released, gone.

use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::{Lock, Release};

/// A step that is missing before a version may leave the definition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// No release had the version.
    Unknown,
    /// The version is stored.
    Stored,
    /// No release deprecated the version.
    Deprecation,
    /// The version is served.
    Served,
    /// No earlier release had the version deprecated and unserved.
    Release {
        /// The release in which it first was both.
        since: String,
    },
    /// `status.storedVersions` holds the version: some objects may be stored in it.
    Migration,
    /// Objects have owners at the version.
    Owners {
        /// How many objects.
        objects: u64,
    },
}

/// Whether, and by which steps, a version may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removal {
    /// The version.
    pub version: String,
    /// The first step that is missing; `None` where the version may leave.
    pub missing: Option<Missing>,
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = &self.version;
        match &self.missing {
            None => write!(f, "{version} may be dropped"),
            Some(Missing::Unknown) => write!(f, "{version} was never released; nothing is to be removed"),
            Some(Missing::Stored) => {
                write!(f, "{version} is the storage version; store another one first")
            }
            Some(Missing::Deprecation) => {
                write!(
                    f,
                    "{version} is not deprecated; release it with `deprecated` first"
                )
            }
            Some(Missing::Served) => {
                write!(f, "{version} is served; release it with `served = false` first")
            }
            Some(Missing::Release { since }) => write!(
                f,
                "{version} is deprecated and unserved since {since}, which is not older than this release; wait for the \
                 next one"
            ),
            Some(Missing::Migration) => write!(
                f,
                "storedVersions holds {version}: migrate the stored objects first (StorageMigration::run)"
            ),
            Some(Missing::Owners { objects }) => write!(
                f,
                "{objects} objects have owners at {version}, which would block applies; release them first \
                 (StorageMigration::release_owners)"
            ),
        }
    }
}

impl Lock {
    /// Whether a version may leave with `release`: the first missing step, in order.
    ///
    /// `live` is the definition as the cluster has it, and `owners` how many objects have owners at the version (as
    /// [`StorageMigration::release_owners`](crate::migrate::StorageMigration::release_owners) in a dry run tells).
    pub fn removal(
        &self,
        version: &str,
        live: &CustomResourceDefinition,
        owners: u64,
        release: &Release,
    ) -> Removal {
        Removal {
            version: version.to_owned(),
            missing: self.missing(version, live, owners, release),
        }
    }

    fn missing(
        &self,
        version: &str,
        live: &CustomResourceDefinition,
        owners: u64,
        release: &Release,
    ) -> Option<Missing> {
        let Some(locked) = self.versions.get(version) else {
            return Some(Missing::Unknown);
        };
        let of_live = live.spec.versions.iter().find(|live| live.name == version);
        if locked.version.storage || of_live.is_some_and(|live| live.storage) {
            return Some(Missing::Stored);
        }
        let Some(deprecated) = &locked.deprecated_since else {
            return Some(Missing::Deprecation);
        };
        let Some(since) = &locked.unserved_since else {
            return Some(Missing::Served);
        };
        if of_live.is_some_and(|live| live.served) {
            return Some(Missing::Served);
        }
        // Whichever came last.
        if [since, deprecated].contains(&&release.name) {
            return Some(Missing::Release {
                since: release.name.clone(),
            });
        }
        let stored = live
            .status
            .as_ref()
            .and_then(|status| status.stored_versions.as_ref());
        if stored.is_some_and(|stored| stored.iter().any(|stored| stored == version)) {
            return Some(Missing::Migration);
        }
        (owners > 0).then_some(Missing::Owners { objects: owners })
    }
}
