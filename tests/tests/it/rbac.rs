//! The example with the rights that its code says, and no others: on a server in the process and on a real one.

use http::{Method, Request};
use kube::api::{ListParams, PostParams};
use kubewright::cache::{InformerFactory, InitialState, ReflectorConfig};
use kubewright::events::EventRecorder;
use kubewright::k8s_openapi::api::events::v1::Event;
use kubewright::k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kubewright::kube::{self, Api};
use kubewright::rbac::{Access, RoleSet, Rules, Usage};
use kubewright_apiserver::DevServer;
use sample_controller::api::{Foo, FooSpec};
use sample_controller::controller::{AGENT, Clients, controller, rules};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::ask::until;

const CRD: &str = include_str!("../../../examples/sample-controller/crds/foos.samplecontroller.k8s.io.yaml");
const USER: &str = "system:serviceaccount:default:sample-controller";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/sample-controller";

#[tokio::test]
async fn the_example_runs_on_its_own_rights_alone() {
    let server = DevServer::builder().rbac().start().await.unwrap();
    server.install_crds([CRD]).await.unwrap();
    suite(&server.client(), &server.client_of("default", AGENT)).await;
}

/// `admin` may do everything; `account` is the example's service account, to which nothing is granted yet.
pub(crate) async fn suite(admin: &kube::Client, account: &kube::Client) {
    let rules = rules(&Clients::new(account.clone()));
    // What everybody may.
    account.apiserver_version().await.unwrap();
    // And nothing else yet.
    let list = Access::Resource {
        verb: "list".into(),
        group: "samplecontroller.k8s.io".into(),
        resource: "foos".into(),
        namespace: None,
        name: None,
    };
    assert_eq!(
        refusal(account, &list).await.unwrap(),
        "foos.samplecontroller.k8s.io is forbidden: User \"system:serviceaccount:default:sample-controller\" cannot \
         list resource \"foos\" in API group \"samplecontroller.k8s.io\" at the cluster scope"
    );
    let path = Access::Url {
        verb: "get".into(),
        path: "/metrics".into(),
    };
    assert_eq!(
        refusal(account, &path).await.unwrap(),
        format!("forbidden: User {USER:?} cannot get path \"/metrics\"")
    );

    grant(admin, &rules).await;
    until("the rights are known", async || {
        refusal(account, &list).await.is_none()
    })
    .await;
    let usage = Usage::new();
    work(admin, &usage.watch(account.clone())).await;
    let used = usage.used();
    used.check(&rules).unwrap();

    // Each right is needed: without it the server refuses, in its own words, what was done with it.
    for grant in rules.grants() {
        replace(admin, &rules.without(&grant)).await;
        let lost: Vec<_> = used.iter().filter(|access| grant.covers(access)).collect();
        assert!(!lost.is_empty(), "{grant}");
        for access in lost {
            let mut said = None;
            until(&format!("{access} to be refused"), async || {
                said = refusal(account, access).await;
                said.is_some()
            })
            .await;
            assert_eq!(said.unwrap(), words(access), "{access}");
        }
    }
}

/// All that the program does, twice: with lists in watches and in pages.
async fn work(admin: &kube::Client, account: &kube::Client) {
    let hands = Clients::new(admin.clone());
    let foos = hands.foos().namespace("default");
    let deployments = hands.deployments().namespace("default");
    let events: Api<Event> = Api::namespaced(admin.clone(), "default");
    let synced = async || {
        let seen = events.list(&ListParams::default()).await.unwrap();
        let count = |event: &Event| event.series.as_ref().map_or(1, |series| series.count);
        let ours = seen
            .items
            .iter()
            .filter(|event| event.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some("allowed"));
        ours.map(count).sum::<i32>()
    };
    for (run, initial) in [InitialState::WatchList, InitialState::Pages]
        .into_iter()
        .enumerate()
    {
        let config = ReflectorConfig {
            initial,
            ..ReflectorConfig::default()
        };
        let factory = InformerFactory::builder(account).config(config).build();
        factory.informer::<Event>();
        let clients = Clients::new(account.clone());
        let recorder = EventRecorder::new(&clients, AGENT);
        let stop = CancellationToken::new();
        let running =
            tokio::spawn(controller(&factory, &clients, &recorder).run_until(stop.clone().cancelled_owned()));
        if run == 0 {
            let mut foo = Foo::new(
                "allowed",
                FooSpec {
                    deployment_name: Some("allowed".to_owned()),
                    replicas: Some(1),
                },
            );
            // As `kubectl apply` leaves it: what caches leave out has to be read again before an update.
            let applied = "kubectl.kubernetes.io/last-applied-configuration";
            foo.metadata.annotations = Some([(applied.to_owned(), "{}".to_owned())].into());
            foos.create(&foo).await.unwrap();
            until("the status", async || {
                foos.get("allowed").await.unwrap().status.is_some()
            })
            .await;
            until("the event", async || synced().await > 0).await;
        }
        // A cache that lags behind may have let the same be said twice.
        let before = synced().await;
        let replicas = 2 + i32::try_from(run).unwrap();
        let scale = json!({"spec": {"replicas": replicas}});
        foos.merge_patch("allowed", &scale).await.unwrap();
        until("the replicas", async || {
            deployments.get("allowed").await.unwrap().spec.replicas == Some(replicas)
        })
        .await;
        until("the series grows", async || synced().await > before).await;
        stop.cancel();
        running.await.unwrap().unwrap();
        factory.shutdown();
    }
    foos.delete("allowed").await.unwrap();
}

