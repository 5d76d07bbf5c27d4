//! Health, version and the index of paths.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::engine::{Body, Handler, body};
use crate::negotiate::{Accept, Encoding, queries};
use crate::openapi::data::path_of;
use crate::registry::Snapshot;
use crate::version;

/// Answers `/healthz`, `/livez` and `/readyz`, each with its checks below it.
///
/// Why a check failed is for the server's log, not for the answer.
#[derive(Clone)]
pub struct Health {
    checks: Vec<Check>,
    stopping: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Check {
    name: String,
    /// Counts for `/livez` and `/healthz` too, not for `/readyz` alone.
    live: bool,
    passes: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.checks.iter().map(|check| check.name.as_str()).collect();
        f.debug_struct("Health")
            .field("checks", &names)
            .finish_non_exhaustive()
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            stopping: Arc::default(),
        }
        .check("ping", || true)
    }
}

impl Health {
    /// Adds a check to all three paths.
    #[must_use]
    pub fn check(
        mut self,
        name: impl Into<String>,
        passes: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Check {
            name: name.into(),
            live: true,
            passes: Arc::new(passes),
        });
        self
    }

    /// Adds a check to `/readyz` alone: the server lives, but is not to be sent requests.
    #[must_use]
    pub fn ready_check(
        mut self,
        name: impl Into<String>,
        passes: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Check {
            name: name.into(),
            live: false,
            passes: Arc::new(passes),
        });
        self
    }

    /// From now on `/readyz` fails, so that load balancers turn away before the listener closes.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether `/readyz` would answer 200.
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Acquire) && self.checks.iter().all(|check| (check.passes)())
    }

    fn results(&self, root: &str) -> Vec<(&str, bool)> {
        let ready = root == "readyz";
        let mut results: Vec<(&str, bool)> = self
            .checks
            .iter()
            .filter(|check| ready || check.live)
            .map(|check| (check.name.as_str(), (check.passes)()))
            .collect();
        if ready {
            results.push(("shutdown", !self.stopping.load(Ordering::Acquire)));
        }
        results
    }
}

impl Handler for Health {
    fn handle(&self, _: &Snapshot, request: &Parts) -> Option<Response<Body>> {
        let path = request.uri.path().trim_matches('/');
        let (root, single) = path
            .split_once('/')
            .map_or((path, None), |(root, single)| (root, Some(single)));
        if !["healthz", "livez", "readyz"].contains(&root) {
            return None;
        }
        let mut results = self.results(root);
        if let Some(single) = single {
            results.retain(|(name, _)| *name == single);
            return match results.first()? {
                (_, true) => Some(text(StatusCode::OK, "ok".to_owned())),
                (name, false) => Some(text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("internal server error: {name} failed\n"),
                )),
            };
        }
        Some(report(root, results, request))
    }
}

fn report(root: &str, results: Vec<(&str, bool)>, request: &Parts) -> Response<Body> {
    let mut verbose = false;
    let mut excluded = Vec::new();
    for (key, value) in queries(&request.uri) {
        match key.as_str() {
            "verbose" => verbose = true,
            "exclude" => excluded.push(value),
            _ => {}
        }
    }
    excluded.sort();
    excluded.dedup();
    let mut lines = String::new();
    let mut healthy = true;
    for (name, passed) in results {
        if let Some(at) = excluded.iter().position(|excluded| excluded == name) {
            excluded.remove(at);
            lines += &format!("[+]{name} excluded: ok\n");
        } else if passed {
            lines += &format!("[+]{name} ok\n");
        } else {
            healthy = false;
            lines += &format!("[-]{name} failed: reason withheld\n");
        }
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
        lines += &format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            names.join(", ")
        );
    }
    if !healthy {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{lines}{root} check failed\n"),
        );
    }
    let answer = if verbose {
        format!("{lines}{root} check passed\n")
    } else {
        "ok".to_owned()
    };
    text(StatusCode::OK, answer)
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Answers `/version` and, at `/`, the list of paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Index;

