//! Where and when handlers are asked, and the objects that tell a cluster so.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::super::publish::Endpoint;
use super::review::{Admit, Mutating, Validating};
use super::{Labels, Mutator, Operation, Validator};
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
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
    role: Role,
    path: String,
    name: String,
    group: String,
    version: String,
    plural: String,
    namespaced: bool,
    operations: Vec<Operation>,
    subresources: Vec<String>,
    with_main: bool,
    failure_policy: FailurePolicy,
    match_policy: MatchPolicy,
    side_effects: SideEffects,
    reinvocation: Reinvocation,
    timeout: Duration,
    object_labels: Labels,
    namespace_labels: Labels,
    conditions: Vec<(String, String)>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Hook {
    /// Judges created and changed objects; see [`operations`](Self::operations) for deletions.
    pub fn validator<V: Validator>(validator: V) -> Self {
        let validator = Arc::new(validator);
        let make: Make = Arc::new(move |timeout| Arc::new(Validating(Shared(validator.clone()), timeout)));
        Self::new::<V::Object>(Role::Validating, make)
    }

    /// Changes created and changed objects.
    pub fn mutator<M: Mutator>(mutator: M) -> Self {
        let mutator = Arc::new(mutator);
        let make: Make = Arc::new(move |timeout| Arc::new(Mutating(Shared(mutator.clone()), timeout)));
        Self::new::<M::Object>(Role::Mutating, make)
    }

    fn new<K: Kind>(role: Role, make: Make) -> Self {
        let (group, version) = (K::group(&()), K::version(&()));
        let (kind, plural) = (K::kind(&()).to_lowercase(), K::plural(&()));
        let verb = match role {
            Role::Validating => "validate",
            Role::Mutating => "mutate",
        };
        // A name needs three parts; the core has no group, and `core` is what discovery calls it.
        let domain = if group.is_empty() { "core" } else { &group };
        Self {
            make,
            role,
            path: format!("/{verb}-{}-{version}-{kind}", group.replace('.', "-")),
            name: format!("{verb}.{plural}.{version}.{domain}"),
            group: group.clone().into_owned(),
            version: version.clone().into_owned(),
            plural: plural.clone().into_owned(),
            namespaced: <K::Scope as Scope>::NAMESPACED,
            operations: vec![Operation::Create, Operation::Update],
            subresources: Vec::new(),
            with_main: true,
            failure_policy: FailurePolicy::default(),
            match_policy: MatchPolicy::default(),
            side_effects: SideEffects::default(),
            reinvocation: Reinvocation::default(),
            timeout: Duration::from_secs(10),
            object_labels: Labels::new(),
            namespace_labels: Labels::new(),
            conditions: Vec::new(),
        }
    }

    /// Where it is served.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(in super::super) fn admit(&self) -> Arc<dyn Admit> {
        (self.make)(self.timeout)
    }

    /// Serves it elsewhere. Default: controller-runtime's path, `/validate-<group>-<version>-<kind>` or `/mutate-…`
    /// with the group's dots as hyphens and the kind in lower case.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Names it otherwise; a name has three parts or more, and is unique in its configuration. Default
    /// `validate.<plural>.<version>.<group>`, or `mutate.…`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// When it is asked. Default: creations and updates.
    pub fn operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations = operations.into_iter().collect();
        self
    }

    /// Asked about writes to a subresource too; its objects must be of the handler's kind, as those of `status` are.
    pub fn subresource(mut self, name: impl Into<String>) -> Self {
        self.subresources.push(name.into());
        self
    }

    /// Asked about writes to a [subresource](Self::subresource) alone: the object itself is not looked at.
    pub fn only_subresource(mut self, name: impl Into<String>) -> Self {
        self.with_main = false;
        self.subresource(name)
    }

    /// What a server does when the webhook cannot be asked. Default: the request fails.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.failure_policy = policy;
        self
    }

    /// Whether other versions of the kind are converted and asked about. Default: they are.
    pub fn match_policy(mut self, policy: MatchPolicy) -> Self {
        self.match_policy = policy;
        self
    }

    /// What the handler does besides answering. Default: nothing.
    pub fn side_effects(mut self, effects: SideEffects) -> Self {
        self.side_effects = effects;
        self
    }

    /// Whether a mutator is asked again. Default: it is not. Nothing to a validator.
    pub fn reinvocation(mut self, reinvocation: Reinvocation) -> Self {
        self.reinvocation = reinvocation;
        self
    }

    /// How long the handler may take, here and as a server waits for it; whole seconds, 1 to 30. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Duration::from_secs(timeout.as_secs().clamp(1, 30));
        self
    }

    /// Only objects with this label. Several must all be there.
    pub fn object_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.object_labels.insert(key.into(), value.into());
        self
    }

    /// Only objects in namespaces with this label. Several must all be there.
    pub fn namespace_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.namespace_labels.insert(key.into(), value.into());
        self
    }

    /// Only requests for which an expression in CEL is true; `name` tells it in errors.
    pub fn condition(mut self, name: impl Into<String>, expression: impl Into<String>) -> Self {
        self.conditions.push((name.into(), expression.into()));
        self
    }

    fn rules(&self) -> Vec<RuleWithOperations> {
        let main = self.with_main.then(|| self.plural.clone());
        let subresources = self.subresources.iter();
        let subresources = subresources.map(|name| format!("{}/{name}", self.plural));
        let scope = if self.namespaced { "Namespaced" } else { "Cluster" };
        vec![RuleWithOperations {
            api_groups: Some(vec![self.group.clone()]),
            api_versions: Some(vec![self.version.clone()]),
            operations: Some(
                self.operations
                    .iter()
                    .map(|operation| operation.as_str().to_owned())
                    .collect(),
            ),
            resources: Some(main.into_iter().chain(subresources).collect()),
            scope: Some(scope.to_owned()),
        }]
    }

    fn conditions(&self) -> Option<Vec<MatchCondition>> {
        let conditions = self.conditions.iter().map(|(name, expression)| MatchCondition {
            name: name.clone(),
            expression: expression.clone(),
        });
        (!self.conditions.is_empty()).then(|| conditions.collect())
    }

    fn timeout_seconds(&self) -> Option<i32> {
        i32::try_from(self.timeout.as_secs()).ok()
    }
}

