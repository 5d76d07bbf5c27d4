//! The authority in a cluster: DevServer, with time paused.

use std::net::SocketAddr;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kubewright_apiserver::DevServer;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::super::{Admission, Allowed, Hook, ServerError, Tls, WebhookServer, validate_with};
use super::*;

/// Certificates are checked by the machine's clock, so the tests begin now.
fn now() -> i64 {
    Clock::system().now()
}

const NAME: &str = "sites.web.example.com";

async fn cluster() -> (DevServer, kube::Client) {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        })
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": "web.example.com", "scope": "Namespaced", "names": {"plural": "sites", "kind": "Site"},
            "versions": [version("v1", true), version("v1alpha1", false)],
            "conversion": {"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": {"service": {"namespace": "default", "name": "hooks", "path": "/convert"}},
            }},
        },
    });
    definitions(&client)
        .create(
            &PostParams::default(),
            &serde_json::from_value(definition).unwrap(),
        )
        .await
        .unwrap();
    (server, client)
}

fn definitions(client: &kube::Client) -> Api<DynamicObject> {
    Api::all_with(
        client.clone(),
        &ApiResource::erase::<CustomResourceDefinition>(&()),
    )
}

fn authority(client: &kube::Client, replica: &str) -> ManagedAuthority {
    ManagedAuthority::new(client.clone(), "default", "hooks-tls")
        .service("hooks")
        .publish(Target::Definition(NAME.to_owned()))
        .replica(replica)
}

/// A replica that serves.
struct Replica {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServerError>>,
}

async fn serve(authority: &ManagedAuthority) -> Replica {
    serve_with(Tls::managed(authority.clone())).await
}

async fn serve_with(tls: Tls) -> Replica {
    let hook = validate_with(|_: &Admission<Secret>| Ok(Allowed::new()));
    let server = WebhookServer::new(tls)
        .listen(([127, 0, 0, 1], 0))
        .linger(Duration::ZERO)
        .hook(Hook::validator(hook));
    let server = server.bind_at(Clock::of_tokio(now())).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run_until(async move {
        let _ = stopped.await;
    }));
    Replica {
        address,
        stop: Some(stop),
        task,
    }
}

