//! The objects that give rights to a program.
//!
//! **Invariant:** what is granted in one namespace stands in a Role there, so that no ClusterRole holds more than has to be
//! granted everywhere.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Rules;
use super::normal;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Roles of a set of rights, and for an account its bindings.
///
/// ```
/// use kubewright::k8s_openapi::api::core::v1::{ConfigMap, Node};
/// use kubewright::rbac::{RoleSet, Rules};
///
/// let rules = Rules::of::<Node>(None, &["list"]).with(&Rules::of::<ConfigMap>(Some("system"), &["get"]));
/// let roles = RoleSet::new("operator", &rules).bound_to("system", "operator");
/// assert_eq!((roles.cluster_roles.len(), roles.roles.len()), (1, 1));
/// assert_eq!(roles.role_bindings[0].metadata.namespace.as_deref(), Some("system"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RoleSet {
    /// The account, where there is one.
    pub service_account: Option<ServiceAccount>,
    /// What is granted in the whole cluster.
    pub cluster_roles: Vec<ClusterRole>,
    /// What is granted in namespaces.
    pub roles: Vec<Role>,
    /// The account's cluster roles.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// The account's roles.
    pub role_bindings: Vec<RoleBinding>,
}

impl RoleSet {
    /// The roles: of this name, where rights were not written for a role of another one.
    pub fn new(name: &str, rules: &Rules) -> Self {
        let mut set = Self::default();
        for (home, rights) in &rules.sets {
            let metadata = ObjectMeta {
                name: Some(home.role.as_deref().unwrap_or(name).to_owned()),
                namespace: home.namespace.clone(),
                ..ObjectMeta::default()
            };
            let rules = Some(normal::policy_rules(rights));
            match home.namespace {
                None => set.cluster_roles.push(ClusterRole {
                    aggregation_rule: None,
                    metadata,
                    rules,
                }),
                Some(_) => set.roles.push(Role { metadata, rules }),
            }
        }
        set.cluster_roles
            .sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        set.roles.sort_by(|a, b| {
            (&a.metadata.namespace, &a.metadata.name).cmp(&(&b.metadata.namespace, &b.metadata.name))
        });
        set
    }

    /// Gives the roles to an account, which is made too.
    #[must_use]
    pub fn bound_to(mut self, namespace: &str, account: &str) -> Self {
        let reference = |kind: &str, name: &Option<String>| RoleRef {
            api_group: Some(GROUP.to_owned()),
            kind: kind.to_owned(),
            name: name.clone().unwrap_or_default(),
        };
        let subjects = || {
            Some(vec![Subject {
                api_group: None,
                kind: "ServiceAccount".to_owned(),
                name: account.to_owned(),
                namespace: Some(namespace.to_owned()),
            }])
        };
        self.cluster_role_bindings = self
            .cluster_roles
            .iter()
            .map(|role| ClusterRoleBinding {
                metadata: role.metadata.clone(),
                role_ref: reference("ClusterRole", &role.metadata.name),
                subjects: subjects(),
            })
            .collect();
        self.role_bindings = self
            .roles
            .iter()
            .map(|role| RoleBinding {
                metadata: role.metadata.clone(),
                role_ref: reference("Role", &role.metadata.name),
                subjects: subjects(),
            })
            .collect();
        self.service_account = Some(ServiceAccount {
            metadata: ObjectMeta {
                name: Some(account.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..ServiceAccount::default()
        });
        self
    }
}
