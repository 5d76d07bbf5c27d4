//! Storage migration: every object of a custom kind is stored in the version that is stored today.
//!
//! A server writes an object in the storage version of the moment, and reads older ones as they are. Before a version can
//! leave the definition, all objects must be written anew, and `status.storedVersions` must say so.
//!
//! ```no_run
//! # async fn f(client: kube::Client) -> Result<(), kubewright::migrate::MigrationError> {
//! use kubewright::migrate::StorageMigration;
//!
//! let report = StorageMigration::new(client, "sites.web.example.com").run().await?;
//! println!("{} objects are stored in {}", report.seen, report.storage);
//! # Ok(()) }
//! ```
//!
//! **Invariant:** `storedVersions` is narrowed only where the definition was the same from before the first object was
//! listed until the status was written, and every object was rewritten, was gone, or had been written by someone else
//! meanwhile.

mod definition;
mod owners;
mod rewrite;
mod server;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::PostParams;
use serde::{Deserialize, Serialize};

use crate::client::AsClient;
use crate::kind::{CustomKind, ObjectKey};
use crate::rbac::Rules;

use self::definition::Target;
pub use self::owners::OwnersReport;

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// Writes that are on their way at once.
const CONCURRENCY: usize = 8;
/// How often a run begins anew because the definition changed meanwhile, or a page's token expired.
const ATTEMPTS: usize = 3;
/// How long the server's own migrator may take before it is given up.
const SERVER_TIMEOUT: Duration = Duration::from_secs(3600);

/// Who rewrites the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migrator {
    /// The server where it serves `storagemigration.k8s.io`, else this process.
    #[default]
    Auto,
    /// The server: a `StorageVersionMigration` is created and waited for.
    Server,
    /// This process: lists pages, and writes each object back unchanged.
    Own,
}

/// How far a run of one's own has come; a later run may go on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Name of the definition.
    pub definition: String,
    /// `metadata.uid` of the definition.
    pub uid: String,
    /// `metadata.generation` of the definition: a checkpoint of another one is not used.
    pub generation: i64,
    /// Token of the next page.
    pub next: String,
    /// Objects seen so far.
    pub seen: u64,
}

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The version in which objects are stored.
    pub storage: String,
    /// `status.storedVersions` before.
    pub stored_before: Vec<String>,
    /// Who rewrote the objects; `None` where nothing was to do.
    pub by: Option<Migrator>,
    /// Objects that were listed; 0 where the server did it.
    pub seen: u64,
    /// Of these, objects that this run wrote.
    pub written: u64,
    /// Of these, objects that were gone or written by others meanwhile.
    pub passed: u64,
    /// Whether nothing was changed because that was asked for.
    pub dry_run: bool,
}

/// An object that could not be rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Which one.
    pub object: ObjectKey,
    /// The server's words.
    pub message: String,
}

/// A migration that did not come to its end; `status.storedVersions` is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The server answered a request with a failure, or not at all.
    #[error("{action}")]
    Request {
        /// What was asked for.
        action: String,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// The definition is not in a state in which its objects can be migrated.
    #[error("{definition}: {reason}")]
    Definition {
        /// Name of the definition.
        definition: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Some objects were refused. All others are rewritten; a further run begins with the first again.
    #[error("{}", refused(.definition, .failures, *.more))]
    Refused {
        /// Name of the definition.
        definition: String,
        /// The first of them.
        failures: Vec<Failure>,
        /// How many more there are.
        more: u64,
    },
    /// The storage version changed during the run.
    #[error(
        "{definition}: the storage version became {now} while objects were rewritten in {was}; run it again"
    )]
    StorageChanged {
        /// Name of the definition.
        definition: String,
        /// The version that was stored at the beginning.
        was: String,
        /// The version that is stored now.
        now: String,
    },
    /// The definition changed during each of several runs.
    #[error(
        "{definition}: it changed during each of {ATTEMPTS} runs; run it again when nothing writes the definition"
    )]
    Unsteady {
        /// Name of the definition.
        definition: String,
    },
    /// The server's migrator failed or took too long.
    #[error("StorageVersionMigration {name}: {message}")]
    Server {
        /// Name of the object.
        name: String,
        /// Its own words, or how long was waited.
        message: String,
    },
}

