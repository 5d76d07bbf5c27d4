//! The server over connections without sockets, so that time can be paused, and over TLS.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc;

use ::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::conversion::{Answer, Review};
use super::*;

/// 2025-01-01.
const NOW: i64 = 1_735_689_600;
const DAY: i64 = 24 * 3600;

/// Answers with what it was asked, backwards.
struct Echo;

impl Review for Echo {
    fn review(&self, body: &[u8], _: NonZeroUsize) -> Answer {
        let body = body.iter().rev().copied().collect();
        Answer { status: 200, body }
    }
}

/// Waits until it may answer, on its own thread.
struct Waits(Mutex<mpsc::Receiver<()>>);

impl Review for Waits {
    fn review(&self, _: &[u8], _: NonZeroUsize) -> Answer {
        let waited = self.0.lock().unwrap().recv();
        Answer {
            status: if waited.is_ok() { 200 } else { 500 },
            body: b"waited".to_vec(),
        }
    }
}

struct Panics;

impl Review for Panics {
    fn review(&self, _: &[u8], _: NonZeroUsize) -> Answer {
        panic!("a bug")
    }
}

fn pair(not_after: i64) -> (String, String) {
    let mut params = CertificateParams::new(vec!["hooks.system.svc".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_after.try_into().unwrap());
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn server(review: impl Review) -> WebhookServer {
    let (certificate, key) = pair(NOW + 90 * DAY);
    WebhookServer::new(Tls::pem(certificate, key))
        .listen(([127, 0, 0, 1], 0))
        .reviews(Arc::new(review))
}

async fn bound(server: WebhookServer) -> BoundWebhookServer {
    server.bind_at(Clock::of_tokio(NOW)).await.unwrap()
}

/// A connection to what a server shares, and its stop.
fn connect(server: &BoundWebhookServer) -> (DuplexStream, watch::Sender<bool>, JoinHandle<()>) {
    let (client, ours) = tokio::io::duplex(64 * 1024);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve::http(ours, server.shared.clone(), stopped));
    (client, stop, task)
}

struct Heard {
    status: u16,
    headers: ::http::HeaderMap,
    body: String,
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Heard {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    connection.abort();
    Heard {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "hooks.system.svc")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn ask(server: &BoundWebhookServer, method: &str, path: &str, body: impl Into<Bytes>) -> Heard {
    let (stream, _stop, _task) = connect(server);
    send(stream, request(method, path, body)).await
}

#[tokio::test]
async fn ver_29_paths_methods_and_limits() {
    let server = bound(server(Echo).body_limit(1)).await;
    let heard = ask(&server, "POST", "/convert?timeout=30s", "abc").await;
    assert_eq!((heard.status, heard.body.as_str()), (200, "cba"));
    assert_eq!(heard.headers["content-type"], "application/json");
    for (method, path, status, text) in [
        ("POST", "/", 404, "nothing is served at /"),
        ("POST", "/convert/", 404, "nothing is served at /convert/"),
        ("GET", "/metrics", 404, "nothing is served at /metrics"),
        ("GET", "/convert", 405, "GET is not allowed at /convert; POST is"),
        (
            "POST",
            "/readyz",
            405,
            "POST is not allowed at /readyz; GET, HEAD is",
        ),
        ("GET", "/healthz", 200, "ok"),
        ("HEAD", "/healthz", 200, ""),
        ("GET", "/readyz", 200, "ok"),
    ] {
        let heard = ask(&server, method, path, "").await;
        assert_eq!(
            (heard.status, heard.body.as_str()),
            (status, text),
            "{method} {path}"
        );
    }
    let heard = ask(&server, "GET", "/convert", "").await;
    assert_eq!(heard.headers["allow"], "POST");
    // 2 MiB pass whatever the limit says.
    let (fits, beyond) = (vec![b'x'; body::ALWAYS], vec![b'x'; body::ALWAYS + 1]);
    assert_eq!(ask(&server, "POST", "/convert", fits).await.status, 200);
    let heard = ask(&server, "POST", "/convert", beyond).await;
    assert_eq!(
        (heard.status, heard.body.as_str()),
        (413, "the body is larger than 2097152 bytes")
    );
}

#[tokio::test]
async fn ver_24_reviews_are_answered_by_the_converters() {
    let (certificate, key) = pair(NOW + DAY);
    let server = WebhookServer::new(Tls::pem(certificate, key)).listen(([127, 0, 0, 1], 0));
    let server = bound(server.conversion(Converters::new())).await;
    let review = |objects: serde_json::Value| {
        serde_json::json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "request": {"uid": "u", "desiredAPIVersion": "web.example.com/v1", "objects": objects},
        })
        .to_string()
    };
    let heard = ask(&server, "POST", "/convert", review(serde_json::json!([]))).await;
    let answer: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
    assert_eq!(heard.status, 200);
    let expected = serde_json::json!({"uid": "u", "convertedObjects": [], "result": {"status": "Success"}});
    assert_eq!(answer["response"], expected);

    // Short and long, by one thread and by several.
    let object =
        serde_json::json!({"apiVersion": "web.example.com/v1", "kind": "Page", "x": "y".repeat(1000)});
    for count in [1, 1000] {
        let body = review(vec![object.clone(); count].into());
        let heard = ask(&server, "POST", "/convert", body).await;
        let answer: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
        assert_eq!(answer["response"]["result"]["status"], "Failure");
        let message = answer["response"]["result"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("no conversion is registered for web.example.com/v1 Page"),
            "{message}"
        );
    }
    let heard = ask(&server, "POST", "/convert", "{").await;
    let text = "body is not a ConversionReview in JSON";
    assert_eq!((heard.status, heard.body.as_str()), (400, text));
    assert_eq!(heard.headers["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn ver_31_a_panic_is_answered_and_counted() {
    let mut registry = Registry::default();
    let metrics = WebhookMetrics::register(&mut registry);
    let server = server(Panics).metrics(&metrics).expose(Arc::new(registry));
    let server = bound(server).await;
    for _ in 0..2 {
        let heard = ask(&server, "POST", "/convert", "{}").await;
        assert_eq!((heard.status, heard.body.as_str()), (500, "panicked: a bug"));
    }
    let heard = ask(&server, "GET", "/metrics", "").await;
    for line in [
        "controller_runtime_webhook_panics_total 2",
        "controller_runtime_webhook_requests_total{webhook=\"/convert\",code=\"500\"} 2",
        "controller_runtime_webhook_requests_in_flight{webhook=\"/convert\"} 0",
        "controller_runtime_webhook_latency_seconds_count{webhook=\"/convert\"} 2",
        "certwatcher_read_certificate_total 1",
        "certwatcher_read_certificate_errors_total 0",
        &format!(
            "kubewright_webhook_certificate_not_after_timestamp_seconds {}",
            NOW + 90 * DAY
        ),
    ] {
        assert!(
            heard.body.lines().any(|found| found == line),
            "{line} in {}",
            heard.body
        );
    }
}

#[test]
fn ver_31_a_program_that_aborts_is_told_so() {
    // Tests unwind, so only the sentence can be looked at.
    let text = ServerError::PanicAbort.to_string();
    assert!(
        text.starts_with("built with panic = \"abort\": one panic"),
        "{text}"
    );
}

/// Real time: what is promised is that threads which convert do not keep those from answering that do not.
#[tokio::test]
async fn ver_32_health_is_answered_while_reviews_are_converted() {
    let (go, waits) = mpsc::channel();
    let server = Arc::new(bound(server(Waits(Mutex::new(waits)))).await);
    let reviews: Vec<_> = (0..20)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { ask(&server, "POST", "/convert", "{}").await.status })
        })
        .collect();
    for path in ["/readyz", "/healthz"] {
        let answer = ask(&server, "GET", path, "");
        let heard = tokio::time::timeout(Duration::from_millis(100), answer).await;
        assert_eq!(heard.expect("within 100 ms").status, 200);
    }
    for _ in &reviews {
        go.send(()).unwrap();
    }
    for review in reviews {
        assert_eq!(review.await.unwrap(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn ver_32_who_finds_no_room_for_ten_seconds_is_sent_away() {
    let server = server(Echo).body_limit(2 * MIB).in_flight_limit(3 * MIB);
    let server = Arc::new(bound(server).await);
    // Two that never end: each announces a body and sends the half of it.
    let mut open = Vec::new();
    for _ in 0..2 {
        let (mut stream, stop, task) = connect(&server);
        let head = format!(
            "POST /convert HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            3 * MIB / 2
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        open.push((stream, stop, task));
    }
    let begin = Instant::now();
    let heard = ask(&server, "POST", "/convert", "{}").await;
    let text = "too many requests are being served; try again later";
    assert_eq!((heard.status, heard.body.as_str()), (503, text));
    assert_eq!(heard.headers["retry-after"], "1");
    assert_eq!(begin.elapsed(), WAIT);
    // With one of them gone there is room.
    drop(open.pop());
    assert_eq!(ask(&server, "POST", "/convert", "{}").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn ver_33_less_than_a_day_before_the_end_readiness_warns() {
    let server = bound(server(Echo)).await;
    tokio::time::advance(Duration::from_secs(89 * 24 * 3600)).await;
    assert_eq!(ask(&server, "GET", "/readyz", "").await.body, "ok");
    tokio::time::advance(Duration::from_secs(3600 + 60)).await;
    let heard = ask(&server, "GET", "/readyz", "").await;
    assert_eq!(heard.status, 200);
    assert_eq!(heard.body, "ok\nwarning: the certificate expires in 22 h 59 min");
    assert_eq!(
        heard.headers["warning"],
        "299 - \"the certificate expires in 22 h 59 min\""
    );
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    let heard = ask(&server, "GET", "/readyz", "").await;
    assert_eq!(
        (heard.status, heard.body.as_str()),
        (503, "the certificate has expired")
    );
}

#[tokio::test]
async fn a_shutdown_answers_what_is_in_hand() {
    let (go, waits) = mpsc::channel();
    let server = server(Waits(Mutex::new(waits))).linger(Duration::ZERO);
    let server = bound(server).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let (address, shared) = (server.address(), server.shared.clone());
    let running = tokio::spawn(server.run_until(async move {
        let _ = stopped.await;
    }));
    let client = tls_client(None);
    let stream = tls(&client, address).await.unwrap();
    let asked = tokio::spawn(send(stream, request("POST", "/convert", "{}")));
    // The request is in hand once it is counted.
    let in_hand = async {
        while shared.budget.free() == 512 * MIB {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), in_hand)
        .await
        .unwrap();
    stop.send(()).unwrap();
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused)
        .await
        .unwrap();
    assert!(shared.draining.load(Ordering::Relaxed));
    go.send(()).unwrap();
    let heard = asked.await.unwrap();
    assert_eq!((heard.status, heard.body.as_str()), (200, "waited"));
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_without_sense_does_not_start() {
    let (certificate, key) = pair(NOW + DAY);
    let (_, other_key) = pair(NOW + DAY);
    let text = async |server: WebhookServer| {
        let server = server.listen(([127, 0, 0, 1], 0));
        server
            .bind_at(Clock::of_tokio(NOW))
            .await
            .unwrap_err()
            .to_string()
    };
    let hook = || Hook::validator(validate_with(|_: &Admission<ConfigMap>| Ok(Allowed::new())));
    let tls = Tls::pem(&certificate, &key);
    assert_eq!(
        text(WebhookServer::new(tls.clone())).await,
        "there is nothing to serve: no hook and no conversion is registered"
    );
    let twice = WebhookServer::new(tls.clone()).hook(hook()).hook(hook());
    assert_eq!(
        text(twice).await,
        "two handlers are registered at /validate--v1-configmap; give one of them another path"
    );
    let taken = WebhookServer::new(tls).hook(hook().at("/readyz"));
    assert!(
        text(taken)
            .await
            .starts_with("two handlers are registered at /readyz")
    );
    let mismatched = WebhookServer::new(Tls::pem(certificate, other_key)).hook(hook());
    assert_eq!(text(mismatched).await, "get a certificate");
}

/// A client that trusts one certificate, or in this test whatever it is shown.
fn tls_client(root: Option<&str>) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match root {
        Some(root) => {
            let mut roots = RootCertStore::empty();
            let root = rustls::pki_types::CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
            roots.add(root).unwrap();
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anything(provider)))
            .with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

async fn tls(
    client: &TlsConnector,
    address: SocketAddr,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    client
        .connect(ServerName::try_from("hooks.system.svc").unwrap(), stream)
        .await
}

#[derive(Debug)]
struct Anything(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that a new connection is shown.
async fn shown(address: SocketAddr) -> Vec<u8> {
    let stream = tls(&tls_client(None), address).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn der(pem: &str) -> Vec<u8> {
    rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .to_vec()
}

/// As the kubelet mounts a Secret: files that point into a folder that is swapped whole.
fn mount(directory: &std::path::Path, version: &str, certificate: &str, key: &str) {
    use std::os::unix::fs::symlink;
    let data = directory.join(version);
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("tls.crt"), certificate).unwrap();
    std::fs::write(data.join("tls.key"), key).unwrap();
    let new = directory.join("..new");
    symlink(version, &new).unwrap();
    std::fs::rename(&new, directory.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        if !directory.join(file).exists() {
            symlink(std::path::Path::new("..data").join(file), directory.join(file)).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ver_33_what_changes_is_served_within_a_minute_and_what_is_broken_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b, c) = (pair(NOW + 90 * DAY), pair(NOW + 91 * DAY), pair(NOW + 92 * DAY));
    mount(directory.path(), "1", &a.0, &a.1);
    let metrics = WebhookMetrics::new();
    let server = WebhookServer::new(Tls::directory(directory.path()))
        .listen(([127, 0, 0, 1], 0))
        .reviews(Arc::new(Echo))
        .metrics(&metrics);
    let server = bound(server).await;
    let address = server.address();
    let (_stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run_until(async move {
        let _ = stopped.await;
    }));
    let minute = || tokio::time::sleep(Duration::from_secs(60));
    // Between two of the server's looks, which read one file after the other.
    tokio::time::sleep(Duration::from_secs(5)).await;

    assert_eq!(shown(address).await, der(&a.0));
    // A connection that is open before.
    let mut open = tls(&tls_client(None), address).await.unwrap();
    open.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"\r\n\r\nok") {
        first.push(open.read_u8().await.unwrap());
    }
    mount(directory.path(), "2", &b.0, &b.1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(shown(address).await, der(&b.0));
    // It goes on, with the certificate that it began with.
    open.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    // Broken, mismatched, expired, gone: the one before is served, and each is counted once.
    let expired = pair(NOW - DAY);
    for (version, certificate, key) in [
        ("3", "nonsense", c.1.as_str()),
        ("4", c.0.as_str(), a.1.as_str()),
        ("5", expired.0.as_str(), expired.1.as_str()),
    ] {
        mount(directory.path(), version, certificate, key);
        minute().await;
        assert_eq!(shown(address).await, der(&b.0), "{version}");
    }
    std::fs::remove_file(directory.path().join("..data")).unwrap();
    minute().await;
    assert_eq!(shown(address).await, der(&b.0));
    assert_eq!(metrics.refused(), 4);
    mount(directory.path(), "6", &c.0, &c.1);
    minute().await;
    assert_eq!(shown(address).await, der(&c.0));
}

#[tokio::test]
async fn ver_33_tls_1_2_is_served_and_nothing_below() {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["hooks.system.svc".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let server = WebhookServer::new(Tls::pem(leaf.pem(), key.serialize_pem()))
        .listen(([127, 0, 0, 1], 0))
        .reviews(Arc::new(Echo));
    let server = bound(server).await;
    let address = server.address();
    tokio::spawn(server.run_until(std::future::pending()));

    let stream = tls(&tls_client(Some(&authority.pem())), address).await.unwrap();
    let heard = send(stream, request("POST", "/convert", "ab")).await;
    assert_eq!((heard.status, heard.body.as_str()), (200, "ba"));

    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let old = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tls(&TlsConnector::from(Arc::new(old)), address).await.unwrap();
    assert_eq!(
        stream.get_ref().1.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_2)
    );

    // A greeting of TLS 1.1: an alert comes back, and the end.
    let mut plain = TcpStream::connect(address).await.unwrap();
    let hello = [
        &[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2][..],
        &[7; 32],
        &[0, 0, 2, 0xc0, 0x13, 1, 0],
    ]
    .concat();
    plain.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
}
