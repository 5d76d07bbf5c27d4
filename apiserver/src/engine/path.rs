//! What a path and method ask for, before anything is looked up.

use http::Method;
use percent_encoding::percent_decode_str;

use super::query::Query;

/// What the request wants done, in authorization's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object.
    Patch,
    /// Remove an object.
    Delete,
    /// Remove a collection.
    DeleteCollection,
}

impl Verb {
    /// As in discovery and RBAC rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A path below `/api/<version>` or `/apis/<group>/<version>` that names a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePath {
    /// Group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural.
    pub resource: String,
    /// Namespace in the path. A request for a namespace itself names it in `name` alone.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: Option<String>,
    /// Subresource, with what follows it.
    pub subresource: Option<String>,
    /// Whether the path had the older `watch` prefix.
    pub watch_prefix: bool,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a resource.
    Resource(ResourcePath),
    /// Elsewhere: discovery, OpenAPI, health.
    Other,
    /// Nowhere: a part of it is no valid text, or hides a separator.
    Malformed,
}

impl Target {
    /// Reads a path.
    pub fn of(path: &str) -> Self {
        let mut parts = Vec::new();
        let trimmed = path.trim_matches('/');
        for part in trimmed.split('/') {
            let Ok(part) = percent_decode_str(part).decode_utf8() else {
                return Self::Malformed;
            };
            let hidden = part.is_empty() && !trimmed.is_empty();
            if hidden || part == "." || part == ".." || part.contains('/') || part.contains(char::is_control)
            {
                return Self::Malformed;
            }
            parts.push(part.into_owned());
        }
        let mut parts = parts.into_iter();
        let (group, version) = match (parts.next().as_deref(), parts.next(), parts.len()) {
            (Some("api"), Some(version), 1..) => (String::new(), version),
            (Some("apis"), Some(group), 2..) => (group, parts.next().unwrap_or_default()),
            _ => return Self::Other,
        };
        let mut rest: Vec<String> = parts.collect();
        let watch_prefix = rest[0] == "watch" && rest.len() > 1;
        if watch_prefix {
            rest.remove(0);
        }
        // `namespaces/a/pods` is in a namespace; `namespaces/a` and its subresources are the namespace.
        let in_namespace = rest[0] == "namespaces"
            && rest.len() > 2
            && !(group.is_empty() && matches!(rest[2].as_str(), "status" | "finalize"));
        let mut rest = rest.into_iter();
        let namespace = if in_namespace { rest.nth(1) } else { None };
        let resource = rest.next().unwrap_or_default();
        let name = rest.next();
        let subresource = rest.collect::<Vec<_>>().join("/");
        Self::Resource(ResourcePath {
            group,
            version,
            resource,
            namespace,
            name,
            subresource: Some(subresource).filter(|sub| !sub.is_empty()),
            watch_prefix,
        })
    }
}

impl ResourcePath {
    /// What the method means here; `None` where it means nothing.
    pub fn verb(&self, method: &Method, query: &Query) -> Option<Verb> {
        let one = self.name.is_some();
        Some(match *method {
            Method::GET | Method::HEAD if one && !self.watch_prefix => Verb::Get,
            Method::GET | Method::HEAD if self.watch_prefix || query.flag("watch") => Verb::Watch,
            Method::GET | Method::HEAD => Verb::List,
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE if one => Verb::Delete,
            Method::DELETE => Verb::DeleteCollection,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> ResourcePath {
        match Target::of(path) {
            Target::Resource(resource) => resource,
            other => panic!("{path} is {other:?}"),
        }
    }

    #[test]
    fn paths_lead_to_resources() {
        let pod = resource("/api/v1/namespaces/a/pods/b/status");
        assert_eq!(
            (
                pod.namespace.as_deref(),
                pod.name.as_deref(),
                pod.subresource.as_deref()
            ),
            (Some("a"), Some("b"), Some("status"))
        );
        let namespace = resource("/api/v1/namespaces/a/finalize");
        assert_eq!(
            (
                namespace.namespace.as_deref(),
                namespace.name.as_deref(),
                namespace.subresource.as_deref()
            ),
            (None, Some("a"), Some("finalize"))
        );
        let all = resource("/apis/apps/v1/deployments");
        assert_eq!(
            (all.group.as_str(), all.resource.as_str(), all.name),
            ("apps", "deployments", None)
        );
        assert!(resource("/api/v1/watch/namespaces/a/pods").watch_prefix);
        assert_eq!(
            resource("/api/v1/watch/namespaces/a/pods").namespace.as_deref(),
            Some("a")
        );
    }

    #[test]
    fn other_paths_are_left_to_handlers() {
        for path in [
            "/",
            "/api",
            "/api/v1",
            "/apis",
            "/apis/apps",
            "/apis/apps/v1",
            "/openapi/v3/apis/apps/v1",
            "/readyz",
        ] {
            assert_eq!(Target::of(path), Target::Other, "{path}");
        }
    }

    #[test]
    fn api_100_names_cannot_escape() {
        for path in [
            "/api/v1/namespaces/a/pods/..",
            "/api/v1/namespaces/a/pods/%2e%2e/b",
            "/api/v1/namespaces/a%2Fb/pods",
            "/api/v1/namespaces/a/pods/b%00",
            "/api/v1/namespaces//pods",
            "/api/v1/namespaces/a/pods/%ff",
        ] {
            assert_eq!(Target::of(path), Target::Malformed, "{path}");
        }
    }
}
