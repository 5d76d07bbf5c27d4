//! A request as authorization sees it, and what rules say to it. Upstream: `RequestInfo`, `pkg/apis/rbac/v1`.
//!
//! **Invariant:** a request means here what it means to a kube-apiserver.

#[cfg(feature = "client")]
use std::borrow::Cow;
use std::fmt;

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::Rules;

/// What a request wants to do, to what, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Access {
    /// To a resource.
    Resource {
        /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
        verb: String,
        /// Group, empty for the core group.
        group: String,
        /// Plural, and the subresource after a slash.
        resource: String,
        /// Absent across namespaces and for kinds without.
        namespace: Option<String>,
        /// Absent for collections, unless a field selector gives it.
        name: Option<String>,
    },
    /// To a path that is no resource.
    Url {
        /// HTTP's method in lower case.
        verb: String,
        /// The path.
        path: String,
    },
}

impl Access {
    /// The namespace.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Resource { namespace, .. } => namespace.as_deref(),
            Self::Url { .. } => None,
        }
    }

    /// What a request asks for.
    #[cfg(feature = "client")]
    pub fn of(method: &http::Method, uri: &http::Uri) -> Self {
        let url = || Self::Url {
            verb: method.as_str().to_ascii_lowercase(),
            path: uri.path().to_owned(),
        };
        let parts: Vec<_> = uri
            .path()
            .trim_matches('/')
            .split('/')
            .map(|part| decoded(part, Plus::Itself))
            .collect();
        let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
        let (group, mut rest) = match parts.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => return url(),
        };
        let mut watching = flag(uri, "watch");
        if let ["watch", after @ ..] = rest
            && !after.is_empty()
        {
            // The older way to ask for a watch.
            (watching, rest) = (true, after);
        }
        let namespace = match rest {
            ["namespaces", namespace, ..] => Some((*namespace).to_owned()),
            _ => None,
        };
        if let ["namespaces", _, after @ ..] = rest
            && let [resource, ..] = after
            && !(group.is_empty() && matches!(*resource, "status" | "finalize"))
        {
            rest = after;
        }
        let named = rest.get(1).map(|name| (*name).to_owned());
        let verb = match *method {
            http::Method::GET | http::Method::HEAD if named.is_some() && !watching => "get",
            http::Method::GET | http::Method::HEAD if watching => "watch",
            http::Method::GET | http::Method::HEAD => "list",
            http::Method::POST => "create",
            http::Method::PUT => "update",
            http::Method::PATCH => "patch",
            http::Method::DELETE if named.is_some() => "delete",
            http::Method::DELETE => "deletecollection",
            _ => return url(),
        };
        let by_field = matches!(verb, "list" | "watch" | "deletecollection");
        let name = named.or_else(|| by_field.then(|| selected_name(uri)).flatten());
        let resource = match rest {
            [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
            [resource, ..] => (*resource).to_owned(),
            [] => return url(),
        };
        Self::Resource {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource,
            namespace,
            name,
        }
    }
}

/// `list deployments.apps in every namespace`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { verb, path } => write!(f, "{verb} {path}"),
            Self::Resource {
                verb,
                group,
                resource,
                namespace,
                name,
            } => {
                write!(f, "{verb} {resource}")?;
                if !group.is_empty() {
                    write!(f, ".{group}")?;
                }
                if let Some(name) = name {
                    write!(f, " {name:?}")?;
                }
                match namespace {
                    Some(namespace) => write!(f, " in namespace {namespace:?}"),
                    None => f.write_str(" in the cluster"),
                }
            }
        }
    }
}

#[cfg(feature = "client")]
fn pairs(uri: &http::Uri) -> impl Iterator<Item = (&str, &str)> {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(feature = "client")]
fn flag(uri: &http::Uri, key: &str) -> bool {
    // Upstream's conversion of flags: anything but these is true.
    pairs(uri)
        .any(|(name, value)| name == key && !matches!(value, "0" | "false" | "False" | "FALSE" | "f" | "F"))
}

/// The name that `fieldSelector=metadata.name=...` asks for.
#[cfg(feature = "client")]
fn selected_name(uri: &http::Uri) -> Option<String> {
    let selector = pairs(uri).find(|(name, _)| *name == "fieldSelector")?.1;
    let selector = decoded(selector, Plus::Space);
    selector.split(',').find_map(|part| {
        let (field, name) = part.split_once('=')?;
        let name = name.strip_prefix('=').unwrap_or(name);
        (field == "metadata.name").then(|| name.to_owned())
    })
}

/// What `+` means: in a path itself, in a query a space.
#[cfg(feature = "client")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Itself,
    Space,
}

#[cfg(feature = "client")]
fn decoded(text: &str, plus: Plus) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match (first, escaped) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', None) if plus == Plus::Space => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, None) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Whether a rule allows a request, wherever the rule stands.
pub fn permits(rule: &PolicyRule, access: &Access) -> bool {
    let has = |list: &Option<Vec<String>>, wanted: &dyn Fn(&str) -> bool| {
        list.iter().flatten().any(|entry| wanted(entry))
    };
    let verb = |wanted: &str| rule.verbs.iter().any(|verb| verb == "*" || verb == wanted);
    match access {
        Access::Url { verb: asked, path } => {
            verb(asked) && has(&rule.non_resource_urls, &|url| matches_url(url, path))
        }
        Access::Resource {
            verb: asked,
            group,
            resource,
            name,
            ..
        } => {
            verb(asked)
                && has(&rule.api_groups, &|entry| entry == "*" || entry == group)
                && has(&rule.resources, &|entry| matches_resource(entry, resource))
                && (rule.resource_names.as_ref().is_none_or(Vec::is_empty)
                    || has(&rule.resource_names, &|entry| Some(entry) == name.as_deref()))
        }
    }
}

fn matches_resource(entry: &str, resource: &str) -> bool {
    entry == "*"
        || entry == resource
        || resource
            .split_once('/')
            .is_some_and(|(_, subresource)| entry.strip_prefix("*/") == Some(subresource))
}

fn matches_url(entry: &str, path: &str) -> bool {
    entry == "*" || entry == path || entry.ends_with('*') && path.starts_with(entry.trim_end_matches('*'))
}

/// What a cluster allows to everybody who is known to it, by roles that it has from the start: discovery, health, and
/// questions about oneself.
pub fn everybody() -> Rules {
    let strings = |list: &[&str]| Some(list.iter().map(|entry| (*entry).to_owned()).collect());
    let mut rules = Rules::new();
    rules.add(
        None,
        &PolicyRule {
            non_resource_urls: strings(&[
                "/livez",
                "/readyz",
                "/healthz",
                "/version",
                "/version/",
                "/openapi",
                "/openapi/*",
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
            ]),
            verbs: vec!["get".to_owned()],
            ..PolicyRule::default()
        },
    );
    for (group, resources) in [
        (
            "authorization.k8s.io",
            &["selfsubjectaccessreviews", "selfsubjectrulesreviews"][..],
        ),
        ("authentication.k8s.io", &["selfsubjectreviews"][..]),
    ] {
        rules.add(
            None,
            &PolicyRule {
                api_groups: strings(&[group]),
                resources: strings(resources),
                verbs: vec!["create".to_owned()],
                ..PolicyRule::default()
            },
        );
    }
    rules
}
