//! The doors with a socket: TLS and plain, HTTP/1.1 and HTTP/2.
//!
//! **Invariant:** a request that comes in through a socket carries an [`Identity`], and one without a right to any is
//! refused before the engine sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use kubewright::accept::until;
use kubewright::impatient::Impatient;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::door::Door;
use super::tls::Certificates;
use crate::engine::{Availability, Body, Disconnected, Identity};
use crate::status::ApiError;

/// Where a [`DevServer`](super::DevServer) listens, besides its door in the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    #[default]
    InProcess,
    /// TLS with certificates of its own; port 0 takes a free one.
    Tls(SocketAddr),
    /// Without TLS, for machines that keep others out; port 0 takes a free one. Whoever reaches the port is let in,
    /// unless a token is set.
    Plain(SocketAddr),
}

/// How long connections may take to finish when the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take none of what is written to it.
const STALL: Duration = Duration::from_secs(60);
/// Largest HTTP/2 header list and HTTP/1 buffer that is read.
const HEADER_LIMIT: u32 = 1024 * 1024;

/// A bound socket and the task that serves it.
#[derive(Debug)]
pub(super) struct Socket {
    address: SocketAddr,
    access: Arc<Access>,
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

/// Who is let in.
#[derive(Debug)]
struct Access {
    certificates: Option<Certificates>,
    token: Option<String>,
}

impl Socket {
    /// Binds and serves what is behind `door` until stopped or dropped.
    pub(super) async fn bind(
        address: SocketAddr,
        tls: bool,
        token: Option<String>,
        door: Door,
    ) -> Result<Self, super::StartError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| super::StartError::Bind { address, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| super::StartError::Bind { address, source })?;
        let certificates = if tls {
            Some(Certificates::generate(address.ip()).map_err(super::StartError::Tls)?)
        } else {
            None
        };
        let access = Arc::new(Access { certificates, token });
        let (stop, stopped) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, access.clone(), door, stopped));
        Ok(Self {
            address,
            access,
            stop,
            task,
        })
    }

    /// `https://127.0.0.1:6443`.
    pub(super) fn url(&self) -> String {
        let scheme = if self.access.certificates.is_some() {
            "https"
        } else {
            "http"
        };
        // An unspecified address is where one listens, not where one connects to.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("{scheme}://{address}")
    }

    /// A kubeconfig of the administrator, in JSON, which is YAML.
    pub(super) fn kubeconfig(&self) -> String {
        let mut cluster = json!({"server": self.url()});
        let mut user = json!({});
        if let Some(certificates) = &self.access.certificates {
            cluster["certificate-authority-data"] = BASE64_STANDARD.encode(&certificates.ca).into();
            user["client-certificate-data"] = BASE64_STANDARD.encode(&certificates.client).into();
            user["client-key-data"] = BASE64_STANDARD.encode(&certificates.client_key).into();
        }
        if let Some(token) = &self.access.token {
            user["token"] = token.as_str().into();
        }
        kubeconfig(&cluster, &user)
    }

    /// Takes no more connections, lets running requests finish for [`GRACE`], closes the rest.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.task.join_next().await.is_some() {}
    }
}

fn kubeconfig(cluster: &serde_json::Value, user: &serde_json::Value) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kubewright", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "kubewright", "context": {"cluster": "kubewright", "user": "admin"}}],
        "current-context": "kubewright",
    });
    serde_saphyr::to_string(&config).unwrap_or_else(|_| config.to_string())
}

async fn accept(listener: TcpListener, access: Arc<Access>, door: Door, stopped: watch::Receiver<bool>) {
    let closing = stopped.clone();
    let connection = move |stream| connection(stream, access.clone(), door.clone(), closing.clone());
    if kubewright::accept::accept(listener, STALL, GRACE, stopped, connection).await > 0 {
        tracing::debug!("connections are closed before their requests finished");
    }
}

async fn connection(
    stream: Impatient<TcpStream>,
    access: Arc<Access>,
    door: Door,
    stopped: watch::Receiver<bool>,
) {
    let (availability, mut outage) = door.engine.outage();
    if availability == Availability::Down {
        return;
    }
    tokio::select! {
        () = serve(stream, access, door, stopped) => {}
        () = outage.wait() => {}
    }
}

