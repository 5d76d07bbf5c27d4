//! The objects that tell a cluster which webhooks to ask.
//!
//! **Invariant:** what a server would refuse of them is an error here, in the server's words.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kubewright_schema::{ErrorKind, FieldError, names};

use super::super::publish::Target;
use super::hook::{FailurePolicy, Hook, MatchPolicy, Reinvocation, Role, Settings, SideEffects};
use super::{Labels, Mutator, Operation, Validator};
use crate::defaults::Defaults;
use crate::endpoint::{Endpoint, EndpointError};
use crate::kind::Kind;

/// Names of a program's two webhook configurations, made by [`webhook_configuration!`](crate::webhook_configuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigurationNames {
    /// Of the MutatingWebhookConfiguration.
    pub mutating: &'static str,
    /// Of the ValidatingWebhookConfiguration.
    pub validating: &'static str,
}

impl ConfigurationNames {
    /// Both, for a [`ManagedAuthority`](super::super::ManagedAuthority) that keeps their `caBundle`s current.
    pub fn targets(&self) -> [Target; 2] {
        [
            Target::Mutating(self.mutating.to_owned()),
            Target::Validating(self.validating.to_owned()),
        ]
    }
}

/// The webhook configurations of a program: for [`Installation::admission`](super::super::Installation::admission), or
/// as a file by `kubewright::build::webhooks`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Configurations {
    /// Absent where nothing mutates.
    pub mutating: Option<MutatingWebhookConfiguration>,
    /// Absent where nothing validates.
    pub validating: Option<ValidatingWebhookConfiguration>,
}

/// Why a server would refuse configurations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// Where a webhook is reached.
    #[error("where webhook {name} is reached")]
    Endpoint {
        /// Name of the webhook.
        name: String,
        /// What is wrong.
        #[source]
        source: EndpointError,
    },
    /// The server's own words.
    #[error("{configuration}: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        /// Name of the configuration.
        configuration: &'static str,
        /// What is wrong, each with its path.
        faults: Vec<FieldError>,
    },
}

/// Webhooks by their handlers' types, without the handlers: for build scripts and tests, where nothing is served.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::ConfigMap;
/// use kubewright::versions::Conversion;
/// use kubewright::webhook::{Admission, Allowed, Validator, Verdict, Webhooks};
/// use kubewright::{webhook, webhook_configuration};
///
/// struct Rules(kubewright::kube::Client);
///
/// #[webhook(validating, failure_policy = "Ignore", verbs("create"))]
/// impl Validator for Rules {
///     type Object = ConfigMap;
///
///     async fn validate(&self, _: &Admission<ConfigMap>) -> Verdict {
///         Ok(Allowed::new())
///     }
/// }
///
/// let names = webhook_configuration!(mutating = "rules.example.com", validating = "rules.example.com");
/// let at = Conversion::service("system", "webhook-service");
/// let made = Webhooks::new().validator::<Rules>().configurations(&names, &at)?;
/// let webhook = &made.validating.unwrap().webhooks.unwrap()[0];
/// assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"));
/// assert!(made.mutating.is_none());
/// # Ok::<_, kubewright::webhook::ConfigurationError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Webhooks {
    all: Vec<Settings>,
}

impl Webhooks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds that of a validator.
    pub fn validator<V: Validator>(mut self) -> Self {
        self.all.push(Settings::of_validator::<V>());
        self
    }

    /// Adds that of a mutator.
    pub fn mutator<M: Mutator>(mut self) -> Self {
        self.all.push(Settings::of_mutator::<M>());
        self
    }

    /// Adds that of [`Hook::defaults`].
    pub fn defaults<K>(mut self) -> Self
    where
        K: Kind + kube::core::object::HasSpec,
        K::Spec: Defaults,
    {
        self.all.push(Settings::of_defaults::<K>());
        self
    }

    /// What tells a cluster of them; those without a place of their own are at `endpoint`.
    ///
    /// # Errors
    /// [`ConfigurationError`]: what a server would refuse.
    pub fn configurations(
        &self,
        names: &ConfigurationNames,
        endpoint: &Endpoint,
    ) -> Result<Configurations, ConfigurationError> {
        make(self.all.iter(), names, endpoint)
    }
}

