//! Taking the connections of a server, and their end.
//!
//! **Invariant:** a connection that was taken before the stop has the grace period to end.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::impatient::Impatient;

/// Takes connections until `stopped`, each a task of `serve`, whose writes fail once a client has taken nothing for
/// `patience`; then lets the running ones finish for `grace`. How many did not.
pub async fn accept<F, S>(
    listener: TcpListener,
    patience: Duration,
    grace: Duration,
    mut stopped: watch::Receiver<bool>,
    serve: F,
) -> usize
where
    F: Fn(Impatient<TcpStream>) -> S + Send,
    S: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: give running connections time to end.
                    tracing::warn!(%error, "accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = connections.join_next(), if !connections.is_empty() => continue,
            () = until(&mut stopped) => break,
        };
        // Answers and watch events are written in one go and must not wait for each other.
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(Impatient::new(stream, patience)));
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, finished).await;
    connections.len()
}

/// Ready once there is a stop.
pub async fn until(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody can stop it any more, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
