//! Failures as the API tells them: a `v1` `Status` with upstream's wording.
//!
//! **Invariant:** every failure that leaves the server is an [`ApiError`], and its HTTP code is the code in its
//! document. Clients match on the texts, so they are upstream's, letter by letter.

use std::fmt;

use http::{HeaderValue, Response, StatusCode, header};
use kube::core::Status;
use kube::core::response::{StatusCause, StatusDetails, StatusSummary, reason};
use kubewright_schema::FieldError;
use serde_json::{Value, json};

use crate::engine::{Body, body};

/// Result of anything that can fail towards the client.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// What stands before the reason of [`ApiError::unprocessable`].
pub(crate) const UNPROCESSABLE: &str = "the server rejected our request due to an error in our request: ";

/// A failure on its way to the client.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError(Box<Status>);

/// Group and plural of the resource that a failure speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural name, or the kind where upstream names that.
    pub resource: &'a str,
}

/// `foos.samplecontroller.k8s.io`, or `pods` alone in the core group.
impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource)?;
        if self.group.is_empty() {
            Ok(())
        } else {
            write!(f, ".{}", self.group)
        }
    }
}

impl ApiError {
    /// A failure with this code, reason and message, and no details.
    pub fn new(code: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Status {
            status: Some(StatusSummary::Failure),
            code: code.as_u16(),
            message: message.into(),
            metadata: None,
            reason: reason.to_owned(),
            details: None,
        }))
    }

    fn about(mut self, subject: Subject<'_>, name: &str) -> Self {
        let details = self.details();
        details.name = name.to_owned();
        details.group = subject.group.to_owned();
        details.kind = subject.resource.to_owned();
        self
    }

    fn details(&mut self) -> &mut StatusDetails {
        self.0.details.get_or_insert_with(|| StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        })
    }

    /// Adds one cause.
    #[must_use]
    pub fn with_cause(
        mut self,
        reason: impl Into<String>,
        message: impl Into<String>,
        field: impl Into<String>,
    ) -> Self {
        self.details().causes.push(StatusCause {
            reason: reason.into(),
            message: message.into(),
            field: field.into(),
        });
        self
    }

    /// Tells the client to come again after so many seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.details().retry_after_seconds = seconds;
        self
    }

    /// Adds a token with which an expired list can go on, as upstream puts it in the failure's own metadata.
    #[must_use]
    pub fn with_continue(mut self, token: String) -> Self {
        self.0.metadata.get_or_insert_default().continue_ = Some(token);
        self
    }

    /// 400: the request itself is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason::BAD_REQUEST, message)
    }

    /// 403 on one object.
    pub fn forbidden(subject: Subject<'_>, name: &str, why: impl fmt::Display) -> Self {
        let message = if name.is_empty() {
            format!("{subject} is forbidden: {why}")
        } else {
            format!("{subject} {name:?} is forbidden: {why}")
        };
        Self::new(StatusCode::FORBIDDEN, reason::FORBIDDEN, message).about(subject, name)
    }

    /// 403 on a path that is no resource.
    pub fn forbidden_path(why: impl fmt::Display) -> Self {
        let mut error = Self::new(
            StatusCode::FORBIDDEN,
            reason::FORBIDDEN,
            format!("forbidden: {why}"),
        );
        error.details();
        error
    }

    /// 404: there is no such object.
    pub fn not_found(subject: Subject<'_>, name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            reason::NOT_FOUND,
            format!("{subject} {name:?} not found"),
        )
        .about(subject, name)
    }

    /// 404: nothing is served at this path.
    pub fn path_not_found() -> Self {
        let mut error = Self::new(
            StatusCode::NOT_FOUND,
            reason::NOT_FOUND,
            "the server could not find the requested resource",
        );
        error.details();
        error
    }

    /// 405: the resource does not offer this verb.
    pub fn method_not_allowed() -> Self {
        let mut error = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            reason::METHOD_NOT_ALLOWED,
            "the server does not allow this method on the requested resource",
        );
        error.details();
        error
    }

    /// 406: no offered media type satisfies the `Accept` header.
    pub fn not_acceptable(offered: &[&str]) -> Self {
        {
            let mut error = Self::new(
                StatusCode::NOT_ACCEPTABLE,
                reason::NOT_ACCEPTABLE,
                format!(
                    "406: Not Acceptable\n\nAvailable representations: {}",
                    offered.join(", ")
                ),
            );
            error.details();
            error
        }
    }

    /// 409: the name is taken.
    pub fn already_exists(subject: Subject<'_>, name: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            reason::ALREADY_EXISTS,
            format!("{subject} {name:?} already exists"),
        )
        .about(subject, name)
    }

    /// 409: the request stands on a state that is no more.
    pub fn conflict(subject: Subject<'_>, name: &str, why: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            reason::CONFLICT,
            format!("Operation cannot be fulfilled on {subject} {name:?}: {why}"),
        )
        .about(subject, name)
    }

    /// 409: the object was modified since the client read it.
    pub fn modified(subject: Subject<'_>, name: &str) -> Self {
        Self::conflict(
            subject,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 410: the history that was asked for is gone.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, reason::EXPIRED, message)
    }

    /// 413: the body or the object is too large.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            reason::REQUEST_ENTITY_TOO_LARGE,
            message,
        )
    }

    /// 415: the body's media type is none of `accepted`.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            reason::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                accepted.join(", ")
            ),
        )
    }

    /// 415: `what` exists, and is not served yet.
    pub fn not_served_yet(what: &str, accepted: &[&str]) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            reason::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "{what} is not served by this server yet - accepted media types include: {}",
                accepted.join(", ")
            ),
        )
    }

    /// 422: the object breaks rules, one cause for each; `subject.resource` is the kind.
    pub fn invalid(subject: Subject<'_>, name: &str, faults: &[FieldError]) -> Self {
        let mut error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reason::INVALID,
            format!(
                "{subject} {name:?} is invalid: {}",
                kubewright_schema::message_of(faults)
            ),
        )
        .about(subject, name);
        for fault in faults {
            error = error.with_cause(fault.reason(), fault.message(), fault.field.clone());
        }
        error
    }

    /// 422 without an object: a patch that cannot be applied. Upstream keeps its reason to itself; ours follows its text.
    pub fn unprocessable(why: impl fmt::Display) -> Self {
        let mut error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reason::INVALID,
            format!("{UNPROCESSABLE}{why}"),
        );
        error.details();
        error
    }

    /// 500: the server's own fault.
    pub fn internal(why: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            reason::INTERNAL_ERROR,
            format!("Internal error occurred: {why}"),
        )
        .with_cause("", why.to_string(), "")
    }

    /// 503: not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            reason::SERVICE_UNAVAILABLE,
            message,
        )
        .with_retry_after(1)
    }

    /// 504: not finished in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::GATEWAY_TIMEOUT, reason::TIMEOUT, message);
        error.details();
        error
    }

    /// 504: a resourceVersion that the store has not reached.
    pub fn resource_version_too_large(asked: u64, current: u64) -> Self {
        Self::timeout(format!(
            "Timeout: Too large resource version: {asked}, current: {current}"
        ))
        .with_cause("ResourceVersionTooLarge", "Too large resource version", "")
        .with_retry_after(1)
    }

    /// HTTP code; the document's own.
    pub fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether the name of an object to be created is taken.
    pub fn is_already_exists(&self) -> bool {
        self.0.reason == reason::ALREADY_EXISTS
    }

    /// The status inside.
    pub fn status(&self) -> &Status {
        &self.0
    }

    /// Seconds for the `Retry-After` header; absent where the failure names none.
    pub fn retry_after(&self) -> Option<u32> {
        self.0
            .details
            .as_ref()
            .map(|details| details.retry_after_seconds)
            .filter(|seconds| *seconds > 0)
    }

    /// The document: kind, apiVersion and metadata, then what it says.
    pub fn to_value(&self) -> Value {
        status_document(&self.0)
    }
}

