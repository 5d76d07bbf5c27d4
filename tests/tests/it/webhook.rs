//! A webhook over TLS, called by a real kube-apiserver, with the authority that it made and published itself.

use std::net::SocketAddr;
use std::time::Duration;

use kubewright::k8s_openapi::ByteString;
use kubewright::k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kubewright::k8s_openapi::api::core::v1::ConfigMap;
use kubewright::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kubewright::kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kubewright::kube::{self, Resource};
use kubewright::webhook::{
    Admission, Allowed, Denied, Endpoint, Hook, ManagedAuthority, Operation, Target, Tls, Validator, Verdict,
    WebhookServer, mutate_with,
};
use kubewright::webhook_configuration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);
const LABEL: &str = "kubewright-webhook";
const CONFIGURATION: &str = "webhook.kubewright.example.com";
const DEFINITION: &str = "pages.webhook.kubewright.example.com";

struct Judge;

impl Validator for Judge {
    type Object = ConfigMap;

    async fn validate(&self, request: &Admission<ConfigMap>) -> Verdict {
        let verdict = request
            .object
            .as_ref()
            .and_then(|object| object.data.as_ref()?.get("verdict"));
        match verdict.map(String::as_str) {
            Some("deny") => Err("a rule is against it".into()),
            Some("invalid") => {
                Err(Denied::invalid("data.verdict", "must not be invalid").cause("data", "too small"))
            }
            Some("panic") => panic!("a bug"),
            _ if request.operation == Operation::Delete && request.name == "kept" => {
                Err(Denied::forbidden("it stays").code(451).reason("Law"))
            }
            _ => Ok(Allowed::new()),
        }
    }
}

fn config_map(name: &str, verdict: &str) -> ConfigMap {
    let object = json!({
        "metadata": {"name": name, "namespace": "default", "labels": {LABEL: "yes"}},
        "data": {"verdict": verdict},
    });
    serde_json::from_value(object).unwrap()
}

async fn apply<K>(client: &kube::Client, name: &str, object: &K)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let params = PatchParams::apply("webhook-suite").force();
    let api: Api<K> = Api::all(client.clone());
    api.patch(name, &params, &Patch::Apply(object)).await.unwrap();
}

