//! Sets, their shortest rules, and what rules say to requests.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use k8s_openapi::api::rbac::v1::PolicyRule;
use proptest::prelude::*;

use super::{Access, RbacInfo, RoleSet, RuleInfo, Rules, permits};

fn strings(list: &[&str]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.iter().map(|entry| (*entry).to_owned()).collect())
}

/// kubebuilder's marker: groups, resources, resourceNames, urls, verbs, each separated by semicolons.
fn marker(parts: [&str; 5]) -> PolicyRule {
    let [groups, resources, names, urls, verbs] = parts.map(|part| match part {
        "-" => Vec::new(),
        part => part.split(';').collect(),
    });
    PolicyRule {
        api_groups: strings(&groups),
        resources: strings(&resources),
        resource_names: strings(&names),
        non_resource_urls: strings(&urls),
        verbs: verbs.into_iter().map(str::to_owned).collect(),
    }
}

fn written(rules: &[PolicyRule]) -> Vec<String> {
    let list = |list: &Option<Vec<String>>| list.as_deref().unwrap_or_default().join(";");
    rules
        .iter()
        .map(|rule| {
            format!(
                "{} {} {} {} {}",
                list(&rule.api_groups),
                list(&rule.resources),
                list(&rule.resource_names),
                list(&rule.non_resource_urls),
                rule.verbs.join(";")
            )
        })
        .collect()
}

/// Markers in groups that controller-gen merges one way or the other. Where rights overlap, ours are fewer: what is
/// granted by one rule is not granted by another again.
#[test]
fn rules_are_merged_as_controller_gen_does_and_further() {
    let mut rules = Rules::new();
    for parts in [
        ["verbs", "some", "-", "-", "get;list"],
        ["verbs", "some", "-", "-", "get"],
        ["resources", "one", "-", "-", "create"],
        ["resources", "two", "-", "-", "create"],
        ["groups1", "foo", "-", "-", "patch"],
        ["groups2", "foo", "-", "-", "patch"],
        ["all", "foo;bar", "-", "-", "get;list"],
        ["all", "foo", "-", "-", "get"],
        ["star", "xyz", "-", "-", "get;update"],
        ["star", "xyz", "-", "-", "*"],
        ["names", "jobs", "c;a;b", "-", "get;watch"],
        ["names", "jobs", "-", "-", "get"],
        ["core", "pods", "-", "-", "list"],
        ["", "me", "-", "-", "list"],
        ["-", "-", "-", "/b", "get"],
        ["-", "-", "-", "/a", "get"],
    ] {
        rules.add(None, &marker(parts));
    }
    assert_eq!(
        written(&rules.policy_rules(None)),
        [
            "   /a;/b get",
            " me;pods   list",
            "all bar;foo   get;list",
            "groups1;groups2 foo   patch",
            "names jobs   get",
            "names jobs a;b;c  watch",
            "resources one;two   create",
            "star xyz   *",
            "verbs some   get;list",
        ]
    );
}

#[test]
fn rights_in_one_namespace_stand_in_a_role_there() {
    const RBAC: RbacInfo = RbacInfo {
        rules: &[
            RuleInfo::of::<Deployment>(&["get"]),
            RuleInfo::status_of::<Deployment>(&["patch"]),
            RuleInfo::of::<Node>(&["list"]),
            RuleInfo::of::<ConfigMap>(&["get"])
                .in_namespace("system")
                .names(&["settings"]),
            RuleInfo::of::<Pod>(&["list"]).in_cluster(),
            RuleInfo::resources(&["example.com"], &["things"], &["get"]).role("things"),
            RuleInfo::urls(&["/metrics"], &["get"]),
        ],
    };
    assert_eq!(
        RBAC.rules_in("a").to_string(),
        "get /metrics\n\
         list nodes in every namespace\n\
         list pods in every namespace\n\
         get deployments.apps in namespace \"a\"\n\
         patch deployments/status.apps in namespace \"a\"\n\
         get things.example.com in namespace \"a\" (role \"things\")\n\
         get configmaps \"settings\" in namespace \"system\"\n"
    );
    let set = RoleSet::new("r", &RBAC.rules_in("a")).bound_to("system", "operator");
    let named = |metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        format!(
            "{}/{}",
            metadata.namespace.as_deref().unwrap_or_default(),
            metadata.name.as_deref().unwrap_or_default()
        )
    };
    let roles: Vec<_> = set.roles.iter().map(|role| named(&role.metadata)).collect();
    assert_eq!(roles, ["a/r", "a/things", "system/r"]);
    let bindings: Vec<_> = set
        .role_bindings
        .iter()
        .map(|binding| (named(&binding.metadata), binding.role_ref.name.clone()))
        .collect();
    let wanted = [("a/r", "r"), ("a/things", "things"), ("system/r", "r")];
    assert_eq!(
        bindings,
        wanted.map(|(at, role)| (at.to_owned(), role.to_owned()))
    );
    assert_eq!((set.cluster_roles.len(), set.cluster_role_bindings.len()), (1, 1));
    assert_eq!(RBAC.rules().policy_rules(Some("a")), []);
}

