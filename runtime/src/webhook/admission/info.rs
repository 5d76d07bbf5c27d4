//! What a handler says of its webhook, as data: what `#[webhook(...)]` writes down.
//!
//! **Invariant:** the path that is served and the one that a cluster is told come of one value.

use super::Operation;
use super::hook::{FailurePolicy, MatchPolicy, Reinvocation, SideEffects};

/// A webhook's settings, beside its handler: [`Validator::WEBHOOK`](super::Validator::WEBHOOK) and
/// [`Mutator::WEBHOOK`](super::Mutator::WEBHOOK).
///
/// `#[webhook(...)]` on the handler's impl makes one and checks it at its tokens; by hand it is a constant too. Group,
/// version and resource are those of the handler's type.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::Pod;
/// use kubewright::webhook::{Admission, Allowed, FailurePolicy, Hook, Validator, Verdict, WebhookInfo};
///
/// struct Pods;
///
/// impl Validator for Pods {
///     type Object = Pod;
///
///     const WEBHOOK: WebhookInfo = WebhookInfo::new().path("/pods").failure_policy(FailurePolicy::Ignore);
///
///     async fn validate(&self, _: &Admission<Pod>) -> Verdict {
///         Ok(Allowed::new())
///     }
/// }
///
/// assert_eq!(Hook::validator(Pods).path(), "/pods");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct WebhookInfo {
    pub(super) name: Option<&'static str>,
    pub(super) path: Option<&'static str>,
    pub(super) place: Option<Place>,
    pub(super) operations: &'static [Operation],
    pub(super) subresources: &'static [&'static str],
    pub(super) with_main: bool,
    pub(super) failure_policy: FailurePolicy,
    pub(super) match_policy: MatchPolicy,
    pub(super) side_effects: SideEffects,
    pub(super) reinvocation: Reinvocation,
    pub(super) timeout_seconds: u8,
    pub(super) object_labels: &'static [(&'static str, &'static str)],
    pub(super) namespace_labels: &'static [(&'static str, &'static str)],
    pub(super) conditions: &'static [(&'static str, &'static str)],
}

/// Where the webhook is, other than where the server's others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Url(&'static str),
    Service {
        namespace: &'static str,
        name: &'static str,
        port: Option<u16>,
    },
}

impl Default for WebhookInfo {
    fn default() -> Self {
        Self::new()
    }
}

/// Each sets what the method of [`Hook`](super::Hook) of the same name does.
impl WebhookInfo {
    /// All defaults.
    pub const fn new() -> Self {
        Self {
            name: None,
            path: None,
            place: None,
            operations: &[Operation::Create, Operation::Update],
            subresources: &[],
            with_main: true,
            failure_policy: FailurePolicy::Fail,
            match_policy: MatchPolicy::Equivalent,
            side_effects: SideEffects::None,
            reinvocation: Reinvocation::Never,
            timeout_seconds: 10,
            object_labels: &[],
            namespace_labels: &[],
            conditions: &[],
        }
    }

    /// Name of the webhook.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Where it is served.
    pub const fn path(mut self, path: &'static str) -> Self {
        self.path = Some(path);
        self
    }

    /// The URL at which API servers reach it; its path is where it is served.
    pub const fn url(mut self, url: &'static str) -> Self {
        self.place = Some(Place::Url(url));
        self
    }

    /// The Service by which API servers reach it.
    pub const fn service(mut self, namespace: &'static str, name: &'static str, port: Option<u16>) -> Self {
        self.place = Some(Place::Service {
            namespace,
            name,
            port,
        });
        self
    }

    /// When it is asked.
    pub const fn operations(mut self, operations: &'static [Operation]) -> Self {
        self.operations = operations;
        self
    }

    /// Subresources that it is asked about too.
    pub const fn subresources(mut self, names: &'static [&'static str]) -> Self {
        self.subresources = names;
        self
    }

    /// Subresources that it is asked about, and nothing else.
    pub const fn only_subresources(mut self, names: &'static [&'static str]) -> Self {
        self.with_main = false;
        self.subresources(names)
    }

    /// What a server does when it cannot be asked.
    pub const fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.failure_policy = policy;
        self
    }

    /// Whether other versions of the kind are converted and asked about.
    pub const fn match_policy(mut self, policy: MatchPolicy) -> Self {
        self.match_policy = policy;
        self
    }

    /// What the handler does besides answering.
    pub const fn side_effects(mut self, effects: SideEffects) -> Self {
        self.side_effects = effects;
        self
    }

    /// Whether a mutator is asked again.
    pub const fn reinvocation(mut self, reinvocation: Reinvocation) -> Self {
        self.reinvocation = reinvocation;
        self
    }

    /// How long it may take, in seconds, 1 to 30.
    ///
    /// # Panics
    /// For another number, which in a constant is an error of the compiler.
    pub const fn timeout_seconds(mut self, seconds: u8) -> Self {
        assert!(
            seconds >= 1 && seconds <= 30,
            "a webhook's timeout is 1 to 30 seconds"
        );
        self.timeout_seconds = seconds;
        self
    }

    /// Labels that objects must have.
    pub const fn object_labels(mut self, labels: &'static [(&'static str, &'static str)]) -> Self {
        self.object_labels = labels;
        self
    }

    /// Labels that the namespace must have.
    pub const fn namespace_labels(mut self, labels: &'static [(&'static str, &'static str)]) -> Self {
        self.namespace_labels = labels;
        self
    }

    /// Names and expressions in CEL, all of which must be true of a request.
    pub const fn conditions(mut self, conditions: &'static [(&'static str, &'static str)]) -> Self {
        self.conditions = conditions;
        self
    }
}
