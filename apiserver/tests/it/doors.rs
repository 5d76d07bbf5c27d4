//! The doors with a socket.

use std::net::{Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use kubewright_apiserver::{DevServer, Listen};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

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
    assert!(
        tokio::net::TcpStream::connect(&address).await.is_err(),
        "nothing listens there"
    );

    let server = DevServer::builder()
        .listen(Listen::Plain(ANY_PORT))
        .start()
        .await
        .expect("started");
    let address = server.url().trim_start_matches("http://").to_owned();
    drop(server);
    // The listener goes with its task, at the runtime's next turn.
    let closed = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), closed)
        .await
        .expect("the port closes");
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
