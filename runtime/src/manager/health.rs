//! What is asked for health: whether the process lives, and whether it is ready.
//!
//! **Invariant:** from the beginning of a shutdown on it is not ready.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cache::InformerFactory;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The checks of a process.
pub(super) struct Health {
    pub(super) factory: InformerFactory,
    pub(super) draining: AtomicBool,
    pub(super) live: Checks,
    pub(super) ready: Checks,
}

/// Checks with names, in the order in which they were added.
#[derive(Default)]
pub(super) struct Checks(Vec<(String, Check)>);

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Checks {
    pub(super) fn add(&mut self, name: &str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.0.push((name.to_owned(), Box::new(check)));
    }

    fn run(&self, report: &mut Report) {
        for (name, check) in &self.0 {
            let outcome =
                crate::guard::guarded(check).unwrap_or_else(|panic| Err(format!("panicked: {panic}")));
            report.add(name, outcome);
        }
    }
}

/// What checks said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) failed: bool,
    /// A line for each check, as API servers write them.
    pub(super) lines: String,
}

impl Report {
    fn add(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.lines.push_str(&format!("[+]{name} ok\n")),
            Err(reason) => {
                self.failed = true;
                self.lines.push_str(&format!("[-]{name} failed: {reason}\n"));
            }
        }
    }
}

impl Health {
    pub(super) fn new(factory: InformerFactory, live: Checks, ready: Checks) -> Arc<Self> {
        Arc::new(Self {
            factory,
            draining: AtomicBool::new(false),
            live,
            ready,
        })
    }

    /// Whether the process lives, or had better be killed.
    pub(super) fn live(&self) -> Report {
        let mut report = Report::default();
        report.add("ping", Ok(()));
        self.live.run(&mut report);
        report
    }

    /// Whether the process should be sent requests.
    pub(super) async fn ready(&self) -> Report {
        let mut report = Report::default();
        let draining = self.draining.load(Ordering::Relaxed);
        report.add(
            "shutdown",
            if draining {
                Err("shutting down".into())
            } else {
                Ok(())
            },
        );
        let synced = self.factory.wait_for_sync(Duration::ZERO).await;
        report.add("caches", synced.map_err(|error| error.to_string()));
        self.ready.run(&mut report);
        report
    }
}
