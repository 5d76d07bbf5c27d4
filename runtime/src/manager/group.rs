//! Tasks with names.
//!
//! **Invariant:** no task of a group outlives it.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::{Id, JoinError, JoinSet};

use super::run::ManagerError;

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long tasks that exceed their time may take to be dropped. One that blocks its thread never is.
const DROP: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Group {
    tasks: JoinSet<Result<(), Failure>>,
    names: HashMap<Id, String>,
}

impl Group {
    pub(super) fn spawn(&mut self, name: &str, task: BoxFuture<'static, Result<(), Failure>>) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name.to_owned());
    }

    /// The next task that ends badly; one that ends well says nothing. Never ready where there is none left.
    pub(super) async fn failure(&mut self) -> ManagerError {
        loop {
            match self.tasks.join_next_with_id().await {
                Some(ended) => {
                    if let Err(error) = self.ended(ended) {
                        return error;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Result<(), Failure>), JoinError>) -> Result<(), ManagerError> {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let name = self.names.remove(&id).unwrap_or_default();
        match ended {
            Ok((_, Ok(()))) => {
                tracing::debug!(task = name, "ended");
                Ok(())
            }
            Ok((_, Err(source))) => Err(ManagerError::Task { name, source }),
            // Aborted, by the end of the group.
            Err(error) if error.is_cancelled() => Ok(()),
            Err(source) => Err(ManagerError::Panicked { name, source }),
        }
    }

    /// Waits until all tasks ended or `limit` is ready, and drops those that did not.
    pub(super) async fn finish(&mut self, limit: impl Future<Output = ()>) -> Finish {
        let mut finish = Finish::default();
        let mut limit = std::pin::pin!(limit);
        loop {
            let ended = tokio::select! {
                ended = self.tasks.join_next_with_id() => ended,
                () = &mut limit => break,
            };
            match ended {
                Some(ended) => finish.failure = finish.failure.take().or(self.ended(ended).err()),
                None => return finish,
            }
        }
        finish.cut = self.names.values().cloned().collect();
        finish.cut.sort_unstable();
        self.tasks.abort_all();
        let dropped = async { while self.tasks.join_next().await.is_some() {} };
        finish.stuck = tokio::time::timeout(DROP, dropped).await.is_err();
        finish
    }
}

/// How the tasks of a group ended.
#[derive(Debug, Default)]
pub(super) struct Finish {
    /// What the first of them that failed said.
    pub(super) failure: Option<ManagerError>,
    /// Those that did not end in time.
    pub(super) cut: Vec<String>,
    /// Whether some still run, as they block their threads.
    pub(super) stuck: bool,
}
