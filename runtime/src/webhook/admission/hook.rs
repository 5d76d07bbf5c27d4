//! Where and when handlers are asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kube::core::object::HasSpec;

use super::defaults::DefaultsOf;
use super::info::{Place, WebhookInfo};
use super::review::{Admit, Mutating, Validating};
use super::{Labels, Mutator, Operation, Validator};
use crate::defaults::Defaults;
use crate::endpoint::Endpoint;
use crate::kind::{Kind, Scope};

/// What a server does with a request when the webhook cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The request fails.
    #[default]
    Fail,
    /// The request goes on.
    Ignore,
}

/// Which versions of a resource a webhook is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchPolicy {
    /// All; the server converts the object to the webhook's version.
    #[default]
    Equivalent,
    /// Only the webhook's version.
    Exact,
}

/// What a webhook does besides answering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SideEffects {
    /// Nothing.
    #[default]
    None,
    /// Something, but not for requests with `dryRun`.
    NoneOnDryRun,
}

/// Whether a mutating webhook is asked again after others changed the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reinvocation {
    /// Once is enough.
    #[default]
    Never,
    /// If somebody changed the object since.
    IfNeeded,
}

/// Which of the two configurations names a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Validating,
    Mutating,
}

/// Makes the handler, once its timeout is known.
type Make = Arc<dyn Fn(Duration) -> Arc<dyn Admit> + Send + Sync>;

/// A handler with its settings; their defaults are controller-tools' where that has one.
///
/// ```
/// use std::time::Duration;
///
/// use kubewright::k8s_openapi::api::core::v1::Pod;
/// use kubewright::webhook::{Admission, Allowed, Hook, Operation, validate_with};
///
/// let hook = Hook::validator(validate_with(|_: &Admission<Pod>| Ok(Allowed::new())))
///     .operations([Operation::Create, Operation::Delete])
///     .timeout(Duration::from_secs(5));
/// assert_eq!(hook.path(), "/validate--v1-pod");
/// ```
#[derive(Clone)]
pub struct Hook {
    make: Make,
    settings: Settings,
}

/// All that is known of a webhook but its handler.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) role: Role,
    pub(super) path: String,
    pub(super) name: String,
    /// Where it is, other than where the server's others are.
    pub(super) place: Option<Endpoint>,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
    pub(super) operations: Vec<Operation>,
    pub(super) subresources: Vec<String>,
    pub(super) with_main: bool,
    pub(super) failure_policy: FailurePolicy,
    pub(super) match_policy: MatchPolicy,
    pub(super) side_effects: SideEffects,
    pub(super) reinvocation: Reinvocation,
    pub(super) timeout: Duration,
    pub(super) object_labels: Labels,
    pub(super) namespace_labels: Labels,
    pub(super) conditions: Vec<(String, String)>,
}

impl Settings {
    pub(super) fn of_validator<V: Validator>() -> Self {
        Self::new::<V::Object>(Role::Validating, "validate", &V::WEBHOOK)
    }

    pub(super) fn of_mutator<M: Mutator>() -> Self {
        Self::new::<M::Object>(Role::Mutating, "mutate", &M::WEBHOOK)
    }

    pub(super) fn of_defaults<K: Kind>() -> Self {
        Self::new::<K>(Role::Mutating, "default", &WebhookInfo::new())
    }

    fn new<K: Kind>(role: Role, verb: &str, info: &WebhookInfo) -> Self {
        let (group, version) = (K::group(&()), K::version(&()));
        let (kind, plural) = (K::kind(&()).to_lowercase(), K::plural(&()));
        // A name needs three parts; the core has no group, and `core` is what discovery calls it.
        let domain = if group.is_empty() { "core" } else { &group };
        let path = || format!("/{verb}-{}-{version}-{kind}", group.replace('.', "-"));
        let name = || format!("{verb}.{plural}.{version}.{domain}");
        let mut settings = Self {
            role,
            path: info.path.map_or_else(path, str::to_owned),
            name: info.name.map_or_else(name, str::to_owned),
            place: None,
            group: group.clone().into_owned(),
            version: version.clone().into_owned(),
            plural: plural.clone().into_owned(),
            namespaced: <K::Scope as Scope>::NAMESPACED,
            operations: info.operations.to_vec(),
            subresources: info.subresources.iter().map(|name| (*name).to_owned()).collect(),
            with_main: info.with_main,
            failure_policy: info.failure_policy,
            match_policy: info.match_policy,
            side_effects: info.side_effects,
            reinvocation: info.reinvocation,
            timeout: Duration::from_secs(info.timeout_seconds.into()),
            object_labels: owned(info.object_labels),
            namespace_labels: owned(info.namespace_labels),
            conditions: owned(info.conditions),
        };
        match info.place {
            None => {}
            Some(Place::Url(url)) => settings.at_url(url),
            Some(Place::Service {
                namespace,
                name,
                port,
            }) => {
                let service = Endpoint::service(namespace, name);
                settings.place = Some(match port {
                    Some(port) => service.port(port),
                    None => service,
                });
            }
        }
        settings
    }

    /// Reached, and so served, at a URL.
    fn at_url(&mut self, url: &str) {
        Endpoint::path_of(url).clone_into(&mut self.path);
        self.place = Some(Endpoint::url(url));
    }
}

fn owned<C: FromIterator<(String, String)>>(pairs: &[(&str, &str)]) -> C {
    let pairs = pairs.iter();
    pairs
        .map(|(one, two)| ((*one).to_owned(), (*two).to_owned()))
        .collect()
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.settings.name)
            .field("path", &self.settings.path)
            .finish_non_exhaustive()
    }
}

