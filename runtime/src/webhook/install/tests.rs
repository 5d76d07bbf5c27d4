//! What is planned, and what a webhook must answer.

use std::num::NonZeroUsize;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::Status;
use kubewright_apiserver::{DevServer, Matcher};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::super::conversion::{Answer, Review};
use super::super::{Tls, WebhookServer};
use super::*;

/// A definition by its versions: name, served, storage.
fn definition(versions: &[(&str, bool, bool)]) -> apiext::CustomResourceDefinition {
    let version = |(name, served, storage): &(&str, bool, bool)| apiext::CustomResourceDefinitionVersion {
        name: (*name).to_owned(),
        served: *served,
        storage: *storage,
        ..apiext::CustomResourceDefinitionVersion::default()
    };
    apiext::CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some("sites.web.example.com".to_owned()),
            ..ObjectMeta::default()
        },
        spec: apiext::CustomResourceDefinitionSpec {
            group: "web.example.com".to_owned(),
            versions: versions.iter().map(version).collect(),
            ..apiext::CustomResourceDefinitionSpec::default()
        },
        ..apiext::CustomResourceDefinition::default()
    }
}

fn planned(
    live: Option<&apiext::CustomResourceDefinition>,
    wanted: &apiext::CustomResourceDefinition,
    storage: Storage,
) -> Result<(String, Option<String>), String> {
    let plan = plan(live, wanted, storage).map_err(|error| error.to_string())?;
    let count = plan
        .definition
        .spec
        .versions
        .iter()
        .filter(|version| version.storage)
        .count();
    assert_eq!(count, 1);
    Ok((stored(&plan.definition).unwrap().to_owned(), plan.pending))
}

#[test]
fn ver_40_the_storage_version_is_never_one_that_was_not_served_before() {
    let old = definition(&[("v1alpha1", true, true)]);
    let both = definition(&[("v1", true, false), ("v1alpha1", true, true)]);
    let unserved = definition(&[("v1", false, false), ("v1alpha1", true, true)]);
    let new = definition(&[("v1", true, true), ("v1alpha1", true, false)]);
    let without = definition(&[("v1", true, true)]);
    let stays = || Ok(("v1alpha1".to_owned(), Some("v1".to_owned())));
    let moves = || Ok(("v1".to_owned(), None));
    for (live, wanted, storage, expected) in [
        // A new definition has no objects.
        (None, &new, Storage::Keep, moves()),
        (Some(&old), &new, Storage::Keep, stays()),
        (Some(&old), &new, Storage::Move, stays()),
        (Some(&both), &new, Storage::Keep, stays()),
        (Some(&unserved), &new, Storage::Move, stays()),
        (Some(&both), &new, Storage::Move, moves()),
        (Some(&new), &new, Storage::Keep, moves()),
        (
            Some(&old),
            &without,
            Storage::Move,
            Err(
                "sites.web.example.com is stored as v1alpha1, which the new definition lacks; keep the version until \
                 its objects are migrated"
                    .to_owned(),
            ),
        ),
    ] {
        assert_eq!(planned(live, wanted, storage), expected);
    }
    let none = definition(&[("v1", true, false)]);
    let error = planned(None, &none, Storage::Keep).unwrap_err();
    assert_eq!(error, "the definition has no name, or no storage version");
}

#[test]
fn ver_35_what_is_applied_has_no_bundle_but_the_first_time() {
    let mut definition = definition(&[("v1", true, true)]);
    let endpoint = super::super::Endpoint::service("system", "hooks");
    definition.spec.conversion = Some(endpoint.stanza().unwrap());
    let webhook = definition
        .spec
        .conversion
        .as_mut()
        .unwrap()
        .webhook
        .as_mut()
        .unwrap();
    webhook.client_config.as_mut().unwrap().ca_bundle = Some(k8s_openapi::ByteString(b" ".to_vec()));
    definition.metadata.resource_version = Some("1".to_owned());
    let patch = patch(&definition, None).unwrap();
    assert_eq!(
        patch.pointer("/spec/conversion/webhook/clientConfig/caBundle"),
        None
    );
    assert_eq!(
        patch
            .pointer("/spec/conversion/webhook/clientConfig/service/name")
            .unwrap(),
        "hooks"
    );
    assert_eq!(patch["metadata"], json!({"name": "sites.web.example.com"}));
}

/// Gives each object the version that is asked for, or fails.
struct Stamps(bool);