/// The bundle at `path` of an object, once there is one.
async fn bundle<K>(client: &kube::Client, name: &str, path: &str) -> (String, Value)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let waiting = async {
        loop {
            let object = serde_json::to_value(api.get(name).await.unwrap()).unwrap();
            if let Some(bundle) = object.pointer(path) {
                let bundle: ByteString = serde_json::from_value(bundle.clone()).unwrap();
                return (String::from_utf8(bundle.0).unwrap(), object);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("a bundle is published")
}

/// What the server records of our field manager.
fn owned(object: &Value) -> Value {
    let owners = object["metadata"]["managedFields"].as_array().unwrap();
    let own = owners
        .iter()
        .find(|owner| owner["manager"] == "kubewright-ca-bundle");
    own.unwrap()["fieldsV1"].clone()
}

fn failure(outcome: Result<ConfigMap, kube::Error>) -> (u16, String, String) {
    match outcome.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    }
}

/// Admission and the authority of VER-34 and VER-35.
pub async fn suite(client: &kube::Client) {
    let authority = ManagedAuthority::new(client.clone(), "default", "webhook-tls")
        .host("127.0.0.1")
        .publish(Target::Definition(DEFINITION.to_owned()))
        .publish(Target::Validating(CONFIGURATION.to_owned()))
        .publish(Target::Mutating(CONFIGURATION.to_owned()));
    let mutator = mutate_with(|object: &mut ConfigMap, _: &Admission<ConfigMap>| {
        object
            .data
            .get_or_insert_default()
            .insert("seen".to_owned(), "yes".to_owned());
        Ok(Allowed::new())
    });
    let judge = Hook::validator(Judge)
        .operations([Operation::Create, Operation::Update, Operation::Delete])
        .object_label(LABEL, "yes");
    let server = WebhookServer::new(Tls::managed(authority.clone()))
        .listen(SocketAddr::from(([127, 0, 0, 1], 0)))
        .linger(Duration::ZERO)
        .hook(judge)
        .hook(Hook::mutator(mutator).object_label(LABEL, "yes"));
    let configured = server.clone();
    let bound = server.bind().await.unwrap();
    let endpoint = Endpoint::url(format!("https://{}", bound.address()));
    let stop = CancellationToken::new();
    let running = tokio::spawn(bound.run_until(stop.clone().cancelled_owned()));

    let names = webhook_configuration!(
        mutating = "webhook.kubewright.example.com",
        validating = "webhook.kubewright.example.com"
    );
    let configured = configured.configurations(&names, &endpoint).unwrap();
    let validating = configured.validating.unwrap();
    apply(client, CONFIGURATION, &validating).await;
    apply(client, CONFIGURATION, &configured.mutating.unwrap()).await;
    apply(client, DEFINITION, &definition(&endpoint)).await;
    authority.refresh();
    the_bundle_is_published(client, &authority).await;
    admission(client).await;

    // Applying once more what has no bundle leaves the bundle where it is.
    apply(client, CONFIGURATION, &validating).await;
    authority.rotate();
    let waiting = async {
        while bundle::<ValidatingWebhookConfiguration>(client, CONFIGURATION, HOOK)
            .await
            .0
            .matches("BEGIN")
            .count()
            < 2
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("both authorities are published");
    let created = maps(client)
        .create(&PostParams::default(), &config_map("while-rotating", "allow"))
        .await;
    created.unwrap();

    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    api.delete(CONFIGURATION, &DeleteParams::default()).await.unwrap();
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    api.delete(CONFIGURATION, &DeleteParams::default()).await.unwrap();
    stop.cancel();
    running.await.unwrap().unwrap();
}

const HOOK: &str = "/webhooks/0/clientConfig/caBundle";

fn maps(client: &kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

fn definition(endpoint: &Endpoint) -> CustomResourceDefinition {
    let mut definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": DEFINITION},
        "spec": {
            "group": "webhook.kubewright.example.com", "scope": "Namespaced",
            "names": {"plural": "pages", "kind": "Page"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    }))
    .unwrap();
    definition.spec.conversion = Some(endpoint.stanza().unwrap());
    definition
}

async fn the_bundle_is_published(client: &kube::Client, authority: &ManagedAuthority) {
    let expected = authority.bundle().await.unwrap().unwrap().to_string();
    let (found, object) = bundle::<ValidatingWebhookConfiguration>(client, CONFIGURATION, HOOK).await;
    assert_eq!(found, expected);
    let hook = |name: &str| {
        let key = format!("k:{{\"name\":\"{name}\"}}");
        json!({"f:webhooks": {key: {".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}}}}})
    };
    assert_eq!(owned(&object), hook("validate.configmaps.v1.core"));
    let (found, object) = bundle::<MutatingWebhookConfiguration>(client, CONFIGURATION, HOOK).await;
    assert_eq!(found, expected);
    assert_eq!(owned(&object), hook("mutate.configmaps.v1.core"));
    let path = "/spec/conversion/webhook/clientConfig/caBundle";
    let (found, object) = bundle::<CustomResourceDefinition>(client, DEFINITION, path).await;
    assert_eq!(found, expected);
    assert_eq!(
        owned(&object),
        json!({"f:spec": {"f:conversion": {"f:webhook": {"f:clientConfig": {"f:caBundle": {}}}}}})
    );
}

async fn admission(client: &kube::Client) {
    let maps = maps(client);
    // The server hears of a configuration after a while.
    let waiting = async {
        loop {
            match maps
                .create(&PostParams::default(), &config_map("denied", "deny"))
                .await
            {
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    return (status.code, status.message.clone());
                }
                Ok(_) => drop(maps.delete("denied", &DeleteParams::default()).await),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let denied = tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("the webhook is asked");
    let said = "admission webhook \"validate.configmaps.v1.core\" denied the request: ";
    assert_eq!(denied, (403, format!("{said}a rule is against it")));

    let create = async |name: &str, verdict: &str| {
        maps.create(&PostParams::default(), &config_map(name, verdict))
            .await
    };
    assert_eq!(
        failure(create("invalid", "invalid").await),
        (
            422,
            "Invalid".to_owned(),
            format!(
                "{said}ConfigMap \"invalid\" is invalid: [data.verdict: must not be invalid, data: too small]"
            )
        )
    );
    assert_eq!(
        failure(create("panic", "panic").await),
        (500, "InternalError".to_owned(), format!("{said}panicked: a bug"))
    );
    let created = create("kept", "allow").await.unwrap();
    assert_eq!(
        created.data.unwrap()["seen"],
        "yes",
        "the mutator was asked first"
    );
    let deleted = maps.delete("kept", &DeleteParams::default()).await;
    match deleted.unwrap_err() {
        kube::Error::Api(status) => assert_eq!(
            (status.code, status.message.clone()),
            (451, format!("{said}it stays"))
        ),
        other => panic!("{other}"),
    }
}