/// What tells a cluster of hooks.
pub(in super::super) fn configurations(
    hooks: &[Hook],
    names: &ConfigurationNames,
    endpoint: &Endpoint,
) -> Result<Configurations, ConfigurationError> {
    make(hooks.iter().map(Hook::settings), names, endpoint)
}

fn make<'a>(
    all: impl Iterator<Item = &'a Settings> + Clone,
    names: &ConfigurationNames,
    endpoint: &Endpoint,
) -> Result<Configurations, ConfigurationError> {
    let of = |role| {
        let name = match role {
            Role::Mutating => names.mutating,
            Role::Validating => names.validating,
        };
        let webhooks: Vec<_> = all
            .clone()
            .filter(move |settings| settings.role == role)
            .collect();
        let faults = faults(name, &webhooks);
        let configuration = name;
        match faults.is_empty() {
            true => Ok(webhooks),
            false => Err(ConfigurationError::Refused {
                configuration,
                faults,
            }),
        }
    };
    let client = |(index, settings): (usize, &Settings)| {
        let place = settings.place.clone();
        let place = place.map_or_else(|| endpoint.clone(), |place| endpoint.moved_to(place));
        let config = place.admission(&settings.path, &format!("webhooks[{index}].clientConfig"));
        config.map_err(|source| ConfigurationError::Endpoint {
            name: settings.name.clone(),
            source,
        })
    };
    let (mutating, validating) = (of(Role::Mutating)?, of(Role::Validating)?);
    let mutating = mutating.into_iter().enumerate().map(|(index, settings)| {
        Ok(MutatingWebhook {
            admission_review_versions: vec!["v1".to_owned()],
            client_config: client((index, settings))?,
            failure_policy: Some(settings.failure_policy.as_str().to_owned()),
            match_conditions: conditions(settings),
            match_policy: Some(settings.match_policy.as_str().to_owned()),
            name: settings.name.clone(),
            namespace_selector: selector(&settings.namespace_labels),
            object_selector: selector(&settings.object_labels),
            reinvocation_policy: Some(settings.reinvocation.as_str().to_owned()),
            rules: Some(rules(settings)),
            side_effects: settings.side_effects.as_str().to_owned(),
            timeout_seconds: i32::try_from(settings.timeout.as_secs()).ok(),
        })
    });
    let validating = validating.into_iter().enumerate().map(|(index, settings)| {
        Ok(ValidatingWebhook {
            admission_review_versions: vec!["v1".to_owned()],
            client_config: client((index, settings))?,
            failure_policy: Some(settings.failure_policy.as_str().to_owned()),
            match_conditions: conditions(settings),
            match_policy: Some(settings.match_policy.as_str().to_owned()),
            name: settings.name.clone(),
            namespace_selector: selector(&settings.namespace_labels),
            object_selector: selector(&settings.object_labels),
            rules: Some(rules(settings)),
            side_effects: settings.side_effects.as_str().to_owned(),
            timeout_seconds: i32::try_from(settings.timeout.as_secs()).ok(),
        })
    });
    let mutating: Vec<_> = mutating.collect::<Result<_, ConfigurationError>>()?;
    let validating: Vec<_> = validating.collect::<Result<_, ConfigurationError>>()?;
    Ok(Configurations {
        mutating: (!mutating.is_empty()).then(|| MutatingWebhookConfiguration {
            metadata: metadata(names.mutating),
            webhooks: Some(mutating),
        }),
        validating: (!validating.is_empty()).then(|| ValidatingWebhookConfiguration {
            metadata: metadata(names.validating),
            webhooks: Some(validating),
        }),
    })
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn rules(settings: &Settings) -> Vec<RuleWithOperations> {
    let Settings { plural, .. } = settings;
    let main = settings.with_main.then(|| plural.clone());
    let subresources = settings.subresources.iter();
    let subresources = subresources.map(|name| format!("{plural}/{name}"));
    let scope = if settings.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    };
    let operations = settings.operations.iter().copied().map(Operation::as_str);
    vec![RuleWithOperations {
        api_groups: Some(vec![settings.group.clone()]),
        api_versions: Some(vec![settings.version.clone()]),
        operations: Some(operations.map(str::to_owned).collect()),
        resources: Some(main.into_iter().chain(subresources).collect()),
        scope: Some(scope.to_owned()),
    }]
}

