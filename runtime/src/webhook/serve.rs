//! Connections: TLS, then HTTP/1.1.
//!
//! **Invariant:** no request is read before the handshake ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::http::Shared;
use crate::accept::until;
use crate::http1;
use crate::impatient::Impatient;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Takes connections until `stopped`, then lets the running ones finish for `grace`; how many did not.
pub(super) async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    grace: Duration,
    stopped: watch::Receiver<bool>,
) -> usize {
    let closing = stopped.clone();
    let connection = move |stream| secure(stream, acceptor.clone(), shared.clone(), closing.clone());
    crate::accept::accept(listener, http1::STALL, grace, stopped, connection).await
}

async fn secure(
    stream: Impatient<TcpStream>,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
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
    stopped: watch::Receiver<bool>,
) {
    let answer = move |request| {
        let shared = shared.clone();
        async move { shared.answer(request).await }
    };
    http1::serve(stream, answer, stopped).await;
}
