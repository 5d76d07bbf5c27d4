//! What the server serves: one entry for each group, version and resource, built in or from a CRD.
//!
//! **Invariant:** a request sees one snapshot of the registry from its first look to its answer; entries change
//! by whole snapshots (`Registry::update`), never in place.

pub mod builtin;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use kubewright_schema::apply::ObjectType;
use serde_json::Value;
use tokio::sync::watch;

use crate::webhook::ClientConfig;

/// Group, version and plural name of a resource. The core group is the empty string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionResource {
    /// API group; empty for the core group.
    pub group: String,
    /// Version, such as `v1`.
    pub version: String,
    /// Plural name, such as `deployments`.
    pub resource: String,
}

impl GroupVersionResource {
    /// Makes one from its three parts.
    pub fn new(group: impl Into<String>, version: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
        }
    }

    /// `apiVersion` as objects carry it: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Whether objects of a resource live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// Belong to the whole cluster.
    Cluster,
}

/// JSON paths of the scale subresource, with leading dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// Path of the wanted replica count, below `.spec`.
    pub spec_replicas: String,
    /// Path of the observed replica count, below `.status`.
    pub status_replicas: String,
    /// Path of the selector, where there is one: a text in custom resources, an object in built-in kinds.
    pub label_selector: Option<String>,
}

/// A field that field selectors may name, besides metadata.name and metadata.namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectableField {
    /// Name in the selector, such as `spec.nodeName`.
    pub label: String,
    /// Where its value is, with leading dot, such as `.spec.nodeName`.
    pub path: String,
    /// Where its value is while there is nothing at `path`.
    pub fallback: Option<String>,
    /// Text it has while the field is absent: mostly empty, `false` or `0` where upstream's type has no null.
    pub absent: String,
}

/// A subresource as discovery prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// Name, such as `scale`.
    pub name: String,
    /// Group of the kind it speaks, where that is another than the resource's.
    pub group: String,
    /// Version of that kind; empty where group and version are the resource's.
    pub version: String,
    /// Kind it speaks.
    pub kind: String,
    /// Verbs, sorted.
    pub verbs: Vec<String>,
}

/// A column of the table form, as in a CRD's `additionalPrinterColumns`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `integer`, `number`, `string`, `boolean` or `date`.
    pub type_: String,
    /// OpenAPI format, may be empty.
    pub format: String,
    /// Shown by `kubectl describe` and in the table's definition.
    pub description: String,
    /// 0 is always shown; higher only with `-o wide`.
    pub priority: i32,
    /// JSON path with leading dot, evaluated on the object.
    pub json_path: String,
}

/// One served resource of one version.
#[derive(Clone, Debug)]
pub struct ResourceInfo {
    /// Where it is served.
    pub gvr: GroupVersionResource,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Kind of its list, such as `DeploymentList`.
    pub list_kind: String,
    /// Singular name, such as `deployment`.
    pub singular: String,
    /// Short names that kubectl understands.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Scope.
    pub scope: Scope,
    /// Verbs as discovery prints them, sorted.
    pub verbs: Vec<String>,
    /// Whether `/status` is served.
    pub status: bool,
    /// Whether `/scale` is served, and where it looks.
    pub scale: Option<ScalePaths>,
    /// Columns of the table form; empty: the printers of `table` decide (built-ins), or Name and Age.
    pub columns: Vec<Column>,
    /// Fields that field selectors may name besides metadata.name and metadata.namespace.
    pub selectable_fields: Vec<SelectableField>,
    /// Subresources as discovery prints them, sorted by name; `status` and `scale` included.
    pub subresources: Vec<Subresource>,
    /// Where objects are stored: the storage version, and for events of events.k8s.io the core group's.
    pub storage: GroupVersionResource,
    /// A built-in kind or one from a CRD, with what only that sort has.
    pub origin: Origin,
}

impl ResourceInfo {
    /// Whether it is served from a CRD.
    pub fn is_custom(&self) -> bool {
        matches!(self.origin, Origin::Custom(_))
    }

    /// Whether this is another state of the same resource, rather than one of a later CRD with the same names.
    pub fn is_same_resource(&self, other: &Self) -> bool {
        match (&self.origin, &other.origin) {
            (Origin::Custom(own), Origin::Custom(other)) => own.crd_uid == other.crd_uid,
            (Origin::BuiltIn, Origin::BuiltIn) => true,
            _ => false,
        }
    }

    /// The warning that requests get, where the version is deprecated.
    pub fn deprecation(&self) -> Option<&str> {
        match &self.origin {
            Origin::Custom(version) => version.deprecation_warning.as_deref(),
            Origin::BuiltIn => None,
        }
    }
}

