//! The authorities that the callers of webhooks are told to trust (VER-35).
//!
//! **Invariant:** the field manager of bundles owns `caBundle` and nothing else, and writes nothing but a checked
//! [`Bundle`], to the object as it was last seen.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::pem::Bundle;
use crate::kind::CustomKind;
use crate::pem::blocks;
use crate::rbac::Rules;

/// Owner of `caBundle`, and of that alone.
const MANAGER: &str = "kubewright-ca-bundle";

/// Somebody else writes the bundle of an object that carries one of these.
const INJECTED: [&str; 4] = [
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
];

/// An object with `caBundle`s to keep current.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The conversion of a CustomResourceDefinition, by its name: `sites.web.example.com`.
    Definition(String),
    /// All webhooks of a ValidatingWebhookConfiguration, by its name.
    Validating(String),
    /// All webhooks of a MutatingWebhookConfiguration, by its name.
    Mutating(String),
}

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The object could not be read.
    #[error("read {target:?}")]
    Read {
        /// Which one.
        target: Target,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The bundle could not be written.
    #[error("write the bundle of authorities of {target:?}")]
    Write {
        /// Which one.
        target: Target,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl PublishError {
    /// The object changed since it was seen.
    pub(super) fn is_conflict(&self) -> bool {
        let source = match self {
            Self::Read { source, .. } | Self::Write { source, .. } => source,
        };
        matches!(&**source, kube::Error::Api(status) if status.code == 409)
    }
}

/// The bundles that an object shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    version: Option<String>,
    /// Of a definition one without a name, of a configuration one for each webhook.
    slots: Vec<(Option<String>, Vec<String>)>,
}

impl Seen {
    /// The certificates of each bundle.
    pub(super) fn bundles(&self) -> impl Iterator<Item = &[String]> {
        self.slots.iter().map(|(_, bundle)| &**bundle)
    }

    pub(super) fn shows(&self, bundle: &Bundle) -> bool {
        self.bundles().all(|shown| shown == bundle.certificates())
    }

    /// The bundle of a webhook of a configuration; none where it shows none, or is not there.
    pub(super) fn of(&self, webhook: &str) -> &[String] {
        let mut slots = self.slots.iter();
        let slot = slots.find(|(name, _)| name.as_deref() == Some(webhook));
        slot.map_or(&[], |(_, bundle)| bundle)
    }
}

/// Which bundles are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// All.
    All,
    /// Those that are missing. The others become their manager's as they are: whoever wrote them knows better.
    Missing,
}

impl Target {
    /// The definition of a derived kind.
    pub fn definition<K: CustomKind>() -> Self {
        Self::Definition(K::INFO.crd_name.to_owned())
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Definition(name) | Self::Validating(name) | Self::Mutating(name) => name,
        }
    }

    /// What is done to it: these verbs, on it alone.
    pub(super) fn rules(&self, verbs: &[&str]) -> Rules {
        let resource = self.resource();
        let mut rules = Rules::new();
        rules.insert(
            None,
            None,
            &resource.group,
            &resource.plural,
            &[self.name()],
            verbs,
        );
        rules
    }

    pub(super) fn resource(&self) -> ApiResource {
        match self {
            Self::Definition(_) => ApiResource::erase::<apiext::CustomResourceDefinition>(&()),
            Self::Validating(_) => ApiResource::erase::<admission::ValidatingWebhookConfiguration>(&()),
            Self::Mutating(_) => ApiResource::erase::<admission::MutatingWebhookConfiguration>(&()),
        }
    }

    /// What it shows; `None` where there is nothing to write: no such object, no webhook in it, or somebody else's
    /// business.
    pub(super) async fn look(&self, client: &kube::Client) -> Result<Option<Seen>, PublishError> {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource());
        let object = api
            .get_opt(self.name())
            .await
            .map_err(|source| PublishError::Read {
                target: self.clone(),
                source: Box::new(source),
            })?;
        let Some(object) = object else { return Ok(None) };
        if is_injected(&object.metadata) {
            tracing::debug!(object = ?self, "its bundle is injected by somebody else");
            return Ok(None);
        }
        let slots = self.slots(&object.data);
        let version = object.metadata.resource_version;
        Ok((!slots.is_empty()).then_some(Seen { version, slots }))
    }

    fn slots(&self, object: &Value) -> Vec<(Option<String>, Vec<String>)> {
        match self {
            Self::Definition(_) => {
                let webhook = object.pointer("/spec/conversion/webhook/clientConfig");
                webhook.map(|config| (None, shown(config))).into_iter().collect()
            }
            Self::Validating(_) | Self::Mutating(_) => {
                let webhooks = object.get("webhooks").and_then(Value::as_array);
                let slot = |webhook: &Value| {
                    let name = webhook.get("name")?.as_str()?.to_owned();
                    Some((Some(name), shown(webhook.get("clientConfig")?)))
                };
                webhooks.into_iter().flatten().filter_map(slot).collect()
            }
        }
    }

    /// Writes a bundle to the object as it was seen. A conflict means that it has changed since.
    pub(super) async fn publish(
        &self,
        client: &kube::Client,
        seen: &Seen,
        bundle: &Bundle,
        fill: Fill,
    ) -> Result<(), PublishError> {
        let config = |shown: &[String]| {
            let text = match fill {
                Fill::Missing if !shown.is_empty() => shown.concat(),
                Fill::Missing | Fill::All => bundle.to_string(),
            };
            json!({"caBundle": ByteString(text.into_bytes())})
        };
        let resource = self.resource();
        let mut patch = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": self.name()},
        });
        if let Some(version) = &seen.version {
            patch["metadata"]["resourceVersion"] = json!(version);
        }
        match self {
            Self::Definition(_) => {
                let config = config(seen.slots.first().map_or(&[], |(_, shown)| shown));
                patch["spec"] = json!({"conversion": {"webhook": {"clientConfig": config}}});
            }
            Self::Validating(_) | Self::Mutating(_) => {
                let webhook = |(name, shown): &(Option<String>, Vec<String>)| json!({"name": name, "clientConfig": config(shown)});
                patch["webhooks"] = seen.slots.iter().map(webhook).collect();
            }
        }
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let params = PatchParams::apply(MANAGER).force();
        let written = api.patch(self.name(), &params, &Patch::Apply(&patch)).await;
        written.map_err(|source| PublishError::Write {
            target: self.clone(),
            source: Box::new(source),
        })?;
        tracing::info!(object = ?self, "wrote the bundle of authorities");
        Ok(())
    }
}

/// Whether somebody else writes the bundles of an object.
pub(super) fn is_injected(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| INJECTED.iter().any(|key| annotations.contains_key(*key)))
}

/// The certificates of a client configuration's bundle; none where it cannot be read.
fn shown(config: &Value) -> Vec<String> {
    let bundle = config.get("caBundle");
    let bundle: Option<ByteString> = bundle.and_then(|bundle| serde_json::from_value(bundle.clone()).ok());
    let text = bundle.and_then(|bundle| String::from_utf8(bundle.0).ok());
    text.and_then(|text| blocks(&text).ok()).unwrap_or_default()
}
