//! Servers of HTTP/1.1: taking connections, serving one, and their end.
//!
//! HTTP/1.1 alone: API servers speak nothing else to webhooks, so that requests spread over a Service's replicas, and
//! HTTP/2 would bring its floods along.
//!
//! **Invariant:** a request that was read before the stop is answered, unless it takes longer than the grace period.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::BoxError;

use crate::impatient::Impatient;

pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(crate) const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// How long a client may take for the head of a request, which is also how long it may leave a connection idle
/// before its first one.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take none of what is written to it.
const STALL: Duration = Duration::from_secs(30);

/// Takes connections until `stopped`, each a task of `serve`, then lets the running ones finish for `grace`; how many
/// did not.
pub(crate) async fn accept<F, S>(
    listener: TcpListener,
    grace: Duration,
    mut stopped: watch::Receiver<bool>,
    serve: F,
) -> usize
where
    F: Fn(Impatient<TcpStream>) -> S + Send,
    S: Future<Output = ()> + Send + 'static,
{
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
        // Answers are written in one go and must not wait for each other.
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(Impatient::new(stream, STALL)));
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, finished).await;
    connections.len()
}

/// Ready once there is a stop.
pub(crate) async fn until(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody can stop it any more, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Serves one connection until its end, or after a stop until the end of the request in hand.
pub(crate) async fn serve<A, F, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    answer: A,
    mut stopped: watch::Receiver<bool>,
) where
    A: Fn(Request<Incoming>) -> F + Send,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
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

/// The text of a registry's figures.
pub(crate) fn figures(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}
