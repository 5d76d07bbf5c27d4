//! Bodies of answers: whole, or a stream of frames.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};

use super::Disconnected;

/// Body of an answer. Its error means that the connection was cut on purpose.
pub type Body = UnsyncBoxBody<Bytes, Disconnected>;

/// A body that is known as a whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// A body whose parts come with time.
pub fn stream(parts: impl Stream<Item = Result<Bytes, Disconnected>> + Send + 'static) -> Body {
    StreamBody::new(parts.map(|part| part.map(Frame::data))).boxed_unsync()
}
