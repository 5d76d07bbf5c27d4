//! A webhook in the process: TLS on loopback, an authority of its own, and a function behind.
//!
//! **Invariant:** its port is closed and its tasks end with the value.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a webhook does with the path, query and body of a request: code and body of the answer.
pub type Answer = dyn Fn(&str, &[u8]) -> (u16, String) + Send + Sync;

/// A request as it came in: path with query, and body.
pub type Seen = (String, String);

/// A running webhook.
pub struct Webhook {
    address: SocketAddr,
    ca: String,
    answer: Arc<Mutex<Arc<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Webhook {
    /// Starts one for `localhost` and the given names.
    ///
    /// # Panics
    /// Where no certificate can be made or no port is free: nothing can be tested then.
    pub async fn start(
        names: &[&str],
        answer: impl Fn(&str, &[u8]) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let mut authority = CertificateParams::default();
        // Two of one name would be told apart by their signatures alone.
        let name = KeyPair::generate().expect("a key").public_key_raw()[..8].to_vec();
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, format!("webhook-ca-{name}"));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let names = ["localhost", "127.0.0.1"].iter().chain(names);
        let names: Vec<String> = names.map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(names).expect("names");
        let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("the key is the certificate's");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(answer)));
        let seen = Arc::default();
        let task = tokio::spawn(listen(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            Arc::clone(&answer),
            Arc::clone(&seen),
        ));
        Self {
            address,
            ca: authority.pem(),
            answer,
            seen,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL with a path.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.address.port())
    }

    /// PEM of its authority.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Does something else from now on.
    pub fn set(&self, answer: impl Fn(&str, &[u8]) -> (u16, String) + Send + Sync + 'static) {
        *self.answer.lock().expect("no panic under the lock") = Arc::new(answer);
    }

    /// The requests since the last look.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("no panic under the lock"))
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    listener: TcpListener,
    tls: TlsAcceptor,
    answer: Arc<Mutex<Arc<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answer, seen) = (tls.clone(), Arc::clone(&answer), Arc::clone(&seen));
        connections.spawn(async move {
            // A client that does not trust the certificate hangs up here.
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                async move { respond(request, &answer, &seen).await }
            });
            let http = hyper::server::conn::http1::Builder::new();
            // The end of a connection is the client's business.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: &Mutex<Arc<Answer>>,
    seen: &Mutex<Vec<Seen>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let path = parts
        .uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let body = body.collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    seen.lock()
        .expect("no panic under the lock")
        .push((path.clone(), text));
    let answer = Arc::clone(&*answer.lock().expect("no panic under the lock"));
    // An answer may block: a webhook that hangs is a thread that sleeps.
    let (code, text) = tokio::task::spawn_blocking(move || answer(&path, &body))
        .await
        .unwrap_or_else(|_| (500, "the webhook panicked".to_owned()));
    let json = if text.starts_with('{') {
        "application/json"
    } else {
        "text/plain"
    };
    Ok(Response::builder()
        .status(code)
        .header(http::header::CONTENT_TYPE, json)
        .body(Full::new(Bytes::from(text)))
        .expect("the parts of the answer are right"))
}
