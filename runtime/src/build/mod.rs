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
//! **Invariant:** the same types give the same bytes, and a file whose bytes are right is not touched.

mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::crd::{self, DefinitionError, MergeError};
use crate::kind::CustomKind;

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
    definitions: Vec<CustomResourceDefinition>,
    errors: Vec<BuildError>,
    name: Option<fn(&CustomResourceDefinition) -> String>,
}

impl Crds {
    /// Adds a derived kind. Versions of one kind are added one by one and end up in one file.
    #[must_use]
    pub fn add<K: CustomKind>(mut self) -> Self {
        match crd::of::<K>() {
            Ok(definition) => self.definitions.push(definition),
            Err(error) => self.errors.push(BuildError::Definition(error)),
        }
        self
    }

    /// Adds a definition that was made in another way, as by kube-derive's `crd()`.
    #[must_use]
    pub fn add_definition(mut self, definition: CustomResourceDefinition) -> Self {
        self.definitions.push(definition);
        self
    }

    /// Names the files; the default is `<plural>.<group>.yaml`.
    #[must_use]
    pub fn file_name(mut self, name: fn(&CustomResourceDefinition) -> String) -> Self {
        self.name = Some(name);
        self
    }

    /// Writes one file per kind into `directory`, made where it is missing. A relative path begins at the
    /// package's root, where cargo runs build scripts.
    ///
    /// Called from a build script, it tells cargo to run the script again when one of the files is changed or
    /// removed; a changed type recompiles the script and so runs it too.
    ///
    /// # Errors
    /// [`BuildError`]: all that is wrong with the definitions, or the first file that cannot be written.
    pub fn write(self, directory: impl AsRef<Path>) -> Result {
        let directory = directory.as_ref();
        let files = self.files()?;
        fs::create_dir_all(directory).map_err(|source| BuildError::io("make", directory, source))?;
        for (name, text) in files {
            let path = directory.join(name);
            let current = read(&path)?;
            if current.as_deref() != Some(text.as_str()) {
                fs::write(&path, text).map_err(|source| BuildError::io("write", &path, source))?;
                if let Some(out_dir) = env::var_os("OUT_DIR") {
                    set_back(&path, Path::new(&out_dir));
                }
            }
            rerun_if_changed(&path);
        }
        Ok(())
    }

    /// Compares with the files in `directory` and writes nothing.
    ///
    /// # Errors
    /// [`BuildError::Stale`] with a unified diff of every file that differs or is missing.
    pub fn check(self, directory: impl AsRef<Path>) -> Result {
        let directory = directory.as_ref();
        let mut diff = String::new();
        for (name, text) in self.files()? {
            let path = directory.join(name);
            let current = read(&path)?.unwrap_or_default();
            if current != text {
                let shown = path.display().to_string();
                diff += &similar::TextDiff::from_lines(&current, &text)
                    .unified_diff()
                    .header(&shown, &format!("{shown} (from the types)"))
                    .to_string();
            }
        }
        if diff.is_empty() {
            Ok(())
        } else {
            Err(BuildError::Stale { diff })
        }
    }

    /// File names and their bytes, in the order of the names.
    fn files(self) -> std::result::Result<BTreeMap<String, String>, BuildError> {
        let mut errors = self.errors;
        let mut kinds: BTreeMap<String, Vec<CustomResourceDefinition>> = BTreeMap::new();
        for definition in self.definitions {
            let name = definition.metadata.name.clone().unwrap_or_default();
            kinds.entry(name).or_default().push(definition);
        }
        let mut files = BTreeMap::new();
        for versions in kinds.into_values() {
            match crd::merge(versions) {
                Err(error) => errors.push(BuildError::Merge(error)),
                Ok(definition) => {
                    let name = match self.name {
                        Some(name) => name(&definition),
                        None => format!("{}.yaml", definition.metadata.name.as_deref().unwrap_or_default()),
                    };
                    match to_yaml(&definition) {
                        Err(error) => errors.push(BuildError::Yaml(error)),
                        Ok(text) => {
                            if files.insert(name.clone(), text).is_some() {
                                errors.push(BuildError::SameFile { name });
                            }
                        }
                    }
                }
            }
        }
        match errors.len() {
            0 => Ok(files),
            1 => Err(errors.remove(0)),
            _ => Err(BuildError::Many(errors)),
        }
    }
}

fn read(path: &Path) -> std::result::Result<Option<String>, BuildError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Not text: certainly not what we wrote.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(source) => Err(BuildError::io("read", path, source)),
    }
}

/// In a build script, which alone runs with `OUT_DIR`.
fn rerun_if_changed(path: &Path) {
    if env::var_os("OUT_DIR").is_some() {
        // Cargo reads build scripts' standard output.
        #[allow(clippy::print_stdout)]
        {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

/// Dates a file that a build script wrote back to the script's start.
///
/// Cargo runs a script again when a watched file is newer than the start of its last run, so a file written
/// during the run would cause one more. Where the date cannot be set, that one run is all that happens.
fn set_back(path: &Path, out_dir: &Path) {
    let start = out_dir
        .parent()
        .map(|run| run.join("invoked.timestamp"))
        .and_then(|stamp| fs::metadata(stamp).ok())
        .and_then(|stamp| stamp.modified().ok());
    if let Some(start) = start
        && let Ok(file) = fs::File::options().write(true).open(path)
    {
        file.set_modified(start).ok();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo keeps `invoked.timestamp` beside `out`, and runs a script again for a watched file that is newer.
    #[test]
    fn a_written_file_is_not_newer_than_the_start_of_the_script() {
        let run = tempfile::tempdir().unwrap();
        let (stamp, out, file) = (
            run.path().join("invoked.timestamp"),
            run.path().join("out"),
            run.path().join("crd.yaml"),
        );
        let start = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::create_dir(&out).unwrap();
        fs::File::create(&stamp).unwrap().set_modified(start).unwrap();
        fs::write(&file, "text").unwrap();
        set_back(&file, &out);
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), start);
    }

    #[test]
    fn without_cargos_timestamp_the_date_stays() {
        let run = tempfile::tempdir().unwrap();
        let file = run.path().join("crd.yaml");
        fs::write(&file, "text").unwrap();
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        set_back(&file, &run.path().join("out"));
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
    }
}
