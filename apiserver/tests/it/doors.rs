//! The doors with a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use kubewright_apiserver::conformance::CASES;
use kubewright_apiserver::{DevServer, Listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

const DEADLINE: Duration = Duration::from_secs(10);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: hangs"))
}

async fn plain() -> (DevServer, String) {
    let server = DevServer::builder()
        .listen(Listen::Plain(ANY_PORT))
        .start()
        .await
        .expect("started");
    let address = server.url().trim_start_matches("http://").to_owned();
    (server, address)
}

/// A connection over which one request was answered and that is kept open.
async fn kept(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let read = within("the answer", stream.read_buf(&mut answer)).await;
        assert_ne!(read.expect("no failure"), 0, "an answer");
    }
    stream
}

/// Whether the other side has closed, or reset, the connection; waits for it.
async fn closes(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = within("the connection closes", stream.read_to_end(&mut rest)).await;
}

/// Waits until nothing listens there. A dropped listener goes with its task, at the runtime's next turn; and a process
/// that another test starts has a copy of the socket until it is another program.
async fn closed(address: &str) {
    within("the port closes", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn client(kubeconfig: &str, change: impl FnOnce(&mut Kubeconfig)) -> Client {
    let mut kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    change(&mut kubeconfig);
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("usable");
    Client::try_from(config).expect("a client")
}

fn without_certificate(kubeconfig: &mut Kubeconfig) {
    let user = kubeconfig.auth_infos[0].auth_info.as_mut().expect("a user");
    (user.client_certificate_data, user.client_key_data) = (None, None);
}

fn without_token(kubeconfig: &mut Kubeconfig) {
    kubeconfig.auth_infos[0].auth_info.as_mut().expect("a user").token = None;
}

async fn namespaces(client: Client) -> Result<usize, u16> {
    match Api::<Namespace>::all(client).list(&Default::default()).await {
        Ok(list) => Ok(list.items.len()),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(other) => panic!("no answer: {other}"),
    }
}

#[tokio::test]
async fn api_4_tls_with_its_own_authority() {
    let server = DevServer::builder()
        .listen(Listen::Tls(ANY_PORT))
        .token("secret")
        .start()
        .await
        .expect("started");
    let kubeconfig = server.kubeconfig();
    assert!(server.url().starts_with("https://127.0.0.1:") && !server.url().ends_with(":0"));
    assert!(kubeconfig.contains("certificate-authority-data"));
    assert_eq!(
        namespaces(client(&kubeconfig, without_token).await).await,
        Ok(4),
        "by certificate"
    );
    assert_eq!(
        namespaces(client(&kubeconfig, without_certificate).await).await,
        Ok(4),
        "by token"
    );
    let nobody = |kubeconfig: &mut Kubeconfig| {
        without_certificate(kubeconfig);
        without_token(kubeconfig);
    };
    assert_eq!(namespaces(client(&kubeconfig, nobody).await).await, Err(401));
    let health = client(&kubeconfig, nobody).await;
    let ready = http::Request::get("/readyz").body(Vec::new()).expect("a request");
    assert_eq!(health.request_text(ready).await.expect("open to all"), "ok");
    let version = client(&kubeconfig, nobody)
        .await
        .apiserver_version()
        .await
        .expect("open to all");
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
    server.stop().await;
}

#[tokio::test]
async fn api_4_servers_do_not_trust_each_other() {
    let start = || async {
        DevServer::builder()
            .listen(Listen::Tls(ANY_PORT))
            .start()
            .await
            .expect("started")
    };
    let (one, other) = (start().await, start().await);
    let url = other.url();
    let crossed = client(&one.kubeconfig(), |kubeconfig| {
        kubeconfig.clusters[0].cluster.as_mut().expect("a cluster").server = Some(url);
    })
    .await;
    let error = Api::<Namespace>::all(crossed)
        .list(&Default::default())
        .await
        .expect_err("another authority");
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
}

#[tokio::test]
async fn api_3_stop_closes_the_port() {
    let server = DevServer::builder()
        .listen(Listen::Plain(ANY_PORT))
        .start()
        .await
        .expect("started");
    let address = server.url().trim_start_matches("http://").to_owned();
    assert_eq!(
        namespaces(client(&server.kubeconfig(), |_| {}).await).await,
        Ok(4)
    );
    server.stop().await;
    closed(&address).await;

    let server = DevServer::builder()
        .listen(Listen::Plain(ANY_PORT))
        .start()
        .await
        .expect("started");
    let address = server.url().trim_start_matches("http://").to_owned();
    drop(server);
    closed(&address).await;
}

#[tokio::test]
async fn api_4_a_taken_port_is_an_error_that_names_it() {
    let first = DevServer::builder()
        .listen(Listen::Plain(ANY_PORT))
        .start()
        .await
        .expect("started");
    let address: SocketAddr = first
        .url()
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let error = DevServer::builder()
        .listen(Listen::Plain(address))
        .start()
        .await
        .expect_err("taken");
    assert_eq!(error.to_string(), format!("listen on {address}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_1_the_rest_contract_holds_over_tls() {
    let server = DevServer::builder()
        .listen(Listen::Tls(ANY_PORT))
        .start()
        .await
        .expect("started");
    let client = client(&server.kubeconfig(), |_| {}).await;
    let failures: Vec<&str> = futures::stream::iter(CASES)
        .map(|case| {
            let client = client.clone();
            async move {
                let outcome = AssertUnwindSafe(case.run(client)).catch_unwind().await;
                outcome.err().map(|_| case.name)
            }
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert_eq!(failures, Vec::<&str>::new());
}

#[tokio::test]
async fn api_5_a_server_that_is_down_has_no_connections() {
    let (server, address) = plain().await;
    let mut idle = kept(&address).await;
    server.go_down();
    closes(&mut idle).await;
    let mut late = TcpStream::connect(&address).await.expect("the port stays");
    closes(&mut late).await;
    server.come_up();
    kept(&address).await;
}

#[tokio::test]
async fn api_9_a_client_that_says_nothing_does_not_hold_up_the_stop() {
    let server = DevServer::builder()
        .listen(Listen::Tls(ANY_PORT))
        .start()
        .await
        .expect("started");
    let address = server.url().trim_start_matches("https://").to_owned();
    let mut silent = TcpStream::connect(&address).await.expect("connected");
    // Connections are taken in turn, so the silent one has been.
    let client = client(&server.kubeconfig(), |_| {}).await;
    assert_eq!(namespaces(client).await, Ok(4));
    let begin = Instant::now();
    server.stop().await;
    // What runs may take 5 seconds.
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    closes(&mut silent).await;
}

#[tokio::test]
async fn api_3_no_task_outlives_a_dropped_server() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let (server, address) = plain().await;
    let mut watch = TcpStream::connect(&address).await.expect("connected");
    watch
        .write_all(b"GET /api/v1/namespaces?watch=true HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("sent");
    within("the watch begins", watch.readable())
        .await
        .expect("readable");
    assert!(alive() > before);
    drop(server);
    within("all tasks end", async {
        while alive() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    closes(&mut watch).await;
    closed(&address).await;
}
