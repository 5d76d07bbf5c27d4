//! Who may do what, by the roles and bindings that are stored: upstream's `plugin/pkg/auth/authorizer/rbac`.
//!
//! **Invariant:** what no role allows is refused with upstream's words, before anything is looked up; a binding whose
//! role is missing allows nothing.

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kubewright::rbac::{Access, permits};
use serde_json::{Value, json};

use crate::engine::{Authorizer, Engine, Identity};
use crate::registry::GroupVersionResource;
use crate::rest;
use crate::status::{ApiError, Result, Subject};
use crate::storage::{ListRequest, Storage, StorageError};

const GROUP: &str = "rbac.authorization.k8s.io";
/// Who is allowed everything, whatever roles say.
const MASTERS: &str = "system:masters";
const ACCOUNT: &str = "system:serviceaccount:";

/// Reads the rules at each request: there is no moment at which a change is not yet known.
#[derive(Debug)]
pub(crate) struct Rbac;

impl Authorizer for Rbac {
    fn refuses<'a>(
        &'a self,
        storage: &'a dyn Storage,
        identity: &'a Identity,
        access: &'a Access,
    ) -> BoxFuture<'a, Option<ApiError>> {
        async move {
            if identity.groups.iter().any(|group| group == MASTERS) {
                return None;
            }
            match allowed(storage, identity, access).await {
                Ok(true) => None,
                Ok(false) => Some(forbidden(identity, access)),
                Err(error) => Some(ApiError::internal(error)),
            }
        }
        .boxed()
    }
}

async fn allowed(
    storage: &dyn Storage,
    identity: &Identity,
    access: &Access,
) -> std::result::Result<bool, StorageError> {
    let cluster = format!("/{GROUP}/clusterrolebindings/");
    let mut places = vec![(cluster, None)];
    if let Some(namespace) = access.namespace() {
        places.push((format!("/{GROUP}/rolebindings/{namespace}/"), Some(namespace)));
    }
    for (prefix, namespace) in places {
        let bindings = storage
            .list(ListRequest {
                prefix: &prefix,
                ..ListRequest::default()
            })
            .await?;
        for binding in &bindings.entries {
            let subjects = binding.value["subjects"].as_array().into_iter().flatten();
            if !subjects
                .into_iter()
                .any(|subject| is(identity, subject, namespace))
            {
                continue;
            }
            let role = &binding.value["roleRef"];
            let name = role["name"].as_str().unwrap_or_default();
            let key = match (role["kind"].as_str(), namespace) {
                (Some("ClusterRole"), _) => format!("/{GROUP}/clusterroles/{name}"),
                (Some("Role"), Some(namespace)) => format!("/{GROUP}/roles/{namespace}/{name}"),
                _ => continue,
            };
            let Some(role) = storage.get(&key).await? else {
                continue;
            };
            let rules = role.value["rules"].as_array().into_iter().flatten();
            let mut rules = rules.filter_map(|rule| serde_json::from_value::<PolicyRule>(rule.clone()).ok());
            if rules.any(|rule| permits(&rule, access)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a binding in `namespace` is about whoever asks.
fn is(identity: &Identity, subject: &Value, namespace: Option<&str>) -> bool {
    let text = |key: &str| subject[key].as_str().unwrap_or_default();
    let name = text("name");
    match text("kind") {
        "User" => user(identity) == name,
        "Group" => groups(identity).any(|group| group == name),
        "ServiceAccount" => {
            // The binding's own namespace where none is said.
            let namespace = Some(text("namespace"))
                .filter(|namespace| !namespace.is_empty())
                .or(namespace);
            namespace.is_some_and(|namespace| {
                let account = identity.user.strip_prefix(ACCOUNT);
                account.and_then(|account| account.split_once(':')) == Some((namespace, name))
            })
        }
        _ => false,
    }
}

/// Whoever did not say is anonymous.
fn user(identity: &Identity) -> &str {
    match &*identity.user {
        "" => "system:anonymous",
        user => user,
    }
}

fn groups(identity: &Identity) -> impl Iterator<Item = &str> {
    let nobody = identity.user.is_empty().then_some("system:unauthenticated");
    identity.groups.iter().map(String::as_str).chain(nobody)
}

fn forbidden(identity: &Identity, access: &Access) -> ApiError {
    let user = user(identity);
    match access {
        Access::Resource {
            verb,
            group,
            resource,
            namespace,
            name,
        } => {
            let place = match namespace {
                Some(namespace) => format!("in the namespace {namespace:?}"),
                None => "at the cluster scope".to_owned(),
            };
            let why =
                format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {place}");
            let (plural, _) = resource.split_once('/').unwrap_or((resource, ""));
            let subject = Subject {
                group,
                resource: plural,
            };
            ApiError::forbidden(subject, name.as_deref().unwrap_or_default(), harmless(&why))
        }
        Access::Url { verb, path } => {
            let why = format!("User {user:?} cannot {verb} path {path:?}");
            ApiError::forbidden_path(harmless(&why))
        }
        access => ApiError::forbidden_path(harmless(&format!("User {user:?} cannot {access}"))),
    }
}

/// Nothing that a browser could take for HTML, as upstream has it.
fn harmless(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Creates the roles of the administrator and of everybody, and their bindings.
pub(crate) async fn bootstrap(engine: &Engine) -> Result<()> {
    let resource = |plural: &str| GroupVersionResource::new(GROUP, "v1", plural);
    let get = |urls: &[&str]| json!({"nonResourceURLs": urls, "verbs": ["get"]});
    let create = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["create"]});
    let group = |name: &str| json!({"apiGroup": GROUP, "kind": "Group", "name": name});
    let known = group("system:authenticated");
    for (name, rules, subjects) in [
        (
            "cluster-admin",
            json!([
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]},
            ]),
            json!([group(MASTERS)]),
        ),
        (
            "system:discovery",
            json!([get(&[
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/livez",
                "/openapi",
                "/openapi/*",
                "/readyz",
                "/version",
                "/version/",
            ])]),
            json!([known]),
        ),
        (
            "system:basic-user",
            json!([
                create(
                    "authorization.k8s.io",
                    &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
                ),
                create("authentication.k8s.io", &["selfsubjectreviews"]),
            ]),
            json!([known]),
        ),
        (
            "system:public-info-viewer",
            json!([get(&["/healthz", "/livez", "/readyz", "/version", "/version/"])]),
            json!([known, group("system:unauthenticated")]),
        ),
    ] {
        let metadata = json!({
            "name": name,
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        });
        let role = json!({"metadata": metadata, "rules": rules});
        rest::create_internal(engine, &resource("clusterroles"), role).await?;
        let reference = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name});
        let binding = json!({"metadata": metadata, "roleRef": reference, "subjects": subjects});
        rest::create_internal(engine, &resource("clusterrolebindings"), binding).await?;
    }
    Ok(())
}