impl Handler for Index {
    fn handle(&self, registry: &Snapshot, request: &Parts) -> Option<Response<Body>> {
        let json = match request.uri.path() {
            "/version" | "/version/" => bytes::Bytes::from_static(version::JSON.as_bytes()),
            "/" | "" => {
                if let Err(error) = Accept::of(&request.headers).agree(&[]) {
                    return Some(error.into_response());
                }
                Encoding::PrettyJson.encode(&json!({"paths": paths(registry)}))
            }
            _ => return None,
        };
        let mut response = Response::new(body::full(json));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(response)
    }
}

fn paths(registry: &Snapshot) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/api",
        "/apis",
        "/apis/",
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/readyz",
        "/version",
    ]
    .map(str::to_owned)
    .into();
    for info in registry.iter() {
        paths.push(format!("/{}", path_of(&info.gvr.group, &info.gvr.version)));
        if !info.gvr.group.is_empty() {
            paths.push(format!("/apis/{}", info.gvr.group));
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;

    use super::*;

    async fn ask(health: &Health, uri: &str) -> Option<(u16, String)> {
        let (parts, ()) = Request::get(uri).body(()).expect("a request").into_parts();
        let response = health.handle(&Snapshot::default(), &parts)?;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a whole body");
        Some((code, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }

    fn answer(code: u16, text: &str) -> Option<(u16, String)> {
        Some((code, text.to_owned()))
    }

    #[tokio::test]
    async fn api_20_checks_are_told_excluded_and_asked_alone() {
        let health = Health::default();
        for root in ["/healthz", "/livez", "/readyz", "/readyz/"] {
            assert_eq!(ask(&health, root).await, answer(200, "ok"), "{root}");
        }
        for (uri, text) in [
            ("/livez?verbose", "[+]ping ok\nlivez check passed\n"),
            (
                "/readyz?verbose=",
                "[+]ping ok\n[+]shutdown ok\nreadyz check passed\n",
            ),
            (
                "/livez?verbose&exclude=ping",
                "[+]ping excluded: ok\nlivez check passed\n",
            ),
            (
                "/livez?verbose&exclude=x&exclude=etcd&exclude=x",
                "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"etcd\", \"x\"\nlivez check passed\n",
            ),
            ("/livez?exclude=etcd", "ok"),
            ("/readyz/ping", "ok"),
        ] {
            assert_eq!(ask(&health, uri).await, answer(200, text), "{uri}");
        }
        assert_eq!(ask(&health, "/readyz/etcd").await, None);
        assert_eq!(ask(&health, "/livez/shutdown").await, None, "of readyz alone");
        assert_eq!(ask(&health, "/apis").await, None);
    }

    #[tokio::test]
    async fn api_20_a_failing_check_is_told_without_its_reason() {
        let health = Health::default()
            .check("storage", || false)
            .ready_check("warm", || false);
        assert_eq!(
            ask(&health, "/livez").await,
            answer(
                500,
                "[+]ping ok\n[-]storage failed: reason withheld\nlivez check failed\n"
            )
        );
        assert_eq!(
            ask(&health, "/livez/storage").await,
            answer(500, "internal server error: storage failed\n")
        );
        assert_eq!(ask(&health, "/livez?exclude=storage").await, answer(200, "ok"));
        assert!(!health.is_ready());
        assert_eq!(
            ask(&health, "/readyz?exclude=storage").await,
            answer(
                500,
                "[+]ping ok\n[+]storage excluded: ok\n[-]warm failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n"
            )
        );
    }

    #[tokio::test]
    async fn api_9_a_stopping_server_lives_and_is_not_ready() {
        let health = Health::default();
        health.stop();
        assert_eq!(ask(&health, "/livez").await, answer(200, "ok"));
        assert_eq!(
            ask(&health, "/readyz/shutdown").await,
            answer(500, "internal server error: shutdown failed\n")
        );
        assert_eq!(ask(&health, "/readyz").await.map(|(code, _)| code), Some(500));
    }
}
