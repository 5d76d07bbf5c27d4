//! What is known of a derived kind at compile time, as data.
//!
//! **Invariant:** a [`KindInfo`] says everything that its CustomResourceDefinition says, except the schema.
//! Verbs are the same for every custom resource; a set chosen by the user would begin here.

use crate::kind::Scope;

/// Static description of one version of a custom kind; [`CustomKind::INFO`](crate::kind::CustomKind::INFO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindInfo {
    /// API group, as `samplecontroller.k8s.io`.
    pub group: &'static str,
    /// Version, as `v1alpha1`.
    pub version: &'static str,
    /// Group and version as objects carry them, as `samplecontroller.k8s.io/v1alpha1`.
    pub api_version: &'static str,
    /// Kind, as `Foo`.
    pub kind: &'static str,
    /// Kind of lists, as `FooList`.
    pub list_kind: &'static str,
    /// Plural, the name of the resource in URLs.
    pub plural: &'static str,
    /// Singular.
    pub singular: &'static str,
    /// Name of the CustomResourceDefinition: plural, dot, group.
    pub crd_name: &'static str,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether the fields of the spec stand at the root of the object (`no_spec`).
    pub flat: bool,
    /// Names that `kubectl` accepts in place of the plural.
    pub short_names: &'static [&'static str],
    /// Groups of kinds, as `all`, that list this one too.
    pub categories: &'static [&'static str],
    /// Columns of `kubectl get`.
    pub columns: &'static [Column],
    /// JSON paths of the fields that field selectors accept; each begins with a dot.
    pub selectable: &'static [&'static str],
    /// Verbs of objects of this kind, as discovery names them.
    pub verbs: &'static [&'static str],
    /// Whether the kind has the status subresource.
    pub status: bool,
    /// Paths of the scale subresource, where the kind has it.
    pub scale: Option<ScalePaths>,
    /// Whether objects are stored in this version.
    pub storage: bool,
    /// What the version's own attribute says of that; absent where it leaves it to the other versions of a
    /// [`VersionSet`](crate::versions::VersionSet).
    pub storage_marked: Option<bool>,
    /// Whether the server serves this version.
    pub served: bool,
    /// Whether this version is deprecated, and what the server tells its users then.
    pub deprecated: Option<Deprecation>,
    /// Description of the root of the schema.
    pub description: &'static str,
    /// Annotations of the CustomResourceDefinition, and of objects made by `new`, as kube-derive has it.
    pub annotations: &'static [(&'static str, &'static str)],
    /// Labels of the CustomResourceDefinition, and of objects made by `new`, as kube-derive has it.
    pub labels: &'static [(&'static str, &'static str)],
}

/// What a server offers for every custom resource.
const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// A column of `kubectl get`: an entry of `additionalPrinterColumns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// OpenAPI type: `integer`, `number`, `string`, `boolean` or `date`.
    pub type_: &'static str,
    /// Where the value stands in the object.
    pub json_path: &'static str,
    /// What the column shows.
    pub description: Option<&'static str>,
    /// OpenAPI format.
    pub format: Option<&'static str>,
    /// Columns above 0 are shown by `-o wide` alone.
    pub priority: Option<i32>,
}

/// Where the scale subresource finds its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScalePaths {
    /// Wanted replicas, under `.spec`.
    pub spec_replicas: &'static str,
    /// Observed replicas, under `.status`.
    pub status_replicas: &'static str,
    /// Label selector in string form, which the horizontal pod autoscaler needs.
    pub label_selector: Option<&'static str>,
}

/// How a version is marked as deprecated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deprecation {
    /// With the server's own words.
    Default,
    /// With this warning.
    Warning(&'static str),
}

/// Builders in `const`, which derived code uses so that it prints only what the user wrote.
#[doc(hidden)]
impl KindInfo {
    pub const fn of<K>(
        singular: &'static str,
        list_kind: &'static str,
        crd_name: &'static str,
        description: &'static str,
    ) -> Self
    where
        K: k8s_openapi::Resource<Scope: Scope>,
    {
        Self {
            group: K::GROUP,
            version: K::VERSION,
            api_version: K::API_VERSION,
            kind: K::KIND,
            list_kind,
            plural: K::URL_PATH_SEGMENT,
            singular,
            crd_name,
            namespaced: <K::Scope as Scope>::NAMESPACED,
            flat: false,
            short_names: &[],
            categories: &[],
            columns: &[],
            selectable: &[],
            verbs: ALL_VERBS,
            status: false,
            scale: None,
            storage: true,
            storage_marked: None,
            served: true,
            deprecated: None,
            description,
            annotations: &[],
            labels: &[],
        }
    }

    #[must_use]
    pub const fn flat(mut self) -> Self {
        self.flat = true;
        self
    }

    #[must_use]
    pub const fn short_names(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    #[must_use]
    pub const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    #[must_use]
    pub const fn columns(mut self, columns: &'static [Column]) -> Self {
        self.columns = columns;
        self
    }

    #[must_use]
    pub const fn selectable(mut self, paths: &'static [&'static str]) -> Self {
        self.selectable = paths;
        self
    }

    #[must_use]
    pub const fn status(mut self) -> Self {
        self.status = true;
        self
    }

    #[must_use]
    pub const fn scale(
        mut self,
        spec_replicas: &'static str,
        status_replicas: &'static str,
        label_selector: Option<&'static str>,
    ) -> Self {
        self.scale = Some(ScalePaths {
            spec_replicas,
            status_replicas,
            label_selector,
        });
        self
    }

    #[must_use]
    pub const fn stored(mut self) -> Self {
        self.storage_marked = Some(true);
        self
    }

    #[must_use]
    pub const fn not_stored(mut self) -> Self {
        self.storage = false;
        self.storage_marked = Some(false);
        self
    }

    #[must_use]
    pub const fn not_served(mut self) -> Self {
        self.served = false;
        self
    }

    #[must_use]
    pub const fn deprecated(mut self) -> Self {
        self.deprecated = Some(Deprecation::Default);
        self
    }

    #[must_use]
    pub const fn deprecated_with(mut self, warning: &'static str) -> Self {
        self.deprecated = Some(Deprecation::Warning(warning));
        self
    }

    #[must_use]
    pub const fn annotations(mut self, pairs: &'static [(&'static str, &'static str)]) -> Self {
        self.annotations = pairs;
        self
    }

    #[must_use]
    pub const fn labels(mut self, pairs: &'static [(&'static str, &'static str)]) -> Self {
        self.labels = pairs;
        self
    }
}

#[doc(hidden)]
impl Column {
    pub const fn new(name: &'static str, type_: &'static str, json_path: &'static str) -> Self {
        Self {
            name,
            type_,
            json_path,
            description: None,
            format: None,
            priority: None,
        }
    }

    #[must_use]
    pub const fn description(mut self, text: &'static str) -> Self {
        self.description = Some(text);
        self
    }

    #[must_use]
    pub const fn format(mut self, format: &'static str) -> Self {
        self.format = Some(format);
        self
    }

    #[must_use]
    pub const fn priority(mut self, priority: i32) -> Self {
        self.priority = Some(priority);
        self
    }
}
