//! A server that stands in for the API server: the same bytes for whoever asks, from memory, without storage.
//!
//! The real pair is slower than any cache (a list of 100,000 takes it 15 s), so that it would be what is measured. It
//! serves one kind: lists, whole or in pages, watches that begin with the state or at a version, and events at the rate
//! that was asked for.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::objects::Which;
use crate::Result;

struct State {
    which: Which,
    objects: usize,
    version: AtomicU64,
    watches: Mutex<Vec<mpsc::UnboundedSender<Bytes>>>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Prints its address, and serves until it is killed.
pub(crate) async fn serve(which: Which, objects: usize) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let state = Arc::new(State {
        which,
        objects,
        version: AtomicU64::new(1_000_000_000 + objects as u64),
        watches: Mutex::default(),
    });
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            // A client that goes away ends its connection, and nothing else.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    let number = |name: &str| parameter(name).and_then(|text| text.parse::<usize>().ok());
    let path = request.uri().path();
    let yes = |name: &str| parameter(name).is_some_and(|value| value == "true" || value == "1");
    let body = if path == "/events" {
        let (count, rate) = (number("count").unwrap_or(1), number("rate").unwrap_or(0));
        emit(&state, count, rate).await;
        full(String::new())
    } else if path != state.which.path() {
        let mut response = Response::new(full("{}".to_owned()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    } else if yes("watch") {
        watch(&state, yes("sendInitialEvents"))
    } else {
        let begin = number("continue").unwrap_or(0);
        let limit = number("limit")
            .filter(|limit| *limit > 0)
            .unwrap_or(state.objects);
        list(&state, begin, limit)
    };
    let mut response = Response::new(body);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed_unsync()
}

/// The version of an object before any event.
fn first_version(n: usize) -> u64 {
    1_000_000_000 + n as u64
}

fn list(state: &State, begin: usize, limit: usize) -> Body {
    let end = state.objects.min(begin.saturating_add(limit));
    let (api_version, kind) = state.which.list_kind();
    let version = state.version.load(Ordering::Relaxed);
    let mut head = format!(
        r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"resourceVersion":"{version}""#
    );
    if end < state.objects {
        head.push_str(&format!(
            r#","continue":"{end}","remainingItemCount":{}"#,
            state.objects - end
        ));
    }
    head.push_str(r#"},"items":["#);
    let which = state.which;
    // In portions, as a server writes them.
    let portions = (begin..end).step_by(500).map(move |first| {
        let mut text = if first == begin {
            head.clone()
        } else {
            String::new()
        };
        for n in first..end.min(first + 500) {
            if n > begin {
                text.push(',');
            }
            which.write(n, first_version(n), &mut text);
        }
        if first + 500 >= end {
            text.push_str("]}");
        }
        Ok(Frame::data(Bytes::from(text)))
    });
    StreamBody::new(stream::iter(portions)).boxed_unsync()
}

fn watch(state: &State, with_state: bool) -> Body {
    let (sender, receiver) = mpsc::unbounded_channel();
    state.watches.lock().expect("nobody panics with it").push(sender);
    let which = state.which;
    let objects = if with_state { state.objects } else { 0 };
    let end = format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"apiVersion\":\"{}\",\"kind\":\"{}\",\"metadata\":{{\"resourceVersion\":\"{}\",\"annotations\":{{\"k8s.io/initial-events-end\":\"true\"}}}}}}}}\n",
        which.list_kind().0,
        which.list_kind().1.trim_end_matches("List"),
        state.version.load(Ordering::Relaxed)
    );
    let initial = (0..objects).step_by(100).map(move |first| {
        let mut text = String::new();
        for n in first..objects.min(first + 100) {
            line("ADDED", which, n, first_version(n), &mut text);
        }
        Bytes::from(text)
    });
    let end = with_state.then(|| Bytes::from(end));
    let events = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|bytes| (bytes, receiver))
    });
    let all = stream::iter(initial.chain(end))
        .chain(events)
        .map(|bytes| Ok(Frame::data(bytes)));
    StreamBody::new(all).boxed_unsync()
}

fn line(kind: &str, which: Which, n: usize, version: u64, out: &mut String) {
    out.push_str(r#"{"type":""#);
    out.push_str(kind);
    out.push_str(r#"","object":"#);
    which.write(n, version, out);
    out.push_str("}\n");
}

/// Nanoseconds since 1970: the version of an object that an event brings, so that whoever sees it knows its age.
pub(crate) fn made() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Changes `count` objects, one after another, at `rate` per second; as fast as it can where that is 0.
async fn emit(state: &State, count: usize, rate: usize) {
    let begun = Instant::now();
    for at in 0..count {
        if rate > 0 {
            sleep_until(begun + Duration::from_secs_f64(at as f64 / rate as f64)).await;
        }
        let version = made().max(state.version.load(Ordering::Relaxed) + 1);
        state.version.store(version, Ordering::Relaxed);
        let mut text = String::new();
        line(
            "MODIFIED",
            state.which,
            at * 7919 % state.objects,
            version,
            &mut text,
        );
        let text = Bytes::from(text);
        state
            .watches
            .lock()
            .expect("nobody panics with it")
            .retain(|watch| watch.send(text.clone()).is_ok());
        if rate == 0 && at % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
}
