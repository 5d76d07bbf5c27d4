//! For build scripts: CustomResourceDefinitions as files beside the source.
//!
//! ```no_run
//! # mod api {
//! #     use kubewright::schemars::JsonSchema;
//! #     #[derive(kubewright::CustomResource, serde::Serialize, serde::Deserialize, Clone, Debug, JsonSchema)]
//! #     #[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
//! #     pub struct FooSpec {}
//! # }
//! // build.rs, with `#[path = "src/api.rs"] mod api;`
//! fn main() -> kubewright::build::Result {
//!     kubewright::build::crds().add::<api::Foo>().write("crds")
//! }
//! ```
//!
//! A test that calls [`check`](Crds::check) in place of `write` keeps the committed files true.
//!
//! Both look at the definitions as a server would ([`crd::check`]) and tell all that is wrong in all kinds at
//! once. The files begin with a line that says who wrote them. What does not begin with it is neither looked at nor
//! complained about.
//!
//! **Invariant:** the same types give the same bytes, and a file whose bytes are right is not touched. No file is
//! written that a server would refuse for another reason than its rules in CEL.

mod directory;
mod roles;
pub(crate) mod shrink;
#[cfg(feature = "webhook")]
mod webhooks;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::convert::Versioned;
use crate::crd::{self, CheckError, DefinitionError, MergeError, Told};
use crate::kind::CustomKind;
use crate::versions::{Conversion, VersionSet, VersionsError};
use directory::{HEADER, orphans, read, rerun_if_changed, set_back, warn};

pub use roles::{RoleManifest, roles};
#[cfg(feature = "webhook")]
pub use webhooks::{WebhookManifest, webhooks};
pub use yaml::to_yaml;

/// What a build script's `main` returns.
pub type Result = std::result::Result<(), BuildError>;

/// Starts an empty set of definitions.
#[must_use]
pub fn crds() -> Crds {
    Crds::default()
}

/// Definitions on their way to files; made by [`crds`].
#[derive(Debug, Default)]
pub struct Crds {
    /// By the name of the definition.
    kinds: BTreeMap<String, Versions>,
    /// Kinds whose versions have no common definition.
    failed: Vec<BuildError>,
    name: Option<fn(&CustomResourceDefinition) -> String>,
    allowed: Vec<&'static str>,
    max_description: Option<usize>,
    max_size: Option<usize>,
    shared: bool,
}

/// What was added of one kind.
type Versions = Vec<std::result::Result<(CustomResourceDefinition, Told), DefinitionError>>;

impl Crds {
    /// Adds a derived kind. Versions of one kind are added one by one and end up in one file.
    #[must_use]
    pub fn add<K: CustomKind>(mut self) -> Self {
        let versions = self.kinds.entry(K::INFO.crd_name.to_owned()).or_default();
        versions.push(crd::made::<K>());
        self
    }

