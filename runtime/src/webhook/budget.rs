//! How much memory the bodies of requests may take together (VER-32).
//!
//! **Invariant:** what is read of all bodies together is at most the budget, and whoever waits for a part of it waits
//! for a bounded time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// One permit is this many bytes, so that a request for many fits tokio's 32 bits.
const UNIT: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
    wait: Duration,
}

/// There was no room within the time that one may wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Budget {
    pub(super) fn new(bytes: usize, wait: Duration) -> Self {
        let units = bytes.div_ceil(UNIT).min(u32::MAX as usize);
        Self {
            units: Arc::new(Semaphore::new(units)),
            wait,
        }
    }

    /// Nothing yet; it [grows](Lease::grow) as the body is read.
    pub(super) fn lease(&self) -> Lease {
        Lease {
            budget: self.clone(),
            permit: None,
            bytes: 0,
            until: Instant::now() + self.wait,
        }
    }

    /// How long one request may wait in the whole.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.units.available_permits() * UNIT
    }
}

/// The part of the budget that one request has.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
    /// All waits of one request together end here.
    until: Instant,
}

impl Lease {
    /// Makes it cover `bytes` in the whole.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let (old, new) = (self.bytes.div_ceil(UNIT), bytes.div_ceil(UNIT));
        if new <= old {
            return Ok(());
        }
        let more = u32::try_from(new - old).map_err(|_| Full)?;
        let permit = self.budget.units.clone().acquire_many_owned(more);
        let permit = tokio::time::timeout_at(self.until, permit).await;
        // The semaphore is never closed.
        let permit = permit.map_err(|_| Full)?.map_err(|_| Full)?;
        match &mut self.permit {
            Some(own) => own.merge(permit),
            own => *own = Some(permit),
        }
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn ver_32_others_wait_ten_seconds_for_their_part() {
        let budget = Budget::new(10 * UNIT, WAIT);
        let mut first = budget.lease();
        first.grow(UNIT + 1).await.unwrap();
        first.grow(8 * UNIT).await.unwrap();
        first.grow(UNIT).await.unwrap();
        assert_eq!(budget.free(), 2 * UNIT);

        let begin = Instant::now();
        let mut second = budget.lease();
        second.grow(2 * UNIT).await.unwrap();
        assert_eq!(second.grow(3 * UNIT).await, Err(Full));
        assert_eq!(begin.elapsed(), WAIT);

        let mut third = budget.lease();
        let waits = third.grow(5 * UNIT);
        let frees = async {
            tokio::time::sleep(WAIT - Duration::from_secs(1)).await;
            drop(first);
        };
        let (grown, ()) = tokio::join!(waits, frees);
        assert_eq!(grown, Ok(()));
        drop((second, third));
        assert_eq!(budget.free(), 10 * UNIT);
    }
}
