//! Ctrl-C and SIGTERM.

/// Ready at the first SIGINT or SIGTERM; from then on a second one ends the process at once with exit code 1.
///
/// As controller-runtime's `SetupSignalHandler`. The handlers are installed when the returned future is first
/// polled, for the rest of the process's life.
pub async fn shutdown_signal() {
    let mut signals = Signals::install();
    let signal = signals.next().await;
    // The same handlers go on, so that no second signal is lost between the two.
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(1);
    });
    tracing::info!(signal, "shutting down; once more to exit at once");
}

#[cfg(unix)]
struct Signals {
    terminate: Option<tokio::signal::unix::Signal>,
    interrupt: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn install() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        // Fails only for signals that cannot be caught, or without file descriptors at the start of the process.
        let handle = |kind, name| {
            signal(kind)
                .inspect_err(|error| tracing::error!(error = %error, signal = name, "cannot be handled"))
                .ok()
        };
        Self {
            terminate: handle(SignalKind::terminate(), "SIGTERM"),
            interrupt: handle(SignalKind::interrupt(), "SIGINT"),
        }
    }

    async fn next(&mut self) -> &'static str {
        async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = received(&mut self.terminate) => "SIGTERM",
            () = received(&mut self.interrupt) => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn install() -> Self {
        Self
    }

    async fn next(&mut self) -> &'static str {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(error = %error, "Ctrl-C cannot be handled");
            std::future::pending::<()>().await;
        }
        "SIGINT"
    }
}