    /// Adds all versions of a kind, of which `K` is the newest: one file, with the conversion stanza where the versions
    /// differ.
    ///
    /// ```no_run
    /// # mod v1 {
    /// #     use kubewright::schemars::JsonSchema;
    /// #     #[derive(kubewright::CustomResource, serde::Serialize, serde::Deserialize, Clone, Debug, JsonSchema)]
    /// #     #[kube(group = "example.com", version = "v1", kind = "Foo", namespaced)]
    /// #     pub struct FooSpec {}
    /// # }
    /// use kubewright::versions::Conversion;
    ///
    /// fn main() -> kubewright::build::Result {
    ///     let webhook = Conversion::service("foo-system", "foo-webhook");
    ///     kubewright::build::crds().add_versions::<v1::Foo>(&webhook).write("crds")
    /// }
    /// ```
    #[must_use]
    pub fn add_versions<'a, K: Versioned>(mut self, conversion: impl Into<Option<&'a Conversion>>) -> Self {
        match VersionSet::<K>::definitions(conversion.into()) {
            Ok(definitions) => {
                let versions = self.kinds.entry(K::INFO.crd_name.to_owned()).or_default();
                versions.extend(definitions);
            }
            Err(error) => self.failed.push(BuildError::Versions(error)),
        }
        self
    }

    /// Adds a definition that was made in another way, as by kube-derive's `crd()`.
    #[must_use]
    pub fn add_definition(mut self, definition: CustomResourceDefinition) -> Self {
        let name = definition.metadata.name.clone().unwrap_or_default();
        let version = (definition, Told::default());
        self.kinds.entry(name).or_default().push(Ok(version));
        self
    }

    /// Names the files; the default is `<plural>.<group>.yaml`.
    #[must_use]
    pub fn file_name(mut self, name: fn(&CustomResourceDefinition) -> String) -> Self {
        self.name = Some(name);
        self
    }

    /// Passes over the findings of a rule of [`crd::check`], such as `lossy-conversion`: they neither fail the
    /// build nor are they warned of. What a server refuses is told all the same.
    #[must_use]
    pub fn allow(mut self, rule: &'static str) -> Self {
        self.allowed.push(rule);
        self
    }

    /// Cuts every description to at most so many bytes, where a sentence or else a word ends, as controller-gen's
    /// `maxDescLen` does; 0 removes all. The default is to keep them whole.
    #[must_use]
    pub fn max_desc_len(mut self, bytes: usize) -> Self {
        self.max_description = Some(bytes);
        self
    }

    /// Removes descriptions, the longest first, from a definition whose JSON has more than so many bytes.
    ///
    /// `kubectl apply` keeps the whole definition in an annotation and so fails above 262144 bytes; a server stores at
    /// most about 1.5 MB. There is no default. What is larger still without descriptions is told by
    /// [`crd::check`].
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Says that other sets of kinds are written into the same directory, so that a file of a kind that is not
    /// among these is no leftover.
    #[must_use]
    pub fn shared_directory(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Writes one file per kind into `directory`, made where it is missing. A relative path begins at the
    /// package's root, where cargo runs build scripts.
    ///
    /// Called from a build script, it tells cargo to run the script again when one of the files is changed or
    /// removed; a changed type recompiles the script and so runs it too. What [`crd::check`] finds doubtful is
    /// warned of, and so is a file that was written for a kind that is gone; it is not removed.
    ///
    /// # Errors
    /// [`BuildError`]: all that is wrong with the definitions, in which case nothing is written, or the first file
    /// that cannot be written.
    pub fn write(mut self, directory: impl AsRef<Path>) -> Result {
        let directory = directory.as_ref();
        let files = self.make()?;
        fs::create_dir_all(directory).map_err(|source| BuildError::io("make", directory, source))?;
        for (name, text) in &files {
            let path = directory.join(name);
            put(&path, text)?;
        }
        for path in self.orphans(directory, &files)? {
            rerun_if_changed(&path);
            warn(&BuildError::Orphan { path }.to_string());
        }
        Ok(())
    }

    /// Compares with the files in `directory` and writes nothing.
    ///
    /// # Errors
    /// [`BuildError`]: all that is wrong with the definitions; else [`BuildError::Stale`] with a unified diff of
    /// every file that differs or is missing, and [`BuildError::Orphan`] for every file that was written for a kind
    /// that is gone.
    pub fn check(mut self, directory: impl AsRef<Path>) -> Result {
        let directory = directory.as_ref();
        let files = self.make()?;
        let mut diff = String::new();
        for (name, text) in &files {
            let path = directory.join(name);
            diff += &difference(&path, text)?;
        }
        let mut errors = Vec::new();
        if !diff.is_empty() {
            errors.push(BuildError::Stale { diff });
        }
        let orphans = self.orphans(directory, &files)?;
        errors.extend(orphans.into_iter().map(|path| BuildError::Orphan { path }));
        all(errors)
    }

    /// File names and their bytes; warns of what is doubtful in the definitions.
    fn make(&mut self) -> std::result::Result<BTreeMap<String, String>, BuildError> {
        let mut files = BTreeMap::new();
        let mut errors = std::mem::take(&mut self.failed);
        if self.kinds.is_empty() && errors.is_empty() {
            errors.push(BuildError::NoKinds);
        }
        let unknown = self.allowed.iter().filter(|rule| !crd::LINTS.contains(rule));
        errors.extend(unknown.map(|rule| BuildError::UnknownRule { rule }));
        for versions in std::mem::take(&mut self.kinds).into_values() {
            let definition = match self.definition(versions) {
                Ok(definition) => definition,
                Err(found) => {
                    errors.extend(found);
                    continue;
                }
            };
            let name = match self.name {
                Some(name) => name(&definition),
                None => format!("{}.yaml", definition.metadata.name.as_deref().unwrap_or_default()),
            };
            match to_yaml(&definition) {
                Err(error) => errors.push(BuildError::Yaml(error)),
                Ok(text) => {
                    if files.insert(name.clone(), format!("{HEADER}\n{text}")).is_some() {
                        errors.push(BuildError::SameFile { name });
                    }
                }
            }
        }
        all(errors)?;
        Ok(files)
    }

    /// One kind's definition, merged and checked.
    fn definition(
        &self,
        versions: Versions,
    ) -> std::result::Result<CustomResourceDefinition, Vec<BuildError>> {
        let mut definitions = Vec::with_capacity(versions.len());
        let mut told = Vec::with_capacity(versions.len());
        let mut errors = Vec::new();
        for version in versions {
            match version {
                Ok((definition, of_types)) => {
                    definitions.push(definition);
                    told.push(of_types);
                }
                Err(error) => errors.push(BuildError::Definition(error)),
            }
        }
        // Without one of the versions, the rest would be blamed for its absence.
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut definition = crd::merge(definitions).map_err(|error| vec![BuildError::Merge(error)])?;
        if let Some(limit) = self.max_description {
            shrink::shorten(&mut definition, limit);
        }
        if let Some(limit) = self.max_size {
            shrink::shrink(&mut definition, limit);
        }
        let checked = crd::check_told(&definition, &self.allowed, &told);
        let warnings = match &checked {
            Ok(warnings) => warnings,
            Err(error) => &error.warnings,
        };
        for warning in warnings {
            warn(&crd::describe(&definition, warning));
        }
        checked.map_err(|error| vec![BuildError::Check(error)])?;
        Ok(definition)
    }

    fn orphans(
        &self,
        directory: &Path,
        files: &BTreeMap<String, String>,
    ) -> std::result::Result<Vec<PathBuf>, BuildError> {
        if self.shared {
            return Ok(Vec::new());
        }
        orphans(directory, files)
    }
}