impl Review for Stamps {
    fn review(&self, body: &[u8], _: NonZeroUsize) -> Answer {
        let mut review: Value = serde_json::from_slice(body).unwrap();
        let mut request = review["request"].take();
        let desired = request["desiredAPIVersion"].take();
        for object in request["objects"].as_array_mut().unwrap() {
            object["apiVersion"] = desired.clone();
        }
        review["response"] = if self.0 {
            json!({"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": request["objects"]})
        } else {
            json!({"uid": request["uid"], "result": {"status": "Failure", "message": "converting Site: not today"}})
        };
        Answer {
            status: 200,
            body: serde_json::to_vec(&review).unwrap(),
        }
    }
}

/// A webhook that is reached, and the authority that it is trusted by.
async fn webhook(converts: bool) -> (SocketAddr, Bundle) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["hooks.system.svc".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let server = WebhookServer::new(Tls::pem(&certificate, key.serialize_pem()))
        .listen(([127, 0, 0, 1], 0))
        .reviews(Arc::new(Stamps(converts)));
    let server = server.bind().await.unwrap();
    let address = server.address();
    tokio::spawn(server.run_until(std::future::pending()));
    (address, Bundle::parse(&certificate).unwrap())
}

/// What a release brings: its versions, each of which keeps everything.
fn release(versions: &[(&str, bool, bool)]) -> apiext::CustomResourceDefinition {
    let mut definition = definition(versions);
    definition.spec.scope = "Namespaced".to_owned();
    definition.spec.names.kind = "Site".to_owned();
    definition.spec.names.plural = "sites".to_owned();
    for version in &mut definition.spec.versions {
        version.schema = Some(apiext::CustomResourceValidation {
            open_api_v3_schema: Some(apiext::JSONSchemaProps {
                type_: Some("object".to_owned()),
                x_kubernetes_preserve_unknown_fields: Some(true),
                ..apiext::JSONSchemaProps::default()
            }),
        });
    }
    if versions.len() > 1 {
        definition.spec.conversion = Some(
            super::super::Endpoint::service("system", "hooks")
                .stanza()
                .unwrap(),
        );
    }
    definition
}

async fn live(client: &kube::Client) -> Option<apiext::CustomResourceDefinition> {
    let api: Api<apiext::CustomResourceDefinition> = Api::all(client.clone());
    api.get_opt("sites.web.example.com").await.unwrap()
}

#[tokio::test]
async fn ver_40_the_webhook_is_switched_on_once_it_converts() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let old = release(&[("v1alpha1", true, true)]);
    let installed = Installation::new(client.clone(), old).run().await.unwrap();
    assert!(installed.created && installed.pending.is_none());
    let before = live(&client).await;

    let new = release(&[("v1", true, true), ("v1alpha1", true, false)]);
    let (address, bundle) = webhook(false).await;
    let installation = Installation::new(client.clone(), new.clone()).probe_at(address);
    let error = installation.clone().run().await.unwrap_err();
    let text = super::super::authority::describe(&error);
    assert!(
        text.contains("no authority is known to check its certificate by"),
        "{text}"
    );
    let error = installation.trust(bundle).run().await.unwrap_err();
    let text = super::super::authority::describe(&error);
    let expected = "conversion of sites.web.example.com stays as it is, since the webhook failed its test: asked to \
                    convert to web.example.com/v1, it answered: converting Site: not today";
    assert_eq!(text, expected);
    let (other, bundle) = webhook(true).await;
    let stranger = Installation::new(client.clone(), new.clone())
        .probe_at(address)
        .trust(bundle.clone());
    let text = super::super::authority::describe(&stranger.run().await.unwrap_err());
    assert!(text.contains("ask for hooks.system.svc/convert: "), "{text}");
    assert_eq!(live(&client).await, before, "nothing was written");

    let installation = Installation::new(client.clone(), new)
        .probe_at(other)
        .trust(bundle.clone());
    let installed = installation.clone().run().await.unwrap();
    assert!(!installed.created);
    assert_eq!(installed.pending.as_deref(), Some("v1"));
    let after = live(&client).await.unwrap();
    assert_eq!(stored(&after), Some("v1alpha1"));
    let found = config(&after).unwrap().ca_bundle.clone().unwrap();
    assert_eq!(found.0, bundle.to_string().into_bytes());
    let owners = after.metadata.managed_fields.clone().unwrap();
    let owns_bundle = |owner: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| {
        serde_json::to_string(&owner.fields_v1)
            .unwrap()
            .contains("f:caBundle")
    };
    let owners: Vec<_> = owners
        .iter()
        .filter(owns_bundle)
        .map(|owner| owner.manager.clone().unwrap())
        .collect();
    assert_eq!(owners, ["kubewright-ca-bundle"]);

    // A definition that was just applied is written by the server too.
    let target = Target::Definition("sites.web.example.com".to_owned());
    for _ in 0..3 {
        let changed = Status::failure("the object has been modified", "Conflict").with_code(409);
        server.fail_next(
            Matcher::any().verb("patch").name("sites.web.example.com"),
            changed,
        );
    }
    assert!(
        installation
            .hand_over(&target, &bundle, Fill::Missing)
            .await
            .unwrap()
    );
    // Who keeps it current knows better than who installed it once.
    let (_, stale) = webhook(true).await;
    assert_ne!(stale, bundle);
    assert!(
        installation
            .hand_over(&target, &stale, Fill::Missing)
            .await
            .unwrap()
    );
    assert_eq!(config(&live(&client).await.unwrap()), config(&after));

    // Once more changes nothing; with the next release the storage version moves.
    installation.clone().run().await.unwrap();
    assert_eq!(config(&live(&client).await.unwrap()), config(&after));
    let installed = installation.storage(Storage::Move).run().await.unwrap();
    assert_eq!(installed.pending, None);
    assert_eq!(stored(&live(&client).await.unwrap()), Some("v1"));
}

