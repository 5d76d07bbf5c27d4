//! Roles and bindings, and who is refused what by them.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kubewright_apiserver::{DevServer, Listen};

async fn server(yaml: &str) -> DevServer {
    let server = DevServer::builder().rbac().start().await.expect("a server");
    server.apply_yaml(yaml).await.expect("objects");
    server
}

/// Role, binding and subject, in flow style.
fn bound(kind: &str, place: &str, rules: &str, subject: &str) -> String {
    let namespace = if place.is_empty() {
        String::new()
    } else {
        format!(", namespace: {place}")
    };
    let role = if kind == "RoleBinding-ClusterRole" {
        "ClusterRole"
    } else {
        kind
    };
    let (binding, role_namespace) = match kind {
        "ClusterRole" => ("ClusterRoleBinding", String::new()),
        "RoleBinding-ClusterRole" => ("RoleBinding", String::new()),
        _ => ("RoleBinding", namespace.clone()),
    };
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {role}, metadata: {{name: r{role_namespace}}}, rules: [{rules}]}}\n\
         ---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: {binding}, metadata: {{name: r{namespace}}}, \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role}, name: r}}, subjects: [{subject}]}}\n"
    )
}

const LIST: &str = "{apiGroups: [''], resources: [configmaps], verbs: [list]}";
const ANNA: &str = "{apiGroup: rbac.authorization.k8s.io, kind: User, name: anna}";
const TESTERS: &str = "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: testers}";
const ROBOT: &str = "{kind: ServiceAccount, name: robot, namespace: kube-system}";

/// Whether each may list ConfigMaps of `default`, of `kube-system` and of all namespaces.
async fn lists(client: kube::Client) -> [bool; 3] {
    let list = async |api: Api<ConfigMap>| match api.list(&ListParams::default()).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.code == 403 => false,
        Err(error) => panic!("{error}"),
    };
    [
        list(Api::namespaced(client.clone(), "default")).await,
        list(Api::namespaced(client.clone(), "kube-system")).await,
        list(Api::all(client)).await,
    ]
}

#[tokio::test]
async fn bindings_hold_for_their_subjects_where_they_stand() {
    for (kind, place, subject, reach) in [
        ("ClusterRole", "", ANNA, [true, true, true]),
        ("ClusterRole", "", TESTERS, [true, true, true]),
        ("ClusterRole", "", ROBOT, [true, true, true]),
        ("Role", "default", ANNA, [true, false, false]),
        ("Role", "kube-system", ROBOT, [false, true, false]),
        (
            "RoleBinding-ClusterRole",
            "default",
            TESTERS,
            [true, false, false],
        ),
        ("RoleBinding-ClusterRole", "default", ROBOT, [true, false, false]),
    ] {
        let server = server(&bound(kind, place, LIST, subject)).await;
        let none = [false; 3];
        for (client, meant) in [
            (server.client_as("anna", ["staff"]), subject == ANNA),
            (server.client_as("bert", ["testers"]), subject == TESTERS),
            (server.client_of("kube-system", "robot"), subject == ROBOT),
            (server.client_of("default", "robot"), false),
            (server.client_as("robot", ["anna"]), false),
        ] {
            let wanted = if meant { reach } else { none };
            assert_eq!(lists(client).await, wanted, "{kind} {place} {subject}");
        }
        assert_eq!(lists(server.client()).await, [true; 3]);
    }
}

/// A binding without its role, and one whose role is in another namespace, allow nothing.
#[tokio::test]
async fn a_binding_is_nothing_without_its_role() {
    let yaml = bound("Role", "default", LIST, ANNA);
    let (role, binding) = yaml.split_once("---\n").unwrap();
    let server = server(binding).await;
    assert_eq!(lists(server.client_as("anna", ["a"])).await, [false; 3]);
    let elsewhere = role.replace("namespace: default", "namespace: kube-system");
    server.apply_yaml(elsewhere.as_str()).await.unwrap();
    assert_eq!(lists(server.client_as("anna", ["a"])).await, [false; 3]);
    server.apply_yaml(role).await.unwrap();
    assert_eq!(lists(server.client_as("anna", ["a"])).await, [true, false, false]);
}

/// As upstream: an apply is a patch, and where there is no object a create of this name too.
#[tokio::test]
async fn an_apply_that_makes_an_object_needs_both_rights() {
    let rule = |verbs: &str| {
        format!("{{apiGroups: [''], resources: [configmaps], resourceNames: [a], verbs: [{verbs}]}}")
    };
    let applied = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let params = PatchParams::apply("test");
    for (verbs, made) in [("patch", false), ("'patch', create", true)] {
        let server = server(&bound("Role", "default", &rule(verbs), ANNA)).await;
        let maps: Api<ConfigMap> = Api::namespaced(server.client_as("anna", ["a"]), "default");
        match maps.patch("a", &params, &Patch::Apply(&applied)).await {
            Ok(_) => assert!(made),
            Err(error) => {
                assert!(!made, "{error}");
                let text = error.to_string();
                let wanted = "configmaps \"a\" is forbidden: User \"anna\" cannot create resource \"configmaps\" in API \
                              group \"\" in the namespace \"default\"";
                assert!(text.contains(wanted), "{text}");
            }
        }
        // A create of its own has no name when it is asked about.
        let map: ConfigMap = serde_json::from_value(applied.clone()).unwrap();
        let error = maps.create(&PostParams::default(), &map).await.unwrap_err();
        assert!(error.to_string().contains("configmaps is forbidden"), "{error}");
    }
}

/// Refused before anything is looked up, so that nobody learns what is there; and the log has who was refused.
#[tokio::test]
async fn a_refusal_says_nothing_of_what_is_there() {
    let server = DevServer::builder()
        .rbac()
        .listen(Listen::Plain(([127, 0, 0, 1], 0).into()))
        .start()
        .await
        .unwrap();
    let anna = server.client_as("anna", ["a"]);
    let ask = async |path: &str| {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match anna.request_text(request).await {
            Err(kube::Error::Api(status)) => (status.code, status.message),
            other => panic!("{path}: {other:?}"),
        }
    };
    let (code, message) = ask("/apis/example.com/v1/namespaces/nowhere/nothings/a%3Cb").await;
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "nothings.example.com \"a<b\" is forbidden: User \"anna\" cannot get resource \"nothings\" in API group \
         \"example.com\" in the namespace \"nowhere\""
    );
    assert_eq!(
        ask("/logs").await.1,
        "forbidden: User \"anna\" cannot get path \"/logs\""
    );
    let log = server.request_log();
    let refused = log.iter().filter(|request| request.code == 403);
    assert!(
        refused
            .clone()
            .all(|request| request.user.as_deref() == Some("anna"))
    );
    assert_eq!(refused.count(), 2);
    // Who shows nothing at an open port is nobody.
    let config = kube::config::Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default())
        .await
        .unwrap();
    let nobody = kube::Client::try_from(config).unwrap();
    assert_eq!(lists(nobody.clone()).await, [false; 3]);
    nobody.apiserver_version().await.unwrap();
    let maps: Api<ConfigMap> = Api::all(nobody);
    let error = maps.list(&ListParams::default()).await.unwrap_err().to_string();
    let wanted = "User \"system:anonymous\" cannot list resource \"configmaps\" in API group \"\" at the cluster scope";
    assert!(error.contains(wanted), "{error}");
}
