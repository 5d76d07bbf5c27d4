//! Conversion reviews, carried out off the async threads (VER-24 to VER-32).
//!
//! **Invariant:** however many reviews arrive, as many threads convert as the machine has cores, besides the async
//! ones.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::convert::Converters;

/// What is answered to a review: an HTTP status, and JSON where it is 200, a sentence elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Answers reviews; blocks the thread meanwhile.
pub(super) trait Review: Send + Sync + 'static {
    /// The answer to `body`, with the help of `threads` threads where it is long.
    fn review(&self, body: &[u8], threads: NonZeroUsize) -> Answer;
}

/// Where reviews are carried out.
#[derive(Clone)]
pub(super) struct Workshop {
    review: Arc<dyn Review>,
    threads: NonZeroUsize,
    desks: Arc<Semaphore>,
}

impl Workshop {
    pub(super) fn new(review: Arc<dyn Review>) -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            review,
            threads,
            desks: Arc::new(Semaphore::new(threads.get())),
        }
    }

    /// The answer to a review; `Err` with the text of a panic.
    pub(super) async fn review(&self, body: Vec<u8>) -> Result<Answer, String> {
        // The semaphore is never closed.
        let desk = self.desks.clone().acquire_owned().await.ok();
        let (review, threads) = (self.review.clone(), self.threads);
        let work = tokio::task::spawn_blocking(move || {
            let answer = crate::guard::guarded(|| review.review(&body, threads));
            drop(desk);
            answer
        });
        work.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Below this a review is converted by one thread: it takes about as long as to start others.
const SHORT: usize = 256 * 1024;
/// Objects that are converted at a time, so that threads end together though objects differ.
const CHUNK: usize = 64;

impl Review for Converters {
    fn review(&self, body: &[u8], threads: NonZeroUsize) -> Answer {
        let answer = match self.read(body) {
            Ok(review) if body.len() < SHORT => review.finish([review.convert(0..review.len())]),
            Ok(review) => {
                let parts = in_chunks(review.len(), CHUNK, threads, |range| review.convert(range));
                review.finish(parts)
            }
            Err(answer) => answer,
        };
        Answer {
            status: answer.status,
            body: answer.body,
        }
    }
}

/// Carries out `work` on parts of `0..length` of `chunk` each, and gives the results in the order of the parts.
///
/// Scoped threads and not tasks: what is converted borrows from the body of the request.
fn in_chunks<T: Send>(
    length: usize,
    chunk: usize,
    threads: NonZeroUsize,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let parts = length.div_ceil(chunk);
    let next = AtomicUsize::new(0);
    let take = || {
        let mut results = Vec::new();
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return results;
            }
            let range = part * chunk..length.min((part + 1) * chunk);
            results.push((part, work(range)));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get().min(parts)).map(|_| scope.spawn(take)).collect();
        let mut results = take();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                // Told where the whole review is guarded.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(part, _)| *part);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn ver_32_chunks_keep_the_order() {
        for length in [0, 1, 9, 10, 11, 57, 1000] {
            for number in [1, 2, 3, 8] {
                let chunks = in_chunks(length, 10, threads(number), Iterator::collect::<Vec<_>>);
                assert_eq!(chunks.len(), length.div_ceil(10));
                assert_eq!(chunks.concat(), (0..length).collect::<Vec<_>>());
            }
        }
    }

    struct Panics;

    impl Review for Panics {
        fn review(&self, _: &[u8], threads: NonZeroUsize) -> Answer {
            in_chunks(100, 1, threads, |range| assert!(range.end < 100, "at the end"));
            Answer {
                status: 200,
                body: Vec::new(),
            }
        }
    }

    #[tokio::test]
    async fn ver_31_a_panic_leaves_the_workshop_as_it_was() {
        let workshop = Workshop::new(Arc::new(Panics));
        for _ in 0..100 {
            assert_eq!(workshop.review(Vec::new()).await, Err("at the end".to_owned()));
        }
        let free = std::thread::available_parallelism().unwrap().get();
        assert_eq!(workshop.desks.available_permits(), free);
    }
}