impl Replica {
    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// What the definition tells API servers to trust.
async fn published(client: &kube::Client) -> Option<Bundle> {
    let definition = definitions(client).get(NAME).await.unwrap();
    let bundle = definition
        .data
        .pointer("/spec/conversion/webhook/clientConfig/caBundle")?;
    let bundle: ByteString = serde_json::from_value(bundle.clone()).unwrap();
    Some(Bundle::parse(std::str::from_utf8(&bundle.0).unwrap()).unwrap())
}

/// Calls as an API server does.
async fn call(client: &kube::Client, replica: &Replica) -> std::io::Result<()> {
    let bundle = published(client).await.unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(bundle.roots().unwrap())
        .with_no_client_auth();
    let stream = TcpStream::connect(replica.address).await?;
    let name = ServerName::try_from("hooks.default.svc").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map(drop)
}

async fn state(client: &kube::Client) -> Value {
    let api: Api<Secret> = Api::namespaced(client.clone(), "default");
    let secret = api.get("hooks-tls").await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    serde_json::from_slice(&secret.data.unwrap()[STATE].0).unwrap()
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn ver_34_the_first_certificate_is_made_and_published() {
    let (_server, client) = cluster().await;
    let authority = authority(&client, "a");
    assert!(authority.bundle().await.unwrap().is_none());
    let replica = serve(&authority).await;
    seconds(60).await;
    call(&client, &replica).await.unwrap();
    assert_eq!(authority.bundle().await.unwrap(), published(&client).await);
    assert_eq!(state(&client).await["phase"], "stable");
    replica.stop().await;
    assert_eq!(state(&client).await["replicas"], json!({}), "who goes says so");
}

/// The server's own record of who owns what.
#[tokio::test(start_paused = true)]
async fn ver_35_the_field_manager_owns_the_bundle_and_nothing_else() {
    let (_server, client) = cluster().await;
    let _replica = serve(&authority(&client, "a")).await;
    seconds(60).await;
    let definition = definitions(&client).get(NAME).await.unwrap();
    let owners = definition.metadata.managed_fields.unwrap();
    let own = owners
        .iter()
        .find(|owner| owner.manager.as_deref() == Some("kubewright-ca-bundle"))
        .unwrap();
    assert_eq!(own.operation.as_deref(), Some("Apply"));
    assert_eq!(
        own.fields_v1.as_ref().unwrap().0,
        json!({"f:spec": {"f:conversion": {"f:webhook": {"f:clientConfig": {"f:caBundle": {}}}}}})
    );
}

#[tokio::test(start_paused = true)]
async fn ver_34_two_replicas_rotate_without_a_failed_call() {
    let (_server, client) = cluster().await;
    let authority = authority(&client, "a");
    let replicas = [
        serve(&authority).await,
        serve(&self::authority(&client, "b")).await,
    ];
    seconds(60).await;
    let before = published(&client).await.unwrap();
    authority.rotate();
    let (mut bundles, mut phases) = (vec![before], Vec::new());
    for _ in 0..150 {
        for replica in &replicas {
            call(&client, replica).await.unwrap();
        }
        let bundle = published(&client).await.unwrap();
        if bundles.last() != Some(&bundle) {
            bundles.push(bundle);
        }
        let phase = state(&client).await["phase"].as_str().unwrap().to_owned();
        if phases.last() != Some(&phase) {
            phases.push(phase);
        }
        seconds(4).await;
    }
    assert_eq!(phases, ["staged", "switched", "stable"]);
    let [old, both, new] = bundles.as_slice() else {
        panic!("{} bundles", bundles.len())
    };
    assert_eq!(
        both.certificates(),
        [old.certificates(), new.certificates()].concat()
    );
    assert_ne!(old, new);
}

#[tokio::test(start_paused = true)]
async fn ver_34_the_time_to_settle_is_as_said() {
    let (_server, client) = cluster().await;
    let authority = authority(&client, "a").settle(Duration::from_secs(2));
    let replica = serve(&authority).await;
    seconds(60).await;
    let before = published(&client).await.unwrap();
    authority.rotate();
    seconds(1).await;
    assert_eq!(state(&client).await["phase"], "staged");
    seconds(2).await;
    assert_eq!(state(&client).await["phase"], "switched");
    seconds(3).await;
    assert_eq!(state(&client).await["phase"], "stable");
    assert_ne!(published(&client).await.unwrap(), before);
    call(&client, &replica).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ver_34_a_replica_that_was_killed_in_the_middle_goes_on() {
    let (_server, client) = cluster().await;
    let first = authority(&client, "a");
    let replica = serve(&first).await;
    seconds(60).await;
    let before = published(&client).await.unwrap();
    first.rotate();
    seconds(60).await;
    assert_eq!(state(&client).await["phase"], "staged");
    replica.task.abort();
    seconds(600).await;
    assert_eq!(state(&client).await["phase"], "staged", "nobody is there");
    let replica = serve(&authority(&client, "a")).await;
    for _ in 0..100 {
        call(&client, &replica).await.unwrap();
        seconds(5).await;
    }
    assert_eq!(state(&client).await["phase"], "stable");
    assert_ne!(published(&client).await.unwrap(), before);
}

async fn patch(client: &kube::Client, patch: Value) {
    definitions(client)
        .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn ver_35_a_bundle_that_was_taken_away_comes_back() {
    let (_server, client) = cluster().await;
    let replica = serve(&authority(&client, "a")).await;
    seconds(60).await;
    let before = published(&client).await;
    let bundle =
        |bundle: Value| json!({"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}});
    patch(&client, bundle(Value::Null)).await;
    assert_eq!(published(&client).await, None);
    seconds(60).await;
    assert_eq!(published(&client).await, before);
    call(&client, &replica).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ver_35_what_others_inject_is_left_alone() {
    let (_server, client) = cluster().await;
    patch(
        &client,
        json!({"metadata": {"annotations": {"cert-manager.io/inject-ca-from": "default/hooks"}}}),
    )
    .await;
    let _replica = serve(&authority(&client, "a")).await;
    seconds(120).await;
    assert_eq!(published(&client).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_somebody_else_is_not_touched() {
    let (_server, client) = cluster().await;
    let api: Api<Secret> = Api::namespaced(client.clone(), "default");
    let secret = json!({"metadata": {"name": "hooks-tls"}, "data": {"password": "eA=="}});
    let secret = serde_json::from_value(secret).unwrap();
    let created = api.create(&PostParams::default(), &secret).await.unwrap();
    let hook = validate_with(|_: &Admission<Secret>| Ok(Allowed::new()));
    let server = WebhookServer::new(Tls::managed(authority(&client, "a")))
        .listen(([127, 0, 0, 1], 0))
        .hook(Hook::validator(hook));
    let error = server.bind_at(Clock::of_tokio(now())).await.unwrap_err();
    let text = describe(&error);
    assert!(
        text.ends_with(
            "Secret default/hooks-tls holds something else than a webhook server's authority; name another one, or \
             delete it"
        ),
        "{text}"
    );
    assert_eq!(api.get("hooks-tls").await.unwrap(), created);
}

#[test]
fn ver_34_a_minted_leaf_verifies_and_no_authority_key_is_kept() {
    let leaf = mint::mint(
        7,
        vec!["127.0.0.1".to_owned(), "a.b.svc".to_owned()],
        now(),
        Duration::from_secs(3600),
    );
    let leaf = leaf.unwrap();
    let bundle = Bundle::parse(&leaf.authority).unwrap();
    assert_eq!(bundle.certificates(), std::slice::from_ref(&leaf.authority));
    assert!(super::super::pem::Pair::from_pem(leaf.certificate.as_bytes(), leaf.key.as_bytes()).is_ok());
    // Of the authority there is a certificate, and one key in all.
    let text = serde_json::to_string(&leaf).unwrap();
    assert_eq!(
        text.matches("PRIVATE KEY").count(),
        2,
        "begin and end of one block"
    );
    assert!(!format!("{leaf:?}").contains("BEGIN"));
}

/// As cert-manager keeps a Secret, without its injector.
#[tokio::test(start_paused = true)]
async fn ver_33_a_secret_of_somebody_else_is_served_and_published() {
    let (_server, client) = cluster().await;
    let api: Api<Secret> = Api::namespaced(client.clone(), "default");
    let secret = |generation: i64| {
        let leaf = mint::mint(
            generation,
            vec!["hooks.default.svc".to_owned()],
            now(),
            Duration::from_secs(86_400),
        );
        let leaf = leaf.unwrap();
        let data = json!({
            "tls.crt": ByteString(leaf.certificate.into_bytes()),
            "tls.key": ByteString(leaf.key.into_bytes()),
            "ca.crt": ByteString(leaf.authority.into_bytes()),
        });
        let secret = json!({"metadata": {"name": "theirs"}, "type": "kubernetes.io/tls", "data": data});
        serde_json::from_value::<Secret>(secret).unwrap()
    };
    let tls = Tls::secret(client.clone(), "default", "theirs").publish(Target::Definition(NAME.to_owned()));
    let starting = tokio::spawn(serve_with(tls));
    // It is waited for.
    seconds(30).await;
    api.create(&PostParams::default(), &secret(1)).await.unwrap();
    let replica = starting.await.unwrap();
    seconds(60).await;
    call(&client, &replica).await.unwrap();
    let before = published(&client).await;

    api.replace("theirs", &PostParams::default(), &secret(2))
        .await
        .unwrap();
    seconds(60).await;
    call(&client, &replica).await.unwrap();
    let after = published(&client).await;
    assert_ne!(after, before);

    // White space is no bundle: what was published stays.
    let mut broken = secret(3);
    broken
        .data
        .as_mut()
        .unwrap()
        .insert("ca.crt".to_owned(), ByteString(b" \n".to_vec()));
    api.replace("theirs", &PostParams::default(), &broken)
        .await
        .unwrap();
    seconds(60).await;
    assert_eq!(published(&client).await, after);
}