impl ApiError {
    /// The answer in JSON, the form for failures of paths that are no resource.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(body::full(self.to_value().to_string()));
        *response.status_mut() = self.code();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A `Status` as it is sent, with the type fields that the type itself does not carry.
pub(crate) fn status_document(status: &Status) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_else(|_| json!({}));
    value["kind"] = json!("Status");
    value["apiVersion"] = json!("v1");
    if value.get("metadata").is_none() {
        value["metadata"] = json!({});
    }
    value
}

/// A status made by hand, as fault injection does; one without a code counts as an internal error.
impl From<Status> for ApiError {
    fn from(mut status: Status) -> Self {
        if status.code < 400 {
            status.code = 500;
        }
        status.status.get_or_insert(StatusSummary::Failure);
        Self(Box::new(status))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_100_texts_are_upstreams() {
        let foos = Subject {
            group: "samplecontroller.k8s.io",
            resource: "foos",
        };
        let pods = Subject {
            group: "",
            resource: "pods",
        };
        assert_eq!(
            ApiError::not_found(pods, "a").to_string(),
            r#"pods "a" not found"#
        );
        assert_eq!(
            ApiError::already_exists(foos, "a").to_string(),
            r#"foos.samplecontroller.k8s.io "a" already exists"#
        );
        assert_eq!(
            ApiError::modified(foos, "a").to_value(),
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 409,
                "reason": "Conflict",
                "message": "Operation cannot be fulfilled on foos.samplecontroller.k8s.io \"a\": the object has \
                            been modified; please apply your changes to the latest version and try again",
                "details": {"name": "a", "group": "samplecontroller.k8s.io", "kind": "foos"}
            })
        );
    }

    #[test]
    fn api_100_a_status_without_a_code_is_an_internal_error() {
        assert_eq!(ApiError::from(Status::failure("no", "Odd")).code().as_u16(), 500);
    }
}
