//! Roles as one file, as controller-gen's `rbac` generator writes them.
//!
//! **Invariant:** the same rights give the same bytes, and a file whose bytes are right is not touched.

use std::path::Path;

use serde::Serialize;

use super::directory::HEADER;
use super::{BuildError, Result, put_in_directory, to_yaml, up_to_date};
use crate::rbac::RoleSet;

/// Roles on their way to a file, with the account and its bindings where [`RoleSet::bound_to`] made them.
///
/// What a program's controllers do is known where they are put together, so the file is written and checked by a test
/// rather than by a build script.
///
/// ```no_run
/// use kubewright::k8s_openapi::api::core::v1::ConfigMap;
/// use kubewright::rbac::{RoleSet, Rules};
///
/// # fn f() -> kubewright::build::Result {
/// let rules = Rules::of::<ConfigMap>(None, &["get"]); // or `manager.rules()`
/// let roles = RoleSet::new("operator", &rules).bound_to("system", "operator");
/// kubewright::build::roles(&roles).check("config/rbac.yaml")
/// # }
/// ```
pub fn roles(set: &RoleSet) -> RoleManifest<'_> {
    RoleManifest { set }
}

/// Made by [`roles`].
#[derive(Debug)]
#[must_use]
pub struct RoleManifest<'a> {
    set: &'a RoleSet,
}

impl RoleManifest<'_> {
    /// The documents: the account, cluster roles, roles, and the bindings of both.
    ///
    /// # Errors
    /// [`BuildError::NoRoles`], [`BuildError::Yaml`].
    pub fn text(&self) -> std::result::Result<String, BuildError> {
        let set = self.set;
        if set.cluster_roles.is_empty() && set.roles.is_empty() {
            return Err(BuildError::NoRoles);
        }
        let documents = documents(&set.service_account)
            .chain(documents(&set.cluster_roles))
            .chain(documents(&set.roles))
            .chain(documents(&set.cluster_role_bindings))
            .chain(documents(&set.role_bindings));
        let mut text = HEADER.to_owned() + "\n";
        for document in documents {
            text += "---\n";
            text += &document?;
        }
        Ok(text)
    }

    /// Writes the file, and makes its directory where that is missing. A relative path begins at the package's root,
    /// where cargo runs build scripts and tests.
    ///
    /// # Errors
    /// [`BuildError`]: nothing to write, or the file cannot be written.
    pub fn write(&self, file: impl AsRef<Path>) -> Result {
        put_in_directory(file.as_ref(), &self.text()?)
    }

    /// Compares with the file and writes nothing.
    ///
    /// # Errors
    /// [`BuildError::Stale`] with a unified diff where it differs or is missing.
    pub fn check(&self, file: impl AsRef<Path>) -> Result {
        up_to_date(file.as_ref(), &self.text()?)
    }
}

fn documents<'a, T: Serialize + 'a>(
    objects: impl IntoIterator<Item = &'a T> + 'a,
) -> impl Iterator<Item = std::result::Result<String, BuildError>> + 'a {
    objects
        .into_iter()
        .map(|object| to_yaml(object).map_err(BuildError::Yaml))
}
