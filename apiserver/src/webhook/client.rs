//! One webhook's HTTP client: JSON there and back over TLS, or to somebody in the process.
//!
//! **Invariant:** a call ends within its time, and an answer of any size beyond the limit is an error. Texts of failures are
//! those of Go's client, as far as they name a cause.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{ClientConfig, Destination, Place};

/// Largest answer that is read.
const ANSWER_LIMIT: usize = 128 * 1024 * 1024;
/// Connections that are kept between calls.
const IDLE: usize = 4;

/// Why a webhook gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It was not reached, or not in time.
    #[error("Post \"{url}\": {why}")]
    Transport { url: String, why: String },
    /// It answered with a failure.
    #[error("{0}")]
    Status(String),
    /// Its answer is no document.
    #[error("{0}")]
    Decode(String),
}

/// A client of one webhook. Connections are kept and used again.
pub(crate) struct Client {
    /// As it stands in messages, without query.
    url: String,
    destination: Option<Destination>,
    is_service: bool,
    /// The service's name in messages.
    service: String,
    tls: Result<TlsConnector, String>,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(config: &ClientConfig, destination: Option<Destination>) -> Self {
        let (url, service) = match &config.place {
            Place::Url(url) => (url.clone(), None),
            Place::Service {
                namespace,
                name,
                path,
                port,
            } => {
                let slash = if path.starts_with('/') { "" } else { "/" };
                (
                    format!("https://{name}.{namespace}.svc:{port}{slash}{path}"),
                    Some(format!("{namespace}/{name}")),
                )
            }
        };
        Self {
            url,
            destination,
            is_service: service.is_some(),
            service: service.unwrap_or_default(),
            tls: connector(&config.ca_bundle),
            idle: Mutex::default(),
        }
    }