/// As upstream's `VerbMatches`, `ResourceMatches` and the like.
#[test]
fn requests_are_allowed_as_upstream_reads_rules() {
    let access = |verb: &str, group: &str, resource: &str, name: Option<&str>| Access::Resource {
        verb: verb.into(),
        group: group.into(),
        resource: resource.into(),
        namespace: None,
        name: name.map(Into::into),
    };
    let url = |path: &str| Access::Url {
        verb: "get".into(),
        path: path.into(),
    };
    for (rule, asked, allowed) in [
        (
            ["", "pods", "-", "-", "get"],
            access("get", "", "pods", None),
            true,
        ),
        (
            ["", "pods", "-", "-", "get"],
            access("list", "", "pods", None),
            false,
        ),
        (
            ["", "pods", "-", "-", "get"],
            access("get", "a", "pods", None),
            false,
        ),
        (
            ["*", "*", "-", "-", "*"],
            access("get", "a", "pods/log", None),
            true,
        ),
        (
            ["", "pods", "-", "-", "get"],
            access("get", "", "pods/log", None),
            false,
        ),
        (
            ["", "pods/*", "-", "-", "get"],
            access("get", "", "pods/log", None),
            false,
        ),
        (
            ["", "*/log", "-", "-", "get"],
            access("get", "", "pods/log", None),
            true,
        ),
        (
            ["", "*/log", "-", "-", "get"],
            access("get", "", "pods", None),
            false,
        ),
        (
            ["", "pods", "a;b", "-", "get"],
            access("get", "", "pods", Some("b")),
            true,
        ),
        (
            ["", "pods", "a;b", "-", "list"],
            access("list", "", "pods", None),
            false,
        ),
        (["-", "-", "-", "/healthz", "get"], url("/healthz"), true),
        (["-", "-", "-", "/healthz/*", "get"], url("/healthz/a"), true),
        (["-", "-", "-", "/healthz/*", "get"], url("/healthz"), false),
        (["-", "-", "-", "*", "get"], url("/anything"), true),
        (["*", "*", "-", "-", "*"], url("/anything"), false),
    ] {
        assert_eq!(permits(&marker(rule), &asked), allowed, "{rule:?} {asked}");
    }
}

