//! Asks a conversion webhook, as an API server would, whether it converts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::pem::{Bundle, BundleError};

/// As long as API servers wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer to so few objects is longer.
const LONGEST: usize = 16 * 1024 * 1024;

/// Why a webhook did not pass its test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Its certificate cannot be checked.
    #[error(
        "no authority is known to check its certificate by; set one by `trust`, or in the definition's caBundle"
    )]
    Trust,
    /// The authorities are none.
    #[error("read the authorities")]
    Bundle(#[from] BundleError),
    /// The definition names no place.
    #[error("the definition names neither a service nor a URL that can be called")]
    Place,
    /// It cannot be reached.
    #[error("connect to {address}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be talked to.
    #[error("ask for {host}{path}")]
    Http {
        /// By which name.
        host: String,
        /// At which path.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It answered, but not as a webhook that converts.
    #[error("asked to convert to {version}, it answered: {answer}")]
    Answer {
        /// Into which version.
        version: String,
        /// What it said.
        answer: String,
    },
}

/// Where an API server would call.
struct Place {
    host: String,
    port: u16,
    path: String,
}

impl Place {
    fn of(config: &apiext::WebhookClientConfig) -> Option<Self> {
        if let Some(service) = &config.service {
            return Some(Self {
                host: format!("{}.{}.svc", service.name, service.namespace),
                port: u16::try_from(service.port.unwrap_or(443)).ok()?,
                path: service.path.clone().unwrap_or_else(|| "/".to_owned()),
            });
        }
        let url: http::Uri = config.url.as_deref()?.parse().ok()?;
        Some(Self {
            host: url.host()?.trim_matches(['[', ']']).to_owned(),
            port: url.port_u16().unwrap_or(443),
            path: url.path().to_owned(),
        })
    }
}

/// Has sparse objects of all versions converted to each version.
pub(super) async fn probe(
    definition: &apiext::CustomResourceDefinition,
    config: &apiext::WebhookClientConfig,
    bundle: Option<&Bundle>,
    address: Option<SocketAddr>,
) -> Result<(), ProbeError> {
    let place = Place::of(config).ok_or(ProbeError::Place)?;
    let roots = bundle.ok_or(ProbeError::Trust)?.roots()?;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| ProbeError::Http {
        host: place.host.clone(),
        path: place.path.clone(),
        source,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    for version in &definition.spec.versions {
        let desired = format!("{}/{}", definition.spec.group, version.name);
        let review = review(definition, &desired);
        let asked = ask(&place, &connector, address, &review);
        let answer = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| ProbeError::Timeout(PATIENCE))??;
        judge(definition, &desired, &answer).map_err(|answer| ProbeError::Answer {
            version: desired,
            answer,
        })?;
    }
    Ok(())
}

const UID: &str = "self-test";

fn review(definition: &apiext::CustomResourceDefinition, desired: &str) -> Value {
    let spec = &definition.spec;
    let object = |version: &apiext::CustomResourceDefinitionVersion| {
        let mut object = json!({
            "apiVersion": format!("{}/{}", spec.group, version.name),
            "kind": spec.names.kind,
            "metadata": {"name": UID, "uid": UID},
        });
        if spec.scope == "Namespaced" {
            object["metadata"]["namespace"] = json!("default");
        }
        object
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {
            "uid": UID,
            "desiredAPIVersion": desired,
            "objects": spec.versions.iter().map(object).collect::<Vec<_>>(),
        },
    })
}

async fn ask(
    place: &Place,
    connector: &TlsConnector,
    address: Option<SocketAddr>,
    review: &Value,
) -> Result<Bytes, ProbeError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| ProbeError::Http {
        host: place.host.clone(),
        path: place.path.clone(),
        source,
    };
    let stream = match address {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect((place.host.as_str(), place.port)).await,
    };
    let stream = stream.map_err(|source| ProbeError::Connect {
        address: address.map_or_else(
            || format!("{}:{}", place.host, place.port),
            |address| address.to_string(),
        ),
        source,
    })?;
    let name = ServerName::try_from(place.host.clone()).map_err(|error| failed(error.into()))?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| failed(error.into()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(error.into()))?;
    let request = Request::post(&place.path)
        .header(header::HOST, &place.host)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(review.to_string())))
        .map_err(|error| failed(error.into()))?;
    let answered = async {
        let response = sender.send_request(request).await?;
        Limited::new(response.into_body(), LONGEST)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
    };
    tokio::select! {
        answered = answered => answered.map_err(failed),
        // It ends when the answer has been read, or with the error that the answer would report as well.
        Err(error) = connection => Err(failed(error.into())),
    }
}

/// What an API server would check, and in its place `Err` with what is told of the answer.
fn judge(definition: &apiext::CustomResourceDefinition, desired: &str, answer: &[u8]) -> Result<(), String> {
    let text = || {
        String::from_utf8_lossy(answer)
            .chars()
            .take(500)
            .collect::<String>()
    };
    let review: Value = serde_json::from_slice(answer).map_err(|_| text())?;
    let response = &review["response"];
    if response["result"]["status"] != "Success" {
        let message = response["result"]["message"].as_str();
        return Err(message.map_or_else(text, str::to_owned));
    }
    let converted = response["convertedObjects"].as_array();
    let all_are_there = converted.is_some_and(|converted| {
        converted.len() == definition.spec.versions.len()
            && converted.iter().all(|object| object["apiVersion"] == desired)
    });
    if response["uid"] == UID && all_are_there {
        Ok(())
    } else {
        Err(text())
    }
}
