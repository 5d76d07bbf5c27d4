//! Conditions about requests, in CEL: `matchConditions` of admission webhooks.
//!
//! They see `object`, `oldObject`, `request`, `authorizer` and `authorizer.requestResource`, and a `namespaceObject` that is
//! null. There is nobody to ask for permissions here, so the authorizer allows everything.
//!
//! **Invariant:** texts and costs are those of `k8s.io/apiserver/pkg/admission/plugin/cel`.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::check;
use super::decl::RootDecl;
use super::eval::Output;
use super::plan::{Given, Program, Request};
use super::run_cost::LIMIT_PER_CALL;
use super::types::Type;

/// What all conditions of one webhook may cost together.
pub const BUDGET: u64 = 2_500_000;

/// A condition, compiled.
///
/// ```
/// use kubewright_schema::conditions::{BUDGET, Condition, Subject};
/// use serde_json::json;
///
/// let condition = Condition::compile("object.metadata.name != 'a' && request.operation == 'CREATE'").unwrap();
/// let object = json!({"metadata": {"name": "b"}});
/// let request = json!({"operation": "CREATE"});
/// let subject = Subject { object: Some(&object), old_object: None, request: &request };
/// assert_eq!(condition.holds(subject, &mut BUDGET.clone()), Ok(true));
///
/// let why = Condition::compile("object.metadata.name").unwrap_err();
/// assert_eq!(why.to_string(), "must evaluate to bool but got dyn");
/// ```
#[derive(Debug)]
pub struct Condition {
    text: Box<str>,
    program: Program,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The object as it would be; none of a deletion.
    pub object: Option<&'a Value>,
    /// The object as it is; none of a creation.
    pub old_object: Option<&'a Value>,
    /// The `request` of an AdmissionReview, without the objects.
    pub request: &'a Value,
}

/// Why a condition neither holds nor does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// The evaluation failed; other conditions may still decide.
    #[error("expression '{expression}' resulted in error: {why}")]
    Failed {
        /// The condition.
        expression: Box<str>,
        /// CEL's words.
        why: String,
    },
    /// The budget is spent, so that no further condition is to be evaluated.
    #[error("validation failed due to running out of cost budget, no further validation rules will be run")]
    OutOfBudget,
}

/// Why a condition cannot be compiled, in a server's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The condition is wrong: `compilation failed: ERROR: <input>:1:7: …`, `must evaluate to bool but got string`.
    #[error("{0}")]
    Invalid(String),
    /// A constant part of it fails, which a server takes for a failure of its own.
    #[error("program instantiation failed: {0}")]
    Internal(String),
}

static DECLARATIONS: LazyLock<RootDecl> = LazyLock::new(declarations);

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// [`CompileError`].
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        let variables = Given::ALL.map(|(name, given)| (name, type_of(given)));
        let checked = check::check_with(text, &DECLARATIONS, &variables)
            .map_err(|why| CompileError::Invalid(format!("compilation failed: {why}")))?;
        match checked.type_of(&checked.expr) {
            Type::Bool => {}
            other => {
                let why = format!("must evaluate to bool but got {}", other.declared());
                return Err(CompileError::Invalid(why));
            }
        }
        let program = check::program::instantiate(&checked).map_err(CompileError::Internal)?;
        Ok(Self {
            text: text.into(),
            program,
        })
    }

    /// Whether it holds. What the evaluation costs is taken from the budget, [`BUDGET`] for the first of a webhook.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub fn holds(&self, subject: Subject<'_>, budget: &mut u64) -> Result<bool, ConditionError> {
        let request = Request {
            object: subject.object,
            old_object: subject.old_object,
            request: subject.request,
        };
        let evaluation = self.program.evaluate_request(request, LIMIT_PER_CALL);
        *budget = budget
            .checked_sub(evaluation.cost)
            .ok_or(ConditionError::OutOfBudget)?;
        let failed = |why: String| ConditionError::Failed {
            expression: self.text.clone(),
            why,
        };
        match evaluation.result {
            Ok(Output::Bool(value)) => Ok(value),
            // The checker has seen to that.
            Ok(Output::Text(_) | Output::Other(_)) => Err(failed("no such overload".to_owned())),
            Err(why) => Err(failed(why.to_string())),
        }
    }
}

fn object(name: &str) -> Type {
    Type::Object(name.into())
}

fn type_of(given: Given) -> Type {
    match given {
        Given::Object | Given::OldObject => Type::Dyn,
        Given::Namespace => object("kubernetes.Namespace"),
        Given::Request => object("kubernetes.AdmissionRequest"),
        Given::Authorizer => Type::Opaque("kubernetes.authorization.Authorizer"),
        Given::RequestResource => Type::Opaque("kubernetes.authorization.ResourceCheck"),
    }
}

/// The types of `request` and `namespaceObject`.
fn declarations() -> RootDecl {
    let list = |of: Type| Type::List(Arc::new(of));
    let texts = || Type::Map(Arc::new((Type::String, Type::String)));
    let strings = |names: &[&'static str]| names.iter().map(|name| (*name, Type::String)).collect::<Vec<_>>();
    let with = |names: &[&'static str], more: Vec<(&'static str, Type)>| [strings(names), more].concat();
    RootDecl::of_objects([
        (
            "kubernetes.GroupVersionKind",
            strings(&["group", "version", "kind"]),
        ),
        (
            "kubernetes.GroupVersionResource",
            strings(&["group", "version", "resource"]),
        ),
        (
            "kubernetes.UserInfo",
            with(
                &["username", "uid"],
                vec![
                    ("groups", list(Type::String)),
                    ("extra", Type::Map(Arc::new((Type::String, list(Type::String))))),
                ],
            ),
        ),
        (
            "kubernetes.AdmissionRequest",
            with(
                &[
                    "subResource",
                    "requestSubResource",
                    "name",
                    "namespace",
                    "operation",
                ],
                vec![
                    ("kind", object("kubernetes.GroupVersionKind")),
                    ("resource", object("kubernetes.GroupVersionResource")),
                    ("requestKind", object("kubernetes.GroupVersionKind")),
                    ("requestResource", object("kubernetes.GroupVersionResource")),
                    ("userInfo", object("kubernetes.UserInfo")),
                    ("dryRun", Type::Bool),
                    ("options", Type::Dyn),
                ],
            ),
        ),
        (
            "kubernetes.NamespaceSpec",
            vec![("finalizers", list(Type::String))],
        ),
        (
            "kubernetes.NamespaceCondition",
            with(
                &["status", "type", "message", "reason"],
                vec![("lastTransitionTime", Type::Timestamp)],
            ),
        ),
        (
            "kubernetes.NamespaceStatus",
            with(
                &["phase"],
                vec![("conditions", list(object("kubernetes.NamespaceCondition")))],
            ),
        ),
        (
            "kubernetes.NamespaceMetadata",
            with(
                &["name", "generateName", "namespace", "UID", "resourceVersion"],
                vec![
                    ("labels", texts()),
                    ("annotations", texts()),
                    ("creationTimestamp", Type::Timestamp),
                    ("deletionGracePeriodSeconds", Type::Int),
                    ("deletionTimestamp", Type::Timestamp),
                    ("generation", Type::Int),
                    ("finalizers", list(Type::String)),
                ],
            ),
        ),
        (
            "kubernetes.Namespace",
            vec![
                ("metadata", object("kubernetes.NamespaceMetadata")),
                ("spec", object("kubernetes.NamespaceSpec")),
                ("status", object("kubernetes.NamespaceStatus")),
            ],
        ),
    ])
}
