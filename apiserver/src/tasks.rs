//! Background work that outlives its own panics.
//!
//! **Invariant:** one object that nobody thought of stops neither a task for good nor its work on other objects.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;

use crate::status::{ApiError, Result};

/// Runs a task that has no end. One that panics is told in the log and begins again: without it the server would go
/// on, but nothing would ever finish.
pub(crate) async fn forever<F: Future<Output = ()>>(task: &'static str, run: impl Fn() -> F) {
    /// So that one that panics at once does not take the processor.
    const PAUSE: Duration = Duration::from_millis(100);
    loop {
        if let Err(panic) = AssertUnwindSafe(run()).catch_unwind().await {
            let panic = text_of(&*panic);
            tracing::error!(task, panic, "a background task panicked; it begins again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Does the work on one object; a panic is a failure of that work alone.
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(ApiError::internal(format!("panic: {}", text_of(&*panic)))))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("not a text")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_again() {
        let runs = AtomicUsize::new(0);
        let task = forever("test", || async {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            assert!(run > 1, "run {run}");
            std::future::pending::<()>().await;
        });
        let outcome = tokio::time::timeout(Duration::from_secs(1), task).await;
        assert!(outcome.is_err(), "it has no end");
        assert_eq!(runs.into_inner(), 3);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_of_its_object() {
        assert_eq!(guarded(async { Ok(1) }).await.expect("no failure"), 1);
        let number = 2;
        for (work, text) in [
            (async { panic!("fixed") }.boxed(), "fixed"),
            (async { panic!("made of {number}") }.boxed(), "made of 2"),
        ] {
            let error = guarded::<()>(work).await.expect_err("a failure");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