async fn serve(
    stream: Impatient<TcpStream>,
    access: Arc<Access>,
    door: Door,
    mut stopped: watch::Receiver<bool>,
) {
    let Some(certificates) = &access.certificates else {
        return http(stream, None, access, door, stopped).await;
    };
    let handshake = TlsAcceptor::from(certificates.config.clone()).accept(stream);
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(HANDSHAKE, handshake) => outcome,
        () = until(&mut stopped) => return,
    };
    match outcome {
        Ok(Ok(stream)) => {
            // The verifier has checked that our authority signed it; it signs no other client than this.
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let identity = shown
                .filter(|shown| **shown == certificates.client_der)
                .map(|_| administrator());
            http(stream, identity, access, door, stopped).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    identity: Option<Identity>,
    access: Arc<Access>,
    door: Door,
    mut stopped: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |request| {
        answer(request, identity.clone(), access.clone(), door.clone())
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(HEADER_LIMIT as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_LIMIT)
        .max_concurrent_streams(1000);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = until(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended");
    }
}

pub(super) fn administrator() -> Identity {
    Identity {
        user: super::ADMIN.to_owned(),
        groups: vec![super::MASTERS.to_owned(), "system:authenticated".to_owned()],
    }
}

async fn answer(
    mut request: Request<Incoming>,
    identity: Option<Identity>,
    access: Arc<Access>,
    door: Door,
) -> Result<Response<Body>, Disconnected> {
    match access.identify(identity, &request) {
        Some(identity) => {
            request.extensions_mut().insert(identity);
            door.enter(request).await
        }
        None => Ok(ApiError::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized").into_response()),
    }
}

impl Access {
    /// Who asks; none for bad credentials, and for none at all where some are needed.
    fn identify<B>(&self, certificate: Option<Identity>, request: &Request<B>) -> Option<Identity> {
        if certificate.is_some() {
            return certificate;
        }
        let bearer = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        if let Some(bearer) = bearer {
            return self
                .token
                .as_deref()
                .filter(|token| equal(token, bearer))
                .map(|_| administrator());
        }
        let open = self.certificates.is_none() && self.token.is_none();
        let health = ["/healthz", "/livez", "/readyz", "/version"];
        (open || health.contains(&request.uri().path())).then(|| Identity {
            user: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
        })
    }
}

/// Compares in a time that does not tell where the difference is.
fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |differs, (a, b)| differs | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::super::{DevServer, Matcher};
    use super::*;

    /// A connection of HTTP/1.1 without a socket, so that time can be paused; dropping the sender stops it.
    fn connect(server: &DevServer) -> (DuplexStream, watch::Sender<bool>, JoinHandle<()>) {
        let (client, ours) = tokio::io::duplex(1024);
        let access = Arc::new(Access {
            certificates: None,
            token: None,
        });
        let (stop, stopped) = watch::channel(false);
        let door = Door {
            engine: server.engine().clone(),
            controls: Arc::default(),
        };
        let task = tokio::spawn(http(Impatient::new(ours, STALL), None, access, door, stopped));
        (client, stop, task)
    }

    const WATCH: &[u8] = b"GET /api/v1/namespaces?watch=true HTTP/1.1\r\nhost: x\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn api_34_a_client_that_reads_nothing_is_disconnected() {
        let server = DevServer::start().await.expect("started");
        let (mut client, _stop, task) = connect(&server);
        let begin = Instant::now();
        client.write_all(WATCH).await.expect("sent");
        task.await.expect("it ends");
        assert!(
            (STALL..STALL * 2).contains(&begin.elapsed()),
            "{:?}",
            begin.elapsed()
        );
        let mut received = Vec::new();
        client
            .read_to_end(&mut received)
            .await
            .expect("what was sent before");
        assert_eq!(received.len(), 1024, "as much as fits without a reader");
    }

    #[tokio::test(start_paused = true)]
    async fn api_34_a_client_that_reads_slowly_stays() {
        let server = DevServer::start().await.expect("started");
        let (mut client, _stop, task) = connect(&server);
        client.write_all(WATCH).await.expect("sent");
        for _ in 0..10 {
            tokio::time::sleep(STALL / 2).await;
            client.read_exact(&mut [0; 64]).await.expect("there is more");
        }
        assert!(!task.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn api_9_stopping_lets_running_requests_finish() {
        let server = DevServer::start().await.expect("started");
        server.delay(Matcher::any(), Duration::from_secs(1));
        let (mut client, stop, task) = connect(&server);
        client
            .write_all(b"GET /api/v1/namespaces/default HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .expect("sent");
        // Time passes when nothing else can happen: the request is on its way.
        tokio::time::sleep(Duration::from_millis(1)).await;
        server.engine().drain();
        stop.send_replace(true);
        let mut received = String::new();
        client.read_to_string(&mut received).await.expect("an answer");
        assert!(received.starts_with("HTTP/1.1 200 OK"), "{received}");
        task.await.expect("it ends");
    }

    fn identify(access: &Access, path: &str, authorization: Option<&str>) -> Option<String> {
        let mut request = Request::get(path);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(()).expect("a request");
        access.identify(None, &request).map(|identity| identity.user)
    }

    #[test]
    fn api_81_bad_or_missing_credentials_are_refused() {
        let access = Access {
            certificates: None,
            token: Some("secret".to_owned()),
        };
        let admin = Some(super::super::ADMIN.to_owned());
        assert_eq!(identify(&access, "/api", Some("Bearer secret")), admin);
        assert_eq!(identify(&access, "/api", Some("bearer  secret")), admin);
        for bad in [None, Some("Bearer other!"), Some("Bearer "), Some("Basic secret")] {
            assert_eq!(identify(&access, "/api", bad), None, "{bad:?}");
        }
        assert_eq!(
            identify(&access, "/readyz", None).as_deref(),
            Some("system:anonymous")
        );
        assert_eq!(identify(&access, "/readyz", Some("Bearer other!")), None);
        let open = Access {
            certificates: None,
            token: None,
        };
        assert_eq!(identify(&open, "/api", None).as_deref(), Some("system:anonymous"));
        assert_eq!(identify(&open, "/api", Some("Bearer x")), None);
    }
}
