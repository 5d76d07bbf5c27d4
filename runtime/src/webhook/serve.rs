//! Connections: TLS, HTTP/1.1, and their end.
//!
//! HTTP/1.1 alone: API servers speak nothing else to webhooks, so that requests spread over a Service's replicas, and
//! HTTP/2 would bring its floods along.
//!
//! **Invariant:** a request that was read before the shutdown is answered, unless it takes longer than the grace
//! period.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::http::Shared;
use crate::impatient::Impatient;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take for the head of a request, which is also how long it may leave a connection idle
/// before its first one.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take none of what is written to it.
const STALL: Duration = Duration::from_secs(30);

/// Takes connections until `stopped`, then lets the running ones finish for `grace`; how many did not.
pub(super) async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    grace: Duration,
    mut stopped: watch::Receiver<bool>,
) -> usize {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: give running connections time to end.
                    tracing::warn!(%error, "accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = connections.join_next(), if !connections.is_empty() => continue,
            () = until(&mut stopped) => break,
        };
        connections.spawn(secure(stream, acceptor.clone(), shared.clone(), stopped.clone()));
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, finished).await;
    connections.len()
}

async fn until(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody can stop it any more, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn secure(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are written in one go and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(Impatient::new(stream, STALL)));
    let outcome = tokio::select! {
        outcome = handshake => outcome,
        () = until(&mut stopped) => return,
    };
    match outcome {
        Ok(Ok(stream)) => http(stream, shared, stopped).await,
        // A client that does not trust the certificate is seen here and nowhere else.
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

/// Serves one connection until its end, or after a stop until the end of the request in hand.
pub(super) async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, std::convert::Infallible>(shared.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
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