fn managers(object: &impl kube::Resource, field: &str) -> Vec<String> {
    let entries = object.meta().managed_fields.iter().flatten();
    let owners = entries.filter(|owner| {
        let fields = serde_json::to_string(&owner.fields_v1).unwrap();
        fields.contains(field)
    });
    owners.map(|owner| owner.manager.clone().unwrap()).collect()
}

/// The manager of bundles owns a part of the webhook, which an apply without it would leave behind.
#[tokio::test]
async fn ver_38_versions_that_do_not_differ_any_more_need_no_webhook() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    let (address, bundle) = webhook(true).await;
    let mut both = release(&[("v1", true, true), ("v1alpha1", true, false)]);
    let installation = Installation::new(client.clone(), both.clone());
    installation.probe_at(address).trust(bundle).run().await.unwrap();
    assert!(config(&live(&client).await.unwrap()).is_some());

    both.spec.conversion = None;
    Installation::new(client.clone(), both.clone())
        .run()
        .await
        .unwrap();
    let after = live(&client).await.unwrap();
    let conversion = after.spec.conversion.clone().unwrap();
    assert_eq!((&*conversion.strategy, conversion.webhook), ("None", None));
    assert_eq!(managers(&after, "f:caBundle"), Vec::<String>::new());
    // And again, where there is nothing to take away.
    Installation::new(client.clone(), both).run().await.unwrap();
}

#[tokio::test]
async fn ver_35_a_bundle_in_the_definition_is_what_its_author_wants() {
    let server = DevServer::start().await.unwrap();
    let client = server.client();
    for _ in 0..2 {
        let (address, bundle) = webhook(true).await;
        let mut both = release(&[("v1", true, true), ("v1alpha1", true, false)]);
        let at = super::super::Endpoint::service("system", "hooks").ca_bundle(bundle.clone());
        both.spec.conversion = Some(at.stanza().unwrap());
        let installation = Installation::new(client.clone(), both).probe_at(address);
        installation.run().await.unwrap();
        let after = live(&client).await.unwrap();
        let found = config(&after).unwrap().ca_bundle.clone().unwrap();
        assert_eq!(found.0, Vec::from(bundle));
        assert_eq!(managers(&after, "f:caBundle"), ["kubewright-ca-bundle"]);
    }
}

#[tokio::test]
async fn ver_40_an_installation_waits_until_names_are_accepted() {
    let server = DevServer::start().await.unwrap();
    let mut other = release(&[("v1", true, true)]);
    other.metadata.name = Some("pages.web.example.com".to_owned());
    other.spec.names.plural = "pages".to_owned();
    Installation::new(server.client(), other).run().await.unwrap();
    let installation = Installation::new(server.client(), release(&[("v1", true, true)]));
    let error = installation
        .timeout(Duration::from_millis(500))
        .run()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "sites.web.example.com is applied and not served, since its names are not accepted: \"SiteList\" is already in use \
         (ListKindConflict)"
    );
}