impl Hook {
    /// Judges created and changed objects; see [`operations`](Self::operations) for deletions.
    pub fn validator<V: Validator>(validator: V) -> Self {
        let validator = Arc::new(validator);
        let make: Make = Arc::new(move |timeout| Arc::new(Validating(Shared(validator.clone()), timeout)));
        let settings = Settings::of_validator::<V>();
        Self { make, settings }
    }

    /// Changes created and changed objects.
    pub fn mutator<M: Mutator>(mutator: M) -> Self {
        let mutator = Arc::new(mutator);
        let make: Make = Arc::new(move |timeout| Arc::new(Mutating(Shared(mutator.clone()), timeout)));
        let settings = Settings::of_mutator::<M>();
        Self { make, settings }
    }

    /// Fills absent values in the specs of created and changed objects, by [`Defaults::set_defaults`] (VER-42). It is a
    /// mutator with a path and a name of its own, `/default-…` and `default.…`, beside which a kind may have others.
    ///
    /// What the type does not know stays as it came, as with every mutator.
    ///
    /// ```
    /// use kubewright::webhook::Hook;
    /// use kubewright::{CustomResource, Defaults, KubeSchema};
    ///
    /// #[derive(CustomResource, KubeSchema, Defaults, serde::Serialize, serde::Deserialize, Clone, Debug)]
    /// #[kube(group = "example.com", version = "v1", kind = "Site", namespaced)]
    /// pub struct SiteSpec {
    ///     #[kube(default = 1)]
    ///     pub replicas: Option<i32>,
    /// }
    ///
    /// assert_eq!(Hook::defaults::<Site>().path(), "/default-example-com-v1-site");
    /// ```
    pub fn defaults<K>() -> Self
    where
        K: Kind + HasSpec,
        K::Spec: Defaults,
    {
        let settings = Settings::of_defaults::<K>();
        Self {
            settings,
            ..Self::mutator(DefaultsOf::<K>::new())
        }
    }

    /// Where it is served.
    pub fn path(&self) -> &str {
        &self.settings.path
    }

    pub(in super::super) fn admit(&self) -> Arc<dyn Admit> {
        (self.make)(self.settings.timeout)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Serves it elsewhere. Default: controller-runtime's path, `/validate-<group>-<version>-<kind>` or `/mutate-…`
    /// with the group's dots as hyphens and the kind in lower case.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.settings.path = path.into();
        self
    }

    /// API servers reach it at this URL, wherever the others are; it is served at the URL's path.
    pub fn url(mut self, url: impl AsRef<str>) -> Self {
        self.settings.at_url(url.as_ref());
        self
    }

    /// API servers reach it by this Service, wherever the others are. Default port 443.
    pub fn service(mut self, namespace: &str, name: &str, port: Option<u16>) -> Self {
        let service = Endpoint::service(namespace, name);
        self.settings.place = Some(match port {
            Some(port) => service.port(port),
            None => service,
        });
        self
    }

    /// Names it otherwise; a name has three parts or more, and is unique in its configuration. Default
    /// `validate.<plural>.<version>.<group>`, or `mutate.…`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// When it is asked. Default: creations and updates.
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.settings.operations = operations.into_iter().collect();
        self
    }

    /// Asked about writes to a subresource too; its objects must be of the handler's kind, as those of `status` are.
    pub fn subresource(mut self, name: impl Into<String>) -> Self {
        self.settings.subresources.push(name.into());
        self
    }

    /// Asked about writes to a [subresource](Self::subresource) alone: the object itself is not looked at.
    pub fn only_subresource(mut self, name: impl Into<String>) -> Self {
        self.settings.with_main = false;
        self.subresource(name)
    }

    /// What a server does when the webhook cannot be asked. Default: the request fails.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.failure_policy = policy;
        self
    }

    /// Whether other versions of the kind are converted and asked about. Default: they are.
    pub fn match_policy(mut self, policy: MatchPolicy) -> Self {
        self.settings.match_policy = policy;
        self
    }

    /// What the handler does besides answering. Default: nothing.
    pub fn side_effects(mut self, effects: SideEffects) -> Self {
        self.settings.side_effects = effects;
        self
    }

    /// Whether a mutator is asked again. Default: it is not. Nothing to a validator.
    pub fn reinvocation(mut self, reinvocation: Reinvocation) -> Self {
        self.settings.reinvocation = reinvocation;
        self
    }

    /// How long the handler may take, here and as a server waits for it; whole seconds, 1 to 30. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Duration::from_secs(timeout.as_secs().clamp(1, 30));
        self
    }

    /// Only objects with this label. Several must all be there.
    pub fn object_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.object_labels.insert(key.into(), value.into());
        self
    }

    /// Only objects in namespaces with this label. Several must all be there.
    pub fn namespace_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.namespace_labels.insert(key.into(), value.into());
        self
    }

    /// Only requests for which an expression in CEL is true; `name` tells it in errors.
    pub fn condition(mut self, name: impl Into<String>, expression: impl Into<String>) -> Self {
        self.settings.conditions.push((name.into(), expression.into()));
        self
    }
}

/// One handler behind however many clones of its hook.
struct Shared<T>(Arc<T>);

impl<V: Validator> Validator for Shared<V> {
    type Object = V::Object;

    fn validate(&self, request: &super::Admission<V::Object>) -> impl Future<Output = super::Verdict> + Send {
        self.0.validate(request)
    }
}

impl<M: Mutator> Mutator for Shared<M> {
    type Object = M::Object;

    fn mutate(
        &self,
        object: &mut M::Object,
        request: &super::Admission<M::Object>,
    ) -> impl Future<Output = super::Verdict> + Send {
        self.0.mutate(object, request)
    }
}
