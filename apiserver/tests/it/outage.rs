//! Requests over a socket while the server goes down and comes back, again and again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kubewright::Client;
use kubewright_apiserver::{DevServer, Listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Far beyond what an answer takes.
const NEVER: Duration = Duration::from_secs(10);

async fn listening() -> DevServer {
    let listen = Listen::Plain(([127, 0, 0, 1], 0).into());
    DevServer::builder()
        .listen(listen)
        .start()
        .await
        .expect("started")
}

/// Restarts the server until so many requests came to an end.
async fn restart(server: &DevServer, ended: &AtomicU64, requests: u64, mut clients: JoinSet<()>) {
    let deadline = Instant::now() + 6 * NEVER;
    for n in 0_u64.. {
        if ended.load(Ordering::Relaxed) >= requests {
            break;
        }
        server.restart(Duration::from_millis(n % 7)).await;
        tokio::time::sleep(Duration::from_millis(n % 5)).await;
        if let Some(client) = clients.try_join_next() {
            client.expect("every request ends");
        }
        assert!(Instant::now() < deadline, "requests make progress");
    }
}

/// The server's side: each request is answered, or its connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_9_no_request_is_left_open() {
    async fn one(kept: &mut Option<TcpStream>, address: &str) -> io::Result<()> {
        let stream = match kept {
            Some(stream) => stream,
            None => kept.insert(TcpStream::connect(address).await?),
        };
        stream
            .write_all(b"GET /api/v1/namespaces/default HTTP/1.1\r\nhost: x\r\n\r\n")
            .await?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        while !answer.ends_with(b"}") {
            match stream.read(&mut part).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => answer.extend_from_slice(&part[..n]),
            }
            // The newline that ends a body.
            if answer.ends_with(b"}\n") {
                answer.pop();
            }
        }
        Ok(())
    }
    let server = listening().await;
    let address = server.url().replace("http://", "");
    let ended = Arc::<AtomicU64>::default();
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (address, ended) = (address.clone(), ended.clone());
        clients.spawn(async move {
            let mut kept = None;
            loop {
                let answer = timeout(NEVER, one(&mut kept, &address)).await;
                if answer.expect("an answer or an end").is_err() {
                    kept = None;
                }
                ended.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    restart(&server, &ended, 20_000, clients).await;
}

/// The client's side: hyper's pool leaves a request waiting for ever now and then, and the client's own limit ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_of_a_client_ends() {
    let server = listening().await;
    let config = kube::Config::new(server.url().parse().expect("an address"));
    let client = kube::Client::try_from(config).expect("a client");
    let maps = Client::<ConfigMap>::new(client)
        .namespace("default")
        .timeout(Duration::from_secs(1));
    let ended = Arc::<AtomicU64>::default();
    let mut clients = JoinSet::new();
    for n in 0..4 {
        let (maps, ended) = (maps.clone(), ended.clone());
        clients.spawn(async move {
            let mut map = ConfigMap::default();
            map.metadata.name = Some(format!("m-{n}"));
            loop {
                let answer = timeout(NEVER, maps.create(&map)).await.expect("an end");
                if let Err(error) = answer {
                    assert!(error.is_already_exists() || error.is_retryable(), "{error:?}");
                }
                ended.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    restart(&server, &ended, 5_000, clients).await;
}
