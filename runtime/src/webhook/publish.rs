//! Where a webhook is reached, and the authorities that its callers are told to trust (VER-35, VER-37).
//!
//! **Invariant:** the field manager of bundles owns `caBundle` and nothing else, and writes nothing but a checked
//! [`Bundle`], to the object as it was last seen.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::pem::{Bundle, blocks};
use crate::kind::CustomKind;

/// Owner of `caBundle`, and of that alone.
const MANAGER: &str = "kubewright-ca-bundle";

/// Somebody else writes the bundle of an object that carries one of these.
const INJECTED: [&str; 4] = [
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
];

/// Where a webhook is reached by API servers.
///
/// ```
/// use kubewright::webhook::Endpoint;
///
/// let in_the_cluster = Endpoint::service("system", "my-operator").port(9443);
/// let beside_it = Endpoint::url("https://10.0.0.1:9443")?;
/// assert!(Endpoint::url("http://10.0.0.1").is_err());
/// # Ok::<_, kubewright::webhook::EndpointError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    place: Place,
    bundle: Option<Bundle>,
}

#[derive(Clone, Debug)]
enum Place {
    Service {
        namespace: String,
        name: String,
        port: i32,
    },
    Url(String),
}

/// A URL that a server does not take for a webhook's.
#[derive(Debug, thiserror::Error)]
#[error("{url:?} is not the URL of a webhook: {reason}")]
pub struct EndpointError {
    url: String,
    reason: &'static str,
}

impl Endpoint {
    /// A Service, at port 443.
    pub fn service(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let (namespace, name) = (namespace.into(), name.into());
        Self {
            place: Place::Service {
                namespace,
                name,
                port: 443,
            },
            bundle: None,
        }
    }

    /// A URL to which the paths of webhooks are appended.
    ///
    /// # Errors
    /// Where it is not `https`, or has a user, query or fragment.
    pub fn url(url: impl Into<String>) -> Result<Self, EndpointError> {
        let url = url.into();
        let parsed: Result<http::Uri, _> = url.parse();
        let reason = match &parsed {
            Err(_) => "it cannot be read",
            Ok(parsed) if parsed.scheme_str() != Some("https") => "its scheme must be https",
            Ok(parsed) if parsed.authority().is_some_and(|host| host.as_str().contains('@')) => {
                "it must not have a user"
            }
            Ok(_) if url.contains('?') => "it must not have a query",
            Ok(_) if url.contains('#') => "it must not have a fragment",
            Ok(_) => {
                let place = Place::Url(url.trim_end_matches('/').to_owned());
                return Ok(Self { place, bundle: None });
            }
        };
        Err(EndpointError { url, reason })
    }

    /// Port of the Service, 443 otherwise. Nothing to a URL, which has its own.
    pub fn port(mut self, number: u16) -> Self {
        if let Place::Service { port, .. } = &mut self.place {
            *port = i32::from(number);
        }
        self
    }

    /// The authorities to trust. Without them the field is left out: for those who [keep it
    /// current](super::ManagedAuthority), and where the certificate is one that every system trusts.
    pub fn ca_bundle(mut self, bundle: Bundle) -> Self {
        self.bundle = Some(bundle);
        self
    }

    fn url_of(&self, path: &str) -> Option<String> {
        match &self.place {
            Place::Url(base) => Some(format!("{base}{path}")),
            Place::Service { .. } => None,
        }
    }

    fn bundle(&self) -> Option<ByteString> {
        let bundle = self.bundle.as_ref()?;
        Some(ByteString(bundle.to_string().into_bytes()))
    }

    /// As a webhook configuration names it.
    pub(super) fn admission(&self, path: &str) -> admission::WebhookClientConfig {
        let service = match &self.place {
            Place::Service {
                namespace,
                name,
                port,
            } => Some(admission::ServiceReference {
                name: name.clone(),
                namespace: namespace.clone(),
                path: Some(path.to_owned()),
                port: Some(*port),
            }),
            Place::Url(_) => None,
        };
        admission::WebhookClientConfig {
            ca_bundle: self.bundle(),
            service,
            url: self.url_of(path),
        }
    }

    /// As the conversion of a definition names it, at `/convert`.
    pub fn conversion(&self) -> apiext::CustomResourceConversion {
        let admission::WebhookClientConfig {
            ca_bundle,
            service,
            url,
        } = self.admission("/convert");
        let service = service.map(|service| apiext::ServiceReference {
            name: service.name,
            namespace: service.namespace,
            path: service.path,
            port: service.port,
        });
        apiext::CustomResourceConversion {
            strategy: "Webhook".to_owned(),
            webhook: Some(apiext::WebhookConversion {
                client_config: Some(apiext::WebhookClientConfig {
                    ca_bundle,
                    service,
                    url,
                }),
                conversion_review_versions: vec!["v1".to_owned()],
            }),
        }
    }
}

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
}

impl Target {
    /// The definition of a derived kind.
    pub fn definition<K: CustomKind>() -> Self {
        Self::Definition(K::INFO.crd_name.to_owned())
    }

    fn name(&self) -> &str {
        match self {
            Self::Definition(name) | Self::Validating(name) | Self::Mutating(name) => name,
        }
    }

    fn resource(&self) -> ApiResource {
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
        let annotations = object.metadata.annotations.unwrap_or_default();
        if INJECTED.iter().any(|key| annotations.contains_key(*key)) {
            tracing::debug!(target = ?self, "its bundle is injected by somebody else");
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
    ) -> Result<(), PublishError> {
        let bundle = json!({"caBundle": ByteString(bundle.to_string().into_bytes())});
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
                patch["spec"] = json!({"conversion": {"webhook": {"clientConfig": bundle}}});
            }
            Self::Validating(_) | Self::Mutating(_) => {
                let webhook = |(name, _): &(Option<String>, _)| json!({"name": name, "clientConfig": bundle});
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
        tracing::info!(target = ?self, "wrote the bundle of authorities");
        Ok(())
    }
}

/// The certificates of a client configuration's bundle; none where it cannot be read.
fn shown(config: &Value) -> Vec<String> {
    let bundle = config.get("caBundle");
    let bundle: Option<ByteString> = bundle.and_then(|bundle| serde_json::from_value(bundle.clone()).ok());
    let text = bundle.and_then(|bundle| String::from_utf8(bundle.0).ok());
    text.and_then(|text| blocks(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ver_37_urls_are_https_and_nothing_else() {
        for (url, reason) in [
            ("http://a.example", "its scheme must be https"),
            ("a.example", "its scheme must be https"),
            ("https://u@a.example", "it must not have a user"),
            ("https://a.example/?x=y", "it must not have a query"),
            ("https://a.example/#x", "it must not have a fragment"),
            ("https://a example", "it cannot be read"),
        ] {
            let error = Endpoint::url(url).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{url:?} is not the URL of a webhook: {reason}")
            );
        }
        let stanza = Endpoint::url("https://a.example:8443/x/").unwrap().conversion();
        assert_eq!(
            serde_json::to_value(stanza).unwrap(),
            json!({"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": {"url": "https://a.example:8443/x/convert"},
            }})
        );
        let stanza = Endpoint::service("ns", "name").port(8443).conversion();
        assert_eq!(
            serde_json::to_value(stanza.webhook.unwrap().client_config).unwrap(),
            json!({"service": {"namespace": "ns", "name": "name", "path": "/convert", "port": 8443}})
        );
    }
}