async fn grant(admin: &kube::Client, rules: &Rules) {
    let set = RoleSet::new(AGENT, rules).bound_to("default", AGENT);
    assert!(set.roles.is_empty(), "the example works in all namespaces");
    let (roles, bindings): (Api<ClusterRole>, Api<ClusterRoleBinding>) =
        (Api::all(admin.clone()), Api::all(admin.clone()));
    let params = PostParams::default();
    roles.create(&params, &set.cluster_roles[0]).await.unwrap();
    bindings
        .create(&params, &set.cluster_role_bindings[0])
        .await
        .unwrap();
}

async fn replace(admin: &kube::Client, rules: &Rules) {
    let role = &RoleSet::new(AGENT, rules).cluster_roles[0];
    let request = Request::put(ROLES)
        .body(serde_json::to_vec(role).unwrap())
        .unwrap();
    admin.request::<ClusterRole>(request).await.unwrap();
}

/// Asks for it, with nothing that could be done: what a server refuses it refuses before it looks.
async fn refusal(client: &kube::Client, access: &Access) -> Option<String> {
    match client.request_text(request(access)).await {
        Err(kube::Error::Api(status)) if status.code == 403 => Some(status.message),
        _ => None,
    }
}

fn request(access: &Access) -> Request<Vec<u8>> {
    let (verb, path) = match access {
        Access::Url { path, .. } => ("get", path.clone()),
        Access::Resource {
            verb,
            group,
            resource,
            namespace,
            name,
        } => {
            let version = match group.as_str() {
                "samplecontroller.k8s.io" => "v1alpha1",
                _ => "v1",
            };
            let namespace = namespace
                .iter()
                .map(|namespace| format!("/namespaces/{namespace}"));
            let (plural, sub) = resource.split_once('/').unwrap_or((resource, ""));
            let name = name.iter().map(|name| format!("/{name}"));
            let sub = Some(sub)
                .filter(|sub| !sub.is_empty())
                .map(|sub| format!("/{sub}"));
            let place: String = namespace
                .chain([format!("/{plural}")])
                .chain(name)
                .chain(sub)
                .collect();
            let query = if verb == "watch" {
                "?watch=1&timeoutSeconds=1"
            } else {
                ""
            };
            (verb.as_str(), format!("/apis/{group}/{version}{place}{query}"))
        }
        other => panic!("no request for {other}"),
    };
    let method = match verb {
        "create" => Method::POST,
        "update" => Method::PUT,
        "patch" => Method::PATCH,
        _ => Method::GET,
    };
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/merge-patch+json")
        .body(Vec::new())
        .unwrap()
}

fn words(access: &Access) -> String {
    let Access::Resource {
        verb,
        group,
        resource,
        namespace,
        name,
    } = access
    else {
        panic!("the example asks for resources alone: {access}")
    };
    let plural = resource.split('/').next().unwrap();
    let name = name.iter().map(|name| format!(" {name:?}")).collect::<String>();
    let place = match namespace {
        Some(namespace) => format!("in the namespace {namespace:?}"),
        None => "at the cluster scope".to_owned(),
    };
    format!(
        "{plural}.{group}{name} is forbidden: User {USER:?} cannot {verb} resource {resource:?} in API group \
         {group:?} {place}"
    )
}