fn selector(labels: &Labels) -> Option<LabelSelector> {
    (!labels.is_empty()).then(|| LabelSelector {
        match_labels: Some(labels.clone()),
        match_expressions: None,
    })
}

impl FailurePolicy {
    fn text(self) -> String {
        match self {
            Self::Fail => "Fail",
            Self::Ignore => "Ignore",
        }
        .to_owned()
    }
}

impl MatchPolicy {
    fn text(self) -> String {
        match self {
            Self::Equivalent => "Equivalent",
            Self::Exact => "Exact",
        }
        .to_owned()
    }
}

impl SideEffects {
    fn text(self) -> String {
        match self {
            Self::None => "None",
            Self::NoneOnDryRun => "NoneOnDryRun",
        }
        .to_owned()
    }
}

impl Reinvocation {
    fn text(self) -> String {
        match self {
            Self::Never => "Never",
            Self::IfNeeded => "IfNeeded",
        }
        .to_owned()
    }
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn of_role(hooks: &[Hook], role: Role) -> impl Iterator<Item = &Hook> {
    hooks.iter().filter(move |hook| hook.role == role)
}

pub(in super::super) fn validating(
    hooks: &[Hook],
    name: &str,
    endpoint: &Endpoint,
) -> Option<ValidatingWebhookConfiguration> {
    let webhooks: Vec<_> = of_role(hooks, Role::Validating)
        .map(|hook| ValidatingWebhook {
            admission_review_versions: vec!["v1".to_owned()],
            client_config: endpoint.admission(&hook.path),
            failure_policy: Some(hook.failure_policy.text()),
            match_conditions: hook.conditions(),
            match_policy: Some(hook.match_policy.text()),
            name: hook.name.clone(),
            namespace_selector: selector(&hook.namespace_labels),
            object_selector: selector(&hook.object_labels),
            rules: Some(hook.rules()),
            side_effects: hook.side_effects.text(),
            timeout_seconds: hook.timeout_seconds(),
        })
        .collect();
    (!webhooks.is_empty()).then(|| ValidatingWebhookConfiguration {
        metadata: metadata(name),
        webhooks: Some(webhooks),
    })
}

pub(in super::super) fn mutating(
    hooks: &[Hook],
    name: &str,
    endpoint: &Endpoint,
) -> Option<MutatingWebhookConfiguration> {
    let webhooks: Vec<_> = of_role(hooks, Role::Mutating)
        .map(|hook| MutatingWebhook {
            admission_review_versions: vec!["v1".to_owned()],
            client_config: endpoint.admission(&hook.path),
            failure_policy: Some(hook.failure_policy.text()),
            match_conditions: hook.conditions(),
            match_policy: Some(hook.match_policy.text()),
            name: hook.name.clone(),
            namespace_selector: selector(&hook.namespace_labels),
            object_selector: selector(&hook.object_labels),
            reinvocation_policy: Some(hook.reinvocation.text()),
            rules: Some(hook.rules()),
            side_effects: hook.side_effects.text(),
            timeout_seconds: hook.timeout_seconds(),
        })
        .collect();
    (!webhooks.is_empty()).then(|| MutatingWebhookConfiguration {
        metadata: metadata(name),
        webhooks: Some(webhooks),
    })
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