/// Where a resource comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Known to the crate.
    BuiltIn,
    /// Served from a CRD version.
    Custom(Arc<CustomVersion>),
}

/// What a CRD version brings: its schema, compiled once.
#[derive(Debug)]
pub struct CustomVersion {
    /// Name of the CRD object.
    pub crd_name: String,
    /// Its uid.
    pub crd_uid: String,
    /// Generation of the CRD that this version was taken from.
    pub crd_generation: i64,
    /// Version that is stored.
    pub storage_version: String,
    /// Compiled schema; prunes, defaults and validates.
    pub schema: kubewright_schema::Structural,
    /// The schemas of all versions that the CRD has, served or not, by name. What is stored may be at any of them.
    pub versions: Arc<BTreeMap<String, kubewright_schema::Structural>>,
    /// How objects get from one of these versions to another.
    pub conversion: Conversion,
    /// API group of all of them.
    pub group: String,
    /// The schema as the CRD gives it (`openAPIV3Schema`), which OpenAPI publishes.
    pub openapi: Value,
    /// Why requests get a warning, where the version is deprecated.
    pub deprecation_warning: Option<String>,
    /// How objects are merged, compiled from `openapi` on first use.
    pub merging: OnceLock<ObjectType>,
}

/// How objects of a CRD get from one version to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Their `apiVersion` is written anew.
    None,
    /// Somebody is asked.
    Webhook(Arc<ConversionHook>),
}

/// The webhook of a CRD's conversion stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversionHook {
    /// Where it is.
    pub client: ClientConfig,
    /// Versions of ConversionReview that it understands, the best first.
    pub review_versions: Vec<String>,
}

impl CustomVersion {
    /// The schema of the version that an `apiVersion` names; none where the CRD has no such version.
    pub fn schema_of(&self, api_version: &str) -> Option<&kubewright_schema::Structural> {
        let (group, version) = api_version.rsplit_once('/')?;
        (group == self.group)
            .then(|| self.versions.get(version))
            .flatten()
    }

    /// How objects of the version are merged.
    pub fn object_type(&self) -> &ObjectType {
        self.merging.get_or_init(|| ObjectType::custom(&self.openapi))
    }
}

/// All that is served at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    resources: BTreeMap<GroupVersionResource, Arc<ResourceInfo>>,
    /// Grows by one with each change; discovery and OpenAPI caches key on it.
    pub revision: u64,
}

impl Snapshot {
    /// A snapshot that serves the built-in kinds.
    pub fn builtin() -> Self {
        let mut snapshot = Self::default();
        for info in builtin::resources() {
            snapshot.insert(info.clone());
        }
        snapshot
    }

    /// The resource served under exactly this group, version and plural.
    pub fn get(&self, gvr: &GroupVersionResource) -> Option<&Arc<ResourceInfo>> {
        self.resources.get(gvr)
    }

    /// All entries, ordered by group, version, plural.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ResourceInfo>> {
        self.resources.values()
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, info: ResourceInfo) {
        self.resources.insert(info.gvr.clone(), Arc::new(info));
    }

    /// Removes the entries for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&ResourceInfo) -> bool) {
        self.resources.retain(|_, info| keep(info));
    }
}

/// The registry: readers take a snapshot, writers replace it.
#[derive(Debug, Default)]
pub struct Registry {
    current: ArcSwap<Snapshot>,
    changed: watch::Sender<()>,
}

impl Registry {
    /// The present snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Tells when another snapshot is published. What was published before counts as seen.
    pub fn changes(&self) -> watch::Receiver<()> {
        let mut changes = self.changed.subscribe();
        changes.mark_unchanged();
        changes
    }

    /// Applies `change` to a copy of the present snapshot and publishes it with the next revision.
    ///
    /// `change` may run more than once when writers race.
    pub fn update(&self, change: impl Fn(&mut Snapshot)) {
        self.update_if(|snapshot| {
            change(snapshot);
            true
        });
    }

    /// Like [`Registry::update`], but publishes nothing where `change` answers false: what it decides by is then the
    /// very snapshot that it changes.
    pub fn update_if(&self, change: impl Fn(&mut Snapshot) -> bool) {
        let changed = std::cell::Cell::new(false);
        self.current.rcu(|old| {
            let mut next = Snapshot::clone(old);
            changed.set(change(&mut next));
            if !changed.get() {
                return old.clone();
            }
            next.revision += 1;
            Arc::new(next)
        });
        if changed.get() {
            self.changed.send_replace(());
        }
    }
}
