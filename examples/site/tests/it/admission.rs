//! The webhook as it runs, with its own authority, behind a server in the process.

use std::net::Ipv4Addr;

use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube::Api;
use kubewright::webhook::{Endpoint, ServerError, Storage, Tls};
use kubewright_apiserver::DevServer;
use serde_json::{Value, json};
use site::api::{NAMESPACE, SERVICE};
use site::hooks;
use site::install::{Install, authority, definition};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::PRESERVED;
use crate::harness::{full, get, merge, post};

struct World {
    server: DevServer,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServerError>>,
}

impl World {
    async fn start() -> Self {
        let server = DevServer::start().await.unwrap();
        let client = server.client();
        let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: site-system}}";
        server.apply_yaml(namespace).await.unwrap();
        let authority = authority(&client);
        let webhook = hooks::server(Tls::managed(authority.clone()))
            .listen((Ipv4Addr::LOCALHOST, 0))
            .linger(std::time::Duration::ZERO);
        let bound = webhook.clone().bind().await.unwrap();
        let address = bound.address();
        server.hooks().set_service_address(NAMESPACE, SERVICE, address);
        let stop = CancellationToken::new();
        let task = tokio::spawn(bound.run_until(stop.clone().cancelled_owned()));
        let install = Install {
            client: client.clone(),
            authority,
            endpoint: Endpoint::service(NAMESPACE, SERVICE),
            address,
            storage: Storage::Keep,
        };
        let installed = install.run(&webhook, definition().unwrap()).await.unwrap();
        assert!(installed.created);
        let again = install.run(&webhook, definition().unwrap()).await.unwrap();
        assert!(!again.created, "trying again is safe");
        Self { server, stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.server.stop().await;
    }
}

#[tokio::test]
async fn ver_42_defaults_are_filled_in_whatever_version_is_written() {
    let world = World::start().await;
    let client = world.server.client();
    let spec = json!({
        "host": "lab.example.com", "port": 8443, "image": "lab:42", "timeoutMillis": 2500, "tier": "Bronze",
        "strategy": "Recreate", "memoryMib": 384, "tls": {}, "ports": [{"name": "metrics", "number": 9090}],
    });
    let made = post(&client, "v1", "lab", &spec).await.ok();
    let mut filled = spec;
    // The schema's, nested ones too.
    filled["replicas"] = 1.into();
    filled["retries"] = 3.into();
    filled["ports"][0]["appProtocol"] = "http".into();
    // What no schema can say; and no parent comes of a default inside, such as that of `probe.periodSeconds`.
    filled["class"] = "spot".into();
    filled["tls"]["http2"] = true.into();
    assert_eq!(made["spec"], filled);
    // What is there stays, false too.
    let patch = json!({"spec": {"tls": {"http2": false}, "class": "own"}});
    let patched = merge(&client, "v1", "/lab", &patch).await.ok();
    assert_eq!(
        (&patched["spec"]["tls"]["http2"], &patched["spec"]["class"]),
        (&json!(false), &json!("own"))
    );

    // An old client gets them too, and keeps all that is its own.
    let made = post(&client, "v1alpha1", "blog", &full("v1alpha1")).await.ok();
    assert_eq!(made["spec"], full("v1alpha1"));
    assert!(made["metadata"]["annotations"][PRESERVED].is_string());
    let seen = get(&client, "v1", "blog").await["spec"].clone();
    assert_eq!(seen["tls"], json!({"minVersion": "1.2", "http2": true}));
    assert_eq!(
        (&seen["retries"], &seen["tier"]),
        (&json!(1), &json!("Silver")),
        "what older sites get"
    );
    world.end().await;
}

#[tokio::test]
async fn rules_are_those_of_the_newest_version_for_all() {
    let world = World::start().await;
    let client = world.server.client();
    let denied = |answer: &crate::harness::Answer| {
        let (code, message) = answer.refused();
        assert_eq!(code, 422, "{message}");
        message.to_owned()
    };
    let mut spec = full("v1alpha1");
    spec["ports"][0]["port"] = 8080.into();
    let message = denied(&post(&client, "v1alpha1", "blog", &spec).await);
    assert_eq!(
        message,
        "admission webhook \"rules.sites.web.example.com\" denied the request: Site.web.example.com \"blog\" is \
         invalid: spec.ports[0].number: is the port of the site"
    );
    let mut spec = full("v1");
    spec["replicas"] = 1.into();
    let made = post(&client, "v1", "canary", &spec).await;
    assert!(
        made.warnings
            .iter()
            .any(|warning| warning.contains("the canary of a single replica is all of the site")),
        "{:?}",
        made.warnings
    );
    made.ok();
    let proxy =
        json!({"spec": {"content": {"type": "Proxy", "upstream": "u", "reference": null, "source": null}}});
    let message = denied(&merge(&client, "v1", "/canary", &proxy).await);
    assert!(
        message.ends_with("clients of v1beta1 could not see it any more"),
        "{message}"
    );
    assert_eq!(get(&client, "v1", "canary").await["spec"], spec);
    world.end().await;
}

#[tokio::test]
async fn ver_35_the_webhook_publishes_its_own_authority() {
    let world = World::start().await;
    let client = world.server.client();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = definitions.get("sites.web.example.com").await.unwrap();
    let definition: Value = serde_json::to_value(definition).unwrap();
    let bundle = &definition["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"];
    assert!(bundle.is_string());
    let entries = definition["metadata"]["managedFields"].as_array().unwrap();
    let owners = entries
        .iter()
        .filter(|entry| entry["fieldsV1"].to_string().contains("f:caBundle"));
    let owners: Vec<_> = owners.map(|entry| entry["manager"].as_str().unwrap()).collect();
    assert_eq!(owners, ["kubewright-ca-bundle"]);
    world.end().await;
}
