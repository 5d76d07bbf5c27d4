//! Where API servers reach a webhook, of whichever sort: the one description for definitions, webhook configurations and
//! manifests.
//!
//! **Invariant:** what a server would refuse is an error here, and no bundle is written that holds anything but
//! certificates (VER-35, VER-37).

use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use kubewright_schema::FieldError;
use serde_json::{Value, json};

use crate::pem;

/// Where API servers reach a webhook, and by which authorities they know it.
///
/// It is made of whatever is written, and judged when it is used.
///
/// ```
/// use kubewright::versions::Conversion;
///
/// let in_the_cluster = Conversion::service("system", "my-operator").port(8443);
/// let beside_it = Conversion::url("https://10.0.0.1:9443");
/// let stanza = beside_it.stanza()?;
/// let config = stanza.webhook.and_then(|webhook| webhook.client_config);
/// assert_eq!(config.and_then(|config| config.url).as_deref(), Some("https://10.0.0.1:9443/convert"));
/// assert!(Conversion::url("http://10.0.0.1").stanza().is_err());
/// # Ok::<_, kubewright::versions::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Endpoint {
    place: Place,
    ca_bundle: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Service {
        namespace: String,
        name: String,
        path: Option<String>,
        port: Option<u16>,
    },
    Url {
        url: String,
        /// What was said that is part of the URL.
        stray: Option<&'static str>,
    },
}

/// Where conversion reviews are sent unless something else is said, and where a webhook server answers them.
pub(crate) const CONVERT: &str = "/convert";

impl Endpoint {
    /// A Service in the cluster, at port 443; conversion is at `/convert`.
    pub fn service(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            place: Place::Service {
                namespace: namespace.into(),
                name: name.into(),
                path: None,
                port: None,
            },
            ca_bundle: None,
        }
    }

    /// A URL, `https://host[:port][/path]`, for a webhook outside of the cluster. Its path is that of conversion,
    /// `/convert` where it has none; admission webhooks have paths of their own on the same host.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            place: Place::Url {
                url: url.into(),
                stray: None,
            },
            ca_bundle: None,
        }
    }

    /// Another path for conversion by a Service. A URL has its path in itself, and with one this is an error.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        match &mut self.place {
            Place::Service { path: old, .. } => *old = Some(path.into()),
            Place::Url { stray, .. } => *stray = Some("path"),
        }
        self
    }

    /// Another port of the Service. A URL has its port in itself, and with one this is an error.
    pub fn port(mut self, port: u16) -> Self {
        match &mut self.place {
            Place::Service { port: old, .. } => *old = Some(port),
            Place::Url { stray, .. } => *stray = Some("port"),
        }
        self
    }

    /// Certificates in PEM form that the webhook's own must be signed by. Without, those that the server trusts anyway;
    /// leave it out where something else keeps the bundle current.
    pub fn ca_bundle(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_bundle = Some(pem.into());
        self
    }

    /// The stanza of a definition that is converted here.
    ///
    /// # Errors
    /// [`EndpointError`]: what a server would refuse.
    pub fn stanza(&self) -> Result<apiext::CustomResourceConversion, EndpointError> {
        let reached = match &self.place {
            Place::Service { path, .. } => self.reached(path.as_deref().unwrap_or(CONVERT))?,
            Place::Url { url, .. } => match split(url) {
                (_, "" | "/") => self.reached(CONVERT)?,
                (_, path) => self.reached(path)?,
            },
        };
        let stanza = json!({
            "strategy": "Webhook",
            "webhook": {"clientConfig": reached.json(), "conversionReviewVersions": ["v1"]},
        });
        let faults = kubewright_schema::crd::validate_conversion(&stanza);
        if !faults.is_empty() {
            return Err(EndpointError::Refused { faults });
        }
        let Reached {
            ca_bundle,
            service,
            url,
        } = reached;
        let service = service.map(|(namespace, name, path, port)| apiext::ServiceReference {
            namespace,
            name,
            path: Some(path),
            port,
        });
        Ok(apiext::CustomResourceConversion {
            strategy: "Webhook".to_owned(),
            webhook: Some(apiext::WebhookConversion {
                client_config: Some(apiext::WebhookClientConfig {
                    ca_bundle,
                    service,
                    url,
                }),
                conversion_review_versions: vec!["v1".to_owned()],
            }),
        })
    }

    /// How the webhook at a path is reached.
    fn reached(&self, at: &str) -> Result<Reached, EndpointError> {
        let ca_bundle = self.ca_bundle.as_deref().map(checked).transpose()?;
        let (service, url) = match &self.place {
            Place::Url {
                stray: Some(what), ..
            } => return Err(EndpointError::InUrl { what }),
            Place::Url { url, stray: None } => (None, Some(format!("{}{at}", split(url).0))),
            Place::Service {
                namespace,
                name,
                port,
                ..
            } => {
                let port = port.map(i32::from);
                (Some((namespace.clone(), name.clone(), at.to_owned(), port)), None)
            }
        };
        Ok(Reached {
            ca_bundle: ca_bundle.map(ByteString),
            service,
            url,
        })
    }
}

