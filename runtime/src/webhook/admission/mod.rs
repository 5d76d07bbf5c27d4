//! Admission: what handlers see of a request, and what they say to it.
//!
//! **Invariant:** a mutator changes what it changed, and nothing else: fields that its type does not know, and the
//! way others are written, stay as they came (see `merge`).

mod configuration;
mod defaults;
mod hook;
mod info;
mod merge;
mod review;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use k8s_openapi::api::authentication::v1::UserInfo;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::{Kind, ObjectKey};

pub(super) use configuration::configurations;
pub use configuration::{ConfigurationError, ConfigurationNames, Configurations, Webhooks};
pub use hook::{FailurePolicy, Hook, MatchPolicy, Reinvocation, SideEffects};
pub use info::WebhookInfo;
pub(super) use review::{Admit, review};

/// Judges objects of one kind before they are stored.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::ConfigMap;
/// use kubewright::webhook::{Admission, Allowed, Denied, Validator};
///
/// struct Immutable;
///
/// impl Validator for Immutable {
///     type Object = ConfigMap;
///
///     async fn validate(&self, request: &Admission<ConfigMap>) -> Result<Allowed, Denied> {
///         match (&request.old_object, &request.object) {
///             (Some(old), Some(new)) if old.data != new.data => Err(Denied::invalid("data", "is immutable")),
///             _ => Ok(Allowed::new()),
///         }
///     }
/// }
/// ```
pub trait Validator: Send + Sync + 'static {
    /// The kind that is judged.
    type Object: Kind;

    /// When and where it is asked; what [`#[webhook(...)]`](macro@crate::webhook) writes down. Default: all defaults.
    const WEBHOOK: WebhookInfo = WebhookInfo::new();

    /// Lets the request pass, or denies it. It may be cut off at its next await once the hook's
    /// [timeout](Hook::timeout) has passed.
    ///
    /// # Errors
    /// A denial; the client sees its message.
    fn validate(&self, request: &Admission<Self::Object>) -> impl Future<Output = Verdict> + Send;
}

/// Changes objects of one kind before they are judged and stored.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::ConfigMap;
/// use kubewright::webhook::{Admission, Allowed, Denied, Mutator};
///
/// struct Labels;
///
/// impl Mutator for Labels {
///     type Object = ConfigMap;
///
///     async fn mutate(&self, object: &mut ConfigMap, _: &Admission<ConfigMap>) -> Result<Allowed, Denied> {
///         let labels = object.metadata.labels.get_or_insert_default();
///         labels.entry("team".to_owned()).or_insert_with(|| "a".to_owned());
///         Ok(Allowed::new())
///     }
/// }
/// ```
pub trait Mutator: Send + Sync + 'static {
    /// The kind that is changed.
    type Object: Kind;

    /// When and where it is asked; what [`#[webhook(...)]`](macro@crate::webhook) writes down. Default: all defaults.
    const WEBHOOK: WebhookInfo = WebhookInfo::new();

    /// Changes `object`, which begins as a copy of the request's. Deletions have none, and are let pass without
    /// asking. The same object may come again with its changes made: mutating twice must be as mutating once.
    ///
    /// # Errors
    /// A denial; the client sees its message.
    fn mutate(
        &self,
        object: &mut Self::Object,
        request: &Admission<Self::Object>,
    ) -> impl Future<Output = Verdict> + Send;
}

/// What a handler says.
pub type Verdict = Result<Allowed, Denied>;

/// A [`Validator`] from a closure.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::Pod;
/// use kubewright::webhook::{Admission, Allowed, Denied, Hook, validate_with};
///
/// let named = validate_with(|request: &Admission<Pod>| match request.name.as_str() {
///     "root" => Err(Denied::forbidden("no pod is called root")),
///     _ => Ok(Allowed::new()),
/// });
/// let hook = Hook::validator(named);
/// ```
pub fn validate_with<K, F>(validate: F) -> ValidateWith<K, F>
where
    K: Kind,
    F: Fn(&Admission<K>) -> Verdict + Send + Sync + 'static,
{
    ValidateWith {
        validate,
        kind: PhantomData,
    }
}

/// See [`validate_with`].
pub struct ValidateWith<K, F> {
    validate: F,
    kind: PhantomData<fn() -> K>,
}

impl<K, F> fmt::Debug for ValidateWith<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValidateWith")
    }
}

impl<K, F> Validator for ValidateWith<K, F>
where
    K: Kind,
    F: Fn(&Admission<K>) -> Verdict + Send + Sync + 'static,
{
    type Object = K;

    async fn validate(&self, request: &Admission<K>) -> Verdict {
        (self.validate)(request)
    }
}

/// A [`Mutator`] from a closure.
///
/// ```
/// use kubewright::k8s_openapi::api::apps::v1::Deployment;
/// use kubewright::webhook::{Admission, Allowed, Hook, mutate_with};
///
/// let replicas = mutate_with(|object: &mut Deployment, _: &Admission<Deployment>| {
///     object.spec.replicas.get_or_insert(2);
///     Ok(Allowed::new())
/// });
/// let hook = Hook::mutator(replicas);
/// ```
pub fn mutate_with<K, F>(mutate: F) -> MutateWith<K, F>
where
    K: Kind,
    F: Fn(&mut K, &Admission<K>) -> Verdict + Send + Sync + 'static,
{
    MutateWith {
        mutate,
        kind: PhantomData,
    }
}