/// Writes a file that is not yet as it should be.
fn put(path: &Path, text: &str) -> Result {
    if read(path)?.as_deref() != Some(text) {
        fs::write(path, text).map_err(|source| BuildError::io("write", path, source))?;
        if let Some(out_dir) = env::var_os("OUT_DIR") {
            set_back(path, Path::new(&out_dir));
        }
    }
    rerun_if_changed(path);
    Ok(())
}

/// [`put`], in a directory that may be missing.
fn put_in_directory(path: &Path, text: &str) -> Result {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|source| BuildError::io("make", directory, source))?;
    }
    put(path, text)
}

/// An error that shows what differs in a file, where something does.
fn up_to_date(path: &Path, text: &str) -> Result {
    let diff = difference(path, text)?;
    if diff.is_empty() {
        return Ok(());
    }
    Err(BuildError::Stale { diff })
}

/// What differs in a file, which may be missing; empty where nothing does.
fn difference(path: &Path, text: &str) -> std::result::Result<String, BuildError> {
    let current = read(path)?.unwrap_or_default();
    if current == text {
        return Ok(String::new());
    }
    let shown = path.display().to_string();
    let diff = similar::TextDiff::from_lines(&*current, text)
        .unified_diff()
        .header(&shown, &format!("{shown} (from the types)"))
        .to_string();
    Ok(diff)
}

fn all(mut errors: Vec<BuildError>) -> Result {
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(BuildError::Many(errors)),
    }
}

/// Why definitions did not become files.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A type's schema cannot stand in a definition.
    #[error(transparent)]
    Definition(DefinitionError),
    /// Versions of one kind contradict each other.
    #[error(transparent)]
    Merge(MergeError),
    /// Versions of one kind have no common definition.
    #[error(transparent)]
    Versions(VersionsError),
    /// A server would refuse a definition, drop parts of it, or accept it in vain.
    #[error("{0}")]
    Check(CheckError),
    /// No kind was added.
    #[error("there is no kind to write; add one: `crds().add::<Foo>()`")]
    NoKinds,
    /// No right was given.
    #[error(
        "there is no right to write; take what the program does, `manager.rules()`, or declare it: `#[rbac(Foo: get)]`"
    )]
    NoRoles,
    /// No handler was added.
    #[cfg(feature = "webhook")]
    #[error("there is no webhook to write; add one: `Webhooks::new().validator::<Rules>()`")]
    NoWebhooks,
    /// There is no such rule to pass over.
    #[error("`{rule}` is no rule that `allow` could pass over; the rules are {}", crd::LINTS.join(", "))]
    UnknownRule {
        /// What was asked for.
        rule: &'static str,
    },
    /// A definition has no YAML form.
    #[error("write a definition as YAML")]
    Yaml(#[source] serde_saphyr::ser::Error),
    /// Two kinds would be written into one file.
    #[error("two kinds want the file {name}; `file_name` must tell them apart")]
    SameFile {
        /// Name of the file.
        name: String,
    },
    /// Files differ from the types.
    #[error("the definitions are not those of the types; build the package and commit what changed\n{diff}")]
    Stale {
        /// Unified diff from the files to what they should be.
        diff: String,
    },
    /// A file that was written for a kind that is not among these.
    #[error(
        "{}: none of the kinds is written there any more; remove the file, or call `shared_directory` where another \
         set of kinds is written into the same directory",
        path.display()
    )]
    Orphan {
        /// The file.
        path: PathBuf,
    },
    /// A file or directory cannot be used.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Several of the above.
    #[error("{}", .0.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n"))]
    Many(Vec<BuildError>),
}

impl BuildError {
    fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }
}

/// The message with its sources: what a build script's `main` prints when it returns an error.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
