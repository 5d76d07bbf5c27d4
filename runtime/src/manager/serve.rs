//! Health and metrics over HTTP.
//!
//! **Invariant:** it answers as long as the manager runs, its shutdown included.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::health::{Health, Report};
use crate::accept::accept;
use crate::http1::{self, OPEN_METRICS, TEXT};

/// How long requests may take that are being answered when the process ends.
const GRACE: Duration = Duration::from_secs(1);

/// What is to be served.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) listener: Option<std::net::TcpListener>,
    pub(super) registry: Option<Arc<Registry>>,
}

/// What is being served.
#[derive(Debug)]
pub(super) struct Serving {
    stop: watch::Sender<bool>,
    task: JoinSet<usize>,
}

impl Server {
    pub(super) fn start(self, health: Arc<Health>) -> io::Result<Serving> {
        let (stop, stopped) = watch::channel(false);
        let mut task = JoinSet::new();
        if let Some(listener) = self.listener {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let registry = self.registry;
            let closing = stopped.clone();
            let connection = move |stream| {
                let (health, registry) = (Arc::clone(&health), registry.clone());
                let answer = move |request| {
                    let (health, registry) = (Arc::clone(&health), registry.clone());
                    async move { answer(&health, registry.as_deref(), &request).await }
                };
                http1::serve(stream, answer, closing.clone())
            };
            task.spawn(accept(listener, http1::STALL, GRACE, stopped, connection));
        }
        Ok(Serving { stop, task })
    }
}

impl Serving {
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.task.join_next().await.is_some() {}
    }
}

fn response(status: StatusCode, content: http::HeaderValue, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    response
}

/// As API servers': `ok`, or each check in a line; `?verbose` asks for the lines in any case.
fn report(what: &str, report: Report, verbose: bool) -> Response<Full<Bytes>> {
    match report {
        Report { failed: true, lines } => {
            let text = format!("{lines}{what} check failed\n");
            response(StatusCode::SERVICE_UNAVAILABLE, TEXT, text)
        }
        Report { lines, .. } if verbose => {
            response(StatusCode::OK, TEXT, format!("{lines}{what} check passed\n"))
        }
        Report { .. } => response(StatusCode::OK, TEXT, "ok"),
    }
}

async fn answer<B>(
    health: &Health,
    registry: Option<&Registry>,
    request: &Request<B>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let known = matches!(path, "/healthz" | "/livez" | "/readyz") || path == "/metrics" && registry.is_some();
    if !known {
        return response(
            StatusCode::NOT_FOUND,
            TEXT,
            format!("nothing is served at {path}"),
        );
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let text = format!("{} is not allowed at {path}; GET, HEAD is", request.method());
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        let allowed = http::HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(header::ALLOW, allowed);
        return refused;
    }
    let query = request.uri().query().unwrap_or_default();
    let verbose = query
        .split('&')
        .any(|pair| pair == "verbose" || pair.starts_with("verbose="));
    match (path, registry) {
        ("/metrics", Some(registry)) => match http1::figures(registry) {
            Ok(text) => response(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
        },
        ("/readyz", _) => report("readyz", health.ready().await, verbose),
        _ => report(path.trim_start_matches('/'), health.live(), verbose),
    }
}