#[cfg(feature = "webhook")]
impl Endpoint {
    /// As a configuration of admission webhooks names the one at a path; `field` is where it does.
    pub(crate) fn admission(
        &self,
        path: &str,
        field: &str,
    ) -> Result<k8s_openapi::api::admissionregistration::v1::WebhookClientConfig, EndpointError> {
        use k8s_openapi::api::admissionregistration::v1 as admission;
        use kubewright_schema::ErrorKind;

        let reached = self.reached(path)?;
        let mut faults = Vec::new();
        if let Some(url) = &reached.url {
            faults.extend(kubewright_schema::crd::url_faults(url, &format!("{field}.url")));
        }
        let json = reached.json();
        if let Some(service) = json["service"].as_object() {
            let field = format!("{field}.service");
            for key in ["name", "namespace"] {
                if service[key] == "" {
                    faults.push(FieldError::new(
                        ErrorKind::Required,
                        format!("{field}.{key}"),
                        None,
                        "",
                    ));
                }
            }
            faults.extend(kubewright_schema::crd::port_and_path_faults(service, &field));
        }
        if !faults.is_empty() {
            return Err(EndpointError::Refused { faults });
        }
        let service = reached.service;
        let service = service.map(|(namespace, name, path, port)| admission::ServiceReference {
            namespace,
            name,
            path: Some(path),
            port,
        });
        Ok(admission::WebhookClientConfig {
            ca_bundle: reached.ca_bundle,
            service,
            url: reached.url,
        })
    }

    /// The same authorities at another place.
    pub(crate) fn moved_to(&self, place: Self) -> Self {
        Self {
            place: place.place,
            ca_bundle: self.ca_bundle.clone(),
        }
    }

    /// The path of a URL; `/` where it has none.
    pub(crate) fn path_of(url: &str) -> &str {
        match split(url).1 {
            "" => "/",
            path => path,
        }
    }
}

/// What API groups write down, each in a type of its own.
struct Reached {
    ca_bundle: Option<ByteString>,
    /// Namespace, name, path, port.
    service: Option<(String, String, String, Option<i32>)>,
    url: Option<String>,
}

impl Reached {
    fn json(&self) -> Value {
        let mut config = json!({});
        if let Some((namespace, name, path, port)) = &self.service {
            config["service"] = json!({"namespace": namespace, "name": name, "path": path});
            if let Some(port) = port {
                config["service"]["port"] = json!(port);
            }
        }
        if let Some(url) = &self.url {
            config["url"] = json!(url);
        }
        config
    }
}

/// A URL's scheme and host, and what follows.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + "://".len());
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    url.split_at(path)
}

/// A bundle in one form, whatever it was read from.
fn checked(text: &[u8]) -> Result<Vec<u8>, EndpointError> {
    let wrong = |reason: &str| EndpointError::Bundle {
        reason: reason.to_owned(),
    };
    let text = std::str::from_utf8(text).map_err(|_| wrong("it is no text"))?;
    let blocks = pem::blocks(text).map_err(|reason| wrong(&reason))?;
    if blocks.is_empty() {
        return Err(wrong("it is empty"));
    }
    Ok(blocks.concat().into_bytes())
}

/// Why a server would not take the webhook.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The bundle is empty, or holds something else than certificates.
    #[error(
        "the CA bundle is none: {reason}; pass PEM of certificates and nothing else, or leave the bundle out"
    )]
    Bundle {
        /// What is wrong with it.
        reason: String,
    },
    /// A URL has these in itself.
    #[error("`{what}` is of a Service; write it into the URL")]
    InUrl {
        /// `path` or `port`.
        what: &'static str,
    },
    /// The server's own words.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused {
        /// What is wrong, each with its path.
        faults: Vec<FieldError>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client configuration of the stanza.
    fn stanza(endpoint: &Endpoint) -> Value {
        let stanza = serde_json::to_value(endpoint.stanza().unwrap()).unwrap();
        stanza["webhook"]["clientConfig"].clone()
    }

    #[test]
    fn ver_37_the_path_of_a_url_is_that_of_conversion() {
        for (url, expected) in [
            ("https://a.example", "https://a.example/convert"),
            ("https://a.example/", "https://a.example/convert"),
            ("https://a.example:8443/x/", "https://a.example:8443/x/"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ] {
            assert_eq!(stanza(&Endpoint::url(url)), json!({"url": expected}));
        }
        assert_eq!(
            stanza(&Endpoint::service("ns", "name").port(8443)),
            json!({"service": {"namespace": "ns", "name": "name", "path": "/convert", "port": 8443}})
        );
    }

    #[cfg(feature = "webhook")]
    #[test]
    fn ver_37_admission_has_paths_of_its_own_at_the_same_place() {
        let config = |endpoint: &Endpoint| {
            let config = endpoint.admission("/validate-x", "webhooks[0].clientConfig");
            config
                .map(|config| serde_json::to_value(config).unwrap())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            config(&Endpoint::url("https://a.example:8443/convert")),
            Ok(json!({"url": "https://a.example:8443/validate-x"}))
        );
        assert_eq!(
            config(&Endpoint::service("ns", "name").path("/other")),
            Ok(json!({"service": {"namespace": "ns", "name": "name", "path": "/validate-x"}}))
        );
        let refused = config(&Endpoint::url("http://a.example")).unwrap_err();
        assert!(
            refused.starts_with("webhooks[0].clientConfig.url: Invalid value: \"http\""),
            "{refused}"
        );
        assert_eq!(
            config(&Endpoint::service("ns", "")),
            Err("webhooks[0].clientConfig.service.name: Required value".to_owned())
        );
        assert_eq!(
            config(&Endpoint::url("https://a.example").port(1)),
            Err("`port` is of a Service; write it into the URL".to_owned())
        );
    }
}