mod hooks {
    use k8s_openapi::api::admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
    };
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::super::super::{
        Admission, Allowed, ConfigurationNames, Endpoint, Hook, mutate_with, validate_with,
    };
    use super::*;

    const NAMES: ConfigurationNames = ConfigurationNames {
        mutating: "m.example.com",
        validating: "v.example.com",
    };

    fn hook(name: &str) -> Hook {
        let hook = Hook::validator(validate_with(|_: &Admission<ConfigMap>| Ok(Allowed::new())));
        // Nobody is there to be asked.
        hook.name(name)
            .at(format!("/{name}"))
            .object_label("never", "ever")
    }

    fn configurations(hooks: &[&str]) -> Configurations {
        let mutator = mutate_with(|_: &mut ConfigMap, _: &Admission<ConfigMap>| Ok(Allowed::new()));
        let server = WebhookServer::new(Tls::directory("/nowhere"))
            .hook(Hook::mutator(mutator).object_label("never", "ever"));
        let server = hooks.iter().fold(server, |server, name| server.hook(hook(name)));
        let endpoint = Endpoint::service("system", "hooks");
        server.configurations(&NAMES, &endpoint).unwrap()
    }

    /// Names of the validating webhooks, and whose bundles they show.
    async fn shown(client: &kube::Client) -> Vec<(String, Option<Vec<u8>>)> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        let webhooks = api.get(NAMES.validating).await.unwrap().webhooks.unwrap();
        let webhooks = webhooks.into_iter();
        webhooks
            .map(|webhook| {
                (
                    webhook.name,
                    webhook.client_config.ca_bundle.map(|bundle| bundle.0),
                )
            })
            .collect()
    }

    #[tokio::test]
    async fn ver_35_configurations_come_with_their_bundles_and_go_without_a_trace() {
        let server = DevServer::start().await.unwrap();
        let client = server.client();
        let (_, bundle) = webhook(true).await;
        let pem = || Some(Vec::from(bundle.clone()));
        let install = async |hooks: &[&str], bundle: &Bundle| {
            Installation::new(client.clone(), release(&[("v1", true, true)]))
                .trust(bundle.clone())
                .admission(configurations(hooks))
                .run()
                .await
                .unwrap();
        };
        let (a, b) = ("a.example.com", "b.example.com");
        install(&[a], &bundle).await;
        assert_eq!(shown(&client).await, [(a.to_owned(), pem())]);
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        let mutating = mutating.get(NAMES.mutating).await.unwrap();
        assert_eq!(managers(&mutating, "f:caBundle"), ["kubewright-ca-bundle"]);
        assert_eq!(managers(&mutating, "f:rules"), ["kubewright-install"]);

        // A new one comes with the bundle; that of the other is its manager's business.
        let (_, later) = webhook(true).await;
        install(&[a, b], &later).await;
        let later = Some(Vec::from(later));
        assert_eq!(
            shown(&client).await,
            [(a.to_owned(), pem()), (b.to_owned(), later.clone())]
        );

        // Somebody else's webhook stays; that of an earlier release goes, whoever owned its bundle.
        let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        let foreign = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": NAMES.validating},
            "webhooks": [{
                "name": "c.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"url": "https://c.example.com/c"},
            }],
        });
        let params = PatchParams::apply("somebody");
        api.patch(NAMES.validating, &params, &Patch::Apply(&foreign))
            .await
            .unwrap();
        install(&[b], &bundle).await;
        let names: Vec<_> = shown(&client).await;
        assert_eq!(
            names,
            [(b.to_owned(), later), ("c.example.com".to_owned(), pem())]
        );
    }

    #[tokio::test]
    async fn ver_35_who_injects_bundles_is_left_alone() {
        let server = DevServer::start().await.unwrap();
        let (_, bundle) = webhook(true).await;
        let mut wanted = configurations(&["a.example.com"]);
        let validating = wanted.validating.as_mut().unwrap();
        let from = ("cert-manager.io/inject-ca-from".to_owned(), "ns/name".to_owned());
        validating.metadata.annotations = Some([from].into());
        Installation::new(server.client(), release(&[("v1", true, true)]))
            .trust(bundle)
            .admission(wanted)
            .run()
            .await
            .unwrap();
        assert_eq!(
            shown(&server.client()).await,
            [("a.example.com".to_owned(), None)]
        );
    }
}
