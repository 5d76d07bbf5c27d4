//! Reading the bodies of requests, within limits (VER-29, VER-32).
//!
//! **Invariant:** no more than the limit is held of a body, inflated or not, and every byte that is held is leased.

use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};

use super::budget::{self, Budget, Lease};

/// Bodies up to this size pass whatever the limit says: a server may send objects of this size.
pub(super) const ALWAYS: usize = 2 * 1024 * 1024;
/// How long a client may take to send its body. API servers wait 30 s for the whole of a request at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much is leased and inflated at a time.
const STEP: usize = 1024 * 1024;
/// How much is inflated before other tasks have their turn.
const TURN: usize = 64 * 1024;

/// A request that is answered by its status and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl From<budget::Full> for Refusal {
    fn from(_: budget::Full) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are being served; try again later",
        )
    }
}

fn too_large(limit: usize) -> Refusal {
    let message = format!("the body is larger than {limit} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// The whole body, inflated, and the lease that covers it.
pub(super) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    limit: usize,
    budget: &Budget,
) -> Result<(Vec<u8>, Lease), Refusal>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let gzip = encoding(headers)?;
    let mut lease = budget.lease();
    let announced = body.size_hint().exact();
    if announced.is_some_and(|announced| announced > limit as u64) {
        return Err(too_large(limit));
    }
    let announced = announced.and_then(|announced| usize::try_from(announced).ok());
    if let Some(announced) = announced {
        lease.grow(announced).await?;
    }
    let sent = collect(body, announced.unwrap_or_default(), limit, &mut lease);
    let sent = tokio::time::timeout(PATIENCE + budget.wait(), sent).await;
    let sent = sent.map_err(|_| {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body was not sent within 30 seconds",
        )
    })??;
    if gzip {
        inflate(&sent, limit, budget).await
    } else {
        Ok((sent, lease))
    }
}

/// Whether the body is compressed by gzip.
fn encoding(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(false);
    };
    match encoding.to_str().unwrap_or_default().trim() {
        encoding if encoding.eq_ignore_ascii_case("gzip") => Ok(true),
        encoding if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") => Ok(false),
        other => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content encoding {other:?} is not supported; gzip is"),
        )),
    }
}

async fn collect<B>(
    mut body: B,
    announced: usize,
    limit: usize,
    lease: &mut Lease,
) -> Result<Vec<u8>, Refusal>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let mut sent = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("the body cannot be read: {error}"),
            )
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = sent.len() + data.len();
        if length > limit {
            return Err(too_large(limit));
        }
        if length > announced {
            lease
                .grow(length.next_multiple_of(STEP).min(limit.max(length)))
                .await?;
        }
        sent.extend_from_slice(data.chunk());
    }
    Ok(sent)
}

async fn inflate(sent: &[u8], limit: usize, budget: &Budget) -> Result<(Vec<u8>, Lease), Refusal> {
    let mut lease = budget.lease();
    let mut decoder = MultiGzDecoder::new(sent);
    let mut inflated = Vec::new();
    loop {
        let before = inflated.len();
        // One byte beyond the limit tells that there is more.
        let room = (limit + 1 - before).min(TURN);
        lease.grow((before + room).next_multiple_of(STEP)).await?;
        let read = Pull(&mut decoder, room).read_to_end(&mut inflated);
        read.map_err(|error| {
            Refusal::new(StatusCode::BAD_REQUEST, format!("the body is not gzip: {error}"))
        })?;
        if inflated.len() > limit {
            return Err(too_large(limit));
        }
        if inflated.len() == before {
            return Ok((inflated, lease));
        }
        tokio::task::yield_now().await;
    }
}

/// At most so many bytes of a reader, which goes on afterwards.
struct Pull<'a, R>(&'a mut R, usize);

impl<R: io::Read> io::Read for Pull<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.1);
        let read = self.0.read(&mut buffer[..room])?;
        self.1 -= read;
        Ok(read)
    }
}

/// An answer's body. It holds the request's lease until it is sent: answers to conversions are as large as requests.
#[derive(Debug)]
pub(super) struct Reply {
    data: Full<Bytes>,
    _lease: Option<Lease>,
}