#[cfg(feature = "client")]
#[test]
fn a_request_means_what_it_means_to_a_server() {
    use http::Method;
    for (method, uri, meaning) in [
        (Method::GET, "/api/v1/pods", "list pods in the cluster"),
        (
            Method::GET,
            "/api/v1/namespaces/a/pods?watch=1",
            "watch pods in namespace \"a\"",
        ),
        (
            Method::GET,
            "/apis/apps/v1/namespaces/a/deployments?watch=true&fieldSelector=metadata.name%3Db",
            "watch deployments.apps \"b\" in namespace \"a\"",
        ),
        (
            Method::GET,
            "/api/v1/namespaces/a/pods/b/log",
            "get pods/log \"b\" in namespace \"a\"",
        ),
        (
            Method::POST,
            "/api/v1/namespaces/a/pods",
            "create pods in namespace \"a\"",
        ),
        (
            Method::PATCH,
            "/apis/g.io/v1/namespaces/a/foos/b/status?fieldManager=x",
            "patch foos/status.g.io \"b\" in namespace \"a\"",
        ),
        (
            Method::PUT,
            "/apis/g.io/v1/foos/b",
            "update foos.g.io \"b\" in the cluster",
        ),
        (
            Method::DELETE,
            "/apis/g.io/v1/foos",
            "deletecollection foos.g.io in the cluster",
        ),
        (
            Method::GET,
            "/api/v1/namespaces/a",
            "get namespaces \"a\" in namespace \"a\"",
        ),
        (
            Method::GET,
            "/api/v1/namespaces",
            "list namespaces in the cluster",
        ),
        (
            Method::PUT,
            "/api/v1/namespaces/a/finalize",
            "update namespaces/finalize \"a\" in namespace \"a\"",
        ),
        (
            Method::GET,
            "/api/v1/watch/namespaces/a/pods",
            "watch pods in namespace \"a\"",
        ),
        (
            Method::GET,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Aa+b",
            "get clusterroles.rbac.authorization.k8s.io \"system:a+b\" in the cluster",
        ),
        (Method::GET, "/apis/apps/v1", "get /apis/apps/v1"),
        (Method::GET, "/readyz", "get /readyz"),
    ] {
        let uri: http::Uri = uri.parse().unwrap();
        assert_eq!(Access::of(&method, &uri).to_string(), meaning, "{method} {uri}");
    }
}

#[cfg(feature = "client")]
#[test]
fn what_is_missing_and_what_was_never_used_is_named() {
    let rules = Rules::of::<Pod>(Some("a"), &["get", "list"]).with(&Rules::of::<Node>(None, &["get"]));
    let ask = |uri: &str| Access::of(&http::Method::GET, &uri.parse().unwrap());
    let used: super::Used = [
        ask("/api/v1/namespaces/a/pods/b"),
        ask("/api/v1/namespaces/b/pods"),
        ask("/version"),
    ]
    .into_iter()
    .collect();
    assert_eq!(
        used.check(&rules).unwrap_err().to_string(),
        "the rules are not what was used\n  \
         missing: list pods in namespace \"b\"\n  \
         never used: get nodes in every namespace\n  \
         never used: list pods in namespace \"a\""
    );
    assert_eq!(
        used.check_covered(&rules).unwrap_err().to_string(),
        "the rules are not what was used\n  missing: list pods in namespace \"b\""
    );
}

fn any_rule() -> impl Strategy<Value = PolicyRule> {
    let some = |from: &'static [&'static str]| proptest::sample::subsequence(from, 1..=from.len());
    let names = proptest::sample::subsequence(&["x", "y"][..], 0..=2);
    (
        some(&["", "apps", "*"]),
        some(&["pods", "pods/log", "*/log", "*"]),
        names,
        some(&["get", "list", "*"]),
    )
        .prop_map(|(groups, resources, names, verbs)| PolicyRule {
            api_groups: strings(&groups),
            resources: strings(&resources),
            resource_names: strings(&names),
            non_resource_urls: None,
            verbs: verbs.into_iter().map(str::to_owned).collect(),
        })
}

proptest! {
    /// **Invariant** of the module: merged rules allow what those allow of which they are made, and nothing else; and what
    /// was merged once is not changed by merging again.
    #[test]
    fn merging_changes_no_answer(rules in proptest::collection::vec(any_rule(), 0..5)) {
        let mut set = Rules::new();
        for rule in &rules {
            set.add(None, rule);
        }
        let merged = set.policy_rules(None);
        for group in ["", "apps", "other"] {
            for resource in ["pods", "pods/log", "nodes", "nodes/log"] {
                for name in [None, Some("x"), Some("z")] {
                    for verb in ["get", "list", "watch"] {
                        let access = Access::Resource {
                            verb: verb.into(),
                            group: group.into(),
                            resource: resource.into(),
                            namespace: None,
                            name: name.map(Into::into),
                        };
                        let before = rules.iter().any(|rule| permits(rule, &access));
                        prop_assert_eq!(merged.iter().any(|rule| permits(rule, &access)), before);
                        prop_assert_eq!(set.allow(&access), before);
                    }
                }
            }
        }
        let mut again = Rules::new();
        for rule in &merged {
            again.add(None, rule);
        }
        prop_assert_eq!(again.policy_rules(None), merged);
    }
}