/// See [`mutate_with`].
pub struct MutateWith<K, F> {
    mutate: F,
    kind: PhantomData<fn() -> K>,
}

impl<K, F> fmt::Debug for MutateWith<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MutateWith")
    }
}

impl<K, F> Mutator for MutateWith<K, F>
where
    K: Kind,
    F: Fn(&mut K, &Admission<K>) -> Verdict + Send + Sync + 'static,
{
    type Object = K;

    async fn mutate(&self, object: &mut K, request: &Admission<K>) -> Verdict {
        (self.mutate)(object, request)
    }
}

/// What shall be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// An object is created.
    Create,
    /// An object is changed, by whichever verb.
    Update,
    /// An object is deleted.
    Delete,
    /// Somebody connects to a subresource, as `exec` of a pod.
    Connect,
}

impl Operation {
    /// As Kubernetes writes it: `CREATE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// Group, version, and a kind or the plural of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// Group, empty for the core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind, where it is one: `Pod`.
    pub kind: String,
    /// Plural, where it is a resource: `pods`.
    pub resource: String,
}

/// A request that waits for a verdict; field by field what `admission.k8s.io/v1` says of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admission<K> {
    /// Identifies this question; the next one about the same request has another.
    pub uid: String,
    /// What shall be done.
    pub operation: Operation,
    /// The object as it would be stored; absent where one is deleted.
    pub object: Option<K>,
    /// The object as it is stored; absent where one is created.
    pub old_object: Option<K>,
    /// Name; empty where the server is going to make one.
    pub name: String,
    /// Namespace, absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Subresource that is written, as `status`.
    pub subresource: Option<String>,
    /// Nothing will be stored, so nothing outside may be changed either.
    pub dry_run: bool,
    /// Who asks.
    pub user: UserInfo,
    /// Options of the operation: `CreateOptions` and the like, with the field manager.
    pub options: Option<Value>,
    /// Kind that the client asked for, which may be of another version than `K`'s.
    pub request_kind: Option<Resource>,
    /// Resource that the client asked for.
    pub request_resource: Option<Resource>,
}

impl<K> Admission<K> {
    /// Namespace and name.
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// The request may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Allowed {
    warnings: Vec<String>,
}

impl Allowed {
    /// Without a word.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more warning, which `kubectl` shows. Servers cut those longer than 256 bytes.
    pub fn warn(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cause {
    /// A word for machines: `FieldValueInvalid`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The field: `spec.ports[0].name`.
    pub field: String,
}

/// The request must not go on. Its client sees the message behind the name of the webhook, the reason and the code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Denied {
    code: u16,
    reason: String,
    message: String,
    causes: Vec<Cause>,
    warnings: Vec<String>,
}

impl Denied {
    /// 403 `Forbidden`: a rule is against it.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::with(403, "Forbidden", message)
    }

    /// 422 `Invalid`: a field is wrong; [more](Self::cause) may follow.
    ///
    /// The message is made of the object's kind and name and of all causes, as the server's own are.
    ///
    /// ```
    /// use kubewright::webhook::Denied;
    ///
    /// let denied = Denied::invalid("spec.min", "must not be negative").cause("spec.max", "must not be less than min");
    /// ```
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::with(422, "Invalid", "").cause(field, message)
    }

    /// 400 `BadRequest`: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::with(400, "BadRequest", message)
    }

    /// 500 `InternalError`: no verdict could be found.
    pub fn internal(error: impl fmt::Display) -> Self {
        Self::with(500, "InternalError", error.to_string())
    }

    fn with(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            causes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// One more field that is wrong, with the reason `FieldValueInvalid`.
    pub fn cause(self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.cause_of("FieldValueInvalid", field, message)
    }

    /// One more field that is wrong, with a reason of its own: `FieldValueRequired`, `FieldValueDuplicate`, …
    pub fn cause_of(
        mut self,
        reason: impl Into<String>,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.causes.push(Cause {
            reason: reason.into(),
            message: message.into(),
            field: field.into(),
        });
        self
    }

    /// Another code; servers take one below 400 for 400.
    pub fn code(mut self, code: u16) -> Self {
        self.code = code;
        self
    }

    /// Another reason, a word in CamelCase.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// With one more warning.
    pub fn warn(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }
}

/// 403 `Forbidden`.
impl From<String> for Denied {
    fn from(message: String) -> Self {
        Self::forbidden(message)
    }
}

/// 403 `Forbidden`.
impl From<&str> for Denied {
    fn from(message: &str) -> Self {
        Self::forbidden(message)
    }
}

/// Selects objects or namespaces by their labels; every one must have its value.
pub(super) type Labels = BTreeMap<String, String>;