    /// Sends a document and reads the one that comes back. `asked` is the timeout that the webhook is told of, as upstream
    /// does for those of admission.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn post(
        &self,
        document: &Value,
        within: Duration,
        asked: Option<u64>,
    ) -> Result<Value, CallError> {
        let url = match asked {
            None => self.url.clone(),
            Some(seconds) => format!("{}?timeout={seconds}s", self.url),
        };
        let failed = |why: String| CallError::Transport {
            url: url.clone(),
            why,
        };
        let body = Bytes::from(document.to_string());
        let answer = tokio::time::timeout(within, self.send(&url, body)).await;
        let answer = answer.map_err(|_| failed("context deadline exceeded".to_owned()))?;
        read(answer.map_err(failed)?)
    }

    async fn send(&self, url: &str, body: Bytes) -> Result<Response<Bytes>, String> {
        let uri: Uri = url.parse().map_err(|why| format!("parse {url:?}: {why}"))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = |uri: &str| {
            let mut request = Request::new(body.clone());
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.parse().map_err(|why| format!("parse {uri:?}: {why}"))?;
            let headers = request.headers_mut();
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, */*"));
            let agent = HeaderValue::from_static(concat!("kubewright-apiserver/", env!("CARGO_PKG_VERSION")));
            headers.insert(header::USER_AGENT, agent);
            headers.insert(
                header::HOST,
                HeaderValue::try_from(&host).map_err(|why| why.to_string())?,
            );
            Ok::<_, String>(request)
        };
        if let Some(Destination::Handler(handler)) = &self.destination {
            return Ok(handler.call(request(url)?).await);
        }
        // A kept connection may be closed meanwhile, which only its use tells.
        loop {
            let kept = self.idle.lock().pop();
            let Some(mut connection) = kept else { break };
            if connection.is_closed() {
                continue;
            }
            if let Ok(answer) = self.over(&mut connection, request(path)?).await {
                self.keep(connection);
                return Ok(answer);
            }
        }
        let mut connection = self.connect(&uri).await?;
        let answer = self.over(&mut connection, request(path)?).await?;
        self.keep(connection);
        Ok(answer)
    }

    fn keep(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE && !connection.is_closed() {
            idle.push(connection);
        }
    }

    async fn over(
        &self,
        connection: &mut SendRequest<Full<Bytes>>,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, String> {
        connection.ready().await.map_err(|why| in_go(&why))?;
        let answer = connection.send_request(request.map(Full::new)).await;
        let (parts, body) = answer.map_err(|why| in_go(&why))?.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await;
        let body = body.map_err(|why| match why.is::<LengthLimitError>() {
            true => format!("the answer is larger than {ANSWER_LIMIT} bytes"),
            false => why.to_string(),
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    async fn connect(&self, uri: &Uri) -> Result<SendRequest<Full<Bytes>>, String> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(443);
        let (stream, name) = match &self.destination {
            Some(Destination::Address(address)) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.map_err(|why| dial(&address.to_string(), &why))?;
                // A certificate is made for the service, not for the port.
                (stream, host)
            }
            _ if self.is_service => {
                return Err(format!(
                    "service {:?} not found: nothing resolves names of services here, so map it to an address or a \
                     handler",
                    self.service
                ));
            }
            _ => {
                let stream = TcpStream::connect((host, port)).await;
                let stream = stream.map_err(|why| match host.parse::<std::net::IpAddr>() {
                    Ok(address) => dial(&std::net::SocketAddr::new(address, port).to_string(), &why),
                    Err(_) => dial(&format!("{host}:{port}"), &why),
                })?;
                (stream, host)
            }
        };
        let tls = self.tls.as_ref().map_err(Clone::clone)?;
        let name = ServerName::try_from(name.to_owned()).map_err(|why| why.to_string())?;
        let stream = tls.connect(name, stream).await.map_err(|why| in_tls(&why))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|why| in_go(&why))?;
        // Ends with its sender.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a webhook broke");
            }
        });
        Ok(sender)
    }
}

fn dial(address: &str, why: &io::Error) -> String {
    let why = match why.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => why.to_string(),
    };
    format!("dial tcp {address}: {why}")
}

/// A closed connection is the one failure here that is told often.
fn in_go(why: &hyper::Error) -> String {
    match why.is_incomplete_message() || why.is_canceled() || why.is_closed() {
        true => "EOF".to_owned(),
        false => {
            let cause = std::error::Error::source(why).map(ToString::to_string);
            cause.unwrap_or_else(|| why.to_string())
        }
    }
}

fn in_tls(why: &io::Error) -> String {
    use rustls::CertificateError as Bad;
    let source = why.get_ref().and_then(|why| why.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(bad)) = source else {
        return match why.kind() {
            io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
            _ => format!("tls: {why}"),
        };
    };
    let what = match bad {
        Bad::UnknownIssuer | Bad::BadSignature => "certificate signed by unknown authority".to_owned(),
        Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        Bad::NotValidForNameContext { expected, presented } => {
            // As `DnsName("a")` and `IpAddress(1.2.3.4)`; Go tells those of the kind that was asked for.
            let kind = match expected {
                ServerName::DnsName(_) => "DnsName",
                _ => "IpAddress",
            };
            let presented: Vec<&str> = presented
                .iter()
                .filter_map(|name| name.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')'))
                .map(|name| name.trim_matches('"'))
                .collect();
            let expected = expected.to_str();
            format!(
                "certificate is valid for {}, not {expected}",
                presented.join(", ")
            )
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {what}")
}

/// Trusts the bundle, or what the system trusts where there is none.
fn connector(ca_bundle: &[u8]) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    if ca_bundle.is_empty() {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
    } else {
        for certificate in CertificateDer::pem_slice_iter(ca_bundle) {
            let certificate =
                certificate.map_err(|why| format!("unable to load root certificates: {why}"))?;
            roots
                .add(certificate)
                .map_err(|why| format!("unable to load root certificates: {why}"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The document in an answer; what upstream's client says where there is none.
fn read(answer: Response<Bytes>) -> Result<Value, CallError> {
    let (parts, body) = answer.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
    if !parts.status.is_success() || parts.status.as_u16() > 206 {
        let status: Option<Value> = serde_json::from_slice(&body).ok();
        let told = status
            .filter(|status| status["status"] == "Failure")
            .map(|status| status["message"].as_str().unwrap_or_default().to_owned());
        let is_text = content_type
            .as_deref()
            .is_none_or(|text| text.starts_with("text/"));
        let text = match is_text {
            true => String::from_utf8_lossy(&body).trim().to_owned(),
            false => "unknown".to_owned(),
        };
        return Err(CallError::Status(
            told.unwrap_or_else(|| generic(parts.status, text)),
        ));
    }
    if body.is_empty() {
        return Err(CallError::Decode(format!(
            "0-length response with status code: {} and content type: {}",
            parts.status.as_u16(),
            content_type.unwrap_or_default()
        )));
    }
    // A document that nests without bound would take as much stack wherever it is looked at; serde_json stops at 128.
    serde_json::from_slice(&body)
        .map_err(|why| CallError::Decode(format!("couldn't get version/kind; json parse error: {why}")))
}

/// Upstream's words for an answer that says nothing (`NewGenericServerResponse`).
fn generic(code: StatusCode, text: String) -> String {
    let words = match code {
        StatusCode::CONFLICT => "the server reported a conflict",
        StatusCode::NOT_FOUND => "the server could not find the requested resource",
        StatusCode::BAD_REQUEST => "the server rejected our request for an unknown reason",
        StatusCode::UNAUTHORIZED => "the server has asked for the client to provide credentials",
        StatusCode::NOT_ACCEPTABLE if text.is_empty() || text == "unknown" => {
            "the server was unable to respond with a content type that the client supports"
        }
        StatusCode::FORBIDDEN | StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            return text;
        }
        StatusCode::METHOD_NOT_ALLOWED => "the server does not allow this method on the requested resource",
        StatusCode::UNPROCESSABLE_ENTITY => "the server rejected our request due to an error in our request",
        StatusCode::SERVICE_UNAVAILABLE => "the server is currently unable to handle the request",
        StatusCode::GATEWAY_TIMEOUT => {
            "the server was unable to return a response in the time allotted, but may still be processing the request"
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "the server has received too many requests and has asked us to try again later"
        }
        code if code.is_server_error() => {
            return format!("an error on the server ({text:?}) has prevented the request from succeeding");
        }
        code => {
            return format!(
                "the server responded with the status code {} but did not return more information",
                code.as_u16()
            );
        }
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_74_answers_without_a_document() {
        let answer = |code: u16, content_type: &str, body: &str| {
            let response = Response::builder()
                .status(code)
                .header(header::CONTENT_TYPE, content_type)
                .body(Bytes::from(body.to_owned()))
                .expect("a response");
            read(response).map_err(|why| why.to_string())
        };
        for (code, content_type, body, expected) in [
            (
                404,
                "text/plain",
                "404 page not found",
                "the server could not find the requested resource",
            ),
            (
                500,
                "text/plain",
                "oh\n",
                r#"an error on the server ("oh") has prevented the request from succeeding"#,
            ),
            (
                500,
                "application/json",
                r#"{"status": "Failure", "message": "why"}"#,
                "why",
            ),
            (
                418,
                "text/plain",
                "tea",
                "the server responded with the status code 418 but did not return more information",
            ),
            (403, "text/html", "go away", "go away"),
            (
                200,
                "application/json",
                "",
                "0-length response with status code: 200 and content type: application/json",
            ),
        ] {
            assert_eq!(answer(code, content_type, body), Err(expected.to_owned()));
        }
        let garbage = answer(200, "application/json", "no").expect_err("no document");
        assert!(
            garbage.starts_with("couldn't get version/kind; json parse error: "),
            "{garbage}"
        );
        assert_eq!(answer(200, "application/json", "{}"), Ok(serde_json::json!({})));
    }
}
