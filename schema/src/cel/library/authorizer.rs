//! The authorizer that conditions may ask, where nobody is refused anything.
//!
//! **Invariant:** a question that upstream refuses to ask is refused with its text; each other one is answered with yes.

use super::super::value::{Failure, Outcome, Value};
use crate::names;

/// How far a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    Authorizer,
    Path,
    Group,
    Resource,
    Decision,
}

impl Authorization {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Authorizer => "kubernetes.authorization.Authorizer",
            Self::Path => "kubernetes.authorization.PathCheck",
            Self::Group => "kubernetes.authorization.GroupCheck",
            Self::Resource => "kubernetes.authorization.ResourceCheck",
            Self::Decision => "kubernetes.authorization.Decision",
        }
    }

    pub(crate) fn go_type(self) -> &'static str {
        match self {
            Self::Authorizer => "library.authorizerVal",
            Self::Path => "library.pathCheckVal",
            Self::Group => "library.groupCheckVal",
            Self::Resource => "library.resourceCheckVal",
            Self::Decision => "library.decisionVal",
        }
    }
}

/// A function that leads on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Path,
    Group,
    ServiceAccount,
    Resource,
    /// What a question about a resource may say besides.
    Narrow,
    Check,
    Allowed,
    Errored,
    /// `error()` and `reason()`.
    Words,
}

impl Step {
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "path" => Self::Path,
            "group" => Self::Group,
            "serviceAccount" => Self::ServiceAccount,
            "resource" => Self::Resource,
            "subresource" | "namespace" | "name" | "fieldSelector" | "labelSelector" => Self::Narrow,
            "check" => Self::Check,
            "allowed" => Self::Allowed,
            "errored" => Self::Errored,
            "error" | "reason" => Self::Words,
            _ => return None,
        })
    }
}

/// What a decision says; nothing if it is none.
pub(super) fn answer<'a>(step: Step, stage: Authorization) -> Option<Outcome<'a>> {
    match (step, stage) {
        (Step::Allowed, Authorization::Decision) => Some(Ok(Value::Bool(true))),
        (Step::Errored, Authorization::Decision) => Some(Ok(Value::Bool(false))),
        (Step::Words, Authorization::Decision) => Some(Ok(Value::text(""))),
        _ => None,
    }
}

/// A question with one more word; nothing if it does not fit there.
pub(super) fn ask<'a>(step: Step, stage: Authorization, text: &str) -> Option<Outcome<'a>> {
    let next = match (step, stage) {
        (Step::Path, Authorization::Authorizer) if text.trim().is_empty() => {
            return Some(Err(Failure::fixed("path must not be empty")));
        }
        (Step::Resource, Authorization::Group) if text.trim().is_empty() => {
            return Some(Err(Failure::fixed("resource must not be empty")));
        }
        (Step::Path, Authorization::Authorizer) => Authorization::Path,
        (Step::Group, Authorization::Authorizer) => Authorization::Group,
        (Step::Resource, Authorization::Group) | (Step::Narrow, Authorization::Resource) => {
            Authorization::Resource
        }
        (Step::Check, Authorization::Path | Authorization::Resource) => Authorization::Decision,
        _ => return None,
    };
    Some(Ok(Value::Authorization(next)))
}

/// The authorizer for a service account; nothing if this is none.
pub(super) fn ask_for<'a>(
    step: Step,
    stage: Authorization,
    namespace: &str,
    name: &str,
) -> Option<Outcome<'a>> {
    if (step, stage) != (Step::ServiceAccount, Authorization::Authorizer) {
        return None;
    }
    Some(if !names::dns1123_subdomain(name).is_empty() {
        Err(Failure::fixed("Invalid service account name"))
    } else if !names::dns1123_label(namespace).is_empty() {
        Err(Failure::fixed("Invalid service account namespace"))
    } else {
        Ok(Value::Authorization(Authorization::Authorizer))
    })
}
