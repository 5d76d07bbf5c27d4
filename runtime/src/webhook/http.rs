//! From a request to an answer: paths, methods, limits, health (VER-29, VER-31 to VER-33).
//!
//! **Invariant:** health is answered on the async threads alone, and never waits for a review.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::admission::{self, Admit};
use super::body::{self, Refusal, Reply};
use super::budget::{Budget, Lease};
use super::certificate::{Expiry, Served};
use super::conversion::Workshop;
use super::metrics::WebhookMetrics;
use crate::http1::{self, OPEN_METRICS, TEXT};

/// What stands behind a path.
#[derive(Clone)]
pub(super) enum Route {
    Convert(Workshop),
    Admit(Arc<dyn Admit>),
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) routes: BTreeMap<String, Route>,
    pub(super) limit: usize,
    pub(super) budget: Budget,
    pub(super) metrics: WebhookMetrics,
    pub(super) registry: Option<Arc<Registry>>,
    pub(super) certificate: Arc<Served>,
    pub(super) draining: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("routes", &self.routes.keys())
            .finish_non_exhaustive()
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn response(status: StatusCode, content: HeaderValue, reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    response
}

fn sentence(status: StatusCode, text: impl Into<Bytes>) -> Response<Reply> {
    response(status, TEXT, Reply::new(text, None))
}

impl Shared {
    /// The answer to one request.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Reply>
    where
        B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
    {
        let path = request.uri().path();
        if let Some((path, route)) = self.routes.get_key_value(path) {
            if request.method() != Method::POST {
                return not_allowed(request.method(), path, "POST");
            }
            return self.counted(path, route, request).await;
        }
        let known = match path {
            "/healthz" | "/livez" => Some(sentence(StatusCode::OK, "ok")),
            "/readyz" => Some(self.ready()),
            "/metrics" => self.registry.as_deref().map(metrics),
            _ => None,
        };
        match known {
            None => sentence(StatusCode::NOT_FOUND, format!("nothing is served at {path}")),
            Some(answer) if [Method::GET, Method::HEAD].contains(request.method()) => answer,
            Some(_) => not_allowed(request.method(), path, "GET, HEAD"),
        }
    }

    async fn counted<B>(&self, path: &str, route: &Route, request: Request<B>) -> Response<Reply>
    where
        B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
    {
        let (flight, began) = (self.metrics.begin(path), Instant::now());
        let answer = self.route(route, request).await;
        let answer = answer.unwrap_or_else(|refusal| {
            tracing::warn!(path, status = refusal.status.as_u16(), "{}", refusal.message);
            let mut answer = sentence(refusal.status, refusal.message);
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                answer
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            answer
        });
        flight.answered(answer.status().as_u16(), began.elapsed());
        answer
    }

    async fn route<B>(&self, route: &Route, request: Request<B>) -> Result<Response<Reply>, Refusal>
    where
        B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
    {
        let (head, body) = request.into_parts();
        let (body, lease) = body::read(&head.headers, body, self.limit, &self.budget).await?;
        match route {
            Route::Convert(workshop) => self.convert(workshop, body, lease).await,
            Route::Admit(admit) => {
                let body = admission::review(&**admit, &body, &self.metrics).await?;
                Ok(response(StatusCode::OK, JSON, Reply::new(body, Some(lease))))
            }
        }
    }

    async fn convert(
        &self,
        workshop: &Workshop,
        body: Vec<u8>,
        lease: Lease,
    ) -> Result<Response<Reply>, Refusal> {
        let answer = workshop.review(body).await.map_err(|panic| {
            self.metrics.panicked();
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("panicked: {panic}"))
        })?;
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content = if status == StatusCode::OK { JSON } else { TEXT };
        Ok(response(status, content, Reply::new(answer.body, Some(lease))))
    }

    /// Ready as long as requests are welcome and the certificate is valid; less than a day before its end there is
    /// a warning (VER-33).
    fn ready(&self) -> Response<Reply> {
        match self.readiness() {
            Err(reason) => sentence(StatusCode::SERVICE_UNAVAILABLE, reason),
            Ok(None) => sentence(StatusCode::OK, "ok"),
            Ok(Some(left)) => {
                let warning = format!(
                    "the certificate expires in {} h {} min",
                    left.as_secs() / 3600,
                    left.as_secs() / 60 % 60
                );
                let mut answer = sentence(StatusCode::OK, format!("ok\nwarning: {warning}"));
                // RFC 9111 has dropped the header; Kubernetes' clients know its form (RFC 7234, 299).
                if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{warning}\"")) {
                    answer.headers_mut().insert(header::WARNING, value);
                }
                answer
            }
        }
    }

    /// Why it is not ready; else how soon the certificate expires, where that is soon.
    pub(super) fn readiness(&self) -> Result<Option<Duration>, &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("shutting down");
        }
        match self.certificate.expiry() {
            Expiry::Far => Ok(None),
            Expiry::Soon(left) => Ok(Some(left)),
            Expiry::Past => Err("the certificate has expired"),
            Expiry::Absent => Err("there is no certificate yet"),
        }
    }
}

fn not_allowed(method: &Method, path: &str, allowed: &'static str) -> Response<Reply> {
    let text = format!("{method} is not allowed at {path}; {allowed} is");
    let mut answer = sentence(StatusCode::METHOD_NOT_ALLOWED, text);
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn metrics(registry: &Registry) -> Response<Reply> {
    match http1::figures(registry) {
        Ok(text) => response(StatusCode::OK, OPEN_METRICS, Reply::new(text, None)),
        Err(error) => sentence(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
