//! Where the server finds the conversion webhook.
//!
//! **Invariant:** what a server would refuse in the stanza is an error here, and no bundle is written that holds no
//! certificate (VER-37).

use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use kubewright_schema::FieldError;

/// The conversion webhook of a kind, as the server calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Conversion {
    place: Place,
    ca_bundle: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Service {
        namespace: String,
        name: String,
        path: Option<String>,
        port: Option<i32>,
    },
    Url {
        url: String,
        /// What was said that is part of the URL.
        stray: Option<&'static str>,
    },
}

impl Conversion {
    /// A Service in the cluster, at port 443 and `/convert`.
    pub fn service(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            place: Place::Service {
                namespace: namespace.into(),
                name: name.into(),
                path: Some("/convert".to_owned()),
                port: None,
            },
            ca_bundle: None,
        }
    }

    /// A URL, `https://host[:port][/path]`, for a webhook outside of the cluster.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            place: Place::Url {
                url: url.into(),
                stray: None,
            },
            ca_bundle: None,
        }
    }

    /// Another path of the Service. A URL has its path in itself, and with one this is an error.
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
            Place::Service { port: old, .. } => *old = Some(port.into()),
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

    /// The stanza of the definition.
    pub(super) fn stanza(&self) -> Result<apiext::CustomResourceConversion, ConversionError> {
        if let Some(pem) = &self.ca_bundle
            && !is_pem(pem)
        {
            return Err(ConversionError::NoCertificate);
        }
        let (service, url) = match &self.place {
            Place::Service {
                namespace,
                name,
                path,
                port,
            } => {
                let service = apiext::ServiceReference {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    path: path.clone(),
                    port: *port,
                };
                (Some(service), None)
            }
            Place::Url {
                stray: Some(what), ..
            } => return Err(ConversionError::InUrl { what }),
            Place::Url { url, stray: None } => (None, Some(url.clone())),
        };
        let stanza = apiext::CustomResourceConversion {
            strategy: "Webhook".to_owned(),
            webhook: Some(apiext::WebhookConversion {
                client_config: Some(apiext::WebhookClientConfig {
                    ca_bundle: self.ca_bundle.clone().map(ByteString),
                    service,
                    url,
                }),
                conversion_review_versions: vec!["v1".to_owned()],
            }),
        };
        let json = serde_json::to_value(&stanza).map_err(ConversionError::Json)?;
        let faults = kubewright_schema::crd::validate_conversion(&json);
        if faults.is_empty() {
            Ok(stanza)
        } else {
            Err(ConversionError::Refused { faults })
        }
    }
}

/// The stanza of versions that do not differ.
pub(super) fn none() -> apiext::CustomResourceConversion {
    apiext::CustomResourceConversion {
        strategy: "None".to_owned(),
        webhook: None,
    }
}

/// Whether there is a certificate in the text, whatever else there is.
fn is_pem(text: &[u8]) -> bool {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let body = text
        .split_once(BEGIN)
        .and_then(|(_, rest)| Some(rest.split_once(END)?.0));
    let of_base64 = |letter: char| {
        letter.is_ascii_alphanumeric() || "+/=".contains(letter) || letter.is_ascii_whitespace()
    };
    body.is_some_and(|body| !body.trim().is_empty() && body.chars().all(of_base64))
}

/// Why a server would not take the webhook.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// The bundle is empty or something else than PEM.
    #[error("the CA bundle holds no certificate; pass one in PEM form, or leave the bundle out")]
    NoCertificate,
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
    /// It has no JSON form.
    #[error("the stanza cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}