fn refused(definition: &str, failures: &[Failure], more: u64) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{definition}: the server refuses to write ");
    for (index, Failure { object, message }) in failures.iter().enumerate() {
        let comma = if index == 0 { "" } else { "; " };
        let _ = write!(text, "{comma}{object}: {message}");
    }
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text
}

fn request(action: impl Into<String>) -> impl FnOnce(kube::Error) -> MigrationError {
    let action = action.into();
    move |source| MigrationError::Request {
        action,
        source: Box::new(source),
    }
}

/// A migration of one definition's objects.
#[derive(Clone)]
#[must_use = "call `run`"]
pub struct StorageMigration {
    client: kube::Client,
    definition: String,
    migrator: Migrator,
    page: NonZeroU32,
    concurrency: NonZeroUsize,
    per_second: Option<NonZeroU32>,
    dry_run: bool,
    from: Option<Checkpoint>,
    server_timeout: Duration,
}

impl StorageMigration {
    /// Of the definition with this name, such as `sites.web.example.com`.
    pub fn new(client: kube::Client, definition: impl Into<String>) -> Self {
        Self {
            client,
            definition: definition.into(),
            migrator: Migrator::default(),
            page: NonZeroU32::new(PAGE).unwrap_or(NonZeroU32::MIN),
            concurrency: NonZeroUsize::new(CONCURRENCY).unwrap_or(NonZeroUsize::MIN),
            per_second: None,
            dry_run: false,
            from: None,
            server_timeout: SERVER_TIMEOUT,
        }
    }

    /// Of this kind's definition.
    pub fn of<K: CustomKind>(client: &impl AsClient) -> Self {
        Self::new(client.as_client().clone(), K::INFO.crd_name)
    }

    /// What a run does: reads the definition, lists objects and writes them back, or has the server's migrator do it, and
    /// writes the definition's status.
    pub fn rules(&self) -> Rules {
        let (plural, group) = self.definition.split_once('.').unwrap_or((&self.definition, ""));
        let name = [&*self.definition];
        let mut rules = Rules::of_named::<CustomResourceDefinition>(None, &name, &["get"]);
        let mut add = |group: &str, resource: &str, names: &[&str], verbs: &[&str]| {
            rules.insert(None, None, group, resource, names, verbs);
        };
        let definitions = ("apiextensions.k8s.io", "customresourcedefinitions/status");
        add(definitions.0, definitions.1, &name, &["update"]);
        // The server's migrator does not look at the objects for us, but whether they can be converted.
        add(group, plural, &[], &["list"]);
        if self.migrator != Migrator::Server {
            add(group, plural, &[], &["update"]);
        }
        if self.migrator != Migrator::Own {
            let verbs = ["create", "get", "watch"];
            add(server::GROUP, "storageversionmigrations", &[], &verbs);
        }
        rules
    }

    /// Who rewrites the objects.
    pub fn migrator(mut self, migrator: Migrator) -> Self {
        self.migrator = migrator;
        self
    }

    /// Objects in one page; 500 where nothing is said.
    pub fn page_size(mut self, objects: NonZeroU32) -> Self {
        self.page = objects;
        self
    }

    /// Writes that may be on their way at once; 8 where nothing is said.
    pub fn concurrency(mut self, writes: NonZeroUsize) -> Self {
        self.concurrency = writes;
        self
    }

    /// At most this many writes in a second. There is no limit where nothing is said.
    pub fn per_second(mut self, writes: NonZeroU32) -> Self {
        self.per_second = Some(writes);
        self
    }

    /// Asks the server whether it would take each write, and changes nothing. Always done by this process.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Goes on where an earlier run was cut. A checkpoint of another state of the definition is passed over.
    pub fn resume(mut self, from: Checkpoint) -> Self {
        self.from = Some(from);
        self
    }