fn conditions(settings: &Settings) -> Option<Vec<MatchCondition>> {
    let conditions = settings.conditions.iter();
    let conditions = conditions.map(|(name, expression)| MatchCondition {
        name: name.clone(),
        expression: expression.clone(),
    });
    (!settings.conditions.is_empty()).then(|| conditions.collect())
}

fn selector(labels: &Labels) -> Option<LabelSelector> {
    (!labels.is_empty()).then(|| LabelSelector {
        match_labels: Some(labels.clone()),
        match_expressions: None,
    })
}

/// How many conditions a webhook may have.
const MOST_CONDITIONS: usize = 64;

/// What a server would refuse but for where the webhooks are, as `pkg/apis/admissionregistration/validation` has it.
fn faults(name: &str, webhooks: &[&Settings]) -> Vec<FieldError> {
    let mut found = Vec::new();
    if webhooks.is_empty() {
        return found;
    }
    let invalid = |field: String, value: &str, why: String| {
        FieldError::new(ErrorKind::Invalid, field, serde_json::Value::from(value), why)
    };
    for why in names::dns1123_subdomain(name) {
        found.push(invalid("metadata.name".to_owned(), name, why));
    }
    let mut seen = BTreeSet::new();
    for (index, webhook) in webhooks.iter().enumerate() {
        let at = |field: &str| format!("webhooks[{index}].{field}");
        let name = &*webhook.name;
        let wrong = names::dns1123_subdomain(name);
        if !wrong.is_empty() {
            found.push(invalid(at("name"), name, wrong.join(",")));
        } else if name.split('.').count() < 3 {
            let why = "should be a domain with at least three segments separated by dots";
            found.push(invalid(at("name"), name, why.to_owned()));
        }
        if !seen.insert(name) {
            let value = serde_json::Value::from(name);
            found.push(FieldError::new(ErrorKind::Duplicate, at("name"), value, ""));
        }
        if webhook.operations.is_empty() {
            let field = at("rules[0].operations");
            found.push(FieldError::new(ErrorKind::Required, field, None, ""));
        }
        for (field, labels) in [
            ("namespaceSelector.matchLabels", &webhook.namespace_labels),
            ("objectSelector.matchLabels", &webhook.object_labels),
        ] {
            for (key, value) in labels {
                let keys = names::qualified_name(key).into_iter();
                found.extend(keys.map(|why| invalid(at(field), key, why)));
                let values = names::label_value(value).into_iter();
                found.extend(values.map(|why| invalid(at(field), value, why)));
            }
        }
        condition_faults(&webhook.conditions, &at("matchConditions"), &mut found);
    }
    found
}

fn condition_faults(conditions: &[(String, String)], field: &str, found: &mut Vec<FieldError>) {
    if conditions.len() > MOST_CONDITIONS {
        let why = format!("must have at most {MOST_CONDITIONS} items");
        found.push(FieldError::new(ErrorKind::TooMany, field, None, why));
    }
    let mut seen = BTreeSet::new();
    for (index, (name, expression)) in conditions.iter().enumerate() {
        let at = |member: &str| format!("{field}[{index}].{member}");
        let value = || serde_json::Value::from(&**name);
        for why in names::qualified_name(name) {
            found.push(FieldError::new(ErrorKind::Invalid, at("name"), value(), why));
        }
        if !seen.insert(name) {
            found.push(FieldError::new(ErrorKind::Duplicate, at("name"), value(), ""));
        }
        if expression.trim().is_empty() {
            found.push(FieldError::new(ErrorKind::Required, at("expression"), None, ""));
        }
    }
}

impl FailurePolicy {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Ignore => "Ignore",
        }
    }
}

impl MatchPolicy {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equivalent => "Equivalent",
            Self::Exact => "Exact",
        }
    }
}

impl SideEffects {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::NoneOnDryRun => "NoneOnDryRun",
        }
    }
}

impl Reinvocation {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::IfNeeded => "IfNeeded",
        }
    }
}
