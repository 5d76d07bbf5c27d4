//! Ctrl-C and SIGTERM.

/// Ready at the first SIGINT or SIGTERM; from then on a second one ends the process at once with exit code 1.
///
/// As controller-runtime's `SetupSignalHandler`. The handlers are installed when the returned future is first
/// polled, for the rest of the process's life.
pub async fn shutdown_signal() {
    let signal = next().await;
    tracing::info!(signal, "shutting down; once more to exit at once");
    tokio::spawn(async {
        next().await;
        std::process::exit(1);
    });
}

#[cfg(unix)]
async fn next() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    // Fails only for signals that cannot be caught, or without file descriptors at the start of the process.
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = tokio::signal::ctrl_c() => "SIGINT",
        },
        Err(error) => {
            tracing::error!(error = %error, "SIGTERM cannot be handled");
            interrupt().await
        }
    }
}

#[cfg(not(unix))]
async fn next() -> &'static str {
    interrupt().await
}

async fn interrupt() -> &'static str {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(error = %error, "Ctrl-C cannot be handled");
        std::future::pending::<()>().await;
    }
    "SIGINT"
}