impl Reply {
    pub(super) fn new(data: impl Into<Bytes>, lease: Option<Lease>) -> Self {
        Self {
            data: Full::new(data.into()),
            _lease: lease,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.data).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.data.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures::stream;
    use http_body_util::StreamBody;

    use super::*;

    const LIMIT: usize = 3 * STEP + 10;

    fn budget() -> Budget {
        Budget::new(64 * STEP, Duration::from_secs(10))
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    /// A body whose length is not known before its end.
    fn chunked(data: &[u8]) -> impl Body<Data = Bytes, Error = io::Error> + Unpin {
        let chunks: Vec<_> = data.chunks(1000).map(Bytes::copy_from_slice).collect();
        StreamBody::new(stream::iter(
            chunks.into_iter().map(|chunk| Ok(Frame::data(chunk))),
        ))
    }

    async fn status(
        headers: HeaderMap,
        body: impl Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    ) -> u16 {
        match read(&headers, body, LIMIT, &budget()).await {
            Ok(_) => 200,
            Err(refusal) => refusal.status.as_u16(),
        }
    }

    #[tokio::test]
    async fn ver_29_the_limit_counts_what_is_inflated() {
        let data: Vec<u8> = (0..=LIMIT).map(|at| (at % 251) as u8).collect();
        let (fits, beyond) = (&data[..LIMIT], &data[..]);
        for (data, expected) in [(fits, 200), (beyond, 413)] {
            assert_eq!(
                status(HeaderMap::new(), Full::from(data.to_vec())).await,
                expected
            );
            assert_eq!(status(HeaderMap::new(), chunked(data)).await, expected);
            assert_eq!(status(headers("gzip"), Full::from(gzip(data))).await, expected);
            assert_eq!(status(headers("GZIP"), chunked(&gzip(data))).await, expected);
        }
        // Two members, which gzip allows, count together.
        let (a, b) = data.split_at(1000);
        let members = [gzip(a), gzip(b)].concat();
        assert_eq!(status(headers("gzip"), Full::from(members)).await, 413);
    }

    #[tokio::test]
    async fn ver_29_gzip_gives_what_was_compressed() {
        let data: Vec<u8> = (0..300_000).map(|at| (at % 251) as u8).collect();
        let budget = budget();
        let (inflated, lease) = read(&headers("gzip"), Full::from(gzip(&data)), LIMIT, &budget)
            .await
            .unwrap();
        assert!(inflated == data);
        assert_eq!(budget.free(), 63 * STEP);
        drop(lease);
        assert_eq!(budget.free(), 64 * STEP);
    }

    #[tokio::test]
    async fn ver_29_what_cannot_be_inflated_is_refused() {
        let whole = gzip(b"{}");
        for (encoding, body, expected) in [
            ("gzip", b"{}".to_vec(), 400),
            ("gzip", whole[..whole.len() - 4].to_vec(), 400),
            ("br", b"{}".to_vec(), 415),
            ("gzip, gzip", b"{}".to_vec(), 415),
            ("identity", b"{}".to_vec(), 200),
        ] {
            assert_eq!(
                status(headers(encoding), Full::from(body)).await,
                expected,
                "{encoding}"
            );
        }
    }

    /// A bomb: the memory that it takes is the limit, not what it would become.
    #[tokio::test]
    async fn ver_32_what_is_refused_leaves_no_lease() {
        let bomb = gzip(&vec![0; 40 * STEP]);
        let budget = Budget::new(5 * STEP, Duration::ZERO);
        let refused = read(&headers("gzip"), Full::from(bomb), LIMIT, &budget).await;
        assert_eq!(refused.unwrap_err(), too_large(LIMIT));
        assert_eq!(budget.free(), 5 * STEP);
    }

    #[tokio::test(start_paused = true)]
    async fn ver_32_a_body_that_never_ends_is_given_up() {
        let endless = StreamBody::new(stream::pending::<Result<Frame<Bytes>, io::Error>>());
        assert_eq!(status(HeaderMap::new(), endless).await, 408);
    }
}