    /// How long the server's own migrator may take; an hour where nothing is said.
    pub fn server_timeout(mut self, timeout: Duration) -> Self {
        self.server_timeout = timeout;
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// Where the definition cannot be migrated as it is, objects cannot be converted or written, or the definition
    /// changes all the time.
    pub async fn run(&self) -> Result<Report, MigrationError> {
        self.run_with(|_| {}).await
    }

    /// Runs it, and tells after each page how far it has come.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with(&self, mut at: impl FnMut(&Checkpoint)) -> Result<Report, MigrationError> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let mut from = self.from.clone();
        let mut target = self.read(&definitions).await?;
        for _ in 0..ATTEMPTS {
            let mut report = Report {
                storage: target.storage.clone(),
                stored_before: target.stored.clone(),
                by: None,
                seen: 0,
                written: 0,
                passed: 0,
                dry_run: self.dry_run,
            };
            if target.is_done() {
                return Ok(report);
            }
            target.probe(&self.client).await?;
            let by = self.choose().await?;
            report.by = Some(by.migrator());
            match &by {
                Way::Server(version) => server::run(self, &target, version).await?,
                Way::Own => rewrite::run(self, &target, from.take(), &mut report, &mut at).await?,
            }
            if self.dry_run {
                return Ok(report);
            }
            match self.finish(&definitions, &target).await? {
                None => return Ok(report),
                Some(changed) => target = changed,
            }
        }
        Err(MigrationError::Unsteady {
            definition: self.definition.clone(),
        })
    }

    async fn read(&self, definitions: &Api<CustomResourceDefinition>) -> Result<Target, MigrationError> {
        let definition = definitions
            .get(&self.definition)
            .await
            .map_err(request(format!("read the definition {}", self.definition)))?;
        Target::of(definition)
    }

    async fn choose(&self) -> Result<Way, MigrationError> {
        if self.dry_run || self.migrator == Migrator::Own {
            return Ok(Way::Own);
        }
        match server::served(&self.client).await? {
            Some(version) => Ok(Way::Server(version)),
            None if self.migrator == Migrator::Auto => Ok(Way::Own),
            None => Err(MigrationError::Definition {
                definition: self.definition.clone(),
                reason: "the server does not serve storagemigration.k8s.io/v1 or v1beta1; use Migrator::Own"
                    .into(),
            }),
        }
    }

    /// Narrows `storedVersions`. Answers the definition as it is now, where it changed during the run.
    async fn finish(
        &self,
        definitions: &Api<CustomResourceDefinition>,
        target: &Target,
    ) -> Result<Option<Target>, MigrationError> {
        let mut base = target.definition.clone();
        for _ in 0..ATTEMPTS {
            let narrowed = target.narrowed(base);
            let written = definitions
                .replace_status(&self.definition, &PostParams::default(), &narrowed)
                .await;
            match written {
                Ok(_) => return Ok(None),
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                Err(error) => {
                    return Err(request(format!("write storedVersions of {}", self.definition))(
                        error,
                    ));
                }
            }
            // Conditions and managedFields may be written at any time; what counts is the specification.
            let now = self.read(definitions).await?;
            if now.storage != target.storage {
                return Err(MigrationError::StorageChanged {
                    definition: self.definition.clone(),
                    was: target.storage.clone(),
                    now: now.storage,
                });
            }
            if !now.same_as(target) {
                return Ok(Some(now));
            }
            base = now.definition;
        }
        Ok(Some(self.read(definitions).await?))
    }
}

impl std::fmt::Debug for StorageMigration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorageMigration")
            .field("definition", &self.definition)
            .field("migrator", &self.migrator)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

enum Way {
    /// By a `StorageVersionMigration` of this version.
    Server(String),
    Own,
}

impl Way {
    fn migrator(&self) -> Migrator {
        match self {
            Self::Server(_) => Migrator::Server,
            Self::Own => Migrator::Own,
        }
    }
}
