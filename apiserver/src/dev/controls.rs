//! Faults, delays and the request log.

use std::collections::VecDeque;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Response;
use http::request::Parts;
use kube::core::Status;
use parking_lot::Mutex;

use crate::engine::{AuditAnnotations, Body, Identity, Interceptor, ResourcePath, Target, Verb};
use crate::status::ApiError;

/// Which requests a control is about; what is not named matches anything.
///
/// ```
/// use kubewright_apiserver::Matcher;
/// let matcher = Matcher::any().verb("update").group("apps").resource("deployments").subresource("status");
/// # let _ = matcher;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    verb: Option<String>,
    group: Option<String>,
    resource: Option<String>,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Matcher {
    /// Matches every request for a resource.
    pub fn any() -> Self {
        Self::default()
    }

    /// Only this verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    #[must_use]
    pub fn verb(mut self, verb: impl Into<String>) -> Self {
        self.verb = Some(verb.into());
        self
    }

    /// Only this group; empty for the core group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Only this plural.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Only this subresource; empty for the resource itself.
    #[must_use]
    pub fn subresource(mut self, subresource: impl Into<String>) -> Self {
        self.subresource = Some(subresource.into());
        self
    }

    /// Only this namespace; empty for requests outside of any.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only this name in the path; empty for collections, creates among them.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn matches(&self, path: &ResourcePath, verb: Option<Verb>) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted == found.unwrap_or_default())
        };
        fits(&self.verb, verb.map(Verb::as_str))
            && fits(&self.group, Some(&path.group))
            && fits(&self.resource, Some(&path.resource))
            && fits(&self.subresource, path.subresource.as_deref())
            && fits(&self.namespace, path.namespace.as_deref())
            && fits(&self.name, path.name.as_deref())
    }
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// What it asked for; absent for discovery and the like.
    pub verb: Option<&'static str>,
    /// The resource that it was for.
    pub resource: Option<ResourcePath>,
    /// Media type of its body.
    pub content_type: Option<String>,
    /// Who asked.
    pub user: Option<String>,
    /// HTTP code of the answer.
    pub code: u16,
    /// Audit annotations of admission webhooks, as `webhook/key`.
    pub annotations: Vec<(String, String)>,
}

impl LoggedRequest {
    /// Whether a matcher is about this request.
    pub fn is(&self, matcher: &Matcher) -> bool {
        let Some(path) = &self.resource else { return false };
        let verb = matcher.verb.as_deref().is_none_or(|verb| Some(verb) == self.verb);
        let anything = Matcher {
            verb: None,
            ..matcher.clone()
        };
        verb && anything.matches(path, None)
    }
}

const LOG_LIMIT: usize = 65_536;

/// State of a server's controls.
#[derive(Debug, Default)]
pub(super) struct Controls {
    failures: Mutex<VecDeque<(Matcher, Status)>>,
    delays: Mutex<Vec<(Matcher, Duration)>>,
    log: Mutex<VecDeque<LoggedRequest>>,
}

impl Controls {
    pub(super) fn fail_next(&self, matcher: Matcher, status: Status) {
        self.failures.lock().push_back((matcher, status));
    }

    pub(super) fn delay(&self, matcher: Matcher, by: Duration) {
        let mut delays = self.delays.lock();
        delays.retain(|(other, _)| *other != matcher);
        if !by.is_zero() {
            delays.push((matcher, by));
        }
    }

    pub(super) fn log(&self) -> Vec<LoggedRequest> {
        self.log.lock().iter().cloned().collect()
    }
}

impl Interceptor for Controls {
    fn before<'a>(
        &'a self,
        _request: &'a Parts,
        target: &'a Target,
        verb: Option<Verb>,
    ) -> BoxFuture<'a, Option<ApiError>> {
        async move {
            let Target::Resource(path) = target else {
                return None;
            };
            let delay: Duration = self
                .delays
                .lock()
                .iter()
                .filter(|(matcher, _)| matcher.matches(path, verb))
                .map(|(_, by)| *by)
                .sum();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut failures = self.failures.lock();
            let index = failures
                .iter()
                .position(|(matcher, _)| matcher.matches(path, verb))?;
            failures.remove(index).map(|(_, status)| status.into())
        }
        .boxed()
    }

    fn after(&self, request: &Parts, target: &Target, verb: Option<Verb>, answer: &Response<Body>) {
        let header = |name: http::HeaderName| {
            request
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let entry = LoggedRequest {
            method: request.method.to_string(),
            uri: request
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            verb: verb.map(Verb::as_str),
            resource: match target {
                Target::Resource(path) => Some(path.clone()),
                _ => None,
            },
            content_type: header(http::header::CONTENT_TYPE),
            user: request
                .extensions
                .get::<Identity>()
                .map(|identity| identity.user.clone()),
            code: answer.status().as_u16(),
            annotations: answer
                .extensions()
                .get::<AuditAnnotations>()
                .map(|annotations| annotations.0.clone())
                .unwrap_or_default(),
        };
        let mut log = self.log.lock();
        if log.len() == LOG_LIMIT {
            log.pop_front();
        }
        log.push_back(entry);
    }
}
