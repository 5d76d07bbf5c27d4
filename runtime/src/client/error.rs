//! What can go wrong between a verb and its answer.

use std::fmt;
use std::time::Duration;

use kube::core::Status;

use crate::kind::{Kind, ObjectKey};

/// A verb that failed.
///
/// [`is_retryable`](Self::is_retryable) says whether the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server answered with a failure.
    #[error("{operation} {object}: refused by the server")]
    Refused {
        /// What was asked for.
        operation: Operation,
        /// Of what.
        object: Box<ObjectRef>,
        /// The server's answer.
        #[source]
        source: Box<Status>,
    },
    /// No whole answer came: the connection failed or was cut. The server may have done what was asked.
    #[error("{operation} {object}: no answer from the server")]
    Unanswered {
        /// What was asked for.
        operation: Operation,
        /// Of what.
        object: Box<ObjectRef>,
        /// What failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// The answer is not of the kind that was asked for.
    #[error("{operation} {object}: the answer is no {}", object.kind)]
    Answer {
        /// What was asked for.
        operation: Operation,
        /// Of what.
        object: Box<ObjectRef>,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
    /// The request could not be made: a name is missing or malformed, or a value has no JSON form.
    #[error("{operation} {object}: the request cannot be made")]
    Request {
        /// What was asked for.
        operation: Operation,
        /// Of what.
        object: Box<ObjectRef>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no cluster to connect to, or its configuration cannot be used.
    #[error("connect to the cluster that the environment names")]
    Connect {
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl ClientError {
    /// The server's answer, where it gave one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// Whether an object of that name exists already.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }

    /// Whether the object changed since it was read, or a field belongs to another manager. Read it again
    /// before the next try.
    pub fn is_conflict(&self) -> bool {
        self.status()
            .is_some_and(|status| status.is_conflict() && !status.is_already_exists())
    }

    /// Whether the server may not do this for us.
    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(Status::is_forbidden)
    }

    /// Whether the object breaks the kind's rules.
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(Status::is_invalid)
    }

    /// Whether the resource version asked for is too old to go on from: list again. Reason `Expired` or `Gone`.
    pub fn is_expired(&self) -> bool {
        self.status().is_some_and(|status| {
            matches!(status.reason.as_str(), "Expired" | "Gone")
                || (status.reason.is_empty() && status.code == 410)
        })
    }

    /// Whether the same call may succeed later: the server is overloaded or failing, or did not answer.
    ///
    /// A conflict is not among these, since the same object conflicts again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { source, .. } => {
                self.retry_after().is_some() || matches!(source.code, 429 | 500 | 502 | 503 | 504)
            }
            Self::Unanswered { source, .. } => matches!(
                **source,
                kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_)
            ),
            Self::Answer { .. } | Self::Request { .. } | Self::Connect { .. } => false,
        }
    }

    /// How long the server asks to wait, from `details.retryAfterSeconds`. kube does not hand on the
    /// `Retry-After` header.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.status()?.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    pub(super) fn from_kube(operation: Operation, object: ObjectRef, error: kube::Error) -> Self {
        let object = Box::new(object);
        match error {
            kube::Error::Api(source) => Self::Refused {
                operation,
                object,
                source,
            },
            kube::Error::SerdeError(source) => Self::Answer {
                operation,
                object,
                source,
            },
            kube::Error::BuildRequest(source) => Self::Request {
                operation,
                object,
                source: Box::new(source),
            },
            source => Self::Unanswered {
                operation,
                object,
                source: Box::new(source),
            },
        }
    }
}

/// What was asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Make one.
    Create,
    /// Replace one.
    Update,
    /// Change one.
    Patch,
    /// Change one by server-side apply.
    Apply,
    /// Delete one.
    Delete,
    /// Delete many.
    DeleteCollection,
    /// Follow many.
    Watch,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Apply => "apply",
            Self::Delete => "delete",
            Self::DeleteCollection => "delete collection of",
            Self::Watch => "watch",
        })
    }
}

/// An object, or the objects of a place where the name is empty, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Kind.
    pub kind: String,
    /// Group; empty for the core group.
    pub group: String,
    /// Subresource, where one was asked for.
    pub subresource: Option<&'static str>,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl ObjectRef {
    pub(crate) fn new<K: Kind>(
        namespace: Option<&str>,
        name: &str,
        subresource: Option<&'static str>,
    ) -> Self {
        Self {
            kind: K::kind(&()).into_owned(),
            group: K::group(&()).into_owned(),
            subresource,
            key: ObjectKey {
                namespace: namespace.map(str::to_owned),
                name: name.to_owned(),
            },
        }
    }
}

/// `status of Foo.example.com default/a`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subresource) = self.subresource {
            write!(f, "{subresource} of ")?;
        }
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match (&self.key.namespace, self.key.name.as_str()) {
            (None, "") => Ok(()),
            (Some(namespace), "") => write!(f, " in {namespace}"),
            _ => write!(f, " {}", self.key),
        }
    }
}

/// The object carries no name, and the verb needs one.
#[derive(Debug, thiserror::Error)]
#[error("metadata.name is not set")]
pub(super) struct Unnamed;

/// A name or namespace that cannot stand in a path: the request would reach something else.
#[derive(Debug, thiserror::Error)]
#[error("invalid {what} {text:?}: {reason}")]
pub(super) struct BadSegment {
    what: &'static str,
    text: String,
    reason: String,
}

impl BadSegment {
    /// The rules of client-go's `rest.IsValidPathSegmentName`, with two characters more: kube writes names into
    /// URLs as they are, so that `?` and `#` end the path.
    pub(super) fn find(what: &'static str, text: &str) -> Result<(), Self> {
        let reason = if text.is_empty() {
            "may not be empty".to_owned()
        } else if matches!(text, "." | "..") {
            format!("may not be '{text}'")
        } else if let Some(bad) = text.chars().find(|c| matches!(c, '/' | '%' | '?' | '#')) {
            format!("may not contain '{bad}'")
        } else {
            return Ok(());
        };
        Err(Self {
            what,
            text: text.to_owned(),
            reason,
        })
    }
}
