//! What every request passes, whichever way it came: its body is kept for the log and for reactors, and it meets what
//! [`Chaos`](super::Chaos) has for it.
//!
//! **Invariant:** without chaos and reactors a request reaches the engine as it came, body and all, and so does its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use parking_lot::Mutex;

use super::chaos::End;
use super::controls::{Controls, Subject, user};
use crate::engine::query::Query;
use crate::engine::{self, Body, Disconnected, Engine, ResourcePath, Target, Verb, body};
use crate::status::ApiError;

/// The engine behind a server's controls.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) engine: Engine,
    pub(super) controls: Arc<Controls>,
}

/// What a client sent so far; put into a request's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent(Arc<Mutex<Vec<u8>>>);

impl Sent {
    pub(super) fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0.lock())
    }
}

/// A failure that a request gets instead of an answer; put into its extensions.
#[derive(Clone, Debug)]
pub(super) struct Refusal(pub(super) ApiError);

impl Door {
    pub(super) async fn enter<B>(mut self, request: Request<B>) -> Result<Response<Body>, Disconnected>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        let asked = self.controls.is_busy().then(|| resource(&parts)).flatten();
        let trouble = asked.as_ref().and_then(|(path, verb)| {
            let request = Subject {
                path,
                verb: *verb,
                user: user(&parts),
            };
            self.controls
                .trouble(request, (parts.method.as_str(), parts.uri.path()))
        });
        let trouble = trouble.unwrap_or_default();
        if !trouble.delay.is_zero() {
            tokio::time::sleep(trouble.delay).await;
        }
        match &trouble.end {
            Some(End::Refused) => return Err(Disconnected),
            Some(End::Failed(failure)) => drop(parts.extensions.insert(Refusal(failure.clone()))),
            _ => {}
        }
        let answer = match asked {
            _ if matches!(parts.method, Method::GET | Method::HEAD) => {
                tower::Service::call(&mut self.engine, Request::from_parts(parts, body)).await?
            }
            Some((path, verb))
                if self.controls.reacts_to(Subject {
                    path: &path,
                    verb,
                    user: user(&parts),
                }) =>
            {
                let whole = match engine::read(body).await {
                    Ok(whole) => whole,
                    Err(failure) => {
                        parts.extensions.insert(Refusal(failure));
                        Bytes::new()
                    }
                };
                parts
                    .extensions
                    .insert(Sent(Arc::new(Mutex::new(whole.to_vec()))));
                let body = body::full(whole);
                tower::Service::call(&mut self.engine, Request::from_parts(parts, body)).await?
            }
            _ => {
                let sent = Sent::default();
                parts.extensions.insert(sent.clone());
                let body = body.map_frame(move |frame| {
                    if let Some(data) = frame.data_ref() {
                        sent.0.lock().extend_from_slice(data);
                    }
                    frame
                });
                tower::Service::call(&mut self.engine, Request::from_parts(parts, body)).await?
            }
        };
        match trouble.end {
            Some(End::Lost) => Err(Disconnected),
            Some(End::Cut(left)) => Ok(answer.map(|inner| short(inner, left, None))),
            Some(End::Silent(left, over)) => {
                let silence = Some(over.wait().boxed());
                Ok(answer.map(|inner| short(inner, left, silence)))
            }
            _ => Ok(answer),
        }
    }
}

/// The resource that a request is for, and what it wants of it.
fn resource(parts: &Parts) -> Option<(ResourcePath, Option<Verb>)> {
    let Target::Resource(path) = Target::of(parts.uri.path()) else {
        return None;
    };
    let verb = path.verb(&parts.method, &Query::parse(parts.uri.query()));
    Some((path, verb))
}

fn short(inner: Body, left: usize, silence: Option<BoxFuture<'static, ()>>) -> Body {
    let short = Short { inner, left, silence };
    short.boxed_unsync()
}

/// The beginning of a body.
struct Short {
    inner: Body,
    left: usize,
    /// For how long nothing more comes after that, before the connection breaks.
    silence: Option<BoxFuture<'static, ()>>,
}

impl http_body::Body for Short {
    type Data = Bytes;
    type Error = Disconnected;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Disconnected>>> {
        if self.left == 0 {
            if let Some(silence) = &mut self.silence {
                std::task::ready!(silence.as_mut().poll(cx));
            }
            return Poll::Ready(Some(Err(Disconnected)));
        }
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let Some(Ok(frame)) = frame else {
            return Poll::Ready(frame);
        };
        Poll::Ready(Some(Ok(frame.map_data(|mut data| {
            let kept = data.split_to(data.len().min(self.left));
            self.left -= kept.len();
            kept
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.left > 0 && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
