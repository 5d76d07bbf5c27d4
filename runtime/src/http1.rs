//! Servers of HTTP/1.1: one connection, and its end.
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
use tokio::sync::watch;
use tower::BoxError;

use crate::accept::until;

pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(crate) const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// How long a client may take for the head of a request, which is also how long it may leave a connection idle
/// before its first one.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take none of what is written to it.
pub(crate) const STALL: Duration = Duration::from_secs(30);

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
